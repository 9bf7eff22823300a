//! Site → answer, for every site of the table: decided when a map is compiled, and again where an epoch can matter.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::{Answer, AnswerId, member_standing};
use super::table::ScopeTable;
use crate::geo::{SiteId, SiteTable};
use crate::health::State;
use crate::steering::decide::Class;
use crate::steering::{Candidate, Choice, Decision, Facts, MemberFacts, Policy, Pop, Service, decide};

/// A map of one snapshot. Means something only beside its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapId(pub u16);

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
    /// Site → home: an index into `home_decisions`.
    pub homes: Vec<u16>,
    /// The distinct decisions with health and drains ignored.
    pub home_decisions: Vec<Decision>,
}

impl Map {
    /// Decides every site with health ignored.
    pub fn compile(policy: Policy, service: Service, pops: &[Pop], sites: &SiteTable) -> Self {
        let pop = |index: crate::steering::PopId| &pops[usize::from(index.0)];
        let candidates: Vec<_> = service
            .members
            .iter()
            .map(|m| Candidate { pop: m.pop, vector: pop(m.pop).place.map(crate::geo::location::Vector::of) })
            .collect();
        let drained = service.members.iter().map(|m| pop(m.pop).drained).collect();
        let mut map = Self { policy, service, candidates, drained, homes: Vec::new(), home_decisions: Vec::new() };
        let facts = map.facts(&[]).healthy();
        let mut interned = Interner::default();
        map.homes = (0..sites.len()).map(|id| interned.intern(map.decide(sites, SiteId(id as u32), &facts))).collect();
        map.home_decisions = interned.list;
        map
    }

    /// What the states of the targets (by `TargetId`; missing ones are unknown) mean for the members.
    pub fn facts(&self, states: &[State]) -> Facts {
        let members = self
            .service
            .members
            .iter()
            .zip(&self.drained)
            .map(|(member, &drained)| MemberFacts {
                v4: member_standing(member, states, std::net::IpAddr::is_ipv4),
                v6: member_standing(member, states, std::net::IpAddr::is_ipv6),
                drained,
                forced_down: false,
            })
            .collect();
        Facts { members }
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
    /// Fills a map for what is known now. Sites whose home still stands keep it; only the others are decided.
    pub fn fill(map: &Map, sites: &SiteTable, states: &[State]) -> Self {
        let facts = map.facts(states);
        let mut interned = Interner::default();
        // A home decision stands when every PoP in it would be chosen as if all were well.
        let standing: Vec<Option<u16>> =
            map.home_decisions.iter().map(|home| stands(home, &facts).then(|| interned.intern(home.clone()))).collect();
        let by_site = map
            .homes
            .iter()
            .enumerate()
            .map(|(site, &home)| {
                let site = SiteId(site as u32);
                if site == SiteId::UNUSABLE {
                    return AnswerId::RESOLVER;
                }
                AnswerId(match standing[usize::from(home)] {
                    Some(answer) => answer,
                    None => interned.intern(map.decide(sites, site, &facts)),
                })
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
    use crate::steering::Standing::{Suspect, Usable};
    let well = |choice: &Choice, standing: &dyn Fn(&MemberFacts) -> crate::steering::Standing| match choice {
        Choice::Absent => true,
        Choice::Empty => false,
        Choice::Members { members, .. } => members.iter().all(|&index| {
            let fact = &facts.members[usize::from(index)];
            matches!(standing(fact), Suspect | Usable) && !fact.drained && !fact.forced_down
        }),
    };
    well(&home.v4, &|m| m.v4) && well(&home.v6, &|m| m.v6)
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
