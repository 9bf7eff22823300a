//! When to look at the files again: events of the file system, after a time of quiet, and now and then without any.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::statfs::statfs;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::Xxh3Default;

use super::files::{MAX_DEPTH, is_ours};
use super::{Loaded, Wish};
use crate::config::settings;

/// Events must have ceased for this long: an editor's save and a git checkout are several.
const QUIET: Duration = Duration::from_millis(150);
/// Looked at all the same when events go on for this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Looked at without any event: watches can be lost, and network file systems have none.
pub const BACKSTOP: Duration = Duration::from_secs(30);
/// How often a directory that cannot be watched, or whose events would tell too little, is polled.
const POLL: Duration = Duration::from_secs(2);

/// Why to look.
#[derive(Debug)]
pub enum Cause {
    /// Something happened to a file.
    Event,
    /// The operator asked.
    Asked(Asked),
    /// The backstop, or the end of a zone's time of grace.
    Time,
    /// The server ends.
    Stop,
}

/// What the operator asked for.
#[derive(Debug, Default)]
pub struct Asked {
    /// What is to be done otherwise than when a file changes.
    pub wish: Wish,
    /// Only tell what would come of it.
    pub rehearse: bool,
    /// Who is to be told what came of it.
    pub reply: Option<oneshot::Sender<Report>>,
}

/// What came of a look that was asked for.
#[derive(Debug)]
pub struct Report {
    /// Whether it was only a rehearsal.
    pub rehearsed: bool,
    /// The generation that served before.
    pub before: u64,
    /// The generation that serves now, or would; `None` where nothing changes for queries.
    pub generation: Option<u64>,
    /// How long it took.
    pub took: Duration,
    /// What was found. Without the snapshot.
    pub loaded: Loaded,
}

/// Tells when to look.
pub struct Watch {
    events: Receiver<Cause>,
    sender: Sender<Cause>,
    /// Watched with everything below them, absolute. Watches of places of before go on, and nobody heeds them.
    places: Arc<Mutex<Vec<PathBuf>>>,
    /// Those that are polled, and what they looked like at the last time.
    polled: Vec<PathBuf>,
    stamp: u64,
    // It stops watching when dropped.
    native: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches directories, subdirectories included, and their parents for them to come, go or be swapped. What cannot be
    /// watched is polled. Gives the words for what is less than perfect.
    pub fn start(places: &[PathBuf], by: settings::Watch) -> (Self, Vec<String>) {
        let (sender, events) = channel();
        let mut words = Vec::new();
        let places: Vec<PathBuf> = places.iter().filter_map(|place| std::path::absolute(place).ok()).collect();
        let places = Arc::new(Mutex::new(places));
        let native = (by == settings::Watch::Auto).then(|| notify::recommended_watcher(handler(&sender, &places)));
        let native =
            native.and_then(|made| made.map_err(|error| words.push(format!("files are polled: {error}"))).ok());
        let mut watch = Self { events, sender, places, polled: Vec::new(), stamp: 0, native };
        watch.watch(&mut words);
        (watch, words)
    }

    /// Watches what is there. Done again before every look: a directory that was deleted and made again is another one.
    fn watch(&mut self, words: &mut Vec<String>) {
        let mut unwatched = Vec::new();
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for place in &places {
            let Some(native) = self.native.as_mut().filter(|_| !is_remote(place)) else {
                unwatched.push(place.clone());
                continue;
            };
            if let Some(parent) = place.parent().filter(|parent| parent.exists()) {
                // What is lost when this fails is noticing at once that the directory itself was swapped.
                let _ = native.watch(parent, RecursiveMode::NonRecursive);
            }
            if let Some(Err(error)) = place.is_dir().then(|| native.watch(place, RecursiveMode::Recursive)) {
                words.push(format!("{} is polled every {POLL:?}: {error}", place.display()));
                unwatched.push(place.clone());
            }
        }
        if self.polled != unwatched {
            self.stamp = stamp(&unwatched);
            self.polled = unwatched;
        }
    }

    /// Watches these places from now on. Gives the words for what is less than perfect.
    pub fn move_to(&mut self, places: &[PathBuf]) -> Vec<String> {
        let mut words = Vec::new();
        let places: Vec<PathBuf> = places.iter().filter_map(|place| std::path::absolute(place).ok()).collect();
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = places;
        self.watch(&mut words);
        words
    }

    /// A handle by which others can ask for a look.
    pub fn asker(&self) -> Sender<Cause> {
        self.sender.clone()
    }

