//! `explain` agrees with the answers, record by record and scope by scope: the shipped zones and database, 10,000 random
//! clients, with all PoPs well and with some of them failing; and every way to steer, over a small world of networks and
//! over the shipped database.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

#[path = "../common/mod.rs"]
mod common;
mod text;
mod world;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catchment::dns::{Name, Type};
use catchment::explain::{
    Assume, Background, Explained, KeySource, LinkKind, Question, Said, Steered, explain, explain_with,
};
use catchment::health::{Known, State};
use catchment::query::{Ecs, Outcome, Transport, Who, respond};
use catchment::reload::{Limits, Loader, Now, Options, Wish};
use catchment::snapshot::{Identity, Snapshot};
use common::Query;
use domain::base::opt::ClientSubnet;
use domain::base::rdata::ComposeRecordData;
use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;

/// xorshift64*: the same clients at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }

    /// A client subnet as resolvers send them, now and then an odd one.
    fn subnet(&mut self) -> (IpAddr, u8) {
        let odd = self.below(8) == 0;
        if self.below(4) > 0 {
            let length = if odd { self.below(33) as u8 } else { 24 };
            let bits = (self.next() >> 32) as u32;
            (Ipv4Addr::from(if length == 0 { 0 } else { bits & (u32::MAX << (32 - length)) }).into(), length)
        } else {
            // Mostly inside the space that is given out: 2000::/3.
            let length = if odd { self.below(129) as u8 } else { 48 + 8 * self.below(2) as u8 };
            let bits = u128::from(self.next()) << 64 | u128::from(self.next());
            let bits = if odd { bits } else { 0x2a00 << 112 | bits >> 8 };
            (Ipv6Addr::from(if length == 0 { 0 } else { bits & (u128::MAX << (128 - length)) }).into(), length)
        }
    }

    /// A client subnet near the borders of the small world.
    fn near(&mut self) -> (IpAddr, u8) {
        const AROUND: [&str; 9] = [
            "193.0.6.0",
            "193.0.7.255",
            "193.1.0.0",
            "198.18.5.0",
            "8.255.255.255",
            "133.0.0.0",
            "10.0.0.0",
            "2a00:1000::",
            "::ffff:193.0.6.0",
        ];
        let address: IpAddr = AROUND[self.below(AROUND.len() as u64) as usize].parse().unwrap();
        let noise = self.below(1 << 12);
        match address {
            IpAddr::V4(a) => {
                let length = [24u8, 24, 20, 16, 28, 32, 8, 22][self.below(8) as usize];
                let bits = u32::from(a) ^ noise as u32;
                (Ipv4Addr::from(bits & (u32::MAX << (32 - length))).into(), length)
            }
            IpAddr::V6(a) => {
                let length = [56u8, 48, 56, 32, 64, 128, 120, 24][self.below(8) as usize];
                let bits = u128::from(a) ^ u128::from(noise) ^ (u128::from(self.below(4)) << 96);
                (Ipv6Addr::from(bits & (u128::MAX << (128 - length))).into(), length)
            }
        }
    }
}

