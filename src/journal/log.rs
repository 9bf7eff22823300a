//! The thread that writes the query log.

use std::io::{self, Write};
use std::sync::Arc;

use tracing::warn;

use super::entry::Entry;
use super::line::Line;
use super::output::Named;
use super::tap::Tap;
use super::{LogSettings, Place, Shown};
use crate::metrics::{JournalFate, JournalKind, Metrics};
use crate::snapshot::{Current, Snapshot};

/// Octets of lines at which they are written.
const FULL: usize = 64 * 1024;

/// Writes until the tap is stopped.
pub(super) fn run(tap: &Tap<LogSettings>, current: &Arc<Current>, metrics: &Metrics) {
    let mut writer = Writer {
        names: Names::new(current),
        metrics,
        shown: Shown::Prefix,
        place: None,
        lines: Vec::with_capacity(FULL),
        count: 0,
        failing: false,
    };
    tap.work(&mut writer, Writer::apply, Writer::write, Writer::rest);
}

/// What the numbers of answers stand for: the snapshot that serves, and the one before for what was answered from it.
pub(super) struct Names<'a> {
    current: &'a Current,
    now: Arc<Snapshot>,
    before: Option<Arc<Snapshot>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(current: &'a Current) -> Self {
        Self { current, now: current.load_full(), before: None }
    }

    /// The snapshot of a generation, if it is one of the two.
    pub(super) fn of(&mut self, generation: u64) -> Option<&Snapshot> {
        if generation > self.now.generation {
            self.look();
        }
        [Some(&self.now), self.before.as_ref()]
            .into_iter()
            .flatten()
            .find(|snapshot| snapshot.generation == generation)
            .map(|snapshot| &**snapshot)
    }

    /// Looks which one serves. The one before is let go when this is called the next time: large as it is.
    pub(super) fn look(&mut self) {
        let serves = self.current.load();
        if serves.generation == self.now.generation {
            self.before = None;
        } else {
            self.before = Some(std::mem::replace(&mut self.now, Arc::clone(&serves)));
        }
    }
}

struct Writer<'a> {
    names: Names<'a>,
    metrics: &'a Metrics,
    shown: Shown,
    place: Option<Open>,
    lines: Vec<u8>,
    /// How many they are.
    count: u64,
    /// Whether the last attempt failed: said once.
    failing: bool,
}

enum Open {
    Stdout,
    Stderr,
    File(Named),
}

impl Writer<'_> {
    fn apply(&mut self, settings: Option<LogSettings>) {
        self.flush();
        let Some(LogSettings { to, client, .. }) = settings else {
            self.place = None;
            return;
        };
        self.shown = client;
        self.place = Some(match (to, self.place.take()) {
            (Place::Stdout, _) => Open::Stdout,
            (Place::Stderr, _) => Open::Stderr,
            (Place::File(path), Some(Open::File(named))) if named.path() == path => Open::File(named),
            (Place::File(path), _) => Open::File(Named::new(path)),
        });
        self.open(true);
    }

    /// Opens the file if it is time to.
    fn open(&mut self, at_once: bool) {
        let Some(Open::File(named)) = &mut self.place else { return };
        if !named.is_due(at_once) {
            return;
        }
        match Named::open(named.path()) {
            Ok(file) => {
                // What was written to the file of before stays there.
                named.file = Some(file);
                self.failing = false;
            }
            Err(error) => {
                let path = named.path().display().to_string();
                self.fail(&path, &error);
            }
        }
    }

    fn write(&mut self, entry: &Entry) {
        let line = Line::new(entry, self.names.of(entry.answered.generation), self.shown);
        // A line of texts and numbers always has a JSON form.
        if serde_json::to_writer(&mut self.lines, &line).is_ok() {
            self.lines.push(b'\n');
            self.count += 1;
        }
        if self.lines.len() >= FULL {
            self.flush();
        }
    }

    fn rest(&mut self) {
        self.open(false);
        self.flush();
        self.names.look();
    }

    fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let result = match &mut self.place {
            None => Err(io::ErrorKind::NotConnected.into()),
            Some(Open::Stdout) => io::stdout().lock().write_all(&self.lines).and_then(|()| io::stdout().flush()),
            Some(Open::Stderr) => io::stderr().lock().write_all(&self.lines),
            Some(Open::File(named)) => match &mut named.file {
                Some(file) => file.write_all(&self.lines),
                None => Err(io::ErrorKind::NotConnected.into()),
            },
        };
        let fate = match result {
            Ok(()) => {
                self.failing = false;
                JournalFate::Written
            }
            Err(error) => {
                if self.place.is_some() {
                    self.fail("its place", &error);
                }
                JournalFate::Lost
            }
        };
        self.metrics.journaled(JournalKind::QueryLog, fate, self.count);
        self.count = 0;
        self.lines.clear();
    }

    fn fail(&mut self, path: &str, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(path, %error, "the query log cannot be written; its lines are lost until it can");
        }
    }
}
