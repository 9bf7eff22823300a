//! The choice and its reasons.
//!
//! `candidates (tiers) → fence and rules (hard) → health (soft, with panic) → rank → answer`, per address family
//! (SEMANTICS §3). What can change from epoch to epoch comes in as [`Facts`]; the rest is in the [`Shape`].

use smallvec::SmallVec;

use super::facts::{Facts, Family, MemberFacts, Standing};
use super::plan::{AllDown, Members, Order, Shape};
use super::rank::Ranking;
use super::stance::{Stance, Stances};
use crate::geo::{Country, Place, SiteId, SiteTable, Vector};

/// Whether the first PoP of a choice is the cost-best of all that could serve, health and drains ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It is.
    Home,
    /// It stands in for another.
    Away,
}

/// Whether health was heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It was.
    Normal,
    /// Too little of the tier was usable, so health was ignored in it.
    Panic,
    /// Nothing was usable, so health was ignored.
    FailOpen,
}

/// The decision for one address family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// No member has an address of this family: the type does not exist at the name.
    Absent,
    /// Fences and overrides leave nobody: the policy's `on_empty`.
    Empty,
    /// Nobody is usable, and the policy says SERVFAIL.
    Servfail,
    /// Nobody is usable, and the policy has addresses for that.
    Fallback,
    /// Member indices, best first, at least one and at most the policy's count.
    Members {
        /// Indices into the members.
        members: SmallVec<[u16; 4]>,
        /// Home or away.
        kind: Kind,
        /// Whether health was heeded.
        mode: Mode,
    },
    /// Several members share the clients.
    Split(Box<Split>),
}

/// Members that share clients by weight (SEMANTICS §2.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Split {
    /// Those among whom clients are dealt now, and those among whom they are dealt when all is well.
    pub group: SmallVec<[Share; 4]>,
    /// Those that follow after the group, best first.
    pub rest: SmallVec<[u16; 4]>,
    /// Those that follow after the group when all is well, as far as the first of an answer may be among them.
    pub home_rest: SmallVec<[u16; 1]>,
    /// Whether health was heeded.
    pub mode: Mode,
}

/// A member's part of a split. Only the ratios of weights count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// Index of the member.
    pub member: u16,
    /// Its weight now; 0 when it takes no part.
    pub weight: u32,
    /// Its weight when all is well; 0 when it takes no part then.
    pub home: u32,
}

/// What a site's clients are told. Two sites with equal decisions are one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// For A.
    pub v4: Choice,
    /// For AAAA.
    pub v6: Choice,
}

impl Decision {
    /// The first member, if both families that exist have the same one and nobody shares.
    pub fn first(&self) -> Option<u16> {
        let first = |choice: &Choice| match choice {
            Choice::Members { members, .. } => members.first().copied(),
            Choice::Absent | Choice::Empty | Choice::Servfail | Choice::Fallback | Choice::Split(_) => None,
        };
        match (&self.v4, &self.v6) {
            (Choice::Absent, other) | (other, Choice::Absent) => first(other),
            (v4, v6) => first(v4).filter(|index| first(v6) == Some(*index)),
        }
    }

    /// Whether clients are dealt among several members, for either family.
    pub fn is_split(&self) -> bool {
        matches!(self.v4, Choice::Split(_)) || matches!(self.v6, Choice::Split(_))
    }
}

/// What is known of a class of clients.
#[derive(Clone, Copy, Debug)]
pub struct Class<'a> {
    /// Its unit vector; `None` when the place is unknown.
    pub vector: Option<Vector>,
    /// What rules say of it.
    pub stance: &'a Stance,
    /// Who may serve it; `None`: everyone.
    pub allowed: Option<&'a Members>,
}

impl<'a> Class<'a> {
    /// The class of a site: its coordinates, else its country's (SEMANTICS §2.4).
    pub fn of(sites: &SiteTable, id: SiteId, stances: &'a Stances) -> Self {
        let site = sites.site(id);
        let place = site.place.or_else(|| site.country.and_then(Country::place));
        Self { stance: stances.of(id), allowed: stances.allowed(id), ..Self::at(place) }
    }

