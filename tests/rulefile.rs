//! Rule and latency files that a fleet or a zone names: an edit of one alone is an edit of who names it, no other file is
//! parsed for it, and a broken, vanished or emptied one takes nothing away (DESIGN §4, §9).
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::health::Known;
use catchment::reload::{Limits, Loader, Now, Options, Wish};
use catchment::snapshot::Identity;
use catchment::steering::{Effect, Policy, Rank};

const FLEET: &str = "\
pops: {fra: {at: [50, 8.6]}, iad: {at: [38.9, -77.4]}}
services: {web: {policy: eu, pops: {fra: 192.0.2.1, iad: 192.0.2.2}}}
policies:
  eu: {rules: [{file: maps/peering.csv}]}
";
const ZONE: &str = "zone: a.example\nns: [ns.example.net.]\nrecords: {www: {steer: web}}\n";
const OTHER: &str = "zone: b.example\nns: [ns.example.net.]\nrecords: {www: {A: 192.0.2.9}}\n";
const PEERING: &str = "asn,prefer\n3320,fra=15ms\n";
const DAY: u64 = 86_400;

struct Site {
    dir: tempfile::TempDir,
    loader: Loader,
    now: u64,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("geodb")).unwrap();
        // Small, so that no test compiles the database in the program.
        let mut writer = Writer::new();
        let record = writer.record(&Value::Map(vec![]));
        writer.insert_v4(8 << 24, 8, record);
        let metadata = Metadata { kind: "Test-City".into(), description: "test".into(), build_epoch: 1_780_000_000 };
        std::fs::write(dir.path().join("geodb/city.mmdb"), writer.finish(&metadata)).unwrap();
        let site = Self { loader: loader(dir.path()), dir, now: 1_790_000_000 };
        for (file, text) in files {
            site.write(file, text);
        }
        site
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.dir.path().join("zones").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.dir.path().join("zones").join(file)).unwrap();
    }

    /// Looks, and gives every error and warning there is now, without the directory. There is no database with AS numbers
    /// here, so the rules match nothing: that has a test of its own.
    fn load(&mut self) -> String {
        self.load_but("of the loaded databases")
    }

    /// The same without the diagnostics whose message holds these words.
    fn load_but(&mut self, words: &str) -> String {
        let now = Now { unix: self.now, monotonic: 0 };
        let loaded = self.loader.load(now, Wish::default(), &mut |_, _| Known::default());
        assert_eq!(loaded.state_error, None);
        let mut diagnostics = loaded.findings.diagnostics;
        diagnostics.0.retain(|diagnostic| !diagnostic.message.contains(words));
        diagnostics.to_string().replace(&format!("{}/", self.dir.path().join("zones").display()), "")
    }

    fn restart(&mut self) -> String {
        self.loader = loader(self.dir.path());
        self.load()
    }

    /// The policy of the steered name.
    fn policy(&self) -> Arc<Policy> {
        let zones = &self.loader.generation.zones;
        let entry = zones.iter().find(|(name, _)| name.to_string() == "a.example.").unwrap().1;
        Arc::clone(&entry.good.as_ref().unwrap().model.steers[0].policy)
    }

    fn preferred(&self) -> Vec<Effect> {
        self.policy().rules.list().iter().map(|rule| Effect::clone(&rule.effect)).collect()
    }
}

fn loader(dir: &Path) -> Loader {
    Loader::new(Options {
        zones: dir.join("zones"),
        geodb: vec![dir.join("geodb")],
        state: Some(dir.join("state")),
        grace: Duration::from_secs(30),
        identity: Identity::default(),
        limits: Limits::default(),
    })
    .unwrap()
}

fn by(ms: i32) -> Effect {
    Effect::Adjust(vec![("fra".to_owned(), -ms * 1000)])
}

fn good() -> Site {
    let mut site =
        Site::new(&[("fleet.yaml", FLEET), ("a.yaml", ZONE), ("b.yaml", OTHER), ("maps/peering.csv", PEERING)]);
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [by(15)]);
    site
}

#[test]
fn s2_5_rules_that_match_no_range_are_told() {
    let mut site = good();
    site.now += 1;
    site.write("maps/peering.csv", "asn,prefer\n64500,fra=20ms\n64501,fra=20ms\n");
    assert_eq!(
        site.load_but("nothing holds this"),
        "maps/peering.csv:2:1: warning: 2 of 2 rules of policy `eu` match no address of the loaded databases; this is the \
         first\n  help: no database with AS numbers is loaded"
    );
}

#[test]
fn an_edit_of_the_rule_file_alone_serves() {
    let mut site = good();
    site.write("maps/peering.csv", "asn,prefer\n3320,fra=15ms\n64496,fra=3ms\n");
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [by(15), by(3)]);
}

