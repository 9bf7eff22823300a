//! Site → answer, for every site of the table: decided when a map is compiled, and again where an epoch can matter.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use super::answer::{Answer, AnswerId, SteeredType};
use super::dealt::{Dealt, Pieces};
use super::detail::{Coarse, Pruned};
use super::standing::member_facts;
use super::table::{Basis, ScopeTable};
use crate::geo::{Place, SiteId, SiteTable, SiteView};
use crate::health::Known;
use crate::net::Block;
use crate::steering::decide::{Class, decide_with_runners_up};
use crate::steering::split::UnitKey;
use crate::steering::{
    Areas, Choice, Decision, Detail, Facts, Kind, MemberFacts, Mode, OnEmpty, Plan, Policy, Pop, PrefixMatch, Service,
    Shape, Stances, Standing, decide, facts,
};

/// A map of one snapshot. Means something only beside its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapId(pub u32);

/// The static part of a map: what does not change while the files stay as they are.
#[derive(Debug)]
pub struct Map {
    /// The policy it follows.
    pub policy: Arc<Policy>,
    /// The service it serves, with the TTLs of its owners.
    pub service: Service,
    /// The policy for this service.
    pub plan: Plan,
    /// Names of the members' PoPs.
    pub pops: Vec<Arc<str>>,
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
    /// What rules say of each site.
    pub stances: Stances,
    /// Site → home: an index into `decisions`.
    pub by_site: Vec<u16>,
    /// Site → the member that serves when only its home fails, and the one that does when both fail; [`NOBODY`] when that is not
    /// so simple.
    runners_up: Vec<[u16; 2]>,
    /// The distinct decisions.
    pub decisions: Vec<Decision>,
    /// The site ranges in less detail, where the policy says so.
    coarse: Option<Coarse>,
}

/// No simple runner-up: there is no other member, answers have several PoPs, or the families have different homes.
const NOBODY: u16 = u16::MAX;

/// All that homes depend on beside the sites.
#[derive(Clone, Debug, PartialEq)]
struct HomesKey {
    shape: Shape,
    members: Vec<(Standing, Standing)>,
    detail: Detail,
    prefixes: Arc<[PrefixMatch]>,
}

/// What a map is compiled from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The policy it follows.
    pub policy: Arc<Policy>,
    /// The service it serves, with the TTLs of its owners.
    pub service: Service,
    /// What the policy's prefixes say, by label of the site table; empty when it has none.
    pub prefixes: Arc<[PrefixMatch]>,
}

impl Source {
    /// A source of a policy without prefixes.
    pub fn new(policy: impl Into<Arc<Policy>>, service: Service) -> Self {
        Self { policy: policy.into(), service, prefixes: Arc::from([]) }
    }
}

