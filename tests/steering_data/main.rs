//! Steering over full city databases, held against an oracle that shares no code with it (`oracle.py`): who is nearest, how wide
//! a scope may be, who comes next after a failure, and what resolvers and splits make of it.
//!
//! `.ci/full.d/60-steering` runs these; by hand, after `oracle.py DATABASES LISTS TRUTH`:
//!
//! `STEERING_GEODB=DATABASES STEERING_LISTS=LISTS STEERING_TRUTH=TRUTH cargo test --release --test steering_data -- --ignored
//! --nocapture --test-threads 1`

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a panic in a test is the report")]
#![expect(unreachable_pub, reason = "a program of its own")]

mod fleet;
mod large;
mod resolver;
mod scopes;
mod splits;
mod truth;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use catchment::geo::SiteTable;
use catchment::live::{MapId, advance, complete};
use catchment::net::{Bits, Block};
use fleet::{Steered, first, firsts, known, nearest, of_site};
use truth::{List, Places, folder, places_of_sites, side_by_side};

/// Every list that is proven.
const LISTS: [&str; 5] = ["12", "aws33", "50", "fastly80", "300"];

/// The site table, read once.
fn sites() -> &'static Arc<SiteTable> {
    static SITES: OnceLock<Arc<SiteTable>> = OnceLock::new();
    SITES.get_or_init(|| fleet::read_sites(folder("STEERING_GEODB")))
}

/// What the oracle says of addresses, read once.
fn places() -> &'static Places {
    static PLACES: OnceLock<Places> = OnceLock::new();
    PLACES.get_or_init(|| Places::read(&folder("STEERING_TRUTH")))
}

fn list(name: &str) -> List {
    List::read(&folder("STEERING_LISTS"), &folder("STEERING_TRUTH"), name)
}

fn steer(list: &List) -> Steered {
    Steered::new(nearest(), list.service.clone(), &list.pops, sites())
}

/// What comes of comparing ranges with the oracle.
#[derive(Default)]
struct Tally {
    ranges: usize,
    doubtful: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn check(&mut self, list: &List, place: i32, got: Option<u16>, address: &dyn Fn() -> String) {
        self.ranges += 1;
        let expected = list.nearest(place, |_| false);
        if got == expected {
            return;
        }
        // Where floating point cannot tell, the next one is as right.
        if list.is_close(place) && list.order(place).get(1).copied() == got {
            self.doubtful += 1;
        } else if self.wrong.len() < 10 {
            self.wrong.push(format!("{}: pop {got:?}, and {expected:?} is nearest", address()));
        }
    }

    fn family<K: Bits>(&mut self, list: &List, truth: &[(K, i32)], ours: &Steered, host: impl Fn(K) -> Block) {
        let live = ours.live();
        for (index, &(start, place)) in truth.iter().enumerate() {
            let end = truth.get(index + 1).and_then(|next| next.0.previous()).unwrap_or(K::MAX);
            for x in [start, end] {
                let chosen = live.choose(ours.map(), &ours.sites, host(x));
                self.check(list, place, first(live, chosen.answer), &|| host(x).to_string());
            }
        }
    }
}

fn v4(base: u32) -> Block {
    Block::V4 { base, length: 32 }
}

fn v6(base: u128) -> Block {
    Block::V6 { base, length: 128 }
}

