//! Counters: one writer each where packets are many, summed by whoever asks.
//!
//! A [`Writer`] owns a block of counters of its own (`&mut self` to count, so the compiler holds the "one writer" rule)
//! and writes with a relaxed load and store: no locked instruction and no shared cache line per packet. Tasks that move
//! between threads count through a [`SharedWriter`], with atomic additions. [`Metrics::read`] sums all blocks of a
//! transport, those of writers that have gone included. Knows nothing of sockets, DNS messages or Prometheus.
//!
//! # What sums to what
//! When no message is in flight, for each transport of [`Counts`]:
//! - `received` = Σ `answered` + Σ `dropped` + `panicked`: every message has exactly one end;
//! - Σ `answered` = `sent` + `unsent`: every answer was handed to the kernel or was not.
//!
//! For connections, always: `accepted` = `open()` + Σ `closed`. While messages are in flight, the left side may be
//! ahead. Counts start at zero with the process and never go down.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
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
}

impl Cause {
    /// All of them, in the order of [`Messages::dropped`].
    pub const ALL: [Self; 4] = [Self::Short, Self::Response, Self::Long, Self::Source];

    /// The label of this cause in metrics and `status`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::Long => "long",
            Self::Source => "source",
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
    /// An answer with this RCODE, extended bits included.
    Answered(u16),
    /// No answer.
    Dropped(Cause),
    /// The engine panicked over it; no answer.
    Panicked,
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

/// Alone on its cache lines (two of 64 octets, as processors fetch pairs), so that writers do not disturb each other.
#[repr(align(128))]
#[derive(Debug)]
struct Block {
    received: AtomicU64,
    answered: [AtomicU64; RCODES],
    dropped: [AtomicU64; Cause::ALL.len()],
    panicked: AtomicU64,
    sent: AtomicU64,
    unsent: AtomicU64,
    receive_errors: AtomicU64,
    overflowed: AtomicU64,
}

impl Block {
    fn new() -> Self {
        Self {
            received: AtomicU64::new(0),
            answered: from_fn(|_| AtomicU64::new(0)),
            dropped: from_fn(|_| AtomicU64::new(0)),
            panicked: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            receive_errors: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
        }
    }

    fn end(&self, end: End) -> &AtomicU64 {
        match end {
            End::Answered(rcode) => &self.answered[usize::from(rcode).min(RCODES - 1)],
            End::Dropped(cause) => &self.dropped[cause as usize],
            End::Panicked => &self.panicked,
        }
    }

    fn add_to(&self, sum: &mut Messages) {
        sum.received += self.received.load(Relaxed);
        for (to, from) in sum.answered.iter_mut().zip(&self.answered) {
            *to += from.load(Relaxed);
        }
        for (to, from) in sum.dropped.iter_mut().zip(&self.dropped) {
            *to += from.load(Relaxed);
        }
        sum.panicked += self.panicked.load(Relaxed);
        sum.sent += self.sent.load(Relaxed);
        sum.unsent += self.unsent.load(Relaxed);
        sum.receive_errors += self.receive_errors.load(Relaxed);
        sum.overflowed += self.overflowed.load(Relaxed);
    }
}

/// The registry of all counters. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Blocks live as long as the registry: a count outlives its writer. Writers are made at start, not per packet.
    blocks: Mutex<Vec<(Transport, Arc<Block>)>>,
    accepted: AtomicU64,
    closed: [AtomicU64; Closed::ALL.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                blocks: Mutex::new(Vec::new()),
                accepted: AtomicU64::new(0),
                closed: from_fn(|_| AtomicU64::new(0)),
            }),
        }
    }

    /// A block for one thread.
    pub fn writer(&self, transport: Transport) -> Writer {
        Writer(self.block(transport))
    }

    /// A block for the tasks of one transport.
    pub fn shared_writer(&self, transport: Transport) -> SharedWriter {
        SharedWriter(self.block(transport))
    }

    /// Counts a connection accepted.
    pub fn accepted(&self) {
        self.shared.accepted.fetch_add(1, Relaxed);
    }

    /// Counts a connection ended; once for each that was accepted.
    pub fn closed(&self, reason: Closed) {
        self.shared.closed[reason as usize].fetch_add(1, Relaxed);
    }

    /// The sums now. Not one instant: writers go on while it reads.
    pub fn read(&self) -> Counts {
        let mut counts = Counts::default();
        for (transport, block) in &*self.shared.blocks.lock().unwrap_or_else(PoisonError::into_inner) {
            block.add_to(match transport {
                Transport::Udp => &mut counts.udp,
                Transport::Tcp => &mut counts.tcp,
            });
        }
        // Ends before beginnings, so that a connection closing meanwhile cannot make more ends than beginnings.
        for (to, from) in counts.connections.closed.iter_mut().zip(&self.shared.closed) {
            *to = from.load(Relaxed);
        }
        counts.connections.accepted = self.shared.accepted.load(Relaxed);
        counts
    }

    fn block(&self, transport: Transport) -> Arc<Block> {
        let block = Arc::new(Block::new());
        self.shared.blocks.lock().unwrap_or_else(PoisonError::into_inner).push((transport, Arc::clone(&block)));
        block
    }
}

