//! Range tables that are looked up at random: answers by address, with the exact scope prefix length.
//!
//! A binary search over a whole column would wait for memory at nearly every step, and the starts of IPv6 ranges would take 16
//! bytes each although one in 500 alone lies off a /64. So there is an index over the starts, and what the table keeps of an
//! IPv6 start is its upper half. A /64 with borders inside is one entry of the table, *cut*; its ranges stand apart.

use std::fmt;
use std::hint::black_box;

use super::blocks::Blocks;
use super::packed::Packable;
use super::ranges::Found;

/// A range table that is looked up at random. Like any it covers the whole space, and neighboring ranges differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed<K: Indexable> {
    /// Upper parts of first addresses, rising from 0, and values, or [`CUT`].
    entries: K::Entries,
    cuts: Cuts<K>,
    /// Number of ranges.
    count: usize,
}

/// The ranges inside upper parts that are cut, at least two each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cuts<K: Indexable> {
    /// Rising.
    uppers: Vec<K::Upper>,
    /// Where the ranges of each end in the columns below.
    ends: Vec<u32>,
    /// Lower parts of first addresses, from 0 in each.
    lowers: Vec<u64>,
    values: Vec<u16>,
}

/// No value of a range: the entry is cut.
const CUT: u16 = u16::MAX - 1;

/// Addresses with a way of their own to find a range among millions.
pub trait Indexable: Packable {
    /// What is kept of a first address.
    type Upper: Copy + Ord + fmt::Debug + Send + Sync;
    /// How starts and values are kept.
    type Entries: Entries<Self::Upper>;

    /// The part that is kept …
    fn upper(self) -> Self::Upper;
    /// … and the rest.
    fn lower(self) -> u64;
    /// An address of both.
    fn join(upper: Self::Upper, lower: u64) -> Self;
}

/// Starts that rise from 0, and a value of each.
pub trait Entries<U>: Clone + fmt::Debug + PartialEq + Eq + Send + Sync {
    /// Of at least one start and as many values.
    fn new(starts: Vec<U>, values: Vec<u16>) -> Self;
    /// The value of the last start that is not above `x`, that start, and the one after it.
    fn find(&self, x: U) -> (u16, U, Option<U>);
    /// All in order, from at least three before the last start that is not above `x`.
    fn around(&self, x: U) -> impl Iterator<Item = (U, u16)> + '_;
    /// All in order.
    fn iter(&self) -> impl Iterator<Item = (U, u16)> + '_;
    /// Bytes on the heap.
    fn memory(&self) -> usize;
}

impl Indexable for u32 {
    type Upper = Self;
    type Entries = Counted;

    #[inline]
    fn upper(self) -> Self {
        self
    }

    #[inline]
    fn lower(self) -> u64 {
        0
    }

    #[inline]
    fn join(upper: Self, _: u64) -> Self {
        upper
    }
}

impl Indexable for u128 {
    type Upper = u64;
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

/// Starts and values with how many starts there are below each /16, and in all: so many addresses are given out that each has a
/// few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    starts: Vec<u32>,
    values: Vec<u16>,
    below: Vec<u32>,
}

impl Counted {
    /// The number of the last start that is not above `x`.
    #[inline]
    fn number(&self, x: u32) -> usize {
        let block = (x >> 16) as usize;
        let (low, high) = (self.below[block] as usize, self.below[block + 1] as usize);
        // The value is somewhere near: while starts are waited for it is on its way too.
        black_box(self.values[low.saturating_sub(1)]);
        // Of those before the block the last one still holds its first addresses.
        (low + self.starts[low..high].partition_point(|start| *start <= x)).saturating_sub(1)
    }
}

impl Entries<u32> for Counted {
    fn new(mut starts: Vec<u32>, mut values: Vec<u16>) -> Self {
        starts.shrink_to_fit();
        values.shrink_to_fit();
        let mut below = Vec::with_capacity((1 << 16) + 1);
        let mut at = 0;
        for block in 0..1u32 << 16 {
            at += starts[at..].partition_point(|start| *start < block << 16);
            below.push(at as u32);
        }
        below.push(starts.len() as u32);
        Self { starts, values, below }
    }

    #[inline]
    fn find(&self, x: u32) -> (u16, u32, Option<u32>) {
        let at = self.number(x);
        (self.values[at], self.starts[at], self.starts.get(at + 1).copied())
    }

    fn around(&self, x: u32) -> impl Iterator<Item = (u32, u16)> + '_ {
        let from = self.number(x).saturating_sub(3);
        self.starts[from..].iter().copied().zip(self.values[from..].iter().copied())
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.starts.iter().copied().zip(self.values.iter().copied())
    }

    fn memory(&self) -> usize {
        let starts = (self.starts.capacity() + self.below.capacity()) * size_of::<u32>();
        starts + self.values.capacity() * size_of::<u16>()
    }
}

impl Entries<u64> for Blocks {
    fn new(starts: Vec<u64>, values: Vec<u16>) -> Self {
        Self::new(&starts, &values)
    }

    #[inline]
    fn find(&self, x: u64) -> (u16, u64, Option<u64>) {
        self.find(x)
    }

    #[inline]
    fn around(&self, x: u64) -> impl Iterator<Item = (u64, u16)> + '_ {
        // There is one at least in each.
        self.from(x, 3)
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = (u64, u16)> + '_ {
        self.from(0, 0)
    }

    fn memory(&self) -> usize {
        self.memory()
    }
}

