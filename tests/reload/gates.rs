//! What is refused though its files are good (SEMANTICS §6.7, the setting `max_move`), what it takes to have it all the same,
//! and what a rehearsal says of it.

use super::*;
use catchment::config::settings::Broken;

const FORCE: Wish = Wish { confirm_removals: false, force: true, survey: false };

/// California and Paris, so that half of what is known can move.
fn two_places(built: u64) -> Vec<u8> {
    with_first_at(CALIFORNIA, built)
}

fn with_first_at(place: (f64, f64), built: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    for (network, (latitude, longitude)) in [(8_u32, place), (9, PARIS)] {
        let location = Value::Map(vec![("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))]);
        let record = writer.record(&Value::Map(vec![("location", location)]));
        writer.insert_v4(network << 24, 8, record);
    }
    writer.finish(&Metadata { kind: "Test-City".into(), description: "test".into(), build_epoch: built })
}

impl Site {
    /// The same files under limits, loaded anew.
    fn under(mut self, limits: Limits) -> Self {
        self.write_database("city.mmdb", &two_places(1_780_000_000));
        self.loader = Self::limited(self.dir.path(), limits);
        let loaded = self.load();
        assert_eq!(self.told(&loaded), "");
        self
    }
}

fn at_most(percent: u16) -> Limits {
    Limits { max_move: Some(percent * 10), ..Limits::default() }
}

#[test]
fn a_zone_that_would_move_too_many_keeps_its_last_version_while_others_load() {
    let zones = [("a.yaml", &*zone("a.example", "192.0.2.10")), ("b.yaml", &*zone("b.example", "192.0.2.20"))];
    let mut site = Site::new(&zones).under(at_most(20));
    // Everyone goes to Frankfurt: half of the clients move.
    let moved = zone("a.example", "192.0.2.11").replace("steer: web", "steer: eu");
    let moved = format!("{moved}services:\n  eu: {{pops: {{fra: 192.0.2.1}}}}\n");
    site.write("a.yaml", &moved);
    site.write("b.yaml", &zone("b.example", "192.0.2.21"));
    let loaded = site.load();
    expect![[r"
        a.yaml:5:9: error: the change would move 50.0% of IPv4, 0.0% of IPv6 and 0.0% of people at `www.a.example.`; `max_move` allows 20%
          help: `catchment reload --dry-run` shows what moves, `catchment reload --force` takes it all the same"]]
    .assert_eq(&site.told(&loaded));
    assert_eq!([site.fixed("a.example"), site.fixed("b.example")], ["192.0.2.10", "192.0.2.21"]);
    assert!(loaded.events.contains(&Event::Kept(name("a.example."))), "{:?}", loaded.events);

    // Looked at again it is neither tried nor said again.
    let loaded = site.load();
    assert!(loaded.snapshot.is_none() && loaded.fresh.0.is_empty());
    assert!(loaded.findings.diagnostics.has_errors(), "but still known");
    // Another zone's edit does not let it in.
    site.write("b.yaml", &zone("b.example", "192.0.2.22"));
    let loaded = site.load();
    assert_eq!([site.fixed("a.example"), site.fixed("b.example")], ["192.0.2.10", "192.0.2.22"]);
    assert_eq!(site.told(&loaded), "", "said before");

    let loaded = site.load_with(FORCE);
    assert!(!loaded.findings.diagnostics.has_errors());
    assert_eq!(site.fixed("a.example"), "192.0.2.11");
    // What was forced is what serves: nothing moves any more.
    assert!(site.load().snapshot.is_none());
    assert_eq!(site.pops("a.example", &[]), ["fra"]);
}

#[test]
fn what_moves_no_more_than_allowed_is_taken() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]).under(at_most(50));
    site.write("fleet.yaml", &FLEET.replace("  iad: {at", "  iad: {drain: true, at"));
    let loaded = site.load();
    assert_eq!(site.told(&loaded), "");
    let shares: Vec<_> = loaded.moves.iter().map(|one| (one.names[0].0.to_string(), one.share.v4)).collect();
    assert_eq!(shares, [("www.a.example.".to_owned(), 0.5)]);
    assert_eq!(site.pops("a.example", &[]), ["fra"]);
}

#[test]
fn a_fleet_that_would_move_too_many_is_refused_whole() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]).under(at_most(20));
    site.write("fleet.yaml", &FLEET.replace("[38.95, -77.45]", "[-33.9, 151.2]"));
    site.write("a.yaml", &zone("a.example", "192.0.2.11"));
    // With another file of the zone it is the zone that is refused first, and the fleet beside it.
    let loaded = site.load();
    let told = site.told(&loaded);
    assert!(told.contains("fleet.yaml: error: the changed fleet would move 50.0% of IPv4"), "{told}");
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    site.load_with(FORCE);
    assert_eq!(
        (site.pops("a.example", &[]), site.fixed("a.example")),
        (vec!["fra".to_owned()], "192.0.2.11".to_owned())
    );
}

