//! Every PoP of the service as a candidate: what it costs, how it stands, and why it serves or does not.

use super::given::Given;
use super::place::{latency, place_of, rule};
use super::{Assume, Background, milliseconds};
use crate::geo::{Place, Vector, cost};
use crate::live::Map;
use crate::snapshot::Snapshot;
use crate::steering::decide::ranking;
use crate::steering::rule::Effect;
use crate::steering::{
    Choice, Class, Decision, Facts, LatencyMap, MemberFacts, Mode, Plan, Policy, Rank, Ranked, Stance, Standing, decide,
};

/// A PoP as a candidate.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name.
    pub pop: String,
    /// Where it stands, for people.
    pub city: Option<String>,
    /// Its place in the class's order, and why.
    pub ranked: Ranked,
    /// Distance in kilometers.
    pub kilometers: Option<f64>,
    /// What its cost is made of, where distance or latency gives one.
    pub parts: Option<Parts>,
    /// How it stood.
    pub facts: MemberFacts,
    /// Its weight, where weights count.
    pub weight: Option<u32>,
    /// Its part of the clients in thousandths, where several share.
    pub share: Option<u16>,
    /// Its place in the answer's A records, from 0.
    pub chosen_v4: Option<usize>,
    /// Its place in the answer's AAAA records, from 0.
    pub chosen_v6: Option<usize>,
    /// Why it serves or does not.
    pub why: Why,
    /// What else is to be said of it, in words: why a check fails, who drained it.
    pub notes: Vec<String>,
}

/// What a cost is made of, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Distance, or measured latency.
    pub base: i64,
    /// Whether the base is from a latency row.
    pub measured: bool,
    /// The policy's bias.
    pub bias: i64,
    /// What a rule prefers or avoids it by.
    pub rule: i64,
}

impl Parts {
    /// The sum.
    pub fn total(&self) -> i64 {
        self.base + self.bias + self.rule
    }
}

/// Why a candidate serves or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It serves.
    Serves,
    /// It serves A alone: it has no usable AAAA address.
    ServesA,
    /// It serves AAAA alone.
    ServesAaaa,
    /// It shares the clients, and another won this one.
    Shares,
    /// No tier of the policy names it.
    NoTier,
    /// Fences keep the client away; where they are written.
    Fenced(Vec<String>),
    /// The operator's `down`.
    ForcedDown,
    /// It has no address.
    NoAddress,
    /// No address of it is usable.
    Down,
    /// The operator prefers anyone else.
    Drained,
    /// An earlier tier (from 0) serves.
    LaterTier(u8),
    /// One of the best that are passed over.
    PassedOver,
    /// It takes no part, as others have a positive weight.
    WeightZero,
    /// Others come first.
    Behind,
    /// Nobody serves at all.
    NobodyServes,
}

impl Why {
    /// A word for programs; stable.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Serves => "serves",
            Self::ServesA => "serves-a",
            Self::ServesAaaa => "serves-aaaa",
            Self::Shares => "shares",
            Self::NoTier => "no-tier",
            Self::Fenced(_) => "fenced",
            Self::ForcedDown => "override-down",
            Self::NoAddress => "no-address",
            Self::Down => "down",
            Self::Drained => "drained",
            Self::LaterTier(_) => "later-tier",
            Self::PassedOver => "passed-over",
            Self::WeightZero => "weight-0",
            Self::Behind => "behind",
            Self::NobodyServes => "nobody-serves",
        }
    }
}

impl Candidate {
    /// Why it serves or does not, and what else is to be said, in words; empty where there is nothing to say.
    pub fn words(&self) -> String {
        let tier = || usize::from(self.ranked.tier.unwrap_or(0)) + 1;
        let mut words = match &self.why {
            Why::Serves | Why::Behind | Why::NobodyServes => Vec::new(),
            Why::ServesA => vec!["serves A alone".to_owned(), lacks("AAAA", self.facts.v6)],
            Why::ServesAaaa => vec!["serves AAAA alone".to_owned(), lacks("A", self.facts.v4)],
            Why::Shares => vec!["shares; another won this client".to_owned()],
            Why::NoTier => vec!["in no tier of the policy".to_owned()],
            Why::Fenced(places) => vec![format!("fenced off by {}", places.join(", "))],
            Why::ForcedDown => vec!["override down".to_owned()],
            Why::NoAddress => vec!["no address".to_owned()],
            Why::Down => vec!["down".to_owned()],
            Why::Drained => vec!["drained".to_owned()],
            Why::LaterTier(serving) => vec![format!("tier {}; tier {} serves", tier(), serving + 1)],
            Why::PassedOver => vec!["passed over (`skip`)".to_owned()],
            Why::WeightZero => vec!["weight 0; others have more".to_owned()],
        };
        if matches!(self.why, Why::Serves) && self.is_chosen() {
            let down = |standing| standing == Standing::Unusable;
            if down(self.facts.v4) && down(self.facts.v6) {
                words.push("serves though it is down".to_owned());
            } else if self.facts.drained {
                words.push("serves though it is drained".to_owned());
            }
        }
        if self.facts.share < MemberFacts::WHOLE && self.facts.share > 0 {
            words.push(format!("keeps {:.1} % of its clients", f64::from(self.facts.share) / 10.0));
        }
        if self.ranked.first {
            words.push("put first by a rule".to_owned());
        }
        if self.facts.forced_up {
            words.push("override up".to_owned());
        }
        words.extend(self.notes.iter().cloned());
        words.join("; ")
    }

