//! Tables of steps: what comes on the left, what follows on the right.
//!
//! A line is `SECONDS EVENT => STATE[, confirm N at SECONDS]`. Events: `+` and `-` a scheduled probe went well or
//! badly, `N+` and `N-` the same for the confirmation of pair N, `?` a probe that could not be made here, `.` time
//! passes (staleness is looked at).

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::health::check::CheckKind;

fn defaults() -> Check {
    Check::new(CheckKind::Tcp)
}

fn plain() -> Check {
    Check { confirm: false, ..defaults() }
}

fn run(machine: &mut Machine, check: &Check, event: &str, now: Duration) -> Step {
    let observation = match event.as_bytes().last() {
        Some(b'+') => Observation::good("fine"),
        Some(b'-') => Observation::bad("not fine"),
        Some(b'?') => Observation::unable("too many open files"),
        _ => return Step { change: machine.expire(check, now), confirm: None },
    };
    let role = match event[..event.len() - 1].parse() {
        Ok(number) => Role::Confirmation(Pair(number)),
        Err(_) => Role::Scheduled,
    };
    machine.observe(check, role, &observation, now)
}

#[track_caller]
fn check(check: &Check, table: &str) {
    let mut machine = Machine::new(Duration::ZERO);
    let (mut actual, mut expected) = (String::new(), String::new());
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (left, _) = line.split_once("=>").unwrap();
        let (seconds, event) = left.trim().split_once(' ').unwrap();
        let before = machine.state();
        let now = Duration::from_secs_f64(seconds.parse().unwrap());
        let step = run(&mut machine, check, event.trim(), now);
        let told = step.change.map_or(before, |change| change.to);
        assert_eq!((step.change.map(|change| change.from), told), (step.change.map(|_| before), machine.state()));
        if step.change.is_some() {
            assert_eq!(machine.since(), now);
        }
        write!(actual, "{}=> {}", left, machine.state()).unwrap();
        if let Some((Pair(number), at)) = step.confirm {
            write!(actual, ", confirm {number} at {}", at.as_secs_f64()).unwrap();
        }
        actual.push('\n');
        writeln!(expected, "{line}").unwrap();
    }
    assert!(actual == expected, "got\n{actual}\nexpected\n{expected}");
}

#[test]
fn consecutive_counts_without_confirmation() {
    check(
        &plain(),
        "0 + => up
         5 - => suspect
         10 - => suspect
         15 + => up
         20 - => suspect
         25 - => suspect
         30 - => down
         35 - => down
         40 + => recovering
         45 - => down
         50 + => recovering
         55 + => up",
    );
}

#[test]
fn thresholds_of_one_skip_the_states_between() {
    check(
        &Check { fall: 1, rise: 1, ..plain() },
        "0 + => up
         5 - => down
         10 + => up",
    );
    check(&Check { fall: 1, ..defaults() }, "0 - => down");
}

#[test]
fn from_unknown_the_first_failure_needs_no_confirmation() {
    check(
        &defaults(),
        "0 - => suspect
         5 - => suspect, confirm 0 at 5.25
         5.3 0- => suspect
         10 - => suspect, confirm 1 at 10.25
         10.3 1- => down",
    );
}

#[test]
fn only_the_pair_counts_as_a_failure() {
    check(
        &defaults(),
        "0 + => up
         5 - => up, confirm 0 at 5.25
         5.3 0+ => up
         10 - => up, confirm 1 at 10.25
         10.3 1- => suspect
         15 - => suspect, confirm 2 at 15.25
         15.3 2- => suspect
         20 - => suspect, confirm 3 at 20.25
         20.3 3+ => up
         25 - => up, confirm 4 at 25.25
         25.3 4- => suspect
         30 - => suspect, confirm 5 at 30.25
         30.3 5- => suspect
         35 - => suspect, confirm 6 at 35.25
         35.3 6- => down
         40 - => down
         45 + => recovering
         50 - => down",
    );
}