impl Map {
    /// Decides every site with health ignored, or shares the homes of one of `others` that decides alike.
    pub fn compile<'a>(
        source: Source,
        pops: &[Pop],
        sites: &Arc<SiteTable>,
        others: impl IntoIterator<Item = &'a Arc<Homes>>,
    ) -> Self {
        let Source { policy, service, prefixes } = source;
        let plan = Plan::new(&policy, &service, pops);
        let pop = |member: &crate::steering::Member| &pops[member.pop.0 as usize];
        let drained = service.members.iter().map(|m| pop(m).drained).collect::<Vec<_>>();
        let names = service.members.iter().map(|m| Arc::from(pop(m).name.as_str())).collect();
        let facts = Facts {
            members: service.members.iter().map(|member| member_facts(member, &Known::default())).collect(),
            panic: [0; 2],
        }
        .healthy();
        let members = facts.members.iter().map(|f| (f.v4, f.v6)).collect();
        let key = HomesKey { shape: plan.shape.clone(), members, detail: plan.detail, prefixes };
        let shared = others.into_iter().find(|homes| homes.key == key && Arc::ptr_eq(&homes.sites, sites));
        let homes = match shared {
            Some(homes) => Arc::clone(homes),
            None => Arc::new(Homes::compile(key, &plan, &facts, sites)),
        };
        Self { policy, service, plan, pops: names, drained, homes }
    }

    /// The ranges of IPv4 that this map tells apart.
    #[inline]
    pub fn v4<'a>(&'a self, sites: &'a SiteTable) -> SiteView<'a, u32> {
        self.homes.coarse.as_ref().map_or_else(|| sites.v4(), |coarse| SiteView::of(coarse.v4.view()))
    }

    /// The ranges of IPv6 that this map tells apart.
    #[inline]
    pub fn v6<'a>(&'a self, sites: &'a SiteTable) -> SiteView<'a, u128> {
        self.homes.coarse.as_ref().map_or_else(|| sites.v6(), |coarse| SiteView::of(coarse.v6.view()))
    }

    /// What `ecs: {detail: …}` came to, IPv4 and IPv6; `None` where scopes are exact.
    pub fn pruned(&self) -> Option<[Pruned; 2]> {
        self.homes.coarse.as_ref().map(|coarse| coarse.results)
    }

    /// What is known of the members. Whether health is ignored depends on whether it was: `before` has the facts of the
    /// epoch before.
    pub fn facts(&self, known: &Known, before: Option<&Facts>) -> Facts {
        let fact = |(index, member): (usize, &crate::steering::Member)| {
            let mut fact = member_facts(member, known);
            let effect = known.effect(&self.service.name, &self.pops[index]);
            fact.apply(&effect);
            fact.drained |= self.drained[index];
            fact.share = fact.share.min(self.slow_start(member, known));
            fact
        };
        let members: Vec<_> = self.service.members.iter().enumerate().map(fact).collect();
        let panic = facts::panic(&self.plan.shape, &members, before.map_or([0; 2], |facts| facts.panic));
        Facts { members, panic }
    }

    /// The share of a member that came back lately.
    fn slow_start(&self, member: &crate::steering::Member, known: &Known) -> u16 {
        let Some(over) = self.service.slow_start else { return MemberFacts::WHOLE };
        let targets = member.addresses.iter().flat_map(|a| &a.targets).chain(&member.cname_targets);
        let Some(since) = targets.filter_map(|target| known.returned_for(*target)).min() else {
            return MemberFacts::WHOLE;
        };
        let over = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
        // In steps of a 64th, so that not every moment is an epoch of its own; the first is not nothing.
        let step = (since.saturating_mul(64) / over).min(63) + 1;
        if since >= over { MemberFacts::WHOLE } else { (step * 1000 / 64) as u16 }
    }

    /// The decision for a site.
    pub fn decide(&self, sites: &SiteTable, site: SiteId, facts: &Facts) -> Decision {
        decide(&self.plan.shape, &Class::of(sites, site, &self.homes.stances), facts)
    }

    /// Whether the addresses that are written at an owner name serve clients whom nobody may serve (SEMANTICS §3.2).
    pub fn falls_back_on_written(&self) -> bool {
        self.policy.on_empty == OnEmpty::Static
    }

    /// Bytes of the static part on the heap; homes that maps share count for each.
    pub fn memory(&self) -> usize {
        self.homes.memory()
    }
}

