//! The scheduler of probes and the probes themselves: [`Prober`] keeps every target of the current
//! plan probed and what is known of it at hand.
//!
//! `schedule` decides when (pure), a file per kind of check decides how, [`crate::health`] decides what a result means.
//! A probe talks to the one address of its target: it resolves no names, follows no redirects, shares no connections.
//! Knows nothing of PoPs, services or answers.

mod attempt;
mod dialog;
mod dns;
mod exec;
mod grpc;
mod http;
mod http2;
mod icmp;
mod prober;
pub mod push;
mod schedule;
mod tcp;
mod tls;
mod tools;

use std::path::PathBuf;

pub use crate::health::forbidden;
pub use crate::health::table::Tally as FirstRound;
pub use prober::{LastResult, PastChange, Prober, Pulse, TargetReport};
pub use push::Pushed;

pub use crate::tls::authorities;

/// How probes are made, for all targets.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The most probes in flight at a time, 1 and up; `None` lets it follow the plan, from 256 to 8192. Default `None`.
    pub in_flight: Option<usize>,
    /// Certificate authorities that probes over TLS trust besides the public ones, as DER.
    pub authorities: Vec<rustls::pki_types::CertificateDer<'static>>,
    /// Whether `exec` checks may run programs. Default false.
    pub exec: bool,
    /// The directory of pushed values; `None` has none. Default `None`.
    pub push: Option<PathBuf>,
}
