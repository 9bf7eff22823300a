//! `zonefile:`: the static part of a zone from a master file, and what happens where both files say something.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::diagnostic::Location;
use super::super::master::{self, Master};
use super::super::model::{Record, RecordModel, SoaModel};
use super::super::named::{Named, resolve};
use super::super::reader::{Sink, text};
use super::super::yaml::Node;
use super::records;
use crate::dns::{Name, NameRef, Type};

/// The static part of the zone from a master file; empty when there is none to read, which is told.
pub(super) fn read(
    node: &Node<'_>,
    origin: &Name,
    zone_ttl: Option<u32>,
    path: &Arc<str>,
    files: &dyn Named,
    sink: &mut Sink,
) -> Master {
    let Some(written) = text(node, "`zonefile`", sink) else { return Master::default() };
    let named = match resolve(path, written) {
        Ok(named) => named,
        Err((message, help)) => {
            sink.error_help(node.at(), message, help);
            return Master::default();
        }
    };
    let octets = match files.read(&named) {
        Ok(octets) => octets,
        Err(words) => {
            sink.error(node.at(), format!("`{named}` {words}"));
            return Master::default();
        }
    };
    let before = sink.error_count();
    let master = master::read(&named, &octets, origin, zone_ttl, files, sink);
    if master.records.is_empty() && master.soa.is_none() && sink.error_count() == before {
        // A file that an editor or a full disk has emptied must not empty the zone (SEMANTICS §6.3).
        sink.error_help(node.at(), format!("`{named}` holds no records"), "to do without it, delete this line");
    }
    master
}

/// A zone in two files, its YAML and a master file: what each says of the same thing.
pub(super) struct Both<'b> {
    pub(super) origin: &'b Name,
    /// The YAML, as shown.
    pub(super) path: &'b Arc<str>,
    /// Whether it has `soa:`.
    pub(super) soa: bool,
    /// Whether it has `ns:`.
    pub(super) ns: bool,
}

impl Both<'_> {
    /// Takes out of the master file what YAML replaces, with a warning: the SOA by `soa:`, the zone's name servers by
    /// `ns:`. Any other RRset in both is an error. Gives the master file's SOA and serial if they are to be served.
    pub(super) fn settle(
        &self,
        master: &mut Master,
        written: &records::Section,
        sink: &mut Sink,
    ) -> Option<(SoaModel, u32)> {
        if self.ns {
            let is_apex_ns = |r: &Record<'_>| r.rtype == Type::NS && r.owner == *self.origin;
            let first = master.records.iter().find(is_apex_ns).map(|r| r.location());
            if let Some(first) = first {
                let message = format!("the zone's NS here are not served: `ns:` in {} takes their place", self.path);
                sink.warn_at(&first, message, "keep one of the two");
                master.records.retain(|r| !is_apex_ns(&r));
            }
        }
        refuse_doubles(master, written, sink);
        let (soa, serial, place) = master.soa.take()?;
        if self.soa {
            let message = format!("this SOA is not served: `soa:` in {} takes its place", self.path);
            sink.warn_at(&place, message, "keep one of the two");
            return None;
        }
        Some((soa, serial))
    }
}

/// Any RRset that stands in both files, and addresses at a name that is steered or an ALIAS.
fn refuse_doubles(master: &Master, written: &records::Section, sink: &mut Sink) {
    let sets: HashMap<(NameRef<'_>, Type), Record<'_>> =
        written.records.iter().map(|r| ((r.owner, r.rtype), r)).collect();
    let steers: HashMap<NameRef<'_>, &Location> =
        written.steers.iter().map(|s| (s.owner.by_ref(), &s.location)).collect();
    let aliases: HashMap<NameRef<'_>, &Location> =
        written.aliases.iter().map(|a| (a.owner.by_ref(), &a.location)).collect();
    if sets.is_empty() && steers.is_empty() && aliases.is_empty() {
        return;
    }
    let mut told: HashSet<(NameRef<'_>, Type)> = HashSet::new();
    for record in master.records.iter() {
        let key = (record.owner, record.rtype);
        if let Some(known) = sets.get(&key) {
            if told.insert(key) {
                let place = &known.location();
                let message = format!("{} of `{}` is already at {place}", record.rtype, record.owner);
                sink.error_at(&record.location(), message, "an RRset stands in one of the two files");
                sink.also(place, "already here");
            }
        } else if matches!(record.rtype, Type::A | Type::AAAA)
            && let Some(place) = steers.get(&record.owner)
            && told.insert(key)
        {
            let message = format!("`{}` has {} here and is steered at {place}", record.owner, record.rtype);
            sink.error_at(&record.location(), message, "keep one of the two");
            sink.also(place, "steered here");
        } else if matches!(record.rtype, Type::A | Type::AAAA | Type::CNAME)
            && let Some(place) = aliases.get(&record.owner)
            && told.insert(key)
        {
            let message = format!("`{}` has {} here and an ALIAS at {place}", record.owner, record.rtype);
            sink.error_at(
                &record.location(),
                message,
                "an ALIAS gives the name all of its addresses; keep one of the two",
            );
            sink.also(place, "the ALIAS");
        }
    }
}

/// Of the name servers, those whose addresses are in the master file.
pub(super) fn addressed(master: &Master, servers: &[RecordModel], written: &mut records::Section) {
    let targets: Vec<Name> = servers.iter().filter_map(|server| server.rdata.target(Type::NS)).collect();
    let targets: HashSet<NameRef<'_>> = targets.iter().map(Name::by_ref).collect();
    for record in master.records.iter() {
        if matches!(record.rtype, Type::A | Type::AAAA) && targets.contains(&record.owner) {
            written.addressed.insert(record.owner.to_name());
        }
    }
}