#[test]
fn s6_7_a_fleet_that_breaks_an_expectation_is_named() {
    let text = format!("{}expect:\n  - {{name: www, client: 8.8.8.8, pop: iad}}\n", zone("a.example", "192.0.2.10"));
    let mut site = Site::new(&[("a.yaml", &text)]);
    site.write("fleet.yaml", &FLEET.replace("  iad: {at", "  iad: {drain: true, at"));
    let loaded = site.load();
    expect![[r"
        a.yaml:8:5: error: expected client 8.8.8.8/32 to go to `iad`, but it goes to `fra`
          help: `catchment explain` shows why; correct the zone, or the expectation
        fleet.yaml: error: the changed fleet breaks an `expect:` entry of zone `a.example.`
          help: the whole previous fleet stays; a.yaml:8:5"]]
    .assert_eq(&site.told(&loaded));
    // To insist does not help: the operator said what must hold.
    site.load_with(FORCE);
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
}

#[test]
fn s6_7_a_database_that_breaks_an_expectation_warns_or_is_refused() {
    let text = format!("{}expect:\n  - {{name: www, client: 8.8.8.8, pop: iad}}\n", zone("a.example", "192.0.2.10"));
    for (databases, pop) in [(Broken::Warn, "fra"), (Broken::Refuse, "iad")] {
        let limits = Limits { databases, ..Limits::default() };
        let mut site = Site::new(&[("a.yaml", &text)]).under(limits);
        site.write_database("city.mmdb", &database(PARIS, 1_781_000_000));
        // Forced, as so large a change is not believed otherwise.
        let loaded = site.load_with(FORCE);
        assert_eq!(site.pops("a.example", &[]), [pop]);
        assert_eq!(loaded.database.errors.is_empty(), databases == Broken::Warn, "{:?}", loaded.database);
        if databases == Broken::Refuse {
            assert!(loaded.database.errors[0].ends_with("but it goes to `fra`"), "{:?}", loaded.database);
            assert_eq!(site.loader.databases.trouble, loaded.database.errors);
            // It is not compiled again as long as nothing changes, and a good one is taken.
            assert!(!site.load().database.changed);
            site.write_database("city.mmdb", &two_places(1_782_000_000));
            assert!(site.load().database.changed);
            assert_eq!(site.loader.databases.trouble, [] as [String; 0]);
        }
    }
}

#[test]
fn databases_that_would_move_too_many_are_refused() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]).under(at_most(20));
    // Two PoPs side by side: a place that moves a little, as is believed, has another nearest.
    site.write(
        "fleet.yaml",
        &FLEET.replace("[50.11, 8.68]", "[37.5, -122.0]").replace("[38.95, -77.45]", "[37.2, -122.1]"),
    );
    site.load_with(FORCE);
    assert_eq!(site.pops("a.example", &[]), ["fra"]);
    site.write_database("city.mmdb", &with_first_at((37.2, -122.1), 1_781_000_000));
    let loaded = site.load();
    let errors = loaded.database.errors.join("; ");
    assert!(errors.starts_with("the new databases would move 50.0% of IPv4"), "{errors}");
    assert_eq!(site.pops("a.example", &[]), ["fra"]);
}

#[test]
fn s6_8_the_operator_may_insist_on_a_database_and_let_one_go() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    site.write_database("city.mmdb", &database(PARIS, 1_779_000_000));
    assert!(!site.load().database.changed, "older, and too far");
    let loaded = site.load_with(FORCE);
    assert!(loaded.database.changed && loaded.database.errors.is_empty(), "{:?}", loaded.database);
    assert_eq!(site.pops("a.example", &[]), ["fra"]);
    site.write_database("other.mmdb", &database(CALIFORNIA, 1_782_000_000));
    site.load_with(FORCE);
    std::fs::remove_file(site.dir.path().join("geodb/city.mmdb")).unwrap();
    assert!(!site.load().database.changed, "gone, and serves on");
    assert!(!site.load_with(FORCE).database.changed);
    let loaded = site.load_with(Wish { confirm_removals: true, ..FORCE });
    assert!(loaded.database.changed, "{:?}", loaded.database);
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
}

#[test]
fn a_rehearsal_says_what_would_be_and_changes_nothing() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    let files = || {
        let mut found = Vec::new();
        let mut directories = vec![site.dir.path().join("state")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() {
                    directories.push(entry.path());
                } else {
                    found.push((entry.path(), metadata.modified().unwrap(), std::fs::read(entry.path()).unwrap()));
                }
            }
        }
        found.sort();
        found
    };
    let before = files();
    site.write("fleet.yaml", &FLEET.replace("  iad: {at", "  iad: {drain: true, at"));
    site.write("a.yaml", &zone("a.example", "192.0.2.11"));
    site.write("b.yaml", &zone("b.example", "192.0.2.20"));
    site.write_database("city.mmdb", &two_places(1_781_000_000));
    let now = Now { unix: 1_790_000_000, monotonic: 0 };
    let wish = Wish { survey: true, ..Wish::default() };
    let told = site.loader.rehearsal().load(now, wish, &mut |_, _| Known::default());
    assert_eq!(told.snapshot.unwrap().generation, 2);
    assert_eq!(told.events.len(), 2, "{:?}", told.events);
    assert!(told.database.changed);
    assert_eq!(told.moves.len(), 1, "{:?}", told.moves);
    assert!(told.moves[0].most() > 0.49, "{:?}", told.moves);
    assert_eq!(files(), before);
    // And the real thing is as it was told.
    let done = site.load();
    assert_eq!((done.snapshot.unwrap().generation, done.events), (2, told.events));
}
