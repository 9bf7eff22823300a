//! A download as it comes → the database in it: plain, `.gz`, or the first `.mmdb` of a `.tar.gz`, told apart by content.
//! What would unpack to more than a database can be is refused when it does, and so is what is mostly something else: work,
//! memory and disk follow the size of a database, whatever the archive says of itself. No path in it is ever written to.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use ring::digest::{Context, SHA256};

use super::client::{disk, hex};
use super::{Failure, FailureKind};

/// How much may come, in octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The largest database; with all that is packed beside it no more, either.
    database: u64,
    /// What stands before it in an archive: licences and read-me files, and names, which are held in memory.
    before: u64,
    /// By how much what is packed may be larger than what it unpacks to, besides an eighth: packing adds one in a thousand at
    /// worst, but there is packing around nothing, too.
    waste: u64,
}

/// Of what providers send.
pub(super) const DATABASE: Bounds = Bounds { database: 4 << 30, before: 64 << 20, waste: 16 << 20 };

/// What every gzip stream begins with (RFC 1952 §2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A block of a tar archive, and where in the first one stands what it is (POSIX pax).
const BLOCK: usize = 512;
const USTAR: std::ops::Range<usize> = 257..262;
/// Entries of an archive that are looked at: providers' have three or four.
const ENTRIES: usize = 100;

/// Writes the database in `from` to `to`, which is made and synced to the disk, and gives its SHA-256. All of a packed download
/// is read, so that its own checksum holds.
pub(super) fn unpack(from: &Path, to: &Path, bounds: Bounds) -> Result<String, Failure> {
    let file = File::open(from).map_err(|error| disk(from, &error))?;
    let (start, reader) = begin(BufReader::with_capacity(1 << 16, file), GZIP.len()).map_err(|e| damaged(&e))?;
    if start != GZIP {
        return copy(reader, bounds.database, to).map(|(sum, _)| sum);
    }
    let meter = Meter { packed: Cell::new(0), unpacked: Cell::new(0), most: Cell::new(bounds.database), bounds };
    let reader = Unpacked { reader: MultiGzDecoder::new(Packed { reader, meter: &meter }), meter: &meter };
    let (start, mut reader) = begin(reader, BLOCK).map_err(|error| damaged(&error))?;
    let sum = if start.get(USTAR) == Some(b"ustar") {
        of_tar(&mut reader, &meter, to)?
    } else {
        copy(&mut reader, bounds.database, to)?.0
    };
    io::copy(&mut reader, &mut io::sink()).map_err(|error| damaged(&error))?;
    Ok(sum)
}

/// The first octets, and a reader that gives them again.
fn begin<R: Read>(mut reader: R, many: usize) -> io::Result<(Vec<u8>, impl Read)> {
    let mut start = Vec::with_capacity(many);
    reader.by_ref().take(many as u64).read_to_end(&mut start)?;
    Ok((start.clone(), io::Cursor::new(start).chain(reader)))
}

fn of_tar(reader: impl Read, meter: &Meter, to: &Path) -> Result<String, Failure> {
    meter.most.set(meter.bounds.before);
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|error| damaged(&error))?.take(ENTRIES) {
        let entry = entry.map_err(|error| damaged(&error))?;
        // Its path is only looked at, never written to.
        let is_database = entry.path().is_ok_and(|path| path.extension().is_some_and(|e| e == "mmdb"));
        if is_database && entry.header().entry_type().is_file() {
            meter.most.set(meter.bounds.database);
            let announced = entry.size();
            let (sum, octets) = copy(entry, meter.bounds.database, to)?;
            if octets < announced {
                return Err(damaged(&io::Error::other("the archive ends before the database does")));
            }
            return Ok(sum);
        }
    }
    let message = format!("the archive has no `.mmdb` file in it, or none among its first {ENTRIES} entries");
    Err(Failure::of(FailureKind::Refused, message))
}

