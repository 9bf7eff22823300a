//! The loader on real directories: what DESIGN §9 and SEMANTICS §6 promise when files are edited, broken, moved or gone.
//! Every test asks the snapshot itself, by `explain` or by name, so that what is seen is what a query would get.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

mod gates;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catchment::dns::{FoldedName, Name, Type};
use catchment::explain::{Assume, Question, outlook};
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::health::Known;
use catchment::net::Block;
use catchment::reload::{Event, Limits, Loaded, Loader, Now, Options, Wish};
use catchment::snapshot::{Identity, Snapshot};
use catchment::zone::{Entry, Lookup};
use expect_test::expect;

const FLEET: &str = "\
pops:
  fra: {at: [50.11, 8.68]}
  iad: {at: [38.95, -77.45]}
services:
  web:
    pops: {fra: 192.0.2.1, iad: 192.0.2.2}
";

fn zone(name: &str, address: &str) -> String {
    format!(
        "zone: {name}\nns: [ns1]\nrecords:\n  ns1: {{A: 192.0.2.53}}\n  www: {{steer: web}}\n  fixed: {{A: {address}}}\n"
    )
}

struct Site {
    dir: tempfile::TempDir,
    loader: Loader,
    now: u64,
    snapshot: Option<Arc<Snapshot>>,
}

impl Site {
    /// A fleet and some zones, loaded once.
    fn new(zones: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("zones")).unwrap();
        let mut site = Self { loader: Self::loader(dir.path()), dir, now: 0, snapshot: None };
        site.write("fleet.yaml", FLEET);
        site.write_database("city.mmdb", &database(CALIFORNIA, 1_780_000_000));
        for (file, text) in zones {
            site.write(file, text);
        }
        let loaded = site.load();
        assert_eq!(site.told(&loaded), "", "the files of the test are good");
        site
    }

    fn loader(dir: &Path) -> Loader {
        Self::limited(dir, Limits::default())
    }

    fn limited(dir: &Path, limits: Limits) -> Loader {
        Loader::new(Options {
            zones: dir.join("zones"),
            geodb: vec![dir.join("geodb")],
            state: Some(dir.join("state")),
            grace: Duration::from_secs(30),
            identity: Identity::default(),
            limits,
        })
        .unwrap()
        .thrifty()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("zones").join(file)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        std::fs::write(self.path(file), text).unwrap();
    }

    fn load(&mut self) -> Loaded {
        self.load_with(Wish::default())
    }

    fn load_with(&mut self, wish: Wish) -> Loaded {
        let now = Now { unix: 1_790_000_000, monotonic: self.now };
        let loaded = self.loader.load(now, wish, &mut |_, _| Known::default());
        if let Some(snapshot) = &loaded.snapshot {
            self.snapshot = Some(Arc::clone(snapshot));
        }
        loaded
    }

    fn restart(&mut self) -> Loaded {
        self.loader = Self::loader(self.dir.path());
        self.snapshot = None;
        self.load()
    }

    /// The errors, without the directory and with warnings left out.
    fn told(&self, loaded: &Loaded) -> String {
        let errors = loaded.fresh.0.iter().filter(|d| d.severity == catchment::config::Severity::Error);
        let text = errors.map(ToString::to_string).collect::<Vec<_>>().join("\n");
        text.replace(&format!("{}/", self.dir.path().join("zones").display()), "")
    }

    /// What the snapshot says of `fixed.ZONE`: an address, or how it is missing.
    fn fixed(&self, zone: &str) -> String {
        let snapshot = self.snapshot.as_ref().unwrap();
        let name = Name::parse(&format!("fixed.{zone}."), None).unwrap();
        let folded = FoldedName::of(&name);
        match snapshot.zones.find(&folded).map(|found| found.entry) {
            None => "refused".into(),
            Some(Entry::NotLoaded) => "servfail".into(),
            Some(Entry::Loaded(zone)) => match zone.lookup(&folded, Type::A) {
                Lookup::Answer(rrset) => {
                    let octets: [u8; 4] = rrset.first().try_into().unwrap();
                    std::net::Ipv4Addr::from(octets).to_string()
                }
                other => format!("{other:?}"),
            },
        }
    }

    fn serial(&self, zone: &str) -> u32 {
        let name = Name::parse(&format!("{zone}."), None).unwrap();
        match self.snapshot.as_ref().unwrap().zones.zone(&name) {
            Some(Entry::Loaded(zone)) => zone.serial(),
            other => panic!("{other:?}"),
        }
    }

    fn pops(&self, zone: &str, down: &[&str]) -> Vec<String> {
        let name = Name::parse(&format!("www.{zone}."), None).unwrap();
        let assume = Assume { down: down.iter().map(|s| (*s).to_owned()).collect(), ..Assume::default() };
        let client = Block::parse("8.8.8.0/24").unwrap();
        let subnet = Some((client.address(), client.length()));
        let question = Question { name, source: [127, 0, 0, 1].into(), subnet, assume };
        outlook(self.snapshot.as_ref().unwrap(), &question, Type::A).pops.unwrap()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text, None).unwrap()
}

