//! The ranges of a site table as its readers see them: the databases' own, and cut where an overlay says more.

use super::extras::Extras;
use super::packed::{Packable, PackedRanges, PackedView};
use super::ranges::{Found, RangeView};
use crate::net::Bits;

/// A borrowed table of address ranges → site number. Neighboring ranges have different sites.
#[derive(Clone, Copy, Debug)]
pub struct SiteView<'a, K: Packable> {
    base: PackedView<'a, K>,
    over: Option<Over<'a, K>>,
}

/// What lies over the ranges of the databases.
#[derive(Clone, Copy, Debug)]
struct Over<'a, K> {
    /// Ranges → what is added, 0 for nothing.
    added: RangeView<'a, K, u32>,
    extras: &'a Extras,
}

impl<'a, K: Packable> SiteView<'a, K> {
    /// A table with nothing over it.
    #[inline]
    pub fn of(base: PackedView<'a, K>) -> Self {
        Self { base, over: None }
    }

    /// With something over them.
    #[inline]
    pub(super) fn with(base: PackedView<'a, K>, added: RangeView<'a, K, u32>, extras: &'a Extras) -> Self {
        Self { base, over: Some(Over { added, extras }) }
    }

    /// The range that holds `x`. It is as large as it can be: both neighbors have another site, so its scope is exact.
    #[inline]
    pub fn find(&self, x: K) -> Found<K, u32> {
        let found = self.base.find(x);
        match &self.over {
            None => found,
            Some(over) => over.cut(found, over.added.find(x)),
        }
    }

    /// All ranges from the one that holds `x`, in address order.
    #[inline]
    pub fn from(self, x: K) -> SiteRanges<'a, K> {
        let added = self.over.as_ref().map(|over| over.added.index(x));
        self.ranges(self.base.from(x), added.unwrap_or(0))
    }

    /// About how many ranges there are: as many as the databases have.
    pub fn base_len(&self) -> usize {
        self.base.len()
    }

    /// First address and what `map` makes of the site of each range where that is another than before, and of the first.
    #[inline]
    pub fn for_each_change(self, map: impl Fn(u32) -> u16, mut each: impl FnMut(K, u16)) {
        if self.over.is_none() {
            return self.base.for_each_change(map, each);
        }
        let mut last = None;
        for found in self.iter() {
            let value = map(found.value);
            if last != Some(value) {
                each(found.start, value);
                last = Some(value);
            }
        }
    }

    /// All ranges in address order.
    #[inline]
    pub fn iter(self) -> SiteRanges<'a, K> {
        self.ranges(self.base.iter(), 0)
    }

    #[inline]
    fn ranges(self, base: PackedRanges<'a, K>, index: usize) -> SiteRanges<'a, K> {
        let over = self.over.map(|over| Cursor { over, index, now: over.added.at(index) });
        SiteRanges { base, over }
    }
}

impl<K: Bits> Over<'_, K> {
    /// What two ranges that overlap have in common. It is never to be merged with what lies beside it: neighbors in either
    /// table differ, and two numbers are equal only if both parts are.
    #[inline]
    fn cut(&self, base: Found<K, u32>, added: Found<K, u32>) -> Found<K, u32> {
        let value = if added.value == 0 { base.value } else { self.extras.id(added.value, base.value) };
        Found { start: base.start.max(added.start), end: base.end.min(added.end), value }
    }
}

/// The ranges of a [`SiteView`] in address order.
#[derive(Clone, Debug)]
pub struct SiteRanges<'a, K: Packable> {
    base: PackedRanges<'a, K>,
    over: Option<Cursor<'a, K>>,
}

/// Where the next range lies in what is over the table.
#[derive(Clone, Debug)]
struct Cursor<'a, K> {
    over: Over<'a, K>,
    index: usize,
    now: Found<K, u32>,
}

impl<K: Packable> SiteRanges<'_, K> {
    /// All ranges that have an address in common with `first` to `last`, in order, until `each` says that it is enough.
    /// `first` must not lie before an address that was asked for earlier; quick when it is not far ahead.
    #[inline]
    pub fn within(&mut self, first: K, last: K, mut each: impl FnMut(Found<K, u32>) -> bool) {
        self.seek(first);
        while let Some(found) = self.peek() {
            // The last one may hold what is asked for next.
            if !each(found) || found.end >= last {
                break;
            }
            self.step(&found);
        }
    }

    /// Passes over all ranges before the one that holds `x`, which must lie ahead. Quick when that is not far.
    #[inline]
    fn seek(&mut self, x: K) {
        self.base.seek(x);
        if let Some(Cursor { over, index, now }) = &mut self.over {
            *index = over.added.index_ahead(*index, x);
            *now = over.added.at(*index);
        }
    }

    /// The range that comes next.
    #[inline]
    fn peek(&self) -> Option<Found<K, u32>> {
        let base = self.base.peek()?;
        Some(self.over.as_ref().map_or(base, |Cursor { over, now, .. }| over.cut(base, *now)))
    }

    /// Passes over it.
    #[inline]
    fn step(&mut self, found: &Found<K, u32>) {
        let Some(Cursor { over, index, now }) = &mut self.over else { return self.base.step() };
        if self.base.peek().is_some_and(|base| base.end == found.end) {
            self.base.step();
        }
        if now.end == found.end && *index + 1 < over.added.len() {
            *index += 1;
            *now = over.added.at(*index);
        }
    }
}

impl<K: Packable> Iterator for SiteRanges<'_, K> {
    type Item = Found<K, u32>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let found = self.peek()?;
        self.step(&found);
        Some(found)
    }
}
