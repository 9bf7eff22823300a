//! Health → answers. The only task that swaps live tables.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::pace::Pace;
use super::{Fallen, Shared, remembered};
use crate::live::{Answer, Live, LiveMap};
use crate::snapshot::Snapshot;
use crate::steering::Standing;

/// Answers are decided again at most this often (SEMANTICS §4.13) …
const ANSWERS: Duration = Duration::from_millis(2);
/// … and scope tables this often.
const SCOPES: Duration = Duration::from_millis(250);
/// Answers may take a second of work at once, as when a region goes dark; where changes do not end, 40 ms of each second
/// on: with ten thousand targets of which some always flap, each epoch costs milliseconds.
const PURSE: Duration = Duration::from_secs(1);
const PERMILLE: u32 = 40;
/// In such a storm a change waits this long at most.
const LONGEST: Duration = Duration::from_millis(250);
/// Scope tables take threads of their own, one for each address family: so long at once …
const SCOPES_SLICE: Duration = Duration::from_millis(250);
/// … and five seconds in all, as when a region goes dark and comes back; where changes do not end, 20 ms of each second. Even
/// then there is a slice this often: scopes that are narrower than need be cost entries in resolvers' caches.
const SCOPES_PURSE: Duration = Duration::from_secs(5);
const SCOPES_PERMILLE: u32 = 20;
const SCOPES_LONGEST: Duration = Duration::from_secs(20);
/// Writing is of no hurry: it pauses for this many times what it took, 2 % of a core.
const REMEMBER_PAUSE: u32 = 48;
/// Health is written down after a change, at most this often, and now and then without one: `explain` takes a file that
/// is older than [`remembered::FRESH`] for that of a dead server.
const REMEMBER: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// What differs by time alone is looked for at least this often: the clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(10);

/// Runs until aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut changes = shared.known.prober.changes();
    let mut overrides = shared.known.overrides.subscribe();
    let mut canaries = shared.known.canaries.subscribe();
    let mut last_answers = Instant::now();
    let mut last_scopes = Instant::now();
    let mut pace = Pace::new(PURSE, PERMILLE, LONGEST, Instant::now());
    let mut scopes_pace = Pace::new(SCOPES_PURSE, SCOPES_PERMILLE, SCOPES_LONGEST, Instant::now());
    let mut remember = REMEMBER;
    let mut written = Instant::now();
    let mut dirty = true;
    let mut completing: Option<JoinHandle<(Arc<Snapshot>, Live, usize)>> = None;
    // The map whose scopes are next.
    let mut next_map = 0;
    let mut writing: Option<JoinHandle<()>> = None;
    loop {
        let snapshot = shared.current.load_full();
        let incomplete = !snapshot.live().is_complete();
        let by_time =
            shared.known.next_change(&snapshot).map_or_else(|| Instant::now() + LOOK, |wait| Instant::now() + wait);
        let write_at = written + if dirty { remember } else { HEARTBEAT };
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                dirty = true;
                // An order of the operator does not wait with the others.
                tokio::select! {
                    () = sleep_until((last_answers + ANSWERS).max(pace.next())) => {}
                    Ok(()) = overrides.changed() => {}
                }
            }
            () = shared.published.notified() => dirty = true,
            // An order of the operator is in force at once.
            Ok(()) = overrides.changed() => {}
            Ok(()) = canaries.changed() => {}
            () = sleep_until(by_time) => {}
            // Scopes follow on a thread of their own, so that the next answers need not wait for them.
            () = sleep_until((last_scopes + SCOPES).max(scopes_pace.next())), if incomplete && completing.is_none() => {
                last_scopes = Instant::now();
                let snapshot = Arc::clone(&snapshot);
                let live = Arc::clone(&snapshot.live());
                completing = Some(tokio::task::spawn_blocking(move || {
                    let began = Instant::now();
                    let (completed, next) =
                        snapshot.complete_some(&live, next_map, &|| began.elapsed() >= SCOPES_SLICE);
                    (snapshot, completed, next)
                }));
                continue;
            }
            done = ended(&mut completing) => {
                completing = None;
                scopes_pace.spent(last_scopes.elapsed(), Instant::now());
                match done {
                    Ok((snapshot, live, next)) => {
                        next_map = next;
                        let (epoch, published) = (live.epoch, snapshot.publish(&live));
                        debug!(epoch, published, "scope tables");
                    }
                    Err(error) => error!(%error, "building scope tables failed; scopes stay narrow"),
                }
                continue;
            }
            // On a thread of its own, too: no answer waits for a disk.
            () = sleep_until(write_at), if writing.is_none() => {
                let shared = Arc::clone(&shared);
                let guard = Arc::clone(&shared.known.guard_view.borrow());
                let write = move || remembered::write(&shared.known.prober, &guard, shared.health_file.as_deref());
                writing = Some(tokio::task::spawn_blocking(write));
                written = Instant::now();
                dirty = false;
                continue;
            }
            done = ended(&mut writing) => {
                writing = None;
                remember = REMEMBER.max(written.elapsed() * REMEMBER_PAUSE).min(HEARTBEAT);
                if let Err(error) = done {
                    error!(%error, "health could not be written down");
                }
                continue;
            }
        }
        last_answers = Instant::now();
        advance(&shared).await;
        pace.spent(last_answers.elapsed(), Instant::now());
    }
}

