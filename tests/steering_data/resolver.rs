//! How long a resolver's cache keeps clients at the wrong PoP after a failure and after a return.

use std::cmp::Ordering;
use std::collections::HashMap;

use catchment::live::{Live, MapId, advance, complete};
use catchment::net::{Bits, Block};

use crate::fleet::{Random, first, known};
use crate::{list, places, sites, steer};

/// A cache as RFC 7871 §7.3.1 describes it: an entry per scope block, the longest that is alive and holds the client.
#[derive(Default)]
struct Cache {
    /// (scope, first address) → PoP, and the second from which on it is dead.
    entries: HashMap<(u8, u32), (u16, u64)>,
    /// Scopes that occur, longest first.
    lengths: std::collections::BTreeSet<std::cmp::Reverse<u8>>,
    asked: usize,
}

impl Cache {
    fn get(&self, client: u32, now: u64) -> Option<u16> {
        let at = |length: &std::cmp::Reverse<u8>| self.entries.get(&(length.0, client.first(length.0)));
        self.lengths.iter().filter_map(at).find(|entry| entry.1 > now).map(|entry| entry.0)
    }
}

/// Seconds.
const FAILS: u64 = 100;
const RETURNS: u64 = 260;
const END: u64 = 400;
const HOME: u64 = 60;
const AWAY: u64 = 20;

#[test]
#[ignore = "needs full databases and the oracle: .ci/full.d/60-steering"]
fn caches_are_stale_for_home_after_a_failure_and_for_away_after_a_return() {
    for (name, gone) in [("12", "LHR"), ("50", "FRA"), ("50", "NRT"), ("300", "AMS")] {
        run(name, gone);
    }
}

fn run(name: &str, gone: &str) {
    let list = list(name);
    let text = std::fs::read_to_string(crate::folder("STEERING_LISTS").join(format!("pops-{name}.tsv"))).unwrap();
    let gone_pop = text.lines().position(|line| line.starts_with(gone)).unwrap() as u16;
    let ours = steer(&list);
    let count = list.pops.len();
    let failing = advance(&ours.live, &ours.maps, sites(), &known(count, &[gone_pop]));
    let failed = complete(&failing, &ours.maps, sites());
    let returning = advance(&failed, &ours.maps, sites(), &known(count, &[]));
    let returned = complete(&returning, &ours.maps, sites());

    let mut random = Random(0xcac4e);
    let clients = clients(&list, gone_pop, &mut random);
    let right = |client: u32, live: &Live| {
        let live = live.map(MapId(0));
        let chosen = live.choose(ours.map(), sites(), Block::V4 { base: client, length: 24 });
        (first(live, chosen.answer), live.answer(chosen.answer).ttl, chosen.scope)
    };
    let mut cache = Cache::default();
    // Seconds since the event → answers from the cache that an own question would not have given.
    let mut stale: [Vec<usize>; 2] = [vec![0; 201], vec![0; 201]];
    let mut answered = 0usize;
    for now in 0..END {
        // In the second of an event the scopes are still those of the site ranges.
        let live = match (now.cmp(&FAILS), now.cmp(&RETURNS)) {
            (Ordering::Less, _) => &ours.live,
            (Ordering::Equal, _) => &failing,
            (_, Ordering::Less) => &failed,
            (_, Ordering::Equal) => &returning,
            (_, Ordering::Greater) => &returned,
        };
        for _ in 0..clients.len() / 2 {
            let client = clients[random.below(clients.len() as u64) as usize];
            let (best, ttl, scope) = right(client, live);
            let Some(best) = best else { continue };
            answered += 1;
            match cache.get(client, now) {
                None => {
                    cache.entries.insert((scope, client.first(scope)), (best, now + u64::from(ttl)));
                    cache.lengths.insert(std::cmp::Reverse(scope));
                    cache.asked += 1;
                }
                Some(pop) if pop == best => {}
                Some(_) => {
                    let (event, since) =
                        if now >= RETURNS { (1, now - RETURNS) } else { (0, now.saturating_sub(FAILS)) };
                    assert!(now >= FAILS, "a wrong answer before anything happened");
                    stale[event][since as usize] += 1;
                }
            }
        }
    }
    let longest = |stale: &[usize]| stale.iter().rposition(|n| *n > 0).map_or(0, |seconds| seconds as u64 + 1);
    println!(
        "{name} without {gone}: {answered} questions of {} clients, {} of them asked on",
        clients.len(),
        cache.asked
    );
    for (what, stale) in [("failure", &stale[0]), ("return", &stale[1])] {
        let tens: Vec<usize> = stale.chunks(10).map(|chunk| chunk.iter().sum()).take(7).collect();
        println!("  after the {what}: stale for {} s at most; stale answers per 10 s: {tens:?}", longest(stale));
    }
    assert!((1..=HOME).contains(&longest(&stale[0])), "home is {HOME} s");
    assert!((1..=AWAY).contains(&longest(&stale[1])), "away is {AWAY} s");
}

/// Random /24s: half of them at home at the PoP that goes, the others anywhere near in the address space.
fn clients(list: &crate::truth::List, gone: u16, random: &mut Random) -> Vec<u32> {
    let mut clients = Vec::new();
    let mut tried = 0;
    while clients.len() < 20_000 {
        tried += 1;
        assert!(tried < 5_000_000, "too few clients live near that PoP");
        let base = (random.next() as u32).first(24);
        let index = places().v4.partition_point(|range| range.0 <= base) - 1;
        if list.nearest(places().v4[index].1, |_| false) == Some(gone) {
            // With its neighbors, on both sides of the borders.
            clients.extend([base, base.wrapping_add(256), base.wrapping_sub(256), base ^ 0x0001_0000]);
        }
    }
    clients
}
