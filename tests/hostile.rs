//! Load of the hostile kind against the real binary: `.ci/full.d/40-hostile` runs this in a release build.
//!
//! A million mutated packets over UDP, a hundred thousand over TCP, and ten thousand idle connections of one client. The
//! generator has a fixed seed, so a run can be repeated; what it mutates are the seeds of `fuzz/`.

#![expect(clippy::unwrap_used, reason = "a panic here is the report")]

#[allow(dead_code, clippy::print_stdout, reason = "shared with the daemon's tests, which use all of it")]
#[path = "daemon/process.rs"]
mod process;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use process::{Daemon, LIMIT, directory, over_tcp, over_udp, query, start_in};

use hickory_proto::rr::RecordType;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

const UDP_PACKETS: usize = 1_000_000;
const TCP_PACKETS: usize = 100_000;
/// Messages on one connection.
const PER_CONNECTION: usize = 50;
/// Packets between two questions that must be answered; so many fit into a socket's receive buffer.
const PER_QUESTION: usize = 100;
/// Growth of resident memory that is no leak: allocator pools of threads that had nothing to do before.
const GROWTH_KIB: u64 = 8 * 1024;
const IDLE: usize = 10_000;
/// Clients by their address: whoever attacks, and whoever just wants an answer.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// A question under the load is answered within this.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the seeds ask for.
const ZONE: &str = "\
zone: example.com
ttl: 5m
soa: {mname: ns1, rname: hostmaster, serial: 7, minimum: 60s}
ns: [ns1]
records:
  \"@\": {MX: 10 mail}
  ns1: {A: 192.0.2.53}
  mail: {AAAA: \"2001:db8::25\"}
  www: {A: 192.0.2.1, AAAA: \"2001:db8::1\"}
  alias: {CNAME: www}
  loop: {CNAME: loop}
  old: {DNAME: new}
  up: {DNAME: up.up}
  x.new: {CNAME: alias}
  \"*.wild\": {CNAME: x.wild}
  e.n.t: {CAA: '0 issue \"ca.example\"'}
  sub: {NS: [ns.sub, ns.sib]}
  ns.sub: {A: 192.0.2.60}
  sib: {NS: ns.sib}
  ns.sib: {A: 192.0.2.61}
";

/// splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}

/// Requests to mutate.
fn seeds() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/message");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 20);
    seeds
}

/// A seed with one to four changes: a bit, an octet, a count, something cut, doubled, moved, or from another seed.
fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut packet = seeds[chance.below(seeds.len())].clone();
    // Mostly one change, and mostly one that keeps the length: most others end as FORMERR.
    for _ in 0..=chance.below(2) * chance.below(4) {
        let at = chance.below(packet.len());
        let end = (at + 1 + chance.below(20)).min(packet.len());
        match chance.below(18) {
            _ if packet.is_empty() => {}
            0..6 => packet[at] ^= 1 << chance.below(8),
            6..9 => packet[at] = [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff][chance.below(7)],
            9..12 => packet[at] = chance.below(256) as u8,
            12 if packet.len() > 11 => packet[4 + chance.below(8)] = chance.below(256) as u8,
            13 => packet.truncate(at),
            14 => drop(packet.drain(at..end)),
            15 => {
                let copy = packet[at..end].to_vec();
                packet.splice(at..at, copy);
            }
            16 => packet.splice(at..at, (0..chance.below(600)).map(|i| i as u8)).for_each(drop),
            _ => {
                let other = &seeds[chance.below(seeds.len())];
                packet.truncate(at);
                packet.extend(&other[at.min(other.len())..]);
            }
        }
    }
    packet
}

fn start(settings: &str) -> Daemon {
    let directory = directory(&[("example.com.yaml", ZONE)]);
    std::fs::write(directory.path().join("catchment.yaml"), settings).unwrap();
    start_in(directory, &[], &["127.0.0.1:0"], &[])
}

