//! Queries at a steady rate, sent on time whatever comes back; every answer is read and judged.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::edits::Edits;

/// What no answer may be older than.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    zone: Arc<AtomicU16>,
    fleet: Arc<AtomicU16>,
}

impl Truth {
    /// All that was written well is in force.
    pub(crate) fn taken_up(&self, edits: &Edits) {
        self.zone.store(edits.zone, Ordering::SeqCst);
        self.fleet.store(edits.fleet, Ordering::SeqCst);
    }
}

/// What is asked for: the name, and whether its version is the fleet's.
const NAMES: [(&str, bool); 3] = [("plain", false), ("www", true), ("alias", false)];

/// A query under way.
#[derive(Debug, Default)]
struct Slot {
    /// When it was due, in microseconds of the run, and one more; 0 is none.
    due: AtomicU64,
    floor: AtomicU16,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// By the kernel, for want of room in the server's and the client's receive buffers.
    pub(crate) dropped: u64,
    /// Different versions in answers.
    pub(crate) generations: usize,
    /// Microseconds from when a query was due to its answer, sorted.
    latencies: Vec<u32>,
}

impl Seen {
    pub(crate) fn lost(&self) -> u64 {
        self.sent - self.answered
    }

    pub(crate) fn dropped_share(&self) -> f64 {
        self.dropped as f64 / self.sent as f64
    }

    /// The latency that so many of a thousand answers do not exceed, in microseconds.
    pub(crate) fn at(&self, permille: usize) -> u32 {
        let index = self.latencies.len() * permille / 1000;
        self.latencies[index.min(self.latencies.len() - 1)]
    }

    pub(crate) fn told(&self) -> String {
        format!(
            "{} queries, {} not answered, {} dropped by the kernel; p50 {} µs, p99 {} µs, p99.9 {} µs, worst {} µs; {} versions",
            self.sent,
            self.lost(),
            self.dropped,
            self.at(500),
            self.at(990),
            self.at(999),
            self.at(1000),
            self.generations
        )
    }
}

/// Load that runs.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<Seen>,
    sent: Arc<AtomicU64>,
    /// Kept open, as the kernel's counters go with it.
    _socket: UdpSocket,
    ports: [u16; 2],
    drops: u64,
}

impl Load {
    /// Asks `server` so many times a second.
    pub(crate) fn start(server: SocketAddr, per_second: u64, truth: Truth) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        // As much as the system gives without asking for more rights.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let ports = [server.port(), socket.local_addr().unwrap().port()];
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let slots: Arc<Vec<Slot>> = Arc::new((0..1 << 16).map(|_| Slot::default()).collect());
        let begun = Instant::now();
        let kept = socket.try_clone().unwrap();
        let receiver = {
            let (socket, slots, stop, sent) =
                (socket.try_clone().unwrap(), Arc::clone(&slots), Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || receive(&socket, &slots, &stop, &sent, begun))
        };
        let sender = {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || send(&socket, &slots, &truth, &stop, &sent, per_second, begun))
        };
        Self { stop, sender, receiver, sent, _socket: kept, ports, drops: drops(ports) }
    }

    /// Lets it run for a time longer, waits for what is under way, and tells what was seen.
    pub(crate) fn stop_after(self, time: Duration) -> Seen {
        std::thread::sleep(time);
        // The receiver waits for what was sent before; the sender must have stopped by then.
        self.stop.store(true, Ordering::SeqCst);
        let sent = self.sender.join().unwrap();
        assert_eq!(sent, self.sent.load(Ordering::SeqCst));
        let seen = self.receiver.join().unwrap();
        Seen { sent, dropped: drops(self.ports) - self.drops, ..seen }
    }
}

