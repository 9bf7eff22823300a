//! The fleet to try, and every zone against it: the new version of each where it is good, else the last good one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Barred, Claim, Findings, Generation, Gone, GoodZone, Memory, Role, Stale, ZoneEntry, parallel};
use crate::compile;
use crate::config::model::Fleet;
use crate::config::{self, Diagnostic, Diagnostics, FleetFile, Parsed, ZoneFile};
use crate::dns::Name;
use crate::reload::files::Scan;
use crate::reload::parsed::{ParsedFile, parse_copy};

impl Generation {
    /// The fleet to try: the new one if its files are good, else the one in use, else (at start) the last good copies.
    pub(super) fn choose_fleet(
        &self,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        claims: &BTreeMap<Arc<str>, Claim>,
        barred: &Barred,
        memory: &dyn Memory,
        findings: &mut Findings,
    ) -> FleetChoice {
        let paths: Vec<_> = claims.iter().filter(|(_, c)| c.role == Role::Fleet).collect();
        let first = self.fleet_files.is_empty() && self.zones.is_empty();
        let vanished = self.fleet_files.iter().any(|(path, _)| !claims.contains_key(path)) && claims.is_empty();
        let mut files = Vec::new();
        let mut bad = vanished || barred.fleet.is_some();
        for (path, claim) in paths {
            match &parsed[path].result {
                Some(Parsed::Fleet(fleet)) if claim.good => files.push((Arc::clone(path), Arc::clone(fleet))),
                _ => {
                    let copy = first.then(|| memory.copy(path)).flatten();
                    match copy.and_then(|text| parse_copy(path, &text, memory)) {
                        Some(Parsed::Fleet(fleet)) => files.push((Arc::clone(path), fleet)),
                        _ => bad = true,
                    }
                }
            }
        }
        if let Some(why) = &barred.fleet {
            findings.diagnostics.extend(why.clone());
        }
        findings.diagnostics.extend(self.of_bad_fleet(parsed, claims));
        // Of these nothing is known, so a name that nobody defines may be theirs.
        let unknown = |chosen: &[(Arc<str>, Arc<FleetFile>)]| -> Vec<Arc<str>> {
            let of_fleet = claims.iter().filter(|(_, c)| c.role == Role::Fleet).map(|(path, _)| path);
            of_fleet.filter(|path| chosen.iter().all(|(known, _)| known != *path)).cloned().collect()
        };
        let in_use = || FleetChoice {
            fleet: Arc::clone(&self.fleet),
            files: self.fleet_files.clone(),
            new: false,
            refused: unknown(&self.fleet_files),
        };
        let same = files.len() == self.fleet_files.len()
            && files.iter().zip(&self.fleet_files).all(|(a, b)| a.0 == b.0 && Arc::ptr_eq(&a.1, &b.1));
        if same || (bad && !first) {
            return in_use();
        }
        let list: Vec<_> = files.iter().map(|(_, file)| Arc::clone(file)).collect();
        let (fleet, diagnostics) = config::link_fleet_with(&list, &self.fleet.allow, &unknown(&files));
        let refused = diagnostics.has_errors();
        findings.diagnostics.extend(diagnostics);
        match fleet {
            Some(fleet) if !refused => {
                let refused = unknown(&files);
                FleetChoice { fleet: Arc::new(fleet), files, new: true, refused }
            }
            _ => in_use(),
        }
    }