/// Resident memory of a process in KiB.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends mutated packets over UDP. Every hundred, a question whose answer shows that all before it were read: they went
/// through one socket to one thread, in order. Gives the number of answers by RCODE.
fn udp_load(server: SocketAddr, count: usize, seed: u64) -> [usize; 16] {
    let (seeds, mut chance, www) = (seeds(), Chance(seed), query("www.example.com.", RecordType::A));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = vec![0; 65_535];
    let mut rcodes = [0; 16];
    for round in 0..count.div_ceil(PER_QUESTION) {
        for _ in 0..PER_QUESTION {
            socket.send(&mutated(&seeds, &mut chance)).unwrap();
        }
        let question = [&(round as u16).to_be_bytes(), &www[2..]].concat();
        socket.send(&question).unwrap();
        loop {
            let length = socket.recv(&mut answer).unwrap();
            assert!((12..=1232).contains(&length) && answer[2] & 0x80 != 0, "{:02x?}", &answer[..length]);
            if answer[..2] == question[..2] && answer[12..question.len() - 11] == question[12..question.len() - 11] {
                break;
            }
            rcodes[usize::from(answer[3] & 15)] += 1;
        }
    }
    rcodes
}

/// Packets that the kernel dropped before the server read them (`drops`, the last column of /proc/net/udp).
fn unread(server: SocketAddr) -> u64 {
    let port = format!(":{:04X}", server.port());
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let drops = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let drops: Vec<u64> = drops
        .filter(|words| words.get(1).is_some_and(|local| local.ends_with(&port)))
        .map(|words| words.last().unwrap().parse().unwrap())
        .collect();
    assert!(!drops.is_empty(), "the server's sockets are in the table");
    drops.iter().sum()
}

/// Sends mutated messages over TCP, connection after connection. All answers are read; one connection in ten also lies
/// about a length.
fn tcp_load(server: SocketAddr, count: usize, seed: u64) {
    let (seeds, mut chance, www) = (seeds(), Chance(seed), query("www.example.com.", RecordType::A));
    for connection in 0..count.div_ceil(PER_CONNECTION) {
        let mut octets = Vec::new();
        for _ in 0..PER_CONNECTION {
            let message = mutated(&seeds, &mut chance);
            octets.extend((message.len() as u16).to_be_bytes());
            octets.extend(message);
        }
        let lies = connection % 10 == 0;
        if lies {
            let at = chance.below(octets.len());
            octets[at] ^= 0xff;
        }
        octets.extend((www.len() as u16).to_be_bytes());
        octets.extend(&www);
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut sender = stream.try_clone().unwrap();
        let sent = std::thread::spawn(move || {
            let sent = sender.write_all(&octets);
            let _ = sender.shutdown(std::net::Shutdown::Write);
            sent
        });
        let mut answers = Vec::new();
        match stream.read_to_end(&mut answers) {
            Ok(_) => {}
            Err(error) => assert!(lies && error.kind() == ErrorKind::ConnectionReset, "{error}"),
        }
        let sent = sent.join().unwrap();
        if !lies {
            sent.unwrap();
            let last = last_message(&answers);
            assert_eq!(last[..2], www[..2], "the question behind the garbage is answered");
            assert_eq!(last[3] & 15, 0);
        }
    }
}

/// The last of framed messages, which must be whole.
fn last_message(mut octets: &[u8]) -> &[u8] {
    let mut last = octets;
    while let Some((length, rest)) = octets.split_first_chunk::<2>() {
        (last, octets) = rest.split_at(u16::from_be_bytes(*length).into());
    }
    last
}

#[test]
#[ignore = "minutes of load; run by .ci/full.d/40-hostile"]
fn a_million_mutated_packets() {
    let daemon = start("");
    let server = daemon.address();
    let question = query("www.example.com.", RecordType::A);
    let answer = over_udp(server, &question);
    // Warm: every thread has its stack and pools.
    udp_load(server, UDP_PACKETS / 20, 1);
    tcp_load(server, TCP_PACKETS / 20, 2);
    let before = resident(&daemon);
    let begun = Instant::now();
    let rcodes = std::thread::scope(|scope| {
        let loads = [3, 4].map(|seed| scope.spawn(move || udp_load(server, UDP_PACKETS / 2, seed)));
        let [one, two] = loads.map(|load| load.join().unwrap());
        std::array::from_fn::<usize, 16, _>(|rcode| one[rcode] + two[rcode])
    });
    let (udp_took, after_udp, begun) = (begun.elapsed(), resident(&daemon), Instant::now());
    tcp_load(server, TCP_PACKETS, 5);
    let after = resident(&daemon);
    assert_eq!(unread(server), 0, "every packet was read");
    println!(
        "{UDP_PACKETS} mutated packets over UDP in {udp_took:.1?} (answers by RCODE: {rcodes:?}), {TCP_PACKETS} over TCP in {:.1?}; resident memory \
         {before} KiB before, {after_udp} KiB after UDP, {after} KiB after TCP",
        begun.elapsed()
    );
    assert_eq!(over_udp(server, &question), answer, "the same answer as before");
    assert_eq!(over_tcp(server, &question), answer);
    assert!(after <= before + GROWTH_KIB, "resident memory grew from {before} to {after} KiB");
    let (lines, status) = daemon.stop();
    assert!(status.success(), "{status}");
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
}