    /// Whether it is in the answer.
    pub fn is_chosen(&self) -> bool {
        self.chosen_v4.is_some() || self.chosen_v6.is_some()
    }
}

/// Why a family is not served.
fn lacks(rtype: &str, standing: Standing) -> String {
    match standing {
        Standing::Absent => format!("no {rtype} address"),
        Standing::Unusable => format!("its {rtype} addresses are down"),
        Standing::Suspect | Standing::Usable => format!("{rtype} is served by another"),
    }
}

/// What candidates are told apart by.
pub(super) struct Field<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) map: &'a Map,
    pub(super) stance: &'a Stance,
    pub(super) class: Class<'a>,
    pub(super) place: Option<Place>,
    pub(super) facts: &'a Facts,
    pub(super) decision: &'a Decision,
    pub(super) given: &'a Given<'a>,
    pub(super) background: &'a Background,
    pub(super) assume: &'a Assume,
}

impl Field<'_> {
    /// Every PoP of the service, best first.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let order = ranking(&self.map.plan.shape, &self.class);
        let tier = self.given.serving().first().and_then(|first| order.iter().find(|ranked| ranked.member == *first));
        let serving = tier.and_then(|ranked| ranked.tier);
        order.into_iter().map(|ranked| self.candidate(ranked, serving)).collect()
    }

    fn candidate(&self, ranked: Ranked, serving: Option<u8>) -> Candidate {
        let index = ranked.member;
        let member = &self.map.service.members[usize::from(index)];
        let pop = &self.snapshot.pops[member.pop.0 as usize];
        let place_of = |list: &[u16]| list.iter().position(|&other| other == index);
        let weighted = self.map.policy.rank == Rank::Weights || self.map.policy.near.is_some();
        let mut candidate = Candidate {
            pop: pop.name.clone(),
            city: pop.city.clone(),
            kilometers: pop.place.zip(self.place).map(|(pop, client)| pop.kilometers_to(client)),
            parts: ranked.cost.map(|_| self.parts(&ranked)),
            facts: self.facts.members[usize::from(index)],
            weight: weighted.then_some(member.weight),
            share: self.share(index),
            chosen_v4: place_of(&self.given.v4),
            chosen_v6: place_of(&self.given.v6),
            why: Why::Behind,
            notes: Vec::new(),
            ranked,
        };
        candidate.why = self.why(&candidate, serving);
        candidate.notes = self.notes(&candidate);
        candidate
    }

    /// What a cost is made of.
    fn parts(&self, ranked: &Ranked) -> Parts {
        let (map, index) = (self.map, usize::from(ranked.member));
        let name = &*map.pops[index];
        let pop = self.snapshot.pops[map.service.members[index].pop.0 as usize].place;
        let ms_per_km = f64::from(map.policy.ns_per_km) / 1e6;
        let distance = self.class.vector.zip(pop).map(|(client, pop)| cost(&client, &Vector::of(pop), ms_per_km));
        let distance = distance.map(i64::from);
        let row = latency(map, self.stance).filter(|_| ranked.measured).and_then(|row| match &*row.effect {
            Effect::Latency(list) => list.iter().find(|(pop, _)| pop == name).map(|(_, us)| i64::from(*us)),
            Effect::Order(_) | Effect::Adjust(_) | Effect::Only(_) | Effect::Never(_) => None,
        });
        let line = if ranked.measured { LatencyMap::CONSTANT_US } else { 0 };
        let base = row.or(distance.map(|us| us + line)).unwrap_or(0);
        let adjust = match self.stance.rule.and_then(|number| rule(map, number)).map(|rule| &*rule.effect) {
            Some(Effect::Adjust(list)) => {
                list.iter().filter(|(pop, _)| pop == name).map(|(_, us)| i64::from(*us)).sum()
            }
            _ => 0,
        };
        // Of several biases of one name the last counts.
        let bias = map.policy.bias.iter().rev().find(|(pop, _)| pop == name).map_or(0, |(_, us)| i64::from(*us));
        Parts { base, measured: row.is_some(), bias, rule: adjust }
    }

    fn share(&self, index: u16) -> Option<u16> {
        let split = [&self.decision.v4, &self.decision.v6].into_iter().find_map(|choice| match choice {
            Choice::Split(split) => Some(split),
            _ => None,
        })?;
        let all: u64 = split.group.iter().map(|share| u64::from(share.weight)).sum();
        let own = split.group.iter().find(|share| share.member == index)?;
        (u64::from(own.weight) * 1000 + all / 2).checked_div(all).map(|permille| permille as u16)
    }

    fn why(&self, c: &Candidate, serving: Option<u8>) -> Why {
        match (c.chosen_v4.is_some(), c.chosen_v6.is_some()) {
            (true, true) => return Why::Serves,
            (true, false) if self.given.v6.is_empty() => return Why::Serves,
            (false, true) if self.given.v4.is_empty() => return Why::Serves,
            (true, false) => return Why::ServesA,
            (false, true) => return Why::ServesAaaa,
            (false, false) => {}
        }
        let facts = &c.facts;
        let Some(tier) = c.ranked.tier else { return Why::NoTier };
        if !c.ranked.allowed {
            return Why::Fenced(self.fences(c));
        }
        if facts.forced_down {
            return Why::ForcedDown;
        }
        let exists = [facts.v4, facts.v6].into_iter().any(|standing| standing != Standing::Absent);
        if !exists {
            return Why::NoAddress;
        }
        let Some(serving) = serving else { return Why::NobodyServes };
        let mode = [&self.decision.v4, &self.decision.v6].into_iter().find_map(|choice| match choice {
            Choice::Members { mode, .. } => Some(*mode),
            Choice::Split(split) => Some(split.mode),
            Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback => None,
        });
        let usable = facts.v4.usable() || facts.v6.usable();
        if !usable && (mode == Some(Mode::Normal) || tier < serving) {
            return Why::Down;
        }
        if facts.avoided()
            && !self.given.serving().iter().all(|index| self.facts.members[usize::from(*index)].avoided())
        {
            return Why::Drained;
        }
        if tier > serving {
            return Why::LaterTier(serving);
        }
        if c.share.is_some_and(|share| share > 0) {
            return Why::Shares;
        }
        if c.weight == Some(0) && self.map.policy.rank == Rank::Weights {
            return Why::WeightZero;
        }
        if self.map.policy.skip > 0 && self.is_before(c) {
            return Why::PassedOver;
        }
        Why::Behind
    }

    /// Whether a candidate stands before the first that serves, in the order of costs.
    fn is_before(&self, c: &Candidate) -> bool {
        let order = ranking(&self.map.plan.shape, &self.class);
        let at = |index| order.iter().position(|ranked| ranked.member == index);
        self.given.serving().first().is_some_and(|first| at(c.ranked.member) < at(*first))
    }

    /// Where the fences are written that keep the client away.
    fn fences(&self, c: &Candidate) -> Vec<String> {
        let named = |list: &[String]| list.contains(&c.pop);
        let keeps = |effect: &Effect| match effect {
            Effect::Only(list) => !named(list),
            Effect::Never(list) => named(list),
            Effect::Order(_) | Effect::Adjust(_) | Effect::Latency(_) => false,
        };
        let rules = self.stance.fences.iter().filter_map(|number| rule(self.map, *number));
        rules.filter(|rule| keeps(&rule.effect)).map(|rule| place_of(&rule.origin)).collect()
    }

    /// What is known in words of what keeps it from serving, or will.
    fn notes(&self, c: &Candidate) -> Vec<String> {
        let mut notes = Vec::new();
        if self.assume.is_about(&self.map.service.name, &c.pop) {
            return vec!["assumed".to_owned()];
        }
        let index = usize::from(c.ranked.member);
        if c.facts.v4 == Standing::Unusable || c.facts.v6 == Standing::Unusable || c.facts.v4 == Standing::Suspect {
            let member = &self.map.service.members[index];
            let targets = member.addresses.iter().flat_map(|address| &address.targets).chain(&member.cname_targets);
            let mut said: Vec<String> = targets.filter_map(|target| self.background.target_words(*target)).collect();
            said.dedup();
            notes.extend(said.into_iter().take(2));
        }
        if c.facts.drained
            && self.map.drained[index]
            && let Some(place) = self.background.drains.get(&c.pop)
        {
            notes.push(format!("`drain: true` in {place}"));
        }
        notes.extend(self.background.said_of(&self.map.service.name, &c.pop));
        notes
    }
}

