//! Policy + site + facts → decision with reasons. Pure: the same inputs give the same answer on every node, core and
//! restart; no clock, no randomness, no I/O. [`decide::decide`] fills the live tables and is run again by `explain`.
//!
//! A [`Policy`] is what the operator wrote, with PoPs by name; a [`Plan`] is that policy for one service. [`stance`] says
//! what rules and fences hold for each site, `rank` orders the members for it, [`decide`](mod@decide) chooses among those
//! that may and can serve, and [`split`] deals clients where several share.
//!
//! Knows nothing of names, packets or address ranges.

mod areas;
pub mod decide;
pub mod facts;
mod nearby;
pub mod plan;
pub mod policy;
mod rank;
pub mod rule;
pub mod service;
pub mod split;
pub mod stance;

#[cfg(test)]
mod tests;

pub use areas::Areas;
pub use decide::{Choice, Class, Decision, Kind, Mode, Ranked, Share, Split, decide};
pub use facts::{Facts, Family, MemberFacts, Standing};
pub use plan::{Members, Plan, PrefixMatch, Shape, Slot};
pub use policy::{Detail, LatencyMap, Margin, OnAllDown, OnEmpty, Panic, Policy, Rank, Ttls, Unit};
pub use rule::{City, Effect, Fence, Match, Origin, Rule, Rules, Subdivision};
pub use service::{Binding, Member, Pop, PopId, Service, ServiceAddress};
pub use stance::{Level, Stance, Stances};
