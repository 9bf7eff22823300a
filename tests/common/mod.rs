//! What tests of the engine share: snapshots from zone text, requests octet by octet, and answers as text, read back by a
//! second codec (`domain`).

#![allow(dead_code, unreachable_pub, reason = "each test binary has its own copy, and uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic here is the report")]

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use catchment::dns::{Name, Type, rdata};
use catchment::geo::{Overlay, Place, SiteTable};
use catchment::health::{Check, CheckKind, Known, State, Target, TargetId};
use catchment::live::{Live, Map, MapId, Source};
use catchment::net::Block;
use catchment::query::{AT_ONCE, Batch, Ecs, Outcome, Response, Room, Transport, Who, respond, respond_stepwise};
use catchment::snapshot::{Identity, Parts, Reflect, Snapshot, Steer};
use catchment::steering::{
    Binding, Effect, Fence, Match, Member, OnAllDown, Origin, Panic, Policy, Pop, PopId, PrefixMatch, Service,
    ServiceAddress,
};
use catchment::zone::{Entry, ReflectId, SteerId, ZoneBuilder, ZoneSetBuilder};
use domain::base::iana::OptionCode;
use domain::base::opt::UnknownOptData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{Message, ParsedName, Record};
use domain::rdata::AllRecordData;

/// A snapshot and how it is asked.
pub struct Server {
    pub snapshot: Snapshot,
    pub who: Who,
}

impl Server {
    /// From zone text: `zone NAME` begins a zone (`zone NAME broken` one that could not be loaded, `zone NAME ecs off` one
    /// that heeds no client subnets), then lines `OWNER TTL
    /// TYPE DATA`, `OWNER TTL ALIAS TARGET`, `OWNER steer NUMBER` with a number of [`services`], or `OWNER reflect NUMBER` with the
    /// number of one of [`reflects`].
    pub fn new(text: &str) -> Self {
        Self::with(text, Identity::default(), &[])
    }