#[test]
fn an_edit_serves_and_nothing_else_makes_a_generation() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    assert_eq!(site.pops("a.example", &["iad"]), ["fra"]);
    assert!(site.load().snapshot.is_none(), "nothing changed");
    // Written again with the same contents: still nothing.
    site.write("a.yaml", &zone("a.example", "192.0.2.10"));
    assert!(site.load().snapshot.is_none());
    site.write("a.yaml", &zone("a.example", "192.0.2.11"));
    let loaded = site.load();
    assert!(matches!(loaded.events.as_slice(), [Event::Changed { .. }]), "{:?}", loaded.events);
    assert_eq!(site.fixed("a.example"), "192.0.2.11");
}

#[test]
fn a_broken_edit_keeps_the_last_good_version_while_others_load() {
    let mut site =
        Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10")), ("b.yaml", &zone("b.example", "192.0.2.20"))]);
    site.write("a.yaml", &zone("a.example", "300.0.2.10"));
    site.write("b.yaml", &zone("b.example", "192.0.2.21"));
    let loaded = site.load();
    let told = site.told(&loaded);
    assert!(told.starts_with("a.yaml:6:14: error: "), "{told}");
    assert!(loaded.events.contains(&Event::Kept(name("a.example."))), "{:?}", loaded.events);
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    assert_eq!(site.fixed("b.example"), "192.0.2.21");
    // The same complaint is not made twice, and the mended file serves.
    let again = site.load();
    assert_eq!(site.told(&again), "");
    site.write("a.yaml", &zone("a.example", "192.0.2.12"));
    site.load();
    assert_eq!(site.fixed("a.example"), "192.0.2.12");
}

#[test]
fn s6_3_a_file_that_held_a_zone_and_now_holds_none_keeps_it() {
    let good = zone("a.example", "192.0.2.10");
    let other = zone("other.example", "192.0.2.11");
    for bad in ["", "# nothing\n", "pops: {}\n", other.as_str(), &format!("{good}---\n{good}"), "zone: [", "\u{0}"] {
        let mut site = Site::new(&[("a.yaml", &good), ("b.yaml", &zone("b.example", "192.0.2.20"))]);
        site.write("a.yaml", bad);
        let loaded = site.load();
        assert!(site.told(&loaded).contains("a.yaml"), "{bad:?}: {}", site.told(&loaded));
        assert_eq!(site.fixed("a.example"), "192.0.2.10", "{bad:?}");
        assert_eq!(site.fixed("other.example"), "refused", "{bad:?}");
        // Without limit.
        site.now += 3_600_000;
        site.load();
        assert_eq!(site.fixed("a.example"), "192.0.2.10", "{bad:?}");
    }
}

#[test]
fn s6_3_two_files_claiming_one_zone_the_newcomer_is_refused() {
    let mut site = Site::new(&[("b.yaml", &zone("a.example", "192.0.2.10"))]);
    // Earlier by name, later by time.
    site.write("a.yaml", &zone("a.example", "192.0.2.99"));
    let loaded = site.load();
    let told = site.told(&loaded);
    assert!(told.contains("a.yaml: error: zone `a.example.` is already defined in"), "{told}");
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
}

#[test]
fn s6_3_a_renamed_file_keeps_its_zone_without_a_gap() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    std::fs::rename(site.path("a.yaml"), site.path("z.yaml")).unwrap();
    site.load();
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    site.write("z.yaml", &zone("a.example", "192.0.2.11"));
    site.load();
    assert_eq!(site.fixed("a.example"), "192.0.2.11");
}