/// A table that grows in address order.
#[derive(Debug)]
pub struct IndexedBuilder<K: Indexable> {
    starts: Vec<K::Upper>,
    values: Vec<u16>,
    cuts: Cuts<K>,
    /// The value of the last range.
    last: Option<u16>,
    /// The last upper part, while it is cut.
    cut: Option<K::Upper>,
    count: usize,
}

impl<K: Indexable> IndexedBuilder<K> {
    /// A table without ranges yet; the first is to begin at 0. There is room for about so many.
    pub fn new(room: usize) -> Self {
        let cuts = Cuts { uppers: Vec::new(), ends: Vec::new(), lowers: Vec::new(), values: Vec::new() };
        Self {
            starts: Vec::with_capacity(room),
            values: Vec::with_capacity(room),
            cuts,
            last: None,
            cut: None,
            count: 0,
        }
    }

    /// From `start` on (above every earlier start) the value is `value`, below 65,534 or 65,535. Equal neighbors merge.
    #[inline]
    pub fn push(&mut self, start: K, value: u16) {
        let Some(last) = self.last.replace(value) else {
            self.count = 1;
            self.entry(start.upper(), value);
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
            self.entry(upper, value);
        } else {
            self.inside(upper, start.lower(), last, value);
        }
    }

    /// Gives back what room is left, and makes the index.
    pub fn finish(mut self) -> Indexed<K> {
        if let Some(last) = self.last {
            self.close(last, None);
        }
        Indexed { entries: K::Entries::new(self.starts, self.values), cuts: self.cuts, count: self.count }
    }

    fn entry(&mut self, upper: K::Upper, value: u16) {
        self.starts.push(upper);
        self.values.push(value);
    }

    /// What follows the upper part that is cut has its last value, unless something begins right there: at `next`.
    #[cold]
    fn close(&mut self, last: u16, next: Option<K::Upper>) {
        let Some(after) = self.cut.take().and_then(|cut| K::join(cut, u64::MAX).next()) else { return };
        if next != Some(after.upper()) {
            self.entry(after.upper(), last);
        }
    }

    /// A border inside an upper part.
    #[cold]
    fn inside(&mut self, upper: K::Upper, lower: u64, before: u16, value: u16) {
        if self.cut.is_none() {
            match self.starts.last() {
                Some(start) if *start == upper => _ = self.values.pop(),
                _ => self.starts.push(upper),
            }
            self.values.push(CUT);
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
        // A neighbor that is cut holds another value too, and all of it has the same bits in common with `x`.
        let before = K::join(start, 0).previous().map_or(0, |b| 1 + x.common_prefix(b));
        let after = next.map_or(0, |next| 1 + x.common_prefix(K::join(next, 0)));
        (value, before.max(after))
    }

    /// The range that holds an address. For people: takes longer than [`Indexed::find`].
    pub fn range(&self, x: K) -> Found<K, u16> {
        // No range goes past two entries that are cut.
        let mut ranges = Self::merged(self.cut_up(self.entries.around(x.upper()))).take_while(|found| found.start <= x);
        let mut found = Found { start: K::ZERO, end: K::MAX, value: 0 };
        ranges.by_ref().for_each(|next| found = next);
        found
    }

    /// All ranges in address order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Found<K, u16>> + '_ {
        Self::merged(self.pieces())
    }

    /// Neighbors of one value as one; the first may have begun before.
    #[inline]
    fn merged(pieces: impl Iterator<Item = (K, u16)>) -> impl Iterator<Item = Found<K, u16>> {
        let mut pieces = pieces.peekable();
        std::iter::from_fn(move || {
            let (start, value) = pieces.next()?;
            while pieces.next_if(|next| next.1 == value).is_some() {}
            let end = pieces.peek().and_then(|next| next.0.previous()).unwrap_or(K::MAX);
            Some(Found { start, end, value })
        })
    }

    /// First addresses and values of all ranges. What follows a cut may have the value of its last range.
    #[inline]
    pub fn pieces(&self) -> impl Iterator<Item = (K, u16)> + '_ {
        self.cut_up(self.entries.iter())
    }

    /// The same of some entries in a row.
    #[inline]
    fn cut_up<'a>(
        &'a self,
        mut entries: impl Iterator<Item = (K::Upper, u16)> + 'a,
    ) -> impl Iterator<Item = (K, u16)> + 'a {
        // How many cuts there are up to the last that was passed.
        let mut passed = None;
        let (mut upper, mut inside) = (K::ZERO.upper(), 0..0);
        std::iter::from_fn(move || {
            if inside.is_empty() {
                let (start, value) = entries.next()?;
                if value != CUT {
                    return Some((K::join(start, 0), value));
                }
                let number = passed.unwrap_or_else(|| self.cuts.uppers.partition_point(|upper| *upper < start));
                (upper, inside) = (start, self.cuts.of(number));
                passed = Some(number + 1);
            }
            let at = inside.next()?;
            Some((K::join(upper, self.cuts.lowers[at]), self.cuts.values[at]))
        })
    }

    /// Number of ranges, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a table covers the whole space, so it is never empty")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        let cuts = self.cuts.uppers.capacity() * size_of::<K::Upper>()
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
        assert!(indexed.iter().eq(plain.view().iter()));
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
