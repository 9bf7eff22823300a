//! What the benches ask of the engine: a fleet of 12 or 50 PoPs over the default database (or the full files that
//! `FULL_GEODB` names a folder of), zones of every shape, and for each case the queries that are asked in turn.

#![allow(dead_code, unreachable_pub, reason = "each bench has its own copy, and uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

pub mod queries;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use catchment::dns::{Name, Type, rdata};
use catchment::geo::{Database, Overlay, Place, SiteTable};
use catchment::health::{Check, CheckKind, Known, State, Target, TargetId};
use catchment::live::{Map, MapId, Source};
use catchment::query::Ecs;
use catchment::snapshot::{Identity, Parts, Snapshot, Steer};
use catchment::steering::{Member, Policy, Pop, PopId, Service, ServiceAddress};
use catchment::zone::{Entry, SteerId, ZoneBuilder, ZoneSetBuilder};

/// Names of the large zone.
pub const MANY: usize = 100_000;

/// Places of PoPs: the first 12 are one large provider's, all 50 are a plausible fleet.
const PLACES: [(f64, f64); 50] = [
    (38.95, -77.45),
    (45.84, -119.70),
    (-23.55, -46.63),
    (53.35, -6.26),
    (50.11, 8.68),
    (59.33, 18.06),
    (19.08, 72.88),
    (1.35, 103.82),
    (35.68, 139.69),
    (-33.87, 151.21),
    (-33.93, 18.42),
    (26.07, 50.56),
    (40.71, -74.01),
    (41.88, -87.63),
    (32.78, -96.80),
    (34.05, -118.24),
    (47.61, -122.33),
    (25.76, -80.19),
    (33.75, -84.39),
    (39.74, -104.99),
    (43.65, -79.38),
    (45.50, -73.57),
    (49.28, -123.12),
    (19.43, -99.13),
    (4.71, -74.07),
    (-12.05, -77.04),
    (-33.45, -70.67),
    (-34.60, -58.38),
    (51.51, -0.13),
    (48.86, 2.35),
    (52.37, 4.90),
    (40.42, -3.70),
    (45.46, 9.19),
    (52.23, 21.01),
    (48.21, 16.37),
    (44.43, 26.10),
    (60.17, 24.94),
    (41.01, 28.98),
    (32.09, 34.78),
    (25.20, 55.27),
    (30.04, 31.24),
    (-1.29, 36.82),
    (6.52, 3.38),
    (13.08, 80.27),
    (28.61, 77.21),
    (13.76, 100.50),
    (-6.21, 106.85),
    (22.32, 114.17),
    (37.57, 126.98),
    (-36.85, 174.76),
];

/// The shipped database as a site table.
pub fn default_sites() -> Arc<SiteTable> {
    sites(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("geodb/default.mmdb")])
}

/// The full databases, where `FULL_GEODB` names a folder of them.
pub fn full_sites() -> Option<Arc<SiteTable>> {
    let folder = env::var_os("FULL_GEODB")?;
    let entries = fs::read_dir(folder).expect("FULL_GEODB is a folder").map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "mmdb")).collect();
    files.sort();
    Some(sites(&files))
}

fn sites(files: &[PathBuf]) -> Arc<SiteTable> {
    let databases: Vec<_> = files.iter().map(|path| Database::new(fs::read(path).unwrap()).unwrap()).collect();
    Arc::new(SiteTable::build(&databases.iter().collect::<Vec<_>>()).unwrap())
}

/// The first `count` PoPs.
pub fn pops(count: usize) -> Vec<Pop> {
    let pop = |(index, place): (usize, &(f64, f64))| Pop {
        name: format!("pop{index}"),
        place: Place::from_degrees(place.0, place.1),
        city: None,
        country: None,
        drained: false,
    };
    PLACES[..count].iter().enumerate().map(pop).collect()
}

/// A service with an IPv4 and an IPv6 address at each PoP, both down when the target of the PoP's number is.
pub fn service(count: usize) -> Service {
    let member = |pop: u32| {
        let addresses = [format!("192.0.2.{}", pop + 1), format!("2001:db8::{pop:x}")]
            .map(|ip| ServiceAddress { ip: ip.parse().unwrap(), targets: vec![TargetId(pop)] });
        Member::new(PopId(pop), addresses.into())
    };
    Service::new("web", (0..count as u32).map(member).collect())
}

