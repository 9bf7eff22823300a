//! `tcp`, `tls`, `dns`, `icmp`, `grpc`, `exec` and `push` as written.

use super::super::super::grammar::{Key, Keys, Shape, key, required};
use super::super::super::reader::{Fields, Sink, boolean, integer, kind, name, one_or_more, suggest, text, word};
use super::super::super::yaml::Node;
use super::host;
use super::http::MAX_DAYS;
use crate::dns::{Name, Type, rdata};
use crate::health::CheckKind;
use crate::health::check::{Dialog, Dns, DnsValue, Exec, Expired, Grpc, Push, Tls};

/// `tcp`.
pub(super) const TCP: Keys = Keys {
    what: "a `tcp` check",
    known: &[
        key("port", super::PORT, "the check's", "Where the `probe` of an address names none."),
        key("send", Shape::Text, "nothing", "What is sent after connecting."),
        key("expect", Shape::Text, "nothing", "A text that must be within the first 4 KiB of the answer."),
    ],
    planned: &[],
};
/// The keys of `tls`, the port last, which `tls` of a `grpc` check has not.
const TLS_KEYS: &[Key] = &[
    key("name", Shape::Text, "the address", "The name in the handshake (SNI), and whom the certificate must be for."),
    key("verify", Shape::Flag, "true", "Whether the certificate's chain and name are checked."),
    key("min_days", Shape::Whole(0, MAX_DAYS as u64), "0", "Days the certificate must still be valid for."),
    key("port", super::PORT, "the check's", "Where the `probe` of an address names none."),
];
/// `tls`.
pub(super) const TLS: Keys = Keys { what: "a `tls` check", known: TLS_KEYS, planned: &["alpn"] };
const GRPC_TLS: Keys =
    Keys { what: "`tls` of a `grpc` check", known: TLS_KEYS.split_at(TLS_KEYS.len() - 1).0, planned: &[] };
