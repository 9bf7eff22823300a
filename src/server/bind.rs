//! Sockets for every configured address: one UDP socket per thread and one TCP listener, on the same port.
//!
//! The first UDP socket of an address is bound alone and only then opened to its siblings (`SO_REUSEPORT`): a second
//! server of the same user would otherwise share the port without a word, and each would get half of the queries.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, warn};

use super::{Listen, Origin};
use crate::query::Ecs;

/// Connections the kernel completes before we accept them; it cuts this to `net.core.somaxconn` (4096).
const BACKLOG: i32 = 4_096;
/// Tries to find a port that is free for UDP and TCP when port 0 asks for any.
const PORT_TRIES: usize = 32;
/// How long a UDP socket may wait in a call: a stop reaches a thread at once by other means (`udp.rs`), this is the
/// net under it.
const SOCKET_WAIT: Duration = Duration::from_secs(1);

/// Why the server cannot listen. [`BindError::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No address at all.
    #[error("there is no address to listen on")]
    Nothing,
    /// Two of our own addresses collide.
    #[error("cannot listen on `{address}`: `{other}` of the same settings already covers it")]
    Twice {
        /// The later one.
        address: SocketAddr,
        /// The earlier one.
        other: SocketAddr,
    },
    /// Somebody else has the port.
    #[error("cannot listen on `{address}` ({transport}): the address is in use")]
    InUse {
        /// As configured.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// The process may not bind this port.
    #[error("cannot listen on `{address}` ({transport}): permission denied")]
    Denied {
        /// As configured.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// No interface has this address.
    #[error("cannot listen on `{address}`: this machine has no such address")]
    NotHere {
        /// As configured.
        address: SocketAddr,
    },
    /// The kernel has no IPv6.
    #[error("cannot listen on `{address}`: this machine has no IPv6")]
    NoIpv6 {
        /// As configured.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on `{address}` ({transport}): {source}")]
    Other {
        /// As configured.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel, or a sandbox, does not offer what the native UDP listeners are made of.
    #[error("cannot listen on `{address}` (UDP): there is no `recvmmsg` here")]
    NoBatches {
        /// As configured, without its port.
        address: IpAddr,
    },
    /// No thread could be started.
    #[error("cannot start a UDP thread: {0}")]
    Thread(io::Error),
}

impl BindError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::Nothing => "give one with `--listen ADDRESS:PORT`".to_owned(),
            Self::Twice { .. } => "remove one of the two".to_owned(),
            Self::InUse { .. } => "another server (perhaps systemd-resolved or a second catchment) listens there; \
                 `ss -lunpt` names it; choose another address or port with `--listen`"
                .to_owned(),
            Self::Denied { address, .. } if address.port() < 1024 => "a port below 1024 needs CAP_NET_BIND_SERVICE: \
                 `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the systemd unit, or `setcap cap_net_bind_service=+ep` \
                 on the program; or choose a higher port with `--listen`"
                .to_owned(),
            Self::Denied { .. } => {
                "a security policy (SELinux, AppArmor, a container) forbids it; choose another port with `--listen`"
                    .to_owned()
            }
            Self::NotHere { address } => format!(
                "`ip address` lists those it has; an anycast address goes on the loopback interface: \
                 `ip address add {}/{} dev lo`",
                address.ip(),
                if address.is_ipv4() { 32 } else { 128 }
            ),
            Self::NoIpv6 { .. } => {
                "remove the address, or enable IPv6 (`sysctl net.ipv6.conf.all.disable_ipv6=0`)".to_owned()
            }
            Self::Other { .. } => "choose another address with `--listen`".to_owned(),
            Self::NoBatches { .. } => "allow the system calls `recvmmsg` and `sendmmsg` in the sandbox, or set \
                 `io: portable` in the settings"
                .to_owned(),
            Self::Thread(_) => {
                "raise the limit of threads (`ulimit -u`, `TasksMax=`), or lower the number of UDP threads".to_owned()
            }
        }
    }
}

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct Bound {
    /// With the port that port 0 became.
    pub(super) address: SocketAddr,
    /// Whether client subnets are heeded there.
    pub(super) ecs: Ecs,
    /// One per thread, all on `address`, blocking (with a bounded wait).
    pub(super) udp: Vec<UdpSocket>,
    /// On `address`, listening, non-blocking.
    pub(super) tcp: TcpListener,
}