fn send(
    socket: &UdpSocket,
    slots: &[Slot],
    truth: &Truth,
    stop: &AtomicBool,
    sent: &AtomicU64,
    per_second: u64,
    begun: Instant,
) -> u64 {
    let requests = NAMES.map(|(name, _)| question(name));
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let due = begun.elapsed().as_micros() as u64 * per_second / 1_000_000;
        while number < due {
            let (id, which) = (number as u16, number as usize % NAMES.len());
            let slot = &slots[usize::from(id)];
            let floor = if NAMES[which].1 { &truth.fleet } else { &truth.zone };
            slot.floor.store(floor.load(Ordering::SeqCst), Ordering::Relaxed);
            slot.due.store((number + 1) * 1_000_000 / per_second + 1, Ordering::Release);
            let mut request = requests[which].clone();
            request[..2].copy_from_slice(&id.to_be_bytes());
            socket.send(&request).unwrap();
            number += 1;
            sent.store(number, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    number
}

fn receive(socket: &UdpSocket, slots: &[Slot], stop: &AtomicBool, sent: &AtomicU64, begun: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut versions = HashSet::new();
    let mut answer = [0; 512];
    let mut silent = 0;
    // Half a second of silence after the end is the end.
    while !(stop.load(Ordering::SeqCst) && (seen.answered == sent.load(Ordering::SeqCst) || silent > 25)) {
        let Ok(length) = socket.recv(&mut answer) else {
            silent += 1;
            continue;
        };
        silent = 0;
        let now = begun.elapsed().as_micros() as u64;
        let id = u16::from_be_bytes([answer[0], answer[1]]);
        let slot = &slots[usize::from(id)];
        let due = slot.due.swap(0, Ordering::Acquire);
        assert_ne!(due, 0, "an answer to nothing, or a second one");
        seen.answered += 1;
        seen.latencies.push((now + 1).saturating_sub(due) as u32);
        // An echo server says what it was asked.
        if answer[2] & 0x80 != 0 {
            let version = judge(&answer[..length]);
            let floor = slot.floor.load(Ordering::Relaxed);
            assert!(version >= floor, "version {version} after {floor} was taken up");
            versions.insert((answer[13], version));
        }
    }
    seen.generations = versions.len();
    seen.latencies.sort_unstable();
    seen
}

/// The one version that an answer is made from.
#[track_caller]
fn judge(answer: &[u8]) -> u16 {
    assert_eq!(answer[3] & 15, 0, "NOERROR: {answer:?}");
    let count = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
    let addresses = if count == 4 { 3 } else { count };
    assert_eq!((addresses, answer.len() > 60), (3, true), "three addresses: {answer:?}");
    // The last three records are A with compressed names: 16 octets each, the address last.
    let mut versions = answer[answer.len() - 48..].chunks(16).map(|record| {
        assert_eq!(record[2..4], [0, 1], "an A record: {answer:?}");
        u16::from_be_bytes([record[13], record[14]])
    });
    let first = versions.next().unwrap();
    assert!(versions.all(|version| version == first), "mixed generations: {answer:?}");
    assert_eq!(first % 2, 0, "of a broken file: {answer:?}");
    first
}

/// A question for A of a name in the zone, without an OPT, id 0.
fn question(name: &str) -> Vec<u8> {
    let mut octets = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [name, "example", "com"] {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

/// Datagrams that the kernel dropped at the sockets of these ports so far.
fn drops(ports: [u16; 2]) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let of = |line: &str| -> Option<u64> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(words.get(1)?.rsplit(':').next()?, 16).ok()?;
        if ports.contains(&port) { words.last()?.parse().ok() } else { None }
    };
    table.lines().filter_map(of).sum()
}

/// The simplest server there is: what the machine itself does to latencies and buffers.
pub(crate) struct Echo {
    socket: UdpSocket,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (socket, stop) = (socket.try_clone().unwrap(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut datagram = [0; 512];
                while !stop.load(Ordering::SeqCst) {
                    if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                        socket.send_to(&datagram[..length], from).unwrap();
                    }
                }
            })
        };
        Self { socket, stop, thread: Mutex::new(Some(thread)) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.lock().unwrap().take() {
            thread.join().unwrap();
        }
    }
}
