//! `records:` as written: owner names, RRsets, and what is steered.

use std::collections::{HashMap, HashSet};

use super::super::diagnostic::Location;
use super::super::grammar::{Keys, Shape, key, required};
use super::super::model::{AliasModel, Records, ReflectModel};
use super::super::reader::{
    Fields, Sink, Spot, TOO_LARGE, entries, kind, one_or_more, quoted, suggest, text, unknown_key,
};
use super::super::units::ttl;
use super::super::yaml::{Node, Position, Text};
use super::owners::{Owner, Owners};
use super::policies::{count, skip};
use super::reflect;
use super::services::{TTLS, TtlsText};
use crate::dns::text::has_comment;
use crate::dns::{Name, NameRef, RdataError, Type, rdata};

/// An owner name.
pub(super) const OWNER: Keys = Keys {
    what: "an owner name",
    known: &[
        key(
            "ttl",
            Shape::Ttl,
            "the zone's",
            "Time to live of its RRsets that have none of their own; steered answers go by `steer.ttl`.",
        ),
        key(
            "steer",
            Shape::Either(&[Shape::Reference("a service"), Shape::Map(&STEER)]),
            "none",
            "Answers A, AAAA and HTTPS with the addresses of the service that are best for whoever asks.",
        ),
        key(
            "ALIAS",
            RRSET_SHAPE,
            "none",
            "The A and AAAA records of another hosted name, as its own; at the apex too.",
        ),
        key(
            "reflect",
            Shape::Either(&[Shape::Flag, Shape::Map(&reflect::REFLECT)]),
            "none",
            "Answers TXT with what the server sees of the client; `true`: for clients on this machine.",
        ),
    ],
    planned: &["geo", "weight", "sticky", "on_empty"],
};
/// An RRset: a value, a list of values, or values with a TTL of their own.
pub(super) const RRSET_SHAPE: Shape = Shape::Either(&[Shape::OneOrMore(&Shape::Text), Shape::Map(&RRSET)]);
const RRSET: Keys = Keys {
    what: "an RRset",
    known: &[
        key("ttl", Shape::Ttl, "the owner name's", "Time to live."),
        required(
            "values",
            Shape::OneOrMore(&Shape::Text),
            "Record data in presentation form; names are relative to the zone unless they end in a dot.",
        ),
    ],
    planned: &["comment"],
};
const STEER: Keys = Keys {
    what: "`steer`",
    known: &[
        required("service", Shape::Reference("a service"), "What is served."),
        key("policy", Shape::Reference("a policy"), "the service's", "Who goes to which PoP."),
        key("count", Shape::Whole(1, 8), "the policy's", "PoPs in an answer."),
        key("skip", Shape::Whole(0, 7), "the policy's", "How many of the best are passed over: 1 gives the next best."),
        key(
            "ttl",
            Shape::Either(&[Shape::Ttl, Shape::Map(&TTLS)]),
            "the service's",
            "Times to live: one for all, or a map.",
        ),
    ],
    planned: &["families", "fallback", "on_empty", "ecs", "sticky"],
};

/// Types that signing makes, and nobody writes.
pub(crate) const SIGNED: [Type; 4] = [Type::RRSIG, Type::NSEC, Type::NSEC3, Type::NSEC3PARAM];

/// A steered owner name whose service and policy are still names.
#[derive(Clone, Debug)]
pub(crate) struct SteerText {
    pub(crate) owner: Name,
    pub(crate) service: Spot,
    pub(crate) policy: Option<Spot>,
    pub(crate) count: Option<u8>,
    pub(crate) skip: Option<u8>,
    pub(crate) ttls: TtlsText,
    pub(crate) location: Location,
}

/// What `records:` holds.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) records: Records,
    pub(super) steers: Vec<SteerText>,
    pub(super) reflects: Vec<ReflectModel>,
    pub(super) aliases: Vec<AliasModel>,
    /// Every owner name.
    pub(super) owners: Owners,
    /// Owners that have addresses in a master file.
    pub(super) addressed: HashSet<Name>,
}

