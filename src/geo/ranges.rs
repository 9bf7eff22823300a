//! Sorted address ranges → value: lookup, and the exact scope prefix length of a lookup.
//!
//! A table covers the whole address space: range `i` runs from `starts[i]` to just before `starts[i + 1]`, the last to
//! the end of the space, and `starts[0]` is 0. Neighboring ranges have different values.

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

    /// Replaces every value. Values that differ must stay different.
    pub(super) fn map_values(&mut self, map: impl Fn(V) -> V) {
        for value in &mut self.values {
            *value = map(*value);
        }
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
    fn check<K: Bits>(starts: impl IntoIterator<Item = K>, asked: impl IntoIterator<Item = K>) {
        let ranges = table(starts);
        let view = ranges.view();
        let edges = view.iter().flat_map(|found| [found.start, found.end]).collect::<Vec<_>>();
        for x in asked.into_iter().chain(edges) {
            let found = view.iter().find(|found| found.start <= x && x <= found.end).unwrap();
            assert_eq!(view.find(x), found);
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
            check(starts.into_iter().chain(crowd), asked);
        }
    }
}
