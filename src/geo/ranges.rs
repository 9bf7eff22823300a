//! Sorted address ranges → value: lookup, and the exact scope prefix length of a lookup.
//!
//! A table covers the whole address space: range `i` runs from `starts[i]` to just before `starts[i + 1]`, the last to
//! the end of the space, and `starts[0]` is 0. Neighboring ranges have different values.

use std::fmt;

use crate::net::Bits;

/// The range an address lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<K, V> {
    /// First address of the range.
    pub start: K,
    /// Last address of the range.
    pub end: K,
    /// What the range maps to.
    pub value: V,
}

impl<K: Bits, V> Found<K, V> {
    /// The shortest prefix length L such that the aligned block of L around `x` lies inside this range:
    /// `1 + max(common_prefix(x, start − 1), common_prefix(x, end + 1))`, a term falling away at the ends of the space.
    /// `x` must lie in the range.
    #[inline]
    pub fn scope(&self, x: K) -> u8 {
        let before = self.start.previous().map_or(0, |b| 1 + x.common_prefix(b));
        let after = self.end.next().map_or(0, |a| 1 + x.common_prefix(a));
        before.max(after)
    }
}

/// A borrowed range table.
#[derive(Clone, Copy, Debug)]
pub struct RangeView<'a, K, V> {
    starts: &'a [K],
    values: &'a [V],
}

impl<'a, K: Bits, V: Copy + PartialEq> RangeView<'a, K, V> {
    /// A view of two columns. `None` unless they are of one length, not empty, begin at 0 and rise strictly.
    pub fn new(starts: &'a [K], values: &'a [V]) -> Option<Self> {
        let fits = starts.len() == values.len()
            && starts.first() == Some(&K::ZERO)
            && starts.windows(2).all(|pair| pair[0] < pair[1]);
        fits.then_some(Self { starts, values })
    }

    /// A view of columns that were checked when they were made ([`RangeView::new`] does that by reading them all).
    #[inline]
    pub(super) fn of_checked(starts: &'a [K], values: &'a [V]) -> Self {
        debug_assert!(
            starts.len() == values.len() && starts.first() == Some(&K::ZERO),
            "columns are checked when made"
        );
        Self { starts, values }
    }

    /// Number of ranges, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a table covers the whole space, so it is never empty")]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The range that holds `x`.
    #[inline]
    pub fn find(&self, x: K) -> Found<K, V> {
        self.at(self.index(x))
    }

    /// The index of the range that holds `x`.
    #[inline]
    pub(super) fn index(&self, x: K) -> usize {
        self.starts.partition_point(|start| *start <= x) - 1
    }

    /// The same, for an `x` not far above the start of the range of index `from`: looks further and further ahead.
    #[inline]
    pub(super) fn index_ahead(&self, from: usize, x: K) -> usize {
        let ahead = &self.starts[from..];
        let mut step = 1;
        while ahead.get(step).is_some_and(|start| *start <= x) {
            step *= 2;
        }
        let (low, high) = (step / 2, step.min(ahead.len()));
        from + low + ahead[low..high].partition_point(|start| *start <= x) - 1
    }

    /// The two columns: where ranges start, and their values.
    #[inline]
    pub(super) fn columns(&self) -> (&'a [K], &'a [V]) {
        (self.starts, self.values)
    }

    /// The range of this index, from 0 to `len() - 1`.
    #[inline]
    pub fn at(&self, index: usize) -> Found<K, V> {
        let end = self.starts.get(index + 1).and_then(|next| next.previous()).unwrap_or(K::MAX);
        Found { start: self.starts[index], end, value: self.values[index] }
    }

    /// All ranges from the one that holds `x`, in address order.
    pub fn from(self, x: K) -> impl Iterator<Item = Found<K, V>> + 'a {
        (self.index(x)..self.starts.len()).map(move |index| self.at(index))
    }

    /// All ranges in address order.
    pub fn iter(self) -> impl Iterator<Item = Found<K, V>> + 'a {
        self.from(K::ZERO)
    }
}

/// An owned range table, built in address order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges<K, V> {
    starts: Vec<K>,
    values: Vec<V>,
}

impl<K: Bits, V: Copy + PartialEq> Ranges<K, V> {
    /// One range over the whole space.
    pub fn new(value: V) -> Self {
        Self { starts: vec![K::ZERO], values: vec![value] }
    }

