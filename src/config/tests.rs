//! Every message as text, and what good files mean.

#![expect(clippy::needless_raw_string_hashes, reason = "written so by UPDATE_EXPECT=1")]

mod checks;
mod fleet;
mod link;
mod master;
mod nodata;
mod pages;
mod passing;
mod policies;
mod properties;
mod reflect;
mod rendering;
mod rules;
mod schema;
mod services;
mod settings;
mod yaml;
mod zone;

use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::Expect;

use super::model::{Fleet, ZoneModel};
use super::schema::Kind;
use super::{Diagnostics, Named, Parsed, Source, link_fleet, link_zone, parse_with, unused};

/// A fleet for the zones of these tests.
const FLEET: &str = "\
pops:
  fra: {at: [50.11, 8.68]}
  iad: {at: [38.95, -77.45]}
checks:
  web: {http: /healthz}
services:
  web:
    checks: [web]
    pops:
      fra: {ip: 192.0.2.10, probe: \"127.0.0.10:8080\"}
      iad: {ip: 192.0.2.20, probe: \"127.0.0.20:8080\"}
policies:
  two: {extends: failover, count: 2}
";

pub(super) struct Loaded {
    pub(super) fleet: Option<Fleet>,
    pub(super) zones: Vec<ZoneModel>,
    pub(super) diagnostics: Diagnostics,
}

/// Files that others name.
struct Beside<'b>(&'b [(&'b str, &'b str)]);

impl Named for Beside<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
        let found = self.0.iter().find(|(known, _)| *known == path);
        found.map(|(_, text)| text.as_bytes().into()).ok_or_else(|| "cannot be read: no such file".to_owned())
    }
}

/// What a directory of these files means: parsed, linked, and looked over.
pub(super) fn load(files: &[(&str, &str)]) -> Loaded {
    load_with(files, &[], 0)
}

/// The same with files that these name, at a time in seconds since 1970.
fn load_with(files: &[(&str, &str)], named: &[(&str, &str)], now: u64) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let (mut pieces, mut zone_files) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let source = Source { path: (*path).into(), text: (*text).into() };
        let (parsed, found) = parse_with(&source, &Beside(named), now);
        diagnostics.extend(found);
        match parsed {
            Some(Parsed::Zone(zone)) => zone_files.push(zone),
            Some(Parsed::Fleet(fleet)) => pieces.push(fleet),
            None => {}
        }
    }
    let (fleet, found) = link_fleet(&pieces);
    diagnostics.extend(found);
    let mut zones = Vec::new();
    if let Some(fleet) = &fleet {
        for zone in &zone_files {
            let (model, found) = link_zone(zone, fleet);
            diagnostics.extend(found);
            zones.extend(model);
        }
        diagnostics.extend(unused(&pieces, &zone_files));
    }
    diagnostics.sort();
    if !diagnostics.has_errors() {
        // What is accepted, editors must not complain of.
        for (path, text) in files {
            schema::accepts(Kind::Zones, path, text);
        }
    }
    Loaded { fleet, zones, diagnostics }
}

/// Findings of a zone file beside [`FLEET`].
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn zone(text: &str, expected: Expect) {
    expected.assert_eq(&load(&[("fleet.yaml", FLEET), ("z.yaml", text)]).diagnostics.to_string());
}

/// Findings of the records of a zone that is otherwise good.
#[track_caller]
fn records(text: &str, expected: Expect) {
    zone(&format!("zone: example.com\nns: [ns.example.net.]\nrecords:\n{text}"), expected);
}

/// Findings of one fleet file.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn fleet(text: &str, expected: Expect) {
    expected.assert_eq(&load(&[("f.yaml", text)]).diagnostics.to_string());
}

/// Findings of the checks of a fleet file whose one service uses a check `c`.
#[track_caller]
fn check(text: &str, expected: Expect) {
    let service = "services: {s: {checks: [c], policy: failover, pops: {p: 127.0.0.1}}}\npops: {p: }\n";
    fleet(&format!("checks:\n  c: {text}\n{service}"), expected);
}

