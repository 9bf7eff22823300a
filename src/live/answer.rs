//! Answers in wire form, one per distinct decision of a map, made once per epoch.

use std::net::IpAddr;

use super::fill::Map;
use super::records::{self, Prepared};
use super::standing;
use crate::health::Known;
use crate::steering::{Choice, Decision, Facts, Family, Kind, Mode, OnAllDown, Standing, Ttls};

/// An answer of one [`super::LiveMap`]. Means something only beside its map and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnswerId(pub u16);

impl AnswerId {
    /// The resolver's address decides: the client's own address says nothing of a place (SEMANTICS §1.9).
    pub const RESOLVER: Self = Self(u16::MAX);
    /// Most answers a map may have.
    pub const MAX: usize = u16::MAX as usize - 1;
}

/// What the clients of one decision are told. Of a decision that is dealt among several members the records are in
/// [`super::Pieces`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision it stands for.
    pub decision: Decision,
    /// TTL of every RRset of it, in seconds; of a decision that is dealt, that of a client at home.
    pub ttl: u32,
    /// What is told of each family, and one more than the first member that serves it, if there is one.
    brief: [(Told, u16); 2],
    /// Its records; none where it is told nothing.
    pub records: Records,
}

/// RRsets of one answer, ready to copy out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// A records.
    pub a: Prepared,
    /// AAAA records.
    pub aaaa: Prepared,
    /// HTTPS records, their hints as the addresses.
    pub https: Prepared,
    /// SVCB records, likewise.
    pub svcb: Prepared,
    /// The CNAME of a service that sends clients to names.
    pub cname: Prepared,
}

/// A type that is answered by decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SteeredType {
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// HTTPS.
    Https,
    /// SVCB.
    Svcb,
}

/// What a decision is for one type, for those who know nothing of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The type does not exist at the name: a property of the service, never of the client.
    Absent,
    /// Fences and overrides leave nobody: what the owner has written, if the policy allows.
    Empty,
    /// SERVFAIL.
    Servfail,
    /// The class's best PoP.
    Home,
    /// A substitute.
    Away,
    /// Health was ignored in a tier.
    Panic,
    /// Health was ignored, as nothing was usable.
    FailOpen,
    /// The policy's fallback addresses.
    Fallback,
}

impl Told {
    /// What a choice is. [`Choice::Split`] is dealt first ([`super::dealt`]); as such it is told `Home`.
    pub(super) fn of(choice: &Choice) -> Self {
        match choice {
            Choice::Absent => Self::Absent,
            Choice::Empty => Self::Empty,
            Choice::Servfail => Self::Servfail,
            Choice::Fallback => Self::Fallback,
            Choice::Members { kind, mode, .. } => Self::served(*kind, *mode),
            Choice::Split(split) => Self::served(Kind::Home, split.mode),
        }
    }

    pub(super) fn served(kind: Kind, mode: Mode) -> Self {
        match (mode, kind) {
            (Mode::FailOpen, _) => Self::FailOpen,
            (Mode::Panic, _) => Self::Panic,
            (Mode::Normal, Kind::Home) => Self::Home,
            (Mode::Normal, Kind::Away) => Self::Away,
        }
    }

    /// Of several families the one that has most to say of HTTPS: an answer before none.
    pub(super) fn or(self, other: Self) -> Self {
        match self {
            Self::Absent | Self::Empty | Self::Servfail if other != Self::Absent => other,
            _ => self,
        }
    }
}

/// How long an answer may be kept, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lifetime {
    Home,
    Away,
    /// A suspect PoP, or health ignored.
    Shaky,
}

impl Lifetime {
    pub(super) const ALL: [Self; 3] = [Self::Home, Self::Away, Self::Shaky];

    /// Of a choice, suspicion aside; `None` where there is nothing to keep.
    pub(super) fn of(told: Told) -> Option<Self> {
        match told {
            Told::Absent | Told::Empty | Told::Servfail => None,
            Told::Home => Some(Self::Home),
            Told::Away => Some(Self::Away),
            Told::Panic | Told::FailOpen | Told::Fallback => Some(Self::Shaky),
        }
    }

    pub(super) fn seconds(self, ttls: &Ttls) -> u32 {
        match self {
            Self::Home => ttls.home,
            Self::Away => ttls.away,
            Self::Shaky => ttls.away.min(ttls.suspect),
        }
    }
}

/// The first member of a decision for a type; `None` where several share, or none serves.
#[inline]
pub(super) fn first_of(decision: &Decision, rtype: SteeredType) -> Option<u16> {
    let first = |choice: &Choice| match choice {
        Choice::Members { members, .. } => members.first().copied(),
        Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_) => None,
    };
    match rtype {
        SteeredType::A => first(&decision.v4),
        SteeredType::Aaaa => first(&decision.v6),
        SteeredType::Https | SteeredType::Svcb => first(&decision.v4).or_else(|| first(&decision.v6)),
    }
}