    /// From `start` on (above every earlier start, or 0 for the first) the value is `value`. Equal neighbors merge.
    pub fn push(&mut self, start: K, value: V) {
        if start == K::ZERO {
            self.starts.clear();
            self.values.clear();
        } else if self.values.last() == Some(&value) {
            return;
        }
        debug_assert!(self.starts.last().is_none_or(|last| *last < start), "ranges are pushed in address order");
        self.starts.push(start);
        self.values.push(value);
    }

    /// Makes room for so many ranges in all.
    pub fn reserve(&mut self, count: usize) {
        self.starts.reserve(count.saturating_sub(self.starts.len()));
        self.values.reserve(count.saturating_sub(self.values.len()));
    }

    /// Pushes a range for each of `starts` (rising, above every earlier one, or from 0 on) with what `value` says of the item
    /// beside it. Costs the same whether neighbors are mostly equal or not: nothing in it is left to a branch to guess.
    pub fn push_all<T: Copy>(&mut self, starts: &[K], items: &[T], value: impl Fn(T) -> V) {
        const CHUNK: usize = 512;
        let Some((&first, &item)) = starts.first().zip(items.first()) else { return };
        self.push(first, value(item));
        let Some(mut last) = self.values.last().copied() else { return };
        let (mut kept_starts, mut kept_values) = ([K::ZERO; CHUNK], [last; CHUNK]);
        for (starts, items) in starts[1..].chunks(CHUNK).zip(items[1..].chunks(CHUNK)) {
            let mut kept = 0;
            for (start, item) in starts.iter().zip(items) {
                let value = value(*item);
                (kept_starts[kept % CHUNK], kept_values[kept % CHUNK]) = (*start, value);
                kept += usize::from(value != last);
                last = value;
            }
            self.starts.extend_from_slice(&kept_starts[..kept]);
            self.values.extend_from_slice(&kept_values[..kept]);
        }
    }

    /// Replaces every value. Values that differ must stay different.
    pub(super) fn map_values(&mut self, map: impl Fn(V) -> V) {
        for value in &mut self.values {
            *value = map(*value);
        }
    }

    /// The two columns.
    pub(super) fn into_columns(self) -> (Vec<K>, Vec<V>) {
        (self.starts, self.values)
    }

    /// Gives back the room that growing took in advance.
    pub fn shrink(&mut self) {
        self.starts.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// The table, borrowed.
    #[inline]
    pub fn view(&self) -> RangeView<'_, K, V> {
        RangeView { starts: &self.starts, values: &self.values }
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.starts.capacity() * size_of::<K>() + self.values.capacity() * size_of::<V>()
    }
}

/// A range table that is looked up at random, with what makes that quick: a binary search over the whole column would wait for
/// memory at nearly every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed<K: Indexable, V> {
    ranges: Ranges<K, V>,
    index: K::Index,
}

/// Addresses with a way of their own to find a range among millions.
pub trait Indexable: Bits {
    /// What is kept beside the starts.
    type Index: Clone + fmt::Debug + PartialEq + Eq + Send + Sync;

    /// The index of rising starts from 0.
    fn index(starts: &[Self]) -> Self::Index;

    /// The number of the last start that is not above `x`.
    fn find(index: &Self::Index, starts: &[Self], x: Self) -> usize;

    /// Bytes of an index on the heap.
    fn memory(index: &Self::Index) -> usize;
}

/// How many starts there are below each /16, and in all: so many addresses are given out that each has a few.
impl Indexable for u32 {
    type Index = Vec<u32>;

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
    fn find(index: &Self::Index, starts: &[Self], x: Self) -> usize {
        let block = (x >> 16) as usize;
        let (first, end) = (index[block] as usize, index[block + 1] as usize);
        // Of those before the block the last one still holds its first addresses.
        (first + starts[first..end].partition_point(|start| *start <= x)).saturating_sub(1)
    }

    fn memory(index: &Self::Index) -> usize {
        index.capacity() * size_of::<u32>()
    }
}

/// The upper halves of every 16th start, of every 16th of those, and so on up to a handful; from the fewest to the most.
impl Indexable for u128 {
    type Index = Vec<Vec<u64>>;

    fn index(starts: &[Self]) -> Self::Index {
        let mut levels: Vec<Vec<u64>> = Vec::new();
        if starts.len() > FAN {
            levels.push(starts.iter().step_by(FAN).map(|start| (start >> 64) as u64).collect());
        }
        while let Some(below) = levels.last().filter(|below| below.len() > FAN) {
            let level = below.iter().step_by(FAN).copied().collect();
            levels.push(level);
        }
        levels.reverse();
        levels
    }

