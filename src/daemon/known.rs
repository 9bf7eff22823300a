//! What answers are decided by: measured states, the guard's word on them, and the operator's. The one place where they
//! meet ([`Knowledge::known`]), for the first snapshot, for each epoch and for each reload.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tracing::{error, info};

use super::canaries::Sightings;
use crate::control::{GuardPhase, GuardView};
use crate::health::guard::{Event, Guard, Phase};
use crate::health::overrides::Overrides;
use crate::health::{State, Target};
use crate::probe::Prober;
use crate::snapshot::Snapshot;

/// What is measured, said and guarded.
pub(super) struct Knowledge {
    /// What is measured.
    pub(super) prober: Arc<Prober>,
    /// What the operator said.
    pub(super) overrides: watch::Sender<Arc<Overrides>>,
    /// Whether the canaries answer.
    pub(super) canaries: Sightings,
    /// What is told of the guard.
    pub(super) guard_view: watch::Sender<Arc<GuardView>>,
    guard: Mutex<Watch>,
    /// The guard's moments count from here.
    start: Instant,
}

/// The guard and the plan it is of.
#[derive(Default)]
struct Watch {
    generation: u64,
    guard: Guard,
}

/// What is known at one moment, as the live tables take it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// By `TargetId`, the guard heeded.
    pub(super) states: Vec<State>,
    /// What the operator said.
    pub(super) overrides: Arc<Overrides>,
    /// The moment, in milliseconds since 1970.
    pub(super) now_ms: u64,
}

impl Known {
    /// Publishes the answers of what is known. Returns whether anything changed.
    pub(super) fn advance(&self, snapshot: &Snapshot) -> bool {
        snapshot.advance(&self.states)
    }
}

impl Knowledge {
    pub(super) fn new(prober: Prober, overrides: Overrides, canaries: Sightings) -> Self {
        let phase = if canaries.borrow().is_empty() { GuardPhase::Off } else { GuardPhase::Watching };
        let view = GuardView { canaries: canaries.borrow().clone(), phase, ..GuardView::default() };
        Self {
            prober: Arc::new(prober),
            overrides: watch::Sender::new(Arc::new(overrides)),
            canaries,
            guard_view: watch::Sender::new(Arc::new(view)),
            guard: Mutex::default(),
            start: Instant::now(),
        }
    }

    /// What is known of the targets of a plan; `None` when the prober has another plan already: a reload is between its
    /// plan and its snapshot, and tells when the snapshot is there.
    pub(super) fn known(&self, generation: u64, targets: &[Target]) -> Option<Known> {
        let (of, mut states) = self.prober.states();
        if of != generation {
            return None;
        }
        self.guard(generation, targets, &mut states);
        Some(Known { states, overrides: self.overrides.borrow().clone(), now_ms: unix_ms() })
    }

    /// How long until what is known differs by time alone: the step of a ramp, the end of an override, a target that has
    /// had its time to thaw. The clock may be set meanwhile, so whoever waits asks again now and then.
    pub(super) fn next_change(&self) -> Option<Duration> {
        let now = unix_ms();
        let override_ =
            self.overrides.borrow().next_change(now).map(|at| Duration::from_millis(at.saturating_sub(now)));
        let thaw = self.watch().guard.next_look().map(|at| at.saturating_sub(self.start.elapsed()));
        [override_, thaw].into_iter().flatten().min()
    }

    fn guard(&self, generation: u64, targets: &[Target], states: &mut [State]) {
        let sightings = self.canaries.borrow().clone();
        let now = self.start.elapsed();
        let mut watch = self.watch();
        if watch.generation != generation {
            watch.guard.replace(targets, states);
            watch.generation = generation;
        }
        let event = watch.guard.look(states, super::canaries::verdict(&sightings), now);
        watch.guard.heed(states);
        let unix = |at: Duration| unix_ms().saturating_sub(now.saturating_sub(at).as_millis() as u64) / 1000;
        let phase = match watch.guard.phase() {
            _ if sightings.is_empty() => GuardPhase::Off,
            Phase::Watching => GuardPhase::Watching,
            Phase::Frozen { since, bad, of } => GuardPhase::Frozen { since: unix(since), bad, of },
            Phase::Thawing { since } => GuardPhase::Thawing { since: unix(since) },
        };
        let held = if matches!(phase, GuardPhase::Off | GuardPhase::Watching) {
            Vec::new()
        } else {
            watch.guard.held().collect()
        };
        drop(watch);
        let view = GuardView { canaries: sightings, phase, generation, held };
        self.guard_view.send_if_modified(|old| {
            let differs = **old != view;
            if differs {
                *old = Arc::new(view);
            }
            differs
        });
        match event {
            Some(Event::Froze { bad, of }) => error!(
                bad,
                of,
                "health is frozen: most targets turned bad at once and no canary answers, so it is this node that is cut \
                 off; answers go by health as it was before"
            ),
            Some(Event::Thaws) => info!("a canary answers again: health thaws, each target as its probes tell"),
            Some(Event::Thawed) => info!("health has thawed: answers go by what is measured"),
            None => {}
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        // A panic elsewhere leaves at worst one look half taken; going on is better than blindness.
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
