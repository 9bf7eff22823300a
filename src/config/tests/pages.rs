//! What the documentation shows as YAML is accepted.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::super::{Source, settings};
use super::{Loaded, load_with};

/// The blocks of a kind on a page.
fn blocks<'p>(page: &'p str, kind: &str) -> Vec<&'p str> {
    let fence = format!("\n```{kind}\n");
    page.split(&fence).skip(1).map(|rest| rest.split_once("\n```").expect("every block ends").0).collect()
}

/// Findings of a zone made of all blocks of a page, each of which is one or more sections of a zone file.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(page: &str, sections: usize, named: &[(&str, &str)], expected: Expect) -> Loaded {
    let fleet = "pops: {fra: {at: [50.1, 8.7]}, iad: {at: [38.9, -77.5]}, ams: {at: [52.3, 4.8]}}\n";
    let mut zone = "zone: example.com\nns: [ns1.example.net.]\n".to_owned();
    let blocks = blocks(page, "yaml");
    for block in &blocks {
        let _ = writeln!(zone, "{block}");
    }
    let loaded = load_with(&[("fleet.yaml", fleet), ("z.yaml", &zone)], named, 1_793_577_600);
    expected.assert_eq(&loaded.diagnostics.to_string());
    assert_eq!(blocks.len(), sections);
    assert_eq!(loaded.zones.len(), 1);
    loaded
}

#[test]
fn zone_files() {
    let page = include_str!("../../../docs/zone-files.md");
    let [peering, latency] = blocks(page, "text")[..] else { panic!("a file of rules, and one of times") };
    let loaded = check(
        page,
        5,
        &[("maps/peering.csv", peering), ("maps/latency.csv", latency)],
        expect![[r#"
        z.yaml:8:3: warning: no service uses check `ping`
          help: name it in `checks` of a service, or delete it
        z.yaml:9:3: warning: no service uses check `rpc`
          help: name it in `checks` of a service, or delete it
        z.yaml:10:3: warning: no service uses check `disk`
          help: name it in `checks` of a service, or delete it
        z.yaml:11:3: warning: no service uses check `ops`
          help: name it in `checks` of a service, or delete it
        z.yaml:26:7: warning: PoP `fra` of service `web` has no IPv6 address
          help: its IPv6 clients go elsewhere, the nearest is `ams`, 366 km away; `families: [v4]` leaves IPv6 out for everyone
        z.yaml:26:12: warning: `192.0.2.10` is an address of documentation, where no probe is answered, like 3 more of this service
          help: say where to connect with `probe: "127.0.0.10:8080"`, or `checks: []`
        z.yaml:33:25: warning: `192.0.2.11` is an address of documentation, where no probe is answered, like 1 more of this service
          help: say where to connect with `probe: "127.0.0.10:8080"`, or `checks: []`"#]],
    );
    let rules = |policy: &str| {
        let steer = loaded.zones[0].steers.iter().find(|steer| steer.policy.name == policy);
        steer.map(|steer| steer.policy.rules.list().len())
    };
    assert_eq!(rules("eu"), Some(4), "with those of the table");
}

#[test]
fn operations() {
    for block in blocks(include_str!("../../../docs/operations.md"), "yaml") {
        let source = Source { path: "catchment.yaml".into(), text: block.into() };
        let (settings, found) = settings::parse(&source);
        assert_eq!(found.to_string(), "", "{block}");
        assert!(settings.is_some());
    }
}
