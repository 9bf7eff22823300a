//! Answers by case, in batches of 16 as UDP threads make them: `cargo bench --bench respond`, one case by
//! `-- '^respond/static$'`. Times are of a whole batch; the throughput is that of queries. `FULL_GEODB=FOLDER` takes whole
//! databases.
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
    // Half a million client subnets, so that no range is where the query before has left it; in requests that are near, as those
    // are that the kernel has just written.
    let mut random = workload::queries::Random::new();
    let prefixes: Vec<_> = (0..500_000).map(|_| workload::queries::v4(&mut random).octets()).collect();
    let mut prefixes = prefixes.iter().cycle();
    let mut requests = workload::queries::subnets("www.example.com A", AT_ONCE);
    group.bench_function("ecs-500k", |bencher| {
        bencher.iter(|| {
            for (_, request) in &mut requests {
                let (Some(to), Some([a, b, c, _])) = (request.last_chunk_mut::<3>(), prefixes.next()) else { return };
                *to = [*a, *b, *c];
            }
            let asked = requests.iter().map(|(who, request)| (black_box(who), black_box(request.as_slice())));
            let mut read = Batch::read(&snapshot, &live, asked, &mut room);
            for (number, (who, request)) in requests.iter().enumerate() {
                black_box(read.respond(number, who, request, &mut out));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