    pub fn with(text: &str, identity: Identity, states: &[State]) -> Self {
        let mut zones = ZoneSetBuilder::default();
        let mut open: Option<(Name, ZoneBuilder)> = None;
        let mut close = |open: &mut Option<(Name, ZoneBuilder)>| {
            if let Some((apex, builder)) = open.take() {
                let built = builder.build().unwrap_or_else(|problems| panic!("{problems:#?}"));
                assert!(zones.add(&apex, Entry::Loaded(Arc::new(built.zone))));
            }
        };
        let mut broken = Vec::new();
        let mut heeded = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_else(|| panic!("short line: {line}"));
            if let Some(apex) = line.strip_prefix("zone ") {
                close(&mut open);
                if let Some(apex) = apex.strip_suffix(" broken") {
                    broken.push(Name::parse(apex, Some(&Name::root())).unwrap());
                    continue;
                }
                let (apex, ecs) = apex.strip_suffix(" ecs off").map_or((apex, Ecs::On), |apex| (apex, Ecs::Off));
                heeded.push(ecs);
                let apex = Name::parse(apex.trim(), Some(&Name::root())).unwrap();
                open = Some((apex.clone(), ZoneBuilder::new(&apex, 0)));
                continue;
            }
            let (apex, builder) = open.as_mut().expect("a zone begins with `zone NAME`");
            let owner = Name::parse(word(), Some(apex)).unwrap();
            match word() {
                "steer" => builder.steer(&owner, SteerId(word().parse().unwrap()), 0),
                "reflect" => builder.reflect(&owner, ReflectId(word().parse().unwrap()), 0),
                ttl if line.split_whitespace().nth(2) == Some("ALIAS") => {
                    let target = line.split_whitespace().nth(3).unwrap_or_else(|| panic!("short line: {line}"));
                    builder.alias(&owner, &Name::parse(target, Some(apex)).unwrap(), ttl.parse().unwrap(), 0);
                }
                ttl => {
                    let rtype = Type::parse(word()).unwrap();
                    // The data as written: spaces count in TXT.
                    let data = line.splitn(4, char::is_whitespace).nth(3).unwrap_or("");
                    let data = rdata::parse(rtype, data, apex).unwrap_or_else(|e| panic!("{line}: {e}"));
                    builder.add(&owner, rtype, ttl.parse().unwrap(), &data.wire, 0);
                }
            }
        }
        close(&mut open);
        for apex in broken {
            assert!(zones.add(&apex, Entry::NotLoaded));
            heeded.push(Ecs::On);
        }
        let (pops, targets, sites) = (pops(), targets(), Arc::new(SiteTable::empty()));
        let maps: Vec<_> =
            services().into_iter().map(|source| Arc::new(Map::compile(source, &pops, &sites, []))).collect();
        let steers: Vec<Box<[Steer]>> = heeded
            .into_iter()
            .map(|ecs| {
                (0..maps.len())
                    .map(|id| Steer { map: MapId(id as _), ecs, cname: maps[id].service.members[0].cname.is_some() })
                    .collect()
            })
            .collect();
        let reflects = std::iter::repeat_with(reflects).take(steers.len()).collect();
        let (base, overlay) = (Arc::clone(&sites), Overlay::default());
        let zones = zones.build();
        let parts =
            Parts { generation: 1, zones, base, overlay, sites, pops, maps, steers, reflects, targets, identity };
        let who = Who {
            source: "198.51.100.7".parse().unwrap(),
            source_port: 4711,
            destination: "192.0.2.53".parse().unwrap(),
            transport: Transport::Udp,
            ecs: Ecs::On,
            now: 1_800_000_000,
        };
        Self { snapshot: Snapshot::new(parts, &Known::of(states), None), who }
    }

    /// Over another transport.
    pub fn over(mut self, transport: Transport) -> Self {
        self.who.transport = transport;
        self
    }

    /// The answer's octets and what the engine says of it. Held against the answer that is put together step by step, and the one
    /// in a batch with what was asked before.
    pub fn ask_raw(&self, request: &[u8]) -> (Vec<u8>, Outcome) {
        let (out, outcome) = self.ask_by(respond, request);
        assert_eq!(self.ask_in_batch(request), (out.clone(), outcome), "in a batch");
        let (stepwise, expected) = self.ask_by(respond_stepwise, request);
        if out != stepwise {
            assert_eq!(render(&out), render(&stepwise));
            laws(request, &stepwise, &self.who);
        }
        match (outcome, expected) {
            (Outcome::Responded(got), Outcome::Responded(expected)) => {
                assert_eq!(Response { length: 0, ..got }, Response { length: 0, ..expected });
            }
            (got, expected) => assert_eq!(got, expected),
        }
        (out, outcome)
    }

    /// As one of a batch: with the requests that this thread has asked of any server before, in the room that was used for those.
    fn ask_in_batch(&self, request: &[u8]) -> (Vec<u8>, Outcome) {
        thread_local! {
            static BEFORE: RefCell<(Vec<Vec<u8>>, Room)> = RefCell::default();
        }
        BEFORE.with_borrow_mut(|(requests, room)| {
            requests.push(request.to_vec());
            let first = requests.len().saturating_sub(AT_ONCE);
            requests.drain(..first);
            let live = self.snapshot.live();
            let all = requests.iter().map(|request| (&self.who, request.as_slice()));
            let mut batch = Batch::read(&self.snapshot, &live, all, room);
            let mut out = vec![0xee; 65_535];
            let outcome = batch.respond(requests.len() - 1, &self.who, request, &mut out);
            if let Outcome::Responded(response) = outcome {
                out.truncate(response.length);
            } else {
                out.clear();
            }
            (out, outcome)
        })
    }

    fn ask_by(
        &self,
        engine: fn(&Snapshot, &Live, &Who, &[u8], &mut [u8]) -> Outcome,
        request: &[u8],
    ) -> (Vec<u8>, Outcome) {
        let mut out = vec![0xee; 65_535];
        let outcome = engine(&self.snapshot, &self.snapshot.live(), &self.who, request, &mut out);
        let length = match outcome {
            Outcome::Responded(response) => response.length,
            Outcome::Dropped(_) => 0,
        };
        out.truncate(length);
        (out, outcome)
    }

    /// Asks, holds the laws every answer keeps, and gives the answer as text.
    pub fn ask(&self, query: &Query) -> String {
        self.ask_response(query).0
    }

    pub fn ask_response(&self, query: &Query) -> (String, Response) {
        let request = query.octets();
        let (answer, outcome) = self.ask_raw(&request);
        let Outcome::Responded(response) = outcome else { panic!("dropped: {outcome:?}") };
        laws(&request, &answer, &self.who);
        (render(&answer), response)
    }

    /// Asks `NAME TYPE` with a plain query.
    #[track_caller]
    pub fn check(&self, question: &str, expected: &str) {
        self.check_query(&Query::new(question), expected);
    }

    #[track_caller]
    pub fn check_query(&self, query: &Query, expected: &str) {
        let got = self.ask(query);
        let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let expected = expected.join("\n");
        assert!(got == expected, "got:\n{got}\n\nexpected:\n{expected}\n");
    }
}