/// What the UDP sockets of an address are to be.
#[derive(Clone, Copy)]
pub(super) struct UdpSockets {
    /// How many, at least 1.
    pub(super) count: usize,
    /// Octets of buffer asked for each of them.
    pub(super) receive_buffer: usize,
    /// Microseconds that a receive call looks at the network card before it sleeps (`SO_BUSY_POLL`); 0: as the system has it.
    pub(super) busy_poll: u32,
}

/// Binds all addresses, or none: on an error the sockets bound so far are closed again.
pub(super) fn bind_all(listen: &[Listen], sockets: UdpSockets) -> Result<Vec<Bound>, BindError> {
    for (i, entry) in listen.iter().enumerate() {
        if let Some(other) = listen[..i].iter().find(|other| covers(other.address, entry.address)) {
            return Err(BindError::Twice { address: entry.address, other: other.address });
        }
    }
    let mut bound: Vec<Bound> = Vec::with_capacity(listen.len());
    for entry in listen {
        match bind(entry, sockets) {
            Ok(sockets) => bound.push(sockets),
            Err(error @ BindError::NoIpv6 { .. }) if entry.origin == Origin::Default => {
                warn!(address = %entry.address, %error, "skipped a default address");
            }
            Err(error) => return Err(error),
        }
    }
    if bound.is_empty() { Err(BindError::Nothing) } else { Ok(bound) }
}

