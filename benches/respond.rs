//! `query::respond` by case: `cargo bench --bench respond`, one case by `-- '^respond/static$'`.
//!
//! Times depend on the machine; the figures that are held are instruction counts (`instructions/`).

mod workload;

use std::hint::black_box;

use catchment::query::respond;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    let snapshot = workload::snapshot(workload::full_sites().unwrap_or_else(workload::default_sites));
    let cases = workload::queries::cases(&snapshot);
    let live = snapshot.live();
    let mut out = [0; 1232];
    let mut group = criterion.benchmark_group("respond");
    group.throughput(Throughput::Elements(1));
    for case in &cases {
        let mut queries = case.queries.iter().cycle();
        group.bench_function(case.name, |bencher| {
            bencher.iter(|| {
                let (who, request) = queries.next()?;
                Some(respond(&snapshot, &live, black_box(who), black_box(request), &mut out))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
