//! The types of `/api/v1`, as JSON. Fields are added, never renamed or removed, within a version.
//!
//! Durations end in `_ms` or `_seconds`; moments are RFC 3339 in UTC.

mod preview;
mod reload;
mod traffic;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use traffic::{Answers, Asked, Served, Traffic, TransportTraffic};

pub use preview::{Clients, Kilometers, Preview, PreviewFlow, PreviewPop};
pub use reload::{Finding, Moves, ReloadBody, ReloadDone, ZoneEvent};

/// The path all routes of this version begin with.
pub const PREFIX: &str = "/api/v1";

/// What every refusal looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// `GET status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: String,
    /// For how long it has been running.
    pub uptime_seconds: u64,
    /// The state of the files.
    pub generation: u64,
    /// The state of health inside it.
    pub epoch: u64,
    /// Whether the exact scopes of this epoch are built.
    pub scopes_complete: bool,
    /// The zones.
    pub zones: Zones,
    /// The files they come from.
    #[serde(default)]
    pub files: FilesStatus,
    /// The databases in use, in order of precedence.
    pub databases: Vec<Database>,
    /// Databases that are fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetches: Vec<Fetch>,
    /// The tables' size.
    pub memory: Memory,
    /// The targets by state.
    pub targets: TargetCounts,
    /// How the prober is doing.
    pub probing: Probing,
    /// The guard against mass failure.
    pub guard: GuardStatus,
    /// Services that are not answered as usual.
    pub alarms: Vec<Alarm>,
    /// What the operator said.
    pub overrides: Vec<OverrideView>,
}

/// The zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Zones {
    /// How many are served.
    pub loaded: usize,
    /// Those that could not be loaded: SERVFAIL.
    pub not_loaded: Vec<String>,
    /// Those served otherwise than their files say, or not at all.
    pub stale: Vec<Stale>,
}

/// A zone that is served otherwise than its file says, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stale {
    /// Apex.
    pub zone: String,
    /// Its file.
    pub file: String,
    /// Why: the first error with its place, or words.
    pub why: String,
    /// How many more errors its file has.
    #[serde(default)]
    pub more: usize,
}

/// The files as they were at the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesStatus {
    /// When that was.
    pub looked: String,
    /// Every error, with its place and help.
    pub errors: Vec<String>,
    /// How many warnings there are.
    pub warnings: usize,
    /// What is wrong with the database files, so that others than they say are in use.
    pub databases: Vec<String>,
}

/// A database in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Database {
    /// Its file.
    pub path: String,
    /// Its `database_type`.
    pub kind: String,
    /// When it was built.
    pub built: String,
    /// For how long it has been built.
    pub age_seconds: u64,
}

/// A database that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fetch {
    /// From where.
    pub source: String,
    /// The file it replaces.
    pub file: String,
    /// For how long it has been known to be what the provider has; absent when it was never fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_seconds: Option<u64>,
    /// Until the next look.
    pub next_seconds: u64,
    /// Why the last look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Sizes in octets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    /// The live tables of all maps; what maps share counts once.
    pub live_octets: usize,
    /// The whole process, resident; `None` where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_octets: Option<u64>,
    /// The site table, which all maps share.
    #[serde(default)]
    pub sites: SitesMemory,
    /// The maps, those that decide alike as one; what takes most comes first.
    #[serde(default)]
    pub maps: Vec<MapMemory>,
}

/// The size of the site table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SitesMemory {
    /// In the mapped cache file: pages that the system may drop.
    pub mapped_octets: usize,
    /// On the heap: what the operator's prefixes and AS numbers add, and all of a table that is not mapped.
    pub heap_octets: usize,
}

/// What maps that decide alike take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MapMemory {
    /// Which they are.
    pub of: Vec<PolicyAndService>,
    /// Every site's home.
    pub static_octets: usize,
    /// Answers by site and live ranges as health is now.
    pub live_octets: usize,
    /// Live ranges; absent until they are built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Ranges>,
    /// What `ecs: {detail: …}` came to; absent where scopes are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Pruned>,
}

