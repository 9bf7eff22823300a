//! Client address → site. A *site* is one distinct combination of what steering policies can see of an address.
//!
//! Cold code reads MaxMind-format databases ([`database`]) and writes one shared [`sites::SiteTable`]; everything after
//! that looks at sorted ranges only. Knows nothing of PoPs, health or DNS, and does no file I/O: bytes are arguments.

pub mod database;
pub mod location;
pub mod ranges;
pub mod sites;

pub use location::{Country, Place};
pub use ranges::{Found, RangeView, Ranges};
pub use sites::{Site, SiteId, SiteTable};
