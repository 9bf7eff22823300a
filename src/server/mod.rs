//! Listeners: sockets in, answers out, every message counted.
//!
//! UDP has own threads (`udp.rs`), TCP has tasks (`tcp.rs`); `portable.rs` does both with hickory-server's listeners
//! where ours cannot run. All of them ask one engine through [`Answer`] and know nothing of zones or steering: a
//! listener never decides what an answer says, only who may wait for one and for how long. A panic of the engine ends
//! one message, an error of a socket or of `accept` ends no listener, and every queue has a bound with a name.

mod batch;
mod bind;
mod engine;
mod framing;
mod limits;
mod portable;
pub mod rrl;
mod tcp;
mod udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

pub use bind::BindError;
pub use engine::{Answer, Engine, MAX_REQUEST, names};
pub use limits::TcpLimits;
use limits::{Seats, Word};
pub use portable::QUIET;

use crate::journal::Journal;
use crate::metrics::{Metrics, Transport};
use crate::query::Ecs;
use portable::Portable;
use rrl::Limiter;
use udp::Threads;

/// The port without settings: free for users without privileges, and not one that resolvers or mDNS take.
pub const DEFAULT_PORT: u16 = 5300;

/// What the listeners need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses to listen on, UDP and TCP alike.
    pub listen: Vec<Listen>,
    /// Whose listeners.
    pub io: Io,
    /// UDP sockets and threads per address. A thread has one socket, so two addresses on four cores make eight threads;
    /// those of a quiet address sleep.
    pub udp_threads: NonZeroUsize,
    /// Octets of each UDP socket's receive buffer; the kernel grants `net.core.rmem_max` at most.
    pub receive_buffer: usize,
    /// Microseconds that a UDP thread looks at the network card before it sleeps; 0: as the system has it.
    pub busy_poll: u32,
    /// Whether each UDP thread of an address stays on a core of its own.
    pub pin: bool,
    /// Limits of TCP.
    pub tcp: TcpSettings,
}

impl Default for Settings {
    /// `127.0.0.1:5300` and `[::1]:5300` (left out where there is no IPv6), a UDP thread per core, 1 MiB of buffer: some
    /// 1,000 queries that may wait for a thread that was not running.
    fn default() -> Self {
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Self {
            listen: here
                .map(|ip| Listen { address: SocketAddr::new(ip, DEFAULT_PORT), origin: Origin::Default, ecs: Ecs::On })
                .into(),
            io: Io::Native,
            udp_threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            receive_buffer: 1024 * 1024,
            busy_poll: 0,
            pin: false,
            tcp: TcpSettings::default(),
        }
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Port 0 takes any that is free for UDP and TCP; `0.0.0.0` and `[::]` take every address of their family.
    pub address: SocketAddr,
    /// Who wants it.
    pub origin: Origin,
    /// Whether client subnets are heeded there.
    pub ecs: Ecs,
}

/// Who wants an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator: it must work.
    Configured,
    /// Nobody said otherwise: left out with a warning where the machine has no IPv6.
    Default,
}

/// Whose listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// Ours: Linux first, all limits.
    Native,
    /// hickory-server's: anywhere, without limits on connections and without a drain (see `portable.rs`).
    Portable,
}

/// Limits of TCP (RFC 7766 §6.2.3 asks for them, RFC 9210 §4 for saying which).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSettings {
    /// Connections in all; a newcomer beyond them displaces the idlest. The default, 1,000, fits the 1,024 descriptors
    /// a process commonly starts with, beside sockets, probes and files, and takes some 10 MB.
    pub connections: usize,
    /// Connections of one client (an IPv4 address or an IPv6 /64); beyond them it displaces its own idlest. Default 100:
    /// a resolver needs one or two, and many may sit behind one address.
    pub per_client: usize,
    /// Time without a whole message after which a connection is closed; default 10 s (RFC 7766 §6.2.3: "a few
    /// seconds" at least).
    pub idle: Duration,
    /// Time a client has to take the answers of one write (32 KiB and one answer at most) off us; default 5 s.
    pub write: Duration,
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self { connections: 1_000, per_client: 100, idle: Duration::from_secs(10), write: Duration::from_secs(5) }
    }
}

/// What answers go by on their way out, beside the counters.
#[derive(Clone, Debug)]
pub struct Beside {
    /// How much of UDP a network is sent.
    pub limiter: Arc<Limiter>,
    /// Where answers are taken down.
    pub journal: Arc<Journal>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything that had arrived was answered.
    Complete,
    /// The grace ran out first; what was left was cut.
    GraceRanOut {
        /// TCP connections that were cut.
        connections: usize,
    },
}

/// The running listeners. Dropped without [`Server::drain`], it stops at once and answers nothing more.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    listeners: Listeners,
}

#[derive(Debug)]
enum Listeners {
    Native { udp: Threads, tcp: Tasks },
    Portable(Portable),
}

