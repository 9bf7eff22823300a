//! The `state/` directory: what a restart must not forget. Everything in it is replaced whole, by rename.
//!
//! - `last-good/…`: the accepted text of every file of `zones/`, under its path there.
//! - `serials`: a line `ZONE SERIAL` per zone.
//! - `sites.cache`, `sites.json`: the compiled site table and what it was compiled from.
//! - `health.json`: what was known of each target, written by the daemon.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::replace;
use super::generation::Memory;
use crate::dns::Name;

/// The directory, or none: then nothing is remembered.
#[derive(Debug, Default)]
pub struct State {
    directory: Option<PathBuf>,
    read_only: bool,
    /// `zones/` as shown, to be taken off paths.
    zones: PathBuf,
    serials: HashMap<Name, u32>,
}

impl State {
    /// Opens the directory, making it when it is not there.
    ///
    /// # Errors
    /// When it cannot be made. Damaged contents are as good as none.
    pub fn open(directory: &Path, zones: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory.join("last-good"))?;
        Ok(Self { read_only: false, ..Self::read(directory, zones) })
    }

    /// What the directory remembers, and nothing is written to it: for commands beside a running server.
    pub fn read(directory: &Path, zones: &Path) -> Self {
        let text = std::fs::read_to_string(directory.join("serials")).unwrap_or_default();
        let serials = text.lines().filter_map(|line| {
            let (zone, serial) = line.split_once(' ')?;
            Some((Name::parse(zone, None).ok()?, serial.parse().ok()?))
        });
        let (directory, zones, serials) = (Some(directory.to_owned()), zones.to_owned(), serials.collect());
        Self { directory, read_only: true, zones, serials }
    }

    /// A memory that forgets.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether anything may be written to the directory, and there is one.
    pub fn writes(&self) -> bool {
        self.directory.is_some() && !self.read_only
    }

    /// The path of a file of the directory.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(name))
    }

    /// Remembers the text of an accepted file.
    ///
    /// # Errors
    /// What the file system said.
    pub fn keep(&self, path: &str, text: &str) -> io::Result<()> {
        match self.copy_path(path).filter(|_| self.writes()) {
            Some(copy) if std::fs::read(&copy).is_ok_and(|old| old == text.as_bytes()) => Ok(()),
            Some(copy) => replace(&copy, text.as_bytes()),
            None => Ok(()),
        }
    }

    /// Forgets a file whose zone was removed.
    pub fn forget(&self, path: &str) {
        if let Some(copy) = self.copy_path(path).filter(|_| self.writes()) {
            // A copy that is not there is what was wanted.
            let _ = std::fs::remove_file(copy);
        }
    }

    /// Remembers the serials of all zones.
    ///
    /// # Errors
    /// What the file system said.
    pub fn keep_serials(&mut self, serials: impl Iterator<Item = (Name, u32)>) -> io::Result<()> {
        let new: HashMap<_, _> = serials.collect();
        if new == self.serials {
            return Ok(());
        }
        let mut lines: Vec<_> = new.iter().collect();
        lines.sort();
        let text = lines.iter().fold(String::new(), |mut text, (zone, serial)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{zone} {serial}");
            text
        });
        self.serials = new;
        self.path("serials").filter(|_| self.writes()).map_or(Ok(()), |path| replace(&path, text.as_bytes()))
    }

    fn copy_path(&self, path: &str) -> Option<PathBuf> {
        let shown = super::files::shown(&self.zones);
        let relative = Path::new(path).strip_prefix(&*shown).ok()?;
        Some(self.directory.as_ref()?.join("last-good").join(relative))
    }
}

impl Memory for State {
    fn copy(&self, path: &str) -> Option<Arc<str>> {
        std::fs::read_to_string(self.copy_path(path)?).ok().map(Arc::from)
    }

    fn serial(&self, zone: &Name) -> Option<u32> {
        self.serials.get(zone).copied()
    }
}
