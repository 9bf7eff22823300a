use std::fmt::Write as _;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const T: u64 = 1_000_000;

/// PoPs `ams`, `fra`, `sin` (drained in its file), `both`; services `web` (ams, fra, sin), `api` (fra, needs 1), `both`
/// (ams). Names after `down` are not usable by measurement.
fn roster(down: &[&str]) -> Roster {
    let pop = |name: &str| RosterPop {
        name: name.to_owned(),
        written_drain: (name == "sin").then(|| "zones/fleet.yaml:5:3".to_owned()),
    };
    let service = |name: &str, min_up, pops: &[&str]| RosterService {
        name: name.to_owned(),
        min_up,
        members: pops
            .iter()
            .map(|pop| RosterMember {
                pop: (*pop).to_owned(),
                usable: !down.contains(pop),
                written_drain: *pop == "sin",
            })
            .collect(),
    };
    Roster {
        pops: ["ams", "fra", "sin", "both"].map(pop).into(),
        services: vec![
            service("web", 1, &["ams", "fra", "sin"]),
            service("api", 1, &["fra"]),
            service("both", 0, &["ams"]),
        ],
    }
}

/// `drain web@fra over 10m for 2h force`, in words.
fn order(words: &str) -> Order {
    let mut words = words.split(' ');
    let action = match words.next() {
        Some("drain") => Action::Drain,
        Some("undrain") => Action::Undrain,
        Some("up") => Action::Up,
        Some("down") => Action::Down,
        _ => Action::Clear,
    };
    let target = words.next().unwrap().to_owned();
    let by = "alice".to_owned();
    let mut order = Order { target, action, lasts: None, over: None, reason: "test".to_owned(), by, force: false };
    while let Some(word) = words.next() {
        let mut time = || {
            let word = words.next().unwrap();
            let (number, unit) = word.split_at(word.len() - 1);
            Duration::from_secs(number.parse::<u64>().unwrap() * if unit == "m" { 60 } else { 1 })
        };
        match word {
            "for" => order.lasts = Some(time()),
            "over" => order.over = Some(time()),
            "force" => order.force = true,
            "silently" => order.reason.clear(),
            other => panic!("{other}"),
        }
    }
    order
}

/// Orders, each at its second after the start; what came of each, and then of the effects.
fn run(roster: &Roster, orders: &[(u64, &str)]) -> (String, Overrides) {
    let mut overrides = Overrides::default();
    let mut told = String::new();
    for (second, words) in orders {
        write!(told, "{second} {words}: ").unwrap();
        match overrides.order(&order(words), roster, (T + second) * 1000) {
            Ok(done) => {
                overrides = done.overrides;
                told.push_str("done\n");
                for note in done.notes {
                    writeln!(told, "  note: {note}").unwrap();
                }
            }
            Err(refusal) => {
                writeln!(told, "{:?}: {}", refusal.kind, refusal.message).unwrap();
                if let Some(help) = refusal.help {
                    writeln!(told, "  help: {help}").unwrap();
                }
            }
        }
    }
    (told, overrides)
}

#[track_caller]
fn check(down: &[&str], orders: &[(u64, &str)], expected: &Expect) {
    expected.assert_eq(&run(&roster(down), orders).0);
}

fn effect_words(effect: Effect) -> String {
    match effect {
        Effect { forced: Some(forced), .. } => format!("{forced:?}").to_lowercase(),
        Effect { drained: true, .. } => "drained".to_owned(),
        Effect { share, .. } => share.to_string(),
    }
}

