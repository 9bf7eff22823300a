//! What is kept beside a database that was fetched, files that are there for a while, and the replacement itself.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::client::{disk, hex};
use super::{Facts, Failure};

/// What was fetched, kept beside the database as `.NAME.fetched`. Without it the next look downloads all of it once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where from, without a query.
    pub(super) url: String,
    /// `ETag` of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// `Last-Modified` of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// SHA-256 of the download.
    pub(super) download: String,
    /// SHA-256 of the database in it.
    pub(super) sha256: String,
    /// When it was last known to be what the provider has, seconds since 1970.
    pub looked: u64,
    /// What it is.
    #[serde(flatten)]
    pub facts: Facts,
}

/// When a database was last known to be what its provider has, in seconds since 1970.
pub fn last_look(target: &Path) -> Option<u64> {
    let target = fs::canonicalize(target).ok()?;
    Some(read(&target)?.looked)
}

fn place(target: &Path) -> PathBuf {
    target.with_file_name(format!(".{}.fetched", name(target)))
}

fn name(target: &Path) -> String {
    target.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn read(target: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(place(target)).ok()?).ok()
}

/// Writes whole or not at all. Without it all that is lost is a download.
pub(super) fn write(target: &Path, record: &Record) {
    let written = || {
        let fresh = Scratch::beside(target).ok()?;
        let mut text = serde_json::to_vec(record).ok()?;
        text.push(b'\n');
        fs::write(fresh.path(), text).ok()?;
        fs::rename(fresh.path(), place(target)).ok()
    };
    let _: Option<()> = written();
}

/// The SHA-256 of a file.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, Context::new(&SHA256), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(digest.finish().as_ref())),
            many => digest.update(buffer.get(..many).unwrap_or_default()),
        }
    }
}

/// Those of processes that died are swept after this time: no download takes as long.
const SWEPT: Duration = Duration::from_hours(24);

/// The name of a file that is gone when this is.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// In a directory, which is made.
    pub(super) fn in_directory(directory: &Path, target: &Path) -> Result<Self, Failure> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(directory).map_err(|error| disk(directory, &error))?;
        let prefix = format!(".{}.", name(target));
        sweep(directory, &prefix);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(directory.join(format!("{prefix}{}-{number}.part", std::process::id()))))
    }

    /// In the directory of the file that it is to replace: a rename does not cross file systems.
    pub(super) fn beside(target: &Path) -> Result<Self, Failure> {
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self::in_directory(directory, target)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the place of a file, with its permissions: whoever opens it finds the old or the new one, also after the power
    /// fails. The content is on the disk already.
    pub(super) fn replace(self, target: &Path) -> Result<(), Failure> {
        let replaced = || {
            if let Ok(old) = fs::metadata(target) {
                fs::set_permissions(&self.0, old.permissions())?;
            }
            fs::rename(&self.0, target)?;
            File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        replaced().map_err(|error| disk(target, &error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Renamed, mostly, or never made.
        let _ = fs::remove_file(&self.0);
    }
}

fn sweep(directory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let of_it = name.to_str().is_some_and(|name| name.starts_with(prefix));
        let ours = of_it && Path::new(&name).extension().is_some_and(|extension| extension == "part");
        let age = || SystemTime::now().duration_since(entry.metadata().ok()?.modified().ok()?).ok();
        if ours && age().is_some_and(|age| age > SWEPT) {
            // Another process may have swept it.
            let _ = fs::remove_file(entry.path());
        }
    }
}
