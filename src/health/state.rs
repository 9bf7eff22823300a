//! The state machine of one target (SEMANTICS §4.1–4.3, §4.7): state + observation + thresholds → state.
//!
//! Pure. Moments are [`Duration`]s since any fixed start the caller keeps, never wall-clock time. Thresholds are an
//! argument of each step rather than a part of the machine, so that a reload can change them without a reset.

use std::fmt;
use std::time::Duration;

use super::check::{Check, Flap};
use super::observation::{Observation, Verdict};

#[cfg(test)]
mod tests;

/// What is known of a target. Usable: `Unknown`, `Up`, `Suspect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// No result yet, or results too old.
    #[default]
    Unknown,
    /// The last results were good.
    Up,
    /// Was up; failures have begun.
    Suspect,
    /// `fall` failures in a row.
    Down,
    /// Was down; successes have begun.
    Recovering,
}

impl State {
    /// Whether clients may be sent there.
    pub fn usable(self) -> bool {
        match self {
            Self::Unknown | Self::Up | Self::Suspect => true,
            Self::Down | Self::Recovering => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Recovering => "recovering",
        })
    }
}

/// Names a failed probe and the repetition that is to confirm it. Unique within its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair(u64);

/// Why a probe was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Its turn had come.
    Scheduled,
    /// To repeat the failed probe that opened this pair.
    Confirmation(Pair),
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state before.
    pub from: State,
    /// The state after; never equal to `from`.
    pub to: State,
}

/// What an earlier run knew of a target. Durations count back from the moment it is recalled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remembered {
    /// Its state.
    pub state: State,
    /// For how long it had been in it.
    pub since: Duration,
    /// Counted failures in a row.
    pub failures: u32,
    /// Successes in a row.
    pub successes: u32,
    /// Flap penalty, 0 and up.
    pub penalty: f64,
}

/// What one observation led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The change of state, if there was one.
    pub change: Option<Change>,
    /// A confirmation the machine asks for: its pair, and the moment to start it.
    pub confirm: Option<(Pair, Duration)>,
}

/// What is remembered of one target.
///
/// Results are judged in the order they arrive. Probes of one target overlap when a scheduled one falls due during a
/// confirmation (SEMANTICS §4.2); each failed one then has its own pair. A success ends every pair begun before it:
/// failures on both sides of a success are not failures in a row.
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    since: Duration,
    /// For how long it had been in this state when the clock began, of a state remembered from an earlier run.
    before: Duration,
    /// Counted failures in a row.
    failures: u32,
    /// Successes in a row.
    successes: u32,
    penalty: Penalty,
    /// When the last good or bad result came; what staleness counts from.
    judged: Option<Duration>,
    /// When it last came up from `down`; what a slow start counts from.
    returned: Option<Duration>,
    /// The number of the next pair.
    next_pair: u64,
    /// Pairs below this number have ended.
    open_from: u64,
}

