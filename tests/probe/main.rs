//! The prober against real servers on loopback.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod calculated;
mod dns;
mod grpc;
mod http;
mod load;
mod prober;
mod programs;
mod support;
mod tcp;
mod tls;
