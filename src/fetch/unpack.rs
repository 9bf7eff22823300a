//! A download as it comes → the database in it: plain, `.gz`, or the first `.mmdb` of a `.tar.gz`, told apart by content.
//! What would unpack to more than a database can be is refused when it does.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ring::digest::{Context, SHA256};

use super::client::{disk, hex};
use super::{Failure, FailureKind};

/// Largest database.
pub(super) const MAX_DATABASE: u64 = 4 << 30;
/// What every gzip stream begins with (RFC 1952 §2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A block of a tar archive, and where in the first one stands what it is (POSIX pax).
const BLOCK: usize = 512;
const USTAR: std::ops::Range<usize> = 257..262;
/// Entries of an archive that are looked at: providers' have three or four.
const ENTRIES: usize = 100;

/// Writes the database in `from` to `to`, which is made and synced to the disk, and gives its SHA-256. At most `most`
/// octets are unpacked.
pub(super) fn unpack(from: &Path, to: &Path, most: u64) -> Result<String, Failure> {
    let file = File::open(from).map_err(|error| disk(from, &error))?;
    let (start, reader) = begin(BufReader::with_capacity(1 << 16, file), GZIP.len()).map_err(|e| damaged(&e))?;
    if start == GZIP {
        let reader = Bounded { reader: MultiGzDecoder::new(reader), left: most };
        let (start, reader) = begin(reader, BLOCK).map_err(|error| damaged(&error))?;
        if start.get(USTAR) == Some(b"ustar") { of_tar(reader, to) } else { copy(reader, to) }
    } else {
        copy(Bounded { reader, left: most }, to)
    }
}

/// The first octets, and a reader that gives them again.
fn begin<R: Read>(mut reader: R, many: usize) -> io::Result<(Vec<u8>, impl Read)> {
    let mut start = Vec::with_capacity(many);
    reader.by_ref().take(many as u64).read_to_end(&mut start)?;
    Ok((start.clone(), io::Cursor::new(start).chain(reader)))
}

fn of_tar(reader: impl Read, to: &Path) -> Result<String, Failure> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|error| damaged(&error))?.take(ENTRIES) {
        let entry = entry.map_err(|error| damaged(&error))?;
        // Its path is only looked at, never written to.
        let is_database = entry.path().is_ok_and(|path| path.extension().is_some_and(|e| e == "mmdb"));
        if is_database && entry.header().entry_type().is_file() {
            return copy(entry, to);
        }
    }
    Err(Failure::of(FailureKind::Refused, "the archive has no `.mmdb` file in it"))
}

fn copy(mut reader: impl Read, to: &Path) -> Result<String, Failure> {
    let mut file = File::create_new(to).map_err(|error| disk(to, &error))?;
    let (mut digest, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 16]);
    loop {
        let many = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(many) => many,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(&error)),
        };
        let part = buffer.get(..many).unwrap_or_default();
        digest.update(part);
        file.write_all(part).map_err(|error| disk(to, &error))?;
    }
    file.sync_all().map_err(|error| disk(to, &error))?;
    Ok(hex(digest.finish().as_ref()))
}

fn damaged(error: &io::Error) -> Failure {
    Failure::of(FailureKind::Refused, format!("the download cannot be unpacked: {error}"))
}

/// A reader that fails when more comes than may.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let many = self.reader.read(buffer)?;
        self.left =
            self.left.checked_sub(many as u64).ok_or_else(|| io::Error::other("it is larger than any database"))?;
        Ok(many)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[track_caller]
    fn check(download: &[u8], expected: Result<&[u8], &str>) {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        std::fs::write(&from, download).unwrap();
        match (unpack(&from, &to, 100_000), expected) {
            (Ok(_), Ok(bytes)) => assert_eq!(std::fs::read(&to).unwrap(), bytes),
            (Err(failure), Err(words)) => assert!(failure.to_string().contains(words), "{failure}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn every_packing() {
        let data = b"octets of a database".repeat(100);
        check(&data, Ok(&data));
        check(&gzip(&data), Ok(&data));
        let archive = tar(&[("X_2026/README.txt", b"read me"), ("X_2026/X.mmdb", &data), ("X_2026/Y.mmdb", b"other")]);
        check(&gzip(&archive), Ok(&data));
        // Two streams one after the other are one (RFC 1952 §2.2).
        check(&[gzip(&data[..700]), gzip(&data[700..])].concat(), Ok(&data));
        check(b"", Ok(b""));
        // A path that leads elsewhere is not followed.
        check(&gzip(&tar(&[("a/b.mmdb", &data)])), Ok(&data));
    }

    #[test]
    fn what_is_refused() {
        let zeros = vec![0; 200_000];
        check(&gzip(&zeros), Err("larger than any database"));
        check(&zeros, Err("larger than any database"));
        check(&gzip(&tar(&[("x.mmdb", &zeros)])), Err("larger than any database"));
        check(&gzip(&tar(&[("x.txt", b"nothing")])), Err("no `.mmdb` file"));
        let whole = gzip(&b"octets of a database".repeat(100));
        check(&whole[..whole.len() - 9], Err("cannot be unpacked"));
        let mut turned = whole;
        let middle = turned.len() - 6;
        turned[middle] ^= 1;
        check(&turned, Err("cannot be unpacked"));
    }

    #[test]
    fn the_checksum_of_an_empty_file() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        std::fs::write(&from, "").unwrap();
        let sum = unpack(&from, &to, 1).unwrap();
        assert_eq!(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
