//! When which target is probed (SEMANTICS §4.2, §4.5). Pure: moments are arguments, as in [`crate::health::state`].
//!
//! - A new target is probed at once, so that little time passes in which nothing is known of it. Its first three
//!   intervals are shortened by a share of its own, which spreads the phases of a plan over a whole interval.
//! - After that each interval is shortened by up to a tenth, differently each time: targets never stay in step.
//! - Nothing ever lengthens an interval, so the documented detection time holds. Two scheduled probes of one target never
//!   start closer than two thirds of its interval (a rate of at most 1.5 × the interval's), confirmations aside.
//! - At most `limit` probes are in flight. What falls due meanwhile waits, the longest due first.
//! - A target that is down and whose last probe took half its timeout or more counts as slow, and slow ones never take the
//!   last quarter of the limit. So targets that hang make each other's return late, but not the detection of a failure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::health::state::{Pair, Role};
use crate::health::table::Key;
use crate::health::{Check, Target};

#[cfg(test)]
mod tests;

/// Largest part of an interval that jitter takes away, as 1/n. By choice: targets that fell in step are apart again
/// after some ten probes, at 5 % more probes than the interval alone would make.
const JITTER: u32 = 10;
/// Intervals in which a new target moves to its own phase.
const SPREAD: u32 = 3;
/// Part of the limit that slow targets leave to the others, as 1/n: with 256 in flight, 64 answers of 5 ms each are 12,800
/// probes a second.
const RESERVE: usize = 4;
/// What a limit that follows the plan begins at.
const LEAST: usize = 256;

/// The most probes in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// So many, at least one.
    Fixed(usize),
    /// Enough for every target of the plan to hang, from 256 to this.
    Plan(usize),
}

/// Names one probe from its start to its end. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// A probe to be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) ticket: Ticket,
    pub(crate) key: Key,
    pub(crate) role: Role,
}

/// What falls due when, and what is in flight.
#[derive(Debug)]
pub(crate) struct Schedule {
    wanted: Limit,
    limit: usize,
    /// What the plan's targets sum up to ([`busy_of`]).
    busy: Duration,
    slots: HashMap<Key, Slot>,
    /// Also holds entries whose slot is gone or has moved; they are dropped when their turn comes.
    queue: BinaryHeap<Reverse<Due>>,
    /// Turns of slow targets that have come while as many of those were in flight as may be.
    parked: BinaryHeap<Reverse<Due>>,
    flights: HashMap<Ticket, Flight>,
    /// Probes in flight that began as those of slow targets.
    slow_flights: usize,
    next_due: u64,
    next_ticket: u64,
}

/// A probe on its way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    key: Key,
    role: Role,
    started: Duration,
    slow: bool,
}

/// The probes that wait beyond half an interval of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    /// How many.
    pub(crate) count: usize,
    /// How long the one has been due that waits longest.
    pub(crate) by: Duration,
}

/// The scheduled probes of one target.
#[derive(Debug)]
struct Slot {
    /// Decides the phase and the jitter.
    seed: u64,
    interval: Duration,
    timeout: Duration,
    /// Whether the last probe took half its timeout or more.
    hangs: bool,
    /// Whether the target is down: only its return is to be noticed.
    down: bool,
    /// Scheduled probes started so far.
    round: u32,
    /// When the last scheduled probe started.
    started: Option<Duration>,
    /// When the next one is to start.
    due: Duration,
}

/// A turn in the queue. Ordered by time, then by age of the wish.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Duration,
    number: u64,
    key: Key,
    role: Role,
}

impl Schedule {
    /// Nothing to do yet.
    pub(crate) fn new(wanted: Limit) -> Self {
        Self {
            wanted,
            limit: wanted.of(Duration::ZERO),
            busy: Duration::ZERO,
            slots: HashMap::new(),
            queue: BinaryHeap::new(),
            parked: BinaryHeap::new(),
            flights: HashMap::new(),
            slow_flights: 0,
            next_due: 0,
            next_ticket: 0,
        }
    }

