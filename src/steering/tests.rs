//! The pipeline on small fleets: facts as text in, choices as text out; and against a naive reading of SEMANTICS §3.

use std::sync::Arc;

use proptest::prelude::*;

use super::decide::{Class, decide, decide_with_runners_up, ranking};
use super::facts::panic as panics;
use super::rule::{Effect, Match, Origin, Rule, Rules};
use super::*;
use crate::geo::{Country, Place, Ranges, Site, SiteId, SiteTable};

const FRA: (f64, f64) = (50.11, 8.68);
const AMS: (f64, f64) = (52.37, 4.90);
const IAD: (f64, f64) = (38.95, -77.45);
const NOWHERE: (f64, f64) = (f64::NAN, 0.0);
const UTRECHT: (f64, f64) = (52.09, 5.12);

fn place((latitude, longitude): (f64, f64)) -> Option<Place> {
    Place::from_degrees(latitude, longitude)
}

/// A service at PoPs of these names and places, with these weights (1 where there are none).
fn service(pops: &[(&str, (f64, f64))], weights: &[u32]) -> (Service, Vec<Pop>) {
    let member = |at: usize| {
        let address = ServiceAddress { ip: [192, 0, 2, at as u8].into(), targets: vec![] };
        let weight = weights.get(at).copied().unwrap_or(1);
        Member { weight, ..Member::new(PopId(at as u32), vec![address]) }
    };
    let pop = |(name, at): &(&str, (f64, f64))| Pop {
        name: (*name).to_owned(),
        place: place(*at),
        city: None,
        country: None,
        drained: false,
    };
    let service = Service::new("web", (0..pops.len()).map(member).collect());
    (service, pops.iter().map(pop).collect())
}

fn plan(policy: &Policy, weights: &[u32]) -> Plan {
    let (service, pops) = service(&[("fra", FRA), ("ams", AMS), ("iad", IAD)], weights);
    Plan::new(policy, &service, &pops)
}

