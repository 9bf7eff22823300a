//! `geodb: {fetch: …}`: databases are fetched while serving, each at times of its own. A new one is taken up by the reload, which
//! has its own word on it.

use std::path::PathBuf;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::known::unix_ms;
use crate::config::settings::Settings;
use crate::config::settings::fetch::Source;
use crate::config::settings::reach::Reach;
use crate::control::Fetched;
use crate::fetch::{Done, Failure, FailureKind, Fetcher, Outcome, Wish, day, last_look};

/// What is fetched, and how often; without a time nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    sources: Vec<(Source, PathBuf)>,
    every: Option<Duration>,
    reach: Reach,
}

impl Wanted {
    /// As the settings say. A source without a place to put it is left out: there are no databases then.
    pub(super) fn of(settings: &Settings) -> Self {
        let place = |source: &Source| Some((source.clone(), source.file(&settings.geodb)?));
        Self {
            sources: settings.fetch.iter().filter_map(place).collect(),
            every: settings.fetch_every,
            reach: settings.reach.clone(),
        }
    }
}

/// First pause after a failure; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// Longest pause that grows by itself.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);
/// Least pause where asking again soon helps nobody: providers count downloads, some of them three a day.
const LEAST_PAUSE: Duration = Duration::from_hours(1);
/// What is overdue at a start waits for some of this time: a thousand servers may start at once.
const SPREAD: Duration = Duration::from_mins(1);

/// A source and its times.
struct Item {
    source: Source,
    file: PathBuf,
    next: Instant,
    failures: u32,
    view: Fetched,
}

/// Fetches for as long as it runs, as it is wanted at the time.
pub(super) async fn run(mut wanted: watch::Receiver<Wanted>, scratch: PathBuf, seen: watch::Sender<Vec<Fetched>>) {
    let environment = |name: &str| std::env::var(name).ok();
    let mut items: Vec<Item> = Vec::new();
    let mut reach = Reach::default();
    loop {
        let now = wanted.borrow_and_update().clone();
        let Some(every) = now.every.filter(|_| !now.sources.is_empty()) else {
            items.clear();
            seen.send_replace(Vec::new());
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        };
        let by_another_way = now.reach != reach;
        reach = now.reach;
        let fetcher = Fetcher::new(scratch.clone(), reach.clone());
        if let Err(failure) = fetcher.check() {
            let words = failure.to_string();
            let error = words.lines().next().unwrap_or_default();
            warn!(error, "databases cannot be fetched as it is");
        }
        items = now.sources.into_iter().map(|(source, file)| item(source, file, every, &mut items)).collect();
        // What stood in the way may be gone.
        for item in items.iter_mut().filter(|item| by_another_way && item.failures > 0) {
            item.wait(Duration::ZERO);
        }
        show(&items, &seen);
        while let Some(at) = items.iter().map(|item| item.next).min() {
            tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = sleep_until(at) => {}
            }
            let Some(item) = items.iter_mut().find(|item| item.next <= Instant::now()) else { continue };
            let unix = unix_ms() / 1000;
            let done = fetcher.fetch(&item.source, &item.file, Wish::default(), unix, &environment, &|_| {}).await;
            item.after(&done, every, unix);
            show(&items, &seen);
        }
    }
}

/// One that is new, or the one that was there with its times.
fn item(source: Source, file: PathBuf, every: Duration, items: &mut Vec<Item>) -> Item {
    if let Some(at) = items.iter().position(|item| item.source == source && item.file == file) {
        let mut item = items.swap_remove(at);
        item.next = item.next.min(Instant::now() + every);
        return item;
    }
    let looked = last_look(&file);
    let view = Fetched { source: source.to_string(), file: file.display().to_string(), looked, ..Fetched::default() };
    let age = looked.map(|looked| Duration::from_secs((unix_ms() / 1000).saturating_sub(looked)));
    let mut item = Item { source, file, next: Instant::now(), failures: 0, view };
    item.wait(first_pause(age, every, random()));
    item
}

impl Item {
    fn wait(&mut self, pause: Duration) {
        self.next = Instant::now() + pause;
        self.view.next = unix_ms() / 1000 + pause.as_secs();
    }