/// A map of `count` PoPs by distance.
pub fn map(count: usize, sites: &Arc<SiteTable>) -> Map {
    Map::compile(Source::new(Policy::built_in("nearest").unwrap(), service(count)), &pops(count), sites, [])
}

/// All targets up but these.
pub fn states(count: usize, down: &[usize]) -> Known {
    let state = |target| if down.contains(&target) { State::Down } else { State::Up };
    Known::of((0..count).map(state).collect::<Vec<_>>())
}

const ZONE: &str = "
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    @ 300 NS ns2
    ns1 300 A 192.0.2.53
    ns2 300 A 198.51.100.53
    static 300 A 192.0.2.80
    www steer 0
    *.wild 300 A 192.0.2.81
    alias 60 CNAME static
    steered-alias 60 CNAME www
    old 60 DNAME new
    x.new 60 A 192.0.2.82
    sub 300 NS ns1.sub
    sub 300 NS ns2.sub
    ns1.sub 300 A 192.0.2.90
    ns2.sub 300 AAAA 2001:db8::90
";

const POPS: usize = 12;

/// Everything the cases ask for, with 12 PoPs, all of them up.
pub fn snapshot(sites: Arc<SiteTable>) -> Snapshot {
    snapshot_with(sites, 0, 1)
}

/// The same with the first `down` of the PoPs down, and with so many policies, of which steered names follow the last.
pub fn snapshot_with(sites: Arc<SiteTable>, down: usize, policies: usize) -> Snapshot {
    let mut text = ZONE.to_owned();
    for link in 1..16 {
        writeln!(text, "chain{link} 60 CNAME chain{}", link + 1).unwrap();
    }
    text.push_str("chain16 60 A 192.0.2.83\n");
    let mut zones = ZoneSetBuilder::default();
    add_zone(&mut zones, "example.com", &text);
    let mut many = String::from("@ 3600 SOA ns1 hm 1 7200 900 1209600 60\n@ 300 NS ns1.example.com.\n");
    for index in 0..MANY {
        writeln!(many, "host{index} 300 A 192.0.2.1").unwrap();
    }
    add_zone(&mut zones, "many.example", &many);
    let mut maps: Vec<Arc<Map>> = Vec::new();
    for number in 0..policies {
        let policy = Policy { name: format!("policy{number}"), ..Policy::built_in("nearest").unwrap() };
        let known: Vec<_> = maps.iter().map(|map| Arc::clone(&map.homes)).collect();
        maps.push(Arc::new(Map::compile(Source::new(policy, service(POPS)), &pops(POPS), &sites, &known)));
    }
    let check = Check { interval: Duration::from_secs(5), ..Check::new(CheckKind::Tcp) };
    let target =
        |index: usize| Target { address: format!("127.0.0.1:{}", 1000 + index).parse().unwrap(), check: check.clone() };
    let steers: Box<[Steer]> = [Steer { map: MapId(policies as u32 - 1), ecs: Ecs::On, cname: false }].into();
    let parts = Parts {
        generation: 1,
        zones: zones.build(),
        base: Arc::clone(&sites),
        overlay: Overlay::default(),
        sites,
        pops: pops(POPS),
        maps,
        reflects: Vec::new(),
        steers: vec![steers; 2],
        targets: (0..POPS).map(target).collect(),
        identity: Identity { cookie_secrets: vec![[7; 16]], ..Identity::default() },
    };
    Snapshot::new(parts, &states(POPS, &(0..down).collect::<Vec<_>>()), None)
}

fn add_zone(zones: &mut ZoneSetBuilder, apex: &str, text: &str) {
    let apex = Name::parse(apex, Some(&Name::root())).unwrap();
    let mut builder = ZoneBuilder::new(&apex, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let owner = Name::parse(words[0], Some(&apex)).unwrap();
        if words[1] == "steer" {
            builder.steer(&owner, SteerId(0), 0);
            continue;
        }
        let rtype = Type::parse(words[2]).unwrap();
        let data = rdata::parse(rtype, words[3], &apex).unwrap();
        builder.add(&owner, rtype, words[1].parse().unwrap(), &data.wire, 0);
    }
    let built = builder.build().unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(zones.add(&apex, Entry::Loaded(Arc::new(built.zone))));
}
