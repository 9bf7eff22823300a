//! Range tables that are looked up at random: answers by address, with the exact scope prefix length.
//!
//! A binary search over a whole column would wait for memory at nearly every step, and the starts of IPv6 ranges would take 16
//! bytes each although one in 500 alone lies off a /64. So there is an index over the starts, and what the table keeps of an
//! IPv6 start is its upper half. A /64 with borders inside is one entry of the table, *cut*; its ranges stand apart.

use std::fmt;
use std::hint::black_box;

use super::packed::Packable;
use super::ranges::Found;

/// A range table that is looked up at random. Like any it covers the whole space, and neighboring ranges differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed<K: Indexable> {
    /// Upper parts of first addresses, rising from 0.
    starts: Vec<K::Upper>,
    /// Values, or [`CUT`].
    values: Vec<u16>,
    cuts: Cuts<K>,
    index: K::Index,
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
    /// What is kept beside the starts.
    type Index: Clone + fmt::Debug + PartialEq + Eq + Send + Sync;

    /// The part that is kept …
    fn upper(self) -> Self::Upper;
    /// … and the rest.
    fn lower(self) -> u64;
    /// An address of both.
    fn join(upper: Self::Upper, lower: u64) -> Self;

    /// The index of rising starts from 0.
    fn index(starts: &[Self::Upper]) -> Self::Index;
    /// The number of the last start that is not above `x`. Tells `first` early the number of a start nearby.
    fn find(index: &Self::Index, starts: &[Self::Upper], x: Self::Upper, first: impl FnOnce(usize)) -> usize;
    /// Bytes of an index on the heap.
    fn memory(index: &Self::Index) -> usize;
}

/// How many starts there are below each /16, and in all: so many addresses are given out that each has a few.
impl Indexable for u32 {
    type Upper = Self;
    type Index = Vec<u32>;

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

    fn index(starts: &[Self]) -> Self::Index {
        let mut below = Vec::with_capacity((1 << 16) + 1);
        let mut at = 0;
        for block in 0..1u32 << 16 {
            at += starts[at..].partition_point(|start| *start < block << 16);
            below.push(at as u32);
        }
        below.push(starts.len() as u32);
        below
    }

    #[inline]
    fn find(index: &Self::Index, starts: &[Self], x: Self, first: impl FnOnce(usize)) -> usize {
        let block = (x >> 16) as usize;
        let (low, high) = (index[block] as usize, index[block + 1] as usize);
        first(low.saturating_sub(1));
        // Of those before the block the last one still holds its first addresses.
        (low + starts[low..high].partition_point(|start| *start <= x)).saturating_sub(1)
    }

    fn memory(index: &Self::Index) -> usize {
        index.capacity() * size_of::<u32>()
    }
}

/// Every 16th start, every 16th of those and so on, down to some hundreds: so wherever a search goes on, one step of it is one
/// place in memory, and no step has to guess which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Those that are searched first.
    top: Vec<u64>,
    /// The others, few before many.
    levels: Vec<Vec<u64>>,
}

/// Neighbors that one sample stands for: two cache lines of starts.
const FAN: usize = 16;
/// Samples that are searched by halving: they stay in the first-level cache.
const TOP: usize = 1024;

/// The number of the last start that is not above `x`, of those that the sample of this number stands for; the first one is
/// not.
#[inline]
fn below(starts: &[u64], sample: usize, x: u64) -> usize {
    let at = sample * FAN;
    // Counted, not halved: halving would wait for one cache line after the other.
    let count = match starts.get(at..at + FAN) {
        Some(all) => all.iter().filter(|start| **start <= x).count(),
        None => starts[at..].iter().filter(|start| **start <= x).count(),
    };
    at + count - 1
}

impl Indexable for u128 {
    type Upper = u64;
    type Index = Samples;

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

