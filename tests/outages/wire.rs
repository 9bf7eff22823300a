//! Questions, answers and moments on the wire.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds of the day (UTC), as the log's own clock has them.
pub(crate) fn now_us() -> u64 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() % u128::from(DAY_US)) as u64
}

/// The moment of a log line: `2026-11-22T18:00:00.123456Z …`.
pub(crate) fn moment_us(line: &str) -> u64 {
    let time = line.split(['T', 'Z']).nth(1).unwrap();
    let mut parts = time.split([':', '.']).map(|part| part.parse::<u64>().unwrap());
    let mut part = || parts.next().unwrap();
    ((part() * 60 + part()) * 60 + part()) * 1_000_000 + part()
}

/// From one moment of the day to a later one, over midnight too. Less than half a day back counts as negative.
pub(crate) fn between_us(from: u64, to: u64) -> i64 {
    let forward = (to + DAY_US - from) % DAY_US;
    if forward > DAY_US / 2 { forward.cast_signed() - DAY_US.cast_signed() } else { forward.cast_signed() }
}

const DAY_US: u64 = 86_400_000_000;

/// Asks one server for A records, without an OPT: so the last four octets of an answer are the address.
pub(crate) struct Client {
    socket: UdpSocket,
    id: u16,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket, id: 0 }
    }

    /// The address it is told; `None` when no answer came in time.
    pub(crate) fn ask(&mut self, question: &[u8]) -> Option<Ipv4Addr> {
        self.id = self.id.wrapping_add(1);
        let mut request = question.to_vec();
        request[..2].copy_from_slice(&self.id.to_be_bytes());
        self.socket.send(&request).unwrap();
        let mut answer = [0; 512];
        loop {
            let length = self.socket.recv(&mut answer).ok()?;
            if answer[..2] == self.id.to_be_bytes() {
                return Some(address(&answer[..length]));
            }
        }
    }
}

/// A question for the A records of a name, id 0.
pub(crate) fn question(name: &str) -> Vec<u8> {
    let mut octets = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

#[track_caller]
fn address(answer: &[u8]) -> Ipv4Addr {
    assert_eq!((answer[3] & 15, &answer[6..8]), (0, &[0, 1][..]), "NOERROR and one answer: {answer:?}");
    let octets: [u8; 4] = answer[answer.len() - 4..].try_into().unwrap();
    octets.into()
}

/// A name that is asked for steadily, and whether its clients are where they belong.
pub(crate) struct Name {
    pub(crate) question: Vec<u8>,
    pub(crate) home: Ipv4Addr,
    /// Even: its PoP is well, so every answer must be `home`. Goes up by one with each change.
    pub(crate) unsettled: AtomicU64,
}

/// What the steady load saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// Answers for clients of PoPs that are well, and …
    pub(crate) settled: u64,
    /// … those of them that sent the client elsewhere.
    pub(crate) astray: u64,
}

/// Asks for all names in turn, some 8,000 times a second, until told to stop and at most for `limit`.
pub(crate) fn load(
    server: SocketAddr,
    names: Arc<Vec<Name>>,
    stop: Arc<AtomicBool>,
    limit: Duration,
) -> JoinHandle<Seen> {
    const TICK: Duration = Duration::from_millis(1);
    const AT_ONCE: u64 = 8;
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut seen = Seen::default();
        // By id: which name, and what its count was.
        let mut asked = vec![(0usize, 1u64); 1 << 16];
        let take = |seen: &mut Seen, asked: &[(usize, u64)]| {
            let mut answer = [0; 512];
            while let Ok(length) = socket.recv(&mut answer) {
                seen.answered += 1;
                let (index, before) = asked[usize::from(u16::from_be_bytes([answer[0], answer[1]]))];
                let name = &names[index];
                if before % 2 == 0 && name.unsettled.load(Ordering::SeqCst) == before {
                    seen.settled += 1;
                    seen.astray += u64::from(address(&answer[..length]) != name.home);
                }
            }
        };
        for _ in 0..limit.as_millis() {
            for _ in 0..AT_ONCE {
                let (id, index) = (seen.sent as u16, seen.sent as usize % names.len());
                let mut request = names[index].question.clone();
                request[..2].copy_from_slice(&id.to_be_bytes());
                asked[usize::from(id)] = (index, names[index].unsettled.load(Ordering::SeqCst));
                // A full buffer is a query less.
                seen.sent += u64::from(socket.send(&request).is_ok());
            }
            std::thread::sleep(TICK);
            take(&mut seen, &asked);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        // What is still under way.
        for _ in 0..1000 {
            if seen.answered == seen.sent {
                break;
            }
            std::thread::sleep(TICK);
            take(&mut seen, &asked);
        }
        seen
    })
}
