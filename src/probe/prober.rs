//! Keeps the targets of the current plan probed: the task that starts probes when they are due, and the face towards the
//! rest of the program.
//!
//! Everything shared is behind one lock that is held for the length of a table operation, never while waiting. A result
//! is taken in by the task that made the probe, so that a change of state is known the moment it is measured.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::probe;
use super::push::{self, Pushed};
use super::schedule::{Late, Limit, Schedule, Start, Ticket};
use super::tools::Tools;
use super::{FirstRound, Settings};
use crate::health::state::{Change, Remembered};
use crate::health::table::{Entry, Table};
use crate::health::{CheckKind, Observation, Percentiles, State, Target, TargetId, Totals, Transition};

/// How often results are looked at for their age, and the queue for its length.
const INSPECTION: Duration = Duration::from_secs(1);
/// The most probes in flight where the limit follows the plan: with TLS some 20 KB each.
const MOST_IN_FLIGHT: usize = 8192;

/// The prober. Its tasks end when it is dropped, or better with [`Prober::stop`].
pub struct Prober {
    shared: Arc<Shared>,
}

/// What is known of one target, for people. Times are relative to the moment of the report.
#[derive(Clone, Debug)]
pub struct TargetReport {
    /// Position in the plan; what only calculated checks are made of comes after the plan's own.
    pub id: TargetId,
    /// What is probed, or calculated.
    pub target: Target,
    /// Its state.
    pub state: State,
    /// Whether this state is that of before a restart: nothing has been observed since.
    pub remembered: bool,
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
    /// Time to the next scheduled probe; zero when it is due and waits for others to end, and for a calculated check.
    pub next_probe: Duration,
    /// How many probes ended how since the target is known.
    pub totals: Totals,
    /// How long the last good probes took (at most 128 of them); `None` before the first.
    pub latency: Option<Percentiles>,
    /// The last changes of state, at most 16, the newest first.
    pub transitions: Vec<PastChange>,
}

/// A change of state in the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastChange {
    /// How long ago.
    pub age: Duration,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why, for people: the words of the observation, or `results too old`.
    pub reason: String,
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
    /// Probes that have waited for more than half their interval.
    pub late: usize,
    /// Age of the oldest last result; `None` before the first.
    pub oldest_result: Option<Duration>,
}

