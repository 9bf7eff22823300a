//! What counting costs: every case of `respond` asked a fixed number of times, first alone and then with everything that is
//! counted of it, in a function that callgrind counts: see `.ci/full.d/11-counting`. Prints the cases in their order.

#[path = "../workload/mod.rs"]
mod workload;

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;
use catchment::metrics::{Metrics, Transport, Writer};
use catchment::query::{Outcome, respond};
use catchment::server::names;
use catchment::snapshot::Snapshot;
use workload::queries::Case;

/// Queries of each case: all different ones of those that have many.
const QUERIES: usize = 4096;

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    let current = Arc::new(ArcSwap::from_pointee(workload::snapshot(workload::default_sites())));
    let metrics = Metrics::new();
    metrics.name_with(names(Arc::clone(&current)));
    let mut writer = metrics.writer(Transport::Udp);
    let snapshot = current.load();
    for case in workload::queries::cases(&snapshot) {
        asked_by_callgrind(&snapshot, &case, None);
        asked_by_callgrind(&snapshot, &case, Some(&mut writer));
        println!("{} {QUERIES}", case.name);
    }
    let counts = metrics.read();
    assert_eq!(counts.udp.received, counts.udp.answered.iter().sum::<u64>(), "every query of every case is answered");
}

/// Asks, and with a writer counts as a UDP thread does for each message; what is sent is counted once for many. Callgrind counts in here, and writes a file each time it is left.
#[inline(never)]
fn asked_by_callgrind(snapshot: &Snapshot, case: &Case, mut writer: Option<&mut Writer>) {
    let live = snapshot.live();
    let mut out = [0; 1232];
    for (who, request) in case.queries.iter().cycle().take(QUERIES) {
        let outcome = respond(snapshot, &live, black_box(who), black_box(request), &mut out);
        if let Outcome::Responded(response) = &outcome {
            if let Some(writer) = &mut writer {
                writer.received();
                writer.answered(&response.answered);
            }
            black_box(response.length);
        }
    }
}
