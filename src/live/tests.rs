//! The live tables against a naive reading of SEMANTICS §1.5: no ranges, no formula, only "is every address of this block
//! told the same?".

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::geo::{Country, Place, Ranges, Site, SiteId, SiteTable};
use crate::health::{Known, State, TargetId};
use crate::net::{Bits, Block};
use crate::steering::{Choice, Member, Policy, Pop, PopId, Service, ServiceAddress};

const CITIES: [(&str, f64, f64); 4] =
    [("fra", 50.11, 8.68), ("ams", 52.37, 4.90), ("iad", 38.95, -77.45), ("sin", 1.35, 103.99)];

/// A service at the four cities, an IPv4 and an IPv6 address each; target 2n checks city n's IPv4, 2n + 1 its IPv6.
fn service() -> (Service, Vec<Pop>) {
    let pops = CITIES
        .iter()
        .map(|&(name, lat, lon)| Pop {
            name: name.into(),
            place: Place::from_degrees(lat, lon),
            city: None,
            country: None,
            drained: false,
        })
        .collect();
    let address = |ip: String, target| ServiceAddress { ip: ip.parse().unwrap(), targets: vec![TargetId(target)] };
    let members = (0..4)
        .map(|n| {
            let v4 = address(format!("192.0.2.{}", n + 1), 2 * n);
            let v6 = address(format!("2001:db8::{}", n + 1), 2 * n + 1);
            Member::new(PopId(n), vec![v4, v6])
        })
        .collect();
    (Service::new("web", members), pops)
}

fn map(sites: &Arc<SiteTable>) -> Arc<Map> {
    map_of(Policy::built_in("nearest").unwrap(), sites)
}

fn map_of(policy: Policy, sites: &Arc<SiteTable>) -> Arc<Map> {
    let (service, pops) = service();
    let source = Source::new(policy, service);
    Arc::new(Map::compile(source, &pops, sites, []))
}

/// Sites at the four cities (ids 2 to 5) and without a place (6).
fn sites(v4: Ranges<u32, u32>, v6: Ranges<u128, u32>) -> Arc<SiteTable> {
    let at = |place| Site { place, ..Site::default() };
    let mut list: Vec<_> = CITIES.iter().map(|&(_, lat, lon)| at(Place::from_degrees(lat, lon))).collect();
    list.push(Site::default());
    Arc::new(SiteTable::from_ranges(v4, v6, &list).unwrap())
}

fn states(down: &[usize]) -> Known {
    Known::of((0..8).map(|t| if down.contains(&(t / 2)) { State::Down } else { State::Up }).collect::<Vec<_>>())
}

fn live(map: &Arc<Map>, sites: &SiteTable, states: &Known) -> Live {
    epoch::first(std::slice::from_ref(map), sites, states, None)
}

/// The definition itself, by linear scans over (first address, site) borders.
struct Naive<'a, K> {
    borders: &'a [(K, u32)],
    live: &'a LiveMap,
    map: &'a Map,
    clip: u8,
}

