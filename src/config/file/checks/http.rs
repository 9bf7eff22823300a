//! `http` and `https` as written.

use super::super::super::grammar::{Key, Keys, Shape, key};
use super::super::super::reader::{Fields, Sink, boolean, entries, integer, one_or_more, text, word};
use super::super::super::yaml::Node;
use super::host;
use crate::health::check::{Body, Http, HttpVersion, Pattern, Tls};

/// The keys of `https`; `http` has those that come before TLS.
const KEYS: &[Key] = &[
    key("method", Shape::Form("a method in capitals", "^[A-Z]{1,16}$"), "GET", "The request's method."),
    key("path", super::PATH, "/", "The request's path, with a query if wanted."),
    key("host", Shape::Text, "the address", "The `Host` header."),
    key("headers", Shape::Named("a header", &Shape::Text), "none", "Further headers."),
    key("status", Shape::OneOrMore(&STATUS), "200-399", "Status codes that are good."),
    key("body", Shape::Text, "none", "A text that must be within the first 64 KiB of the body."),
    key("regex", Shape::Text, "none", "Instead: a pattern (of the Rust crate `regex`) that must match there."),
    key("http", Shape::Words(&["1", "2"]), "1", "The version of HTTP."),
    key(
        "redirects",
        Shape::Whole(0, Http::MAX_REDIRECTS as u64),
        "0",
        "How many redirects are followed, only to the same scheme, host and port, always at the target's address.",
    ),
    key("port", super::PORT, "the check's", "Where the `probe` of an address names none."),
    key("server_name", Shape::Text, "`host`", "The name in the handshake (SNI), and whom the certificate must be for."),
    key("verify", Shape::Flag, "true", "Whether the certificate's chain and name are checked."),
    key("min_days", Shape::Whole(0, MAX_DAYS as u64), "0", "Days the certificate must still be valid for."),
];
/// Of [`KEYS`], those without TLS.
const PLAIN: usize = 10;
pub(super) const HTTP: Keys = Keys { what: "an `http` check", known: KEYS.split_at(PLAIN).0, planned: &[] };
pub(super) const HTTPS: Keys = Keys { what: "an `https` check", known: KEYS, planned: &[] };
/// A code, or a range of them.
const STATUS: Shape =
    Shape::Either(&[Shape::Whole(100, 599), Shape::Form("a range of codes", "^[1-5][0-9]{2} *- *[1-5][0-9]{2}$")]);

/// Longest time before its end that a certificate can be asked for, in days: ten years.
pub(super) const MAX_DAYS: u16 = 3650;

pub(super) fn http(node: &Node<'_>, keys: &Keys, sink: &mut Sink) -> Option<(Http, Tls, Option<u16>)> {
    let (mut http, mut tls) = (Http::default(), Tls::default());
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
    if let Some(node) = fields.get("headers") {
        http.headers = headers(node, sink);
    }
    if let Some(node) = fields.get("status") {
        http.status = statuses(node, sink);
    }
    http.body = body(&fields, &http.method, sink);
    if let Some(node) = fields.get("http") {
        let versions = [("1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
        http.version = word(node, "`http`", &versions, sink).unwrap_or(http.version);
    }
    if let Some(node) = fields.get("redirects") {
        http.redirects = integer(node, "`redirects`", &(0..=Http::MAX_REDIRECTS), sink).unwrap_or(http.redirects);
    }
    tls.server_name = fields.get("server_name").and_then(|node| host(node, "`server_name`", sink));
    tls.verify = fields.get("verify").and_then(|node| boolean(node, "`verify`", sink)).unwrap_or(true);
    tls.min_days = fields.get("min_days").and_then(|node| integer(node, "`min_days`", &(0..=MAX_DAYS), sink));
    let port = fields.get("port").and_then(|node| integer(node, "`port`", &(1..=65535), sink));
    Some((http, tls, port))
}

/// `body` is a text that must stand in it, `regex` a pattern that must match in it.
fn body(fields: &Fields<'_, '_>, method: &str, sink: &mut Sink) -> Option<Body> {
    let (written, pattern) = (fields.get("body"), fields.get("regex"));
    let node = written.or(pattern)?;
    if method == "HEAD" {
        sink.error_help(node.at(), "the answer to HEAD has no body to look at", "use `method: GET`");
    }
    match (written, pattern) {
        (Some(_), Some(pattern)) => {
            sink.error_help(
                pattern.at(),
                "`regex` beside `body`",
                "a pattern can hold the text too: keep one of the two",
            );
            None
        }
        (Some(node), None) => text(node, "`body`", sink).map(|written| Body::Text(written.to_owned())),
        (None, _) => {
            let written = text(node, "`regex`", sink)?;
            match Pattern::parse(written) {
                Ok(pattern) => Some(Body::Regex(pattern)),
                Err(why) => {
                    sink.error_help(
                        node.at(),
                        format!("`regex` cannot be `{written}`: {why}"),
                        "patterns are those of the Rust crate `regex`, best in single quotes: `'\"status\": *\"ok\"'`",
                    );
                    None
                }
            }
        }
    }
}

/// Headers that the probe makes itself, and what to write instead.
const OWN_HEADERS: [(&str, &str); 5] = [
    ("host", "write `host: …` beside `headers`"),
    ("connection", "each probe has a connection of its own"),
    ("content-length", "probes send no body"),
    ("transfer-encoding", "probes send no body"),
    ("upgrade", "probes speak the HTTP of `http: 1` or `http: 2`"),
];

fn headers(node: &Node<'_>, sink: &mut Sink) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (key, value) in entries(node, "`headers`", sink).unwrap_or_default() {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let name = key.text.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(token) {
            let message = format!("`{}` cannot be the name of a header", key.text);
            sink.error_help(key.at, message, "letters, digits and `-`, for example `X-Probe` (RFC 9110 §5.6.2)");
        } else if let Some((_, help)) = OWN_HEADERS.iter().find(|(own, _)| *own == name) {
            sink.error_help(key.at, format!("`{}` is not for a check to set", key.text), *help);
        } else if let Some(written) = text(value, "a header", sink) {
            if written.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
                headers.push((name, written.trim().to_owned()));
            } else {
                let message = format!("header `{}` has characters that cannot be sent", key.text);
                sink.error_help(value.at(), message, "printable ASCII (RFC 9110 §5.5)");
            }
        }
    }
    headers
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
