//! The operator's orders: taken one after the other, written down, then in force, then answered. What ends by itself is
//! taken out here too. Every change is a line in `state/audit.log` and an event in the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use super::known::unix_ms;
use super::{Fallen, Shared, kept};
use crate::control::{Files, OrderError, Request};
use crate::health::Known;
use crate::health::overrides::{Action, Done, Order, Override, Overrides, Roster, RosterMember, RosterService, Scope};
use crate::steering::Standing;

/// The clock may be set: what ends by itself is looked for at least this often.
const LOOK: Duration = Duration::from_secs(30);

/// Where overrides are kept; `None`: a restart forgets them.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// `state/overrides.json`.
    pub(super) overrides: Option<PathBuf>,
    /// `state/audit.log`.
    pub(super) audit: Option<PathBuf>,
}

/// Runs until aborted.
pub(super) async fn run(
    shared: Arc<Shared>,
    places: Places,
    mut orders: mpsc::Receiver<Request>,
    mut fallen: mpsc::UnboundedReceiver<Fallen>,
) {
    loop {
        let next = shared.known.overrides.borrow().next_change(unix_ms());
        let wait = next.map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(unix_ms())).min(LOOK));
        tokio::select! {
            request = orders.recv() => {
                let Some(Request { order, reply }) = request else { return };
                let roster = roster(&shared, &shared.files.borrow().clone());
                let done = take(&shared, &places, order, &roster).await;
                // Whoever asked may have gone; the order is in force all the same.
                let _ = reply.send(done);
            }
            Some(fallen) = fallen.recv() => hold(&shared, &places, &fallen).await,
            () = sleep(wait) => end(&shared, &places).await,
        }
    }
}

/// Of a service with `manual_resume`, a PoP that went down is drained in our own name, so that it does not come back by
/// itself; what the operator said of it already stands.
async fn hold(shared: &Shared, places: &Places, Fallen { service, pop }: &Fallen) {
    let files = shared.files.borrow().clone();
    let scope = Scope::Both { service: service.clone(), pop: pop.clone() };
    let said = shared.known.overrides.borrow().list().iter().any(|item| item.scope == scope);
    if said || !files.manual_resume.contains(service) {
        return;
    }
    let order = Order {
        target: scope.to_string(),
        action: Action::Drain,
        lasts: None,
        over: None,
        reason: format!("went down, and `manual_resume` keeps it out until `catchment undrain {scope}`"),
        by: "catchment".to_owned(),
        force: true,
    };
    if let Err(error) = take(shared, places, order, &roster(shared, &files)).await {
        warn!(service, pop, ?error, "a PoP that went down could not be held; it will come back by itself");
    }
}

async fn take(shared: &Shared, places: &Places, order: Order, roster: &Roster) -> Result<Done, OrderError> {
    let before = shared.known.overrides.borrow().clone();
    let mut done = before.order(&order, roster, unix_ms()).map_err(OrderError::Refused)?;
    if places.overrides.is_none() {
        done.notes.push("there is no state directory: a restart will forget this".to_owned());
    }
    keep(places, &done.overrides, vec![kept::Line::of_order(&order, &done)])
        .await
        .map_err(OrderError::NotKept)?
        .into_iter()
        .for_each(|words| done.notes.push(words));
    shared.known.overrides.send_replace(Arc::new(done.overrides.clone()));
    let (action, target, by, reason) = (order.action.as_str(), done.scope.to_string(), &order.by, &order.reason);
    let until = done.set.as_ref().and_then(|set| set.until).map(kept::moment);
    info!(action, target, by, reason, until, force = order.force, "override");
    Ok(done)
}

/// Takes out what has ended.
async fn end(shared: &Shared, places: &Places) {
    let mut overrides = Overrides::clone(&shared.known.overrides.borrow());
    let ended = overrides.prune(unix_ms());
    if ended.is_empty() {
        return;
    }
    match keep(places, &overrides, ended.iter().map(kept::Line::of_end).collect()).await {
        Ok(notes) => notes.iter().for_each(|words| warn!("{words}")),
        // What has ended has no effect wherever it is written.
        Err(error) => warn!(error, "overrides that have ended could not be taken out of their file"),
    }
    shared.known.overrides.send_replace(Arc::new(overrides));
    ended.iter().for_each(say_ended);
}

/// Says that an override has ended by itself.
pub(super) fn say_ended(ended: &Override) {
    let (target, word, by, reason) = (ended.scope.to_string(), ended.word.to_string(), &ended.by, &ended.reason);
    info!(target, word, by, reason, "override ended");
}

/// Writes the overrides and then the audit lines. What only the audit log refuses is told, and no reason to refuse: the
/// event is in the log.
async fn keep(places: &Places, overrides: &Overrides, lines: Vec<kept::Line>) -> Result<Vec<String>, String> {
    let (places, overrides) = (places.clone(), overrides.clone());
    let write = move || {
        if let Some(path) = &places.overrides {
            kept::write(path, &overrides).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let Some(path) = &places.audit else { return Ok(Vec::new()) };
        let audited = kept::audit(path, &lines);
        let words = |error| format!("the audit log {} could not be written: {error}", path.display());
        Ok(audited.err().map(words).into_iter().collect())
    };
    tokio::task::spawn_blocking(write).await.unwrap_or_else(|_| Err("writing failed unexpectedly".to_owned()))
}

/// The names of the files, and who is usable by what is measured.
fn roster(shared: &Shared, files: &Files) -> Roster {
    let snapshot = shared.current.load_full();
    let known = shared.known.known(snapshot.generation, &snapshot.targets).unwrap_or_default();
    // What the operator said is the orders' own matter.
    let measured = Known { overrides: Overrides::default(), ..known };
    let mut services: Vec<RosterService> = Vec::new();
    for map in &snapshot.maps {
        let facts = map.facts(&measured, None);
        let usable = |standing| matches!(standing, Standing::Usable | Standing::Suspect);
        let members = map.service.members.iter().zip(&facts.members).map(|(member, facts)| {
            let pop = &snapshot.pops[member.pop.0 as usize];
            RosterMember {
                pop: pop.name.clone(),
                usable: usable(facts.v4) || usable(facts.v6),
                written_drain: pop.drained,
            }
        });
        let name = &map.service.name;
        let min_up = files.services.iter().filter(|(of, _)| of == name).map(|(_, min_up)| *min_up).max();
        let service = RosterService { name: name.clone(), min_up: min_up.unwrap_or(1), members: members.collect() };
        if !services.contains(&service) {
            services.push(service);
        }
    }
    // Services that no name is steered to yet can be ordered about all the same.
    for (name, min_up) in &files.services {
        if !services.iter().any(|service| service.name == *name) {
            services.push(RosterService { name: name.clone(), min_up: *min_up, members: Vec::new() });
        }
    }
    Roster { pops: files.pops.clone(), services }
}
