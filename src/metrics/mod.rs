//! Counters: one writer each where packets are many, summed by whoever asks.
//!
//! A [`Writer`] owns counters of its own (`&mut self` to count, so the compiler holds the "one writer" rule) and writes
//! with a relaxed load and store: no locked instruction, no shared cache line, no allocation per packet. Tasks that move
//! between threads count through a [`SharedWriter`]. What zones and PoPs are called is no business of a packet: counters
//! are dense arrays by the numbers of a generation ([`layout`]), and what they stand for is looked up when somebody
//! asks. A thread begins a [`Page`] for each batch, whose messages are all answered from one generation; where that is a new
//! one, it makes arrays for it, and the old ones are added to the totals by name ([`Totals`]). What a batch has received is
//! counted before its first answer is. [`Metrics::read`] sums all of it, with the blocks of writers that have gone. Knows nothing of
//! sockets, DNS messages or Prometheus.
//!
//! # What sums to what
//! When no message is in flight, for each transport of [`Counts`]:
//! - `received` = Σ `answered` + Σ `dropped` + `panicked`: every message has exactly one end;
//! - Σ `answered` = `sent` + `unsent`: every answer was handed to the kernel or was not;
//! - Σ `answered` = Σ of [`Totals::answers`] of that transport: every answer has one zone, kind and RCODE;
//! - `dropped` for [`Cause::Rate`] over UDP = Σ of [`Limited::Dropped`] over all classes of [`Details::limited`].
//!
//! For connections, always: `accepted` = `open()` + Σ
//! `closed`. While messages are in flight, the left side may be ahead. Counts start at zero with the process and never
//! go down.

mod answered;
mod block;
mod closer;
mod hottest;
mod journaled;
pub mod layout;
mod limited;
mod totals;
mod writer;

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub use answered::{Answered, Cookie, Decided, Kind, Marks, Number};
use block::{Block, add};
use closer::Closer;
pub use closer::ONE_IN;
pub use hottest::Hottest;
use hottest::Sketch;
pub use journaled::{JournalFate, JournalKind, JournaledCounts};
use layout::Layout;
pub use limited::{LimitClass, Limited, LimitedCounts};
pub use totals::{Answers, Served, Totals};
pub use writer::{Page, SharedWriter, Writer};

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl Transport {
    /// The label of this transport in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Why a message got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Shorter than a header (12 octets).
    Short,
    /// QR was set: it is itself a response.
    Response,
    /// Longer than any request needs to be.
    Long,
    /// Its source cannot be answered (port 0).
    Source,
    /// Its answer was over the rate limit of its network.
    Rate,
}

impl Cause {
    /// All of them, in the order of [`Messages::dropped`].
    pub const ALL: [Self; 5] = [Self::Short, Self::Response, Self::Long, Self::Source, Self::Rate];

    /// The label of this cause in metrics and `status`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::Long => "long",
            Self::Source => "source",
            Self::Rate => "rate",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The client closed its side, and had its answers.
    Client,
    /// No whole message for the idle time.
    Idle,
    /// A newcomer needed its place, and it was the idlest.
    Evicted,
    /// It did not read its answers in time.
    Slow,
    /// Reading or writing failed, mostly a reset by the client.
    Failed,
    /// The server was stopping.
    Drained,
}

impl Closed {
    /// All of them, in the order of [`Connections::closed`].
    pub const ALL: [Self; 6] = [Self::Client, Self::Idle, Self::Evicted, Self::Slow, Self::Failed, Self::Drained];

    /// The label of this reason in metrics and `status`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Slow => "slow",
            Self::Failed => "failed",
            Self::Drained => "drained",
        }
    }
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An answer.
    Answered(Answered),
    /// No answer.
    Dropped(Cause),
    /// The engine panicked over it; no answer.
    Panicked,
}

/// What a look at the files came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A new generation serves.
    Taken,
    /// There were errors, and some file or database is served as it was before. What else changed may have been taken.
    Refused,
}

/// RCODEs with a counter of their own: 0 to 23 (BADCOOKIE), and the last for all higher ones.
pub const RCODES: usize = 25;

/// One transport's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Messages read whole from a socket.
    pub received: u64,
    /// Answers made, by RCODE 0 to 23; the last counts all higher ones.
    pub answered: [u64; RCODES],
    /// Those among them that did not fit, and went without records.
    pub truncated: u64,
    /// Messages without an answer, in the order of [`Cause::ALL`].
    pub dropped: [u64; Cause::ALL.len()],
    /// Messages over which the engine panicked.
    pub panicked: u64,
    /// Answers handed to the kernel.
    pub sent: u64,
    /// Answers that could not be handed to the kernel: a full buffer, no route, a connection gone.
    pub unsent: u64,
    /// Errors of receiving that were no message, an accept error included.
    pub receive_errors: u64,
    /// Datagrams that the kernel dropped before we saw them, as the receive buffer of a socket was full; asked of it once a
    /// second.
    pub overflowed: u64,
}

