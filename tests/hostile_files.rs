//! Files made to harm: every one is refused with its place and words, within bounded time and memory, and takes nothing away from
//! the zone beside it. Each is read by the real `check` under limits of the system.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Seconds of processor time, in a debug build.
const SECONDS: u32 = 30;
/// Octets of address space: libraries, stacks and a text at its worst.
const MEMORY: u64 = 3 << 30;

const GOOD: &str = "zone: good.example\nns: [ns1, ns2]\nrecords:\n  ns1: {A: 192.0.2.53}\n  ns2: {A: 198.51.100.53}\n";

/// What `check` says of a directory, under the limits.
#[track_caller]
fn check_directory(at: &Path, what: &str) -> String {
    std::fs::write(at.join("catchment.yaml"), "geodb: off\n").unwrap();
    let mut command = Command::new("prlimit");
    command.args([format!("--as={MEMORY}"), format!("--cpu={SECONDS}"), "--core=0".to_owned()]);
    command.args([env!("CARGO_BIN_EXE_catchment"), "check"]).current_dir(at).env_remove("CATCHMENT_LOG");
    // A wait that never ends costs no processor time.
    let output = Command::new("timeout")
        .arg("120")
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(at)
        .env_remove("CATCHMENT_LOG")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{what}: {} {}",
        output.status,
        said.chars().take(2000).collect::<String>()
    );
    said
}

/// A hostile file beside a good one: refused at this place, in these words, and at no great length.
#[track_caller]
fn check(text: &[u8], place: &str, words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let zones = directory.path().join("zones");
    std::fs::create_dir(&zones).unwrap();
    std::fs::write(zones.join("good.yaml"), GOOD).unwrap();
    std::fs::write(zones.join("bad.yaml"), text).unwrap();
    let said = check_directory(directory.path(), words);
    let head: String = said.chars().take(2000).collect();
    let line = said.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("no `{words}` in: {head}"));
    // Of a place that ends in a colon the column is left open.
    let expected = if place.ends_with(':') { place.to_owned() } else { format!("{place}: error: ") };
    assert!(line.starts_with(&format!("zones/bad.yaml{expected}")), "{line}");
    assert!(said.len() < 500_000, "{} octets are said", said.len());
    assert!(!said.contains("good.yaml"), "{head}");
    assert!(!said.contains('\u{1b}') && !said.contains('\0'), "what a terminal acts on: {head}");
}

fn zone(more: &str) -> String {
    format!("zone: bad.example\nns: [ns1]\nrecords:\n  ns1: {{A: 192.0.2.53}}\n{more}")
}

#[test]
fn bombs_of_aliases() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, after) in "abcdefghijklmnopqr".chars().zip("bcdefghijklmnopqrs".chars()) {
        // Writing to a String cannot fail.
        writeln!(bomb, "{after}: &{after} [{}]", vec![format!("*{before}"); 9].join(", ")).unwrap();
    }
    check(bomb.as_bytes(), ":6:8", "YAML aliases copy more than");
    check(b"a: &a [*a]\n", ":1:8", "lies inside what it refers to");
}

#[test]
fn nesting_without_end() {
    for (open, place) in [("[", ":1:36"), ("{a: ", ":1:"), ("? ", ":1:"), ("- ", ":1:")] {
        let text = format!("x: {}", open.repeat(200_000));
        let text = if open.len() == 2 { open.repeat(200_000) } else { text };
        let directory = tempfile::tempdir().unwrap();
        let zones = directory.path().join("zones");
        std::fs::create_dir(&zones).unwrap();
        std::fs::write(zones.join("bad.yaml"), &text).unwrap();
        let said = check_directory(directory.path(), open);
        assert!(
            said.contains(&format!("zones/bad.yaml{place}")) && said.contains("are nested more than 32 deep"),
            "{said}"
        );
    }
    let mut stairs = String::new();
    for depth in 0..3000 {
        writeln!(stairs, "{}a:", " ".repeat(depth)).unwrap();
    }
    check(stairs.as_bytes(), ":33:33", "are nested more than 32 deep");
}

