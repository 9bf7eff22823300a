//! Range tables that are looked up at random: answers by address, with the exact scope prefix length.
//!
//! A binary search over a whole column would wait for memory at nearly every step, and the starts of IPv6 ranges would take 16
//! bytes each although one in 500 alone lies off a /64. So there is an index over the starts, and what the table keeps of an
//! IPv6 start is its upper half. A /64 with borders inside is one entry of the table, *cut*; its ranges stand apart.

use std::fmt;
use std::marker::PhantomData;

use super::blocks::Blocks;
use super::counted::Counted;
use super::packed::Packable;
use super::ranges::Found;

/// A range table that is looked up at random. Like any it covers the whole space, and neighboring ranges differ.
#[derive(Debug, PartialEq, Eq)]
pub struct Indexed<K: Indexable> {
    /// Upper parts of first addresses, rising from 0, and values, or [`CUT`].
    entries: K::Entries,
    cuts: Cuts<K>,
    /// Number of ranges.
    count: usize,
}

/// The ranges inside upper parts that are cut, at least two each.
#[derive(Debug, PartialEq, Eq)]
struct Cuts<K: Indexable> {
    /// Rising.
    uppers: Vec<u64>,
    /// Where the ranges of each end in the columns below.
    ends: Vec<u32>,
    /// Lower parts of first addresses, from 0 in each.
    lowers: Vec<u64>,
    values: Vec<u16>,
    family: PhantomData<K>,
}

/// No value of a range: the entry is cut.
const CUT: u16 = u16::MAX - 1;

/// Starts that rise from 0, and a value of each.
pub trait Entries: fmt::Debug + PartialEq + Eq + Send + Sync {
    /// What makes them.
    type Builder: EntriesBuilder<Entries = Self>;

    /// The value of the last start that is not above `x`, that start, and the one after it.
    fn find(&self, x: u64) -> (u16, u64, Option<u64>);
    /// About where that start is, as far as the index says; for [`Entries::touch`].
    fn near(&self, x: u64) -> usize;
    /// Reads there as much as brings it near. What it gives means nothing.
    fn touch(&self, near: usize) -> u64;
    /// All in order, from at least three before the last start that is not above `x`.
    fn around(&self, x: u64) -> impl Iterator<Item = (u64, u16)> + '_;
    /// All in order.
    fn for_each(&self, each: impl FnMut(u64, u16));
    /// Bytes they take.
    fn memory(&self) -> usize;
}

/// [`Entries`] that grow at their end.
pub trait EntriesBuilder: fmt::Debug {
    /// What it makes.
    type Entries;

    /// Nothing yet, with room for about so many.
    fn new(room: usize) -> Self;
    /// Adds a start, above all there are; the first is 0.
    fn push(&mut self, start: u64, value: u16);
    /// The last start; `None` before the first.
    fn last(&self) -> Option<u64>;
    /// Gives the last start another value.
    fn replace(&mut self, value: u16);
    /// All of them, at least one.
    fn finish(self) -> Self::Entries;
}

/// Addresses in two parts. Bits that two addresses have in common are bits that their upper parts do, where those differ.
pub trait Indexable: Packable {
    /// How upper parts and values are kept.
    type Entries: Entries;

    /// The most significant bits, which are kept of a first address …
    fn upper(self) -> u64;
    /// … and the rest.
    fn lower(self) -> u64;
    /// An address of both.
    fn join(upper: u64, lower: u64) -> Self;
}

impl Indexable for u32 {
    type Entries = Counted;

    #[inline]
    fn upper(self) -> u64 {
        u64::from(self) << 32
    }

    #[inline]
    fn lower(self) -> u64 {
        0
    }

    #[inline]
    fn join(upper: u64, _: u64) -> Self {
        (upper >> 32) as Self
    }
}

impl Indexable for u128 {
    type Entries = Blocks;

    #[inline]
    fn upper(self) -> u64 {
        (self >> 64) as u64
    }

    #[inline]
    fn lower(self) -> u64 {
        self as u64
    }

    #[inline]
    fn join(upper: u64, lower: u64) -> Self {
        Self::from(upper) << 64 | Self::from(lower)
    }
}

/// A table that grows in address order.
#[derive(Debug)]
pub struct IndexedBuilder<K: Indexable> {
    entries: <K::Entries as Entries>::Builder,
    cuts: Cuts<K>,
    /// The value of the last range.
    last: Option<u16>,
    /// The last upper part, while it is cut.
    cut: Option<u64>,
    count: usize,
}

