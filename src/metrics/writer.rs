//! Those who count: a thread by itself, or the tasks of a transport together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::answered::{SLOTS, WIDTH};
use super::closer::Closer;
use super::layout::Row;
use super::{Answered, BOUNDS, Block, Books, End, Kind, LimitClass, Limited, Number, Shared, Tally};

/// The one writer of its counters.
#[derive(Debug)]
pub struct Writer {
    pub(super) block: Arc<Block>,
    /// What the tally belongs to.
    pub(super) generation: u64,
    pub(super) tally: Tally,
    /// That of its layout.
    pub(super) of_map: Arc<[Row]>,
    pub(super) closer: Closer,
    /// Where they are in the books.
    pub(super) page: usize,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// So many messages were read. Before any of them comes to its end: whoever reads the counters sees no end without beginning.
    #[inline]
    pub fn received(&mut self, messages: u64) {
        more(&self.block.received, messages);
    }

    /// Of so many messages that are answered now ([`super::ONE_IN`] / 2 at most), those before the one that is looked at closer
    /// ([`Page::took`], [`Page::asked`]); all of them, mostly.
    #[inline]
    pub fn before_closer(&mut self, messages: usize) -> usize {
        self.closer.before(messages)
    }

    /// A place for the ends of messages that are answered from one generation.
    #[inline]
    pub fn begin(&mut self, generation: u64) -> Page<'_> {
        if generation != self.generation {
            self.turn(generation);
        }
        Page(self)
    }

    /// The place that was begun last, for what belongs to no generation.
    pub fn open(&mut self) -> Page<'_> {
        Page(self)
    }

    /// A message came to its end.
    pub fn ended(&mut self, end: End) {
        match end {
            End::Answered(answered) => self.begin(answered.generation).answered(&answered),
            _ => self.open().ended(end),
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

    /// Another generation: what was counted is put down by name, and a new tally begun.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, generation: u64) {
        let tally = Tally::new(self.shared.layout(generation));
        self.generation = generation;
        self.tally = tally.clone();
        self.of_map = Arc::clone(&tally.layout.of_map);
        let mut books = self.shared.books();
        let Books { writers, before } = &mut *books;
        if let Some(counted) = writers.get_mut(self.page) {
            let old = std::mem::replace(&mut counted.tally, tally);
            before.add(counted.transport, &old);
        }
    }
}

/// Where a writer puts down how messages end that are answered from one generation.
#[derive(Debug)]
pub struct Page<'w>(&'w mut Writer);

impl Page<'_> {
    /// A message came to its end.
    pub fn ended(&mut self, end: End) {
        match end {
            End::Answered(answered) => self.answered(&answered),
            End::Dropped(cause) => bump(&self.0.block.dropped[cause as usize]),
            End::Panicked => bump(&self.0.block.panicked),
        }
    }

    /// A message came to its end with an answer, of the generation that this page was begun for.
    #[inline]
    pub fn answered(&mut self, answered: &Answered) {
        debug_assert_eq!(answered.generation, self.0.generation, "an answer of another generation");
        match usize::try_from(answered.plain_cell()).ok().and_then(|cell| self.0.tally.kinds.get(cell)) {
            Some(cell) => bump(cell),
            None => self.marked(answered),
        }
        if answered.decided.map != Number::NONE {
            let row = self.0.of_map.get(answered.decided.map.raised() as usize);
            match row.and_then(|row| self.0.tally.served.get((row.0 + answered.decided.place) as usize)) {
                Some(cell) => bump(cell),
                None => self.decided_elsewhere(answered.decided.kind()),
            }
        }
    }

    /// An answer that has marks, or is not among the kinds.
    #[inline]
    fn marked(&mut self, answered: &Answered) {
        // That of no marks is counted too, and never read.
        bump(&self.0.block.marks[answered.mark()]);
        match self.0.tally.kinds.get(answered.cell() as usize) {
            Some(cell) => bump(cell),
            None => self.elsewhere(answered),
        }
    }

    /// An RCODE that is not the kind's own: an error whatever its kind, as RCODEs are always true; or a zone that has no row.
    #[cold]
    #[inline(never)]
    fn elsewhere(&mut self, answered: &Answered) {
        let Tally { layout, kinds, rcodes, .. } = &self.0.tally;
        let cell = if answered.is_odd() {
            rcodes.get(layout.rcode_cell(answered.zone().raised(), answered.rcode()))
        } else {
            kinds.get((layout.rows() - 1) * SLOTS + answered.kind() as usize)
        };
        // There is always one: the layout made as many as it has numbers for.
        if let Some(cell) = cell {
            bump(cell);
        }
    }

    /// A map of which nothing is known: as of nobody.
    #[cold]
    #[inline(never)]
    fn decided_elsewhere(&mut self, kind: Kind) {
        let other =
            self.0.of_map.first().and_then(|other| self.0.tally.served.get((other.0 + kind as u32 % WIDTH) as usize));
        if let Some(cell) = other {
            bump(cell);
        }
    }

    /// How long an answer took to make, of a message that is looked at closer.
    pub fn took(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let slot = BOUNDS.iter().position(|bound| nanoseconds <= u64::from(*bound)).unwrap_or(BOUNDS.len());
        bump(&self.0.block.durations[slot]);
        more(&self.0.block.duration_sum, nanoseconds);
    }

    /// What such a message asked, at a second.
    pub fn asked(&mut self, request: &[u8], now: u32) {
        // Whoever reads holds it for a moment; a sample less is no loss.
        if let Ok(mut hottest) = self.0.block.hottest.try_lock() {
            hottest.sample(request, now);
        }
    }

    /// An answer was over the rate limit. What becomes of it is counted besides: as an answer or as dropped.
    #[cold]
    pub fn limited(&mut self, class: LimitClass, limited: Limited) {
        bump(&self.0.block.limited[class as usize][limited as usize]);
    }
}

/// Correct because nobody else writes: [`Writer`] cannot be cloned, its methods take `&mut self`, and so does [`Writer::begin`].
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
    /// A message was read. Whether it is looked at closer ([`SharedWriter::took`], [`SharedWriter::asked`]).
    pub fn received(&self) -> bool {
        Closer::falls_on(self.block.received.fetch_add(1, Relaxed))
    }

    /// A message came to its end.
    pub fn ended(&self, end: End) {
        self.writer().ended(end);
    }

    /// How long an answer took to make, of a message that is looked at closer.
    pub fn took(&self, time: Duration) {
        self.writer().open().took(time);
    }

    /// What such a message asked, at a second.
    pub fn asked(&self, request: &[u8], now: u32) {
        self.writer().open().asked(request, now);
    }

    /// An answer was over the rate limit.
    pub fn limited(&self, class: LimitClass, limited: Limited) {
        self.writer().open().limited(class, limited);
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

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