#[test]
fn the_most_specific_scope_holds_alone() {
    let orders = [(0, "drain fra"), (0, "up web@fra"), (0, "down web force"), (0, "drain api@fra force for 60s")];
    let (told, overrides) = run(&roster(&[]), &orders);
    assert_eq!(told.matches("done").count(), 3, "{told}");
    let at = |second: u64, service: &str, pop: &str| effect_words(overrides.effect(service, pop, (T + second) * 1000));
    // `drain fra` was refused: it would leave `api` nothing.
    assert_eq!(at(0, "web", "fra"), "up");
    assert_eq!(at(0, "web", "ams"), "down");
    assert_eq!(at(0, "api", "fra"), "drained");
    assert_eq!(at(60, "api", "fra"), "1000");
    assert_eq!(at(0, "both", "ams"), "1000");

    let (_, overrides) = run(&roster(&[]), &[(0, "drain fra force"), (0, "down web force"), (0, "up web@fra for 60s")]);
    let at = |second: u64, service: &str, pop: &str| effect_words(overrides.effect(service, pop, (T + second) * 1000));
    // PoP before service; and what has ended covers nothing.
    assert_eq!(
        (at(0, "web", "fra"), at(60, "web", "fra"), at(0, "web", "ams")),
        ("up".into(), "drained".into(), "down".into())
    );
}

#[test]
fn a_gradual_drain_turned_around_goes_on_from_where_it_is() {
    let (_, overrides) = run(&roster(&[]), &[(0, "drain ams over 10m")]);
    let share = |o: &Overrides, second: u64| effect_words(o.effect("web", "ams", (T + second) * 1000));
    let seen = [0, 9, 10, 150, 300, 599, 600, 9999].map(|second| share(&overrides, second));
    // 64 steps of 9.375 s.
    assert_eq!(seen, ["1000", "1000", "985", "750", "500", "16", "drained", "drained"]);

    let (told, overrides) = run(&roster(&[]), &[(0, "drain ams over 10m"), (300, "undrain ams over 5m")]);
    assert!(!told.contains("Conflict"), "{told}");
    let seen = [300, 302, 305, 450, 599, 600].map(|second| share(&overrides, second));
    assert_eq!(seen, ["500", "500", "507", "750", "992", "1000"]);
    assert!(overrides.next_change((T + 600) * 1000).is_none());
    let mut ended = overrides.clone();
    assert_eq!(ended.prune((T + 600) * 1000).len(), 1);
    assert_eq!(ended.list(), []);

    // And once more the other way.
    let orders = [(0, "drain ams over 10m"), (300, "undrain ams over 5m"), (450, "drain ams over 1m")];
    let (_, overrides) = run(&roster(&[]), &orders);
    assert_eq!([450, 480, 510].map(|second| share(&overrides, second)), ["750", "375", "drained"]);
    // A drain that is complete begins from nothing.
    let (_, overrides) = run(&roster(&[]), &[(0, "drain ams"), (5, "drain ams over 1m")]);
    assert_eq!(share(&overrides, 5), "drained");
    // The drain of one service at a drained PoP, too.
    let (_, overrides) = run(&roster(&[]), &[(0, "drain ams over 10m"), (300, "drain web@ams over 10m")]);
    assert_eq!(share(&overrides, 300), "500");
}

#[test]
fn a_gradual_drain_ends_gradually_and_another_at_once() {
    let (_, mut overrides) = run(&roster(&[]), &[(0, "drain ams over 1m for 2m"), (0, "drain api@fra for 2m force")]);
    let share = |o: &Overrides, pop, second: u64| {
        let service = if pop == "ams" { "web" } else { "api" };
        effect_words(o.effect(service, pop, (T + second) * 1000))
    };
    assert_eq!(
        [60, 119, 120, 150, 179, 180].map(|s| share(&overrides, "ams", s)),
        ["drained", "drained", "drained", "500", "983", "1000"]
    );
    assert_eq!([119, 120].map(|s| share(&overrides, "fra", s)), ["drained", "1000"]);
    assert_eq!(overrides.prune((T + 120) * 1000).len(), 1);
    assert!(overrides.list()[0].returns((T + 120) * 1000));
}

