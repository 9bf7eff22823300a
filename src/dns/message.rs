//! Messages in wire form (RFC 1035 §4): a strict reader of requests, and a writer of responses with name compression.

use super::name::{FoldedName, MAX_LABEL, wire_length};
use super::types::{Class, Opcode, Rcode, Type};

/// Octets of the header.
pub const HEADER: usize = 12;
/// Octets of a record between its owner name and its RDATA: TYPE, CLASS, TTL, RDLENGTH.
pub const FIXED: usize = 10;
/// Where the question's name starts, as a compression pointer.
pub const QUESTION: u16 = 0xc000 | HEADER as u16;

/// Flags of the header's second pair of octets, from RFC 1035 §4.1.1.
pub mod flags {
    /// This is a response.
    pub const QR: u16 = 0x8000;
    /// The answer comes from the zone's own data.
    pub const AA: u16 = 0x0400;
    /// The answer did not fit.
    pub const TC: u16 = 0x0200;
    /// Recursion is desired.
    pub const RD: u16 = 0x0100;
}

/// The fixed part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the client.
    pub id: u16,
    /// See [`flags`].
    pub flags: u16,
    /// Questions, answers, authorities, additionals.
    pub counts: [u16; 4],
}

impl Header {
    /// Reads the first 12 octets; `None` when there are fewer.
    #[inline]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<HEADER>()?;
        let [i0, i1, f0, f1, q0, q1, a0, a1, n0, n1, d0, d1] = *fixed;
        Some(Self {
            id: u16::from_be_bytes([i0, i1]),
            flags: u16::from_be_bytes([f0, f1]),
            counts: [[q0, q1], [a0, a1], [n0, n1], [d0, d1]].map(u16::from_be_bytes),
        })
    }

    /// Whether QR is set.
    #[inline]
    pub fn is_response(self) -> bool {
        self.flags & flags::QR != 0
    }

    /// The opcode.
    #[inline]
    pub fn opcode(self) -> Opcode {
        Opcode((self.flags >> 11 & 15) as u8)
    }
}

/// Reads forward through a message's octets. Every method gives `None` where they end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'p> {
    packet: &'p [u8],
    at: usize,
}

impl<'p> Reader<'p> {
    /// From an offset.
    #[inline]
    pub fn new(packet: &'p [u8], at: usize) -> Self {
        Self { packet, at }
    }

    /// The offset reached.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.packet.len()
    }

    /// The next octets.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'p [u8]> {
        let end = self.at.checked_add(count)?;
        let octets = self.packet.get(self.at..end)?;
        self.at = end;
        Some(octets)
    }

    /// The next 16-bit number.
    #[inline]
    pub fn take_u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// The next name, which must not be compressed, into `name`: that of a first question, which has nothing to point
    /// back to.
    #[inline]
    pub fn take_name(&mut self, name: &mut FoldedName) -> Option<()> {
        self.at += name.read(self.packet.get(self.at..)?)?;
        Some(())
    }

    /// Passes a name that may end in a compression pointer, which must point back before the name (RFC 1035 §4.1.4).
    pub fn skip_name(&mut self) -> Option<()> {
        let start = self.at;
        loop {
            let length = usize::from(*self.take(1)?.first()?);
            match length {
                0 => break,
                1..=MAX_LABEL => drop(self.take(length)?),
                0xc0.. => {
                    let low = usize::from(*self.take(1)?.first()?);
                    let target = (length & 0x3f) << 8 | low;
                    return (HEADER..start).contains(&target).then_some(());
                }
                _ => return None,
            }
        }
        (self.at - start <= super::name::MAX_NAME).then_some(())
    }

    /// The next record.
    pub fn take_record(&mut self) -> Option<RecordRef<'p>> {
        let start = self.at;
        self.skip_name()?;
        let owner = self.packet.get(start..self.at)?;
        let (rtype, class) = (Type(self.take_u16()?), Class(self.take_u16()?));
        let ttl = u32::from(self.take_u16()?) << 16 | u32::from(self.take_u16()?);
        let length = usize::from(self.take_u16()?);
        Some(RecordRef { owner, rtype, class, ttl, rdata: self.take(length)? })
    }
}

/// A record of a request.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'p> {
    /// The owner name's octets as they stand, perhaps compressed.
    pub owner: &'p [u8],
    /// Its type.
    pub rtype: Type,
    /// Its class; of OPT, the payload size.
    pub class: Class,
    /// Its TTL; of OPT, extended RCODE, version and flags.
    pub ttl: u32,
    /// Its data.
    pub rdata: &'p [u8],
}

