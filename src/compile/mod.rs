//! Model + site table + previous snapshot → snapshot.
//!
//! [`zone`] turns one zone's model into the tables that answer; [`snapshot`] turns all zones, services and policies into
//! the parts of a snapshot, sharing with the previous one what did not change; [`aliases`] says which ALIAS lead to no
//! address, [`unmatched`] which rules match nothing, [`fn@lint`] what is odd. Reads no files and probes nothing.

mod aliases;
mod labels;
mod lint;
mod parts;
mod unmatched;
mod zone;

pub use aliases::aliases;
pub use lint::{Times, lint, shown, times};
pub use parts::{Input, ZoneInput, snapshot};
pub use unmatched::unmatched;
pub use zone::zone;