fn shipped(states: &[State]) -> Arc<Snapshot> {
    load(&root().join("zones"), states)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load(zones: &Path, states: &[State]) -> Arc<Snapshot> {
    let mut loader = Loader::forgetful(Options {
        zones: zones.to_owned(),
        geodb: vec![root().join("geodb")],
        state: None,
        grace: Duration::ZERO,
        identity: Identity::default(),
        limits: Limits::default(),
    });
    let loaded = loader.load(Now { unix: 1_790_000_000, monotonic: 0 }, Wish::default(), &mut |_, _| Known::of(states));
    assert!(!loaded.findings.diagnostics.has_errors(), "{}", loaded.findings.diagnostics);
    loaded.snapshot.unwrap()
}

/// What the wire says: RCODE, TTL and data of the records of the type, and the scope.
#[derive(Debug, PartialEq)]
struct Wire {
    rcode: u16,
    records: Vec<(u32, Vec<u8>)>,
    scope: u8,
}

fn asked(snapshot: &Snapshot, name: &str, source: IpAddr, rtype: Type, subnet: (IpAddr, u8)) -> Wire {
    let who = Who {
        source,
        source_port: 0,
        destination: source,
        transport: Transport::Tcp,
        ecs: Ecs::On,
        now: 1_790_000_000,
    };
    let mut out = [0; 2048];
    let query = Query { id: 0, ..Query::new(&format!("{name} {rtype}")) };
    let query = query.subnet(&format!("{}/{}", subnet.0, subnet.1)).octets();
    let Outcome::Responded(response) = respond(snapshot, &snapshot.live(), &who, &query, &mut out) else {
        panic!("dropped");
    };
    let octets = &out[..response.length];
    let message = Message::from_octets(octets).unwrap();
    let opt = message.opt().unwrap();
    let ecs = opt.opt().iter::<ClientSubnet>().next().unwrap().unwrap();
    assert_eq!((ecs.addr(), ecs.source_prefix_len()), subnet);
    let mut records = Vec::new();
    for record in message.answer().unwrap() {
        let record = record.unwrap();
        if record.rtype().to_int() == rtype.0 {
            let record = record.into_any_record::<AllRecordData<_, ParsedName<_>>>().unwrap();
            let mut data = Vec::new();
            record.data().compose_rdata(&mut data).unwrap();
            records.push((record.ttl().as_secs(), data));
        }
    }
    Wire { rcode: response.rcode(), records, scope: ecs.scope_prefix_len() }
}

/// What an explanation says that the wire says.
fn told(steered: &Steered, rtype: Type) -> Wire {
    let said = steered.sent.iter().find(|sent| sent.rtype == rtype).unwrap();
    let with = |ttl: u32, list: &[Vec<u8>]| list.iter().map(|data| (ttl, data.clone())).collect();
    let (rcode, records) = match &said.what {
        Said::Steered(ttl, list) | Said::Written(ttl, list) => (0, with(*ttl, list)),
        Said::NoData | Said::Elsewhere => (0, Vec::new()),
        Said::Servfail => (2, Vec::new()),
    };
    // What does not depend on the client has scope 0.
    let tailored = match said.what {
        Said::Steered(..) | Said::Servfail => true,
        Said::Written(..) => steered.told[0] == catchment::live::Told::Empty,
        Said::NoData | Said::Elsewhere => false,
    };
    Wire { rcode, records, scope: if tailored { steered.scope } else { 0 } }
}

fn explained(snapshot: &Snapshot, name: &str, source: IpAddr, subnet: (IpAddr, u8), assume: Assume) -> Box<Steered> {
    let name = Name::parse(&format!("{name}."), None).unwrap();
    let question = Question { name, source, subnet: Some(subnet), assume };
    match explain(snapshot, &snapshot.live(), &question) {
        Explained::Steered(steered) => steered,
        other => panic!("{} is steered, not {other:?}", question.name),
    }
}

/// Whether ranges are walked too: too slow without optimization where a range is a large part of the space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    Yes,
    No,
}

#[track_caller]
fn check_one(snapshot: &Snapshot, name: &str, source: IpAddr, subnet: (IpAddr, u8)) {
    check_laws(snapshot, name, source, subnet, Walk::Yes);
}

