//! Answers of decisions that several members share: which of them a client's unit falls to, and their records.

use super::answer::{Answer, Lifetime, SteeredType, Told, member_addresses};
use super::fill::Map;
use super::records::{self, Prepared};
use crate::health::Known;
use crate::steering::split::{UnitKey, winner};
use crate::steering::{Choice, Facts, Family, Kind, Mode, Plan, Policy, Split, Standing};

/// Records of every member, alone, for each lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// By member; with its usable addresses, then with all of them.
    members: Vec<[Piece; 2]>,
    /// By member: whether it is suspect, for A and for AAAA.
    suspect: Vec<[bool; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// By [`Lifetime`].
    records: [super::answer::Records; 3],
}

impl Pieces {
    /// Prepares the records of every member.
    pub fn prepare(map: &Map, facts: &Facts, known: &Known) -> Self {
        let piece = |index: u16, open: bool| {
            let v4 = member_addresses(map, facts, known, index, open, Family::V4);
            let v6 = member_addresses(map, facts, known, index, open, Family::V6);
            let records = Lifetime::ALL.map(|lifetime| {
                let ttl = lifetime.seconds(&map.service.ttls);
                let binding = |rtype| records::bindings(&map.service.bindings, rtype, &v4, &v6, ttl);
                let cname = map.service.members[usize::from(index)].cname.as_deref();
                super::answer::Records {
                    a: records::addresses(&v4, ttl),
                    aaaa: records::addresses(&v6, ttl),
                    https: binding(records::HTTPS),
                    svcb: binding(records::SVCB),
                    cname: cname.map(|target| records::cname(target, ttl)).unwrap_or_default(),
                }
            });
            Piece { records }
        };
        let all = 0..map.service.members.len() as u16;
        let suspect = |standing| standing == Standing::Suspect;
        Self {
            members: all.map(|index| [piece(index, false), piece(index, true)]).collect(),
            suspect: facts.members.iter().map(|m| [suspect(m.v4), suspect(m.v6)]).collect(),
        }
    }
}

/// Who serves one client, for one family.
#[derive(Clone, Copy, Debug)]
struct Hand {
    told: Told,
    /// Whether health was ignored.
    open: bool,
    /// Who serves first when all is well, where several share.
    home: Option<u16>,
    /// Members in order; the first `count` count.
    members: [u16; Policy::MAX_COUNT as usize],
    count: u8,
}

/// What one client is dealt.
#[derive(Clone, Copy, Debug)]
pub struct Dealt<'a> {
    pieces: &'a Pieces,
    v4: Hand,
    v6: Hand,
    lifetime: Lifetime,
}

impl<'a> Dealt<'a> {
    /// Deals an answer to a unit.
    pub fn new(plan: &Plan, answer: &Answer, pieces: &'a Pieces, unit: &UnitKey) -> Self {
        let v4 = Hand::new(plan, &answer.decision.v4, unit);
        let v6 = if answer.decision.v6 == answer.decision.v4 { v4 } else { Hand::new(plan, &answer.decision.v6, unit) };
        let of = |hand: &Hand, family: Family| {
            let suspect = |index: &u16| pieces.suspect[usize::from(*index)][family as usize];
            let lifetime = Lifetime::of(hand.told)?;
            Some(if hand.members().iter().any(suspect) { Lifetime::Shaky } else { lifetime })
        };
        let lifetime = [of(&v4, Family::V4), of(&v6, Family::V6)].into_iter().flatten().max();
        Self { pieces, v4, v6, lifetime: lifetime.unwrap_or(Lifetime::Home) }
    }

    /// What a question of this type is told.
    #[inline]
    pub fn told(&self, rtype: SteeredType) -> Told {
        match rtype {
            SteeredType::A => self.v4.told,
            SteeredType::Aaaa => self.v6.told,
            SteeredType::Https | SteeredType::Svcb => self.v4.told.or(self.v6.told),
        }
    }

    /// The member that serves a question of this type, the first of several; `None` when none does.
    #[inline]
    pub fn member(&self, rtype: SteeredType) -> Option<u16> {
        let first = |hand: &Hand| hand.members().first().copied();
        match rtype {
            SteeredType::A => first(&self.v4),
            SteeredType::Aaaa => first(&self.v6),
            SteeredType::Https | SteeredType::Svcb => first(&self.v4).or_else(|| first(&self.v6)),
        }
    }

    /// The member that would serve first if all were well; `None` where that is not for this client to be dealt.
    #[inline]
    pub fn home(&self, rtype: SteeredType) -> Option<u16> {
        match rtype {
            SteeredType::A => self.v4.home,
            SteeredType::Aaaa => self.v6.home,
            SteeredType::Https | SteeredType::Svcb => self.v4.home.or(self.v6.home),
        }
    }

