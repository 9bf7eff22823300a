//! TCP (RFC 7766): a task per listener that accepts, a task per connection that reads, answers and writes in turn.
//!
//! All whole messages that one read brought are answered, in order, into one write. While a write waits, nothing is
//! read, so a client that does not read its answers is held back by TCP itself and closed after the write timeout. A
//! connection's memory is bounded: one input buffer, and output up to [`OUTPUT_FULL`] and one answer.
//!
//! Ends of a connection, each counted ([`Closed`]): the client closed its side (everything it had asked is answered
//! first), no whole message for the idle time, evicted for a newcomer ([`super::limits`]), answers not read in time,
//! an error, or the server draining: then what has arrived is answered, and the connection closed.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::futures::Notified;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::engine::{Answer, Way, ask, ask_closer, unix_now};
use super::framing::{Frame, Frames};
use super::limits::{Bell, Seat, Seats, TcpLimits, Word};
use crate::journal::Pen;
use crate::metrics::{Cause, Closed, End, Metrics, SharedWriter};
use crate::query::{self, Ecs, Who};

/// Octets of answers at which a connection stops answering and writes.
const OUTPUT_FULL: usize = 32 * 1024;
/// Octets of an emptied output buffer above which it is given back.
const OUTPUT_KEPT: usize = 4 * 1024;
/// Octets of the longest message TCP can carry.
const MAX_ANSWER: usize = 65_535;
/// How long a closing connection listens on, so that the client's late octets do not make the kernel reset the
/// connection and throw away answers under way.
const LINGER: Duration = Duration::from_millis(250);
/// Time between two warnings of accept errors of a listener.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// What listeners and connections share.
pub(super) struct Context<E> {
    pub(super) engine: Arc<E>,
    pub(super) metrics: Metrics,
    pub(super) writer: SharedWriter,
    pub(super) pen: Pen,
    pub(super) limits: TcpLimits,
    pub(super) seats: Arc<Seats>,
    /// The connections.
    pub(super) tasks: TaskTracker,
    /// Cancelled when no new connections are taken; those that are there are told by their seats.
    pub(super) draining: CancellationToken,
}

/// What connections take over from their listener.
#[derive(Clone, Copy)]
pub(super) struct Listener {
    /// What it is bound to.
    pub(super) address: IpAddr,
    /// Its port.
    pub(super) port: u16,
    /// Whether client subnets are heeded there.
    pub(super) ecs: Ecs,
}

/// Accepts until the server drains, then whatever the kernel had already completed. Never ends for an error.
pub(super) async fn listen<E: Answer>(listener: TcpListener, settings: Listener, context: Arc<Context<E>>) {
    let mut backoff = Backoff::default();
    let mut warned: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.draining.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                backoff = Backoff::default();
                context.serve(stream, client, settings);
            }
            Err(error) => {
                context.writer.receive_error();
                let pause = backoff.after(&error);
                if pause.is_zero() {
                    continue;
                }
                // Under pressure errors and successes alternate, many a second; the counter has them all.
                if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    warn!(%error, "accepting a TCP connection failed; waiting, and closing the idlest if that helps");
                }
                if exhausted(&error) {
                    context.seats.evict_idlest();
                }
                tokio::select! {
                    () = context.draining.cancelled() => break,
                    () = sleep(pause) => {}
                }
            }
        }
    }
    // The runtime may not have noticed the last ones yet, so the kernel is asked itself.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, client)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                context.serve(stream, client, settings);
            }
        }
    }
}

/// Whether closing a connection helps: it frees a descriptor, and memory.
fn exhausted(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
    )
}

/// How long to wait after accept errors.
#[derive(Default)]
struct Backoff {
    /// Errors in a row that were worth a pause.
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LAST: Duration = Duration::from_secs(1);

    /// Errors of the one connection that was to be accepted (it was aborted, its network went) need no pause: the next
    /// is fine. All others, out of descriptors or memory above all, would come again at once: 10 ms, doubled to 1 s.
    fn after(&mut self, error: &io::Error) -> Duration {
        let of_one_connection = matches!(
            error.raw_os_error().map(Errno::from_raw),
            Some(
                Errno::ECONNABORTED
                    | Errno::ECONNRESET
                    | Errno::EINTR
                    | Errno::EPROTO
                    | Errno::ENOPROTOOPT
                    | Errno::EHOSTDOWN
                    | Errno::EHOSTUNREACH
                    | Errno::ENETDOWN
                    | Errno::ENETUNREACH
                    | Errno::ENONET
                    | Errno::EOPNOTSUPP
                    | Errno::EPERM
            )
        );
        if of_one_connection {
            return Duration::ZERO;
        }
        self.failures = self.failures.saturating_add(1);
        Self::FIRST.saturating_mul(1 << (self.failures - 1).min(10)).min(Self::LAST)
    }
}

