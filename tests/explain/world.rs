//! A small world for explanations: seven networks, five PoPs, and a name for every way to steer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use catchment::dns::{Name, Type, rdata};
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::geo::{Continent, Country, Database, Overlay, Place, SiteTable, Source as Origin_};
use catchment::health::{Check, CheckKind, Known, State, Target, TargetId};
use catchment::live::{Map, MapId, Source};
use catchment::net::Block;
use catchment::query::Ecs;
use catchment::snapshot::{Identity, Parts, Snapshot, Steer};
use catchment::steering::{
    Binding, Effect, Fence, LatencyMap, Margin, Match, Member, OnAllDown, Origin, Panic, Policy, Pop, PopId,
    PrefixMatch, Rank, Rule, Rules, Service, ServiceAddress,
};
use catchment::zone::{Entry, SteerId, ZoneBuilder, ZoneSetBuilder};

/// Names of the world's PoPs, in their order; target N is that of PoP N.
pub(crate) const POPS: [&str; 5] = ["fra", "ams", "lhr", "iad", "sin"];

/// One state per PoP, all others unknown.
pub(crate) fn states(list: &[(&str, State)]) -> Vec<State> {
    let state = |pop: &&str| list.iter().find(|(name, _)| name == pop).map_or(State::Unknown, |(_, state)| *state);
    POPS.iter().map(state).collect()
}

/// Seven networks of five places, one of them known by its country alone and one /24 that is mixed.
pub(crate) fn sites() -> Arc<SiteTable> {
    let mut writer = Writer::new();
    let record = |country: &'static str, city: Option<(&'static str, f64, f64)>, asn: i128| {
        let mut fields = vec![("country_code", Value::Text(country)), ("asn", Value::Whole(asn))];
        if let Some((city, latitude, longitude)) = city {
            fields.extend([
                ("city", Value::Text(city)),
                ("latitude", Value::Double(latitude)),
                ("longitude", Value::Double(longitude)),
            ]);
        }
        Value::Map(fields)
    };
    let munich = record("DE", Some(("Munich", 48.14, 11.58)), 3320);
    let amsterdam = record("NL", Some(("Amsterdam", 52.37, 4.9)), 3333);
    let london = record("GB", Some(("London", 51.51, -0.13)), 786);
    let boston = record("US", Some(("Boston", 42.36, -71.06)), 7922);
    let japan = record("JP", None, 2500);
    for (block, record) in [
        ("193.0.0.0/16", &munich),
        ("193.0.6.0/23", &amsterdam),
        ("193.1.0.0/16", &london),
        ("8.0.0.0/8", &boston),
        ("133.0.0.0/8", &japan),
        ("198.18.5.0/25", &boston),
        ("198.18.5.128/26", &london),
        ("198.18.5.192/26", &boston),
        ("2a00:1000::/32", &munich),
        ("2a00:2000::/32", &london),
        ("2600::/16", &boston),
    ] {
        let id = writer.record(record);
        match Block::parse(block).unwrap() {
            Block::V4 { base, length } => writer.insert_v4(base, length, id),
            Block::V6 { base, length } => writer.insert_v6(base, length, id),
        }
    }
    let metadata = Metadata { kind: "Test-City".to_owned(), description: String::new(), build_epoch: 1_780_617_600 };
    let database = Database::new(writer.finish(&metadata)).unwrap();
    let source = Origin_ { path: "geodb/test.mmdb".to_owned(), kind: "Test-City".to_owned(), built: 1_780_617_600 };
    Arc::new(SiteTable::build(&[&database]).unwrap().with_sources(vec![source]))
}