impl<K: Bits> Naive<'_, K> {
    fn site(&self, x: K) -> u32 {
        self.borders.iter().rev().find(|b| b.0 <= x).unwrap().1
    }

    /// Site and number of addresses of every stretch inside a block.
    fn stretches(&self, base: K, length: u8) -> Vec<(u32, u128)> {
        let (first, last) = (base.first(length), base.last(length));
        let mut list = Vec::new();
        for (index, &(start, site)) in self.borders.iter().enumerate() {
            let end = self.borders.get(index + 1).map_or(K::MAX, |next| next.0.previous().unwrap());
            if start <= last && end >= first {
                list.push((site, K::count(start.max(first), end.min(last))));
            }
        }
        list
    }

    fn uniform(&self, x: K, length: u8) -> bool {
        let answers: Vec<_> = self.stretches(x, length).iter().map(|s| self.live.by_site[s.0 as usize]).collect();
        answers.windows(2).all(|pair| pair[0] == pair[1])
    }

    fn choose(&self, base: K, length: u8) -> Chosen {
        let own = self.live.by_site[self.site(base) as usize];
        let scope = (1..=K::WIDTH).find(|&l| self.uniform(base, l)).unwrap();
        if scope <= length {
            return Chosen { answer: own, scope };
        }
        if length > self.clip {
            return Chosen { answer: own, scope: length };
        }
        let home = |site: u32| match SiteId(site) {
            SiteId::UNUSABLE => u16::MAX,
            _ => self.map.homes.by_site[site as usize],
        };
        let stretches = self.stretches(base, length);
        if length < self.clip && stretches.len() > 64 {
            return Chosen { answer: own, scope: scope.min(self.clip) };
        }
        let weight = |wanted: &dyn Fn(u32) -> bool| -> u128 {
            stretches.iter().filter(|s| wanted(s.0)).fold(0, |sum: u128, s| sum.saturating_add(s.1))
        };
        let best = stretches
            .iter()
            .map(|s| s.0)
            .rev()
            .max_by_key(|&site| (weight(&|s| home(s) == home(site)), weight(&|s| s == site)))
            .unwrap();
        Chosen { answer: self.live.by_site[best as usize], scope: scope.min(self.clip) }
    }
}

fn ranges<K: Bits>(borders: &[(K, u32)]) -> Ranges<K, u32> {
    let mut ranges = Ranges::new(0);
    for &(start, site) in borders {
        ranges.push(start, site);
    }
    ranges
}

/// Scope tables are built of those before them where there are any; the result is that of building them from nothing.
#[track_caller]
fn check_built_of_earlier(sites: &Arc<SiteTable>, downs: &[Vec<usize>]) {
    let maps = [map(sites)];
    let mut now = complete(&live(&maps[0], sites, &states(&[])), &maps, sites);
    for (step, down) in downs.iter().enumerate() {
        let next = advance(&now, &maps, sites, &states(down));
        // Now and then the next epoch comes before the table is there.
        now = if step % 3 == 0 { next } else { complete(&next, &maps, sites) };
        let built = complete(&now, &maps, sites);
        let anew = complete(&live(&maps[0], sites, &states(down)), &maps, sites);
        assert_eq!(built.map(MapId(0)).by_site, anew.map(MapId(0)).by_site);
        assert_eq!(built.map(MapId(0)).table, anew.map(MapId(0)).table, "step {step} of {downs:?}");
    }
}

fn downs() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(0usize..4, 0..4), 1..6)
}

/// Borders that crowd: most in a few /24s (or /56s), some anywhere.
fn borders<K: Bits>(place: impl Fn(u64) -> K + Copy + 'static) -> impl Strategy<Value = Vec<(K, u32)>> {
    proptest::collection::vec((any::<u64>(), 0u32..7), 0..40).prop_map(move |list| {
        let mut borders: Vec<(K, u32)> = list.into_iter().map(|(seed, site)| (place(seed), site)).collect();
        borders.push((K::ZERO, 0));
        borders.sort_by_key(|b| b.0);
        borders.dedup_by_key(|b| b.0);
        borders
    })
}

fn crowded_v4(seed: u64) -> u32 {
    match seed % 4 {
        0 => (seed >> 32) as u32,
        1 => 0x0102_0300 | ((seed >> 8) as u32 & 0x3ff),
        2 => 0xffff_fe00 | ((seed >> 8) as u32 & 0x1ff),
        _ => (seed >> 40) as u32 & 0x7ff,
    }
}

fn crowded_v6(seed: u64) -> u128 {
    let high = u128::from(crowded_v4(seed)) << 96;
    if seed & 0x80 == 0 { 0x2001_0db8u128 << 96 | u128::from(seed >> 8 & 0x3ff) << 64 } else { high | u128::from(seed) }
}

