//! The prober as a whole: plans, rounds, limits.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catchment::health::{Check, CheckKind, State, Target};
use catchment::probe::{Prober, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::support::*;

#[tokio::test]
async fn a_target_goes_down_and_comes_back_alone() {
    let (one, other) = (Switch::on("127.0.0.1:0".parse().unwrap()).await, server(|_| async {}).await);
    let prober = prober(Vec::new());
    prober.replace(7, [one.address, other].map(|address| Target { address, check: often(CheckKind::Tcp) }).to_vec());
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.good, round.untried), (2, 2, 0));
    assert_eq!(prober.states(), (7, vec![State::Up, State::Up]));
    let address = one.off().await;
    wait_for(&prober, &[State::Down, State::Up]).await;
    let report = prober.report().remove(0);
    assert!(report.failures >= 3, "{report:?}");
    assert_eq!(report.last.unwrap().observation.words, "connection refused");
    assert!(report.next_probe <= Duration::from_millis(100));
    let one = Switch::on(address).await;
    wait_for(&prober, &[State::Up, State::Up]).await;
    assert_eq!(prober.report()[0].failures, 0);
    assert!(prober.pulse().oldest_result.unwrap() < PATIENCE);
    prober.stop(Duration::from_secs(1)).await;
    one.off().await;
}

#[tokio::test]
async fn a_new_plan_keeps_states_and_stops_what_it_has_not() {
    let dead = nobody().await;
    let ((leaves, mut leaving), (stays, mut staying)) = (counting().await, counting().await);
    let prober = prober(Vec::new());
    let plan = |list: &[SocketAddr], check: &Check| {
        list.iter().map(|&address| Target { address, check: check.clone() }).collect::<Vec<_>>()
    };
    prober.replace(1, plan(&[dead, leaves, stays], &often(CheckKind::Tcp)));
    wait_for(&prober, &[State::Down, State::Up, State::Up]).await;
    let mut changes = prober.changes();
    changes.borrow_and_update();

    // Another order, another threshold: known at once, and the tick tells.
    prober.replace(2, plan(&[stays, dead, leaves], &Check { fall: 5, ..often(CheckKind::Tcp) }));
    assert!(changes.has_changed().unwrap());
    assert_eq!(prober.states(), (2, vec![State::Up, State::Down, State::Up]));

    // Gone from the plan: while the one that stays is probed five times, nothing comes to it.
    prober.replace(3, plan(&[stays], &often(CheckKind::Tcp)));
    assert_eq!(prober.states(), (3, vec![State::Up]));
    // Connections that stood before the plan came may still be in the server's queue.
    let next = async |visits: &mut mpsc::UnboundedReceiver<()>| timeout(PATIENCE, visits.recv()).await.unwrap();
    while staying.try_recv().is_ok() {}
    next(&mut staying).await;
    while leaving.try_recv().is_ok() {}
    for _ in 0..5 {
        next(&mut staying).await;
    }
    assert!(leaving.try_recv().is_err());

    prober.replace(4, Vec::new());
    assert_eq!(prober.states(), (4, Vec::new()));
    assert_eq!(prober.first_round(PATIENCE).await.targets, 0);
}

#[tokio::test]
async fn a_probe_under_way_ends_with_its_target() {
    let (arrived, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let events = (Arc::clone(&arrived), Arc::clone(&left));
    let address = server(move |mut stream| {
        let (arrived, left) = events.clone();
        async move {
            request(&mut stream).await;
            arrived.notify_one();
            let _ = stream.read_u8().await;
            left.notify_one();
        }
    })
    .await;
    let slow = Target { address, check: once(http(|_| {}), 600_000) };
    let happens = async |event: &Notify| timeout(PATIENCE, event.notified()).await.unwrap();

    let first = prober(Vec::new());
    first.replace(1, vec![slow.clone()]);
    happens(&arrived).await;
    assert_eq!(first.pulse().in_flight, 1);
    first.replace(2, Vec::new());
    assert_eq!(first.pulse().in_flight, 0);
    happens(&left).await;
    // The same when the prober is stopped, after its grace, or dropped.
    first.replace(3, vec![slow.clone()]);
    happens(&arrived).await;
    timeout(PATIENCE, first.stop(Duration::from_millis(10))).await.unwrap();
    happens(&left).await;
    let second = prober(Vec::new());
    second.replace(1, vec![slow]);
    happens(&arrived).await;
    drop(second);
    happens(&left).await;
}

#[tokio::test]
async fn the_first_round_has_a_deadline() {
    let (good, slow, dead) = (answering(OK).await, stalling(b"").await, nobody().await);
    let prober = prober(Vec::new());
    let targets = [good, slow, dead].map(|address| Target { address, check: once(http(|_| {}), 600_000) });
    prober.replace(1, targets.to_vec());
    // First the two that answer, so that the deadline cannot pass before them.
    wait_for(&prober, &[State::Up, State::Unknown, State::Suspect]).await;
    let round = prober.first_round(Duration::from_millis(20)).await;
    assert_eq!((round.targets, round.good, round.bad, round.unable, round.untried), (3, 1, 1, 0, 1));
    assert_eq!(prober.pulse().in_flight, 1);
}

#[tokio::test]
async fn no_more_probes_at_a_time_than_allowed() {
    let count = Arc::new(Mutex::new((0_u32, 0_u32)));
    let counter = Arc::clone(&count);
    let address = server(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            request(&mut stream).await;
            {
                let (now, most) = &mut *counter.lock().unwrap();
                *now += 1;
                *most = (*most).max(*now);
            }
            // Lets others come, if any may.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            counter.lock().unwrap().0 -= 1;
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let prober = Prober::start(&Settings { in_flight: Some(3), ..Settings::default() }).unwrap();
    let target = |number: usize| Target { address, check: once(http(|http| http.path = format!("/{number}")), 10_000) };
    prober.replace(1, (0..40).map(target).collect());
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.good), (40, 40));
    assert_eq!(count.lock().unwrap().1, 3);
}
