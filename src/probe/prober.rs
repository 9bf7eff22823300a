//! Keeps the targets of the current plan probed: the task that starts probes when they are due, and the face towards the
//! rest of the program.
//!
//! Everything shared is behind one lock that is held for the length of a table operation, never while waiting. A result
//! is taken in by the task that made the probe, so that a change of state is known the moment it is measured.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::probe;
use super::schedule::{Schedule, Start, Ticket};
use super::tls::Connectors;
use super::{FirstRound, Settings};
use crate::health::state::{Change, Remembered};
use crate::health::table::{Entry, Table};
use crate::health::{Observation, State, Target, TargetId};

/// How often results are looked at for their age, and the queue for its length.
const INSPECTION: Duration = Duration::from_secs(1);
/// Delay of the longest waiting probe that is worth a warning.
const LATE: Duration = Duration::from_secs(1);

/// The prober. Its tasks end when it is dropped, or better with [`Prober::stop`].
pub struct Prober {
    shared: Arc<Shared>,
}

/// What is known of one target, for people. Times are relative to the moment of the report.
#[derive(Clone, Debug)]
pub struct TargetReport {
    /// Position in the plan.
    pub id: TargetId,
    /// What is probed.
    pub target: Target,
    /// Its state.
    pub state: State,
    /// For how long it has been in this state.
    pub since: Duration,
    /// The last result, if there was one.
    pub last: Option<LastResult>,
    /// Counted failures in a row.
    pub failures: u32,
    /// Successes in a row.
    pub successes: u32,
    /// Successes in a row it takes, when down, to be up: `rise`, or more after flapping.
    pub rise: u32,
    /// Flap penalty, 0 and up.
    pub penalty: f64,
    /// Time to the next scheduled probe; zero when it is due and waits for others to end.
    pub next_probe: Duration,
}

/// The last result of a target.
#[derive(Clone, Debug)]
pub struct LastResult {
    /// How long ago it came.
    pub age: Duration,
    /// What it was.
    pub observation: Observation,
}

/// How the prober itself is doing.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    /// Probes in flight.
    pub in_flight: usize,
    /// The most that may be.
    pub limit: usize,
    /// How long the probe that waits longest has been due.
    pub lag: Duration,
    /// Age of the oldest last result; `None` before the first.
    pub oldest_result: Option<Duration>,
}

