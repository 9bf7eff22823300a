//! What is probed, and how.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
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

/// The targets of a plan while it is made: equal ones are taken once, in the order they come.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    list: Vec<Target>,
    ids: HashMap<Target, TargetId>,
}

impl Targets {
    /// The id of this target, the same for equal ones.
    pub fn id(&mut self, target: Target) -> TargetId {
        if let Some(&id) = self.ids.get(&target) {
            return id;
        }
        let id = TargetId(self.list.len() as u32);
        self.list.push(target.clone());
        self.ids.insert(target, id);
        id
    }

    /// All of them, by [`TargetId`].
    pub fn into_vec(self) -> Vec<Target> {
        self.list
    }
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
    pub const DEFAULT: Self = Self { half_life: Duration::from_mins(10), above: 3, factor: 4 };
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

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http(http) => write!(f, "http {} {}", http.method, http.path),
            Self::Https(http, _) => write!(f, "https {} {}", http.method, http.path),
        }
    }
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

impl Http {
    /// Status codes accepted by default.
    pub const STATUS: (u16, u16) = (200, 399);
}

impl Default for Http {
    /// `GET /`, the address as `Host`, 200–399, any body.
    fn default() -> Self {
        Self { method: "GET".to_owned(), path: "/".to_owned(), host: None, status: vec![Self::STATUS], body: None }
    }
}

/// TLS of an `https` check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// SNI, and the name the certificate must carry; `None` takes the `Host` header, else the address.
    pub server_name: Option<String>,
    /// Whether the certificate is checked. Default true.
    pub verify: bool,
}

impl Default for Tls {
    /// The name of the `Host` header, certificate checked.
    fn default() -> Self {
        Self { server_name: None, verify: true }
    }
}

/// Why this address is no probe target unless the operator allows it (SEMANTICS §4.8), in words that follow "is";
/// `None` when it is fine. IPv4-mapped IPv6 is taken for the IPv4 address that would be connected to.
///
/// A zone file may come from someone who must not make this machine talk to its own neighborhood: link-local is where
/// cloud metadata services listen, 0/8 and `::` reach the local machine under another name. Loopback, when written,
/// is meant.
pub fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_link_local() => Some("link-local (169.254.0.0/16)"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("in 0.0.0.0/8"),
        IpAddr::V4(v4) if v4.is_multicast() => Some("multicast (224.0.0.0/4)"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local (fe80::/10)"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("multicast (ff00::/8)"),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("the unspecified address (::)"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Option<&str>) {
        assert_eq!(forbidden(address.parse().unwrap()), expected);
    }

    #[test]
    fn addresses_a_zone_may_not_have_probed() {
        check("169.254.169.254", Some("link-local (169.254.0.0/16)"));
        check("::ffff:169.254.169.254", Some("link-local (169.254.0.0/16)"));
        check("169.253.255.255", None);
        check("169.255.0.0", None);
        check("0.0.0.0", Some("in 0.0.0.0/8"));
        check("0.255.255.255", Some("in 0.0.0.0/8"));
        check("1.0.0.0", None);
        check("223.255.255.255", None);
        check("224.0.0.1", Some("multicast (224.0.0.0/4)"));
        check("239.255.255.255", Some("multicast (224.0.0.0/4)"));
        check("fe80::1", Some("link-local (fe80::/10)"));
        check("febf::1", Some("link-local (fe80::/10)"));
        check("fec0::1", None);
        check("ff02::1", Some("multicast (ff00::/8)"));
        check("::", Some("the unspecified address (::)"));
        check("127.0.0.1", None);
        check("::1", None);
        check("10.0.0.1", None);
        check("fd00::1", None);
    }

    #[test]
    fn equal_targets_are_one() {
        let target = |address: &str, check: Check| Target { address: address.parse().unwrap(), check };
        let mut targets = Targets::default();
        let fast = Check { interval: Duration::from_secs(1), ..Check::new(CheckKind::Tcp) };
        let ids = [
            targets.id(target("127.0.0.1:1", Check::new(CheckKind::Tcp))),
            targets.id(target("127.0.0.2:1", Check::new(CheckKind::Tcp))),
            targets.id(target("127.0.0.1:1", Check::new(CheckKind::Tcp))),
            targets.id(target("127.0.0.1:1", fast.clone())),
        ];
        assert_eq!(ids.map(|id| id.0), [0, 1, 0, 2]);
        assert_eq!(targets.into_vec()[2].check, fast);
    }
}
