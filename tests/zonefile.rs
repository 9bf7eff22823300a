//! Zones whose static part is a master file: an edit of any of the files is an edit of the zone, and a broken, vanished or
//! emptied one takes nothing away (DESIGN §9, SEMANTICS §6). Asked by name, so that what is seen is what a query gets.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catchment::config::Severity;
use catchment::dns::{FoldedName, Name, Type, rdata};
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::health::Known;
use catchment::reload::{Limits, Loaded, Loader, Now, Options, Wish};
use catchment::snapshot::{Identity, Snapshot};
use catchment::zone::{Entry, Lookup};

const YAML: &str = "zone: a.example\nzonefile: db.a\n";
const DB: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 7 2h 15m 2w 1m
  NS ns1
ns1 A 192.0.2.53
$INCLUDE inc/hosts
";
const HOSTS: &str = "fixed A 192.0.2.10\n";

fn database() -> Vec<u8> {
    let mut writer = Writer::new();
    let record = writer.record(&Value::Map(vec![]));
    writer.insert_v4(8 << 24, 8, record);
    writer.finish(&Metadata { kind: "Test-City".into(), description: "test".into(), build_epoch: 1_780_000_000 })
}

struct Site {
    dir: tempfile::TempDir,
    loader: Loader,
    snapshot: Option<Arc<Snapshot>>,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("geodb")).unwrap();
        // Small, so that no test compiles the database in the program.
        std::fs::write(dir.path().join("geodb/city.mmdb"), database()).unwrap();
        let loader = Self::loader(dir.path());
        let site = Self { dir, loader, snapshot: None };
        for (file, text) in files {
            site.write(file, text);
        }
        site
    }

    /// The zone `a.example` in three files.
    fn good() -> Self {
        let mut site = Self::new(&[("a.yaml", YAML), ("db.a", DB), ("inc/hosts", HOSTS)]);
        assert_eq!(site.load(), "");
        assert_eq!(site.fixed("a.example"), "192.0.2.10");
        site
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

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("zones").join(file)
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        std::fs::write(self.path(file), text).unwrap();
    }

    fn touch(&self, file: &str, seconds: u64) {
        let file = std::fs::File::options().append(true).open(self.path(file)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    fn look(&mut self) -> Loaded {
        let now = Now { unix: 1_790_000_000, monotonic: 0 };
        let loaded = self.loader.load(now, Wish::default(), &mut |_, _| Known::default());
        if let Some(snapshot) = &loaded.snapshot {
            self.snapshot = Some(Arc::clone(snapshot));
        }
        loaded
    }

    /// Looks, and gives every error and warning there is now, without the directory.
    fn load(&mut self) -> String {
        let loaded = self.look();
        assert_eq!(loaded.state_error, None);
        let text = loaded.findings.diagnostics.to_string();
        text.replace(&format!("{}/", self.dir.path().join("zones").display()), "")
    }

    fn restart(&mut self) -> String {
        self.loader = Self::loader(self.dir.path());
        self.snapshot = None;
        self.load()
    }

    fn ask(&self, name: &str, rtype: Type) -> String {
        let name = Name::parse(&format!("{name}."), None).unwrap();
        let folded = FoldedName::of(&name);
        match self.snapshot.as_ref().unwrap().zones.find(&folded).map(|found| found.entry) {
            None => "refused".into(),
            Some(Entry::NotLoaded) => "servfail".into(),
            Some(Entry::Loaded(zone)) => match zone.lookup(&folded, rtype) {
                Lookup::Answer(set) => set.rdata().map(|r| rdata::show(rtype, r)).collect::<Vec<_>>().join(" / "),
                Lookup::Steered { .. } => "steered".into(),
                other => format!("{other:?}").split([' ', '(', '{']).next().unwrap().to_lowercase(),
            },
        }
    }

    fn fixed(&self, zone: &str) -> String {
        self.ask(&format!("fixed.{zone}"), Type::A)
    }

    fn serial(&self, zone: &str) -> u32 {
        match self.snapshot.as_ref().unwrap().zones.zone(&Name::parse(&format!("{zone}."), None).unwrap()) {
            Some(Entry::Loaded(zone)) => zone.serial(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_edit_of_the_master_file_or_an_include_alone_serves() {
    let mut site = Site::good();
    assert!(site.look().snapshot.is_none(), "nothing changed");
    assert_eq!(site.ask("a.example", Type::SOA), "ns1.a.example. hostmaster.a.example. 7 7200 900 1209600 60");
    assert_eq!(site.ask("a.example", Type::NS), "ns1.a.example.");
    site.write("inc/hosts", "fixed A 192.0.2.11\n");
    assert_eq!((site.load(), site.fixed("a.example")), (String::new(), "192.0.2.11".to_owned()));
    site.write("db.a", DB.replace("192.0.2.53", "192.0.2.54").replace(" 7 ", " 8 "));
    assert_eq!(site.load(), "");
    assert_eq!(site.ask("ns1.a.example", Type::A), "192.0.2.54");
    assert_eq!(site.serial("a.example"), 8);
    // Written again with the same contents: nothing.
    site.write("inc/hosts", "fixed A 192.0.2.11\n");
    assert!(site.look().snapshot.is_none());
}

#[test]
fn a_broken_vanished_or_emptied_file_keeps_the_last_good_version() {
    for (file, text, told) in [
        (
            "db.a",
            Some("@ SOA ns1 hostmaster 7 2h 15m 2w 1m\n NS ns1\nns1 A 192.0.2\n"),
            "db.a:3:7: error: `192.0.2` is not",
        ),
        ("db.a", Some(""), "a.yaml:2:11: error: `db.a` holds no records"),
        ("db.a", None, "a.yaml:2:11: error: `db.a` cannot be read: "),
        (
            "inc/hosts",
            Some("fixed A 192.0.2.10 )\n"),
            "inc/hosts:1:20: error: a parenthesis is closed that was not opened",
        ),
        ("inc/hosts", None, "db.a:5:10: error: `inc/hosts` cannot be read: "),
        ("a.yaml", Some("zone: a.example\nzonefile: [\n"), "a.yaml:"),
    ] {
        let mut site = Site::good();
        match text {
            Some(text) => site.write(file, text),
            None => std::fs::remove_file(site.path(file)).unwrap(),
        }
        let before = site.load();
        assert!(before.contains(told), "{file} {text:?}: {before}");
        assert_eq!(site.fixed("a.example"), "192.0.2.10", "{file} {text:?}");
        // A restart serves the copies, of all three files as they were together.
        site.write("b.yaml", "zone: b.example\nns: [ns.a.example.]\nrecords: {fixed: {A: 192.0.2.20}}\n");
        let after = site.restart();
        assert!(after.contains(told), "{file} {text:?}: {after}");
        assert_eq!(site.fixed("a.example"), "192.0.2.10", "{file} {text:?}");
        assert_eq!(site.fixed("b.example"), "192.0.2.20", "{file} {text:?}");
        // Mended, the new version serves.
        site.write("a.yaml", YAML);
        site.write("db.a", DB);
        site.write("inc/hosts", "fixed A 192.0.2.12\n");
        assert_eq!(site.load(), "");
        assert_eq!(site.fixed("a.example"), "192.0.2.12", "{file} {text:?}");
    }
}

#[test]
fn a_missing_file_that_appears_loads_the_zone() {
    let mut site = Site::new(&[("a.yaml", YAML)]);
    assert!(site.load().contains("a.yaml:2:11: error: `db.a` cannot be read: "));
    assert_eq!(site.fixed("a.example"), "servfail");
    site.write("db.a", DB);
    assert!(site.load().contains("db.a:5:10: error: `inc/hosts` cannot be read: "));
    site.write("inc/hosts", HOSTS);
    assert_eq!((site.load(), site.fixed("a.example")), (String::new(), "192.0.2.10".to_owned()));
}

#[test]
fn two_zones_that_share_a_file_have_their_own_copies_of_it() {
    let mut site = Site::good();
    site.write("b.yaml", "zone: b.example\nzonefile: db.a\n");
    assert_eq!(site.load(), "");
    assert_eq!(site.fixed("b.example"), "192.0.2.10");
    // The new version does for `a`; `b` cannot use it, because YAML has the same name.
    site.write("inc/hosts", "fixed A 192.0.2.11\nmore A 192.0.2.12\n");
    site.write("b.yaml", "zone: b.example\nzonefile: db.a\nrecords: {more: {A: 192.0.2.13}}\n");
    let told = "inc/hosts:2:1: error: A of `more.b.example.` is already at b.yaml:3:21";
    let before = site.load();
    assert!(before.contains(told), "{before}");
    assert_eq!([site.fixed("a.example"), site.fixed("b.example")], ["192.0.2.11", "192.0.2.10"]);
    let after = site.restart();
    assert!(after.contains(told), "{after}");
    assert_eq!([site.fixed("a.example"), site.fixed("b.example")], ["192.0.2.11", "192.0.2.10"]);
}

#[test]
fn copies_of_files_that_are_no_longer_named_go() {
    let mut site = Site::good();
    let copy = site.dir.path().join("state/last-good/.a.yaml.with/inc/hosts");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), HOSTS);
    site.write("db.a", DB.replace("$INCLUDE inc/hosts", "fixed A 192.0.2.14"));
    assert_eq!((site.load(), site.fixed("a.example")), (String::new(), "192.0.2.14".to_owned()));
    assert!(!copy.parent().unwrap().exists());
    site.write("a.yaml", "zone: a.example\nns: [ns.b.example.]\nrecords: {fixed: {A: 192.0.2.15}}\n");
    assert_eq!((site.load(), site.fixed("a.example")), (String::new(), "192.0.2.15".to_owned()));
    assert!(!site.dir.path().join("state/last-good/.a.yaml.with").exists());
}

#[test]
fn steered_names_and_yaml_records_stand_beside_the_master_file() {
    let mut site = Site::new(&[
        ("a.yaml", &format!("{YAML}records:\n  www: {{steer: web}}\n  txt: {{TXT: from yaml}}\n")),
        ("db.a", DB),
        ("inc/hosts", HOSTS),
        ("fleet.yaml", "pops: {fra: {at: [50.11, 8.68]}}\nservices: {web: {pops: {fra: 192.0.2.1}}}\n"),
    ]);
    assert_eq!(site.load(), "");
    assert_eq!(site.ask("www.a.example", Type::A), "steered");
    assert_eq!(site.ask("txt.a.example", Type::TXT), "\"from yaml\"");
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    // The same name steered here and fixed there is for the operator to settle.
    site.write("inc/hosts", "fixed A 192.0.2.11\nwww 60 A 192.0.2.12\n");
    let told = site.load();
    assert!(told.contains("inc/hosts:2:1: error: `www.a.example.` has A here and is steered at a.yaml:4:9"), "{told}");
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
}

#[test]
fn names_that_lead_outside_are_refused() {
    let mut site = Site::good();
    std::fs::write(site.dir.path().join("secret"), "fixed A 192.0.2.66\n").unwrap();
    std::os::unix::fs::symlink(site.dir.path().join("secret"), site.path("link")).unwrap();
    std::os::unix::fs::symlink(site.dir.path(), site.path("up")).unwrap();
    let outside = site.dir.path().join("secret").display().to_string();
    for (name, why) in [
        ("../secret", "leads upward by `..`"),
        ("inc/../../secret", "leads upward by `..`"),
        (outside.as_str(), "is an absolute path"),
        ("link", "is a link that leads out of the directory of zone files"),
        ("up/secret", "is a link that leads out of the directory of zone files"),
        ("inc", "is not a file"),
    ] {
        site.write("db.a", DB.replace("inc/hosts", name));
        let told = site.load();
        assert!(told.contains(&format!("db.a:5:10: error: `{name}` {why}")), "{name}: {told}");
        assert_eq!(site.fixed("a.example"), "192.0.2.10");
        site.write("b.yaml", format!("zone: b.example\nzonefile: {name}\n"));
        let told = site.load();
        assert!(told.contains(&format!("b.yaml:2:11: error: `{name}` {why}")), "{name}: {told}");
    }
    // A link that stays inside is a file like any other: a deployment swaps such links.
    std::fs::remove_file(site.path("b.yaml")).unwrap();
    site.write("v1/hosts", HOSTS);
    site.write("v2/hosts", "fixed A 192.0.2.11\n");
    std::os::unix::fs::symlink("v1", site.path("now")).unwrap();
    site.write("db.a", DB.replace("inc/hosts", "now/hosts"));
    site.load();
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
    std::fs::remove_file(site.path("now")).unwrap();
    std::os::unix::fs::symlink("v2", site.path("now")).unwrap();
    site.load();
    assert_eq!(site.fixed("a.example"), "192.0.2.11");
}

#[test]
fn an_include_cycle_is_told_once() {
    let mut site = Site::good();
    site.write("inc/hosts", "fixed A 192.0.2.11\n$INCLUDE more\n");
    site.write("inc/more", "$INCLUDE ./hosts\n");
    let told = site.load();
    assert_eq!(told.lines().next().unwrap(), "inc/more:1:10: error: inc/hosts includes itself, by way of this line");
    assert_eq!(site.fixed("a.example"), "192.0.2.10");
}

#[test]
fn s6_6_the_newest_of_all_files_is_the_automatic_serial() {
    let mut site = Site::new(&[
        ("a.yaml", &format!("{YAML}soa: {{}}\n")),
        ("db.a", &DB.replace("@ SOA ns1 hostmaster 7 2h 15m 2w 1m\n", "@")),
        ("inc/hosts", HOSTS),
    ]);
    for file in ["a.yaml", "db.a", "inc/hosts"] {
        site.touch(file, 1_700_000_000);
    }
    assert_eq!((site.load(), site.serial("a.example")), (String::new(), 1_700_000_000));
    site.write("inc/hosts", "fixed A 192.0.2.11\n");
    site.touch("inc/hosts", 1_700_000_100);
    assert_eq!((site.load(), site.serial("a.example")), (String::new(), 1_700_000_100));
    site.write("db.a", DB);
    site.touch("db.a", 1_700_000_200);
    let told = site.load();
    assert!(told.starts_with("db.a:2:1: warning: this SOA is not served: `soa:` in a.yaml takes its place"), "{told}");
    assert_eq!(site.serial("a.example"), 1_700_000_200);
    // Without `soa:` the file's serial is served as written, a lower one with a warning.
    site.write("a.yaml", YAML);
    let loaded = site.look();
    let told = &loaded.findings.diagnostics.0;
    assert!(told.iter().all(|d| d.severity == Severity::Warning) && told.len() == 1, "{told:?}");
    assert!(told[0].message.contains("the serial 7 is below the last one served, 1700000200"));
    assert_eq!(site.serial("a.example"), 7);
}