/// Writes what comes, `most` octets at most, and gives its SHA-256 and how many there were.
fn copy(mut reader: impl Read, most: u64, to: &Path) -> Result<(String, u64), Failure> {
    let mut file = File::create_new(to).map_err(|error| disk(to, &error))?;
    let (mut digest, mut buffer, mut octets) = (Context::new(&SHA256), vec![0; 1 << 16], 0);
    loop {
        let many = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(many) => many,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(&error)),
        };
        octets += many as u64;
        if octets > most {
            return Err(damaged(&too_large()));
        }
        let part = buffer.get(..many).unwrap_or_default();
        digest.update(part);
        file.write_all(part).map_err(|error| disk(to, &error))?;
    }
    file.sync_all().map_err(|error| disk(to, &error))?;
    Ok((hex(digest.finish().as_ref()), octets))
}

fn damaged(error: &io::Error) -> Failure {
    Failure::of(FailureKind::Refused, format!("the download cannot be unpacked: {error}"))
}

fn too_large() -> io::Error {
    io::Error::other("it is larger than any database")
}

/// How much has come on both sides of what unpacks.
struct Meter {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    /// Of `unpacked`, for now.
    most: Cell<u64>,
    bounds: Bounds,
}

/// A reader of what is packed, that fails when it comes to nothing.
struct Packed<'m, R> {
    reader: R,
    meter: &'m Meter,
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let many = self.reader.read(buffer)?;
        let (packed, unpacked) = (self.meter.packed.get() + many as u64, self.meter.unpacked.get());
        self.meter.packed.set(packed);
        if packed > unpacked + unpacked / 8 + self.meter.bounds.waste {
            return Err(io::Error::other("it is packing around nothing"));
        }
        Ok(many)
    }
}