    /// Files with errors of their own are linked all the same, with what else there is of the fleet, for the errors that only
    /// linking finds: all at once.
    fn of_bad_fleet(
        &self,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        claims: &BTreeMap<Arc<str>, Claim>,
    ) -> Diagnostics {
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for path in claims.iter().filter(|(_, claim)| claim.role == Role::Fleet).map(|(path, _)| path) {
            match &parsed[path].result {
                Some(Parsed::Fleet(file)) => read.push(Arc::clone(file)),
                _ => unread.push(Arc::clone(path)),
            }
        }
        if read.iter().all(|file| file.is_good()) {
            return Diagnostics::default();
        }
        config::link_fleet_with(&read, &self.fleet.allow, &unread).1
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `next`, cut out to be run a second time")]
    pub(super) fn link_zones(
        &self,
        scan: &Scan,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        claims: &BTreeMap<Arc<str>, Claim>,
        gone: &HashMap<Name, Gone>,
        barred: &Barred,
        memory: &dyn Memory,
        choice: &FleetChoice,
    ) -> Linked {
        let FleetChoice { fleet, files: fleet_files, refused, .. } = choice;
        let unchanged = Arc::ptr_eq(fleet, &self.fleet);
        let fleet_time =
            fleet_files.iter().filter_map(|(path, _)| scan.get(path)).map(|f| f.modified).max().unwrap_or(0);
        let mut work: Vec<Work> = Vec::new();
        for (path, claim) in claims {
            let Role::Zone(name) = &claim.role else { continue };
            let fresh = match &parsed[path].result {
                Some(Parsed::Zone(zone)) if claim.good && !barred.zones.contains_key(path) => Some(Arc::clone(zone)),
                _ => None,
            };
            let stale = fresh.is_none().then_some(Stale::Refused);
            work.push((name.clone(), Arc::clone(path), fresh, stale));
        }
        for (name, fate) in gone {
            if let (Gone::Kept { since }, Some(entry)) = (fate, self.zones.get(name)) {
                work.push((name.clone(), Arc::clone(&entry.path), None, Some(Stale::Vanished(*since))));
            }
        }
        let results = parallel(&work, |(name, path, fresh, stale)| {
            let inputs = parsed.get(path).map_or(0, |file| file.modified());
            let modified = scan.get(path).map_or(0, |f| f.modified).max(inputs).max(fleet_time);
            let mut one = LinkedZone::default();
            if let Some(why) = barred.zones.get(path) {
                one.diagnostics.extend(why.clone());
            }
            let old = self.zones.get(name).and_then(|z| z.good.as_ref());
            let with = Link { fleet, refused, unchanged, old, modified, floor: memory.serial(name) };
            if let Some(file) = fresh {
                one.good = with.run(file, &mut one.diagnostics);
                if one.good.is_some() {
                    return one;
                }
            }
            // A file with errors of its own is linked all the same, for the errors that only linking finds: all at once.
            if let (None, Some(Parsed::Zone(bad))) = (fresh, parsed.get(path).and_then(|file| file.result.as_ref()))
                && !barred.zones.contains_key(path)
                && bad.origin() == name
            {
                one.diagnostics.extend(config::link_zone_beside(bad, fleet, refused).1);
            }
            one.stale = stale.clone().or(Some(Stale::Refused));
            if let Some(old) = old {
                // The last good version, with the fleet that is on trial. The bad file's time is not its serial.
                let mut why = Diagnostics::default();
                one.good = Link { modified: fleet_time, ..with }.run(&old.file, &mut why);
                if one.good.is_none() {
                    one.broken = Some(why);
                }
            } else if let Some(Parsed::Zone(copy)) = memory.copy(path).and_then(|text| parse_copy(path, &text, memory))
                && copy.origin() == name
            {
                one.good = Link { modified: fleet_time, ..with }.run(&copy, &mut Diagnostics::default());
            }
            one
        });
        let mut linked = Linked::default();
        for ((name, path, ..), one) in work.into_iter().zip(results) {
            linked.diagnostics.extend(one.diagnostics);
            if let Some(why) = one.broken {
                linked.broken.push((BrokenZone { name: name.clone(), path: Arc::clone(&path) }, why));
            }
            linked.zones.insert(name, ZoneEntry { path, good: one.good, stale: one.stale });
        }
        linked
    }
}

/// A zone to link: its name and path, the file on trial if there is a good one, and why it is stale if there is none.
type Work = (Name, Arc<str>, Option<Arc<ZoneFile>>, Option<Stale>);

/// The fleet to try.
pub(super) struct FleetChoice {
    pub(super) fleet: Arc<Fleet>,
    pub(super) files: Vec<(Arc<str>, Arc<FleetFile>)>,
    /// Whether it differs from the one in use.
    pub(super) new: bool,
    /// Files of the fleet of which no good version is known: names that nobody defines may be theirs.
    pub(super) refused: Vec<Arc<str>>,
}

#[derive(Default)]
pub(super) struct Linked {
    pub(super) zones: BTreeMap<Name, ZoneEntry>,
    pub(super) diagnostics: Diagnostics,
    /// Good zones that the fleet on trial would break.
    pub(super) broken: Vec<(BrokenZone, Diagnostics)>,
}

pub(super) struct BrokenZone {
    pub(super) name: Name,
    pub(super) path: Arc<str>,
}

#[derive(Default)]
struct LinkedZone {
    good: Option<GoodZone>,
    stale: Option<Stale>,
    diagnostics: Diagnostics,
    broken: Option<Diagnostics>,
}

/// What a zone is linked with.
struct Link<'a> {
    fleet: &'a Fleet,
    /// Files of the fleet of which no good version is known.
    refused: &'a [Arc<str>],
    /// Whether the fleet is the one in use, so that an unchanged file needs no work.
    unchanged: bool,
    /// The zone as it is served now.
    old: Option<&'a GoodZone>,
    /// Newest modification time of the inputs.
    modified: u32,
    /// The last serial of earlier runs.
    floor: Option<u32>,
}

impl Link<'_> {
    fn run(&self, file: &Arc<ZoneFile>, diagnostics: &mut Diagnostics) -> Option<GoodZone> {
        if let Some(old) = self.old.filter(|old| self.unchanged && Arc::ptr_eq(&old.file, file)) {
            return Some(old.clone());
        }
        let (model, found) = config::link_zone_beside(file, self.fleet, self.refused);
        let refused = found.has_errors();
        diagnostics.extend(found);
        let model = model.filter(|_| !refused)?;
        let floor = self.old.map(|old| old.serial).or(self.floor).unwrap_or(0);
        if let Some(written) = model.serial.filter(|written| *written < floor) {
            let message = format!("the serial {written} is below the last one served, {floor}");
            diagnostics.push(
                Diagnostic::warning(model.location.clone(), message)
                    .help("secondaries will not notice the change; leave `serial` out to have it kept automatically"),
            );
        }
        let serial = model.serial.unwrap_or(self.modified.max(floor));
        let (zone, found) = match self.old.filter(|old| Arc::ptr_eq(&old.file, file)) {
            // Another fleet changes nothing of a zone's tables but the serial.
            Some(old) if old.serial == serial => (Arc::clone(&old.zone), Arc::clone(&old.found)),
            Some(old) => (Arc::new(old.zone.with_serial(serial)), Arc::clone(&old.found)),
            None if file.is_compiled() => return None,
            None => {
                let (zone, found) = compile::zone(&model, serial);
                let Some(zone) = zone else {
                    diagnostics.extend(found);
                    return None;
                };
                (Arc::new(zone), Arc::new(found))
            }
        };
        diagnostics.extend(Diagnostics::clone(&found));
        Some(GoodZone { file: Arc::clone(file), model: Arc::new(model), zone, found, serial })
    }
}
