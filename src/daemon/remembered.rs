//! `state/health.json`: what was known of each target, for `explain` beside a running server.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::health::{State, Target};
use crate::probe::Prober;
use crate::reload::files::replace;

/// A file older than this is that of a server which does not run any more.
pub const FRESH: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct File {
    /// When it was written, seconds since 1970.
    written: u64,
    targets: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    key: String,
    address: String,
    state: String,
}

/// Writes down what the prober knows. What goes wrong is logged: nothing depends on it.
pub(super) fn write(prober: &Prober, path: Option<&Path>) {
    let Some(path) = path else { return };
    let row = |report: crate::probe::TargetReport| Row {
        key: key(&report.target),
        address: report.target.address.to_string(),
        state: word(report.state).to_owned(),
    };
    let file = File { written: unix(), targets: prober.report().into_iter().map(row).collect() };
    let written = serde_json::to_vec_pretty(&file).map_err(std::io::Error::from).and_then(|text| replace(path, &text));
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "health could not be written down");
    }
}

/// What a running server knew of these targets within [`FRESH`], and how long ago; `None` when there is none.
pub fn read(path: &Path, targets: &[Target]) -> Option<(Vec<State>, Duration)> {
    let file: File = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let age = Duration::from_secs(unix().saturating_sub(file.written));
    if age > FRESH {
        return None;
    }
    let known: HashMap<_, _> = file.targets.into_iter().map(|row| (row.key, row.state)).collect();
    let state = |target: &Target| known.get(&key(target)).map_or(State::Unknown, |state| state_of(state));
    Some((targets.iter().map(state).collect(), age))
}

/// What is probed, thresholds aside: the same from run to run of one version.
fn key(target: &Target) -> String {
    format!("{:016x}", xxh3_64(format!("{} {:?}", target.address, target.check.kind).as_bytes()))
}

fn word(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Up => "up",
        State::Suspect => "suspect",
        State::Down => "down",
        State::Recovering => "recovering",
    }
}

fn state_of(word: &str) -> State {
    let all = [State::Up, State::Suspect, State::Down, State::Recovering];
    all.into_iter().find(|state| self::word(*state) == word).unwrap_or_default()
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
