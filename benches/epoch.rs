//! What a change costs: homes at compile time, answers and scopes when a PoP fails and returns.
//!
//! `cargo bench --bench epoch`, over `geodb/default.mmdb` and, when `FULL_GEODB` names a folder of `.mmdb` files, over
//! those. With full city data and 50 PoPs answers must flip within 5 ms (`advance`) and scope tables within 40 ms.

mod workload;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use catchment::geo::SiteTable;
use catchment::live::{self, LiveMap};
use criterion::{Criterion, criterion_group, criterion_main};
use workload::{default_sites, full_sites, map, states};

fn bench(criterion: &mut Criterion) {
    over(criterion, "default", &default_sites());
    if let Some(sites) = full_sites() {
        over(criterion, "full", &sites);
    }
}

fn over(criterion: &mut Criterion, data: &str, sites: &Arc<SiteTable>) {
    for pops in [12, 50] {
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
        let failed = live::advance(&first, &maps, sites, &ill);
        group.bench_function("advance/pop-returns", |bencher| {
            bencher.iter(|| live::advance(&failed, &maps, sites, black_box(&well)));
        });
        group.bench_function("scopes", |bencher| {
            bencher.iter(|| failed.maps[0].build_table(black_box(&maps[0]), sites));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
