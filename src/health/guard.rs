//! The guard against mass failure (SEMANTICS §4.12): when most targets turn bad at once and the canaries fail too, it is
//! this node that is cut off, and its measurements say nothing of the PoPs.
//!
//! Health then *freezes*: answers go by the states as they were before, while measuring goes on. When a canary answers
//! again health *thaws*, target by target: each keeps its state of before until it is measured up, or has had the time to
//! be (`rise` results), so that a node that comes back does not send everybody away first.
//!
//! Pure: moments are durations since any fixed start; states come in by [`super::TargetId`] of the plan in use.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use super::check::{Check, CheckKind, Source, Target};
use super::state::{State, confirm_after};

/// Targets that are probed less often cannot turn bad *at once*: they are not counted unless there are no others.
const SLOW: Duration = Duration::from_mins(1);

/// What the canaries say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canaries {
    /// There are none: the guard is off.
    None,
    /// At least one answered its last probe, or has not been probed yet.
    Answer,
    /// None of them answered its last probe.
    Fail,
}

/// What the guard does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Watches.
    #[default]
    Watching,
    /// Answers go by states of before.
    Frozen {
        /// Since when.
        since: Duration,
        /// Targets that had turned bad then.
        bad: usize,
        /// Of so many that counted.
        of: usize,
    },
    /// Some targets still go by states of before.
    Thawing {
        /// Since when.
        since: Duration,
    },
}

/// What one look led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Health is frozen from now on.
    Froze {
        /// Targets that turned bad.
        bad: usize,
        /// Of so many that count.
        of: usize,
    },
    /// A canary answers again.
    Thaws,
    /// Every target goes by its measured state again.
    Thawed,
}

/// The guard of one plan after the other.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    phase: Phase,
    targets: Vec<Seen>,
}

/// What is known of a target beside its measured state.
#[derive(Clone, Debug)]
struct Seen {
    target: Target,
    /// The state at the last look.
    state: State,
    /// Its last turn from good to bad: when it was first seen, and the state before.
    turned: Option<(Duration, State)>,
    /// What answers go by instead of the measured state.
    held: Option<State>,
}

/// What is probed, thresholds aside.
fn probed(target: &Target) -> (std::net::SocketAddr, CheckKind, Source) {
    (target.address, target.check.kind.clone(), target.check.source)
}

impl Guard {
    /// Takes up a new plan, with its states; targets that stay keep what is known of them.
    pub fn replace(&mut self, targets: &[Target], states: &[State]) {
        let mut known: HashMap<_, Seen> = HashMap::with_capacity(self.targets.len());
        for seen in self.targets.drain(..) {
            known.insert(probed(&seen.target), seen);
        }
        let entry = |(index, target): (usize, &Target)| {
            let state = states.get(index).copied().unwrap_or_default();
            match known.get(&probed(target)) {
                Some(seen) => Seen { target: target.clone(), ..seen.clone() },
                None => Seen { target: target.clone(), state, turned: None, held: None },
            }
        };
        self.targets = targets.iter().enumerate().map(entry).collect();
    }

    /// Looks at the states at `now`.
    pub fn look(&mut self, states: &[State], canaries: Canaries, now: Duration) -> Option<Event> {
        for (seen, &state) in self.targets.iter_mut().zip(states) {
            if bad(state) && !bad(seen.state) {
                seen.turned = Some((now, seen.state));
            }
            seen.state = state;
        }
        match self.phase {
            Phase::Watching if canaries == Canaries::Fail => self.freeze(now),
            Phase::Watching => None,
            Phase::Frozen { .. } if canaries == Canaries::Fail => {
                // What turns bad later than the first half is of the same failure.
                self.hold(now);
                None
            }
            Phase::Frozen { .. } => {
                self.phase = Phase::Thawing { since: now };
                Some(Event::Thaws)
            }
            Phase::Thawing { since } => {
                let refrozen = if canaries == Canaries::Fail { self.freeze(now) } else { None };
                if refrozen.is_some() {
                    return refrozen;
                }
                for seen in &mut self.targets {
                    let over = now >= since + settle(&seen.target.check);
                    if seen.state == State::Up || over {
                        seen.held = None;
                    }
                }
                let thawed = self.targets.iter().all(|seen| seen.held.is_none());
                if thawed {
                    self.phase = Phase::Watching;
                }
                thawed.then_some(Event::Thawed)
            }
        }
    }

    /// Puts the states that answers go by in the place of measured ones.
    pub fn heed(&self, states: &mut [State]) {
        for (state, seen) in states.iter_mut().zip(&self.targets) {
            if let Some(held) = seen.held {
                *state = held;
            }
        }
    }

    /// What the guard does.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// By target: the state that answers go by instead of the measured one.
    pub fn held(&self) -> impl Iterator<Item = Option<State>> {
        self.targets.iter().map(|seen| seen.held)
    }

    /// When to look again though nothing changed: the next target that has had its time to thaw.
    pub fn next_look(&self) -> Option<Duration> {
        let Phase::Thawing { since } = self.phase else { return None };
        self.targets.iter().filter(|s| s.held.is_some()).map(|s| since + settle(&s.target.check)).min()
    }

    fn freeze(&mut self, now: Duration) -> Option<Event> {
        let all_slow = self.targets.iter().all(|seen| seen.target.check.interval > SLOW);
        let counted = |seen: &&Seen| all_slow || seen.target.check.interval <= SLOW;
        let turned = self.targets.iter().filter(counted).filter(|seen| seen.just_turned(now)).count();
        let good = self.targets.iter().filter(counted).filter(|seen| !bad(seen.state)).count();
        let of = turned + good;
        if turned * 2 <= of {
            return None;
        }
        self.phase = Phase::Frozen { since: now, bad: turned, of };
        self.hold(now);
        Some(Event::Froze { bad: turned, of })
    }

    /// Holds what just turned bad at its state of before.
    fn hold(&mut self, now: Duration) {
        for seen in self.targets.iter_mut().filter(|seen| seen.held.is_none() && seen.just_turned(now)) {
            seen.held = seen.turned.map(|(_, before)| before);
        }
    }
}

impl Seen {
    /// Whether it is bad, and turned so within one interval, with the time one probe takes to fail.
    fn just_turned(&self, now: Duration) -> bool {
        let check = &self.target.check;
        let window = check.interval + check.timeout * 2 + confirm_after(check);
        bad(self.state) && self.turned.is_some_and(|(at, _)| now.saturating_sub(at) <= window)
    }
}

/// A failure has been seen.
fn bad(state: State) -> bool {
    match state {
        State::Suspect | State::Down => true,
        State::Unknown | State::Up | State::Recovering => false,
    }
}

/// How long a target that is well again takes to be `up`: `rise` results.
fn settle(check: &Check) -> Duration {
    check.interval * check.rise + check.timeout * 2 + confirm_after(check)
}