/// A section records are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who knows more: SOA, or the NS of a cut.
    Authority,
    /// What helps: glue, OPT.
    Additional,
}

/// The owner name of a record to be written.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'n> {
    /// A pointer to where the name stands already.
    At(u16),
    /// A name in uncompressed wire form.
    Name(&'n [u8]),
}

/// Suffixes remembered for compression, besides those of the question. More are not remembered, only compressed less:
/// 13 name servers of three labels fit.
const REMEMBERED: usize = 40;

/// Writes a response into a buffer: header and question at once, then records in section order. Where the limit is
/// passed, [`Writer::overflowed`] says so and nothing more is written.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    limit: usize,
    overflowed: bool,
    counts: [u16; 3],
    question_end: usize,
    /// Octets of the question's name; 0 without a question.
    question_name: usize,
    /// (offset, octets of the expanded name from there).
    remembered: [(u16, u8); REMEMBERED],
    remembered_count: usize,
    /// Where some label of the question starts.
    known_label: usize,
}

/// A place to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: usize,
    counts: [u16; 3],
    remembered_count: usize,
}

impl<'o> Writer<'o> {
    /// Begins a response with the octets of a request up to the end of its question (or of its header, when there is no
    /// question to repeat). Nothing is written past `limit` octets. `None` when not even that fits.
    #[inline]
    pub fn new(out: &'o mut [u8], head: &[u8], limit: usize) -> Option<Self> {
        let limit = limit.min(out.len());
        if head.len() > limit || head.len() < HEADER {
            return None;
        }
        out.get_mut(..head.len())?.copy_from_slice(head);
        // A question ends in type and class.
        let question_name = (head.len() - HEADER).saturating_sub(4);
        Some(Self {
            out,
            at: head.len(),
            limit,
            overflowed: false,
            counts: [0; 3],
            question_end: head.len(),
            question_name,
            remembered: [(0, 0); REMEMBERED],
            remembered_count: 0,
            known_label: HEADER,
        })
    }

    /// Whether something did not fit.
    #[inline]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Octets written.
    #[inline]
    pub fn length(&self) -> usize {
        self.at
    }

