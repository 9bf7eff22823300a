//! Range tables in few bytes, walked in order: what a site table has of the databases.
//!
//! Ranges that lie close together have the upper bits of their first addresses in common, so those are kept once for all of
//! them, a *group*: 16 bits of an IPv4 address, 32 of an IPv6 address. Of a first address its next bits are kept, as many again.
//! What is left of an IPv6 address is nearly always zero (one border in 400 lies off a /64); where it is not, it stands in a list
//! apart, the *cuts*. A value takes as many bytes as the highest needs. With full city data an IPv4 range takes 5 bytes instead
//! of 8 and an IPv6 range 7 instead of 20.

use std::fmt;

use bytemuck::{AnyBitPattern, NoUninit};

use super::column::Column;
use super::ranges::{Found, Ranges};
use crate::net::Bits;

/// Addresses in three parts.
pub trait Packable: Bits {
    /// The middle part, kept of every first address.
    type Low: Copy + Ord + fmt::Debug + Send + Sync + AnyBitPattern + NoUninit;
    /// The upper part, kept once per group; the middle one; and the rest.
    fn split(self) -> (u32, Self::Low, u64);
    /// An address of its parts.
    fn unite(upper: u32, low: Self::Low, rest: u64) -> Self;
}

impl Packable for u32 {
    type Low = u16;

    #[inline]
    fn split(self) -> (u32, u16, u64) {
        (self >> 16, self as u16, 0)
    }

    #[inline]
    fn unite(upper: u32, low: u16, _: u64) -> Self {
        upper << 16 | Self::from(low)
    }
}

impl Packable for u128 {
    type Low = u32;

    #[inline]
    fn split(self) -> (u32, u32, u64) {
        ((self >> 96) as u32, (self >> 64) as u32, self as u64)
    }

    #[inline]
    fn unite(upper: u32, low: u32, rest: u64) -> Self {
        Self::from(upper) << 96 | Self::from(low) << 64 | Self::from(rest)
    }
}

/// A range table in columns that are on the heap or in shared bytes. Immutable. Like any it covers the whole space, and
/// neighboring ranges have different values.
#[derive(Debug)]
pub struct Packed<K: Packable> {
    /// By group: its upper part, rising from 0 …
    uppers: Column<u32>,
    /// … and the number of its first range.
    firsts: Column<u32>,
    /// By range, rising inside a group but for cuts.
    lows: Column<K::Low>,
    /// By range, in as few bytes each as the highest takes, the lowest byte first; [`SPARE`] bytes follow.
    values: Column<u8>,
    /// Numbers of the ranges that begin off the middle part, rising …
    cuts: Column<u32>,
    /// … and the rest of their first addresses, above 0.
    rests: Column<u64>,
}

/// Any value can be read as four bytes.
const SPARE: usize = 3;

/// How many columns there are.
pub(super) const COLUMNS: usize = 6;

/// A [`Packed`] table, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct PackedView<'a, K: Packable> {
    uppers: &'a [u32],
    firsts: &'a [u32],
    lows: &'a [K::Low],
    values: &'a [u8],
    cuts: &'a [u32],
    rests: &'a [u64],
    /// Bytes of a value, 1 to 4.
    width: usize,
}