impl Messages {
    /// Messages dropped for this cause.
    pub fn dropped(&self, cause: Cause) -> u64 {
        self.dropped[cause as usize]
    }
}

/// TCP connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections ended, in the order of [`Closed::ALL`].
    pub closed: [u64; Closed::ALL.len()],
}

impl Connections {
    /// Connections ended for this reason.
    pub fn closed(&self, reason: Closed) -> u64 {
        self.closed[reason as usize]
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.closed.iter().sum())
    }
}

/// All counters at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages over UDP.
    pub udp: Messages,
    /// Messages over TCP.
    pub tcp: Messages,
    /// TCP connections of the native listeners.
    pub connections: Connections,
}

/// Bounds of [`Durations::counts`] in nanoseconds, "at most"; the last count is of all that took longer.
pub const BOUNDS: [u32; 13] =
    [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 250_000, 500_000, 1_000_000];

/// How long answers took to make, of those that were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many took so long: of each its own, not with those before.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All together, in nanoseconds.
    pub sum: u64,
}

/// What is counted of answers besides, over all transports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Of requests with a client subnet: by whether it decided, then by scope.
    pub scopes: [[u64; SCOPES]; 2],
    /// By what the request's cookie was worth, as in [`Cookie::COUNTED`].
    pub cookies: [u64; 2],
    /// How long they took.
    pub durations: Durations,
    /// Those over the rate limit.
    pub limited: LimitedCounts,
}

/// Scopes 0 to 128.
const SCOPES: usize = 129;

/// What became of files and health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New generations taken up, the first aside.
    pub reloads_taken: u64,
    /// Looks at the files that found new errors.
    pub reloads_refused: u64,
    /// When the last was taken up, in seconds since 1970; 0: never.
    pub last_taken: u64,
    /// When the last such look was; 0: never.
    pub last_refused: u64,
    /// New states of health that changed answers.
    pub epochs: u64,
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Messages and connections.
    pub counts: Counts,
    /// What else is counted of answers.
    pub details: Details,
    /// Answers by name.
    pub totals: Totals,
    /// What became of files and health.
    pub changes: Changes,
    /// What became of what was taken down singly.
    pub journaled: JournaledCounts,
}

/// One writer's answers by zone and by PoP, in one generation: as [`Layout`] has them.
#[derive(Clone, Debug)]
struct Tally {
    layout: Arc<Layout>,
    kinds: Arc<[AtomicU64]>,
    rcodes: Arc<[AtomicU64]>,
    served: Arc<[AtomicU64]>,
}

impl Tally {
    fn new(layout: Arc<Layout>) -> Self {
        let zeros = |cells| (0..cells).map(|_| AtomicU64::new(0)).collect();
        let (kinds, rcodes, served) =
            (zeros(layout.rows() * answered::SLOTS), zeros(layout.rows() * RCODES), zeros(layout.served));
        Self { layout, kinds, rcodes, served }
    }
}

/// The registry of all counters. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
}

/// Tells what the numbers of a generation stand for; `None` when it is gone, or not known.
pub type Names = Box<dyn Fn(u64) -> Option<Layout> + Send + Sync>;

