//! What one client is told, type by type, as it would be sent.

use std::net::IpAddr;

use super::chain::{End, Way};
use crate::dns::Type;
use crate::dns::edns::ExtendedError;
use crate::live::{Answer, Dealt, Map, Pieces, Prepared, SteeredType, Told};
use crate::steering::split::UnitKey;
use crate::steering::{Choice, Decision, Family, Kind, Mode};
use crate::zone::RrSet;

/// What one client is told of a steered name.
#[derive(Clone, Debug)]
pub(super) struct Given<'a> {
    pub(super) v4: Vec<u16>,
    pub(super) v6: Vec<u16>,
    /// For A and AAAA.
    pub(super) told: [Told; 2],
    pub(super) ttl: u32,
    answer: &'a Answer,
    dealt: Option<Dealt<'a>>,
}

impl<'a> Given<'a> {
    pub(super) fn new(map: &Map, answer: &'a Answer, pieces: Option<&'a Pieces>, unit: &UnitKey) -> Self {
        let both = [SteeredType::A, SteeredType::Aaaa];
        if let Some(pieces) = pieces.filter(|_| answer.decision.is_split()) {
            let dealt = Dealt::new(&map.plan, answer, pieces, unit);
            return Self {
                v4: dealt.members(Family::V4).to_vec(),
                v6: dealt.members(Family::V6).to_vec(),
                told: both.map(|rtype| dealt.told(rtype)),
                ttl: dealt.ttl(&map.service.ttls),
                answer,
                dealt: Some(dealt),
            };
        }
        Self {
            v4: members(&answer.decision.v4),
            v6: members(&answer.decision.v6),
            told: both.map(|rtype| answer.of(rtype).0),
            ttl: answer.ttl,
            answer,
            dealt: None,
        }
    }

    /// The members that serve: those of A, or of AAAA when there is no A.
    pub(super) fn serving(&self) -> &[u16] {
        if self.v4.is_empty() { &self.v6 } else { &self.v4 }
    }

    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let both = [SteeredType::A, SteeredType::Aaaa];
        both.into_iter().flat_map(|rtype| self.rdata(rtype)).filter_map(|rdata| address(&rdata)).collect()
    }

    fn told(&self, rtype: SteeredType) -> Told {
        match &self.dealt {
            Some(dealt) => dealt.told(rtype),
            None => self.answer.of(rtype).0,
        }
    }

    fn rdata(&self, rtype: SteeredType) -> Vec<Vec<u8>> {
        let owned = |records: &Prepared| records.rdata().map(<[u8]>::to_vec).collect::<Vec<_>>();
        match &self.dealt {
            Some(dealt) => dealt.records(rtype).flat_map(owned).collect(),
            None => owned(self.answer.of(rtype).1),
        }
    }

    fn cname(&self) -> Vec<Vec<u8>> {
        let records = match &self.dealt {
            Some(dealt) => dealt.cname(),
            None => &self.answer.records.cname,
        };
        records.rdata().map(<[u8]>::to_vec).collect()
    }
}

/// What is sent for one type at the end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The type that is asked; CNAME where a service sends clients to names.
    pub rtype: Type,
    /// What they get.
    pub what: Said,
    /// Text of the extended error (RFC 8914) that goes with it.
    pub error: Option<&'static str>,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Records of the decision: TTL in seconds, and RDATA in wire form.
    Steered(u32, Vec<Vec<u8>>),
    /// Records that are written at the name.
    Written(u32, Vec<Vec<u8>>),
    /// The name has nothing of the type, for any client.
    NoData,
    /// SERVFAIL.
    Servfail,
    /// The chain does not lead here for this type.
    Elsewhere,
}

