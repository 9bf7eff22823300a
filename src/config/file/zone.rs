//! A zone file as written: apex, SOA, name servers, records and assertions.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::grammar::{Keys, Shape, key, required};
use super::super::master::DEFAULT_TTL;
use super::super::model::{AliasModel, RecordModel, Records, ReflectModel, SoaModel};
use super::super::reader::{Fields, Sink, TOO_LARGE, ecs, integer, one_or_more, text};
use super::super::units::ttl;
use super::super::yaml::{Node, Position};
use super::expect::{self, ExpectText};
use super::records::{self, SteerText};
use super::{Context, Shared, read_shared, zonefile};
use crate::dns::ecs::Ecs;
use crate::dns::{Name, NameRef, Rdata, Type, rdata};

/// REFRESH, RETRY, EXPIRE and MINIMUM where none are written: RIPE-203's proportions, with negative answers kept short
/// because names appear by editing a file.
const SOA_DEFAULTS: (u32, u32, u32, u32) = (7200, 1800, 1_209_600, 300);

/// A zone file.
pub(super) const ZONE: Keys = Keys {
    what: "a zone file",
    known: &[
        required("zone", Shape::Name, "The zone's apex."),
        key(
            "zonefile",
            Shape::Text,
            "none",
            "A master file (RFC 1035 §5) with the zone's static part, relative to this file.",
        ),
        key("ttl", Shape::Ttl, "1h", "Time to live of records that have none of their own."),
        key("soa", Shape::Map(&SOA), "", "The start of authority (RFC 1035 §3.3.13)."),
        key(
            "ns",
            Shape::Either(&[Shape::OneOrMore(&Shape::Name), Shape::Map(&NS)]),
            "those of the `zonefile`",
            "The zone's name servers; without a `zonefile` they must be written.",
        ),
        key(
            "ecs",
            Shape::Words(&["on", "off"]),
            "on",
            "Whether client subnets are heeded (RFC 7871); every node of a zone must agree.",
        ),
        key(
            "records",
            Shape::Owners(&records::OWNER, &records::RRSET_SHAPE),
            "none",
            "Owner names, relative to the zone (`@` is the apex), each with its RRsets by type, and with `steer`, `ALIAS` or `reflect`.",
        ),
        key(
            "expect",
            Shape::List(&Shape::Map(&expect::EXPECT)),
            "none",
            "Assertions: a reload that breaks one is refused.",
        ),
        key("pops", super::POPS, "none", "PoPs of this zone alone."),
        key("checks", super::CHECKS, "none", "Checks of this zone alone."),
        key("services", super::SERVICES, "none", "Services of this zone alone."),
        key("policies", super::POLICIES, "none", "Policies of this zone alone."),
    ],
    planned: &["dnssec", "transfer", "notify", "update", "tsig", "views", "view", "catalog"],
};
const SOA: Keys = Keys {
    what: "`soa`",
    known: &[
        key("mname", Shape::Name, "the first of `ns`", "The primary name server."),
        key(
            "rname",
            Shape::Name,
            "hostmaster",
            "The mailbox of who is responsible, its first dot standing for the `@`.",
        ),
        key("ttl", Shape::Ttl, "the zone's", "Time to live of the SOA record."),
        key("refresh", Shape::Ttl, "2h", "How often secondaries look for changes."),
        key("retry", Shape::Ttl, "30m", "How soon they try again."),
        key("expire", Shape::Ttl, "14d", "When they give up."),
        key("minimum", Shape::Ttl, "5m", "How long resolvers remember that a name or type does not exist (RFC 2308)."),
        key("serial", Shape::Whole(0, u32::MAX as u64), "kept automatically", "The zone's version."),
    ],
    planned: &[],
};
const NS: Keys = Keys {
    what: "`ns`",
    known: &[
        key("ttl", Shape::Ttl, "the zone's", "Time to live of the NS records."),
        required("names", Shape::OneOrMore(&Shape::Name), "The servers."),
    ],
    planned: &[],
};
/// A zone file, read: what it says by itself, with references to PoPs, services and policies still names.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    pub(in super::super) path: Arc<str>,
    pub(in super::super) origin: Name,
    pub(in super::super) location: Location,
    /// `None` after a syntax error.
    pub(in super::super) contents: Option<Contents>,
    /// Whether the file has no errors of its own.
    pub(in super::super) good: bool,
    /// Whether its records are left out, since tables hold them.
    compiled: bool,
}

impl ZoneFile {
    /// The path as shown to the operator.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// The apex.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Where `zone:` is written.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The file without the records that only tables are made of, to be kept beside the tables: it links with another
    /// fleet as the whole file does. `None` when there is nothing to leave out.
    pub fn compiled(&self) -> Option<Self> {
        let contents = self.contents.as_ref().filter(|_| !self.compiled)?;
        // Linking asks what else stands at names that are steered or reflect.
        let steered = contents.steers.iter().map(|steer| steer.owner.by_ref());
        let asked: HashSet<NameRef<'_>> = steered.chain(contents.reflects.iter().map(|r| r.owner.by_ref())).collect();
        let records = contents.records.only(|record| asked.contains(&record.owner));
        if records.len() == contents.records.len() {
            return None;
        }
        let contents = Contents { records: Arc::new(records), ..contents.clone() };
        Some(Self { contents: Some(contents), compiled: true, ..self.clone() })
    }

