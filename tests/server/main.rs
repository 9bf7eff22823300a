//! The listeners on real loopback sockets, with an engine of the test's own behind them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests: a panic is the report")]

#[path = "../common/mod.rs"]
mod common;
mod portable;
mod support;
mod tcp;
mod udp;
