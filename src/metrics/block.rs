//! What one writer counts that means the same in every generation.

use std::array::from_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::answered::ALL_MARKS;
use super::hottest::Sketch;
use super::{BOUNDS, Cause, Cookie, Details, LimitClass, Limited, LimitedCounts, Marks, Messages, SCOPES};

/// Alone on its cache lines (two of 64 octets, as processors fetch pairs), so that writers do not disturb each other.
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Block {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) receive_errors: AtomicU64,
    pub(super) overflowed: AtomicU64,
    pub(super) dropped: [AtomicU64; Cause::ALL.len()],
    pub(super) panicked: AtomicU64,
    pub(super) durations: [AtomicU64; BOUNDS.len() + 1],
    pub(super) duration_sum: AtomicU64,
    pub(super) limited: [[AtomicU64; Limited::ALL.len()]; LimitClass::ALL.len()],
    /// By [`Marks`], all of them together: most of these are never touched.
    pub(super) marks: [AtomicU64; ALL_MARKS],
    /// Touched for one message in [`super::ONE_IN`], and by whoever asks.
    pub(super) hottest: Mutex<Sketch>,
}

impl Block {
    pub(super) fn new() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            receive_errors: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
            dropped: from_fn(zero),
            panicked: AtomicU64::new(0),
            durations: from_fn(zero),
            duration_sum: AtomicU64::new(0),
            limited: from_fn(|_| from_fn(zero)),
            marks: from_fn(zero),
            hottest: Mutex::new(Sketch::new()),
        }
    }

    pub(super) fn add_sent_to(&self, sum: &mut Messages) {
        sum.sent += self.sent.load(Relaxed);
        sum.unsent += self.unsent.load(Relaxed);
    }

    pub(super) fn add_to(&self, sum: &mut Messages, details: &mut Details) {
        // Ends before beginnings, so that a message under way cannot make more ends than beginnings.
        add(&mut sum.dropped, &self.dropped);
        sum.panicked += self.panicked.load(Relaxed);
        sum.receive_errors += self.receive_errors.load(Relaxed);
        sum.overflowed += self.overflowed.load(Relaxed);
        for (number, count) in self.marks.iter().enumerate() {
            let (marks, count) = (Marks::of(number), count.load(Relaxed));
            if count == 0 {
                continue;
            }
            if let Some(scope) = marks.scope() {
                details.scopes[usize::from(marks.by_subnet())][usize::from(scope).min(SCOPES - 1)] += count;
            }
            if marks.truncated() {
                sum.truncated += count;
            }
            for ((cookie, _), to) in Cookie::COUNTED.iter().zip(&mut details.cookies) {
                if marks.cookie() == *cookie {
                    *to += count;
                }
            }
        }
        add(&mut details.durations.counts, &self.durations);
        details.durations.sum += self.duration_sum.load(Relaxed);
        self.add_limited_to(&mut details.limited);
        sum.received += self.received.load(Relaxed);
    }

    pub(super) fn add_limited_to(&self, limited: &mut LimitedCounts) {
        for (to, from) in limited.iter_mut().zip(&self.limited) {
            add(to, from);
        }
    }
}

pub(super) fn add(to: &mut [u64], from: &[AtomicU64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from.load(Relaxed);
    }
}
