//! UDP: own threads, one per socket, each a plain loop of receive, answer, send.
//!
//! The kernel spreads clients over the sockets of an address (`SO_REUSEPORT`, by source and destination), so threads
//! share nothing but the engine. Between receive and send there is no lock, no allocation and no system call but the
//! clock's, which does not enter the kernel.
//!
//! To stop, [`Threads::drain`] marks the phase and shuts the sockets' receiving side: a thread that waits is woken at
//! once, then answers what had already arrived, and ends when its queue is empty. The socket's own timeout
//! (`bind.rs`) is the net under this.

use std::io;
use std::net::{IpAddr, Shutdown, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use tokio::sync::mpsc;
use tracing::warn;

use super::bind::BindError;
use super::datagram::{Datagram, Endpoint, Received, Wait};
use super::engine::{Answer, MAX_REQUEST, ask, unix_now};
use crate::metrics::{Cause, End, Metrics, Transport, Writer};
use crate::query::{self, Ecs, Who};

/// Octets of the answer buffer. The engine keeps to the client's size and 1232 (SEMANTICS §5.7).
const MAX_ANSWER: usize = 4_096;
/// Pause after a receive error that may last, so that a broken socket does not cost a core.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Answer everything that comes.
const SERVING: u8 = 0;
/// Answer what has come, then end.
const DRAINING: u8 = 1;
/// End now.
const ABANDONED: u8 = 2;

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
    /// Starts a thread for each socket (with the address it is bound to, and whether client subnets are heeded there), named `udp-0`, `udp-1`, ….
    pub(super) fn start<E: Answer>(
        sockets: Vec<(IpAddr, Ecs, UdpSocket)>,
        engine: &Arc<E>,
        metrics: &Metrics,
    ) -> Result<Self, BindError> {
        let (alive, ended) = mpsc::channel(1);
        // Made first: if a thread cannot start, its drop stops those that did.
        let mut threads = Self { phase: Arc::new(AtomicU8::new(SERVING)), sockets: Vec::new(), ended };
        for (i, (address, ecs, socket)) in sockets.into_iter().enumerate() {
            let socket = Arc::new(socket);
            threads.sockets.push(Arc::downgrade(&socket));
            let (engine, phase, alive) = (Arc::clone(engine), Arc::clone(&threads.phase), alive.clone());
            let writer = metrics.writer(Transport::Udp);
            let run = move || {
                Worker { endpoint: Endpoint::new(socket, address), ecs, engine, phase, writer }.run();
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
    endpoint: Endpoint,
    ecs: Ecs,
    engine: Arc<E>,
    phase: Arc<AtomicU8>,
    writer: Writer,
}

impl<E: Answer> Worker<E> {
    fn run(mut self) {
        // One octet more than is allowed, to tell a request of the longest length from a longer one.
        let mut request = [0; MAX_REQUEST + 1];
        let mut answer = [0; MAX_ANSWER];
        let mut last_error = None;
        loop {
            let wait = match self.phase.load(Ordering::Acquire) {
                SERVING => Wait::Yes,
                DRAINING => Wait::No,
                _ => return,
            };
            match self.endpoint.receive(&mut request, wait) {
                Ok(Received::Datagram(datagram)) => self.serve(&request[..datagram.length], &mut answer, &datagram),
                Ok(Received::Empty) => {
                    // While stopping, this is how the wake-up looks.
                    if self.phase.load(Ordering::Acquire) == SERVING {
                        self.writer.received();
                        self.writer.ended(End::Dropped(Cause::Short));
                    }
                }
                Ok(Received::Nothing) if wait == Wait::No => return,
                Ok(Received::Nothing) => {}
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

    fn serve(&mut self, request: &[u8], answer: &mut [u8], datagram: &Datagram) {
        self.writer.received();
        if request.len() > MAX_REQUEST {
            return self.writer.ended(End::Dropped(Cause::Long));
        }
        if datagram.source.port() == 0 {
            return self.writer.ended(End::Dropped(Cause::Source));
        }
        let who = Who {
            source: datagram.source.ip(),
            source_port: datagram.source.port(),
            destination: datagram.destination,
            transport: query::Transport::Udp,
            ecs: self.ecs,
            now: unix_now(),
        };
        if let Some(length) = ask(&*self.engine, &who, request, answer, &mut self.writer) {
            match self.send(&answer[..length], datagram) {
                Ok(()) => self.writer.sent(1),
                // No route back, a full queue, a firewall: the client asks again, and the counter tells.
                Err(_) => self.writer.unsent(1),
            }
        }
    }

    fn send(&mut self, answer: &[u8], datagram: &Datagram) -> io::Result<()> {
        loop {
            match self.endpoint.send(answer, datagram) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}
