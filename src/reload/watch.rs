//! When to look at the files again: events of the file system, after a time of quiet, and now and then without any.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::{Config, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

/// Events must have ceased for this long: an editor's save and a git checkout are several.
const QUIET: Duration = Duration::from_millis(150);
/// Looked at all the same when events go on for this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Looked at without any event: watches can be lost, and network file systems have none.
pub const BACKSTOP: Duration = Duration::from_secs(30);
/// How often a directory that cannot be watched is polled.
const POLL: Duration = Duration::from_secs(2);

/// Why to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something happened to a file.
    Event,
    /// The operator asked (SIGHUP).
    Asked,
    /// The operator asked, and confirms that vanished zones are to go (SIGUSR2).
    Confirmed,
    /// The backstop, or the end of a zone's time of grace.
    Time,
    /// The server ends.
    Stop,
}

/// Tells when to look.
pub struct Watch {
    events: Receiver<Cause>,
    sender: Sender<Cause>,
    // They stop watching when dropped.
    native: Option<RecommendedWatcher>,
    poll: Option<PollWatcher>,
}

impl Watch {
    /// Watches directories, subdirectories included. A directory that is not there yet is found by the backstop; one that
    /// cannot be watched is polled. Gives the words for what is less than perfect.
    pub fn start(places: &[PathBuf]) -> (Self, Vec<String>) {
        let (sender, events) = channel();
        let mut words = Vec::new();
        let handler = |sender: Sender<Cause>| {
            move |event: notify::Result<notify::Event>| {
                // Reading the files makes events too; only those that change something matter.
                let matters = event.map_or(true, |event| !matches!(event.kind, EventKind::Access(_)));
                if matters {
                    // The receiver is gone only when the server ends.
                    let _ = sender.send(Cause::Event);
                }
            }
        };
        let native = notify::recommended_watcher(handler(sender.clone()));
        let mut native = native.map_err(|error| words.push(format!("files are polled: {error}"))).ok();
        let mut poll: Option<PollWatcher> = None;
        for place in places {
            let directory = if place.is_file() { place.parent().unwrap_or(Path::new(".")) } else { place };
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            let watched = match &mut native {
                Some(native) if directory.exists() => native.watch(directory, RecursiveMode::Recursive),
                Some(_) => continue,
                None => Err(notify::Error::generic("no native watcher")),
            };
            if let Err(error) = watched {
                words.push(format!("{} is polled every {POLL:?}: {error}", directory.display()));
                if poll.is_none() {
                    let config = Config::default().with_poll_interval(POLL).with_compare_contents(true);
                    poll = PollWatcher::new(handler(sender.clone()), config).ok();
                }
                if let Some(Err(error)) = poll.as_mut().map(|poll| poll.watch(directory, RecursiveMode::Recursive)) {
                    words.push(format!("{}: {error}; looked at every {BACKSTOP:?} only", directory.display()));
                }
            }
        }
        (Self { events, sender, native, poll }, words)
    }

    /// A handle by which others can ask for a look.
    pub fn asker(&self) -> Sender<Cause> {
        self.sender.clone()
    }

    /// Waits for a reason to look: after events, until they have ceased for [`QUIET`] (at most [`PATIENCE`]); at once when
    /// asked; after `limit` (at most [`BACKSTOP`]) in any case.
    pub fn wait(&self, limit: Option<Duration>) -> Cause {
        let limit = limit.map_or(BACKSTOP, |limit| limit.min(BACKSTOP));
        match self.events.recv_timeout(limit) {
            Ok(Cause::Event) => self.settle(),
            Ok(cause) => cause,
            Err(RecvTimeoutError::Timeout) => Cause::Time,
            Err(RecvTimeoutError::Disconnected) => Cause::Stop,
        }
    }

    fn settle(&self) -> Cause {
        let began = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(began.elapsed()) {
            match self.events.recv_timeout(QUIET.min(left)) {
                Ok(Cause::Event) => {}
                Ok(cause) => return cause,
                Err(_) => return Cause::Event,
            }
        }
        Cause::Event
    }

    /// How the directories are watched, for `status`.
    pub fn is_native(&self) -> bool {
        self.native.is_some() && self.poll.is_none()
    }
}
