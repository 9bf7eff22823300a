//! What `map`, `preview` and `diff` say, word for word, and their exit codes.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::world::{FLEET, World, ZONE};

/// Runs a command in the world's directory: what it prints, and its exit code.
fn run(world: &World, arguments: &str) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments.split_whitespace())
        .current_dir(world.directory.path())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    (text, output.status.code().unwrap())
}

#[track_caller]
fn check(world: &World, arguments: &str, code: i32, expected: &Expect) {
    let (text, got) = run(world, arguments);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    expected.assert_eq(&text);
    assert_eq!(got, code);
}

#[test]
fn map_is_a_table() {
    let world = World::new();
    check(&world, "map www.example.com --geodb old.mmdb", 0, &expect![[""]]);
    check(&world, "map --service web --policy weighted --geodb old.mmdb", 0, &expect![[""]]);
    check(&world, "map alias.example.com --geodb old.mmdb --down fra,lhr --drain web@ams", 0, &expect![[""]]);
    check(&world, "map --service web --geodb old.mmdb", 1, &expect![[""]]);
    check(&world, "map ns1.example.com --geodb old.mmdb", 1, &expect![[""]]);
    check(&world, "map www.example.com --down nrt --geodb old.mmdb", 1, &expect![[""]]);
}

#[test]
fn preview_says_who_goes_where() {
    let world = World::new();
    check(&world, "preview www.example.com --geodb old.mmdb --down fra", 0, &expect![[""]]);
    check(&world, "preview www.example.com --geodb old.mmdb --each --drain sin", 0, &expect![[""]]);
    check(&world, "preview www.example.com --geodb old.mmdb", 1, &expect![[""]]);
}

#[test]
fn diff_says_what_an_edit_does() {
    let world = World::new();
    let fleet = FLEET
        .replace("      ams: [\"192.0.2.20\"", "      ams: [\"192.0.2.21\"")
        .replace("      fra: [\"192.0.2.10\", \"2001:db8:f::10\"]\n", "")
        .replace("only: [fra, ams]", "only: [ams]");
    let zone = ZONE.replace("  alias: {CNAME: www}\n", "  other: {CNAME: www}\n").replace("192.0.2.53", "192.0.2.54");
    world.zones(
        "new",
        &fleet,
        &zone.replace("  tiers: {steer: {service: web, policy: tiers}}\n", "  tiers: {A: 192.0.2.9}\n"),
    );
    check(&world, "diff zones new --geodb old.mmdb --max-move 60%", 1, &expect![[""]]);
    check(&world, "diff zones zones --geodb old.mmdb --max-move 0", 0, &expect![[""]]);
    check(&world, "diff zones zones --geodb-old old.mmdb --geodb-new new.mmdb --max-move 5%", 1, &expect![[""]]);
    check(&world, "diff zones nowhere --geodb old.mmdb", 1, &expect![[""]]);
}

/// The JSON of a command.
fn json(world: &World, arguments: &str) -> serde_json::Value {
    serde_json::from_str(&run(world, arguments).0).unwrap()
}

#[test]
fn json_has_the_same_figures() {
    let world = World::new();
    let map = json(&world, "map www.example.com --geodb old.mmdb --json");
    assert_eq!(map["total"]["ipv4_addresses"], 2688.0);
    let fra = map["pops"].as_array().unwrap().iter().find(|pop| pop["pop"] == "fra").unwrap();
    let preview = json(&world, "preview www.example.com --geodb old.mmdb --down fra --json");
    assert_eq!(preview["moved"]["ipv4_addresses"], fra["ipv4_addresses"]);
    let each = json(&world, "preview www.example.com --geodb old.mmdb --each --json");
    assert_eq!(each["each"][0]["pop"], "fra");
    assert_eq!(each["each"][0]["moved"], preview["moved"]);
    assert_eq!(each["each"][0]["growth"], preview["growth"]);
    let diff = json(&world, "diff zones zones --geodb old.mmdb --down fra --json");
    assert_eq!(diff["largest_move"], 0.0);
}
