//! What a change costs: homes at compile time, answers and scopes when a PoP fails and returns; and what a lookup costs.
//!
//! `cargo bench --bench epoch`, over `geodb/default.mmdb` and, when `FULL_GEODB` names a folder of `.mmdb` files, over
//! those. With full city data and 50 PoPs answers must flip within 5 ms (`advance`) and scope tables within 40 ms; with 300
//! PoPs a lookup with its scope takes at most 100 ns (`choose`). The places of 300 PoPs are those of the list that
//! `PLACES_300` names (a file of lines NAME, latitude, longitude), else strewn evenly.

#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod workload;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use catchment::geo::{Place, SiteTable};
use catchment::health::TargetId;
use catchment::live::{self, Live, LiveMap, Map, Source};
use catchment::net::Block;
use catchment::steering::{Member, Policy, Pop, PopId, Service, ServiceAddress};
use criterion::{Criterion, criterion_group, criterion_main};
use workload::{default_sites, full_sites, pops, states};

fn bench(criterion: &mut Criterion) {
    over(criterion, "default", &default_sites());
    if let Some(sites) = full_sites() {
        over(criterion, "full", &sites);
    }
}

fn over(criterion: &mut Criterion, data: &str, sites: &Arc<SiteTable>) {
    for pops in [12, 50, 300] {
        let mut group = criterion.benchmark_group(format!("{data}-{pops}-pops"));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        group.bench_function("homes", |bencher| bencher.iter(|| map(black_box(pops), sites)));
        let maps = [Arc::new(map(pops, sites))];
        let (well, ill) = (states(pops, &[]), states(pops, &[4]));
        group.bench_function("fill", |bencher| {
            bencher.iter(|| LiveMap::fill(&maps[0], sites, black_box(&well), None, []));
        });
        let first = live::epoch::first(&maps, sites, &well, None);
        group.bench_function("advance/pop-fails", |bencher| {
            bencher.iter(|| live::advance(&first, &maps, sites, black_box(&ill)));
        });
        let country = states(pops, &american(pops));
        group.bench_function("advance/country-fails", |bencher| {
            bencher.iter(|| live::advance(&first, &maps, sites, black_box(&country)));
        });
        let failed = live::advance(&first, &maps, sites, &ill);
        group.bench_function("advance/pop-returns", |bencher| {
            bencher.iter(|| live::advance(&failed, &maps, sites, black_box(&well)));
        });
        // Without an earlier table, as at a start; then of the tables that a failure and a return leave behind.
        group.bench_function("scopes/from-nothing", |bencher| {
            bencher.iter(|| first.maps[0].build_table(black_box(&maps[0]), sites));
        });
        let complete = live::complete(&first, &maps, sites);
        let failed = live::advance(&complete, &maps, sites, &ill);
        group.bench_function("scopes/pop-fails", |bencher| {
            bencher.iter(|| failed.maps[0].build_table(black_box(&maps[0]), sites));
        });
        let complete = live::complete(&failed, &maps, sites);
        let back = live::advance(&complete, &maps, sites, &well);
        group.bench_function("scopes/pop-returns", |bencher| {
            bencher.iter(|| back.maps[0].build_table(black_box(&maps[0]), sites));
        });
        let complete = live::complete(&first, &maps, sites);
        choose(&mut group, &maps[0], sites, &complete);
        group.finish();
    }
}

/// Answer and scope of a block: one and the same (hot), and random ones (cold), as many as the processor's caches cannot
/// hold what they lead to.
fn choose(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    map: &Map,
    sites: &SiteTable,
    live: &Live,
) {
    const BLOCKS: usize = 1 << 20;
    let mut seed = 0x5eed_cafe_u64;
    let mut random = || {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            seed ^= if left { seed << shift } else { seed >> shift };
        }
        seed
    };
    let v4 = |base: u64| Block::V4 { base: base as u32 & 0xffff_ff00, length: 24 };
    // At the borders of sites: most of the space belongs to nobody.
    let starts: Vec<u128> = sites.v6().iter().map(|found| found.start).collect();
    let v6 = |random: u64| Block::V6 { base: starts[random as usize % starts.len()] >> 72 << 72, length: 56 };
    let cold: [(&str, Vec<Block>); 2] =
        [("v4", (0..BLOCKS).map(|_| v4(random())).collect()), ("v6", (0..BLOCKS).map(|_| v6(random())).collect())];
    for (family, blocks) in &cold {
        let mut turn = 0;
        group.bench_function(format!("choose/{family}-cold"), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % BLOCKS;
                live.maps[0].choose(map, sites, black_box(blocks[turn]))
            });
        });
    }
    for (family, block) in [("v4", v4(0xc100_0600)), ("v6", v6(1 << 20))] {
        group.bench_function(format!("choose/{family}-hot"), |bencher| {
            bencher.iter(|| live.maps[0].choose(map, sites, black_box(block)));
        });
    }
}

/// Those in the United States, roughly.
fn american(count: usize) -> Vec<usize> {
    let within =
        |place: Place| (24.0..49.1).contains(&place.latitude()) && (-125.0..-66.0).contains(&place.longitude());
    let places = fleet(count).into_iter().map(|pop| pop.place);
    (0..).zip(places).filter(|(_, place)| place.is_some_and(within)).map(|(index, _)| index).collect()
}

fn fleet(count: usize) -> Vec<Pop> {
    if count <= 50 { pops(count) } else { many(count) }
}

/// A map of so many PoPs by distance, an address of each family at each.
fn map(count: usize, sites: &Arc<SiteTable>) -> Map {
    let pops = fleet(count);
    let member = |pop: u32| {
        let addresses = [format!("198.18.{}.{}", pop >> 8, pop & 255), format!("2001:db8::{pop:x}")]
            .map(|ip| ServiceAddress { ip: ip.parse().unwrap(), targets: vec![TargetId(pop)] });
        Member::new(PopId(pop), addresses.into())
    };
    let service = Service::new("web", (0..count as u32).map(member).collect());
    Map::compile(Source::new(Policy::built_in("nearest").unwrap(), service), &pops, sites, [])
}

fn many(count: usize) -> Vec<Pop> {
    let strewn = |n: usize| (f64::from(n as u32 % 13) * 10.0 - 55.0, f64::from(n as u32) * 137.5 % 360.0 - 180.0);
    let places: Vec<(f64, f64)> = match std::env::var_os("PLACES_300") {
        None => (0..count).map(strewn).collect(),
        Some(path) => {
            let text = std::fs::read_to_string(path).unwrap();
            let place = |line: &str| {
                let mut words = line.split('\t').skip(1).map(|word| word.parse().unwrap());
                (words.next().unwrap(), words.next().unwrap())
            };
            text.lines().take(count).map(place).collect()
        }
    };
    let pop = |(index, (latitude, longitude)): (usize, (f64, f64))| Pop {
        name: format!("pop{index}"),
        place: Place::from_degrees(latitude, longitude),
        city: None,
        country: None,
        drained: false,
    };
    places.into_iter().enumerate().map(pop).collect()
}

criterion_group!(benches, bench);
criterion_main!(benches);