/// A TCP socket from one of this machine's loopback addresses.
fn connect_from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into()).unwrap();
    socket.connect_timeout(&server.into(), PATIENCE).unwrap();
    socket.into()
}

/// Asks from [`CLIENT`] over TCP and UDP; how long each took.
fn ask_both(server: SocketAddr, question: &[u8]) -> [Duration; 2] {
    let begun = Instant::now();
    let mut stream = connect_from(CLIENT, server);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[&(question.len() as u16).to_be_bytes()[..], question].concat()).unwrap();
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(answer).into()];
    stream.read_exact(&mut answer).unwrap();
    let over_tcp = begun.elapsed();
    let begun = Instant::now();
    let socket = UdpSocket::bind((CLIENT, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(question).unwrap();
    let mut again = [0; 1232];
    let length = socket.recv(&mut again).unwrap();
    assert_eq!(again[..length], answer);
    assert_eq!((answer[3] & 15, answer[7] > 0), (0, true), "an answer with records");
    [over_tcp, begun.elapsed()]
}

/// Opens the idle connections, asking on the way and afterwards. How many the server holds open at the end, and a report.
fn idle_connections(title: &str, settings: &str) -> (usize, String) {
    let daemon = start(settings);
    let (server, question) = (daemon.address(), query("www.example.com.", RecordType::A));
    let (mut idle, mut times) = (Vec::with_capacity(IDLE), Vec::new());
    let before = resident(&daemon);
    for opened in 1..=IDLE {
        idle.push(connect_from(ATTACKER, server));
        if opened % 100 == 0 {
            times.push(ask_both(server, &question));
        }
    }
    times.extend((0..200).map(|_| ask_both(server, &question)));
    let open = idle
        .iter()
        .filter(|stream| {
            stream.set_nonblocking(true).unwrap();
            matches!((&mut &**stream).read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
        })
        .count();
    let mut medians = [0, 1].map(|which| times.iter().map(|time| time[which]).collect::<Vec<_>>());
    for times in &mut medians {
        times.sort();
    }
    let [tcp, udp] = medians;
    let report = format!(
        "{IDLE} idle connections of one client, {title}: {open} open at the end; another client's {} questions: TCP median \
         {:.2?}, worst {:.2?}, UDP median {:.2?}, worst {:.2?}; resident memory {before} KiB before, {} KiB with them",
        times.len(),
        tcp[tcp.len() / 2],
        tcp[tcp.len() - 1],
        udp[udp.len() / 2],
        udp[udp.len() - 1],
        resident(&daemon)
    );
    drop(idle);
    assert!(daemon.stop().1.success());
    (open, report)
}

#[test]
#[ignore = "needs 10,000 descriptors; run by .ci/full.d/40-hostile"]
fn ten_thousand_idle_connections() {
    let wanted = IDLE as u64 + 500;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= wanted, "this machine allows {hard} descriptors; the test needs {wanted}");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).unwrap();
    let (open, report) = idle_connections("default limits", "");
    println!("{report}");
    assert!((1..=100).contains(&open), "per_client: 100, {open} are open");
    let settings = "tcp: {connections: 12000, per_client: 11000, idle: 10m}\n";
    let (open, report) = idle_connections("limits that let them all in", settings);
    println!("{report}");
    assert_eq!(open, IDLE);
}
