//! The core's types → [`super::wire`].

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::wire::{
    Alarm, Answers, Asked, Canary, Database, Fetch, FilesStatus, GuardStatus, Health, LastResult, Latency, MapMemory,
    Member, Memory, OrderDone, OverrideView, PolicyAndService, PopList, PopView, ProbeCounts, Probing, Pruned,
    PrunedFamily, Ranges, Served, Serves, Service, ServiceList, SitesMemory, Stale, Status, Target, TargetCounts,
    TargetList, Traffic, Transition, TransportTraffic, ZoneList, ZoneView, Zones,
};
use super::{Desk, Fetched, Files, GuardPhase, GuardView, StaleZone};
use crate::dns::{Name, Type};
use crate::geo::Place;
use crate::health::overrides::{Done, Forced, Override, Overrides, Scope};
use crate::health::{self, CheckKind, State, Verdict};
use crate::live::{self, Held};
use crate::metrics;
use crate::probe::TargetReport;
use crate::snapshot::Snapshot;
use crate::steering::{Pop, Standing};
use crate::zone::Entry;

/// `GET status`.
pub(super) fn status(desk: &Desk) -> Status {
    let snapshot = desk.current.load_full();
    let live = snapshot.live();
    let (now, files) = (unix_ms(), desk.files.borrow().clone());
    let reports = desk.prober.report();
    let pulse = desk.prober.pulse();
    let not_loaded = snapshot.zones.iter().filter(|(_, entry)| matches!(entry, Entry::NotLoaded));
    let not_loaded: Vec<_> = not_loaded.map(|(zone, _)| zone.to_string()).collect();
    let stale = files.stale.iter().map(stale_view);
    let databases = files.databases.iter().map(|used| Database {
        path: used.path.clone(),
        kind: used.kind.clone(),
        built: moment(used.built),
        age_seconds: (now / 1000).saturating_sub(used.built),
    });
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: moment(desk.started),
        uptime_seconds: (now / 1000).saturating_sub(desk.started),
        generation: snapshot.generation,
        epoch: live.epoch,
        scopes_complete: live.is_complete(),
        zones: Zones { loaded: snapshot.zones.len() - not_loaded.len(), not_loaded, stale: stale.collect() },
        files: FilesStatus {
            looked: moment(files.looked),
            errors: files.errors.clone(),
            warnings: files.warnings,
            databases: files.database_trouble.clone(),
        },
        databases: databases.collect(),
        fetches: desk.fetched.borrow().iter().map(|item| fetch(item, now / 1000)).collect(),
        memory: memory(&snapshot),
        targets: count(&reports),
        probing: Probing {
            in_flight: pulse.in_flight,
            limit: pulse.limit,
            lag_ms: ms(pulse.lag),
            oldest_result_ms: pulse.oldest_result.map(ms),
        },
        guard: guard(&desk.guard.borrow()),
        alarms: alarms(&snapshot),
        overrides: overrides(&desk.overrides.borrow(), &files, now),
    }
}

fn fetch(item: &Fetched, now: u64) -> Fetch {
    Fetch {
        source: item.source.clone(),
        file: item.file.clone(),
        looked_seconds: item.looked.map(|looked| now.saturating_sub(looked)),
        next_seconds: item.next.saturating_sub(now),
        error: item.error.clone(),
    }
}

fn stale_view(stale: &StaleZone) -> Stale {
    Stale { zone: stale.zone.clone(), file: stale.file.clone(), why: stale.why.clone(), more: stale.more }
}

/// `GET health`.
pub(super) fn health(desk: &Desk) -> Health {
    let snapshot = desk.current.load_full();
    let (now, files, overrides) = (unix_ms(), desk.files.borrow().clone(), desk.overrides.borrow().clone());
    let guard = desk.guard.borrow().clone();
    let serves = served_by(&snapshot);
    let reports = desk.prober.report();
    let transitions = transitions(&reports);
    let targets = reports.into_iter().map(|report| {
        let held = guard.held.get(report.id.0 as usize).copied().flatten();
        // Numbers of another plan mean nothing here.
        let held = held.filter(|held| guard.generation == snapshot.generation && *held != report.state);
        let serves = serves.get(&report.target).cloned().unwrap_or_default();
        target(report, serves, held)
    });
    Health {
        at: moment(now / 1000),
        generation: snapshot.generation,
        epoch: snapshot.live().epoch,
        guard: self::guard(&guard),
        alarms: alarms(&snapshot),
        targets: targets.collect(),
        services: services(&snapshot, &overrides, now),
        transitions,
        overrides: self::overrides(&overrides, &files, now),
    }
}

