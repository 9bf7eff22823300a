//! What is refused though its files are good: it would break an operator's assertion (`expect:`, SEMANTICS §6.7), or move more
//! clients than the settings allow.
//!
//! Of a change the smallest part is refused that can be told apart: the zone's new file; else the changed fleet; else the
//! new databases. What was refused is tried without, and so on until nothing is broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::generation::{Barred, Generation};
use super::parsed::whole;
use super::{Loader, Wish, expectations};
use crate::config::model::ZoneModel;
use crate::config::settings::Broken;
use crate::config::units::show_share;
use crate::config::{Diagnostic, Diagnostics, Severity};
use crate::dns::Name;
use crate::snapshot::Parts;
use crate::survey::{Move, moves};

/// What the gates say of tables that are about to serve.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Something was barred that was not before: the tables are not to serve.
    pub(super) barred: bool,
    /// Why the new databases are not to serve; empty where they may.
    pub(super) databases: Vec<String>,
    /// What is broken and serves all the same.
    pub(super) warnings: Diagnostics,
    /// What moves.
    pub(super) moves: Vec<Move>,
}

/// What of a change a zone's trouble comes from.
enum Culprit {
    /// Its new file.
    Zone,
    /// The changed fleet.
    Fleet,
    /// The new databases.
    Databases,
    /// Nothing that could be refused.
    None,
}

impl Loader {
    /// Holds tables on trial against assertions and limits. What fails is put into `barred`.
    pub(super) fn gate(
        &self,
        next: &Generation,
        parts: &Parts,
        barred: &mut Barred,
        new_databases: bool,
        wish: Wish,
    ) -> Gate {
        let mut gate = self.expectations(next, parts, barred, new_databases);
        if gate.barred || !gate.databases.is_empty() {
            return gate;
        }
        let limit = self.options.limits.max_move.filter(|_| !wish.force);
        if let Some(before) = self.snapshot.as_deref().filter(|_| limit.is_some() || wish.survey) {
            gate.moves = moves(before, parts);
            if let Some(limit) = limit {
                self.limit(limit, next, barred, new_databases, &mut gate);
            }
        }
        gate
    }

    fn expectations(&self, next: &Generation, parts: &Parts, barred: &mut Barred, new_databases: bool) -> Gate {
        let mut gate = Gate::default();
        for (zone, entry) in &next.zones {
            let Some(good) = &entry.good else { continue };
            let failures = expectations::failures(parts, &good.model);
            let Some(first) = failures.0.first() else { continue };
            match self.culprit(next, zone, barred, new_databases) {
                Culprit::Zone => {
                    barred.zones.insert(Arc::clone(&entry.path), failures);
                    gate.barred = true;
                }
                Culprit::Fleet => {
                    let words = format!("the changed fleet breaks {} of zone `{zone}`", entries(failures.0.len()));
                    let help = format!("the whole previous fleet stays; {}", first.location);
                    barred.fleet.get_or_insert_default().extend(self.at_fleet(next, &words, &help));
                    barred.fleet.get_or_insert_default().extend(failures);
                    gate.barred = true;
                }
                Culprit::Databases if self.options.limits.databases == Broken::Refuse => {
                    gate.databases.extend(failures.0.iter().map(|d| format!("{}: {}", d.location, d.message)));
                }
                Culprit::Databases | Culprit::None => {
                    let warn = |mut d: Diagnostic| {
                        d.severity = Severity::Warning;
                        d
                    };
                    gate.warnings.0.extend(failures.0.into_iter().map(warn));
                }
            }
        }
        gate
    }

    fn limit(&self, limit: u16, next: &Generation, barred: &mut Barred, new_databases: bool, gate: &mut Gate) {
        // By zone, the name of it at which most moves.
        let mut worst = BTreeMap::<&Name, (&Name, &Move)>::new();
        for one in gate.moves.iter().filter(|one| one.most() * 1000.0 > f64::from(limit)) {
            for (name, zone) in &one.names {
                worst.entry(zone).or_insert((name, one));
            }
        }
        let help = "`catchment reload --dry-run` shows what moves, `catchment reload --force` takes it all the same";
        for (zone, (name, one)) in worst {
            let Some(entry) = next.zones.get(zone) else { continue };
            let moved = format!(
                "{:.1}% of IPv4, {:.1}% of IPv6 and {:.1}% of people at `{name}`; `max_move` allows {}",
                one.share.v4 * 100.0,
                one.share.v6 * 100.0,
                one.share.people * 100.0,
                show_share(limit)
            );
            match self.culprit(next, zone, barred, new_databases) {
                Culprit::Zone => {
                    let steer = |model: &ZoneModel| {
                        model.steers.iter().find(|steer| steer.owner == *name).map(|steer| steer.location.clone())
                    };
                    let place = entry.good.as_ref().and_then(|good| steer(&good.model));
                    let place = place.unwrap_or_else(|| whole(&entry.path));
                    let why = Diagnostic::error(place, format!("the change would move {moved}")).help(help);
                    barred.zones.insert(Arc::clone(&entry.path), Diagnostics(vec![why]));
                    gate.barred = true;
                }
                Culprit::Fleet => {
                    let words = format!("the changed fleet would move {moved}");
                    let help = format!("the whole previous fleet stays; {help}");
                    barred.fleet.get_or_insert_default().extend(self.at_fleet(next, &words, &help));
                    gate.barred = true;
                }
                Culprit::Databases => gate.databases.push(format!("the new databases would move {moved}; {help}")),
                // What the refused fleet or database has moved is moved back in the next round.
                Culprit::None => {}
            }
        }
    }

    fn culprit(&self, next: &Generation, zone: &Name, barred: &Barred, new_databases: bool) -> Culprit {
        let Some(entry) = next.zones.get(zone) else { return Culprit::None };
        let same_text = next.same_version(&self.generation, zone) && self.generation.zones.contains_key(zone);
        let same_fleet = Arc::ptr_eq(&next.fleet, &self.generation.fleet);
        if !same_text && !barred.zones.contains_key(&entry.path) && entry.stale.is_none() {
            Culprit::Zone
        } else if same_text && !same_fleet {
            Culprit::Fleet
        } else if new_databases && self.snapshot.is_some() {
            Culprit::Databases
        } else {
            Culprit::None
        }
    }

    /// A finding about each changed file of the fleet.
    fn at_fleet(&self, next: &Generation, words: &str, help: &str) -> Diagnostics {
        let changed = next.changed_fleet_files(&self.generation);
        Diagnostics(changed.iter().map(|path| Diagnostic::error(whole(path), words).help(help)).collect())
    }
}

fn entries(number: usize) -> String {
    if number == 1 { "an `expect:` entry".to_owned() } else { format!("{number} `expect:` entries") }
}
