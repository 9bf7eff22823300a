//! A server with an engine that does what the request says, and clients for it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use catchment::journal::Journal;
use catchment::metrics::{Answered, Counts, Messages, Metrics};
use catchment::query::{Drop, Ecs, Outcome, Response, Transport, Who};
use catchment::server::rrl::{Limiter, Limits};
use catchment::server::{Answer, Beside, Drained, Io, Listen, Origin, Server, Settings};
use tokio::runtime::{Builder, Runtime};

/// Longer than anything here takes, shorter than anyone's patience.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Commands in octet 12 of a request.
pub(crate) const ECHO: u8 = b'E';
/// Panics.
pub(crate) const PANIC: u8 = b'P';
/// Answers with as many octets as the two after the command say.
pub(crate) const SIZED: u8 = b'S';
/// Waits for the gate, then does as [`ECHO`].
pub(crate) const GATE: u8 = b'G';

/// Answers requests of a made-up kind: 12 octets as in DNS, then a command.
pub(crate) struct Commanded {
    gate: Mutex<mpsc::Receiver<()>>,
}

impl Answer for Commanded {
    /// The answer is the request with QR set, `rcode` from octet 3, and `|DESTINATION|TRANSPORT` behind it, then
    /// `|no ecs` where client subnets are not heeded.
    fn answer(&self, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        if request.len() < 12 {
            return Outcome::Dropped(Drop::Short);
        }
        if request[2] & 0x80 != 0 {
            return Outcome::Dropped(Drop::Response);
        }
        assert!(who.now > 1_700_000_000 && who.source.is_loopback() && who.source_port != 0);
        let mut answer = request.to_vec();
        answer[2] |= 0x80;
        match request.get(12) {
            // Unwinds like a panic, without its text on the terminal.
            Some(&PANIC) => std::panic::resume_unwind(Box::new("a test")),
            Some(&SIZED) => answer.resize(usize::from(u16::from_be_bytes([request[13], request[14]])), b'.'),
            Some(&GATE) => {
                let _ = self.gate.lock().unwrap().recv();
            }
            _ => {}
        }
        if request.get(12) != Some(&SIZED) {
            let transport = if who.transport == Transport::Udp { "udp" } else { "tcp" };
            let ecs = if who.ecs == Ecs::Off { "|no ecs" } else { "" };
            answer.extend(format!("|{}|{transport}{ecs}", who.destination).bytes());
        }
        out[..answer.len()].copy_from_slice(&answer);
        responded(answer.len(), u16::from(request[3] & 15))
    }
}

/// An answer of `length` octets; listeners look at no more than this of it.
pub(crate) fn responded(length: usize, rcode: u16) -> Outcome {
    Outcome::Responded(Response { length, qtype: None, answered: Answered::with_rcode(rcode) })
}

/// A request.
pub(crate) fn request(id: u16, command: u8) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, command]
}

/// A request for an answer of `length` octets.
pub(crate) fn sized(id: u16, length: u16) -> Vec<u8> {
    [request(id, SIZED), length.to_be_bytes().to_vec()].concat()
}

/// What [`Commanded`] answers to [`request`].
pub(crate) fn echo(id: u16, command: u8, destination: &str, transport: &str) -> Vec<u8> {
    let mut answer = request(id, command);
    answer[2] |= 0x80;
    answer.extend(format!("|{destination}|{transport}").bytes());
    answer
}

/// A running server.
pub(crate) struct Running {
    // Dropped in this order: a server with tasks goes before their runtime.
    server: Server,
    pub(crate) runtime: Runtime,
    pub(crate) metrics: Metrics,
    /// Lets one [`GATE`] request pass per message; dropped, all.
    pub(crate) gate: mpsc::Sender<()>,
}

/// Two UDP threads per address, each address on a port of its own.
pub(crate) fn settings(addresses: &[&str]) -> Settings {
    let listen = addresses.iter().map(|ip| Listen {
        address: SocketAddr::new(ip.parse().unwrap(), 0),
        origin: Origin::Configured,
        ecs: Ecs::On,
    });
    Settings { listen: listen.collect(), udp_threads: NonZeroUsize::new(2).unwrap(), ..Settings::default() }
}

