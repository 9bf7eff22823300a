//! Site → answer, for every site of the table: decided when a map is compiled, and again where an epoch can matter.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::answer::{Answer, AnswerId, member_standing};
use super::table::ScopeTable;
use crate::geo::location::Vector;
use crate::geo::{Place, SiteId, SiteTable};
use crate::health::State;
use crate::steering::decide::{Class, decide_with_runner_up};
use crate::steering::{
    Candidate, Choice, Decision, Facts, Kind, MemberFacts, OnAllDown, Policy, Pop, PopId, Rank, Service, Standing,
    decide,
};

/// A map of one snapshot. Means something only beside its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapId(pub u32);

/// The static part of a map: what does not change while the files stay as they are.
#[derive(Debug)]
pub struct Map {
    /// The policy it follows.
    pub policy: Policy,
    /// The service it serves, with the TTLs of its owners.
    pub service: Service,
    /// The service's members as the policy sees them.
    pub candidates: Vec<Candidate>,
    /// Which members the operator's files drain.
    pub drained: Vec<bool>,
    /// Every site's home.
    pub homes: Arc<Homes>,
}

/// Every site's decision with health and drains ignored. Maps that decide alike share one.
#[derive(Debug)]
pub struct Homes {
    key: HomesKey,
    sites: Arc<SiteTable>,
    /// Site → home: an index into `decisions`.
    pub by_site: Vec<u16>,
    /// Site → the member that serves when only its home fails; [`NOBODY`] when that is not so simple.
    runners_up: Vec<u16>,
    /// The distinct decisions.
    pub decisions: Vec<Decision>,
}

/// No simple runner-up: there is no other member, answers have several PoPs, or the families have different homes.
const NOBODY: u16 = u16::MAX;

/// All that homes depend on beside the sites.
#[derive(Clone, Debug, PartialEq)]
struct HomesKey {
    rank: Rank,
    count: u8,
    on_all_down: OnAllDown,
    members: Vec<(Option<Place>, Standing, Standing)>,
}

impl Map {
    /// Decides every site with health ignored, or shares the homes of one of `others` that decides alike.
    pub fn compile<'a>(
        policy: Policy,
        service: Service,
        pops: &[Pop],
        sites: &Arc<SiteTable>,
        others: impl IntoIterator<Item = &'a Arc<Homes>>,
    ) -> Self {
        let pop = |index: PopId| &pops[index.0 as usize];
        let candidates: Vec<_> = service
            .members
            .iter()
            .map(|m| Candidate { pop: m.pop, vector: pop(m.pop).place.map(Vector::of) })
            .collect();
        let drained = service.members.iter().map(|m| pop(m.pop).drained).collect::<Vec<_>>();
        let facts = facts(&service, &drained, &[]).healthy();
        let members = service.members.iter().zip(&facts.members).map(|(m, f)| (pop(m.pop).place, f.v4, f.v6)).collect();
        let key = HomesKey { rank: policy.rank, count: policy.count, on_all_down: policy.on_all_down, members };
        let shared = others.into_iter().find(|homes| homes.key == key && Arc::ptr_eq(&homes.sites, sites));
        let homes = match shared {
            Some(homes) => Arc::clone(homes),
            None => Arc::new(Homes::compile(key, &policy, &candidates, &facts, sites)),
        };
        Self { policy, service, candidates, drained, homes }
    }

    /// What the states of the targets (by `TargetId`; missing ones are unknown) mean for the members.
    pub fn facts(&self, states: &[State]) -> Facts {
        facts(&self.service, &self.drained, states)
    }

    /// The decision for a site.
    pub fn decide(&self, sites: &SiteTable, site: SiteId, facts: &Facts) -> Decision {
        decide(&self.policy, &self.candidates, &Class::of(sites, site), facts)
    }

    /// Whether the type of this family exists at names of this map: a property of the service, never of the client.
    pub fn has_family(&self, v4: bool) -> bool {
        self.service.members.iter().flat_map(|m| &m.addresses).any(|a| a.ip.is_ipv4() == v4)
    }
}

