//! Checks made of others, and what a report tells of the past.

use std::time::Duration;

use catchment::health::state::Remembered;
use catchment::health::{Check, CheckKind, Formula, State, Target, Verdict};

use crate::support::*;

#[tokio::test]
async fn a_calculated_check_follows_its_parts() {
    let flapping = Switch::on("127.0.0.1:0".parse().unwrap()).await;
    let steady = server(|_| async {}).await;
    let part = |address| Formula::Of(Target { address, check: often(CheckKind::Tcp) });
    let made = |formula| {
        let check = Check::new(CheckKind::Calculated(Box::new(formula)));
        Target { address: "127.0.0.1:0".parse().unwrap(), check }
    };
    let both = || vec![part(flapping.address), part(steady)];
    let plan = vec![
        made(Formula::Any(both())),
        made(Formula::All(both())),
        made(Formula::AtLeast(2, both())),
        made(Formula::Not(Box::new(part(flapping.address)))),
        // One of the parts is a target of the plan as well: it is probed once.
        Target { address: steady, check: often(CheckKind::Tcp) },
    ];
    let prober = prober(Vec::new());
    prober.replace(1, plan);
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.good), (2, 2));
    let (up, down) = (State::Up, State::Down);
    assert_eq!(prober.states().1, [up, up, up, down, up]);
    let address = flapping.off().await;
    wait_for(&prober, &[up, down, down, up, up]).await;
    let report = prober.report();
    assert_eq!(report.len(), 6);
    let words = format!("tcp on port {} down, tcp on port {} up", address.port(), steady.port());
    let observation = &report[1].last.as_ref().unwrap().observation;
    assert_eq!((observation.verdict, &*observation.words), (Verdict::Bad, words.as_str()));
    assert_eq!((report[5].target.address, report[5].state), (address, down));

    // The past: up, suspect, down, the newest first, with reasons.
    let past: Vec<_> =
        report[5].transitions.iter().map(|change| (change.from, change.to, change.reason.as_str())).collect();
    let expected = [
        (State::Suspect, down, "connection refused"),
        (up, State::Suspect, "connection refused"),
        (State::Unknown, up, "connected"),
    ];
    assert_eq!(past, expected);
    assert!(report[5].transitions.is_sorted_by_key(|change| change.age));
    assert!(report[5].totals.bad >= 3 && report[5].totals.good >= 1, "{:?}", report[5].totals);
    let latency = report[4].latency.unwrap();
    assert!(latency.count >= 1 && latency.p50 <= latency.p90 && latency.p90 <= latency.p99, "{latency:?}");
    assert!(latency.p50 > Duration::ZERO);
}

#[tokio::test]
async fn what_is_remembered_stands_until_the_first_result() {
    let (slow, dead) = (stalling(b"").await, nobody().await);
    let prober = prober(Vec::new());
    let targets = [slow, dead].map(|address| Target { address, check: once(http(|_| {}), 600_000) });
    let known = |state| Remembered { state, since: Duration::from_secs(3), failures: 3, successes: 0, penalty: 0.0 };
    let remembered = prober
        .replace_remembering(1, targets.to_vec(), |target| (target.address == slow).then_some(known(State::Down)));
    assert_eq!(remembered, 1);
    wait_for(&prober, &[State::Down, State::Suspect]).await;
    let report = prober.report();
    assert_eq!([report[0].remembered, report[1].remembered], [true, false]);
    // A result stands above what is remembered later.
    assert_eq!(prober.replace_remembering(2, targets.to_vec(), |_| Some(known(State::Up))), 0);
    assert_eq!(prober.states().1, [State::Down, State::Suspect]);
}
