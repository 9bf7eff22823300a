//! How long a start reads its zone files:
//! `cargo test --release --test config_speed -- --ignored --nocapture`.

use std::fmt::Write as _;

use catchment::config::{Parsed, Source, link_fleet, link_zone, parse};

const FLEET: &str = "\
pops: {fra: {at: [50.11, 8.68]}, iad: {at: [38.95, -77.45]}}
services: {web: {pops: {fra: 192.0.2.10, iad: 192.0.2.20}}}
";

const ZONES: usize = 1000;
const NAMES: usize = 100;

fn zone(number: usize) -> Source {
    let mut text = format!("zone: z{number}.example\nns: [ns1, ns2]\nrecords:\n");
    text.push_str(
        "  ns1: {A: 192.0.2.1}\n  ns2: {A: 192.0.2.2}\n  \"@\": {steer: web, MX: 10 mail, TXT: v=spf1 -all}\n",
    );
    for n in 3..NAMES {
        let _ = match n % 4 {
            0 => writeln!(text, "  h{n}: {{steer: web}}"),
            1 => writeln!(text, "  h{n}:\n    A: [192.0.2.{n}, 192.0.2.200]\n    AAAA: 2001:db8::{n}"),
            2 => writeln!(text, "  h{n}: {{CNAME: h4}}"),
            _ => writeln!(text, "  h{n}: {{A: {{ttl: 1h, values: [192.0.2.{n}]}}, TXT: \"text {n}\"}}"),
        };
    }
    Source { path: format!("zones/z{number}.yaml").into(), text: text.into() }
}

#[test]
#[ignore = "a measurement"]
fn a_thousand_zones_of_a_hundred_names() {
    let (fleet, _) = parse(&Source { path: "fleet.yaml".into(), text: FLEET.into() });
    let Some(Parsed::Fleet(fleet)) = fleet else { panic!("a fleet") };
    let fleet = link_fleet(&[fleet]).0.unwrap();
    let sources: Vec<Source> = (0..ZONES).map(zone).collect();
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let files: Vec<Parsed> = sources.iter().filter_map(|source| parse(source).0).collect();
        let parsed = start.elapsed();
        let records: usize = files
            .iter()
            .map(|file| {
                let Parsed::Zone(zone) = file else { panic!("a zone") };
                link_zone(zone, &fleet).0.unwrap().records.len()
            })
            .sum();
        let linked = start.elapsed().saturating_sub(parsed);
        println!("{ZONES} files, {bytes} bytes, {records} records: parse {parsed:?}, link {linked:?}, one thread");
    }
}
