//! Virtual time: a plan of targets behind a network whose answers the test decides.

use proptest::prelude::*;

mod simulations;

use super::*;
use crate::health::check::CheckKind;
use crate::health::observation::Observation;
use crate::health::state::{State, worst_detection};
use crate::health::table::Table;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// How the network answers: whether well, and after how long. Arguments: target, start of the probe.
type Network<'a> = &'a mut dyn FnMut(usize, Duration) -> (bool, Duration);

/// What the prober does, with time as a number.
struct World {
    table: Table,
    schedule: Schedule,
    /// Probes in flight: when they end, and how.
    ends: Vec<(Duration, Ticket, bool)>,
    now: Duration,
    /// Every start of a probe.
    starts: Vec<(Duration, Key, Role)>,
    /// Every change of state.
    changes: Vec<(Duration, Key, State)>,
    most_in_flight: usize,
}

impl World {
    fn new(limit: usize) -> Self {
        Self {
            table: Table::default(),
            schedule: Schedule::new(Limit::Fixed(limit)),
            ends: Vec::new(),
            now: Duration::ZERO,
            starts: Vec::new(),
            changes: Vec::new(),
            most_in_flight: 0,
        }
    }

    fn replace(&mut self, targets: Vec<Target>) {
        self.table.replace(targets, self.now);
        let entries = self.table.entries().iter();
        let gone = self.schedule.replace(entries.map(|entry| (entry.key, &entry.target)), self.now);
        self.ends.retain(|(_, ticket, _)| !gone.contains(ticket));
    }

    fn run_until(&mut self, end: Duration, network: Network<'_>) {
        loop {
            while let Some(start) = self.schedule.start(self.now, |key, pair| self.table.awaits(key, pair)) {
                let index = self.table.entries().iter().position(|entry| entry.key == start.key).unwrap();
                let (good, took) = network(index, self.now);
                self.ends.push((self.now + took, start.ticket, good));
                self.starts.push((self.now, start.key, start.role));
                self.most_in_flight = self.most_in_flight.max(self.schedule.in_flight());
            }
            assert_eq!(self.ends.len(), self.schedule.in_flight());
            let first_end = self.ends.iter().map(|&(at, ..)| at).min();
            let Some(next) = [self.schedule.next(), first_end].into_iter().flatten().min().filter(|next| *next <= end)
            else {
                self.now = end;
                return;
            };
            assert!(next >= self.now || self.schedule.in_flight() < self.schedule.limit());
            self.now = self.now.max(next);
            for (_, ticket, good) in self.ends.extract_if(.., |(at, ..)| *at <= self.now).collect::<Vec<_>>() {
                let (key, role) = self.schedule.finish(ticket, self.now).unwrap();
                let observation = if good { Observation::good("") } else { Observation::bad("") };
                let (_, step) = self.table.observe(key, role, observation, self.now).unwrap();
                self.schedule.settle(key, !self.table.entry(key).unwrap().machine.state().usable());
                if let Some(change) = step.change {
                    self.changes.push((self.now, key, change.to));
                }
                if let Some((pair, at)) = step.confirm {
                    self.schedule.confirm(key, pair, at);
                }
            }
        }
    }

    /// The moments at which a target left use; a relapse while it recovers is none.
    fn falls(&self) -> Vec<Duration> {
        let mut before = State::Unknown;
        let mut falls = Vec::new();
        for &(at, _, state) in &self.changes {
            if state == State::Down && before.usable() {
                falls.push(at);
            }
            before = state;
        }
        falls
    }

    fn scheduled_starts(&self, index: usize) -> Vec<Duration> {
        let key = self.table.entries()[index].key;
        let of_this = self.starts.iter().filter(|(_, of, role)| *of == key && *role == Role::Scheduled);
        of_this.map(|(at, ..)| *at).collect()
    }
}

fn target(number: usize, check: &Check) -> Target {
    let address = format!("127.0.{}.{}:80", number / 250, number % 250 + 1);
    Target { address: address.parse().unwrap(), check: check.clone() }
}

fn gaps(starts: &[Duration]) -> impl Iterator<Item = Duration> {
    starts.windows(2).map(|pair| pair[1].saturating_sub(pair[0]))
}

