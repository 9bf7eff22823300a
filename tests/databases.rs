//! Which database says what, of several: precedence, families and AS numbers in files of their own, the cache (SEMANTICS §6.8).

#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::net::IpAddr;
use std::path::Path;

use catchment::geo::SiteTable;
use catchment::geo::Source;
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::net::Block;
use catchment::reload::Wish;
use catchment::reload::databases::{Databases, SHIPPED_KIND};
use catchment::reload::state::State;

const NOW: u64 = 1_800_000_000;

/// A database of one kind of records: `city NL`, `country DE`, `asn 680`, `words x`; built so many days before now.
fn write(path: &Path, record: &str, days: u64, blocks: &[&str]) {
    let (kind, value) = record.split_once(' ').unwrap();
    let country = ("country_code", Value::Text(value));
    let record = match kind {
        "asn" => vec![("asn", Value::Text(value))],
        "words" => vec![("words", Value::Text(value))],
        "country" => vec![country],
        // City and demonstration.
        _ => vec![country, ("latitude", Value::Double(50.0)), ("longitude", Value::Double(5.0))],
    };
    let mut writer = Writer::new();
    let id = writer.record(&Value::Map(record));
    for block in blocks {
        match Block::parse(block).unwrap() {
            Block::V4 { base, length } => writer.insert_v4(base, length, id),
            Block::V6 { base, length } => writer.insert_v6(base, length, id),
        }
    }
    let kind = if kind == "demo" { SHIPPED_KIND } else { "Test" };
    let metadata = Metadata { kind: kind.into(), description: String::new(), build_epoch: NOW - days * 86_400 };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, writer.finish(&metadata)).unwrap();
}

/// Names in order of precedence, and country with its source for an address.
fn order(databases: &Databases, address: &str) -> String {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().trim_end_matches(".mmdb").to_owned();
    let used: Vec<String> = databases.used.iter().map(|used| name(&used.path)).collect();
    let known = databases.sites.describe(address.parse::<IpAddr>().unwrap());
    let country = databases.sites.site(known.site).country.map_or("-".to_owned(), |c| c.to_string());
    let from = |source: Option<&Source>| source.map_or("-".to_owned(), |source| name(&source.path));
    let (source, asn_source) = (from(known.source), from(known.asn_source));
    format!("{}: {country} from {source}, AS{} from {asn_source}", used.join(" "), known.asn)
}

struct Place {
    folder: tempfile::TempDir,
    state: State,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state"), &folder.path().join("zones")).unwrap();
        Self { folder, state }
    }

    fn write(&self, file: &str, record: &str, days: u64, blocks: &[&str]) {
        write(&self.folder.path().join(format!("{file}.mmdb")), record, days, blocks);
    }

    /// What a start with this list makes of it.
    #[track_caller]
    fn check(&self, list: &[&str], cached: bool, expected: &str) -> Databases {
        let mut databases = Databases::new(list.iter().map(|place| self.folder.path().join(place)).collect());
        let look = databases.look(&self.state, NOW, Wish::default());
        assert_eq!((look.errors, look.cached), (Vec::<String>::new(), cached), "{expected}");
        assert_eq!(order(&databases, "192.0.2.1"), expected);
        databases
    }
}

const ALL: &[&str] = &["192.0.0.0/16"];

#[test]
fn s6_8_precedence_by_list_class_date_and_name() {
    let place = Place::new();
    place.write("geodb/demo", "demo SE", 1, ALL);
    place.check(&["geodb"], false, "demo: SE from demo, AS0 from -");
    place.write("geodb/a", "country DE", 2, ALL);
    place.check(&["geodb"], false, "a demo: DE from a, AS0 from -");
    place.write("geodb/old", "city FR", 30, ALL);
    place.check(&["geodb"], false, "old a demo: FR from old, AS0 from -");
    place.write("geodb/z", "city NL", 20, ALL);
    place.check(&["geodb"], false, "z old a demo: NL from z, AS0 from -");
    place.write("geodb/y", "city BE", 20, ALL);
    place.check(&["geodb"], false, "y z old a demo: BE from y, AS0 from -");
    place.check(&["geodb"], true, "y z old a demo: BE from y, AS0 from -");

    // The list comes first, and its order is part of what the cache was made of.
    place.check(&["geodb/a.mmdb", "geodb/y.mmdb"], false, "a y: DE from a, AS0 from -");
    place.check(&["geodb/y.mmdb", "geodb/a.mmdb"], false, "y a: BE from y, AS0 from -");
    place.check(&["geodb/old.mmdb", "geodb"], false, "old y z a demo: FR from old, AS0 from -");
    place.check(&["geodb/demo.mmdb", "geodb/y.mmdb"], false, "demo y: SE from demo, AS0 from -");
    place.write("other/x", "country IT", 1, ALL);
    place.check(&["geodb", "other"], false, "y z old a x demo: BE from y, AS0 from -");
    place.check(&["other", "geodb"], false, "x y z old a demo: IT from x, AS0 from -");
}

