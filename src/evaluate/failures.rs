//! Failures: each PoP alone, each with its nearest neighbor, and all of each country. Who serves then, whether anybody moved
//! who need not have, and whether everything is as before once they are back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::oracle::{Oracle, TIE_KM};
use super::{Asked, first};
use crate::geo::SiteId;
use crate::health::overrides::{Override, Overrides, Scope, Word};
use crate::health::{Known, State};
use crate::live::{AnswerId, Live, LiveMap, Map, advance, complete};
use crate::steering::{Choice, Decision, MemberFacts};
use crate::survey::Ground;

/// Returns that are followed to the last scope; the others are compared by answers.
const WHOLE_RETURNS: usize = 4;

/// A group of failures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What fails together.
    pub what: &'static str,
    /// How many such failures were tried.
    pub failures: u64,
    /// IPv4 addresses that lost their PoP, over all of them.
    pub hurt: u64,
    /// Of these, sent to the nearest PoP that was left.
    pub right: u64,
    /// Most kilometers beyond it.
    pub max_km: f64,
    /// IPv4 addresses whose answer changed although their PoP had not failed: another record or TTL.
    pub moved: u64,
    /// Sites of either family that were wrong or moved, for databases of IPv6 alone.
    pub wrong_sites: u64,
    /// Returns after which not every answer was what it had been, octet by octet, or a scope.
    pub changed_by_return: u64,
}

/// Tries them all. `progress` hears of each.
pub fn measure(asked: &Asked<'_>, oracle: &Oracle, ground: &Ground, progress: &mut dyn FnMut()) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (what, groups) in groups(asked, oracle) {
        let mut outcome = Outcome { what, ..Outcome::default() };
        let whole = groups.len().div_ceil(WHOLE_RETURNS).max(1);
        for (index, group) in groups.iter().enumerate() {
            one(asked, oracle, ground, group, index.is_multiple_of(whole), &mut outcome);
            progress();
        }
        outcomes.push(outcome);
    }
    outcomes
}

/// How many failures [`measure`] tries.
pub fn count(asked: &Asked<'_>, oracle: &Oracle) -> usize {
    groups(asked, oracle).iter().map(|(_, groups)| groups.len()).sum()
}

/// What fails together, by members.
fn groups(asked: &Asked<'_>, oracle: &Oracle) -> [(&'static str, Vec<Vec<u16>>); 3] {
    let members = &asked.map.service.members;
    let alone = (0..members.len() as u16).map(|member| vec![member]).collect();
    let pairs: BTreeSet<[u16; 2]> = oracle.neighbors().map(|(a, b)| [a.min(b), a.max(b)]).collect();
    let mut countries = BTreeMap::<_, Vec<u16>>::new();
    for (index, member) in members.iter().enumerate() {
        let pop = asked.side.parts.pops.get(member.pop.0 as usize);
        if let Some(country) = pop.and_then(|pop| pop.country) {
            countries.entry(country).or_default().push(index as u16);
        }
    }
    let several = countries.into_values().filter(|group| group.len() > 1);
    let left = |group: &Vec<u16>| group.len() < members.len();
    [
        ("each PoP alone", Vec::into_iter(alone).filter(left).collect()),
        ("each with its neighbor", pairs.into_iter().map(Vec::from).filter(left).collect()),
        ("all of a country", several.filter(left).collect()),
    ]
}

fn one(asked: &Asked<'_>, oracle: &Oracle, ground: &Ground, group: &[u16], to_the_scope: bool, outcome: &mut Outcome) {
    let (maps, sites) = (std::slice::from_ref(asked.map), asked.side.sites());
    let before = Live { epoch: 1, maps: vec![asked.live.clone()] };
    let without = known_without(asked.map, group);
    let mut failed = advance(&before, maps, sites, &without);
    if to_the_scope {
        failed = complete(&failed, maps, sites);
    }
    let [now] = failed.maps.as_slice() else { return };
    // What has failed is what the map makes of it: a target may be that of several PoPs.
    let is_down = |f: &MemberFacts| f.forced_down || !f.standing(asked.side.family).usable();
    let is_down: Vec<bool> = now.facts.members.iter().map(is_down).collect();
    let down = |pop: u16| is_down.get(usize::from(pop)).copied().unwrap_or(false);
    if is_down.iter().all(|down| *down) {
        return;
    }
    outcome.failures += 1;
    for cell in &ground.cells {
        let (site, decider) = (cell.after.site, cell.after.decider);
        let (was, is) = (answer(asked.live, decider), answer(now, decider));
        let (Some(was), Some(is)) = (was, is) else { continue };
        let addresses = cell.weights.v4;
        if first(&was.decision).is_some_and(down) {
            let excess = first(&is.decision).and_then(|pop| oracle.excess(site, pop, down));
            outcome.hurt += addresses;
            match excess {
                Some(km) if km <= TIE_KM => outcome.right += addresses,
                // Of clients who are nowhere nobody is nearest.
                _ if !oracle.is_placed(site) => outcome.hurt -= addresses,
                _ => {
                    outcome.wrong_sites += 1;
                    outcome.max_km = outcome.max_km.max(excess.unwrap_or(0.0));
                }
            }
        } else if was != is && !is_concerned(&was.decision, down) {
            outcome.moved += addresses;
            outcome.wrong_sites += 1;
        }
    }
    let mut back = advance(&failed, maps, sites, &asked.known);
    if to_the_scope {
        back = complete(&back, maps, sites);
    }
    let same = back.maps.first().is_some_and(|back| same(asked.live, back, to_the_scope));
    outcome.changed_by_return += u64::from(!same);
}

/// Whether a decision names a member that failed, be it second or one of several who share.
fn is_concerned(decision: &Decision, down: impl Fn(u16) -> bool) -> bool {
    [&decision.v4, &decision.v6].into_iter().any(|choice| match choice {
        Choice::Members { members, .. } => members.iter().any(|member| down(*member)),
        Choice::Split(split) => {
            split.group.iter().any(|share| down(share.member)) || split.rest.iter().any(|member| down(*member))
        }
        Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback => false,
    })
}

fn answer(live: &LiveMap, decider: SiteId) -> Option<&crate::live::Answer> {
    let AnswerId(id) = *live.by_site.get(decider.0 as usize)?;
    live.answers.get(usize::from(id))
}

/// Whether two states of a map answer alike everywhere; with scopes if wanted.
pub(super) fn same(one: &LiveMap, other: &LiveMap, scopes: bool) -> bool {
    one.answers == other.answers && one.by_site == other.by_site && (!scopes || one.table == other.table)
}

/// What is known when all targets of some members are down; of members without targets the operator says so.
fn known_without(map: &Arc<Map>, group: &[u16]) -> Known {
    let (mut states, mut overrides) = (Vec::new(), Vec::new());
    for index in group {
        let Some(member) = map.service.members.get(usize::from(*index)) else { continue };
        let targets: Vec<_> =
            member.addresses.iter().flat_map(|address| &address.targets).chain(&member.cname_targets).collect();
        if targets.is_empty() {
            let pop = map.pops.get(usize::from(*index)).map(ToString::to_string).unwrap_or_default();
            overrides.push(Override {
                scope: Scope::Both { service: map.service.name.clone(), pop },
                word: Word::Down,
                since: 0,
                until: None,
                over: None,
                from_share: 1000,
                reason: String::new(),
                by: String::new(),
            });
        }
        for target in targets {
            let at = target.0 as usize;
            if states.len() <= at {
                states.resize(at + 1, State::Unknown);
            }
            states[at] = State::Down;
        }
    }
    Known { overrides: Overrides::new(overrides), ..Known::of(states) }
}
