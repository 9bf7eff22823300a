//! The control API: what operators see of a running server, and what they tell it.
//!
//! HTTP over a Unix socket, whose permissions say who may (`socket`), and over TCP for reading, or with a token (`http`, `gate`);
//! routes under `/api/v1` (`routes`, `lookups`), described in `/openapi.json` (`openapi`); `/metrics` (`metrics`), `/healthz` and
//! `/readyz` (`ready`); types of its own, so that the core may change without breaking scripts ([`wire`], made from the core's
//! in `view`).
//!
//! Reads the snapshot, the prober and what the daemon publishes; changes nothing itself: orders go to the daemon, which
//! answers when they are written down and in force. Never in the way of a query.

mod connection;
mod explaining;
mod gate;
mod http;
mod lookups;
mod metrics;
mod openapi;
mod previewing;
mod ready;
mod reload;
mod routes;
mod socket;
mod view;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::health::State;
use crate::health::overrides::{Done, Order, Overrides, Refusal, RosterPop};
use crate::metrics::Metrics;
use crate::probe::Prober;
use crate::reload::databases::Used;
use crate::reload::watch::Cause;
use crate::snapshot::Current;

pub use gate::Rules;
pub use http::serve as serve_http;
pub use routes::MAX_BODY;
pub use socket::{SocketError, serve};

/// What the API reads, and where orders go.
#[derive(Clone)]
pub struct Desk {
    /// The snapshot that serves.
    pub current: Arc<Current>,
    /// What is measured.
    pub prober: Arc<Prober>,
    /// What the operator said.
    pub overrides: watch::Receiver<Arc<Overrides>>,
    /// The guard against mass failure.
    pub guard: watch::Receiver<Arc<GuardView>>,
    /// What the files are like.
    pub files: watch::Receiver<Arc<Files>>,
    /// Takes orders.
    pub orders: mpsc::Sender<Request>,
    /// Where looks at all files are asked for.
    pub reloads: std::sync::mpsc::Sender<Cause>,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether it serves.
    pub phase: watch::Receiver<Phase>,
    /// What the settings say of this API.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// Databases that are fetched.
    pub fetched: watch::Receiver<Vec<Fetched>>,
    /// When the server started, in seconds since 1970.
    pub started: u64,
}

/// Where the server is between start and stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not listening yet.
    Starting,
    /// It answers.
    Serving,
    /// It takes no new work.
    Draining,
}

/// An order, and where its answer is awaited.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub order: Order,
    /// Told when it is in force, or why not.
    pub reply: oneshot::Sender<Result<Done, OrderError>>,
}

/// Why an order did not come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// The operator's to mend.
    Refused(Refusal),
    /// It could not be written down, so it is not in force; with why.
    NotKept(String),
}

/// What the files are like, for `status` and for orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// When they were looked at last, in seconds since 1970.
    pub looked: u64,
    /// Zones that are served otherwise than their files say, or not at all.
    pub stale: Vec<StaleZone>,
    /// Every error of every file, with its place and help.
    pub errors: Vec<String>,
    /// How many warnings there are beside.
    pub warnings: usize,
    /// The databases in use.
    pub databases: Vec<Used>,
    /// What is wrong with the database files as they are, so that others than they say are in use.
    pub database_trouble: Vec<String>,
    /// Every PoP.
    pub pops: Vec<RosterPop>,
    /// The services and their `min_up`.
    pub services: Vec<(String, u16)>,
    /// Services whose PoPs stay out once they went down.
    pub manual_resume: Vec<String>,
}

/// A database that is fetched. Moments in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// From where, without secrets.
    pub source: String,
    /// The file it replaces.
    pub file: String,
    /// When it was last known to be what the provider has.
    pub looked: Option<u64>,
    /// When the next look is.
    pub next: u64,
    /// Why the last look failed.
    pub error: Option<String>,
    /// Looks that brought a new one.
    pub replaced: u64,
    /// Looks that found nothing new.
    pub unchanged: u64,
    /// Looks that failed.
    pub failed: u64,
}

/// A zone that is served otherwise than its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleZone {
    /// Apex.
    pub zone: String,
    /// Its file, as shown.
    pub file: String,
    /// Why: the first error with its place, or words.
    pub why: String,
    /// How many more errors its file has.
    pub more: usize,
}

/// The guard against mass failure, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardView {
    /// The canaries, and whether each answered its last probe; `None` before the first.
    pub canaries: Vec<(SocketAddr, Option<bool>)>,
    /// What it does.
    pub phase: GuardPhase,
    /// The generation `held` is of.
    pub generation: u64,
    /// By `TargetId`: the state that answers go by instead of the measured one.
    pub held: Vec<Option<State>>,
}

/// What the guard does. Moments in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardPhase {
    /// There are no canaries.
    #[default]
    Off,
    /// It watches.
    Watching,
    /// Answers go by states of before.
    Frozen {
        /// Since when.
        since: u64,
        /// Targets that had turned bad.
        bad: usize,
        /// Of so many.
        of: usize,
    },
    /// Some targets still do.
    Thawing {
        /// Since when.
        since: u64,
    },
}
