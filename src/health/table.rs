//! The targets of one plan, and what is known of each.
//!
//! A new plan takes over what is known of the targets it keeps: those with the same address and kind of check, even when
//! thresholds, interval or timeout changed (SEMANTICS §4.6). [`TargetId`]s are positions in the plan and change with
//! it; [`Key`]s stay with a target from plan to plan, so that a probe under way finds its target again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::check::{CheckKind, Target, TargetId};
use super::observation::{Observation, Verdict};
use super::state::{Change, Machine, Pair, Remembered, Role, State, Step};

/// Names a target from plan to plan. Never used again once its target is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// The targets of the current plan with what is known of them.
#[derive(Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
    ids: HashMap<Key, TargetId>,
    next_key: u64,
    /// Entries without any observation.
    untried: usize,
}

/// One target and what is known of it. Moments are as in [`super::state`].
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name from plan to plan.
    pub key: Key,
    /// What is probed.
    pub target: Target,
    /// State and counters.
    pub machine: Machine,
    /// The last observation and when it came; also one that could not be made.
    pub last: Option<(Duration, Observation)>,
}

/// How many targets have been tried, and how the last probe of each went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Targets in the plan; the sum of the others.
    pub targets: usize,
    /// The last probe was good.
    pub good: usize,
    /// The last probe was bad.
    pub bad: usize,
    /// The last probe could not be made, for a reason on this side.
    pub unable: usize,
    /// No probe has ended yet.
    pub untried: usize,
}