/// A reader of what is unpacked, that fails when more comes than may.
struct Unpacked<'m, R> {
    reader: R,
    meter: &'m Meter,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let many = self.reader.read(buffer)?;
        let unpacked = self.meter.unpacked.get() + many as u64;
        self.meter.unpacked.set(unpacked);
        match self.meter.most.get() {
            most if unpacked <= most => Ok(many),
            most if most < self.meter.bounds.database => {
                Err(io::Error::other("more stands before the database than belongs there"))
            }
            _ => Err(too_large()),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use proptest::prelude::*;

    use super::*;

    const SMALL: Bounds = Bounds { database: 100_000, before: 50_000, waste: 10_000 };

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

    /// What it unpacks to. Whatever came of it, there is no other file, and none larger than may be.
    #[track_caller]
    fn unpacked(download: &[u8]) -> Result<Vec<u8>, String> {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let (from, to) = (inner.join("from"), inner.join("to"));
        std::fs::write(&from, download).unwrap();
        let done = unpack(&from, &to, SMALL);
        let names = |path: &Path| {
            let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!((&*names(directory.path()), &*names(&directory.path().join("a"))), ("a", "b"));
        assert!(matches!(&*names(&inner), "from" | "from to"));
        assert_eq!(std::fs::read(&from).unwrap(), download);
        assert!(std::fs::symlink_metadata(&to).map_or(0, |to| to.len()) <= SMALL.database);
        done.map(|_| std::fs::read(&to).unwrap()).map_err(|failure| failure.to_string())
    }

    #[track_caller]
    fn check(download: &[u8], expected: Result<&[u8], &str>) {
        match (unpacked(download), expected) {
            (Ok(bytes), Ok(expected)) => assert!(bytes == expected),
            (Err(failure), Err(words)) => assert!(failure.contains(words), "{failure}"),
            (got, _) => panic!("{:?}", got.map(|bytes| bytes.len())),
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
        let sum = unpack(&from, &to, SMALL).unwrap();
        assert_eq!(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    /// An entry as it stands in an archive, however wrong: the checksum of its header is right.
    #[derive(Clone, Debug)]
    struct Entry {
        name: Vec<u8>,
        kind: u8,
        /// What the header says; `None`: how much there is.
        size: Option<u64>,
        link: Vec<u8>,
        /// Of a sparse file: offsets and lengths of its blocks, and its size.
        sparse: Vec<(u64, u64)>,
        whole: u64,
        more: bool,
        data: Vec<u8>,
    }

    fn entry(name: &str, kind: u8, data: impl Into<Vec<u8>>) -> Entry {
        let (name, link, sparse) = (name.as_bytes().to_vec(), Vec::new(), Vec::new());
        Entry { name, kind, size: None, link, sparse, whole: 0, more: false, data: data.into() }
    }

    impl Entry {
        fn write(&self, out: &mut Vec<u8>) {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(self.size.unwrap_or(self.data.len() as u64));
            if let Some(gnu) = header.as_gnu_mut() {
                for (field, bytes) in [(&mut gnu.name, &self.name), (&mut gnu.linkname, &self.link)] {
                    field.iter_mut().zip(bytes).for_each(|(field, octet)| *field = *octet);
                }
                gnu.typeflag = [self.kind];
                if self.kind == b'S' {
                    for (block, (offset, length)) in gnu.sparse.iter_mut().zip(&self.sparse) {
                        block.set_offset(*offset);
                        block.set_length(*length);
                    }
                    gnu.isextended = [u8::from(self.more)];
                    gnu.set_real_size(self.whole);
                }
            }
            header.set_cksum();
            out.extend(header.as_bytes());
            out.extend(&self.data);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
    }

    fn archive(entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in entries {
            entry.write(&mut out);
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        out
    }

    #[test]
    fn hostile_archives() {
        let data = b"octets of a database".repeat(100);
        let database = entry("x.mmdb", b'0', data.clone());
        let of = |before: &[Entry]| gzip(&archive(&[before, std::slice::from_ref(&database)].concat()));
        check(&of(&[]), Ok(&data));
        // Links and directories with the name of a database are none.
        for kind in *b"123456" {
            let link = Entry { link: b"../from".to_vec(), ..entry("y.mmdb", kind, "") };
            check(&of(&[link]), Ok(&data));
        }
        // A name is only looked at.
        for name in ["../../../y.mmdb", "/y.mmdb", "../from/../y.mmdb"] {
            check(&of(&[entry(name, b'0', "y")]), Ok(b"y"));
        }
        // Long names: GNU, and pax.
        let long = format!("{}/y.mmdb", "x".repeat(300));
        check(&of(&[entry("././@LongLink", b'L', long.clone()), entry("y", b'0', "y")]), Ok(b"y"));
        let pax = format!("path={long}\n");
        let pax = format!("{} {pax}", pax.len() + 4);
        check(&of(&[entry("x", b'x', pax), entry("y", b'0', "y")]), Ok(b"y"));
        // A sparse file is none of ours, even if it is as large as can be for nothing.
        let hole = Entry { whole: 1 << 60, sparse: vec![(1 << 60, 0)], ..entry("y.mmdb", b'S', "") };
        check(&of(&[hole]), Ok(&data));
        // Much before the database: as a file, as a name (which is held in memory), and as many of them.
        let zeros = vec![0; 60_000];
        for kind in *b"0Lx" {
            check(&of(&[entry("a", kind, zeros.clone())]), Err("more stands before the database"));
        }
        check(&of(&vec![entry("a", b'0', ""); 99]), Err("more stands before the database"));
        check(&gzip(&archive(&vec![entry("a", b'0', ""); 90])), Err("no `.mmdb` file in it"));
        // Sizes that are not there, or cannot be.
        check(&of(&[Entry { size: Some(1 << 62), ..entry("a", b'0', "") }]), Err("unexpected EOF"));
        check(&of(&[Entry { size: Some(u64::MAX >> 1), ..entry("a", b'L', "") }]), Err("cannot be unpacked"));
        for size in [4000, 1 << 40, u64::MAX >> 1] {
            let short = Entry { size: Some(size), ..database.clone() };
            let words = if size < 1 << 20 { "ends before the database does" } else { "cannot be unpacked" };
            check(&gzip(&archive(&[short])), Err(words));
        }
    }

    #[test]
    fn hostile_packing() {
        let data = b"octets of a database".repeat(100);
        // Packed twice is unpacked once; what reads databases refuses it.
        check(&gzip(&gzip(&data)), Ok(&gzip(&data)));
        // Much around nothing: empty streams, and empty blocks in a stream (RFC 1951 §3.2.4), before and after.
        let nothing = gzip(b"").repeat(1000);
        let mut blocks = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        blocks.extend(b"\0\0\0\xff\xff".repeat(10_000));
        blocks.extend(b"\x01\0\0\xff\xff\0\0\0\0\0\0\0\0");
        for nothing in [nothing, blocks] {
            check(&[&nothing, &gzip(&data)[..]].concat(), Err("packing around nothing"));
            check(&[&gzip(&data)[..], &nothing].concat(), Err("packing around nothing"));
            check(&[gzip(&tar(&[("x.mmdb", &data)])), nothing].concat(), Err("packing around nothing"));
        }
        // A little of it is in every file that was packed in parts.
        check(&[gzip(&data[..700]), gzip(b"").repeat(100), gzip(&data[700..])].concat(), Ok(&data));
        // What does not get smaller is no such thing.
        let noise: Vec<u8> = (0..90_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        check(&gzip(&noise), Ok(&noise));
        // What follows the database counts, too: as far as its checksum, and its size.
        let more = vec![0; 101_000];
        check(&gzip(&tar(&[("x.mmdb", &data), ("y", &more)])), Err("larger than any database"));
    }

    fn names() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "(\\.\\./){0,3}[a-z/]{0,8}(\\.mmdb)?".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..120),
        ]
    }

    fn sizes() -> impl Strategy<Value = u64> {
        prop_oneof![0..5000_u64, any::<u64>(), any::<u32>().prop_map(u64::from), (0..64_u32).prop_map(|bit| 1 << bit)]
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let kind = prop_oneof![proptest::sample::select(b"\x000001257LLKKxxgSSS".to_vec()), any::<u8>()];
        let size = prop_oneof![2 => Just(None), 1 => sizes().prop_map(Some)];
        let sparse = proptest::collection::vec((sizes(), sizes()), 0..5);
        let data = proptest::collection::vec(any::<u8>(), 0..1500);
        let parts = (names(), kind, size, names(), sparse, sizes(), any::<bool>(), data);
        parts.prop_map(|(name, kind, size, link, sparse, whole, more, data)| Entry {
            name,
            kind,
            size,
            link,
            sparse,
            whole,
            more,
            data,
        })
    }

    /// Changes some octets, and leaves some off at the end.
    fn damage(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)], left: prop::sample::Index) -> Vec<u8> {
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= octet;
        }
        bytes.truncate(left.index(bytes.len() * 2));
        bytes
    }

    fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
        proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// [`unpacked`] holds the laws: no panic, one file, never too large.
        #[test]
        fn any_octets(mut bytes in proptest::collection::vec(any::<u8>(), 0..3000), is_gzip in any::<bool>()) {
            if is_gzip {
                bytes.splice(0..0, *b"\x1f\x8b\x08");
            }
            let done = unpacked(&bytes);
            prop_assert!(is_gzip || done == Ok(bytes));
        }

        #[test]
        fn any_archive(
            entries in proptest::collection::vec(entries(), 0..6),
            changes in changes(),
            left in any::<prop::sample::Index>(),
        ) {
            let _ = unpacked(&gzip(&damage(archive(&entries), &changes, left)));
        }

        /// What is damaged on the way is refused, or as it was: its checksum is looked at, also behind the database.
        #[test]
        fn any_damage(
            data in proptest::collection::vec(any::<u8>(), 0..3000),
            in_archive in any::<bool>(),
            changes in changes(),
            left in any::<prop::sample::Index>(),
        ) {
            let files = [("x/y.txt", &b"words"[..]), ("x/y.mmdb", &data[..]), ("x/z.txt", b"more words")];
            let whole = gzip(&if in_archive { tar(&files) } else { data.clone() });
            let damaged = damage(whole.clone(), &changes, left);
            match unpacked(&damaged) {
                Ok(bytes) if damaged.starts_with(&GZIP) => prop_assert_eq!(bytes, data),
                Ok(bytes) => prop_assert_eq!(bytes, damaged),
                Err(_) => prop_assert!(damaged != whole),
            }
        }
    }
}
