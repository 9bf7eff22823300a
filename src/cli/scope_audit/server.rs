//! The audit of any name server, by DNS over UDP with client subnets: bounded in rate, patient with lost packets.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Answer, Asked, Question, RandomClients as _, Report, Told};
use crate::dns::message::{Header, Reader};
use crate::dns::{FoldedName, Type, edns};
use crate::evaluate::random::Random;
use crate::net::Block;

/// Workers, each with a socket and one query under way.
const WORKERS: u64 = 16;
/// How long an answer may take, and how often a query is sent.
const TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;
/// When so many clients in a row got no answer, nobody is there.
const HOPELESS: u64 = 20;

pub(super) fn audit(
    server: SocketAddr,
    question: &Question,
    samples: u64,
    seed: u64,
    rate: u32,
) -> anyhow::Result<Report> {
    let pace = Pace { next: Mutex::new(Instant::now()), gap: Duration::from_secs(1) / rate };
    let worker = |index: u64| -> anyhow::Result<Report> {
        let mut remote = Remote::new(server, question, &pace)?;
        let mut random = Random::new(seed.wrapping_mul(WORKERS).wrapping_add(index));
        let mut report = Report::default();
        for sample in (index..samples).step_by(WORKERS as usize) {
            let client = anywhere((sample / WORKERS).is_multiple_of(2), &mut random);
            report.probe(&mut remote, client, &mut random)?;
            if report.silent >= HOPELESS && report.answered() == 0 {
                bail!("{server} does not answer");
            }
        }
        Ok(report)
    };
    let mut whole = Report::default();
    std::thread::scope(|scope| {
        let worker = &worker;
        let workers: Vec<_> = (0..WORKERS).map(|index| scope.spawn(move || worker(index))).collect();
        for worker in workers {
            let report = worker.join().map_err(|_| anyhow::anyhow!("a worker failed"))??;
            whole.add(report);
        }
        Ok(whole)
    })
}

/// A client where clients are: the unicast space of IPv4, and what the registries give out of IPv6.
fn anywhere(is_ipv4: bool, random: &mut Random) -> Block {
    let length = random.length(is_ipv4);
    let bits = random.bits();
    if is_ipv4 {
        let first = 1 + random.below(223) as u32;
        return Block::new(IpAddr::V4((first << 24 | bits as u32 >> 8).into()), length);
    }
    let (prefix, given): (u128, u32) = [
        (0x2001 << 112, 16),
        (0x2400 << 112, 12),
        (0x2600 << 112, 12),
        (0x2800 << 112, 12),
        (0x2a00 << 112, 12),
        (0x2c00 << 112, 12),
    ][random.below(6) as usize];
    Block::new(IpAddr::V6((prefix | bits >> given).into()), length)
}

/// At most so many queries per second, over all workers.
struct Pace {
    next: Mutex<Instant>,
    gap: Duration,
}

impl Pace {
    fn wait(&self) {
        let turn = {
            // Whoever panicked with it left a moment behind all the same.
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.gap;
            turn
        };
        std::thread::sleep(turn.saturating_duration_since(Instant::now()));
    }
}

struct Remote<'a> {
    socket: UdpSocket,
    question: &'a Question,
    pace: &'a Pace,
    /// Of the last query. It stays the same from probe to probe: servers that deal by it deal alike.
    id: u16,
    buffer: Vec<u8>,
}

impl<'a> Remote<'a> {
    fn new(server: SocketAddr, question: &'a Question, pace: &'a Pace) -> anyhow::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server).with_context(|| format!("{server} cannot be reached"))?;
        let id = socket.local_addr()?.port();
        Ok(Self { socket, question, pace, id, buffer: vec![0; 4096] })
    }

    /// The answer to this request, whatever else arrives meanwhile.
    fn receive(&mut self, client: Block, until: Instant) -> anyhow::Result<Option<Told>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            let length = match self.socket.recv(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                // Nobody listens there now; the next attempt may find someone.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)));
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            let octets = self.buffer.get(..length).unwrap_or_default();
            if let Some(told) = read(octets, self.id, self.question, client) {
                return Ok(Some(told));
            }
        }
    }
}

impl Asked for Remote<'_> {
    fn ask(&mut self, client: Block) -> anyhow::Result<Option<Told>> {
        let mut request = head(self.question, self.id);
        put_subnet(client, &mut request);
        for _ in 0..ATTEMPTS {
            self.pace.wait();
            match self.socket.send(&request) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(told) = self.receive(client, Instant::now() + TIMEOUT)? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    fn words(&self, answer: &Answer) -> String {
        let mut words = Vec::new();
        let mut rest = &answer.octets[1..];
        while let [t0, t1, l0, l1, after @ ..] = rest {
            let rtype = Type(u16::from_be_bytes([*t0, *t1]));
            let length = usize::from(u16::from_be_bytes([*l0, *l1])).min(after.len());
            let (data, next) = after.split_at(length);
            words.push(super::files::show(rtype, data));
            rest = next;
        }
        shown(answer.octets[0].into(), &words)
    }
}

/// A request without its client subnet: header, question, and OPT up to its length.
pub(super) fn head(question: &Question, id: u16) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    octets.extend_from_slice(question.name.as_wire());
    octets.extend_from_slice(&question.rtype.0.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    // OPT with a payload of 1232 octets (RFC 6891 §6.1.2).
    octets.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0]);
    octets
}

