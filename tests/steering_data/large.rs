//! What 1,000 PoPs and 200 policies cost.

use std::sync::Arc;
use std::time::Instant;

use catchment::geo::Place;
use catchment::live::{Homes, Map, MapId, Source, advance, complete, epoch};

use crate::fleet::{known, nearest, of, processor_time};
use crate::{list, sites};

const POPS: usize = 1_000;
const POLICIES: usize = 200;
/// Policies that decide otherwise than the others: `STEERING_MAPS`, else few, as each takes seconds and they all cost alike.
fn different() -> usize {
    std::env::var("STEERING_MAPS").map_or(2, |count| count.parse().unwrap())
}

#[test]
#[ignore = "needs full databases and the oracle: .ci/full.d/60-steering"]
fn a_thousand_pops_and_two_hundred_policies_fit() {
    // Each of the list, and again farther east.
    let list = list("300");
    let places: Vec<Place> = (0..POPS)
        .map(|n| {
            let place = list.pops[n % list.pops.len()].place.unwrap();
            let east = place.longitude() + 1.7 * f64::from((n / list.pops.len()) as u32);
            Place::from_degrees(place.latitude(), if east > 180.0 { east - 360.0 } else { east }).unwrap()
        })
        .collect();
    let (service, pops) = of(&places);
    let different = different();
    let before = resident();
    let begun = processor_time();
    let mut maps: Vec<Arc<Map>> = Vec::new();
    for policy in 0..POLICIES {
        let mut policy_of = nearest();
        policy_of.bias = vec![(format!("pop{}", policy % different), 1_000)];
        let homes: Vec<Arc<Homes>> = maps.iter().map(|map| Arc::clone(&map.homes)).collect();
        maps.push(Arc::new(Map::compile(Source::new(policy_of, service.clone()), &pops, sites(), &homes)));
    }
    let homes = processor_time() - begun;
    let begun = Instant::now();
    let first = epoch::first(&maps, sites(), &known(POPS, &[]), None);
    let answers = begun.elapsed();
    let begun = Instant::now();
    let live = complete(&first, &maps, sites());
    let scopes = begun.elapsed();
    let after = resident();
    let tables: usize = live.maps.iter().take(different).map(|map| map.table.as_ref().unwrap().memory()).sum();
    let statics: usize = maps.iter().take(different).map(|map| map.memory()).sum();
    println!(
        "{POPS} PoPs, {POLICIES} policies, {different} maps: homes {:.1} s of processor time, answers {:.2} s, scopes {:.2} s; per map {} MB of live ranges and \
         {} MB of homes, resident {} MB more",
        homes,
        answers.as_secs_f64(),
        scopes.as_secs_f64(),
        tables / different / 1_000_000,
        statics / different / 1_000_000,
        (after - before) / 1_000,
    );
    for policy in different..POLICIES {
        assert!(
            Arc::ptr_eq(&maps[policy].homes, &maps[policy % different].homes),
            "policies that decide alike share homes"
        );
        let (one, other) = (&live.maps[policy], &live.maps[policy % different]);
        assert!(Arc::ptr_eq(&one.by_site, &other.by_site), "and what follows from them");
        assert!(Arc::ptr_eq(one.table.as_ref().unwrap(), other.table.as_ref().unwrap()), "scopes too");
    }
    let begun = Instant::now();
    let failed = advance(&live, &maps, sites(), &known(POPS, &[7]));
    let (answers, begun) = (begun.elapsed(), Instant::now());
    let failed = complete(&failed, &maps, sites());
    println!(
        "a PoP of all of them fails: answers {} ms, scopes {} ms",
        answers.as_millis(),
        begun.elapsed().as_millis()
    );
    assert!(failed.map(MapId(0)).table.is_some());
    // DESIGN §5: 35 MB a map with 50 PoPs; a thousand have more borders.
    assert!(tables / different < 80_000_000);
}

/// Resident memory in kilobytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