    /// Sets another limit: room kept for later is given free, or taken.
    #[inline]
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(self.out.len());
    }

    /// Octets left.
    #[inline]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.at)
    }

    /// Takes back all records.
    #[inline]
    pub fn clear(&mut self) {
        self.at = self.question_end;
        (self.counts, self.remembered_count, self.overflowed) = ([0; 3], 0, false);
    }

    /// Where the writer stands.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, counts: self.counts, remembered_count: self.remembered_count }
    }

    /// Takes back what was written since the mark, an overflow included.
    pub fn rewind(&mut self, mark: Mark) {
        (self.at, self.counts, self.remembered_count) = (mark.at, mark.counts, mark.remembered_count);
        self.overflowed = false;
    }

    /// Writes octets as they are.
    #[inline]
    pub fn put(&mut self, octets: &[u8]) {
        let end = self.at + octets.len();
        if self.overflowed || end > self.limit {
            self.overflowed = true;
            return;
        }
        if let Some(room) = self.out.get_mut(self.at..end) {
            room.copy_from_slice(octets);
            self.at = end;
        }
    }

    /// Counts records written to a section.
    #[inline]
    pub fn count(&mut self, section: Section, records: u16) {
        let [answer, authority, additional] = &mut self.counts;
        let count = match section {
            Section::Answer => answer,
            Section::Authority => authority,
            Section::Additional => additional,
        };
        *count = count.saturating_add(records);
    }

    /// Writes an owner name. Gives a pointer to where it stands, for the next owner; `None` past the reach of pointers.
    #[inline]
    pub fn owner(&mut self, owner: Owner<'_>) -> Option<u16> {
        match owner {
            Owner::At(pointer) => {
                self.put(&pointer.to_be_bytes());
                let place = usize::from(pointer & 0x3fff);
                if place < self.question_end {
                    self.known_label = place;
                }
                Some(pointer)
            }
            Owner::Name(name) => self.name(name),
        }
    }

    /// Writes a name, its longest suffix that stands in the message already as a pointer. Gives a pointer to where the
    /// name stands now; `None` past the reach of pointers.
    pub fn name(&mut self, name: &[u8]) -> Option<u16> {
        let start = self.at;
        let mut from = 0usize;
        while let Some(&length) = name.get(from).filter(|length| **length != 0) {
            let Some(suffix) = name.get(from..) else { break };
            if let Some(offset) = self.place_of(suffix) {
                let pointer = 0xc000 | offset;
                self.put(&pointer.to_be_bytes());
                return if from == 0 { Some(pointer) } else { Self::pointer_to(start) };
            }
            let (Ok(offset), Ok(rest)) = (u16::try_from(self.at), u8::try_from(suffix.len())) else { break };
            if offset < 0x4000
                && let Some(slot) = self.remembered.get_mut(self.remembered_count)
            {
                *slot = (offset, rest);
                self.remembered_count += 1;
            }
            let end = from + 1 + usize::from(length);
            self.put(name.get(from..end).unwrap_or_default());
            from = end;
        }
        self.put(&[0]);
        Self::pointer_to(start)
    }

    /// Writes records of one RRset under an owner name: of each TYPE CLASS TTL RDLENGTH RDATA, whose names (after `before`
    /// octets, `count` of them) are compressed where `names` says so. Gives a pointer to the last name in their RDATA, if there
    /// are such.
    #[inline]
    pub fn records<'r>(
        &mut self,
        owner: Owner<'_>,
        names: Option<(usize, usize)>,
        records: impl Iterator<Item = &'r [u8]>,
    ) -> Option<u16> {
        let (mut owner, mut target) = (owner, None);
        for record in records {
            // Past the reach of pointers the owner is written out again for the next record.
            owner = self.owner(owner).map_or(owner, Owner::At);
            match names {
                None => self.put(record),
                Some((before, count)) => target = self.compressed(record, before, count),
            }
        }
        target
    }

    /// Writes a record whose RDATA has `before` octets, then `count` names, then anything.
    fn compressed(&mut self, record: &[u8], before: usize, count: usize) -> Option<u16> {
        let (fixed, rdata) = (record.get(..FIXED - 2)?, record.get(FIXED..)?);
        self.put(fixed);
        let length_at = self.reserve_u16();
        let (head, mut rest) = rdata.split_at_checked(before).unwrap_or((rdata, &[]));
        self.put(head);
        let mut target = None;
        for _ in 0..count {
            let (name, after) = split_name(rest)?;
            target = self.name(name);
            rest = after;
        }
        self.put(rest);
        self.fill_length(length_at);
        target
    }

    /// The octets written so far, without those of a head that was begun with.
    pub fn written(&self) -> &[u8] {
        self.out.get(self.question_end..self.at).unwrap_or_default()
    }

    /// Records counted so far: answers, authorities, additionals.
    pub fn counts(&self) -> [u16; 3] {
        self.counts
    }

    fn pointer_to(start: usize) -> Option<u16> {
        u16::try_from(start).ok().filter(|start| *start < 0x4000).map(|start| 0xc000 | start)
    }

    /// Where a name that ends like this stands already.
    fn place_of(&mut self, suffix: &[u8]) -> Option<u16> {
        if let Some(skip) = self.question_name.checked_sub(suffix.len()) {
            let start = HEADER + skip;
            let there = self.out.get(start..start + suffix.len())?;
            // Most differ in the first length octet, and of the others most are equal to the letter.
            let alike = there.first() == suffix.first() && (there == suffix || there.eq_ignore_ascii_case(suffix));
            if alike && self.is_question_label(start) {
                self.known_label = start;
                return Some(start as u16);
            }
        }
        let remembered = self.remembered.get(..self.remembered_count)?;
        let alike = |entry: &&(u16, u8)| usize::from(entry.1) == suffix.len() && self.stands_at(entry.0, suffix);
        remembered.iter().find(alike).map(|entry| entry.0)
    }

    /// Whether a label of the question starts here, and not just the same octets inside one.
    fn is_question_label(&self, wanted: usize) -> bool {
        // The deepest names have 127 labels to walk: not again for what is known.
        let mut at = if self.known_label <= wanted { self.known_label } else { HEADER };
        while at < wanted {
            match self.out.get(at) {
                Some(length) => at += 1 + usize::from(*length),
                None => return false,
            }
        }
        at == wanted
    }

    /// Whether the name at an offset of our own output, pointers followed, is this one.
    fn stands_at(&self, offset: u16, name: &[u8]) -> bool {
        let (mut at, mut rest) = (usize::from(offset), name);
        loop {
            let Some(&length) = self.out.get(at).filter(|_| at < self.at) else { return false };
            if length >= 0xc0 {
                // What we wrote points backward.
                let Some(&low) = self.out.get(at + 1) else { return false };
                at = usize::from(length & 0x3f) << 8 | usize::from(low);
                continue;
            }
            let size = usize::from(length) + 1;
            let (Some(ours), Some((theirs, left))) = (self.out.get(at..at + size), rest.split_at_checked(size)) else {
                return false;
            };
            if ours != theirs && !ours.eq_ignore_ascii_case(theirs) {
                return false;
            }
            if length == 0 {
                return true;
            }
            (at, rest) = (at + size, left);
        }
    }

    /// Fills in the header and gives the length. RCODE's upper bits go into the OPT record.
    #[inline]
    pub fn finish(&mut self, id: u16, flags: u16, rcode: Rcode) -> usize {
        let [answer, authority, additional] = self.counts;
        let question = u16::from(self.question_name > 0);
        let words = [id, flags | (rcode.0 & 15), question, answer, authority, additional];
        for (room, word) in self.out.chunks_exact_mut(2).zip(words) {
            room.copy_from_slice(&word.to_be_bytes());
        }
        self.at
    }

    /// Remembers where 16 bits go that are known later, and leaves room for them.
    #[inline]
    pub fn reserve_u16(&mut self) -> usize {
        let at = self.at;
        self.put(&[0, 0]);
        at
    }

    /// Fills the 16 bits at `at` with the number of octets after them.
    #[inline]
    pub fn fill_length(&mut self, at: usize) {
        let length = self.at.saturating_sub(at + 2) as u16;
        if !self.overflowed
            && let Some(room) = self.out.get_mut(at..at + 2)
        {
            room.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// Splits data that begins with a name: the name, and the rest.
pub fn split_name(data: &[u8]) -> Option<(&[u8], &[u8])> {
    data.split_at_checked(wire_length(data)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    fn wire(text: &str) -> Vec<u8> {
        Name::parse(text, None).unwrap().as_wire().to_vec()
    }

    #[track_caller]
    fn skips(packet: &[u8], at: usize, expected: Option<usize>) {
        let mut reader = Reader::new(packet, at);
        assert_eq!(reader.skip_name().map(|()| reader.at()), expected);
    }

    #[test]
    fn pointers_go_back_or_nowhere() {
        let mut packet = vec![0; HEADER];
        packet.extend(wire("a.b."));
        packet.extend([1, b'x', 0xc0, 12, 0xc0, 17, 0xc0, 21, 0xc0, 11, 0x80, 0]);
        skips(&packet, 12, Some(17));
        skips(&packet, 17, Some(21));
        skips(&packet, 21, Some(23));
        // To itself, forward, into the header, a reserved label type, past the end.
        skips(&packet, 23, Some(25));
        skips(&packet[..23], 19, Some(21));
        let own = [&packet[..23], &[0xc0, 23]].concat();
        skips(&own, 23, None);
        skips(&packet, 25, None);
        skips(&packet, 27, None);
        skips(&packet, 40, None);
        skips(&packet[..18], 17, None);
    }

    #[test]
    fn names_are_compressed_against_the_question_and_each_other() {
        let head = [vec![0; HEADER], wire("WWW.Example.com."), vec![0, 1, 0, 1]].concat();
        let mut out = [0; 512];
        let mut writer = Writer::new(&mut out, &head, 512).unwrap();
        let start = writer.length();
        for (text, length) in [
            ("www.example.com.", 2),
            ("ns1.example.com.", 6),
            ("NS1.example.com.", 2),
            ("a.ns1.example.com.", 4),
            (".", 1),
            ("ns1.example.net.", 17),
            ("x.net.", 4),
        ] {
            let before = writer.length();
            writer.name(&wire(text));
            assert_eq!(writer.length() - before, length, "{text}");
        }
        assert!(!writer.overflowed());
        assert_eq!(writer.name(&wire("example.com.")), Some(0xc000 | 16));
        let mark = writer.mark();
        writer.set_limit(start);
        writer.put(&[0]);
        assert!(writer.overflowed());
        writer.rewind(mark);
        assert!(!writer.overflowed());
    }

    #[test]
    fn octets_inside_a_question_label_are_no_place_to_point_to() {
        let head = [vec![0; HEADER], wire(r"x\003com\000."), vec![0, 1, 0, 1]].concat();
        let mut out = [0; 512];
        let mut writer = Writer::new(&mut out, &head, 512).unwrap();
        let before = writer.length();
        writer.name(&wire("com."));
        assert_eq!(writer.length() - before, 5);
    }
}