fn tcp() -> Check {
    Check::new(CheckKind::Tcp)
}

#[test]
fn the_first_round_is_at_once_then_phases_spread_over_the_interval() {
    let mut world = World::new(10_000);
    world.replace((0..1000).map(|number| target(number, &tcp())).collect());
    world.run_until(60 * SECOND, &mut |_, _| (true, MS));
    let first: Vec<_> = (0..1000).map(|index| world.scheduled_starts(index)[0]).collect();
    assert!(first.iter().all(|at| *at == Duration::ZERO));
    // In the fourth interval no tenth of it has more than double its share of starts.
    let mut tenths = [0; 10];
    for (at, ..) in world.starts.iter().filter(|(at, ..)| (20 * SECOND..25 * SECOND).contains(at)) {
        tenths[(at.saturating_sub(20 * SECOND).as_millis() / 500) as usize] += 1;
    }
    let total: i32 = tenths.iter().sum();
    assert!((1000..1150).contains(&total), "{total}");
    assert!(tenths.iter().all(|count| *count < total / 5), "{tenths:?}");
}

#[test]
fn jitter_only_shortens_and_the_rate_has_a_bound() {
    let mut world = World::new(8);
    world.replace((0..5).map(|number| target(number, &tcp())).collect());
    world.run_until(1000 * SECOND, &mut |_, _| (true, MS));
    for index in 0..5 {
        let starts = world.scheduled_starts(index);
        assert!((200..225).contains(&starts.len()), "{}", starts.len());
        let gaps: Vec<_> = gaps(&starts).collect();
        assert!(gaps.iter().all(|gap| *gap <= 5 * SECOND && *gap * 3 >= 2 * 5 * SECOND), "{gaps:?}");
        // No two in a row alike: targets that met part again.
        assert!(gaps[3..].windows(2).all(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn a_late_start_does_not_put_off_the_next() {
    let mut schedule = Schedule::new(Limit::Fixed(1));
    let mut table = Table::default();
    table.replace(vec![target(0, &tcp())], Duration::ZERO);
    let key = table.entries()[0].key;
    schedule.replace([(key, &target(0, &tcp()))], Duration::ZERO);
    let mut due = Duration::ZERO;
    for round in 0..30 {
        let start = schedule.start(due + SECOND, |_, _| true).unwrap();
        schedule.finish(start.ticket, due + SECOND);
        let next = schedule.next_of(key).unwrap();
        assert!(
            next <= due + 5 * SECOND && next >= due + SECOND + shortest(5 * SECOND),
            "round {round}: {due:?} {next:?}"
        );
        due = next;
    }
}

#[test]
fn the_cap_holds_and_nobody_starves() {
    let mut world = World::new(4);
    // 20 targets that all hang: 20 × 2 s of work in each 5 s, for 4 at a time; once they are known to hang, 3 of them.
    world.replace((0..20).map(|number| target(number, &Check { confirm: false, ..tcp() })).collect());
    world.run_until(100 * SECOND, &mut |_, _| (false, 2 * SECOND));
    assert_eq!(world.most_in_flight, 4);
    for index in 0..20 {
        let starts = world.scheduled_starts(index);
        assert!((7..=9).contains(&starts.len()), "{starts:?}");
        assert!(gaps(&starts).all(|gap| gap * 3 >= 2 * 5 * SECOND), "{starts:?}");
    }
    assert!(world.schedule.lag(world.now) > SECOND);
    let late = world.schedule.late(world.now).unwrap();
    assert!(late.by == world.schedule.lag(world.now) && (5..=17).contains(&late.count), "{late:?}");
}

/// Targets that hang make each other late, and nobody else.
#[test]
fn those_that_hang_do_not_delay_those_that_answer() {
    let mut world = World::new(8);
    let plain = Check { confirm: false, ..tcp() };
    // 40 that hang want 16 places, 40 that answer next to none.
    world.replace((0..80).map(|number| target(number, &plain)).collect());
    // The first minute goes by until those that hang are down.
    let death = 120 * SECOND;
    world.run_until(death, &mut |index, _| if index < 40 { (false, 2 * SECOND) } else { (true, 5 * MS) });
    let late = world.starts.iter().filter(|(at, ..)| *at > 60 * SECOND).filter(|(at, key, _)| {
        let index = world.table.entries().iter().position(|entry| entry.key == *key).unwrap();
        let before = world.starts.iter().filter(|(earlier, of, _)| of == key && earlier < at).map(|(at, ..)| *at).max();
        index >= 40 && before.is_some_and(|before| *at > before + 5 * SECOND + 10 * MS)
    });
    assert_eq!(late.count(), 0);
    // And one of them that dies by hanging is noticed in time.
    world.run_until(death + worst_detection(&plain), &mut |index, _| {
        if index <= 40 { (false, 2 * SECOND) } else { (true, 5 * MS) }
    });
    assert_eq!(world.table.states()[40], State::Down);
    assert!(world.table.states()[41..].iter().all(|state| *state == State::Up));
}

#[test]
fn a_limit_that_follows_the_plan() {
    let plan = |count: usize| {
        let mut schedule = Schedule::new(Limit::Plan(8192));
        let targets: Vec<Target> = (0..count).map(|number| target(number, &tcp())).collect();
        let mut table = Table::default();
        table.replace(targets, Duration::ZERO);
        schedule.replace(table.entries().iter().map(|entry| (entry.key, &entry.target)), Duration::ZERO);
        schedule.limit()
    };
    assert_eq!([0, 100, 426, 640, 2000, 10_000].map(plan), [256, 256, 455, 683, 2134, 8192]);
    assert_eq!(Schedule::new(Limit::Fixed(0)).limit(), 1);
}

/// Targets that all hang at once, confirmations included, are noticed within the documented time.
#[test]
fn a_whole_plan_that_hangs_is_noticed_in_time() {
    let mut world = World { schedule: Schedule::new(Limit::Plan(4096)), ..World::new(1) };
    world.replace((0..500).map(|number| target(number, &tcp())).collect());
    let death = 30 * SECOND;
    world.run_until(death, &mut |_, _| (true, 5 * MS));
    world.run_until(death + worst_detection(&tcp()), &mut |_, _| (false, 2 * SECOND));
    let down = world.table.states().iter().filter(|state| **state == State::Down).count();
    assert_eq!(down, 500);
}

#[test]
fn a_hurried_target_is_due_now() {
    let mut world = World::new(4);
    world.replace(vec![target(0, &tcp())]);
    world.run_until(20 * SECOND, &mut |_, _| (true, MS));
    let key = world.table.entries()[0].key;
    world.schedule.hurry(key, world.now);
    world.starts.clear();
    world.run_until(30 * SECOND, &mut |_, _| (true, MS));
    let starts = world.scheduled_starts(0);
    assert!(starts[0] == 20 * SECOND && starts.len() <= 4, "{starts:?}");
}

#[test]
fn a_new_plan_stops_what_it_has_not_and_starts_what_is_new() {
    let mut world = World::new(10);
    world.replace(vec![target(0, &tcp()), target(1, &tcp())]);
    let kept = world.table.entries()[1].key;
    world.run_until(20 * SECOND, &mut |_, _| (true, MS));
    let next = world.schedule.next_of(kept).unwrap();
    // The one that stays keeps its turn, the new one is due now, the old one is gone for good.
    world.starts.clear();
    world.replace(vec![target(1, &tcp()), target(2, &tcp())]);
    assert_eq!(world.schedule.next_of(kept), Some(next));
    world.run_until(60 * SECOND, &mut |_, _| (true, MS));
    assert_eq!(world.scheduled_starts(0)[0], next);
    assert_eq!(world.scheduled_starts(1)[0], 20 * SECOND);
    assert_eq!(world.starts.len(), world.scheduled_starts(0).len() + world.scheduled_starts(1).len());
    // A shorter interval counts from the last start; the state is kept.
    let fast = Check { interval: SECOND, timeout: SECOND, ..tcp() };
    let last = *world.scheduled_starts(0).last().unwrap();
    world.replace(vec![target(1, &fast)]);
    let due = world.schedule.next_of(kept).unwrap();
    assert!(due <= (last + SECOND).max(world.now) && world.table.states() == [State::Up], "{due:?} {last:?}");
    // Probes in flight for a target that goes end with it.
    world.run_until(62 * SECOND, &mut |_, _| (true, 60 * SECOND));
    assert!(world.schedule.in_flight() > 0);
    world.replace(Vec::new());
    assert_eq!((world.schedule.in_flight(), world.schedule.next()), (0, None));
}

#[test]
fn a_confirmation_nobody_waits_for_is_not_made() {
    let mut world = World::new(10);
    let check = Check { interval: SECOND, timeout: SECOND, ..tcp() };
    world.replace(vec![target(0, &check)]);
    // One failure that takes nearly as long as the interval; the next scheduled probe succeeds before the confirmation.
    let mut count = 0;
    world.run_until(10 * SECOND, &mut |_, _| {
        count += 1;
        if count == 6 { (false, 950 * MS) } else { (true, MS) }
    });
    assert!(world.starts.iter().all(|(_, _, role)| *role == Role::Scheduled));
    assert_eq!(world.table.states(), [State::Up]);
}

fn checks() -> impl Strategy<Value = Check> {
    (100u32..6000, 1u32..=100, 1u32..6, 1u32..4, any::<bool>()).prop_map(|(interval, share, fall, rise, confirm)| {
        Check { interval: interval * MS, timeout: (interval * share / 100).max(1) * MS, fall, rise, confirm, ..tcp() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// SEMANTICS §4.2: whatever the thresholds, the moment of death and the way of failing (at once or by hanging), a
    /// target is down within `fall × interval + 2 × timeout + 0.25 s`; and it never is while it answers.
    #[test]
    fn detection_is_within_its_bound(
        check in checks(), alive_for in 0u32..40_000, delays in prop::collection::vec(0u32..=100, 32),
    ) {
        let mut world = World::new(256);
        world.replace(vec![target(0, &check)]);
        // Nothing is owed to a target that was never seen up, so it lives at least through its first probe.
        let death = alive_for * MS + check.timeout;
        let bound = worst_detection(&check);
        prop_assert!(bound <= check.interval * check.fall + 2 * check.timeout + 250 * MS);
        let mut turn = 0;
        world.run_until(death + bound, &mut |_, now| {
            turn += 1;
            let took = check.timeout * delays[turn % delays.len()] / 100;
            (now + took <= death, took)
        });
        for &(at, _, state) in &world.changes {
            prop_assert!(state == State::Up || at > death, "{state} at {at:?}, death at {death:?}");
        }
        prop_assert_eq!(world.table.states(), [State::Down]);
        let starts = world.scheduled_starts(0);
        for gap in gaps(&starts) {
            prop_assert!(gap <= check.interval && gap >= shortest(check.interval));
        }
    }

    /// And a target that comes back is up after `rise` probes, within rise × interval + timeout.
    #[test]
    fn recovery_is_within_its_bound(check in checks(), dead_for in 0u32..20_000) {
        let check = Check { flap: None, ..check };
        let mut world = World::new(256);
        world.replace(vec![target(0, &check)]);
        let birth = check.interval * check.fall * 2 + 2 * check.timeout + (dead_for + 500) * MS;
        world.run_until(birth, &mut |_, _| (false, MS));
        prop_assert_eq!(world.table.states(), [State::Down]);
        world.run_until(birth + check.interval * check.rise + check.timeout, &mut |_, _| (true, check.timeout));
        prop_assert_eq!(world.table.states(), [State::Up]);
    }

    /// Loss of single packets is what confirmation is for: no two probes in a row fail, so the target stays in use.
    #[test]
    fn single_losses_change_nothing(check in checks(), losses in prop::collection::vec(any::<bool>(), 200)) {
        let check = Check { confirm: true, timeout: check.timeout.min(check.interval / 4), ..check };
        let mut world = World::new(256);
        world.replace(vec![target(0, &check)]);
        let (mut turn, mut lost) = (0, true);
        world.run_until(check.interval * 150, &mut |_, _| {
            turn += 1;
            lost = !lost && losses[turn % losses.len()];
            (!lost, check.timeout / 2)
        });
        prop_assert_eq!(world.changes.len(), 1);
        prop_assert_eq!(world.table.states(), [State::Up]);
    }
}
