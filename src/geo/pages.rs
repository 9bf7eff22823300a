//! A column that is looked up at random, in memory straight from the system and in as large pages as it gives.
//!
//! With pages of 4 KiB a random lookup among ten megabytes waits for the page tables as long as for the number itself, and a
//! new column takes thousands of page faults. What such a column took also goes back to the system whole when the epoch that
//! it belongs to has passed. Room that was never written costs nothing. Where there is no such memory, and for small columns,
//! it is a `Vec`.

use std::fmt;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::mapped::{LARGE, Zeros};

/// A column that grows at its end.
pub(super) struct Pages<T> {
    memory: Memory<T>,
    /// Bytes of the large pages that were wished for.
    large: usize,
}

enum Memory<T> {
    Heap(Vec<T>),
    /// Mapped, and so many items of it are in use.
    Mapped(Zeros, usize),
}

/// Bytes from which on memory comes straight from the system.
const WORTH_MAPPING: usize = 1 << 20;

impl<T: AnyBitPattern + NoUninit> Pages<T> {
    /// Nothing yet, with room for about so many items.
    pub(super) fn with_room(items: usize) -> Self {
        Self::with(items + items / 4, items)
    }

    /// Nothing yet, with room for so many items, so many of which will most likely come.
    fn with(items: usize, likely: usize) -> Self {
        let bytes = items.saturating_mul(size_of::<T>());
        // What is left of the last large page would be lost.
        let large = likely.saturating_mul(size_of::<T>()) / LARGE * LARGE;
        match if bytes < WORTH_MAPPING { None } else { Zeros::map(bytes, large) } {
            Some(map) => Self { memory: Memory::Mapped(map, 0), large },
            None => Self { memory: Memory::Heap(Vec::with_capacity(items)), large: 0 },
        }
    }

    /// The items.
    #[inline]
    pub(super) fn as_slice(&self) -> &[T] {
        match &self.memory {
            Memory::Heap(items) => items,
            Memory::Mapped(map, count) => &items(map)[..*count],
        }
    }

    /// The last item.
    pub(super) fn last_mut(&mut self) -> Option<&mut T> {
        match &mut self.memory {
            Memory::Heap(items) => items.last_mut(),
            Memory::Mapped(map, count) => items_mut(map)[..*count].last_mut(),
        }
    }

    /// Adds one.
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        match &mut self.memory {
            Memory::Heap(items) => items.push(item),
            Memory::Mapped(map, count) => {
                if let Some(place) = items_mut(map).get_mut(*count) {
                    *place = item;
                    *count += 1;
                } else {
                    self.grow();
                    self.push(item);
                }
            }
        }
    }

    /// Gives back what there is too much of.
    pub(super) fn fit(&mut self) {
        match &mut self.memory {
            Memory::Heap(items) => items.shrink_to_fit(),
            Memory::Mapped(_, count) => {
                let (count, used) = (*count, *count * size_of::<T>());
                if used < self.large || used >= self.large + LARGE {
                    self.copy_to(count, count);
                }
            }
        }
    }

    /// Bytes that are in use.
    pub(super) fn memory(&self) -> usize {
        match &self.memory {
            Memory::Heap(items) => items.capacity() * size_of::<T>(),
            Memory::Mapped(_, count) => count * size_of::<T>(),
        }
    }

    /// Twice the room.
    #[cold]
    fn grow(&mut self) {
        let count = self.as_slice().len();
        self.copy_to((count + 1) * 2, count);
    }

    /// Goes to other memory, with room for so many items.
    fn copy_to(&mut self, items: usize, likely: usize) {
        let (mut other, now) = (Self::with(items, likely), self.as_slice());
        match &mut other.memory {
            Memory::Heap(items) => items.extend_from_slice(now),
            Memory::Mapped(map, count) => {
                *count = now.len();
                items_mut(map)[..*count].copy_from_slice(now);
            }
        }
        *self = other;
    }
}

/// A mapping begins at a page, so it is aligned for anything; what is left at its end is no whole item.
#[inline]
fn items<T: AnyBitPattern>(map: &Zeros) -> &[T] {
    let bytes = map.as_ref();
    bytemuck::cast_slice(&bytes[..bytes.len() / size_of::<T>() * size_of::<T>()])
}

#[inline]
fn items_mut<T: AnyBitPattern + NoUninit>(map: &mut Zeros) -> &mut [T] {
    let bytes = map.as_mut();
    let whole = bytes.len() / size_of::<T>() * size_of::<T>();
    bytemuck::cast_slice_mut(&mut bytes[..whole])
}

impl<T: AnyBitPattern + NoUninit + PartialEq> PartialEq for Pages<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: AnyBitPattern + NoUninit + Eq> Eq for Pages<T> {}

impl<T: AnyBitPattern + NoUninit> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self.memory, Memory::Mapped(..)) { "Mapped" } else { "Heap" };
        write!(f, "{kind}({} items)", self.as_slice().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both kinds, within their room and past it.
    #[test]
    fn what_was_added_is_there() {
        for (room, kind) in [(0, "Heap"), (10, "Heap"), (WORTH_MAPPING / 8, "Mapped")] {
            let mut pages = Pages::<u64>::with_room(room);
            assert!(format!("{pages:?}").starts_with(kind));
            let numbers = (0..room as u64 * 3 + 5).map(|number| number * 7);
            numbers.clone().for_each(|number| pages.push(number));
            pages.fit();
            assert!(pages.as_slice().iter().copied().eq(numbers));
            assert!(pages.memory() >= pages.as_slice().len() * 8);
            let mut same = Pages::with_room(1);
            pages.as_slice().iter().for_each(|number| same.push(*number));
            assert_eq!(pages, same);
            same.push(1);
            assert_ne!(pages, same);
        }
    }
}
