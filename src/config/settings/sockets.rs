//! `tcp:` and `udp:` of the settings: limits of connections, and what UDP threads and their sockets are.

use std::time::Duration;

use super::super::grammar::{Keys, Shape, key};
use super::super::reader::{Fields, Sink, boolean, integer};
use super::super::units::duration;
use super::super::yaml::Node;

/// Limits of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Connections in all, 1 to 1,000,000. Default 1,000.
    pub connections: u32,
    /// Connections of one client address, 1 to 1,000,000. Default 100.
    pub per_client: u32,
    /// How long a connection may be idle, 100 ms to 10 min. Default 10 s (RFC 7766 §6.2.3 leaves it to the server).
    pub idle: Duration,
    /// How long a client may take to read the answers of one write, 100 ms to 10 min. Default 5 s.
    pub write: Duration,
}

/// UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Threads for each address, 1 to 256; `None` (`auto`) is one per core.
    pub threads: Option<u16>,
    /// Octets of each thread's receive buffer, 4,096 to 1,073,741,824; the kernel grants `net.core.rmem_max` at most.
    /// Default 1,048,576: some 1,000 queries may wait for a thread that was not running.
    pub receive_buffer: u32,
    /// Whether each thread of an address stays on a core of its own, the first on the first that the process may use. Off by
    /// default: the system knows what else runs.
    pub pin: bool,
    /// Microseconds that a thread looks at the network card itself before it sleeps (`SO_BUSY_POLL`), 0 to 1,000. Default 0: as the
    /// system has it.
    pub busy_poll: u16,
}

pub(super) const TCP: Keys = Keys {
    what: "`tcp`",
    known: &[
        key("connections", Shape::Whole(1, 1_000_000), "1000", "Connections at a time."),
        key("per_client", Shape::Whole(1, 1_000_000), "100", "Of these, of one client."),
        key(
            "idle",
            Shape::Time("100ms", "10m"),
            "10s",
            "How long a connection may be silent; what clients that ask for keepalive are told (RFC 7828).",
        ),
        key("write", Shape::Time("100ms", "10m"), "5s", "How long a client may take to read its answers."),
    ],
    planned: &["backlog", "queries"],
};
pub(super) const UDP: Keys = Keys {
    what: "`udp`",
    known: &[
        key(
            "threads",
            Shape::Either(&[Shape::Words(&["auto"]), Shape::Whole(1, 256)]),
            "auto: one a core",
            "Threads, each with a socket per address.",
        ),
        key("receive_buffer", Shape::Whole(4096, 1 << 30), "1048576", "Octets of each socket's receive buffer."),
        key("pin", Shape::Flag, "false", "Whether each thread of an address stays on a core of its own."),
        key(
            "busy_poll",
            Shape::Whole(0, 1_000),
            "0",
            "Microseconds that a thread looks at the network card itself before it sleeps.",
        ),
    ],
    planned: &["payload", "batch"],
};

pub(super) fn tcp(fields: &Fields<'_, '_>, tcp: &mut Tcp, sink: &mut Sink) {
    let mut limit = |key: &str, default: u32| match fields.get(key) {
        Some(node) => integer(node, &format!("`{key}`"), &(1..=1_000_000), sink).unwrap_or(default),
        None => default,
    };
    let (connections, per_client) = (limit("connections", tcp.connections), limit("per_client", tcp.per_client));
    (tcp.connections, tcp.per_client) = (connections, per_client);
    for (key, time) in [("idle", &mut tcp.idle), ("write", &mut tcp.write)] {
        if let Some(node) = fields.get(key) {
            let range = Duration::from_millis(100)..=Duration::from_mins(10);
            *time = duration(node, &format!("`{key}`"), &range, sink).unwrap_or(*time);
        }
    }
}

pub(super) fn udp(fields: &Fields<'_, '_>, udp: &mut Udp, sink: &mut Sink) {
    if let Some(node) = fields.get("threads") {
        let auto = matches!(node, Node::Scalar(text) if text.text == "auto");
        udp.threads = if auto { None } else { integer(node, "`threads`", &(1..=256), sink) };
    }
    if let Some(node) = fields.get("receive_buffer") {
        udp.receive_buffer = integer(node, "`receive_buffer`", &(4096..=1 << 30), sink).unwrap_or(udp.receive_buffer);
    }
    if let Some(node) = fields.get("pin") {
        udp.pin = boolean(node, "`pin`", sink).unwrap_or(udp.pin);
    }
    if let Some(node) = fields.get("busy_poll") {
        udp.busy_poll = integer(node, "`busy_poll`", &(0..=1_000), sink).unwrap_or(udp.busy_poll);
    }
}
