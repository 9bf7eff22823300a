//! The records of a zone without a box for each: a million of them are three allocations.

use std::sync::Arc;

use super::super::diagnostic::Location;
use crate::dns::name::wire_length;
use crate::dns::{Name, NameRef, Type, rdata};

/// Records with their places, in an order of their own.
#[derive(Clone, Debug, Default)]
pub struct Records {
    rows: Vec<Row>,
    /// Owner names in wire form and RDATA; records of one owner that follow each other share its name.
    octets: Vec<u8>,
    /// The files they were written in: a zone file, a master file and what it includes, some thousands at most.
    files: Vec<Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    owner: u32,
    data: u32,
    ttl: u32,
    line: u32,
    column: u32,
    rtype: Type,
    length: u16,
    file: u16,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Owner name.
    pub owner: NameRef<'r>,
    /// Type.
    pub rtype: Type,
    /// TTL in seconds.
    pub ttl: u32,
    /// RDATA in wire form.
    pub rdata: &'r [u8],
    file: &'r Arc<str>,
    line: u32,
    column: u32,
}

impl Record<'_> {
    /// Where it was written.
    pub fn location(&self) -> Location {
        Location { file: Arc::clone(self.file), line: self.line, column: self.column }
    }

    /// The name it points to, as [`rdata::target`] has it.
    pub fn target(&self) -> Option<Name> {
        rdata::target(self.rtype, self.rdata)
    }
}

impl Records {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The record of a number.
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.record(self.rows.get(index)?)
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Record<'_>> {
        self.rows.iter().filter_map(|row| self.record(row))
    }

    fn record(&self, row: &Row) -> Option<Record<'_>> {
        let owner = self.octets.get(row.owner as usize..)?;
        Some(Record {
            owner: NameRef::of_wire(owner.get(..wire_length(owner)?)?),
            rtype: row.rtype,
            ttl: row.ttl,
            rdata: self.octets.get(row.data as usize..)?.get(..usize::from(row.length))?,
            file: self.files.get(usize::from(row.file))?,
            line: row.line,
            column: row.column,
        })
    }

    /// Adds one. `false`, and nothing is added, where numbers end: 4 GiB of names and data, 65,536 files, 65,535 octets
    /// of one record's data. What reads files has narrower limits than these.
    pub(in super::super) fn push(
        &mut self,
        owner: NameRef<'_>,
        rtype: Type,
        ttl: u32,
        data: &[u8],
        at: &Location,
    ) -> bool {
        let Ok(length) = u16::try_from(data.len()) else { return false };
        let known = match self.rows.last() {
            Some(last) if self.files.get(usize::from(last.file)).is_some_and(|f| Arc::ptr_eq(f, &at.file)) => {
                Some(usize::from(last.file))
            }
            _ => self.files.iter().rposition(|file| *file == at.file),
        };
        let Ok(file) = u16::try_from(known.unwrap_or(self.files.len())) else { return false };
        let Ok(end) = u32::try_from(self.octets.len()) else { return false };
        if u32::try_from(self.octets.len() + owner.as_wire().len() + data.len()).is_err() {
            return false;
        }
        if known.is_none() {
            self.files.push(Arc::clone(&at.file));
        }
        let before = self.rows.last().and_then(|row| Some((row.owner, self.record(row)?.owner.as_wire())));
        let owner = match before {
            Some((offset, wire)) if wire == owner.as_wire() => offset,
            _ => {
                self.octets.extend_from_slice(owner.as_wire());
                end
            }
        };
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(data);
        self.rows.push(Row { owner, data: start, ttl, line: at.line, column: at.column, rtype, length, file });
        true
    }

    /// Brings them into the order of their lines; at one place, the last `late` that were added come first.
    pub(in super::super) fn sort(&mut self, late: usize) {
        let late = late.min(self.rows.len());
        self.rows.rotate_right(late);
        self.rows.sort_by_key(|row| (row.line, row.column));
    }

    /// Keeps those that a question is answered by yes for.
    pub(in super::super) fn retain(&mut self, keep: impl Fn(Record<'_>) -> bool) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| self.record(row).is_some_and(&keep));
        self.rows = rows;
    }

    /// Adds all of another's behind its own.
    pub(in super::super) fn append(&mut self, other: Self) -> bool {
        if self.rows.is_empty() {
            *self = other;
            return true;
        }
        self.rows.reserve(other.rows.len());
        other.iter().all(|r| self.push(r.owner, r.rtype, r.ttl, r.rdata, &r.location()))
    }

    /// Those that a question is answered by yes for, in tables of their own that take no more than they need.
    pub(in super::super) fn only(&self, keep: impl Fn(Record<'_>) -> bool) -> Self {
        let mut few = Self::default();
        for r in self.iter().filter(|r| keep(*r)) {
            few.push(r.owner, r.rtype, r.ttl, r.rdata, &r.location());
        }
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    fn at(file: &str, line: u32) -> Location {
        Location { file: file.into(), line, column: 3 }
    }

    #[track_caller]
    fn check(records: &Records, expected: &[&str]) {
        let shown =
            |r: Record<'_>| format!("{} {} {} {} {}", r.owner, r.ttl, r.rtype, r.rdata.escape_ascii(), r.location());
        assert_eq!(records.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let mut records = Records::default();
        let (a, b) = (name("A.example."), name("b.example."));
        assert!(records.push(a.by_ref(), Type::A, 60, b"\x01\x02\x03\x04", &at("z.yaml", 9)));
        assert!(records.push(a.by_ref(), Type::TXT, 60, b"", &at("z.yaml", 10)));
        assert!(records.push(b.by_ref(), Type::A, 7, b"abcd", &at("db", 2)));
        assert!(records.push(a.by_ref(), Type::A, 7, b"wxyz", &at("z.yaml", 1)));
        let all = [
            "A.example. 60 A \\x01\\x02\\x03\\x04 z.yaml:9:3",
            "A.example. 60 TXT  z.yaml:10:3",
            "b.example. 7 A abcd db:2:3",
            "A.example. 7 A wxyz z.yaml:1:3",
        ];
        check(&records, &all);
        check(&records.only(|r| r.rtype == Type::TXT), &all[1..2]);
        assert!(!records.push(b.by_ref(), Type::TXT, 7, &vec![0; 65_536], &at("db", 3)));
        let mut joined = records.clone();
        assert!(joined.append(records.only(|r| r.owner == b)));
        joined.sort(0);
        check(&joined, &[all[3], all[2], all[2], all[0], all[1]]);
        joined.retain(|r| r.owner != b);
        check(&joined, &[all[3], all[0], all[1]]);
        assert_eq!(records.get(2).map(|r| r.location()), Some(at("db", 2)));
        assert!(records.get(4).is_none());
    }
}
