//! What is probed, and how.

use std::net::SocketAddr;
use std::time::Duration;

/// A target of one snapshot's probe plan. Means something only beside its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(pub u32);

/// A thing that is probed: an address and a check of it. Equal targets are probed once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where the probe connects.
    pub address: SocketAddr,
    /// How it probes, and what the results mean.
    pub check: Check,
}

/// How a target is probed. Names are not part of it, so that checks that probe alike are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is sent and expected.
    pub kind: CheckKind,
    /// From the start of one probe to the start of the next; at least 100 ms. Default 5 s.
    pub interval: Duration,
    /// Limit of one probe from connect to verdict; at most `interval`. Default 2 s.
    pub timeout: Duration,
    /// Failures in a row that make a target `down`, 1 to 100. Default 3.
    pub fall: u32,
    /// Successes in a row that make a `down` target `up`, 1 to 100. Default 2.
    pub rise: u32,
    /// Whether a failure counts only when a repeated probe fails too (SEMANTICS §4.2). Default true.
    pub confirm: bool,
    /// Flap memory; `None` is off.
    pub flap: Option<Flap>,
}

impl Check {
    /// A check of this kind with every default.
    pub fn new(kind: CheckKind) -> Self {
        Self {
            kind,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            confirm: true,
            flap: Some(Flap::DEFAULT),
        }
    }
}

/// Flap memory (SEMANTICS §4.3): each `down` adds 1 to a penalty that halves every `half_life`; above `above`, `rise`
/// is multiplied by `factor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flap {
    /// Time in which the penalty halves.
    pub half_life: Duration,
    /// Penalty above which `rise` is multiplied.
    pub above: u32,
    /// What `rise` is multiplied by.
    pub factor: u32,
}

impl Flap {
    /// Ten minutes, 3, 4.
    pub const DEFAULT: Self = Self { half_life: Duration::from_secs(600), above: 3, factor: 4 };
}

/// What a probe sends and expects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// A TCP connection is accepted.
    Tcp,
    /// An HTTP/1.1 request is answered as expected.
    Http(Http),
    /// The same over TLS; the certificate is checked against `server_name`.
    Https(Http, Tls),
}

/// An HTTP request and what is expected of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Http {
    /// Request method, upper case. Default `GET`.
    pub method: String,
    /// Path and query, beginning with `/`. Default `/`.
    pub path: String,
    /// The `Host` header; `None` sends the target's address.
    pub host: Option<String>,
    /// Accepted status codes as inclusive ranges. Default 200–399.
    pub status: Vec<(u16, u16)>,
    /// Text the first 64 KiB of the body must contain; `None` does not look.
    pub body: Option<String>,
}

/// TLS of an `https` check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// SNI, and the name the certificate must carry; `None` takes the `Host` header, else the address.
    pub server_name: Option<String>,
    /// Whether the certificate is checked. Default true.
    pub verify: bool,
}