    /// Says what came of a look, and when the next is.
    fn after(&mut self, done: &Result<Done, Failure>, every: Duration, unix: u64) {
        let file = self.view.file.clone();
        let file = file.as_str();
        match done {
            Ok(done) => {
                self.failures = 0;
                self.view.error = None;
                self.view.looked = Some(unix);
                self.wait(spread(every, random()));
                if done.outcome == Outcome::Unchanged {
                    self.view.unchanged += 1;
                    debug!(file, source = %self.source, "the database is what its provider has");
                } else {
                    self.view.replaced += 1;
                    let (built, was) = (day(done.is.built), done.was.as_ref().map(|was| day(was.built)));
                    info!(file, source = %self.source, kind = done.is.kind, built, was, "database fetched");
                }
            }
            Err(failure) => {
                self.failures += 1;
                self.view.failed += 1;
                self.view.error = Some(failure.to_string());
                self.wait(pause(failure, self.failures, every, random()));
                let again = self.next.saturating_duration_since(Instant::now());
                let words = failure.to_string();
                // The help that follows is for the command line.
                let error = words.lines().next().unwrap_or_default();
                let again_seconds = again.as_secs();
                warn!(file, source = %self.source, error, again_seconds, "the database could not be fetched; the one that is there stays");
            }
        }
    }
}

fn show(items: &[Item], seen: &watch::Sender<Vec<Fetched>>) {
    seen.send_replace(items.iter().map(|item| item.view.clone()).collect());
}

/// How long a start waits with a database that was looked at so long ago (`None`: never); `random` is from 0 to 1.
fn first_pause(age: Option<Duration>, every: Duration, random: f64) -> Duration {
    match age {
        None => Duration::ZERO,
        Some(age) => spread(every, random).saturating_sub(age).max(SPREAD.mul_f64(random)),
    }
}

/// Nine to eleven tenths.
fn spread(every: Duration, random: f64) -> Duration {
    every.mul_f64(0.9 + 0.2 * random)
}

/// How long to wait after so many failures in a row.
fn pause(failure: &Failure, failures: u32, every: Duration, random: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(LONGEST_PAUSE);
    let least = match failure.kind {
        FailureKind::Network | FailureKind::Disk | FailureKind::Setup => Duration::ZERO,
        FailureKind::Credentials | FailureKind::Busy | FailureKind::Missing | FailureKind::Checksum => LEAST_PAUSE,
        // The same download would be refused again.
        FailureKind::Refused => every,
    };
    let asked = failure.after.unwrap_or_default().min(every);
    spread(doubled.max(least).max(asked).min(every), random).max(asked)
}

/// From 0 to 1. Without a source of randomness in the middle: then there is no spread.
fn random() -> f64 {
    let mut octets = [0; 4];
    match default_provider().secure_random.fill(&mut octets) {
        Ok(()) => f64::from(u32::from_le_bytes(octets)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_start_does_not_ask_what_was_asked_lately() {
        let hours = |hours| Some(Duration::from_hours(hours));
        assert_eq!(first_pause(None, DAY, 0.7), Duration::ZERO);
        assert_eq!(first_pause(hours(4), DAY, 0.5), Duration::from_hours(20));
        assert_eq!(first_pause(hours(400), DAY, 0.5), SPREAD / 2);
        assert_eq!(first_pause(hours(0), DAY, 1.0), Duration::from_mins(26 * 60 + 24));
    }

    #[test]
    fn pauses_grow_within_bounds() {
        let pause = |kind, after: Option<u64>, failures| {
            let mut failure = Failure::of(kind, "x");
            failure.after = after.map(Duration::from_secs);
            pause(&failure, failures, DAY, 0.5).as_secs()
        };
        let growing = [1, 2, 3, 9, 10, 4_000_000_000].map(|failures| pause(FailureKind::Network, None, failures));
        assert_eq!(growing, [60, 120, 240, 15_360, 21_600, 21_600]);
        assert_eq!(pause(FailureKind::Credentials, None, 1), 3600);
        assert_eq!(pause(FailureKind::Refused, None, 1), 86_400);
        assert_eq!(pause(FailureKind::Busy, Some(7200), 1), 7200);
        assert_eq!(pause(FailureKind::Busy, Some(u64::MAX), 1), 86_400);
        for random in [0.0, 1.0] {
            let mut failure = Failure::of(FailureKind::Busy, "x");
            failure.after = Some(Duration::from_secs(5000));
            assert!(super::pause(&failure, 1, DAY, random) >= Duration::from_secs(5000));
            assert!((0.0..=1.0).contains(&super::random()));
        }
    }
}
