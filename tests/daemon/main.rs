//! The real binary: started with files of the test's own, asked over UDP and TCP, stopped by signal.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests: a panic is the report")]

mod answers;
mod bind;
mod editing;
mod fetching;
mod files;
mod guard;
mod health;
mod http;
mod limits;
mod metrics;
mod operator;
mod outages;
mod pressure;
mod process;