struct Shared {
    core: Mutex<Core>,
    connectors: Connectors,
    /// Moments in the tables count from here.
    start: Instant,
    changes: watch::Sender<u64>,
    /// Wakes the driver: something became due earlier than it knows.
    nudge: Notify,
    /// Told when no target is untried any more.
    all_tried: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Core {
    generation: u64,
    table: Table,
    schedule: Schedule,
    running: HashMap<Ticket, AbortHandle>,
}

impl Prober {
    /// Starts the prober on the current tokio runtime, with an empty plan of generation 0. Fails only when TLS cannot
    /// be set up.
    pub fn start(settings: &Settings) -> Result<Self, rustls::Error> {
        let shared = Arc::new(Shared {
            core: Mutex::new(Core {
                generation: 0,
                table: Table::default(),
                schedule: Schedule::new(settings.in_flight),
                running: HashMap::new(),
            }),
            connectors: Connectors::new(&settings.authorities)?,
            start: Instant::now(),
            changes: watch::Sender::new(0),
            nudge: Notify::new(),
            all_tried: Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shared.tasks.spawn(drive(Arc::clone(&shared)));
        Ok(Self { shared })
    }

    /// Puts a new plan in the place of the old one (SEMANTICS §4.6). What is known of targets that stay is kept; probes
    /// of those that are gone stop at once; new ones are probed at once. [`Prober::states`] tells of the new plan when
    /// this returns.
    pub fn replace(&self, generation: u64, targets: Vec<Target>) {
        self.replace_remembering(generation, targets, |_| None);
    }

    /// The same, where targets of which nothing is known begin with what an earlier run knew (SEMANTICS §4.4), before
    /// any of them is probed. How many of them there are.
    pub fn replace_remembering(
        &self,
        generation: u64,
        targets: Vec<Target>,
        known: impl Fn(&Target) -> Option<Remembered>,
    ) -> usize {
        let now = self.shared.now();
        let recalled;
        {
            let mut core = self.shared.core();
            let Core { table, schedule, running, .. } = &mut *core;
            table.replace(targets, now);
            recalled = table.recall(known, now);
            let gone = schedule.replace(table.entries().iter().map(|entry| (entry.key, &entry.target)), now);
            for ticket in gone {
                if let Some(task) = running.remove(&ticket) {
                    task.abort();
                }
            }
            core.generation = generation;
            if core.table.untried() == 0 {
                self.shared.all_tried.notify_waiters();
            }
        }
        self.shared.nudge.notify_one();
        self.shared.tick();
        recalled
    }

    /// Waits until each target of the plan has had its first probe, or the deadline has passed. Tells how it went.
    pub async fn first_round(&self, deadline: Duration) -> FirstRound {
        let all_tried = async {
            loop {
                let told = self.shared.all_tried.notified();
                if self.shared.core().table.untried() == 0 {
                    return;
                }
                told.await;
            }
        };
        // Too late is fine too: the count tells.
        let _ = timeout(deadline, all_tried).await;
        self.shared.core().table.tally()
    }

    /// The generation of the current plan and its states, by [`TargetId`].
    pub fn states(&self) -> (u64, Vec<State>) {
        self.shared.expire();
        let core = self.shared.core();
        (core.generation, core.table.states())
    }

    /// How long ago each target came up from `down`, by [`TargetId`], with the generation of the plan; `None`: never.
    pub fn returns(&self) -> (u64, Vec<Option<Duration>>) {
        let now = self.shared.now();
        let core = self.shared.core();
        (core.generation, core.table.returns(now))
    }

    /// Ticks on each change of a state and on each [`Prober::replace`].
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// What is known of each target, by [`TargetId`].
    pub fn report(&self) -> Vec<TargetReport> {
        self.shared.expire();
        let now = self.shared.now();
        let core = self.shared.core();
        let entries = core.table.entries().iter().enumerate();
        entries.map(|(index, entry)| core.report(TargetId(index as u32), entry, now)).collect()
    }

    /// How the prober itself is doing.
    pub fn pulse(&self) -> Pulse {
        let now = self.shared.now();
        let core = self.shared.core();
        Pulse {
            in_flight: core.schedule.in_flight(),
            limit: core.schedule.limit(),
            lag: core.schedule.lag(now),
            oldest_result: core.table.oldest_result(now),
        }
    }

    /// Starts no more probes, lets those in flight end within `grace`, then ends them.
    pub async fn stop(self, grace: Duration) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if timeout(grace, self.shared.tasks.wait()).await.is_err() {
            tracing::debug!(probes = self.shared.core().running.len(), "probes cut off at the end");
        }
        // Dropping ends what is left.
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        for (_, task) in self.shared.core().running.drain() {
            task.abort();
        }
    }
}

/// Starts probes when they are due and lets old results expire, until told to stop.
async fn drive(shared: Arc<Shared>) {
    let mut inspection = shared.start + INSPECTION;
    let mut late = false;
    loop {
        let next = shared.start_due();
        let wake = next.map_or(inspection, |next| inspection.min(shared.start + next));
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.nudge.notified() => {}
            () = sleep_until(wake) => {}
        }
        let now = Instant::now();
        if now >= inspection {
            inspection = now + INSPECTION;
            shared.expire();
            late = shared.warn_when_late(late);
        }
    }
}

/// Makes one probe and takes in its result.
async fn run(shared: Arc<Shared>, ticket: Ticket, target: Target) {
    let observation = probe(&target, &shared.connectors).await;
    log_probe(&target, &observation);
    shared.finish(ticket, observation);
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        // A panic elsewhere leaves at worst one result half counted; going on is better than blindness.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn tick(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Starts what is due; tells when to look again.
    fn start_due(self: &Arc<Self>) -> Option<Duration> {
        let now = self.now();
        let mut core = self.core();
        // Looked at under the lock: after `Drop` has cleared the list nothing may enter it.
        if self.stop.is_cancelled() {
            return None;
        }
        let Core { table, schedule, running, .. } = &mut *core;
        while let Some(Start { ticket, key, .. }) = schedule.start(now, |key, pair| table.awaits(key, pair)) {
            let Some(entry) = table.entry(key) else {
                schedule.finish(ticket);
                continue;
            };
            let task = self.tasks.spawn(run(Arc::clone(self), ticket, entry.target.clone()));
            running.insert(ticket, task.abort_handle());
        }
        schedule.next()
    }

    fn finish(&self, ticket: Ticket, observation: Observation) {
        let now = self.now();
        let mut core = self.core();
        let Core { table, schedule, running, .. } = &mut *core;
        running.remove(&ticket);
        let was_full = schedule.in_flight() >= schedule.limit();
        let Some((key, role)) = schedule.finish(ticket) else { return };
        let Some((entry, step)) = table.observe(key, role, observation, now) else { return };
        let words = entry.last.as_ref().map_or("", |(_, observation)| &observation.words);
        let told = step.change.map(|change| Told::new(entry, change, words));
        if let Some((pair, at)) = step.confirm {
            schedule.confirm(key, pair, at);
        }
        let all_tried = table.untried() == 0;
        drop(core);
        if let Some(told) = told {
            self.tick();
            told.log();
        }
        if was_full || step.confirm.is_some() {
            self.nudge.notify_one();
        }
        if all_tried {
            self.all_tried.notify_waiters();
        }
    }

    /// Lets old results expire, seen from now. Also called by readers: a driver that does not run must not keep old
    /// states alive.
    fn expire(&self) {
        let now = self.now();
        let mut changes = Vec::new();
        self.core().table.expire(now, |entry, change| changes.push(Told::new(entry, change, "results too old")));
        if !changes.is_empty() {
            self.tick();
        }
        for told in changes {
            told.log();
        }
    }

    /// Says once when probes start late and once when that is over.
    fn warn_when_late(&self, before: bool) -> bool {
        let now = self.now();
        let (lag, limit) = {
            let core = self.core();
            (core.schedule.lag(now), core.schedule.limit())
        };
        let late = lag > LATE;
        match (before, late) {
            (false, true) => {
                let lag_ms = lag.as_millis() as u64;
                tracing::warn!(lag_ms, limit, "probes start late: more are due than may be in flight at a time");
            }
            (true, false) => tracing::info!("probes start in time again"),
            (false, false) | (true, true) => {}
        }
        late
    }
}

impl Core {
    fn report(&self, id: TargetId, entry: &Entry, now: Duration) -> TargetReport {
        let Entry { key, target, machine, last } = entry;
        let last = last
            .as_ref()
            .map(|(at, observation)| LastResult { age: now.saturating_sub(*at), observation: observation.clone() });
        TargetReport {
            id,
            target: target.clone(),
            state: machine.state(),
            since: machine.for_how_long(now),
            last,
            failures: machine.failures(),
            successes: machine.successes(),
            rise: machine.rise(&target.check, now),
            penalty: machine.penalty(&target.check, now),
            next_probe: self.schedule.next_of(*key).map_or(Duration::ZERO, |due| due.saturating_sub(now)),
        }
    }
}

/// A change of state with all that the log tells of it, taken along out of the lock.
struct Told {
    target: SocketAddr,
    check: String,
    change: Change,
    reason: String,
}

impl Told {
    fn new(entry: &Entry, change: Change, reason: &str) -> Self {
        Self {
            target: entry.target.address,
            check: entry.target.check.kind.to_string(),
            change,
            reason: reason.to_owned(),
        }
    }

    fn log(&self) {
        let Self { target, check, change: Change { from, to }, reason } = self;
        tracing::info!(%target, check, %from, %to, reason, "target changed");
    }
}

fn log_probe(target: &Target, observation: &Observation) {
    tracing::debug!(
        target = %target.address,
        check = %target.check.kind,
        verdict = ?observation.verdict,
        result = %observation.words,
        took_ms = observation.phases.total.as_millis() as u64,
        "probe"
    );
}