#[test]
fn s6_8_families_and_as_numbers_in_files_of_their_own() {
    let place = Place::new();
    place.write("geodb/v4", "city NL", 2, ALL);
    place.write("geodb/v6", "city DE", 1, &["2001:db8::/32"]);
    let databases = place.check(&["geodb"], false, "v6 v4: NL from v4, AS0 from -");
    assert_eq!(order(&databases, "2001:db8::1"), "v6 v4: DE from v6, AS0 from -");
    let sites = databases.sites.len();
    place.write("geodb/asn", "asn 680", 1, &["192.0.2.0/25", "192.0.3.0/24", "10.0.0.0/8"]);
    let databases = place.check(&["geodb"], false, "v6 v4 asn: NL from v4, AS680 from asn");
    assert_eq!(databases.sites.len(), sites, "AS numbers make no sites");
    place.check(&["geodb"], true, "v6 v4 asn: NL from v4, AS680 from asn");
}

#[test]
fn without_any_place_to_look_there_is_no_database() {
    let place = Place::new();
    let mut databases = Databases::new(Vec::new());
    let look = databases.look(&place.state, NOW, Wish::default());
    assert!(look.changed && !look.cached && look.errors.is_empty() && look.warnings.is_empty(), "{look:?}");
    assert_eq!(order(&databases, "192.0.2.1"), ": - from -, AS0 from -");
    assert!(!databases.look(&place.state, NOW, Wish::default()).changed);
}

#[test]
fn without_a_place_in_any_file_the_database_in_the_program_serves() {
    let place = Place::new();
    place.write("geodb/asn", "asn 680", 1, ALL);
    place.write("geodb/words", "words x", 1, ALL);
    let mut databases = Databases::new(vec![place.folder.path().join("geodb")]);
    let look = databases.look(&place.state, NOW, Wish::default());
    let warnings: Vec<_> = look.warnings.iter().map(|words| words.rsplit('/').next().unwrap_or_default()).collect();
    let expected = [
        "words.mmdb: has none of the fields that steering can use",
        "no database with places found; serving with the one in the program",
    ];
    assert_eq!(warnings, expected);
    assert_eq!(order(&databases, "193.0.6.139"), "asn words (built in): NL from (built in), AS0 from -");
    assert_eq!(order(&databases, "192.0.2.1").rsplit(' ').next(), Some("asn"));
}

#[test]
fn other_places_are_looked_in_while_serving() {
    let place = Place::new();
    place.write("geodb/a", "country DE", 2, ALL);
    place.write("other/x", "country IT", 1, ALL);
    let mut databases = place.check(&["geodb"], false, "a: DE from a, AS0 from -");
    let mut moves_to = |list: &[&str], expected: &str| {
        databases.look_in(&list.iter().map(|name| place.folder.path().join(name)).collect::<Vec<_>>());
        let look = databases.look(&place.state, NOW, Wish::default());
        assert_eq!((look.errors, look.changed), (Vec::<String>::new(), true), "{expected}");
        if list.is_empty() {
            assert_eq!((databases.used.len(), databases.sites.len()), (0, SiteTable::empty().len()));
        } else {
            assert_eq!(order(&databases, "192.0.2.1"), expected);
        }
    };
    moves_to(&["other"], "x: IT from x, AS0 from -");
    moves_to(&[], "off");
    moves_to(&["geodb", "other"], "a x: DE from a, AS0 from -");
}
