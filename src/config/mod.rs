//! Texts with their paths → model, or every diagnostic at once.
//!
//! [`yaml`] is the one file that names the YAML crate; [`file`] mirrors the files exactly as written; [`model`] has names
//! resolved, units parsed and invalid states made impossible. Reads no files and knows no clock: texts and times are
//! arguments.

pub mod diagnostic;
pub mod model;

pub use diagnostic::{Diagnostic, Diagnostics, Location, Severity};