    /// The class at a place, or nowhere, that no rule is for.
    pub fn at(place: Option<Place>) -> Self {
        const NEUTRAL: &Stance = &Stance { rule: None, fences: SmallVec::new_const(), latency: None };
        Self { vector: place.map(Vector::of), stance: NEUTRAL, allowed: None }
    }
}

/// A member in the order of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// Index of the member.
    pub member: u16,
    /// Its tier; `None` when no tier of the policy names it.
    pub tier: Option<u8>,
    /// Whether fences let it serve the class.
    pub allowed: bool,
    /// Whether a rule put it first.
    pub first: bool,
    /// Its cost in microseconds with all that is added, where there is one.
    pub cost: Option<i64>,
    /// Whether that is measured latency.
    pub measured: bool,
}

/// All members in the order a class prefers them, health ignored: tier by tier, those without a tier last.
pub fn ranking(shape: &Shape, class: &Class<'_>) -> Vec<Ranked> {
    let ranking = Ranking::new(shape, class);
    let mut order: Vec<Ranked> = Vec::with_capacity(shape.members.len());
    let mut taken = Members::default();
    let everyone = Members::first(shape.members.len());
    let tiers = shape.tiers.iter().enumerate().map(|(tier, set)| (Some(tier as u8), set)).chain([(None, &everyone)]);
    for (tier, set) in tiers {
        while let Some(member) = ranking.best(|index| set.contains(index) && !taken.contains(index)) {
            taken.insert(member);
            order.push(Ranked {
                member,
                tier,
                allowed: class.allowed.is_none_or(|set| set.contains(member)),
                first: ranking.is_first(member),
                cost: ranking.total(member),
                measured: ranking.is_measured(),
            });
        }
    }
    order
}

/// Decides for one class of clients. `facts` has one entry per member.
pub fn decide(shape: &Shape, class: &Class<'_>, facts: &Facts) -> Decision {
    Decider { shape, class, ranking: &Ranking::new(shape, class), facts }.decide()
}

/// Decides, and says which members come next after the first of the decision, whatever their health: who serves the class when
/// only that one fails, and who when the next does too. `None` when there is no other, or the families do not have the same
/// first.
pub fn decide_with_runners_up(shape: &Shape, class: &Class<'_>, facts: &Facts) -> (Decision, [Option<u16>; 2]) {
    let decider = Decider { shape, class, ranking: &Ranking::new(shape, class), facts };
    let decision = decider.decide();
    let present = |m: &MemberFacts| (m.v4, m.v6) != (Standing::Absent, Standing::Absent);
    let next = |out: [u16; 2]| {
        let wanted = |index| !out.contains(&index) && decider.may(index) && present(decider.fact(index));
        decider.best(|_, index| wanted(index)).map(|found| found.1)
    };
    let runner_up = decision.first().and_then(|first| next([first; 2]));
    let third = decision.first().zip(runner_up).and_then(|(first, second)| next([first, second]));
    (decision, [runner_up, third])
}

/// One class under one set of facts.
struct Decider<'d> {
    shape: &'d Shape,
    class: &'d Class<'d>,
    ranking: &'d Ranking<'d>,
    facts: &'d Facts,
}

/// Those who serve, before it is said whether they are at home.
struct Picked {
    /// With their weights; of one alone the weight says nothing.
    group: SmallVec<[(u16, u32); 4]>,
    rest: SmallVec<[u16; 4]>,
}