impl Homes {
    fn compile(
        key: HomesKey,
        policy: &Policy,
        candidates: &[Candidate],
        facts: &Facts,
        sites: &Arc<SiteTable>,
    ) -> Self {
        let mut interned = Interner::default();
        let mut by_site = Vec::with_capacity(sites.len());
        let mut runners_up = Vec::with_capacity(sites.len());
        // A member without one of the families stands in for no other in that one.
        let simple = policy.count == 1 && facts.members.windows(2).all(|pair| pair[0] == pair[1]);
        for id in 0..sites.len() {
            let class = Class::of(sites, SiteId(id as u32));
            let (decision, runner_up) = decide_with_runner_up(policy, candidates, &class, facts);
            by_site.push(interned.intern(decision));
            runners_up.push(runner_up.filter(|_| simple).unwrap_or(NOBODY));
        }
        Self { key, sites: Arc::clone(sites), by_site, runners_up, decisions: interned.list }
    }
}

fn facts(service: &Service, drained: &[bool], states: &[State]) -> Facts {
    let members = service
        .members
        .iter()
        .zip(drained)
        .map(|(member, &drained)| MemberFacts {
            v4: member_standing(member, states, IpAddr::is_ipv4),
            v6: member_standing(member, states, IpAddr::is_ipv6),
            drained,
            forced_down: false,
        })
        .collect();
    Facts { members }
}

/// The live part of a map: one state of health.
#[derive(Debug, Clone)]
pub struct LiveMap {
    /// What the members were known to be.
    pub facts: Facts,
    /// By [`AnswerId`].
    pub answers: Arc<Vec<Answer>>,
    /// Site → answer now.
    pub by_site: Arc<Vec<AnswerId>>,
    /// Ranges → answer and exact scope; `None` right after an epoch, until it is built.
    pub table: Option<Arc<ScopeTable>>,
}

impl LiveMap {
    /// Fills a map for what is known now, or shares the tables of one of `others` that knows and decides alike.
    pub fn fill<'a>(
        map: &Map,
        sites: &SiteTable,
        states: &[State],
        others: impl IntoIterator<Item = (&'a Arc<Map>, &'a Self)>,
    ) -> Self {
        let facts = map.facts(states);
        let alike =
            others.into_iter().find(|(other, live)| Arc::ptr_eq(&other.homes, &map.homes) && live.facts == facts);
        if let Some((_, live)) = alike {
            let answers =
                live.answers.iter().map(|a| Answer::prepare(a.decision.clone(), &map.service, states)).collect();
            return Self { facts, answers: Arc::new(answers), ..live.clone() };
        }
        Self::decide(map, sites, states, facts)
    }

    /// Sites whose home still stands keep it. Of the others, those whose runner-up is well go there, as deciding them would
    /// give; only the rest are decided one by one. So a single failure over half a million sites takes a millisecond or
    /// two.
    fn decide(map: &Map, sites: &SiteTable, states: &[State], facts: Facts) -> Self {
        let mut interned = Interner::default();
        let homes = &map.homes;
        let standing: Vec<Option<u16>> =
            homes.decisions.iter().map(|home| stands(home, &facts).then(|| interned.intern(home.clone()))).collect();
        let mut substitutes = Substitutes::new(homes, &facts);
        let by_site = homes
            .by_site
            .iter()
            .zip(&homes.runners_up)
            .enumerate()
            .map(|(site, (&home, &runner_up))| {
                let site = SiteId(site as u32);
                if site == SiteId::UNUSABLE {
                    return AnswerId::RESOLVER;
                }
                AnswerId(
                    standing[usize::from(home)]
                        .or_else(|| substitutes.answer(home, runner_up, &mut interned))
                        .unwrap_or_else(|| interned.intern(map.decide(sites, site, &facts))),
                )
            })
            .collect();
        let answers = interned.list.into_iter().map(|d| Answer::prepare(d, &map.service, states)).collect::<Vec<_>>();
        Self { facts, answers: Arc::new(answers), by_site: Arc::new(by_site), table: None }
    }

    /// The answer of this id.
    #[inline]
    pub fn answer(&self, id: AnswerId) -> &Answer {
        // RESOLVER never comes here from `choose`'s callers; it would be the answer for clients of nowhere.
        self.answers.get(usize::from(id.0)).unwrap_or_else(|| self.nowhere())
    }

    /// The answer for clients that nothing is known of.
    #[inline]
    pub fn nowhere(&self) -> &Answer {
        &self.answers[usize::from(self.by_site[SiteId::NOWHERE.0 as usize].0)]
    }
}

