//! The site table as bytes: written once, used in place afterwards.
//!
//! ```text
//!   0  magic `catchsit`     8  version, u32        12  byte order mark, u32
//!  16  key, u128           32  xxh3-64 of all that follows it
//!  40  51 columns: offset and length in bytes, u64 each
//! 896  the columns, each at a multiple of 64
//! ```
//!
//! The columns are: sites, ends of texts, texts, and six of each table of ranges ([`super::packed`]), IPv4 before IPv6: ranges → site,
//! ranges → source of the site, ranges → AS number, ranges → source of that.
//! Numbers are in the byte order of the machine that wrote the file; another one refuses it and builds its own. The key
//! says what the table was made of, so that a change of a database is seen. Everything that a lookup relies on is checked
//! when a file is taken, so that a damaged one is refused and can never make a lookup panic.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};
use xxhash_rust::xxh3::Xxh3;

use super::asn::AsnTable;
use super::column::{Column, SharedBytes};
use super::packed::{self, ColumnSource, Packable, Packed};
use super::ranges::Ranges;
use super::sites::{Columns, SiteTable};

const MAGIC: &[u8; 8] = b"catchsit";
/// Raised whenever the layout, or what a builder makes of the same databases, changes.
const VERSION: u32 = 3;
const ORDER_MARK: u32 = 0x0102_0304;
const COLUMNS: usize = 3 + 8 * packed::COLUMNS;
const HEADER: usize = (CHECKED + COLUMNS * 16).next_multiple_of(ALIGNMENT);
/// A cache line; more than any column needs.
const ALIGNMENT: usize = 64;
/// Where the checksum begins to count.
const CHECKED: usize = 40;

/// Why a cache file is not used. All of them mean: build the table anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// Not such a file, or one of another version or kind of machine.
    #[error("not a site cache of this version")]
    Foreign,
    /// Made of other databases.
    #[error("made of other databases")]
    OtherKey,
    /// Truncated or damaged.
    #[error("the site cache is damaged: {0}")]
    Damaged(&'static str),
}

/// What a table was made of, as a number: hashes the databases' contents in their order.
///
/// ```
/// use catchment::geo::CacheKey;
/// let mut key = CacheKey::new();
/// key.file(5); // its length …
/// key.bytes(b"12"); // … and its bytes, in pieces of any size
/// key.bytes(b"345");
/// assert_eq!(key.finish(), CacheKey::of([b"12345"]));
/// ```
#[derive(Clone, Default)]
pub struct CacheKey(Xxh3);

impl CacheKey {
    /// The key of no database.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key of some whole files in order of precedence.
    pub fn of<B: AsRef<[u8]>>(files: impl IntoIterator<Item = B>) -> u128 {
        let mut key = Self::new();
        for file in files {
            key.file(file.as_ref().len() as u64);
            key.bytes(file.as_ref());
        }
        key.finish()
    }

    /// The next file begins and is this long.
    pub fn file(&mut self, length: u64) {
        self.0.update(&length.to_le_bytes());
    }

    /// The next bytes of the file.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The key.
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

impl SiteTable {
    /// Writes the table in the layout above, with the AS numbers, and without an overlay or the names of its sources.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, key: u128, out: &mut impl Write) -> io::Result<()> {
        let c = &self.columns;
        let none = AsnTable::from_ranges(Ranges::new(0), Ranges::new(0));
        let asns = self.asns.as_deref().unwrap_or(&none);
        let rows = bytemuck::cast_slice(c.rows.as_slice());
        let text_ends = bytemuck::cast_slice(c.text_ends.as_slice());
        let (v4, v6) =
            ([&c.v4, &c.v4_sources, &asns.v4, &asns.v4_sources], [&c.v6, &c.v6_sources, &asns.v6, &asns.v6_sources]);
        let tables = v4.into_iter().zip(v6).flat_map(|(v4, v6)| [v4.bytes(), v6.bytes()]).flatten();
        let columns: Vec<&[u8]> = [rows, text_ends, c.texts.as_slice()].into_iter().chain(tables).collect();
        let mut directory = Vec::with_capacity(HEADER - CHECKED);
        let mut offset = HEADER;
        for column in &columns {
            directory.extend_from_slice(&(offset as u64).to_ne_bytes());
            directory.extend_from_slice(&(column.len() as u64).to_ne_bytes());
            offset = (offset + column.len()).next_multiple_of(ALIGNMENT);
        }
        directory.resize(HEADER - CHECKED, 0);

