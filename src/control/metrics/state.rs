//! What is served: files, databases, memory.

use super::Page;
use super::table::{
    BUILD, DATABASE_BUILT, EPOCH, EPOCHS, FETCHED, FETCHES, GENERATION, LAST_RELOAD, MAP_MEMORY, MAP_RANGES, READY,
    RELOADS, SCOPES_COMPLETE, SITES_MEMORY, ZONES,
};
use crate::control::{Desk, ready, view};
use crate::zone::Entry;

pub(super) fn fill(page: &mut Page, desk: &Desk) {
    let snapshot = desk.current.load_full();
    let live = snapshot.live();
    page.put(&BUILD, [env!("CARGO_PKG_VERSION")], 1u64);
    page.put(&READY, [], ready::readiness(desk).ready);
    page.put(&GENERATION, [], snapshot.generation);
    page.put(&EPOCH, [], live.epoch);
    page.put(&SCOPES_COMPLETE, [], live.is_complete());
    let changes = desk.metrics.read_all().changes;
    page.put(&EPOCHS, [], changes.epochs);
    let results = [
        ("taken", changes.reloads_taken, changes.last_taken),
        ("refused", changes.reloads_refused, changes.last_refused),
    ];
    for (result, count, last) in results {
        page.put(&RELOADS, [result], count);
        page.put(&LAST_RELOAD, [result], last);
    }
    let files = desk.files.borrow().clone();
    let not_loaded = snapshot.zones.iter().filter(|(_, entry)| matches!(entry, Entry::NotLoaded)).count();
    page.put(&ZONES, ["loaded"], snapshot.zones.len() - not_loaded);
    page.put(&ZONES, ["not-loaded"], not_loaded);
    page.put(&ZONES, ["stale"], files.stale.len());
    for used in &files.databases {
        page.put(&DATABASE_BUILT, [&used.path, &used.kind], used.built);
    }
    for item in desk.fetched.borrow().iter() {
        let results = [("replaced", item.replaced), ("unchanged", item.unchanged), ("failed", item.failed)];
        for (result, count) in results {
            page.put(&FETCHES, [&item.file, result], count);
        }
        page.put(&FETCHED, [&item.file], item.looked.unwrap_or_default());
    }
    let memory = view::memory(&snapshot);
    page.put(&SITES_MEMORY, ["mapped"], memory.sites.mapped_octets);
    page.put(&SITES_MEMORY, ["heap"], memory.sites.heap_octets);
    for map in &memory.maps {
        let Some(first) = map.of.first() else { continue };
        let (policy, service) = (first.policy.as_str(), first.service.as_str());
        page.add(&MAP_MEMORY, [policy, service, "static"], map.static_octets as u64);
        page.add(&MAP_MEMORY, [policy, service, "live"], map.live_octets as u64);
        if let Some(ranges) = map.ranges {
            page.put(&MAP_RANGES, [policy, service, "v4"], ranges.v4);
            page.put(&MAP_RANGES, [policy, service, "v6"], ranges.v6);
        }
    }
    page.put(&super::table::STARTED, [], desk.started);
}
