//! What is known of each target. [`state`] is a pure machine (state + observation + thresholds →
//! state); [`table`] keeps the states of one plan's targets and carries them over to the next plan
//! by what is probed.
//!
//! Knows nothing of sockets, PoPs or clocks: times are arguments.

pub mod check;
pub mod guard;
pub mod known;
pub mod observation;
pub mod overrides;
pub mod state;
pub mod table;

pub use check::{Check, CheckKind, Http, Target, TargetId, Targets, Tls, forbidden};
pub use known::Known;
pub use observation::{Observation, Phases, Verdict};
pub use overrides::{Effect, Forced, Overrides};
pub use state::State;