    /// Waits for a reason to look: after events, until they have ceased for 150 ms (at most 1 s); at once when
    /// asked; after `limit` (at most [`BACKSTOP`]) in any case.
    pub fn wait(&mut self, limit: Option<Duration>) -> Cause {
        let limit = limit.map_or(BACKSTOP, |limit| limit.min(BACKSTOP));
        let began = Instant::now();
        let cause = loop {
            let left = limit.saturating_sub(began.elapsed());
            let slice = if self.polled.is_empty() { left } else { left.min(POLL) };
            match self.events.recv_timeout(slice) {
                Ok(Cause::Event) => break self.settle(),
                Ok(cause) => break cause,
                Err(RecvTimeoutError::Disconnected) => break Cause::Stop,
                Err(RecvTimeoutError::Timeout) if self.looks_different() => break self.settle(),
                Err(RecvTimeoutError::Timeout) if began.elapsed() >= limit => break Cause::Time,
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        if !matches!(cause, Cause::Stop) {
            // Said at the start already, if at all.
            self.watch(&mut Vec::new());
        }
        cause
    }

    fn settle(&mut self) -> Cause {
        let began = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(began.elapsed()) {
            match self.events.recv_timeout(QUIET.min(left)) {
                Ok(Cause::Event) => {}
                Ok(cause) => return cause,
                Err(_) if self.looks_different() => {}
                Err(_) => return Cause::Event,
            }
        }
        Cause::Event
    }

    /// Whether what is polled looks otherwise than at the last time.
    fn looks_different(&mut self) -> bool {
        if self.polled.is_empty() {
            return false;
        }
        let stamp = stamp(&self.polled);
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }
}

/// What files and directories look like from outside: names, lengths, times and which they are. The files themselves are not
/// read; the backstop does.
fn stamp(places: &[PathBuf]) -> u64 {
    fn walk(path: &Path, depth: usize, hash: &mut Xxh3Default) {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        hash.update(path.as_os_str().as_bytes());
        let figures =
            [metadata.len(), metadata.ino(), metadata.mtime().cast_unsigned(), metadata.mtime_nsec().cast_unsigned()];
        for figure in figures {
            hash.update(&figure.to_le_bytes());
        }
        if metadata.is_dir() && depth < MAX_DEPTH {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_ours(path)).collect();
            entries.sort();
            for entry in entries {
                walk(&entry, depth + 1, hash);
            }
        }
    }
    let mut hash = Xxh3Default::new();
    for place in places {
        walk(place, 0, &mut hash);
    }
    hash.digest()
}

/// Whether a place is on a file system where others write unseen.
fn is_remote(place: &Path) -> bool {
    // linux/magic.h, and those of file systems that define their own: NFS, SMB, SMB2, CIFS, AFS, Ceph, Coda, 9p, FUSE, virtiofs.
    const REMOTE: [i64; 10] = [
        0x6969,
        0x517b,
        0xfe53_4d42,
        0xff53_4d42,
        0x5346_414f,
        0x00c3_6400,
        0x7375_7245,
        0x0102_1997,
        0x6573_5546,
        0x6a65_6a63,
    ];
    statfs(place).is_ok_and(|of| REMOTE.contains(&of.filesystem_type().0))
}

/// Tells of what happens at or below the places; a busy file beside them is nobody's business.
fn handler(
    sender: &Sender<Cause>,
    places: &Arc<Mutex<Vec<PathBuf>>>,
) -> impl FnMut(notify::Result<notify::Event>) + Send + use<> {
    let (sender, places) = (sender.clone(), Arc::clone(places));
    move |event| {
        let matters = event.map_or(true, |event| {
            let places = places.lock().unwrap_or_else(PoisonError::into_inner);
            let ours = |path: &PathBuf| places.iter().any(|place| path.starts_with(place));
            // Reading the files makes events too; only those that change something matter.
            !matches!(event.kind, EventKind::Access(_)) && (event.need_rescan() || event.paths.iter().any(ours))
        });
        if matters {
            // The receiver is gone only when the server ends.
            let _ = sender.send(Cause::Event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for an event; anything else within the backstop's 30 s is a failure.
    #[track_caller]
    fn sees(watch: &mut Watch, what: &str) {
        assert!(matches!(watch.wait(Some(Duration::from_secs(20))), Cause::Event), "{what}");
    }

    #[test]
    fn every_way_of_writing_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let zones = dir.path().join("zones");
        let file = zones.join("sub/a.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let (mut watch, words) = Watch::start(&[zones.clone(), dir.path().join("geodb")], settings::Watch::Auto);
        assert_eq!(words, [] as [String; 0]);
        std::fs::write(&file, "1").unwrap();
        sees(&mut watch, "a new file in a subdirectory");
        std::fs::write(&file, "2").unwrap();
        sees(&mut watch, "overwritten in place");
        std::fs::write(zones.join("new~"), "3").unwrap();
        std::fs::rename(zones.join("new~"), &file).unwrap();
        sees(&mut watch, "renamed over");
        std::fs::remove_dir_all(&zones).unwrap();
        sees(&mut watch, "the directory deleted");
        std::fs::create_dir(&zones).unwrap();
        sees(&mut watch, "made again");
        std::fs::write(zones.join("b.yaml"), "4").unwrap();
        sees(&mut watch, "a file in the directory made again");
        std::fs::create_dir(dir.path().join("geodb")).unwrap();
        sees(&mut watch, "a directory that was not there at the start");
        std::fs::write(dir.path().join("geodb/x.mmdb"), "5").unwrap();
        sees(&mut watch, "a file in it");
    }

    #[test]
    fn a_swapped_link_is_seen_and_a_busy_neighbor_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["v1", "v2"] {
            std::fs::create_dir(dir.path().join(version)).unwrap();
        }
        let zones = dir.path().join("zones");
        std::os::unix::fs::symlink(dir.path().join("v1"), &zones).unwrap();
        let (mut watch, _) = Watch::start(std::slice::from_ref(&zones), settings::Watch::Auto);
        std::fs::write(dir.path().join("log"), "busy").unwrap();
        let cause = watch.wait(Some(Duration::from_millis(50)));
        assert!(matches!(cause, Cause::Time), "a file beside the directory");
        std::os::unix::fs::symlink(dir.path().join("v2"), dir.path().join("new")).unwrap();
        std::fs::rename(dir.path().join("new"), &zones).unwrap();
        sees(&mut watch, "the link points elsewhere");
        std::fs::write(zones.join("a.yaml"), "1").unwrap();
        sees(&mut watch, "a file where it points now");
        watch.asker().send(Cause::Asked(Asked::default())).unwrap();
        assert!(matches!(watch.wait(None), Cause::Asked(_)));
    }
}