/// Starts it on two worker threads.
pub(crate) fn start(settings: &Settings) -> Running {
    start_on(settings, Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// Starts it on a runtime that runs only while something waits for it.
pub(crate) fn start_asleep(settings: &Settings) -> Running {
    start_on(settings, Builder::new_current_thread().enable_all().build().unwrap())
}

fn start_on(settings: &Settings, runtime: Runtime) -> Running {
    let (gate, waiting) = mpsc::channel();
    let engine = Arc::new(Commanded { gate: Mutex::new(waiting) });
    let metrics = Metrics::new();
    let server = Server::start(settings, engine, &beside(&metrics), &metrics, runtime.handle()).unwrap();
    Running { server, runtime, metrics, gate }
}

/// As without settings: loopback is sent everything, nothing is taken down.
pub(crate) fn beside(metrics: &Metrics) -> Beside {
    let current = Arc::new(ArcSwap::from_pointee(crate::common::Server::new("").snapshot));
    Beside {
        limiter: Arc::new(Limiter::new(&Limits::default())),
        journal: Arc::new(Journal::new(current, metrics.clone())),
    }
}

/// Portable or native, with an engine of the caller's.
pub(crate) fn start_with<E: Answer>(settings: &Settings, engine: E) -> (Server, Runtime, Metrics) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let metrics = Metrics::new();
    let server = Server::start(settings, Arc::new(engine), &beside(&metrics), &metrics, runtime.handle()).unwrap();
    (server, runtime, metrics)
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.server.addresses().to_vec()
    }

    /// Drains it, checks that its counters sum up, and gives them back.
    pub(crate) fn finish(self) -> Counts {
        let (drained, counts) = self.drain(LIMIT);
        assert_eq!(drained, Drained::Complete);
        counts
    }

    /// Drains it within `grace`. The counters sum up only if that was enough.
    pub(crate) fn drain(self, grace: Duration) -> (Drained, Counts) {
        let drained = self.runtime.block_on(self.server.drain(grace));
        let counts = self.metrics.read();
        if drained == Drained::Complete {
            for messages in [counts.udp, counts.tcp] {
                check_sums(&messages);
            }
            assert_eq!(counts.connections.open(), 0, "{counts:?}");
        }
        (drained, counts)
    }
}

#[track_caller]
pub(crate) fn check_sums(messages: &Messages) {
    let answered: u64 = messages.answered.iter().sum();
    let dropped: u64 = messages.dropped.iter().sum();
    assert_eq!(messages.received, answered + dropped + messages.panicked, "{messages:?}");
    assert_eq!(answered, messages.sent + messages.unsent, "{messages:?}");
}

/// Whether `[::1]` can be bound; says so where not.
pub(crate) fn has_ipv6() -> bool {
    let here = UdpSocket::bind("[::1]:0").is_ok();
    if !here {
        println!("skipped: no IPv6 on this machine");
    }
    here
}

/// A UDP client that hears only from the address it asks.
pub(crate) fn udp(server: SocketAddr) -> UdpSocket {
    let from: IpAddr = if server.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

/// Sends a datagram and waits for one.
#[track_caller]
pub(crate) fn ask(client: &UdpSocket, request: &[u8]) -> Vec<u8> {
    client.send(request).unwrap();
    receive(client)
}

#[track_caller]
pub(crate) fn receive(client: &UdpSocket) -> Vec<u8> {
    let mut answer = vec![0; 65_535];
    let length = client.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

/// A TCP client.
pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A message with its length before it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// Reads one message.
#[track_caller]
pub(crate) fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    message
}

/// Asks over TCP and checks the answer.
#[track_caller]
pub(crate) fn exchange(stream: &mut TcpStream, id: u16) {
    stream.write_all(&framed(&request(id, ECHO))).unwrap();
    let destination = stream.peer_addr().unwrap().ip().to_string();
    assert_eq!(read(stream), echo(id, ECHO, &destination, "tcp"));
}

/// Waits for the server to close, which must not come as a reset.
#[track_caller]
pub(crate) fn check_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} octets before the end", rest.len());
}

/// As [`settings`], on the portable listeners.
pub(crate) fn portable(addresses: &[&str]) -> Settings {
    Settings { io: Io::Portable, ..settings(addresses) }
}