#[test]
fn s6_3_a_vanished_zone_has_30_seconds_of_grace() {
    let zones: Vec<_> = (0..3).map(|n| (format!("{n}.yaml"), zone(&format!("z{n}.example"), "192.0.2.10"))).collect();
    let zones: Vec<_> = zones.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
    let mut site = Site::new(&zones);
    std::fs::remove_file(site.path("1.yaml")).unwrap();
    let loaded = site.load();
    assert_eq!(loaded.events, [Event::Vanished(name("z1.example."))]);
    assert_eq!(loaded.findings.again_in, Some(30_000));
    site.now = 29_999;
    assert_eq!(site.load().events, []);
    assert_eq!(site.fixed("z1.example"), "192.0.2.10");
    site.now = 30_000;
    assert_eq!(site.load().events, [Event::Removed(name("z1.example."))]);
    assert_eq!(site.fixed("z1.example"), "refused");
    assert!(!site.dir.path().join("state/last-good/1.yaml").exists());
    // Back in time, and nothing of the grace is left.
    std::fs::remove_file(site.path("2.yaml")).unwrap();
    site.load();
    site.write("2.yaml", &zone("z2.example", "192.0.2.10"));
    site.load();
    site.now += 60_000;
    site.load();
    assert_eq!(site.fixed("z2.example"), "192.0.2.10");
}

#[test]
fn s6_3_mass_disappearance_is_held_until_confirmed() {
    let zones: Vec<_> = (0..4).map(|n| (format!("{n}.yaml"), zone(&format!("z{n}.example"), "192.0.2.10"))).collect();
    let zones: Vec<_> = zones.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
    let mut site = Site::new(&zones);
    for file in ["0.yaml", "1.yaml"] {
        std::fs::remove_file(site.path(file)).unwrap();
    }
    let held: Vec<_> = ["z0.example.", "z1.example."].map(|z| Event::Held(name(z))).into();
    assert_eq!(site.load().events, held);
    site.now = 3_600_000;
    site.load();
    assert_eq!(site.fixed("z0.example"), "192.0.2.10");
    // A directory that is empty, or gone, removes nothing either.
    for file in ["2.yaml", "3.yaml", "fleet.yaml"] {
        std::fs::remove_file(site.path(file)).unwrap();
    }
    site.now += 3_600_000;
    site.load();
    std::fs::remove_dir(site.path("")).unwrap();
    site.now += 3_600_000;
    let loaded = site.load();
    assert!(site.told(&loaded).contains("the directory cannot be read"), "{}", site.told(&loaded));
    for n in 0..4 {
        assert_eq!(site.fixed(&format!("z{n}.example")), "192.0.2.10");
    }
    std::fs::create_dir(site.path("")).unwrap();
    site.write("fleet.yaml", FLEET);
    site.write("2.yaml", &zone("z2.example", "192.0.2.10"));
    site.load_with(Wish { confirm_removals: true, ..Wish::default() });
    assert_eq!(
        ["z0", "z1", "z2", "z3"].map(|z| site.fixed(&format!("{z}.example"))),
        ["refused", "refused", "192.0.2.10", "refused"]
    );
}

#[test]
fn s6_4_a_fleet_that_would_break_a_good_zone_is_refused_whole() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    // `web` is gone, and iad's address changed: neither happens.
    site.write("fleet.yaml", &FLEET.replace("  web:", "  web2:").replace("192.0.2.2", "192.0.2.222"));
    let loaded = site.load();
    let told = site.told(&loaded);
    assert!(told.contains("the changed fleet would break zone `a.example.`; the whole previous fleet stays"), "{told}");
    assert!(loaded.snapshot.is_none());
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    // A fleet that does not parse stays out too, and zones still load beside it.
    site.write("fleet.yaml", "pops: [");
    site.write("a.yaml", &zone("a.example", "192.0.2.11"));
    let loaded = site.load();
    assert!(site.told(&loaded).contains("fleet.yaml:1:"), "{}", site.told(&loaded));
    assert_eq!(site.fixed("a.example"), "192.0.2.11");
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    // Fleet and zone changed together, rightly.
    site.write("fleet.yaml", &FLEET.replace("  web:", "  web2:"));
    site.write("a.yaml", &zone("a.example", "192.0.2.12").replace("steer: web", "steer: web2"));
    let loaded = site.load();
    assert_eq!(site.told(&loaded), "");
    assert_eq!(site.fixed("a.example"), "192.0.2.12");
}

#[test]
fn s6_5_at_start_a_bad_zone_serves_its_last_good_copy() {
    let mut site =
        Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10")), ("b.yaml", &zone("b.example", "192.0.2.20"))]);
    site.write("a.yaml", "zone: a.example\nrecords: {");
    site.write("new.yaml", "zone: new.example\nrecords: {");
    let loaded = site.restart();
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    assert_eq!(site.fixed("b.example"), "192.0.2.20");
    assert_eq!(site.fixed("new.example"), "servfail");
    assert!(loaded.events.contains(&Event::NotLoaded(name("new.example."))), "{:?}", loaded.events);
    assert!(loaded.events.contains(&Event::Kept(name("a.example."))), "{:?}", loaded.events);
}

