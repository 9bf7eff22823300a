//! `explain` agrees with the answers, address by address and scope by scope: the shipped zones and database, 10,000 random
//! clients, with all PoPs well and with some of them failing.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catchment::dns::Name;
use catchment::explain::{Assume, Explained, KeySource, Question, explain};
use catchment::health::State;
use catchment::query::{Ecs, Outcome, Transport, Who, respond};
use catchment::reload::{Loader, Now, Options};
use catchment::snapshot::{Identity, Snapshot};
use domain::base::Message;
use domain::base::iana::Rtype;
use domain::base::opt::ClientSubnet;
use domain::rdata::{A, Aaaa};

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
    });
    let loaded =
        loader.load(Now { unix: 1_790_000_000, monotonic: 0 }, false, &mut |_, _| catchment::health::Known::of(states));
    assert!(!loaded.findings.diagnostics.has_errors(), "{}", loaded.findings.diagnostics);
    loaded.snapshot.unwrap()
}

fn query(rtype: Rtype, (address, length): (IpAddr, u8)) -> Vec<u8> {
    let mut octets = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    octets.extend_from_slice(b"\x03www\x07example\x03com\x00");
    octets.extend_from_slice(&rtype.to_int().to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    let (family, bytes) = match address {
        IpAddr::V4(a) => (1, a.octets().to_vec()),
        IpAddr::V6(a) => (2, a.octets().to_vec()),
    };
    let bytes = &bytes[..usize::from(length).div_ceil(8)];
    octets.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, bytes.len() as u8 + 8]);
    octets.extend_from_slice(&[0, 8, 0, bytes.len() as u8 + 4, 0, family, length, 0]);
    octets.extend_from_slice(bytes);
    octets
}

/// Addresses, TTL and scope of the answer on the wire, read by another codec.
fn asked(snapshot: &Snapshot, source: IpAddr, rtype: Rtype, subnet: (IpAddr, u8)) -> (Vec<IpAddr>, u32, u8) {
    let who = Who {
        source,
        source_port: 4000,
        destination: source,
        transport: Transport::Udp,
        ecs: Ecs::On,
        now: 1_790_000_000,
    };
    let mut out = [0; 1232];
    let Outcome::Responded(response) = respond(snapshot, &snapshot.live(), &who, &query(rtype, subnet), &mut out)
    else {
        panic!("dropped");
    };
    let message = Message::from_octets(&out[..response.length]).unwrap();
    let mut addresses = Vec::new();
    let mut ttl = 0;
    for record in message.answer().unwrap() {
        let record = record.unwrap();
        ttl = record.ttl().as_secs();
        if let Some(a) = record.to_record::<A>().unwrap() {
            addresses.push(IpAddr::from(a.data().addr()));
        } else if let Some(aaaa) = record.to_record::<Aaaa>().unwrap() {
            addresses.push(IpAddr::from(aaaa.data().addr()));
        }
    }
    let opt = message.opt().unwrap();
    let ecs = opt.opt().iter::<ClientSubnet>().next().unwrap().unwrap();
    assert_eq!((ecs.addr(), ecs.source_prefix_len()), subnet);
    (addresses, ttl, ecs.scope_prefix_len())
}

#[track_caller]
fn check(states: &[State], clients: usize, seed: u64) {
    let snapshot = shipped(states);
    let mut random = Random(seed);
    let name = Name::parse("www.example.com.", None).unwrap();
    for _ in 0..clients {
        let source = IpAddr::from(Ipv4Addr::from((random.next() >> 32) as u32));
        let subnet = random.subnet();
        let question = Question { name: name.clone(), source, subnet: Some(subnet), assume: Assume::default() };
        let Explained::Steered(steered) = explain(&snapshot, &snapshot.live(), &question) else {
            panic!("www is steered")
        };
        assert!(steered.agrees, "{source} {subnet:?}: {steered:?}");
        for (rtype, v4) in [(Rtype::A, true), (Rtype::AAAA, false)] {
            let of_family: Vec<_> = steered.addresses.iter().copied().filter(|a| a.is_ipv4() == v4).collect();
            let answered = asked(&snapshot, source, rtype, subnet);
            assert_eq!(answered, (of_family, steered.answer.ttl, steered.scope), "{source} {subnet:?} {rtype}");
        }
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
    let (by_source, ttl, _) = asked(&on, source, Rtype::A, ("0.0.0.0".parse().unwrap(), 0));
    assert_ne!(asked(&on, source, Rtype::A, far).0, by_source);
    assert_eq!(asked(&off, source, Rtype::A, far), (by_source.clone(), ttl, 0));

    let name = Name::parse("www.example.com.", None).unwrap();
    let question = Question { name, source, subnet: Some(far), assume: Assume::default() };
    let Explained::Steered(steered) = explain(&off, &off.live(), &question) else { panic!("www is steered") };
    assert!(steered.agrees && steered.addresses.starts_with(&by_source));
    assert_eq!((steered.key.from, steered.scope), (KeySource::SourceForOff, 0));
}
