//! Files → generations. Runs on a thread of its own, so that a long compile holds up nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::hot::Hot;
use super::known::unix_ms;
use super::{Shared, now};
use crate::config::Severity;
use crate::config::model::ServiceModel;
use crate::control::{Files, StaleZone};
use crate::health::Known;
use crate::health::overrides::RosterPop;
use crate::heap;
use crate::metrics::Reload;
use crate::reload::databases::{Databases, SHIPPED_KIND};
use crate::reload::generation::Stale;
use crate::reload::watch::{Asked, Cause, Report, Watch};
use crate::reload::{Event, Loaded, Loader, Wish};

/// Runs until told to stop.
pub(super) fn run(
    shared: &Shared,
    mut hot: Hot,
    mut loader: Loader,
    mut watch: Watch,
    began: Instant,
    mut again: Option<u64>,
) {
    loop {
        let cause = watch.wait(again.map(Duration::from_millis));
        // A panic here is a defect, but never a reason to stop looking at files: the old generation serves.
        let looked = catch_unwind(AssertUnwindSafe(|| match cause {
            Cause::Stop => false,
            Cause::Asked(asked) if asked.rehearse => {
                rehearse(shared, &loader, asked, began);
                true
            }
            Cause::Asked(asked) => {
                // Whoever has moved a log asks so.
                shared.beside.journal.reopen();
                take_settings(shared, &mut hot, &mut loader, &mut watch);
                again = look(shared, &mut loader, Some(asked), began);
                true
            }
            Cause::Event | Cause::Time => {
                take_settings(shared, &mut hot, &mut loader, &mut watch);
                again = look(shared, &mut loader, None, began);
                true
            }
        }));
        // Also after a look that found nothing: what served before was still asked when the last one ended.
        heap::give_back();
        match looked {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => error!("a reload failed unexpectedly and was given up; the old generation serves"),
        }
    }
}

fn take_settings(shared: &Shared, hot: &mut Hot, loader: &mut Loader, watch: &mut Watch) {
    if let Some(places) = hot.look(shared, loader) {
        for words in watch.move_to(&places) {
            warn!("{words}");
        }
    }
}

/// Looks at everything and serves what may serve. Gives the milliseconds after which to look again.
fn look(shared: &Shared, loader: &mut Loader, asked: Option<Asked>, began: Instant) -> Option<u64> {
    let started = Instant::now();
    let before = shared.current.load().generation;
    let wish = asked.as_ref().map_or_else(Wish::default, |asked| asked.wish);
    let mut loaded = loader.load(now(began), wish, &mut |generation, targets| {
        shared.known.prober.replace(generation, targets.to_vec());
        shared.known.known(generation, targets).unwrap_or_default()
    });
    log(&loaded, &loader.databases);
    let snapshot = loaded.snapshot.take();
    if loaded.fresh.has_errors() || !loaded.database.errors.is_empty() {
        shared.metrics.reloaded(Reload::Refused, unix_ms() / 1000);
    }
    if let Some(snapshot) = &snapshot {
        shared.current.store(snapshot.clone());
    }
    shared.files.send_replace(Arc::new(files(loader, &loaded, unix_ms())));
    if let Some(snapshot) = &snapshot {
        let (generation, zones) = (snapshot.generation, snapshot.zones.len());
        shared.published.notify_one();
        shared.metrics.reloaded(Reload::Taken, unix_ms() / 1000);
        info!(generation, zones, took_ms = started.elapsed().as_millis() as u64, "reloaded");
    } else if loaded.fresh.has_errors() {
        warn!(generation = before, "nothing was changed; the generation before still serves");
    } else if asked.is_some() {
        info!(generation = before, "looked at all files; nothing has changed");
    }
    let again = loaded.findings.again_in;
    let generation = snapshot.map(|snapshot| snapshot.generation);
    answer(asked, Report { rehearsed: false, before, generation, took: started.elapsed(), loaded });
    again
}

/// Tells what a look would come to.
fn rehearse(shared: &Shared, loader: &Loader, asked: Asked, began: Instant) {
    let started = Instant::now();
    let before = shared.current.load().generation;
    let wish = Wish { survey: true, ..asked.wish };
    let mut loaded = loader.rehearsal().load(now(began), wish, &mut |_, _| Known::default());
    let generation = loaded.snapshot.take().map(|snapshot| snapshot.generation);
    answer(Some(asked), Report { rehearsed: true, before, generation, took: started.elapsed(), loaded });
}

fn answer(asked: Option<Asked>, report: Report) {
    if let Some(reply) = asked.and_then(|asked| asked.reply) {
        // Who asked may have gone.
        let _ = reply.send(report);
    }
}

/// What the files in use are like after a look at `moment` (milliseconds since 1970), for `status` and for orders.
pub(super) fn files(loader: &Loader, loaded: &Loaded, moment: u64) -> Files {
    let generation = &loader.generation;
    let mut files = Files { databases: loader.databases.used.clone(), looked: moment / 1000, ..Files::default() };
    files.database_trouble.clone_from(&loader.databases.trouble);
    let found = &loaded.findings.diagnostics.0;
    let errors: Vec<_> = found.iter().filter(|d| d.severity == Severity::Error).collect();
    let of = |path: &str| errors.iter().filter(|d| *d.location.file == *path).collect::<Vec<_>>();
    files.errors = errors.iter().map(ToString::to_string).collect();
    files.warnings = found.len() - files.errors.len();
    for (zone, entry) in &generation.zones {
        let why = match (&entry.stale, &entry.good) {
            (None, Some(_)) => continue,
            (Some(Stale::Vanished(_)), _) if loaded.findings.held.contains(zone) => {
                "its file is gone with many others; it is kept until `catchment reload --confirm-removals`".to_owned()
            }
            (Some(Stale::Vanished(_)), _) => "its file is gone; it is kept for a time of grace".to_owned(),
            (Some(Stale::Refused) | None, _) => match of(&entry.path).first() {
                Some(error) => format!("{}: {}", error.location, error.message),
                None => "its file is refused".to_owned(),
            },
        };
        let more = of(&entry.path).len().saturating_sub(1);
        files.stale.push(StaleZone { zone: zone.to_string(), file: entry.path.to_string(), why, more });
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
                warn!(%zone, "many files are gone at once; the zone is kept until `catchment reload --confirm-removals`");
            }
            Event::Removed(zone) => info!(%zone, "zone removed"),
        }
    }
}