#[test]
fn s6_5_at_start_a_bad_fleet_serves_its_last_good_copy() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    site.write("fleet.yaml", "pops: {fra: {at: [1, 2}");
    let loaded = site.restart();
    assert!(site.told(&loaded).contains("fleet.yaml:1:"), "{}", site.told(&loaded));
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    // Later edits of zones go on with it.
    site.write("a.yaml", &zone("a.example", "192.0.2.11"));
    site.load();
    assert_eq!(site.fixed("a.example"), "192.0.2.11");
}

/// One mistake in the fleet is one error, not one for every name that uses it.
#[test]
fn what_a_refused_fleet_would_define_is_not_missed_name_by_name() {
    let zone =
        zone("a.example", "192.0.2.80") + "  more: {steer: web}\nexpect: [{name: www, client: 192.0.2.1, pop: fra}]\n";
    let plain = "zone: b.example\nns: ns.example.net.\nrecords: {www: {A: 192.0.2.1}}\n";
    let mut site = Site::new(&[]);
    site.write("a.yaml", &zone);
    site.write("b.yaml", plain);
    site.write("fleet.yaml", &FLEET.replace("iad: 192.0.2.2", "iat: 192.0.2.2"));
    std::fs::remove_dir_all(site.dir.path().join("state")).unwrap();
    let loaded = site.restart();
    assert_eq!(
        site.told(&loaded),
        "a.yaml:5:16: error: service `web` is not defined, and fleet.yaml, which may define it, is refused\n  \
         help: correct that file first; what it may define is looked at again then\n\
         fleet.yaml:6:28: error: PoP `iat` is not defined\n  help: did you mean `iad`? defined: `fra`, `iad`"
    );
    assert!(
        site.loader.generation.zones[&name("b.example.")].good.is_some(),
        "a zone without steered names needs no fleet"
    );

    // Beside a piece that is good, the other is bad: what only that one has is waited for.
    site.write("fleet.yaml", FLEET);
    site.write("more.yaml", "services: {web: {pops: {fra: nowhere}}}\n");
    site.write("a.yaml", &zone.replace("more: {steer: web}", "more: {steer: shop}"));
    let loaded = site.restart();
    let told = site.told(&loaded);
    assert!(told.contains("service `shop` is not defined, and more.yaml, which may define it, is refused"), "{told}");

    std::fs::remove_file(site.path("more.yaml")).unwrap();
    site.write("a.yaml", &zone);
    let loaded = site.load();
    assert_eq!(
        site.told(&loaded).lines().filter(|line| line.contains("not defined")).count(),
        0,
        "{}",
        site.told(&loaded)
    );
}

/// A broken file that names no zone takes none into its charge, least of all the root, under which every name lies.
/// What a file's own mistakes hide from nobody: the undefined names in the rest of it, and in the fleet's other files.
#[test]
fn a_fleet_with_mistakes_is_linked_for_all_that_is_wrong_with_it() {
    let wrong = FLEET.replace("    pops: {", "    check: []\n    checks: [wbe]\n    pops: {");
    assert_ne!(wrong, FLEET);
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.7"))]);
    let fixed = site.fixed("a.example");
    site.write("fleet.yaml", &wrong);
    site.write("more.yaml", "services: {two: {checks: [other], pops: {fra: 192.0.2.3}}}\n");
    let loaded = site.load();
    let told = site.told(&loaded);
    for words in [
        "`check` is not a key of a service",
        "check `wbe` is not defined",
        "more.yaml:1:27: error: check `other` is not defined",
    ] {
        assert_eq!(told.matches(words).count(), 1, "`{words}` in:\n{told}");
    }
    assert_eq!(site.fixed("a.example"), fixed);
}

#[test]
fn a_zone_without_a_name_is_not_the_root_zone() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    site.write("b.yaml", "zone:\nns: [\n");
    site.restart();
    assert_eq!((site.fixed("a.example").as_str(), site.fixed("b.example").as_str()), ("192.0.2.10", "refused"));
    site.write("b.yaml", "zone: .\nns: [\n");
    site.restart();
    assert_eq!((site.fixed("a.example").as_str(), site.fixed("b.example").as_str()), ("192.0.2.10", "servfail"));
    site.write("b.yaml", "zone: .\nns: [ns1]\nrecords: {ns1: {A: 192.0.2.53}, fixed.b.example: {A: 192.0.2.11}}\n");
    site.load();
    assert_eq!((site.fixed("a.example").as_str(), site.fixed("b.example").as_str()), ("192.0.2.10", "192.0.2.11"));
    site.restart();
    assert_eq!(site.fixed("b.example"), "192.0.2.11");
}

