//! Ten thousand targets of which a twentieth fails at any time, others by turns: what the epochs cost.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::process::{directory, start_in, with_sites};
use crate::{machine, processor_time};

const SERVICES: usize = 500;
const POPS: usize = 20;
const TARGETS: usize = SERVICES * POPS;
/// That many fail at any time.
const FAILING: usize = TARGETS / 20;
/// How long each does: it takes 15 s until it is down, so that most get there, and come back.
const FAILS_FOR: Duration = Duration::from_secs(25);
const SETTLE: Duration = Duration::from_secs(20);
const MEASURE: Duration = Duration::from_secs(40);

#[test]
#[ignore = "two minutes, and wants a release build"]
fn a_twentieth_of_ten_thousand_targets_flaps() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    assert!(hard > TARGETS as u64 + 500, "{hard} open files are allowed, and each target is one");
    // Connections stay in the queues, which hold far more than there will be.
    let bind =
        |index: usize| TcpListener::bind((Ipv4Addr::new(127, 1, (index / 250) as u8, (index % 250) as u8 + 1), 0));
    let mut listeners: Vec<Option<TcpListener>> = (0..TARGETS).map(|index| Some(bind(index).unwrap())).collect();
    let addresses: Vec<_> = listeners.iter().flatten().map(|listener| listener.local_addr().unwrap()).collect();

    let mut zone = "zone: example.com\nns: [ns1]\nchecks: {up: {tcp: {}}}\npops:\n".to_owned();
    for pop in 0..POPS {
        writeln!(zone, "  p{pop}: {{at: [{}, {}]}}", pop * 4, pop * 17 % 180).unwrap();
    }
    zone.push_str("services:\n");
    for service in 0..SERVICES {
        writeln!(zone, "  s{service}:\n    checks: [up]\n    policy: nearest\n    pops:").unwrap();
        for pop in 0..POPS {
            let (index, ip) = (service * POPS + pop, pop + 1);
            writeln!(zone, "      p{pop}: {{ip: 192.0.2.{ip}, probe: \"{}\"}}", addresses[index]).unwrap();
        }
    }
    zone.push_str("records:\n  ns1: {A: 192.0.2.53}\n");
    for service in 0..SERVICES {
        writeln!(zone, "  w{service}: {{steer: s{service}}}").unwrap();
    }
    let directory = with_sites(directory(&[("example.com.yaml", &zone)]));
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);

    println!("{TARGETS} tcp targets of {SERVICES} services at 5 s; {}", machine());
    std::thread::sleep(SETTLE);
    let share = |began: Instant, from: f64| (processor_time(daemon.id()) - from) / began.elapsed().as_secs_f64();
    let (began, from) = (Instant::now(), processor_time(daemon.id()));
    std::thread::sleep(MEASURE);
    let quiet = share(began, from);
    println!("  none flaps: {:.1} % of a core", quiet * 100.0);

    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pick = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % TARGETS
    };
    let tick = FAILS_FOR / FAILING as u32;
    let mut failing = std::collections::VecDeque::new();
    let start = Instant::now();
    let (mut measured, mut kills) = ((start, 0.0), 0u32);
    let (settled, end) = (start + FAILS_FOR + SETTLE, start + FAILS_FOR + SETTLE + MEASURE);
    while Instant::now() < end {
        // One fails, and the one that has failed for longest comes back.
        let index = pick();
        if listeners[index].take().is_some() {
            failing.push_back(index);
        }
        if failing.len() > FAILING {
            let back: usize = failing.pop_front().unwrap();
            listeners[back] = Some(TcpListener::bind(addresses[back]).unwrap());
        }
        kills += 1;
        std::thread::sleep((start + tick * kills).saturating_duration_since(Instant::now()));
        if measured.1 == 0.0 && Instant::now() >= settled {
            measured = (Instant::now(), processor_time(daemon.id()));
        }
    }
    let flapping = share(measured.0, measured.1);
    let seconds = (SETTLE + MEASURE + FAILS_FOR).as_secs();
    let (lines, status) = daemon.stop();
    assert!(status.success());
    let changes = lines.iter().filter(|line| line.contains("target changed")).count() as u64 / seconds;
    let moves = lines.iter().filter(|line| line.contains("clients ")).count() as u64 / seconds;
    println!(
        "  {FAILING} fail at any time: {:.1} % of a core; {changes} changes of state and {moves} of answers a second; {}",
        flapping * 100.0,
        machine()
    );
    println!("  for epochs: {:.1} % of a core", (flapping - quiet) * 100.0);
    assert!(flapping - quiet <= 0.10);
}
