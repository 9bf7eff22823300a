//! Answers in wire form, one per distinct decision of a map, made once per epoch.

use std::net::IpAddr;

use crate::health::State;
use crate::steering::{Choice, Decision, Kind, Member, Service, Standing};

/// An answer of one [`super::LiveMap`]. Means something only beside its map and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnswerId(pub u16);

impl AnswerId {
    /// The resolver's address decides: the client's own address says nothing of a place (SEMANTICS §1.9).
    pub const RESOLVER: Self = Self(u16::MAX);
    /// Most answers a map may have.
    pub const MAX: usize = u16::MAX as usize - 1;
}

/// One RRset ready to copy out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Number of records.
    pub count: u16,
    /// Per record TYPE CLASS TTL RDLENGTH RDATA (RFC 1035 §3.2.1 without the owner name), one after the other.
    pub bytes: Box<[u8]>,
}

/// What the clients of one decision are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision it stands for.
    pub decision: Decision,
    /// TTL of every RRset of it, in seconds.
    pub ttl: u32,
    /// A records; empty when [`Choice::Absent`] or [`Choice::Empty`].
    pub a: Prepared,
    /// AAAA records; likewise.
    pub aaaa: Prepared,
}

/// What a decision is for one family, for those who know nothing of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The type does not exist at the name: a property of the service, never of the client.
    Absent,
    /// Nothing is eligible, or nothing is usable and the policy says SERVFAIL.
    Empty,
    /// The class's best PoP.
    Home,
    /// A substitute.
    Away,
    /// Health was ignored.
    FailOpen,
}

impl From<&Choice> for Told {
    fn from(choice: &Choice) -> Self {
        match choice {
            Choice::Absent => Self::Absent,
            Choice::Empty => Self::Empty,
            Choice::Members { fail_open: true, .. } => Self::FailOpen,
            Choice::Members { kind: Kind::Home, .. } => Self::Home,
            Choice::Members { kind: Kind::Away, .. } => Self::Away,
        }
    }
}

impl Answer {
    /// What a question for A is told, and its records.
    #[inline]
    pub fn for_a(&self) -> (Told, &Prepared) {
        (Told::from(&self.decision.v4), &self.a)
    }

    /// What a question for AAAA is told, and its records.
    #[inline]
    pub fn for_aaaa(&self) -> (Told, &Prepared) {
        (Told::from(&self.decision.v6), &self.aaaa)
    }

    /// Prepares the answer of a decision for a service, with the addresses that are usable now (all of them when health
    /// is ignored). The TTL is that of the decision's families taken together (SEMANTICS §3.8).
    pub fn prepare(decision: Decision, service: &Service, states: &[State]) -> Self {
        let v4 = addresses(&decision.v4, service, states, IpAddr::is_ipv4);
        let v6 = addresses(&decision.v6, service, states, IpAddr::is_ipv6);
        let suspect = [&v4, &v6].iter().any(|list| list.iter().any(|(_, suspect)| *suspect));
        let ttl = [&decision.v4, &decision.v6].iter().filter_map(|choice| ttl(choice, service)).min();
        let mut ttl = ttl.unwrap_or(service.ttls.home);
        if suspect {
            ttl = ttl.min(service.ttls.away).min(service.ttls.suspect);
        }
        Self { a: encode(&v4, ttl), aaaa: encode(&v6, ttl), ttl, decision }
    }

    /// Whether health was ignored for either family.
    pub fn fail_open(&self) -> bool {
        [&self.decision.v4, &self.decision.v6]
            .iter()
            .any(|choice| matches!(choice, Choice::Members { fail_open: true, .. }))
    }
}

fn ttl(choice: &Choice, service: &Service) -> Option<u32> {
    match choice {
        Choice::Absent | Choice::Empty => None,
        Choice::Members { fail_open: true, .. } => Some(service.ttls.away.min(service.ttls.suspect)),
        Choice::Members { kind: Kind::Home, .. } => Some(service.ttls.home),
        Choice::Members { kind: Kind::Away, .. } => Some(service.ttls.away),
    }
}

/// The addresses of a choice in order, each with whether it is suspect.
fn addresses(
    choice: &Choice,
    service: &Service,
    states: &[State],
    family: impl Fn(&IpAddr) -> bool,
) -> Vec<(IpAddr, bool)> {
    let Choice::Members { members, fail_open, .. } = choice else { return Vec::new() };
    let mut list = Vec::new();
    for &index in members {
        for address in &service.members[usize::from(index)].addresses {
            let state = address_standing(&address.targets, states);
            if family(&address.ip) && (*fail_open || state != Standing::Unusable) {
                list.push((address.ip, state == Standing::Suspect));
            }
        }
    }
    list
}

/// How an address stands by its targets: unusable when one of them is, suspect when one of them is.
fn address_standing(targets: &[crate::health::TargetId], states: &[State]) -> Standing {
    let mut standing = Standing::Usable;
    for target in targets {
        match states.get(target.0 as usize).copied().unwrap_or_default() {
            State::Down | State::Recovering => return Standing::Unusable,
            State::Suspect => standing = Standing::Suspect,
            State::Unknown | State::Up => {}
        }
    }
    standing
}

/// How a member stands for a family by the states of its targets (SEMANTICS §4.1).
pub(super) fn member_standing(member: &Member, states: &[State], family: impl Fn(&IpAddr) -> bool) -> Standing {
    let (mut present, mut usable, mut suspect) = (false, 0u16, false);
    for address in member.addresses.iter().filter(|a| family(&a.ip)) {
        present = true;
        match address_standing(&address.targets, states) {
            Standing::Usable => usable += 1,
            Standing::Suspect => {
                usable += 1;
                suspect = true;
            }
            Standing::Absent | Standing::Unusable => {}
        }
    }
    match (present, usable >= member.min_addresses.max(1), suspect) {
        (false, _, _) => Standing::Absent,
        (true, false, _) => Standing::Unusable,
        (true, true, true) => Standing::Suspect,
        (true, true, false) => Standing::Usable,
    }
}

fn encode(addresses: &[(IpAddr, bool)], ttl: u32) -> Prepared {
    const CLASS_IN: u16 = 1;
    let mut bytes = Vec::with_capacity(addresses.len() * 26);
    for (address, _) in addresses {
        let (rtype, rdata): (u16, &[u8]) = match address {
            IpAddr::V4(a) => (1, &a.octets()),
            IpAddr::V6(a) => (28, &a.octets()),
        };
        bytes.extend_from_slice(&rtype.to_be_bytes());
        bytes.extend_from_slice(&CLASS_IN.to_be_bytes());
        bytes.extend_from_slice(&ttl.to_be_bytes());
        bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rdata);
    }
    Prepared { count: addresses.len() as u16, bytes: bytes.into() }
}