/// Findings of a service at PoPs `a` and `b`, with checks `web` (http) and `db` (tcp without a port).
#[track_caller]
fn service(text: &str, expected: Expect) {
    let rest = "pops: {a: {at: [1, 2]}, b: {at: [3, 4]}}\nchecks: {web: {http: /}, db: {tcp: }, x: {tcp: 9}}\n";
    let unused = "unused: {checks: [web, db, x], pops: {a: {ip: 127.0.0.1, probe: \"127.0.0.1:1\"}}}";
    fleet(&format!("{rest}services:\n  {}\n  s: {text}\n", unused.replace("unused", "other")), expected);
}

/// What a zone means, in a form of master files.
fn describe(zone: &ZoneModel) -> String {
    let mut out = String::new();
    let soa = &zone.soa;
    let _ = writeln!(
        out,
        "{} {} SOA {} {} {:?} {} {} {} {}",
        zone.apex, soa.ttl, soa.mname, soa.rname, zone.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
    );
    for r in zone.records.iter() {
        let wire: String = r.rdata.iter().flat_map(|b| b.escape_ascii()).map(char::from).collect();
        let _ = writeln!(out, "{} {} {} {wire} ; {}", r.owner, r.ttl, r.rtype, r.location());
    }
    for s in &zone.steers {
        let (p, t) = (&s.policy, s.ttls);
        let _ = writeln!(
            out,
            "{} steer {} by {} {:?} count {} ttl {}/{}/{} ; {}",
            s.owner, s.service.name, p.name, p.rank, p.count, t.home, t.away, t.suspect, s.location
        );
    }
    for a in &zone.aliases {
        let _ = writeln!(out, "{} {} ALIAS {} ; {}", a.owner, a.ttl, a.target, a.location);
    }
    for e in &zone.expects {
        let _ = writeln!(
            out,
            "expect {} for {:?} {:?} without {:?}: {:?} ; {}",
            e.name, e.source, e.subnet, e.down, e.pops, e.location
        );
    }
    out
}

/// The shipped example, as a newcomer gets it.
fn shipped() -> Vec<(String, String)> {
    let files = [
        ("example.com.yaml", include_str!("../../zones/example.com.yaml")),
        ("fleet.yaml", include_str!("../../zones/fleet.yaml")),
    ];
    files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
}

fn refs(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

#[test]
fn the_shipped_example_has_no_findings() {
    let files = shipped();
    let loaded = load(&refs(&files));
    assert_eq!(loaded.diagnostics.to_string(), "");
    let fleet = loaded.fleet.unwrap();
    assert_eq!((fleet.pops.len(), fleet.services.len(), loaded.zones.len()), (12, 1, 1));
    assert!(
        fleet.services[0]
            .members
            .iter()
            .flat_map(|m| &m.addresses)
            .all(|a| { a.targets.len() == 1 && a.targets.iter().all(|t| t.address.ip().is_loopback()) })
    );
    let apex = &loaded.zones[0].apex;
    assert_eq!(apex.to_string(), "example.com.");
    assert_eq!(loaded.zones[0].expects.len(), 4);
}

#[test]
fn a_file_that_is_kept_links_again_to_the_same() {
    let source = Source { path: "z.yaml".into(), text: "zone: a.example\nns: [ns.b.example.]\n".into() };
    let (parsed, _) = super::parse(&source);
    let Some(Parsed::Zone(zone)) = parsed else { panic!("a zone") };
    let kept = Arc::clone(&zone);
    let fleet = Fleet::default();
    let first = link_zone(&zone, &fleet).0.map(|model| describe(&model));
    assert_eq!(link_zone(&kept, &fleet).0.map(|model| describe(&model)), first);
    assert!(first.is_some());
}
