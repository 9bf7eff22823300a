//! Edits of zone, fleet and database, good and broken in turn, and the order to look at them.
//!
//! Every good version has an even number and every broken one an odd one; the number is in the addresses, so that each
//! answer tells what it was made from.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use serde_json::Value as Json;

/// Blocks of the database.
const BLOCKS: u32 = 20_000;

/// The newest versions written.
pub(crate) struct Edits {
    pub(crate) zone: u16,
    pub(crate) fleet: u16,
    built: u32,
    bad: u16,
    /// A whole database to take in place of the small one.
    big: Option<Vec<u8>>,
}

/// One edit, and what must come of it.
pub(crate) struct Edit {
    what: &'static str,
    good: bool,
}

impl Edits {
    pub(crate) fn new(big: Option<&Path>) -> Self {
        Self { zone: 2, fleet: 2, built: 1_780_000_000, bad: 1, big: big.map(|path| std::fs::read(path).unwrap()) }
    }

    /// The database as built at that time, in seconds since 1970.
    fn database(&self, built: u32) -> Vec<u8> {
        let Some(big) = &self.big else { return database(built.into()) };
        let mut octets = big.clone();
        let key = b"build_epoch";
        let at = octets.windows(key.len()).rposition(|window| window == key).unwrap() + key.len();
        // A uint64 of four octets.
        assert_eq!(octets[at..at + 2], [4, 2]);
        octets[at + 2..at + 6].copy_from_slice(&built.to_be_bytes());
        octets
    }

    pub(crate) fn write_first(&self, at: &Path) {
        put(at, "zones/fleet.yaml", fleet(self.fleet).as_bytes());
        put(at, "zones/example.com.yaml", zone(self.zone).as_bytes());
        put(at, "geodb/city.mmdb", &self.database(self.built));
    }

    /// Writes the next one: good and broken in turn, the broken ones mended by the next.
    pub(crate) fn next(&mut self, at: &Path, number: usize) -> Edit {
        self.bad = self.bad.wrapping_add(2);
        let bad = self.bad;
        let edit = |what, good| Edit { what, good };
        match number % 8 {
            0 => {
                self.zone += 2;
                put(at, "zones/example.com.yaml", zone(self.zone).as_bytes());
                edit("a zone", true)
            }
            1 => {
                let broken = zone(bad).replace("ns: [ns1]", "ns: [ns1]\nnosuch: key");
                put(at, "zones/example.com.yaml", broken.as_bytes());
                edit("a zone with an unknown key", false)
            }
            2 => {
                // The zone is mended by the way, so that something of it changes.
                self.zone += 2;
                self.fleet += 2;
                put(at, "zones/example.com.yaml", zone(self.zone).as_bytes());
                put(at, "zones/fleet.yaml", fleet(self.fleet).as_bytes());
                edit("the fleet and a zone", true)
            }
            3 => {
                put(at, "zones/fleet.yaml", fleet(bad).replace("at: [50", "at: [500").as_bytes());
                edit("a fleet beyond the pole", false)
            }
            4 => {
                self.fleet += 2;
                self.built += 1;
                put(at, "zones/fleet.yaml", fleet(self.fleet).as_bytes());
                put(at, "geodb/city.mmdb", &self.database(self.built));
                edit("the fleet and a database", true)
            }
            5 => {
                let whole = self.database(self.built + 1);
                put(at, "geodb/city.mmdb", &whole[..whole.len() * 2 / 3]);
                edit("a truncated database", false)
            }
            6 => {
                self.zone += 2;
                self.built += 1;
                // In place, as `cat >` does; the server may see half of it, and must then keep what it has.
                std::fs::write(at.join("geodb/city.mmdb"), self.database(self.built)).unwrap();
                std::fs::write(at.join("zones/example.com.yaml"), zone(self.zone)).unwrap();
                edit("a zone and a database, in place", true)
            }
            _ => {
                put(at, "zones/example.com.yaml", b"");
                edit("an emptied zone", false)
            }
        }
    }
}

impl Edit {
    pub(crate) fn is_good(&self) -> bool {
        self.good
    }

    /// Whether the reply to the reload is as it must be.
    #[track_caller]
    pub(crate) fn check(&self, reply: &Json) {
        let errors = reply["findings"].as_array().unwrap().iter().any(|found| found["severity"] == "error")
            // The look that the write itself caused may have been first: then the trouble was told already.
            || !reply["database_errors"].as_array().unwrap().is_empty()
            || self.what == "a truncated database";
        assert_eq!(errors, !self.good, "{}: {reply:#}", self.what);
    }
}

/// Replaces a file as editors do.
fn put(at: &Path, file: &str, octets: &[u8]) {
    let path = at.join(file);
    let beside = path.with_extension("new~");
    std::fs::write(&beside, octets).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// Three addresses with the version in the middle.
fn addresses(version: u16, first: u8) -> String {
    let [high, low] = version.to_be_bytes();
    (1..=3).map(|last| format!("{first}.{high}.{low}.{last}")).collect::<Vec<_>>().join(", ")
}

fn fleet(version: u16) -> String {
    let mut fleet =
        String::from("pops:\n  fra: {at: [50.11, 8.68]}\n  iad: {at: [38.95, -77.45]}\nservices:\n  web:\n    pops:\n");
    // Writing to a String cannot fail.
    writeln!(fleet, "      fra: [{}]\n      iad: [{}]", addresses(version, 11), addresses(version, 12)).unwrap();
    fleet
}

fn zone(version: u16) -> String {
    let mut zone = String::from(
        "zone: example.com\nns: [ns1]\nrecords:\n  ns1: {A: 192.0.2.53}\n  www: {steer: web}\n  alias: {CNAME: plain}\n",
    );
    writeln!(zone, "  plain: {{A: [{}]}}", addresses(version, 10)).unwrap();
    for host in 0..500 {
        writeln!(zone, "  host{host}: {{A: 192.0.2.{}}}", host % 256).unwrap();
    }
    zone.push_str("expect:\n  - {name: www, client: 8.0.0.1, pop: iad}\n");
    zone
}

/// Blocks here and there, the loopback's own in Frankfurt.
fn database(built: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    let place = |(latitude, longitude): (f64, f64)| {
        let location = Value::Map(vec![("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))]);
        Value::Map(vec![("location", location)])
    };
    let europe = writer.record(&place((48.9, 2.4)));
    let america = writer.record(&place((40.7, -74.0)));
    writer.insert_v4(127 << 24, 8, europe);
    for block in 0..BLOCKS {
        let record = if block % 3 == 0 { europe } else { america };
        writer.insert_v4((8 << 24) + (block << 8), 24, if block == 0 { america } else { record });
    }
    writer.finish(&Metadata { kind: "Test-City".into(), description: "test".into(), build_epoch: built })
}

/// Has the server look at its files now.
pub(crate) fn reload(at: &Path) -> Json {
    let mut stream = UnixStream::connect(at.join("state/control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let request = "POST /api/v1/reload HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).unwrap()
}