#[test]
fn s6_6_serials_follow_the_newest_input_and_never_fall() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    let set = |site: &Site, file: &str, seconds: u64| {
        let file = std::fs::File::options().append(true).open(site.path(file)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    site.write("a.yaml", &zone("a.example", "192.0.2.11"));
    set(&site, "a.yaml", 2_000_000_000);
    site.load();
    assert_eq!(site.serial("a.example"), 2_000_000_000);
    site.write("a.yaml", &zone("a.example", "192.0.2.12"));
    set(&site, "a.yaml", 1_900_000_000);
    site.load();
    assert_eq!((site.serial("a.example"), site.fixed("a.example").as_str()), (2_000_000_000, "192.0.2.12"));
    site.restart();
    assert_eq!(site.serial("a.example"), 2_000_000_000, "remembered over a restart");
    // A written serial is served as written, a lower one with a warning.
    site.write("a.yaml", &format!("{}soa: {{serial: 7}}\n", zone("a.example", "192.0.2.12")));
    let loaded = site.load();
    assert_eq!(site.serial("a.example"), 7);
    assert!(
        loaded.fresh.to_string().contains("the serial 7 is below the last one served, 2000000000"),
        "{}",
        loaded.fresh
    );
}

/// A server keeps the tables of a zone and not its records: a fleet that changes, and a zone file that breaks and is mended,
/// must find all that they need.
#[test]
fn a_fleet_changes_under_zones_whose_records_are_no_longer_kept() {
    let warned = zone("a.example", "192.0.2.10") + "  sub: {NS: ns9.sub}\n";
    let mut site = Site::new(&[("a.yaml", &warned), ("b.yaml", &zone("b.example", "192.0.2.20"))]);
    let kept =
        |site: &Site, zone: &str| site.loader.generation.zones[&name(zone)].good.as_ref().unwrap().model.records.len();
    assert_eq!((kept(&site, "a.example."), kept(&site, "b.example.")), (0, 0));
    let all = |site: &Site| (site.fixed("a.example"), site.fixed("b.example"), site.pops("a.example", &[]));
    let served = all(&site);

    let fleet = |site: &Site, address: &str, seconds: u64| {
        site.write("fleet.yaml", &FLEET.replace("192.0.2.2", address));
        let file = std::fs::File::options().append(true).open(site.path("fleet.yaml")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    fleet(&site, "192.0.2.3", 2_000_000_000);
    let loaded = site.load();
    assert_eq!((site.told(&loaded).as_str(), all(&site)), ("", served.clone()));
    assert_eq!(loaded.events.iter().filter(|event| matches!(event, Event::Changed { .. })).count(), 2);
    assert_eq!(site.serial("a.example"), 2_000_000_000);
    let warnings = loaded.findings.diagnostics.to_string();
    assert!(warnings.contains("ns9.sub.a.example"), "what tables tell is told of the zone they serve: {warnings}");

    // The file is broken, and the fleet changes: its last good version goes on.
    site.write("a.yaml", "zone: a.example\nrecords: [\n");
    site.load();
    fleet(&site, "192.0.2.4", 2_000_000_100);
    site.load();
    assert_eq!((all(&site), site.serial("a.example")), (served.clone(), 2_000_000_100));
    // It is mended as it was, then moved to another file.
    site.write("a.yaml", &warned);
    let loaded = site.load();
    assert_eq!((site.told(&loaded).as_str(), all(&site)), ("", served.clone()));
    std::fs::rename(site.path("a.yaml"), site.path("c.yaml")).unwrap();
    site.load();
    fleet(&site, "192.0.2.5", 2_000_000_200);
    site.load();
    assert_eq!((all(&site), site.serial("a.example"), kept(&site, "a.example.")), (served, 2_000_000_200, 0));
}

#[test]
fn an_alias_without_an_address_is_warned_of_when_all_zones_are_known() {
    let one = "zone: a.example\nns: [ns.c.example.]\nrecords:\n  ok: {ALIAS: x.b.example.}\n  out: {ALIAS: x.c.example.}\n  none: {ALIAS: n.b.example.}\n  cut: {ALIAS: x.cut.b.example.}\n  \"*.w\": {ALIAS: y.w}\n";
    let two = "zone: b.example\nns: [ns.c.example.]\nrecords:\n  x: {AAAA: \"2001:db8::1\"}\n  n: {TXT: x}\n  cut: {NS: ns.c.example.}\n";
    let mut site = Site::new(&[("a.yaml", one), ("b.yaml", two)]);
    let warned = |loaded: &Loaded| {
        let aliases = loaded.fresh.0.iter().filter(|d| d.message.contains("ALIAS"));
        aliases.map(|d| format!("{} {}", d.location.line, d.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        warned(&site.restart()),
        [
            "5 `out.a.example.` is an ALIAS of `x.c.example.`, which leads out of the zones that are loaded here",
            "6 `none.a.example.` is an ALIAS of `n.b.example.`, which has no address",
            "7 `cut.a.example.` is an ALIAS of `x.cut.b.example.`, which is delegated to other name servers",
            "8 `*.w.a.example.` is an ALIAS of `y.w.a.example.`, which leads round in a circle, or over too many aliases",
        ]
    );
    // A change of the other zone is enough.
    site.write("b.yaml", &two.replace("AAAA: \"2001:db8::1\"", "TXT: x"));
    assert_eq!(warned(&site.load()), ["4 `ok.a.example.` is an ALIAS of `x.b.example.`, which has no address"]);
}

/// `expect:` and `explain` see through an ALIAS.
#[test]
fn an_expectation_may_be_about_an_alias() {
    let with = |pop: &str| {
        let expect = format!("expect:\n  - {{name: a.example., client: 8.8.8.8, pop: {pop}}}\n");
        format!("{}  \"@\": {{ALIAS: flat}}\n  flat: {{ALIAS: www}}\n{expect}", zone("a.example", "192.0.2.10"))
    };
    let mut site = Site::new(&[("a.yaml", &with("iad"))]);
    site.write("a.yaml", &with("fra"));
    let told = site.load();
    assert!(site.told(&told).contains("to go to `fra`, but it goes to `iad`"), "{}", site.told(&told));
}

#[test]
fn s6_7_an_expectation_gates_its_zone() {
    let with = |address: &str, pop: &str| {
        format!("{}expect:\n  - {{name: www, client: 8.8.8.8, pop: {pop}}}\n", zone("a.example", address))
    };
    let mut site = Site::new(&[("a.yaml", &with("192.0.2.10", "iad"))]);
    site.write("a.yaml", &with("192.0.2.11", "fra"));
    let loaded = site.load();
    let told = site.told(&loaded);
    assert!(
        told.contains("a.yaml:8:") && told.contains("expected client 8.8.8.8/32 to go to `fra`, but it goes to `iad`"),
        "{told}"
    );
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    // A fleet change that breaks an expectation of an unchanged zone is refused.
    site.write("a.yaml", &with("192.0.2.11", "iad"));
    site.load();
    site.write("fleet.yaml", &FLEET.replace("[38.95, -77.45]", "[-33.9, 151.2]"));
    let loaded = site.load();
    assert!(site.told(&loaded).contains("expected client 8.8.8.8/32 to go to `iad`"), "{}", site.told(&loaded));
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    let assumed = format!(
        "{}expect:\n  - {{name: www, client: 8.8.8.8, assume: {{down: [iad]}}, pop: fra}}\n",
        zone("a.example", "192.0.2.12")
    );
    site.write("a.yaml", &assumed);
    site.write("fleet.yaml", FLEET);
    let loaded = site.load();
    assert_eq!(site.told(&loaded), "");
    assert_eq!(site.fixed("a.example"), "192.0.2.12");
}

/// What is expected of an answer is what the engine gives; each line of the second file is wrong in one way.
#[test]
fn s6_7_an_expectation_may_be_about_everything_that_is_told() {
    let with = |expects: &str| {
        zone("a.example", "192.0.2.80")
            + "  safe: {steer: web, TXT: hello}\n  here: {CNAME: fixed}\n"
            + "expect:\n"
            + expects
    };
    let good = "  - {name: www, client: 8.8.8.0/24, pop: [iad], answer: 192.0.2.2, ttl: 60, scope: 8}\n  \
                - {name: www, client: 8.8.8.8, scope: 0, ttl: 1m}\n  \
                - {name: www, resolver: 9.9.9.9, subnet: 8.0.0.0/24, pop: iad}\n  \
                - {name: www, client: 8.8.8.0/24, assume: {down: [iad]}, answer: 192.0.2.1, ttl: 20}\n  \
                - {name: www, client: 8.8.8.0/24, assume: {drain: [iad]}, pop: fra}\n  \
                - {name: www, client: 8.8.8.0/24, assume: {down: [fra, iad]}, pop: iad, ttl: 10}\n  \
                - {name: www, client: 8.8.8.0/24, type: AAAA, answer: nodata}\n  \
                - {name: fixed, answer: 192.0.2.80, ttl: 3600}\n  - {name: here, answer: 192.0.2.80}\n  \
                - {name: safe, type: TXT, answer: hello, ttl: 1h}\n  - {name: nobody, answer: nxdomain}\n  \
                - {name: fixed, type: MX, answer: nodata}\n";
    let mut site = Site::new(&[("a.yaml", &with(good))]);
    let bad = "  - {name: www, client: 8.8.8.0/24, pop: [iad, fra], answer: 192.0.2.1, ttl: 20, scope: 24}\n  \
               - {name: www, client: 8.8.8.0/24, assume: {down: [fra], drain: [iad]}, pop: fra}\n  \
               - {name: fixed, client: 8.8.8.8, pop: fra}\n  - {name: fixed, answer: nxdomain}\n  \
               - {name: nobody, answer: nodata, ttl: 5}\n  - {name: fixed, answer: [192.0.2.80, 192.0.2.81]}\n  \
               - {name: fixed, answer: servfail}\n";
    site.write("a.yaml", &with(bad));
    let loaded = site.load();
    let told =
        site.told(&loaded).replace("\n  help: `catchment explain` shows why; correct the zone, or the expectation", "");
    expect![[r"
        a.yaml:10:5: error: expected client 8.8.8.0/24 to go to `iad`, `fra`, but it goes to `iad`
        a.yaml:10:5: error: expected `192.0.2.1` as A of `www.a.example.` for client 8.8.8.0/24, but there is `192.0.2.2`
        a.yaml:10:5: error: expected a TTL of 20 s of `www.a.example.` for client 8.8.8.0/24, but it is 60 s
        a.yaml:10:5: error: expected scope /24 of `www.a.example.` for client 8.8.8.0/24, but it is /8
        a.yaml:11:5: error: expected client 8.8.8.0/24 to go to `fra` with `fra` down and `iad` drained, but it goes to `iad`
        a.yaml:12:5: error: expected client 8.8.8.8/32 to go to `fra`, but `fixed.a.example.` is not steered: `192.0.2.80`
        a.yaml:13:5: error: expected NXDOMAIN as A of `fixed.a.example.`, but there is `192.0.2.80`
        a.yaml:14:5: error: expected no data as A of `nobody.a.example.`, but there is no such name
        a.yaml:14:5: error: expected a TTL of 5 s of `nobody.a.example.`, but there is no such name
        a.yaml:15:5: error: expected `192.0.2.80`, `192.0.2.81` as A of `fixed.a.example.`, but there is `192.0.2.80`
        a.yaml:16:5: error: expected SERVFAIL as A of `fixed.a.example.`, but there is `192.0.2.80`"]].assert_eq(&told);
    assert_eq!(site.fixed("a.example"), "192.0.2.80", "the last good version serves");
}

/// A database that puts 8.0.0.0/8 at a place, built at a time.
fn database(place: (f64, f64), built: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    let location = Value::Map(vec![("latitude", Value::Double(place.0)), ("longitude", Value::Double(place.1))]);
    let record = writer.record(&Value::Map(vec![("location", location)]));
    writer.insert_v4(8 << 24, 8, record);
    writer.finish(&Metadata { kind: "Test-City".into(), description: "test".into(), build_epoch: built })
}

const CALIFORNIA: (f64, f64) = (37.4, -122.1);
const PARIS: (f64, f64) = (48.9, 2.4);

impl Site {
    fn write_database(&self, file: &str, bytes: &[u8]) {
        let directory = self.dir.path().join("geodb");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(file), bytes).unwrap();
    }

    #[track_caller]
    fn refuses(&mut self, bytes: &[u8], words: &str) {
        self.write_database("city.mmdb", bytes);
        let loaded = self.load();
        assert!(loaded.snapshot.is_none());
        let errors = loaded.database.errors.join("; ");
        assert!(errors.contains("city.mmdb: ") || errors.contains('%'), "{errors}");
        assert!(errors.contains(words), "{errors}");
        assert_eq!(self.pops("a.example", &[]), ["iad"]);
    }
}

#[test]
fn s6_8_databases_that_are_bad_or_gone_take_nothing_away() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    assert_eq!(site.pops("a.example", &[]), ["iad"], "by the database");
    let good = database(CALIFORNIA, 1_780_000_000);
    site.refuses(&[], "empty");
    site.refuses(&good[..good.len() / 2], "");
    site.refuses(b"not a database at all", "");
    site.refuses(&database(PARIS, 1_890_000_000), "days in the future");
    site.refuses(&database(PARIS, 1_779_000_000), "11 days older than the one in use");
    site.refuses(&database(PARIS, 1_781_000_000), "100 % of the places in use");
    // Over a restart a damaged file serves from the compiled table in the state directory.
    site.write_database("city.mmdb", &good[..good.len() / 2]);
    let loaded = site.restart();
    assert!(loaded.database.cached && loaded.database.errors.len() == 1, "{:?}", loaded.database);
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    std::fs::remove_file(site.dir.path().join("geodb/city.mmdb")).unwrap();
    let loaded = site.load();
    assert!(loaded.snapshot.is_none() && loaded.database.warnings.len() == 1, "{:?}", loaded.database);
    // The whole file again, from the cache; then a restart believes another place.
    site.write_database("city.mmdb", &good);
    assert!(site.load().database.errors.is_empty());
    let loaded = site.restart();
    assert!(loaded.database.cached && loaded.database.errors.is_empty(), "{:?}", loaded.database);
    site.write_database("city.mmdb", &database(PARIS, 1_781_000_000));
    site.restart();
    assert_eq!(site.pops("a.example", &[]), ["fra"]);
}

#[test]
fn s6_8_a_newer_database_is_taken_while_serving() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    site.write_database("city.mmdb", &database((40.7, -74.0), 1_781_000_000));
    let loaded = site.load();
    assert!(!loaded.database.changed, "from California to New York is too far to be believed");
    site.write_database("city.mmdb", &database((37.8, -122.4), 1_781_000_000));
    let loaded = site.load();
    assert!(loaded.database.changed && loaded.database.errors.is_empty(), "{:?}", loaded.database);
}

/// While it serves: broken files of others, its own file cut off at any length, written slowly in place, gone and back.
#[test]
fn s6_8_no_broken_database_changes_an_answer() {
    let mut site = Site::new(&[("a.yaml", &zone("a.example", "192.0.2.10"))]);
    let good = database(CALIFORNIA, 1_780_000_000);
    let mut broken: Vec<Vec<u8>> = (0..good.len()).step_by(good.len() / 16).map(|n| good[..n].to_vec()).collect();
    broken.extend([b"\xab\xcd\xefMaxMind.com".to_vec(), vec![0; 4096], vec![0xff; 4096]]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata/mmdb/bad-data");
    let mut directories = vec![folder];
    while let Some(directory) = directories.pop() {
        // Without the folder there are those made above.
        for entry in std::fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
            if entry.path().is_dir() {
                directories.push(entry.path());
            } else {
                broken.push(std::fs::read(entry.path()).unwrap());
            }
        }
    }
    for octets in broken {
        site.write_database("city.mmdb", &octets);
        let loaded = site.load();
        assert!(loaded.snapshot.is_none() && !loaded.database.changed, "{:?}", loaded.database);
        assert_eq!(loaded.database.errors.len(), 1, "{:?}", loaded.database);
        assert_eq!(site.pops("a.example", &[]), ["iad"]);
        assert_eq!(site.loader.databases.trouble.len(), 1);
    }
    // A good one that knows nothing of places is the wrong file.
    let mut writer = Writer::new();
    let record = writer.record(&Value::Map(vec![("isp", Value::Text("somebody"))]));
    writer.insert_v4(8 << 24, 8, record);
    let isp = Metadata { kind: "Test-ISP".into(), description: "test".into(), build_epoch: 1_785_000_000 };
    site.write_database("city.mmdb", &writer.finish(&isp));
    let loaded = site.load();
    assert!(!loaded.database.changed, "{:?}", loaded.database);
    assert_eq!(site.pops("a.example", &[]), ["iad"]);
    // Beside a broken one a good new one is not taken either: what belongs together comes together.
    site.write_database("city.mmdb", &good);
    site.load();
    assert_eq!(site.loader.databases.trouble, [] as [String; 0]);
    site.write_database("other.mmdb", b"broken");
    assert!(!site.load().database.changed);
    std::fs::remove_file(site.dir.path().join("geodb/other.mmdb")).unwrap();
    assert!(site.load().database.errors.is_empty());
    // In place and slowly, with a look at every step; the whole one serves at the end.
    let new = database((37.8, -122.4), 1_781_000_000);
    for length in (0..=new.len()).step_by(new.len() / 8).chain([new.len()]) {
        site.write_database("city.mmdb", &new[..length]);
        let loaded = site.load();
        assert_eq!(loaded.database.changed, length == new.len() && loaded.database.errors.is_empty());
        assert_eq!(site.pops("a.example", &[]), ["iad"]);
    }
    assert_eq!(site.loader.databases.used[0].built, 1_781_000_000);
}