impl<E: Answer> Context<E> {
    fn serve(self: &Arc<Self>, stream: TcpStream, client: SocketAddr, listener: Listener) {
        self.metrics.accepted();
        let now = Instant::now();
        let seat = self.seats.admit(client.ip(), now.into_std());
        let context = Arc::clone(self);
        self.tasks.spawn(async move {
            let reason = match Connection::new(&context, stream, client, &listener, seat, now) {
                Ok(connection) => connection.run().await,
                Err(_) => Closed::Failed,
            };
            context.metrics.closed(reason);
        });
    }
}

struct Connection<'a, E> {
    context: &'a Context<E>,
    stream: TcpStream,
    who: Who,
    /// The port that was asked.
    port: u16,
    seat: Seat,
    input: Frames,
    /// Answers not yet written, each with its length before it.
    output: Vec<u8>,
    /// How many they are.
    answers: u64,
    /// When it is closed as idle.
    idle_at: Instant,
}

/// What a connection waits for besides its client.
struct Signals<'s, 't> {
    bell: Listening<'s, 't>,
    /// When it may be idle: never after `Connection::idle_at`.
    idle: Pin<&'s mut Sleep>,
}

/// The one who listens for a seat's bell: a ring is for one.
struct Listening<'s, 't> {
    bell: &'t Bell,
    /// Its next ring.
    rung: Pin<&'s mut Notified<'t>>,
}

impl Listening<'_, '_> {
    async fn rung(&mut self) {
        self.rung.as_mut().await;
        self.rung.set(self.bell.rung());
    }
}

/// Where the next octets come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The client may send as long as it likes.
    Open,
    /// The server drains: only what the kernel already holds.
    Draining,
    /// Nothing more; why the connection is closed once all is answered.
    Ended(Closed),
}

impl<'a, E: Answer> Connection<'a, E> {
    fn new(
        context: &'a Context<E>,
        stream: TcpStream,
        client: SocketAddr,
        listener: &Listener,
        seat: Seat,
        now: Instant,
    ) -> io::Result<Self> {
        let Listener { address: local, port, ecs } = *listener;
        let destination = if local.is_unspecified() { stream.local_addr()?.ip() } else { local };
        let who = Who {
            source: client.ip(),
            source_port: client.port(),
            destination,
            transport: query::Transport::Tcp,
            ecs,
            // Of each message when it is answered.
            now: 0,
        };
        let idle_at = now + context.limits.get().idle;
        Ok(Self { context, stream, who, port, seat, input: Frames::new(), output: Vec::new(), answers: 0, idle_at })
    }

    async fn run(mut self) -> Closed {
        let bell = self.seat.bell();
        // Made once: to wait anew for each message costs more than to answer it.
        let (rung, idle) = (pin!(bell.rung()), pin!(sleep_until(self.idle_at)));
        let mut signals = Signals { bell: Listening { bell: &bell, rung }, idle };
        let mut source = Source::Open;
        loop {
            self.answer();
            if !self.output.is_empty() {
                if let Err(reason) = self.write(&mut signals).await {
                    self.context.writer.unsent(self.answers);
                    // Gone for good: unread answers are not kept in the kernel for a client that does not read.
                    let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                    return reason;
                }
                // There may be whole messages left from when the output was full.
                continue;
            }
            source = match source {
                Source::Open => match self.read(&mut signals).await {
                    Ok(source) => source,
                    Err(reason) => return reason,
                },
                Source::Draining => {
                    // A client that never stops sending must not hold the thread, nor outlive the grace.
                    tokio::task::yield_now().await;
                    if let Some(reason) = self.cut() {
                        return reason;
                    }
                    self.read_now()
                }
                Source::Ended(reason) => {
                    // Who has closed its side sends nothing more that a plain close could stumble over.
                    if reason != Closed::Client {
                        // On the heap, as few come here: room for it would be in every connection.
                        Box::pin(self.part(&mut signals)).await;
                    }
                    return reason;
                }
            };
        }
    }

