//! Whole sections made when the zone is: names compressed, pointers in place, so that an answer is one copy. The SOA of
//! negative answers, the chain of CNAMEs from each alias to where it ends, and the referral of each zone cut.
//!
//! A pointer in a section leads into the question, whose name may be longer than the one the section was made for, or into the
//! section itself, which may stand farther behind: [`Sections::write`] shifts it by that much. What cannot be said once for
//! all questions is not made ready; it is put together for each ([`super::Lookup`] and the query's own writer).

use std::sync::Arc;

use super::lookup::Reached;
use super::rrset::{Records, RrSet};
use super::tree::{ALIAS, APEX, CNAME, CUT, DNAME, NONE, REFLECT, Zone};
use super::{MAX_LINKS, SteerId};
use crate::dns::message::{FIXED, HEADER, Owner, QUESTION, Section, Writer};
use crate::dns::name::Labels;
use crate::dns::rdata::compressible;
use crate::dns::{FoldedName, Type};

/// Octets of the longest section that is made ready: a UDP answer is shorter.
const LONGEST: usize = 1200;

/// What a zone has ready for a name and type.
#[derive(Clone, Copy, Debug)]
pub enum Ready<'a> {
    /// Records of the question's own name, without names in their RDATA that are compressed.
    Records(RrSet<'a>),
    /// The name is steered, and nothing is written of the type.
    Steered(SteerId),
    /// The name exists, and has nothing of that type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Aliases, and what is at their end.
    Chain(Chain<'a>),
    /// A name above this one owns a DNAME.
    Dname {
        /// Labels of that owner.
        labels: usize,
        /// The DNAME.
        rrset: RrSet<'a>,
    },
    /// To the servers of a child zone: all of it, glue that may be left out included.
    Referral(Sections<'a>),
    /// Something else: see [`super::Lookup`].
    Other,
}

/// A chain of CNAMEs inside a zone, two of which no name has in common.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// All its records.
    pub links: Sections<'a>,
    /// Where it ends.
    pub end: ChainEnd<'a>,
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug)]
pub enum ChainEnd<'a> {
    /// At this name, outside the zone.
    Outside(&'a [u8]),
    /// At a name of the zone that is no alias.
    Inside(Place<'a>),
}

/// A name of the zone.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    zone: &'a Zone,
    node: u32,
}

impl<'a> Place<'a> {
    /// What is ready for a type there; never a chain.
    pub fn ready(self, rtype: Type) -> Ready<'a> {
        self.zone.ready_at(self.node, rtype)
    }
}

/// Sections as they follow a question.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    /// Records of the answer, authority and additional section.
    pub counts: [u16; 3],
    /// Made for a question's name of so many octets.
    name_length: usize,
    /// The last name in its RDATA, as a pointer of the question it was made for; [`QUESTION`] when there is none.
    target: u16,
    bytes: &'a [u8],
    /// Where in `bytes` pointers stand that lead into the question …
    outer: &'a [u16],
    /// … and those that lead into `bytes`.
    inner: &'a [u16],
}

/// Where a section was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The first octet behind it.
    pub end: usize,
    /// A pointer to the last name in its RDATA; to the question when there is none.
    pub target: u16,
}

impl Sections<'_> {
    /// Writes them into a message at an offset, behind a question whose name has `name_length` octets and ends like the one they
    /// were made for. `None`, and `out` has no answer, when they do not fit.
    #[inline]
    pub fn write(&self, out: &mut [u8], at: usize, name_length: usize) -> Option<Written> {
        let end = at + self.bytes.len();
        let room = out.get_mut(at..end)?;
        room.copy_from_slice(self.bytes);
        // How much farther the end of the question's name is, and these octets.
        let outer = name_length.wrapping_sub(self.name_length) as u16;
        let inner = at.wrapping_sub(HEADER + self.name_length + 4) as u16;
        for (places, shift) in [(self.outer, outer), (self.inner, inner)] {
            if shift != 0 {
                for place in places {
                    if let Some(pointer) = room.get_mut(usize::from(*place)..).and_then(|room| room.first_chunk_mut()) {
                        *pointer = u16::from_be_bytes(*pointer).wrapping_add(shift).to_be_bytes();
                    }
                }
            }
        }
        let shift = match usize::from(self.target & 0x3fff) {
            HEADER => 0,
            target if target < HEADER + self.name_length => outer,
            _ => inner,
        };
        Some(Written { end, target: self.target.wrapping_add(shift) })
    }
}

