//! What was asked and answered: counters since the start, for rates; the full ones, by zone, are at `/metrics`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET traffic`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// When this was so, in milliseconds since 1970.
    pub at_ms: u64,
    /// Messages by transport.
    pub transports: Vec<TransportTraffic>,
    /// Answers by transport, kind and RCODE.
    pub answers: Vec<Answers>,
    /// Answers that steering decided.
    pub served: Vec<Served>,
    /// TCP connections open now.
    pub connections_open: u64,
    /// Answers of which the time was taken: one in 512.
    pub respond_count: u64,
    /// The sum of their times.
    pub respond_nanoseconds: u64,
    /// Messages that the hottest names are known from: one in 512, older ones counted less (half after 30 s).
    pub samples: u64,
    /// The names that are asked for most lately, the most first.
    pub hottest: Vec<Asked>,
}

/// Messages of a transport.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransportTraffic {
    /// `udp` or `tcp`.
    pub transport: String,
    /// Read whole from sockets.
    pub received: u64,
    /// Answers handed to the kernel.
    pub sent: u64,
    /// Answers that could not be.
    pub unsent: u64,
    /// Answers that did not fit (TC).
    pub truncated: u64,
    /// Datagrams that the kernel dropped for want of room.
    pub overflowed: u64,
    /// Messages that get no answer, by cause.
    pub dropped: BTreeMap<String, u64>,
}

/// Answers that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answers {
    /// `udp` or `tcp`.
    pub transport: String,
    /// As `kind` of `catchment_queries_total`.
    pub kind: String,
    /// RCODE.
    pub rcode: String,
    /// How many.
    pub count: u64,
}

/// Answers of steered names that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Served {
    /// The service.
    pub service: String,
    /// The PoP; empty when none.
    pub pop: String,
    /// `home`, `away` and so on.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A question that is asked often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// The name.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// How many of the samples at least.
    pub count: u64,
}
