//! The operator's word beside the measurement (SEMANTICS §3.2, §4.10): `up`, `down` or `drain`, for a PoP, a service, or
//! a service at a PoP, with an end, a reason and a name.
//!
//! At most one override per scope. Where several scopes cover a service at a PoP, **the most specific holds alone**:
//! service@PoP before PoP before service. So `drain fra` with `force up web@fra` beside it drains everything at `fra`
//! but `web`.
//!
//! A drain may be gradual: its *share*, the permille of its clients that a PoP keeps, falls from where it is to 0, and
//! then the PoP is drained. Undraining may be gradual likewise ([`Word::Return`]), and so is the end of a gradual drain
//! that ends by itself. A ramp turned around in the middle continues from the share it has; within one ramp the share
//! only falls or only rises, so no client goes back and forth.
//!
//! Pure: moments are arguments, milliseconds since 1970. Knows nothing of files, and of health only what a [`Roster`]
//! says. What an order of the operator does to the list is in `order`.

mod order;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use order::{
    Action, Done, MAX_FOR, MAX_OVER, MAX_REASON, MIN_TIME, Order, Refusal, RefusalKind, Roster, RosterMember,
    RosterPop, RosterService,
};

/// All of a service's clients at a PoP, in permille.
pub const ALL: u16 = 1000;

/// What the operator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Usable, whatever is measured.
    Up,
    /// Never used: not by panic, not by fail-open.
    Down,
    /// Prefer anyone else.
    Drain,
    /// A drain is being taken back gradually; ends by itself when the share is whole.
    Return,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Drain => "drain",
            Self::Return => "return",
        })
    }
}

/// What an override is about. Names are those of the operator's files; one that is private to several zones means all of
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every service at this PoP.
    Pop(String),
    /// This service at every PoP.
    Service(String),
    /// This service at this PoP.
    Both {
        /// The service.
        service: String,
        /// The PoP.
        pop: String,
    },
}

impl Scope {
    /// Whether it is about this service at this PoP.
    pub fn covers(&self, service: &str, pop: &str) -> bool {
        match self {
            Self::Pop(name) => name == pop,
            Self::Service(name) => name == service,
            Self::Both { service: s, pop: p } => s == service && p == pop,
        }
    }

    /// The narrower, the lower.
    fn rank(&self) -> u8 {
        match self {
            Self::Both { .. } => 0,
            Self::Pop(_) => 1,
            Self::Service(_) => 2,
        }
    }
}

impl fmt::Display for Scope {
    /// As the operator writes it: `fra`, `web`, `web@fra`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pop(name) | Self::Service(name) => f.pad(name),
            Self::Both { service, pop } => f.pad(&format!("{service}@{pop}")),
        }
    }
}

/// One override. Times in whole seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What it is about.
    pub scope: Scope,
    /// What it says.
    pub word: Word,
    /// Since when.
    pub since: u64,
    /// When it ends by itself; `None` holds until it is taken back. Not for [`Word::Return`].
    pub until: Option<u64>,
    /// How long the ramp takes, of a gradual drain or a return; it begins at `since`.
    pub over: Option<Duration>,
    /// The share the ramp starts from, in permille.
    pub from_share: u16,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who said so.
    pub by: String,
}

/// What an operator forces, whatever is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forced {
    /// Usable.
    Up,
    /// Not eligible.
    Down,
}

/// What holds for one service at one PoP at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Effect {
    /// The operator's `up` or `down`.
    pub forced: Option<Forced>,
    /// Prefer anyone else.
    pub drained: bool,
    /// The permille of its clients it keeps: 1000 is all, less while a gradual drain or return runs, 0 when drained.
    pub share: u16,
}

impl Default for Effect {
    /// Nobody said anything.
    fn default() -> Self {
        Self { forced: None, drained: false, share: ALL }
    }
}

/// Every override, at most one per scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    list: Vec<Override>,
}

impl Override {
    /// What it does at this moment; `None` when it has ended.
    pub fn effect(&self, now_ms: u64) -> Option<Effect> {
        let keeps = |share| Effect { forced: None, drained: share == 0, share };
        match (self.word, self.ended(now_ms)) {
            (Word::Return, _) => {
                let share = ramp_share(self.since_ms(), self.over?, self.from_share, ALL, now_ms);
                (share < ALL).then(|| keeps(share))
            }
            (Word::Drain, Some(end)) => {
                let share = ramp_share(end, self.over?, self.falling(end), ALL, now_ms);
                (share < ALL).then(|| keeps(share))
            }
            (_, Some(_)) => None,
            (Word::Up, None) => Some(Effect { forced: Some(Forced::Up), ..Effect::default() }),
            (Word::Down, None) => Some(Effect { forced: Some(Forced::Down), ..Effect::default() }),
            (Word::Drain, None) => Some(keeps(self.falling(now_ms))),
        }
    }

