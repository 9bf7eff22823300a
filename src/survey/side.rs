//! One map of one snapshot under assumptions: who serves each site.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::ground::{Space, Stretch};
use crate::explain::{self, Assume};
use crate::geo::{Country, Place, SiteId, SiteTable, Vector};
use crate::health::Known;
use crate::live::{AnswerId, Live, LiveMap, Map, MapId};
use crate::snapshot::Parts;
use crate::steering::{Choice, Decision, Facts, Family, Kind, Mode};

/// Who serves clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    /// A PoP, by its index among the service's.
    Pop(u16),
    /// The policy's fallback addresses.
    Fallback,
    /// No PoP: SERVFAIL, or what is written at the name.
    Nobody,
}

/// Who serves the clients of one decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// With their parts of the clients, which sum to 1; one alone has all. Of an answer with several PoPs the first counts.
    pub shares: SmallVec<[(Server, f64); 1]>,
    /// Whether it stands in for a better one.
    pub away: bool,
    /// Whether health was heeded.
    pub mode: Mode,
}

/// One map of one snapshot under assumptions, for one family of answers (A or AAAA).
#[derive(Debug)]
pub struct Side<'a> {
    /// The snapshot's fixed parts.
    pub parts: &'a Parts,
    /// The map.
    pub map: &'a Map,
    /// The family of answers that is looked at: not that of clients, who may ask for either.
    pub family: Family,
    live: LiveMap,
    /// By answer.
    served: Vec<Served>,
    /// By member: where it is.
    vectors: Vec<Option<Vector>>,
}

impl<'a> Side<'a> {
    /// A map with every target unknown but for what is assumed; the operator's `drain: true` in files holds. Of A where the
    /// service has it, else of AAAA. `None` for the number of another snapshot.
    pub fn new(parts: &'a Parts, map: MapId, assume: &Assume) -> Option<Self> {
        let map = parts.maps.get(map.0 as usize)?.as_ref();
        Some(Self::under(parts, map, &map.facts(&Known::default(), None), assume))
    }

    /// The same with the health and orders that the live tables were filled from.
    pub fn now(parts: &'a Parts, live: &Live, map: MapId, assume: &Assume) -> Option<Self> {
        Some(Self::under(parts, parts.maps.get(map.0 as usize)?.as_ref(), &live.map(map).facts, assume))
    }

    fn under(parts: &'a Parts, map: &'a Map, facts: &Facts, assume: &Assume) -> Self {
        let facts = explain::assume(map, facts, assume);
        let has_v4 = map.homes.decisions.iter().any(|decision| decision.v4 != Choice::Absent);
        let family = if has_v4 { Family::V4 } else { Family::V6 };
        let live = LiveMap::assume(map, &parts.sites, facts);
        Self::of(parts, map, live, family)
    }

    /// What the live tables hold, for a family of answers.
    pub fn of(parts: &'a Parts, map: &'a Map, live: LiveMap, family: Family) -> Self {
        let served = live.answers.iter().map(|answer| Served::of(&answer.decision, family)).collect();
        let place = |member: &crate::steering::Member| parts.pops.get(member.pop.0 as usize).and_then(|pop| pop.place);
        let vectors = map.service.members.iter().map(|member| place(member).map(Vector::of)).collect();
        Self { parts, map, family, live, served, vectors }
    }

    /// The same of the other family of answers, or of the same.
    #[must_use]
    pub fn with_family(self, family: Family) -> Self {
        Self::of(self.parts, self.map, self.live, family)
    }

    /// The names of the service's PoPs, by [`Server::Pop`].
    pub fn pops(&self) -> &'a [Arc<str>] {
        &self.map.pops
    }

    /// Where a PoP is.
    pub fn pop_place(&self, pop: u16) -> Option<Place> {
        let member = self.map.service.members.get(usize::from(pop))?;
        self.parts.pops.get(member.pop.0 as usize)?.place
    }

    /// The shared site table.
    pub fn sites(&self) -> &'a Arc<SiteTable> {
        &self.parts.sites
    }

    /// The live table that this was made from, without scopes.
    pub fn live(&self) -> &LiveMap {
        &self.live
    }

    /// The answer of a deciding site; [`AnswerId::RESOLVER`] where its clients' addresses say nothing.
    #[inline]
    pub fn answer(&self, decider: SiteId) -> AnswerId {
        self.live.by_site.get(decider.0 as usize).copied().unwrap_or(AnswerId::RESOLVER)
    }

    /// The decision of a deciding site; `None` where the resolver's address decides.
    pub fn decision(&self, decider: SiteId) -> Option<&Decision> {
        self.live.answers.get(usize::from(self.answer(decider).0)).map(|answer| &answer.decision)
    }

    /// Who serves the clients whom a site decides for; `None` where the resolver's address decides.
    #[inline]
    pub fn served(&self, decider: SiteId) -> Option<&Served> {
        self.served.get(usize::from(self.answer(decider).0))
    }

    /// Where a site is: its coordinates, else its country's (SEMANTICS §2.4).
    pub fn place(&self, site: SiteId) -> Option<Place> {
        let site = self.parts.sites.site(site);
        site.place.or_else(|| site.country.and_then(Country::place))
    }

    /// Great-circle kilometers from a point to a server; `None` unless it is a PoP with a place.
    pub fn kilometers(&self, from: &Vector, to: Server) -> Option<f64> {
        let Server::Pop(pop) = to else { return None };
        let vector = self.vectors.get(usize::from(pop))?.as_ref()?;
        Some(from.kilometers_to(vector))
    }

    /// Every range of a family of client addresses, in address order and without gaps.
    pub fn stretches<K: Space>(&self) -> impl Iterator<Item = Stretch<K>> {
        super::ground::stretches(self)
    }
}

impl Served {
    fn of(decision: &Decision, family: Family) -> Self {
        let choice = match family {
            Family::V4 => &decision.v4,
            Family::V6 => &decision.v6,
        };
        let one = |server, away, mode| Self { shares: smallvec![(server, 1.0)], away, mode };
        match choice {
            Choice::Absent | Choice::Empty | Choice::Servfail => one(Server::Nobody, false, Mode::Normal),
            Choice::Fallback => one(Server::Fallback, true, Mode::FailOpen),
            Choice::Members { members, kind, mode } => {
                let first = members.first().map_or(Server::Nobody, |index| Server::Pop(*index));
                one(first, *kind == Kind::Away, *mode)
            }
            Choice::Split(split) => {
                let all: f64 = split.group.iter().map(|share| f64::from(share.weight)).sum();
                let part = |share: &crate::steering::Share| f64::from(share.weight) / all;
                let takes = split.group.iter().filter(|share| share.weight > 0);
                let shares: SmallVec<[_; 1]> = takes.map(|share| (Server::Pop(share.member), part(share))).collect();
                if shares.is_empty() {
                    let next = split.rest.first().map_or(Server::Nobody, |index| Server::Pop(*index));
                    return one(next, true, split.mode);
                }
                Self { shares, away: false, mode: split.mode }
            }
        }
    }
}
