//! The choice and its reasons.
//!
//! `candidates → hard eligibility → health → rank → answer`, per address family (SEMANTICS §3). What can change from
//! epoch to epoch comes in as [`Facts`]; the rest is in the [`Candidate`]s and the [`Policy`].

use smallvec::SmallVec;

use super::policy::{OnAllDown, Policy, Rank};
use super::service::PopId;
use crate::geo::location::{DEFAULT_MS_PER_KM, Vector, chord_slack, cost_of_chord};
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

/// How a policy orders the candidates for one class: by cost, then by index. A cost is unknown when distance says nothing
/// (no coordinates on either side, or rank by order); such candidates follow in written order.
struct Ranking {
    /// Squared chords: they order like costs, but for candidates so close that their integer costs may be equal.
    chords: SmallVec<[Option<f64>; 64]>,
}

impl Ranking {
    fn new(policy: &Policy, candidates: &[Candidate], class: &Class) -> Self {
        let chord = |candidate: &Candidate| match policy.rank {
            Rank::Distance => Some(class.vector?.chord_squared(&candidate.vector?)),
            Rank::Order => None,
        };
        Self { chords: candidates.iter().map(chord).collect() }
    }

    /// The best candidate that is wanted. Costs are worked out for the nearest and its near-ties only.
    fn best(&self, wanted: impl Fn(u16) -> bool) -> Option<u16> {
        let mut shortest = f64::INFINITY;
        let mut unknown = None;
        for (index, chord) in self.chords.iter().enumerate() {
            let index = index as u16;
            match *chord {
                Some(chord) if chord < shortest && wanted(index) => shortest = chord,
                None if unknown.is_none() && wanted(index) => unknown = Some(index),
                _ => {}
            }
        }
        if shortest == f64::INFINITY {
            return unknown;
        }
        let limit = shortest.sqrt() + chord_slack(DEFAULT_MS_PER_KM);
        let near = self.chords.iter().enumerate().filter_map(|(index, chord)| {
            let (index, chord) = (index as u16, (*chord)?);
            (chord <= limit * limit && wanted(index)).then(|| (cost_of_chord(chord, DEFAULT_MS_PER_KM), index))
        });
        near.min().map(|(_, index)| index)
    }
}

/// The candidates for a class, best first, health ignored, each with its cost in microseconds where distance gives one.
pub fn ranking(policy: &Policy, candidates: &[Candidate], class: &Class) -> Vec<(Option<u32>, u16)> {
    let chords = Ranking::new(policy, candidates, class).chords;
    let cost = |chord: f64| cost_of_chord(chord, DEFAULT_MS_PER_KM);
    let mut order: Vec<_> = chords.iter().enumerate().map(|(index, chord)| (chord.map(cost), index as u16)).collect();
    order.sort_by_key(|&(cost, index)| (cost.is_none(), cost, index));
    order
}

/// Decides for one class of clients. `facts` has one entry per candidate.
pub fn decide(policy: &Policy, candidates: &[Candidate], class: &Class, facts: &Facts) -> Decision {
    by_ranking(policy, &Ranking::new(policy, candidates, class), facts)
}

/// Decides, and says which candidate comes next after the first of the decision, whatever its health: who serves the class
/// when only that one fails. `None` when there is no other, or the families do not have the same first.
pub fn decide_with_runner_up(
    policy: &Policy,
    candidates: &[Candidate],
    class: &Class,
    facts: &Facts,
) -> (Decision, Option<u16>) {
    let ranking = Ranking::new(policy, candidates, class);
    let decision = by_ranking(policy, &ranking, facts);
    let next = |first: u16| {
        let eligible = |m: &MemberFacts| !m.forced_down && (m.v4, m.v6) != (Standing::Absent, Standing::Absent);
        ranking.best(|index| index != first && eligible(&facts.members[usize::from(index)]))
    };
    let runner_up = decision.first().and_then(next);
    (decision, runner_up)
}

