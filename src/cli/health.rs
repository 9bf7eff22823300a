//! `catchment health`: every target, what its last probe said, and what answers make of it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{Server, typed};
use super::order;
use super::words::{Page, count, percent, safe, short};
use crate::control::wire::{Health, Member, Target};

/// From one look of `--watch` to the next.
const WATCH: Duration = Duration::from_secs(1);
/// Transitions that are shown.
const TRANSITIONS: usize = 10;

#[derive(Clone, Debug, Args)]
pub(super) struct HealthArgs {
    /// Look again every second, until interrupted
    #[arg(long)]
    watch: bool,
    /// Print JSON; with `--watch` a line for each look
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    loop {
        match look(args) {
            Ok(None) if !args.watch => return Ok(ExitCode::SUCCESS),
            Ok(None) => {}
            Ok(Some(code)) => return Ok(code),
            // A restart of the server does not end a watch; a reader that has had enough does.
            Err(error) if args.watch && !error.chain().any(closed) => {
                writeln!(io::stderr(), "error: {error:#}")?;
            }
            Err(error) => return Err(error),
        }
        std::thread::sleep(WATCH);
    }
}

fn closed(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn look(args: &HealthArgs) -> anyhow::Result<Option<ExitCode>> {
    let value = match args.server.get("health")?.good()? {
        Ok(value) => value,
        Err(code) => return Ok(Some(code)),
    };
    let mut out = io::stdout().lock();
    if args.json {
        if args.watch { writeln!(out, "{value}")? } else { writeln!(out, "{value:#}")? }
    } else {
        let health = typed(&value)?;
        let screen = if args.watch && io::stdout().is_terminal() { Page::height() } else { None };
        match screen {
            // Written at once, so that the screen does not flicker.
            Some(rows) => {
                write!(out, "\x1b[H\x1b[2J\x1b[3J{}", cut(&text(&health, Page::stdout(), Detail::Unusual), rows))?;
            }
            None => write!(out, "{}", text(&health, Page::stdout(), Detail::All))?,
        }
        if args.watch && screen.is_none() {
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(None)
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// Everything.
    All,
    /// What is as usual is counted only, so that what is not finds room on a screen.
    Unusual,
}

/// The first lines, as many as there are rows; that is said where some are left out.
fn cut(text: &str, rows: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    if lines.len() < rows {
        return text.to_owned();
    }
    let shown = rows.saturating_sub(2);
    let left = count(lines.len() - shown, "more line");
    format!("{}\n… {left}: `catchment health` shows everything\n", lines[..shown].join("\n"))
}

fn text(health: &Health, page: Page, detail: Detail) -> String {
    let mut out = String::new();
    flags(&mut out, health, page);
    services(&mut out, health, page, detail);
    targets(&mut out, health, page, detail);
    if !health.transitions.is_empty() {
        let _ = writeln!(out, "\nLAST TRANSITIONS");
        for change in health.transitions.iter().take(TRANSITIONS) {
            let arrow = format!("{} → {}", change.from, change.to);
            let words = format!("{} {}: {}", change.address, safe(&change.check), safe(&change.reason));
            let _ = writeln!(out, "{:>7} ago  {arrow:<20}  {}", short(change.age_ms), page.wrap(&words, 35));
        }
    }
    out
}

/// What is not as usual, on top.
fn flags(out: &mut String, health: &Health, page: Page) {
    let _ = writeln!(out, "{}  generation {}, epoch {}", health.at, health.generation, health.epoch);
    if let (Some(since), Some(words)) = (&health.guard.since, &health.guard.words) {
        let words = format!("{} since {since}: {words}", health.guard.phase.to_uppercase());
        let _ = writeln!(out, "{}", page.paint(&page.wrap(&words, 0), "31"));
    }
    for alarm in &health.alarms {
        let words = format!("{} {}: {}", alarm.what.to_uppercase(), safe(&alarm.service), alarm.words);
        let _ = writeln!(out, "{}", page.paint(&page.wrap(&words, 0), "31"));
    }
    for item in &health.overrides {
        let words = format!("OVERRIDE {} {}", item.target, order::line(item));
        let _ = writeln!(out, "{}", page.paint(&page.wrap(&words, 2), "33"));
    }
}

fn services(out: &mut String, health: &Health, page: Page, detail: Detail) {
    if health.services.is_empty() {
        return;
    }
    let width = |names: &mut dyn Iterator<Item = usize>, least: usize| {
        names.filter(|width| *width <= 24).max().unwrap_or(0).max(least)
    };
    let service = width(&mut health.services.iter().map(|s| s.service.chars().count()), 7);
    let pops = || health.services.iter().flat_map(|s| &s.pops);
    let pop = width(&mut pops().map(|m| m.pop.chars().count()), 3);
    let _ = writeln!(out, "\n{:service$}  {:pop$}  {:8}  {:8}  OPERATOR", "SERVICE", "POP", "A", "AAAA");
    for item in &health.services {
        let mut name = safe(&item.service);
        if name.chars().count() > service {
            let _ = writeln!(out, "{name}");
            name.clear();
        }
        let (shown, usual): (Vec<_>, Vec<_>) =
            item.pops.iter().partition(|member| detail == Detail::All || is_unusual(member));
        for member in shown {
            let standing =
                |word: &str| page.paint(&format!("{:8}", if word == "absent" { "-" } else { word }), color(word));
            let row = format!(
                "{name:service$}  {:pop$}  {}  {}  {}",
                safe(&member.pop),
                standing(&member.v4),
                standing(&member.v6),
                page.wrap(&operator(member), service + pop + 24)
            );
            let _ = writeln!(out, "{}", row.trim_end());
            name.clear();
        }
        if !usual.is_empty() {
            let others = if usual.len() == item.pops.len() { "" } else { "other " };
            let _ = writeln!(out, "{name:service$}  {} as usual", count(usual.len(), &format!("{others}PoP")));
        }
    }
}

pub(super) fn is_unusual(member: &Member) -> bool {
    let well = |word: &str| matches!(word, "usable" | "absent");
    !well(&member.v4) || !well(&member.v6) || operator(member) != "-"
}

/// What the operator said of a service at a PoP.
pub(super) fn operator(member: &Member) -> String {
    let what = match (&member.forced, member.drained, member.share) {
        (Some(word), _, _) => format!("forced {word}"),
        (None, true, _) => "drained".to_owned(),
        (None, false, share) if share < 1000 => format!("{} of its clients", percent(share)),
        (None, false, _) => return "-".to_owned(),
    };
    match &member.by {
        Some(scope) => format!("{what} ({scope})"),
        None if member.drained => format!("{what} (in its file)"),
        None => format!("{what} (slow start)"),
    }
}

/// The worst first.
fn targets(out: &mut String, health: &Health, page: Page, detail: Detail) {
    if health.targets.is_empty() {
        let _ = writeln!(out, "\nNothing is probed: no service has checks.");
        return;
    }
    let (mut shown, usual): (Vec<_>, Vec<_>) =
        health.targets.iter().partition(|target| detail == Detail::All || target.state != "up");
    shown.sort_by_key(|target| rank(&target.state));
    if shown.is_empty() {
        let _ = writeln!(out, "\n{} up", count(usual.len(), "target"));
        return;
    }
    let _ = writeln!(out, "\n{:10}  {:>7}  {:>7}  TARGET", "STATE", "SINCE", "NEXT");
    for target in shown {
        let next = if target.next_probe_ms == 0 { "due".to_owned() } else { short(target.next_probe_ms) };
        let what = format!("{} {}", target.address, safe(&target.check));
        let _ = writeln!(
            out,
            "{}  {:>7}  {next:>7}  {}",
            page.paint(&format!("{:10}", target.state), color(&target.state)),
            short(target.since_ms),
            page.wrap(&what, 30),
        );
        let _ = writeln!(out, "  {}", page.wrap(&details(target), 2));
        if !target.serves.is_empty() {
            let serves = target.serves.iter().map(|s| format!("{}@{} {}", s.service, s.pop, s.address));
            let _ = writeln!(out, "  {}", page.wrap(&format!("for {}", serves.collect::<Vec<_>>().join(", ")), 2));
        }
    }
    if !usual.is_empty() {
        let _ = writeln!(out, "{} up", count(usual.len(), "other target"));
    }
}

/// The last result with its reason, and counters.
fn details(target: &Target) -> String {
    let mut parts = Vec::new();
    match &target.last {
        Some(last) => {
            let took = match last.total_us {
                0 => String::new(),
                us @ 1..10_000 => format!("{}.{}ms, ", us / 1000, us % 1000 / 100),
                us => format!("{}, ", short(us / 1000)),
            };
            let verdict = if last.verdict == "unable" { "could not be probed: " } else { "" };
            parts.push(format!("{verdict}{} ({took}{} ago)", safe(&last.reason), short(last.age_ms)));
        }
        None => parts.push("no result yet".to_owned()),
    }
    if let Some(held) = &target.held {
        parts.push(format!("answers go by `{held}`, as it was before health froze"));
    }
    let (failures, successes) = (target.failures, target.successes);
    match target.state.as_str() {
        "suspect" => parts.push(format!("{} of {} failures to be down", failures, target.fall)),
        "recovering" => parts.push(format!("{} of {} successes to be up", successes, target.rise)),
        "down" => parts.push(format!("{} in a row", count(failures as usize, "failure"))),
        _ => {}
    }
    if let Some(latency) = &target.latency {
        parts.push(format!("p50 {:.1} p90 {:.1} p99 {:.1} ms", latency.p50_ms, latency.p90_ms, latency.p99_ms));
    }
    if let Some(probes) = &target.probes {
        let unable = if probes.unable > 0 { format!(", {} not made", probes.unable) } else { String::new() };
        parts.push(format!("{} good, {} bad{unable}", probes.good, probes.bad));
    }
    if target.penalty >= 0.1 {
        parts.push(format!("flap penalty {:.1}", target.penalty));
    }
    parts.join("; ")
}

fn rank(state: &str) -> u8 {
    match state {
        "down" => 0,
        "recovering" => 1,
        "suspect" => 2,
        "unknown" => 3,
        _ => 4,
    }
}

fn color(word: &str) -> &'static str {
    match word {
        "up" | "usable" => "32",
        "down" | "unusable" => "31",
        "suspect" | "recovering" => "33",
        _ => "0",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    fn target(address: &str, state: &str, more: &Value) -> Value {
        let mut target = json!({
            "address": address, "check": "https GET /healthz", "state": state, "since_ms": 273_600_000,
            "serves": [{"service": "web", "pop": "fra", "address": "192.0.2.10"}],
            "failures": 0, "fall": 3, "successes": 40, "rise": 2, "penalty": 0.0, "interval_ms": 5000,
            "next_probe_ms": 1234,
            "last": {"age_ms": 3766, "verdict": "good", "reason": "HTTP 200", "total_us": 12_345}
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            target[key] = value.clone();
        }
        target
    }

    #[track_caller]
    fn check(health: &Value, expected: &Expect) {
        let health: Health = typed(health).unwrap();
        let text = text(&health, Page { width: 80, color: false }, Detail::All);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn all_is_well() {
        check(
            &json!({
                "at": "2026-11-22T18:00:00Z", "generation": 1, "epoch": 1,
                "guard": {"phase": "off", "canaries": []}, "alarms": [], "transitions": [], "overrides": [],
                "services": [{"service": "web", "pops": [
                    {"pop": "fra", "v4": "usable", "v6": "absent", "drained": false, "share": 1000}]}],
                "targets": [target("127.0.0.10:8443", "up", &json!({
                    "latency": {"p50_ms": 11.25, "p90_ms": 14.0, "p99_ms": 30.0},
                    "probes": {"good": 54_719, "bad": 3, "unable": 0}}))]
            }),
            &expect![[r"
                2026-11-22T18:00:00Z  generation 1, epoch 1

                SERVICE  POP  A         AAAA      OPERATOR
                web      fra  usable    -         -

                STATE         SINCE     NEXT  TARGET
                up             3d4h     1.2s  127.0.0.10:8443 https GET /healthz
                  HTTP 200 (12ms, 3.7s ago); p50 11.2 p90 14.0 p99 30.0 ms; 54719 good, 3 bad
                  for web@fra 192.0.2.10
            "]],
        );
    }

    #[test]
    fn a_screen_shows_what_is_unusual() {
        let pop = |pop: &str, v4: &str| json!({"pop": pop, "v4": v4, "v6": "absent", "drained": false, "share": 1000});
        let health = json!({
            "at": "2026-11-22T18:00:00Z", "generation": 1, "epoch": 1,
            "guard": {"phase": "off", "canaries": []}, "alarms": [], "transitions": [], "overrides": [],
            "services": [
                {"service": "web", "pops": [pop("fra", "usable"), pop("ams", "unusable"), pop("iad", "suspect"),
                    pop("sin", "usable")]},
                {"service": "api-with-a-name-that-is-long", "pops": [pop("fra", "usable")]}],
            "targets": [
                target("127.0.0.10:8443", "up", &json!({})),
                target("127.0.0.11:8443", "down", &json!({"failures": 3})),
                target("127.0.0.12:8443", "up", &json!({}))]
        });
        let health: Health = typed(&health).unwrap();
        let text = text(&health, Page { width: 80, color: false }, Detail::Unusual);
        expect![[r"
            2026-11-22T18:00:00Z  generation 1, epoch 1

            SERVICE  POP  A         AAAA      OPERATOR
            web      ams  unusable  -         -
                     iad  suspect   -         -
                     2 other PoPs as usual
            api-with-a-name-that-is-long
                     1 PoP as usual

            STATE         SINCE     NEXT  TARGET
            down           3d4h     1.2s  127.0.0.11:8443 https GET /healthz
              HTTP 200 (12ms, 3.7s ago); 3 failures in a row
              for web@fra 192.0.2.10
            2 other targets up
        "]]
        .assert_eq(&text);
        assert_eq!(cut(&text, 100), text);
        let cut = cut(&text, 5);
        assert_eq!(
            (cut.lines().count(), cut.lines().last()),
            (4, Some("… 11 more lines: `catchment health` shows everything"))
        );
    }

    #[test]
    fn nothing_to_probe() {
        check(
            &json!({
                "at": "2026-11-22T18:00:00Z", "generation": 1, "epoch": 1,
                "guard": {"phase": "off", "canaries": []}, "alarms": [], "transitions": [], "overrides": [],
                "services": [], "targets": []
            }),
            &expect![[r"
                2026-11-22T18:00:00Z  generation 1, epoch 1

                Nothing is probed: no service has checks.
            "]],
        );
    }

    #[test]
    fn a_bad_night() {
        let pop = |pop: &str, v4: &str, more: Value| {
            let mut member = json!({"pop": pop, "v4": v4, "v6": "usable", "drained": false, "share": 1000});
            for (key, value) in more.as_object().into_iter().flatten() {
                member[key] = value.clone();
            }
            member
        };
        check(
            &json!({
                "at": "2026-11-22T18:00:00Z", "generation": 12, "epoch": 345,
                "guard": {"phase": "frozen", "since": "2026-11-22T17:59:00Z",
                    "words": "9 of 10 targets turned bad at once and no canary answers: answers go by health as it was before",
                    "canaries": [{"address": "192.0.2.1:443", "answers": false}]},
                "alarms": [{"service": "web", "what": "fail-open",
                    "words": "no PoP is usable for some clients, who are answered as if all were up"}],
                "overrides": [{"target": "ams", "pop": "ams", "word": "drain", "since": "2026-11-22T17:00:00Z",
                    "until": "2026-11-22T19:00:00Z", "over_seconds": 600, "share": 433,
                    "reason": "kernel update of all machines, ticket 1234", "by": "alice (as root)", "known": true}],
                "services": [
                    {"service": "web", "pops": [
                        pop("fra", "unusable", json!({})),
                        pop("ams", "suspect", json!({"share": 433, "by": "ams"})),
                        pop("sin", "usable", json!({"drained": true, "share": 0}))]},
                    {"service": "api-internal", "pops": [
                        pop("fra", "usable", json!({"forced": "down", "by": "api-internal@fra"}))]}],
                "targets": [
                    target("127.0.0.9:8443", "up", &json!({"penalty": 1.5})),
                    target("127.0.0.10:8443", "down", &json!({
                        "failures": 12, "successes": 0, "since_ms": 61_000, "held": "up", "next_probe_ms": 0,
                        "last": {"age_ms": 900, "verdict": "bad", "total_us": 2_000_000,
                            "reason": "TLS: certificate expired 3 days ago, and a very long reason that must be wrapped"}})),
                    target("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "suspect", &json!({
                        "failures": 1, "successes": 0, "since_ms": 4000,
                        "last": {"age_ms": 900, "verdict": "bad", "total_us": 200, "reason": "connection refused"}})),
                    target("127.0.0.11:8443", "recovering", &json!({
                        "successes": 1, "rise": 8, "penalty": 4.2,
                        "last": {"age_ms": 900, "verdict": "unable", "total_us": 0, "reason": "too many open files"}})),
                    target("127.0.0.12:8443", "unknown", &json!({"last": null, "serves": []}))],
                "transitions": [
                    {"age_ms": 61_000, "address": "127.0.0.10:8443", "check": "https GET /healthz", "from": "suspect",
                     "to": "down", "reason": "TLS: certificate expired 3 days ago"},
                    {"age_ms": 71_000, "address": "127.0.0.11:8443", "check": "https GET /healthz", "from": "down",
                     "to": "recovering", "reason": "HTTP 200"}]
            }),
            &expect![[r"
                2026-11-22T18:00:00Z  generation 12, epoch 345
                FROZEN since 2026-11-22T17:59:00Z: 9 of 10 targets turned bad at once and no
                canary answers: answers go by health as it was before
                FAIL-OPEN web: no PoP is usable for some clients, who are answered as if all
                were up
                OVERRIDE ams draining, 43 % of its clients left until 2026-11-22T19:00:00Z, by
                  alice (as root): kernel update of all machines, ticket 1234

                SERVICE       POP  A         AAAA      OPERATOR
                web           fra  unusable  usable    -
                              ams  suspect   usable    43 % of its clients (ams)
                              sin  usable    usable    drained (in its file)
                api-internal  fra  usable    usable    forced down (api-internal@fra)

                STATE         SINCE     NEXT  TARGET
                down           1m1s      due  127.0.0.10:8443 https GET /healthz
                  TLS: certificate expired 3 days ago, and a very long reason that must be
                  wrapped (2.0s, 900ms ago); answers go by `up`, as it was before health froze;
                  12 failures in a row
                  for web@fra 192.0.2.10
                recovering     3d4h     1.2s  127.0.0.11:8443 https GET /healthz
                  could not be probed: too many open files (900ms ago); 1 of 8 successes to be
                  up; flap penalty 4.2
                  for web@fra 192.0.2.10
                suspect        4.0s     1.2s  [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535
                                              https GET /healthz
                  connection refused (0.2ms, 900ms ago); 1 of 3 failures to be down
                  for web@fra 192.0.2.10
                unknown        3d4h     1.2s  127.0.0.12:8443 https GET /healthz
                  no result yet
                up             3d4h     1.2s  127.0.0.9:8443 https GET /healthz
                  HTTP 200 (12ms, 3.7s ago); flap penalty 1.5
                  for web@fra 192.0.2.10

                LAST TRANSITIONS
                   1m1s ago  suspect → down        127.0.0.10:8443 https GET /healthz: TLS:
                                                   certificate expired 3 days ago
                  1m11s ago  down → recovering     127.0.0.11:8443 https GET /healthz: HTTP 200
            "]],
        );
    }
}