/// `GET overrides`.
pub(super) fn overrides(overrides: &Overrides, files: &Files, now_ms: u64) -> Vec<OverrideView> {
    overrides.list().iter().filter_map(|item| override_view(item, files, now_ms)).collect()
}

/// An order that is in force.
pub(super) fn done(done: &Done, files: &Files) -> OrderDone {
    let now = unix_ms();
    OrderDone {
        set: done.set.as_ref().and_then(|item| override_view(item, files, now)),
        target: done.scope.to_string(),
        notes: done.notes.clone(),
        overrides: overrides(&done.overrides, files, now),
    }
}

fn override_view(item: &Override, files: &Files, now_ms: u64) -> Option<OverrideView> {
    let effect = item.effect(now_ms)?;
    let pop_known = |name: &str| files.pops.iter().any(|pop| pop.name == name);
    let service_known = |name: &str| files.services.iter().any(|(service, _)| service == name);
    let (service, pop, known) = match &item.scope {
        Scope::Pop(pop) => (None, Some(pop.clone()), pop_known(pop)),
        Scope::Service(service) => (Some(service.clone()), None, service_known(service)),
        Scope::Both { service, pop } => {
            (Some(service.clone()), Some(pop.clone()), service_known(service) && pop_known(pop))
        }
    };
    Some(OverrideView {
        target: item.scope.to_string(),
        service,
        pop,
        word: if item.returns(now_ms) { "return".to_owned() } else { item.word.to_string() },
        since: moment(item.since),
        until: item.until.map(moment),
        over_seconds: item.over.map(|over| over.as_secs()),
        share: if effect.forced == Some(Forced::Down) { 0 } else { effect.share },
        reason: item.reason.clone(),
        by: item.by.clone(),
        known,
    })
}

fn services(snapshot: &Snapshot, overrides: &Overrides, now_ms: u64) -> Vec<Service> {
    let live = snapshot.live();
    let mut services: Vec<Service> = Vec::new();
    for (map, facts) in snapshot.maps.iter().zip(live.maps.iter().map(|live| &live.facts)) {
        let member = |(member, facts): (&crate::steering::Member, &crate::steering::MemberFacts)| {
            let pop = snapshot.pops[member.pop.0 as usize].name.clone();
            let holds = overrides.holding(&map.service.name, &pop, now_ms);
            let effect = holds.map(|(_, effect)| effect).unwrap_or_default();
            let forced = effect.forced.map(|forced| match forced {
                Forced::Up => "up".to_owned(),
                Forced::Down => "down".to_owned(),
            });
            Member {
                v4: standing(facts.v4).to_owned(),
                v6: standing(facts.v6).to_owned(),
                drained: facts.drained || effect.drained,
                forced,
                share: if facts.drained { 0 } else { facts.share },
                by: holds.map(|(item, _)| item.scope.to_string()),
                pop,
            }
        };
        let pops = map.service.members.iter().zip(&facts.members).map(member).collect();
        let service = Service { service: map.service.name.clone(), pops };
        // Several maps of one service differ in policy and TTLs only.
        if !services.contains(&service) {
            services.push(service);
        }
    }
    services
}