    /// Whether records are left out: no tables can be made from it.
    pub fn is_compiled(&self) -> bool {
        self.compiled
    }

    /// The records that there still are.
    pub fn records(&self) -> Option<&Arc<Records>> {
        self.contents.as_ref().map(|contents| &contents.records)
    }

    /// Whether the file has no errors of its own.
    pub fn is_good(&self) -> bool {
        self.good
    }
}

#[derive(Clone, Debug)]
pub(in super::super) struct Contents {
    pub(in super::super) serial: Option<u32>,
    pub(in super::super) ecs: Ecs,
    pub(in super::super) soa: SoaModel,
    pub(in super::super) records: Arc<Records>,
    pub(in super::super) steers: Vec<SteerText>,
    pub(in super::super) reflects: Vec<ReflectModel>,
    pub(in super::super) aliases: Vec<AliasModel>,
    pub(in super::super) expects: Vec<ExpectText>,
    pub(in super::super) shared: Shared,
}

pub(super) fn read(root: &Node<'_>, whole: bool, context: &Context<'_>, sink: &mut Sink) -> Option<ZoneFile> {
    let path = context.path;
    if !whole {
        // The syntax error is told; all that is wanted is whose last good version to keep.
        let Node::Map(_, entries) = root else { return None };
        let (_, node) = entries.iter().find(|(key, _)| key.text == "zone")?;
        let mut unheard = Sink::new(Arc::clone(path));
        let origin = apex(node, &mut unheard)?;
        let location = sink.location(node.at());
        return Some(ZoneFile {
            path: Arc::clone(path),
            origin,
            location,
            contents: None,
            good: false,
            compiled: false,
        });
    }
    let fields = Fields::open(root, &ZONE, sink)?;
    let node = fields.get("zone")?;
    let origin = apex(node, sink)?;
    let location = sink.location(node.at());
    let contents = contents(&fields, &origin, node.at(), &Context { origin: Some(&origin), ..*context }, sink);
    let good = !sink.has_errors();
    Some(ZoneFile { path: Arc::clone(path), origin, location, contents: Some(contents), good, compiled: false })
}

fn apex(node: &Node<'_>, sink: &mut Sink) -> Option<Name> {
    let written = text(node, "`zone`", sink)?;
    match Name::parse(written, Some(&Name::root())) {
        Ok(name) if name.is_wildcard() => sink.error(node.at(), format!("`{written}` is a wildcard, not a zone")),
        Ok(name) => return Some(name),
        Err(error) => sink.error(node.at(), error.to_string()),
    }
    None
}

fn contents(fields: &Fields<'_, '_>, origin: &Name, at: Position, context: &Context<'_>, sink: &mut Sink) -> Contents {
    let Context { path, files, .. } = *context;
    let written_ttl = fields.get("ttl").and_then(|node| ttl(node, "`ttl`", sink));
    let zone_ttl = written_ttl.unwrap_or(DEFAULT_TTL);
    let mut master = fields.get("zonefile").map(|node| zonefile::read(node, origin, written_ttl, path, files, sink));
    let ns = match (fields.get("ns"), &master) {
        (None, Some(_)) => Vec::new(),
        (node, _) => name_servers(node, origin, zone_ttl, at, sink),
    };
    let mut written = fields.get("records").map(|node| records::read(node, origin, zone_ttl, sink)).unwrap_or_default();
    let mut servers = ns.clone();
    let mut soa_of_file = None;
    if let Some(master) = &mut master {
        let both = zonefile::Both { origin, path, soa: fields.get("soa").is_some(), ns: fields.get("ns").is_some() };
        soa_of_file = both.settle(master, &written, sink);
        let at_apex = master.records.iter().filter(|r| r.rtype == Type::NS && r.owner == *origin);
        servers.extend(at_apex.map(|r| RecordModel {
            owner: origin.clone(),
            rtype: r.rtype,
            ttl: r.ttl,
            rdata: Rdata { wire: r.rdata.into() },
            location: r.location(),
        }));
        zonefile::addressed(master, &servers, &mut written);
    }
    let (soa, serial) = match soa_of_file {
        Some((soa, serial)) => (soa, Some(serial)),
        None => soa(fields.get("soa"), origin, zone_ttl, servers.first(), sink),
    };
    let ecs = fields.get("ecs").and_then(|node| ecs(node, sink)).unwrap_or_default();
    missing_addresses(&servers, &mut written, origin, sink);
    let expects = fields.get("expect").map(|node| expect::read(node, origin, sink)).unwrap_or_default();
    let shared = read_shared(fields, context, sink);
    let records::Section { mut records, steers, aliases, reflects, .. } = written;
    let mut fit = ns.iter().all(|r| records.push(r.owner.by_ref(), r.rtype, r.ttl, &r.rdata.wire, &r.location));
    records.sort(ns.len());
    if let Some(master) = master {
        fit &= records.append(master.records);
    }
    if !fit {
        sink.error(at, TOO_LARGE);
    }
    let records = Arc::new(records);
    Contents { serial, ecs, soa, records, steers, reflects, aliases, expects, shared }
}