/// What is sent for a type whose way leads to the steered name.
pub(super) fn sent_of(map: &Map, given: &Given<'_>, way: &Way<'_>, rtype: SteeredType) -> Sent {
    let (wire, bound) = match rtype {
        SteeredType::A => (Type::A, false),
        SteeredType::Aaaa => (Type::AAAA, false),
        SteeredType::Https => (Type::HTTPS, true),
        SteeredType::Svcb => (Type::SVCB, true),
    };
    let here = |what, error| Sent { rtype: wire, what, error };
    let written = match way.end {
        End::Steered { written, .. } => written,
        End::Static(rrset) => return here(kept(rrset, way.cap), None),
        End::NoData | End::NxDomain => return here(Said::NoData, None),
        End::NotHosted | End::NotLoaded | End::Delegated | End::Endless => return here(Said::Elsewhere, None),
    };
    let beside = || written.map_or(Said::NoData, |rrset| kept(rrset, way.cap));
    let told = given.told(rtype);
    let rdata = given.rdata(rtype);
    if told == Told::Absent || (bound && rdata.is_empty()) {
        return here(beside(), None);
    }
    let error = match told {
        Told::Empty if map.falls_back_on_written() && written.is_some() => return here(beside(), None),
        Told::Absent | Told::Empty | Told::Servfail => {
            return here(Said::Servfail, Some(ExtendedError::NO_POP.text));
        }
        Told::Home | Told::Away => None,
        Told::Panic => Some(ExtendedError::PANIC.text),
        Told::FailOpen => Some(ExtendedError::FAIL_OPEN.text),
        Told::Fallback => Some(ExtendedError::FALLBACK.text),
    };
    here(Said::Steered(given.ttl, rdata), error)
}

/// What is sent, whatever is asked, at a name whose service sends clients to names.
pub(super) fn sent_name(map: &Map, given: &Given<'_>, way: &Way<'_>) -> Sent {
    let like_a = sent_of(map, given, way, SteeredType::A);
    // No addresses stand beside it: what A is told is what the CNAME is told.
    match like_a.what {
        Said::Steered(ttl, _) => Sent { rtype: Type::CNAME, what: Said::Steered(ttl, given.cname()), ..like_a },
        _ => Sent { rtype: Type::CNAME, ..like_a },
    }
}

pub(super) fn kept(rrset: RrSet<'_>, cap: u32) -> Said {
    Said::Written(rrset.ttl.min(cap), rrset.rdata().map(<[u8]>::to_vec).collect())
}

/// The address of an A or AAAA record.
pub(super) fn address(rdata: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(rdata).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(rdata).map(IpAddr::from)).ok()
}

fn members(choice: &Choice) -> Vec<u16> {
    match choice {
        Choice::Members { members, .. } => members.to_vec(),
        Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_) => Vec::new(),
    }
}

/// A decision in a few words: its PoPs, and what is odd about it.
pub(super) fn words(map: &Map, decision: &Decision) -> String {
    let (v4, v6) = (choice(map, &decision.v4), choice(map, &decision.v6));
    match (&decision.v4, &decision.v6) {
        (_, Choice::Absent) => v4,
        (Choice::Absent, _) => v6,
        _ if v4 == v6 => v4,
        _ => format!("A {v4}; AAAA {v6}"),
    }
}

fn choice(map: &Map, choice: &Choice) -> String {
    let name = |index: &u16| map.pops[usize::from(*index)].to_string();
    let odd = |mode: &Mode, kind: &Kind| match (mode, kind) {
        (Mode::FailOpen, _) => " (fail-open)",
        (Mode::Panic, _) => " (panic)",
        (Mode::Normal, Kind::Away) => " (away)",
        (Mode::Normal, Kind::Home) => "",
    };
    match choice {
        Choice::Absent => "nothing".to_owned(),
        Choice::Empty => "nobody".to_owned(),
        Choice::Servfail => "SERVFAIL".to_owned(),
        Choice::Fallback => "fallback addresses".to_owned(),
        Choice::Members { members, kind, mode } => {
            format!("{}{}", members.iter().map(name).collect::<Vec<_>>().join(", "), odd(mode, kind))
        }
        Choice::Split(split) => {
            let all: u64 = split.group.iter().map(|share| u64::from(share.weight)).sum();
            let part = |weight: u32| (u64::from(weight) * 100 + all / 2).checked_div(all).unwrap_or(0);
            let shares = split.group.iter().filter(|share| share.weight > 0);
            let shares = shares.map(|share| format!("{} {} %", name(&share.member), part(share.weight)));
            format!("{}{}", shares.collect::<Vec<_>>().join(", "), odd(&split.mode, &Kind::Home))
        }
    }
}