impl Table {
    /// Puts a new plan in the place of the old one. What is known of a target that stays is kept; when its check changed
    /// but not its kind, too. Targets that differ only in thresholds and stand in for one old target each begin with
    /// what was known of that one.
    pub fn replace(&mut self, targets: Vec<Target>, now: Duration) {
        let place = |target: &Target| (target.address, target.check.kind.clone());
        let mut old: HashMap<(SocketAddr, CheckKind), Vec<Entry>> = HashMap::new();
        for entry in self.entries.drain(..) {
            old.entry(place(&entry.target)).or_default().push(entry);
        }
        // Equal checks find each other first, so that two targets that differ in thresholds are not mixed up.
        let mut found: Vec<Option<Entry>> = targets
            .iter()
            .map(|target| {
                let alike = old.get_mut(&place(target))?;
                let index = alike.iter().position(|entry| entry.target == *target)?;
                Some(alike.swap_remove(index))
            })
            .collect();
        for (target, found) in targets.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            let entry = old.get_mut(&place(target)).and_then(Vec::pop);
            *found = entry.map(|entry| Entry { target: target.clone(), ..entry });
        }
        let mut known: HashMap<(SocketAddr, CheckKind), Entry> = HashMap::new();
        if found.iter().any(Option::is_none) {
            for entry in found.iter().flatten() {
                known.entry(place(&entry.target)).or_insert_with(|| entry.clone());
            }
        }
        for (target, found) in targets.into_iter().zip(found) {
            let entry = found.unwrap_or_else(|| {
                let key = Key(self.next_key);
                self.next_key += 1;
                match known.get(&place(&target)) {
                    Some(alike) => Entry { key, target, ..alike.clone() },
                    None => Entry { key, target, machine: Machine::new(now), last: None },
                }
            });
            self.entries.push(entry);
        }
        self.ids = self.entries.iter().enumerate().map(|(index, entry)| (entry.key, TargetId(index as u32))).collect();
        self.untried = self.entries.iter().filter(|entry| entry.last.is_none()).count();
    }

    /// Gives targets without any result what an earlier run knew of them; how many it knew.
    pub fn recall(&mut self, known: impl Fn(&Target) -> Option<Remembered>, now: Duration) -> usize {
        let untried = self.entries.iter_mut().filter(|entry| entry.machine.judged().is_none());
        untried
            .filter_map(|entry| {
                let known = known(&entry.target)?;
                entry.machine.recall(&known, now);
                Some(())
            })
            .count()
    }

    /// Takes in a result; `None` when its target is not in the plan any more.
    pub fn observe(&mut self, key: Key, role: Role, observation: Observation, now: Duration) -> Option<(&Entry, Step)> {
        let &id = self.ids.get(&key)?;
        let entry = self.entries.get_mut(id.0 as usize)?;
        let step = entry.machine.observe(&entry.target.check, role, &observation, now);
        if entry.last.replace((now, observation)).is_none() {
            self.untried -= 1;
        }
        Some((entry, step))
    }

    /// Makes unknown what is too old; calls `changed` for each target whose state changed.
    pub fn expire(&mut self, now: Duration, mut changed: impl FnMut(&Entry, Change)) {
        for entry in &mut self.entries {
            if let Some(change) = entry.machine.expire(&entry.target.check, now) {
                changed(entry, change);
            }
        }
    }

    /// Whether this pair's confirmation can still count.
    pub fn awaits(&self, key: Key, pair: Pair) -> bool {
        self.entry(key).is_some_and(|entry| entry.machine.awaits(pair))
    }

    /// What is known of this target, if the plan has it.
    pub fn entry(&self, key: Key) -> Option<&Entry> {
        self.ids.get(&key).and_then(|id| self.entries.get(id.0 as usize))
    }

    /// All targets, by [`TargetId`].
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All states, by [`TargetId`].
    pub fn states(&self) -> Vec<State> {
        self.entries.iter().map(|entry| entry.machine.state()).collect()
    }

    /// How long ago each target came up from `down`, by [`TargetId`]; `None`: never. What a slow start counts from.
    pub fn returns(&self, now: Duration) -> Vec<Option<Duration>> {
        self.entries.iter().map(|entry| entry.machine.returned().map(|at| now.saturating_sub(at))).collect()
    }

    /// How many targets no probe of has ended yet.
    pub fn untried(&self) -> usize {
        self.untried
    }

    /// How the last probe of each target went.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { targets: self.entries.len(), ..Tally::default() };
        for entry in &self.entries {
            match entry.last.as_ref().map(|(_, observation)| observation.verdict) {
                Some(Verdict::Good) => tally.good += 1,
                Some(Verdict::Bad) => tally.bad += 1,
                Some(Verdict::Unable) => tally.unable += 1,
                None => tally.untried += 1,
            }
        }
        tally
    }

    /// Age of the oldest last result, of the targets that have one; what the staleness metric shows.
    pub fn oldest_result(&self, now: Duration) -> Option<Duration> {
        let oldest = self.entries.iter().filter_map(|entry| entry.machine.judged()).min()?;
        Some(now.saturating_sub(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::check::Check;

    fn target(address: &str, fall: u32) -> Target {
        let check = Check { fall, confirm: false, ..Check::new(CheckKind::Tcp) };
        Target { address: address.parse().unwrap(), check }
    }

    fn feed(table: &mut Table, id: usize, results: &str) {
        for (second, result) in results.chars().enumerate() {
            let observation = match result {
                '+' => Observation::good("connected"),
                '-' => Observation::bad("connection refused"),
                _ => Observation::unable("too many open files"),
            };
            let key = table.entries()[id].key;
            table.observe(key, Role::Scheduled, observation, Duration::from_secs(second as u64)).unwrap();
        }
    }

    #[track_caller]
    fn check(table: &Table, expected: &[(State, u32)]) {
        let actual: Vec<_> =
            table.entries().iter().map(|entry| (entry.machine.state(), entry.machine.failures())).collect();
        assert_eq!(actual, expected);
        assert_eq!(table.states(), expected.iter().map(|(state, _)| *state).collect::<Vec<_>>());
        for (index, entry) in table.entries().iter().enumerate() {
            assert_eq!(table.ids[&entry.key], TargetId(index as u32));
        }
    }

    #[test]
    fn a_new_plan_keeps_what_is_known_of_targets_that_stay() {
        let mut table = Table::default();
        table.replace(
            vec![target("127.0.0.1:1", 3), target("127.0.0.2:1", 3), target("127.0.0.3:1", 3)],
            Duration::ZERO,
        );
        feed(&mut table, 0, "---");
        feed(&mut table, 1, "+-");
        check(&table, &[(State::Down, 3), (State::Suspect, 1), (State::Unknown, 0)]);
        let (gone, stays) = (table.entries()[0].key, table.entries()[1].key);

        // Another order, a changed threshold, one gone, one new.
        table.replace(
            vec![target("127.0.0.4:1", 3), target("127.0.0.3:1", 3), target("127.0.0.2:1", 5)],
            Duration::ZERO,
        );
        check(&table, &[(State::Unknown, 0), (State::Unknown, 0), (State::Suspect, 1)]);
        assert_eq!(table.entries()[2].key, stays);
        assert_eq!(table.entries()[2].target.check.fall, 5);
        assert!(table.observe(gone, Role::Scheduled, Observation::good("late"), Duration::ZERO).is_none());

        // What left and comes back starts anew.
        table.replace(vec![target("127.0.0.1:1", 3)], Duration::ZERO);
        check(&table, &[(State::Unknown, 0)]);
        assert_ne!(table.entries()[0].key, gone);
    }

    #[test]
    fn targets_that_differ_in_thresholds_only() {
        let mut table = Table::default();
        table.replace(vec![target("127.0.0.1:1", 2), target("127.0.0.1:1", 9)], Duration::ZERO);
        feed(&mut table, 0, "--");
        feed(&mut table, 1, "--");
        check(&table, &[(State::Down, 2), (State::Suspect, 2)]);
        // Each finds itself, whatever the order; a third of their kind begins with what is known.
        table.replace(
            vec![target("127.0.0.1:1", 9), target("127.0.0.1:1", 4), target("127.0.0.1:1", 2)],
            Duration::ZERO,
        );
        check(&table, &[(State::Suspect, 2), (State::Suspect, 2), (State::Down, 2)]);
        let keys: std::collections::HashSet<Key> = table.entries().iter().map(|entry| entry.key).collect();
        assert_eq!(keys.len(), 3);
    }

    #[test]
    fn another_kind_at_the_same_address_is_another_target() {
        let mut table = Table::default();
        table.replace(vec![target("127.0.0.1:1", 1)], Duration::ZERO);
        feed(&mut table, 0, "-");
        let http = Check::new(CheckKind::Http(crate::health::Http::default()));
        table.replace(vec![Target { address: "127.0.0.1:1".parse().unwrap(), check: http }], Duration::ZERO);
        check(&table, &[(State::Unknown, 0)]);
    }

    #[test]
    fn what_an_earlier_run_knew_is_where_targets_begin() {
        let mut table = Table::default();
        table.replace(
            vec![target("127.0.0.1:1", 3), target("127.0.0.2:1", 3), target("127.0.0.3:1", 3)],
            Duration::ZERO,
        );
        feed(&mut table, 2, "+");
        let known =
            Remembered { state: State::Down, since: Duration::from_hours(72), failures: 7, successes: 0, penalty: 2.0 };
        // One is not known, one has a result already.
        let recalled = table.recall(|t| (t.address.ip().to_string() != "127.0.0.2").then_some(known), Duration::ZERO);
        assert_eq!(recalled, 1);
        check(&table, &[(State::Down, 7), (State::Unknown, 0), (State::Up, 0)]);
        assert_eq!(table.untried(), 2);
        let entry = &table.entries()[0];
        assert_eq!(entry.machine.for_how_long(Duration::from_secs(9)), Duration::from_secs(72 * 3600 + 9));
        assert!((entry.machine.penalty(&entry.target.check, Duration::ZERO) - 2.0).abs() < 1e-9);
        // Goes on from there: two successes, as ever, and a state of its own begins anew.
        assert_eq!(table.returns(Duration::from_secs(9)), [None; 3]);
        feed(&mut table, 0, "++");
        assert_eq!(table.returns(Duration::from_secs(9)), [Some(Duration::from_secs(8)), None, None]);
        check(&table, &[(State::Up, 0), (State::Unknown, 0), (State::Up, 0)]);
        assert_eq!(table.entries()[0].machine.for_how_long(Duration::from_secs(9)), Duration::from_secs(8));
        // Grows old like a result of now.
        table.replace(vec![target("127.0.0.4:1", 3)], Duration::ZERO);
        table.recall(|_| Some(known), Duration::from_secs(100));
        table.expire(Duration::from_secs(115), |_, _| panic!("too early"));
        table.expire(Duration::from_secs(116), |_, change| assert_eq!(change.to, State::Unknown));
        check(&table, &[(State::Unknown, 0)]);
    }

    #[test]
    fn tally_and_age() {
        let mut table = Table::default();
        assert_eq!(table.oldest_result(Duration::from_secs(9)), None);
        let targets = ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"];
        table.replace(targets.iter().map(|address| target(address, 3)).collect(), Duration::ZERO);
        assert_eq!(table.untried(), 4);
        feed(&mut table, 0, "++++");
        feed(&mut table, 1, "+-");
        feed(&mut table, 2, "?");
        assert_eq!(table.tally(), Tally { targets: 4, good: 1, bad: 1, unable: 1, untried: 1 });
        assert_eq!(table.untried(), 1);
        assert_eq!(table.oldest_result(Duration::from_secs(9)), Some(Duration::from_secs(8)));
        let mut expired = Vec::new();
        table.expire(Duration::from_secs(17), |entry, change| {
            expired.push((entry.target.address.to_string(), change.from));
        });
        assert_eq!(expired, [("127.0.0.2:1".to_owned(), State::Suspect)]);
    }
}
