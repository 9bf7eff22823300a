//! Records in any order → a [`Zone`], or every problem at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::alias::Stored;
use super::ready::ReadyTable;
use super::rrset::{RrSet, prepare};
use super::tree::{ALIAS, APEX, CNAME, CUT, DNAME, Index, NONE, Node, REFLECT, Set, Zone};
use super::{ReflectId, SteerId};
use crate::dns::name::Labels;
use crate::dns::{FoldedName, Name, NameRef, Type};

/// Something wrong with a zone's data, or odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What the caller gave with the record; of the zone as a whole, what it gave for the apex.
    pub tag: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it, if there is more to say.
    pub help: Option<String>,
    /// The tag of the other of two that do not agree, and what it is.
    pub other: Option<(u32, &'static str)>,
}

/// A zone, and what is odd about it.
#[derive(Debug)]
pub struct Built {
    /// The zone.
    pub zone: Zone,
    /// By rising tag. None of them keeps the zone from serving.
    pub warnings: Vec<Problem>,
}

/// Collects the data of one zone. Names and RDATA go straight into flat tables, so that a million names do not cost a
/// million boxes.
#[derive(Debug)]
pub struct ZoneBuilder {
    apex: Name,
    apex_labels: usize,
    apex_hash: u64,
    tag: u32,
    index: Index,
    nodes: Vec<Node>,
    /// By node: its parent.
    parents: Vec<u32>,
    names: Vec<u8>,
    rdata: Vec<u8>,
    records: Vec<Record>,
    /// Steered node → tag.
    steers: HashMap<u32, u32, foldhash::fast::FixedState>,
    /// Node → its ALIAS and tag.
    aliases: BTreeMap<u32, (Stored, u32)>,
    /// Node → what it reflects and tag.
    reflects: BTreeMap<u32, (ReflectId, u32)>,
    max_labels: usize,
    problems: Vec<Problem>,
    folded: FoldedName,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    node: u32,
    rtype: Type,
    length: u16,
    ttl: u32,
    start: u32,
    tag: u32,
}

impl ZoneBuilder {
    /// An empty zone. `tag` comes back in problems of the zone as a whole.
    pub fn new(apex: &Name, tag: u32) -> Self {
        let folded = FoldedName::of(apex);
        let (apex_labels, apex_hash) = (folded.labels(), folded.hash(folded.labels()));
        let mut builder = Self {
            apex: apex.clone(),
            apex_labels,
            apex_hash,
            tag,
            index: Index::default(),
            nodes: Vec::new(),
            parents: Vec::new(),
            names: Vec::new(),
            rdata: Vec::new(),
            records: Vec::new(),
            steers: HashMap::default(),
            aliases: BTreeMap::new(),
            reflects: BTreeMap::new(),
            max_labels: apex_labels,
            problems: Vec::new(),
            folded,
        };
        builder.push_node(apex_labels, apex_hash, NONE);
        builder
    }

