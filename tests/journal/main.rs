//! The query log and dnstap, from an answer to what is read back of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a panic is the report")]

#[path = "../common/mod.rs"]
mod common;
mod dnstap;
mod lines;
mod reader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use catchment::health::State;
use catchment::journal::{Fate, Journal, Noted, Only, Pen, Settings};
use catchment::metrics::{JournalKind, Metrics};
use catchment::query::{Outcome, Response, Who, respond};
use catchment::snapshot::{Current, Identity};
use common::Server;
use tempfile::TempDir;

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
    www steer 0
    * 60 TXT wild
";

/// Longer than anything here takes, shorter than anyone's patience.
const LIMIT: Duration = Duration::from_secs(20);

/// A journal, and answers for it.
struct Desk {
    current: Arc<Current>,
    who: Who,
    journal: Arc<Journal>,
    pen: Pen,
    metrics: Metrics,
    directory: TempDir,
}

impl Desk {
    fn new(states: &[State]) -> Self {
        let Server { snapshot, who } = Server::with(ZONE, Identity::default(), states);
        let (current, metrics) = (Arc::new(ArcSwap::from_pointee(snapshot)), Metrics::new());
        let journal = Arc::new(Journal::new(Arc::clone(&current), metrics.clone()));
        let pen = journal.pen();
        Self { current, who, journal, pen, metrics, directory: tempfile::tempdir().unwrap() }
    }

    fn set(&self, settings: &Settings) {
        self.journal.set(settings).unwrap();
    }

    /// Answers, and takes it down as a listener does. `None`: no answer.
    fn ask(&self, request: &[u8]) -> Option<Response> {
        let mut out = vec![0xee; 4_096];
        let snapshot = self.current.load();
        match respond(&snapshot, &snapshot.live(), &self.who, request, &mut out) {
            Outcome::Responded(response) => {
                self.note(request, &out[..response.length], &response, Fate::Sent);
                Some(response)
            }
            Outcome::Dropped(_) => None,
        }
    }

    fn note(&self, request: &[u8], answer: &[u8], response: &Response, fate: Fate) {
        let took = Some(Duration::from_nanos(1_500));
        self.pen.note(|| Noted { who: &self.who, port: 53, request, answer, response, fate, took });
    }

    /// Written, dropped, lost.
    fn counts(&self, kind: JournalKind) -> [u64; 3] {
        self.metrics.read_all().journaled[kind as usize]
    }
}

fn all() -> Only {
    Only::default()
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "{what}");
        std::thread::yield_now();
    }
}
