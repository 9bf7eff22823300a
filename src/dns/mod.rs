//! The protocol's words: names ([`name`]), types and codes ([`types`]), RDATA text ([`rdata`]), requests and responses in
//! wire form ([`message`], [`edns`], [`ecs`]).
//!
//! Everything read from the network is read without allocation and without indexing that could panic. Knows nothing of
//! zones, clients or sockets; holds no clock.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod ecs;
pub mod edns;
pub mod message;
pub mod name;
pub mod rdata;
pub mod text;
pub mod types;

pub use name::{FoldedName, Name, NameError, NameRef};
pub use rdata::{Rdata, RdataError};
pub use types::{Class, Opcode, Rcode, Type};
