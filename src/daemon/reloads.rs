//! Files → generations. Runs on a thread of its own, so that a long compile holds up nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::known::unix_ms;
use super::{Shared, now};
use crate::config::Severity;
use crate::config::model::ServiceModel;
use crate::control::{Files, StaleZone};
use crate::health::overrides::RosterPop;
use crate::metrics::Reload;
use crate::reload::databases::{Databases, SHIPPED_KIND};
use crate::reload::generation::Stale;
use crate::reload::watch::{Cause, Watch};
use crate::reload::{Event, Loaded, Loader};

/// Runs until told to stop.
pub(super) fn run(shared: &Shared, mut loader: Loader, mut watch: Watch, began: Instant, mut again: Option<u64>) {
    loop {
        let cause = watch.wait(again.map(Duration::from_millis));
        if cause == Cause::Stop {
            return;
        }
        // A panic here is a defect, but never a reason to stop looking at files: the old generation serves.
        let looked = catch_unwind(AssertUnwindSafe(|| look(shared, &mut loader, cause, began)));
        if let Ok(next) = looked {
            again = next;
        } else {
            error!("a reload failed unexpectedly and was given up; the old generation serves");
        }
    }
}

fn look(shared: &Shared, loader: &mut Loader, cause: Cause, began: Instant) -> Option<u64> {
    let started = Instant::now();
    let loaded = loader.load(now(began), cause == Cause::Confirmed, &mut |generation, targets| {
        shared.known.prober.replace(generation, targets.to_vec());
        shared.known.known(generation, targets).unwrap_or_default()
    });
    log(&loaded, &loader.databases);
    shared.files.send_replace(Arc::new(files(loader)));
    let generation = shared.current.load().generation;
    if loaded.fresh.has_errors() || !loaded.database.errors.is_empty() {
        shared.metrics.reloaded(Reload::Refused, unix_ms() / 1000);
    }
    if let Some(snapshot) = &loaded.snapshot {
        let (generation, zones) = (snapshot.generation, snapshot.zones.len());
        shared.current.store(snapshot.clone());
        shared.published.notify_one();
        shared.metrics.reloaded(Reload::Taken, unix_ms() / 1000);
        info!(generation, zones, took_ms = started.elapsed().as_millis() as u64, "reloaded");
    } else if loaded.fresh.has_errors() {
        warn!(generation, "nothing was changed; the generation before still serves");
    } else if matches!(cause, Cause::Asked | Cause::Confirmed) {
        info!(generation, "looked at all files; nothing has changed");
    }
    loaded.findings.again_in
}

/// What the files in use are like, for `status` and for orders.
pub(super) fn files(loader: &Loader) -> Files {
    let generation = &loader.generation;
    let mut files = Files { databases: loader.databases.used.clone(), ..Files::default() };
    for (zone, entry) in &generation.zones {
        let why = match (&entry.stale, &entry.good) {
            (None, _) | (_, None) => continue,
            (Some(Stale::Refused), Some(_)) => "its file is refused; the last good version serves",
            (Some(Stale::Vanished(_)), Some(_)) => {
                "its file is gone; it is kept for a time of grace, or until confirmed"
            }
        };
        files.stale.push(StaleZone { zone: zone.to_string(), file: entry.path.to_string(), why });
    }
    let mut put = |pop: RosterPop| {
        // Of several with one name, one that is drained in its file is what an operator must know of.
        match files.pops.iter_mut().find(|known| known.name == pop.name) {
            Some(known) if known.written_drain.is_none() => *known = pop,
            Some(_) => {}
            None => files.pops.push(pop),
        }
    };
    for pop in &generation.fleet.pops {
        let written_drain = pop.pop.drained.then(|| pop.location.to_string());
        put(RosterPop { name: pop.pop.name.clone(), written_drain });
    }
    let models = generation.zones.values().filter_map(|entry| entry.good.as_ref());
    let steered = models.flat_map(|good| &good.model.steers).map(|steer| &steer.service);
    let mut seen: Vec<*const ServiceModel> = Vec::new();
    for service in generation.fleet.services.iter().chain(steered) {
        if seen.contains(&Arc::as_ptr(service)) {
            continue;
        }
        seen.push(Arc::as_ptr(service));
        files.services.push((service.name.clone(), service.min_up));
        if service.manual_resume && !files.manual_resume.contains(&service.name) {
            files.manual_resume.push(service.name.clone());
        }
        for member in &service.members {
            // A fleet's PoPs are known by now, with the place of their own.
            let fleet = generation.fleet.pops.iter().any(|pop| pop.pop == member.pop);
            let written_drain = member.pop.drained.then(|| member.location.to_string());
            if !fleet {
                put(RosterPop { name: member.pop.name.clone(), written_drain });
            }
        }
    }
    files
}

/// Says what a look found that the look before did not.
pub(super) fn log(loaded: &Loaded, databases: &Databases) {
    for diagnostic in &loaded.fresh.0 {
        match diagnostic.severity {
            Severity::Error => error!("{diagnostic}"),
            Severity::Warning => warn!("{diagnostic}"),
        }
    }
    let look = &loaded.database;
    let kept = if look.changed { "" } else { "; the databases before keep serving" };
    for words in &look.errors {
        error!("{words}{kept}");
    }
    for words in &look.warnings {
        warn!("{words}");
    }
    if look.changed {
        for used in &databases.used {
            info!(path = used.path, kind = used.kind, built = used.built, cached = look.cached, "geo database");
            if used.kind == SHIPPED_KIND {
                warn!("{} is demonstration data, simplified; put a full database into the geodb directory", used.path);
            }
        }
        let mut credits: Vec<_> = databases.used.iter().filter_map(|used| used.credit.as_deref()).collect();
        credits.dedup();
        for credit in credits {
            info!("{credit}");
        }
    }
    if let Some(error) = &loaded.state_error {
        warn!(error, "the state directory could not be written");
    }
    for event in &loaded.events {
        match event {
            Event::Added { zone, serial, records } => info!(%zone, serial, records, "zone loaded"),
            Event::Changed { zone, serial, records } => info!(%zone, serial, records, "zone changed"),
            Event::Kept(zone) => warn!(%zone, "the file is refused; the last good version of the zone serves"),
            Event::NotLoaded(zone) => error!(%zone, "the zone cannot be loaded: SERVFAIL until its file is mended"),
            Event::Vanished(zone) => warn!(%zone, "the file is gone; the zone is kept for a time of grace"),
            Event::Held(zone) => {
                warn!(%zone, "many files are gone at once; the zone is kept until SIGUSR2 confirms that it is to go");
            }
            Event::Removed(zone) => info!(%zone, "zone removed"),
        }
    }
}
