//! `expect:` as written: who asks, what is assumed, and what they must be told.

use std::net::{IpAddr, Ipv4Addr};

use super::super::grammar::{Keys, Shape, key, required};
use super::super::model::{Expect, Wanted};
use super::super::reader::{Fields, Sink, Spot, integer, kind, one_or_more, spots, text};
use super::super::units::ttl;
use super::super::yaml::Node;
use super::checks::rtype;
use super::records::rdata_error;
use super::services::ip;
use crate::dns::{Name, Type, rdata};
use crate::net::Block;

/// An assertion.
pub(super) const EXPECT: Keys = Keys {
    what: "an assertion",
    known: &[
        required("name", Shape::Name, "A name of this zone."),
        key(
            "client",
            Shape::Block,
            "",
            "Who asks: an address (then it is the packet's source), or a client subnet. Needed for steered names.",
        ),
        key("resolver", Shape::Address, "127.0.0.1", "Instead of `client`: the packet's source."),
        key("subnet", Shape::Block, "none", "Instead of `client`: the client subnet, beside `resolver`."),
        key("type", Shape::Text, "A, or the type of the addresses in `answer`", "The type that is asked for."),
        key("assume", Shape::Map(&ASSUME), "everything up", "What is assumed of the PoPs."),
        key(
            "pop",
            Shape::OneOrMore(&Shape::Reference("a PoP")),
            "anything",
            "Where the client must be sent: the first PoP of the answer; a list: all of them, in order.",
        ),
        key(
            "answer",
            Shape::OneOrMore(&Shape::Text),
            "anything",
            "The records that must be in the answer, all of them in any order; or `nodata`, `nxdomain`, `servfail`.",
        ),
        key("ttl", Shape::Ttl, "anything", "The time to live."),
        key("scope", Shape::Whole(0, 128), "anything", "The scope prefix length."),
    ],
    planned: &["country", "asn"],
};
const ASSUME: Keys = Keys {
    what: "`assume`",
    known: &[
        key("down", POPS, "none", "These PoPs are down."),
        key("drain", POPS, "none", "These are drained."),
        key("up", POPS, "none", "These are up, and not drained, whatever `drain: true` says."),
    ],
    planned: &[],
};
const POPS: Shape = Shape::OneOrMore(&Shape::Reference("a PoP"));
const HELP: &str = "for example `{name: www, client: 192.0.2.1, pop: fra}`";

/// An assertion, and where the PoPs it names are written.
#[derive(Clone, Debug)]
pub(in super::super) struct ExpectText {
    pub(in super::super) expect: Expect,
    pub(in super::super) pops: Vec<Spot>,
}

pub(super) fn read(node: &Node<'_>, origin: &Name, sink: &mut Sink) -> Vec<ExpectText> {
    let items = match node {
        Node::List(_, items) => items.as_slice(),
        node if node.is_null() => &[],
        node => {
            let help = "one line each: `- {name: www, client: 192.0.2.1, pop: fra}`";
            sink.error_help(node.at(), format!("`expect` is a list of assertions, not {}", kind(node)), help);
            &[]
        }
    };
    items.iter().filter_map(|item| one(item, origin, sink)).collect()
}