    /// When its effect next differs, after `now_ms`: the next step of a ramp, or its end. `None`: never by itself.
    pub fn next_change(&self, now_ms: u64) -> Option<u64> {
        let step = |since, over| next_step(since, over, now_ms);
        match (self.word, self.ended(now_ms)) {
            (Word::Return, _) => step(self.since_ms(), self.over?),
            (Word::Drain, Some(end)) => step(end, self.over?),
            (_, Some(_)) => None,
            (_, None) => {
                let end = self.until.map(|until| until.saturating_mul(1000));
                let fall = self.over.filter(|_| self.word == Word::Drain).and_then(|over| step(self.since_ms(), over));
                [end, fall].into_iter().flatten().min()
            }
        }
    }

    /// Whether it is on its way back: a return, or a gradual drain past its end.
    pub fn returns(&self, now_ms: u64) -> bool {
        self.word == Word::Return || (self.over.is_some() && self.ended(now_ms).is_some())
    }

    /// Its end, if that is not later than `now_ms`.
    fn ended(&self, now_ms: u64) -> Option<u64> {
        self.until.map(|until| until.saturating_mul(1000)).filter(|end| *end <= now_ms)
    }

    /// The share of a drain, its end aside.
    fn falling(&self, now_ms: u64) -> u16 {
        self.over.map_or(0, |over| ramp_share(self.since_ms(), over, self.from_share, 0, now_ms))
    }

    fn since_ms(&self) -> u64 {
        self.since.saturating_mul(1000)
    }
}

impl Overrides {
    /// Of several for one scope the last is taken.
    pub fn new(list: Vec<Override>) -> Self {
        let mut overrides = Self::default();
        for item in list {
            overrides.put(item);
        }
        overrides
    }

    /// All of them, in the order they were said; also those that have ended and were not yet taken out.
    pub fn list(&self) -> &[Override] {
        &self.list
    }

    /// What holds for a service at a PoP: the effect of the most specific override that has not ended.
    pub fn effect(&self, service: &str, pop: &str, now_ms: u64) -> Effect {
        self.holding(service, pop, now_ms).map_or_else(Effect::default, |(_, effect)| effect)
    }

    /// The override that holds for a service at a PoP, with its effect.
    pub fn holding(&self, service: &str, pop: &str, now_ms: u64) -> Option<(&Override, Effect)> {
        let covering = self.list.iter().filter(|item| item.scope.covers(service, pop));
        covering.filter_map(|item| Some((item, item.effect(now_ms)?))).min_by_key(|(item, _)| item.scope.rank())
    }

    /// When an effect next differs, after `now_ms`; `None`: never by itself.
    pub fn next_change(&self, now_ms: u64) -> Option<u64> {
        self.list.iter().filter_map(|item| item.next_change(now_ms)).min()
    }

    /// Takes out and returns those that have ended.
    pub fn prune(&mut self, now_ms: u64) -> Vec<Override> {
        let (stay, ended) = std::mem::take(&mut self.list).into_iter().partition(|o| o.effect(now_ms).is_some());
        self.list = stay;
        ended
    }

    /// The one of exactly this scope, if it has not ended.
    fn of(&self, scope: &Scope, now_ms: u64) -> Option<&Override> {
        self.list.iter().find(|item| item.scope == *scope && item.effect(now_ms).is_some())
    }

    fn put(&mut self, item: Override) {
        self.remove(&item.scope);
        self.list.push(item);
    }

    fn remove(&mut self, scope: &Scope) -> Option<Override> {
        let index = self.list.iter().position(|item| item.scope == *scope)?;
        Some(self.list.remove(index))
    }
}

/// Most steps of a ramp: each is an epoch, and 1/64 of the clients is few enough to move at once.
const STEPS: u64 = 64;
/// Least time between two steps, in milliseconds.
const STEP_MS: u64 = 1000;

/// The share, in permille, on the way of a ramp that began at `since_ms` and takes `over`: from `from` to `to`, in at
/// most 64 equal steps that are at least a second apart. Never beyond `to`, and only ever nearer to it. Also for slow
/// start after recovery: from 0 to 1000.
pub fn ramp_share(since_ms: u64, over: Duration, from: u16, to: u16, now_ms: u64) -> u16 {
    let (over, steps) = steps(over);
    let done = (u128::from(now_ms.saturating_sub(since_ms)) * u128::from(steps) / u128::from(over)).min(steps.into());
    let way = (u128::from(from.abs_diff(to)) * done / u128::from(steps)) as u16;
    if from < to { from + way } else { from - way }
}

/// When [`ramp_share`] next differs, after `now_ms`; `None` when the ramp has ended.
pub fn next_step(since_ms: u64, over: Duration, now_ms: u64) -> Option<u64> {
    let (over, steps) = steps(over);
    let elapsed = now_ms.saturating_sub(since_ms);
    let done = u128::from(elapsed) * u128::from(steps) / u128::from(over);
    let next = ((done + 1) * u128::from(over)).div_ceil(u128::from(steps));
    (done < u128::from(steps)).then(|| since_ms.saturating_add(next as u64))
}

/// The length of a ramp in milliseconds, at least 1, and how many steps it has, at least 1.
fn steps(over: Duration) -> (u64, u64) {
    let over = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
    (over, (over / STEP_MS).clamp(1, STEPS))
}
