//! Outages, played against the real binary: PoPs that fail under query load, orders of the operator, ten thousand targets
//! of which some flap. What is promised of them (DESIGN §9, SEMANTICS §4.2) is measured on the wire and held.
//!
//! The long ones are for a release build: `cargo test --release --test outages -- --ignored --nocapture --test-threads=1`.
//! Everything is on loopback; PoPs are listeners on addresses of 127.0.0.0/8.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests: a panic is the report")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod flapping;
mod kills;
mod orders;
mod pops;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../daemon/process.rs"]
mod process;
mod wire;

use std::path::Path;

use process::{Daemon, directory, start_in, with_sites};

/// A server of this zone that logs every probe: the moment of a result is in its line.
fn daemon(zone: &str) -> Daemon {
    let directory = with_sites(directory(&[("example.com.yaml", zone)]));
    start_in(directory, &[], &["127.0.0.1:0"], &["--log", "info,catchment::probe=debug"])
}

/// How busy the machine is with other things, for the reader of the figures.
fn machine() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{build} build, {cores} cores, load average {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// Processor time of a process so far, in seconds.
fn processor_time(id: u32) -> f64 {
    let stat = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).unwrap();
    // Behind the name, which may hold anything, in parentheses; hundredths of a second on every Linux.
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