    /// Adds a record. `tag` comes back in problems of it.
    pub fn add<'n>(&mut self, owner: impl Into<NameRef<'n>>, rtype: Type, ttl: u32, rdata: &[u8], tag: u32) {
        let Ok(length) = u16::try_from(rdata.len()) else {
            return self.problem(tag, format!("the data is {} octets long; at most 65535 fit", rdata.len()), None);
        };
        if let Some(node) = self.owner(owner.into(), tag) {
            // Over 4 GiB of RDATA in one zone is refused in `build`.
            let start = self.rdata.len() as u32;
            self.rdata.extend_from_slice(rdata);
            self.records.push(Record { node, rtype, length, ttl, start, tag });
        }
    }

    /// Says that a name is steered. `tag` comes back in problems of it.
    pub fn steer(&mut self, owner: &Name, steer: SteerId, tag: u32) {
        let Some(id) = self.owner(owner.by_ref(), tag) else { return };
        let node = &mut self.nodes[id as usize];
        if node.number != NONE {
            let message = format!("`{}` is steered twice", shown(owner.as_wire()));
            return self.problem(tag, message, None);
        }
        node.number = steer.0;
        self.steers.insert(id, tag);
    }

    /// Says that a name has the addresses of another: written ones with this TTL at most, in seconds. `tag` comes back in
    /// problems of it.
    pub fn alias(&mut self, owner: &Name, target: &Name, ttl: u32, tag: u32) {
        let Some(id) = self.owner(owner.by_ref(), tag) else { return };
        let node = &mut self.nodes[id as usize];
        if node.flags & ALIAS != 0 {
            let message = format!("`{}` has two ALIAS", shown(owner.as_wire()));
            return self.problem(tag, message, None);
        }
        node.flags |= ALIAS;
        self.aliases.insert(id, (Stored { name: node.name, ttl, target: target.clone() }, tag));
    }

    /// Says that the TXT of a name tells clients what is seen of them. `tag` comes back in problems of it.
    pub fn reflect(&mut self, owner: &Name, reflect: ReflectId, tag: u32) {
        let Some(id) = self.owner(owner.by_ref(), tag) else { return };
        let node = &mut self.nodes[id as usize];
        if node.flags & REFLECT != 0 {
            let message = format!("`{}` reflects twice", shown(owner.as_wire()));
            return self.problem(tag, message, None);
        }
        node.flags |= REFLECT;
        self.reflects.insert(id, (reflect, tag));
    }

    fn problem(&mut self, tag: u32, message: String, help: Option<&str>) {
        self.problems.push(Problem { tag, message, help: help.map(str::to_owned), other: None });
    }

    /// The node of an owner name, made with its ancestors if need be. `None`, and a problem, when outside the zone.
    fn owner(&mut self, owner: NameRef<'_>, tag: u32) -> Option<u32> {
        self.folded.read(owner.as_wire())?;
        let labels = self.folded.labels();
        let inside = labels >= self.apex_labels
            && self.folded.suffix(self.apex_labels) == &self.names[..usize::from(self.nodes[0].name_length)];
        if !inside {
            let (owner, apex) = (shown(owner.as_wire()), shown(self.apex.as_wire()));
            let help = "names are relative to the zone unless they end in a dot";
            self.problem(tag, format!("`{owner}` lies outside the zone `{apex}`"), Some(help));
            return None;
        }
        let (mut id, mut hash) = (APEX, self.apex_hash);
        for count in self.apex_labels + 1..=labels {
            hash = self.folded.extend_hash(hash, count);
            let found = self.index.find(hash, |other| {
                let node = &self.nodes[other as usize];
                &self.names[node.name as usize..][..usize::from(node.name_length)] == self.folded.suffix(count)
            });
            id = match found {
                Some(found) => found,
                None => self.push_node(count, hash, id),
            };
        }
        self.max_labels = self.max_labels.max(labels);
        Some(id)
    }

    /// Makes the node of the last `labels` labels of the folded name.
    fn push_node(&mut self, labels: usize, hash: u64, parent: u32) -> u32 {
        let id = self.nodes.len() as u32;
        let name = self.folded.suffix(labels);
        let is_wildcard = name.starts_with(b"\x01*");
        self.nodes.push(Node {
            name: self.names.len() as u32,
            name_length: name.len() as u8,
            flags: 0,
            set_count: 0,
            sets: 0,
            stop: NONE,
            wildcard: NONE,
            number: NONE,
        });
        self.names.extend_from_slice(name);
        self.parents.push(parent);
        self.index.insert(hash, id);
        if is_wildcard && parent != NONE {
            self.nodes[parent as usize].wildcard = id;
        }
        id
    }

    /// The zone, or every problem, by rising tag.
    pub fn build(mut self) -> Result<Built, Vec<Problem>> {
        if u32::try_from(self.rdata.len() + self.records.len() * super::rrset::FIXED).is_err() {
            self.problem(self.tag, "the zone has more than 4 GiB of data".to_owned(), None);
            return Err(self.problems);
        }
        let mut warnings = Vec::new();
        // Stable: records of an RRset keep the order they came in.
        self.records.sort_by_key(|record| (record.node, record.rtype));
        let (mut sets, mut prepared) = (Vec::new(), Vec::with_capacity(self.rdata.len() + self.records.len() * 10));
        let records = std::mem::take(&mut self.records);
        // By set: the tag of its first record.
        let mut tags = Vec::new();
        for group in records.chunk_by(|a, b| (a.node, a.rtype) == (b.node, b.rtype)) {
            if let Some(set) = self.prepare_set(group, &mut prepared, &mut warnings) {
                let node = &mut self.nodes[group[0].node as usize];
                if node.set_count == 0 {
                    node.sets = sets.len() as u32;
                }
                node.set_count += 1;
                node.flags |= match set.rtype {
                    Type::NS if group[0].node != APEX => CUT,
                    Type::CNAME => CNAME,
                    Type::DNAME => DNAME,
                    _ => 0,
                };
                sets.push(set);
                tags.push(group[0].tag);
            }
        }
        self.set_stops();
        self.check_apex(&sets, &tags);
        self.check_nodes(&sets, &tags, &prepared, &mut warnings);
        if !self.problems.is_empty() {
            self.problems.sort_by_key(|problem| problem.tag);
            return Err(self.problems);
        }
        let tag = self.tag;
        let mut zone = self.assemble(sets, prepared);
        for missing in zone.tie_glue() {
            let owner = zone.node(missing.owner);
            let first = zone.sets_of(owner).iter().position(|set| set.rtype == Type::NS);
            warnings.push(Problem {
                tag: first.and_then(|at| tags.get(owner.sets as usize + at)).copied().unwrap_or(tag),
                message: format!(
                    "the name server `{}` of `{}` has no address in the zone",
                    shown(&missing.target),
                    shown(zone.name_of(owner))
                ),
                help: Some("write its A or AAAA record".to_owned()),
                other: None,
            });
        }
        zone.make_ready();
        warnings.sort_by_key(|problem| problem.tag);
        Ok(Built { zone, warnings })
    }

    /// One RRset: duplicates dropped, the smallest TTL, its records prepared.
    fn prepare_set(&mut self, group: &[Record], out: &mut Vec<u8>, warnings: &mut Vec<Problem>) -> Option<Set> {
        let first = group.first()?;
        let ttl = group.iter().map(|record| record.ttl).min().unwrap_or(first.ttl);
        let node = &self.nodes[first.node as usize];
        let owner = || shown(&self.names[node.name as usize..][..usize::from(node.name_length)]);
        if let Some(other) = group.iter().find(|record| record.ttl != first.ttl) {
            warnings.push(Problem {
                tag: other.tag,
                message: format!("the {} records of `{}` have different TTLs; {ttl} s serves", first.rtype, owner()),
                help: Some("all records of a name and type share one TTL (RFC 2181 §5.2)".to_owned()),
                other: Some((first.tag, "another TTL")),
            });
        }
        let start = out.len() as u32;
        let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut count = 0usize;
        for record in group {
            let rdata = &self.rdata[record.start as usize..][..usize::from(record.length)];
            if group.len() > 1 {
                let first = *seen.entry(comparable(record.rtype, rdata)).or_insert(record.tag);
                if first != record.tag {
                    warnings.push(Problem {
                        tag: record.tag,
                        message: format!("this {} record of `{}` stands twice; one serves", record.rtype, owner()),
                        help: None,
                        other: Some((first, "first here")),
                    });
                    continue;
                }
            }
            prepare(out, record.rtype, ttl, rdata);
            count += 1;
        }
        let alone = match first.rtype {
            Type::CNAME => Some("a name is an alias of one other name (RFC 2181 §10.1)"),
            Type::DNAME => Some("a subtree moves to one place (RFC 6672 §2.4)"),
            Type::SOA => Some("a zone has one SOA"),
            _ => None,
        };
        let problem = match (alone, u16::try_from(count)) {
            (Some(help), Ok(2..)) => Some((format!("`{}` has {count} {} records", owner(), first.rtype), Some(help))),
            (_, Err(_)) => {
                Some((format!("`{}` has {count} {} records; at most 65535 fit", owner(), first.rtype), None))
            }
            _ => None,
        };
        if let Some((message, help)) = problem {
            self.problem(group.last().map_or(first.tag, |r| r.tag), message, help);
            return None;
        }
        let length = out.len() as u32 - start;
        Some(Set { rtype: first.rtype, count: count as u16, ttl, start, length })
    }

    /// The topmost cut or DNAME at or above each node. Parents come before their children.
    fn set_stops(&mut self) {
        for id in 0..self.nodes.len() {
            let above = self.parents.get(id).and_then(|parent| self.nodes.get(*parent as usize)).map(|node| node.stop);
            let node = &mut self.nodes[id];
            node.stop = match above {
                Some(stop) if stop != NONE => stop,
                _ if node.flags & (CUT | DNAME) != 0 => id as u32,
                _ => NONE,
            };
        }
    }

    fn check_apex(&mut self, sets: &[Set], tags: &[u32]) {
        let apex = self.nodes[APEX as usize];
        let owned = &sets[apex.sets as usize..][..usize::from(apex.set_count)];
        let name = shown(self.apex.as_wire());
        if !owned.iter().any(|set| set.rtype == Type::SOA) && !self.problems.iter().any(|p| p.message.contains("SOA")) {
            self.problem(self.tag, format!("the zone `{name}` has no SOA record"), None);
        }
        if !owned.iter().any(|set| set.rtype == Type::NS) {
            let help = "name the servers of the zone, for example `ns: [ns1, ns2]`";
            self.problem(self.tag, format!("the zone `{name}` has no NS record"), Some(help));
        }
        for id in 1..self.nodes.len() {
            let node = self.nodes[id];
            let range = node.sets as usize..node.sets as usize + usize::from(node.set_count);
            if let Some(at) = range.into_iter().find(|at| sets[*at].rtype == Type::SOA) {
                let message = format!("`{}` has an SOA record, but is not the zone's own name", self.shown_node(id));
                self.problem(tags[at], message, None);
            }
        }
    }

    /// What must not stand side by side, and what is never answered.
    fn check_nodes(&mut self, sets: &[Set], tags: &[u32], prepared: &[u8], warnings: &mut Vec<Problem>) {
        for id in 0..self.nodes.len() {
            let node = self.nodes[id];
            let first = node.sets as usize;
            let owned = &sets[first..first + usize::from(node.set_count)];
            let tag_of =
                |rtype: Type| owned.iter().position(|s| s.rtype == rtype).map_or(self.tag, |at| tags[first + at]);
            let steer_tag = self.steers.get(&(id as u32)).copied();
            let name = || self.shown_node(id);
            let mut found: Vec<(u32, String, &str)> = Vec::new();
            if node.flags & CNAME != 0 {
                let signatures = [Type::CNAME, Type::RRSIG, Type::NSEC, Type::KEY];
                if let Some(other) = owned.iter().find(|set| !signatures.contains(&set.rtype)) {
                    let message = format!("`{}` has a CNAME beside {}", name(), other.rtype);
                    found.push((tag_of(Type::CNAME), message, "an alias has no other data (RFC 1034 §3.6.2)"));
                }
                if let Some(tag) = steer_tag {
                    let message = format!("`{}` has a CNAME beside `steer`", name());
                    found.push((tag, message, "an alias has no other data (RFC 1034 §3.6.2)"));
                }
            }
            let alias_tag = self.aliases.get(&(id as u32)).map(|(_, tag)| *tag);
            if let Some(tag) = alias_tag {
                let other = owned.iter().find(|set| matches!(set.rtype, Type::A | Type::AAAA | Type::CNAME));
                let other = other.map(|set| set.rtype.to_string()).or_else(|| steer_tag.map(|_| "`steer`".to_owned()));
                if let Some(other) = other {
                    let message = format!("`{}` has an ALIAS beside {other}", name());
                    found.push((tag, message, "an ALIAS gives the name all of its addresses"));
                }
            }
            let reflect_tag = self.reflects.get(&(id as u32)).map(|(_, tag)| *tag);
            if let Some(tag) = reflect_tag
                && let Some(other) = owned.iter().find(|s| matches!(s.rtype, Type::TXT | Type::CNAME | Type::DNAME))
            {
                let message = format!("`{}` has `reflect` beside {}", name(), other.rtype);
                found.push((tag, message, "`reflect` is the TXT of its name; give it a name of its own"));
            }
            if node.flags & DNAME != 0 {
                if node.flags & CUT != 0 {
                    let message = format!("`{}` has a DNAME beside NS", name());
                    found.push((tag_of(Type::DNAME), message, "only a zone's own name may have both (RFC 6672 §2.4)"));
                }
                if let Some(tag) = steer_tag {
                    let message = format!("`{}` has a DNAME beside `steer`", name());
                    found.push((tag, message, "a moved subtree cannot be steered"));
                }
            }
            if self.names[node.name as usize..].starts_with(b"\x01*") {
                for (flag, rtype) in [(CUT, Type::NS), (DNAME, Type::DNAME)] {
                    if node.flags & flag != 0 {
                        let message = format!("`{}` is a wildcard with {rtype}", name());
                        found.push((tag_of(rtype), message, "its meaning is undefined (RFC 4592 §4.2, §4.4)"));
                    }
                }
            }
            let at_stop = node.stop == id as u32;
            if node.stop != NONE {
                let stop = &self.nodes[node.stop as usize];
                let stop_name = self.shown_node(node.stop as usize);
                let below_dname = !at_stop && stop.flags & DNAME != 0;
                for (at, set) in owned.iter().enumerate().filter(|_| below_dname) {
                    let message = format!("`{}` has {} below the DNAME of `{stop_name}`", name(), set.rtype);
                    found.push((tags[first + at], message, "nothing exists below a DNAME (RFC 6672 §2.4)"));
                }
                if let Some(tag) = steer_tag.filter(|_| stop.flags & CUT != 0 || below_dname) {
                    let message = format!("`{}` is steered, but `{stop_name}` is delegated to other servers", name());
                    found.push((tag, message, "remove its NS records, or steer the name in its own zone"));
                }
                if let Some(tag) = alias_tag.filter(|_| stop.flags & CUT != 0 || below_dname) {
                    let elsewhere = if below_dname { "is moved by a DNAME" } else { "is delegated to other servers" };
                    let message = format!("`{}` is an ALIAS, but `{stop_name}` {elsewhere}", name());
                    found.push((tag, message, "write the ALIAS where the name is served"));
                }
                if let Some(tag) = reflect_tag.filter(|_| stop.flags & CUT != 0 || below_dname) {
                    let elsewhere = if below_dname { "is moved by a DNAME" } else { "is delegated to other servers" };
                    let message = format!("`{}` has `reflect`, but `{stop_name}` {elsewhere}", name());
                    found.push((tag, message, "write it where the name is served"));
                }
                let silent = |set: &&Set| match set.rtype {
                    Type::A | Type::AAAA => at_stop && !self.serves_itself(&node, owned, prepared),
                    Type::NS | Type::DS | Type::NSEC | Type::RRSIG => !at_stop,
                    _ => true,
                };
                if stop.flags & CUT != 0
                    && let Some(set) = owned.iter().find(silent)
                {
                    warnings.push(Problem {
                        tag: tag_of(set.rtype),
                        message: format!("{} of `{}` is never answered: `{stop_name}` is delegated", set.rtype, name()),
                        help: Some("only NS, DS and the addresses of name servers belong there".to_owned()),
                        other: None,
                    });
                }
            }
            for (tag, message, help) in found {
                self.problem(tag, message, Some(help));
            }
        }
    }

    /// Whether a cut's own name is one of its name servers.
    fn serves_itself(&self, node: &Node, owned: &[Set], prepared: &[u8]) -> bool {
        let name = &self.names[node.name as usize..][..usize::from(node.name_length)];
        owned.iter().filter(|set| set.rtype == Type::NS).any(|set| {
            let bytes = &prepared[set.start as usize..][..set.length as usize];
            let ns = RrSet { rtype: set.rtype, ttl: set.ttl, count: set.count, bytes };
            ns.rdata().any(|target| target.eq_ignore_ascii_case(name))
        })
    }

    fn shown_node(&self, id: usize) -> String {
        let node = &self.nodes[id];
        shown(&self.names[node.name as usize..][..usize::from(node.name_length)])
    }

    fn assemble(self, sets: Vec<Set>, prepared: Vec<u8>) -> Zone {
        let reflects =
            self.reflects.iter().map(|(node, reflect)| (self.nodes[*node as usize].name, reflect.0)).collect();
        let mut zone = Zone {
            apex_labels: self.apex_labels as u8,
            max_labels: self.max_labels as u8,
            apex: self.apex,
            index: self.index,
            nodes: self.nodes.into(),
            names: self.names.into(),
            sets: sets.into(),
            records: prepared.into(),
            cuts: Arc::default(),
            glue: Arc::default(),
            aliases: self.aliases.into_values().map(|(alias, _)| alias).collect(),
            reflects,
            negative_soa: Box::default(),
            negative_ttl: 0,
            ready: ReadyTable::default(),
        };
        if let Some(soa) = zone.set(zone.node(APEX), Type::SOA) {
            let rdata = soa.first();
            let minimum = rdata.last_chunk::<4>().copied().map_or(0, u32::from_be_bytes);
            let ttl = soa.ttl.min(minimum);
            let mut bytes = Vec::new();
            prepare(&mut bytes, Type::SOA, ttl, rdata);
            (zone.negative_soa, zone.negative_ttl) = (bytes.into(), ttl);
        }
        zone
    }
}

/// RDATA as duplicates compare: names folded where the type has any (RFC 4034 §6.2), octets otherwise.
fn comparable(rtype: Type, rdata: &[u8]) -> Vec<u8> {
    match rtype {
        Type::NS | Type::CNAME | Type::DNAME | Type::PTR | Type::MX | Type::SOA | Type::SRV => {
            rdata.to_ascii_lowercase()
        }
        _ => rdata.to_vec(),
    }
}

/// A name for a message: presentation form without the final dot.
fn shown(wire: &[u8]) -> String {
    let text = Name::from_wire(wire).map(|name| name.to_string()).unwrap_or_default();
    if Labels::of(wire).next().is_none() { text } else { text.trim_end_matches('.').to_owned() }
}
