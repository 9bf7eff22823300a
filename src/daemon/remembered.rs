//! `state/health.json`: what was known of each target, for `explain` beside a running server, and for the next start.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::control::GuardView;
use crate::health::state::Remembered;
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
    /// The state answers go by, while health is frozen and it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    /// For how long it had been in this state.
    #[serde(default)]
    since_ms: u64,
    /// How old its last result was; none: no result.
    #[serde(default)]
    age_ms: Option<u64>,
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    successes: u32,
    #[serde(default)]
    penalty: f64,
}

/// Writes down what the prober knows, and what answers go by in its stead. What goes wrong is logged: nothing depends on it.
pub(super) fn write(prober: &Prober, guard: &GuardView, path: Option<&Path>) {
    let Some(path) = path else { return };
    let held = if guard.generation == prober.states().0 { guard.held.as_slice() } else { &[] };
    let row = |report: crate::probe::TargetReport| Row {
        key: key(&report.target),
        address: report.target.address.to_string(),
        state: word(report.state).to_owned(),
        held: held.get(report.id.0 as usize).copied().flatten().map(|state| word(state).to_owned()),
        since_ms: ms(report.since),
        age_ms: report.last.map(|last| ms(last.age)),
        failures: report.failures,
        successes: report.successes,
        penalty: report.penalty,
    };
    let file = File { written: unix(), targets: prober.report().into_iter().map(row).collect() };
    let written = serde_json::to_vec_pretty(&file).map_err(std::io::Error::from).and_then(|text| replace(path, &text));
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "health could not be written down");
    }
}

/// What a running server answered by for these targets within [`FRESH`], and how long ago; `None` when there is none.
pub fn read(path: &Path, targets: &[Target]) -> Option<(Vec<State>, Duration)> {
    let file: File = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let age = Duration::from_secs(unix().saturating_sub(file.written));
    if age > FRESH {
        return None;
    }
    let known: HashMap<_, _> = file.targets.into_iter().map(|row| (row.key, row.held.unwrap_or(row.state))).collect();
    let state = |target: &Target| known.get(&key(target)).map_or(State::Unknown, |state| state_of(state));
    Some((targets.iter().map(state).collect(), age))
}

/// What an earlier run knew of each target, by what is probed.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    known: HashMap<String, Remembered>,
}

impl Recalled {
    /// What was known of this target.
    pub(super) fn of(&self, target: &Target) -> Option<Remembered> {
        self.known.get(&key(target)).copied()
    }
}

/// What an earlier run knew, where its last result is younger than `limit` (SEMANTICS §4.4). A file that is not there or
/// not understood tells nothing.
pub(super) fn recall(path: Option<&Path>, limit: Duration) -> Recalled {
    let file = path.and_then(|path| serde_json::from_slice::<File>(&std::fs::read(path).ok()?).ok());
    let Some(file) = file else { return Recalled::default() };
    // A clock that was set back makes everything young: then it is not known how old it is.
    let now = unix();
    if file.written > now + 60 {
        return Recalled::default();
    }
    let since_written = Duration::from_secs(now.saturating_sub(file.written));
    let young = |row: &Row| row.age_ms.is_some_and(|age| since_written + Duration::from_millis(age) < limit);
    let remembered = |row: Row| {
        let known = Remembered {
            state: state_of(&row.state),
            since: since_written + Duration::from_millis(row.since_ms),
            failures: row.failures,
            successes: row.successes,
            penalty: row.penalty,
        };
        (row.key, known)
    };
    let known = file.targets.into_iter().filter(young).map(remembered);
    Recalled { known: known.filter(|(_, known)| known.state != State::Unknown).collect() }
}

/// What is probed, thresholds aside: the same from run to run of one version.
fn key(target: &Target) -> String {
    format!(
        "{:016x}",
        xxh3_64(format!("{} {:?} {:?}", target.address, target.check.kind, target.check.source).as_bytes())
    )
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

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, CheckKind};

    #[test]
    fn what_is_young_enough_is_recalled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("health.json");
        let target = |address: &str| Target { address: address.parse().unwrap(), check: Check::new(CheckKind::Tcp) };
        let targets = ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"].map(target);
        let row = |index: usize, state: &str, age_ms| Row {
            key: key(&targets[index]),
            address: targets[index].address.to_string(),
            state: state.to_owned(),
            held: None,
            since_ms: 1000,
            age_ms,
            failures: 3,
            successes: 0,
            penalty: 1.5,
        };
        let write = |written: u64| {
            let targets = vec![
                row(0, "down", Some(1_000)),
                row(1, "down", Some(200_000)),
                row(2, "up", None),
                row(3, "unknown", Some(1_000)),
            ];
            std::fs::write(&path, serde_json::to_vec(&File { written, targets }).unwrap()).unwrap();
        };
        let states = |limit| {
            let recalled = recall(Some(&path), Duration::from_secs(limit));
            targets.each_ref().map(|target| recalled.of(target).map(|known| known.state))
        };
        assert_eq!(states(300), [None; 4]);
        write(unix() - 120);
        assert_eq!(states(300), [Some(State::Down), None, None, None]);
        assert_eq!(states(600), [Some(State::Down), Some(State::Down), None, None]);
        assert_eq!(states(0), [None; 4]);
        let known = recall(Some(&path), Duration::from_mins(5)).of(&targets[0]).unwrap();
        assert_eq!((known.failures, known.since.as_secs() / 10), (3, 12));
        // While health is frozen answers go by another state than what is measured, which a next start begins with.
        let frozen = [Row { held: Some("up".to_owned()), ..row(0, "down", Some(1_000)) }].into();
        std::fs::write(&path, serde_json::to_vec(&File { written: unix(), targets: frozen }).unwrap()).unwrap();
        assert_eq!(read(&path, &targets).unwrap().0, [State::Up, State::Unknown, State::Unknown, State::Unknown]);
        assert_eq!(states(300), [Some(State::Down), None, None, None]);
        // From the future: nobody knows how old that is.
        write(unix() + 3600);
        assert_eq!(states(300), [None; 4]);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(states(300), [None; 4]);
    }
}
