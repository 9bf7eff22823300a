use super::*;
use crate::health::check::CheckKind;

const A: Canaries = Canaries::Answer;
const F: Canaries = Canaries::Fail;

fn target(port: u16, interval: Duration) -> Target {
    let check = Check { interval, timeout: Duration::from_secs(1), ..Check::new(CheckKind::Tcp) };
    Target { address: ([127, 0, 0, 1], port).into(), check }
}

/// Letters as states: `u`p, `s`uspect, `d`own, `r`ecovering, `?` unknown.
fn states(letters: &str) -> Vec<State> {
    let state = |letter| match letter {
        'u' => State::Up,
        's' => State::Suspect,
        'd' => State::Down,
        'r' => State::Recovering,
        _ => State::Unknown,
    };
    letters.chars().map(state).collect()
}

fn letters(states: &[State]) -> String {
    states.iter().map(|state| state.to_string().replace("unknown", "?").chars().next().unwrap()).collect()
}

/// Each step: second, measured states, canaries, what answers go by, and the event in a word. Five-second checks.
#[track_caller]
fn check(steps: &[(u64, &str, Canaries, &str, &str)]) -> Guard {
    let mut guard = Guard::default();
    let targets: Vec<_> = (0..steps[0].1.len()).map(|i| target(i as u16 + 1, Duration::from_secs(5))).collect();
    guard.replace(&targets, &states(steps[0].1));
    for (second, measured, canaries, expected, event) in steps {
        let mut now = states(measured);
        let told = guard.look(&now, *canaries, Duration::from_secs(*second));
        guard.heed(&mut now);
        let told = match told {
            None => String::new(),
            Some(Event::Froze { bad, of }) => format!("froze {bad}/{of}"),
            Some(Event::Thaws) => "thaws".to_owned(),
            Some(Event::Thawed) => "thawed".to_owned(),
        };
        assert_eq!((letters(&now).as_str(), told.as_str()), (*expected, *event), "second {second}");
    }
    guard
}

#[test]
fn most_targets_and_the_canaries_fail_at_once() {
    check(&[
        (0, "uuuu", A, "uuuu", ""),
        (1, "suuu", A, "suuu", ""),
        (2, "ssuu", F, "ssuu", ""),
        (3, "sssu", F, "uuuu", "froze 3/4"),
        // What follows is the same failure, and measuring goes on meanwhile.
        (5, "ssss", F, "uuuu", ""),
        (14, "dddd", F, "uuuu", ""),
        // Thaws by target: up again, or time enough to be (5 × 2 + 1 × 2 + 0.25 s).
        (60, "dddd", A, "uuuu", "thaws"),
        (63, "urdd", A, "uuuu", ""),
        (70, "uurd", A, "uuuu", ""),
        (73, "uuud", A, "uuud", "thawed"),
        (74, "uuuu", A, "uuuu", ""),
    ]);
}

#[test]
fn one_without_the_other_is_no_mass_failure() {
    // Everything is down, and the canaries answer: it is not us.
    check(&[(0, "uuuu", A, "uuuu", ""), (3, "ssss", A, "ssss", ""), (20, "dddd", F, "dddd", "")]);
    // Half is not more than half.
    check(&[(0, "uuuu", F, "uuuu", ""), (3, "ssuu", F, "ssuu", "")]);
    // Without canaries the guard is off.
    check(&[(0, "uuuu", Canaries::None, "uuuu", ""), (3, "dddd", Canaries::None, "dddd", "")]);
    // One by one over a long time: each for itself.
    check(&[
        (0, "uuuu", F, "uuuu", ""),
        (3, "duuu", F, "duuu", ""),
        (20, "dduu", F, "dduu", ""),
        (40, "dddu", F, "dddu", ""),
    ]);
}

#[test]
fn what_was_down_before_stays_down() {
    check(&[
        (0, "ddu?", A, "ddu?", ""),
        // Two of the two that were well.
        (1, "ddsd", F, "ddu?", "froze 2/2"),
        // One of the old failures is seen to recover while all is frozen: believed, it was never held.
        (9, "udsd", F, "udu?", ""),
    ]);
}

#[test]
fn down_at_the_first_failure_is_taken_back() {
    // Fast checks: the first two were believed before the third made it a mass failure.
    check(&[(0, "uuu", F, "uuu", ""), (1, "duu", F, "duu", ""), (2, "ddu", F, "uuu", "froze 2/3")]);
}

#[test]
fn canaries_that_fail_again_freeze_again() {
    check(&[
        (0, "uu", A, "uu", ""),
        (1, "ss", F, "uu", "froze 2/2"),
        (10, "dd", A, "uu", "thaws"),
        (12, "uu", A, "uu", "thawed"),
        (14, "ss", F, "uu", "froze 2/2"),
        (15, "su", A, "uu", "thaws"),
        (16, "ss", F, "uu", "froze 2/2"),
    ]);
}

#[test]
fn rare_checks_do_not_outvote_the_others() {
    let mut guard = Guard::default();
    let hour = Duration::from_hours(1);
    let targets = [target(1, Duration::from_secs(5)), target(2, hour), target(3, hour)];
    guard.replace(&targets, &states("uuu"));
    assert_eq!(guard.look(&states("suu"), F, Duration::ZERO), Some(Event::Froze { bad: 1, of: 1 }));
    // Where there are no others they count.
    let mut guard = Guard::default();
    guard.replace(&targets[1..], &states("uu"));
    assert_eq!(guard.look(&states("su"), F, Duration::ZERO), None);
    assert_eq!(guard.look(&states("ss"), F, Duration::from_mins(10)), Some(Event::Froze { bad: 2, of: 2 }));
}

#[test]
fn a_new_plan_keeps_what_is_held() {
    let mut guard = check(&[(0, "uuu", A, "uuu", ""), (1, "sss", F, "uuu", "froze 3/3")]);
    let five = Duration::from_secs(5);
    guard.replace(&[target(9, five), target(2, five)], &states("?d"));
    let mut now = states("?d");
    assert_eq!(guard.look(&now, F, Duration::from_secs(2)), None);
    guard.heed(&mut now);
    assert_eq!(letters(&now), "?u");
    // A target without a result is held too, once it turns.
    let mut now = states("dd");
    assert_eq!(guard.look(&now, F, Duration::from_secs(3)), None);
    guard.heed(&mut now);
    assert_eq!(letters(&now), "?u");
}

#[test]
fn the_next_look_is_when_a_target_has_had_its_time() {
    let guard = check(&[(0, "u", A, "u", ""), (1, "s", F, "u", "froze 1/1"), (20, "d", A, "u", "thaws")]);
    assert_eq!(guard.next_look(), Some(Duration::from_millis(20_000 + 12_250)));
}
