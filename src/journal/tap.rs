//! From the threads that answer to one that writes: which answers, and the queue between them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use Ordering::Relaxed;
use arc_swap::ArcSwap;
use crossbeam_queue::ArrayQueue;

use super::entry::{Entry, Noted};
use super::only::Only;
use crate::metrics::{JournalFate, JournalKind, Metrics};

/// Answers that may wait to be written, some 2 KiB each. At a million a second taken down it is full after 2 ms.
const WAITING: usize = 2_048;
/// How often a queue is emptied.
const PAUSE: Duration = Duration::from_millis(5);
/// How often, where the output is off.
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// Write what comes.
const RUNNING: u8 = 0;
/// Write what waits, then end.
const STOPPING: u8 = 1;

/// An output that is to be on.
pub(super) struct Wanted<'a, S> {
    pub(super) sample: u32,
    pub(super) only: &'a Only,
    pub(super) settings: S,
}

/// One output, as both sides see it.
#[derive(Debug)]
pub(super) struct Tap<S> {
    pub(super) kind: JournalKind,
    /// One answer in so many; 0: off.
    every: AtomicU32,
    /// Kinds of answers that are wanted, as bits.
    kinds: AtomicU32,
    /// Whether clients or names are to be looked at.
    more: AtomicBool,
    only: ArcSwap<Only>,
    /// Made when the output is first on, and kept.
    pool: OnceLock<Pool>,
    /// What the writing thread is to do.
    settings: Mutex<Option<S>>,
    /// Counts changes of `settings`, and wishes to open files anew.
    version: AtomicU64,
    phase: AtomicU8,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Pool {
    free: ArrayQueue<Box<Entry>>,
    full: ArrayQueue<Box<Entry>>,
}

impl Pool {
    fn new() -> Self {
        let pool = Self { free: ArrayQueue::new(WAITING), full: ArrayQueue::new(WAITING) };
        while pool.free.push(Box::new(Entry::new())).is_ok() {}
        pool
    }
}

/// A thread's work.
pub(super) type Work = Box<dyn FnOnce() + Send>;

impl<S: Clone + Send + 'static> Tap<S> {
    pub(super) fn new(kind: JournalKind) -> Self {
        Self {
            kind,
            every: AtomicU32::new(0),
            kinds: AtomicU32::new(0),
            more: AtomicBool::new(false),
            only: ArcSwap::default(),
            pool: OnceLock::new(),
            settings: Mutex::new(None),
            version: AtomicU64::new(0),
            phase: AtomicU8::new(RUNNING),
            thread: Mutex::new(None),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.every.load(Relaxed) > 0
    }

    /// Turns it on, with a thread of this name and work if it has none yet, or off.
    pub(super) fn set(
        self: &Arc<Self>,
        wanted: Option<Wanted<'_, S>>,
        work: impl FnOnce(Arc<Self>) -> (&'static str, Work),
    ) -> io::Result<()> {
        let Some(Wanted { sample, only, settings }) = wanted else {
            self.every.store(0, Relaxed);
            *lock(&self.settings) = None;
            self.version.fetch_add(1, Relaxed);
            return Ok(());
        };
        self.pool.get_or_init(Pool::new);
        *lock(&self.settings) = Some(settings);
        self.version.fetch_add(1, Relaxed);
        let mut thread = lock(&self.thread);
        if thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let (name, work) = work(Arc::clone(self));
            *thread = Some(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        }
        drop(thread);
        self.kinds.store(only.kinds(), Relaxed);
        self.more.store(only.is_more_than_kinds(), Relaxed);
        self.only.store(Arc::new(only.clone()));
        self.every.store(sample.max(1), Relaxed);
        Ok(())
    }

    pub(super) fn reopen(&self) {
        self.version.fetch_add(1, Relaxed);
    }

    /// Takes an answer down, if it is wanted and its turn.
    #[inline]
    pub(super) fn offer(&self, noted: &Noted<'_>, passed: &AtomicU32, metrics: &Metrics) {
        let every = self.every.load(Relaxed);
        if every == 0 || self.kinds.load(Relaxed) & 1 << noted.response.kind() as u32 == 0 {
            return;
        }
        if self.more.load(Relaxed) && !self.only.load().fits(noted) {
            return;
        }
        let passes = passed.load(Relaxed) + 1;
        if passes < every {
            passed.store(passes, Relaxed);
            return;
        }
        passed.store(0, Relaxed);
        self.take(noted, metrics);
    }

    fn take(&self, noted: &Noted<'_>, metrics: &Metrics) {
        let taken = self.pool.get().and_then(|pool| {
            let mut entry = pool.free.pop()?;
            entry.fill(noted);
            // There are no more entries than this queue holds.
            pool.full.push(entry).ok()
        });
        if taken.is_none() {
            metrics.journaled(self.kind, JournalFate::Dropped, 1);
        }
    }

    /// What the writing thread does: `apply` takes settings (`None`: off) up whenever they have changed or files are to be opened
    /// anew, `write` what has come since, which may be nothing; `rest` comes before each pause.
    pub(super) fn work<W>(
        &self,
        writer: &mut W,
        apply: fn(&mut W, Option<S>),
        write: fn(&mut W, &Entry),
        rest: fn(&mut W),
    ) {
        let mut seen = None;
        loop {
            // Before the queue: what was put there before the stop is written.
            let stopping = self.phase.load(Ordering::Acquire) == STOPPING;
            let version = self.version.load(Relaxed);
            if seen.replace(version) != Some(version) {
                let settings = lock(&self.settings).clone();
                apply(writer, settings);
            }
            if let Some(pool) = self.pool.get() {
                // No more than there were, so that a flood does not keep `rest` from its turn.
                for _ in 0..WAITING {
                    let Some(entry) = pool.full.pop() else { break };
                    write(writer, &entry);
                    // As many places as entries.
                    let _ = pool.free.push(entry);
                }
            }
            rest(writer);
            if stopping {
                return apply(writer, None);
            }
            thread::park_timeout(if self.is_on() { PAUSE } else { LONG_PAUSE });
        }
    }

    /// Tells the thread to end.
    pub(super) fn stop(&self) {
        self.every.store(0, Relaxed);
        self.phase.store(STOPPING, Ordering::Release);
        if let Some(thread) = &*lock(&self.thread) {
            thread.thread().unpark();
        }
    }

    /// Waits for the thread to end. One that still waits for its output then is left behind: it holds nothing but that.
    pub(super) fn ended(&self, patience: Duration) {
        let Some(thread) = lock(&self.thread).take() else { return };
        let began = Instant::now();
        while !thread.is_finished() && began.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            // A panic of it was said when it happened.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