    /// The records of this type, member by member. Of HTTPS and SVCB those of the first member.
    #[inline]
    pub fn records(self, rtype: SteeredType) -> impl Iterator<Item = &'a Prepared> {
        let hand = match rtype {
            SteeredType::A => self.v4,
            SteeredType::Aaaa => self.v6,
            SteeredType::Https | SteeredType::Svcb => {
                let hand = if self.v4.count > 0 { self.v4 } else { self.v6 };
                Hand { count: hand.count.min(1), ..hand }
            }
        };
        let (pieces, lifetime) = (self.pieces, self.lifetime);
        hand.members.into_iter().take(usize::from(hand.count)).map(move |index| {
            let records = &pieces.members[usize::from(index)][usize::from(hand.open)].records[lifetime as usize];
            match rtype {
                SteeredType::A => &records.a,
                SteeredType::Aaaa => &records.aaaa,
                SteeredType::Https => &records.https,
                SteeredType::Svcb => &records.svcb,
            }
        })
    }

    /// The CNAME of the first member, for services that send clients to names.
    #[inline]
    pub fn cname(&self) -> &'a Prepared {
        let first = usize::from(self.v4.members[0]);
        &self.pieces.members[first][usize::from(self.v4.open)].records[self.lifetime as usize].cname
    }

    /// TTL of every RRset of it, in seconds.
    pub fn ttl(&self, ttls: &crate::steering::Ttls) -> u32 {
        self.lifetime.seconds(ttls)
    }

    /// The members that serve a family, best first.
    pub fn members(&self, family: Family) -> &[u16] {
        match family {
            Family::V4 => self.v4.members(),
            Family::V6 => self.v6.members(),
        }
    }
}

impl Hand {
    fn new(plan: &Plan, choice: &Choice, unit: &UnitKey) -> Self {
        let mut hand = Self {
            told: Told::of(choice),
            open: false,
            home: None,
            members: [0; Policy::MAX_COUNT as usize],
            count: 0,
        };
        match choice {
            Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback => {}
            Choice::Members { members, mode, .. } => {
                hand.open = *mode != Mode::Normal;
                members.iter().for_each(|index| hand.push(*index));
            }
            Choice::Split(split) => hand.deal(plan, split, unit),
        }
        hand
    }

    fn push(&mut self, index: u16) {
        if let Some(slot) = self.members.get_mut(usize::from(self.count)) {
            *slot = index;
            self.count += 1;
        }
    }

    fn members(&self) -> &[u16] {
        &self.members[..usize::from(self.count)]
    }

    fn deal(&mut self, plan: &Plan, split: &Split, unit: &UnitKey) {
        let key = |member: u16| plan.keys[usize::from(member)];
        // The group by their draws, then the rest; so many are passed over, so many are taken.
        let (skip, count) = plan.shape.passes();
        let weights = || split.group.iter().map(|share| (key(share.member), share.weight));
        let mut drawn = [0u16; (Policy::MAX_COUNT + Policy::MAX_SKIP) as usize];
        let mut n = 0;
        while n < (skip + count).min(drawn.len()) {
            let out = |at: usize| drawn[..n].contains(&split.group[at].member);
            let Some(at) = winner(weights(), unit, out) else { break };
            drawn[n] = split.group[at].member;
            n += 1;
        }
        for &member in &split.rest {
            if n < (skip + count).min(drawn.len()) {
                drawn[n] = member;
                n += 1;
            }
        }
        let start = skip.min(n.saturating_sub(1));
        drawn[start..n].iter().take(count).for_each(|member| self.push(*member));

        let at_home = home(split, skip, key, unit);
        let kind = if self.members().first() == at_home.as_ref() { Kind::Home } else { Kind::Away };
        self.open = split.mode != Mode::Normal;
        self.told = Told::served(kind, split.mode);
        self.home = at_home;
    }
}

/// The first member of the client's answer when all is well.
fn home(split: &Split, skip: usize, key: impl Fn(u16) -> u64, unit: &UnitKey) -> Option<u16> {
    let weights = || split.group.iter().map(|share| (key(share.member), share.home));
    let mut drawn = [0u16; Policy::MAX_SKIP as usize + 1];
    let mut n = 0;
    while n <= skip.min(Policy::MAX_SKIP.into()) {
        let out = |at: usize| drawn[..n].contains(&split.group[at].member);
        match winner(weights(), unit, out) {
            Some(at) => drawn[n] = split.group[at].member,
            None => break,
        }
        n += 1;
    }
    if n > skip {
        return Some(drawn[skip]);
    }
    let passed = (skip - n).min(split.home_rest.len().saturating_sub(1));
    split.home_rest.get(passed).copied().or_else(|| n.checked_sub(1).map(|last| drawn[last]))
}
