//! What all probes share: made once, when the prober starts.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::Settings;
use super::tls::Connectors;

/// What probes are made with.
pub(crate) struct Tools {
    pub(crate) connectors: Connectors,
    /// Whether programs may be run.
    pub(crate) exec: bool,
    /// Where pushed values are.
    pub(crate) push: Option<PathBuf>,
    said: Mutex<HashSet<&'static str>>,
}

impl Tools {
    /// Fails only when TLS cannot be set up.
    pub(crate) fn new(settings: &Settings) -> Result<Self, rustls::Error> {
        Ok(Self {
            connectors: Connectors::new(&settings.authorities)?,
            exec: settings.exec,
            push: settings.push.clone(),
            said: Mutex::default(),
        })
    }

    /// Warns of what keeps a kind of probe from being made, once.
    pub(crate) fn say_once(&self, what: &'static str) {
        if self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            tracing::warn!("{what}; such targets count as unknown");
        }
    }

    /// Sixteen bits nobody can guess.
    pub(crate) fn random(&self) -> u16 {
        self.connectors.random()
    }
}
