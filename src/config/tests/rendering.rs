//! Findings beside their lines.

use std::sync::Arc;

use expect_test::{Expect, expect};

use super::super::render::{Style, render, summary, wrap};
use super::super::{Diagnostic, Diagnostics, Location};
use super::load;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(text: &str, line: u32, column: u32, expected: Expect) {
    let location = Location { file: "z.yaml".into(), line, column };
    let found = Diagnostics(vec![Diagnostic::error(location, "wrong").help("put it right")]);
    let out = render(&found, Style::PLAIN, &|_| Some(Arc::from(text)));
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    expected.assert_eq(&out);
}

#[test]
fn a_mark_under_the_place() {
    check(
        "zone: a\nttl: x\n",
        2,
        6,
        expect![[r"
        z.yaml:2:6: error: wrong
          |
        2 | ttl: x
          |      ^
          help: put it right
    "]],
    );
    check(
        "\u{feff}zone: a\n",
        1,
        1,
        expect![[r"
        z.yaml:1:1: error: wrong
          |
        1 | zone: a
          | ^
          help: put it right
    "]],
    );
    check(
        "\ta: \u{1b}[31mb\n",
        1,
        2,
        expect![[r"
        z.yaml:1:2: error: wrong
          |
        1 |  a:  [31mb
          |  ^
          help: put it right
    "]],
    );
    check(
        "a: [\n",
        1,
        5,
        expect![[r"
        z.yaml:1:5: error: wrong
          |
        1 | a: [
          |     ^
          help: put it right
    "]],
    );
    check(
        "größe: größe\n",
        1,
        8,
        expect![[r"
        z.yaml:1:8: error: wrong
          |
        1 | größe: größe
          |        ^
          help: put it right
    "]],
    );
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let line = "0123456789".repeat(30);
    check(
        &line,
        1,
        1,
        expect![[r"
        z.yaml:1:1: error: wrong
          |
        1 | 012345678901234567890123456789012345678901234567890123456789012345678901234…
          | ^
          help: put it right
    "]],
    );
    check(
        &line,
        1,
        151,
        expect![[r"
        z.yaml:1:151: error: wrong
          |
        1 | …67890123456789012345678901234567890123456789012345678901234567890123456789…
          |                          ^
          help: put it right
    "]],
    );
    check(
        &line,
        1,
        300,
        expect![[r"
        z.yaml:1:300: error: wrong
          |
        1 | …5678901234567890123456789
          |                          ^
          help: put it right
    "]],
    );
}

#[test]
fn places_that_are_not_there() {
    check(
        "a\n",
        0,
        0,
        expect![[r"
        z.yaml: error: wrong
          help: put it right
    "]],
    );
    check(
        "a\n",
        9,
        1,
        expect![[r"
        z.yaml:9:1: error: wrong
          help: put it right
    "]],
    );
    check(
        "a\n",
        1,
        99,
        expect![[r"
        z.yaml:1:99: error: wrong
          |
        1 | a
          |  ^
          help: put it right
    "]],
    );
}

#[test]
fn several_files() {
    let zone = "zone: example.com\nns: [ns1]\nrecords:\n  www: {steer: wbe}\n";
    let loaded = load(&[("fleet.yaml", super::FLEET), ("z.yaml", zone)]);
    let out = render(&loaded.diagnostics, Style::PLAIN, &|path| (path == "z.yaml").then(|| Arc::from(zone)));
    expect![[r"
        z.yaml:2:6: warning: name server `ns1.example.com.` has no address in this zone
          |
        2 | ns: [ns1]
          |      ^
          help: write its `A` or `AAAA` under `records`, or end the name in a dot when it lies elsewhere
        z.yaml:4:16: error: service `wbe` is not defined
          |
        4 |   www: {steer: wbe}
          |                ^
          help: did you mean `web`? defined: `web`
    "]]
    .assert_eq(&out);
    assert_eq!(summary(&loaded.diagnostics), "1 error, 1 warning");
    assert_eq!(summary(&Diagnostics::default()), "no warnings");
}

/// Files by name, and a finding of `z.yaml` with a second place.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check_two(files: &[(&str, &str)], at: (u32, u32), also: (&str, u32, u32), expected: Expect) {
    let place = |file: &str, line, column| Location { file: file.into(), line, column };
    let finding = Diagnostic::error(place("z.yaml", at.0, at.1), "twice").help("keep one");
    let found = Diagnostics(vec![finding.also(place(also.0, also.1, also.2), "first here")]);
    let out = render(&found, Style::PLAIN, &|path| {
        files.iter().find(|(name, _)| *name == path).map(|(_, text)| Arc::from(*text))
    });
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    expected.assert_eq(&out);
}

#[test]
fn both_places_of_a_conflict() {
    let text = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\na: 10\nc: 3, c: 4\n";
    check_two(
        &[("z.yaml", text)],
        (10, 1),
        ("z.yaml", 1, 1),
        expect![[r"
        z.yaml:10:1: error: twice
           |
         1 | a: 1
           | ^ first here
           …
        10 | a: 10
           | ^
          help: keep one
    "]],
    );
    check_two(
        &[("z.yaml", text)],
        (11, 7),
        ("z.yaml", 11, 1),
        expect![[r"
            z.yaml:11:7: error: twice
               |
            11 | c: 3, c: 4
               | ^ first here
            11 | c: 3, c: 4
               |       ^
              help: keep one
        "]],
    );
    let long = format!("{}x", " ".repeat(75));
    check_two(
        &[("z.yaml", text), ("y.yaml", &long)],
        (4, 1),
        ("y.yaml", 1, 76),
        expect![[r"
        z.yaml:4:1: error: twice
          |
        4 | d: 4
          | ^
          y.yaml:1:76: first here
          |
        1 |                                                                            x
          |                                                                 first here ^
          help: keep one
    "]],
    );
    check_two(
        &[],
        (4, 1),
        ("y.yaml", 1, 76),
        expect![[r"
        z.yaml:4:1: error: twice
          y.yaml:1:76: first here
          help: keep one
    "]],
    );
}

/// A finding with a long message and help, on a terminal.
fn long(style: Style) -> String {
    let location = Location { file: "z.yaml".into(), line: 2, column: 6 };
    let finding = Diagnostic::error(location, "the word `x` is a TTL that nobody can read; ".repeat(3).trim_end())
        .help("write seconds, or a number with one of the units that the reference lists, as in `90`, `90s`, `5m` and `1h30m`");
    render(&Diagnostics(vec![finding]), style, &|_| Some(Arc::from("zone: a\nttl: x\n")))
}

#[test]
fn on_a_terminal_lines_are_broken_between_words() {
    let out = long(Style { width: Some(80), color: false });
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    expect![[r"
        z.yaml:2:6: error: the word `x` is a TTL that nobody can read; the word `x` is a
          TTL that nobody can read; the word `x` is a TTL that nobody can read;
          |
        2 | ttl: x
          |      ^
          help: write seconds, or a number with one of the units that the reference
                lists, as in `90`, `90s`, `5m` and `1h30m`
    "]]
    .assert_eq(&out);
    // Elsewhere a message is one line, and so is its help.
    assert_eq!(long(Style::PLAIN).lines().count(), 5);
}

#[test]
fn colors_take_no_columns_and_change_no_text() {
    let style = Style { width: Some(80), color: true };
    let out = long(style);
    expect![[r"
        ^[1mz.yaml:2:6: ^[0m^[1;31merror^[0m: the word `x` is a TTL that nobody can read; the word `x` is a
          TTL that nobody can read; the word `x` is a TTL that nobody can read;
        ^[34m  |^[0m
        ^[34m2 |^[0m ttl: x
        ^[34m  |^[0m      ^[1;31m^^[0m
          ^[1mhelp:^[0m write seconds, or a number with one of the units that the reference
                lists, as in `90`, `90s`, `5m` and `1h30m`
    "]]
    .assert_eq(&out.replace('\u{1b}', "^"));
    let mut plain = String::new();
    for (index, part) in out.split('\u{1b}').enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, long(Style { color: false, ..style }));
}

#[test]
fn a_word_wider_than_the_page_stands_alone() {
    assert_eq!(wrap("at `aaaaaaaaaaaaaaaaaaaaaaaa` or b", 12, 0, 2), "at\n  `aaaaaaaaaaaaaaaaaaaaaaaa`\n  or b");
    assert_eq!(wrap("aa bb cc", 8, 4, 2), "aa\n  bb cc");
}