fn pops() -> Vec<Pop> {
    [("fra", 50.11, 8.68), ("iad", 38.95, -77.45)]
        .map(|(name, latitude, longitude)| Pop {
            name: name.to_owned(),
            place: Place::from_degrees(latitude, longitude),
            city: None,
            country: None,
            drained: false,
        })
        .into()
}

fn targets() -> Vec<Target> {
    let check = Check { interval: Duration::from_secs(5), ..Check::new(CheckKind::Tcp) };
    ["127.0.0.10:80", "127.0.0.11:80"]
        .map(|address| Target { address: address.parse().unwrap(), check: check.clone() })
        .into()
}

/// 0: IPv4 and IPv6 at fra (target 0) and iad (target 1), with an HTTPS record. 1: IPv4 alone. 2: as 0, SERVFAIL when all are
/// down. 3: names instead of addresses. 4: by weight, 3 to 1. 5: nobody may serve. 6: as 4, two PoPs per answer. 7: as 0,
/// with fallback addresses. 8: as 0, with panic below a half.
pub fn services() -> Vec<Source> {
    let member = |pop: u32, addresses: &[&str]| {
        let address = |ip: &&str| ServiceAddress { ip: ip.parse().unwrap(), targets: vec![TargetId(pop)] };
        Member::new(PopId(pop as _), addresses.iter().map(address).collect())
    };
    let service = |name: &str, members| Service::new(name, members);
    let both = || vec![member(0, &["192.0.2.10", "2001:db8:f::10"]), member(1, &["192.0.2.20", "2001:db8:1::10"])];
    let nearest = Policy::built_in("nearest").unwrap();
    let cname = |pop: u32, target: &str| Member {
        cname: Some(Name::parse(target, Some(&Name::root())).unwrap().as_wire().into()),
        cname_targets: vec![TargetId(pop)],
        ..Member::new(PopId(pop as _), vec![])
    };
    let mut web = service("web", both());
    // 1 . alpn=h2 ipv4hint=auto ipv6hint=auto
    let before = [0, 1, 0, 0, 1, 0, 3, 2, b'h', b'2'].into();
    let nothing = || Vec::new().into();
    web.bindings =
        vec![Binding { rtype: 65, before, v4_hint: true, between: nothing(), v6_hint: true, after: nothing() }];
    let mut weighted = both();
    weighted[0].weight = 3;
    let by_weight = Policy::built_in("weighted").unwrap();
    let origin = Origin { file: "test".into(), line: 1 };
    let never = Effect::Never(vec!["fra".into(), "iad".into()]);
    let fence = Fence { class: Match::Prefix(vec![]), effect: Arc::new(never), origin };
    // What the prefixes of the policy say everywhere: label 0.
    let prefixes = [PrefixMatch { fences: [0].as_slice().into(), ..PrefixMatch::default() }].into();
    let fenced = Policy { fences: vec![fence], ..nearest.clone() };
    let fallback = ["203.0.113.1", "2001:db8:ffff::1"].map(|ip| ip.parse().unwrap()).into();
    let panic = Some(Panic { below: 510, resume: 700 });
    vec![
        Source::new(nearest.clone(), web),
        Source::new(nearest.clone(), service("v4", vec![member(0, &["192.0.2.10"]), member(1, &["192.0.2.20"])])),
        Source::new(Policy { on_all_down: OnAllDown::Servfail, ..nearest.clone() }, service("strict", both())),
        Source::new(
            nearest.clone(),
            service("names", vec![cname(0, "fra.cdn.example."), cname(1, "ns1.example.com.")]),
        ),
        Source::new(by_weight.clone(), service("dealt", weighted.clone())),
        Source { prefixes, ..Source::new(fenced, service("fenced", both())) },
        Source::new(Policy { count: 2, ..by_weight }, service("dealt", weighted)),
        Source::new(Policy { on_all_down: OnAllDown::Fallback(fallback), ..nearest.clone() }, service("web", both())),
        Source::new(Policy { panic, ..nearest }, service("web", both())),
    ]
}