        // The checksum stands before what it covers, so the columns are read twice.
        let mut checksum = Xxh3::new();
        checksum.update(&directory);
        let padding = |length: usize| &[0; ALIGNMENT][..length.next_multiple_of(ALIGNMENT) - length];
        for column in &columns {
            checksum.update(column);
            checksum.update(padding(column.len()));
        }

        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_ne_bytes())?;
        out.write_all(&ORDER_MARK.to_ne_bytes())?;
        out.write_all(&key.to_ne_bytes())?;
        out.write_all(&checksum.digest().to_ne_bytes())?;
        out.write_all(&directory)?;
        for column in columns {
            out.write_all(column)?;
            out.write_all(padding(column.len()))?;
        }
        Ok(())
    }

    /// Takes a table from bytes written by [`SiteTable::write`], using the columns in place (copying only what is not
    /// aligned, which a mapped file always is). Reads everything once: some 30 ms for full city databases.
    ///
    /// # Errors
    /// [`CacheError`]; any of them means to build the table anew. Never panics, whatever the bytes.
    #[expect(clippy::needless_pass_by_value, reason = "the table keeps the bytes; the caller gives them away")]
    pub fn from_cache(bytes: SharedBytes, key: u128) -> Result<Self, CacheError> {
        let all: &[u8] = (*bytes).as_ref();
        if all.get(..8) != Some(MAGIC)
            || field(all, 8).map(u32::from_ne_bytes) != Some(VERSION)
            || field(all, 12).map(u32::from_ne_bytes) != Some(ORDER_MARK)
        {
            return Err(CacheError::Foreign);
        }
        if field(all, 16).map(u128::from_ne_bytes) != Some(key) {
            return Err(CacheError::OtherKey);
        }
        let body = all.get(CHECKED..).filter(|_| all.len() >= HEADER).ok_or(CacheError::Damaged("it is truncated"))?;
        if field(all, 32).map(u64::from_ne_bytes) != Some(xxhash_rust::xxh3::xxh3_64(body)) {
            return Err(CacheError::Damaged("its checksum does not match"));
        }

        let file = ColumnsOf(&bytes);
        let (rows, text_ends, texts) = (file.column(0)?, file.column(1)?, file.column(2)?);
        let (v4, v6, v4_sources, v6_sources) = (file.ranges(0)?, file.ranges(1)?, file.ranges(2)?, file.ranges(3)?);
        let columns = Columns { v4, v6, rows, text_ends, texts, v4_sources, v6_sources };
        let (v4, v6, v4_sources, v6_sources) = (file.ranges(4)?, file.ranges(5)?, file.ranges(6)?, file.ranges(7)?);
        let asns = AsnTable { v4, v6, v4_sources, v6_sources };
        check(&columns)?;
        let asns = (!asns.is_empty()).then(|| Arc::new(asns));
        Ok(Self { columns: Arc::new(columns), sources: Arc::default(), asns, overlay: None })
    }
}

/// A fixed-size field of the header.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset + N)?.try_into().ok()
}

/// The columns of a file.
struct ColumnsOf<'b>(&'b SharedBytes);

impl ColumnSource<CacheError> for ColumnsOf<'_> {
    fn column<T: AnyBitPattern + NoUninit>(&self, number: usize) -> Result<Column<T>, CacheError> {
        let range = || -> Option<Range<usize>> {
            let all = (**self.0).as_ref();
            let at = |offset| field(all, offset).map(u64::from_ne_bytes).and_then(|n| usize::try_from(n).ok());
            let (offset, length) = (at(CHECKED + number * 16)?, at(CHECKED + number * 16 + 8)?);
            Some(offset..offset.checked_add(length)?)
        };
        range().and_then(|range| Column::at(self.0, range)).ok_or(CacheError::Damaged("a column lies outside"))
    }
}

impl ColumnsOf<'_> {
    /// The table of ranges of this number.
    fn ranges<K: Packable>(&self, number: usize) -> Result<Packed<K>, CacheError> {
        let table = Packed::of_columns(self, 3 + number * packed::COLUMNS)?;
        table.ok_or(CacheError::Damaged("its ranges are out of order"))
    }
}

/// What lookups rely on beside the order of ranges.
fn check(columns: &Columns) -> Result<(), CacheError> {
    let (rows, texts) = (columns.rows.as_slice(), columns.texts.as_slice());
    if columns.v4.view().highest().max(columns.v6.view().highest()).max(1) as usize >= rows.len() {
        return Err(CacheError::Damaged("a range has a site that does not exist"));
    }
    let texts = std::str::from_utf8(texts).map_err(|_| CacheError::Damaged("its texts are no texts"))?;
    let mut last = 0;
    for end in columns.text_ends.as_slice() {
        if *end < last || !texts.is_char_boundary(*end as usize) {
            return Err(CacheError::Damaged("a text ends outside"));
        }
        last = *end;
    }
    let count = columns.text_ends.as_slice().len();
    if rows.iter().any(|row| row.subdivision.max(row.subdivision_name).max(row.city) as usize > count) {
        return Err(CacheError::Damaged("a site has a text that does not exist"));
    }
    Ok(())
}
