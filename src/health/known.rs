//! All that answers depend on beside the files: what was measured, and what the operator said, at one moment.

use super::overrides::{Effect, Overrides};
use super::state::State;

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By `TargetId`; missing ones are unknown.
    pub states: Vec<State>,
    /// By `TargetId`: when the target last came up from `down`, in milliseconds since 1970; 0 or missing: long ago.
    pub returned_ms: Vec<u64>,
    /// The operator's word.
    pub overrides: Overrides,
    /// The moment, in milliseconds since 1970.
    pub now_ms: u64,
}

impl Known {
    /// What is known when only the states of targets are.
    pub fn of(states: impl Into<Vec<State>>) -> Self {
        Self { states: states.into(), ..Self::default() }
    }

    /// The state of a target.
    #[inline]
    pub fn state(&self, target: super::TargetId) -> State {
        self.states.get(target.0 as usize).copied().unwrap_or_default()
    }

    /// What the operator says of a service at a PoP.
    pub fn effect(&self, service: &str, pop: &str) -> Effect {
        self.overrides.effect(service, pop, self.now_ms)
    }

    /// How long ago a target came back, in milliseconds, if that is known.
    pub fn returned_for(&self, target: super::TargetId) -> Option<u64> {
        let returned = self.returned_ms.get(target.0 as usize).copied().filter(|ms| *ms > 0)?;
        Some(self.now_ms.saturating_sub(returned))
    }
}
