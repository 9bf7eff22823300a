//! What the packet path knows of clients and health, and nothing else of either: per map, site → answer now
//! ([`fill`]), address ranges → answer with the exact scope ([`table`]), answers prepared in wire form ([`answer`]), and
//! how they follow health ([`epoch`]).
//!
//! A *map* is a policy and a candidate set compiled for all sites. Its static part ([`Map`]) belongs to a generation, its
//! live part ([`LiveMap`]) to an epoch. Knows nothing of owner names, files or sockets.

pub mod answer;
pub mod dealt;
pub mod detail;
pub mod epoch;
pub mod fill;
pub mod memory;
pub mod population;
mod records;
mod standing;
pub mod table;

pub use answer::{Answer, AnswerId, Records, SteeredType, Told};
pub use dealt::{Dealt, Pieces};
pub use detail::Pruned;
pub use epoch::{Live, adopt, advance, complete, complete_some};
pub use fill::{Homes, LiveMap, Map, MapId, Source};
pub use memory::Held;
pub use population::Population;
pub use records::Prepared;
// What packets are dealt by.
pub use crate::steering::split::UnitKey;
pub use table::{Chosen, Near};

#[cfg(test)]
mod tests;
