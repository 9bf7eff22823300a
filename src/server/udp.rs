//! UDP: own threads, one per socket, each a plain loop of receive, answer, send; by batches of what waits (`batch.rs`).
//!
//! The kernel spreads clients over the sockets of an address (`SO_REUSEPORT`, by source and destination), so threads
//! share nothing but the engine. Between receive and send there is no lock, no allocation and no system call but the
//! clock's, which does not enter the kernel. A batch is answered from one state of the engine, at one second.
//!
//! To stop, [`Threads::drain`] marks the phase and shuts the sockets' receiving side: a thread that waits is woken at
//! once, then answers what had already arrived, and ends when its queue is empty. The socket's own timeout
//! (`bind.rs`) is the net under this.

use std::net::{IpAddr, Shutdown, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use smallvec::SmallVec;
use socket2::SockRef;
use tokio::sync::mpsc;
use tracing::warn;

use super::Beside;
use super::batch::{Answers, BATCH, Batch, Datagram, Wait};
use super::bind::BindError;
use super::engine::{Answer, Message, Way, ask, ask_closer, unix_now};
use super::rrl::Limiter;
use crate::journal::Pen;
use crate::metrics::{Cause, End, Metrics, Transport, Writer};
use crate::query::{self, Ecs, Room, Who};

/// Pause after a receive error that may last, so that a broken socket does not cost a core.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Answer everything that comes.
const SERVING: u8 = 0;
/// Answer what has come, then end.
const DRAINING: u8 = 1;
/// End now.
const ABANDONED: u8 = 2;

/// A socket, and where its thread runs.
pub(super) struct Place {
    /// What it is bound to.
    pub(super) address: IpAddr,
    /// Whether client subnets are heeded there.
    pub(super) ecs: Ecs,
    pub(super) socket: UdpSocket,
    /// The only core that its thread may use; `None`: any.
    pub(super) core: Option<usize>,
}

/// The cores that this process may use.
pub(super) fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0));
    (0..CpuSet::count()).filter(|core| allowed.is_ok_and(|set| set.is_set(*core).unwrap_or(false))).collect()
}

/// Keeps the calling thread on a core. Without that it runs as well, only elsewhere.
fn pin(core: usize) {
    let mut set = CpuSet::new();
    if let Err(error) = set.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)) {
        warn!(core, %error, "`pin` is not granted for this core");
    }
}

/// The running threads. Stopped by [`Threads::drain`]; when dropped, they end without draining.
#[derive(Debug)]
pub(super) struct Threads {
    phase: Arc<AtomicU8>,
    /// Each is closed when its thread ends, so that the kernel stops choosing it.
    sockets: Vec<Weak<UdpSocket>>,
    /// Yields nothing; closed when the last thread has ended.
    ended: mpsc::Receiver<()>,
}

impl Threads {
    /// Starts a thread for each socket, named `udp-0`, `udp-1`, ….
    pub(super) fn start<E: Answer>(
        sockets: Vec<Place>,
        engine: &Arc<E>,
        beside: &Beside,
        metrics: &Metrics,
    ) -> Result<Self, BindError> {
        let (alive, ended) = mpsc::channel(1);
        // Made first: if a thread cannot start, its drop stops those that did.
        let mut threads = Self { phase: Arc::new(AtomicU8::new(SERVING)), sockets: Vec::new(), ended };
        for (i, Place { address, ecs, socket, core }) in sockets.into_iter().enumerate() {
            if !Batch::supported(&socket) {
                return Err(BindError::NoBatches { address });
            }
            let socket = Arc::new(socket);
            threads.sockets.push(Arc::downgrade(&socket));
            let (engine, phase, alive) = (Arc::clone(engine), Arc::clone(&threads.phase), alive.clone());
            let port = socket.local_addr().map_or(0, |address| address.port());
            let (writer, limiter, pen) =
                (metrics.writer(Transport::Udp), Arc::clone(&beside.limiter), beside.journal.pen());
            let run = move || {
                if let Some(core) = core {
                    pin(core);
                }
                Worker {
                    batch: Batch::new(socket, address),
                    ecs,
                    engine,
                    limiter,
                    pen,
                    port,
                    phase,
                    writer,
                    overflows: Overflows::default(),
                    room: Room::default(),
                }
                .run();
                drop(alive);
            };
            thread::Builder::new().name(format!("udp-{i}")).spawn(run).map_err(BindError::Thread)?;
        }
        Ok(threads)
    }

    /// Tells the threads to answer what has arrived and end. At once; [`Threads::ended`] waits for it.
    pub(super) fn drain(&self) {
        self.stop(DRAINING);
    }

    /// Tells the threads to end at once.
    pub(super) fn abandon(&self) {
        self.stop(ABANDONED);
    }

    /// Waits until all threads have ended.
    pub(super) async fn ended(&mut self) {
        while self.ended.recv().await.is_some() {}
    }

    fn stop(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::Release);
        for socket in self.sockets.iter().filter_map(Weak::upgrade) {
            // Says "not connected", as a UDP socket is not, and wakes the waiting thread all the same.
            let _ = SockRef::from(&*socket).shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.abandon();
    }
}

