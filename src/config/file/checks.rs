//! `checks:` as written, and the addresses a probe may connect to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::diagnostic::Location;
use super::super::model::CheckModel;
use super::super::reader::{Fields, Keys, Sink, boolean, entries, integer, kind, name, one_or_more, text};
use super::super::units::{duration, show};
use super::super::yaml::{Node, Position};
use crate::health::check::{Flap, Tls};
use crate::health::{Check, CheckKind, Http};
use crate::net::Block;

/// Shortest interval: below it a probe is load, not a question.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Longest interval and half-life.
const DAY: Duration = Duration::from_hours(24);
/// Shortest timeout: a round trip within a city.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);

const CHECK: Keys = Keys {
    what: "a check",
    known: &["tcp", "http", "https", "port", "interval", "timeout", "fall", "rise", "confirm", "flap"],
    planned: &["tls", "dns", "icmp", "grpc", "exec", "push", "all", "any", "at_least", "not", "name"],
};
const TCP: Keys = Keys { what: "a `tcp` check", known: &["port"], planned: &["send", "expect"] };
const HTTP: Keys = Keys {
    what: "an `http` check",
    known: &["method", "path", "host", "status", "body", "port"],
    planned: &["headers", "follow", "redirects"],
};
const HTTPS: Keys = Keys {
    what: "an `https` check",
    known: &["method", "path", "host", "status", "body", "port", "server_name", "verify"],
    planned: &["headers", "follow", "redirects", "min_days"],
};

pub(super) fn read(node: &Node<'_>, sink: &mut Sink) -> Vec<CheckModel> {
    let mut checks = Vec::new();
    for (key, value) in entries(node, "`checks`", sink).unwrap_or_default() {
        let named = name(key, "a check", sink);
        if let Some((check, port)) = check(value, key.at, sink)
            && named
        {
            checks.push(CheckModel { name: key.text.to_string(), check, port, location: sink.location(key.at) });
        }
    }
    checks
}

fn check(node: &Node<'_>, at: Position, sink: &mut Sink) -> Option<(Check, Option<u16>)> {
    let fields = Fields::open(node, &CHECK, sink)?;
    let (kind, mut port) = probe_kind(&fields, at, sink)?;
    if let Some(node) = fields.get("port") {
        if port.is_some() {
            sink.error(node.at(), "`port` is written twice, here and with the kind of probe");
        }
        port = integer(node, "`port`", &(1..=65535), sink);
    }
    let default_port = match kind {
        CheckKind::Tcp => None,
        CheckKind::Http(_) => Some(80),
        CheckKind::Https(..) => Some(443),
    };
    let mut check = Check::new(kind);
    if let Some(node) = fields.get("interval") {
        check.interval = duration(node, "`interval`", &(MIN_INTERVAL..=DAY), sink).unwrap_or(check.interval);
    }
    check.timeout = check.timeout.min(check.interval);
    if let Some(node) = fields.get("timeout")
        && let Some(timeout) = duration(node, "`timeout`", &(MIN_TIMEOUT..=DAY), sink)
    {
        if timeout > check.interval {
            let message =
                format!("`timeout` of {} is longer than `interval` of {}", show(timeout), show(check.interval));
            sink.error_help(
                node.at(),
                message,
                "a probe must end before the next one begins: shorten it, or lengthen `interval`",
            );
        }
        check.timeout = timeout;
    }
    if let Some(node) = fields.get("fall") {
        check.fall = integer(node, "`fall`", &(1..=100), sink).unwrap_or(check.fall);
    }
    if let Some(node) = fields.get("rise") {
        check.rise = integer(node, "`rise`", &(1..=100), sink).unwrap_or(check.rise);
    }
    if let Some(node) = fields.get("confirm") {
        check.confirm = boolean(node, "`confirm`", sink).unwrap_or(check.confirm);
    }
    if let Some(node) = fields.get("flap") {
        check.flap = flap(node, sink);
    }
    Some((check, port.or(default_port)))
}

fn probe_kind(fields: &Fields<'_, '_>, at: Position, sink: &mut Sink) -> Option<(CheckKind, Option<u16>)> {
    match (fields.get("tcp"), fields.get("http"), fields.get("https")) {
        (Some(node), None, None) => tcp(node, sink),
        (None, Some(node), None) => {
            let (http, _, port) = http(node, &HTTP, sink)?;
            Some((CheckKind::Http(http), port))
        }
        (None, None, Some(node)) => {
            let (http, tls, port) = http(node, &HTTPS, sink)?;
            Some((CheckKind::Https(http, tls), port))
        }
        (None, None, None) => {
            // A kind that is misspelled or planned has been reported as such.
            if fields.all_known(&CHECK) {
                let help = "add `tcp`, `http` or `https`, for example `http: /healthz`";
                sink.error_help(at, "this check does not say what to probe", help);
            }
            None
        }
        _ => {
            let help = "make two checks, and name both in the service's `checks`";
            sink.error_help(at, "this check has two kinds of probe", help);
            None
        }
    }
}

fn tcp(node: &Node<'_>, sink: &mut Sink) -> Option<(CheckKind, Option<u16>)> {
    if matches!(node, Node::Scalar(_)) && !node.is_null() {
        return Some((CheckKind::Tcp, Some(integer(node, "`tcp`", &(1..=65535), sink)?)));
    }
    let fields = Fields::open(node, &TCP, sink)?;
    Some((CheckKind::Tcp, fields.get("port").and_then(|node| integer(node, "`port`", &(1..=65535), sink))))
}