/// What the tables take, and who they are for.
pub(super) fn memory(snapshot: &Snapshot) -> Memory {
    let live = snapshot.live();
    let map = |held: Held| {
        let named = |id: live::MapId| {
            let map = &snapshot.maps[id.0 as usize];
            PolicyAndService { policy: map.policy.name.clone(), service: map.service.name.clone() }
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "meters on one planet")]
        let family = |pruned: live::Pruned| PrunedFamily {
            entries: pruned.entries,
            detour_meters: (pruned.kilometers * 1e3).round() as u64,
        };
        // A service that stands at many names with the same policy is said once.
        let mut of: Vec<PolicyAndService> = Vec::new();
        for named in held.maps.into_iter().map(named) {
            if !of.contains(&named) {
                of.push(named);
            }
        }
        MapMemory {
            of,
            static_octets: held.homes,
            live_octets: held.live,
            ranges: held.ranges.map(|(v4, v6)| Ranges { v4, v6 }),
            pruned: held.pruned.map(|[v4, v6]| Pruned { v4: family(v4), v6: family(v6) }),
        }
    };
    let mut maps: Vec<_> = live::memory::held(&snapshot.maps, &live).into_iter().map(map).collect();
    maps.sort_by_key(|map| std::cmp::Reverse(map.static_octets + map.live_octets));
    Memory {
        live_octets: maps.iter().map(|map| map.live_octets).sum(),
        resident_octets: resident(),
        sites: SitesMemory { mapped_octets: snapshot.sites.mapped(), heap_octets: snapshot.sites.memory() },
        maps,
    }
}

/// Services whose clients are answered with health ignored.
pub(super) fn alarms(snapshot: &Snapshot) -> Vec<Alarm> {
    let live = snapshot.live();
    let mut alarms: Vec<Alarm> = Vec::new();
    for (map, live) in snapshot.maps.iter().zip(&live.maps) {
        let fail_open = live.answers.iter().any(live::Answer::fail_open);
        let members = &live.facts.members;
        let usable = members.iter().filter(|member| member.v4.usable() || member.v6.usable()).count();
        let panic = format!("too few PoPs are usable ({usable} of {}), so health is ignored for a tier", members.len());
        let open = "no PoP is usable for some clients, who are answered as if all were up".to_owned();
        let kinds = [(fail_open, "fail-open", open), (live.facts.any_panic(), "panic", panic)];
        for (_, what, words) in kinds.into_iter().filter(|(is, ..)| *is) {
            let alarm = Alarm { service: map.service.name.clone(), what: what.to_owned(), words };
            if !alarms.contains(&alarm) {
                alarms.push(alarm);
            }
        }
    }
    alarms
}

/// What depends on each target, directly or through a calculated check.
fn served_by(snapshot: &Snapshot) -> HashMap<&health::Target, Vec<Serves>> {
    let mut serves = HashMap::new();
    for map in &snapshot.maps {
        for (member, pop) in map.service.members.iter().zip(&map.pops) {
            let item = |address: String| Serves { service: map.service.name.clone(), pop: pop.to_string(), address };
            let addresses = member.addresses.iter().map(|a| (item(a.ip.to_string()), &a.targets));
            let name = member.cname.as_deref().and_then(Name::from_wire).map(|name| name.to_string());
            for (item, targets) in addresses.chain(name.map(|name| (item(name), &member.cname_targets))) {
                for target in targets.iter().filter_map(|id| snapshot.targets.get(id.0 as usize)) {
                    serve(target, &item, &mut serves);
                }
            }
        }
    }
    serves
}

fn serve<'t>(target: &'t health::Target, item: &Serves, serves: &mut HashMap<&'t health::Target, Vec<Serves>>) {
    let list = serves.entry(target).or_default();
    if !list.contains(item) {
        list.push(item.clone());
    }
    if let CheckKind::Calculated(formula) = &target.check.kind {
        for part in formula.parts() {
            serve(part, item, serves);
        }
    }
}

