//! Files that somebody else may rename: told apart by device and number, and opened anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether a file is still where it was, and how often opening is tried again.
const EVERY: Duration = Duration::from_secs(1);
/// A log of who asks for what is not for everyone.
const MODE: u32 = 0o640;

/// A file by its name.
#[derive(Debug)]
pub(super) struct Named {
    path: PathBuf,
    pub(super) file: Option<File>,
    looked: Instant,
}

impl Named {
    /// The end of the file of this name, made if it is not there.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(MODE).open(path)
    }

    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, looked: Instant::now() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether to open it now: at first, when it is not where it was, and again a while after that failed.
    pub(super) fn is_due(&mut self, at_once: bool) -> bool {
        if !at_once && self.looked.elapsed() < EVERY {
            return false;
        }
        self.looked = Instant::now();
        let Some(file) = &self.file else { return true };
        let number = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
        match (file.metadata(), std::fs::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => number(&ours) != number(&there),
            _ => true,
        }
    }
}
