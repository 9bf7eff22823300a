//! Millions of 64-bit starts with a value each, so that a search waits for memory as seldom as can be.
//!
//! Neighbors lie in blocks of four cache lines: the first start whole, the others as 32-bit distances from it in units of a power
//! of two, their values beside them. With city data nearly every block is full. So most of what a search needs is one place
//! in memory, and half of what the starts would take. The first starts of blocks are found through every 16th of them, every 16th
//! of those and so on. No step of it is a branch to guess, and few of them wait for another.

use std::hint::black_box;

use bytemuck::{Pod, Zeroable};

use super::indexed::{Entries, EntriesBuilder};
use super::pages::Pages;

/// Starts that rise from 0, and values.
#[derive(Debug, PartialEq, Eq)]
pub struct Blocks {
    /// First starts: few before many, 16 at most in the first, those of all blocks in the last.
    levels: Vec<Level>,
    list: Pages<Block>,
}

/// First starts, filled up to a multiple of [`FAN`].
#[derive(Debug, PartialEq, Eq)]
struct Level {
    keys: Vec<u64>,
    /// How many there are.
    count: usize,
}

/// Some neighbors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(256))]
struct Block {
    first: u64,
    /// The unit of distances as a power of two.
    shift: u64,
    /// Distances from the first start, from 0; [`NONE`] after the last.
    distances: [u32; ROOM],
    values: [u16; ROOM],
}

/// Starts of a block: with their values they fill it.
const ROOM: usize = 40;
/// No distance.
const NONE: u32 = u32::MAX;
/// First starts that one stands for.
const FAN: usize = 16;
/// Starts that a block of city data has, a little less than on average.
const USUAL: usize = 39;

impl Block {
    /// The number of the last start that is not above `x`, which is not below the first.
    #[inline]
    fn position(&self, x: u64) -> usize {
        // Its last line is on its way too while the others are waited for.
        black_box(self.values[ROOM - 1]);
        let distance = ((x - self.first) >> self.shift).min(u64::from(NONE) - 1) as u32;
        let not_above = |at: usize| usize::from(self.distances[at] <= distance);
        let mut at = 8 * (not_above(8) + not_above(16) + not_above(24) + not_above(32));
        at += 2 * (not_above(at + 2) + not_above(at + 4) + not_above(at + 6));
        at + not_above(at + 1)
    }

    #[inline]
    fn start(&self, distance: u32) -> u64 {
        self.first + (u64::from(distance) << self.shift)
    }
}

impl Level {
    fn of(mut keys: Vec<u64>) -> Self {
        let count = keys.len();
        keys.resize(count.next_multiple_of(FAN), u64::MAX);
        Self { keys, count }
    }

    /// The number of the last key that is not above `x`, of those that the one of this number stands for.
    #[inline]
    fn below(&self, number: usize, x: u64) -> usize {
        let keys = &self.keys[number * FAN..number * FAN + FAN];
        let not_above = |at: usize| usize::from(keys[at] <= x);
        let quarter = 4 * (not_above(4) + not_above(8) + not_above(12));
        let at = quarter + not_above(quarter + 1) + not_above(quarter + 2) + not_above(quarter + 3);
        // What it was filled up with is above all but the highest.
        (number * FAN + at).min(self.count - 1)
    }
}

impl Entries for Blocks {
    type Builder = BlocksBuilder;

    #[inline]
    fn find(&self, x: u64) -> (u16, u64, Option<u64>) {
        let (number, list) = (self.number(x), self.list.as_slice());
        let block = &list[number];
        let at = block.position(x);
        let next = match block.distances.get(at + 1) {
            Some(&distance) if distance != NONE => Some(block.start(distance)),
            _ => list.get(number + 1).map(|next| next.first),
        };
        (block.values[at], block.start(block.distances[at]), next)
    }

    #[inline]
    fn near(&self, x: u64) -> usize {
        self.number(x)
    }

    #[inline]
    fn touch(&self, near: usize) -> u64 {
        // One number of each of its lines.
        self.list.as_slice().get(near).map_or(0, |block| {
            let distances = block.distances[16] ^ block.distances[ROOM - 8];
            block.first ^ u64::from(distances) ^ u64::from(block.values[ROOM - 1])
        })
    }

    #[inline]
    fn for_each(&self, mut each: impl FnMut(u64, u16)) {
        for block in self.list.as_slice() {
            for (&distance, &value) in block.distances.iter().zip(&block.values) {
                if distance == NONE {
                    break;
                }
                each(block.start(distance), value);
            }
        }
    }

    fn around(&self, x: u64) -> impl Iterator<Item = (u64, u16)> + '_ {
        // There is one at least in each.
        let blocks = self.list.as_slice()[self.number(x).saturating_sub(3)..].iter();
        blocks.flat_map(|block| {
            let distances = block.distances.iter().take_while(|distance| **distance != NONE);
            distances.zip(&block.values).map(|(distance, value)| (block.start(*distance), *value))
        })
    }

    fn memory(&self) -> usize {
        let levels: usize = self.levels.iter().map(|level| level.keys.capacity()).sum();
        levels * size_of::<u64>() + self.list.memory()
    }
}

impl Blocks {
    /// The block of the last start that is not above `x`.
    #[inline]
    fn number(&self, x: u64) -> usize {
        self.levels.iter().fold(0, |number, level| level.below(number, x))
    }
}

