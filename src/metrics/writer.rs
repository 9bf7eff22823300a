//! Those who count: a thread by itself, or the tasks of a transport together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::layout::{Layout, Row, slot};
use super::{Answered, BOUNDS, Block, Books, Cookie, End, Kind, LimitClass, Limited, Number, Shared, Tally};

/// The one writer of its counters.
#[derive(Debug)]
pub struct Writer {
    pub(super) block: Arc<Block>,
    /// What the rest belongs to.
    pub(super) generation: u64,
    pub(super) cells: Arc<[AtomicU64]>,
    pub(super) other_zones: u32,
    pub(super) of_map: Arc<[Row]>,
    /// Where they are in the books.
    pub(super) page: usize,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// A message was read.
    #[inline]
    pub fn received(&mut self) {
        bump(&self.block.received);
    }

    /// A message came to its end.
    #[inline]
    pub fn ended(&mut self, end: End) {
        match end {
            End::Answered(answered) => self.answered(&answered),
            End::Dropped(cause) => bump(&self.block.dropped[cause as usize]),
            End::Panicked => bump(&self.block.panicked),
        }
    }

    /// Answers were handed to the kernel.
    #[inline]
    pub fn sent(&mut self, answers: u64) {
        more(&self.block.sent, answers);
    }

    /// Answers could not be handed to the kernel.
    #[inline]
    pub fn unsent(&mut self, answers: u64) {
        more(&self.block.unsent, answers);
    }

    /// Receiving failed.
    #[inline]
    pub fn receive_error(&mut self) {
        bump(&self.block.receive_errors);
    }

    /// The kernel dropped datagrams for want of room.
    pub fn overflowed(&mut self, datagrams: u64) {
        more(&self.block.overflowed, datagrams);
    }

    /// A message came to its end with an answer.
    #[inline]
    pub fn answered(&mut self, answered: &Answered) {
        if answered.generation != self.generation {
            self.turn(answered.generation);
        }
        self.bump_cell(Layout::zone_cell(self.other_zones, answered.zone, slot(answered.kind, answered.rcode)));
        if answered.decided.map != Number::NONE {
            match self.of_map.get(answered.decided.map.raised() as usize) {
                Some(row) => self.bump_cell(row.cell(answered.decided.member, answered.decided.kind)),
                None => self.decided_elsewhere(answered.decided.kind),
            }
        }
        if !answered.marks.is_empty() {
            bump(&self.block.scopes[answered.marks.scope()]);
            if answered.marks.is_more_than_scope() {
                self.marked(answered);
            }
        }
    }

    /// How long an answer took to make.
    #[cold]
    pub fn took(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let slot = BOUNDS.iter().position(|bound| nanoseconds <= u64::from(*bound)).unwrap_or(BOUNDS.len());
        bump(&self.block.durations[slot]);
        more(&self.block.duration_sum, nanoseconds);
    }

    /// An answer was over the rate limit. What becomes of it is counted besides: as an answer or as dropped.
    #[cold]
    pub fn limited(&mut self, class: LimitClass, limited: Limited) {
        bump(&self.block.limited[class as usize][limited as usize]);
    }

    /// What one message in 64 asked, at a second.
    #[cold]
    pub fn asked(&mut self, request: &[u8], now: u32) {
        // Whoever reads holds it for a moment; a sample less is no loss.
        if let Ok(mut hottest) = self.block.hottest.try_lock() {
            hottest.sample(request, now);
        }
    }

    #[inline]
    fn bump_cell(&self, cell: usize) {
        // There is always one: the layout made as many as it has numbers for.
        if let Some(cell) = self.cells.get(cell) {
            bump(cell);
        }
    }

    /// A map of which nothing is known; `Row::cell` for nobody.
    #[cold]
    fn decided_elsewhere(&mut self, kind: Kind) {
        if let Some(other) = self.of_map.first() {
            self.bump_cell(other.cell(0, kind));
        }
    }

    #[cold]
    fn marked(&mut self, answered: &Answered) {
        match answered.cookie() {
            Cookie::None => {}
            Cookie::New => bump(&self.block.cookies[0]),
            Cookie::Valid => bump(&self.block.cookies[1]),
        }
        if answered.truncated() {
            bump(&self.block.truncated);
        }
    }

    /// The first answer of another generation: what was counted is put down by name, and a new array begun.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, generation: u64) {
        let layout = self.shared.layout(generation);
        let tally = Tally::new(layout);
        self.generation = generation;
        self.cells = Arc::clone(&tally.cells);
        self.other_zones = tally.layout.other_zones();
        self.of_map = Arc::clone(&tally.layout.of_map);
        let mut books = self.shared.books();
        let Books { writers, before } = &mut *books;
        if let Some(page) = writers.get_mut(self.page) {
            let old = std::mem::replace(&mut page.tally, tally);
            before.add(page.transport, &old.layout, &old.cells);
        }
    }
}

/// Correct because nobody else writes: [`Writer`] cannot be cloned, and its methods take `&mut self`.
#[inline]
fn bump(counter: &AtomicU64) {
    more(counter, 1);
}

/// As [`bump`].
#[inline]
fn more(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

/// One of several writers of the same counters. What has many parts is behind a lock that is held for some additions.
#[derive(Clone, Debug)]
pub struct SharedWriter {
    pub(super) block: Arc<Block>,
    pub(super) writer: Arc<Mutex<Writer>>,
}

impl SharedWriter {
    /// A message was read.
    pub fn received(&self) {
        self.block.received.fetch_add(1, Relaxed);
    }

    /// A message came to its end.
    pub fn ended(&self, end: End) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).ended(end);
    }

    /// How long an answer took to make.
    pub fn took(&self, time: Duration) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).took(time);
    }

    /// An answer was over the rate limit.
    pub fn limited(&self, class: LimitClass, limited: Limited) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).limited(class, limited);
    }

    /// What one message in 64 asked, at a second.
    pub fn asked(&self, request: &[u8], now: u32) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).asked(request, now);
    }

    /// Answers were handed to the kernel.
    pub fn sent(&self, answers: u64) {
        self.block.sent.fetch_add(answers, Relaxed);
    }

    /// Answers could not be handed to the kernel.
    pub fn unsent(&self, answers: u64) {
        self.block.unsent.fetch_add(answers, Relaxed);
    }

    /// Receiving or accepting failed.
    pub fn receive_error(&self) {
        self.block.receive_errors.fetch_add(1, Relaxed);
    }
}