fn target(report: TargetReport, serves: Vec<Serves>, held: Option<State>) -> Target {
    let check = &report.target.check;
    Target {
        address: report.target.address.to_string(),
        check: check.kind.to_string(),
        serves,
        state: report.state.to_string(),
        held: held.map(|state| state.to_string()),
        since_ms: ms(report.since),
        last: report.last.map(|last| LastResult {
            age_ms: ms(last.age),
            verdict: match last.observation.verdict {
                Verdict::Good => "good",
                Verdict::Bad => "bad",
                Verdict::Unable => "unable",
            }
            .to_owned(),
            reason: last.observation.words.into_owned(),
            total_us: us(last.observation.phases.total),
            connect_us: last.observation.phases.connect.map(us),
            tls_us: last.observation.phases.tls.map(us),
            first_byte_us: last.observation.phases.first_byte.map(us),
        }),
        failures: report.failures,
        fall: check.fall,
        successes: report.successes,
        rise: report.rise,
        penalty: (report.penalty * 100.0).round() / 100.0,
        interval_ms: ms(check.interval),
        next_probe_ms: ms(report.next_probe),
        latency: report.latency.map(|latency| Latency {
            p50_ms: latency.p50.as_secs_f64() * 1e3,
            p90_ms: latency.p90.as_secs_f64() * 1e3,
            p99_ms: latency.p99.as_secs_f64() * 1e3,
        }),
        probes: Some(ProbeCounts { good: report.totals.good, bad: report.totals.bad, unable: report.totals.unable }),
        transitions: Vec::new(),
    }
}

/// Names that are told as the hottest.
const HOTTEST: usize = 50;

