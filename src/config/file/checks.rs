//! `checks:` as written.

mod calculated;
mod http;
mod kinds;
mod target;

use std::net::IpAddr;
use std::time::Duration;

use super::super::grammar::{Keys, Shape, key};
use super::super::model::{CheckBody, CheckModel};
use super::super::reader::{Fields, Sink, boolean, entries, integer, kind, name, one_or_more, text};
use super::super::units::{duration, show};
use super::super::yaml::{Node, Position};
use crate::health::check::{Flap, Source};
use crate::health::{Check, CheckKind};

pub(super) use kinds::rtype;
pub(super) use target::probe;
pub(crate) use target::{Probe, documentation, forbidden};

/// Shortest interval: below it a probe is load, not a question.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Longest interval and half-life.
const DAY: Duration = Duration::from_hours(24);
/// Shortest timeout: a round trip within a city.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);

/// The kinds of probe, a key each.
const PROBES: [&str; 9] = ["tcp", "http", "https", "tls", "dns", "icmp", "grpc", "exec", "push"];
/// What makes a check of others.
const CALCULATED: [&str; 4] = ["all", "any", "at_least", "not"];
/// How often and how strictly a probe is made.
const THRESHOLDS: [&str; 8] = ["port", "interval", "timeout", "fall", "rise", "confirm", "flap", "source"];

/// A check.
pub(super) const CHECK: Keys = Keys {
    what: "a check",
    known: &[
        key(
            "tcp",
            Shape::Either(&[Shape::Whole(1, 65535), Shape::Map(&kinds::TCP)]),
            "",
            "A connection is accepted; a port, or a map.",
        ),
        key(
            "http",
            Shape::Either(&[PATH, Shape::Map(&http::HTTP)]),
            "",
            "An HTTP request is answered as wanted; a path, or a map.",
        ),
        key("https", Shape::Either(&[PATH, Shape::Map(&http::HTTPS)]), "", "The same over TLS."),
        key(
            "tls",
            Shape::Either(&[Shape::Name, Shape::Map(&kinds::TLS)]),
            "",
            "A TLS handshake with a good certificate; a name, or a map.",
        ),
        key(
            "dns",
            Shape::Either(&[Shape::Name, Shape::Map(&kinds::DNS)]),
            "",
            "A DNS query is answered as wanted; a name, or a map.",
        ),
        key("icmp", Shape::Either(&[Shape::Nothing, Shape::Map(&kinds::ICMP)]), "", "An echo request is answered."),
        key(
            "grpc",
            Shape::Either(&[Shape::Text, Shape::Map(&kinds::GRPC)]),
            "",
            "`grpc.health.v1.Health/Check` says SERVING; a service, or a map.",
        ),
        key(
            "exec",
            Shape::List(&Shape::Text),
            "",
            "A program (absolute path) and its arguments; exit code 0 is good, 1 a warning, 2 bad. `{address}` and `{port}` stand for the target's. Off unless the settings say `probes: {exec: true}`.",
        ),
        key(
            "push",
            Shape::Either(&[Shape::Text, Shape::Map(&kinds::PUSH)]),
            "",
            "A value that somebody else sets, with a lifetime; a name, or a map.",
        ),
        key("all", PARTS, "", "Calculated: the worst of these checks."),
        key("any", PARTS, "", "Calculated: the best of these checks."),
        key("at_least", Shape::Map(&calculated::AT_LEAST), "", "Calculated: the n-th best of these checks."),
        key("not", Shape::Reference("a check"), "", "Calculated: the opposite of this check."),
        key(
            "port",
            PORT,
            "80, 443, 53 by kind",
            "Where the `probe` of an address names none; `tcp`, and `grpc` without `tls`, have no default.",
        ),
        key("interval", Shape::Time("100ms", "1d"), "5s", "From the start of a probe to the start of the next."),
        key("timeout", Shape::Time("10ms", "1d"), "2s, at most `interval`", "For the whole probe."),
        key("fall", Shape::Whole(1, 100), "3", "Failures in a row that take an address out of use."),
        key("rise", Shape::Whole(1, 100), "2", "Successes in a row that bring it back."),
        key(
            "confirm",
            Shape::Flag,
            "true",
            "A failed probe is repeated once after min(250 ms, interval/4), and only both together count.",
        ),
        key(
            "flap",
            Shape::Either(&[Shape::Words(&["off"]), Shape::Map(&FLAP)]),
            "`{half_life: 10m, above: 3, factor: 4}`",
            "Who falls often must rise for longer.",
        ),
        key(
            "source",
            Shape::OneOrMore(&Shape::Address),
            "the system's choice",
            "An address of this machine to probe from, or one of each family.",
        ),
    ],
    planned: &[],
};
const PATH: Shape = Shape::Form("a path that begins with `/`", "^/");
const PORT: Shape = Shape::Whole(1, 65535);
const PARTS: Shape = Shape::OneOrMore(&Shape::Reference("a check"));
const FLAP: Keys = Keys {
    what: "`flap`",
    known: &[
        key("half_life", Shape::Time("1s", "1d"), "10m", "Each fall adds 1 to a penalty, which halves in this time."),
        key("above", Shape::Whole(1, 1000), "3", "The penalty above which `rise` is multiplied."),
        key("factor", Shape::Whole(1, 100), "4", "By how much."),
    ],
    planned: &[],
};

