//! What probing a large plan costs. Run by hand, in release:
//! `cargo test --release --test probe load -- --ignored --nocapture`.
#![expect(clippy::print_stdout, reason = "the figures are what this is for")]
#![expect(clippy::cast_precision_loss, reason = "a few thousand probes are counted")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use catchment::health::{Check, CheckKind, Http, Target, Tls};
use catchment::probe::Prober;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use tokio::net::TcpListener;

use crate::support::*;

/// Longer than three intervals, so that the phases have spread.
const SETTLE: Duration = Duration::from_secs(17);
const MEASURE: Duration = Duration::from_secs(20);

/// Processor time of this thread: of the prober, whose runtime has it alone.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.cast_unsigned())
}

/// Probes `count` targets at these listeners every 5 s and prints the share of a core that takes. The listeners have
/// threads of their own, which are not counted.
fn measure(name: &str, count: usize, addresses: &[SocketAddr], kind: &CheckKind) -> f64 {
    // Each thousand has a check of its own, or equal targets would be one.
    let target = |number: usize| {
        let check = Check { fall: (number / addresses.len()) as u32 + 1, ..Check::new(kind.clone()) };
        Target { address: addresses[number % addresses.len()], check }
    };
    let targets: Vec<Target> = (0..count).map(target).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let prober = Prober::start(&catchment::probe::Settings::default()).unwrap();
        prober.replace(1, targets);
        tokio::time::sleep(SETTLE).await;
        let totals = |prober: &Prober| prober.report().iter().map(|report| report.totals.good).sum::<u64>();
        let (before, began, from) = (totals(&prober), Instant::now(), cpu());
        tokio::time::sleep(MEASURE).await;
        let (used, took) = (cpu().saturating_sub(from), began.elapsed());
        let probes = totals(&prober) - before;
        let pulse = prober.pulse();
        let share = used.as_secs_f64() / took.as_secs_f64();
        println!(
            "{count} {name} targets at 5 s: {:.1} % of a core, {:.0} probes/s, {:.1} µs each, late {}, in flight {}",
            share * 100.0,
            probes as f64 / took.as_secs_f64(),
            used.as_secs_f64() * 1e6 / probes as f64,
            pulse.late,
            pulse.in_flight,
        );
        let bad: u64 = prober.report().iter().map(|report| report.totals.bad + report.totals.unable).sum();
        assert_eq!(bad, 0);
        assert_eq!(pulse.late, 0);
        share
    })
}

/// Listeners on a thread of their own: plain ones, or with TLS.
fn listeners<F>(count: usize, serve: impl Fn(tokio::net::TcpStream) -> F + Copy + Send + 'static) -> Vec<SocketAddr>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for _ in 0..count {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream));
                    }
                });
            }
            drop(tell);
            std::future::pending::<()>().await;
        });
    });
    told.iter().collect()
}

fn raise_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

#[test]
#[ignore = "takes 40 s and wants a quiet machine and a release build"]
fn load_of_ten_thousand_tcp_targets() {
    raise_descriptors();
    let addresses = listeners(100, |_| async {});
    let share = measure("tcp", 10_000, &addresses, &CheckKind::Tcp);
    assert!(share <= 0.2, "{share}");
}

#[test]
#[ignore = "takes 40 s and wants a quiet machine and a release build"]
fn load_of_a_thousand_https_targets() {
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(https_server("www.example.com", |_| {}, None));
    let http = Http { host: Some("www.example.com".to_owned()), ..Http::default() };
    // The certificate is the test's own; a verified chain costs two more signatures.
    let kind = CheckKind::Https(http, Tls { verify: false, ..Tls::default() });
    measure("https", 1000, &[address], &kind);
}
