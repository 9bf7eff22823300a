//! How long a start or a reload reads rule and latency files:
//! `cargo test --release --test rules_speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic or a line is a test's report")]

use std::fmt::Write as _;
use std::sync::Arc;

use catchment::config::{Named, Parsed, Source, link_fleet, parse_with};

const FLEET: &str = "\
pops: {p0: {at: [50, 8]}, p1: {at: [51, 8]}, p2: {at: [52, 8]}, p3: {at: [53, 8]}, p4: {at: [54, 8]}, p5: {at: [55, 8]}}
services: {web: {policy: eu, pops: {p0: 192.0.2.1, p1: 192.0.2.2, p2: 192.0.2.3, p3: 192.0.2.4, p4: 192.0.2.5, p5: 192.0.2.6}}}
policies: {eu: {KEY}}
";
const ROWS: u32 = 100_000;

struct One(Arc<[u8]>);

impl Named for One {
    fn read(&self, _: &str) -> Result<Arc<[u8]>, String> {
        Ok(Arc::clone(&self.0))
    }
}

fn measure(what: &str, key: &str, text: String) {
    let source = Source { path: "fleet.yaml".into(), text: FLEET.replace("KEY", key).into() };
    let octets = text.len();
    let named = One(text.into_bytes().into());
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let (parsed, found) = parse_with(&source, &named, 0);
        let read = start.elapsed();
        assert_eq!(found.to_string(), "");
        let Some(Parsed::Fleet(fleet)) = parsed else { panic!("a fleet") };
        assert!(link_fleet(&[fleet]).0.is_some());
        let linked = start.elapsed().saturating_sub(read);
        println!("{ROWS} rows of {what}, {octets} octets: read {read:?}, linked {linked:?}, one thread");
    }
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_rows() {
    let prefix = |n: u32| format!("{}.{}.{}.0/24", 1 + (n >> 16), n >> 8 & 255, n & 255);
    let mut rules = "prefix,prefer,avoid,note\n".to_owned();
    for n in 0..ROWS {
        let _ = writeln!(rules, "{},p{}={}ms,p{}=100km,AS{n}", prefix(n), n % 6, n % 20 + 1, (n + 1) % 6);
    }
    measure("rules", "rules: [{file: x.csv}]", rules);
    let mut latency = "prefix,measured,p0,p1,p2,p3,p4,p5\n".to_owned();
    for n in 0..ROWS {
        let _ = writeln!(latency, "{},2026-11-01,{},12.5,99,{}.25,7,31", prefix(n), n % 250, n % 90);
    }
    measure("latency", "rank: {latency: {map: x.csv, max_age: 30d}}", latency);
    let mut list = String::new();
    for n in 0..ROWS {
        let _ = writeln!(list, "- {{match: {{prefix: [{}]}}, order: [p{}]}}", prefix(n), n % 6);
    }
    measure("rules in YAML", "rules: [{file: x.yaml}]", list);
}