impl<K: Indexable> IndexedBuilder<K> {
    /// A table without ranges yet; the first is to begin at 0. There is room for about so many.
    pub fn new(room: usize) -> Self {
        let (uppers, ends, lowers, values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let cuts = Cuts { uppers, ends, lowers, values, family: PhantomData };
        Self { entries: EntriesBuilder::new(room), cuts, last: None, cut: None, count: 0 }
    }

    /// From `start` on (above every earlier start) the value is `value`, below 65,534 or 65,535. Equal neighbors merge.
    #[inline]
    pub fn push(&mut self, start: K, value: u16) {
        let Some(last) = self.last.replace(value) else {
            self.count = 1;
            self.entries.push(start.upper(), value);
            return;
        };
        if last == value {
            return;
        }
        self.count += 1;
        let upper = start.upper();
        if self.cut.is_some_and(|cut| cut != upper) {
            self.close(last, Some(upper));
        }
        if start.lower() == 0 {
            self.entries.push(upper, value);
        } else {
            self.inside(upper, start.lower(), last, value);
        }
    }

    /// Gives back what room is left, and makes the index.
    pub fn finish(mut self) -> Indexed<K> {
        if let Some(last) = self.last {
            self.close(last, None);
        }
        Indexed { entries: self.entries.finish(), cuts: self.cuts, count: self.count }
    }

    /// What follows the upper part that is cut has its last value, unless something begins right there: at `next`.
    #[cold]
    fn close(&mut self, last: u16, next: Option<u64>) {
        let Some(after) = self.cut.take().and_then(|cut| K::join(cut, u64::MAX).next()) else { return };
        if next != Some(after.upper()) {
            self.entries.push(after.upper(), last);
        }
    }

    /// A border inside an upper part.
    #[cold]
    fn inside(&mut self, upper: u64, lower: u64, before: u16, value: u16) {
        if self.cut.is_none() {
            if self.entries.last() == Some(upper) {
                self.entries.replace(CUT);
            } else {
                self.entries.push(upper, CUT);
            }
            self.cuts.uppers.push(upper);
            self.cuts.ends.push(self.cuts.lowers.len() as u32);
            self.cuts.push(0, before);
            self.cut = Some(upper);
        }
        self.cuts.push(lower, value);
    }
}

impl<K: Indexable> Cuts<K> {
    fn push(&mut self, lower: u64, value: u16) {
        self.lowers.push(lower);
        self.values.push(value);
        if let Some(end) = self.ends.last_mut() {
            *end = self.lowers.len() as u32;
        }
    }

    /// The ranges of the upper part of this number.
    fn of(&self, number: usize) -> std::ops::Range<usize> {
        let first = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        first..self.ends.get(number).map_or(first, |end| *end as usize)
    }

    /// The value at an address of a cut upper part, and its scope: a border inside it bounds that, whatever lies around.
    #[cold]
    fn find(&self, x: K) -> (u16, u8) {
        let ranges = self.of(self.uppers.partition_point(|upper| *upper < x.upper()));
        let lowers = &self.lowers[ranges.clone()];
        let at = lowers.partition_point(|lower| *lower <= x.lower()).saturating_sub(1);
        let term = |lower: u64| 1 + x.common_prefix(K::join(x.upper(), lower));
        let before = lowers.get(at).filter(|lower| **lower > 0).map_or(0, |lower| term(lower - 1));
        let after = lowers.get(at + 1).map_or(0, |lower| term(*lower));
        (self.values[ranges.start + at], before.max(after))
    }
}

impl<K: Indexable> Indexed<K> {
    /// The value at an address, and its scope: the shortest prefix length L such that the aligned block of L around `x` lies
    /// inside its range ([`Found::scope`]).
    #[inline]
    pub fn find(&self, x: K) -> (u16, u8) {
        let (value, start, next) = self.entries.find(x.upper());
        if value == CUT {
            return self.cuts.find(x);
        }
        // A neighbor that is cut holds another value too, and all of it has the same bits in common with `x`. The address before
        // the range, and the one after it, have another upper part.
        let term = |other: u64| 1 + (x.upper() ^ other).leading_zeros() as u8;
        let before = start.checked_sub(1).map_or(0, term);
        (value, before.max(next.map_or(0, term)))
    }

    /// About where the range of an address is, as far as the index says.
    #[inline]
    pub fn near(&self, x: K) -> usize {
        self.entries.near(x.upper())
    }