    /// Answers whole messages from the input until there is none or the output is full.
    fn answer(&mut self) {
        thread_local! {
            /// Room for the longest answer, once per thread rather than per connection.
            static ANSWER: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_ANSWER].into_boxed_slice());
        }
        if self.input.is_empty() {
            return;
        }
        let mut writer = &self.context.writer;
        let mut active = false;
        self.who.now = unix_now();
        ANSWER.with_borrow_mut(|answer| {
            while self.output.len() < OUTPUT_FULL
                && let Some(frame) = self.input.next()
            {
                let closer = writer.received();
                let Frame::Message(request) = frame else {
                    writer.ended(End::Dropped(Cause::Long));
                    continue;
                };
                let engine = &*self.context.engine;
                let way = Way { engine, limiter: None, pen: &self.context.pen, port: self.port };
                let answers = |room: &mut [u8]| engine.answer(&self.who, request, room);
                let ask = if closer { ask_closer } else { ask };
                if let Some(length) = ask(answers, &way, &self.who, request, answer, &mut writer) {
                    self.output.extend_from_slice(&(length as u16).to_be_bytes());
                    self.output.extend_from_slice(&answer[..length]);
                    self.answers += 1;
                }
                active = true;
            }
        });
        if active {
            self.touch();
        }
    }

    /// Something useful happened: it is not idle.
    fn touch(&mut self) {
        let now = Instant::now();
        self.seat.touch(now.into_std());
        self.idle_at = now + self.context.limits.get().idle;
    }

    /// Writes all answers, within the write timeout.
    async fn write(&mut self, signals: &mut Signals<'_, '_>) -> Result<(), Closed> {
        // Mostly there is room, and nothing to wait for.
        let written = match self.stream.try_write(&self.output) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Closed::Failed),
        };
        if let rest @ [_, ..] = &self.output[written..] {
            let mut writing = pin!(timeout(self.context.limits.get().write, self.stream.write_all(rest)));
            loop {
                tokio::select! {
                    biased;
                    written = writing.as_mut() => match written {
                        Ok(Ok(())) => break,
                        Ok(Err(_)) => return Err(Closed::Failed),
                        Err(_) => return Err(Closed::Slow),
                    },
                    () = signals.bell.rung() => {
                        if let Some(reason) = cut(self.seat.told()) {
                            return Err(reason);
                        }
                    }
                }
            }
            self.touch();
        }
        self.context.writer.sent(self.answers);
        self.answers = 0;
        self.output.clear();
        self.output.shrink_to(OUTPUT_KEPT);
        Ok(())
    }

    /// Waits for octets, or for a reason not to.
    async fn read(&mut self, signals: &mut Signals<'_, '_>) -> Result<Source, Closed> {
        loop {
            if let Some(reason) = self.cut() {
                return Err(reason);
            }
            if self.seat.told() == Word::Finish {
                return Ok(Source::Draining);
            }
            tokio::select! {
                biased;
                () = signals.bell.rung() => {}
                read = self.stream.read(self.input.space()) => return match read {
                    Ok(0) => Ok(Source::Ended(Closed::Client)),
                    Ok(count) => {
                        self.input.filled(count);
                        Ok(Source::Open)
                    }
                    Err(_) => {
                        self.context.writer.receive_error();
                        Err(Closed::Failed)
                    }
                },
                () = signals.idle.as_mut() => {
                    if self.idle_at <= Instant::now() {
                        return Ok(Source::Ended(Closed::Idle));
                    }
                    // Something came since the alarm was set.
                    signals.idle.as_mut().reset(self.idle_at);
                }
            }
        }
    }

    /// Takes what the kernel holds, without waiting for the runtime to notice it.
    fn read_now(&mut self) -> Source {
        match (&*SockRef::from(&self.stream)).read(self.input.space()) {
            Ok(0) => Source::Ended(Closed::Client),
            Ok(count) => {
                self.input.filled(count);
                Source::Draining
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Source::Draining,
            Err(_) => Source::Ended(Closed::Drained),
        }
    }

    /// Why it has to close at once, if it has to.
    fn cut(&self) -> Option<Closed> {
        cut(self.seat.told())
    }

    /// Closes the connection so that the last answers arrive.
    async fn part(&mut self, signals: &mut Signals<'_, '_>) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut ignored = [0; 512];
        let until_closed = async { while matches!(self.stream.read(&mut ignored).await, Ok(1..)) {} };
        let until_told = async {
            while cut(self.seat.told()).is_none() {
                signals.bell.rung().await;
            }
        };
        tokio::select! {
            _ = timeout(LINGER, until_closed) => {}
            () = until_told => {}
        }
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
    }
}

/// Why a connection has to close at once that is told this, if it has to.
fn cut(word: Word) -> Option<Closed> {
    match word {
        Word::Stay | Word::Finish => None,
        Word::Leave => Some(Closed::Evicted),
        Word::End => Some(Closed::Drained),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_errors_back_off_unless_they_concern_one_connection() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..9).map(|_| backoff.after(&io::Error::from(Errno::EMFILE)).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        assert_eq!(backoff.after(&io::Error::from(Errno::ECONNABORTED)), Duration::ZERO);
        assert_eq!(backoff.after(&io::Error::other("odd")), Backoff::LAST);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.after(&io::Error::from(Errno::ENFILE)), Backoff::LAST);
    }
}