/// [`Blocks`] that grow at their end.
#[derive(Debug)]
pub struct BlocksBuilder {
    firsts: Vec<u64>,
    list: Pages<Block>,
    /// Starts and values that the next block will have, the unit of their distances as a power of two, and how many
    /// there are.
    starts: [u64; ROOM],
    values: [u16; ROOM],
    shift: u32,
    count: usize,
}

impl EntriesBuilder for BlocksBuilder {
    type Entries = Blocks;

    fn new(room: usize) -> Self {
        let blocks = room / USUAL + 1;
        Self {
            firsts: Vec::with_capacity(blocks),
            list: Pages::with_room(blocks),
            starts: [0; ROOM],
            values: [0; ROOM],
            shift: u64::BITS - 1,
            count: 0,
        }
    }

    #[inline]
    fn push(&mut self, start: u64, value: u16) {
        if self.count > 0 {
            let distance = start - self.starts[0];
            let shift = self.shift.min(distance.trailing_zeros());
            if self.count == ROOM || distance >> shift >= u64::from(NONE) {
                self.close();
            } else {
                self.shift = shift;
            }
        }
        self.starts[self.count] = start;
        self.values[self.count] = value;
        self.count += 1;
    }

    #[inline]
    fn last(&self) -> Option<u64> {
        self.count.checked_sub(1).map(|at| self.starts[at])
    }

    fn replace(&mut self, value: u16) {
        if let Some(at) = self.count.checked_sub(1) {
            self.values[at] = value;
        }
    }

    fn finish(mut self) -> Blocks {
        self.close();
        self.list.fit();
        let (mut keys, mut levels) = (self.firsts, Vec::new());
        while keys.len() > FAN {
            let fewer = keys.iter().step_by(FAN).copied().collect();
            levels.push(Level::of(std::mem::replace(&mut keys, fewer)));
        }
        levels.push(Level::of(keys));
        levels.reverse();
        Blocks { levels, list: self.list }
    }
}

impl BlocksBuilder {
    /// Makes a block of what there is.
    #[inline]
    fn close(&mut self) {
        let (first, shift) = (self.starts[0], self.shift);
        let mut block = Block { first, shift: u64::from(shift), distances: [NONE; ROOM], values: [0; ROOM] };
        for (distance, start) in block.distances.iter_mut().zip(&self.starts[..self.count]) {
            *distance = ((start - first) >> shift) as u32;
        }
        block.values[..self.count].copy_from_slice(&self.values[..self.count]);
        self.firsts.push(first);
        self.list.push(block);
        (self.count, self.shift) = (0, u64::BITS - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(starts: impl IntoIterator<Item = u64>, asked: impl IntoIterator<Item = u64>) {
        let starts: std::collections::BTreeSet<u64> = std::iter::once(0).chain(starts).collect();
        let starts: Vec<u64> = starts.into_iter().collect();
        let values: Vec<u16> = (0..starts.len()).map(|number| number as u16).collect();
        let mut builder = BlocksBuilder::new(starts.len() / 2);
        assert_eq!(builder.last(), None);
        for (start, value) in starts.iter().zip(&values) {
            builder.push(*start, 7);
            builder.replace(*value);
            assert_eq!(builder.last(), Some(*start));
        }
        let blocks = builder.finish();
        let all = || starts.iter().copied().zip(values.iter().copied());
        assert!(blocks.around(0).eq(all()));
        let mut each = Vec::new();
        blocks.for_each(|start, value| each.push((start, value)));
        assert!(each.into_iter().eq(all()));
        let edges = starts.iter().flat_map(|start| [*start, start.saturating_sub(1), start.saturating_add(1)]);
        for x in asked.into_iter().chain(edges).chain([0, u64::MAX - 1, u64::MAX]) {
            let number = starts.partition_point(|start| *start <= x) - 1;
            let expected = (values[number], starts[number], starts.get(number + 1).copied());
            assert_eq!(blocks.find(x), expected, "{x:x}");
            let around: Vec<_> = blocks.around(x).take(4 * ROOM).collect();
            let first = starts.binary_search(&around[0].0).unwrap();
            assert!(first + 3 <= number.max(3), "{x:x}");
            assert!(
                around.into_iter().eq(starts[first..]
                    .iter()
                    .copied()
                    .zip(values[first..].iter().copied())
                    .take(4 * ROOM))
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Near and far apart, in all units, and at the end of the space.
        #[test]
        fn what_is_found_is_the_last_that_is_not_above(
            parts in proptest::collection::vec((any::<u64>(), 0u32..64, 0u64..100), 1..20),
            crowd in 0usize..1_000,
            asked in proptest::collection::vec(any::<u64>(), 50),
        ) {
            let ladder = (0..crowd as u64).map(|step| 0x2a00 << 48 | step << 16);
            let end = (0..crowd as u64 / 30).map(|step| u64::MAX - step);
            let strewn = parts.iter().flat_map(|(x, shift, count)| (0..*count).map(move |n| x.wrapping_add(n << shift)));
            check(strewn.chain(ladder.clone()).chain(end), asked.iter().copied().chain(ladder.map(|x| x + 77)));
        }
    }

    /// So many blocks that there are levels, and the highest start of all begins one.
    #[test]
    fn levels_lead_to_the_last_block_too() {
        check((0..30_000u64).map(|n| (n << 40) | (n % 7)), []);
        check((0..24_000u64).map(|n| n << 40), [5]);
        check((0..20_479u64).map(|n| n << 40).chain([u64::MAX]), [u64::MAX]);
        check((0..20_480u64).map(|n| n << 40).chain([u64::MAX]), [u64::MAX]);
    }
}