/// When the task has ended, what came of it; never where there is none.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

async fn advance(shared: &Shared) {
    let snapshot = shared.current.load_full();
    let Some(known) = shared.known.known(snapshot.generation, &snapshot.targets) else { return };
    let before = Arc::clone(&snapshot.live());
    let advanced = {
        let snapshot = Arc::clone(&snapshot);
        tokio::task::spawn_blocking(move || snapshot.advance(&known)).await
    };
    match advanced {
        Ok(true) => {
            shared.metrics.epoch();
            let after = Arc::clone(&snapshot.live());
            log(&snapshot, &before, &after);
            tell_fallen(shared, &snapshot, &before, &after);
        }
        Ok(false) => {}
        Err(error) => error!(%error, "deciding answers failed; the old ones serve"),
    }
}

/// Says which PoPs came and went per service, and when a service fails open or recovers from it. A service with several
/// maps (an owner name with a policy or TTLs of its own) is told of once.
fn log(snapshot: &Snapshot, before: &Live, after: &Live) {
    let epoch = after.epoch;
    let mut told = HashSet::new();
    for (map, (old, new)) in snapshot.maps.iter().zip(before.maps.iter().zip(&after.maps)) {
        if Arc::ptr_eq(&old.answers, &new.answers) && old.facts == new.facts {
            continue;
        }
        let service = map.service.name.as_str();
        let open = |live: &LiveMap| live.answers.iter().any(Answer::fail_open);
        let panics = |live: &LiveMap| live.facts.any_panic();
        if open(old) != open(new) && told.insert((service, "", "fail-open")) {
            if open(new) {
                warn!(service, epoch, "fail-open: no PoP is usable, so answers are given as if all were up");
            } else {
                info!(service, epoch, "fail-open has ended");
            }
        }
        if panics(old) != panics(new) && told.insert((service, "", "panic")) {
            if panics(new) {
                warn!(service, epoch, "panic: too few PoPs of a tier are usable, so health is ignored in it");
            } else {
                info!(service, epoch, "panic has ended");
            }
        }
        // Who is sent nowhere else stays.
        let ignored = open(new) || panics(new);
        let away = if ignored { "PoP became unusable, while health is ignored" } else { "clients move away" };
        for (pop, (was, is)) in map.pops.iter().zip(old.facts.members.iter().zip(&new.facts.members)) {
            let pop = &**pop;
            let families = [("A", was.v4, is.v4), ("AAAA", was.v6, is.v6)];
            for (usable_now, what) in [(false, away), (true, "clients come back")] {
                let moved = |(_, was, is): &&(&str, Standing, Standing)| {
                    usable(*was) != usable(*is) && usable(*is) == usable_now && *is != Standing::Absent
                };
                let types: Vec<_> = families.iter().filter(moved).map(|(family, ..)| *family).collect();
                if !types.is_empty() && told.insert((service, pop, what)) {
                    info!(service, pop, types = types.join(" "), epoch, "{what}");
                }
            }
        }
    }
}

/// Tells of members that have become unusable altogether.
fn tell_fallen(shared: &Shared, snapshot: &Snapshot, before: &Live, after: &Live) {
    if shared.files.borrow().manual_resume.is_empty() {
        return;
    }
    for (map, (old, new)) in snapshot.maps.iter().zip(before.maps.iter().zip(&after.maps)) {
        for (pop, (was, is)) in map.pops.iter().zip(old.facts.members.iter().zip(&new.facts.members)) {
            if (usable(was.v4) || usable(was.v6)) && !usable(is.v4) && !usable(is.v6) {
                let fallen = Fallen { service: map.service.name.clone(), pop: pop.to_string() };
                // Nobody is there to hear it only when the server stops.
                let _ = shared.fallen.send(fallen);
            }
        }
    }
}

fn usable(standing: Standing) -> bool {
    matches!(standing, Standing::Usable | Standing::Suspect)
}
