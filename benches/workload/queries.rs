//! The cases, and the octets that are sent in each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use catchment::dns::{Name, Type};
use catchment::geo::SiteTable;
use catchment::query::{Ecs, Kind, Outcome, Transport, Who, respond};
use catchment::snapshot::Snapshot;

use super::MANY;

/// Different clients or names in a case that has many.
const VARIED: usize = 4096;

/// Queries that are asked in turn.
pub struct Case {
    pub name: String,
    pub queries: Vec<(Who, Vec<u8>)>,
}

/// Every case, each checked to get the kind of answer it is meant for.
pub fn cases(snapshot: &Snapshot) -> Vec<Case> {
    let one = |question: &str| vec![plain(question)];
    let mut random = Random::new();
    let deep = format!("{}example.com", "a.".repeat(121));
    let long = format!("{0}.{0}.{0}.{1}.example.com", "x".repeat(63), "y".repeat(49));
    let v6 =
        |random: &mut Random| Ipv6Addr::from(u128::from(0x2000_0000_0000_0000 | random.next() >> 3) << 64 >> 72 << 72);
    let mut out = Vec::new();
    let mut case = |name: &str, kind: Kind, queries: Vec<(Who, Vec<u8>)>| {
        let case = Case { name: name.to_owned(), queries };
        case.check(snapshot, &[kind]);
        out.push(case);
    };
    case("static", Kind::Static, one("static.example.com A"));
    case("static-edns", Kind::Static, vec![edns("static.example.com A", &[])]);
    case("static-cookie", Kind::Static, vec![edns("static.example.com A", &option(10, b"clientck"))]);
    case("static-0x20", Kind::Static, one("sTaTiC.ExAmPlE.cOm A"));
    case("source", Kind::Home, one("www.example.com A"));
    let sources = (0..VARIED).map(|_| from(v4(&mut random).into(), plain("www.example.com A"))).collect();
    case("source-cold", Kind::Home, sources);
    case("ecs-hot", Kind::Home, vec![subnet("www.example.com A", Ipv4Addr::new(193, 0, 6, 0).into())]);
    let subnets = (0..VARIED).map(|_| subnet("www.example.com A", v4(&mut random).into())).collect();
    case("ecs-cold", Kind::Home, subnets);
    let subnets = (0..VARIED).map(|_| subnet("www.example.com AAAA", v6(&mut random).into())).collect();
    case("ecs-cold-v6", Kind::Home, subnets);
    case("many-names", Kind::Static, (0..VARIED).map(|_| plain(&host(&mut random))).collect());
    case("wildcard", Kind::Static, one("anything.wild.example.com A"));
    case("cname", Kind::Static, one("alias.example.com A"));
    case("cname-steered", Kind::Home, one("steered-alias.example.com A"));
    case("cname-15-links", Kind::Static, one("chain1.example.com A"));
    case("dname", Kind::Static, one("x.old.example.com A"));
    case("nodata", Kind::NoData, one("static.example.com MX"));
    case("nxdomain", Kind::NxDomain, one("missing.example.com A"));
    let missing = (0..VARIED).map(|_| plain(&format!("x{:x}.many.example A", random.next()))).collect();
    case("nxdomain-flood", Kind::NxDomain, missing);
    case("nxdomain-121-labels", Kind::NxDomain, one(&format!("{deep} A")));
    case("nxdomain-255-octets", Kind::NxDomain, one(&format!("{long} A")));
    case("referral", Kind::Referral, one("www.sub.example.com A"));
    case("refused", Kind::Refused, one("www.elsewhere.example A"));
    case("odd-opt", Kind::Static, vec![edns("static.example.com A", &option(65_001, &[0; 4]).repeat(64))]);
    out
}