/// `GET traffic`.
pub(super) fn traffic(desk: &Desk) -> Traffic {
    let now = unix_ms();
    let reading = desk.metrics.read_all();
    let mut answers = BTreeMap::<(metrics::Transport, &'static str, String), u64>::new();
    for (answer, count) in &reading.totals.answers {
        let key = (answer.transport, answer.kind, super::metrics::rcode(answer.rcode));
        *answers.entry(key).or_default() += count;
    }
    let served = reading.totals.served.iter().map(|(served, count)| Served {
        service: served.service.to_string(),
        pop: served.pop.to_string(),
        reason: served.reason.to_owned(),
        count: *count,
    });
    let transports = [("udp", &reading.counts.udp), ("tcp", &reading.counts.tcp)];
    let transport = |(name, messages): (&str, &metrics::Messages)| TransportTraffic {
        transport: name.to_owned(),
        received: messages.received,
        sent: messages.sent,
        unsent: messages.unsent,
        truncated: messages.truncated,
        overflowed: messages.overflowed,
        dropped: metrics::Cause::ALL.map(|cause| (cause.label().to_owned(), messages.dropped(cause))).into(),
    };
    let hottest = desk.metrics.hottest(u32::try_from(now / 1000).unwrap_or(u32::MAX), HOTTEST);
    let asked = |(name, rtype, count): (Vec<u8>, u16, u64)| {
        let name = Name::from_wire(&name)?.to_string();
        Some(Asked { name, rtype: Type(rtype).to_string(), count })
    };
    Traffic {
        at_ms: now,
        transports: transports.into_iter().map(transport).collect(),
        answers: answers
            .into_iter()
            .map(|((transport, kind, rcode), count)| Answers {
                transport: transport.label().to_owned(),
                kind: kind.to_owned(),
                rcode,
                count,
            })
            .collect(),
        served: served.collect(),
        connections_open: reading.counts.connections.open(),
        respond_count: reading.details.durations.counts.iter().sum(),
        respond_nanoseconds: reading.details.durations.sum,
        samples: hottest.samples,
        hottest: hottest.names.into_iter().filter_map(asked).collect(),
    }
}

/// `GET targets`.
pub(super) fn targets(desk: &Desk) -> TargetList {
    let snapshot = desk.current.load_full();
    let serves = served_by(&snapshot);
    let with_past = |report: TargetReport| {
        let serves = serves.get(&report.target).cloned().unwrap_or_default();
        let transitions = changes(&report);
        Target { transitions, ..target(report, serves, None) }
    };
    TargetList { targets: desk.prober.report().into_iter().map(with_past).collect() }
}

/// `GET services`.
pub(super) fn service_list(desk: &Desk) -> ServiceList {
    let overrides = desk.overrides.borrow().clone();
    ServiceList { services: services(&desk.current.load_full(), &overrides, unix_ms()) }
}

/// `GET pops`.
pub(super) fn pops(desk: &Desk) -> PopList {
    let (snapshot, files) = (desk.current.load_full(), desk.files.borrow().clone());
    let pop = |pop: &Pop| {
        let mut services: Vec<String> = Vec::new();
        for map in snapshot.maps.iter().filter(|map| map.pops.iter().any(|name| **name == *pop.name)) {
            if !services.contains(&map.service.name) {
                services.push(map.service.name.clone());
            }
        }
        let written = files.pops.iter().find(|written| written.name == pop.name);
        PopView {
            pop: pop.name.clone(),
            latitude: pop.place.map(Place::latitude),
            longitude: pop.place.map(Place::longitude),
            drained_at: written.and_then(|written| written.written_drain.clone()),
            services,
        }
    };
    PopList { pops: snapshot.pops.iter().map(pop).collect() }
}

/// `GET zones`.
pub(super) fn zones(desk: &Desk) -> ZoneList {
    let (snapshot, files) = (desk.current.load_full(), desk.files.borrow().clone());
    let zone = |(name, entry): (&Name, &Entry)| {
        let zone = name.to_string();
        let stale = files.stale.iter().find(|stale| stale.zone == zone).map(stale_view);
        let serial = match entry {
            Entry::Loaded(zone) => Some(zone.serial()),
            Entry::NotLoaded => None,
        };
        ZoneView { serial, loaded: serial.is_some(), stale, zone }
    };
    ZoneList { zones: snapshot.zones.iter().map(zone).collect() }
}

fn changes(report: &TargetReport) -> Vec<Transition> {
    let (address, check) = (report.target.address.to_string(), report.target.check.kind.to_string());
    let transition = |change: &crate::probe::PastChange| Transition {
        age_ms: ms(change.age),
        address: address.clone(),
        check: check.clone(),
        from: change.from.to_string(),
        to: change.to.to_string(),
        reason: change.reason.clone(),
    };
    report.transitions.iter().map(transition).collect()
}

/// The last changes of state of all targets, the newest first.
fn transitions(reports: &[TargetReport]) -> Vec<Transition> {
    let mut all: Vec<_> = reports.iter().flat_map(changes).collect();
    all.sort_by_key(|transition| transition.age_ms);
    all.truncate(TRANSITIONS);
    all
}

/// Changes of state told at a time.
const TRANSITIONS: usize = 100;

fn guard(view: &GuardView) -> GuardStatus {
    let (phase, since, words) = match view.phase {
        GuardPhase::Off => ("off", None, None),
        GuardPhase::Watching => ("watching", None, None),
        GuardPhase::Frozen { since, bad, of } => {
            let words = format!(
                "{bad} of {of} targets turned bad at once and no canary answers: answers go by health as it was before"
            );
            ("frozen", Some(since), Some(words))
        }
        GuardPhase::Thawing { since } => {
            let held = view.held.iter().filter(|held| held.is_some()).count();
            let words = format!("a canary answers again: {held} targets go by health of before until probes tell");
            ("thawing", Some(since), Some(words))
        }
    };
    let canary = |(address, answers): &(std::net::SocketAddr, Option<bool>)| Canary {
        address: address.to_string(),
        answers: *answers,
    };
    GuardStatus {
        phase: phase.to_owned(),
        since: since.map(moment),
        words,
        canaries: view.canaries.iter().map(canary).collect(),
    }
}

fn count(reports: &[TargetReport]) -> TargetCounts {
    let mut counts = TargetCounts { all: reports.len(), ..TargetCounts::default() };
    for report in reports {
        match report.state {
            State::Unknown => counts.unknown += 1,
            State::Up => counts.up += 1,
            State::Suspect => counts.suspect += 1,
            State::Down => counts.down += 1,
            State::Recovering => counts.recovering += 1,
        }
    }
    counts
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Absent => "absent",
        Standing::Unusable => "unusable",
        Standing::Suspect => "suspect",
        Standing::Usable => "usable",
    }
}

/// RFC 3339, of seconds since 1970; beyond the year 9999 the number itself.
fn moment(unix: u64) -> String {
    let time = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_second(unix).ok());
    time.map_or_else(|| unix.to_string(), |time| time.to_string())
}

/// Resident memory of this process, from `/proc`.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, ms)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