fn http(node: &Node<'_>, keys: &Keys, sink: &mut Sink) -> Option<(Http, Tls, Option<u16>)> {
    let mut http =
        Http { method: "GET".to_owned(), path: "/".to_owned(), host: None, status: vec![(200, 399)], body: None };
    let mut tls = Tls { server_name: None, verify: true };
    if matches!(node, Node::Scalar(_)) && !node.is_null() {
        http.path = path(node, sink)?;
        return Some((http, tls, None));
    }
    let fields = Fields::open(node, keys, sink)?;
    if let Some(node) = fields.get("method") {
        http.method = method(node, sink).unwrap_or(http.method);
    }
    if let Some(node) = fields.get("path") {
        http.path = path(node, sink).unwrap_or(http.path);
    }
    http.host = fields.get("host").and_then(|node| host(node, "`host`", sink));
    if let Some(node) = fields.get("status") {
        http.status = statuses(node, sink);
    }
    if let Some(node) = fields.get("body") {
        http.body = text(node, "`body`", sink).map(str::to_owned);
        if http.method == "HEAD" {
            sink.error_help(node.at(), "the answer to HEAD has no body to look at", "use `method: GET`");
        }
    }
    tls.server_name = fields.get("server_name").and_then(|node| host(node, "`server_name`", sink));
    tls.verify = fields.get("verify").and_then(|node| boolean(node, "`verify`", sink)).unwrap_or(true);
    let port = fields.get("port").and_then(|node| integer(node, "`port`", &(1..=65535), sink));
    Some((http, tls, port))
}

fn method(node: &Node<'_>, sink: &mut Sink) -> Option<String> {
    let written = text(node, "`method`", sink)?;
    if !written.is_empty() && written.len() <= 16 && written.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some(written.to_owned());
    }
    let help = format!("an HTTP method in capitals: did you mean `{}`?", written.to_ascii_uppercase());
    sink.error_help(node.at(), format!("`method` cannot be `{written}`"), help);
    None
}

fn path(node: &Node<'_>, sink: &mut Sink) -> Option<String> {
    let written = text(node, "the path of a request", sink)?;
    if written.starts_with('/') && written.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Some(written.to_owned());
    }
    let help = if written.contains("://") {
        "write only the path, for example `/healthz`; `host` and `port` are keys of their own"
    } else {
        "a path begins with `/` and has no spaces, for example `/healthz`; other characters as `%XX`"
    };
    sink.error_help(node.at(), format!("`{written}` is not the path of a request"), help);
    None
}

fn host(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<String> {
    let written = text(node, what, sink)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if written.len() <= 255 && written.bytes().all(good) {
        return Some(written.to_owned());
    }
    sink.error_help(node.at(), format!("{what} cannot be `{written}`"), "a host name, for example `www.example.com`");
    None
}

fn statuses(node: &Node<'_>, sink: &mut Sink) -> Vec<(u16, u16)> {
    let items = one_or_more(node, "`status`", sink).unwrap_or_default();
    if items.is_empty() && !node.is_null() && matches!(node, Node::List(..)) {
        sink.error(node.at(), "`status` accepts no code at all");
    }
    items.iter().filter_map(|item| status(item, sink)).collect()
}

fn status(node: &Node<'_>, sink: &mut Sink) -> Option<(u16, u16)> {
    let written = text(node, "`status`", sink)?;
    let code = |s: &str| s.trim().parse::<u16>().ok().filter(|n| (100..=599).contains(n));
    let range = match written.split_once('-') {
        Some((low, high)) => code(low).zip(code(high)),
        None => code(written).map(|n| (n, n)),
    };
    let range = range.filter(|(low, high)| low <= high);
    if range.is_none() {
        sink.error_help(
            node.at(),
            format!("`status` cannot be `{written}`"),
            "codes from 100 to 599, or ranges like `200-299`",
        );
    }
    range
}

fn flap(node: &Node<'_>, sink: &mut Sink) -> Option<Flap> {
    const FLAP: Keys = Keys { what: "`flap`", known: &["half_life", "above", "factor"], planned: &[] };
    match node {
        Node::Scalar(text) if text.text == "off" => return None,
        Node::Map(..) => {}
        other => {
            let help = "write `flap: off`, or a map like `{half_life: 10m, above: 3, factor: 4}`";
            sink.error_help(other.at(), format!("`flap` is `off` or a map, not {}", kind(other)), help);
            return None;
        }
    }
    let fields = Fields::open(node, &FLAP, sink)?;
    let mut flap = Flap::DEFAULT;
    if let Some(node) = fields.get("half_life") {
        flap.half_life = duration(node, "`half_life`", &(Duration::from_secs(1)..=DAY), sink).unwrap_or(flap.half_life);
    }
    if let Some(node) = fields.get("above") {
        flap.above = integer(node, "`above`", &(1..=1000), sink).unwrap_or(flap.above);
    }
    if let Some(node) = fields.get("factor") {
        flap.factor = integer(node, "`factor`", &(1..=100), sink).unwrap_or(flap.factor);
    }
    Some(flap)
}

/// Where a probe connects instead of the address itself; without a port, the check's.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
    pub(crate) location: Location,
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`, or an address alone.
pub(super) fn probe(node: &Node<'_>, sink: &mut Sink) -> Option<Probe> {
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
