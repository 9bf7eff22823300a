//! What is known of targets, and what answers make of it.

use std::collections::HashMap;

use super::Page;
use super::table::{
    ALARM, DRAINED, GUARD, OLDEST_RESULT, OVERRIDES, PROBE_LAG, PROBE_LATENCY, PROBES, PROBES_IN_FLIGHT, PROBES_LIMIT,
    TARGET_STATE, TARGETS, TRANSITIONS, USABLE,
};
use crate::control::{Desk, GuardPhase, view};
use crate::health::State;
use crate::probe::TargetReport;
use crate::steering::Standing;

/// Targets that have series of their own: six each, and a scrape of them all takes some milliseconds.
const MAX_TARGETS: usize = 2_000;

pub(super) fn fill(page: &mut Page, desk: &Desk) {
    let reports = desk.prober.report();
    targets(page, &reports);
    let pulse = desk.prober.pulse();
    page.put(&PROBES_IN_FLIGHT, [], pulse.in_flight);
    page.put(&PROBES_LIMIT, [], pulse.limit);
    page.put(&PROBE_LAG, [], pulse.lag.as_secs_f64());
    if let Some(age) = pulse.oldest_result {
        page.put(&OLDEST_RESULT, [], age.as_secs_f64());
    }
    services(page, desk);
    page.put(
        &GUARD,
        [],
        match desk.guard.borrow().phase {
            GuardPhase::Off | GuardPhase::Watching => 0.0,
            GuardPhase::Frozen { .. } => 1.0,
            GuardPhase::Thawing { .. } => 0.5,
        },
    );
    let overrides = desk.overrides.borrow().clone();
    for word in ["drain", "up", "down", "return"] {
        page.put(&OVERRIDES, [word], 0u64);
    }
    for item in view::overrides(&overrides, &desk.files.borrow(), view::unix_ms()) {
        page.add(&OVERRIDES, [&item.word], 1);
    }
}

fn targets(page: &mut Page, reports: &[TargetReport]) {
    for state in [State::Unknown, State::Up, State::Suspect, State::Down, State::Recovering] {
        page.put(&TARGETS, [&state.to_string()], reports.iter().filter(|report| report.state == state).count());
    }
    // Checks that differ in what their short form leaves out get a number.
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for report in reports.iter().take(MAX_TARGETS) {
        let (address, mut check) = (report.target.address.to_string(), report.target.check.kind.to_string());
        let same = seen.entry((address.clone(), check.clone())).or_default();
        *same += 1;
        if *same > 1 {
            check = format!("{check} #{same}");
        }
        let state: u64 = match report.state {
            State::Unknown => 0,
            State::Up => 1,
            State::Suspect => 2,
            State::Down => 3,
            State::Recovering => 4,
        };
        page.put(&TARGET_STATE, [&address, &check], state);
        page.put(&TRANSITIONS, [&address, &check], report.totals.changes);
        let ended = [("good", report.totals.good), ("bad", report.totals.bad), ("unable", report.totals.unable)];
        for (verdict, count) in ended {
            page.put(&PROBES, [&address, &check, verdict], count);
        }
        if let Some(latency) = report.latency {
            for (quantile, took) in [("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99)] {
                page.put(&PROBE_LATENCY, [&address, &check, quantile], took.as_secs_f64());
            }
        }
    }
}

fn services(page: &mut Page, desk: &Desk) {
    let snapshot = desk.current.load_full();
    let live = snapshot.live();
    for (map, live) in snapshot.maps.iter().zip(&live.maps) {
        let service = map.service.name.as_str();
        for (pop, facts) in map.pops.iter().zip(&live.facts.members) {
            for (family, standing) in [("v4", facts.v4), ("v6", facts.v6)] {
                if standing != Standing::Absent {
                    page.put(&USABLE, [service, pop, family], standing.usable());
                }
            }
            page.put(&DRAINED, [service, pop], facts.drained);
        }
        for alarm in ["panic", "fail-open"] {
            page.add(&ALARM, [service, alarm], 0);
        }
    }
    for alarm in view::alarms(&snapshot) {
        page.add(&ALARM, [&alarm.service, &alarm.what], 1);
    }
}