/// Everything that a zone has ready, in flat tables.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadyTable {
    /// The first is the SOA of negative answers, if it could be made ready.
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    pointers: Vec<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: u32,
    pointers: u32,
    length: u16,
    outer: u16,
    inner: u16,
    target: u16,
    counts: [u8; 3],
    name_length: u8,
    /// Of a chain: the node of its last alias …
    last: u32,
    /// … and where it leads; [`NONE`]: outside.
    end: u32,
}

impl ReadyTable {
    pub(super) fn memory(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.bytes.len() + self.pointers.len() * 2
    }

    /// The octets of the SOA of negative answers.
    pub(super) fn soa_mut(&mut self) -> Option<&mut [u8]> {
        let entry = self.entries.first()?;
        self.bytes.get_mut(entry.bytes as usize..)?.get_mut(..usize::from(entry.length))
    }

    /// Left to the compiler it is a call in some builds, which makes answers without records dearer by 6 %.
    #[expect(clippy::inline_always, reason = "see above: measured")]
    #[inline(always)]
    fn get(&self, number: u32) -> Option<(&Entry, Sections<'_>)> {
        let entry = self.entries.get(number as usize)?;
        let bytes = self.bytes.get(entry.bytes as usize..)?.get(..usize::from(entry.length))?;
        let pointers = self.pointers.get(entry.pointers as usize..)?;
        let (outer, inner) = pointers.split_at_checked(usize::from(entry.outer))?;
        let sections = Sections {
            counts: entry.counts.map(u16::from),
            name_length: usize::from(entry.name_length),
            target: entry.target,
            bytes,
            outer,
            inner: inner.get(..usize::from(entry.inner))?,
        };
        Some((entry, sections))
    }

    /// Takes what a writer has written behind the question of a name. Gives its number; `None` when it is too long, or a part of
    /// it was left out. Pointers to the question's first octet do not move when `fixed`.
    fn add(&mut self, writer: &Writer<'_>, name: &[u8], target: u16, fixed: bool) -> Option<u32> {
        let bytes = writer.written();
        let counts = writer.counts();
        if writer.overflowed() || bytes.len() > LONGEST || counts.iter().any(|count| *count > u16::from(u8::MAX)) {
            return None;
        }
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        for place in pointers(bytes)? {
            let target = usize::from(u16::from_be_bytes([bytes[place], bytes[place + 1]]) & 0x3fff);
            if target >= HEADER + name.len() {
                inner.push(place as u16);
            } else if !(fixed && target == HEADER) {
                outer.push(place as u16);
            }
        }
        let number = self.entries.len() as u32;
        self.entries.push(Entry {
            bytes: u32::try_from(self.bytes.len()).ok()?,
            pointers: u32::try_from(self.pointers.len()).ok()?,
            length: bytes.len() as u16,
            outer: outer.len() as u16,
            inner: inner.len() as u16,
            target,
            counts: counts.map(|count| count as u8),
            name_length: name.len() as u8,
            last: NONE,
            end: NONE,
        });
        self.bytes.extend_from_slice(bytes);
        self.pointers.extend(outer);
        self.pointers.extend(inner);
        Some(number)
    }
}

