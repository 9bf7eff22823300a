//! A file of our own, mapped read-only: the compiled site table is used where it lies, its pages are shared between
//! processes and can be given back. And memory straight from the system, in large pages ([`Zeros`]).
//!
//! Only for files that this program writes and replaces by rename. A database of the operator's is read, not mapped:
//! whoever copies over it in place would change it under our feet.
#![expect(unsafe_code, reason = "mapping is unsafe by nature; the reasons why it holds here stand beside each use")]

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memmap2::{Mmap, MmapMut, MmapOptions};

/// The bytes of a file.
pub enum Mapped {
    /// Mapped.
    Map(Mmap),
    /// Read, where mapping is not possible (an empty file, some file systems).
    Heap(Vec<u8>),
}

impl Mapped {
    /// Maps a file that is only ever replaced by rename, or reads it where it cannot be mapped.
    ///
    /// # Errors
    /// When it can be neither.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        // SAFETY: the file is in our state directory, written whole under another name and then renamed, and never
        // written to again, so its bytes do not change and it does not shrink as long as this map holds its inode.
        if let Ok(map) = unsafe { Mmap::map(&file) } {
            return Ok(Self::Map(map));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self::Heap(bytes))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Map(_)) { "Map" } else { "Heap" };
        write!(f, "{kind}({} bytes)", self.as_ref().len())
    }
}

/// Memory of our own, mapped: zeros until it is written, and its pages come only then. Begins at a page.
pub struct Zeros(MmapMut);

/// Bytes of a large page.
pub const LARGE: usize = 2 << 20;

impl Zeros {
    /// At least so many bytes, with large pages for so many of them if the system has those. `None` where it has no memory.
    pub fn map(bytes: usize, large: usize) -> Option<Self> {
        // In a multiple of large pages, as only such memory begins where one can.
        let map = MmapOptions::new().len(bytes.next_multiple_of(LARGE)).no_reserve_swap().map_anon().ok()?;
        // A wish: where it is not granted, pages are as small as any.
        #[cfg(target_os = "linux")]
        let _ = map.advise_range(memmap2::Advice::HugePage, 0, large);
        Some(Self(map))
    }
}

impl AsRef<[u8]> for Zeros {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Zeros {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_before_and_after_a_rename() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, vec![7; 10_000]).unwrap();
        let mapped = Mapped::open(&path).unwrap();
        assert_eq!(format!("{mapped:?}"), "Map(10000 bytes)");
        std::fs::write(&other, b"new").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(mapped.as_ref(), vec![7; 10_000]);
        assert_eq!(Mapped::open(&path).unwrap().as_ref(), b"new");
    }

    #[test]
    fn an_empty_file_is_no_bytes_and_a_missing_one_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), b"").unwrap();
        assert_eq!(Mapped::open(&folder.path().join("a")).unwrap().as_ref(), b"");
        assert!(Mapped::open(&folder.path().join("b")).is_err());
    }
}