    /// Reads there as much as brings it near. What it gives means nothing.
    #[inline]
    pub fn touch(&self, near: usize) -> u64 {
        self.entries.touch(near)
    }

    /// The range that holds an address. For people: takes longer than [`Indexed::find`].
    pub fn range(&self, x: K) -> Found<K, u16> {
        // No range goes past two entries that are cut.
        let mut found = Found { start: K::ZERO, end: K::MAX, value: 0 };
        let mut last = None;
        for (upper, value) in self.entries.around(x.upper()) {
            let mut piece = |start: K, value: u16| {
                if last == Some(value) {
                    return true;
                }
                last = Some(value);
                if start > x {
                    found.end = start.previous().unwrap_or(K::MAX);
                    return false;
                }
                (found.start, found.value) = (start, value);
                true
            };
            let ahead = if value == CUT {
                let ranges = self.cuts.of(self.cuts.uppers.partition_point(|other| *other < upper));
                ranges.into_iter().all(|at| piece(K::join(upper, self.cuts.lowers[at]), self.cuts.values[at]))
            } else {
                piece(K::join(upper, 0), value)
            };
            if !ahead {
                break;
            }
        }
        found
    }

    /// First addresses and values of all ranges, in address order. What follows a cut may have the value of its last range.
    #[inline]
    pub fn for_each(&self, mut each: impl FnMut(K, u16)) {
        let mut passed = 0;
        self.entries.for_each(|upper, value| {
            if value != CUT {
                return each(K::join(upper, 0), value);
            }
            for at in self.cuts.of(passed) {
                each(K::join(upper, self.cuts.lowers[at]), self.cuts.values[at]);
            }
            passed += 1;
        });
    }

    /// Number of ranges, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a table covers the whole space, so it is never empty")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Bytes it takes.
    pub fn memory(&self) -> usize {
        let cuts = self.cuts.uppers.capacity() * size_of::<u64>()
            + self.cuts.ends.capacity() * size_of::<u32>()
            + self.cuts.lowers.capacity() * (size_of::<u64>() + size_of::<u16>());
        self.entries.memory() + cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Ranges;
    use proptest::prelude::*;

    #[track_caller]
    fn check<K: Indexable>(borders: impl IntoIterator<Item = (K, u16)>, asked: impl IntoIterator<Item = K>) {
        let borders: std::collections::BTreeMap<K, u16> = [(K::ZERO, 0)].into_iter().chain(borders).collect();
        let (mut plain, mut builder) = (Ranges::new(0), IndexedBuilder::new(0));
        for (start, value) in borders {
            plain.push(start, value);
            builder.push(start, value);
        }
        let indexed = builder.finish();
        let mut pieces = Vec::new();
        indexed.for_each(|start, value| pieces.push((start, value)));
        pieces.dedup_by_key(|piece| piece.1);
        assert!(pieces.into_iter().eq(plain.view().iter().map(|found| (found.start, found.value))));
        assert_eq!(indexed.len(), plain.view().len());
        let edges = plain.view().iter().flat_map(|found| [found.start, found.end]).collect::<Vec<_>>();
        for x in asked.into_iter().chain(edges) {
            let found = plain.view().find(x);
            assert_eq!(indexed.find(x), (found.value, found.scope(x)), "{x:?}");
            assert_eq!(indexed.range(x), found, "{x:?}");
        }
    }

    proptest! {
        #[test]
        fn an_indexed_table_is_the_plain_one(
            starts in proptest::collection::vec((any::<u32>(), 0u16..4), 0..1_000),
            crowd in proptest::collection::vec((0u32..1 << 18, 0u16..3), 0..100),
            asked in proptest::collection::vec(any::<u32>(), 50),
        ) {
            check(starts.iter().chain(&crowd).copied(), asked.iter().copied());
            // Most borders at /64s and shorter, some crowds inside one or two neighbors, and at the end of the space.
            let wide = |x: u32| u128::from(x) << 96;
            let inside = |x: u32| 0x2001_0db8 << 96 | u128::from(x % 3) << 64 | u128::from(x >> 2 & 3) << 62 | u128::from(x >> 16);
            let end = |x: u32| u128::MAX << 66 | u128::from(x % 4) << 64 | u128::from(x / 4 % 3);
            let crowded = crowd.iter().flat_map(|(x, value)| [(inside(*x), *value), (end(*x), *value)]);
            let asked = asked.iter().flat_map(|x| [wide(*x), inside(*x), end(*x)]);
            check(starts.iter().map(|(x, value)| (wide(*x), *value)).chain(crowded), asked);
        }
    }
}