impl Decision {
    /// The first member, if both families that exist have the same one.
    pub fn first(&self) -> Option<u16> {
        let first = |choice: &Choice| match choice {
            Choice::Members { members, .. } => members.first().copied(),
            Choice::Absent | Choice::Empty => None,
        };
        match (&self.v4, &self.v6) {
            (Choice::Absent, other) | (other, Choice::Absent) => first(other),
            (v4, v6) => first(v4).filter(|index| first(v6) == Some(*index)),
        }
    }
}

fn by_ranking(policy: &Policy, ranking: &Ranking, facts: &Facts) -> Decision {
    let v4 = choose(policy, ranking, facts, |m| m.v4);
    // Mostly both families stand alike, and then they choose alike.
    let alike = facts.members.iter().all(|m| m.v4 == m.v6);
    let v6 = if alike { v4.clone() } else { choose(policy, ranking, facts, |m| m.v6) };
    Decision { v4, v6 }
}

fn choose(policy: &Policy, ranking: &Ranking, facts: &Facts, standing: impl Fn(&MemberFacts) -> Standing) -> Choice {
    let count = usize::from(policy.count.max(1));
    let fact = |index: u16| &facts.members[usize::from(index)];
    if facts.members.iter().all(|m| standing(m) == Standing::Absent) {
        return Choice::Absent;
    }
    let eligible = |index: u16| standing(fact(index)) != Standing::Absent && !fact(index).forced_down;
    let Some(home) = ranking.best(eligible) else {
        return Choice::Empty;
    };
    let take = |wanted: &dyn Fn(u16) -> bool| {
        let mut members: SmallVec<[u16; 4]> = SmallVec::new();
        while members.len() < count {
            match ranking.best(|index| eligible(index) && wanted(index) && !members.contains(&index)) {
                Some(index) => members.push(index),
                None => break,
            }
        }
        members
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates(places: &[(f64, f64)]) -> Vec<Candidate> {
        let vector = |&(lat, lon)| Place::from_degrees(lat, lon).map(Vector::of);
        places.iter().enumerate().map(|(i, p)| Candidate { pop: PopId(i as u32), vector: vector(p) }).collect()
    }

    const FRA: (f64, f64) = (50.11, 8.68);
    const AMS: (f64, f64) = (52.37, 4.90);
    const IAD: (f64, f64) = (38.95, -77.45);
    const NOWHERE: (f64, f64) = (f64::NAN, 0.0);

    /// Facts as text: a word per member, a mark for IPv4 and one for IPv6 (`+` usable, `?` suspect, `-` unusable, `0`
    /// absent), then `d` drained, `x` forced down.
    fn facts(text: &str) -> Facts {
        let standing = |c: char| match c {
            '+' => Standing::Usable,
            '?' => Standing::Suspect,
            '-' => Standing::Unusable,
            _ => Standing::Absent,
        };
        let member = |word: &str| {
            let mut marks = word.chars();
            let (v4, v6) = (standing(marks.next().unwrap()), standing(marks.next().unwrap()));
            let rest = marks.as_str();
            MemberFacts { v4, v6, drained: rest.contains('d'), forced_down: rest.contains('x') }
        };
        Facts { members: text.split_whitespace().map(member).collect() }
    }

    fn show(choice: &Choice) -> String {
        match choice {
            Choice::Absent => "absent".into(),
            Choice::Empty => "empty".into(),
            Choice::Members { members, kind, fail_open } => {
                let kind = if *kind == Kind::Home { "home" } else { "away" };
                format!("{members:?} {kind}{}", if *fail_open { " fail-open" } else { "" })
            }
        }
    }

    #[track_caller]
    fn check(from: (f64, f64), marks: &str, v4: &str, v6: &str) {
        let policy = Policy::built_in("nearest").unwrap();
        let class = Class::at(Place::from_degrees(from.0, from.1));
        let decision = decide(&policy, &candidates(&[FRA, AMS, IAD]), &class, &facts(marks));
        assert_eq!((show(&decision.v4).as_str(), show(&decision.v6).as_str()), (v4, v6));
    }

    const UTRECHT: (f64, f64) = (52.09, 5.12);

    #[test]
    fn s3_the_nearest_usable_member_serves_and_only_its_own_family_matters() {
        check(UTRECHT, "++ ++ ++", "[1] home", "[1] home");
        check(UTRECHT, "++ -+ ++", "[0] away", "[1] home");
        check(UTRECHT, "++ ?? ++", "[1] home", "[1] home");
        check(UTRECHT, "++ 0+ ++", "[0] home", "[1] home");
        check(UTRECHT, "+0 +0 +0", "[1] home", "absent");
    }

    #[test]
    fn s3_2_drained_means_prefer_anyone_else_and_down_is_never_relaxed() {
        check(UTRECHT, "++ ++d ++", "[0] away", "[0] away");
        check(UTRECHT, "--  ++d --", "[1] home", "[1] home");
        check(UTRECHT, "++d ++d ++d", "[1] home", "[1] home");
        check(UTRECHT, "-- ++x --", "[0] home fail-open", "[0] home fail-open");
        check(UTRECHT, "++x ++x ++x", "empty", "empty");
    }

    #[test]
    fn s3_4_all_down_is_ranked_as_if_all_were_up() {
        check(UTRECHT, "-- -- --", "[1] home fail-open", "[1] home fail-open");
        check(UTRECHT, "-- --d --", "[0] away fail-open", "[0] away fail-open");
        let mut policy = Policy::built_in("nearest").unwrap();
        policy.on_all_down = OnAllDown::Servfail;
        let class = Class::at(Place::from_degrees(UTRECHT.0, UTRECHT.1));
        assert_eq!(decide(&policy, &candidates(&[FRA, AMS, IAD]), &class, &facts("-- -- --")).v4, Choice::Empty);
    }

    #[test]
    fn s2_3_without_a_place_the_order_in_the_file_decides() {
        check(NOWHERE, "++ ++ ++", "[0] home", "[0] home");
        check(NOWHERE, "-- ++ ++", "[1] away", "[1] away");
    }

    #[test]
    fn count_takes_the_next_best() {
        let policy = Policy { count: 2, ..Policy::built_in("nearest").unwrap() };
        let class = Class::at(Place::from_degrees(UTRECHT.0, UTRECHT.1));
        let v4 = decide(&policy, &candidates(&[FRA, AMS, IAD]), &class, &facts("++ ++ ++")).v4;
        assert_eq!(show(&v4), "[1, 0] home");
    }

    proptest! {
        /// The short cut over chords agrees with sorting every integer cost.
        #[test]
        fn choosing_is_the_head_of_the_full_ranking(
            points in proptest::collection::vec((-9i8..=9, -18i8..=18, 0u8..4), 1..20),
            from in (-9i8..=9, -18i8..=18),
            up in proptest::collection::vec(any::<bool>(), 20),
        ) {
            let places: Vec<_> = points
                .iter()
                .map(|&(a, b, off)| (f64::from(a) * 10.0, if off == 3 { f64::NAN } else { f64::from(b) * 10.0 + f64::from(off) * 1e-4 }))
                .collect();
            let candidates = candidates(&places);
            let class = Class::at(Place::from_degrees(f64::from(from.0) * 10.0, f64::from(from.1) * 10.0));
            let policy = Policy { count: 3, ..Policy::built_in("nearest").unwrap() };
            let marks: Vec<_> = up.iter().take(points.len()).map(|up| if *up { "++" } else { "--" }).collect();
            let facts = facts(&marks.join(" "));
            let full = ranking(&policy, &candidates, &class);
            let any = facts.members.iter().any(|m| m.v4.usable());
            let expected: Vec<u16> = full
                .iter()
                .map(|r| r.1)
                .filter(|i| !any || facts.members[usize::from(*i)].v4.usable())
                .take(3)
                .collect();
            let Choice::Members { members, kind, fail_open } = decide(&policy, &candidates, &class, &facts).v4 else {
                panic!("somebody serves");
            };
            prop_assert_eq!(members.to_vec(), expected);
            prop_assert_eq!(kind == Kind::Home, members[0] == full[0].1);
            prop_assert_eq!(fail_open, !any);
        }
    }
}
