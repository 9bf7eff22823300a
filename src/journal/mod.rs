//! What single answers were: the query log (a line of JSON each) and dnstap (frames of protobuf), for those who want more than
//! sums.
//!
//! A thread that answers takes one answer in so many down ([`Pen`]): it copies the octets into a buffer that was made beforehand
//! and puts that into a queue. It never waits, allocates nothing where messages are of usual length, and where no buffer is free it
//! counts the answer as dropped. A thread of each output's own takes the queue empty every few milliseconds and does all the
//! rest: names for numbers, escaping, files, sockets. What that waits for, no query waits for.
//!
//! Never decides what an answer is. Both outputs are off by default; then a query costs one load and one branch.

mod dnstap;
mod entry;
mod frames;
mod line;
mod log;
mod only;
mod output;
mod tap;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

pub use entry::{Fate, Noted};
pub use only::Only;

use crate::metrics::{JournalKind, Metrics};
use crate::net::Block;
use crate::snapshot::Current;
use tap::{Tap, Wanted};

/// What is taken down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The query log; `None`: off.
    pub log: Option<LogSettings>,
    /// dnstap; `None`: off.
    pub dnstap: Option<DnstapSettings>,
}

/// The query log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Where lines go.
    pub to: Place,
    /// One answer in so many of those that `only` leaves, by each thread; at least 1.
    pub sample: u32,
    /// Which answers.
    pub only: Only,
    /// How much of clients' addresses is written.
    pub client: Shown,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// Standard error, between the lines of the log.
    Stderr,
    /// The end of this file; opened anew when it was renamed or removed.
    File(PathBuf),
}

/// How much of clients' addresses is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// The /24 or /56: no more than a resolver would tell (RFC 7871 §11.1).
    #[default]
    Prefix,
    /// All of it, and the port.
    Full,
}

impl Shown {
    /// What is written of a block of addresses.
    fn of(self, block: Block) -> Block {
        let most = if block.address().is_ipv4() { 24 } else { 56 };
        match self {
            Self::Prefix => Block::new(block.address(), block.length().min(most)),
            Self::Full => block,
        }
    }
}

/// dnstap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnstapSettings {
    /// Where frames go.
    pub to: FramePlace,
    /// As [`LogSettings::sample`].
    pub sample: u32,
    /// Which answers.
    pub only: Only,
    /// Which messages.
    pub messages: Messages,
    /// `identity` of each frame.
    pub identity: Option<String>,
}

/// Where frames go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FramePlace {
    /// A Unix socket that a reader listens at.
    Socket(PathBuf),
    /// A file, new with each start and whenever it was renamed or removed. What was there before gets `.old` at its end.
    File(PathBuf),
}

/// Which messages are sent by dnstap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// `AUTH_QUERY`.
    Queries,
    /// `AUTH_RESPONSE`.
    Responses,
    /// Both, a frame each.
    #[default]
    Both,
}

/// Both outputs. One for all threads.
#[derive(Debug)]
pub struct Journal {
    /// Whether any of the two is on.
    on: AtomicBool,
    log: Arc<Tap<LogSettings>>,
    dnstap: Arc<Tap<DnstapSettings>>,
    current: Arc<Current>,
    metrics: Metrics,
}

impl Journal {
    /// One that takes nothing down before [`Journal::set`]. `current` tells what the numbers of an answer stand for.
    pub fn new(current: Arc<Current>, metrics: Metrics) -> Self {
        Self {
            on: AtomicBool::new(false),
            log: Arc::new(Tap::new(JournalKind::QueryLog)),
            dnstap: Arc::new(Tap::new(JournalKind::Dnstap)),
            current,
            metrics,
        }
    }

    /// Takes down other things from now on.
    ///
    /// # Errors
    /// The system gave no thread for an output, which is off then.
    pub fn set(&self, settings: &Settings) -> io::Result<()> {
        let log =
            settings.log.as_ref().map(|log| Wanted { sample: log.sample, only: &log.only, settings: log.clone() });
        let log = self.log.set(log, |tap| {
            let (current, metrics) = (Arc::clone(&self.current), self.metrics.clone());
            ("query-log", Box::new(move || log::run(&tap, &current, &metrics)) as _)
        });
        let dnstap = settings.dnstap.as_ref();
        let dnstap = dnstap.map(|tap| Wanted { sample: tap.sample, only: &tap.only, settings: tap.clone() });
        let dnstap = self.dnstap.set(dnstap, |tap| {
            let (current, metrics) = (Arc::clone(&self.current), self.metrics.clone());
            ("dnstap", Box::new(move || dnstap::run(&tap, &current, &metrics)) as _)
        });
        self.on.store(self.log.is_on() || self.dnstap.is_on(), Relaxed);
        log.and(dnstap)
    }

    /// Opens files anew: somebody may have moved them.
    pub fn reopen(&self) {
        self.log.reopen();
        self.dnstap.reopen();
    }

    /// A thread's way to take down what it answers.
    pub fn pen(self: &Arc<Self>) -> Pen {
        Pen { journal: Arc::clone(self), passed: [const { AtomicU32::new(0) }; 2] }
    }

    /// Writes what waits, and ends; waits at most this long for it.
    pub fn stop(&self, patience: Duration) {
        self.on.store(false, Relaxed);
        self.log.stop();
        self.dnstap.stop();
        self.log.ended(patience);
        self.dnstap.ended(patience);
    }
}

/// Takes down what a thread, or the tasks of a listener, answer.
#[derive(Debug)]
pub struct Pen {
    journal: Arc<Journal>,
    /// Answers since the last that was taken down, by output. Tasks that count at the same time may lose one: it is for a sample.
    passed: [AtomicU32; 2],
}

impl Pen {
    /// An answer was made; it is put together only where an output is on.
    #[inline]
    pub fn note<'a>(&self, noted: impl FnOnce() -> Noted<'a>) {
        if self.journal.on.load(Relaxed) {
            self.choose(&noted());
        }
    }

    #[cold]
    #[inline(never)]
    fn choose(&self, noted: &Noted<'_>) {
        let Journal { log, dnstap, metrics, .. } = &*self.journal;
        log.offer(noted, &self.passed[0], metrics);
        dnstap.offer(noted, &self.passed[1], metrics);
    }
}