pub(super) fn read(node: &Node<'_>, origin: &Name, zone_ttl: u32, sink: &mut Sink) -> Section {
    let mut reader = Reader {
        origin,
        // What a name becomes whose final dot was forgotten.
        doubled: Name::parse(origin.to_string().trim_end_matches('.'), Some(origin)).ok(),
        zone_ttl,
        cuts: HashMap::new(),
        out: Section::default(),
        sink,
    };
    if let Node::Bulk(_, bulk) = node {
        for (key, value) in bulk {
            reader.owner(&key, &value);
        }
    } else {
        for (key, value) in entries(node, "`records`", reader.sink).unwrap_or_default() {
            reader.owner(key, value);
        }
    }
    reader.occluded();
    reader.out
}

/// A finding about the data of a record.
pub(super) fn rdata_error(at: Position, error: RdataError, sink: &mut Sink) {
    match error.help {
        Some(help) => sink.error_help(at, error.message, help),
        None => sink.error(at, error.message),
    }
}

struct Reader<'r> {
    origin: &'r Name,
    doubled: Option<Name>,
    zone_ttl: u32,
    /// Owners whose subtree is served elsewhere: by other servers (NS), or under another name (DNAME).
    cuts: HashMap<Name, Type>,
    out: Section,
    sink: &'r mut Sink,
}

/// An RRset's type, and where it is written.
type Written = (Type, Position);

