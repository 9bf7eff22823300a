//! Answers of this second, by key: sets of eight words, each of a tag, a second and a count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sets; 64 octets each. Half a MiB in all: 65,536 networks and classes may be busy in a second before any has to go.
const SETS: usize = 8_192;
/// Keys of a set.
const WAYS: usize = 8;

/// Bits of a word: the count of the second, then the second, then the tag.
const COUNT: u32 = 22;
const SECOND: u32 = 18;
/// The highest count: 4 million answers to a network in a second, where more are not told apart.
const MOST: u64 = (1 << COUNT) - 1;

#[repr(align(64))]
#[derive(Debug)]
struct Set([AtomicU64; WAYS]);

#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[Set]>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { sets: (0..SETS).map(|_| Set([const { AtomicU64::new(0) }; WAYS])).collect() }
    }

    /// Reads where a key is counted. What it gives means nothing.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u64 {
        self.sets.get(hash as usize % SETS).map_or(0, |Set([way, ..])| way.load(Relaxed))
    }

    /// Counts one more of a key in the second `now`; how many that makes in this second, from 1.
    ///
    /// Another thread may take the place at the same time. Then a count goes to another key or is lost: as many as there are
    /// threads, at most, each time that a key begins.
    #[inline]
    pub(super) fn count(&self, hash: u64, now: u32) -> u32 {
        // Low bits choose the set, high ones are the tag; a tag is never 0, which an empty place has.
        let Some(Set(ways)) = self.sets.get(hash as usize % SETS) else { return 0 };
        let stamp = (hash >> (COUNT + SECOND) | 1) << SECOND | u64::from(now) & ((1 << SECOND) - 1);
        for way in ways {
            let word = way.load(Relaxed);
            if word >> COUNT == stamp {
                if word & MOST == MOST {
                    return MOST as u32;
                }
                return (way.fetch_add(1, Relaxed) & MOST) as u32 + 1;
            }
        }
        Self::begin(ways, stamp)
    }

    /// The first of a key in its second: at a place whose second is over, else at that of the key which has asked least.
    #[cold]
    fn begin(ways: &[AtomicU64; WAYS], stamp: u64) -> u32 {
        let second = |stamp: u64| stamp & ((1 << SECOND) - 1);
        let mut least: Option<(&AtomicU64, u64)> = None;
        for way in ways {
            let word = way.load(Relaxed);
            if second(word >> COUNT) != second(stamp) {
                least = Some((way, word));
                break;
            }
            if least.is_none_or(|(_, busy)| word & MOST < busy & MOST) {
                least = Some((way, word));
            }
        }
        if let Some((way, word)) = least {
            // Whoever was quicker stays.
            let _ = way.compare_exchange(word, stamp << COUNT | 1, Relaxed, Relaxed);
        }
        1
    }
}