impl Answer {
    /// Prepares the answer of a decision, with the addresses that are usable now (all of them when health is ignored). The
    /// TTL is that of the decision's families taken together (SEMANTICS §3.8).
    pub fn prepare(decision: Decision, map: &Map, facts: &Facts, known: &Known) -> Self {
        let ttls = &map.service.ttls;
        if decision.is_split() {
            return Self { brief: brief(&decision), decision, ttl: ttls.home, records: Records::default() };
        }
        let v4 = addresses(&decision.v4, map, facts, known, Family::V4);
        let v6 = addresses(&decision.v6, map, facts, known, Family::V6);
        let suspect = [(&decision.v4, Family::V4), (&decision.v6, Family::V6)]
            .iter()
            .any(|(choice, family)| is_suspect(choice, facts, *family));
        let told = [Told::of(&decision.v4), Told::of(&decision.v6)];
        // The shortest of the families: TTLs need not fall from home to shaky.
        let mut ttl =
            told.iter().filter_map(|told| Some(Lifetime::of(*told)?.seconds(ttls))).min().unwrap_or(ttls.home);
        if suspect {
            ttl = ttl.min(Lifetime::Shaky.seconds(ttls));
        }
        let binding = |rtype| records::bindings(&map.service.bindings, rtype, &v4, &v6, ttl);
        let serves = told.iter().any(|told| Lifetime::of(*told).is_some());
        let cname = first_member(&decision).and_then(|index| map.service.members[usize::from(index)].cname.as_deref());
        let records = Records {
            a: records::addresses(&v4, ttl),
            aaaa: records::addresses(&v6, ttl),
            https: if serves { binding(records::HTTPS) } else { Prepared::default() },
            svcb: if serves { binding(records::SVCB) } else { Prepared::default() },
            cname: cname.map(|target| records::cname(target, ttl)).unwrap_or_default(),
        };
        Self { brief: brief(&decision), decision, ttl, records }
    }

    /// What a question of this type is told, and its records, where nobody shares.
    #[inline]
    pub fn of(&self, rtype: SteeredType) -> (Told, &Prepared) {
        let [(v4, _), (v6, _)] = self.brief;
        match rtype {
            SteeredType::A => (v4, &self.records.a),
            SteeredType::Aaaa => (v6, &self.records.aaaa),
            SteeredType::Https => (v4.or(v6), &self.records.https),
            SteeredType::Svcb => (v4.or(v6), &self.records.svcb),
        }
    }

    /// The member that serves a question of this type, the first of several, where nobody shares; `None` when none does.
    #[inline]
    pub fn member(&self, rtype: SteeredType) -> Option<u16> {
        let [(_, v4), (_, v6)] = self.brief;
        match rtype {
            SteeredType::A => v4,
            SteeredType::Https | SteeredType::Svcb if v4 > 0 => v4,
            SteeredType::Aaaa | SteeredType::Https | SteeredType::Svcb => v6,
        }
        .checked_sub(1)
    }

    /// Whether health was ignored for either family, as nothing was usable.
    pub fn fail_open(&self) -> bool {
        [&self.decision.v4, &self.decision.v6]
            .into_iter()
            .any(|c| matches!(Told::of(c), Told::FailOpen | Told::Fallback))
    }
}

fn brief(decision: &Decision) -> [(Told, u16); 2] {
    [(&decision.v4, SteeredType::A), (&decision.v6, SteeredType::Aaaa)].map(|(choice, rtype)| {
        // Members are fewer than 65,535.
        (Told::of(choice), first_of(decision, rtype).map_or(0, |member| member.saturating_add(1)))
    })
}

fn first_member(decision: &Decision) -> Option<u16> {
    [&decision.v4, &decision.v6].into_iter().find_map(|choice| match choice {
        Choice::Members { members, .. } => members.first().copied(),
        Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_) => None,
    })
}

fn is_suspect(choice: &Choice, facts: &Facts, family: Family) -> bool {
    let Choice::Members { members, .. } = choice else { return false };
    members.iter().any(|index| facts.members[usize::from(*index)].standing(family) == Standing::Suspect)
}

/// The addresses of a choice in order.
fn addresses(choice: &Choice, map: &Map, facts: &Facts, known: &Known, family: Family) -> Vec<IpAddr> {
    match choice {
        Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Split(_) => Vec::new(),
        Choice::Fallback => match &map.policy.on_all_down {
            OnAllDown::Fallback(list) => list.iter().copied().filter(|ip| is_of(ip, family)).collect(),
            OnAllDown::IgnoreHealth | OnAllDown::Servfail => Vec::new(),
        },
        Choice::Members { members, mode, .. } => {
            let of = |index: &u16| member_addresses(map, facts, known, *index, *mode != Mode::Normal, family);
            members.iter().flat_map(of).collect()
        }
    }
}

/// The addresses of one member that clients are given: the usable ones, or all when health is ignored.
pub(super) fn member_addresses(
    map: &Map,
    facts: &Facts,
    known: &Known,
    index: u16,
    open: bool,
    family: Family,
) -> Vec<IpAddr> {
    let all = open || facts.members[usize::from(index)].forced_up;
    let list = &map.service.members[usize::from(index)].addresses;
    let wanted = |a: &&crate::steering::ServiceAddress| {
        is_of(&a.ip, family) && (all || standing::address(&a.targets, known) != Standing::Unusable)
    };
    list.iter().filter(wanted).map(|a| a.ip).collect()
}

fn is_of(ip: &IpAddr, family: Family) -> bool {
    ip.is_ipv4() == (family == Family::V4)
}