impl<K: Packable> Packed<K> {
    /// The same ranges in fewer bytes.
    pub fn of(ranges: &Ranges<K, u32>) -> Self {
        let view = ranges.view();
        let highest = view.iter().map(|found| found.value).max().unwrap_or(0);
        let width = (4 - highest.leading_zeros() as usize / 8).max(1);
        let (mut uppers, mut firsts, mut cuts, mut rests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut lows = Vec::with_capacity(view.len());
        let mut values = Vec::with_capacity(view.len() * width + SPARE);
        for (at, found) in (0..).zip(view.iter()) {
            let (upper, low, rest) = found.start.split();
            if uppers.last() != Some(&upper) {
                uppers.push(upper);
                firsts.push(at);
            }
            lows.push(low);
            values.extend_from_slice(&found.value.to_le_bytes()[..width]);
            if rest > 0 {
                cuts.push(at);
                rests.push(rest);
            }
        }
        values.extend_from_slice(&[0; SPARE]);
        let (uppers, firsts, lows) = (Column::Owned(uppers), Column::Owned(firsts), Column::Owned(lows));
        Self {
            uppers,
            firsts,
            lows,
            values: Column::Owned(values),
            cuts: Column::Owned(cuts),
            rests: Column::Owned(rests),
        }
    }

    /// The table of columns that somebody else has written; `column` gives them by number, in the order of
    /// [`Packed::bytes`]. Reads all but the values. `None` unless they make a table.
    pub(super) fn of_columns<E>(source: &impl ColumnSource<E>, first: usize) -> Result<Option<Self>, E> {
        let table = Self {
            uppers: source.column(first)?,
            firsts: source.column(first + 1)?,
            lows: source.column(first + 2)?,
            values: source.column(first + 3)?,
            cuts: source.column(first + 4)?,
            rests: source.column(first + 5)?,
        };
        Ok(table.view().is_sound().then_some(table))
    }

    /// All columns as bytes.
    pub(super) fn bytes(&self) -> [&[u8]; COLUMNS] {
        [
            bytemuck::cast_slice(self.uppers.as_slice()),
            bytemuck::cast_slice(self.firsts.as_slice()),
            bytemuck::cast_slice(self.lows.as_slice()),
            self.values.as_slice(),
            bytemuck::cast_slice(self.cuts.as_slice()),
            bytemuck::cast_slice(self.rests.as_slice()),
        ]
    }

    /// The table, borrowed.
    #[inline]
    pub fn view(&self) -> PackedView<'_, K> {
        let (lows, values) = (self.lows.as_slice(), self.values.as_slice());
        PackedView {
            uppers: self.uppers.as_slice(),
            firsts: self.firsts.as_slice(),
            lows,
            values,
            cuts: self.cuts.as_slice(),
            rests: self.rests.as_slice(),
            // Four bytes at most, so three differences tell the width without a division.
            width: (1..4).find(|width| values.len() == lows.len() * width + SPARE).unwrap_or(4),
        }
    }

    /// Bytes on the heap; what lies in shared bytes does not count.
    pub fn memory(&self) -> usize {
        let groups = self.uppers.memory() + self.firsts.memory();
        groups + self.lows.memory() + self.values.memory() + self.cuts.memory() + self.rests.memory()
    }

    /// Bytes in what is shared.
    pub(super) fn shared(&self) -> usize {
        let groups = self.uppers.shared() + self.firsts.shared();
        groups + self.lows.shared() + self.values.shared() + self.cuts.shared() + self.rests.shared()
    }
}

/// Where columns come from.
pub(super) trait ColumnSource<E> {
    /// The column of this number.
    fn column<T: AnyBitPattern + NoUninit>(&self, number: usize) -> Result<Column<T>, E>;
}