impl Reader<'_> {
    fn owner(&mut self, key: &Text<'_>, value: &Node<'_>) {
        let owner = match Name::parse(&key.text, Some(self.origin)) {
            Ok(owner) => owner,
            Err(error) => return self.sink.error(key.at, error.to_string()),
        };
        if !owner.is_at_or_under(self.origin) {
            let help = "names are relative to the zone unless they end in a dot; another zone has a file of its own";
            return self.sink.error_help(key.at, format!("`{}` is not in zone `{}`", key.text, self.origin), help);
        }
        self.forgotten_dot(&key.text, &owner, key.at);
        let number = match self.out.owners.insert(&owner, key.at) {
            Ok(number) => number,
            Err(first) => {
                let message =
                    format!("`{owner}` is written twice, first at line {}, column {}", first.line, first.column);
                self.sink.error_help(key.at, message, "letters of names have no case; join the two");
                return self.sink.also(&self.sink.location(first), "first here");
            }
        };
        let Node::Map(_, entries) = value else {
            let example = match value {
                Node::Scalar(t) if !t.is_null() && t.text.parse::<std::net::Ipv4Addr>().is_ok() => {
                    format!("{{A: {}}}", t.text)
                }
                Node::Scalar(t) if !t.is_null() && t.text.parse::<std::net::Ipv6Addr>().is_ok() => {
                    format!("{{AAAA: \"{}\"}}", t.text)
                }
                _ => "{A: 192.0.2.1}".to_owned(),
            };
            let message = if value.is_null() {
                format!("`{}` has no records", key.text)
            } else {
                format!("`{}` is a map of types and `steer`, not {}", key.text, kind(value))
            };
            return self.sink.error_help(value.at(), message, format!("for example `{}: {example}`", shown(key)));
        };
        let owner_ttl =
            entries.iter().find(|(k, _)| k.text == "ttl").and_then(|(_, node)| ttl(node, "`ttl`", self.sink));
        let owner_ttl = owner_ttl.unwrap_or(self.zone_ttl);
        let mut types: Vec<Written> = Vec::with_capacity(entries.len());
        let (mut steered, mut alias, mut reflects) = (false, None, false);
        for (key, node) in entries {
            match &*key.text {
                "ttl" => {}
                "steer" => {
                    steered = true;
                    self.steer(&owner, key.at, node);
                }
                "reflect" => {
                    if let Some(reflect) = reflect::read(&owner, key.at, node, self.sink) {
                        reflects = true;
                        self.out.reflects.push(reflect);
                    }
                }
                "ALIAS" => {
                    alias = Some(key.at);
                    self.alias(&owner, key.at, owner_ttl, node);
                }
                _ => {
                    if let Some(rtype) = self.record_type(key)
                        && self.may_stand(&owner, rtype, key.at)
                    {
                        if types.iter().any(|(t, _)| *t == rtype) {
                            self.sink.error(key.at, format!("`{rtype}` is written twice here"));
                        }
                        types.push((rtype, key.at));
                        self.rrset(&owner, rtype, owner_ttl, node);
                    }
                }
            }
        }
        if entries.iter().all(|(key, _)| key.text == "ttl") {
            let help = format!("for example `{}: {{A: 192.0.2.1}}`", shown(key));
            self.sink.error_help(key.at, format!("`{}` has no records", key.text), help);
        }
        self.together(&owner, &types, steered);
        if reflects {
            reflect::together(&types, self.sink);
        }
        self.beside_alias(&types, steered, alias);
        self.cut(&owner, &types, steered);
        if steered || alias.is_some() || types.iter().any(|(t, _)| matches!(*t, Type::A | Type::AAAA)) {
            self.out.owners.address(number);
        }
    }

    fn record_type(&mut self, key: &Text<'_>) -> Option<Type> {
        let written = &*key.text;
        let upper = written.to_ascii_uppercase();
        let planned = OWNER.planned.contains(&written);
        match Type::parse(written) {
            _ if planned => unknown_key(key, &OWNER, self.sink),
            _ if upper == "ALIAS" => {
                let help = "did you mean `ALIAS`? it is written in capitals, like types";
                self.sink.error_help(key.at, format!("`{written}` is not a key of an owner name"), help);
            }
            Some(rtype) if written == upper => return Some(rtype),
            Some(_) => {
                let help = format!("did you mean `{upper}`? types are written in capitals");
                self.sink.error_help(key.at, format!("`{written}` is not a key of an owner name"), help);
            }
            None if let Some((name, rest)) = written.split_once(':') => {
                let help = format!("a space is missing after the colon: `{name}: {rest}`");
                self.sink.error_help(key.at, format!("`{written}` is not a type, nor a key of an owner name"), help);
            }
            None => {
                const ACCEPTED: &str = "accepted here: `ttl`, `steer`, `ALIAS`, `reflect`, and types in capitals, like `A`, `AAAA`, `MX`, `TYPE65400`";
                let near = suggest(written, OWNER.names().chain(Type::mnemonics()));
                let help =
                    near.map_or_else(|| ACCEPTED.to_owned(), |near| format!("did you mean `{near}`? {ACCEPTED}"));
                self.sink.error_help(key.at, format!("`{written}` is not a type, nor a key of an owner name"), help);
            }
        }
        None
    }

    fn may_stand(&mut self, owner: &Name, rtype: Type, at: Position) -> bool {
        let (message, help) = if rtype == Type::SOA {
            ("the SOA is not written under `records`".to_owned(), "its fields are keys of `soa:`, beside `zone:`")
        } else if rtype == Type::NS && owner == self.origin {
            ("the zone's name servers are not written under `records`".to_owned(), "name them in `ns:`, beside `zone:`")
        } else if SIGNED.contains(&rtype) {
            (format!("`{rtype}` comes with signing, which is planned, not in this version"), "leave it out")
        } else if !rtype.is_data() {
            (format!("`{rtype}` is asked for, never written in a zone"), "leave it out")
        } else {
            return true;
        };
        self.sink.error_help(at, message, help);
        false
    }

    fn rrset(&mut self, owner: &Name, rtype: Type, owner_ttl: u32, node: &Node<'_>) {
        let mut seconds = owner_ttl;
        let mut values = Some(node);
        if let Node::Map(..) = node {
            let Some(fields) = Fields::open(node, &RRSET, self.sink) else { return };
            seconds = fields.get("ttl").and_then(|node| ttl(node, "`ttl`", self.sink)).unwrap_or(owner_ttl);
            values = fields.get("values");
        }
        let what = format!("`{rtype}`");
        let items = match values {
            Some(node) => one_or_more(node, &what, self.sink),
            None => Some(&[][..]),
        };
        let Some(items) = items else { return };
        if items.is_empty() {
            self.sink.error_help(node.at(), format!("{what} has no values"), "write one, or leave the type out");
        }
        if matches!(rtype, Type::CNAME | Type::DNAME) && items.len() > 1 {
            self.sink.error(node.at(), format!("a name has at most one {what}, not {}", items.len()));
        }
        let first = self.out.records.len();
        for item in items {
            let Some(written) = text(item, &what, self.sink) else { continue };
            let rdata = match rdata::parse(rtype, written, self.origin) {
                Ok(rdata) => rdata,
                Err(error) => {
                    rdata_error(item.at(), error, self.sink);
                    continue;
                }
            };
            let is_text = matches!(rtype, Type::TXT | Type::SPF) && !written.trim_start().starts_with('"');
            if !is_text && has_comment(written) {
                let help =
                    "in a record's value a comment begins there; put what belongs to the value in quotation marks";
                self.sink.warn_help(item.at(), "what stands after `;` is not served", help);
            }
            if let Some(target) = rdata.target(rtype) {
                self.forgotten_dot(written, &target, item.at());
            }
            if (first..self.out.records.len())
                .filter_map(|at| self.out.records.get(at))
                .any(|r| *r.rdata == *rdata.wire)
            {
                let message = format!("`{written}` is written twice");
                self.sink.warn_help(item.at(), message, "an RRset holds each value once (RFC 2181 §5)");
                continue;
            }
            let location = self.sink.location(item.at());
            if !self.out.records.push(owner.by_ref(), rtype, seconds, &rdata.wire, &location) {
                self.sink.wrong(&location, TOO_LARGE);
            }
        }
    }

    /// `www.example.com` in zone `example.com`, meant as `www.example.com.`
    fn forgotten_dot(&mut self, written: &str, name: &Name, at: Position) {
        if let Some(doubled) = &self.doubled
            && name.is_at_or_under(doubled)
        {
            let help = "names are relative to the zone: end it in a dot, or leave the zone's name out";
            self.sink.warn_help(at, format!("`{written}` is read as `{name}`"), help);
        }
    }

    fn steer(&mut self, owner: &Name, at: Position, node: &Node<'_>) {
        let mut steer = SteerText {
            owner: owner.clone(),
            service: Spot { text: String::new(), location: self.sink.location(at) },
            policy: None,
            count: None,
            skip: None,
            ttls: TtlsText::default(),
            location: self.sink.location(at),
        };
        if let Node::Map(map_at, _) = node {
            let Some(fields) = Fields::open(node, &STEER, self.sink) else { return };
            let Some(service) = fields.get("service") else {
                let help = "for example `steer: {service: web, policy: nearest}`";
                return self.sink.error_help(*map_at, "`steer` does not say which `service`", help);
            };
            steer.policy = fields.get("policy").and_then(|node| Spot::read(node, "`policy`", self.sink));
            steer.count = fields.get("count").and_then(|node| count(node, self.sink));
            steer.skip = fields.get("skip").and_then(|node| skip(node, self.sink));
            steer.ttls = fields.get("ttl").map(|node| TtlsText::read(node, self.sink)).unwrap_or_default();
            let Some(service) = Spot::read(service, "`service`", self.sink) else { return };
            steer.service = service;
        } else {
            let Some(service) = Spot::read(node, "`steer`", self.sink) else { return };
            steer.service = service;
        }
        self.out.steers.push(steer);
    }

    /// `ALIAS: NAME`, or as an RRset with its own TTL.
    fn alias(&mut self, owner: &Name, at: Position, owner_ttl: u32, node: &Node<'_>) {
        let mut seconds = owner_ttl;
        let mut values = Some(node);
        if let Node::Map(..) = node {
            let Some(fields) = Fields::open(node, &RRSET, self.sink) else { return };
            seconds = fields.get("ttl").and_then(|node| ttl(node, "`ttl`", self.sink)).unwrap_or(owner_ttl);
            values = fields.get("values");
        }
        let items = match values {
            Some(node) => one_or_more(node, "`ALIAS`", self.sink),
            None => Some(&[][..]),
        };
        let Some(items) = items else { return };
        let [item] = items else {
            let message = format!("an `ALIAS` leads to one name, not {}", items.len());
            return self.sink.error_help(at, message, "for example `ALIAS: www`");
        };
        let Some(written) = text(item, "`ALIAS`", self.sink) else { return };
        let target = match Name::parse(written, Some(self.origin)) {
            Ok(target) => target,
            Err(error) => return self.sink.error(item.at(), error.to_string()),
        };
        self.forgotten_dot(written, &target, item.at());
        if target == *owner {
            let help = "name another one, whose addresses it is to have";
            return self.sink.error_help(item.at(), "this `ALIAS` leads to its own name", help);
        }
        let location = self.sink.location(item.at());
        self.out.aliases.push(AliasModel { owner: owner.clone(), target, ttl: seconds, location });
    }

    fn beside_alias(&mut self, types: &[Written], steered: bool, alias: Option<Position>) {
        let Some(at) = alias else { return };
        if types.iter().any(|(t, _)| *t == Type::NS) {
            let help = "a name with `NS` is delegated: its servers answer for it; keep one of the two";
            self.sink.error_help(at, "`ALIAS` cannot stand beside `NS`", help);
        }
        let barred = |t: Type| matches!(t, Type::A | Type::AAAA | Type::CNAME);
        let mut others: Vec<String> = types.iter().filter(|(t, _)| barred(*t)).map(|(t, _)| t.to_string()).collect();
        others.extend(steered.then(|| "steer".to_owned()));
        if !others.is_empty() {
            let message = format!("`ALIAS` cannot stand beside {}", quoted(&others));
            self.sink.error_help(at, message, "an `ALIAS` gives the name all of its addresses; keep one of the two");
        }
    }

    /// What may not stand side by side at one name.
    fn together(&mut self, owner: &Name, types: &[Written], steered: bool) {
        let find = |wanted: Type| types.iter().find(|(t, _)| *t == wanted).map(|(_, at)| *at);
        if let Some(at) = find(Type::CNAME) {
            let others: Vec<String> =
                types.iter().filter(|(t, _)| *t != Type::CNAME).map(|(t, _)| t.to_string()).collect();
            if owner == self.origin {
                let help = "write addresses, `steer`, or `ALIAS: NAME` for those of another hosted name";
                self.sink.error_help(at, "the apex has SOA and NS, and cannot be a `CNAME` as well", help);
            } else if steered {
                self.sink.error_help(at, "`CNAME` cannot stand beside `steer`", "keep one of the two");
            } else if !others.is_empty() {
                let message = format!("`CNAME` cannot stand beside {}", quoted(&others));
                self.sink.error_help(at, message, "a name is an alias or has data of its own (RFC 2181 §10.1)");
            }
        }
        if let Some(at) = find(Type::DNAME)
            && steered
        {
            self.sink.error_help(at, "`DNAME` cannot stand beside `steer`", "keep one of the two");
        }
    }

    fn cut(&mut self, owner: &Name, types: &[Written], steered: bool) {
        for (rtype, at) in types {
            if !matches!(*rtype, Type::NS | Type::DNAME) {
                continue;
            }
            self.cuts.insert(owner.clone(), *rtype);
            let is_cut = *rtype == Type::NS;
            let beside = |t: Type| is_cut && !matches!(t, Type::NS | Type::A | Type::AAAA | Type::DS);
            if is_cut && steered {
                let help = "a name with `NS` is delegated: its servers answer for it; keep one of the two";
                self.sink.error_help(*at, "`NS` cannot stand beside `steer`", help);
            } else if let Some((other, at)) = types.iter().find(|(t, _)| beside(*t)) {
                let help = "its servers answer for it; only `DS` and glue addresses stand beside `NS`";
                self.sink.warn_help(*at, format!("`{other}` is never answered: the name is delegated"), help);
            }
        }
    }

    /// What lies below a cut is never answered from here, glue aside (RFC 1034 §4.2.1, RFC 6672 §2.4).
    fn occluded(&mut self) {
        if self.cuts.is_empty() {
            return;
        }
        let mut steered: HashSet<NameRef<'_>> = self.out.steers.iter().map(|steer| steer.owner.by_ref()).collect();
        steered.extend(self.out.aliases.iter().map(|alias| alias.owner.by_ref()));
        for Owner { name: owner, at, addressed } in self.out.owners.iter() {
            let mut above = owner.to_name().parent();
            while let Some(name) = above.filter(|name| name.is_at_or_under(self.origin)) {
                match self.cuts.get(&name) {
                    Some(&Type::NS) if !addressed || steered.contains(&owner) => {
                        let message = format!("`{owner}` is never answered: it lies under the delegation of `{name}`");
                        self.sink.warn_help(at, message, "move it to the zone it belongs to, or delete the delegation");
                        break;
                    }
                    Some(&Type::DNAME) => {
                        let message = format!("`{owner}` is never answered: it lies under the `DNAME` of `{name}`");
                        self.sink.warn_help(at, message, "write it under the name that the `DNAME` points to");
                        break;
                    }
                    _ => above = name.parent(),
                }
            }
        }
    }
}

fn shown(key: &Text<'_>) -> String {
    if key.plain { key.text.to_string() } else { format!("\"{}\"", key.text) }
}