#[test]
fn a_broken_vanished_or_emptied_rule_file_keeps_the_fleet() {
    let mut site = good();
    site.write("maps/peering.csv", "asn,prefer\n3320,fra=15\n");
    let cost = "help: a time or a distance with its unit, for example `5ms` or `200km`";
    assert_eq!(site.load(), format!("maps/peering.csv:2:6: error: the cost of `fra` cannot be `15`\n  {cost}"));
    assert_eq!(site.preferred(), [by(15)]);
    site.write("maps/peering.csv", "");
    assert!(site.load().starts_with("fleet.yaml:4:23: error: `maps/peering.csv` holds no rules"), "{}", site.load());
    site.remove("maps/peering.csv");
    assert!(site.load().contains("`maps/peering.csv` cannot be read"));
    assert_eq!(site.preferred(), [by(15)]);
    // A restart finds the copies of both that were accepted together.
    site.restart();
    assert_eq!(site.preferred(), [by(15)]);
    site.write("maps/peering.csv", "asn,prefer\n3320,fra=4ms\n");
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [by(4)]);
}

#[test]
fn a_rule_file_in_yaml_is_no_piece_of_the_fleet() {
    let list = "- {match: {asn: [3320]}, prefer: {fra: 15ms}}\n";
    let fleet = FLEET.replace("peering.csv", "peering.yaml");
    // Before it is named it is taken for a piece of the fleet, and told.
    let mut site = Site::new(&[("maps/peering.yaml", list), ("a.yaml", OTHER)]);
    assert!(site.load().starts_with("maps/peering.yaml:1:1: error: a file is a map of keys"));
    site.write("a.yaml", ZONE);
    site.write("fleet.yaml", &fleet);
    // The first file held another zone.
    site.write("b.yaml", OTHER);
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [by(15)]);
    site.write("maps/peering.yaml", &list.replace("15", "7"));
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [by(7)]);
    site.write("maps/peering.yaml", "- {match: [}\n");
    let broken = site.load();
    assert!(broken.starts_with("maps/peering.yaml:1:"), "{broken}");
    assert_eq!(broken.matches("error").count(), 1, "{broken}");
    assert_eq!(site.preferred(), [by(7)]);
    // A naming file that cannot be read does not make a piece of the fleet of what it named.
    site.write("maps/peering.yaml", list);
    site.write("fleet.yaml", &format!("{fleet}x: [\n"));
    let broken = site.load();
    assert!(broken.starts_with("fleet.yaml:") && broken.matches("error").count() == 1, "{broken}");
    assert_eq!(site.restart(), broken);
}

#[test]
fn a_fleet_file_is_no_rule_file() {
    let fleet = FLEET.replace("maps/peering.csv", "more.yaml");
    let mut site = Site::new(&[("fleet.yaml", &fleet), ("more.yaml", "pops: {sin: }\n"), ("a.yaml", OTHER)]);
    assert_eq!(
        site.load(),
        "more.yaml:1:1: error: a file of rules is a list, not a map\n  help: each begins with `- `"
    );
}

#[test]
fn a_zone_names_rule_files_as_well() {
    let zone = format!("{ZONE}policies: {{own: {{rules: [{{file: own.csv}}]}}}}\n")
        .replace("web}", "{service: web, policy: own}}");
    let mut site = good();
    site.write("sub/a.yaml", &zone);
    site.write("sub/own.csv", "continent,order\nEU,iad\n");
    site.remove("a.yaml");
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [Effect::Order(vec!["iad".to_owned()])]);
    let fleet = Arc::clone(&site.loader.generation.fleet);
    site.write("sub/own.csv", "continent,order\nEU,fra\n");
    assert_eq!(site.load(), "");
    assert_eq!(site.preferred(), [Effect::Order(vec!["fra".to_owned()])]);
    assert!(Arc::ptr_eq(&fleet, &site.loader.generation.fleet), "nothing else was linked again");
}

#[test]
fn measurements_grow_old_while_nothing_is_edited() {
    let fleet = FLEET.replace("rules: [{file: maps/peering.csv}]", "rank: {latency: {map: rtt.csv, max_age: 7d}}");
    let mut site = Site::new(&[("fleet.yaml", &fleet), ("a.yaml", ZONE)]);
    site.write("rtt.csv", &format!("asn,measured,fra\n1,{},5\n2,{},9\n", site.now - 6 * DAY, site.now));
    assert_eq!(site.load(), "");
    let rows = |site: &Site| match &site.policy().rank {
        Rank::Latency(map) => map.rows.list().len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rows(&site), 2);
    site.now += DAY;
    assert_eq!((site.load().as_str(), rows(&site)), ("", 2));
    site.now += 1;
    let found = site.load();
    assert!(found.starts_with("fleet.yaml:4:30: warning: 1 of 2 rows are older than 7d, and not used"), "{found}");
    assert_eq!(rows(&site), 1);
}
