//! The scheduler of probes and the probes themselves: [`Prober`] keeps every target of the current
//! plan probed and what is known of it at hand.
//!
//! `schedule` decides when (pure), a file per kind of check decides how, [`crate::health`] decides what a result means.
//! A probe talks to the one address of its target: it resolves no names, follows no redirects, shares no connections.
//! Knows nothing of PoPs, services or answers.

mod attempt;
mod http;
mod prober;
mod schedule;
mod tcp;
mod tls;

pub use crate::health::forbidden;
pub use crate::health::table::Tally as FirstRound;
pub use prober::{LastResult, Prober, Pulse, TargetReport};

/// How probes are made, for all targets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most probes in flight at a time, 1 and up. Default 256.
    pub in_flight: usize,
    /// Certificate authorities that https probes trust besides the public ones, as DER.
    pub authorities: Vec<rustls::pki_types::CertificateDer<'static>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { in_flight: 256, authorities: Vec::new() }
    }
}
