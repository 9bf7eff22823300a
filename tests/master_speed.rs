//! How long master files take: `cargo test --release --test master_speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use catchment::config::model::Fleet;
use catchment::config::{Named, NoFiles, Parsed, Source, link_zone, master, parse_with};
use catchment::dns::Name;

const RECORDS: usize = 1_000_000;

struct One(Arc<[u8]>);

impl Named for One {
    fn read(&self, _path: &str) -> Result<Arc<[u8]>, String> {
        Ok(Arc::clone(&self.0))
    }
}

/// A mix like that of a hosting company: addresses, mail, texts, aliases, delegations.
fn zone() -> String {
    let mut text = String::from("$TTL 1h\n@ SOA ns1 hostmaster 1 2h 15m 2w 1m\n@ NS ns1\nns1 A 192.0.2.53\n");
    for n in 3..RECORDS {
        let _ = match n % 8 {
            0..=2 => writeln!(text, "host{n} IN A 192.0.{}.{}", n >> 8 & 255, n & 255),
            3 => writeln!(text, "\t\t300 IN AAAA 2001:db8::{:x}", n & 0xffff),
            4 => writeln!(text, "host{n}\tMX 10 mail{n}.example.net."),
            5 => writeln!(text, "host{n} 5m TXT \"v=spf1 ip4:192.0.2.0/24 -all\" ; {n}"),
            6 => writeln!(text, "www{n} IN CNAME host{n}"),
            _ => writeln!(text, "sub{n} NS ns{n}.example.net."),
        };
    }
    text
}

#[test]
#[ignore = "a measurement"]
fn a_million_records() {
    let text = zone();
    let origin = Name::parse("example.com.", None).unwrap();
    let octets: Arc<[u8]> = text.as_bytes().into();
    for _ in 0..5 {
        let start = Instant::now();
        let (read, findings) = master::parse(&"db".into(), &octets, &origin, &NoFiles);
        let took = start.elapsed();
        assert!(findings.0.is_empty(), "{findings}");
        let count = read.records.len() + 1;
        assert_eq!(count, RECORDS);
        let rate = count as u128 * 1_000_000 / took.as_micros();
        println!("{count} records, {} octets: {took:?}, {rate} records/s on one thread", text.len());
    }
    // The same as a reload does it, up to the tables.
    let source = Source { path: "a.yaml".into(), text: "zone: example.com\nzonefile: db\n".into() };
    let start = Instant::now();
    let (parsed, _) = parse_with(&source, &One(octets), 0);
    let read = start.elapsed();
    let Some(Parsed::Zone(zone)) = parsed else { panic!("a zone") };
    let model = link_zone(&zone, &Fleet::default()).0.unwrap();
    let linked = start.elapsed();
    let (tables, _) = catchment::compile::zone(&model, 1);
    println!("zone file: read {read:?}, linked {linked:?}, compiled {:?}", start.elapsed());
    assert_eq!(tables.unwrap().record_count(), RECORDS);
}