    #[inline]
    fn find(levels: &Self::Index, starts: &[Self], x: Self) -> usize {
        let upper = (x >> 64) as u64;
        let mut at = 0;
        for level in levels {
            let first = at * FAN;
            // The first of them is the sample above, so it is not above `upper`.
            let neighbors = &level[first..(first + FAN).min(level.len())];
            at = first + neighbors.iter().filter(|sample| **sample <= upper).count() - 1;
        }
        // A border inside the /64 of `x` may lie behind it: one in 500 is there.
        while starts[at * FAN] > x {
            at -= 1;
        }
        let first = at * FAN;
        let neighbors = &starts[first..(first + FAN).min(starts.len())];
        // Counted, not halved: halving would wait for one cache line after the other.
        first + neighbors.iter().filter(|start| **start <= x).count() - 1
    }

    fn memory(levels: &Self::Index) -> usize {
        levels.iter().map(|level| level.capacity() * size_of::<u64>()).sum()
    }
}

/// Neighbors that one sample stands for.
const FAN: usize = 16;

impl<K: Indexable, V: Copy + PartialEq> Indexed<K, V> {
    /// Gives back what room is left in the table, and makes its index.
    pub fn new(mut ranges: Ranges<K, V>) -> Self {
        ranges.shrink();
        let index = K::index(&ranges.starts);
        Self { ranges, index }
    }

    /// The range that holds `x`.
    #[inline]
    pub fn find(&self, x: K) -> Found<K, V> {
        self.view().at(K::find(&self.index, &self.ranges.starts, x))
    }

    /// The table, borrowed.
    #[inline]
    pub fn view(&self) -> RangeView<'_, K, V> {
        self.ranges.view()
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.ranges.memory() + K::memory(&self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table<K: Bits>(starts: impl IntoIterator<Item = K>) -> Ranges<K, u16> {
        let mut ranges = Ranges::new(0);
        let sorted: std::collections::BTreeSet<K> = starts.into_iter().collect();
        for (number, start) in sorted.into_iter().enumerate() {
            ranges.push(start, number as u16 + 1);
        }
        ranges
    }

    #[track_caller]
    fn check<K: Indexable>(starts: impl IntoIterator<Item = K>, asked: impl IntoIterator<Item = K>) {
        let ranges = table(starts);
        let indexed = Indexed::new(ranges.clone());
        let view = ranges.view();
        let edges = view.iter().flat_map(|found| [found.start, found.end]).collect::<Vec<_>>();
        for x in asked.into_iter().chain(edges) {
            let found = view.iter().find(|found| found.start <= x && x <= found.end).unwrap();
            assert_eq!(view.find(x), found);
            assert_eq!(indexed.find(x), found);
            for from in [0, view.index(x) / 2, view.index(x)] {
                assert_eq!(view.index_ahead(from, x), view.index(x));
            }
        }
    }

    proptest! {
        #[test]
        fn every_way_to_a_range_leads_to_the_same(
            starts in proptest::collection::vec(any::<u32>(), 0..1_000),
            crowd in proptest::collection::vec(0u32..1 << 18, 0..100),
            asked in proptest::collection::vec(any::<u32>(), 50),
        ) {
            check(starts.iter().chain(&crowd).copied(), asked.iter().copied());
            // Most borders at /64s and shorter, some crowds inside one.
            let wide = |x: &u32| u128::from(*x) << 96;
            let inside = |x: &u32| 0x2001_0db8 << 96 | u128::from(*x % 3) << 64 | u128::from(*x);
            check(starts.iter().map(wide).chain(crowd.iter().map(inside)), asked.iter().flat_map(|x| [wide(x), inside(x)]));
        }

        #[test]
        fn pushing_all_is_pushing_each(
            starts in proptest::collection::btree_set(any::<u32>(), 0..2_000),
            values in proptest::collection::vec(0u16..3, 2_000),
            cut in 0usize..2_000,
        ) {
            let starts: Vec<u32> = std::iter::once(0).chain(starts.into_iter().filter(|s| *s > 0)).collect();
            let values = &values[..starts.len().min(2_000)];
            let starts = &starts[..values.len()];
            let cut = cut.min(starts.len());
            let (mut each, mut all) = (Ranges::new(9), Ranges::new(9));
            for (start, value) in starts.iter().zip(values) {
                each.push(*start, value * 7);
            }
            all.push_all(&starts[..cut], &values[..cut], |value| value * 7);
            all.push_all(&starts[cut..], &values[cut..], |value| value * 7);
            prop_assert_eq!(each, all);
        }
    }
}