/// Scope tables of three services, the smaller ones at some of the PoPs only, while PoPs fail and come back: a bit of the work at
/// a time, taken over by whatever epoch there is by then. The tables that are there are always those that hold, and once changes
/// end all are.
#[track_caller]
fn check_storm(sites: &Arc<SiteTable>, steps: &[(Vec<usize>, usize, usize)]) {
    let maps = [4, 3, 2].map(|members| {
        let (mut service, pops) = service();
        service.members.truncate(members);
        Arc::new(Map::compile(Source::new(Policy::built_in("nearest").unwrap(), service), &pops, sites, []))
    });
    let mut now = complete(&epoch::first(&maps, sites, &states(&[]), None), &maps, sites);
    let mut next = 0;
    let check = |now: &Live, down: &[usize]| {
        let anew = complete(&epoch::first(&maps, sites, &states(down), None), &maps, sites);
        for (map, anew) in now.maps.iter().zip(&anew.maps) {
            assert_eq!(map.by_site, anew.by_site, "{steps:?}");
            assert!(map.table.is_none() || map.table == anew.table, "{steps:?}");
        }
    };
    for (down, meanwhile, many) in steps {
        now = advance(&now, &maps, sites, &states(down));
        let left = std::cell::Cell::new(*many);
        let enough = || left.replace(left.get().saturating_sub(1)) == 0;
        let (completed, then) = complete_some(&now, &maps, sites, next, &enough);
        next = then;
        let missing = |live: &Live| live.maps.iter().filter(|map| map.table.is_none()).count();
        assert!(missing(&completed) <= missing(&now).saturating_sub(*many + 1), "{steps:?}");
        // Something may change before the work is done.
        let down = if *meanwhile < 4 { vec![*meanwhile] } else { down.clone() };
        now = advance(&now, &maps, sites, &states(&down));
        now = adopt(&now, &completed).unwrap_or(now);
        check(&now, &down);
    }
    let last = steps.last().map(|(down, meanwhile, _)| if *meanwhile < 4 { vec![*meanwhile] } else { down.clone() });
    for _ in &maps {
        let (completed, then) = complete_some(&now, &maps, sites, next, &|| true);
        next = then;
        now = adopt(&now, &completed).unwrap_or(now);
    }
    assert!(now.is_complete(), "{steps:?}");
    check(&now, &last.unwrap_or_default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn s1_12_scope_tables_in_a_storm(
        borders in borders(crowded_v4),
        steps in proptest::collection::vec((proptest::collection::vec(0usize..4, 0..3), 0usize..8, 0usize..3), 1..8),
    ) {
        check_storm(&sites(ranges(&borders), Ranges::new(0)), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn s1_5_ipv4_choices_are_those_of_the_definition(
        borders in borders(crowded_v4),
        down in proptest::collection::vec(0usize..4, 0..4),
        asked in proptest::collection::vec((any::<u64>(), 1u8..=32), 40),
    ) {
        let sites = sites(ranges(&borders), Ranges::new(0));
        let map = map(&sites);
        let maps = [Arc::clone(&map)];
        let first = live(&map, &sites, &states(&down));
        let complete = complete(&first, &maps, &sites);
        let naive = Naive { borders: &borders, live: complete.map(MapId(0)), map: &map, clip: 24 };
        for (seed, length) in asked {
            let base = crowded_v4(seed).first(length);
            let block = Block::V4 { base, length };
            let exact = complete.map(MapId(0)).choose(&map, &sites, block);
            prop_assert_eq!(exact, naive.choose(base, length), "{}", block);
            // Before the scope table is there: the same answer, the scope never wider than true.
            let early = first.map(MapId(0)).choose(&map, &sites, block);
            prop_assert!(early.scope >= exact.scope, "{}", block);
            prop_assert_eq!(early.answer, exact.answer, "{}", block);
        }
    }

    #[test]
    fn s1_5_ipv6_choices_are_those_of_the_definition(
        borders in borders(crowded_v6),
        down in proptest::collection::vec(0usize..4, 0..4),
        asked in proptest::collection::vec((any::<u64>(), 1u8..=128), 40),
    ) {
        let sites = sites(Ranges::new(0), ranges(&borders));
        let map = map(&sites);
        let complete = complete(&live(&map, &sites, &states(&down)), &[Arc::clone(&map)], &sites);
        let naive = Naive { borders: &borders, live: complete.map(MapId(0)), map: &map, clip: 56 };
        for (seed, length) in asked {
            let base = crowded_v6(seed).first(length);
            let block = Block::V6 { base, length };
            prop_assert_eq!(complete.map(MapId(0)).choose(&map, &sites, block), naive.choose(base, length), "{}", block);
        }
    }

    /// A failure moves nobody else, and a return restores equal answers and scopes (SEMANTICS §3.5).
    #[test]
    fn s3_5_only_clients_of_the_failed_pop_move(borders in borders(crowded_v4), down in 0usize..4) {
        let sites = sites(ranges(&borders), Ranges::new(0));
        let maps = [map(&sites)];
        let well = complete(&live(&maps[0], &sites, &states(&[])), &maps, &sites);
        let failed = complete(&advance(&well, &maps, &sites, &states(&[down])), &maps, &sites);
        let back = complete(&advance(&failed, &maps, &sites, &states(&[])), &maps, &sites);
        for &(start, _) in &borders {
            for length in [8, 16, 24, 32] {
                let block = Block::V4 { base: start.first(length), length };
                let choice = |live: &Live| {
                    let map = live.map(MapId(0));
                    let chosen = map.choose(&maps[0], &sites, block);
                    (map.answer(chosen.answer).clone(), chosen.scope)
                };
                let first_pop = |choice: &Choice| match choice {
                    Choice::Members { members, .. } => members[0] as usize,
                    _ => usize::MAX,
                };
                let (before, after) = (choice(&well), choice(&failed));
                if first_pop(&before.0.decision.v4) == down {
                    prop_assert!(first_pop(&after.0.decision.v4) != down);
                } else {
                    prop_assert_eq!(&before.0, &after.0);
                    prop_assert!(after.1 <= before.1 || before.1 == length, "{}: {} then {}", block, before.1, after.1);
                }
                prop_assert_eq!(before, choice(&back));
            }
        }
    }
}

proptest! {
    #[test]
    fn scope_tables_do_not_depend_on_those_before_them(
        v4 in borders(crowded_v4),
        v6 in borders(crowded_v6),
        downs in downs(),
    ) {
        check_built_of_earlier(&sites(ranges(&v4), ranges(&v6)), &downs);
    }

    /// The same where an overlay cuts the ranges once more.
    #[test]
    fn nor_under_an_overlay(v4 in borders(crowded_v4), over in borders(crowded_v4), downs in downs()) {
        let overlay = crate::geo::Overlay { v4: over, ..Default::default() };
        let sites = SiteTable::overlaid(&sites(ranges(&v4), Ranges::new(0)), None, &overlay);
        check_built_of_earlier(&sites, &downs);
    }
}

proptest! {
    /// Whatever short cuts filling takes, every site has what deciding it gives.
    #[test]
    fn every_site_has_its_own_decision(
        states in proptest::collection::vec(0u8..5, 8),
        drained in proptest::collection::vec(proptest::bool::weighted(0.2), 4),
        families in proptest::collection::vec(0u8..6, 4),
        count in 1u8..3,
        skip in 0u8..2,
        kind in 0u8..5,
        shares in proptest::collection::vec(0u8..8, 4),
    ) {
        let sites = sites(Ranges::new(0), Ranges::new(0));
        let (mut service, mut pops) = service();
        service.slow_start = (kind % 2 == 0).then_some(std::time::Duration::from_millis(8));
        for ((member, pop), (family, drained)) in
            service.members.iter_mut().zip(&mut pops).zip(families.into_iter().zip(drained))
        {
            pop.drained = drained;
            member.weight = u32::from(family) * 10;
            match family {
                0 => drop(member.addresses.remove(0)),
                1 => drop(member.addresses.remove(1)),
                _ => {}
            }
        }
        let all = [State::Unknown, State::Up, State::Suspect, State::Down, State::Recovering];
        let states: Vec<_> = states.into_iter().map(|s| all[usize::from(s)]).collect();
        let policy = match kind {
            0 => Policy::built_in("nearest").unwrap(),
            1 => Policy { count, skip, ..Policy::built_in("nearest").unwrap() },
            2 => Policy { count, ..Policy::built_in("weighted").unwrap() },
            3 => Policy { near: Some(8_000), skip, ..Policy::built_in("nearest").unwrap() },
            _ => Policy {
                tiers: vec![vec!["sin".into(), "fra".into()], vec!["ams".into()]],
                panic: Some(crate::steering::Panic { below: 500, resume: 600 }),
                ..Policy::built_in("nearest").unwrap()
            },
        };
        let source = Source::new(policy, service);
        let map = Map::compile(source, &pops, &sites, []);
        let known = Known { now_ms: 1_000_000, returned_ms: shares.iter().map(|s| 1_000_000 - u64::from(*s)).collect(), ..Known::of(states) };
        let live = LiveMap::fill(&map, &sites, &known, None, []);
        for site in (0..sites.len()).map(|id| SiteId(id as u32)).filter(|id| *id != SiteId::UNUSABLE) {
            let answer = live.answer(live.by_site[site.0 as usize]);
            prop_assert_eq!(&answer.decision, &map.decide(&sites, site, &live.facts), "{:?}", site);
        }
    }
}

/// A reload while a share between the two limits is usable.
#[test]
fn s3_3_panic_outlives_a_reload() {
    let sites = sites(Ranges::new(0), Ranges::new(0));
    let careful = |resume| {
        let panic = Some(crate::steering::Panic { below: 500, resume });
        [map_of(Policy { panic, ..Policy::built_in("nearest").unwrap() }, &sites)]
    };
    let maps = careful(600);
    let (third, half) = (states(&[0, 1, 2]), states(&[0, 1]));
    let panics = |live: &Live| live.map(MapId(0)).facts.any_panic();
    let first = |maps: &[Arc<Map>], before: Option<&Live>| {
        panics(&epoch::first(maps, &sites, &half, before.map(|live| (maps, live))))
    };
    let ill = live(&maps[0], &sites, &third);
    let better = advance(&ill, &maps, &sites, &half);
    assert!(panics(&ill) && panics(&better));
    // By the definition it would not begin now.
    assert!(!first(&maps, None));
    assert!(first(&maps, Some(&better)));
    // An end that is reached by the new files ends it, and so do other tiers.
    assert!(!first(&careful(500), Some(&better)));
    let other = Policy { tiers: vec![CITIES.map(|city| city.0.to_owned()).to_vec()], ..(*maps[0].policy).clone() };
    let reloaded = epoch::first(&[map_of(other, &sites)], &sites, &half, Some((&maps[..], &better)));
    assert!(!panics(&reloaded));
}

#[test]
fn s1_7_a_steered_answer_never_has_scope_0_even_where_everybody_gets_the_same() {
    let sites = Arc::new(SiteTable::from_ranges(Ranges::new(0), Ranges::new(0), &[]).unwrap());
    let map = map(&sites);
    let live = complete(&live(&map, &sites, &Known::default()), &[Arc::clone(&map)], &sites);
    let chosen = live.map(MapId(0)).choose(&map, &sites, Block::parse("198.51.100.0/24").unwrap());
    assert_eq!(chosen.scope, 1);
}

#[test]
fn s1_9_unusable_blocks_have_a_scope_of_their_own_and_leave_the_choice_to_the_resolver() {
    let sites = Arc::new(SiteTable::empty());
    let map = map(&sites);
    let live = complete(&live(&map, &sites, &Known::default()), &[Arc::clone(&map)], &sites);
    for (block, scope) in
        [("10.1.2.0/24", 8), ("192.168.7.0/24", 16), ("100.64.0.0/24", 10), ("240.0.0.0/24", 3), ("fe80::/56", 10)]
    {
        let chosen = live.map(MapId(0)).choose(&map, &sites, Block::parse(block).unwrap());
        assert_eq!((chosen.answer, chosen.scope), (AnswerId::RESOLVER, scope), "{block}");
    }
}

#[test]
fn s3_8_ttls_are_home_away_and_suspect() {
    let mut ranges = Ranges::new(0);
    ranges.push(0, 3);
    let sites = sites(ranges, Ranges::new(0));
    let map = map(&sites);
    let ttl = |states: &Known| {
        let live = live(&map, &sites, states);
        let chosen = live.map(MapId(0)).choose(&map, &sites, Block::host("192.0.2.1".parse::<IpAddr>().unwrap()));
        live.map(MapId(0)).answer(chosen.answer).ttl
    };
    assert_eq!(ttl(&Known::default()), 60, "everything unknown");
    assert_eq!(ttl(&states(&[0])), 60, "another PoP is down");
    assert_eq!(ttl(&states(&[1])), 20, "the home PoP is down");
    assert_eq!(ttl(&states(&[0, 1, 2, 3])), 10, "fail-open");
    let mut suspect = states(&[]);
    suspect.states[2] = State::Suspect;
    assert_eq!(ttl(&suspect), 10, "the chosen PoP is suspect");
    // IPv6 alone failing makes AAAA stand in, and A and AAAA share the smaller TTL.
    let mut v6 = states(&[]);
    v6.states[3] = State::Down;
    assert_eq!(ttl(&v6), 20);
}

#[test]
fn s1_5_suspect_changes_ttls_and_keeps_the_scope_table() {
    let mut ranges = Ranges::new(0);
    ranges.push(0, 3);
    let sites = sites(ranges, Ranges::new(0));
    let maps = [map(&sites)];
    let well = complete(&live(&maps[0], &sites, &states(&[])), &maps, &sites);
    let mut suspect = states(&[]);
    suspect.states[2] = State::Suspect;
    let next = advance(&well, &maps, &sites, &suspect);
    assert!(next.is_complete());
    assert_eq!(next.map(MapId(0)).answers.iter().map(|a| a.ttl).min(), Some(10));
}

#[test]
fn answers_hold_only_usable_addresses_unless_all_are_down() {
    let sites = Arc::new(SiteTable::empty());
    let (mut service, pops) = service();
    service.members[0]
        .addresses
        .push(ServiceAddress { ip: "192.0.2.100".parse().unwrap(), targets: vec![TargetId(8)] });
    let source = Source::new(Policy::built_in("failover").unwrap(), service);
    let map = Map::compile(source, &pops, &sites, []);
    let a = |states: &Known| {
        let live = LiveMap::fill(&map, &sites, states, None, []);
        live.nowhere().records.a.clone()
    };
    let mut states = states(&[]);
    states.states.push(State::Up);
    assert_eq!(a(&states).count, 2);
    assert_eq!(&a(&states).bytes[..14], [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    states.states[8] = State::Down;
    assert_eq!(a(&states).count, 1);
    assert_eq!(a(&Known::of([State::Down; 9])).count, 2);
}

proptest! {
    /// Pruning keeps to its budget, as worked out anew from the ranges it gives; and blurs nothing that a fence tells apart.
    #[test]
    fn pruned_ranges_cost_what_they_say(
        list in proptest::collection::vec((any::<u32>(), 0u32..6), 1..60),
        meters in proptest::sample::select(vec![1u32, 1_000, 20_000, 300_000, 3_000_000]),
        fenced in any::<bool>(),
    ) {
        use crate::steering::rule::{Effect, Match, Origin, Rule};
        use crate::steering::Detail;
        // Borders on /24s alone: within one every answer is a majority's, which is not the pruning's doing.
        let mut borders: Vec<(u32, u32)> = list.into_iter().map(|(at, site)| (crowded_v4(u64::from(at) << 32 | u64::from(at)) & !0xff, site)).collect();
        borders.push((0, 3));
        borders.sort_by_key(|b| b.0);
        borders.dedup_by_key(|b| b.0);
        let at = |city: usize| Site {
            place: Place::from_degrees(CITIES[city].1, CITIES[city].2),
            country: Country::new(if city == 2 { "US" } else { "DE" }),
            ..Site::default()
        };
        let table: Vec<_> = (0..4).map(at).collect();
        let sites = Arc::new(SiteTable::from_ranges(ranges(&borders), Ranges::new(0), &table).unwrap());
        let fence = Rule {
            class: Match::Country(vec![Country::new("US").unwrap()]),
            effect: Arc::new(Effect::Only(vec!["iad".into(), "sin".into()])),
            origin: Origin { file: "test".into(), line: 1 },
        };
        let fences = if fenced { vec![fence] } else { vec![] };
        let exact = Policy { fences, ..Policy::built_in("nearest").unwrap() };
        let coarse = map_of(Policy { detail: Detail::Budget(meters), ..exact.clone() }, &sites);
        let exact = map_of(exact, &sites);
        let [pruned, _] = coarse.pruned().unwrap();
        let (mut detour, mut weight) = (0.0, 0.0);
        for found in coarse.v4(&sites).iter() {
            for original in sites.v4().from(found.start).take_while(|original| original.start <= found.end) {
                let (own, given) = (SiteId(original.value), SiteId(found.value));
                if own.0 < 2 || given.0 < 2 {
                    prop_assert_eq!(own, given);
                    continue;
                }
                let stance = |site| exact.homes.stances.of(site);
                prop_assert_eq!(stance(own), stance(given));
                let home = |site: SiteId| usize::from(exact.homes.decisions[usize::from(exact.homes.by_site[site.0 as usize])].first().unwrap());
                let place = |city: usize| Place::from_degrees(CITIES[city].1, CITIES[city].2).unwrap();
                let client = place(own.0 as usize - 2);
                let size = f64::from(original.end.min(found.end) - original.start.max(found.start)) + 1.0;
                detour += size * (client.kilometers_to(place(home(given))) - client.kilometers_to(place(home(own)))).max(0.0);
                weight += size;
            }
        }
        let kilometers = if weight == 0.0 { 0.0 } else { detour / weight };
        prop_assert!((kilometers - pruned.kilometers).abs() < 0.001 * kilometers + 3.0, "{kilometers} {pruned:?}");
        prop_assert!(pruned.kilometers * 1e3 <= f64::from(meters));
        prop_assert!(coarse.v4(&sites).iter().count() <= sites.v4().iter().count());
    }
}

#[test]
fn what_maps_share_counts_once() {
    let sites = sites(Ranges::new(2), Ranges::new(3));
    let (service, pops) = service();
    let compile = |policy: Policy, others: &[Arc<Map>]| {
        let homes = others.iter().map(|map| &map.homes);
        Arc::new(Map::compile(Source::new(policy, service.clone()), &pops, &sites, homes))
    };
    let one = compile(Policy::built_in("nearest").unwrap(), &[]);
    let alike = compile(Policy { name: "alike".into(), ..Policy::built_in("nearest").unwrap() }, &[Arc::clone(&one)]);
    let other = compile(Policy::built_in("failover").unwrap(), &[Arc::clone(&one)]);
    let maps = [one, other, alike];
    let live = complete(&epoch::first(&maps, &sites, &states(&[]), None), &maps, &sites);
    let held = memory::held(&maps, &live);
    let ids: Vec<_> = held.iter().map(|held| held.maps.clone()).collect();
    assert_eq!(ids, [vec![MapId(0), MapId(2)], vec![MapId(1)]]);
    let alone = memory::held(&maps[..1], &live);
    assert_eq!((held[0].homes, held[0].live), (alone[0].homes, alone[0].live));
    assert_eq!(held[0].ranges, Some((1, 1)));
    assert!(held[0].homes > 0 && held[0].live > 2 * sites.len());
}
