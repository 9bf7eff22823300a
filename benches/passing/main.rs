//! What answers go by on their way out costs: the rate limit, the query log and dnstap. Every case of `respond` asked a fixed
//! number of times, alone and with one of them, in a function that callgrind counts: see `.ci/full.d/12-passing`. Prints the
//! cases in their order.

#[path = "../workload/mod.rs"]
mod workload;

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;
use catchment::journal::{Fate, Journal, LogSettings, Noted, Only, Pen, Place, Settings, Shown};
use catchment::metrics::Metrics;
use catchment::query::{Outcome, respond};
use catchment::server::rrl::{Limiter, Limits, Mode};
use catchment::snapshot::Snapshot;
use workload::queries::Case;

/// Queries of each case: all different ones of those that have many.
const QUERIES: usize = 4096;

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    let current = Arc::new(ArcSwap::from_pointee(workload::snapshot(workload::default_sites())));
    let snapshot = current.load();
    // Rates that nobody reaches: what is measured is the price of those who are not limited.
    let rates = [Some(1_000_000); 4];
    let limiter = |mode| Limiter::new(&Limits { mode, rates, ..Limits::default() });
    let (off, on) = (limiter(Mode::Off), limiter(Mode::On));
    let journal = |sample: Option<u32>| {
        let journal = Arc::new(Journal::new(Arc::clone(&current), Metrics::new()));
        let log = sample.map(|sample| LogSettings {
            to: Place::File("/dev/null".into()),
            sample,
            only: Only::default(),
            client: Shown::Prefix,
        });
        // Without a thread for its lines there is none to measure either.
        let _ = journal.set(&Settings { log, dnstap: None });
        journal
    };
    let journals = [journal(None), journal(Some(1_000))];
    let [silent, sampled] = [journals[0].pen(), journals[1].pen()];
    let whole = journal(Some(1));
    let whole_pen = whole.pen();
    let ways = [
        ("alone", None, None),
        ("rrl-off", Some(&off), None),
        ("rrl-on", Some(&on), None),
        ("log-off", None, Some(&silent)),
        ("log-1/1000", None, Some(&sampled)),
        ("log-1/1", None, Some(&whole_pen)),
    ];
    for case in workload::queries::cases(&snapshot) {
        // Once before, so that what is made at first use is not counted.
        asked_by_callgrind(&snapshot, &case, Some(&on), Some(&sampled), 64);
        println!("{} warm 64", case.name);
        for (way, limiter, pen) in ways {
            asked_by_callgrind(&snapshot, &case, limiter, pen, QUERIES);
            println!("{} {way} {QUERIES}", case.name);
        }
    }
}

/// Asks, and lets answers go by as a UDP thread does. Callgrind counts in here, and writes a file each time it is left.
#[inline(never)]
fn asked_by_callgrind(snapshot: &Snapshot, case: &Case, limiter: Option<&Limiter>, pen: Option<&Pen>, count: usize) {
    let live = snapshot.live();
    let mut out = [0; 1232];
    for (who, request) in case.queries.iter().cycle().take(count) {
        let outcome = respond(snapshot, &live, black_box(who), black_box(request), &mut out);
        let Outcome::Responded(response) = &outcome else { continue };
        if let Some(limiter) = limiter {
            black_box(limiter.judge(who.source, who.now, &response.answered));
        }
        if let Some(pen) = pen {
            let answer = &out[..response.length];
            pen.note(|| Noted { who, port: 53, request, answer, response, fate: Fate::Sent, took: None });
        }
        black_box(response.length);
    }
}
