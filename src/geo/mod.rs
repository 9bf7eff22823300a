//! Client address → site. A *site* is one distinct combination of what steering policies can see of an address.
//!
//! Cold code reads MaxMind-format databases ([`Database`]) and writes one shared [`SiteTable`], with their AS numbers beside it
//! ([`AsnTable`]); what the operator's files add by prefix or AS number lies over it ([`Overlay`]). Everything after that
//! looks at sorted ranges only. Knows nothing of PoPs, health
//! or DNS, and does no file I/O: bytes are arguments.

pub mod asn;
pub mod blocks;
mod builder;
mod cache;
mod column;
pub mod counted;
mod countries;
pub mod database;
pub mod describe;
mod extras;
pub mod indexed;
pub mod location;
pub mod overlay;
pub mod packed;
mod pages;
pub mod ranges;
pub mod record;
pub mod simplify;
pub mod sites;
pub mod tree;
pub mod value;
pub mod view;
pub mod writer;

pub use asn::AsnTable;
pub use builder::BuildError;
pub use cache::{CacheError, CacheKey};
pub use column::SharedBytes;
pub use countries::Continent;
pub use database::{Answer, Class, DB_IP_CREDIT, Database, DatabaseError, Listed, Survey};
pub use describe::{Description, Source};
pub use indexed::{Entries, EntriesBuilder, Indexable, Indexed, IndexedBuilder};
pub use location::{Country, DEFAULT_MS_PER_KM, Place, Vector, chord_slack, cost, cost_of_chord, nearest};
pub use overlay::Overlay;
pub use packed::{Packable, Packed, PackedRanges, PackedView};
pub use ranges::{Found, RangeView, Ranges};
pub use record::Record;
pub use sites::{Site, SiteId, SiteTable, TextId};
pub use view::{SiteRanges, SiteView};
