//! Runs every case of `respond` a fixed number of times in a function that callgrind counts: see
//! `.ci/full.d/10-instructions`. Prints the cases in the order of their counts, with the times each was asked.

#[path = "../workload/mod.rs"]
mod workload;

use std::hint::black_box;

use catchment::query::respond;
use catchment::snapshot::Snapshot;
use workload::queries::Case;

/// Queries of each case: all different ones of those that have many.
const QUERIES: usize = 4096;

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    let snapshot = workload::snapshot(workload::default_sites());
    for case in workload::queries::cases(&snapshot) {
        counted_by_callgrind(&snapshot, &case);
        println!("{} {QUERIES}", case.name);
    }
}

/// Callgrind counts in here, and writes a file each time it is left.
#[inline(never)]
fn counted_by_callgrind(snapshot: &Snapshot, case: &Case) {
    let live = snapshot.live();
    let mut out = [0; 1232];
    for (who, request) in case.queries.iter().cycle().take(QUERIES) {
        black_box(respond(snapshot, &live, black_box(who), black_box(request), &mut out));
    }
}