    /// Puts a new plan in the place of the old one. Targets that stay keep their turn, or get an earlier one when their
    /// interval became shorter; new ones are due now. Gives the probes in flight whose target is gone: they count as
    /// ended.
    pub(crate) fn replace<'a>(
        &mut self,
        targets: impl IntoIterator<Item = (Key, &'a Target)>,
        now: Duration,
    ) -> Vec<Ticket> {
        let mut old = std::mem::take(&mut self.slots);
        let mut busy = Duration::ZERO;
        for (key, target) in targets {
            busy += busy_of(&target.check);
            let (interval, timeout) = (target.check.interval, target.check.timeout);
            let slot = match old.remove(&key) {
                Some(slot) if slot.interval == interval => Slot { timeout, ..slot },
                Some(slot) => {
                    let soonest = slot.started.map_or(now, |started| (started + shortest(interval)).max(now));
                    let due = slot.due.min(slot.started.map_or(now, |started| started + interval)).max(soonest);
                    let slot = Slot { interval, timeout, due, ..slot };
                    self.push(slot.due, key, Role::Scheduled);
                    slot
                }
                None => {
                    self.push(now, key, Role::Scheduled);
                    let seed = FixedState::with_seed(0).hash_one((target.address, &target.check.kind));
                    Slot { seed, interval, timeout, hangs: false, down: false, round: 0, started: None, due: now }
                }
            };
            self.slots.insert(key, slot);
        }
        let gone: Vec<Ticket> = self
            .flights
            .iter()
            .filter(|(_, flight)| !self.slots.contains_key(&flight.key))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in &gone {
            self.land(*ticket);
        }
        self.queue.retain(|Reverse(due)| self.slots.contains_key(&due.key));
        self.parked.retain(|Reverse(due)| self.slots.contains_key(&due.key));
        self.busy = busy;
        self.limit = self.wanted.of(busy);
        gone
    }

    /// Another limit of probes in flight. Those that are stay.
    pub(crate) fn limit_to(&mut self, wanted: Limit) {
        self.wanted = wanted;
        self.limit = wanted.of(self.busy);
    }

    /// The next probe that is due at `now` and may start; `None` when there is none, or as many are in flight as may be.
    /// `wanted` tells whether a confirmation still matters.
    pub(crate) fn start(&mut self, now: Duration, wanted: impl Fn(Key, Pair) -> bool) -> Option<Start> {
        while let Some((Due { at, key, role, .. }, was_parked)) = self.turn(now) {
            let slow_room = self.slow_room();
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            match role {
                Role::Confirmation(pair) if !wanted(key, pair) => continue,
                Role::Scheduled if slot.due != at => continue,
                // Its turn stays as old as it is.
                Role::Confirmation(_) | Role::Scheduled if slot.is_slow() && !was_parked && !slow_room => {
                    self.parked.push(Reverse(Due { at, number: self.next_due, key, role }));
                    self.next_due += 1;
                    continue;
                }
                Role::Confirmation(_) => {}
                Role::Scheduled => {
                    // From its turn, not from its start, so that waiting does not add up; but never too soon.
                    slot.due = (at + slot.gap()).max(now + shortest(slot.interval));
                    slot.round = slot.round.saturating_add(1);
                    slot.started = Some(now);
                }
            }
            let (slow, due) = (slot.is_slow(), slot.due);
            if role == Role::Scheduled {
                self.push(due, key, Role::Scheduled);
            }
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.flights.insert(ticket, Flight { key, role, started: now, slow });
            self.slow_flights += usize::from(slow);
            return Some(Start { ticket, key, role });
        }
        None
    }

    /// Takes the turn that has been due longest out of the queue, or out of those parked when there is room for slow
    /// ones; tells which.
    fn turn(&mut self, now: Duration) -> Option<(Due, bool)> {
        if self.flights.len() >= self.limit {
            return None;
        }
        let waiting = self.queue.peek().map(|Reverse(due)| due).filter(|due| due.at <= now);
        let parked = self.parked.peek().map(|Reverse(due)| due).filter(|_| self.slow_room());
        let from_parked = match (waiting, parked) {
            (None, None) => return None,
            (Some(waiting), Some(parked)) => parked < waiting,
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        let heap = if from_parked { &mut self.parked } else { &mut self.queue };
        heap.pop().map(|Reverse(due)| (due, from_parked))
    }

    /// Whether one more probe of a slow target may start.
    fn slow_room(&self) -> bool {
        self.slow_flights < (self.limit - self.limit / RESERVE).max(1)
    }

    /// Makes a target's next scheduled probe due now, whenever the last one was: for probes that go to nobody.
    pub(crate) fn hurry(&mut self, key: Key, now: Duration) {
        if let Some(slot) = self.slots.get_mut(&key)
            && slot.due > now
        {
            slot.due = now;
            self.push(now, key, Role::Scheduled);
        }
    }

    /// Puts a confirmation in the queue.
    pub(crate) fn confirm(&mut self, key: Key, pair: Pair, at: Duration) {
        self.push(at, key, Role::Confirmation(pair));
    }

    /// A probe has ended at `now`. `None` when its target is gone.
    pub(crate) fn finish(&mut self, ticket: Ticket, now: Duration) -> Option<(Key, Role)> {
        let Flight { key, role, started, .. } = self.land(ticket)?;
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.hangs = now.saturating_sub(started) * 2 >= slot.timeout;
        }
        Some((key, role))
    }

