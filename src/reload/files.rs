//! What is in a directory now: every file's text, hash and time. Events only say "look again"; this is the look.
//! [`NamedFiles`] reads the files that others name (`zonefile:`, `$INCLUDE`), each once per look.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_64;

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct FileText {
    /// XXH3 of its octets.
    pub hash: u64,
    /// Modification time, seconds since 1970.
    pub modified: u32,
    /// Its text, or why it could not be read, in words.
    pub text: Result<Arc<str>, String>,
}

/// The files of a directory and its subdirectories, by the path shown to the operator.
pub type Scan = BTreeMap<Arc<str>, FileText>;

/// Largest file that is read, in octets: beyond any zone a person edits, and small enough to refuse in time.
pub const MAX_FILE: u64 = 256 << 20;

/// Deepest nesting of directories that is followed; symbolic links can make loops.
pub const MAX_DEPTH: usize = 16;

/// Reads every `.yaml` and `.yml` file below a directory. Hidden and backup files (`.x`, `x~`, `x.swp`) are passed over,
/// symbolic links are followed (a Kubernetes `..data` swap is a link's change of target).
///
/// # Errors
/// The directory itself cannot be read. A file that cannot be read is an entry with words.
pub fn scan(directory: &Path) -> io::Result<Scan> {
    let mut found = Scan::new();
    walk(directory, 0, &mut found)?;
    Ok(found)
}

fn walk(directory: &Path, depth: usize, found: &mut Scan) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if !is_ours(&path) {
            continue;
        }
        // A file that goes between the listing and the look is simply not there.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            if depth < MAX_DEPTH {
                // A subdirectory that cannot be read must not look like one whose zones were deleted.
                walk(&path, depth + 1, found)?;
            }
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml")
            && let Some(file) = read(&path, &metadata)
        {
            found.insert(shown(&path), file);
        }
    }
    Ok(())
}

fn read(path: &Path, metadata: &std::fs::Metadata) -> Option<FileText> {
    let modified = seconds(metadata);
    if !metadata.is_file() {
        // A pipe would keep its reader waiting, and some devices never end.
        return Some(FileText {
            hash: 0,
            modified,
            text: Err("is not a file, but something like a pipe or a device".to_owned()),
        });
    }
    if metadata.len() > MAX_FILE {
        let words = format!("the file has {} MiB; at most {} are read", metadata.len() >> 20, MAX_FILE >> 20);
        return Some(FileText { hash: metadata.len(), modified, text: Err(words) });
    }
    match std::fs::read(path) {
        Ok(bytes) => {
            let hash = xxh3_64(&bytes);
            let text = String::from_utf8(bytes)
                .map(Arc::from)
                .map_err(|e| format!("not UTF-8: a stray octet at offset {}", e.utf8_error().valid_up_to()));
            Some(FileText { hash, modified, text })
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => Some(FileText { hash: 0, modified, text: Err(format!("cannot be read: {e}")) }),
    }
}

/// A file that another names, as it was read.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// XXH3 of its octets, or of the words.
    pub hash: u64,
    /// Modification time, seconds since 1970; 0 without octets.
    pub modified: u32,
    /// Its octets, or why there are none: `cannot be read: …`.
    pub octets: Result<Arc<[u8]>, String>,
}

impl NamedFile {
    /// One that is not there.
    pub fn missing(words: String) -> Self {
        Self { hash: xxh3_64(words.as_bytes()), modified: 0, octets: Err(words) }
    }
}

/// Reads files by the path shown to the operator: regular files, and only such as lie in the directory of zone files when
/// every link is followed. Within one look a file is read once, so that all who name it see the same.
#[derive(Debug)]
pub struct NamedFiles {
    /// The directory, every link followed.
    root: io::Result<PathBuf>,
    read: Mutex<HashMap<Box<str>, NamedFile>>,
}

impl NamedFiles {
    /// Nothing read yet.
    pub fn new(directory: &Path) -> Self {
        Self { root: directory.canonicalize(), read: Mutex::default() }
    }

    /// The file shown as `path`.
    pub fn read(&self, path: &str) -> NamedFile {
        // A thread that panicked while reading has left nothing half done: entries are put in whole.
        if let Some(file) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return file.clone();
        }
        let file = self.open(path).unwrap_or_else(NamedFile::missing);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).entry(path.into()).or_insert(file).clone()
    }

    fn open(&self, path: &str) -> Result<NamedFile, String> {
        let words = |error: &io::Error| format!("cannot be read: {error}");
        let root = self.root.as_ref().map_err(words)?;
        let real = Path::new(path).canonicalize().map_err(|e| words(&e))?;
        if !real.starts_with(root) {
            return Err("is a link that leads out of the directory of zone files".to_owned());
        }
        let metadata = std::fs::metadata(&real).map_err(|e| words(&e))?;
        if !metadata.is_file() {
            return Err("is not a file".to_owned());
        }
        if metadata.len() > MAX_FILE {
            return Err(format!("has {} MiB; at most {} are read", metadata.len() >> 20, MAX_FILE >> 20));
        }
        let octets = std::fs::read(&real).map_err(|e| words(&e))?;
        Ok(NamedFile { hash: xxh3_64(&octets), modified: seconds(&metadata), octets: Ok(octets.into()) })
    }
}

/// Modification time in seconds since 1970, 0 when the file system has none.
pub fn seconds(metadata: &std::fs::Metadata) -> u32 {
    let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    modified.map_or(0, |d| u32::try_from(d.as_secs()).unwrap_or(u32::MAX))
}

/// Whether a name is neither hidden nor an editor's backup.
pub fn is_ours(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| !name.starts_with('.') && !name.ends_with('~') && !name.ends_with(".swp"))
}

/// A path as the operator sees it in messages.
pub fn shown(path: &Path) -> Arc<str> {
    path.to_string_lossy().trim_start_matches("./").into()
}

/// Replaces a file's content whole: readers see the old or the new, never a part.
///
/// # Errors
/// What the file system said.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let fresh: PathBuf = path.with_file_name(name);
    std::fs::write(&fresh, bytes)?;
    std::fs::rename(&fresh, path).inspect_err(|_| {
        // The half-made file is of no use to anyone; that it may stay is all that can go wrong here.
        let _ = std::fs::remove_file(&fresh);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_and_hidden_files_are_passed_over_and_links_followed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for name in ["a.yaml", "sub/b.yml", ".hidden.yaml", "c.yaml~", "d.yaml.swp", "e.txt", "..v1/f.yaml"] {
            write(name, name);
        }
        std::os::unix::fs::symlink(dir.path().join("..v1"), dir.path().join("..data")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("..data/f.yaml"), dir.path().join("f.yaml")).unwrap();
        std::fs::write(dir.path().join("bad.yaml"), [0x61, 0xff]).unwrap();
        let scan = scan(dir.path()).unwrap();
        let names: Vec<_> = scan.keys().map(|k| k.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.yaml", "bad.yaml", "f.yaml", "b.yml"]);
        let bad = scan.iter().find(|(k, _)| k.ends_with("bad.yaml")).unwrap().1;
        assert_eq!(bad.text.as_ref().unwrap_err(), "not UTF-8: a stray octet at offset 1");
    }

    #[test]
    fn a_directory_that_is_missing_is_an_error_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(scan(&dir.path().join("none")).is_err());
    }
}