impl Homes {
    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.by_site.capacity() * size_of::<u16>()
            + self.runners_up.capacity() * size_of::<[u16; 2]>()
            + self.stances.memory()
            + self.coarse.as_ref().map_or(0, Coarse::memory)
    }

    /// What the policy's prefixes say, by label of the site table: for who compiles the same map again.
    pub fn prefixes(&self) -> Arc<[PrefixMatch]> {
        Arc::clone(&self.key.prefixes)
    }

    fn compile(key: HomesKey, plan: &Plan, facts: &Facts, sites: &Arc<SiteTable>) -> Self {
        let shape = &key.shape;
        let stances = Stances::compile(shape, sites, &key.prefixes);
        // A member without one of the families stands in for no other in that one.
        let simple = shape.is_plain() && facts.members.windows(2).all(|pair| pair[0] == pair[1]);
        // With room for so many.
        let decide = |ids: Range<usize>, room: usize| {
            let (by_site, runners_up) = (Vec::with_capacity(room), Vec::with_capacity(room));
            let mut part = Decided { interned: Interner::default(), by_site, runners_up };
            for id in ids {
                let class = Class::of(sites, SiteId(id as u32), &stances);
                let (decision, runners_up) = decide_with_runners_up(shape, &class, facts);
                part.by_site.push(part.interned.intern(decision));
                part.runners_up.push(runners_up.map(|member| member.filter(|_| simple).unwrap_or(NOBODY)));
            }
            part
        };
        let (half, all) = (sites.len() / 2, sites.len());
        let Decided { interned, by_site, runners_up } = if all * facts.members.len() < WORTH_A_THREAD {
            decide(0..all, all)
        } else {
            thread::scope(|scope| {
                let rest = || decide(half..all, all - half);
                let other = thread::Builder::new().name("homes".to_owned()).spawn_scoped(scope, rest);
                let first = decide(0..half, all);
                let second = other.ok().and_then(|other| other.join().ok()).unwrap_or_else(rest);
                first.and(second)
            })
        };
        let (sites, decisions, coarse) = (Arc::clone(sites), interned.list, None);
        let mut homes = Self { key, sites, stances, by_site, runners_up, decisions, coarse };
        homes.coarse = Coarse::new(plan, &homes, &homes.sites);
        homes
    }
}

/// Costs to work out for homes from which on a second thread pays.
const WORTH_A_THREAD: usize = 100_000;

/// The homes of some sites in a row.
struct Decided {
    interned: Interner,
    by_site: Vec<u16>,
    runners_up: Vec<[u16; 2]>,
}

impl Decided {
    /// With those of the sites that follow: as if they had been decided one after the other, the numbers too.
    fn and(mut self, next: Self) -> Self {
        let ids: Vec<u16> = next.interned.list.into_iter().map(|decision| self.interned.intern(decision)).collect();
        self.by_site.extend(next.by_site.into_iter().map(|id| ids[usize::from(id)]));
        self.runners_up.extend(next.runners_up);
        self
    }
}

/// The live part of a map: one state of health.
#[derive(Debug, Clone)]
pub struct LiveMap {
    /// What the members were known to be.
    pub facts: Facts,
    /// Whether the operator keeps clients from any of them.
    pub ordered: bool,
    /// By [`AnswerId`].
    pub answers: Arc<Vec<Answer>>,
    /// Records of each member, for answers that are dealt among several; `None` when there is no such answer.
    pub pieces: Option<Arc<Pieces>>,
    /// Site → answer now.
    pub by_site: Arc<Vec<AnswerId>>,
    /// Ranges → answer and exact scope; `None` right after an epoch, until it is built.
    pub table: Option<Arc<ScopeTable>>,
    /// What the table can be built of; `None` when there is no earlier epoch, and once it is built.
    pub(super) basis: Option<Arc<Basis>>,
}