/// Whether a home decision is what `decide` would give under `facts`: all its members usable and not drained.
fn stands(home: &Decision, facts: &Facts) -> bool {
    let well = |choice: &Choice, standing: &dyn Fn(&MemberFacts) -> Standing| match choice {
        Choice::Absent => true,
        Choice::Empty => false,
        Choice::Members { members, .. } => members.iter().all(|&index| {
            let fact = &facts.members[usize::from(index)];
            matches!(standing(fact), Standing::Suspect | Standing::Usable) && !fact.drained && !fact.forced_down
        }),
    };
    well(&home.v4, &|m| m.v4) && well(&home.v6, &|m| m.v6)
}

/// The answers of sites whose home is down and whose runner-up is well, in both families.
struct Substitutes {
    /// By home decision: whether its PoP is out in every family it has.
    out: Vec<bool>,
    /// By member: the decision that it stands in, if it is well in every family it has.
    decisions: Vec<Option<Decision>>,
    /// By member: that decision's number, once it was needed.
    numbers: Vec<Option<u16>>,
}

impl Substitutes {
    fn new(homes: &Homes, facts: &Facts) -> Self {
        let away = |exists: bool, index: usize| {
            if !exists {
                return Choice::Absent;
            }
            Choice::Members { members: std::iter::once(index as u16).collect(), kind: Kind::Away, fail_open: false }
        };
        let well = |standing| matches!(standing, Standing::Usable | Standing::Suspect | Standing::Absent);
        let decision = |(index, m): (usize, &MemberFacts)| {
            let fine = well(m.v4) && well(m.v6) && !m.drained && !m.forced_down;
            let (v4, v6) = (m.v4 != Standing::Absent, m.v6 != Standing::Absent);
            fine.then(|| Decision { v4: away(v4, index), v6: away(v6, index) })
        };
        let out = |home: &Decision| {
            home.first().is_some_and(|index| {
                let m = &facts.members[usize::from(index)];
                let gone = |standing| matches!(standing, Standing::Unusable | Standing::Absent);
                // A drained home still serves when nobody else does, but here somebody does. One that is forced down is no
                // home at all, so whoever comes next is not `away`: that is for `decide`.
                !m.forced_down && (m.drained || (gone(m.v4) && gone(m.v6)))
            })
        };
        Self {
            out: homes.decisions.iter().map(out).collect(),
            decisions: facts.members.iter().enumerate().map(decision).collect(),
            numbers: vec![None; facts.members.len()],
        }
    }

    fn answer(&mut self, home: u16, runner_up: u16, interned: &mut Interner) -> Option<u16> {
        if !self.out[usize::from(home)] {
            return None;
        }
        let number = self.numbers.get_mut(usize::from(runner_up))?;
        if number.is_none() {
            *number = Some(interned.intern(self.decisions[usize::from(runner_up)].clone()?));
        }
        *number
    }
}

/// Distinct decisions, numbered in the order they come.
#[derive(Default)]
struct Interner {
    list: Vec<Decision>,
    ids: HashMap<Decision, u16, foldhash::fast::FixedState>,
}

impl Interner {
    fn intern(&mut self, decision: Decision) -> u16 {
        if let Some(&id) = self.ids.get(&decision) {
            return id;
        }
        // More than 65,534 distinct decisions in one map do not come from distance over 300 PoPs (a few thousand do);
        // should they, the rest share the last one rather than fail.
        let id = self.list.len().min(AnswerId::MAX - 1) as u16;
        if usize::from(id) == self.list.len() {
            self.list.push(decision.clone());
        }
        self.ids.insert(decision, id);
        id
    }
}