/// What names a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyAndService {
    /// The policy.
    pub policy: String,
    /// The service.
    pub service: String,
}

/// Numbers of ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ranges {
    /// IPv4.
    pub v4: usize,
    /// IPv6.
    pub v6: usize,
}

/// What less detail came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// For clients of IPv4.
    pub v4: PrunedFamily,
    /// For clients of IPv6.
    pub v6: PrunedFamily,
}

/// What less detail came to, for one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrunedFamily {
    /// Entries that a resolver could hold at most.
    pub entries: u64,
    /// The mean detour that it adds.
    pub detour_meters: u64,
}

/// Targets by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetCounts {
    /// All of them; the sum of the others.
    pub all: usize,
    /// Never tried, or too long ago.
    pub unknown: usize,
    /// Well.
    pub up: usize,
    /// Failures have begun.
    pub suspect: usize,
    /// Failed.
    pub down: usize,
    /// Successes have begun.
    pub recovering: usize,
}

/// How the prober is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probing {
    /// Probes in flight.
    pub in_flight: usize,
    /// The most that may be.
    pub limit: usize,
    /// How long the probe that waits longest has been due.
    pub lag_ms: u64,
    /// Age of the oldest last result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_result_ms: Option<u64>,
}

/// The guard against mass failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuardStatus {
    /// `off`, `watching`, `frozen` or `thawing`.
    pub phase: String,
    /// Since when it is frozen or thawing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// In words, when there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// The canaries.
    pub canaries: Vec<Canary>,
}

/// A canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Canary {
    /// Address and port.
    pub address: String,
    /// Whether it answered its last probe; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<bool>,
}

/// A service that is not answered as usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// The service.
    pub service: String,
    /// `fail-open` or `panic`.
    pub what: String,
    /// In words.
    pub words: String,
}

/// `GET health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// When this was so.
    pub at: String,
    /// The state of the files.
    pub generation: u64,
    /// The state of health inside it.
    pub epoch: u64,
    /// The guard against mass failure.
    pub guard: GuardStatus,
    /// Services that are not answered as usual.
    pub alarms: Vec<Alarm>,
    /// Every service at every PoP.
    pub services: Vec<Service>,
    /// Every target.
    pub targets: Vec<Target>,
    /// The last changes of state, newest first.
    pub transitions: Vec<Transition>,
    /// What the operator said.
    pub overrides: Vec<OverrideView>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its PoPs, in the order written.
    pub pops: Vec<Member>,
}

/// A service at a PoP, as answers go by it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The PoP.
    pub pop: String,
    /// For A: `absent`, `unusable`, `suspect` or `usable`.
    pub v4: String,
    /// For AAAA.
    pub v6: String,
    /// Whether it is drained, by its file or by an override.
    pub drained: bool,
    /// `up` or `down`, when the operator forces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// The permille of its clients it keeps, 1000 aside from drains.
    pub share: u16,
    /// The scope of the override that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// Where the probe connects.
    pub address: String,
    /// How, in short.
    pub check: String,
    /// What depends on it: `service@PoP address`.
    pub serves: Vec<Serves>,
    /// Its measured state.
    pub state: String,
    /// The state answers go by, when health is frozen and it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// For how long it has been in its state.
    pub since_ms: u64,
    /// The last result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastResult>,
    /// Counted failures in a row.
    pub failures: u32,
    /// Failures in a row that make it `down`.
    pub fall: u32,
    /// Successes in a row.
    pub successes: u32,
    /// Successes in a row it takes, when down, to be up.
    pub rise: u32,
    /// Flap penalty.
    pub penalty: f64,
    /// From probe to probe.
    pub interval_ms: u64,
    /// Until the next probe.
    pub next_probe_ms: u64,
    /// How long good probes took lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// How many probes ended how since the target is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbeCounts>,
    /// Its last changes of state, newest first; in `GET targets` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
}

/// `GET targets`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetList {
    /// Every target, with its last changes of state.
    pub targets: Vec<Target>,
}

/// `GET services`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceList {
    /// Every service at every PoP.
    pub services: Vec<Service>,
}

