//! The addresses a probe may connect to.

use std::net::{IpAddr, SocketAddr};

use super::super::super::diagnostic::Location;
use super::super::super::reader::{Sink, kind, text};
use super::super::super::yaml::Node;
use crate::net::Block;

/// Where a probe connects instead of the address itself; without a port, the check's.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
    pub(crate) location: Location,
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`, or an address alone.
pub(in super::super) fn probe(node: &Node<'_>, sink: &mut Sink) -> Option<Probe> {
    const HELP: &str = "an address and a port, in quotes: `\"127.0.0.10:8443\"`, `\"[::1]:8443\"`";
    if let Node::List(at, _) | Node::Map(at, _) = node {
        sink.error_help(*at, format!("`probe` is an address and a port, not {}", kind(node)), HELP);
        return None;
    }
    let written = text(node, "`probe`", sink)?;
    let (ip, port) = match (written.parse::<SocketAddr>(), written.parse::<IpAddr>()) {
        (Ok(socket), _) if socket.port() != 0 => (socket.ip(), Some(socket.port())),
        (_, Ok(ip)) => (ip, None),
        _ => {
            sink.error_help(node.at(), format!("`probe` cannot be `{written}`"), HELP);
            return None;
        }
    };
    Some(Probe { ip, port, location: sink.location(node.at()) })
}

/// Blocks no probe is sent into without `probes.allow` (SEMANTICS §4.8): link-local (cloud metadata services live
/// there), multicast, "this network".
const FORBIDDEN: [(&str, &str); 6] = [
    ("0.0.0.0/8", "\"this network\" (RFC 1122 §3.2.1.3)"),
    ("169.254.0.0/16", "link-local, where cloud metadata services answer (RFC 3927)"),
    ("224.0.0.0/3", "multicast or reserved (RFC 5771, RFC 1112)"),
    ("::/128", "the unspecified address"),
    ("fe80::/10", "link-local (RFC 4291 §2.5.6)"),
    ("ff00::/8", "multicast (RFC 4291 §2.7)"),
];

/// Why no probe may go to this address, if none may. IPv4 written as IPv6 is judged as IPv4.
pub(crate) fn forbidden(ip: IpAddr) -> Option<&'static str> {
    FORBIDDEN.iter().find(|(block, _)| holds(block, ip)).map(|(_, why)| *why)
}

/// Whether this is an address of the documentation (RFC 5737, RFC 3849, RFC 9637), where nothing answers.
pub(crate) fn documentation(ip: IpAddr) -> bool {
    const BLOCKS: [&str; 5] = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"];
    BLOCKS.iter().any(|block| holds(block, ip))
}

fn holds(block: &str, ip: IpAddr) -> bool {
    let host = Block::host(ip);
    let Ok(block) = Block::parse(block) else { return false };
    let same_family = host.address().is_ipv4() == block.address().is_ipv4();
    same_family && Block::new(host.address(), block.length()) == block
}
