//! Fetches databases: `catchment geodb fetch`, and the server by itself where `geodb: {fetch: …}` asks for it.
//!
//! A database goes through every check before it takes the place of another, by one rename: checksum, size while it is
//! unpacked, our reader over every record, and a comparison with the one that is there. Nothing that fails changes anything.
//! Never says a key or token, nor the query of an address; never tells credentials to another host than the one they are
//! for; never asks in the clear but on this machine. Knows nothing of what is served: the reload takes up the new file.

mod client;
mod facts;
mod kept;
mod proxy;
mod source;
mod unpack;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::facts::{Facts, day};
pub use self::kept::{Record, last_look};

use self::client::{Client, Got, Validators};
use self::kept::Scratch;
use self::source::{Plan, shown};
use crate::config::settings::fetch::{Checksum, Source};
use crate::config::settings::reach::Reach;
use crate::geo::Database;

/// What is wanted besides a new database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Take what is older, smaller or another than the one that is there, and download also what seems unchanged.
    pub force: bool,
    /// Do everything but replace.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new one is in place.
    Replaced,
    /// What the provider has is what is there.
    Unchanged,
    /// A dry run: it would be replaced.
    Would,
}

/// A source that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What came of it.
    pub outcome: Outcome,
    /// What the database is that is there now (or would be).
    pub is: Facts,
    /// What was there before; `None` when there was nothing, or nothing that can be read.
    pub was: Option<Facts>,
    /// The credit that its licence asks for.
    pub credit: Option<&'static str>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A server is asked.
    Asking,
    /// Octets that have come, and how many there are when that is known.
    Download {
        /// So far.
        octets: u64,
        /// In all.
        all: Option<u64>,
    },
    /// It is unpacked.
    Unpacking,
    /// Every record is read.
    Checking,
}

/// Who wants to know how far it is.
pub type Tell<'t> = &'t (dyn Fn(Step) + Send + Sync);

/// Where the trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Something that is needed is not written or not usable.
    Setup,
    /// The account, key or token is not accepted.
    Credentials,
    /// No answer, or half of one: it may go better later.
    Network,
    /// The provider wants us to wait.
    Busy,
    /// The provider has no such file.
    Missing,
    /// What came is not what was announced.
    Checksum,
    /// What came may not take the place of what is there.
    Refused,
    /// The disk.
    Disk,
}

impl FailureKind {
    /// A word for scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Credentials => "credentials",
            Self::Network => "network",
            Self::Busy => "busy",
            Self::Missing => "missing",
            Self::Checksum => "checksum",
            Self::Refused => "refused",
            Self::Disk => "disk",
        }
    }
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Where the trouble is.
    pub kind: FailureKind,
    /// In words, without secrets.
    message: String,
    /// How long the provider wants us to wait at least.
    pub after: Option<Duration>,
}

impl Failure {
    /// One of this kind. The message is for people and logs.
    pub fn of(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), after: None }
    }
}

/// Fetches, from whomever.
pub struct Fetcher {
    scratch: PathBuf,
    reach: Reach,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("scratch", &self.scratch).field("reach", &self.reach).finish()
    }
}

impl Fetcher {
    /// One that keeps downloads, as long as they last, in this directory, which is made, and reaches others in this way.
    pub fn new(scratch: PathBuf, reach: Reach) -> Self {
        Self { scratch, reach }
    }

    /// Whether it could ask at all: the file of authorities can be read. Each look finds out anew, as files change.
    ///
    /// # Errors
    /// What is in the way ([`FailureKind::Setup`]).
    pub fn check(&self) -> Result<(), Failure> {
        Client::new(&self.reach, &|_| None).map(drop)
    }

    /// Looks whether a source has a new database, and puts it in the place of `target`, which need not be there. `now` is the
    /// time in seconds since 1970; `environment` has the secrets that no file has, and proxies.
    ///
    /// # Errors
    /// [`Failure`]; then `target` is as it was.
    pub async fn fetch(
        &self,
        source: &Source,
        target: &Path,
        wish: Wish,
        now: u64,
        environment: &(dyn Fn(&str) -> Option<String> + Sync),
        tell: Tell<'_>,
    ) -> Result<Done, Failure> {
        let plan = source::plan(source, now, &|name| environment(name))?;
        let client = Client::new(&self.reach, &|name| environment(name))?;
        // A link stays one; what it leads to is replaced.
        let target = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let known = kept::read(&target).filter(|_| !wish.force);
        let intact = blocking({
            let (target, known) = (target.clone(), known.clone());
            move || known.filter(|known| kept::sha256(&target).is_ok_and(|sum| sum == known.sha256))
        })
        .await?;

        tell(Step::Asking);
        let expected = checksum(&client, &plan).await?;
        if let (Some(record), Some(expected)) = (&intact, &expected)
            && record.download == *expected
        {
            return Ok(unchanged(&target, record.clone(), wish, now));
        }
        let scratch = Scratch::in_directory(&self.scratch, &target)?;
        let (url, got) = download(&client, &plan, intact.as_ref(), scratch.path(), tell).await?;
        let (digits, validators) = match (got, intact) {
            (Got::Unchanged, Some(record)) => return Ok(unchanged(&target, record, wish, now)),
            (Got::File { sha256, validators, .. }, _) => (sha256, validators),
            (Got::Unchanged | Got::Nothing, _) => {
                let message = format!("{}: there is no such file", shown(&url));
                return Err(Failure::of(FailureKind::Missing, message));
            }
        };
        if let Some(expected) = expected.filter(|expected| *expected != digits) {
            let message = format!("{}: its SHA-256 is {digits}, not {expected} as announced", shown(&url));
            return Err(Failure::of(FailureKind::Checksum, message));
        }

        tell(Step::Unpacking);
        let fresh = Scratch::beside(&target)?;
        let sha256 = blocking({
            let (from, to) = (scratch.path().to_owned(), fresh.path().to_owned());
            move || unpack::unpack(&from, &to, unpack::DATABASE)
        })
        .await??;
        drop(scratch);
        tell(Step::Checking);
        let kind = plan.kind.clone();
        let checked = blocking({
            let (target, fresh) = (target.clone(), fresh.path().to_owned());
            move || check(&fresh, &target, kind.as_deref(), wish, now)
        });
        let (is, was, credit) = checked.await??;
        let same = was.is_some() && kept::sha256(&target).is_ok_and(|sum| sum == sha256);
        let outcome = match (same, wish.dry_run) {
            (true, _) => Outcome::Unchanged,
            (false, true) => Outcome::Would,
            (false, false) => {
                fresh.replace(&target)?;
                Outcome::Replaced
            }
        };
        if !wish.dry_run {
            let Validators { etag, last_modified } = validators;
            let url = shown(&url).to_owned();
            let record = Record { url, etag, last_modified, download: digits, sha256, looked: now, facts: is.clone() };
            kept::write(&target, &record);
        }
        Ok(Done { outcome, is, was, credit })
    }
}

