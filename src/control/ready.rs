//! Whether clients should be sent here: what `/readyz` says.

use super::wire::Readiness;
use super::{Desk, Phase, view};
use crate::reload::databases::SHIPPED_KIND;
use crate::zone::Entry;

/// Zones that are named; of more their number is told.
const NAMED: usize = 5;

/// What stands against sending clients here; nothing does when it is ready. An old database does only where the settings
/// say so: an answer from last year's map is better than none.
pub(super) fn readiness(desk: &Desk) -> Readiness {
    let mut reasons = Vec::new();
    match *desk.phase.borrow() {
        Phase::Starting => reasons.push("starting: not listening yet".to_owned()),
        Phase::Serving => {}
        Phase::Draining => reasons.push("stopping: no new work is taken".to_owned()),
    }
    let snapshot = desk.current.load();
    if snapshot.zones.is_empty() {
        reasons.push("there are no zones".to_owned());
    }
    let not_loaded: Vec<_> = snapshot
        .zones
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::NotLoaded))
        .map(|(zone, _)| zone.to_string())
        .collect();
    if !not_loaded.is_empty() {
        let more = not_loaded.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = not_loaded.iter().take(NAMED).map(|zone| format!("`{zone}`")).collect::<Vec<_>>().join(", ");
        reasons.push(format!("zones that could not be loaded: {named}{more}"));
    }
    let most = desk.rules.borrow().max_database_age;
    if let Some(most) = most {
        let now = view::unix_ms() / 1000;
        let files = desk.files.borrow();
        for used in files.databases.iter().filter(|used| used.kind != SHIPPED_KIND) {
            let age = now.saturating_sub(used.built);
            if age > most.as_secs() {
                let (days, most) = (age / 86_400, most.as_secs() / 86_400);
                reasons.push(format!("{} is {days} days old, more than {most}", used.path));
            }
        }
    }
    Readiness { ready: reasons.is_empty(), reasons }
}
