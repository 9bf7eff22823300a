//! Answers by case, in batches of 32 as UDP threads make them: `cargo bench --bench respond`, one case by
//! `-- '^respond/static$'`. Times are of a whole batch; the throughput is that of queries.
//!
//! Times depend on the machine; the figures that are held are instruction counts (`instructions/`).

mod workload;

use std::hint::black_box;

use catchment::query::{AT_ONCE, Batch, Room};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    let snapshot = workload::snapshot(workload::full_sites().unwrap_or_else(workload::default_sites));
    let cases = workload::queries::cases(&snapshot);
    let live = snapshot.live();
    let mut out = [0; 1232];
    let mut group = criterion.benchmark_group("respond");
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    let mut room = Room::default();
    for mut case in cases {
        case.repeat(case.queries.len().next_multiple_of(AT_ONCE));
        let mut batches = case.queries.chunks_exact(AT_ONCE).cycle();
        group.bench_function(&case.name, |bencher| {
            bencher.iter(|| {
                let batch = batches.next()?;
                let requests = batch.iter().map(|(who, request)| (black_box(who), black_box(request.as_slice())));
                let mut read = Batch::read(&snapshot, &live, requests, &mut room);
                for (number, (who, request)) in batch.iter().enumerate() {
                    black_box(read.respond(number, who, request, &mut out));
                }
                Some(())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
