//! Files together.

use expect_test::{Expect, expect};

use super::{FLEET, load};

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn together(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&load(files).diagnostics.to_string());
}

#[test]
fn a_fleet_in_pieces() {
    let (pops, rest) = FLEET.split_at(FLEET.find("checks:").unwrap());
    let loaded = load(&[("b.yaml", rest), ("a.yaml", pops)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    assert_eq!(loaded.fleet.unwrap().services[0].members.len(), 2);
}

#[test]
fn the_same_name_in_two_pieces() {
    together(
        &[
            ("a.yaml", FLEET),
            (
                "b.yaml",
                "pops: {fra: }\nchecks: {web: {tcp: 1}}\nservices: {web: {pops: {fra: 127.0.0.1}}}\npolicies: {two: }\n",
            ),
        ],
        expect![[r#"
            b.yaml:1:8: error: `fra` is already at a.yaml:2:3
              help: names are shared by all fleet files: take another, or delete one
            b.yaml:2:10: error: `web` is already at a.yaml:5:3
              help: names are shared by all fleet files: take another, or delete one
            b.yaml:3:12: error: `web` is already at a.yaml:7:3
              help: names are shared by all fleet files: take another, or delete one
            b.yaml:4:12: error: `two` is already at a.yaml:13:3
              help: names are shared by all fleet files: take another, or delete one"#]],
    );
}

#[test]
fn names_of_a_zone_are_its_own() {
    let zone = "\
zone: example.com
ns: ns.example.net.
pops: {ams: {at: [52.37, 4.9]}}
checks: {own: {tcp: 9}, idle: {tcp: 10}}
policies: {mine: {rank: order}}
services:
  game: {checks: [own, web], policy: mine, pops: {ams: 127.0.0.1, fra: 127.0.0.2}}
records: {play: {steer: game}, far: {steer: {service: game, policy: two}}}
expect: [{name: play, client: 192.0.2.1, pop: ams}]
";
    let other = "zone: example.net\nns: ns.example.net.\nrecords: {play: {steer: game}}\n";
    together(
        &[("fleet.yaml", FLEET), ("a.yaml", zone), ("b.yaml", other)],
        expect![[r#"
            a.yaml:4:25: warning: no service uses check `idle`
              help: name it in `checks` of a service, or delete it
            b.yaml:2:5: warning: name server `ns.example.net.` has no address in this zone
              help: write its `A` or `AAAA` under `records`, or end the name in a dot when it lies elsewhere
            b.yaml:3:25: error: service `game` is not defined
              help: defined: `web`"#]],
    );
}

#[test]
fn a_zone_cannot_replace_what_the_fleet_has() {
    let zone = "\
zone: example.com
ns: ns.example.net.
pops: {fra: }
checks: {web: {tcp: 9}}
policies: {two: {rank: order}}
services: {web: {checks: [web], pops: {fra: 127.0.0.1}}}
";
    together(
        &[("fleet.yaml", FLEET), ("z.yaml", zone)],
        expect![[r#"
        z.yaml:3:8: error: `fra` is already at fleet.yaml:2:3
          help: names in a zone file are its own and cannot replace the fleet's: take another
        z.yaml:4:10: error: `web` is already at fleet.yaml:5:3
          help: names in a zone file are its own and cannot replace the fleet's: take another
        z.yaml:5:12: error: `two` is already at fleet.yaml:13:3
          help: names in a zone file are its own and cannot replace the fleet's: take another
        z.yaml:6:12: error: `web` is already at fleet.yaml:7:3
          help: names in a zone file are its own and cannot replace the fleet's: take another
        z.yaml:6:12: warning: PoP `fra` without `at` comes last for everyone under policy `nearest`
          help: write latitude and longitude: `at: [50.11, 8.68]`"#]],
    );
}

#[test]
fn a_service_with_errors_is_told_once() {
    let zone = "zone: example.com\nns: ns.example.net.\nservices: {s: {pops: {lhr: 127.0.0.1}}}\nrecords: {a: {steer: s}, b: {steer: s}}\n";
    together(
        &[("fleet.yaml", FLEET), ("z.yaml", zone)],
        expect![[r#"
        z.yaml:3:23: error: PoP `lhr` is not defined
          help: defined: `fra`, `iad`"#]],
    );
}

#[test]
fn unused_checks() {
    let fleet = FLEET.replace("checks:\n", "checks:\n  idle: {tcp: 1}\n  private: {tcp: 2}\n");
    let zone = "zone: example.com\nns: ns.example.net.\nservices: {s: {checks: [private], pops: {fra: 127.0.0.1}}}\nrecords: {a: {steer: s}}\n";
    together(
        &[("fleet.yaml", &fleet), ("z.yaml", zone)],
        expect![[r#"
        fleet.yaml:5:3: warning: no service uses check `idle`
          help: name it in `checks` of a service, or delete it"#]],
    );
}

#[test]
fn nearest_without_a_place() {
    let fleet = FLEET.replace("fra: {at: [50.11, 8.68]}", "fra:");
    together(
        &[("fleet.yaml", &fleet)],
        expect![[r#"
        fleet.yaml:7:3: warning: PoP `fra` without `at` comes last for everyone under policy `nearest`
          help: write latitude and longitude: `at: [50.11, 8.68]`"#]],
    );
    let ordered = fleet.replace("    checks: [web]\n", "    checks: [web]\n    policy: failover\n");
    let zone = "zone: example.com\nns: ns.example.net.\nrecords: {a: {steer: web}, b: {steer: {service: web, policy: nearest}}}\n";
    together(
        &[("fleet.yaml", &ordered), ("z.yaml", zone)],
        expect![[r#"
        z.yaml:3:32: warning: PoP `fra` without `at` comes last for everyone under policy `nearest`
          help: write latitude and longitude: `at: [50.11, 8.68]`"#]],
    );
}

/// Measured round-trip times alone will do.
#[test]
fn latency_without_any_place() {
    let fleet = "pops: {fra: , lhr: }\npolicies: {m: {rank: {latency: {rows: [{match: {prefix: 10.0.0.0/8}, ms: {lhr: 2}}]}}}}\n\
                 services: {web: {policy: m, pops: {fra: 192.0.2.1, lhr: 192.0.2.2}}}\n";
    let zone = "zone: example.com\nns: ns.example.net.\nrecords: {a: {steer: web}}\n";
    together(&[("fleet.yaml", fleet), ("z.yaml", zone)], expect![[""]]);
    let one = fleet.replace("fra: ,", "fra: {at: [50.11, 8.68]},");
    together(
        &[("fleet.yaml", &one), ("z.yaml", zone)],
        expect![[r#"
        fleet.yaml:3:12: warning: PoP `lhr` without `at` comes last for everyone under policy `m`
          help: write latitude and longitude: `at: [50.11, 8.68]`"#]],
    );
}

#[test]
fn no_fleet_at_all() {
    let zone = "zone: example.com\nns: ns.example.net.\nrecords: {a: {steer: web}, b: {A: 192.0.2.1}}\n";
    together(
        &[("z.yaml", zone)],
        expect![[r#"
        z.yaml:3:22: error: service `web` is not defined
          help: none is defined"#]],
    );
}