#[test]
fn sizes() {
    let large = zone(&format!("  t: {{TXT: \"{}\"}}\n", "x".repeat(65 << 20)));
    check(large.as_bytes(), "", "bytes, more than the 64 MiB a file may have");
    let long = zone(&format!("  t: {{TXT: \"{}\"}}\n", "x".repeat(15 << 20)));
    check(long.as_bytes(), ":5:12", "at most");
    let key = zone(&format!("  {}: {{A: 192.0.2.1}}\n", "k".repeat(15 << 20)));
    check(key.as_bytes(), ":5:3", "this line has no `:` after its key");
    let list = zone(&format!("  t: {{A: [{}]}}\n", "192.0.2.1, 192.0.2.x, ".repeat(250_000)));
    check(list.as_bytes(), ":5:22", "`192.0.2.x` is not an IPv4 address");
    let mut twice = zone("");
    for _ in 0..200_000 {
        twice.push_str("  w: {A: 192.0.2.1}\n");
    }
    check(twice.as_bytes(), ":6:3", "`w` is written twice");
}

/// A tree takes many times its text: what is not packed as an owner name has a limit, and what anchors keep counts.
#[test]
fn values_without_end() {
    let words = "the file holds more than 2000000 values";
    check(zone(&format!("  t: {{TXT: [{}]}}\n", "x, ".repeat(2_100_000))).as_bytes(), ":5:", words);
    check(format!("pops: [{}]\n", "x, ".repeat(2_100_000)).as_bytes(), ":1:", words);
    let anchors = ('a'..='z').map(|name| format!("&{name} [")).collect::<Vec<_>>().concat();
    let nested = format!("pops: {anchors}{}{}\n", "x, ".repeat(200_000), "]".repeat(26));
    check(nested.as_bytes(), ":1:", words);
}

/// A broken template repeats itself; the first findings are told, and how many there are.
#[test]
fn mistakes_without_end() {
    let mut text = zone("");
    for number in 0..100_000 {
        writeln!(text, "  w{number}: {{A: 192.0.2.{number}0000}}").unwrap();
    }
    check(text.as_bytes(), "", "more findings are not shown");
}

#[test]
fn octets_and_types() {
    check(b"zone: bad.example\nns: [ns1]\nrecords:\n  w: {TXT: \"a\0b\"}\n", ":4:14", "control character U+0000");
    check(b"zone: bad.example\n\x1b[2Jns: [ns1]\n", ":2:1", "control character U+001B");
    check(b"zone: bad.example\nns: [\xff]\n", "", "not UTF-8: a stray octet at offset 23");
    check(b"zone: !!binary YmFk\n", ":1:7", "YAML tags like");
    check(b"zone: !!python/object/apply:os.system [id]\n", ":1:7", "YAML tags like");
    check(b"- zone: bad.example\n", ":1:1", "a file is a map of keys");
    check(b"zone: [bad.example]\n", ":1:7", "`zone`");
    check(b"zone: {bad: example}\n", ":1:7", "`zone`");
    check(b"zone: bad.example\nrecords: 7\nns: [ns1]\n", ":2:10", "`records`");
    check(b"zone: bad.example\nttl: 1e999\nns: [ns1]\n", ":2:6", "`ttl`");
    check(b"zone: bad.example\nttl: -1\nns: [ns1]\n", ":2:6", "`ttl`");
    check(b"zone: bad.example\nttl: 99999999999999999999999\nns: [ns1]\n", ":2:6", "`ttl`");
    check(b"zone: bad.example\nttl: .nan\nns: [ns1]\n", ":2:6", "`ttl`");
    check(b"pops: {fra: {at: [.inf, 1e400]}}\n", ":1:19", "latitude");
    let check_with = |regex: &str| format!("checks:\n  a: {{http: {{path: /, regex: \"{regex}\"}}}}\n");
    check(check_with("(((a{1000}){1000}){1000})").as_bytes(), ":2:30", "the pattern is too large");
}

#[test]
fn what_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let zones = directory.path().join("zones");
    std::fs::create_dir(&zones).unwrap();
    std::fs::write(zones.join("good.yaml"), GOOD).unwrap();
    assert!(Command::new("mkfifo").arg(zones.join("pipe.yaml")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", zones.join("zero.yaml")).unwrap();
    std::os::unix::fs::symlink(&zones, zones.join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere.yaml", zones.join("dangling.yaml")).unwrap();
    std::os::unix::fs::symlink("self.yaml", zones.join("self.yaml")).unwrap();
    let said = check_directory(directory.path(), "no files");
    for name in ["pipe", "zero"] {
        let words = format!("zones/{name}.yaml: error: is not a file, but something like a pipe or a device");
        assert!(said.contains(&words), "{said}");
    }
}