/// Steered cases of [`cases`], asked of fleets that are not as well, or follow many policies: each named after the case that it
/// is to cost no more than.
pub fn variants(sites: &Arc<SiteTable>, cases: &[Case]) -> Vec<(Snapshot, Vec<Case>)> {
    let shapes = [("1-down", 1, 1), ("6-down", 6, 1), ("12-down", 12, 1), ("200-policies", 0, 200)];
    let variant = |(name, down, policies)| {
        let snapshot = super::snapshot_with(Arc::clone(sites), down, policies);
        let steered = cases.iter().filter(|case| case.name == "source-cold" || case.name == "ecs-cold");
        let asked = steered.map(|case| {
            let case = Case { name: format!("{}@{name}", case.name), queries: case.queries.clone() };
            case.check(&snapshot, &[Kind::Home, Kind::Away, Kind::Panic, Kind::FailOpen]);
            case
        });
        let asked = asked.collect();
        (snapshot, asked)
    };
    shapes.into_iter().map(variant).collect()
}

impl Case {
    /// Asks its queries in turn until there are so many.
    pub fn repeat(&mut self, count: usize) {
        self.queries = self.queries.iter().cycle().take(count).cloned().collect();
    }

    fn check(&self, snapshot: &Snapshot, kinds: &[Kind]) {
        let (live, mut out) = (snapshot.live(), [0; 1232]);
        for (who, request) in &self.queries {
            match respond(snapshot, &live, who, request, &mut out) {
                Outcome::Responded(response) if kinds.contains(&response.kind()) => {}
                outcome => panic!("{}: {outcome:?} is none of {kinds:?}", self.name),
            }
        }
    }
}

fn host(random: &mut Random) -> String {
    format!("host{}.many.example A", random.next() as usize % MANY)
}

fn plain(question: &str) -> (Who, Vec<u8>) {
    query(question, None)
}

fn edns(question: &str, options: &[u8]) -> (Who, Vec<u8>) {
    query(question, Some(options))
}

/// The same question of so many clients in one subnet.
pub fn subnets(question: &str, count: usize) -> Vec<(Who, Vec<u8>)> {
    vec![subnet(question, Ipv4Addr::new(193, 0, 6, 0).into()); count]
}

/// A /24 of global unicast: what real clients have.
pub fn v4(random: &mut Random) -> Ipv4Addr {
    let address = 0x0b00_0000 + (random.next() % 0xd300_0000) as u32;
    Ipv4Addr::from(address & 0xffff_ff00)
}

/// Asks for the client's /24 or /56, the whole octets of `address`.
fn subnet(question: &str, address: IpAddr) -> (Who, Vec<u8>) {
    let data = match address {
        IpAddr::V4(address) => [&[0, 1, 24, 0], &address.octets()[..3]].concat(),
        IpAddr::V6(address) => [&[0, 2, 56, 0], &address.octets()[..7]].concat(),
    };
    query(question, Some(&option(8, &data)))
}

fn from(source: IpAddr, (who, request): (Who, Vec<u8>)) -> (Who, Vec<u8>) {
    (Who { source, ..who }, request)
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn query(question: &str, options: Option<&[u8]>) -> (Who, Vec<u8>) {
    let (name, rtype) = question.split_once(' ').unwrap();
    // Letter by letter: a parsed name would be folded.
    let mut request = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(options.is_some())];
    for label in name.split('.') {
        request.push(label.len() as u8);
        request.extend(label.as_bytes());
    }
    request.push(0);
    assert!(Name::parse(name, Some(&Name::root())).is_ok());
    request.extend(Type::parse(rtype).unwrap().0.to_be_bytes());
    request.extend([0, 1]);
    if let Some(options) = options {
        request.extend([0, 0, 41, 4, 208, 0, 0, 0, 0]);
        request.extend((options.len() as u16).to_be_bytes());
        request.extend(options);
    }
    let who = Who {
        source: Ipv4Addr::new(193, 0, 6, 139).into(),
        source_port: 4711,
        destination: Ipv4Addr::LOCALHOST.into(),
        transport: Transport::Udp,
        ecs: Ecs::On,
        now: 1_800_000_000,
    };
    (who, request)
}

/// xorshift64: the same queries in every run.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(0x5eed_cafe)
    }

    fn next(&mut self) -> u64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        self.0
    }
}
