//! What is served, and at which PoPs.

use std::net::IpAddr;
use std::time::Duration;

use super::policy::Ttls;
use crate::geo::{Country, Place};
use crate::health::TargetId;

/// A PoP of one snapshot. Means something only beside its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PopId(pub u32);

/// A point of presence: a place that serves users.
#[derive(Clone, Debug, PartialEq)]
pub struct Pop {
    /// The operator's name for it.
    pub name: String,
    /// Where it stands; needed for distance.
    pub place: Option<Place>,
    /// City, for people.
    pub city: Option<String>,
    /// Country, for people.
    pub country: Option<Country>,
    /// `drain: true` in the file: prefer anyone else.
    pub drained: bool,
}

/// What is served at which PoPs.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The operator's name for it.
    pub name: String,
    /// Its PoPs in the order written; ties go to the earlier.
    pub members: Vec<Member>,
    /// Times to live of its answers.
    pub ttls: Ttls,
    /// Usable PoPs an override must leave. Default 1.
    pub min_up: u16,
    /// A PoP that comes back gets its clients over this time. Default none: at once.
    pub slow_start: Option<Duration>,
    /// HTTPS and SVCB records of its owner names.
    pub bindings: Vec<Binding>,
}

impl Service {
    /// A service of these members with every default.
    pub fn new(name: impl Into<String>, members: Vec<Member>) -> Self {
        let (ttls, bindings) = (Ttls::default(), Vec::new());
        Self { name: name.into(), members, ttls, min_up: 1, slow_start: None, bindings }
    }
}

/// A service at a PoP.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The PoP.
    pub pop: PopId,
    /// Its addresses in the order written; empty only with a `cname`.
    pub addresses: Vec<ServiceAddress>,
    /// Usable addresses of a family below which the PoP is not eligible for it, at least 1.
    pub min_addresses: u16,
    /// Its part of a split, 0 to [`Member::MAX_WEIGHT`]; 0: only when no positive weight is left. Default 1.
    pub weight: u32,
    /// What it counts for panic, 1 and up. Default 1.
    pub capacity: u32,
    /// Instead of addresses: the name clients are sent to, in wire form without compression. At all members or at none.
    pub cname: Option<Box<[u8]>>,
    /// What decides whether a `cname` is usable; of addresses their own targets do.
    pub cname_targets: Vec<TargetId>,
}

impl Member {
    /// Largest weight.
    pub const MAX_WEIGHT: u32 = 1_000_000;

    /// A service at a PoP with these addresses and every default.
    pub fn new(pop: PopId, addresses: Vec<ServiceAddress>) -> Self {
        let (cname, cname_targets) = (None, Vec::new());
        Self { pop, addresses, min_addresses: 1, weight: 1, capacity: 1, cname, cname_targets }
    }
}

/// An address clients are sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceAddress {
    /// What the answer holds.
    pub ip: IpAddr,
    /// The address is usable when all of these are; without any it always is.
    pub targets: Vec<TargetId>,
}

/// An HTTPS or SVCB record (RFC 9460 §2.2) whose address hints follow the decision. RDATA in pieces, as parameters are
/// sorted by key: what comes before `ipv4hint` (4), between it and `ipv6hint` (6), and after.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// 65 for HTTPS, 64 for SVCB.
    pub rtype: u16,
    /// Priority, target name and parameters with keys below 4.
    pub before: Box<[u8]>,
    /// Whether `ipv4hint=auto` stands here.
    pub v4_hint: bool,
    /// A written `ipv4hint`, and parameters with key 5.
    pub between: Box<[u8]>,
    /// Whether `ipv6hint=auto` stands here.
    pub v6_hint: bool,
    /// A written `ipv6hint`, and parameters with keys above 6.
    pub after: Box<[u8]>,
}
