//! `exec`, `push` and `icmp`: what does not speak TCP.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use catchment::health::check::{Exec, Expired, Push};
use catchment::health::{Check, CheckKind, State, Target, Verdict};
use catchment::probe::{Prober, Pushed, Settings, TargetReport};

use crate::support::*;

fn script(directory: &Path, text: &str) -> CheckKind {
    let path = directory.join("check");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = ["{address}", "{port}", "$HOME `id`"].map(str::to_owned);
    CheckKind::Exec(Exec { command: std::iter::once(path.display().to_string()).chain(arguments).collect() })
}

async fn probe_with(settings: Settings, check: Check) -> TargetReport {
    let prober = Prober::start(&settings).unwrap();
    prober.replace(1, vec![Target { address: "127.0.0.9:77".parse().unwrap(), check }]);
    prober.first_round(PATIENCE).await;
    prober.report().remove(0)
}

#[track_caller]
fn said(report: &TargetReport, verdict: Verdict, words: &str) {
    let observation = &report.last.as_ref().unwrap().observation;
    assert_eq!((observation.verdict, &*observation.words), (verdict, words));
}

async fn run(text: &str, timeout_ms: u64) -> TargetReport {
    let directory = tempfile::tempdir().unwrap();
    let kind = script(directory.path(), text);
    probe_with(Settings { exec: true, ..Settings::default() }, once(kind, timeout_ms)).await
}

#[tokio::test]
async fn programs_end_as_nagios_plugins_do() {
    said(&run("echo 'all fine | load=1'", 10_000).await, Verdict::Good, "ok: all fine");
    let report = run("echo slow; exit 1", 10_000).await;
    said(&report, Verdict::Good, "warning: slow");
    assert_eq!(report.state, State::Up);
    let report = run("echo gone; exit 2", 10_000).await;
    said(&report, Verdict::Bad, "critical: gone");
    assert_eq!(report.state, State::Suspect);
    let report = run("echo usage; exit 3", 10_000).await;
    said(&report, Verdict::Unable, "unknown: usage");
    assert_eq!((report.state, report.totals.unable), (State::Unknown, 1));
}

#[tokio::test]
async fn programs_get_no_shell_and_a_clean_environment() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let report =
        run("echo \"$1 $2 $3 $CATCHMENT_ADDRESS:$CATCHMENT_PORT $PWD ${CARGO_MANIFEST_DIR-none}\"", 10_000).await;
    said(&report, Verdict::Good, "ok: 127.0.0.9 77 $HOME `id` 127.0.0.9:77 / none");
    // Much output does not block, and is not kept.
    let report = run("head -c 1000000 /dev/zero | tr '\\0' x; exit 2", 10_000).await;
    said(&report, Verdict::Bad, &format!("critical: {}…", "x".repeat(60)));
}

#[tokio::test]
async fn programs_that_cannot_run_say_nothing_of_the_target() {
    let kind = CheckKind::Exec(Exec { command: vec!["/nowhere/check".to_owned()] });
    let report = probe_with(Settings { exec: true, ..Settings::default() }, once(kind.clone(), 10_000)).await;
    said(&report, Verdict::Unable, "not probed: /nowhere/check: no such file or directory");
    let report = probe_with(Settings::default(), once(kind, 10_000)).await;
    let off = "not probed: `exec` checks are off: the settings turn them on with `probes: {exec: true}`";
    said(&report, Verdict::Unable, off);
    assert_eq!(report.state, State::Unknown);
}

/// The program and what it started hold a pipe open; when the time is over, both end.
#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Both keep the fifo open for writing: a reader sees its end only when both are gone.
    let text = format!("exec 3>'{}'; sleep 600 & sleep 600", pipe.display());
    let kind = script(directory.path(), &text);
    let settings = Settings { exec: true, ..Settings::default() };
    let reader = tokio::task::spawn_blocking(move || std::fs::read(pipe).unwrap());
    let report = probe_with(settings, once(kind, 1500)).await;
    said(&report, Verdict::Bad, "timed out after 1.5 s while running the program");
    tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
}

#[tokio::test]
async fn pushed_values() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { push: Some(directory.path().join("push")), ..Settings::default() };
    let prober = Prober::start(&settings).unwrap();
    let target = |address: &str| {
        let kind = CheckKind::Push(Push { name: "web".to_owned(), expired: Expired::Unknown });
        Target {
            address: address.parse().unwrap(),
            check: Check { confirm: false, fall: 1, rise: 1, ..once(kind, 1000) },
        }
    };
    prober.replace(1, vec![target("127.0.0.1:0"), target("[::1]:0")]);
    prober.first_round(PATIENCE).await;
    said(&prober.report()[0], Verdict::Unable, "no value has been pushed");
    let value = |up: bool, text: &str| Pushed { up, lifetime: Duration::from_mins(1), text: text.to_owned() };
    // A value is looked at when it is pushed, not at the next turn in ten minutes.
    prober.push("web", None, &value(false, "for all")).unwrap();
    wait_for(&prober, &[State::Down, State::Down]).await;
    said(&prober.report()[1], Verdict::Bad, "pushed: down: for all");
    prober.push("web", Some("::1".parse().unwrap()), &value(true, "for one")).unwrap();
    wait_for(&prober, &[State::Down, State::Up]).await;
    said(&prober.report()[1], Verdict::Good, "pushed: up: for one");
    assert!(prober.push("../web", None, &value(true, "")).is_err());
    let without = Prober::start(&Settings::default()).unwrap();
    assert!(without.push("web", None, &value(true, "")).is_err());
}

/// Echo where the system lets us; where not, the target stays unknown.
#[tokio::test]
async fn icmp() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let prober = prober(Vec::new());
        let target = Target { address: address.parse().unwrap(), check: once(CheckKind::Icmp, 5000) };
        prober.replace(1, vec![target]);
        prober.first_round(PATIENCE).await;
        let report = prober.report().remove(0);
        let observation = &report.last.as_ref().unwrap().observation;
        match observation.verdict {
            Verdict::Good => assert_eq!((&*observation.words, report.state), ("echo reply", State::Up)),
            verdict => {
                println!("no ICMP here: {}", observation.words);
                assert!(observation.words.starts_with("not probed: "), "{observation:?}");
                assert_eq!((verdict, report.state), (Verdict::Unable, State::Unknown));
            }
        }
    }
}
