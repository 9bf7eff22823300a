//! The MaxMind reader (cold): a file's bytes become a checked database that can be asked and walked.
//!
//! Accepts any bytes without panicking: what is not a database, or is damaged, is an error that says so in words.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, Reader};

use super::location::Place;
use super::record::Record;
use super::tree::{Family, Leaf, Tree, TreeError};
use super::value::Value;
use crate::net::Block;

/// The credit that DB-IP's licence (CC BY 4.0) asks for wherever results of its data are shown.
pub const DB_IP_CREDIT: &str = "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0";

/// How `database_type` begins in files that only show how things work.
pub const DEMONSTRATION: &str = "Catchment-Demo";

/// Marks the start of the metadata at the end of every file of this format.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Distinct records read to tell what a database holds: enough to meet a city among the first networks of the Internet.
const SAMPLE: usize = 512;

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// No metadata anywhere. The metadata is at the end, so a cut file has none either.
    #[error("not a MaxMind database, or a truncated one: the metadata at its end is missing")]
    NoMetadata,
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Metadata that is not understood.
    #[error("not a MaxMind database that can be read: {0}")]
    Metadata(String),
    /// Shorter than its own metadata says.
    #[error("the database is truncated: its search tree is longer than the file")]
    Truncated,
    /// Something inside does not hold together.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

impl From<TreeError> for DatabaseError {
    fn from(error: TreeError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// What a database is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Has coordinates.
    City,
    /// Has countries but no coordinates.
    Country,
    /// Has only autonomous system numbers.
    Asn,
    /// Has none of the fields that can be used.
    Unknown,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::City => "city",
            Self::Country => "country",
            Self::Asn => "asn",
            Self::Unknown => "unknown",
        })
    }
}

/// How a database came to be used: the place in the operator's list where it or its folder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It was named itself.
    File(usize),
    /// The folder it is in was named.
    Folder(usize),
}

/// What one database says of one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The network of the tree that holds the address, as large as the file has it.
    pub network: Block,
    /// The whole record; `None` when the file says nothing of this network.
    pub value: Option<Value<'a>>,
    /// What steering takes from it.
    pub record: Record<'a>,
}

/// Shared bytes in the form the crate's reader takes.
#[derive(Clone)]
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A database in memory. Its metadata and the place of its tree are checked; its records are when they are read.
pub struct Database {
    bytes: Bytes,
    reader: Reader<Bytes>,
    data_end: usize,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({}, {} bytes)", self.kind(), self.len())
    }
}