    fn index(starts: &[u64]) -> Samples {
        let every = |starts: &[u64]| -> Vec<u64> { starts.iter().step_by(FAN).copied().collect() };
        let (mut top, mut levels) = (every(starts), Vec::new());
        while top.len() > TOP {
            let fewer = every(&top);
            levels.push(std::mem::replace(&mut top, fewer));
        }
        levels.reverse();
        Samples { top, levels }
    }

    #[inline]
    fn find(index: &Samples, starts: &[u64], x: u64, first: impl FnOnce(usize)) -> usize {
        let mut sample = index.top.partition_point(|start| *start <= x).saturating_sub(1);
        for level in &index.levels {
            sample = below(level, sample, x);
        }
        first(sample * FAN);
        below(starts, sample, x)
    }

    fn memory(index: &Samples) -> usize {
        let levels: usize = index.levels.iter().map(Vec::capacity).sum();
        (levels + index.top.capacity()) * size_of::<u64>()
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
        self.starts.shrink_to_fit();
        self.values.shrink_to_fit();
        let index = K::index(&self.starts);
        Indexed { starts: self.starts, values: self.values, cuts: self.cuts, index, count: self.count }
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
        // The value is somewhere near: while starts are waited for it is on its way too.
        let at = K::find(&self.index, &self.starts, x.upper(), |near| _ = black_box(self.values[near]));
        let value = self.values[at];
        if value == CUT {
            return self.cuts.find(x);
        }
        // A neighbor that is cut holds another value too, and all of it has the same bits in common with `x`.
        let before = K::join(self.starts[at], 0).previous().map_or(0, |b| 1 + x.common_prefix(b));
        let after = self.starts.get(at + 1).map_or(0, |next| 1 + x.common_prefix(K::join(*next, 0)));
        (value, before.max(after))
    }

    /// The range that holds an address. For people: takes longer than [`Indexed::find`].
    pub fn range(&self, x: K) -> Found<K, u16> {
        // No range goes past two entries that are cut.
        let at = K::find(&self.index, &self.starts, x.upper(), drop).saturating_sub(3);
        let mut ranges = self.from(at).take_while(|found| found.start <= x);
        let mut found = Found { start: K::ZERO, end: K::MAX, value: 0 };
        ranges.by_ref().for_each(|next| found = next);
        found
    }

    /// All ranges in address order.
    pub fn iter(&self) -> impl Iterator<Item = Found<K, u16>> + '_ {
        self.from(0)
    }

    /// Ranges from the start of an entry on; the first may have begun before.
    fn from(&self, entry: usize) -> impl Iterator<Item = Found<K, u16>> + '_ {
        let mut pieces = self.pieces(entry).peekable();
        std::iter::from_fn(move || {
            let (start, value) = pieces.next()?;
            while pieces.next_if(|next| next.1 == value).is_some() {}
            let end = pieces.peek().and_then(|next| next.0.previous()).unwrap_or(K::MAX);
            Some(Found { start, end, value })
        })
    }

    /// First addresses and values from an entry on. What follows a cut may have the value of its last range.
    #[inline]
    pub fn pieces(&self, entry: usize) -> impl Iterator<Item = (K, u16)> + '_ {
        let mut entries = self.starts[entry..].iter().zip(&self.values[entry..]);
        let mut number = match self.starts.get(entry) {
            Some(start) if entry > 0 => self.cuts.uppers.partition_point(|upper| upper < start),
            _ => 0,
        };
        let (mut upper, mut inside) = (K::ZERO.upper(), 0..0);
        std::iter::from_fn(move || {
            if inside.is_empty() {
                let (start, value) = entries.next()?;
                if *value != CUT {
                    return Some((K::join(*start, 0), *value));
                }
                (upper, inside) = (*start, self.cuts.of(number));
                number += 1;
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
        let starts = self.starts.capacity() * size_of::<K::Upper>();
        starts + self.values.capacity() * size_of::<u16>() + cuts + K::memory(&self.index)
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
