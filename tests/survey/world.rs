//! A small world in a directory: a database of a few thousand addresses, and zones over it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::health::Known;
use catchment::net::Block;
use catchment::reload::{Limits, Loader, Now, Options, Wish};
use catchment::snapshot::{Identity, Snapshot};

/// What a database says of a block; of several that hold an address the longest holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) block: &'static str,
    pub(crate) country: &'static str,
    /// Latitude and longitude; `None`: only the country is known.
    pub(crate) place: Option<(f64, f64)>,
}

const fn record(block: &'static str, country: &'static str, place: Option<(f64, f64)>) -> Record {
    Record { block, country, place }
}

const MUNICH: Option<(f64, f64)> = Some((48.14, 11.58));
const BERLIN: Option<(f64, f64)> = Some((52.52, 13.4));
const LONDON: Option<(f64, f64)> = Some((51.51, -0.13));
const BOSTON: Option<(f64, f64)> = Some((42.36, -71.06));
const OSAKA: Option<(f64, f64)> = Some((34.69, 135.5));

/// Within [`AREAS`].
pub(crate) const OLD: &[Record] = &[
    record("198.18.0.0/22", "DE", MUNICH),
    record("198.18.2.0/24", "DE", BERLIN),
    record("198.18.4.0/23", "GB", LONDON),
    record("198.18.5.0/26", "DE", BERLIN),
    record("198.18.5.77/32", "US", BOSTON),
    record("198.18.6.0/24", "US", BOSTON),
    record("198.18.7.0/24", "US", BOSTON),
    record("198.18.8.0/25", "JP", None),
    record("198.18.8.128/25", "JP", OSAKA),
    record("203.0.113.0/24", "AQ", None),
    record("203.0.114.0/25", "DE", MUNICH),
    record("2001:db8::/121", "DE", MUNICH),
    record("2001:db8::20/123", "US", BOSTON),
    record("2001:db8::80/122", "JP", None),
];

/// A month later: a block has moved, one is gone, one is new, one is known better.
pub(crate) const NEW: &[Record] = &[
    record("198.18.0.0/22", "DE", MUNICH),
    record("198.18.2.0/24", "DE", BERLIN),
    record("198.18.4.0/23", "GB", LONDON),
    record("198.18.5.0/26", "DE", BERLIN),
    record("198.18.5.77/32", "US", BOSTON),
    record("198.18.6.0/24", "DE", BERLIN),
    record("198.18.7.0/24", "US", BOSTON),
    record("198.18.8.0/25", "JP", OSAKA),
    record("198.18.8.128/25", "JP", OSAKA),
    record("198.18.9.0/30", "GB", LONDON),
    record("203.0.114.0/25", "DE", MUNICH),
    record("2001:db8::/121", "DE", MUNICH),
    record("2001:db8::20/124", "US", BOSTON),
    record("2001:db8::80/122", "JP", OSAKA),
];

/// Where every record lies, and a few addresses that nothing is known of.
pub(crate) const AREAS: [&str; 3] = ["198.18.0.0/20", "203.0.112.0/22", "2001:db8::/120"];

pub(crate) const FLEET: &str = r#"
pops:
  fra: {at: [50.11, 8.68], city: Frankfurt, country: DE}
  ams: {at: [52.37, 4.90], city: Amsterdam, country: NL}
  lhr: {at: [51.47, -0.46], city: London, country: GB}
  iad: {at: [38.95, -77.45], city: Washington, country: US}
  sin: {at: [1.35, 103.99], city: Singapore, country: SG}
services:
  web:
    policy: nearest
    pops:
      fra: ["192.0.2.10", "2001:db8:f::10"]
      ams: ["192.0.2.20", "2001:db8:a::10"]
      lhr: {weight: 3, addresses: ["192.0.2.30", "2001:db8:e::10"]}
      iad: {weight: 2, addresses: ["192.0.2.40", "2001:db8:1::10"]}
      sin: {weight: 0, addresses: ["192.0.2.50", "2001:db8:5::10"]}
policies:
  near: {extends: nearest, near: 400km}
  ruled:
    extends: nearest
    fence: [{match: {country: [DE]}, only: [fra, ams]}]
    rules:
      - {match: {prefix: ["198.18.6.64/26"]}, order: [sin]}
      - {match: {country: [GB]}, prefer: {iad: 2000ms}}
  coarse: {extends: nearest, ecs: {detail: {budget: 300km}}}
  tiers: {extends: nearest, tiers: [[sin], [iad, lhr], [fra]]}
"#;

pub(crate) const ZONE: &str = r#"
zone: example.com
soa: {mname: ns1, rname: hostmaster, ttl: 1h, minimum: 60s}
ns: [ns1]
records:
  ns1: {A: 192.0.2.53}
  www: {steer: web}
  near: {steer: {service: web, policy: near}}
  ruled: {steer: {service: web, policy: ruled}}
  coarse: {steer: {service: web, policy: coarse}}
  tiers: {steer: {service: web, policy: tiers}}
  weights: {steer: {service: web, policy: weighted}}
  alias: {CNAME: www}
"#;

/// A directory with databases and directories of zones.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
}

impl World {
    /// With `old.mmdb` and `new.mmdb`, and the zones in `zones/`.
    pub(crate) fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(world.path("old.mmdb"), database(OLD)).unwrap();
        fs::write(world.path("new.mmdb"), database(NEW)).unwrap();
        world.zones("zones", FLEET, ZONE);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a directory of zones.
    pub(crate) fn zones(&self, name: &str, fleet: &str, zone: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
        fs::write(self.path(name).join("fleet.yaml"), fleet).unwrap();
        fs::write(self.path(name).join("example.com.yaml"), zone).unwrap();
    }

    /// A snapshot of a directory of zones over a database.
    #[track_caller]
    pub(crate) fn snapshot(&self, zones: &str, geodb: &str) -> Arc<Snapshot> {
        let mut loader = Loader::forgetful(Options {
            zones: self.path(zones),
            geodb: vec![self.path(geodb)],
            state: None,
            grace: Duration::ZERO,
            identity: Identity::default(),
            limits: Limits::default(),
        });
        let loaded =
            loader.load(Now { unix: 1_790_000_000, monotonic: 0 }, Wish::default(), &mut |_, _| Known::default());
        assert!(!loaded.findings.diagnostics.has_errors(), "{}", loaded.findings.diagnostics);
        assert!(loaded.database.errors.is_empty(), "{:?}", loaded.database.errors);
        loaded.snapshot.unwrap()
    }
}

fn database(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new();
    for record in records {
        let mut fields = vec![("country_code", Value::Text(record.country))];
        if let Some((latitude, longitude)) = record.place {
            fields.extend([("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))]);
        }
        let id = writer.record(&Value::Map(fields));
        match Block::parse(record.block).unwrap() {
            Block::V4 { base, length } => writer.insert_v4(base, length, id),
            Block::V6 { base, length } => writer.insert_v6(base, length, id),
        }
    }
    writer.finish(&Metadata { kind: "Test-City".to_owned(), description: String::new(), build_epoch: 1_780_617_600 })
}