/// The one writer of a block.
#[derive(Debug)]
pub struct Writer(Arc<Block>);

impl Writer {
    /// A message was read.
    #[inline]
    pub fn received(&mut self) {
        bump(&self.0.received);
    }

    /// A message came to its end.
    #[inline]
    pub fn ended(&mut self, end: End) {
        bump(self.0.end(end));
    }

    /// Answers were handed to the kernel.
    #[inline]
    pub fn sent(&mut self, answers: u64) {
        add(&self.0.sent, answers);
    }

    /// Answers could not be handed to the kernel.
    #[inline]
    pub fn unsent(&mut self, answers: u64) {
        add(&self.0.unsent, answers);
    }

    /// Receiving failed.
    #[inline]
    pub fn receive_error(&mut self) {
        bump(&self.0.receive_errors);
    }

    /// The kernel dropped datagrams for want of room.
    pub fn overflowed(&mut self, datagrams: u64) {
        add(&self.0.overflowed, datagrams);
    }
}

/// Correct because nobody else writes: [`Writer`] cannot be cloned, and its methods take `&mut self`.
#[inline]
fn bump(counter: &AtomicU64) {
    add(counter, 1);
}

/// As [`bump`].
#[inline]
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

/// One of several writers of a block.
#[derive(Clone, Debug)]
pub struct SharedWriter(Arc<Block>);

impl SharedWriter {
    /// A message was read.
    pub fn received(&self) {
        self.0.received.fetch_add(1, Relaxed);
    }

    /// A message came to its end.
    pub fn ended(&self, end: End) {
        self.0.end(end).fetch_add(1, Relaxed);
    }

    /// Answers were handed to the kernel.
    pub fn sent(&self, answers: u64) {
        self.0.sent.fetch_add(answers, Relaxed);
    }

    /// Answers could not be handed to the kernel.
    pub fn unsent(&self, answers: u64) {
        self.0.unsent.fetch_add(answers, Relaxed);
    }

    /// Receiving or accepting failed.
    pub fn receive_error(&self) {
        self.0.receive_errors.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_transport_are_summed_and_outlive_their_writers() {
        let metrics = Metrics::new();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mut writer = metrics.writer(Transport::Udp);
                std::thread::spawn(move || {
                    for i in 0..1_000u16 {
                        writer.received();
                        writer.ended(if i % 10 == 0 { End::Dropped(Cause::Short) } else { End::Answered(i % 4) });
                    }
                })
            })
            .collect();
        let shared = metrics.shared_writer(Transport::Udp);
        shared.received();
        shared.ended(End::Panicked);
        for thread in threads {
            thread.join().unwrap();
        }
        let counts = metrics.read();
        assert_eq!(counts.udp.received, 4_001);
        assert_eq!(counts.udp.dropped(Cause::Short), 400);
        assert_eq!(counts.udp.answered.iter().sum::<u64>(), 3_600);
        assert_eq!(counts.udp.panicked, 1);
        assert_eq!(counts.tcp, Messages::default());
    }

    #[test]
    fn high_rcodes_share_the_last_counter() {
        let metrics = Metrics::new();
        let mut writer = metrics.writer(Transport::Tcp);
        for rcode in [0, 23, 24, 4_095] {
            writer.ended(End::Answered(rcode));
        }
        let answered = metrics.read().tcp.answered;
        assert_eq!((answered[0], answered[23], answered[24]), (1, 1, 2));
    }

    #[test]
    fn orders_of_causes_and_reasons_are_their_indices() {
        for (i, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, i);
        }
        for (i, reason) in Closed::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
        }
    }
}