struct Shared {
    books: Mutex<Books>,
    names: OnceLock<Names>,
    /// The layout of the last generation that somebody asked for.
    last: Mutex<(u64, Arc<Layout>)>,
    accepted: AtomicU64,
    closed: [AtomicU64; Closed::ALL.len()],
    reloads: [AtomicU64; 2],
    last_reload: [AtomicU64; 2],
    epochs: AtomicU64,
    journaled: [[AtomicU64; JournalFate::ALL.len()]; JournalKind::ALL.len()],
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("books", &self.books).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Books {
    /// Live as long as the registry: a count outlives its writer. Writers are made at start, not per packet.
    writers: Vec<Counted>,
    /// What was counted in generations that are over.
    before: Totals,
}

/// What one writer counts.
#[derive(Debug)]
struct Counted {
    transport: Transport,
    block: Arc<Block>,
    tally: Tally,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            shared: Arc::new(Shared {
                books: Mutex::default(),
                names: OnceLock::new(),
                last: Mutex::new((0, Arc::new(Layout::unknown()))),
                accepted: AtomicU64::new(0),
                closed: from_fn(zero),
                reloads: from_fn(zero),
                last_reload: from_fn(zero),
                epochs: AtomicU64::new(0),
                journaled: from_fn(|_| from_fn(zero)),
            }),
        }
    }

    /// Says who tells what numbers stand for. The first to do so does; before, everything has no name.
    pub fn name_with(&self, names: Names) {
        // A second one has nothing to add: there is one server in a process.
        let _ = self.shared.names.set(names);
    }

    /// Counters for one thread.
    pub fn writer(&self, transport: Transport) -> Writer {
        let (block, layout) = (Arc::new(Block::new()), Arc::new(Layout::unknown()));
        let tally = Tally::new(layout);
        let mut writer = Writer {
            block: Arc::clone(&block),
            generation: 0,
            tally: tally.clone(),
            of_map: Arc::clone(&tally.layout.of_map),
            closer: Closer::new(0),
            page: 0,
            shared: Arc::clone(&self.shared),
        };
        let mut books = self.shared.books();
        writer.page = books.writers.len();
        writer.closer = Closer::new(writer.page as u64);
        books.writers.push(Counted { transport, block, tally });
        drop(books);
        writer
    }

    /// Counters for the tasks of one transport.
    pub fn shared_writer(&self, transport: Transport) -> SharedWriter {
        let writer = self.writer(transport);
        SharedWriter { block: Arc::clone(&writer.block), writer: Arc::new(Mutex::new(writer)) }
    }

    /// Counts a connection accepted.
    pub fn accepted(&self) {
        self.shared.accepted.fetch_add(1, Relaxed);
    }

    /// Counts a connection ended; once for each that was accepted.
    pub fn closed(&self, reason: Closed) {
        self.shared.closed[reason as usize].fetch_add(1, Relaxed);
    }

    /// Counts what a look at the files came to, at a moment in seconds since 1970.
    pub fn reloaded(&self, reload: Reload, unix: u64) {
        self.shared.reloads[reload as usize].fetch_add(1, Relaxed);
        self.shared.last_reload[reload as usize].store(unix, Relaxed);
    }

    /// Counts a new state of health that changed answers.
    pub fn epoch(&self) {
        self.shared.epochs.fetch_add(1, Relaxed);
    }

    /// Counts what became of lines of the query log, or of frames of dnstap; of what was dropped, answers.
    pub fn journaled(&self, kind: JournalKind, fate: JournalFate, count: u64) {
        self.shared.journaled[kind as usize][fate as usize].fetch_add(count, Relaxed);
    }

    /// The sums of messages and connections now. Not one instant: writers go on while it reads.
    pub fn read(&self) -> Counts {
        self.read_all().counts
    }

    /// Answers over the rate limit until now, by class and by what became of them.
    pub fn limited(&self) -> LimitedCounts {
        let mut limited = LimitedCounts::default();
        for page in &self.shared.books().writers {
            page.block.add_limited_to(&mut limited);
        }
        limited
    }

    /// The names that were asked for most lately, at most so many, at a moment in seconds since 1970.
    pub fn hottest(&self, now: u32, most: usize) -> Hottest {
        let blocks: Vec<_> = self.shared.books().writers.iter().map(|page| Arc::clone(&page.block)).collect();
        let sketch = |block: &Arc<Block>| block.hottest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Sketch::sum(blocks.iter().map(sketch), now, most)
    }

    /// Everything that is counted.
    pub fn read_all(&self) -> Reading {
        let mut counts = Counts::default();
        let mut details = Details {
            scopes: [[0; SCOPES]; 2],
            cookies: [0; 2],
            durations: Durations::default(),
            limited: LimitedCounts::default(),
        };
        let books = self.shared.books();
        // What comes last is read first, here and below, so that a message under way has not more ends than beginnings.
        for page in &books.writers {
            let messages = match page.transport {
                Transport::Udp => &mut counts.udp,
                Transport::Tcp => &mut counts.tcp,
            };
            page.block.add_sent_to(messages);
        }
        let mut totals = books.before.clone();
        for page in &books.writers {
            totals.add(page.transport, &page.tally);
        }
        for page in &books.writers {
            let messages = match page.transport {
                Transport::Udp => &mut counts.udp,
                Transport::Tcp => &mut counts.tcp,
            };
            page.block.add_to(messages, &mut details);
        }
        drop(books);
        for (answers, count) in &totals.answers {
            let messages = match answers.transport {
                Transport::Udp => &mut counts.udp,
                Transport::Tcp => &mut counts.tcp,
            };
            messages.answered[usize::from(answers.rcode).min(RCODES - 1)] += count;
        }
        // Ends before beginnings, so that a connection closing meanwhile cannot make more ends than beginnings.
        for (to, from) in counts.connections.closed.iter_mut().zip(&self.shared.closed) {
            *to = from.load(Relaxed);
        }
        counts.connections.accepted = self.shared.accepted.load(Relaxed);
        let [reloads_taken, reloads_refused] = [0, 1].map(|i: usize| self.shared.reloads[i].load(Relaxed));
        let [last_taken, last_refused] = [0, 1].map(|i: usize| self.shared.last_reload[i].load(Relaxed));
        let epochs = self.shared.epochs.load(Relaxed);
        let changes = Changes { reloads_taken, reloads_refused, last_taken, last_refused, epochs };
        let mut journaled = JournaledCounts::default();
        for (to, from) in journaled.iter_mut().zip(&self.shared.journaled) {
            add(to, from);
        }
        Reading { counts, details, totals, changes, journaled }
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The layout of a generation, made once for all writers.
    fn layout(&self, generation: u64) -> Arc<Layout> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != generation {
            let named = self.names.get().and_then(|names| names(generation));
            *last = (generation, Arc::new(named.unwrap_or_else(Layout::unknown)));
        }
        Arc::clone(&last.1)
    }
}

#[cfg(test)]
mod tests;