/// 0: for everyone, without a decision. 1: the decision of [`services`] 0. 2: that of 4, for 127.0.0.0/8 alone.
fn reflects() -> Box<[Reflect]> {
    let everyone = ["0.0.0.0/0", "::/0"];
    let reflect = |allow: &[&str], steer: Option<u32>| Reflect {
        allow: allow.iter().map(|block| Block::parse(block).unwrap()).collect(),
        steer: steer.map(SteerId),
        ecs: Ecs::On,
    };
    [reflect(&everyone, None), reflect(&everyone, Some(0)), reflect(&["127.0.0.0/8"], Some(4))].into()
}

/// A request, octet by octet.
#[derive(Clone, Debug)]
pub struct Query {
    pub id: u16,
    pub flags: u16,
    pub question: Vec<u8>,
    pub questions: u16,
    /// OPT's payload size, TTL field and options.
    pub opt: Option<(u16, u32, Vec<u8>)>,
    /// Records after the question, before OPT: section counts and octets.
    pub counts: [u16; 3],
    pub records: Vec<u8>,
}

impl Query {
    /// `NAME TYPE [CLASS]`, the name with its final dot or without.
    pub fn new(question: &str) -> Self {
        let words: Vec<_> = question.split_whitespace().collect();
        let name = Name::parse(words[0], Some(&Name::root())).unwrap();
        let class = match words.get(2) {
            None => 1u16,
            Some(&"CH") => 3,
            Some(text) => text.parse().unwrap(),
        };
        let mut octets = name.as_wire().to_vec();
        octets.extend(Type::parse(words[1]).unwrap().0.to_be_bytes());
        octets.extend(class.to_be_bytes());
        Self { id: 0x1234, flags: 0, question: octets, questions: 1, opt: None, counts: [0; 3], records: Vec::new() }
    }

    pub fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    pub fn edns(mut self) -> Self {
        self.opt.get_or_insert((1232, 0, Vec::new()));
        self
    }

    pub fn payload(mut self, size: u16) -> Self {
        self = self.edns();
        self.opt.as_mut().unwrap().0 = size;
        self
    }

    pub fn option(mut self, code: u16, data: &[u8]) -> Self {
        self = self.edns();
        let options = &mut self.opt.as_mut().unwrap().2;
        options.extend(code.to_be_bytes());
        options.extend((data.len() as u16).to_be_bytes());
        options.extend(data);
        self
    }

    /// `ADDRESS/LENGTH` as a client subnet.
    pub fn subnet(self, text: &str) -> Self {
        let (address, length) = text.split_once('/').unwrap();
        let length: u8 = length.parse().unwrap();
        let (family, octets) = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(a) => (1, a.octets().to_vec()),
            IpAddr::V6(a) => (2, a.octets().to_vec()),
        };
        let mut data = vec![0, family, length, 0];
        data.extend(&octets[..usize::from(length.div_ceil(8))]);
        self.option(8, &data)
    }

    pub fn octets(&self) -> Vec<u8> {
        let [answers, authorities, additionals] = self.counts;
        let additionals = additionals + u16::from(self.opt.is_some());
        let mut out = Vec::new();
        for word in [self.id, self.flags, self.questions, answers, authorities, additionals] {
            out.extend(word.to_be_bytes());
        }
        out.extend(&self.question);
        out.extend(&self.records);
        if let Some((size, ttl, options)) = &self.opt {
            out.extend([0, 0, 41]);
            out.extend(size.to_be_bytes());
            out.extend(ttl.to_be_bytes());
            out.extend((options.len() as u16).to_be_bytes());
            out.extend(options);
        }
        out
    }
}