#[test]
fn a_short_interval_confirms_after_a_quarter_of_it() {
    check(
        &Check { interval: Duration::from_millis(200), ..defaults() },
        "0 + => up
         0.2 - => up, confirm 0 at 0.25",
    );
}

#[test]
fn a_scheduled_probe_during_a_confirmation_is_judged_on_its_own() {
    // Timeout = interval: the confirmation of one probe is still out when the next fails.
    check(
        &Check { timeout: Duration::from_secs(5), ..defaults() },
        "0 + => up
         10 - => up, confirm 0 at 10.25
         15 - => up, confirm 1 at 15.25
         15.25 0- => suspect
         20 - => suspect, confirm 2 at 20.25
         20.25 1- => suspect
         25.25 2- => down",
    );
    // A success in between ends the pair: its failures are not in a row.
    check(
        &defaults(),
        "0 + => up
         10 - => up, confirm 0 at 10.25
         10.1 + => up
         10.3 0- => up",
    );
    // Confirmations that come back when the target is down already do not undo a recovery.
    check(
        &Check { fall: 1, ..defaults() },
        "0 + => up
         10 - => up, confirm 0 at 10.25
         15 - => up, confirm 1 at 15.25
         15.25 0- => down
         20 + => recovering
         20.25 1- => recovering
         25 + => up",
    );
}

#[test]
fn a_probe_that_could_not_be_made_counts_neither_way() {
    check(
        &plain(),
        "0 ? => unknown
         1 + => up
         5 - => suspect
         10 ? => suspect
         15 - => suspect
         20 - => down
         25 ? => down
         30 + => recovering
         35 ? => recovering
         40 + => up",
    );
}

#[test]
fn old_results_are_forgotten() {
    // max(3 × 5 s, 5 s + 10 s) = 15 s
    check(
        &plain(),
        "0 . => unknown
         1 - => suspect
         2 - => suspect
         3 - => down
         18 . => down
         18.001 . => unknown
         19 - => suspect
         20 + => up
         30 ? => up
         35.5 . => unknown",
    );
    // A fast check keeps its results for interval + 10 s, and a pair does not outlive them.
    check(
        &Check { interval: Duration::from_secs(1), timeout: Duration::from_secs(1), ..defaults() },
        "0 + => up
         1 - => up, confirm 0 at 1.25
         12 . => up
         12.1 . => unknown
         12.2 0- => unknown",
    );
}

#[test]
fn after_flapping_more_successes_are_asked() {
    let check_flap = Check { fall: 1, flap: Some(Flap::DEFAULT), ..plain() };
    // The fourth fall within seconds brings the penalty above 3: rise 2 × 4. A relapse meanwhile begins anew.
    check(
        &check_flap,
        "0 - => down
         1 + => recovering
         2 + => up
         3 - => down
         4 + => recovering
         5 + => up
         6 - => down
         7 + => recovering
         8 + => up
         9 - => down
         10 + => recovering
         11 + => recovering
         12 - => down
         13 + => recovering
         14 + => recovering
         15 + => recovering
         16 + => recovering
         17 + => recovering
         18 + => recovering
         19 + => recovering
         20 + => up",
    );
    check(
        &Check { flap: None, ..check_flap },
        "0 - => down
         1 + => recovering
         2 + => up
         3 - => down
         4 + => recovering
         5 + => up
         6 - => down
         7 + => recovering
         8 + => up
         9 - => down
         10 + => recovering
         11 + => up
         12 - => down
         13 + => recovering
         14 + => up",
    );
}

