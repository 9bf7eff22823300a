//! The `state/` directory: what a restart must not forget. Everything in it is replaced whole, by rename.
//!
//! - `last-good/…`: the accepted text of every file of `zones/`, under its path there; beside `a.yaml` the directory
//!   `.a.yaml.with/` holds what the files that it names held then. Each zone has its own copies: of a file that two zones
//!   include, they may have accepted different versions.
//! - `serials`: a line `ZONE SERIAL` per zone.
//! - `sites.cache`, `sites.json`: the compiled site table and what it was compiled from.
//! - `health.json`: what was known of each target, written by the daemon; `cookie-secret`: its DNS cookie secret.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::replace;
use super::generation::Memory;
use crate::dns::Name;

/// The directory, or none: then nothing is remembered.
#[derive(Clone, Debug, Default)]
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

    /// The same memory, to which nothing is written.
    #[must_use]
    pub fn reader(&self) -> Self {
        Self { read_only: true, ..self.clone() }
    }

    /// Whether anything may be written to the directory, and there is one.
    pub fn writes(&self) -> bool {
        self.directory.is_some() && !self.read_only
    }

    /// The path of a file of the directory.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(name))
    }

    /// Remembers the text of an accepted file, and of the files it names.
    ///
    /// # Errors
    /// What the file system said.
    pub fn keep(&self, path: &str, text: &str, named: &[(&str, Arc<[u8]>)]) -> io::Result<()> {
        if !self.writes() {
            return Ok(());
        }
        let keep = |copy: Option<PathBuf>, octets: &[u8]| match copy {
            Some(copy) if std::fs::read(&copy).is_ok_and(|old| old == octets) => Ok(()),
            Some(copy) => replace(&copy, octets),
            None => Ok(()),
        };
        // The named ones first: the text is what says that they are wanted.
        for (named, octets) in named {
            keep(self.named_path(path, named), octets)?;
        }
        keep(self.copy_path(path), text.as_bytes())?;
        self.forget_others(path, named);
        Ok(())
    }

    /// Forgets a file whose zone was removed.
    pub fn forget(&self, path: &str) {
        if let Some(copy) = self.copy_path(path).filter(|_| self.writes()) {
            // A copy that is not there is what was wanted.
            let _ = std::fs::remove_file(copy);
            self.forget_others(path, &[]);
        }
    }

    /// Forgets copies of files that a file no longer names.
    fn forget_others(&self, path: &str, named: &[(&str, Arc<[u8]>)]) {
        let Some(directory) = self.named_directory(path) else { return };
        let wanted: HashSet<PathBuf> = named.iter().filter_map(|(named, _)| self.named_path(path, named)).collect();
        let mut directories = vec![directory.clone()];
        let mut at = 0;
        while let Some(list) = directories.get(at).map(std::fs::read_dir) {
            at += 1;
            for entry in list.into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                } else if !wanted.contains(&path) {
                    // What cannot be removed is not asked for either.
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        for directory in directories.iter().rev() {
            // Only empty ones go.
            let _ = std::fs::remove_dir(directory);
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
        Some(self.directory.as_ref()?.join("last-good").join(self.relative(path)?))
    }

    /// Where copies of the files lie that the file shown as `path` names. Hidden, so that no file of `zones/` has a copy
    /// of that name.
    fn named_directory(&self, path: &str) -> Option<PathBuf> {
        let copy = self.copy_path(path)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(copy.file_name()?);
        name.push(".with");
        Some(copy.with_file_name(name))
    }

    fn named_path(&self, path: &str, named: &str) -> Option<PathBuf> {
        Some(self.named_directory(path)?.join(self.relative(named)?))
    }

    /// A path in `zones/`, seen from there.
    fn relative(&self, path: &str) -> Option<PathBuf> {
        let shown = super::files::shown(&self.zones);
        // Paths in the current directory are shown without it.
        let directory = if &*shown == "." { "" } else { &*shown };
        Path::new(path).strip_prefix(directory).ok().map(Path::to_owned)
    }
}

impl Memory for State {
    fn copy(&self, path: &str) -> Option<Arc<str>> {
        std::fs::read_to_string(self.copy_path(path)?).ok().map(Arc::from)
    }

    fn named_copy(&self, path: &str, named: &str) -> Option<Arc<[u8]>> {
        std::fs::read(self.named_path(path, named)?).ok().map(Arc::from)
    }

    fn serial(&self, zone: &Name) -> Option<u32> {
        self.serials.get(zone).copied()
    }
}
