//! Millions of 32-bit starts with a value each, in two columns, with how many starts there are below each /16: so many
//! addresses of IPv4 are given out that each has a few.

use std::hint::black_box;

use super::indexed::{Entries, EntriesBuilder};
use super::pages::Pages;

/// Starts that rise from 0, the lower halves of 64 bits being zero, and values.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    starts: Pages<u32>,
    values: Pages<u16>,
    /// By /16, and in all.
    below: Vec<u32>,
}

impl Counted {
    /// The number of the last start that is not above `x`.
    #[inline]
    fn number(&self, x: u32) -> usize {
        let block = (x >> 16) as usize;
        let (low, high) = (self.below[block] as usize, self.below[block + 1] as usize);
        // The value is somewhere near: while starts are waited for it is on its way too.
        black_box(self.values.as_slice()[low.saturating_sub(1)]);
        // Of those before the block the last one still holds its first addresses.
        (low + self.starts.as_slice()[low..high].partition_point(|start| *start <= x)).saturating_sub(1)
    }
}

impl Entries for Counted {
    type Builder = CountedBuilder;

    #[inline]
    fn find(&self, x: u64) -> (u16, u64, Option<u64>) {
        let (at, starts) = (self.number((x >> 32) as u32), self.starts.as_slice());
        (self.values.as_slice()[at], wide(starts[at]), starts.get(at + 1).copied().map(wide))
    }

    #[inline]
    fn near(&self, x: u64) -> usize {
        let block = (x >> 48) as usize;
        (self.below[block] as usize).midpoint(self.below[block + 1] as usize)
    }

    #[inline]
    fn touch(&self, near: usize) -> u64 {
        let start = self.starts.as_slice().get(near).map_or(0, |start| u64::from(*start));
        start ^ self.values.as_slice().get(near).map_or(0, |value| u64::from(*value))
    }

    fn around(&self, x: u64) -> impl Iterator<Item = (u64, u16)> + '_ {
        let from = self.number((x >> 32) as u32).saturating_sub(3);
        let starts = self.starts.as_slice()[from..].iter().copied().map(wide);
        starts.zip(self.values.as_slice()[from..].iter().copied())
    }

    #[inline]
    fn for_each(&self, mut each: impl FnMut(u64, u16)) {
        for (start, value) in self.starts.as_slice().iter().zip(self.values.as_slice()) {
            each(wide(*start), *value);
        }
    }

    fn memory(&self) -> usize {
        self.starts.memory() + self.values.memory() + self.below.capacity() * size_of::<u32>()
    }
}

#[inline]
fn wide(start: u32) -> u64 {
    u64::from(start) << 32
}

/// [`Counted`] starts that grow at their end.
#[derive(Debug)]
pub struct CountedBuilder {
    starts: Pages<u32>,
    values: Pages<u16>,
    below: Vec<u32>,
}

impl EntriesBuilder for CountedBuilder {
    type Entries = Counted;

    fn new(room: usize) -> Self {
        let below = Vec::with_capacity((1 << 16) + 1);
        Self { starts: Pages::with_room(room), values: Pages::with_room(room), below }
    }

    #[inline]
    fn push(&mut self, start: u64, value: u16) {
        let block = (start >> 48) as usize;
        while self.below.len() <= block {
            self.below.push(self.starts.as_slice().len() as u32);
        }
        self.starts.push((start >> 32) as u32);
        self.values.push(value);
    }

    #[inline]
    fn last(&self) -> Option<u64> {
        self.starts.as_slice().last().copied().map(wide)
    }

    fn replace(&mut self, value: u16) {
        if let Some(last) = self.values.last_mut() {
            *last = value;
        }
    }

    fn finish(mut self) -> Counted {
        self.below.resize((1 << 16) + 1, self.starts.as_slice().len() as u32);
        self.starts.fit();
        self.values.fit();
        Counted { starts: self.starts, values: self.values, below: self.below }
    }
}