impl Database {
    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// [`DatabaseError`], in words for the operator; never panics, whatever the bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, DatabaseError> {
        if bytes.is_empty() {
            return Err(DatabaseError::Empty);
        }
        let bytes = Bytes(Arc::new(bytes));
        let reader = guarded(|| Reader::from_source(bytes.clone()).map_err(|error| metadata_error(&error)))?;
        let data_end = find_last(&bytes.0, MARKER).ok_or(DatabaseError::NoMetadata)?;
        let database = Self { bytes, reader, data_end };
        if database.layout().is_none() {
            return Err(DatabaseError::Truncated);
        }
        Ok(database)
    }

    /// `database_type` of the metadata, like `GeoLite2-City` or `city ipv4`.
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// The English description, or else any, or "".
    pub fn description(&self) -> &str {
        let texts = &self.reader.metadata().description;
        texts.get("en").or_else(|| texts.values().next()).map_or("", String::as_str)
    }

    /// When it was built, in seconds since 1970-01-01 UTC.
    pub fn build_epoch(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// Nodes of the search tree.
    pub fn node_count(&self) -> u32 {
        self.reader.metadata().node_count
    }

    /// Bits of a record of the search tree: 24, 28 or 32.
    pub fn record_size(&self) -> u16 {
        self.reader.metadata().record_size
    }

    /// Size of the file in bytes.
    #[expect(clippy::len_without_is_empty, reason = "an empty file is no database")]
    pub fn len(&self) -> usize {
        self.bytes.0.len()
    }

    /// The file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes.0
    }

    /// Where it stands among others, lowest first (SEMANTICS §6.8): as listed; of those in one folder cities before countries
    /// before AS numbers, then the newer one first. Demonstration data in a folder comes after everything else. Sort by
    /// it and then by name before [`super::SiteTable::build`].
    pub fn precedence(&self, listed: Listed) -> (bool, usize, Class, Reverse<u64>) {
        let (demonstration, place) = match listed {
            Listed::File(place) => (false, place),
            Listed::Folder(place) => (self.is_demonstration(), place),
        };
        (demonstration, place, self.class(), Reverse(self.build_epoch()))
    }

    /// Whether it is simplified data that only shows how things work, as in `geodb/default.mmdb`.
    pub fn is_demonstration(&self) -> bool {
        self.kind().starts_with(DEMONSTRATION)
    }

    /// The credit that must be shown beside results, for data known to ask for one.
    pub fn credit(&self) -> Option<&'static str> {
        let text = format!("{} {}", self.kind(), self.description()).to_ascii_lowercase();
        // The npm files name themselves `city ipv4` and `city ipv6` with no word of their origin.
        let npm = matches!(self.kind(), "city ipv4" | "city ipv6");
        if npm || text.contains("dbip") || text.contains("db-ip") {
            Some(DB_IP_CREDIT)
        } else if text.contains("geolite") {
            Some("This product includes GeoLite Data created by MaxMind, available from https://www.maxmind.com")
        } else if text.contains("ipinfo") {
            Some("IP address data powered by IPinfo (https://ipinfo.io)")
        } else {
            None
        }
    }

    /// A sentence when the file claims to be built more than a day after `now` (seconds since 1970-01-01 UTC), which
    /// means a wrong clock on one side.
    pub fn built_in_the_future(&self, now: u64) -> Option<String> {
        (self.build_epoch() > now.saturating_add(86_400)).then(|| {
            let days = (self.build_epoch() - now) / 86_400;
            format!("built {days} days in the future; is this machine's clock right?")
        })
    }

    /// The search tree.
    pub fn tree(&self) -> Tree<'_> {
        // `new` has refused a file without a layout, so the empty tree is never seen.
        self.layout().unwrap_or(Tree::NOTHING)
    }

    fn layout(&self) -> Option<Tree<'_>> {
        let metadata = self.reader.metadata();
        Tree::new(&self.bytes.0, metadata.node_count, metadata.record_size, metadata.ip_version, self.data_end)
    }

    /// Whether it says anything of IPv4, and of IPv6. A damaged tree counts as far as it can be read.
    pub fn families(&self) -> (bool, bool) {
        let ipv6 = self.tree().ipv6().map_while(Result::ok).any(|leaf| leaf.pointer != 0);
        (self.tree().has_ipv4(), ipv6)
    }

    /// What it is about, from a sample of its records. Records that cannot be read are passed over.
    pub fn class(&self) -> Class {
        let tree = self.tree();
        let v4 = tree.ipv4().map_while(Result::ok).map(|leaf| (leaf.pointer, leaf.start.address()));
        let v6 = tree.ipv6().map_while(Result::ok).map(|leaf| (leaf.pointer, leaf.start.address()));
        let (mut country, mut asn, mut last, mut seen) = (false, false, 0, 0);
        for (pointer, address) in v4.chain(v6) {
            if pointer == 0 || pointer == last {
                continue;
            }
            last = pointer;
            seen += 1;
            if seen > SAMPLE {
                break;
            }
            let Ok(Some(value)) = self.value(address) else { continue };
            let record = Record::new(&value);
            if record.place.is_some() {
                return Class::City;
            }
            country |= record.country.is_some();
            asn |= record.asn != 0;
        }
        match (country, asn) {
            (true, _) => Class::Country,
            (false, true) => Class::Asn,
            (false, false) => Class::Unknown,
        }
    }

    /// What it says of one address, as it is: nothing folded. IPv6 addresses that only hold IPv4 under another name
    /// (`::ffff:0:0/96` …) have no data of their own.
    ///
    /// # Errors
    /// A damaged tree or record.
    pub fn lookup(&self, address: IpAddr) -> Result<Answer<'_>, DatabaseError> {
        let (length, pointer) = match address {
            IpAddr::V4(a) => network(self.tree().find_ipv4(u32::from(a))?),
            IpAddr::V6(a) => network(self.tree().find_ipv6(u128::from(a))?),
        };
        let value = if pointer == 0 { None } else { self.value(address)? };
        let record = value.as_ref().map(Record::new).unwrap_or_default();
        Ok(Answer { network: Block::new(address, length), value, record })
    }

    /// The record of the network that holds `address`, read by the crate.
    pub(super) fn value(&self, address: IpAddr) -> Result<Option<Value<'_>>, DatabaseError> {
        let read = || self.reader.lookup(address)?.decode::<Value<'_>>();
        guarded(|| read().map_err(|error| DatabaseError::Damaged(error.to_string())))
    }

    /// Checks everything that a lookup could meet, and counts it: every network of the tree, every distinct record. Takes
    /// a second or two for a full city database. [`super::SiteTable::build`] checks as much by itself.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn survey(&self) -> Result<Survey, DatabaseError> {
        let (mut survey, mut seen) = (Survey::default(), HashSet::new());
        let mut places = HashSet::new();
        for leaf in self.tree().ipv4() {
            let leaf = leaf?;
            survey.networks_v4 += u64::from(leaf.pointer != 0);
            self.count(leaf, &mut survey, &mut seen, &mut places)?;
        }
        for leaf in self.tree().ipv6() {
            let leaf = leaf?;
            survey.networks_v6 += u64::from(leaf.pointer != 0);
            self.count(leaf, &mut survey, &mut seen, &mut places)?;
        }
        survey.distinct_places = places.len();
        Ok(survey)
    }

    /// [`Database::survey`] for those who only want to know whether all is well. (The crate's own check refuses files
    /// whose metadata lacks a description, such as those on npm.)
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<(), DatabaseError> {
        self.survey().map(drop)
    }

    fn count<K: Family>(
        &self,
        leaf: Leaf<K>,
        survey: &mut Survey,
        seen: &mut HashSet<u32>,
        places: &mut HashSet<Place>,
    ) -> Result<(), DatabaseError> {
        if leaf.pointer == 0 || !seen.insert(leaf.pointer) {
            return Ok(());
        }
        let value = self.value(leaf.start.address())?;
        let record = value.as_ref().map(Record::new).unwrap_or_default();
        survey.records += 1;
        survey.with_place += usize::from(record.place.is_some());
        survey.with_country += usize::from(record.country.is_some());
        survey.with_subdivision += usize::from(record.subdivision.is_some());
        survey.with_subdivision_name += usize::from(record.subdivision_name.is_some());
        survey.with_city += usize::from(record.city.is_some());
        survey.with_city_id += usize::from(record.city_id != 0);
        survey.with_asn += usize::from(record.asn != 0);
        places.extend(record.place);
        Ok(())
    }
}