impl<'a, K: Packable> PackedView<'a, K> {
    /// Number of ranges, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a table covers the whole space, so it is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.lows.len()
    }

    /// The range that holds `x`.
    #[inline]
    pub fn find(&self, x: K) -> Found<K, u32> {
        self.from(x).now()
    }

    /// All ranges from the one that holds `x`, in address order.
    #[inline]
    pub fn from(self, x: K) -> PackedRanges<'a, K> {
        let (upper, low, _) = x.split();
        let group = self.uppers.partition_point(|other| *other <= upper) - 1;
        let (first, end) = (self.firsts[group] as usize, self.end(group));
        let mut after = end;
        if self.uppers[group] == upper {
            after = first + self.lows[first..end].partition_point(|other| *other <= low);
        }
        let cut = self.cuts.partition_point(|number| (*number as usize) + 1 < after);
        PackedRanges::before(self, group, after, cut, x)
    }

    /// All ranges in address order.
    #[inline]
    pub fn iter(self) -> PackedRanges<'a, K> {
        PackedRanges::before(self, 0, 1, 0, K::ZERO)
    }

    /// First address and value of each range where `map` makes something else of its value than of the one before, and of
    /// the first. Costs the same whether neighbors are mostly equal or not: nothing in it is left to a branch to guess.
    #[inline]
    pub fn for_each_change(self, map: impl Fn(u32) -> u16, mut each: impl FnMut(K, u16)) {
        const CHUNK: usize = 512;
        let mut last = map(self.value(0));
        let (mut kept, mut kept_values) = ([0; CHUNK], [last; CHUNK]);
        let (mut group, mut end, mut cut) = (0, self.end(0), 0);
        each(K::ZERO, last);
        for first in (1..self.len()).step_by(CHUNK) {
            let count = CHUNK.min(self.len() - first);
            let bytes = &self.values[first * self.width..(first + count) * self.width + SPARE];
            let mut changes = 0;
            for at in 0..count {
                let value = map(read(bytes, at, self.width));
                (kept[changes % CHUNK], kept_values[changes % CHUNK]) = (first + at, value);
                changes += usize::from(value != last);
                last = value;
            }
            for (&at, &value) in kept[..changes].iter().zip(&kept_values[..changes]) {
                while at >= end {
                    group += 1;
                    end = self.end(group);
                }
                while self.cuts.get(cut).is_some_and(|number| (*number as usize) < at) {
                    cut += 1;
                }
                let rest = if self.cuts.get(cut) == Some(&(at as u32)) { self.rests[cut] } else { 0 };
                each(K::unite(self.uppers[group], self.lows[at], rest), value);
            }
        }
    }

    /// The highest value.
    pub(super) fn highest(&self) -> u32 {
        (0..self.len()).fold(0, |highest, at| highest.max(self.value(at)))
    }

    /// What comes after the last range of a group.
    #[inline]
    fn end(&self, group: usize) -> usize {
        self.firsts.get(group + 1).map_or(self.lows.len(), |first| *first as usize)
    }

    /// The rest of a first address.
    #[inline]
    fn rest(&self, at: usize) -> u64 {
        self.cuts.binary_search(&(at as u32)).map_or(0, |cut| self.rests[cut])
    }

    #[inline]
    fn value(&self, at: usize) -> u32 {
        read(self.values, at, self.width)
    }

    /// Whether the columns make a table: their lengths fit, and first addresses rise strictly from 0.
    fn is_sound(&self) -> bool {
        let rises = |numbers: &[u32]| numbers.windows(2).all(|pair| pair[0] < pair[1]);
        let within = |numbers: &[u32]| numbers.last().is_none_or(|last| (*last as usize) < self.lows.len());
        let lengths = self.uppers.len() == self.firsts.len()
            && self.cuts.len() == self.rests.len()
            && self.values.len() == self.lows.len() * self.width + SPARE;
        let from_zero = self.uppers.first() == Some(&0)
            && self.firsts.first() == Some(&0)
            && self.lows.first().is_some_and(|low| K::unite(0, *low, 0) == K::ZERO)
            && self.cuts.first() != Some(&0);
        lengths
            && from_zero
            && [self.uppers, self.firsts, self.cuts].into_iter().all(rises)
            && within(self.firsts)
            && within(self.cuts)
            && self.rests.iter().all(|rest| K::unite(0, self.lows[0], *rest) > K::ZERO)
            && (0..self.uppers.len()).all(|group| self.group_rises(self.firsts[group] as usize, self.end(group)))
    }

    /// Whether first addresses rise inside a group.
    fn group_rises(&self, first: usize, end: usize) -> bool {
        let lows = &self.lows[first..end];
        let cut_apart = |at: usize| lows[at] == lows[at + 1] && self.rest(first + at) < self.rest(first + at + 1);
        lows.windows(2).enumerate().all(|(at, pair)| pair[0] < pair[1] || cut_apart(at))
    }
}

/// The value of this number among bytes.
#[inline]
fn read(bytes: &[u8], at: usize, width: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at * width..at * width + 4]);
    u32::from_le_bytes(four) & (u32::MAX >> (32 - 8 * width))
}

/// The ranges of a [`Packed`] table in address order.
#[derive(Clone, Debug)]
pub struct PackedRanges<'a, K: Packable> {
    table: PackedView<'a, K>,
    /// The number of the range that comes next; that of ranges when none does.
    at: usize,
    /// Its first and last address.
    start: K,
    end: K,
    /// The group of the range after it, and what comes after the last range of that group.
    group: usize,
    group_end: usize,
    /// The first cut after that range.
    cut: usize,
}

