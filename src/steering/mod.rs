//! Policy + site + facts → decision with reasons. Pure: the same inputs give the same answer on every node, core and
//! restart; no clock, no randomness, no I/O. [`decide::decide`] fills the live tables and is run again by `explain`.
//!
//! Knows nothing of names, packets or address ranges.

pub mod decide;
pub mod policy;
pub mod service;

pub use decide::{Candidate, Choice, Decision, Facts, Kind, MemberFacts, Standing, decide};
pub use policy::{OnAllDown, Policy, Rank, Ttls};
pub use service::{Member, Pop, PopId, Service, ServiceAddress};
