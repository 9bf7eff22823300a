//! What is served, and at which PoPs.

use std::net::IpAddr;

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
}

/// A service at a PoP.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The PoP.
    pub pop: PopId,
    /// Its addresses in the order written.
    pub addresses: Vec<ServiceAddress>,
    /// Usable addresses of a family below which the PoP is not eligible for it, at least 1.
    pub min_addresses: u16,
}

/// An address clients are sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceAddress {
    /// What the answer holds.
    pub ip: IpAddr,
    /// The address is usable when all of these are; without any it always is.
    pub targets: Vec<TargetId>,
}
