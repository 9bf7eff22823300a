//! What a snapshot does to the whole address space: who serves which part of it, how far away, and what a failure or an edit
//! would move.
//!
//! A [`Side`] is one map of one snapshot under assumptions ([`side`]). Its ranges are walked once, alone or together with those
//! of another side, into cells with their weights ([`ground`]); cells are summed up per PoP and country ([`tally`]), or from
//! whom to whom they move ([`change`]; [`mod@moves`] asks that of every steered name). [`entries`] counts what resolvers would have to keep. Who uses several sides of the
//! same map walks once.
//!
//! # Weights
//!
//! There is no true count of clients, so there are three, each an honest one of its own: IPv4 *addresses* (256 of them a /24);
//! *records*, ranges of one site, each counting once, which is how IPv6 is counted (one allocated-looking block holds most of
//! its addresses); and *people*, each country's population spread evenly over its IPv4 addresses ([`people`]). Addresses and
//! records are exact integers, and sums of them stay exact as long as nobody shares clients by weight.
//!
//! Clients are the addresses that something is known of: a place, a country, or what the operator's files say. Every
//! address is by its own range, as a client without subnet is; blocks that are mixed inside are not rounded to one answer.
//!
//! Pure: knows nothing of files, clocks or output.

pub mod change;
pub mod entries;
pub mod ground;
pub mod moves;
pub mod people;
pub mod side;
pub mod tally;

pub use change::{Change, CountryChange, Flow};
pub use entries::Entries;
pub use ground::{Cell, Ground, Spot, Stretch, Weights};
pub use moves::{Move, moves, steered};
pub use side::{Served, Server, Side};
pub use tally::{Amounts, Distances, Row, Tally};
