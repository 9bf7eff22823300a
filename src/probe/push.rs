//! `push`: a value that somebody else measured and wrote down.
//!
//! A value is a file in `state/push/`. Its first line is `up` or `down`, a lifetime, and, if wanted, a text for people:
//!
//! ```text
//! down 10m disk full on fra-3
//! ```
//!
//! The lifetime is in seconds (`90`, `90s`) or `5m`, `2h`, `1d`, at most 30 days, and counts from the file's modification
//! time. The value of a target at 192.0.2.10 whose check says `push: web` is `web@192.0.2.10`, or `web` where that is not
//! there. Write to another name in that directory, beginning with a dot, and rename: [`write()`] does that.

use std::borrow::Cow;
use std::io::{self, Read, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::attempt::{Failure, Progress, Spell, Stage, plain};
use super::dialog::shown;
use super::tools::Tools;
use crate::health::check::{Expired, Push};

/// Octets of a value that are read.
const LIMIT: u64 = 4096;
/// Longest lifetime: what is older than a month was forgotten.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// A value as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Whether the target is up.
    pub up: bool,
    /// How long this holds from now, 1 s to 30 days; parts of a second are dropped.
    pub lifetime: Duration,
    /// Why, for people; of several lines the first counts.
    pub text: String,
}

impl Pushed {
    /// Reads a line.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let (lifetime, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let up = match word {
            "up" => true,
            "down" => false,
            _ => return None,
        };
        Some(Self { up, lifetime: self::lifetime(lifetime)?, text: text.trim().to_owned() })
    }

    fn line(&self) -> String {
        let word = if self.up { "up" } else { "down" };
        let text = self.text.lines().next().unwrap_or_default();
        format!("{word} {}s {text}\n", self.lifetime.as_secs())
    }
}

fn lifetime(written: &str) -> Option<Duration> {
    let digits = written.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match &written[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok())??;
    let lifetime = Duration::from_secs(number.checked_mul(unit)?);
    (Duration::from_secs(1)..=LONGEST).contains(&lifetime).then_some(lifetime)
}

/// The file of a value: of one address, or of all that have no own.
fn file(directory: &Path, name: &str, address: Option<IpAddr>) -> PathBuf {
    directory.join(address.map_or_else(|| name.to_owned(), |address| format!("{name}@{address}")))
}

/// Writes a value down, whole or not at all. `name` is that of the check's `push`; anything else is an error of kind
/// `InvalidInput`, like a lifetime out of range.
pub fn write(directory: &Path, name: &str, address: Option<IpAddr>, value: &Pushed) -> io::Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let named = name.bytes().all(allowed) && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if !named || name.len() > 63 || Pushed::parse(&value.line()).is_none() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    std::fs::create_dir_all(directory)?;
    let file = file(directory, name, address);
    let new = directory.join(format!(".{}.new", file.file_name().unwrap_or_default().to_string_lossy()));
    std::fs::File::create(&new)?.write_all(value.line().as_bytes())?;
    std::fs::rename(new, file)
}

/// Reads the target's value and judges it.
pub(crate) async fn read(
    address: IpAddr,
    push: &Push,
    tools: &Tools,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    let Some(directory) = tools.push.clone() else {
        return Err(Failure::of_ours("no value: there is no state directory"));
    };
    progress.enter(Stage::Body);
    let files = [Some(address), None].map(|address| file(&directory, &push.name, address));
    let found = tokio::task::spawn_blocking(move || first(&files)).await;
    let found = found.map_err(|_| Failure::of_ours("no value: the file could not be read"))?;
    progress.enter(Stage::Done);
    match found {
        Ok(Some((text, age))) => judge(&text, age, push.expired),
        Ok(None) => Err(Failure::of_ours("no value has been pushed")),
        Err(error) => Err(Failure::of_ours(format!("no value: {}", plain(&error)))),
    }
}

