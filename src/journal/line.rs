//! An answer as a line of JSON.

use std::time::Duration;

use serde::Serialize;

use super::Shown;
use super::entry::{Entry, Fate};
use crate::dns::edns::{Opt, Options};
use crate::dns::message::{HEADER, Header, Reader};
use crate::dns::{Class, FoldedName, Rcode, Type};
use crate::metrics::{Kind, Number};
use crate::net::Block;
use crate::query::{Ecs, Transport};
use crate::snapshot::Snapshot;

/// A line, key by key in this order; documented in docs/operations.md. What does not apply is left out.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    time: String,
    client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    transport: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    kind: &'static str,
    rcode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_subnet: Option<bool>,
    size: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ns: Option<u64>,
}

impl Line {
    /// Of an answer. Without the snapshot that its numbers belong to, zone, service and PoP are left out.
    pub(super) fn new(entry: &Entry, snapshot: Option<&Snapshot>, shown: Shown) -> Self {
        let (asked, ecs) = asked(&entry.request);
        let answered = &entry.answered;
        let map = answered.decided.map.get();
        let of_map = snapshot.zip(map).and_then(|(snapshot, map)| snapshot.maps.get(map as usize));
        let member = answered.decided.member().map(usize::from);
        let client = shown.of(Block::new(entry.source, 128));
        let is_host = client.length() == if entry.source.is_ipv4() { 32 } else { 128 };
        Self {
            time: time(entry),
            client: if is_host { client.address().to_string() } else { client.to_string() },
            port: (shown == Shown::Full).then_some(entry.source_port),
            transport: match entry.transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
                Transport::Tls => "tls",
                Transport::Https => "https",
                Transport::Quic => "quic",
            },
            name: asked.as_ref().map(|asked| asked.0.to_name().to_string()),
            r#type: asked.as_ref().map(|asked| asked.1.to_string()),
            class: asked.as_ref().filter(|asked| asked.2 != Class::IN).map(|asked| asked.2.to_string()),
            zone: zone(answered.zone(), snapshot).map(ToString::to_string),
            kind: answered.kind().label(),
            rcode: Rcode(answered.rcode()).to_string(),
            service: of_map.map(|map| map.service.name.clone()),
            policy: of_map.map(|map| map.policy.name.clone()),
            pop: of_map.zip(member).and_then(|(map, member)| map.pops.get(member)).map(|pop| pop.as_ref().to_owned()),
            reason: map.map(|_| Kind::reason(answered.decided.kind())),
            subnet: ecs.map(|block| shown.of(block).to_string()),
            scope: answered.scope(),
            by_subnet: answered.scope().map(|_| answered.by_subnet()),
            size: entry.answer.len(),
            truncated: answered.truncated(),
            limited: match entry.fate {
                Fate::Sent => None,
                Fate::Slipped => Some("slipped"),
                Fate::Dropped => Some("dropped"),
            },
            took_ns: entry.took.map(|took: Duration| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

/// RFC 3339 in UTC, to the microsecond.
fn time(entry: &Entry) -> String {
    jiff::Timestamp::try_from(entry.when).map_or_else(|_| String::new(), |time| format!("{time:.6}"))
}

/// The zone of a number, where the snapshot that it belongs to is known.
pub(super) fn zone(zone: Number, snapshot: Option<&Snapshot>) -> Option<&crate::dns::Name> {
    snapshot?.zones.get(zone.get()?).map(|(name, _)| name)
}

/// What a request asks for, and its client subnet.
fn asked(request: &[u8]) -> (Option<(FoldedName, Type, Class)>, Option<Block>) {
    let Some(header) = Header::read(request).filter(|header| header.counts[0] == 1) else { return (None, None) };
    let [_, answers, authorities, additionals] = header.counts;
    let mut reader = Reader::new(request, HEADER);
    let mut name = FoldedName::new();
    let question = reader.take_name(&mut name).and_then(|()| reader.take_u16().zip(reader.take_u16()));
    let Some((rtype, class)) = question else { return (None, None) };
    let mut subnet = None;
    for _ in 0..u32::from(answers) + u32::from(authorities) + u32::from(additionals) {
        let Some(record) = reader.take_record() else { break };
        if record.rtype == Type::OPT {
            let options: Option<Options<'_>> = Opt::read(&record).and_then(|opt| opt.options(Ecs::On));
            subnet = options.and_then(|options| options.ecs).map(|ecs| Block::new(ecs.address(), ecs.source()));
        }
    }
    (Some((name, Type(rtype), Class(class))), subnet)
}