/// What holds of every answer to anything.
#[track_caller]
pub fn laws(request: &[u8], answer: &[u8], who: &Who) {
    let message = Message::from_octets(answer).expect("a whole header");
    assert_eq!(answer[..2], request[..2], "the id is the request's");
    assert!(message.header().qr());
    assert!(!message.header().ra() && !message.header().ad() && !message.header().cd() && !message.header().z());
    assert_eq!(message.header().rd(), request[2] & 1 == 1);
    assert_eq!(message.header().opcode().to_int(), request[2] >> 3 & 15);
    assert!(message.header_counts().qdcount() <= 1);
    for question in message.question() {
        question.expect("the question reads");
    }
    let end = question_end(answer);
    assert_eq!(answer[12..end], request[12..end], "the question is the request's, letter by letter");
    let mut opts = 0;
    let (_, answers, authorities, additionals) = message.sections().expect("the sections read");
    for section in [answers, authorities, additionals] {
        for record in section {
            let record = record.expect("the record reads");
            opts += usize::from(record.rtype() == domain::base::iana::Rtype::OPT);
            record.into_any_record::<AllRecordData<_, ParsedName<_>>>().expect("the data reads");
        }
    }
    assert!(opts <= 1, "at most one OPT");
    let counts = message.header_counts();
    let walked = usize::from(counts.ancount()) + usize::from(counts.nscount()) + usize::from(counts.arcount());
    assert_eq!(records_end(answer, walked), answer.len(), "no octets after the last record");
    if message.header().tc() {
        assert_eq!((counts.ancount(), counts.nscount()), (0, 0), "truncated whole");
        assert!(counts.arcount() <= 1 + u16::from(opts == 0));
    }
    if who.transport == Transport::Udp {
        assert!(answer.len() <= 1232);
        if opts == 0 {
            assert!(answer.len() <= 512);
        }
    }
}

fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    if message[5] == 0 {
        return at;
    }
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

fn records_end(message: &[u8], count: usize) -> usize {
    let mut at = question_end(message);
    for _ in 0..count {
        loop {
            match message[at] {
                0 => break at += 1,
                0xc0.. => break at += 2,
                length => at += 1 + usize::from(length),
            }
        }
        at += 10 + usize::from(u16::from_be_bytes([message[at + 8], message[at + 9]]));
    }
    at
}

/// An answer as text: rcode and flags, records, `authority:` and `additional:`, then OPT in one line.
pub fn render(octets: &[u8]) -> String {
    let message = Message::from_octets(octets).unwrap();
    let header = message.header();
    let mut lines = vec![message.opt_rcode().to_string()];
    for (set, name) in [(header.aa(), "aa"), (header.tc(), "tc"), (header.rd(), "rd")] {
        if set {
            lines[0] = format!("{} {name}", lines[0]);
        }
    }
    if message.header_counts().qdcount() == 0 {
        lines[0].push_str(" no question");
    }
    let (_, answers, authorities, additionals) = message.sections().unwrap();
    for (title, section) in [("", answers), ("authority:", authorities), ("additional:", additionals)] {
        let mut titled = title.is_empty();
        for record in section {
            let record: Record<_, AllRecordData<_, ParsedName<_>>> = record.unwrap().into_any_record().unwrap();
            if record.rtype() == domain::base::iana::Rtype::OPT {
                continue;
            }
            if !titled {
                lines.push(title.to_owned());
                titled = true;
            }
            let text = record.display_zonefile(DisplayKind::Simple).to_string();
            lines.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    if let Some(opt) = message.opt() {
        let mut line = format!("opt {}", opt.udp_payload_size());
        if opt.dnssec_ok() {
            line.push_str(" do");
        }
        assert_eq!(opt.version(), 0);
        for option in opt.opt().iter::<UnknownOptData<_>>() {
            let option = option.unwrap();
            let data: &[u8] = option.as_slice();
            let said = match option.code() {
                OptionCode::CLIENT_SUBNET => {
                    let mut address = [0; 16];
                    address[..data.len() - 4].copy_from_slice(&data[4..]);
                    let address: IpAddr = match data[1] {
                        2 => address.into(),
                        _ => <[u8; 4]>::try_from(&address[..4]).unwrap().into(),
                    };
                    format!(" ecs {address}/{}/{}", data[2], data[3])
                }
                OptionCode::EXTENDED_ERROR => {
                    let text = String::from_utf8_lossy(&data[2..]);
                    format!(
                        " ede {}{}",
                        u16::from_be_bytes([data[0], data[1]]),
                        if text.is_empty() { String::new() } else { format!(" ({text})") }
                    )
                }
                OptionCode::NSID => format!(" nsid {}", String::from_utf8_lossy(data)),
                code => format!(" option {} {}", code.to_int(), hex(data)),
            };
            line.push_str(&said);
        }
        lines.push(line);
    }
    lines.join("\n")
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().flat_map(|o| [o >> 4, o & 15]).filter_map(|d| char::from_digit(u32::from(d), 16)).collect()
}
