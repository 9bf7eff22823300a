//! What answers are decided by: measured states, the guard's word on them, and the operator's. The one place where they
//! meet ([`Knowledge::known`]), for the first snapshot, for each epoch and for each reload.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tracing::{error, info};

use super::canaries::Watched;
use crate::control::{GuardPhase, GuardView};
use crate::health::guard::{Event, Guard, Phase};
use crate::health::overrides::Overrides;
use crate::health::{Known, State, Target};
use crate::probe::Prober;
use crate::snapshot::Snapshot;

/// What is measured, said and guarded.
pub(super) struct Knowledge {
    /// What is measured.
    pub(super) prober: Arc<Prober>,
    /// What the operator said.
    pub(super) overrides: watch::Sender<Arc<Overrides>>,
    /// Whether the canaries answer.
    pub(super) canaries: Watched,
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

impl Knowledge {
    pub(super) fn new(prober: Prober, overrides: Overrides, canaries: Watched) -> Self {
        let phase = if canaries.seen().is_empty() { GuardPhase::Off } else { GuardPhase::Watching };
        let view = GuardView { canaries: canaries.seen(), phase, ..GuardView::default() };
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
        let (same, returns) = self.prober.returns();
        self.guard(generation, targets, &mut states);
        let now_ms = unix_ms();
        let moment = |ago: Option<Duration>| ago.map_or(0, |ago| now_ms.saturating_sub(ago.as_millis() as u64));
        let returned_ms = returns.into_iter().map(moment).collect();
        let overrides = Overrides::clone(&self.overrides.borrow());
        (same == generation).then_some(Known { states, returned_ms, overrides, now_ms })
    }

    /// How long until what is known differs by time alone: the step of a ramp, the end of an override, a target that has
    /// had its time to thaw. The clock may be set meanwhile, so whoever waits asks again now and then.
    pub(super) fn next_change(&self, snapshot: &Snapshot) -> Option<Duration> {
        let now = unix_ms();
        let slow = self.next_of_slow_starts(snapshot);
        let override_ =
            self.overrides.borrow().next_change(now).map(|at| Duration::from_millis(at.saturating_sub(now)));
        let thaw = self.watch().guard.next_look().map(|at| at.saturating_sub(self.start.elapsed()));
        [override_, thaw, slow].into_iter().flatten().min()
    }

    /// When a member that came back lately next gets a larger share (`Map::slow_start`: 64 steps).
    fn next_of_slow_starts(&self, snapshot: &Snapshot) -> Option<Duration> {
        let (generation, returns) = self.prober.returns();
        if generation != snapshot.generation {
            return None;
        }
        let mut next: Option<Duration> = None;
        for map in &snapshot.maps {
            let Some(over) = map.service.slow_start else { continue };
            let step = (over / 64).max(Duration::from_millis(1));
            let members = map.service.members.iter();
            let targets = members.flat_map(|m| m.addresses.iter().flat_map(|a| &a.targets).chain(&m.cname_targets));
            for ago in targets.filter_map(|target| returns.get(target.0 as usize).copied().flatten()) {
                if ago < over {
                    let into = Duration::from_nanos((ago.as_nanos() % step.as_nanos()) as u64);
                    let wait = step.saturating_sub(into) + Duration::from_millis(1);
                    next = Some(next.map_or(wait, |next| next.min(wait)));
                }
            }
        }
        next
    }

    fn guard(&self, generation: u64, targets: &[Target], states: &mut [State]) {
        let sightings = self.canaries.seen();
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