/// The first of these files that exists: its text and age.
fn first(files: &[PathBuf]) -> io::Result<Option<(String, Duration)>> {
    for file in files {
        match std::fs::File::open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(file) => {
                let written = file.metadata()?.modified()?;
                // A file of the future was written just now by another clock.
                let age = SystemTime::now().duration_since(written).unwrap_or_default();
                let mut text = Vec::new();
                file.take(LIMIT).read_to_end(&mut text)?;
                return Ok(Some((String::from_utf8_lossy(&text).into_owned(), age)));
            }
        }
    }
    Ok(None)
}

fn judge(text: &str, age: Duration, expired: Expired) -> Result<Cow<'static, str>, Failure> {
    let line = text.lines().next().unwrap_or_default();
    let Some(value) = Pushed::parse(line) else {
        let line = shown(line.as_bytes());
        return Err(Failure::of_ours(format!("`{line}` is no value: `up 5m` or `down 5m`, and a text")));
    };
    if age > value.lifetime {
        let words = format!("pushed value ended {} ago", Spell(age.saturating_sub(value.lifetime)));
        return Err(match expired {
            Expired::Unknown => Failure::of_ours(words),
            Expired::Bad => Failure::of_target(words),
        });
    }
    let state = if value.up { "up" } else { "down" };
    let text = shown(value.text.as_bytes());
    let words = if text.is_empty() { format!("pushed: {state}") } else { format!("pushed: {state}: {text}") };
    if value.up { Ok(words.into()) } else { Err(Failure::of_target(words)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Verdict;

    #[track_caller]
    fn check(text: &str, age: u64, expired: Expired, verdict: Verdict, words: &str) {
        let judged = match judge(text, Duration::from_secs(age), expired) {
            Ok(words) => (Verdict::Good, words.into_owned()),
            Err(failure) => (failure.verdict(), failure.words().to_owned()),
        };
        assert_eq!(judged, (verdict, words.to_owned()));
    }

    #[test]
    fn values() {
        let unknown = Expired::Unknown;
        check("up 90", 0, unknown, Verdict::Good, "pushed: up");
        check("  up\t5m  all   fine\nmore", 300, unknown, Verdict::Good, "pushed: up: all   fine");
        check("down 2h disk full\n", 7200, unknown, Verdict::Bad, "pushed: down: disk full");
        check("up 90s", 93, unknown, Verdict::Unable, "pushed value ended 3 s ago");
        check("up 90s", 93, Expired::Bad, Verdict::Bad, "pushed value ended 3 s ago");
        for wrong in [
            "",
            "up",
            "up 0",
            "up 31d",
            "up 5x",
            "up -5",
            "up 5ms",
            "Up 5m",
            "maybe 5m",
            "up m",
            "up 99999999999999999999",
        ] {
            let words = format!("`{wrong}` is no value: `up 5m` or `down 5m`, and a text");
            check(wrong, 0, unknown, Verdict::Unable, &words);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, address: Option<&str>, up: bool, lifetime: u64, text: &str| {
            let value = Pushed { up, lifetime: Duration::from_secs(lifetime), text: text.to_owned() };
            write(&directory.path().join("push"), name, address.map(|a| a.parse().unwrap()), &value)
        };
        let read = || {
            let files = [Some("::1".parse().unwrap()), None].map(|a| file(&directory.path().join("push"), "web", a));
            first(&files).unwrap().map(|(text, _)| text)
        };
        assert_eq!(read(), None);
        put("web", None, false, 60, "for all\nnot this").unwrap();
        assert_eq!(read().as_deref(), Some("down 60s for all\n"));
        put("web", Some("::1"), true, 90, "for one").unwrap();
        assert_eq!(read().as_deref(), Some("up 90s for one\n"));
        for name in ["", ".web", "a/b", "..", "web@::1", "a\nb"] {
            assert_eq!(put(name, None, true, 60, "").unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(put("web", None, true, 0, "").is_err());
    }
}
