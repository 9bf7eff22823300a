//! `POST reload`: look at all files now, or only say what would come of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// Only tell what would come of it.
    #[serde(default)]
    pub dry_run: bool,
    /// Zones and databases whose files are gone are to go at once.
    #[serde(default)]
    pub confirm_removals: bool,
    /// More clients may move than the settings allow, and databases may be older than those in use or differ from them as
    /// they will.
    #[serde(default)]
    pub force: bool,
}

/// What came of it, or would.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReloadDone {
    /// Whether it was only a rehearsal.
    pub dry_run: bool,
    /// The generation that served before.
    pub before: u64,
    /// The generation that serves now, or would; absent where nothing changes for queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// How long it took.
    pub took_ms: u64,
    /// What happens to zones.
    pub zones: Vec<ZoneEvent>,
    /// What is wrong with zone and fleet files, all of it.
    pub findings: Vec<Finding>,
    /// Whether other databases than before serve.
    pub databases_changed: bool,
    /// What is wrong with databases.
    pub database_errors: Vec<String>,
    /// What is odd about databases.
    pub database_warnings: Vec<String>,
    /// What moves, the largest first; of a reload that is done only where moves are limited by the settings.
    pub moves: Vec<Moves>,
    /// Why the state directory could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_error: Option<String>,
}

/// Something that happens to a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZoneEvent {
    /// Apex.
    pub zone: String,
    /// `added`, `changed`, `kept` (its file is refused), `not-loaded`, `vanished`, `held` or `removed`.
    pub what: String,
    /// SOA serial of a zone that is added or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u32>,
    /// Number of its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<usize>,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    /// The file.
    pub file: String,
    /// The line from 1; 0 is the whole file.
    pub line: u32,
    /// The column in characters from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Names at which the same clients move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Moves {
    /// The names.
    pub names: Vec<String>,
    /// Share of IPv4 addresses, of 1.
    pub v4: f64,
    /// Share of IPv6 records, of 1.
    pub v6: f64,
    /// Share of people, of 1.
    pub people: f64,
}