/// What a whole database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// IPv4 networks with data.
    pub networks_v4: u64,
    /// IPv6 networks with data.
    pub networks_v6: u64,
    /// Distinct records.
    pub records: usize,
    /// Distinct coordinates.
    pub distinct_places: usize,
    /// Records with coordinates.
    pub with_place: usize,
    /// Records with a country.
    pub with_country: usize,
    /// Records with a subdivision's ISO code.
    pub with_subdivision: usize,
    /// Records with a subdivision's name.
    pub with_subdivision_name: usize,
    /// Records with a city's name.
    pub with_city: usize,
    /// Records with a city's `GeoNames` id.
    pub with_city_id: usize,
    /// Records with an AS number.
    pub with_asn: usize,
}

fn network<K: Copy>(leaf: Leaf<K>) -> (u8, u32) {
    (leaf.length, leaf.pointer)
}

/// Runs code of the crate over bytes of unknown origin: should it panic after all, that is a damaged database too.
fn guarded<T>(run: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(DatabaseError::Damaged("reading it failed in an unforeseen way".to_owned())))
}

fn metadata_error(error: &MaxMindDbError) -> DatabaseError {
    let text = error.to_string();
    if text.contains("could not find MaxMind DB metadata") {
        return DatabaseError::NoMetadata;
    }
    if text.contains("search tree extends beyond") { DatabaseError::Truncated } else { DatabaseError::Metadata(text) }
}

fn find_last(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).rposition(|window| window == needle)
}