impl Machine {
    /// A target of which nothing is known, at `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            state: State::Unknown,
            since: now,
            before: Duration::ZERO,
            failures: 0,
            successes: 0,
            penalty: Penalty::default(),
            judged: None,
            returned: None,
            next_pair: 0,
            open_from: 0,
        }
    }

    /// Begins, at `now`, with what an earlier run knew (SEMANTICS §4.4). It grows old as if it had been measured now.
    pub fn recall(&mut self, known: &Remembered, now: Duration) {
        self.state = known.state;
        (self.since, self.before) = (now, known.since);
        (self.failures, self.successes) = (known.failures, known.successes);
        self.penalty = Penalty { value: known.penalty.max(0.0), as_of: now };
        self.judged = Some(now);
        self.end_pairs();
    }

    /// Takes in the result, at `now`, of a probe made as `role`.
    pub fn observe(&mut self, check: &Check, role: Role, observation: &Observation, now: Duration) -> Step {
        match observation.verdict {
            Verdict::Unable => Step::default(),
            Verdict::Good => {
                self.judged = Some(now);
                Step { change: self.succeed(check, now), confirm: None }
            }
            Verdict::Bad => {
                self.judged = Some(now);
                match role {
                    Role::Scheduled if check.confirm && matches!(self.state, State::Up | State::Suspect) => {
                        let pair = Pair(self.next_pair);
                        self.next_pair += 1;
                        Step { change: None, confirm: Some((pair, now + confirm_after(check))) }
                    }
                    Role::Confirmation(pair) if !self.awaits(pair) => Step::default(),
                    Role::Scheduled | Role::Confirmation(_) => Step { change: self.fail(check, now), confirm: None },
                }
            }
        }
    }

    /// Forgets what is too old to go by (SEMANTICS §4.7): a state whose last result is older than [`stale_after`]
    /// becomes unknown. Flap memory stays, it fades by itself.
    pub fn expire(&mut self, check: &Check, now: Duration) -> Option<Change> {
        let age = now.saturating_sub(self.judged?);
        if age <= stale_after(check) {
            return None;
        }
        self.failures = 0;
        self.successes = 0;
        self.end_pairs();
        self.enter(State::Unknown, now)
    }

    /// Whether the confirmation of this pair can still count. One that cannot need not be made.
    pub fn awaits(&self, Pair(number): Pair) -> bool {
        number >= self.open_from
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.state
    }

    /// When this state began, or when the machine was made.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// For how long it has been in this state at `now`, what is remembered of an earlier run included.
    pub fn for_how_long(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since) + self.before
    }

    /// Counted failures in a row; a failure waiting for its confirmation is not among them.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Successes in a row.
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// When the last good or bad result came.
    pub fn judged(&self) -> Option<Duration> {
        self.judged
    }

    /// When it last came up from `down`.
    pub fn returned(&self) -> Option<Duration> {
        self.returned
    }

    /// Flap penalty at `now`, 0 and up; 0 when the check keeps no flap memory.
    pub fn penalty(&self, check: &Check, now: Duration) -> f64 {
        check.flap.as_ref().map_or(0.0, |flap| self.penalty.at(flap, now))
    }

    /// Successes in a row that make this target up at `now`: `rise`, or a multiple of it after flapping.
    pub fn rise(&self, check: &Check, now: Duration) -> u32 {
        match &check.flap {
            Some(flap) if self.penalty.at(flap, now) > f64::from(flap.above) => check.rise.saturating_mul(flap.factor),
            Some(_) | None => check.rise,
        }
    }

    fn succeed(&mut self, check: &Check, now: Duration) -> Option<Change> {
        self.end_pairs();
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        let next = match self.state {
            State::Unknown | State::Up | State::Suspect => State::Up,
            State::Down | State::Recovering if self.successes >= self.rise(check, now) => {
                self.returned = Some(now);
                State::Up
            }
            State::Down | State::Recovering => State::Recovering,
        };
        self.enter(next, now)
    }

    fn fail(&mut self, check: &Check, now: Duration) -> Option<Change> {
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        let next = match self.state {
            State::Unknown | State::Up | State::Suspect if self.failures < check.fall => State::Suspect,
            State::Unknown | State::Up | State::Suspect => {
                // A relapse while recovering is the same outage; only a fall from use is a flap.
                self.penalty.add(check.flap.as_ref(), now);
                self.end_pairs();
                State::Down
            }
            State::Down | State::Recovering => State::Down,
        };
        self.enter(next, now)
    }

    fn end_pairs(&mut self) {
        self.open_from = self.next_pair;
    }

    fn enter(&mut self, to: State, now: Duration) -> Option<Change> {
        if to == self.state {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        (self.since, self.before) = (now, Duration::ZERO);
        Some(Change { from, to })
    }
}

/// How long after a failure its confirmation starts: min(250 ms, interval/4) (SEMANTICS §4.2).
pub fn confirm_after(check: &Check) -> Duration {
    (check.interval / 4).min(Duration::from_millis(250))
}

/// Age from which a result says nothing: max(3 × interval, interval + 10 s) (SEMANTICS §4.7).
pub fn stale_after(check: &Check) -> Duration {
    (check.interval * 3).max(check.interval + Duration::from_secs(10))
}

/// The longest time from the last good answer of a target to its `down`: fall × interval + 2 × timeout +
/// min(250 ms, interval/4), or fall × interval + timeout without confirmation (SEMANTICS §4.2).
pub fn worst_detection(check: &Check) -> Duration {
    let confirmation = if check.confirm { confirm_after(check) + check.timeout } else { Duration::ZERO };
    check.interval * check.fall + check.timeout + confirmation
}

/// Flap memory: how often a target fell, fading by half in each half-life.
#[derive(Clone, Copy, Debug, Default)]
struct Penalty {
    value: f64,
    as_of: Duration,
}

impl Penalty {
    fn at(&self, flap: &Flap, now: Duration) -> f64 {
        if flap.half_life.is_zero() {
            return 0.0;
        }
        let half_lives = now.saturating_sub(self.as_of).as_secs_f64() / flap.half_life.as_secs_f64();
        self.value * libm::exp2(-half_lives)
    }

    fn add(&mut self, flap: Option<&Flap>, now: Duration) {
        let before = flap.map_or(0.0, |flap| self.at(flap, now));
        *self = Self { value: before + 1.0, as_of: now };
    }
}
