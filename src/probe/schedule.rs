//! When which target is probed (SEMANTICS §4.2, §4.5). Pure: moments are arguments, as in [`crate::health::state`].
//!
//! - A new target is probed at once, so that little time passes in which nothing is known of it. Its first three
//!   intervals are shortened by a share of its own, which spreads the phases of a plan over a whole interval.
//! - After that each interval is shortened by up to a tenth, differently each time: targets never stay in step.
//! - Nothing ever lengthens an interval, so the documented detection time holds. Two scheduled probes of one target never
//!   start closer than two thirds of its interval (a rate of at most 1.5 × the interval's), confirmations aside.
//! - At most `limit` probes are in flight. What falls due meanwhile waits, the longest due first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::health::Target;
use crate::health::state::{Pair, Role};
use crate::health::table::Key;

#[cfg(test)]
mod tests;

/// Largest part of an interval that jitter takes away, as 1/n. By choice: targets that fell in step are apart again
/// after some ten probes, at 5 % more probes than the interval alone would make.
const JITTER: u32 = 10;
/// Intervals in which a new target moves to its own phase.
const SPREAD: u32 = 3;

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
    limit: usize,
    slots: HashMap<Key, Slot>,
    /// Also holds entries whose slot is gone or has moved; they are dropped when their turn comes.
    queue: BinaryHeap<Reverse<Due>>,
    flights: HashMap<Ticket, (Key, Role)>,
    next_due: u64,
    next_ticket: u64,
}

/// The scheduled probes of one target.
#[derive(Debug)]
struct Slot {
    /// Decides the phase and the jitter.
    seed: u64,
    interval: Duration,
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
    /// Nothing to do yet; at most `limit` probes in flight, at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            slots: HashMap::new(),
            queue: BinaryHeap::new(),
            flights: HashMap::new(),
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
        for (key, target) in targets {
            let interval = target.check.interval;
            let slot = match old.remove(&key) {
                Some(slot) if slot.interval == interval => slot,
                Some(slot) => {
                    let soonest = slot.started.map_or(now, |started| (started + shortest(interval)).max(now));
                    let due = slot.due.min(slot.started.map_or(now, |started| started + interval)).max(soonest);
                    let slot = Slot { interval, due, ..slot };
                    self.push(slot.due, key, Role::Scheduled);
                    slot
                }
                None => {
                    self.push(now, key, Role::Scheduled);
                    let seed = FixedState::with_seed(0).hash_one((target.address, &target.check.kind));
                    Slot { seed, interval, round: 0, started: None, due: now }
                }
            };
            self.slots.insert(key, slot);
        }
        let gone = self.flights.extract_if(|_, (key, _)| !self.slots.contains_key(key));
        let gone = gone.map(|(ticket, _)| ticket).collect();
        self.queue.retain(|Reverse(due)| self.slots.contains_key(&due.key));
        gone
    }

    /// The next probe that is due at `now` and may start; `None` when there is none, or as many are in flight as may be.
    /// `wanted` tells whether a confirmation still matters.
    pub(crate) fn start(&mut self, now: Duration, wanted: impl Fn(Key, Pair) -> bool) -> Option<Start> {
        while self.flights.len() < self.limit && self.queue.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Some(Reverse(Due { at, key, role, .. })) = self.queue.pop() else { break };
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            match role {
                Role::Confirmation(pair) if !wanted(key, pair) => continue,
                Role::Confirmation(_) => {}
                Role::Scheduled if slot.due != at => continue,
                Role::Scheduled => {
                    // From its turn, not from its start, so that waiting does not add up; but never too soon.
                    slot.due = (at + slot.gap()).max(now + shortest(slot.interval));
                    slot.round = slot.round.saturating_add(1);
                    slot.started = Some(now);
                    let due = slot.due;
                    self.push(due, key, Role::Scheduled);
                }
            }
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.flights.insert(ticket, (key, role));
            return Some(Start { ticket, key, role });
        }
        None
    }

    /// Puts a confirmation in the queue.
    pub(crate) fn confirm(&mut self, key: Key, pair: Pair, at: Duration) {
        self.push(at, key, Role::Confirmation(pair));
    }

    /// A probe has ended. `None` when its target is gone.
    pub(crate) fn finish(&mut self, ticket: Ticket) -> Option<(Key, Role)> {
        self.flights.remove(&ticket)
    }

    /// When [`Schedule::start`] should be called next. `None` when nothing is planned, or only the end of a probe can let
    /// another start.
    pub(crate) fn next(&self) -> Option<Duration> {
        if self.flights.len() >= self.limit {
            return None;
        }
        self.queue.peek().map(|Reverse(due)| due.at)
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
        self.queue.peek().map_or(Duration::ZERO, |Reverse(due)| now.saturating_sub(due.at))
    }

    fn push(&mut self, at: Duration, key: Key, role: Role) {
        self.queue.push(Reverse(Due { at, number: self.next_due, key, role }));
        self.next_due += 1;
    }
}

impl Slot {
    /// From the turn of the probe that starts now to the turn of the next.
    fn gap(&self) -> Duration {
        let (round, divisor) = if self.round < SPREAD { (0, 3) } else { (self.round, JITTER) };
        let hash = FixedState::with_seed(self.seed).hash_one(round);
        // The upper 32 bits as a fraction of 1.
        let fraction = f64::from((hash >> 32) as u32) / f64::from(u32::MAX);
        self.interval.saturating_sub((self.interval / divisor).mul_f64(fraction))
    }
}

/// The least time between two scheduled probes of one target.
fn shortest(interval: Duration) -> Duration {
    interval * 2 / 3
}