fn one(node: &Node<'_>, origin: &Name, sink: &mut Sink) -> Option<ExpectText> {
    let fields = Fields::open(node, &EXPECT, sink)?;
    if fields.get("name").is_none() {
        sink.error_help(node.at(), "this assertion has no `name`", HELP);
    }
    let asked = fields.get("name").and_then(|node| {
        let written = text(node, "`name`", sink)?;
        Name::parse(written, Some(origin)).map_err(|error| sink.error(node.at(), error.to_string())).ok()
    });
    if let Some(asked) = &asked
        && !asked.is_at_or_under(origin)
    {
        sink.error(node.at(), format!("`{asked}` is not in this zone"));
    }
    let wanted = ["pop", "answer", "ttl", "scope"];
    if wanted.iter().all(|key| fields.get(key).is_none()) && fields.all_known(&EXPECT) {
        let help = format!("say what the client must be told: `pop`, `answer`, `ttl` or `scope`; {HELP}");
        sink.error_help(node.at(), "this assertion expects nothing", help);
    }
    let (source, subnet) = who(&fields, sink);
    let about_clients = ["pop", "scope"].into_iter().find(|key| fields.get(key).is_some());
    let nobody = ["client", "resolver", "subnet"].iter().all(|key| fields.get(key).is_none());
    if let Some(key) = about_clients.filter(|_| nobody) {
        sink.error_help(node.at(), format!("this assertion has a `{key}` and no `client`"), HELP);
    }

    let pops = fields.get("pop").and_then(|node| spots(node, "`pop`", sink)).unwrap_or_default();
    let only_first = matches!(fields.get("pop"), Some(Node::Scalar(_)));
    let assume = fields.get("assume").and_then(|node| Fields::open(node, &ASSUME, sink));
    let mut assumed = |key: &str| -> Vec<Spot> {
        let node = assume.and_then(|assume| assume.get(key));
        node.and_then(|node| spots(node, &format!("`{key}`"), sink)).unwrap_or_default()
    };
    let (down, drain, up) = (assumed("down"), assumed("drain"), assumed("up"));
    let names = |list: &[Spot]| list.iter().map(|spot| spot.text.clone()).collect::<Vec<_>>();

    let (rtype, answer) = answer(&fields, origin, sink)?;
    let expect = Expect {
        name: asked?,
        source,
        subnet,
        client: (!nobody).then(|| subnet.unwrap_or_else(|| Block::host(source))),
        rtype,
        down: names(&down),
        drain: names(&drain),
        up: names(&up),
        pops: names(&pops),
        only_first,
        answer,
        ttl: fields.get("ttl").and_then(|node| ttl(node, "`ttl`", sink)),
        scope: fields.get("scope").and_then(|node| integer(node, "`scope`", &(0..=128), sink)),
        location: sink.location(node.at()),
    };
    let pops = [pops, down, drain, up].concat();
    Some(ExpectText { expect, pops })
}

/// The packet's source, and the client subnet.
fn who(fields: &Fields<'_, '_>, sink: &mut Sink) -> (IpAddr, Option<Block>) {
    let mut block = |key: &str| {
        let node = fields.get(key)?;
        let written = text(node, &format!("`{key}`"), sink)?;
        let read = Block::parse(written).map_err(|message| sink.error(node.at(), message)).ok()?;
        Some((written.contains('/'), read))
    };
    let (client, subnet) = (block("client"), block("subnet").map(|(_, block)| block));
    let resolver = fields.get("resolver").and_then(|node| ip(node, sink));
    if let Some(node) = fields.get("client")
        && (resolver.is_some() || subnet.is_some())
    {
        let help = "`client` is short for one of them: keep it, or `resolver` and `subnet`";
        sink.error_help(node.at(), "`client` beside `resolver` or `subnet`", help);
    }
    let source = resolver.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    match client {
        Some((false, block)) => (block.address(), None),
        // Where client subnets are not heeded (`ecs: off`), the client is its own resolver.
        Some((true, block)) => (block.address(), Some(block)),
        None => (source, subnet),
    }
}

/// The type that is asked for, and the answer that is expected. `None` when it cannot be read.
fn answer(fields: &Fields<'_, '_>, origin: &Name, sink: &mut Sink) -> Option<(Type, Option<Wanted>)> {
    let written = match fields.get("type") {
        Some(node) => Some(rtype(node, sink)?),
        None => None,
    };
    let Some(node) = fields.get("answer") else { return Some((written.unwrap_or(Type::A), None)) };
    let items = one_or_more(node, "`answer`", sink)?;
    if let [Node::Scalar(word)] = items {
        let word = match &*word.text {
            "nodata" => Some(Wanted::NoData),
            "nxdomain" => Some(Wanted::NxDomain),
            "servfail" => Some(Wanted::Servfail),
            _ => None,
        };
        if word.is_some() {
            return Some((written.unwrap_or(Type::A), word));
        }
    }
    let mut records = Vec::new();
    let mut asked = written;
    for item in items {
        let written = text(item, "`answer`", sink)?;
        let rtype = match (asked, written.parse::<IpAddr>()) {
            (Some(rtype), _) => rtype,
            (None, Ok(IpAddr::V4(_))) => Type::A,
            (None, Ok(IpAddr::V6(_))) => Type::AAAA,
            (None, Err(_)) => {
                let help = "say of which type it is: `type: MX`; or one of `nodata`, `nxdomain`, `servfail`";
                sink.error_help(item.at(), format!("`answer` cannot be `{written}`"), help);
                return None;
            }
        };
        asked = Some(rtype);
        match rdata::parse(rtype, written, origin) {
            Ok(rdata) => records.push(rdata.wire),
            Err(error) => rdata_error(item.at(), error, sink),
        }
    }
    if items.is_empty() {
        sink.error_help(node.at(), "`answer` holds no record", "for none write `nodata` or `nxdomain`");
    }
    Some((asked.unwrap_or(Type::A), Some(Wanted::Records(records))))
}