/// `dns`.
pub(super) const DNS: Keys = Keys {
    what: "a `dns` check",
    known: &[
        required("name", Shape::Name, "What is asked for."),
        key("type", Shape::Text, "A", "Of which type."),
        key(
            "rcode",
            Shape::Words(&["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "NOTAUTH"]),
            "NOERROR",
            "The response code that is good.",
        ),
        key("answer", Shape::OneOrMore(&Shape::Text), "anything", "Values that must be among the answers."),
        key("port", super::PORT, "the check's", "Where the `probe` of an address names none."),
    ],
    planned: &[],
};
/// `icmp`.
pub(super) const ICMP: Keys = Keys { what: "an `icmp` check", known: &[], planned: &[] };
/// `grpc`.
pub(super) const GRPC: Keys = Keys {
    what: "a `grpc` check",
    known: &[
        key("service", Shape::Text, "the server", "Which service's health is asked for."),
        key("host", Shape::Text, "the address", "The `:authority` of the request."),
        key("tls", Shape::Either(&[Shape::Flag, Shape::Map(&GRPC_TLS)]), "false", "Whether over TLS, and how."),
        key("port", super::PORT, "the check's", "Where the `probe` of an address names none."),
    ],
    planned: &[],
};
/// `push`.
pub(super) const PUSH: Keys = Keys {
    what: "a `push` check",
    known: &[
        required("name", Shape::Text, "The value's name: a file of `state/push/`."),
        key("expired", Shape::Words(&["unknown", "bad"]), "unknown", "What a value means whose lifetime has ended."),
    ],
    planned: &[],
};

/// Most text that is sent or looked for.
const MAX_TEXT: usize = 4096;

type Kind = (CheckKind, Option<u16>);

/// The kind and the port written with it.
pub(super) fn read(written: &str, node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    match written {
        "tcp" => tcp(node, sink),
        "tls" => tls_check(node, sink),
        "dns" => dns(node, sink),
        "grpc" => grpc(node, sink),
        "exec" => exec(node, sink),
        "push" => push(node, sink),
        _ => Fields::open(node, &ICMP, sink).map(|_| (CheckKind::Icmp, None)),
    }
}

/// A single value that stands for a whole map.
fn short(node: &Node<'_>) -> bool {
    matches!(node, Node::Scalar(_)) && !node.is_null()
}

fn port(fields: &Fields<'_, '_>, sink: &mut Sink) -> Option<u16> {
    fields.get("port").and_then(|node| integer(node, "`port`", &(1..=65535), sink))
}

fn tcp(node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    if short(node) {
        return Some((CheckKind::Tcp, Some(integer(node, "`tcp`", &(1..=65535), sink)?)));
    }
    let fields = Fields::open(node, &TCP, sink)?;
    let mut said = |key: &str| {
        let node = fields.get(key)?;
        let written = text(node, &format!("`{key}`"), sink)?;
        if written.is_empty() || written.len() > MAX_TEXT {
            let message = format!("`{key}` has {} octets", written.len());
            sink.error_help(node.at(), message, format!("accepted: 1 to {MAX_TEXT}"));
        }
        Some(written.as_bytes().to_vec())
    };
    let (send, expect) = (said("send"), said("expect"));
    let kind = match (send, expect) {
        (None, None) => CheckKind::Tcp,
        (send, expect) => CheckKind::Dialog(Dialog { send: send.unwrap_or_default(), expect }),
    };
    Some((kind, port(&fields, sink)))
}

fn tls_check(node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    if short(node) {
        let server_name = Some(host(node, "`tls`", sink)?);
        return Some((CheckKind::Tls(Tls { server_name, ..Tls::default() }), None));
    }
    let fields = Fields::open(node, &TLS, sink)?;
    Some((CheckKind::Tls(tls(&fields, sink)), port(&fields, sink)))
}

fn tls(fields: &Fields<'_, '_>, sink: &mut Sink) -> Tls {
    Tls {
        server_name: fields.get("name").and_then(|node| host(node, "`name`", sink)),
        verify: fields.get("verify").and_then(|node| boolean(node, "`verify`", sink)).unwrap_or(true),
        min_days: fields.get("min_days").and_then(|node| integer(node, "`min_days`", &(0..=MAX_DAYS), sink)),
    }
}

fn dns(node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    if short(node) {
        return Some((CheckKind::Dns(question(node, Type::A, sink)?), None));
    }
    let fields = Fields::open(node, &DNS, sink)?;
    let rtype = match fields.get("type") {
        Some(node) => rtype(node, sink)?,
        None => Type::A,
    };
    let Some(named) = fields.get("name") else {
        sink.error_help(node.at(), "this `dns` check has no `name`", "the name to ask for: `name: www.example.com`");
        return None;
    };
    let mut dns = question(named, rtype, sink)?;
    if let Some(node) = fields.get("rcode") {
        const RCODES: [(&str, u16); 7] = [
            ("NOERROR", 0),
            ("FORMERR", 1),
            ("SERVFAIL", 2),
            ("NXDOMAIN", 3),
            ("NOTIMP", 4),
            ("REFUSED", 5),
            ("NOTAUTH", 9),
        ];
        dns.rcode = word(node, "`rcode`", &RCODES, sink).unwrap_or(dns.rcode);
    }
    if let Some(node) = fields.get("answer") {
        for item in one_or_more(node, "`answer`", sink).unwrap_or_default() {
            let Some(written) = text(item, "`answer`", sink) else { continue };
            match rdata::parse(rtype, written, &Name::root()) {
                Ok(value) => dns.answers.push(DnsValue { text: written.to_owned(), wire: value.wire.into() }),
                Err(error) => {
                    let help = error.help.unwrap_or_else(|| "a value of the type asked for".to_owned());
                    sink.error_help(item.at(), error.message, help);
                }
            }
        }
    }
    Some((CheckKind::Dns(dns), port(&fields, sink)))
}

/// A name asked for, absolute with or without its last dot.
fn question(node: &Node<'_>, rtype: Type, sink: &mut Sink) -> Option<Dns> {
    let written = text(node, "the name of a `dns` check", sink)?;
    match Name::parse(written, Some(&Name::root())) {
        Ok(name) => Some(Dns {
            name: name.to_string(),
            name_wire: name.as_wire().to_vec(),
            rtype: rtype.0,
            rtype_name: rtype.to_string(),
            rcode: 0,
            answers: Vec::new(),
        }),
        Err(error) => {
            sink.error_help(node.at(), error.to_string(), "a name to ask for, for example `www.example.com`");
            None
        }
    }
}

/// A record type by its mnemonic.
pub(in super::super) fn rtype(node: &Node<'_>, sink: &mut Sink) -> Option<Type> {
    let written = text(node, "`type`", sink)?;
    if let Some(rtype) = Type::parse(written).filter(|rtype| rtype.is_data()) {
        return Some(rtype);
    }
    let help = match suggest(written, Type::mnemonics()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a record type, for example `A`, `AAAA`, `SOA`".to_owned(),
    };
    sink.error_help(node.at(), format!("`type` cannot be `{written}`"), help);
    None
}

fn grpc(node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    if short(node) {
        let service = service(node, sink)?;
        return Some((CheckKind::Grpc(Grpc { service, ..Grpc::default() }), None));
    }
    let fields = Fields::open(node, &GRPC, sink)?;
    let tls = match fields.get("tls") {
        Some(Node::Scalar(written)) if written.text == "true" => Some(Tls::default()),
        Some(Node::Scalar(written)) if written.text == "false" => None,
        Some(node @ Node::Scalar(written)) if !written.is_null() => {
            let help = "`true`, or a map: `{name: www.example.com, min_days: 7}`";
            sink.error_help(node.at(), format!("`tls` cannot be `{}`", written.text), help);
            None
        }
        Some(node) => Fields::open(node, &GRPC_TLS, sink).map(|fields| tls(&fields, sink)),
        None => None,
    };
    let grpc = Grpc {
        service: fields.get("service").and_then(|node| service(node, sink)).unwrap_or_default(),
        host: fields.get("host").and_then(|node| host(node, "`host`", sink)),
        tls,
    };
    Some((CheckKind::Grpc(grpc), port(&fields, sink)))
}

/// The name of a gRPC service.
fn service(node: &Node<'_>, sink: &mut Sink) -> Option<String> {
    let written = text(node, "`service`", sink)?;
    // The request's message tells the length in one octet.
    if written.len() <= 100 && written.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(written.to_owned());
    }
    let help = "printable ASCII, at most 100 octets, for example `package.Service`";
    sink.error_help(node.at(), format!("`service` cannot be `{written}`"), help);
    None
}

fn exec(node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    const HELP: &str = "the program's absolute path and its arguments, no shell: `exec: [/usr/lib/plugins/check_x, -H, \"{address}\"]`";
    let Node::List(at, items) = node else {
        sink.error_help(node.at(), format!("`exec` is a list, not {}", kind(node)), HELP);
        return None;
    };
    let command: Vec<String> =
        items.iter().filter_map(|item| text(item, "an item of `exec`", sink)).map(str::to_owned).collect();
    match command.first() {
        None => {
            sink.error_help(*at, "`exec` names no program", HELP);
            None
        }
        Some(program) if !program.starts_with('/') => {
            let at = items.first().map_or(*at, Node::at);
            sink.error_help(at, format!("`{program}` is not an absolute path"), HELP);
            None
        }
        Some(_) if command.iter().any(|word| word.contains('\0')) => {
            sink.error_help(*at, "`exec` has a word with a zero octet in it", HELP);
            None
        }
        Some(_) => Some((CheckKind::Exec(Exec { command }), None)),
    }
}

fn push(node: &Node<'_>, sink: &mut Sink) -> Option<Kind> {
    let (named, expired) = if short(node) {
        (node, Expired::default())
    } else {
        let fields = Fields::open(node, &PUSH, sink)?;
        let words = [("unknown", Expired::Unknown), ("bad", Expired::Bad)];
        let expired = fields.get("expired").and_then(|node| word(node, "`expired`", &words, sink)).unwrap_or_default();
        let Some(named) = fields.get("name") else {
            sink.error_help(node.at(), "this `push` check has no `name`", "names the value: `push: {name: web}`");
            return None;
        };
        (named, expired)
    };
    match named {
        Node::Scalar(written) if !written.is_null() => {
            let push = Push { name: written.text.to_string(), expired };
            name(written, "a pushed value", sink).then_some((CheckKind::Push(push), None))
        }
        other => {
            // Reports that it is no single value.
            let _ = text(other, "the name of a `push` check", sink);
            None
        }
    }
}