impl Server {
    /// Binds every address, then starts to answer. UDP runs on own threads, the rest on `runtime`. Logs each address.
    ///
    /// # Errors
    /// The first address that cannot be bound; none stays bound then. [`BindError::help`] says what to do.
    pub fn start<E: Answer>(
        settings: &Settings,
        engine: Arc<E>,
        beside: &Beside,
        metrics: &Metrics,
        runtime: &Handle,
    ) -> Result<Self, BindError> {
        let sockets = bind::UdpSockets {
            count: settings.udp_threads.get(),
            receive_buffer: settings.receive_buffer,
            busy_poll: settings.busy_poll,
        };
        let bound = bind::bind_all(&settings.listen, sockets)?;
        let addresses: Vec<_> = bound.iter().map(|sockets| sockets.address).collect();
        let _runtime = runtime.enter();
        let listeners = match settings.io {
            Io::Native => {
                let cores = if settings.pin { udp::cores() } else { Vec::new() };
                let (mut sockets, mut tcp) = (Vec::new(), Vec::new());
                for bound in bound {
                    sockets.extend(bound.udp.into_iter().enumerate().map(|(number, socket)| {
                        let core = settings.pin.then(|| cores.get(number % cores.len().max(1)).copied()).flatten();
                        udp::Place { address: bound.address.ip(), ecs: bound.ecs, socket, core }
                    }));
                    tcp.push((bound.address, bound.ecs, bound.tcp));
                }
                let udp = Threads::start(sockets, &engine, beside, metrics)?;
                Listeners::Native {
                    udp,
                    tcp: Tasks::start(tcp, engine, beside, metrics, TcpLimits::new(settings.tcp))?,
                }
            }
            Io::Portable => Listeners::Portable(Portable::start(bound, &engine, beside, metrics, settings.tcp.idle)?),
        };
        for address in &addresses {
            info!(%address, io = ?settings.io, "listening");
        }
        Ok(Self { addresses, listeners })
    }

    /// The addresses listened on, in the order of the settings, with the ports that 0 became.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The limits of TCP, to be set while serving. `None` with hickory-server's listeners, which keep those they began with.
    pub fn tcp_limits(&self) -> Option<TcpLimits> {
        match &self.listeners {
            Listeners::Native { tcp, .. } => Some(tcp.limits.clone()),
            Listeners::Portable(_) => None,
        }
    }

    /// Takes no new work, answers what has arrived, closes; at most for `grace`, then cuts what is left.
    pub async fn drain(self, grace: Duration) -> Drained {
        match self.listeners {
            Listeners::Native { mut udp, mut tcp } => {
                udp.drain();
                tcp.finish();
                if timeout(grace, async { tokio::join!(udp.ended(), tcp.ended()) }).await.is_ok() {
                    return Drained::Complete;
                }
                let connections = tcp.connections();
                udp.abandon();
                tcp.seats.tell_all(Word::End);
                // A moment for the cut ones to leave, so that their sockets are closed when this returns.
                let _ = timeout(CUT, async { tokio::join!(udp.ended(), tcp.ended()) }).await;
                Drained::GraceRanOut { connections }
            }
            Listeners::Portable(portable) => {
                if timeout(grace, portable.stop()).await.is_ok() {
                    Drained::Complete
                } else {
                    Drained::GraceRanOut { connections: 0 }
                }
            }
        }
    }
}

/// How long cut threads and tasks may take to end: they need only be scheduled.
const CUT: Duration = Duration::from_secs(1);

/// The TCP side: listeners and connections.
#[derive(Debug)]
struct Tasks {
    listeners: TaskTracker,
    connections: TaskTracker,
    limits: TcpLimits,
    draining: CancellationToken,
    seats: Arc<Seats>,
}

impl Tasks {
    fn start<E: Answer>(
        listeners: Vec<(SocketAddr, Ecs, std::net::TcpListener)>,
        engine: Arc<E>,
        beside: &Beside,
        metrics: &Metrics,
        limits: TcpLimits,
    ) -> Result<Self, BindError> {
        let tasks = Self {
            listeners: TaskTracker::new(),
            connections: TaskTracker::new(),
            limits: limits.clone(),
            draining: CancellationToken::new(),
            seats: Seats::new(limits.clone(), Instant::now()),
        };
        let context = Arc::new(tcp::Context {
            engine,
            metrics: metrics.clone(),
            writer: metrics.shared_writer(Transport::Tcp),
            pen: beside.journal.pen(),
            seats: Arc::clone(&tasks.seats),
            limits,
            tasks: tasks.connections.clone(),
            draining: tasks.draining.clone(),
        });
        for (address, ecs, listener) in listeners {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(|source| BindError::Other {
                address,
                transport: "TCP",
                source,
            })?;
            let settings = tcp::Listener { address: address.ip(), port: address.port(), ecs };
            tasks.listeners.spawn(tcp::listen(listener, settings, Arc::clone(&context)));
        }
        tasks.listeners.close();
        Ok(tasks)
    }

    /// No newcomers; those that are there answer what has arrived.
    fn finish(&self) {
        self.draining.cancel();
        self.seats.tell_all(Word::Finish);
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Waits until all have ended. Listeners first: their last act is to take in connections.
    async fn ended(&mut self) {
        self.listeners.wait().await;
        self.connections.close();
        self.connections.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.draining.cancel();
        self.seats.tell_all(Word::End);
    }
}