/// Where pointers stand in records, one after the other.
fn pointers(bytes: &[u8]) -> Option<Vec<usize>> {
    fn pass_name(bytes: &[u8], at: &mut usize, found: &mut Vec<usize>) -> Option<()> {
        loop {
            let length = usize::from(*bytes.get(*at)?);
            match length {
                0 => *at += 1,
                0xc0.. => {
                    found.push(*at);
                    *at += 2;
                }
                _ => {
                    *at += 1 + length;
                    continue;
                }
            }
            return Some(());
        }
    }
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        pass_name(bytes, &mut at, &mut found)?;
        let fixed = bytes.get(at..at + FIXED)?;
        let (rtype, length) =
            (Type(u16::from_be_bytes([fixed[0], fixed[1]])), u16::from_be_bytes([fixed[8], fixed[9]]));
        at += FIXED;
        let end = at + usize::from(length);
        if let Some((before, count)) = compressible(rtype) {
            at += before;
            for _ in 0..count {
                pass_name(bytes, &mut at, &mut found)?;
            }
        }
        at = end;
    }
    Some(found)
}

impl Zone {
    /// What is ready for a name that leads there. Not for the types DS and ANY.
    #[inline]
    pub fn ready(&self, reached: Reached, rtype: Type) -> Ready<'_> {
        match reached {
            Reached::Node(id) => self.ready_at(id, rtype),
            Reached::Cut(id) | Reached::Below(id) => self.ready_below(id),
            Reached::Nothing => Ready::NxDomain,
        }
    }

    /// What steers the name that leads there.
    #[inline]
    pub fn steer(&self, reached: Reached) -> Option<SteerId> {
        match reached {
            Reached::Node(id) => self.node(id).steer(),
            Reached::Cut(_) | Reached::Below(_) | Reached::Nothing => None,
        }
    }

    #[inline]
    fn ready_at(&self, id: u32, rtype: Type) -> Ready<'_> {
        let node = self.node(id);
        if node.flags & (CNAME | ALIAS | REFLECT | DNAME) != 0 {
            return self.ready_chain(id, rtype);
        }
        match (self.set(node, rtype), node.steer()) {
            (Some(rrset), None) if compressible(rtype).is_none() => Ready::Records(rrset),
            (None, Some(steer)) => Ready::Steered(steer),
            (None, None) => Ready::NoData,
            (Some(_), _) => Ready::Other,
        }
    }

    fn ready_chain(&self, id: u32, rtype: Type) -> Ready<'_> {
        let node = self.node(id);
        if node.flags & CNAME == 0 || self.set(node, rtype).is_some() {
            return Ready::Other;
        }
        let Some((entry, links)) = self.ready.get(node.number) else { return Ready::Other };
        let end = match entry.end {
            NONE => {
                ChainEnd::Outside(self.set(self.node(entry.last), Type::CNAME).map_or(&[][..], |cname| cname.first()))
            }
            node => ChainEnd::Inside(Place { zone: self, node }),
        };
        Ready::Chain(Chain { links, end })
    }

    fn ready_below(&self, id: u32) -> Ready<'_> {
        let node = self.node(id);
        if node.flags & CUT == 0 {
            let labels = Labels::of(self.name_of(node)).count();
            return self.set(node, Type::DNAME).map_or(Ready::Other, |rrset| Ready::Dname { labels, rrset });
        }
        self.ready.get(node.number).map_or(Ready::Other, |(_, sections)| Ready::Referral(sections))
    }

    /// The SOA of negative answers.
    #[inline]
    pub fn ready_soa(&self) -> Option<Sections<'_>> {
        self.ready.get(0).map(|(_, sections)| sections)
    }

    /// Makes ready what can be. Once, when the zone is whole.
    pub(super) fn make_ready(&mut self) {
        let mut table = ReadyTable::default();
        let mut room = vec![0; LONGEST + 1024];
        if self.write_soa(&mut table, &mut room).is_none() {
            // The first is looked for as the SOA: without it nothing is ready, and the zone answers all the same.
            return;
        }
        let mut numbers: Vec<(u32, u32)> = Vec::new();
        for id in 0..self.nodes.len() as u32 {
            let flags = self.node(id).flags;
            let number = if flags & CUT != 0 {
                self.write_referral(id, &mut table, &mut room)
            } else if flags & CNAME != 0 {
                self.write_chain(id, &mut table, &mut room)
            } else {
                None
            };
            numbers.extend(number.map(|number| (id, number)));
        }
        // Nobody shares the nodes yet.
        if let Some(nodes) = Arc::get_mut(&mut self.nodes) {
            for (id, number) in numbers {
                nodes[id as usize].number = number;
            }
        }
        table.entries.shrink_to_fit();
        table.bytes.shrink_to_fit();
        table.pointers.shrink_to_fit();
        self.ready = table;
    }

    fn write_soa(&self, table: &mut ReadyTable, room: &mut [u8]) -> Option<u32> {
        let name = self.name_of(self.node(APEX));
        let mut writer = begin(room, name)?;
        put(&mut writer, Section::Authority, Owner::At(QUESTION), self.negative_soa());
        table.add(&writer, name, QUESTION, false)
    }

    fn write_referral(&self, id: u32, table: &mut ReadyTable, room: &mut [u8]) -> Option<u32> {
        let node = self.node(id);
        if node.stop != id {
            return None;
        }
        let name = self.name_of(node);
        let mut writer = begin(room, name)?;
        put(&mut writer, Section::Authority, Owner::At(QUESTION), self.set(node, Type::NS)?);
        for glue in self.glue_of(id) {
            let server = self.node(glue.node);
            for rtype in [Type::A, Type::AAAA] {
                if let Some(rrset) = self.set(server, rtype) {
                    put(&mut writer, Section::Additional, Owner::Name(self.name_of(server)), rrset);
                }
            }
        }
        table.add(&writer, name, QUESTION, false)
    }

    fn write_chain(&self, id: u32, table: &mut ReadyTable, room: &mut [u8]) -> Option<u32> {
        if self.node(id).stop != NONE {
            return None;
        }
        let name = self.name_of(self.node(id));
        // Names at or below a wildcard would be written with a pointer to the question, which has another label there.
        let mut own = FoldedName::new();
        own.read(name)?;
        let wildcard = name.starts_with(b"\x01*").then(|| own.labels());
        let mut writer = begin(room, name)?;
        let (mut links, mut owner, mut target) = (vec![id], Owner::At(QUESTION), FoldedName::new());
        let (last, end, pointer) = loop {
            let last = *links.last()?;
            let rrset = self.set(self.node(last), Type::CNAME)?;
            let pointer = put(&mut writer, Section::Answer, owner, rrset)?;
            target.read(rrset.first())?;
            if wildcard.is_some_and(|labels| target.labels() >= labels && target.suffix(labels) == name) {
                return None;
            }
            let apex = self.apex_labels();
            if target.labels() < apex || target.suffix(apex) != self.name_of(self.node(APEX)) {
                break (last, NONE, pointer);
            }
            // Names that only a wildcard has, and those below cuts and DNAMEs, are followed for each question.
            let Reached::Node(next) = self.reach(&target, target.hash(apex), target.hash(target.labels())) else {
                return None;
            };
            if self.name_of(self.node(next)) != target.as_wire() || links.contains(&next) {
                return None;
            }
            if self.node(next).flags & CNAME == 0 {
                break (last, next, pointer);
            }
            if links.len() == MAX_LINKS {
                return None;
            }
            links.push(next);
            owner = Owner::At(pointer);
        };
        let number = table.add(&writer, name, pointer, true)?;
        let entry = table.entries.get_mut(number as usize)?;
        (entry.last, entry.end) = (last, end);
        Some(number)
    }
}

/// A message with a question for this name.
fn begin<'o>(room: &'o mut [u8], name: &[u8]) -> Option<Writer<'o>> {
    let head = [&[0; HEADER], name, &[0; 4]].concat();
    let limit = room.len();
    Writer::new(room, &head, limit)
}

fn put(writer: &mut Writer<'_>, section: Section, owner: Owner<'_>, rrset: RrSet<'_>) -> Option<u16> {
    writer.count(section, rrset.count);
    writer.records(owner, compressible(rrset.rtype), Records::new(rrset.bytes))
}