impl<'a, K: Packable> PackedRanges<'a, K> {
    /// From the range that holds `x`: the last one before `after` that does not begin above it. Of its group, or where that is
    /// the first number of `group` the last of the group before; none from `after` on has its middle part or a lower one.
    /// `cut` is not past that of the range before `after`.
    #[inline]
    fn before(table: PackedView<'a, K>, mut group: usize, mut after: usize, mut cut: usize, x: K) -> Self {
        let (upper, low, rest) = x.split();
        while table.cuts.get(cut).is_some_and(|number| (*number as usize) + 1 < after) {
            cut += 1;
        }
        let is_above = after > table.firsts[group] as usize
            && table.cuts.get(cut).is_some_and(|number| *number as usize + 1 == after)
            && table.rests[cut] > rest
            && table.lows[after - 1] == low
            && table.uppers[group] == upper;
        if is_above {
            // Those with the same middle part stand in a row, and all are cut but for the first, which may be.
            let first = table.firsts[group] as usize;
            let alike = first + table.lows[first..after].partition_point(|other| *other < low);
            let from = table.cuts[..cut].partition_point(|number| (*number as usize) < alike);
            let above = cut + 1 - from - table.rests[from..=cut].partition_point(|other| *other <= rest);
            (after, cut) = (after - above, cut.saturating_sub(above));
        }
        // The very first range begins at 0, so where none of a group does there is a group before it.
        group -= usize::from(after == table.firsts[group] as usize);
        let at = after - 1;
        // The cut of the range itself may be the one before.
        cut = cut.saturating_sub(1);
        while table.cuts.get(cut).is_some_and(|number| (*number as usize) < at) {
            cut += 1;
        }
        let group_end = table.end(group);
        let mut ranges = Self { table, at, start: x, end: x, group, group_end, cut };
        ranges.start = ranges.start_of(at);
        ranges.end = ranges.end_before(at + 1);
        ranges
    }

    #[inline]
    fn now(&self) -> Found<K, u32> {
        Found { start: self.start, end: self.end, value: self.table.value(self.at) }
    }

    /// The range that comes next.
    #[inline]
    pub(super) fn peek(&self) -> Option<Found<K, u32>> {
        (self.at < self.table.len()).then(|| self.now())
    }

    /// Passes over the range that comes next.
    #[inline]
    pub(super) fn step(&mut self) {
        self.at += 1;
        if let Some(start) = self.end.next() {
            self.start = start;
            self.end = self.end_before(self.at + 1);
        }
    }

    /// Passes over all ranges before the one that holds `x`, which must not lie behind. Quick when it is not far: looks further
    /// and further ahead.
    #[inline]
    pub(super) fn seek(&mut self, x: K) {
        if x <= self.end || self.at >= self.table.len() {
            return;
        }
        let (table, (upper, low, _)) = (self.table, x.split());
        // The range after the next one begins at or before `x`, and lies in this group.
        let (mut group, mut after) = (self.group, self.at + 1);
        let ahead = &table.uppers[group + 1..];
        let near = reach(ahead, |other| *other <= upper);
        let further = near.start + ahead[near].partition_point(|other| *other <= upper);
        if further > 0 {
            group += further;
            after = table.firsts[group] as usize;
        }
        if table.uppers[group] == upper {
            let ahead = &table.lows[after..table.end(group)];
            let near = reach(ahead, |other| *other <= low);
            after += near.start + ahead[near].partition_point(|other| *other <= low);
        } else {
            after = table.end(group);
        }
        *self = Self::before(table, group, after, self.cut.saturating_sub(1), x);
    }

    /// The address before the range of this number, the one after the next; goes on to its group and past its cut.
    #[inline]
    fn end_before(&mut self, number: usize) -> K {
        if number >= self.table.len() {
            return K::MAX;
        }
        if number == self.group_end {
            self.group += 1;
            self.group_end = self.table.end(self.group);
        }
        self.start_of(number).previous().unwrap_or(K::MAX)
    }

    /// Where the range of this number begins, which is of the group and not past the cut; goes past it.
    #[inline]
    fn start_of(&mut self, number: usize) -> K {
        let mut rest = 0;
        if self.table.cuts.get(self.cut).is_some_and(|cut| *cut as usize == number) {
            rest = self.table.rests[self.cut];
            self.cut += 1;
        }
        K::unite(self.table.uppers[self.group], self.table.lows[number], rest)
    }
}

impl<K: Packable> Iterator for PackedRanges<'_, K> {
    type Item = Found<K, u32>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let found = self.peek()?;
        self.step();
        Some(found)
    }
}

/// Where the first of sorted items lies that is not `before`, or the end: a stretch that doubles from the first item on.
#[inline]
fn reach<T>(items: &[T], before: impl Fn(&T) -> bool) -> std::ops::Range<usize> {
    let mut step = 1;
    while items.get(step - 1).is_some_and(&before) {
        step *= 2;
    }
    (step / 2).min(items.len())..step.min(items.len())
}

#[cfg(test)]
mod tests;
