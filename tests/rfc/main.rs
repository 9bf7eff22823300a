//! What the RFCs say, filed by RFC and section: `rfc4592.rs`, `fn s3_3_1_…`. SEMANTICS' own decisions stand with the RFC
//! they choose within.

#[path = "../common/mod.rs"]
mod common;

mod rfc1034;
mod rfc1035;
mod rfc4035;
mod rfc4592;
mod rfc6672;
mod rfc6891;
mod rfc7871;
mod rfc7873;
mod rfc8482;
mod semantics;
