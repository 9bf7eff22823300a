//! Runs every case of `respond` a fixed number of times in a function that callgrind counts: see
//! `.ci/full.d/10-instructions`. Prints the cases in the order of their counts, with the times each was asked.

#[path = "../workload/mod.rs"]
mod workload;

use std::hint::black_box;

use catchment::query::{AT_ONCE, Batch, Room};
use catchment::snapshot::Snapshot;
use workload::queries::Case;

/// Queries of each case: all different ones of those that have many.
const QUERIES: usize = 4096;

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    let sites = workload::default_sites();
    let snapshot = workload::snapshot(sites.clone());
    let mut room = Room::default();
    let cases = workload::queries::cases(&snapshot);
    let variants = workload::queries::variants(&sites, &cases);
    for (snapshot, cases) in [(snapshot, cases)].into_iter().chain(variants) {
        for mut case in cases {
            case.repeat(QUERIES);
            counted_by_callgrind(&snapshot, &case, &mut room);
            println!("{} {QUERIES}", case.name);
        }
    }
}

/// Callgrind counts in here, and writes a file each time it is left. Answers by batches, as a UDP thread does.
#[inline(never)]
fn counted_by_callgrind(snapshot: &Snapshot, case: &Case, room: &mut Room) {
    let live = snapshot.live();
    let mut out = [0; 1232];
    for batch in case.queries.chunks(AT_ONCE) {
        let requests = batch.iter().map(|(who, request)| (black_box(who), black_box(request.as_slice())));
        let mut read = Batch::read(snapshot, &live, requests, room);
        for (number, (who, request)) in batch.iter().enumerate() {
            black_box(read.respond(number, who, request, &mut out));
        }
    }
}