#[test]
#[ignore = "needs full databases and the oracle: .ci/full.d/60-steering"]
fn nearest_is_the_oracles_on_every_range_of_both_families() {
    for name in LISTS {
        let list = list(name);
        let begun = Instant::now();
        let ours = steer(&list);
        let built = begun.elapsed();
        let (live, firsts) = (ours.live(), firsts(ours.live()));
        let mut sites_tally = Tally::default();
        // Every address: all ranges of the oracle cut at all borders of the site table …
        side_by_side(&places().v4, sites().v4(), |start, _, place, site| {
            sites_tally.check(&list, place, of_site(live, &firsts, site), &|| v4(start).to_string());
        });
        side_by_side(&places().v6, sites().v6(), |start, _, place, site| {
            sites_tally.check(&list, place, of_site(live, &firsts, site), &|| v6(start).to_string());
        });
        // … and as a query would see them, at the first and last address of each range of the oracle.
        let mut queries = Tally::default();
        queries.family(&list, &places().v4, &ours, v4);
        queries.family(&list, &places().v6, &ours, v6);
        let ranges = live.table.as_ref().unwrap().ranges();
        println!(
            "{name}: {} ranges and {} lookups, {} wrong, {} in doubt; live ranges {} + {}, map and tables built in {} ms",
            sites_tally.ranges,
            queries.ranges,
            sites_tally.wrong.len() + queries.wrong.len(),
            sites_tally.doubtful + queries.doubtful,
            ranges.0,
            ranges.1,
            built.as_millis(),
        );
        assert!(
            sites_tally.wrong.is_empty() && queries.wrong.is_empty(),
            "{:?} {:?}",
            sites_tally.wrong,
            queries.wrong
        );
    }
}

#[test]
#[ignore = "needs full databases and the oracle: .ci/full.d/60-steering"]
fn failures_give_the_next_nearest_move_nobody_else_and_leave_no_trace() {
    let places_of_sites = places_of_sites(places(), sites());
    for name in LISTS {
        let list = list(name);
        let ours = steer(&list);
        let well = &ours.live;
        let (homes, count) = (firsts(ours.live()), list.pops.len());
        let failures = list.failures();
        let (mut moved, mut doubtful) = (0usize, 0usize);
        let (mut advances, mut scopes) = (Vec::new(), Vec::new());
        for down in &failures {
            let begun = Instant::now();
            let failed = advance(well, &ours.maps, sites(), &known(count, down));
            advances.push(begun.elapsed());
            let live = failed.map(MapId(0));
            let now = firsts(live);
            let mut alike = std::collections::HashSet::new();
            for (site, &place) in places_of_sites.iter().enumerate() {
                let (before, after) = (of_site(ours.live(), &homes, site as u32), of_site(live, &now, site as u32));
                let hit = before.is_some_and(|pop| down.contains(&pop));
                let expected = list.nearest(place, |pop| down.contains(&pop));
                if after != expected {
                    assert!(list.is_close(place), "{name} without {down:?}, site {site}: {after:?}, not {expected:?}");
                    doubtful += 1;
                }
                moved += usize::from(hit);
                let pair = (ours.live().by_site[site], live.by_site[site]);
                if !hit && after.is_some() && alike.insert(pair) {
                    let same = ours.live().answer(pair.0) == live.answer(pair.1);
                    assert!(before == after && same, "{name}, {down:?}: site {site} moved");
                }
            }
            let begun = Instant::now();
            let failed = complete(&failed, &ours.maps, sites());
            scopes.push(begun.elapsed());
            let back = advance(&failed, &ours.maps, sites(), &known(count, &[]));
            let back = complete(&back, &ours.maps, sites());
            let (was, is) = (well.map(MapId(0)), back.map(MapId(0)));
            assert!(
                was.answers == is.answers && was.by_site == is.by_site,
                "{name}, {down:?}: answers differ after the return"
            );
            assert!(was.table == is.table, "{name}, {down:?}: scopes differ after the return");
        }
        advances.sort();
        scopes.sort();
        let middle = failures.len() / 2;
        println!(
            "{name}: {} failures, {moved} moves of sites all to the oracle's next, {doubtful} in doubt; answers {:.1} ms \
             (worst {:.1}), scopes {:.1} ms (worst {:.1})",
            failures.len(),
            advances[middle].as_secs_f64() * 1e3,
            advances.last().unwrap().as_secs_f64() * 1e3,
            scopes[middle].as_secs_f64() * 1e3,
            scopes.last().unwrap().as_secs_f64() * 1e3,
        );
    }
}