/// What would change who serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flips {
    /// What the client would get if the PoP that serves failed: `lhr (away)`.
    pub if_it_fails: Option<String>,
    /// The smallest change of a cost that makes another PoP serve.
    pub by_cost: Option<CostFlip>,
}

/// A change of a cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostFlip {
    /// The PoP that would serve.
    pub pop: String,
    /// By how many microseconds it would have to be cheaper.
    pub microseconds: i64,
    /// Whether it would share with the one that serves, instead of taking its place.
    pub shares: bool,
}

impl CostFlip {
    /// In words.
    pub fn words(&self) -> String {
        let (pop, ms) = (&self.pop, milliseconds(self.microseconds));
        let then = if self.shares { "shares" } else { "serves" };
        format!("{pop} {then} if it is {ms:.3} ms cheaper (`bias: {{{pop}: -{ms:.3}ms}}` for all)")
    }
}

impl Field<'_> {
    /// The cheapest way for another candidate to come first, where costs decide.
    pub(super) fn by_cost(&self, candidates: &[Candidate]) -> Option<CostFlip> {
        let (map, decision) = (self.map, self.decision);
        let (Choice::Members { members, mode: Mode::Normal, .. }, v4) = (match &decision.v4 {
            Choice::Absent => (&decision.v6, false),
            choice => (choice, true),
        }) else {
            return None;
        };
        if map.policy.skip > 0 || map.policy.rank == Rank::Weights {
            return None;
        }
        let first = candidates.iter().find(|c| Some(&c.ranked.member) == members.first())?;
        let cost = first.ranked.cost.filter(|_| !first.ranked.first)?;
        let near = map.policy.near.map(i64::from);
        let standing = |c: &Candidate| if v4 { c.facts.v4 } else { c.facts.v6 };
        let could = |c: &&Candidate| {
            c.ranked.member != first.ranked.member
                && c.ranked.tier == first.ranked.tier
                && c.ranked.allowed
                && !c.facts.forced_down
                && standing(c).usable()
                && c.facts.avoided() == first.facts.avoided()
        };
        // Whoever is near the best shares, even where the best itself takes no part for its weight of 0.
        let best =
            candidates.iter().filter(could).filter_map(|c| c.ranked.cost).min().map_or(cost, |best| best.min(cost));
        let needs = |c: &Candidate| {
            let gap = c.ranked.cost? - cost;
            // Of equals the one that stands first in `pops:` serves.
            let wins = gap + i64::from(c.ranked.member > first.ranked.member);
            let microseconds = near.map_or(wins, |near| gap + cost - best - near);
            Some(CostFlip { pop: c.pop.clone(), microseconds, shares: near.is_some() })
        };
        let flips = candidates.iter().filter(could).filter(|c| c.weight != Some(0)).filter_map(needs);
        let flips = flips.filter(|flip| flip.microseconds > 0);
        let flip = flips.min_by_key(|flip| flip.microseconds)?;
        // Whether measured latency counts at all depends on its gain, and so on the costs themselves.
        let latency = matches!(map.policy.rank, Rank::Latency(_));
        let exact = || self.serves_cheaper(&flip, 0) && !self.serves_cheaper(&flip, 1);
        (!latency || exact()).then_some(flip)
    }

    /// Whether a PoP serves if it is cheaper by so much, less `less` microseconds.
    fn serves_cheaper(&self, flip: &CostFlip, less: i64) -> bool {
        let mut policy = Policy::clone(&self.map.policy);
        let old = policy.bias.iter().rev().find(|(pop, _)| *pop == flip.pop).map_or(0, |(_, us)| i64::from(*us));
        policy.bias.push((flip.pop.clone(), (old - flip.microseconds + less) as i32));
        let plan = Plan::new(&policy, &self.map.service, &self.snapshot.pops);
        let decision = decide(&plan.shape, &self.class, self.facts);
        let is_it = |index: u16| *self.map.pops[usize::from(index)] == *flip.pop;
        [&decision.v4, &decision.v6].into_iter().any(|choice| match choice {
            Choice::Members { members, .. } => members.first().is_some_and(|first| is_it(*first)),
            Choice::Split(split) => split.group.iter().any(|share| is_it(share.member)),
            Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback => false,
        })
    }
}