/// Whether listening on both collides: the same port of the same family (port 0 is never the same), and the same
/// address or a wildcard.
fn covers(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

fn bind(listen: &Listen, sockets: UdpSockets) -> Result<Bound, BindError> {
    for _ in 1..PORT_TRIES {
        match bind_once(listen, sockets) {
            // The port that was free for UDP is taken for TCP: another one.
            Err(BindError::InUse { transport: "TCP", .. }) if listen.address.port() == 0 => {}
            result => return result,
        }
    }
    bind_once(listen, sockets)
}

fn bind_once(listen: &Listen, wanted: UdpSockets) -> Result<Bound, BindError> {
    let Listen { address, ecs, .. } = *listen;
    let udp_error = |error| explain(error, address, "UDP");
    let first = udp(address, wanted, Sharing::Later).map_err(udp_error)?;
    let actual = first.local_addr().map_err(udp_error)?;
    let mut sockets = vec![first];
    for _ in 1..wanted.count {
        sockets.push(udp(actual, wanted, Sharing::Now).map_err(udp_error)?);
    }
    let listener = tcp(actual).map_err(|error| explain(error, address, "TCP"))?;
    Ok(Bound { address: actual, ecs, udp: sockets, tcp: listener })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// The first of an address: nobody else may hold it.
    Later,
    /// A sibling.
    Now,
}

fn udp(address: SocketAddr, wanted: UdpSockets, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if sharing == Sharing::Now {
        socket.set_reuse_port(true)?;
    }
    // A wish: the kernel cuts it to `net.core.rmem_max` without an error.
    socket.set_recv_buffer_size(wanted.receive_buffer)?;
    debug!(%address, asked = wanted.receive_buffer, actual = ?socket.recv_buffer_size().ok(), "receive buffer");
    if wanted.busy_poll > 0
        && let Err(error) = socket.set_busy_poll(wanted.busy_poll)
        && sharing == Sharing::Later
    {
        warn!(%address, %error, "`busy_poll` is not granted: it takes CAP_NET_ADMIN, or as much in sysctl net.core.busy_read");
    }
    if let Err(error) = whole(&socket, address)
        && sharing == Sharing::Later
    {
        warn!(%address, %error, "answers may be fragmented: path MTU discovery cannot be set here");
    }
    socket.set_read_timeout(Some(SOCKET_WAIT))?;
    socket.set_write_timeout(Some(SOCKET_WAIT))?;
    if address.ip().is_unspecified() {
        match address.ip() {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
    }
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket.into())
}

/// Has answers leave whole or not at all (RFC 9715 §3.1): "don't fragment" is set, and what ICMP says of a path is not heeded, as
/// anybody can forge it to have answers fragmented, and then put in fragments of their own. Such a packet needs no number by
/// which fragments are joined either, which the kernel would draw for each answer.
fn whole(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE)?,
        SocketAddr::V6(_) => set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE)?,
    }
    Ok(())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a former process that wait out their time do not hold the port; a listener still does.
    socket.set_reuse_address(true)?;
    // Connections inherit it. Answers are written whole, so there is nothing Nagle's algorithm could join; it would only hold
    // them back.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(error: io::Error, address: SocketAddr, transport: &'static str) -> BindError {
    let own_v6 = matches!(address.ip(), IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified());
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => BindError::InUse { address, transport },
        Some(Errno::EACCES | Errno::EPERM) => BindError::Denied { address, transport },
        // `::1` and `::` are missing only where IPv6 is switched off.
        Some(Errno::EADDRNOTAVAIL) if own_v6 => BindError::NoIpv6 { address },
        Some(Errno::EAFNOSUPPORT) if address.is_ipv6() => BindError::NoIpv6 { address },
        Some(Errno::EADDRNOTAVAIL) => BindError::NotHere { address },
        _ => BindError::Other { address, transport, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use socket2::SockRef;

    /// Granted or not, the sockets are there.
    #[test]
    fn looking_at_the_card_is_a_wish() {
        let wanted = UdpSockets { busy_poll: 50, ..sockets(2) };
        let bound = bind_all(&[listen("127.0.0.1:0")], wanted).unwrap();
        let plain = bind_all(&[listen("127.0.0.1:0")], sockets(1)).unwrap();
        let [asked, usual] = [&bound[0].udp[1], &plain[0].udp[0]].map(|udp| SockRef::from(udp).busy_poll().unwrap());
        // Whoever may not raise it has what the system has.
        assert!(asked == 50 || asked == usual, "{asked}, {usual}");
        assert_ne!(usual, 50);
    }

    #[test]
    fn answers_leave_whole() {
        use rustix::net::sockopt::{ip_mtu_discover, ipv6_mtu_discover};
        let bound = bind_all(&[listen("127.0.0.1:0")], sockets(2)).unwrap();
        assert!(bound[0].udp.iter().all(|udp| ip_mtu_discover(udp) == Ok(Ipv4PathMtuDiscovery::PROBE)));
        let Ok(bound) = bind_all(&[listen("[::1]:0")], sockets(2)) else { return };
        assert!(bound[0].udp.iter().all(|udp| ipv6_mtu_discover(udp) == Ok(Ipv6PathMtuDiscovery::PROBE)));
    }

    fn sockets(count: usize) -> UdpSockets {
        UdpSockets { count, receive_buffer: 65_536, busy_poll: 0 }
    }

    fn listen(address: &str) -> Listen {
        Listen { address: address.parse().unwrap(), origin: Origin::Configured, ecs: Ecs::On }
    }

    #[track_caller]
    fn check(error: &BindError, expected: &Expect) {
        expected.assert_eq(&format!("{error}\n  help: {}\n", error.help()));
    }

    #[test]
    fn all_sockets_of_an_address_share_the_port_that_0_became() {
        let bound = bind_all(&[listen("127.0.0.1:0"), listen("127.0.0.2:0")], sockets(3)).unwrap();
        assert_eq!(bound.len(), 2);
        for address in &bound {
            assert_ne!(address.address.port(), 0);
            assert_eq!(address.udp.len(), 3);
            assert!(address.udp.iter().all(|socket| socket.local_addr().unwrap() == address.address));
            assert_eq!(address.tcp.local_addr().unwrap(), address.address);
        }
    }

    #[test]
    fn a_second_server_is_refused_though_it_would_share_its_ports_too() {
        let first = bind_all(&[listen("127.0.0.1:0")], sockets(2)).unwrap();
        let again = Listen { address: first[0].address, origin: Origin::Default, ecs: Ecs::On };
        let error = bind_all(&[again], sockets(2)).unwrap_err();
        assert!(matches!(error, BindError::InUse { transport: "UDP", address } if address == first[0].address));
        let wildcard = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), first[0].address.port());
        let error = bind_all(&[Listen { address: wildcard, origin: Origin::Configured, ecs: Ecs::On }], sockets(2))
            .unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }));
    }

    #[test]
    fn a_port_held_for_tcp_alone_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let error = bind_all(&[Listen { address, origin: Origin::Configured, ecs: Ecs::On }], sockets(1)).unwrap_err();
        assert!(matches!(error, BindError::InUse { transport: "TCP", .. }), "{error}");
    }

    #[test]
    fn addresses_that_collide_among_themselves() {
        check(
            &bind_all(&[listen("0.0.0.0:5399"), listen("127.0.0.1:5399")], sockets(1)).unwrap_err(),
            &expect![[r"
                cannot listen on `127.0.0.1:5399`: `0.0.0.0:5399` of the same settings already covers it
                  help: remove one of the two
            "]],
        );
        assert!(!covers("[::]:53".parse().unwrap(), "127.0.0.1:53".parse().unwrap()));
        assert!(!covers("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()));
    }

    #[test]
    fn an_address_of_another_machine() {
        check(
            &bind_all(&[listen("198.51.100.53:5300")], sockets(1)).unwrap_err(),
            &expect![[r"
                cannot listen on `198.51.100.53:5300`: this machine has no such address
                  help: `ip address` lists those it has; an anycast address goes on the loopback interface: `ip address add 198.51.100.53/32 dev lo`
            "]],
        );
    }

    #[test]
    fn every_error_of_the_system_becomes_advice() {
        #[track_caller]
        fn says(errno: Errno, address: &str, expected: &Expect) {
            check(&explain(io::Error::from(errno), address.parse().unwrap(), "UDP"), expected);
        }
        says(
            Errno::EADDRINUSE,
            "127.0.0.1:5300",
            &expect![[r"
                cannot listen on `127.0.0.1:5300` (UDP): the address is in use
                  help: another server (perhaps systemd-resolved or a second catchment) listens there; `ss -lunpt` names it; choose another address or port with `--listen`
            "]],
        );
        says(
            Errno::EACCES,
            "192.0.2.1:53",
            &expect![[r"
                cannot listen on `192.0.2.1:53` (UDP): permission denied
                  help: a port below 1024 needs CAP_NET_BIND_SERVICE: `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the systemd unit, or `setcap cap_net_bind_service=+ep` on the program; or choose a higher port with `--listen`
            "]],
        );
        says(
            Errno::EADDRNOTAVAIL,
            "[::1]:5300",
            &expect![[r"
                cannot listen on `[::1]:5300`: this machine has no IPv6
                  help: remove the address, or enable IPv6 (`sysctl net.ipv6.conf.all.disable_ipv6=0`)
            "]],
        );
        says(
            Errno::EAFNOSUPPORT,
            "[2001:db8::1]:53",
            &expect![[r"
                cannot listen on `[2001:db8::1]:53`: this machine has no IPv6
                  help: remove the address, or enable IPv6 (`sysctl net.ipv6.conf.all.disable_ipv6=0`)
            "]],
        );
    }

    #[test]
    fn nothing_to_listen_on() {
        assert!(matches!(bind_all(&[], sockets(1)), Err(BindError::Nothing)));
    }
}
