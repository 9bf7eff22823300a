//! Files → generations. Runs on a thread of its own, so that a long compile holds up nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::{Shared, now};
use crate::config::Severity;
use crate::reload::databases::{Databases, SHIPPED_KIND};
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
        shared.prober.replace(generation, targets.to_vec());
        shared.known().1
    });
    log(&loaded, &loader.databases);
    let generation = shared.current.load().generation;
    if let Some(snapshot) = &loaded.snapshot {
        let (generation, zones) = (snapshot.generation, snapshot.zones.len());
        shared.current.store(snapshot.clone());
        shared.published.notify_one();
        info!(generation, zones, took_ms = started.elapsed().as_millis() as u64, "reloaded");
    } else if loaded.fresh.has_errors() {
        warn!(generation, "nothing was changed; the generation before still serves");
    } else if matches!(cause, Cause::Asked | Cause::Confirmed) {
        info!(generation, "looked at all files; nothing has changed");
    }
    loaded.findings.again_in
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
