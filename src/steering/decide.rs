//! The choice and its reasons.
//!
//! `candidates → hard eligibility → health → rank → answer`, per address family (SEMANTICS §3). What can change from
//! epoch to epoch comes in as [`Facts`]; the rest is in the [`Candidate`]s and the [`Policy`].

use smallvec::SmallVec;

use super::policy::{OnAllDown, Policy, Rank};
use super::service::PopId;
use crate::geo::location::{Vector, cost};
use crate::geo::{Country, Place, SiteId, SiteTable};

/// A member of a service as a policy sees it; its index is its place in the service's `pops:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The PoP.
    pub pop: PopId,
    /// Where it stands, as a unit vector.
    pub vector: Option<Vector>,
}

/// How a member stands for one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It has no address of this family.
    Absent,
    /// Too few of its addresses are usable.
    Unusable,
    /// Usable; an address of it has begun to fail.
    Suspect,
    /// Usable.
    Usable,
}

impl Standing {
    fn usable(self) -> bool {
        matches!(self, Self::Usable | Self::Suspect)
    }
}

/// What an epoch knows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberFacts {
    /// For A.
    pub v4: Standing,
    /// For AAAA.
    pub v6: Standing,
    /// The operator prefers anyone else.
    pub drained: bool,
    /// The operator's `down`: never relaxed.
    pub forced_down: bool,
}

/// What an epoch knows of all members of a service, by their index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// One entry per [`Candidate`].
    pub members: Vec<MemberFacts>,
}

impl Facts {
    /// The same members with health and drains ignored: what makes a PoP a site's *home*.
    #[must_use]
    pub fn healthy(&self) -> Self {
        let well = |s: Standing| if s == Standing::Absent { s } else { Standing::Usable };
        let members = self
            .members
            .iter()
            .map(|m| MemberFacts { v4: well(m.v4), v6: well(m.v6), drained: false, forced_down: m.forced_down })
            .collect();
        Self { members }
    }
}

/// Whether the first PoP of a choice is the cost-best of all that could serve, health and drains ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It is.
    Home,
    /// It stands in for another.
    Away,
}

/// The decision for one address family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// No member has an address of this family: the type does not exist at the name.
    Absent,
    /// Nothing is eligible, or nothing is usable and the policy says SERVFAIL.
    Empty,
    /// Member indices, best first, at least one and at most the policy's count.
    Members {
        /// Indices into the candidates.
        members: SmallVec<[u16; 4]>,
        /// Home or away.
        kind: Kind,
        /// Nothing was usable, so health was ignored.
        fail_open: bool,
    },
}

/// What a site's clients are told. Two sites with equal decisions are one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// For A.
    pub v4: Choice,
    /// For AAAA.
    pub v6: Choice,
}

/// Where a class of clients is, for ranking.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Its unit vector; `None` when the place is unknown.
    pub vector: Option<Vector>,
}

impl Class {
    /// The class at a place, or nowhere.
    pub fn at(place: Option<Place>) -> Self {
        Self { vector: place.map(Vector::of) }
    }

    /// The class of a site: its coordinates, else its country's (SEMANTICS §2.4).
    pub fn of(sites: &SiteTable, id: SiteId) -> Self {
        let site = sites.site(id);
        Self::at(site.place.or_else(|| site.country.and_then(Country::place)))
    }
}

/// Orders the candidates for a class, best first, health ignored: `(cost in µs, index)` ascending. A cost is `None` when
/// distance says nothing (no coordinates on either side, or rank by order); such members follow in written order.
pub fn ranking(policy: &Policy, candidates: &[Candidate], class: &Class) -> SmallVec<[(Option<u32>, u16); 16]> {
    let mut order: SmallVec<[(Option<u32>, u16); 16]> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| (price(policy, candidate, class), index as u16))
        .collect();
    order.sort_by_key(|&(cost, index)| (cost.is_none(), cost, index));
    order
}

/// Cost of serving a class from a candidate in microseconds, if the policy gives one.
fn price(policy: &Policy, candidate: &Candidate, class: &Class) -> Option<u32> {
    match policy.rank {
        Rank::Distance => Some(cost(&class.vector?, &candidate.vector?)),
        Rank::Order => None,
    }
}

/// Decides for one class of clients. `facts` has one entry per candidate.
pub fn decide(policy: &Policy, candidates: &[Candidate], class: &Class, facts: &Facts) -> Decision {
    let order = ranking(policy, candidates, class);
    Decision { v4: choose(policy, &order, facts, |m| m.v4), v6: choose(policy, &order, facts, |m| m.v6) }
}

fn choose(
    policy: &Policy,
    order: &[(Option<u32>, u16)],
    facts: &Facts,
    standing: impl Fn(&MemberFacts) -> Standing,
) -> Choice {
    let count = usize::from(policy.count.max(1));
    let fact = |index: u16| &facts.members[usize::from(index)];
    if facts.members.iter().all(|m| standing(m) == Standing::Absent) {
        return Choice::Absent;
    }
    let eligible = |index: u16| standing(fact(index)) != Standing::Absent && !fact(index).forced_down;
    let Some(home) = order.iter().map(|&(_, index)| index).find(|&index| eligible(index)) else {
        return Choice::Empty;
    };
    let take = |wanted: &dyn Fn(u16) -> bool| -> SmallVec<[u16; 4]> {
        order.iter().map(|&(_, index)| index).filter(|&index| eligible(index) && wanted(index)).take(count).collect()
    };
    // Usable and not drained, else usable, else (fail-open) not drained, else anyone left: the first that has any.
    let mut members = take(&|index| standing(fact(index)).usable() && !fact(index).drained);
    if members.is_empty() {
        members = take(&|index| standing(fact(index)).usable());
    }
    let fail_open = members.is_empty();
    if fail_open {
        match policy.on_all_down {
            OnAllDown::Servfail => return Choice::Empty,
            OnAllDown::IgnoreHealth => members = take(&|index| !fact(index).drained),
        }
        if members.is_empty() {
            members = take(&|_| true);
        }
    }
    let kind = if members.first() == Some(&home) { Kind::Home } else { Kind::Away };
    Choice::Members { members, kind, fail_open }
}
