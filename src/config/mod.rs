//! Texts with their paths → model, or every diagnostic at once.
//!
//! [`yaml`] is the one file that names the YAML crate; [`mod@file`] mirrors the files exactly as written; [`link`] resolves
//! names between files; [`model`] has names resolved, units parsed and invalid states made impossible. `grammar` says which keys there
//! are and what they take: readers check keys against it, and [`schema`] makes JSON Schemas and the reference from it. [`master`] reads
//! master files, which zone files name ([`named`]). [`settings`] is the server's own file. Reads no files and knows no
//! clock: texts, times, and what can give the text of a named file are arguments.
//!
//! ```text
//! Source ──parse──► Parsed::Fleet ─┬─link_fleet──► Fleet
//!                                  │                 │
//!                   Parsed::Zone ──┴──link_zone──────┴──► ZoneModel
//! ```

pub mod diagnostic;
pub mod file;
mod grammar;
pub mod link;
pub mod master;
pub mod model;
pub mod named;
mod reader;
pub mod render;
pub mod schema;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod units;
pub mod yaml;

pub use diagnostic::{Also, Diagnostic, Diagnostics, Location, Severity};
pub use file::{FleetFile, Parsed, Source, ZoneFile, parse, parse_with};
pub use link::{link_fleet, link_fleet_with, link_zone, link_zone_beside, unused};
pub use named::{Named, NoFiles};
pub use render::{Style, render};
pub use settings::Settings;