fn name_servers(
    node: Option<&Node<'_>>,
    origin: &Name,
    zone_ttl: u32,
    at: Position,
    sink: &mut Sink,
) -> Vec<RecordModel> {
    const HELP: &str = "name the servers of the zone: `ns: [ns1, ns2]`, with addresses for both under `records`";
    let Some(node) = node else {
        sink.error_help(at, "the zone has no `ns`", HELP);
        return Vec::new();
    };
    let mut names = Some(node);
    let mut seconds = zone_ttl;
    if let Node::Map(..) = node {
        let Some(fields) = Fields::open(node, &NS, sink) else { return Vec::new() };
        seconds = fields.get("ttl").and_then(|node| ttl(node, "`ttl`", sink)).unwrap_or(zone_ttl);
        names = fields.get("names");
    }
    let items = match names {
        Some(node) => one_or_more(node, "`ns`", sink).unwrap_or_default(),
        None => &[],
    };
    if items.is_empty() && !names.is_some_and(Node::is_null) {
        sink.error_help(node.at(), "`ns` names no server", HELP);
    }
    let mut servers: Vec<RecordModel> = Vec::new();
    for item in items {
        let Some(written) = text(item, "a name server", sink) else { continue };
        match rdata::parse(Type::NS, written, origin) {
            Ok(rdata) if servers.iter().any(|r| r.rdata.target(Type::NS) == rdata.target(Type::NS)) => {
                sink.error(item.at(), format!("name server `{written}` is written twice"));
            }
            Ok(rdata) => {
                let location = sink.location(item.at());
                servers.push(RecordModel { owner: origin.clone(), rtype: Type::NS, ttl: seconds, rdata, location });
            }
            Err(error) => records::rdata_error(item.at(), error, sink),
        }
    }
    servers
}

fn soa(
    node: Option<&Node<'_>>,
    origin: &Name,
    zone_ttl: u32,
    first_server: Option<&RecordModel>,
    sink: &mut Sink,
) -> (SoaModel, Option<u32>) {
    let fields = node.and_then(|node| Fields::open(node, &SOA, sink));
    let get = |key: &str| fields.and_then(|fields| fields.get(key));
    let mname = match get("mname") {
        Some(node) => name(node, "`mname`", origin, sink),
        None => first_server.and_then(|r| r.rdata.target(Type::NS)),
    };
    let rname = match get("rname") {
        Some(node) => mailbox(node, origin, sink),
        None => origin.child(b"hostmaster"),
    };
    let (refresh, retry, expire, minimum) = SOA_DEFAULTS;
    let mut seconds = |key: &str, default: u32| match get(key) {
        Some(node) => ttl(node, &format!("`{key}`"), sink).unwrap_or(default),
        None => default,
    };
    let (ttl, refresh, retry) = (seconds("ttl", zone_ttl), seconds("refresh", refresh), seconds("retry", retry));
    let (expire, minimum) = (seconds("expire", expire), seconds("minimum", minimum));
    let serial = get("serial").and_then(|node| integer(node, "`serial`", &(0..=u32::MAX), sink));
    // The apex stands for a name that has been refused, or does not fit.
    let name = |name: Option<Name>| name.unwrap_or_else(|| origin.clone());
    (SoaModel { mname: name(mname), rname: name(rname), ttl, refresh, retry, expire, minimum }, serial)
}

fn name(node: &Node<'_>, what: &str, origin: &Name, sink: &mut Sink) -> Option<Name> {
    let written = text(node, what, sink)?;
    Name::parse(written, Some(origin)).map_err(|error| sink.error(node.at(), error.to_string())).ok()
}

fn mailbox(node: &Node<'_>, origin: &Name, sink: &mut Sink) -> Option<Name> {
    let written = text(node, "`rname`", sink)?;
    if let Some((user, domain)) = written.split_once('@')
        && !user.is_empty()
    {
        let help = format!(
            "DNS writes a mailbox as a name: did you mean `{}.{}.`?",
            user.replace('.', "\\."),
            domain.trim_end_matches('.')
        );
        sink.error_help(node.at(), format!("`rname` cannot be `{written}`"), help);
        return None;
    }
    name(node, "`rname`", origin, sink)
}

/// A server below the apex is found by its address in this zone and nowhere else.
fn missing_addresses(servers: &[RecordModel], written: &mut records::Section, origin: &Name, sink: &mut Sink) {
    for server in servers {
        if let Some(target) = server.rdata.target(Type::NS)
            && target.is_at_or_under(origin)
            && !written.addressed.contains(&target)
            && !written.owners.is_addressed(&target)
        {
            let help = "write its `A` or `AAAA` under `records`, or end the name in a dot when it lies elsewhere";
            sink.warn_at(&server.location, format!("name server `{target}` has no address in this zone"), help);
        }
    }
}