#[test]
fn flap_memory_fades_by_half_in_each_half_life() {
    let (check, mut machine) = (Check { fall: 1, rise: 1, ..plain() }, Machine::new(Duration::ZERO));
    for second in 0..8 {
        run(&mut machine, &check, if second % 2 == 0 { "-" } else { "+" }, Duration::from_secs(second));
    }
    let after = |minutes: u64| machine.penalty(&check, Duration::from_secs(6 + 60 * minutes));
    assert!((after(0) - 4.0).abs() < 0.02, "{}", after(0));
    assert!((after(10) * 2.0 - after(0)).abs() < 1e-9);
    assert!((after(40) * 16.0 - after(0)).abs() < 1e-9);
    assert_eq!(machine.rise(&check, Duration::from_secs(6)), 4);
    assert_eq!(machine.rise(&check, Duration::from_secs(606)), 1);
}

#[test]
fn changed_thresholds_apply_from_the_next_result() {
    let mut machine = Machine::new(Duration::ZERO);
    for (second, event) in [(0, "+"), (5, "-"), (10, "-")] {
        run(&mut machine, &plain(), event, Duration::from_secs(second));
    }
    assert_eq!((machine.state(), machine.failures()), (State::Suspect, 2));
    run(&mut machine, &Check { fall: 2, ..plain() }, "-", Duration::from_secs(15));
    assert_eq!((machine.state(), machine.failures()), (State::Down, 3));
}

proptest! {
    /// Laws of any sequence of results, held against counts kept the simple way.
    #[test]
    fn laws(
        events in prop::collection::vec((0u8..8, 0u64..4000), 1..200),
        fall in 1u32..5, rise in 1u32..5, confirm: bool, flap: bool,
    ) {
        let check = Check { fall, rise, confirm, flap: flap.then_some(Flap::DEFAULT), ..defaults() };
        let mut machine = Machine::new(Duration::ZERO);
        let mut open: Vec<u64> = Vec::new();
        let (mut bad_in_a_row, mut good_in_a_row, mut now, mut known) = (0, 0, 0, false);
        for (event, pause) in events {
            now += pause;
            let moment = Duration::from_millis(now);
            let before = machine.state();
            let step = match event {
                0..3 => { bad_in_a_row = 0; good_in_a_row += 1; run(&mut machine, &check, "+", moment) }
                3..6 => { bad_in_a_row += 1; good_in_a_row = 0; run(&mut machine, &check, "-", moment) }
                _ if !open.is_empty() => {
                    let number = open.remove(0);
                    let closed = !machine.awaits(Pair(number));
                    let step = if event == 6 {
                        bad_in_a_row = 0; good_in_a_row += 1;
                        run(&mut machine, &check, &format!("{number}+"), moment)
                    } else {
                        if !closed { bad_in_a_row += 1; good_in_a_row = 0; }
                        run(&mut machine, &check, &format!("{number}-"), moment)
                    };
                    if closed && event == 7 {
                        prop_assert_eq!(step, Step::default());
                    }
                    step
                }
                _ => run(&mut machine, &check, ".", moment),
            };
            if let Some((Pair(number), at)) = step.confirm {
                prop_assert!(confirm && before.usable() && before != State::Unknown);
                prop_assert_eq!(at, moment + Duration::from_millis(250));
                prop_assert!(step.change.is_none());
                open.push(number);
            }
            if step.change.is_some_and(|change| change.to == State::Unknown) {
                bad_in_a_row = 0; good_in_a_row = 0;
            }
            if step.change.is_some_and(|change| change.to == State::Down) && before.usable() {
                // The first failure from unknown stands alone, the others are pairs.
                let needed = if confirm { 2 * fall - 1 } else { fall };
                prop_assert!(bad_in_a_row >= needed, "{} of {}", bad_in_a_row, needed);
                prop_assert!(machine.failures() >= fall);
            }
            if step.change.is_some_and(|change| change.to == State::Up) && !before.usable() {
                prop_assert!(good_in_a_row >= rise);
            }
            if !confirm && machine.state().usable() && bad_in_a_row > 0 {
                prop_assert!(bad_in_a_row < fall && machine.state() == State::Suspect);
            }
            known |= event < 6;
            prop_assert!(known || machine.state() == State::Unknown);
        }
    }
}