    /// Takes note of whether a target is down.
    pub(crate) fn settle(&mut self, key: Key, down: bool) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.down = down;
        }
    }

    fn land(&mut self, ticket: Ticket) -> Option<Flight> {
        let flight = self.flights.remove(&ticket)?;
        self.slow_flights -= usize::from(flight.slow);
        Some(flight)
    }

    /// When [`Schedule::start`] should be called next. `None` when nothing is planned, or only the end of a probe can let
    /// another start.
    pub(crate) fn next(&self) -> Option<Duration> {
        if self.flights.len() >= self.limit {
            return None;
        }
        let parked = self.parked.peek().filter(|_| self.slow_room());
        self.queue.peek().into_iter().chain(parked).map(|Reverse(due)| due.at).min()
    }

    /// Whether the end of one probe can let another start that waits.
    pub(crate) fn is_held_up(&self) -> bool {
        self.flights.len() >= self.limit || !self.parked.is_empty()
    }

    /// When this target's next scheduled probe is due; in the past when it waits for others to end.
    pub(crate) fn next_of(&self, key: Key) -> Option<Duration> {
        self.slots.get(&key).map(|slot| slot.due)
    }

    /// Probes in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The most probes that may be in flight.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How long the probe that waits longest has been due at `now`.
    pub(crate) fn lag(&self, now: Duration) -> Duration {
        self.waiting(now).map(|due| now.saturating_sub(due.at)).max().unwrap_or_default()
    }

    /// The probes that have waited for more than half an interval of theirs at `now`; `None` when there is none.
    pub(crate) fn late(&self, now: Duration) -> Option<Late> {
        let half = |due: &&Due| self.slots.get(&due.key).map_or(Duration::MAX, |slot| slot.interval / 2);
        let late = self.waiting(now).filter(|due| now.saturating_sub(due.at) > half(due));
        late.fold(None, |late: Option<Late>, due| {
            let Late { count, by } = late.unwrap_or(Late { count: 0, by: Duration::ZERO });
            Some(Late { count: count + 1, by: by.max(now.saturating_sub(due.at)) })
        })
    }

    /// Turns that have come. Scans all of them: for a look now and then.
    fn waiting(&self, now: Duration) -> impl Iterator<Item = &Due> {
        let all = self.queue.iter().chain(&self.parked).map(|Reverse(due)| due);
        all.filter(move |due| {
            let moved = || self.slots.get(&due.key).is_none_or(|slot| slot.due != due.at);
            due.at <= now && !(due.role == Role::Scheduled && moved())
        })
    }

    fn push(&mut self, at: Duration, key: Key, role: Role) {
        self.queue.push(Reverse(Due { at, number: self.next_due, key, role }));
        self.next_due += 1;
    }
}

impl Slot {
    fn is_slow(&self) -> bool {
        self.hangs && self.down
    }

    /// From the turn of the probe that starts now to the turn of the next.
    fn gap(&self) -> Duration {
        let (round, divisor) = if self.round < SPREAD { (0, 3) } else { (self.round, JITTER) };
        let hash = FixedState::with_seed(self.seed).hash_one(round);
        // The upper 32 bits as a fraction of 1.
        let fraction = f64::from((hash >> 32) as u32) / f64::from(u32::MAX);
        self.interval.saturating_sub((self.interval / divisor).mul_f64(fraction))
    }
}

impl Limit {
    /// The limit for a plan that [`busy_of`] sums up so.
    fn of(self, busy: Duration) -> usize {
        match self {
            Self::Fixed(limit) => limit.max(1),
            Self::Plan(most) => {
                // A third more: the quarter that hanging targets may not take in the end.
                let all = (busy * 4 / 3).as_millis().div_ceil(1000);
                usize::try_from(all).unwrap_or(most).clamp(LEAST, most.max(LEAST))
            }
        }
    }
}

/// Probes in flight at a time of a target that begins to hang, its confirmations included, in seconds per second.
fn busy_of(check: &Check) -> Duration {
    let probes = if check.confirm { 2 } else { 1 };
    Duration::from_secs(1).mul_f64((check.timeout * probes).div_duration_f64(check.interval))
}

/// The least time between two scheduled probes of one target.
fn shortest(interval: Duration) -> Duration {
    interval * 2 / 3
}
