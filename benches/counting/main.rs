//! What counting costs: every case of `respond` asked a fixed number of times, first alone and then with everything that a UDP
//! thread counts of it (`src/server/udp.rs`), in a function that callgrind counts: see `.ci/full.d/11-counting`. Prints the
//! cases in their order.
//!
//! As there, messages come by full batches: what is received is counted once for a batch, a page is begun for it, and one message
//! in [`ONE_IN`] is looked at closer, with two readings of the clock, the histogram of times and the table of hottest names.
//! Callgrind shows a program no clock but the kernel's, whose instructions it does not see; where the clock is read without
//! the kernel, that takes some 100 instructions for both readings, half an instruction a message. What is sent is counted once for a
//! batch too.

#[path = "../workload/mod.rs"]
mod workload;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use catchment::metrics::{Metrics, ONE_IN, Transport, Writer};
use catchment::query::{AT_ONCE, Batch, Outcome, Room, Who, respond};
use catchment::server::names;
use catchment::snapshot::Snapshot;

/// Queries of each case: all different ones of those that have many, and enough for some to be looked at closer.
const QUERIES: usize = 64 * ONE_IN as usize;
/// Messages of a batch, as in `src/server/batch.rs`.
const BATCH: usize = 64;

type Query<'q> = &'q (Who, Vec<u8>);

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    let current = Arc::new(ArcSwap::from_pointee(workload::snapshot(workload::default_sites())));
    let metrics = Metrics::new();
    metrics.name_with(names(Arc::clone(&current)));
    let mut writer = metrics.writer(Transport::Udp);
    let snapshot = current.load();
    // What is done once for a generation is done before.
    writer.begin(snapshot.generation);
    let mut room = Room::default();
    for case in workload::queries::cases(&snapshot) {
        let queries: Vec<_> = case.queries.iter().cycle().take(QUERIES).collect();
        asked_by_callgrind(&snapshot, &queries, &mut room, None);
        asked_by_callgrind(&snapshot, &queries, &mut room, Some(&mut writer));
        println!("{} {QUERIES}", case.name);
    }
    let (counts, looked_at) = (metrics.read(), metrics.hottest(1_800_000_000, 1).samples);
    assert_eq!(counts.udp.received, counts.udp.answered.iter().sum::<u64>(), "every query of every case is answered");
    assert!(counts.udp.received.div_ceil(looked_at).abs_diff(ONE_IN.into()) < 8, "{looked_at} messages were looked at");
}

/// Asks, and with a writer counts. Callgrind counts in here, and writes a file each time it is left.
#[inline(never)]
fn asked_by_callgrind(snapshot: &Snapshot, queries: &[Query<'_>], room: &mut Room, writer: Option<&mut Writer>) {
    let live = snapshot.live();
    let mut out = [0; 1232];
    let Some(writer) = writer else {
        for queries in queries.chunks(BATCH).flat_map(|batch| batch.chunks(AT_ONCE)) {
            let mut read = Batch::read(snapshot, &live, requests(queries), room);
            for (number, (who, request)) in queries.iter().enumerate() {
                if let Outcome::Responded(ref response) = read.respond(number, who, request, &mut out) {
                    black_box(response.length);
                }
            }
        }
        return;
    };
    for batch in queries.chunks(BATCH) {
        writer.received(batch.len() as u64);
        let (before, others) = batch.split_at(writer.before_closer(batch.len()));
        let mut ask_together = |queries: &[Query<'_>], writer: &mut Writer| {
            for queries in queries.chunks(AT_ONCE) {
                let mut read = Batch::read(snapshot, &live, requests(queries), room);
                let mut page = writer.begin(snapshot.generation);
                for (number, (who, request)) in queries.iter().enumerate() {
                    if let Outcome::Responded(ref response) = read.respond(number, who, request, &mut out) {
                        page.answered(&response.answered);
                        black_box(response.length);
                    }
                }
            }
        };
        ask_together(before, writer);
        if let Some(((who, request), after)) = others.split_first() {
            let mut out = [0; 1232];
            let began = Instant::now();
            if let Outcome::Responded(ref response) = respond(snapshot, &live, who, request, &mut out) {
                let mut page = writer.begin(snapshot.generation);
                page.took(began.elapsed());
                page.asked(request, who.now);
                page.answered(&response.answered);
                black_box(response.length);
            }
            ask_together(after, writer);
        }
        writer.sent(batch.len() as u64);
    }
}

fn requests<'q>(queries: &'q [Query<'q>]) -> impl ExactSizeIterator<Item = (&'q Who, &'q [u8])> + Clone {
    queries.iter().map(|(who, request)| (black_box(who), black_box(request.as_slice())))
}