fn origin(file: &str, line: u32) -> Origin {
    Origin { file: file.into(), line }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn country(code: &str) -> Match {
    Match::Country(vec![Country::new(code).unwrap()])
}

/// Every policy, by the label of the name it steers.
pub(crate) fn policies() -> Vec<(&'static str, Policy)> {
    let nearest = || Policy::built_in("nearest").unwrap();
    let fence = |class, only: &[&str], line| Fence {
        class,
        effect: Arc::new(Effect::Only(names(only))),
        origin: origin("zones/fleet.yaml", line),
    };
    let rule = |class, effect, line| Rule { class, effect: Arc::new(effect), origin: origin("zones/fleet.yaml", line) };
    let row = |class, list: &[(&str, u32)], line| Rule {
        class,
        effect: Arc::new(Effect::Latency(list.iter().map(|(pop, us)| ((*pop).to_owned(), *us)).collect())),
        origin: origin("zones/maps/rum.csv", line),
    };
    let prefer = |pop: &str, us: i32| Effect::Adjust(vec![(pop.to_owned(), us)]);
    let europe = Match::Continent(vec![Continent::Europe]);
    let rows = Rules::new(vec![
        row(country("US"), &[("fra", 90_000), ("iad", 110_000), ("lhr", 40_000)], 2),
        row(country("DE"), &[("fra", 9_000), ("ams", 12_000)], 3),
        row(Match::Asn(vec![786]), &[("sin", 4_000)], 4),
    ]);
    let fallback = ["203.0.113.1", "2001:db8:ffff::1"].map(|ip| ip.parse().unwrap()).into();
    vec![
        ("plain", nearest()),
        ("biased", Policy { bias: vec![("ams".to_owned(), -3_000), ("sin".to_owned(), 7_000)], ..nearest() }),
        (
            "ruled",
            Policy {
                name: "eu".to_owned(),
                fences: vec![fence(country("DE"), &["fra", "ams"], 12)],
                rules: Rules::new(vec![
                    rule(Match::Asn(vec![3320]), prefer("ams", -9_000), 14),
                    rule(europe, prefer("iad", -4_000), 15),
                    rule(
                        Match::Prefix(vec![Block::parse("193.0.6.0/24").unwrap()]),
                        Effect::Order(names(&["sin", "lhr"])),
                        16,
                    ),
                    rule(country("US"), Effect::Never(names(&["iad"])), 17),
                ]),
                ..nearest()
            },
        ),
        ("tiers", Policy { tiers: vec![names(&["sin"]), names(&["lhr", "iad"]), names(&["fra"])], ..nearest() }),
        ("weights", Policy::built_in("weighted").unwrap()),
        ("pair", Policy { count: 2, ..Policy::built_in("weighted").unwrap() }),
        ("dice", Policy { sticky: false, ..Policy::built_in("weighted").unwrap() }),
        ("near", Policy { near: Some(7_000), ..nearest() }),
        ("two", Policy { count: 2, ..nearest() }),
        ("next", Policy { skip: 1, ..nearest() }),
        ("order", Policy { default_order: names(&["sin"]), ..Policy::built_in("failover").unwrap() }),
        (
            "latency",
            Policy {
                rank: Rank::Latency(Arc::new(LatencyMap { rows, margin: Margin::default() })),
                bias: vec![("lhr".to_owned(), 1_000)],
                ..nearest()
            },
        ),
        ("panic", Policy { panic: Some(Panic { below: 700, resume: 900 }), ..nearest() }),
        ("strict", Policy { on_all_down: OnAllDown::Servfail, ..nearest() }),
        ("fallback", Policy { on_all_down: OnAllDown::Fallback(fallback), ..nearest() }),
        ("closed", Policy { fences: vec![fence(country("US"), &[], 30)], ..nearest() }),
        ("names", nearest()),
    ]
}

fn service(label: &str) -> Service {
    let member = |index: usize| {
        let n = index + 1;
        // lhr has no IPv6, and two addresses.
        let mut list = vec![format!("192.0.2.{n}0")];
        match POPS[index] {
            "lhr" => list.push(format!("192.0.2.{n}1")),
            _ => list.push(format!("2001:db8:{n}::1")),
        }
        let address =
            |text: &String| ServiceAddress { ip: text.parse().unwrap(), targets: vec![TargetId(index as u32)] };
        let mut member = Member::new(PopId(index as u32), list.iter().map(address).collect());
        member.weight = [3, 1, 0, 2, 1][index];
        if label == "names" {
            let target = ["plain.example.com.", "edge.example.net.", "weights.example.com."][index % 3];
            member.cname = Some(Name::parse(target, None).unwrap().as_wire().into());
            member.cname_targets = vec![TargetId(index as u32)];
            member.addresses.clear();
        }
        member
    };
    let mut service = Service::new("web", (0..POPS.len()).map(member).collect());
    // 1 . alpn=h2 ipv4hint=auto ipv6hint=auto
    let before = [0, 1, 0, 0, 1, 0, 3, 2, b'h', b'2'].into();
    let nothing = || Vec::new().into();
    if label != "names" {
        service.bindings =
            vec![Binding { rtype: 65, before, v4_hint: true, between: nothing(), v6_hint: true, after: nothing() }];
    }
    service
}

/// `example.com` with every policy over these sites, the states of the PoPs, and those that the files drain.
pub(crate) fn snapshot(base: &Arc<SiteTable>, states: &[State], drained: &[&str]) -> Snapshot {
    snapshot_of(base, states, drained, policies())
}

/// The same with some of the policies.
pub(crate) fn snapshot_of(
    base: &Arc<SiteTable>,
    states: &[State],
    drained: &[&str],
    policies: Vec<(&'static str, Policy)>,
) -> Snapshot {
    let place = |latitude, longitude| Place::from_degrees(latitude, longitude);
    let places = [(50.11, 8.68), (52.37, 4.9), (51.47, -0.46), (38.95, -77.45), (1.35, 103.99)];
    let pops: Vec<_> = POPS
        .iter()
        .zip(places)
        .map(|(name, (latitude, longitude))| Pop {
            name: (*name).to_owned(),
            place: place(latitude, longitude),
            city: None,
            country: None,
            drained: drained.contains(name),
        })
        .collect();
    let targets = (0..POPS.len())
        .map(|index| Target {
            address: (Ipv4Addr::new(127, 0, 0, 10 + index as u8), 80).into(),
            check: Check { interval: Duration::from_secs(5), ..Check::new(CheckKind::Tcp) },
        })
        .collect();
    let at = |text: &str| match text.parse().unwrap() {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(_) => unreachable!(),
    };
    let overlay = Overlay { v4: vec![(at("193.0.6.0"), 1), (at("193.0.7.0"), 0)], v6: vec![], asns: vec![786, 3320] };
    let sites = SiteTable::overlaid(base, base.asns(), &overlay);
    let apex = Name::parse("example.com.", None).unwrap();
    let mut zone = ZoneBuilder::new(&apex, 0);
    let mut maps = Vec::new();
    let mut steers = Vec::new();
    for (label, policy) in policies {
        let prefixes: Arc<[PrefixMatch]> = match label {
            "ruled" => [PrefixMatch::default(), PrefixMatch { rule: Some(2), ..PrefixMatch::default() }].into(),
            _ => [].into(),
        };
        let source = Source { prefixes, ..Source::new(policy, service(label)) };
        maps.push(Arc::new(Map::compile(source, &pops, &sites, [])));
        let id = steers.len() as u32;
        steers.push(Steer { map: MapId(id), ecs: Ecs::On, cname: label == "names" });
        zone.steer(&Name::parse(label, Some(&apex)).unwrap(), SteerId(id), 0);
    }
    let mut add = |owner: &str, rtype: Type, data: &str| {
        let data = rdata::parse(rtype, data, &apex).unwrap();
        zone.add(&Name::parse(owner, Some(&apex)).unwrap(), rtype, 300, &data.wire, 0);
    };
    add("@", Type::SOA, "ns1 hm 1 7200 900 1209600 60");
    add("@", Type::NS, "ns1");
    add("ns1", Type::A, "192.0.2.53");
    add("closed", Type::A, "203.0.113.9");
    add("closed", Type::AAAA, "2001:db8::9");
    add("alias", Type::CNAME, "x.old");
    add("old", Type::DNAME, "new");
    add("x.new", Type::CNAME, "ruled");
    add("out", Type::CNAME, "www.example.org.");
    add("loop", Type::CNAME, "loop");
    zone.alias(&Name::parse("flat", Some(&apex)).unwrap(), &Name::parse("near", Some(&apex)).unwrap(), 60, 0);
    let built = zone.build().unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut zones = ZoneSetBuilder::default();
    assert!(zones.add(&apex, Entry::Loaded(Arc::new(built.zone))));
    let parts = Parts {
        generation: 1,
        zones: zones.build(),
        base: Arc::clone(base),
        overlay,
        sites,
        pops,
        maps,
        steers: vec![steers.into()],
        reflects: Vec::new(),
        targets,
        identity: Identity::default(),
    };
    Snapshot::new(parts, &Known::of(states), None)
}
