//! What is probed, and how.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

mod calculated;
mod kinds;

pub use calculated::Formula;
pub use kinds::{Body, Dialog, Dns, DnsValue, Exec, Expired, Grpc, Http, HttpVersion, Pattern, Push, Tls};

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
    /// Where probes start from.
    pub source: Source,
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
            source: Source::default(),
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

/// What a probe sends and expects, or what is made of other checks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// A TCP connection is accepted.
    Tcp,
    /// A TCP connection is accepted, and what is said there is as expected.
    Dialog(Dialog),
    /// An HTTP request is answered as expected.
    Http(Http),
    /// The same over TLS; the certificate is checked against `server_name`.
    Https(Http, Tls),
    /// A TLS handshake, and the certificate shown in it.
    Tls(Tls),
    /// A DNS query is answered as expected, over UDP, or TCP when the answer is cut short.
    Dns(Dns),
    /// An ICMP echo request is answered. The target's port means nothing and is 0.
    Icmp,
    /// The health protocol of gRPC (`grpc.health.v1.Health/Check`) says SERVING.
    Grpc(Grpc),
    /// A program ends as Nagios plugins do. The target's port may be 0: the program has its own.
    Exec(Exec),
    /// A value that somebody else wrote down. The target's port means nothing and is 0.
    Push(Push),
    /// Made of the states of other targets at the moment one of them changes: never probed; interval, timeout and
    /// thresholds do not apply (SEMANTICS §4.9). The parts are probed targets; their ports may differ, so this one's is 0.
    Calculated(Box<Formula<Target>>),
}

impl CheckKind {
    /// Whether a probe of this kind connects to a port.
    pub fn has_port(&self) -> bool {
        match self {
            Self::Icmp | Self::Push(_) | Self::Calculated(_) => false,
            Self::Tcp
            | Self::Dialog(_)
            | Self::Http(_)
            | Self::Https(..)
            | Self::Tls(_)
            | Self::Dns(_)
            | Self::Grpc(_)
            | Self::Exec(_) => true,
        }
    }

    /// Whether probes talk to the target's address by themselves.
    pub fn contacts(&self) -> bool {
        match self {
            Self::Exec(_) | Self::Push(_) => false,
            Self::Calculated(formula) => formula.parts().iter().any(|part| part.check.kind.contacts()),
            Self::Tcp
            | Self::Dialog(_)
            | Self::Http(_)
            | Self::Https(..)
            | Self::Tls(_)
            | Self::Dns(_)
            | Self::Icmp
            | Self::Grpc(_) => true,
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Dialog(_) => f.write_str("tcp dialog"),
            Self::Http(http) => write!(f, "http {} {}", http.method, http.path),
            Self::Https(http, _) => write!(f, "https {} {}", http.method, http.path),
            Self::Tls(Tls { server_name: Some(name), .. }) => write!(f, "tls {name}"),
            Self::Tls(_) => f.write_str("tls"),
            Self::Dns(dns) => write!(f, "dns {} {}", dns.name, dns.rtype_name),
            Self::Icmp => f.write_str("icmp"),
            Self::Grpc(grpc) if grpc.service.is_empty() => f.write_str("grpc"),
            Self::Grpc(grpc) => write!(f, "grpc {}", grpc.service),
            Self::Exec(exec) => write!(f, "exec {}", exec.command.first().map_or("", String::as_str)),
            Self::Push(push) => write!(f, "push {}", push.name),
            Self::Calculated(formula) => write!(f, "{}", formula.operation()),
        }
    }
}

/// The addresses of this machine that probes start from; `None` leaves it to the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// Towards IPv4 targets.
    pub v4: Option<Ipv4Addr>,
    /// Towards IPv6 targets.
    pub v6: Option<Ipv6Addr>,
}

impl Source {
    /// The address to start from towards this target.
    pub fn towards(self, target: IpAddr) -> Option<IpAddr> {
        match target {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
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
