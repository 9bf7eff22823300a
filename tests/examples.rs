//! The worked examples are what their READMEs say: every file of theirs loads without a word, and every expectation holds.
//! `.ci/examples` runs the commands of the READMEs.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::path::Path;

use catchment::config::file::Source;
use catchment::config::settings::{self, Settings};
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::health::Known;
use catchment::net::Block;
use catchment::reload::{Limits, Loaded, Loader, Now, Options, Wish};
use catchment::snapshot::Identity;

/// 2026-11-22, 12:00 UTC: measured latencies have an age.
const NOW: u64 = 1_795_348_800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn settings_of(name: &str) -> Settings {
    let path = format!("examples/{name}/catchment.yaml");
    let text = std::fs::read_to_string(root().join(&path)).unwrap();
    let (settings, found) = settings::parse(&Source { path: path.into(), text: text.into() });
    assert_eq!(found.to_string(), "");
    settings.unwrap()
}

/// Loads an example as the server would, and gives what came of it with the number of expectations that hold.
fn load(name: &str) -> (Loaded, usize) {
    let settings = settings_of(name);
    let mut loader = Loader::forgetful(Options {
        zones: root().join(&settings.zones),
        geodb: settings.geodb.iter().map(|path| root().join(path)).collect(),
        state: None,
        grace: settings.vanish_grace,
        identity: Identity::default(),
        limits: Limits::default(),
    });
    let loaded = loader.load(Now { unix: NOW, monotonic: 0 }, Wish::default(), &mut |_, _| Known::default());
    assert_eq!(loaded.findings.diagnostics.to_string(), "");
    let zones = loader.generation.zones.values();
    let expectations = zones.map(|zone| zone.good.as_ref().unwrap().model.expects.len()).sum();
    (loaded, expectations)
}

#[track_caller]
fn check(name: &str, pops: usize, maps: usize, expectations: usize) {
    let (loaded, held) = load(name);
    assert_eq!((loaded.database.errors, loaded.database.warnings), (Vec::new(), Vec::new()));
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!((snapshot.pops.len(), snapshot.maps.len(), held), (pops, maps, expectations));
}

#[test]
fn a_cdn() {
    check("cdn", 50, 4, 6);
}

#[test]
fn cloud_regions() {
    check("cloud-regions", 11, 1, 5);
}

#[test]
fn an_enterprise() {
    check("enterprise", 3, 3, 8);
}

#[test]
fn a_telecom() {
    check("telecom", 16, 3, 5);
}

/// The operator's own database of AS numbers. `UPDATE_EXAMPLES=1` writes it.
#[test]
fn the_as_numbers_of_the_telecom() {
    let mut writer = Writer::new();
    let customers = [
        (64496, "203.0.113.0/24"),
        (64497, "198.51.100.0/24"),
        (64497, "2001:db8:fff0::/48"),
        (64498, "2001:db8:fff1::/48"),
    ];
    for (number, block) in customers {
        let fields = vec![("autonomous_system_number", Value::Whole(number))];
        let id = writer.record(&Value::Map(fields));
        match Block::parse(block).unwrap() {
            Block::V4 { base, length } => writer.insert_v4(base, length, id),
            Block::V6 { base, length } => writer.insert_v6(base, length, id),
        }
    }
    let metadata = Metadata {
        kind: "Example-Telecom-ASN".into(),
        description: "AS numbers of an invented operator's customers".into(),
        build_epoch: 1_795_305_600,
    };
    let made = writer.finish(&metadata);
    let path = root().join("examples/telecom/geodb/asn.mmdb");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == made, "UPDATE_EXAMPLES=1 cargo test --test examples writes it anew");
}

/// What `subscribers.py` says it writes: the file is what the address management would export.
#[test]
fn the_subscribers_of_the_telecom() {
    let text = std::fs::read_to_string(root().join("examples/telecom/zones/subscribers.csv")).unwrap();
    let prefixes = text.lines().skip(1).filter(|line| !line.starts_with(',')).count();
    assert_eq!(prefixes, 100_000);
}
