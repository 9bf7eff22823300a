//! Millions of 64-bit starts with a value each, so that a search waits for memory as seldom as can be.
//!
//! Neighbors lie in blocks of four cache lines: the first start whole, the others as 32-bit distances from it in units of a power
//! of two, their values beside them. With city data nearly every block is full. So most of what a search needs is one place
//! in memory, and half of what the starts would take. The first starts of blocks are found through every 16th of them, every 16th
//! of those and so on. No step of it is a branch to guess.

use std::hint::black_box;

/// Starts that rise from 0, and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// First starts that are searched first: so few that they stay in the first-level cache.
    top: Vec<u64>,
    /// The others, few before many, the last ones those of all blocks.
    levels: Vec<Level>,
    list: Vec<Block>,
}

/// First starts, filled up to a multiple of [`FAN`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    keys: Vec<u64>,
    /// How many there are.
    count: usize,
}

/// Some neighbors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(256))]
struct Block {
    first: u64,
    /// The unit of distances as a power of two, at most 32.
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
/// Most first starts that are searched without another level.
const TOP: usize = 512;

impl Block {
    /// As many of the starts as fit, at least one, and how many those are.
    #[inline]
    fn of(starts: &[u64], values: &[u16]) -> (Self, usize) {
        let (first, mut count, mut shift) = (starts[0], 1, 32);
        for start in starts[1..].iter().take(ROOM - 1) {
            let distance = start - first;
            let unit = shift.min(distance.trailing_zeros());
            if distance >> unit >= u64::from(NONE) {
                break;
            }
            (count, shift) = (count + 1, unit);
        }
        let mut block = Self { first, shift: u64::from(shift), distances: [NONE; ROOM], values: [0; ROOM] };
        for (distance, start) in block.distances.iter_mut().zip(&starts[..count]) {
            *distance = ((start - first) >> shift) as u32;
        }
        block.values[..count].copy_from_slice(&values[..count]);
        (block, count)
    }

    /// The number of the last start that is not above `x`, which is not below the first.
    #[inline]
    fn position(&self, x: u64) -> usize {
        // Its last line is on its way too while the others are waited for.
        black_box(self.values[ROOM - 1]);
        let distance = ((x - self.first) >> self.shift).min(u64::from(NONE) - 1) as u32;
        let not_above = |at: usize| usize::from(self.distances[at] <= distance);
        let mut at = 8 * (not_above(8) + not_above(16) + not_above(24) + not_above(32));
        at += 4 * not_above(at + 4);
        at += 2 * not_above(at + 2);
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
        let mut at = 8 * not_above(8);
        at += 4 * not_above(at + 4);
        at += 2 * not_above(at + 2);
        at += not_above(at + 1);
        // What it was filled up with is above all but the highest.
        (number * FAN + at).min(self.count - 1)
    }
}

impl Blocks {
    /// Of starts that rise from 0, at least one, and as many values.
    pub(super) fn new(starts: &[u64], values: &[u16]) -> Self {
        // With city data 39.2 fit on average. To give back room is to copy everything, so a little is kept.
        let mut list: Vec<Block> = Vec::with_capacity(starts.len() / (ROOM - 1) + 1);
        let mut at = 0;
        while at < starts.len() {
            let (block, count) = Block::of(&starts[at..], &values[at..]);
            list.push(block);
            at += count;
        }
        if list.capacity() - list.len() > list.len() / 8 {
            list.shrink_to_fit();
        }
        let (mut top, mut levels): (Vec<u64>, _) = (list.iter().map(|block| block.first).collect(), Vec::new());
        while top.len() > TOP {
            let fewer = top.iter().step_by(FAN).copied().collect();
            levels.push(Level::of(std::mem::replace(&mut top, fewer)));
        }
        levels.reverse();
        Self { top, levels, list }
    }

    /// The value of the last start that is not above `x`, that start, and the one after it.
    #[inline]
    pub(super) fn find(&self, x: u64) -> (u16, u64, Option<u64>) {
        let number = self.number(x);
        let block = &self.list[number];
        let at = block.position(x);
        let next = match block.distances.get(at + 1) {
            Some(&distance) if distance != NONE => Some(block.start(distance)),
            _ => self.list.get(number + 1).map(|next| next.first),
        };
        (block.values[at], block.start(block.distances[at]), next)
    }

    /// All starts with their values, from some blocks before the one that holds the last start not above `x`.
    #[inline]
    pub(super) fn from(&self, x: u64, before: usize) -> impl Iterator<Item = (u64, u16)> + '_ {
        let mut rest = self.list[self.number(x).saturating_sub(before)..].iter();
        let (mut block, mut at) = (rest.next(), 0);
        // By hand, as two loops in one are slower where others are built on them.
        std::iter::from_fn(move || {
            let now = block?;
            let entry = (now.start(now.distances[at]), now.values[at]);
            at += 1;
            if at == ROOM || now.distances[at] == NONE {
                (block, at) = (rest.next(), 0);
            }
            Some(entry)
        })
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        let levels: usize = self.levels.iter().map(|level| level.keys.capacity()).sum();
        (levels + self.top.capacity()) * size_of::<u64>() + self.list.capacity() * size_of::<Block>()
    }

    /// The block of the last start that is not above `x`.
    #[inline]
    fn number(&self, x: u64) -> usize {
        let first = self.top.partition_point(|key| *key <= x).saturating_sub(1);
        self.levels.iter().fold(first, |number, level| level.below(number, x))
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
        let blocks = Blocks::new(&starts, &values);
        let all = || starts.iter().copied().zip(values.iter().copied());
        assert!(blocks.from(0, 0).eq(all()));
        let edges = starts.iter().flat_map(|start| [*start, start.saturating_sub(1), start.saturating_add(1)]);
        for x in asked.into_iter().chain(edges).chain([0, u64::MAX - 1, u64::MAX]) {
            let number = starts.partition_point(|start| *start <= x) - 1;
            let expected = (values[number], starts[number], starts.get(number + 1).copied());
            assert_eq!(blocks.find(x), expected, "{x:x}");
            let around: Vec<_> = blocks.from(x, 3).take(4 * ROOM).collect();
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