pub(super) fn read(node: &Node<'_>, sink: &mut Sink) -> Vec<CheckModel> {
    let mut checks = Vec::new();
    for (key, value) in entries(node, "`checks`", sink).unwrap_or_default() {
        let named = name(key, "a check", sink);
        if let Some(body) = body(value, key.at, sink)
            && named
        {
            checks.push(CheckModel { name: key.text.to_string(), body, location: sink.location(key.at) });
        }
    }
    checks
}

fn body(node: &Node<'_>, at: Position, sink: &mut Sink) -> Option<CheckBody> {
    let fields = Fields::open(node, &CHECK, sink)?;
    let kinds: Vec<&str> = PROBES.into_iter().chain(CALCULATED).filter(|kind| fields.get(kind).is_some()).collect();
    match kinds.as_slice() {
        [] => {
            // A kind that is misspelled has been reported as such.
            if fields.all_known(&CHECK) {
                let help = "add `tcp`, `http`, `https` or another kind of probe, for example `http: /healthz`";
                sink.error_help(at, "this check does not say what to probe", help);
            }
            None
        }
        [one] if CALCULATED.contains(one) => {
            for key in THRESHOLDS {
                if let Some(node) = fields.get(key) {
                    let help = format!("leave it out: `{one}` follows the checks it is made of at once");
                    sink.error_help(node.at(), format!("`{key}` means nothing for `{one}`"), help);
                }
            }
            Some(CheckBody::Calculated(calculated::read(one, fields.get(one)?, sink)?))
        }
        [one] => probed(one, &fields, sink),
        _ => {
            let help = "make two checks, and name both in the service's `checks`";
            sink.error_help(at, "this check has two kinds of probe", help);
            None
        }
    }
}

fn probed(written: &str, fields: &Fields<'_, '_>, sink: &mut Sink) -> Option<CheckBody> {
    let node = fields.get(written)?;
    let (kind, mut port) = match written {
        "http" => {
            let (http, _, port) = http::http(node, &http::HTTP, sink)?;
            (CheckKind::Http(http), port)
        }
        "https" => {
            let (http, tls, port) = http::http(node, &http::HTTPS, sink)?;
            (CheckKind::Https(http, tls), port)
        }
        other => kinds::read(other, node, sink)?,
    };
    if let Some(node) = fields.get("port") {
        if port.is_some() {
            sink.error(node.at(), "`port` is written twice, here and with the kind of probe");
        }
        if !kind.has_port() {
            sink.error_help(node.at(), format!("`{written}` has no port"), "leave it out");
        }
        port = integer(node, "`port`", &(1..=65535), sink);
    }
    let default_port = match &kind {
        CheckKind::Tcp | CheckKind::Dialog(_) => None,
        CheckKind::Http(_) => Some(80),
        CheckKind::Https(..) | CheckKind::Tls(_) => Some(443),
        CheckKind::Dns(_) => Some(53),
        CheckKind::Grpc(grpc) => grpc.tls.is_some().then_some(443),
        CheckKind::Exec(_) | CheckKind::Icmp | CheckKind::Push(_) | CheckKind::Calculated(_) => Some(0),
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
    if let Some(node) = fields.get("source") {
        check.source = source(node, sink);
    }
    Some(CheckBody::Probed { check: Box::new(check), port: port.or(default_port) })
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

/// One address of this machine, or one of each family.
fn source(node: &Node<'_>, sink: &mut Sink) -> Source {
    let mut source = Source::default();
    for item in one_or_more(node, "`source`", sink).unwrap_or_default() {
        let Some(written) = text(item, "`source`", sink) else { continue };
        let twice = match written.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => source.v4.replace(v4).is_some(),
            Ok(IpAddr::V6(v6)) => source.v6.replace(v6).is_some(),
            Err(_) => {
                let help = "an address of this machine, or one of each family: `[192.0.2.1, \"2001:db8::1\"]`";
                sink.error_help(item.at(), format!("`source` cannot be `{written}`"), help);
                false
            }
        };
        if twice {
            sink.error_help(item.at(), "`source` has two addresses of one family", "keep one of the two");
        }
    }
    source
}

fn flap(node: &Node<'_>, sink: &mut Sink) -> Option<Flap> {
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