/// The laws of one explanation beside its wire.
#[track_caller]
fn check_laws(snapshot: &Snapshot, name: &str, source: IpAddr, subnet: (IpAddr, u8), walk: Walk) {
    let steered = explained(snapshot, name, source, subnet, Assume::default());
    let context = || format!("{name} {source} {subnet:?}: {steered:#?}");
    assert!(steered.agrees, "{}", context());
    for rtype in [Type::A, Type::AAAA, Type::HTTPS] {
        let wire = asked(snapshot, name, source, rtype, subnet);
        assert_eq!(wire, told(&steered, rtype), "{rtype} {}", context());
    }
    for c in &steered.candidates {
        assert_eq!(c.parts.map(|parts| parts.total()), c.ranked.cost, "the parts are the cost: {}", context());
        assert_eq!(c.is_chosen(), c.why.word().starts_with("serves"), "{c:#?}\n{}", context());
    }
    let (first, last) = steered.reach.range;
    let holds = |address: IpAddr| first <= address && address <= last;
    let of_source = steered.key.from == KeySource::SourceForUnusable;
    assert!(of_source || holds(steered.key.block.address()), "{}", context());
    if walk == Walk::No {
        return;
    }
    // What is assumed to be as it is changes nothing: ranges that are walked are those of the live tables.
    let idle = Assume { drain: vec!["web@nobody".to_owned()], ..Assume::default() };
    let walked = explained(snapshot, name, source, subnet, idle);
    assert_eq!((walked.scope, &walked.reach.range), (steered.scope, &steered.reach.range), "{}", context());
    assert_eq!(walked.reach.neighbors, steered.reach.neighbors, "{}", context());
    assert_eq!((&walked.sent, walked.ttl), (&steered.sent, steered.ttl), "{}", context());
}

#[track_caller]
fn check(states: &[State], clients: usize, seed: u64) {
    let snapshot = shipped(states);
    let mut random = Random(seed);
    for client in 0..clients {
        let source = IpAddr::from(Ipv4Addr::from((random.next() >> 32) as u32));
        let subnet = random.subnet();
        if client % 100 == 0 {
            check_one(&snapshot, "www.example.com", source, subnet);
            continue;
        }
        let steered = explained(&snapshot, "www.example.com", source, subnet, Assume::default());
        assert!(steered.agrees, "{source} {subnet:?}: {steered:#?}");
        let wire = asked(&snapshot, "www.example.com", source, Type::A, subnet);
        assert_eq!(wire, told(&steered, Type::A), "{source} {subnet:?}");
    }
}

#[test]
fn explain_agrees_with_the_answers_for_10000_clients() {
    check(&[], 10_000, 1);
}

#[test]
fn explain_agrees_while_pops_fail() {
    let mut states = vec![State::Up; 12];
    for down in [0, 5, 9] {
        states[down] = State::Down;
    }
    states[1] = State::Suspect;
    check(&states, 3_000, 2);
    check(&[State::Down; 12], 1_000, 3);
}