struct Worker<E> {
    batch: Batch,
    ecs: Ecs,
    engine: Arc<E>,
    limiter: Arc<Limiter>,
    pen: Pen,
    /// The port of the socket.
    port: u16,
    phase: Arc<AtomicU8>,
    writer: Writer,
    overflows: Overflows,
    /// Room for what is read of a batch.
    room: Room,
}

/// A message that is read and gets no answer.
#[cold]
fn drop_one(writer: &mut Writer, cause: Cause) {
    writer.received(1);
    writer.ended(End::Dropped(cause));
}

/// Answers a message that is looked at closer.
#[cold]
fn answer_closer<E: Answer>(message: &Message<'_>, way: &Way<'_, E>, writer: &mut Writer, answers: &mut Answers<'_>) {
    let Message { place, who, request } = message;
    let room = answers.room(*place);
    if let Some(length) = ask_closer(|room| way.engine.answer(who, request, room), way, who, request, room, writer) {
        answers.send(*place, length);
    }
}

/// What is known of the kernel's count of datagrams that found the receive buffer full.
#[derive(Default)]
struct Overflows {
    /// When it was looked at, in seconds since 1970.
    at: u32,
    seen: u32,
}

impl<E: Answer> Worker<E> {
    fn run(mut self) {
        let mut last_error = None;
        loop {
            let wait = match self.phase.load(Ordering::Acquire) {
                SERVING => Wait::Yes,
                DRAINING => Wait::No,
                _ => return,
            };
            match self.batch.receive(wait) {
                Ok(0) => {
                    self.count_overflows();
                    if wait == Wait::No {
                        return;
                    }
                }
                Ok(count) => self.serve(count),
                Err(error) => {
                    self.writer.receive_error();
                    // A lasting error is logged once, not a hundred times a second.
                    if last_error.replace(error.kind()) != Some(error.kind()) {
                        warn!(%error, "receiving failed");
                    }
                    thread::sleep(ERROR_PAUSE);
                }
            }
        }
    }

    /// Answers the datagrams of a batch.
    fn serve(&mut self, count: usize) {
        let Self { batch, ecs, engine, limiter, pen, port, writer, room: read, .. } = self;
        let now = unix_now();
        let way = Way { engine: &**engine, limiter: Some(limiter), pen, port: *port };
        let (requests, mut answers) = batch.parts();
        let mut messages = SmallVec::<[Message<'_>; BATCH]>::new();
        for place in 0..count {
            match requests.datagram(place) {
                Datagram::From(source, destination) if source.port() > 0 => {
                    let who = Who {
                        source: source.ip(),
                        source_port: source.port(),
                        destination,
                        transport: query::Transport::Udp,
                        ecs: *ecs,
                        now,
                    };
                    messages.push(Message { place, who, request: requests.get(place) });
                }
                Datagram::From(..) => drop_one(writer, Cause::Source),
                Datagram::Long => drop_one(writer, Cause::Long),
                Datagram::WakeUp => {}
                Datagram::Unknown => writer.receive_error(),
            }
        }
        writer.received(messages.len() as u64);
        limiter.touch(messages.iter().map(|message| message.who.source));
        // All of them are before the one that is looked at closer, mostly.
        let (before, others) = messages.split_at(writer.before_closer(messages.len()));
        let mut answer_together = |messages: &[Message<'_>], writer: &mut Writer, answers: &mut Answers<'_>| {
            engine.batch(messages, read, &mut |generation, messages, answer| {
                let mut page = writer.begin(generation);
                for (number, message) in messages.iter().enumerate() {
                    let Message { place, who, request } = message;
                    let room = answers.room(*place);
                    if let Some(length) = ask(|room| answer(number, message, room), &way, who, request, room, &mut page)
                    {
                        answers.send(*place, length);
                    }
                }
            });
        };
        answer_together(before, writer, &mut answers);
        if let Some((closer, after)) = others.split_first() {
            // By itself, so that the time taken is all of it.
            answer_closer(closer, &way, writer, &mut answers);
            answer_together(after, writer, &mut answers);
        }
        drop(messages);
        let sent = batch.send();
        writer.sent(sent.sent as u64);
        writer.unsent(sent.unsent as u64);
        if self.overflows.at != now {
            self.overflows.at = now;
            self.count_overflows();
        }
    }

    /// Adds what the kernel dropped since it was last asked: once a second, and when there is nothing to do.
    fn count_overflows(&mut self) {
        if let Some(overflows) = self.batch.overflows() {
            self.writer.overflowed(u64::from(overflows.wrapping_sub(self.overflows.seen)));
            self.overflows.seen = overflows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_put() {
        let all = cores();
        let last = *all.last().expect("there is a core to run on");
        let pinned = thread::spawn(move || {
            pin(last);
            cores()
        });
        assert_eq!(pinned.join().unwrap(), [last]);
        // Only that thread, and a core that there is not changes nothing.
        assert_eq!(
            thread::spawn(|| {
                pin(CpuSet::count() - 1);
                cores()
            })
            .join()
            .unwrap()
            .len()
            .max(1),
            all.len()
        );
        assert_eq!(cores(), all);
    }
}