fn nearest() -> Policy {
    Policy::built_in("nearest").unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn rule(class: Match, effect: Effect) -> Rule {
    Rule { class, effect: Arc::new(effect), origin: Origin { file: "fleet.yaml".into(), line: 1 } }
}

fn country(code: &str) -> Match {
    Match::Country(vec![Country::new(code).unwrap()])
}

/// Facts as text: a word per member, a mark for IPv4 and one for IPv6 (`+` usable, `?` suspect, `-` unusable, `0` absent),
/// then `d` drained, `x` forced down, `%300` its share.
fn facts(text: &str) -> Facts {
    let standing = |c: char| match c {
        '+' => Standing::Usable,
        '?' => Standing::Suspect,
        '-' => Standing::Unusable,
        _ => Standing::Absent,
    };
    let member = |word: &str| {
        let (word, share) = word.split_once('%').unwrap_or((word, "1000"));
        let mut marks = word.chars();
        let (v4, v6) = (standing(marks.next().unwrap()), standing(marks.next().unwrap()));
        let rest = marks.as_str();
        MemberFacts {
            drained: rest.contains('d'),
            forced_down: rest.contains('x'),
            share: share.parse().unwrap(),
            ..MemberFacts::of(v4, v6)
        }
    };
    Facts { members: text.split_whitespace().map(member).collect(), panic: [0; 2] }
}

fn show(choice: &Choice) -> String {
    let mode = |mode: &Mode| match mode {
        Mode::Normal => "",
        Mode::Panic => " panic",
        Mode::FailOpen => " fail-open",
    };
    match choice {
        Choice::Absent => "absent".into(),
        Choice::Empty => "empty".into(),
        Choice::Servfail => "servfail".into(),
        Choice::Fallback => "fallback".into(),
        Choice::Members { members, kind, mode: m } => {
            format!("{members:?} {}{}", if *kind == Kind::Home { "home" } else { "away" }, mode(m))
        }
        Choice::Split(split) => {
            let group: Vec<_> = split.group.iter().map(|s| format!("{}:{}/{}", s.member, s.weight, s.home)).collect();
            format!("split {} rest {:?}{}", group.join(" "), split.rest, mode(&split.mode))
        }
    }
}

/// One class, by its place and the code of its country, under a policy.
struct Case {
    policy: Policy,
    weights: Vec<u32>,
    country: Option<&'static str>,
    prefixes: Vec<PrefixMatch>,
}

impl Case {
    fn new(policy: Policy) -> Self {
        Self { policy, weights: vec![], country: None, prefixes: vec![] }
    }

    fn decide(&self, from: (f64, f64), facts: &Facts) -> Decision {
        let plan = plan(&self.policy, &self.weights);
        let country = self.country.and_then(Country::new);
        let site = Site { place: place(from), country, ..Site::default() };
        let mut ranges = Ranges::new(0);
        ranges.push(1, 2);
        let sites = SiteTable::from_ranges(ranges, Ranges::new(0), &[site]).unwrap();
        let stances = Stances::compile(&plan.shape, &sites, &self.prefixes);
        let panic = panics(&plan.shape, &facts.members, facts.panic);
        decide(&plan.shape, &Class::of(&sites, SiteId(2), &stances), &Facts { panic, ..facts.clone() })
    }

    #[track_caller]
    fn check(&self, from: (f64, f64), marks: &str, v4: &str) {
        assert_eq!(show(&self.decide(from, &facts(marks)).v4), v4);
    }
}

#[track_caller]
fn check(from: (f64, f64), marks: &str, v4: &str, v6: &str) {
    let decision = Case::new(nearest()).decide(from, &facts(marks));
    assert_eq!((show(&decision.v4).as_str(), show(&decision.v6).as_str()), (v4, v6));
}

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
fn s3_4_all_down_is_ranked_as_if_all_were_up_or_as_the_policy_says() {
    check(UTRECHT, "-- -- --", "[1] home fail-open", "[1] home fail-open");
    check(UTRECHT, "-- --d --", "[0] away fail-open", "[0] away fail-open");
    let servfail = Case::new(Policy { on_all_down: OnAllDown::Servfail, ..nearest() });
    servfail.check(UTRECHT, "-- -- --", "servfail");
    servfail.check(UTRECHT, "++x ++x ++x", "empty");
    let fallback = Case::new(Policy { on_all_down: OnAllDown::Fallback(vec![]), ..nearest() });
    fallback.check(UTRECHT, "-- -- --", "fallback");
    fallback.check(UTRECHT, "-- -- ++", "[2] away");
}

#[test]
fn s2_3_without_a_place_the_default_order_decides_then_the_order_in_the_file() {
    check(NOWHERE, "++ ++ ++", "[0] home", "[0] home");
    check(NOWHERE, "-- ++ ++", "[1] away", "[1] away");
    let case = Case::new(Policy { default_order: names(&["iad"]), ..nearest() });
    case.check(NOWHERE, "++ ++ ++", "[2] home");
    case.check(NOWHERE, "++ ++ --", "[0] away");
    case.check(UTRECHT, "++ ++ ++", "[1] home");
}

#[test]
fn s3_7_count_takes_the_next_best_and_skip_passes_over() {
    Case::new(Policy { count: 2, ..nearest() }).check(UTRECHT, "++ ++ ++", "[1, 0] home");
    Case::new(Policy { count: 2, ..nearest() }).check(UTRECHT, "++ -- --", "[0] away");
    let skip = Case::new(Policy { skip: 1, ..nearest() });
    skip.check(UTRECHT, "++ ++ ++", "[0] home");
    skip.check(UTRECHT, "-- ++ ++", "[2] away");
    skip.check(UTRECHT, "-- ++ --", "[1] away");
}

#[test]
fn s3_1_a_later_tier_serves_only_when_an_earlier_one_has_nobody() {
    let tiers = vec![names(&["iad"]), names(&["fra", "ams"])];
    let case = Case::new(Policy { tiers: tiers.clone(), ..nearest() });
    case.check(UTRECHT, "++ ++ ++", "[2] home");
    case.check(UTRECHT, "++ ++ --", "[1] away");
    case.check(UTRECHT, "++ ++ ++d", "[1] away");
    case.check(UTRECHT, "-- -- ++d", "[2] home");
    case.check(UTRECHT, "-- -- --", "[2] home fail-open");
    // What serves is of one tier, but what is passed over may be a whole one.
    Case::new(Policy { tiers: tiers.clone(), count: 2, ..nearest() }).check(UTRECHT, "++ ++ ++", "[2] home");
    Case::new(Policy { tiers, skip: 1, ..nearest() }).check(UTRECHT, "++ ++ ++", "[1] home");
    let without = Case::new(Policy { tiers: vec![names(&["fra"])], ..nearest() });
    without.check(UTRECHT, "-- ++ ++", "[0] home fail-open");
    without.check(UTRECHT, "0+ ++ ++", "absent");
}

#[test]
fn s3_2_fences_are_never_relaxed() {
    let fences = vec![rule(country("DE"), Effect::Only(names(&["fra", "iad"])))];
    let mut case = Case::new(Policy { fences, ..nearest() });
    case.check(UTRECHT, "++ ++ ++", "[1] home");
    case.country = Some("DE");
    case.check(UTRECHT, "++ ++ ++", "[0] home");
    case.check(UTRECHT, "-- ++ ++", "[2] away");
    case.check(UTRECHT, "-- ++ --", "[0] home fail-open");
    case.check(UTRECHT, "++x ++ ++x", "empty");
    // All that match apply, a rule with `never` among them.
    case.policy.rules = Rules::new(vec![rule(country("DE"), Effect::Never(names(&["fra"])))]);
    case.check(UTRECHT, "++ ++ ++", "[2] home");
    case.policy.fences.push(rule(country("DE"), Effect::Only(names(&["fra"]))));
    case.check(UTRECHT, "++ ++ ++", "empty");
}

#[test]
fn s2_5_the_most_specific_rule_decides_alone() {
    let rules = vec![
        rule(country("DE"), Effect::Order(names(&["iad"]))),
        rule(Match::Prefix(vec![]), Effect::Adjust(vec![("fra".into(), -20_000)])),
        rule(country("DE"), Effect::Order(names(&["ams"]))),
    ];
    let mut case = Case::new(Policy { rules: Rules::new(rules), ..nearest() });
    case.check(UTRECHT, "++ ++ ++", "[1] home");
    case.country = Some("DE");
    case.check(UTRECHT, "++ ++ ++", "[2] home");
    case.check(UTRECHT, "++ ++ --", "[1] away");
    // The site has label 0 here; what a prefix says of it beats the country.
    case.prefixes = vec![PrefixMatch { rule: Some(1), ..PrefixMatch::default() }];
    case.check(UTRECHT, "++ ++ ++", "[0] home");
}

#[test]
fn bias_moves_the_border_and_no_further() {
    // Utrecht is 38 km (0.66 ms) from Amsterdam and 331 km (5.77 ms) from Frankfurt.
    let bias = |us: i32| Case::new(Policy { bias: vec![("ams".into(), us)], ..nearest() });
    bias(5_000).check(UTRECHT, "++ ++ ++", "[1] home");
    bias(5_300).check(UTRECHT, "++ ++ ++", "[0] home");
    bias(-5_000).check(FRA, "++ ++ ++", "[0] home");
    bias(-7_000).check(FRA, "++ ++ ++", "[1] home");
}

#[test]
fn s3_3_panic_ignores_health_until_enough_is_back() {
    let panic = Some(Panic { below: 500, resume: 700 });
    let case = Case::new(Policy { panic, ..nearest() });
    case.check(UTRECHT, "++ -- ++", "[0] away");
    case.check(UTRECHT, "-- -- ++", "[1] home panic");
    case.check(UTRECHT, "-- --d ++", "[0] away panic");
    // 2 of 3 are back: enough not to begin, too few to end.
    let shape = plan(&case.policy, &[]).shape;
    let now = |marks: &str, before| panics(&shape, &facts(marks).members, before);
    assert_eq!(now("-- -- ++", [0; 2]), [1, 1]);
    assert_eq!(now("++ -- ++", [0; 2]), [0, 0]);
    assert_eq!(now("++ -- ++", [1, 1]), [1, 1]);
    assert_eq!(now("++ ++ ++", [1, 1]), [0, 0]);
    // Those who may not serve at all do not count.
    assert_eq!(now("++ -- --x", [0; 2]), [0, 0]);
}

#[test]
fn s2_6_weights_share_and_zero_serves_only_when_nothing_else_is_left() {
    let mut case = Case::new(Policy::built_in("weighted").unwrap());
    case.weights = vec![70, 30, 0];
    case.check(UTRECHT, "++ ++ ++", "split 0:70000/70000 1:30000/30000 rest []");
    case.check(UTRECHT, "-- ++ ++", "split 0:0/70000 1:1000/30000 rest []");
    case.check(UTRECHT, "-- -- ++", "split 0:0/70000 1:0/30000 2:1000/0 rest []");
    case.check(UTRECHT, "++%500 ++ ++", "split 0:35000/70000 1:30000/30000 rest []");
    case.policy.count = 3;
    case.check(UTRECHT, "++ ++ ++", "split 0:70000/70000 1:30000/30000 rest [2]");
}

#[test]
fn near_ties_share() {
    let mut case = Case::new(Policy { near: Some(5_200), ..nearest() });
    case.check(UTRECHT, "++ ++ ++", "split 0:1000/1000 1:1000/1000 rest []");
    case.check(UTRECHT, "-- ++ ++", "split 0:0/1000 1:1000/1000 rest []");
    case.policy.near = Some(5_000);
    case.check(UTRECHT, "++ ++ ++", "[1] home");
    case.check(NOWHERE, "++ ++ ++", "[0] home");
}

#[test]
fn a_share_leaves_the_others_to_whoever_comes_next() {
    let case = Case::new(nearest());
    case.check(UTRECHT, "++ ++%300 ++", "split 0:700000/0 1:300000/1000 rest []");
    case.check(UTRECHT, "++%500 ++%300 ++", "split 0:350000/0 1:300000/1000 2:350000/0 rest []");
    case.check(UTRECHT, "-- ++%300 --", "[1] home");
    case.check(UTRECHT, "++ ++%0 ++", "[0] away");
}

#[test]
fn latency_decides_where_it_gains_more_than_its_margin() {
    let row = |fra: u32, ams: u32| rule(country("NL"), Effect::Latency(vec![("fra".into(), fra), ("ams".into(), ams)]));
    let case = |fra, ams| {
        let map = LatencyMap { rows: Rules::new(vec![row(fra, ams)]), margin: Margin::default() };
        let policy = Policy { rank: Rank::Latency(Arc::new(map)), ..nearest() };
        Case { country: Some("NL"), ..Case::new(policy) }
    };
    case(10_000, 45_000).check(UTRECHT, "++ ++ ++", "[0] home");
    case(10_000, 40_000).check(UTRECHT, "++ ++ ++", "[1] home");
    // Washington has no measurement; its line is 26.7 ms + 0.0174 ms/km over 6,200 km.
    case(200_000, 200_000).check(UTRECHT, "++ ++ ++", "[2] home");
    Case { country: Some("DE"), ..case(10_000, 45_000) }.check(UTRECHT, "++ ++ ++", "[1] home");
}

#[test]
fn the_runners_up_are_who_serves_when_those_before_them_fail() {
    let shape = plan(&nearest(), &[]).shape;
    let class = Class::at(place(UTRECHT));
    let (decision, runners_up) = decide_with_runners_up(&shape, &class, &facts("++ ++ ++").healthy());
    assert_eq!((decision.first(), runners_up), (Some(1), [Some(0), Some(2)]));
}

/// Who is wanted, and how an answer of them is marked.
type Pass<'p> = (&'p dyn Fn(&u16) -> bool, &'static str);

/// A naive pipeline for one family: sorts whole lists, filters, and takes the head.
fn naive(plan: &Plan, policy: &Policy, class: &Class<'_>, facts: &Facts, allowed: &[bool]) -> String {
    let full: Vec<u16> =
        ranking(&plan.shape, class).into_iter().filter(|r| r.tier.is_some()).map(|r| r.member).collect();
    let tier = |index: u16| plan.shape.tiers.iter().position(|set| set.contains(index)).unwrap();
    let fact = |index: &u16| facts.members[usize::from(*index)];
    if full.iter().all(|index| fact(index).v4 == Standing::Absent) {
        return "absent".into();
    }
    let hard: Vec<u16> = full
        .iter()
        .copied()
        .filter(|i| fact(i).v4 != Standing::Absent && !fact(i).forced_down && allowed[usize::from(*i)])
        .collect();
    if hard.is_empty() {
        return "empty".into();
    }
    let serve = |wanted: &dyn Fn(&u16) -> bool| -> Vec<u16> {
        let all: Vec<u16> = hard.iter().copied().filter(|i| wanted(i)).collect();
        let Some(first) = all.first() else { return all };
        let mut of_tier: Vec<u16> = all.iter().copied().filter(|i| tier(*i) == tier(*first)).collect();
        let skip = usize::from(policy.skip);
        let wanted_tiers = all.iter().map(|i| tier(*i)).collect::<std::collections::BTreeSet<_>>();
        for next in wanted_tiers.into_iter().skip(1) {
            if of_tier.len() > skip {
                break;
            }
            of_tier.extend(all.iter().copied().filter(|i| tier(*i) == next));
        }
        let start = skip.min(of_tier.len() - 1);
        of_tier[start..].iter().copied().take(usize::from(policy.count)).collect()
    };
    let home = serve(&|_| true);
    let passes: [Pass<'_>; 4] = [
        (&|i| fact(i).v4.usable() && !fact(i).drained, ""),
        (&|i| fact(i).v4.usable(), ""),
        (&|i| !fact(i).drained, " fail-open"),
        (&|_| true, " fail-open"),
    ];
    for (wanted, mode) in passes {
        let list = serve(wanted);
        if !list.is_empty() {
            let kind = if list[0] == home[0] { "home" } else { "away" };
            return format!("{list:?} {kind}{mode}");
        }
    }
    unreachable!("the last pass takes everyone")
}

proptest! {
    /// The short cuts over chords and tiers agree with sorting and filtering.
    #[test]
    fn choosing_is_the_head_of_the_filtered_ranking(
        points in proptest::collection::vec((-9i8..=9, -18i8..=18, 0u8..4, 0u8..3, -8i32..=8), 1..20),
        from in (-9i8..=9, -18i8..=18),
        marks in proptest::collection::vec((0u8..4, any::<[u8; 2]>()), 20),
        tiers in 0u8..3,
        (count, skip) in (1u8..4, 0u8..3),
        fenced in any::<u32>(),
        biased in any::<bool>(),
    ) {
        let list: Vec<(String, (f64, f64))> = points
            .iter()
            .enumerate()
            .map(|(at, &(a, b, off, ..))| {
                let longitude = if off == 3 { f64::NAN } else { f64::from(b) * 10.0 + f64::from(off) * 1e-4 };
                (format!("p{at}"), (f64::from(a) * 10.0, longitude))
            })
            .collect();
        let pops: Vec<(&str, (f64, f64))> = list.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        let (service, pops) = service(&pops, &[]);
        let only: Vec<String> =
            (0..points.len()).filter(|at| fenced >> at & 1 == 1).map(|at| format!("p{at}")).collect();
        let policy = Policy {
            tiers: (0..tiers)
                .map(|tier| (0..points.len()).filter(|at| points[*at].3 == tier).map(|at| format!("p{at}")).collect())
                .collect(),
            bias: points.iter().enumerate().filter(|_| biased).map(|(at, p)| (format!("p{at}"), p.4 * 2_000)).collect(),
            fences: vec![rule(country("DE"), Effect::Only(only))],
            count,
            skip,
            ..nearest()
        };
        let plan = Plan::new(&policy, &service, &pops);
        let members = marks
            .iter()
            .take(points.len())
            .map(|(standing, [drained, down])| {
                let standing = [Standing::Usable, Standing::Suspect, Standing::Unusable, Standing::Absent][usize::from(*standing)];
                let (drained, forced_down) = (drained % 4 == 0, down % 8 == 0);
                MemberFacts { drained, forced_down, ..MemberFacts::of(standing, standing) }
            })
            .collect();
        let facts = Facts { members, panic: [0; 2] };
        let site = Site {
            place: Place::from_degrees(f64::from(from.0) * 10.0, f64::from(from.1) * 10.0),
            country: Country::new("DE"),
            ..Site::default()
        };
        let mut ranges = Ranges::new(0);
        ranges.push(1, 2);
        let sites = SiteTable::from_ranges(ranges, Ranges::new(0), &[site]).unwrap();
        let stances = Stances::compile(&plan.shape, &sites, &[]);
        let class = Class::of(&sites, SiteId(2), &stances);
        let allowed: Vec<bool> = (0..points.len()).map(|at| fenced >> at & 1 == 1).collect();
        let expected = naive(&plan, &policy, &class, &facts, &allowed);
        prop_assert_eq!(show(&decide(&plan.shape, &class, &facts).v4), expected);
    }

    /// The order of costs is that of sorting every cost.
    #[test]
    fn ranking_is_sorting(
        points in proptest::collection::vec((-90i8..=90, -18i8..=18, -9i32..=9), 1..30),
        from in (-90i8..=90, -18i8..=18),
    ) {
        let list: Vec<(String, (f64, f64))> = points
            .iter()
            .enumerate()
            .map(|(at, &(a, b, _))| (format!("p{at}"), (f64::from(a), f64::from(b) * 10.0)))
            .collect();
        let pops: Vec<(&str, (f64, f64))> = list.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        let (service, pops) = service(&pops, &[]);
        let bias: Vec<_> = points.iter().enumerate().map(|(at, p)| (format!("p{at}"), p.2 * 3_000)).collect();
        let plan = Plan::new(&Policy { bias, ..nearest() }, &service, &pops);
        let client = Place::from_degrees(f64::from(from.0), f64::from(from.1) * 10.0).unwrap();
        let class = Class::at(Some(client));
        let mut expected: Vec<(i64, u16)> = pops
            .iter()
            .enumerate()
            .map(|(at, pop)| {
                let distance = crate::geo::cost(
                    &crate::geo::Vector::of(client),
                    &crate::geo::Vector::of(pop.place.unwrap()),
                    crate::geo::DEFAULT_MS_PER_KM,
                );
                (i64::from(distance) + i64::from(points[at].2 * 3_000), at as u16)
            })
            .collect();
        expected.sort_unstable();
        let order: Vec<_> = ranking(&plan.shape, &class).into_iter().map(|r| (r.cost.unwrap(), r.member)).collect();
        prop_assert_eq!(order, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// With so many members that only those near a client are looked at: who would be found by looking at all, ties included.
    #[test]
    fn the_nearest_of_many_is_the_nearest_of_all(
        points in proptest::collection::vec((-30i8..=30, -60i8..=60, -9i32..=9), 65..150),
        down in proptest::collection::vec(proptest::bool::weighted(0.3), 150),
        clients in proptest::collection::vec((-90i8..=90, -180i16..=180), 60),
        kind in 0u8..3,
    ) {
        let named: Vec<_> = points
            .iter()
            .enumerate()
            .map(|(at, (latitude, longitude, _))| (format!("pop{at}"), (f64::from(*latitude) * 3.0, f64::from(*longitude) * 3.0)))
            .collect();
        let pops: Vec<_> = named.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        let bias = |((name, _), (_, _, us)): (&(String, _), &(i8, i8, i32))| (name.clone(), us * 5_000);
        let bias: Vec<_> = if kind == 0 { vec![] } else { named.iter().zip(&points).map(bias).collect() };
        let (service, list) = service(&pops, &[]);
        let shape = Plan::new(&Policy { bias: bias.clone(), ..nearest() }, &service, &list).shape;
        let marks: Vec<_> = down[..pops.len()].iter().map(|down| if *down { "--" } else { "++" }).collect();
        let facts = facts(&marks.join(" "));
        for (latitude, longitude) in clients {
            let here = place((f64::from(latitude), f64::from(longitude)));
            let site = Site { place: here, ..Site::default() };
            let sites = Arc::new(SiteTable::from_ranges(Ranges::new(2), Ranges::new(0), &[site]).unwrap());
            let stances = Stances::compile(&shape, &sites, &[]);
            let decision = decide(&shape, &Class::of(&sites, SiteId(2), &stances), &facts);
            let from = crate::geo::Vector::of(here.unwrap());
            let total = |at: usize| {
                let to = crate::geo::Vector::of(place(pops[at].1).unwrap());
                let bias = bias.get(at).map_or(0, |(_, us)| i64::from(*us));
                (i64::from(crate::geo::cost(&from, &to, shape.ms_per_km)) + bias, at as u16)
            };
            let nearest = (0..pops.len()).filter(|at| !down[*at]).map(total).min();
            prop_assert_eq!(decision.first(), nearest.map(|found| found.1));
        }
    }
}