impl LiveMap {
    /// Fills a map for what is known now, or shares the tables of one of `others` that knows and decides alike.
    pub fn fill<'a>(
        map: &Map,
        sites: &SiteTable,
        known: &Known,
        before: Option<&Facts>,
        others: impl IntoIterator<Item = (&'a Arc<Map>, &'a Self)>,
    ) -> Self {
        let facts = map.facts(known, before);
        let alike =
            others.into_iter().find(|(other, live)| Arc::ptr_eq(&other.homes, &map.homes) && live.facts == facts);
        if let Some((_, live)) = alike {
            let decisions = live.answers.iter().map(|a| a.decision.clone()).collect();
            let (answers, pieces) = prepare(map, decisions, &facts, known);
            return Self { facts, answers, pieces, ..live.clone() };
        }
        Self::decide(map, sites, known, facts)
    }

    /// Fills a map for facts that are assumed, without scopes. Addresses of its answers are those of members without health.
    pub fn assume(map: &Map, sites: &SiteTable, facts: Facts) -> Self {
        Self::decide(map, sites, &Known::default(), facts)
    }

    /// Sites whose home still stands keep it. Of the others, those whose runner-up is well go there, or to the next after it when
    /// it is out too, or to whoever is nearest then, as deciding them would give; only the rest are decided one by one. So a
    /// failure over half a million sites takes a millisecond or two, and that of a country not much more.
    fn decide(map: &Map, sites: &SiteTable, known: &Known, facts: Facts) -> Self {
        let mut interned = Interner::default();
        let homes = &map.homes;
        // Where the best are passed over, their health counts although they do not serve.
        let passes = homes.key.shape.passes().0 > 0;
        let standing: Vec<Option<u16>> = homes
            .decisions
            .iter()
            .map(|home| (!passes && stands(home, &facts)).then(|| interned.intern(home.clone())))
            .collect();
        let mut substitutes = Substitutes::new(homes, &facts);
        let by_site = homes
            .by_site
            .iter()
            .zip(&homes.runners_up)
            .enumerate()
            .map(|(site, (&home, &runners_up))| {
                let site = SiteId(site as u32);
                if site == SiteId::UNUSABLE {
                    return AnswerId::RESOLVER;
                }
                AnswerId(
                    standing[usize::from(home)]
                        .or_else(|| substitutes.answer(home, runners_up, || sites.place(site), &mut interned))
                        .unwrap_or_else(|| interned.intern(map.decide(sites, site, &facts))),
                )
            })
            .collect();
        let (answers, pieces) = prepare(map, interned.list, &facts, known);
        let ordered = facts.members.iter().any(MemberFacts::is_ordered_away);
        Self { facts, ordered, answers, pieces, by_site: Arc::new(by_site), table: None, basis: None }
    }

    /// What a unit is dealt of an answer that several PoPs share; `None` for any other answer.
    #[inline]
    pub fn deal<'a>(&'a self, answer: &Answer, map: &Map, unit: impl FnOnce() -> UnitKey) -> Option<Dealt<'a>> {
        if !answer.decision.is_split() {
            return None;
        }
        let pieces = self.pieces.as_ref()?;
        Some(Dealt::new(&map.plan, answer, pieces, &unit()))
    }

    /// Whether the operator's word keeps a block's clients from the PoP that is best for them: it is drained (gradually, too), or
    /// forced down, and another serves. Of clients that several PoPs share the best is `dealt`; one that is forced down is not
    /// among those.
    #[cold]
    pub fn is_ordered_away(
        &self,
        map: &Map,
        sites: &SiteTable,
        block: Block,
        rtype: SteeredType,
        serves: Option<u16>,
        dealt: Option<u16>,
    ) -> bool {
        let home = dealt.or_else(|| {
            let site = map.deciding_site(sites, block);
            let home = map.homes.decisions.get(usize::from(*map.homes.by_site.get(site.0 as usize)?))?;
            super::answer::first_of(home, rtype)
        });
        home.filter(|home| serves.is_some_and(|serves| serves != *home))
            .and_then(|home| self.facts.members.get(usize::from(home)))
            .is_some_and(MemberFacts::is_ordered_away)
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

/// The answers of some decisions, and what those need that are dealt.
fn prepare(
    map: &Map,
    decisions: Vec<Decision>,
    facts: &Facts,
    known: &Known,
) -> (Arc<Vec<Answer>>, Option<Arc<Pieces>>) {
    let pieces = decisions.iter().any(Decision::is_split).then(|| Arc::new(Pieces::prepare(map, facts, known)));
    let answers = decisions.into_iter().map(|decision| Answer::prepare(decision, map, facts, known)).collect();
    (Arc::new(answers), pieces)
}

/// Whether a home decision is what `decide` would give under `facts`: all its members usable and not drained. One that is
/// dealt is decided again: its weights may have changed.
fn stands(home: &Decision, facts: &Facts) -> bool {
    let well = |choice: &Choice, standing: &dyn Fn(&MemberFacts) -> Standing| match choice {
        Choice::Absent => true,
        Choice::Empty | Choice::Servfail | Choice::Fallback => false,
        Choice::Members { members, .. } => {
            members.iter().all(|&index| whole(facts.members[usize::from(index)], standing))
        }
        Choice::Split(split) => {
            // Also those that would join must be well: nobody outside the group counts.
            split.group.iter().all(|share| whole(facts.members[usize::from(share.member)], standing))
                && split.rest.iter().all(|&index| whole(facts.members[usize::from(index)], standing))
        }
    };
    !facts.any_panic() && well(&home.v4, &|m| m.v4) && well(&home.v6, &|m| m.v6)
}

fn whole(fact: MemberFacts, standing: &dyn Fn(&MemberFacts) -> Standing) -> bool {
    standing(&fact).usable() && !fact.avoided() && !fact.forced_down && fact.share == MemberFacts::WHOLE
}

/// The answers of sites whose home is down, and who comes next of those that are not is well in both families.
struct Substitutes {
    /// By home decision: whether its PoP is out in every family it has.
    out: Vec<bool>,
    /// By member: whether it serves nobody as long as anybody else does.
    gone: Vec<bool>,
    /// Who of the others comes next where three in a row fail; `None` where that is not a matter of distance alone.
    areas: Option<Areas>,
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
            let members = std::iter::once(index as u16).collect();
            Choice::Members { members, kind: Kind::Away, mode: Mode::Normal }
        };
        let well = |standing: Standing| standing.usable() || standing == Standing::Absent;
        let decision = |(index, m): (usize, &MemberFacts)| {
            let fine = well(m.v4) && well(m.v6) && !m.avoided() && !m.forced_down && m.share == MemberFacts::WHOLE;
            let (v4, v6) = (m.v4 != Standing::Absent, m.v6 != Standing::Absent);
            fine.then(|| Decision { v4: away(v4, index), v6: away(v6, index) })
        };
        let out = |home: &Decision| {
            !facts.any_panic()
                && home.first().is_some_and(|index| {
                    let m = &facts.members[usize::from(index)];
                    // A drained home still serves when nobody else does, but here somebody does. One that is forced down is
                    // no home at all, so whoever comes next is not `away`: that is for `decide`.
                    !m.forced_down && (m.avoided() || (!m.v4.usable() && !m.v6.usable()))
                })
        };
        let gone = |m: &MemberFacts| m.forced_down || m.avoided() || (!m.v4.usable() && !m.v6.usable());
        let gone: Vec<bool> = facts.members.iter().map(gone).collect();
        let many = gone.iter().filter(|gone| **gone).count() > 2;
        let areas = || Areas::new(&homes.key.shape, |index| !gone[usize::from(index)]);
        Self {
            areas: many.then(areas).flatten(),
            gone,
            out: homes.decisions.iter().map(out).collect(),
            decisions: facts.members.iter().enumerate().map(decision).collect(),
            numbers: vec![None; facts.members.len()],
        }
    }

    #[inline]
    fn answer(
        &mut self,
        home: u16,
        runners_up: [u16; 2],
        place: impl FnOnce() -> Option<Place>,
        interned: &mut Interner,
    ) -> Option<u16> {
        if !self.out[usize::from(home)] {
            return None;
        }
        let [first, second] = runners_up.map(usize::from);
        let member = if !*self.gone.get(first)? {
            first
        } else if !*self.gone.get(second)? {
            second
        } else {
            usize::from(self.areas.as_mut()?.nearest(place()?)?)
        };
        let number = self.numbers.get_mut(member)?;
        if number.is_none() {
            *number = Some(interned.intern(self.decisions[member].clone()?));
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