#[test]
fn min_up_refuses_by_name() {
    check(
        &["ams"],
        &[
            (0, "drain fra"),
            (1, "drain web@fra"),
            (2, "down web@fra force"),
            (3, "down web@ams"),
            (4, "up web@ams"),
            (5, "drain both"),
        ],
        &expect![[r"
            0 drain fra: Conflict: this would leave `web` no usable PoP; its `min_up` is 1
              help: to do it all the same, add `--force`
            1 drain web@fra: Conflict: this would leave `web` no usable PoP; its `min_up` is 1
              help: to do it all the same, add `--force`
            2 down web@fra force: done
              note: `web` has no usable PoP left, below its `min_up` of 1
            3 down web@ams: done
            4 up web@ams: done
            5 drain both: Invalid: `both` is a PoP and a service
              help: write `pop:both` or `service:both`
        "]],
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_help() {
    check(
        &[],
        &[
            (0, "drain frq"),
            (0, "drain nowhere"),
            (0, "drain wbe@fra"),
            (0, "drain api@ams"),
            (0, "drain pop:api"),
            (0, "drain ams silently"),
            (0, "up ams over 5m"),
            (0, "undrain ams for 5m"),
            (0, "drain ams for 1m over 5m"),
            (0, "drain ams for 0s"),
            (0, "undrain ams"),
            (0, "clear ams"),
            (0, "drain service:both"),
            (0, "clear ams"),
            (0, "up ams"),
            (0, "undrain ams"),
            (0, "undrain web@ams"),
            (0, "clear ams"),
        ],
        &expect![[r"
            0 drain frq: Unknown: there is no PoP or service `frq`
              help: did you mean `fra`?
            0 drain nowhere: Unknown: there is no PoP or service `nowhere`
              help: there are `ams`, `api`, `both`, `fra`, `sin`, `web`
            0 drain wbe@fra: Unknown: there is no service `wbe`
              help: did you mean `web`?
            0 drain api@ams: Unknown: `api` is not served at `ams`
              help: it is at `fra`
            0 drain pop:api: Unknown: there is no PoP `api`
              help: there are `ams`, `both`, `fra`, `sin`
            0 drain ams silently: Invalid: `drain` needs a reason
              help: say why with `--reason`: whoever is on call next will read it
            0 up ams over 5m: Invalid: `up` has no `over`
              help: `drain` and `undrain` have
            0 undrain ams for 5m: Invalid: `undrain` has no `for`
              help: `drain`, `up` and `down` have
            0 drain ams for 1m over 5m: Invalid: `for` is shorter than `over`
              help: the drain would end before it is complete
            0 drain ams for 0s: Invalid: `for` is out of range
              help: accepted: 1 s to 366 days
            0 undrain ams: Conflict: `ams` is not drained
              help: there are no overrides
            0 clear ams: Conflict: there is no override of `ams`
              help: there are no overrides
            0 drain service:both: done
            0 clear ams: Conflict: there is no override of `ams`
              help: there are: drain of `both`
            0 up ams: done
            0 undrain ams: Conflict: `ams` is forced up, not drained
              help: `catchment force clear ams`
            0 undrain web@ams: Conflict: `web@ams` is not drained
              help: there are: drain of `both`, up of `ams`
            0 clear ams: done
        "]],
    );
}

#[test]
fn a_drain_written_in_a_file_is_not_undone() {
    check(
        &[],
        &[
            (0, "undrain sin"),
            (1, "undrain web@sin"),
            (2, "up sin"),
            (3, "drain sin"),
            (4, "undrain sin"),
            (5, "undrain sin"),
        ],
        &expect![[r"
            0 undrain sin: Conflict: `sin` is drained in its file, at zones/fleet.yaml:5:3; no command undoes that
              help: take `drain: true` out there; that is live within a second
            1 undrain web@sin: Conflict: `sin` is drained in its file, at zones/fleet.yaml:5:3; no command undoes that
              help: take `drain: true` out there; that is live within a second
            2 up sin: done
              note: `sin` stays drained by its file, at zones/fleet.yaml:5:3
            3 drain sin: done
            4 undrain sin: done
              note: `sin` stays drained by its file, at zones/fleet.yaml:5:3
            5 undrain sin: Conflict: `sin` is drained in its file, at zones/fleet.yaml:5:3; no command undoes that
              help: take `drain: true` out there; that is live within a second
        "]],
    );
}

#[test]
fn notes_tell_what_else_holds() {
    check(
        &[],
        &[
            (0, "up web@ams"),
            (1, "drain ams"),
            (2, "up web"),
            (3, "clear web@ams"),
            (4, "undrain web@ams"),
            (5, "clear ams"),
        ],
        &expect![[r"
            0 up web@ams: done
            1 drain ams: done
              note: up of `web@ams` is more specific and still holds there
            2 up web: done
              note: up of `web@ams` is more specific and still holds there
              note: drain of `ams` is more specific and still holds there
            3 clear web@ams: done
              note: drain of `ams` now holds there
            4 undrain web@ams: Conflict: `web@ams` has no drain of its own; what holds there is drain of `ams`
              help: `catchment undrain ams`, or `catchment force up web@ams` for this alone
            5 clear ams: done
        "]],
    );
}

#[test]
fn an_override_lasts_at_least_as_long_as_was_asked() {
    let at = T * 1000 + 900;
    let done = Overrides::default().order(&order("down ams for 1s"), &roster(&[]), at).unwrap();
    let holds = |ms| done.overrides.effect("web", "ams", at + ms).forced;
    assert_eq!([holds(0), holds(1000), holds(1100)], [Some(Forced::Down), Some(Forced::Down), None]);
}

#[test]
fn without_overrides_nothing_holds_or_changes() {
    let none = Overrides::default();
    assert_eq!(none.effect("web", "fra", T * 1000), Effect { forced: None, drained: false, share: 1000 });
    assert_eq!(none.next_change(0), None);
    let (_, forever) = run(&roster(&[]), &[(0, "drain ams")]);
    assert_eq!(forever.next_change(T * 1000), None);
}

proptest! {
    /// A share goes one way, from its start to its end, in steps a second apart that `next_step` foretells.
    #[test]
    fn ramps_are_monotone_and_foretold(
        over_ms in 1_u64..5_000_000,
        from in 0_u16..=1000,
        to in 0_u16..=1000,
        probes in proptest::collection::vec(0_u64..6_000_000, 1..20),
    ) {
        let over = Duration::from_millis(over_ms);
        let share = |at| ramp_share(T, over, from, to, T + at);
        prop_assert_eq!(share(0), from);
        prop_assert_eq!(share(over_ms), to);
        let mut probes = probes;
        probes.sort_unstable();
        for pair in probes.windows(2) {
            prop_assert!(share(pair[1]).abs_diff(to) <= share(pair[0]).abs_diff(to));
        }
        for at in probes {
            match next_step(T, over, T + at) {
                None => prop_assert_eq!(share(at), to),
                Some(next) => {
                    let next = next - T;
                    prop_assert!(next > at);
                    prop_assert_eq!(share(next - 1), share(at));
                    let after = next_step(T, over, T + next);
                    prop_assert!(after.is_none_or(|after| after - T - next >= 999));
                }
            }
        }
    }

    /// Between two changes that are foretold no effect differs.
    #[test]
    fn nothing_changes_unforetold(
        orders in proptest::collection::vec((0_u64..2000, 0_usize..8, 0_usize..5), 1..12),
        steps in proptest::collection::vec(1_u64..200_000, 1..30),
    ) {
        const ACTIONS: [&str; 8] = [
            "drain", "drain", "drain", "undrain", "undrain", "up", "down", "clear",
        ];
        const TARGETS: [&str; 5] = ["ams", "fra", "web", "web@fra", "web@ams"];
        let roster = roster(&[]);
        let mut orders: Vec<_> = orders;
        orders.sort_unstable();
        let mut overrides = Overrides::default();
        for (second, action, target) in orders {
            let more = match action {
                1 => " over 10m",
                2 => " over 5m for 7m",
                4 => " over 3m",
                5 => " for 90s",
                _ => "",
            };
            let order = order(&format!("{} {}{more} force", ACTIONS[action], TARGETS[target]));
            if let Ok(done) = overrides.order(&order, &roster, (T + second) * 1000) {
                overrides = done.overrides;
            }
        }
        let effects = |at: u64| {
            let pairs = [("web", "fra"), ("web", "ams"), ("api", "fra")];
            pairs.map(|(service, pop)| overrides.effect(service, pop, at))
        };
        let mut at = (T + 2000) * 1000;
        for step in steps {
            let next = overrides.next_change(at);
            prop_assert!(next.is_none_or(|next| next > at));
            let to = at + step;
            if next.is_none_or(|next| next > to) {
                prop_assert_eq!(effects(at), effects(to));
            }
            at = to;
        }
    }
}