/// The client subnet (RFC 7871 §6) as the only option.
pub(super) fn put_subnet(client: Block, request: &mut Vec<u8>) {
    let length = client.length();
    let count = usize::from(length.div_ceil(8));
    let (family, octets) = match client.address() {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            (1, octets)
        }
        IpAddr::V6(address) => (2, address.octets()),
    };
    request.extend_from_slice(&[0, count as u8 + 8, 0, 8, 0, count as u8 + 4, 0, family, length, 0]);
    request.extend_from_slice(&octets[..count]);
}

/// Reads a response; `None` when it is not one to this question. What is compared is RCODE, then type and data of the
/// records of the answer section, in one order whatever theirs was: many servers rotate them.
fn read(octets: &[u8], id: u16, question: &Question, client: Block) -> Option<Told> {
    let header = Header::read(octets)?;
    if header.id != id || !header.is_response() {
        return None;
    }
    let [questions, answers, authorities, additionals] = header.counts;
    let mut reader = Reader::new(octets, crate::dns::message::HEADER);
    let mut name = FoldedName::new();
    if questions != 1 {
        return None;
    }
    reader.take_name(&mut name)?;
    let asked = (name.as_wire(), reader.take_u16()?, reader.take_u16()?);
    if asked != (FoldedName::of(&question.name).as_wire(), question.rtype.0, 1) {
        return None;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        let record = reader.take_record()?;
        let mut data = record.rtype.0.to_be_bytes().to_vec();
        let rdata = if record.rtype == Type::CNAME {
            expand(octets, reader.at() - record.rdata.len())?
        } else {
            record.rdata.to_vec()
        };
        data.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        data.extend_from_slice(&rdata);
        records.push(data);
    }
    records.sort_unstable();
    for _ in 0..authorities {
        reader.take_record()?;
    }
    let mut scope = None;
    for _ in 0..additionals {
        let record = reader.take_record()?;
        if record.rtype == Type::OPT {
            scope = scope_of(record.rdata, client);
        }
    }
    let mut all = vec![(header.flags & 15) as u8];
    all.extend(records.concat());
    Some(Told { scope, answer: Answer { octets: all.into(), decision: 0, dealt: false } })
}

/// The scope that is told for this client subnet; one for another is as none.
fn scope_of(options: &[u8], client: Block) -> Option<u8> {
    let mut rest = options;
    while let [c0, c1, l0, l1, after @ ..] = rest {
        let (data, next) = after.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        if u16::from_be_bytes([*c0, *c1]) == edns::code::ECS {
            let mut sent = Vec::new();
            put_subnet(client, &mut sent);
            let [f0, f1, source, scope, address @ ..] = data else { return None };
            let same = sent.get(6..9) == Some(&[*f0, *f1, *source]) && sent.get(10..) == Some(address);
            return same.then_some(*scope);
        }
        rest = next;
    }
    None
}

/// A name that may point back into its message (RFC 1035 §4.1.4), without pointers.
fn expand(octets: &[u8], at: usize) -> Option<Vec<u8>> {
    let (mut name, mut at, mut last) = (Vec::new(), at, at);
    loop {
        match usize::from(*octets.get(at)?) {
            0 => {
                name.push(0);
                return Some(name);
            }
            length @ 1..=63 => {
                name.extend_from_slice(octets.get(at..=at + length)?);
                at += 1 + length;
            }
            high @ 0xc0.. => {
                let to = (high & 0x3f) << 8 | usize::from(*octets.get(at + 1)?);
                // Only ever back, so that it ends.
                if to >= last {
                    return None;
                }
                (at, last) = (to, to);
            }
            _ => return None,
        }
        if name.len() > crate::dns::name::MAX_NAME {
            return None;
        }
    }
}

fn shown(rcode: u16, records: &[String]) -> String {
    match (rcode, records.is_empty()) {
        (0, false) => records.join(", "),
        (0, true) => "no records".to_owned(),
        (rcode, _) => crate::dns::Rcode(rcode).to_string(),
    }
}

/// A message that is ours, without its OPT, as words: the records of its answer section.
pub(super) fn words(octets: &[u8], rtype: Type) -> String {
    let read = || -> Option<String> {
        let header = Header::read(octets)?;
        let mut reader = Reader::new(octets, crate::dns::message::HEADER);
        reader.skip_name()?;
        reader.take(4)?;
        let mut records = Vec::new();
        for _ in 0..header.counts[1] {
            let record = reader.take_record()?;
            if record.rtype == rtype {
                records.push(super::files::show(rtype, record.rdata));
            }
        }
        Some(shown(header.flags & 15, &records))
    };
    read().unwrap_or_else(|| "?".to_owned())
}