#[test]
fn explain_agrees_for_every_way_to_steer() {
    let sites = world::sites();
    let mut random = Random(5);
    let down = |pops: &[&'static str]| world::states(&pops.iter().map(|pop| (*pop, State::Down)).collect::<Vec<_>>());
    let suspect = world::states(&[("fra", State::Suspect), ("ams", State::Down)]);
    let cases: [(Vec<State>, &[&str]); 7] = [
        (Vec::new(), &[]),
        (down(&["fra"]), &[]),
        (down(&["ams", "lhr", "sin"]), &[]),
        (down(&world::POPS), &[]),
        (suspect, &["lhr"]),
        (Vec::new(), &["fra", "sin"]),
        (down(&["lhr"]), &world::POPS),
    ];
    for (states, drained) in cases {
        let snapshot = world::snapshot(&sites, &states, drained);
        for (label, _) in world::policies() {
            let name = format!("{label}.example.com");
            for _ in 0..if label == "names" { 0 } else { 60 } {
                let source = IpAddr::from(Ipv4Addr::from((random.next() >> 32) as u32));
                check_one(&snapshot, &name, source, random.near());
            }
        }
    }
}

#[test]
fn explain_agrees_for_every_way_to_steer_with_real_data() {
    let sites = Arc::clone(&shipped(&[]).base);
    let mut random = Random(6);
    let states = world::states(&[("ams", State::Down), ("iad", State::Suspect)]);
    // Some of them, as every map of so many sites takes its time without optimization.
    let labels = ["ruled", "near", "latency", "next"];
    let policies = world::policies().into_iter().filter(|(label, _)| labels.contains(label)).collect();
    let snapshot = world::snapshot_of(&sites, &states, &["sin"], policies);
    for label in labels {
        let name = format!("{label}.example.com");
        for _ in 0..3 {
            let source = IpAddr::from(Ipv4Addr::from((random.next() >> 32) as u32));
            check_laws(&snapshot, &name, source, random.subnet(), Walk::No);
        }
    }
}

/// The smallest change of a cost: with so much of a bias another PoP serves, with a microsecond less it does not.
#[test]
fn what_flips_a_choice_flips_it() {
    let sites = world::sites();
    let mut tried = 0;
    for (label, policy) in world::policies() {
        let snapshot = world::snapshot(&sites, &[], &[]);
        for client in ["193.0.0.0", "193.0.6.0", "193.1.0.0", "8.0.0.0", "133.0.0.0"] {
            let subnet = (client.parse().unwrap(), 24);
            let steered = explained(&snapshot, &format!("{label}.example.com"), subnet.0, subnet, Assume::default());
            let Some(flip) = &steered.flips.by_cost else { continue };
            let live = snapshot.live();
            let number = world::policies().iter().position(|(other, _)| *other == label).unwrap();
            let map = &snapshot.maps[number];
            let site = map.deciding_site(&snapshot.sites, catchment::net::Block::new(subnet.0, 24));
            let serves = |microseconds: i64| {
                let mut policy = policy.clone();
                let old: i32 = policy.bias.iter().find(|(pop, _)| *pop == flip.pop).map_or(0, |(_, us)| *us);
                policy.bias.push((flip.pop.clone(), old - microseconds as i32));
                let plan = catchment::steering::Plan::new(&policy, &map.service, &snapshot.pops);
                let class = catchment::steering::Class::of(&snapshot.sites, site, &map.homes.stances);
                let decision = catchment::steering::decide(&plan.shape, &class, &live.maps[number].facts);
                let index = world::POPS.iter().position(|pop| *pop == flip.pop).unwrap() as u16;
                match &decision.v4 {
                    catchment::steering::Choice::Members { members, .. } => members.first() == Some(&index),
                    catchment::steering::Choice::Split(split) => split.group.iter().any(|share| share.member == index),
                    other => panic!("{other:?}"),
                }
            };
            assert!(serves(flip.microseconds) && !serves(flip.microseconds - 1), "{label} {client} {flip:?}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

/// Names of every kind on the way are followed as packets are.
#[test]
fn chains_are_followed() {
    let snapshot = world::snapshot(&world::sites(), &[], &[]);
    let subnet = ("193.0.6.0".parse().unwrap(), 24);
    let steered = explained(&snapshot, "alias.example.com", subnet.0, subnet, Assume::default());
    let links: Vec<_> = steered.chain.iter().map(|link| (link.owner.to_string(), link.by)).collect();
    let expected = [("alias", LinkKind::Cname), ("x.old", LinkKind::Dname), ("x.new", LinkKind::Cname)];
    assert_eq!(links, expected.map(|(owner, by)| (format!("{owner}.example.com."), by)));
    assert_eq!(steered.pops(), ["sin"]);
    for name in ["alias.example.com", "flat.example.com"] {
        for client in ["193.0.6.0", "193.0.0.0", "8.8.8.0"] {
            check_one(&snapshot, name, subnet.0, (client.parse().unwrap(), 24));
        }
    }
    // A service of names: the CNAME, and what its target gives.
    let steered =
        explained(&snapshot, "names.example.com", subnet.0, ("193.0.0.0".parse().unwrap(), 24), Assume::default());
    assert_eq!(steered.target().unwrap().to_string(), "plain.example.com.");
    let Some(Explained::Steered(then)) = steered.then.as_deref() else { panic!("{steered:#?}") };
    let wire = asked(&snapshot, "names.example.com", subnet.0, Type::A, ("193.0.0.0".parse().unwrap(), 24));
    assert_eq!(wire.records, told(then, Type::A).records);
    assert_eq!(wire.scope, steered.whole_scope());
    for (name, expected) in [
        ("out.example.com.", "leads out of the zones that are served here"),
        ("loop.example.com.", "goes round in a circle, or over too many links"),
        ("ns1.example.com.", "static records"),
        ("no.example.com.", "no such name (NXDOMAIN)"),
    ] {
        let name = Name::parse(name, None).unwrap();
        let question = Question { name, source: subnet.0, subnet: None, assume: Assume::default() };
        let Explained::Static { what, .. } = explain(&snapshot, &snapshot.live(), &question) else { panic!() };
        assert_eq!(what, expected);
    }
}

/// What is assumed gives what would be served if it were so.
#[test]
fn assumed_states_are_as_the_real_ones() {
    let sites = world::sites();
    let mut random = Random(9);
    let well = world::snapshot(&sites, &[], &[]);
    let failing = world::snapshot(&sites, &world::states(&[("fra", State::Down), ("sin", State::Down)]), &["lhr"]);
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let worse = Assume { down: list(&["fra", "web@sin"]), drain: list(&["lhr"]), up: vec![] };
    let better = Assume { up: list(&["fra", "sin", "web@lhr"]), ..Assume::default() };
    for (label, _) in world::policies() {
        // In panic it depends on what was before.
        for _ in 0..if label == "panic" { 0 } else { 40 } {
            let name = format!("{label}.example.com");
            let subnet = random.near();
            let ask = |snapshot, assume: &Assume| explained(snapshot, &name, subnet.0, subnet, assume.clone());
            for (from, assume, to) in [(&well, &worse, &failing), (&failing, &better, &well)] {
                let (assumed, real) = (ask(from, assume), ask(to, &Assume::default()));
                assert_eq!((&assumed.sent, assumed.ttl), (&real.sent, real.ttl), "{name} {subnet:?}");
                assert_eq!((assumed.scope, assumed.reach.range), (real.scope, real.reach.range), "{name} {subnet:?}");
            }
        }
    }
}

/// Records of the state that is known, where only an assumption leads to them.
#[test]
fn assumed_answers_hold_the_addresses_that_are_usable() {
    let states = world::states(&[("ams", State::Down)]);
    let snapshot = world::snapshot(&world::sites(), &states, &[]);
    let name = Name::parse("two.example.com.", None).unwrap();
    let source = "193.0.0.1".parse().unwrap();
    let assume = Assume { down: vec!["fra".to_owned()], ..Assume::default() };
    let question = Question { name, source, subnet: None, assume };
    let background = Background { known: Known::of(states), ..Background::default() };
    let Explained::Steered(steered) = explain_with(&snapshot, &snapshot.live(), &question, &background) else {
        panic!()
    };
    assert_eq!(steered.pops(), ["lhr", "iad"]);
}

/// SEMANTICS §1.11, from the file to the answer.
#[test]
fn a_zone_with_client_subnets_switched_off_decides_by_the_source() {
    let zones = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(root().join("zones")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if text.contains("zone: example.com\n") {
            text = text.replace("zone: example.com\n", "zone: example.com\necs: off\n");
        }
        std::fs::write(zones.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let (on, off) = (shipped(&[]), load(zones.path(), &[]));
    let source = "193.0.6.139".parse().unwrap();
    let far = ("133.11.0.0".parse().unwrap(), 24);
    let ask = |snapshot: &Snapshot, subnet| asked(snapshot, "www.example.com", source, Type::A, subnet);
    let by_source = ask(&on, ("0.0.0.0".parse().unwrap(), 0));
    assert_ne!(ask(&on, far).records, by_source.records);
    assert_eq!(ask(&off, far), by_source);
    assert_eq!(by_source.scope, 0);

    let steered = explained(&off, "www.example.com", source, far, Assume::default());
    assert!(steered.agrees);
    assert_eq!(told(&steered, Type::A), by_source);
    assert_eq!((steered.key.from, steered.scope), (KeySource::SourceForOff, 0));
}