struct Shared {
    core: Mutex<Core>,
    tools: ArcSwap<Tools>,
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
                schedule: Schedule::new(settings.in_flight.map_or_else(by_plan, Limit::Fixed)),
                running: HashMap::new(),
            }),
            tools: ArcSwap::from_pointee(Tools::new(settings)?),
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

    /// Probes with other settings from now on; those in flight end as they began. Fails only when TLS cannot be set up.
    pub fn set(&self, settings: &Settings) -> Result<(), rustls::Error> {
        self.shared.tools.store(Arc::new(Tools::new(settings)?));
        self.shared.core().schedule.limit_to(settings.in_flight.map_or_else(by_plan, Limit::Fixed));
        self.shared.nudge.notify_one();
        Ok(())
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
            let probed = table.entries().iter().filter(|entry| entry.is_probed());
            let gone = schedule.replace(probed.map(|entry| (entry.key, &entry.target)), now);
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

    /// Writes down a value for `push` checks of this name, for one address or for all that have no own, and has those
    /// checks look at it at once. Blocks for the length of a small write. Errors: no directory for such values
    /// (`NotFound`), a name or lifetime that cannot be (`InvalidInput`), what the file system says.
    pub fn push(&self, name: &str, address: Option<IpAddr>, value: &Pushed) -> io::Result<()> {
        let tools = self.shared.tools.load();
        let directory = tools.push.as_deref().ok_or(io::ErrorKind::NotFound)?;
        push::write(directory, name, address, value)?;
        let now = self.shared.now();
        let mut core = self.shared.core();
        let Core { table, schedule, .. } = &mut *core;
        for entry in table.entries() {
            if matches!(&entry.target.check.kind, CheckKind::Push(push) if push.name == name) {
                schedule.hurry(entry.key, now);
            }
        }
        drop(core);
        self.shared.nudge.notify_one();
        Ok(())
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
            late: core.schedule.late(now).map_or(0, |late| late.count),
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
    let mut late = None;
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
    let tools = shared.tools.load_full();
    let observation = probe(&target, &tools).await;
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
                schedule.finish(ticket, now);
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
        let was_held_up = schedule.is_held_up();
        let Some((key, role)) = schedule.finish(ticket, now) else { return };
        let Some((entry, step)) = table.observe(key, role, observation, now) else { return };
        schedule.settle(key, !entry.machine.state().usable());
        let mut told: Vec<Told> = step.change.map(|change| Told::new(entry, change)).into_iter().collect();
        table.derive(key, now, |entry, change| told.push(Told::new(entry, change)));
        if let Some((pair, at)) = step.confirm {
            schedule.confirm(key, pair, at);
        }
        let all_tried = table.untried() == 0;
        drop(core);
        if !told.is_empty() {
            self.tick();
        }
        for told in told {
            told.log();
        }
        if was_held_up || step.confirm.is_some() {
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
        self.core().table.expire(now, |entry, change| changes.push(Told::new(entry, change)));
        if !changes.is_empty() {
            self.tick();
        }
        for told in changes {
            told.log();
        }
    }

    /// Says when probes start late, once and again each time it has become twice as bad, and once when that is over.
    fn warn_when_late(&self, told: Option<Duration>) -> Option<Duration> {
        let now = self.now();
        let (late, limit) = {
            let core = self.core();
            (core.schedule.late(now), core.schedule.limit())
        };
        match (told, late) {
            (Some(_), None) => {
                tracing::info!("probes start in time again");
                None
            }
            (Some(told), Some(Late { by, .. })) if by < told * 2 => Some(told),
            (_, Some(Late { count, by })) => {
                let lag_ms = by.as_millis() as u64;
                tracing::warn!(
                    late = count,
                    lag_ms,
                    limit,
                    "probes start late, so failures are noticed late, and results may grow old: more probes hang than \
                     `probes.in_flight` allows at a time, or this machine is overloaded"
                );
                Some(by)
            }
            (None, None) => None,
        }
    }
}

/// A limit that follows the plan, within half the files this process may have open.
fn by_plan() -> Limit {
    let open = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    Limit::Plan(usize::try_from(open / 2).unwrap_or(usize::MAX).min(MOST_IN_FLIGHT))
}

impl Core {
    fn report(&self, id: TargetId, entry: &Entry, now: Duration) -> TargetReport {
        let Entry { key, target, machine, last, history } = entry;
        let last = last
            .as_ref()
            .map(|(at, observation)| LastResult { age: now.saturating_sub(*at), observation: observation.clone() });
        let past = |change: &Transition| PastChange {
            age: now.saturating_sub(change.at),
            from: change.from,
            to: change.to,
            reason: change.reason.clone(),
        };
        TargetReport {
            id,
            target: target.clone(),
            state: machine.state(),
            remembered: last.is_none() && machine.judged().is_some(),
            since: machine.for_how_long(now),
            last,
            failures: machine.failures(),
            successes: machine.successes(),
            rise: machine.rise(&target.check, now),
            penalty: machine.penalty(&target.check, now),
            next_probe: self.schedule.next_of(*key).map_or(Duration::ZERO, |due| due.saturating_sub(now)),
            totals: history.totals(),
            latency: history.latency(),
            transitions: history.transitions().rev().map(past).collect(),
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
    fn new(entry: &Entry, change: Change) -> Self {
        Self {
            target: entry.target.address,
            check: entry.target.check.kind.to_string(),
            change,
            reason: entry.history.transitions().next_back().map_or(String::new(), |last| last.reason.clone()),
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
