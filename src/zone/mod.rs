//! Static zone data and the lookup algorithm (RFC 1034 §4.3.2, RFC 4592, RFC 6672).
//!
//! A [`ZoneBuilder`] takes records in any order and gives a [`Zone`] or every problem at once; a [`Zone`] is a few flat
//! tables, with records ready to copy out; [`Zone::lookup`] is pure; a [`ZoneSet`] finds the zone of a name, and follows an
//! ALIAS through the zones. What a steered name means is for others to say: here it is a number. Knows nothing of clients,
//! files or messages.

mod alias;
mod builder;
mod cuts;
mod lookup;
mod ready;
pub mod rrset;
mod set;
mod tree;

pub use alias::{Alias, End, MAX_LINKS};
pub use builder::{Built, Problem, ZoneBuilder};
pub use lookup::{Cut, Glue, Lookup, Reached};
pub use ready::{Chain, ChainEnd, Place, Ready, Sections, Written};
pub use rrset::{Records, RrSet};
pub use set::{Entry, Found, ZoneSet, ZoneSetBuilder};
pub(crate) use tree::Index;
pub use tree::Zone;

/// A steered owner name of one snapshot; what it means is for `snapshot` to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SteerId(pub u32);

/// An owner name of one snapshot that tells clients what is seen of them; what it tells is for `snapshot` to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReflectId(pub u32);

#[cfg(test)]
mod tests;
