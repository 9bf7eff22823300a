//! What is kept of a target's past, for people: totals, latencies, the last changes of state. Fixed in size; decides
//! nothing.

use std::collections::VecDeque;
use std::time::Duration;

use super::observation::{Observation, Verdict};
use super::state::{Change, State};

/// Latencies kept of one target. More than a hundred, so that a 99th percentile is a measured value and not the
/// largest; with 4 octets each, 10,000 targets take 5 MB.
const LATENCIES: usize = 128;
/// Changes of state kept of one target.
const TRANSITIONS: usize = 16;

/// The past of one target.
#[derive(Clone, Debug, Default)]
pub struct History {
    totals: Totals,
    /// Latencies of the last good probes in microseconds, as a ring.
    latencies: Vec<u32>,
    /// Where in a full ring the oldest one is.
    oldest: usize,
    transitions: VecDeque<Transition>,
}

/// How many probes ended how, since the target is known, confirmations included; and how often its state changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Good ones.
    pub good: u64,
    /// Bad ones.
    pub bad: u64,
    /// Ones that could not be made here.
    pub unable: u64,
    /// Changes of state.
    pub changes: u64,
}

/// How long good probes took from start to verdict; a failed one tells of its time limit, not of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// How many latencies these are of: the last 1 to 128.
    pub count: usize,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// All but one of a hundred took no longer.
    pub p99: Duration,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When; as in [`super::state`].
    pub at: Duration,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The words of the observation that did it, or `results too old`.
    pub reason: String,
}

impl History {
    /// Takes in the result of a probe.
    pub fn observe(&mut self, observation: &Observation) {
        match observation.verdict {
            Verdict::Good => {
                self.totals.good += 1;
                let latency = u32::try_from(observation.phases.total.as_micros()).unwrap_or(u32::MAX);
                if self.latencies.len() < LATENCIES {
                    self.latencies.push(latency);
                } else {
                    self.latencies[self.oldest] = latency;
                    self.oldest = (self.oldest + 1) % LATENCIES;
                }
            }
            Verdict::Bad => self.totals.bad += 1,
            Verdict::Unable => self.totals.unable += 1,
        }
    }

    /// Takes in a change of state.
    pub fn change(&mut self, at: Duration, Change { from, to }: Change, reason: &str) {
        self.totals.changes += 1;
        if self.transitions.len() == TRANSITIONS {
            self.transitions.pop_front();
        }
        self.transitions.push_back(Transition { at, from, to, reason: reason.to_owned() });
    }

    /// How many probes ended how.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The last changes of state, at most 16, the oldest first.
    pub fn transitions(&self) -> impl DoubleEndedIterator<Item = &Transition> {
        self.transitions.iter()
    }

    /// Percentiles of the latencies of the last good probes (nearest rank); `None` before the first.
    pub fn latency(&self) -> Option<Percentiles> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100);
            sorted.get(rank.saturating_sub(1)).map(|micros| Duration::from_micros(u64::from(*micros)))
        };
        Some(Percentiles { count: sorted.len(), p50: at(50)?, p90: at(90)?, p99: at(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::observation::Phases;

    fn good(ms: u64) -> Observation {
        let phases = Phases { total: Duration::from_millis(ms), ..Phases::default() };
        Observation { phases, ..Observation::good("fine") }
    }

    #[track_caller]
    fn check(history: &History, count: usize, ms: [u64; 3]) {
        let [p50, p90, p99] = ms.map(Duration::from_millis);
        assert_eq!(history.latency(), Some(Percentiles { count, p50, p90, p99 }));
    }

    #[test]
    fn percentiles_are_of_the_last_good_probes() {
        let mut history = History::default();
        history.observe(&Observation::bad("no"));
        history.observe(&Observation::unable("no"));
        assert_eq!(history.latency(), None);
        history.observe(&good(7));
        check(&history, 1, [7, 7, 7]);
        // Old ones leave: after 128 more the first is gone.
        for ms in 1..=128 {
            history.observe(&good(1000 + ms));
        }
        check(&history, 128, [1064, 1116, 1127]);
        for ms in (1..=100).rev() {
            history.observe(&good(ms));
        }
        check(&history, 128, [64, 1116, 1127]);
        assert_eq!(history.totals(), Totals { good: 229, bad: 1, unable: 1, changes: 0 });
    }

    #[test]
    fn the_last_changes_are_kept() {
        let mut history = History::default();
        for second in 0..20 {
            let change = Change { from: State::Up, to: State::Suspect };
            history.change(Duration::from_secs(second), change, "connection refused");
        }
        let kept: Vec<u64> = history.transitions().map(|transition| transition.at.as_secs()).collect();
        assert_eq!(kept, (4..20).collect::<Vec<_>>());
    }
}