/// What the download's SHA-256 must be, where that is known.
async fn checksum(client: &Client, plan: &Plan) -> Result<Option<String>, Failure> {
    let url = match &plan.checksum {
        None => return Ok(None),
        Some(Checksum::Digits(digits)) => return Ok(Some(digits.clone())),
        Some(Checksum::At(url)) => url,
    };
    // Credentials are for the place where the database is.
    let own = plan.urls.first().is_some_and(|first| place(first) == place(url));
    let text = client.text(url, plan.authorization.as_deref().filter(|_| own)).await?;
    let digits = digits(&text)
        .ok_or_else(|| Failure::of(FailureKind::Checksum, format!("{}: no SHA-256 in the answer", shown(url))))?;
    Ok(Some(digits))
}

/// Downloads from the first address where there is something.
async fn download(
    client: &Client,
    plan: &Plan,
    record: Option<&Record>,
    to: &Path,
    tell: Tell<'_>,
) -> Result<(String, Got), Failure> {
    let mut last = String::new();
    for url in &plan.urls {
        let known = record.filter(|record| record.url == shown(url));
        let known = known.map_or_else(Validators::default, |record| Validators {
            etag: record.etag.clone(),
            last_modified: record.last_modified.clone(),
        });
        let got = client.file(url, plan.authorization.as_deref(), &known, to, tell).await?;
        if got != Got::Nothing {
            return Ok((url.clone(), got));
        }
        last.clone_from(url);
    }
    Ok((last, Got::Nothing))
}

/// `https://host:port` of an address.
fn place(url: &str) -> &str {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[scheme..].find(['/', '?']).map_or(url.len(), |at| scheme + at);
    &url[..end]
}

/// The SHA-256 in a text as `sha256sum` writes it, or in the JSON of `IPinfo`.
fn digits(text: &str) -> Option<String> {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        let sums = json.get("checksums").unwrap_or(&json);
        return sums.get("sha256")?.as_str().and_then(digits);
    }
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_ascii_lowercase)
}

fn unchanged(target: &Path, record: Record, wish: Wish, now: u64) -> Done {
    if !wish.dry_run {
        kept::write(target, &Record { looked: now, ..record.clone() });
    }
    let credit = None;
    Done { outcome: Outcome::Unchanged, was: Some(record.facts.clone()), is: record.facts, credit }
}

type Checked = (Facts, Option<Facts>, Option<&'static str>);

/// Reads all of the new database, and of the one that is there.
fn check(fresh: &Path, target: &Path, kind: Option<&str>, wish: Wish, now: u64) -> Result<Checked, Failure> {
    let refused = |words: String| Failure::of(FailureKind::Refused, words);
    let bytes = std::fs::read(fresh).map_err(|error| client::disk(fresh, &error))?;
    let database = Database::new(bytes).map_err(|error| refused(format!("what was fetched: {error}")))?;
    let is = Facts::of(&database).map_err(|error| refused(format!("what was fetched: {error}")))?;
    facts::usable(&is, &database, now).map_err(refused)?;
    let credit = database.credit();
    // Large databases are not held twice.
    drop(database);
    let was = std::fs::read(target).ok().and_then(|bytes| Facts::of(&Database::new(bytes).ok()?).ok());
    if !wish.force {
        facts::may_replace(&is, was.as_ref(), kind)
            .map_err(|words| refused(format!("{words}\n  help: if that is as it should be, `--force`")))?;
    }
    Ok((is, was, credit))
}

/// Runs what may take seconds of work or waiting for a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::of(FailureKind::Refused, "checking failed unexpectedly; please report this"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_as_they_are_written() {
        let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            format!("{sum}  GeoLite2-City_20261120.tar.gz\n"),
            format!("SHA256 (x.mmdb) = {}\n", sum.to_uppercase()),
            format!(r#"{{"checksums": {{"md5": "d41d8cd98f00b204e9800998ecf8427e", "sha256": "{sum}"}}}}"#),
        ] {
            assert_eq!(digits(&text).as_deref(), Some(sum), "{text}");
        }
        assert_eq!(digits("<html>not found</html>"), None);
        assert_eq!(digits(&sum[1..]), None);
    }

    #[test]
    fn places() {
        assert_eq!(place("https://a.example:444/x?y"), "https://a.example:444");
        assert_eq!(place("https://a.example"), "https://a.example");
        assert_ne!(place("https://a.example/x"), place("https://a.example.b/x"));
    }
}