/// `GET pops`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PopList {
    /// Every PoP, in the order written.
    pub pops: Vec<PopView>,
}

/// A PoP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PopView {
    /// Its name.
    pub pop: String,
    /// Degrees north; absent where none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Where its file drains it, as `FILE:LINE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained_at: Option<String>,
    /// The services there.
    pub services: Vec<String>,
}

/// `GET zones`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZoneList {
    /// Every zone.
    pub zones: Vec<ZoneView>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZoneView {
    /// Apex.
    pub zone: String,
    /// Its serial; absent when it could not be loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u32>,
    /// Whether it is answered; if not, SERVFAIL.
    pub loaded: bool,
    /// Why it is served otherwise than its file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// `GET /healthz`: it answers, so it is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// Always true.
    pub alive: bool,
}

/// `GET /readyz`: 200 when ready, 503 when not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether clients should be sent here.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

/// `POST push`: a value for `push` checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushBody {
    /// The name that checks know it by (`push: NAME`).
    pub name: String,
    /// For the target at this address only; otherwise for all that have no value of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether it is up.
    pub up: bool,
    /// How long this holds, 1 s to 30 days.
    pub for_seconds: u64,
    /// Why, for people; the first line counts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A value that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PushDone {
    /// How many targets look at it.
    pub targets: usize,
}

/// How many probes ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeCounts {
    /// The target answered as expected.
    pub good: u64,
    /// It did not.
    pub bad: u64,
    /// The probe could not be made, for a reason on this side.
    pub unable: u64,
}

/// What depends on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Serves {
    /// The service.
    pub service: String,
    /// The PoP.
    pub pop: String,
    /// The address that is answered.
    pub address: String,
}

/// How long good probes took lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// Half of them at most.
    pub p50_ms: f64,
    /// 9 of 10 at most.
    pub p90_ms: f64,
    /// 99 of 100 at most.
    pub p99_ms: f64,
}

/// The last result of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastResult {
    /// How long ago.
    pub age_ms: u64,
    /// `good`, `bad` or `unable`.
    pub verdict: String,
    /// Why, in words.
    pub reason: String,
    /// How long it took, in microseconds.
    pub total_us: u64,
    /// Until the connection stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// The TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// From the request to the head of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// How long ago.
    pub age_ms: u64,
    /// Where the probe connects.
    pub address: String,
    /// How, in short.
    pub check: String,
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// Why, in words.
    pub reason: String,
}

/// An override, as `GET overrides` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverrideView {
    /// As the operator writes it: `fra`, `web`, `web@fra`.
    pub target: String,
    /// The service, of a scope that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The PoP, of a scope that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop: Option<String>,
    /// `up`, `down`, `drain` or `return`.
    pub word: String,
    /// Since when.
    pub since: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How long its ramp takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_seconds: Option<u64>,
    /// The permille of its clients that the scope keeps now.
    pub share: u16,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// Whether the files still name what it is about.
    pub known: bool,
}

/// `GET overrides`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverrideList {
    /// All of them, in the order they were said.
    pub overrides: Vec<OverrideView>,
}

/// `POST overrides`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// `fra`, `web` or `web@fra`; `pop:fra` and `service:web` where a name is both.
    pub target: String,
    /// What is to be done.
    pub action: ActionWord,
    /// Why; needed for `drain`, `up` and `down`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it is to end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
    /// Gradually, over this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_seconds: Option<u64>,
    /// Also when a service is then below its `min_up`.
    #[serde(default)]
    pub force: bool,
    /// Who asks, as the client says; the server adds who is at the other end of the socket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActionWord {
    /// Prefer anyone else.
    Drain,
    /// Take a drain back.
    Undrain,
    /// Usable, whatever is measured.
    Up,
    /// Never used.
    Down,
    /// Take back whatever was said.
    Clear,
}

/// An order that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderDone {
    /// The override of that scope from now on; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<OverrideView>,
    /// What it was about.
    pub target: String,
    /// What the operator should know besides.
    pub notes: Vec<String>,
    /// All overrides from now on.
    pub overrides: Vec<OverrideView>,
}
