//! Splits by weight: shares, deviations, and who moves when a weight does.

use std::collections::HashMap;
use std::sync::Arc;

use catchment::geo::{Ranges, Site, SiteId, SiteTable};
use catchment::net::Block;
use catchment::steering::{Family, Policy};

use crate::fleet::{Steered, of};
use crate::truth::List;
use crate::{list, sites};

/// Two PoPs by weight.
fn weighted(list: &List, weights: [u32; 2], sites: &Arc<SiteTable>) -> Steered {
    let places: Vec<_> = list.pops[..2].iter().map(|pop| pop.place.unwrap()).collect();
    let (mut service, pops) = of(&places);
    for (member, weight) in service.members.iter_mut().zip(weights) {
        member.weight = weight;
    }
    Steered::new(Policy::built_in("weighted").unwrap(), service, &pops, sites)
}

/// Who serves a client subnet, with its scope; `None` where the resolver decides.
fn serves(ours: &Steered, base: u32) -> Option<(u16, u8)> {
    let block = Block::V4 { base, length: 24 };
    let chosen = ours.live().choose(ours.map(), &ours.sites, block);
    if chosen.answer == catchment::live::AnswerId::RESOLVER {
        return None;
    }
    let answer = ours.live().answer(chosen.answer);
    let dealt = ours.live().deal(answer, ours.map(), || ours.map().plan.unit_of_subnet(block)).expect("a split");
    Some((dealt.members(Family::V4)[0], chosen.scope))
}

const UNIT: u32 = 1 << 12;

fn units() -> impl Iterator<Item = u32> {
    (0..1u32 << 20).map(|unit| unit * UNIT)
}

#[expect(clippy::cast_precision_loss, reason = "counts of units")]
fn share(part: usize, all: usize) -> f64 {
    part as f64 / all as f64
}

#[test]
#[ignore = "needs full databases and the oracle: .ci/full.d/60-steering"]
fn s2_6_weights_hold_over_all_of_ipv4_and_in_small_countries() {
    let list = list("12");
    let ours = weighted(&list, [70, 30], sites());
    let (mut all, mut second) = (0usize, 0usize);
    let mut countries: HashMap<String, (usize, usize)> = HashMap::new();
    for base in units() {
        let Some((pop, scope)) = serves(&ours, base) else { continue };
        assert!(scope >= 20, "a unit is a /20, and {scope} is wider");
        all += 1;
        second += usize::from(pop == 1);
        let site = sites().site(SiteId(sites().v4().find(base).value));
        if let Some(country) = site.country {
            let known = countries.entry(country.to_string()).or_default();
            known.0 += 1;
            known.1 += usize::from(pop == 1);
        }
    }
    println!("70/30 over IPv4: {all} units, {:.3} % at the second", 100.0 * share(second, all));
    assert!((share(second, all) - 0.3).abs() < 0.005);

    // The standard deviation of a share over so many units.
    let deviation = |units: usize| (0.3 * 0.7 / share(units, 1)).sqrt();
    let mut small: Vec<_> = countries.into_iter().filter(|(_, (units, _))| (150..=250).contains(units)).collect();
    small.sort_by_key(|(name, (units, _))| (units.abs_diff(200), name.clone()));
    let (name, (units, at_second)) = &small[0];
    println!(
        "70/30 over {name}: {units} units, {:.1} % at the second; the deviation is {:.1} points",
        100.0 * share(*at_second, *units),
        100.0 * deviation(*units)
    );
    let off = |units: usize, second: usize| (share(second, units) - 0.3).abs() / deviation(units);
    let within = small.iter().filter(|(_, (units, second))| off(*units, *second) <= 1.0).count();
    let worst = small.iter().map(|(_, (units, second))| off(*units, *second)).fold(0.0, f64::max);
    println!(
        "{} countries of 150 to 250 units: {within} within one deviation, the worst {worst:.2} deviations off",
        small.len()
    );
    assert!(within * 2 >= small.len() && worst < 4.0, "{small:?}");
}

#[test]
#[ignore = "needs full databases and the oracle: .ci/full.d/60-steering"]
fn s2_6_raising_a_weight_moves_clients_only_toward_it() {
    let list = list("12");
    let (before, after) = (weighted(&list, [70, 30], sites()), weighted(&list, [70, 40], sites()));
    let (mut toward, mut away, mut all) = (0usize, 0usize, 0usize);
    for base in units() {
        let Some(((was, _), (is, _))) = serves(&before, base).zip(serves(&after, base)) else { continue };
        all += 1;
        toward += usize::from(was == 0 && is == 1);
        away += usize::from(was == 1 && is == 0);
    }
    println!("30 to 40: {toward} of {all} units move toward it ({:.2} %), {away} away", 100.0 * share(toward, all));
    assert_eq!(away, 0);
    assert!((share(toward, all) - (40.0 / 110.0 - 0.3)).abs() < 0.005);
}

/// One range over a whole /2, and nothing else.
#[test]
fn s2_6_a_block_in_one_range_splits_as_well_as_any() {
    let mut ranges = Ranges::new(0);
    ranges.push(1 << 30, 2);
    ranges.push(2 << 30, 0);
    let sites = Arc::new(SiteTable::from_ranges(ranges, Ranges::new(0), &[Site::default()]).unwrap());
    let (service, pops) = two();
    let ours = Steered::new(Policy::built_in("weighted").unwrap(), service, &pops, &sites);
    let (mut all, mut second) = (0usize, 0usize);
    for base in units().filter(|base| base >> 30 == 1) {
        let (pop, scope) = serves(&ours, base).unwrap();
        assert_eq!(scope, 20);
        all += 1;
        second += usize::from(pop == 1);
    }
    println!("70/30 over a /2 in one range: {all} units, {:.3} % at the second", 100.0 * share(second, all));
    assert!((share(second, all) - 0.3).abs() < 0.005);
}

fn two() -> (catchment::steering::Service, Vec<catchment::steering::Pop>) {
    let place = |latitude, longitude| catchment::geo::Place::from_degrees(latitude, longitude).unwrap();
    let (mut service, pops) = of(&[place(50.0, 8.0), place(39.0, -77.0)]);
    (service.members[0].weight, service.members[1].weight) = (70, 30);
    (service, pops)
}
