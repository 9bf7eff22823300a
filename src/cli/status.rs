//! `catchment status`: how the running server is.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::client::{Server, typed};
use super::order;
use super::words::{Page, count, safe, short, size};
use crate::control::wire::{Fetch, GuardStatus, MapMemory, Memory, PrunedFamily, Stale, Status};

#[derive(Clone, Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let value = match args.server.get("status")?.good()? {
        Ok(value) => value,
        Err(code) => return Ok(code),
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{value:#}")?;
    } else {
        write!(out, "{}", text(&typed(&value)?, Page::stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the second column begins.
const INDENT: usize = 11;

fn text(status: &Status, page: Page) -> String {
    let mut out = String::new();
    let mut row = |title: &str, words: &str| {
        let title = if title.is_empty() { " ".repeat(INDENT) } else { format!("{title:<INDENT$}") };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{title}{}", page.wrap(words, INDENT));
    };
    let up = short(status.uptime_seconds * 1000);
    row("catchment", &format!("{}, process {}, up {up} (since {})", status.version, status.pid, status.started));
    let scopes = if status.scopes_complete { "" } else { ", its exact scopes still being built" };
    row("serves", &format!("generation {}, epoch {}{scopes}", status.generation, status.epoch));

    row("zones", &format!("{} loaded", status.zones.loaded));
    let why = |zone: &str| status.zones.stale.iter().find(|stale| stale.zone == *zone);
    for zone in &status.zones.not_loaded {
        let words = why(zone).map_or_else(String::new, |stale| format!(": {}", reason(stale)));
        row("", &page.paint(&format!("NOT LOADED {zone} SERVFAIL until its file is mended{words}"), "31"));
    }
    for stale in status.zones.stale.iter().filter(|stale| !status.zones.not_loaded.contains(&stale.zone)) {
        let words = format!("STALE {} serves as it was before: {}", stale.zone, reason(stale));
        row("", &page.paint(&words, "33"));
    }
    let (errors, warnings) = (status.files.errors.len(), status.files.warnings);
    if errors + warnings > 0 {
        let many = [(errors, "error"), (warnings, "warning")].into_iter().filter(|(number, _)| *number > 0);
        let many: Vec<_> = many.map(|(number, what)| count(number, what)).collect();
        row("files", &format!("{}; `catchment check` shows them", many.join(", ")));
    }
    let mut title = "databases";
    for used in &status.databases {
        let (date, days) = (used.built.get(..10).unwrap_or(&used.built), used.age_seconds / 86_400);
        let age = if days == 0 { "today".to_owned() } else { format!("{} ago", count(days as usize, "day")) };
        row(title, &format!("{}, built {date} ({age}): {}", safe(&used.kind), safe(&used.path)));
        title = "";
    }
    if status.databases.is_empty() {
        row(title, "none");
    }
    for words in &status.files.databases {
        row("", &page.paint(&format!("STALE {}", safe(words)), "33"));
    }
    let mut title = "fetching";
    for item in &status.fetches {
        row(title, &fetch(item, page));
        title = "";
    }
    let mut title = "memory";
    for line in memory(&status.memory) {
        row(title, &line);
        title = "";
    }

    let targets = &status.targets;
    let states = [
        (targets.up, "up"),
        (targets.suspect, "suspect"),
        (targets.down, "down"),
        (targets.recovering, "recovering"),
        (targets.unknown, "unknown"),
    ];
    let states: Vec<_> = states.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
    let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
    row("targets", &format!("{}{states}", targets.all));
    let probing = &status.probing;
    let late = match probing.lag_ms {
        0..1000 => "none late".to_owned(),
        lag => page.paint(&format!("late by {}", short(lag)), "33"),
    };
    let oldest = probing.oldest_result_ms.map_or_else(String::new, |age| format!("; oldest result {} ago", short(age)));
    row("probing", &format!("{} of {} in flight, {late}{oldest}", probing.in_flight, probing.limit));
    row("guard", &guard(&status.guard, page));
    for alarm in &status.alarms {
        let words = format!("{} {}: {}", alarm.what.to_uppercase(), safe(&alarm.service), alarm.words);
        row("alarm", &page.paint(&words, "31"));
    }
    let mut title = "overrides";
    for item in &status.overrides {
        row(title, &format!("{} {}", item.target, order::line(item)));
        title = "";
    }
    if status.overrides.is_empty() {
        row(title, "none");
    }
    out
}

/// A database that is fetched, in a line.
fn fetch(item: &Fetch, page: Page) -> String {
    let looked = item.looked_seconds.map_or_else(
        || "never fetched".to_owned(),
        |seconds| format!("what the provider had {} ago", short(seconds * 1000)),
    );
    let (file, source, next) = (safe(&item.file), safe(&item.source), short(item.next_seconds * 1000));
    match item.error.as_deref().and_then(|error| error.lines().next()) {
        None => format!("{file} from {source}: {looked}, next look in {next}"),
        Some(error) => {
            page.paint(&format!("FAILED {file} from {source}: {}; {looked}, next look in {next}", safe(error)), "33")
        }
    }
}

/// Why a zone is not served as its file says.
fn reason(stale: &Stale) -> String {
    let more = if stale.more == 0 { String::new() } else { format!(", and {}", count(stale.more, "more error")) };
    format!("{}{more}", safe(&stale.why))
}

/// Maps that are shown each.
const MAPS: usize = 10;
/// Policies and services that are named of maps that decide alike.
const NAMED: usize = 4;

/// The tables and the process, then a line for each of the largest maps.
fn memory(memory: &Memory) -> Vec<String> {
    let bytes = |octets: usize| size(octets as u64);
    let mut first = format!("live tables {}", bytes(memory.live_octets));
    match (memory.sites.mapped_octets, memory.sites.heap_octets) {
        (0, 0) => {}
        (0, heap) => _ = write!(first, "; site table {}", bytes(heap)),
        (mapped, 0) => _ = write!(first, "; site table {}, mapped", bytes(mapped)),
        (mapped, heap) => _ = write!(first, "; site table {}, mapped, and {} beside it", bytes(mapped), bytes(heap)),
    }
    if let Some(all) = memory.resident_octets {
        let _ = write!(first, "; process {}", size(all));
    }
    let mut lines = vec![first];
    lines.extend(memory.maps.iter().take(MAPS).map(map));
    let rest = memory.maps.get(MAPS..).unwrap_or_default();
    if !rest.is_empty() {
        let all = rest.iter().map(|map| map.static_octets + map.live_octets).sum();
        lines.push(format!("{} more: {} in all", count(rest.len(), "map"), bytes(all)));
    }
    lines
}

/// A map, or those that decide alike.
fn map(map: &MapMemory) -> String {
    let named = map.of.iter().take(NAMED).map(|of| format!("{} for {}", safe(&of.policy), safe(&of.service)));
    let mut line = named.collect::<Vec<_>>().join(", ");
    if map.of.len() > NAMED {
        let _ = write!(line, " and {} alike", map.of.len() - NAMED);
    }
    let all = map.static_octets + map.live_octets;
    let _ = write!(line, ": {}, {} of that live", size(all as u64), size(map.live_octets as u64));
    if let Some(ranges) = map.ranges {
        let _ = write!(line, "; {} ranges of IPv4, {} of IPv6", ranges.v4, ranges.v6);
    }
    if let Some(pruned) = map.pruned {
        let family =
            |pruned: &PrunedFamily| format!("{} entries at most, {} m farther", pruned.entries, pruned.detour_meters);
        let _ = write!(line, "; less detail: IPv4 {}; IPv6 {}", family(&pruned.v4), family(&pruned.v6));
    }
    line
}

/// The guard in a line.
fn guard(guard: &GuardStatus, page: Page) -> String {
    let all = guard.canaries.len();
    let answering = guard.canaries.iter().filter(|canary| canary.answers == Some(true)).count();
    let canaries = format!("{answering} of {all} canaries answer");
    let since = guard.since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
    let words = guard.words.as_ref().map_or_else(String::new, |words| format!(": {words}"));
    match guard.phase.as_str() {
        "off" => "off: no canaries are set".to_owned(),
        "frozen" => page.paint(&format!("FROZEN{since}{words}; {canaries}"), "31"),
        phase => format!("{phase}{since}{words}; {canaries}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    const PLAIN: Page = Page { width: 80, color: false };

    #[test]
    fn a_quiet_server() {
        let status: Status = typed(&json!({
            "version": "0.1.0", "pid": 4711, "started": "2026-11-22T18:00:00Z", "uptime_seconds": 273_600,
            "generation": 1, "epoch": 1, "scopes_complete": true,
            "zones": {"loaded": 2, "not_loaded": [], "stale": []},
            "databases": [], "memory": {"live_octets": 24_120_000},
            "targets": {"all": 0, "unknown": 0, "up": 0, "suspect": 0, "down": 0, "recovering": 0},
            "probing": {"in_flight": 0, "limit": 256, "lag_ms": 0},
            "guard": {"phase": "off", "canaries": []}, "alarms": [], "overrides": []
        }))
        .unwrap();
        expect![[r"
            catchment  0.1.0, process 4711, up 3d4h (since 2026-11-22T18:00:00Z)
            serves     generation 1, epoch 1
            zones      2 loaded
            databases  none
            memory     live tables 24.1 MB
            targets    0
            probing    0 of 256 in flight, none late
            guard      off: no canaries are set
            overrides  none
        "]]
        .assert_eq(&text(&status, PLAIN));
    }

    #[test]
    fn a_bad_night() {
        let status: Status = typed(&json!({
            "version": "0.1.0", "pid": 4711, "started": "2026-11-22T18:00:00Z", "uptime_seconds": 130,
            "generation": 12, "epoch": 345, "scopes_complete": false,
            "zones": {"loaded": 2, "not_loaded": ["bad.example."], "stale": [
                {"zone": "bad.example.", "file": "zones/bad.example.yaml",
                 "why": "zones/bad.example.yaml:1:7: `..` is not a domain name"},
                {"zone": "example.com.", "file": "zones/example.com.yaml",
                 "why": "zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 address", "more": 2}]},
            "files": {"looked": "2026-11-22T18:02:00Z", "errors": ["1", "2", "3", "4"], "warnings": 1,
                "databases": ["geodb/GeoLite2-City.mmdb: truncated"]},
            "databases": [
                {"path": "geodb/GeoLite2-City.mmdb", "kind": "GeoLite2-City", "built": "2026-11-01T00:00:00Z",
                 "age_seconds": 1_900_000},
                {"path": "geodb/GeoLite2-ASN.mmdb", "kind": "GeoLite2-ASN", "built": "2026-11-22T00:00:00Z",
                 "age_seconds": 70_000}],
            "fetches": [
                {"source": "maxmind:GeoLite2-City", "file": "geodb/GeoLite2-City.mmdb", "looked_seconds": 90_000,
                 "next_seconds": 600, "error": "download.example: the license key is not accepted\n  help: mend it"},
                {"source": "maxmind:GeoLite2-ASN", "file": "geodb/GeoLite2-ASN.mmdb", "looked_seconds": 4000,
                 "next_seconds": 80_000}],
            "memory": {"live_octets": 24_120_000, "resident_octets": 131_000_000,
                "sites": {"mapped_octets": 112_000_000, "heap_octets": 20_400},
                "maps": [
                    {"of": [{"policy": "nearest", "service": "web"}, {"policy": "eu", "service": "web"}],
                     "static_octets": 2_300_000, "live_octets": 22_100_000, "ranges": {"v4": 1_228_119, "v6": 1_606_508}},
                    {"of": [{"policy": "coarse", "service": "mail"}], "static_octets": 1_100_000, "live_octets": 2_020_000,
                     "pruned": {"v4": {"entries": 990_771, "detour_meters": 4600}, "v6": {"entries": 1_000, "detour_meters": 0}}}]},
            "targets": {"all": 10, "unknown": 1, "up": 2, "suspect": 1, "down": 5, "recovering": 1},
            "probing": {"in_flight": 256, "limit": 256, "lag_ms": 1500, "oldest_result_ms": 14_800},
            "guard": {"phase": "frozen", "since": "2026-11-22T18:01:00Z",
                "words": "9 of 10 targets turned bad at once and no canary answers: answers go by health as it was before",
                "canaries": [{"address": "192.0.2.1:443", "answers": false}, {"address": "192.0.2.2:443", "answers": false}]},
            "alarms": [{"service": "web", "what": "fail-open",
                "words": "no PoP is usable for some clients, who are answered as if all were up"}],
            "overrides": [
                {"target": "fra", "pop": "fra", "word": "drain", "since": "2026-11-22T17:00:00Z",
                 "until": "2026-11-22T19:00:00Z", "over_seconds": 600, "share": 433,
                 "reason": "kernel update \u{1b}[2J", "by": "alice (as root)", "known": true},
                {"target": "web@old", "service": "web", "pop": "old", "word": "up", "since": "2026-11-22T17:00:00Z",
                 "share": 1000, "reason": "the check lies", "by": "root", "known": false}]
        }))
        .unwrap();
        expect![[r"
            catchment  0.1.0, process 4711, up 2m10s (since 2026-11-22T18:00:00Z)
            serves     generation 12, epoch 345, its exact scopes still being built
            zones      2 loaded
                       NOT LOADED bad.example. SERVFAIL until its file is mended:
                       zones/bad.example.yaml:1:7: `..` is not a domain name
                       STALE example.com. serves as it was before:
                       zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 address,
                       and 2 more errors
            files      4 errors, 1 warning; `catchment check` shows them
            databases  GeoLite2-City, built 2026-11-01 (21 days ago):
                       geodb/GeoLite2-City.mmdb
                       GeoLite2-ASN, built 2026-11-22 (today): geodb/GeoLite2-ASN.mmdb
                       STALE geodb/GeoLite2-City.mmdb: truncated
            fetching   FAILED geodb/GeoLite2-City.mmdb from maxmind:GeoLite2-City:
                       download.example: the license key is not accepted; what the provider
                       had 1d1h ago, next look in 10m
                       geodb/GeoLite2-ASN.mmdb from maxmind:GeoLite2-ASN: what the provider
                       had 1h6m ago, next look in 22h13m
            memory     live tables 24.1 MB; site table 112.0 MB, mapped, and 21 KB beside
                       it; process 131.0 MB
                       nearest for web, eu for web: 24.4 MB, 22.1 MB of that live; 1228119
                       ranges of IPv4, 1606508 of IPv6
                       coarse for mail: 3.1 MB, 2.0 MB of that live; less detail: IPv4
                       990771 entries at most, 4600 m farther; IPv6 1000 entries at most, 0
                       m farther
            targets    10: 2 up, 1 suspect, 5 down, 1 recovering, 1 unknown
            probing    256 of 256 in flight, late by 1.5s; oldest result 14s ago
            guard      FROZEN since 2026-11-22T18:01:00Z: 9 of 10 targets turned bad at once
                       and no canary answers: answers go by health as it was before; 0 of 2
                       canaries answer
            alarm      FAIL-OPEN web: no PoP is usable for some clients, who are answered as
                       if all were up
            overrides  fra draining, 43 % of its clients left until 2026-11-22T19:00:00Z, by
                       alice (as root): kernel update \u{1b}[2J
                       web@old forced up, by root: the check lies (no file names this any
                       more)
        "]]
        .assert_eq(&text(&status, PLAIN));
    }
}