impl Decider<'_> {
    fn decide(&self) -> Decision {
        let v4 = self.choose(Family::V4);
        // Mostly both families stand alike, and then they choose alike.
        let alike = self.facts.members.iter().all(|m| m.v4 == m.v6) && self.facts.panic[0] == self.facts.panic[1];
        let v6 = if alike { v4.clone() } else { self.choose(Family::V6) };
        Decision { v4, v6 }
    }

    fn choose(&self, family: Family) -> Choice {
        let present = |index: u16| self.fact(index).standing(family) != Standing::Absent;
        let reachable = |index: u16| self.shape.tiers.iter().any(|tier| tier.contains(index));
        if !(0..self.shape.members.len() as u16).any(|index| present(index) && reachable(index)) {
            return Choice::Absent;
        }
        let eligible = |index: u16| present(index) && self.may(index);
        let whole = |_: u16| MemberFacts::WHOLE;
        let count = if self.shape.is_plain() { 1 } else { self.shape.skip + 1 };
        let Some((_, home)) = self.serve(|_, index| eligible(index), whole, count) else {
            return Choice::Empty;
        };
        let usable = |tier: usize, index: u16| {
            eligible(index) && (self.fact(index).standing(family).usable() || self.facts.panics(tier, family))
        };
        let avoided = |index: u16| self.fact(index).avoided();
        let share = |index: u16| self.fact(index).share;
        let count = self.shape.skip + self.shape.count;
        // Usable and not drained, else usable, else (fail-open) not drained, else anyone left: the first that has any.
        let heeded = self
            .serve(|tier, index| usable(tier, index) && !avoided(index), share, count)
            .or_else(|| self.serve(usable, whole, count));
        let (mode, picked) = match heeded {
            Some((tier, picked)) if self.facts.panics(tier, family) => (Mode::Panic, picked),
            Some((_, picked)) => (Mode::Normal, picked),
            None => match self.shape.all_down {
                AllDown::Servfail => return Choice::Servfail,
                AllDown::Fallback => return Choice::Fallback,
                AllDown::IgnoreHealth => {
                    let open = self
                        .serve(|_, index| eligible(index) && !avoided(index), share, count)
                        .or_else(|| self.serve(|_, index| eligible(index), whole, count));
                    match open {
                        Some((_, picked)) => (Mode::FailOpen, picked),
                        None => return Choice::Empty,
                    }
                }
            },
        };
        self.combine(&picked, &home, mode)
    }

    /// Whether fences and the operator's `down` let a member serve.
    fn may(&self, index: u16) -> bool {
        !self.fact(index).forced_down && self.class.allowed.is_none_or(|set| set.contains(index))
    }

    fn fact(&self, index: u16) -> &MemberFacts {
        &self.facts.members[usize::from(index)]
    }

    /// The best wanted member of the first tier that has any.
    fn best(&self, wanted: impl Fn(usize, u16) -> bool) -> Option<(usize, u16)> {
        self.shape.tiers.iter().enumerate().find_map(|(tier, set)| {
            Some((tier, self.ranking.best(|index| set.contains(index) && wanted(tier, index))?))
        })
    }

    /// Who serves of those that are wanted, `count` of them if there are so many, and the tier they are of.
    fn serve(
        &self,
        wanted: impl Fn(usize, u16) -> bool + Copy,
        share: impl Fn(u16) -> u16 + Copy,
        count: usize,
    ) -> Option<(usize, Picked)> {
        let (tier, best) = self.best(wanted)?;
        let mut picked = Picked { group: SmallVec::new(), rest: SmallVec::new() };
        if self.shape.is_plain() && share(best) == MemberFacts::WHOLE {
            picked.group.push((best, u32::from(MemberFacts::WHOLE)));
            return Some((tier, picked));
        }
        let within = |index: u16| self.shape.tiers[tier].contains(index) && wanted(tier, index);
        picked.group = self.group(best, within, share);
        self.cascade(&mut picked, within, share);
        let missing = count.saturating_sub(picked.group.len());
        let next = |picked: &Picked, tier: usize| {
            let out = |index: u16| picked.rest.contains(&index) || picked.group.iter().any(|member| member.0 == index);
            let set = &self.shape.tiers[tier];
            self.ranking.best(|index| set.contains(index) && wanted(tier, index) && !out(index))
        };
        // Later tiers only to pass over as many as are to be passed over: what serves is of one tier.
        for tier in tier..self.shape.tiers.len() {
            while picked.rest.len() < missing
                && let Some(index) = next(&picked, tier)
            {
                picked.rest.push(index);
            }
            if picked.group.len() + picked.rest.len() > self.shape.skip {
                break;
            }
        }
        Some((tier, picked))
    }

    /// Those who share with the best: by weight all of its tier, or those that cost about the same.
    fn group(&self, best: u16, within: impl Fn(u16) -> bool, share: impl Fn(u16) -> u16) -> SmallVec<[(u16, u32); 4]> {
        let alone = || std::iter::once((best, u32::from(share(best)))).collect();
        if self.ranking.is_first(best) {
            return alone();
        }
        let weight = |index: u16| self.shape.members[usize::from(index)].weight;
        let limit = match (self.shape.order, self.shape.near, self.ranking.total(best)) {
            (Order::Weights, ..) => None,
            (_, Some(near), Some(cost)) => Some(cost + i64::from(near)),
            _ => return alone(),
        };
        let close = |index: u16| match limit {
            None => true,
            Some(limit) => self.ranking.total(index).is_some_and(|cost| cost <= limit),
        };
        let all: SmallVec<[u16; 8]> =
            (0..self.shape.members.len() as u16).filter(|index| within(*index) && close(*index)).collect();
        // Weight 0 serves only when no positive weight is left (SEMANTICS §3.6).
        let positive = all.iter().any(|index| weight(*index) > 0);
        let part = |index: u16| if positive { weight(index) } else { 1 };
        all.into_iter()
            .filter(|index| part(*index) > 0)
            .map(|index| (index, part(index) * u32::from(share(index))))
            .collect()
    }

    /// A member that keeps only a share of its clients leaves the others to the one they would have without it.
    fn cascade(&self, picked: &mut Picked, within: impl Fn(u16) -> bool, share: impl Fn(u16) -> u16) {
        const WHOLE: u32 = MemberFacts::WHOLE as u32;
        let [(first, _)] = picked.group[..] else { return };
        picked.group[0].1 = WHOLE;
        if u32::from(share(first)) == WHOLE {
            return;
        }
        picked.group[0].1 = u32::from(share(first)) * WHOLE;
        let mut left = (WHOLE - u32::from(share(first))) * WHOLE;
        while left > 0 {
            let out = |index: u16| picked.group.iter().any(|member| member.0 == index);
            let Some(next) = self.ranking.best(|index| within(index) && !out(index)) else { break };
            let part = left / WHOLE * u32::from(share(next));
            picked.group.push((next, part));
            left -= part;
            if picked.group.len() == CASCADE {
                break;
            }
        }
        // What nobody else takes stays with the last; of one alone the weight says nothing.
        let alone = picked.group.len() == 1;
        if let Some(last) = picked.group.last_mut() {
            last.1 = if alone { WHOLE } else { last.1 + left };
        }
    }

    fn combine(&self, now: &Picked, home: &Picked, mode: Mode) -> Choice {
        let skip = self.shape.skip;
        if let ([(first, _)], [(home_first, _)]) = (&now.group[..], &home.group[..]) {
            let list: SmallVec<[u16; 8]> = std::iter::once(*first).chain(now.rest.iter().copied()).collect();
            let start = skip.min(list.len() - 1);
            let members: SmallVec<_> = list[start..].iter().take(self.shape.count).copied().collect();
            let at_home = match skip.min(home.rest.len()) {
                0 => home_first,
                passed => &home.rest[passed - 1],
            };
            let kind = if members.first() == Some(at_home) { Kind::Home } else { Kind::Away };
            return Choice::Members { members, kind, mode };
        }
        let mut group: SmallVec<[Share; 4]> =
            now.group.iter().map(|&(member, weight)| Share { member, weight, home: 0 }).collect();
        for &(member, home) in &home.group {
            match group.iter_mut().find(|share| share.member == member) {
                Some(share) => share.home = home,
                None => group.push(Share { member, weight: 0, home }),
            }
        }
        group.sort_unstable_by_key(|share| share.member);
        let home_rest = home.rest.iter().take(skip).copied().collect();
        Choice::Split(Box::new(Split { group, rest: now.rest.clone(), home_rest, mode }))
    }
}

/// Most members among whom the clients of one that drains or comes back gradually are dealt, itself included.
const CASCADE: usize = 4;
