//! `geodb/` → the site table, by way of the cache in `state/`. A database that is damaged, older than the one in use,
//! gone, or suspiciously different never takes the place of a good one (SEMANTICS §6.8).

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Wish;
use super::files::{is_ours, shown};
use super::state::State;
use crate::geo::CacheKey;
use crate::geo::{Class, Country, Database, Listed, Place, SiteTable, Source};
use crate::mapped::Mapped;

/// The database in the program itself, for when there is no other.
static SHIPPED: &[u8] = include_bytes!("../../geodb/default.mmdb");

/// The path of the shipped database, as shown.
const BUILT_IN: &str = "(built in)";

/// `database_type` of the shipped database.
pub const SHIPPED_KIND: &str = "Catchment-Demo-City";

/// A database the site table was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Its path as shown; `(built in)` for the one in the program.
    pub path: String,
    /// Its `database_type`.
    pub kind: String,
    /// What it is about: `city`, `country`, `asn` or `unknown`.
    pub class: String,
    /// When it was built, seconds since 1970.
    pub built: u64,
    /// The credit its licence asks for, if any.
    pub credit: Option<String>,
}

/// What `sites.json` holds: what `sites.cache` was made from.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// The key of the cache, in hexadecimal.
    key: String,
    databases: Vec<Used>,
}

/// Where databases are looked for, and what came of it.
#[derive(Clone, Debug)]
pub struct Databases {
    places: Vec<PathBuf>,
    /// Path, size and time of every file at the last look; another look is only worth it when this changes.
    stamps: Vec<Stamp>,
    key: Option<u128>,
    /// What the table was made from, in order of precedence.
    pub used: Vec<Used>,
    /// The table in use. It knows the AS numbers of the databases and where everything is from
    /// ([`SiteTable::asns`], [`SiteTable::describe`]).
    pub sites: Arc<SiteTable>,
    /// What is wrong with the files as they are, so that others than they say are in use.
    pub trouble: Vec<String>,
    /// The files are looked for elsewhere than before.
    moved: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    listed: Listed,
    length: u64,
    modified: Option<SystemTime>,
}

/// What a look found out, for the log.
#[derive(Debug, Default)]
pub struct Look {
    /// Whether there is a new table.
    pub changed: bool,
    /// What is wrong; the old table serves.
    pub errors: Vec<String>,
    /// What is odd.
    pub warnings: Vec<String>,
    /// Whether the table came from the cache.
    pub cached: bool,
}

/// Share of the sampled places that may be lost or move by more than [`MOVED_KM`], in percent.
const MAX_CHANGE: usize = 15;
/// A place that moves by more than this has changed its PoP, near enough.
const MOVED_KM: f64 = 500.0;
/// Blocks that are compared.
const SAMPLES: u32 = 8192;

impl Databases {
    /// Nothing looked at yet. `places` are directories or files; without any there is no database at all, not even the one
    /// in the program (`geodb: off`).
    pub fn new(places: Vec<PathBuf>) -> Self {
        let sites = Arc::new(SiteTable::empty());
        Self { places, stamps: Vec::new(), key: None, used: Vec::new(), sites, trouble: Vec::new(), moved: false }
    }

    /// Whether these are the directories and files that are looked at.
    pub fn is_of(&self, places: &[PathBuf]) -> bool {
        self.places == places
    }

    /// Looks in these directories and files from the next look on. What was in use may go then: that is the operator's word.
    pub fn look_in(&mut self, places: &[PathBuf]) {
        if places.is_empty() || self.places.is_empty() {
            // Off, or no longer: nothing of before counts.
            *self = Self::new(places.to_vec());
            return;
        }
        self.places = places.to_vec();
        self.stamps.clear();
        self.moved = true;
    }

    /// Goes back to the tables of before; the files are not looked at again until they change or someone insists.
    pub fn put_back(&mut self, before: &Self) {
        let stamps = std::mem::take(&mut self.stamps);
        *self = Self { stamps, ..before.clone() };
    }

    /// Looks at the files and compiles them if they changed. `now` is in seconds since 1970.
    pub fn look(&mut self, state: &State, now: u64, wish: Wish) -> Look {
        let mut look = Look::default();
        if self.places.is_empty() {
            look.changed = self.key.replace(0).is_none();
            return look;
        }
        let stamps = match self.list() {
            Ok(stamps) => stamps,
            Err((path, error)) => {
                look.errors.push(format!("{}: cannot be read: {error}", path.display()));
                Vec::new()
            }
        };
        let first = self.key.is_none();
        let insists = wish.force || wish.confirm_removals;
        if !first && stamps == self.stamps && !insists {
            return Look::default();
        }
        self.take(stamps, first, state, now, wish, &mut look);
        self.trouble = look.errors.clone();
        if !look.changed && look.errors.is_empty() {
            self.trouble.clone_from(&look.warnings);
        }
        look
    }

    fn take(&mut self, stamps: Vec<Stamp>, first: bool, state: &State, now: u64, wish: Wish, look: &mut Look) {
        self.stamps.clone_from(&stamps);
        let (key, files) = match hash(&stamps) {
            Ok(key) => (key, stamps),
            Err((path, error)) => {
                look.errors.push(format!("{}: cannot be read: {error}", path.display()));
                (hash(&[]).unwrap_or_default(), Vec::new())
            }
        };
        if Some(key) == self.key {
            return;
        }
        if first && look.errors.is_empty() && self.take_cache(state, Some(key)) {
            look.changed = true;
            look.cached = true;
            return;
        }
        self.compile(&files, key, state, now, wish, look);
    }

    fn compile(&mut self, files: &[Stamp], key: u128, state: &State, now: u64, wish: Wish, look: &mut Look) {
        let first = self.key.is_none();
        let mut databases: Vec<(Listed, Used, Database)> = Vec::new();
        for file in files {
            let path = shown(&file.path).to_string();
            match open(&file.path, now) {
                Ok(database) => {
                    let used = self.used_of(path, &database, wish, look);
                    databases.extend(used.map(|used| (file.listed, used, database)));
                }
                Err(words) => look.errors.push(format!("{path}: {words}")),
            }
        }
        let lost = self.used.iter().filter(|old| !files.iter().any(|f| *shown(&f.path) == *old.path));
        let lost: Vec<_> = lost.filter(|old| old.path != BUILT_IN).map(|old| old.path.clone()).collect();
        let lost = if wish.confirm_removals || std::mem::take(&mut self.moved) { Vec::new() } else { lost };
        for path in &lost {
            look.warnings.push(format!(
                "{path} is gone; what it said keeps serving until a restart or `catchment reload --confirm-removals`"
            ));
        }
        if !first && (!look.errors.is_empty() || !lost.is_empty()) {
            return;
        }
        if !look.errors.is_empty() && self.take_cache(state, None) {
            look.warnings.push("serving the site table of the last good databases".to_owned());
            look.changed = true;
            look.cached = true;
            return;
        }
        for (_, used, _) in databases.iter().filter(|(_, _, database)| database.class() == Class::Unknown) {
            look.warnings.push(format!("{}: has none of the fields that steering can use", used.path));
        }
        if !databases.iter().any(|(_, _, database)| matches!(database.class(), Class::City | Class::Country)) {
            let places = |used: &Used| used.path != BUILT_IN && used.class != Class::Asn.to_string();
            if !first && !wish.force && !wish.confirm_removals && self.used.iter().any(places) {
                let help = "`catchment reload --force` takes the one in the program";
                look.errors.push(format!("none of the databases has places any more; {help}"));
                return;
            }
            match Database::new(SHIPPED.to_vec()) {
                Ok(database) => {
                    look.warnings.push("no database with places found; serving with the one in the program".to_owned());
                    let used = Used::of(BUILT_IN.to_owned(), &database);
                    databases.push((Listed::Folder(usize::MAX), used, database));
                }
                Err(error) => look.errors.push(format!("(built in): {error}")),
            }
        }
        databases.sort_by_cached_key(|(listed, used, database)| (database.precedence(*listed), used.path.clone()));
        let references: Vec<_> = databases.iter().map(|(_, _, database)| database).collect();
        let sites = match SiteTable::build(&references) {
            Ok(sites) => sites,
            Err(error) => {
                let path = databases.get(error.database).map_or("", |(_, used, _)| used.path.as_str());
                look.errors.push(format!("{path}: {}", error.error));
                return;
            }
        };
        let used: Vec<Used> = databases.iter().map(|(_, used, _)| used.clone()).collect();
        drop(databases);
        let places = |used: &[Used]| -> Vec<(String, String)> {
            let places = used.iter().filter(|used| used.class != Class::Asn.to_string());
            places.map(|used| (used.path.clone(), used.kind.clone())).collect()
        };
        let same_kinds = places(&used) == places(&self.used);
        if let Some(percent) =
            (!first && same_kinds && !wish.force).then(|| change(&self.sites, &sites)).filter(|p| *p > MAX_CHANGE)
        {
            look.errors.push(format!(
                "{percent} % of the places in use would be lost or move by more than {MOVED_KM} km; at most {MAX_CHANGE} % \
                 are believed (`catchment reload --force` takes the new database all the same)"
            ));
            return;
        }
        let sites = sites.with_sources(used.iter().map(Used::source).collect());
        self.used = used;
        self.key = Some(key);
        look.changed = true;
        match self.write_cache(state, key, &sites) {
            // From now on the mapped file serves, and the heap is given back.
            Ok(true) if self.take_cache(state, Some(key)) => {}
            Ok(_) => self.sites = Arc::new(sites),
            Err(error) => {
                look.warnings.push(format!("the compiled site table cannot be kept in the state directory: {error}"));
                self.sites = Arc::new(sites);
            }
        }
    }

    /// What a database is to be remembered by, or none when it is older than the one of the same name in use.
    fn used_of(&self, path: String, database: &Database, wish: Wish, look: &mut Look) -> Option<Used> {
        let used = Used::of(path, database);
        let old = self.used.iter().find(|old| old.path == used.path && old.kind == used.kind);
        match old.filter(|old| old.built > used.built && !wish.force) {
            Some(old) => {
                let days = (old.built - used.built) / 86_400;
                look.errors.push(format!(
                    "{}: {days} days older than the one in use (`catchment reload --force` takes it all the same)",
                    used.path
                ));
                None
            }
            None => Some(used),
        }
    }

    /// Maps the cache if it was made for `key` (or for whatever it was made, without one).
    fn take_cache(&mut self, state: &State, key: Option<u128>) -> bool {
        let taken = || -> Option<(u128, Vec<Used>, SiteTable)> {
            let manifest = std::fs::read(state.path("sites.json")?).ok()?;
            let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
            let made = u128::from_str_radix(&manifest.key, 16).ok()?;
            if key.is_some_and(|key| key != made) {
                return None;
            }
            let mapped = Mapped::open(&state.path("sites.cache")?).ok()?;
            let sites = SiteTable::from_cache(Arc::new(mapped), made).ok()?;
            let sources = manifest.databases.iter().map(Used::source).collect();
            Some((made, manifest.databases, sites.with_sources(sources)))
        };
        let Some((made, used, sites)) = taken() else { return false };
        self.key = Some(made);
        self.used = used;
        self.sites = Arc::new(sites);
        true
    }

    /// Writes cache and manifest. False when there is no state directory.
    fn write_cache(&self, state: &State, key: u128, sites: &SiteTable) -> io::Result<bool> {
        let (Some(cache), Some(manifest)) = (state.path("sites.cache"), state.path("sites.json")) else {
            return Ok(false);
        };
        if !state.writes() {
            return Ok(false);
        }
        let fresh = cache.with_extension(format!("{}.new", std::process::id()));
        let write = || -> io::Result<()> {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&fresh)?);
            sites.write(key, &mut out)?;
            out.flush()?;
            drop(out);
            std::fs::rename(&fresh, &cache)
        };
        write().inspect_err(|_| {
            // The half-made file is of no use to anyone.
            let _ = std::fs::remove_file(&fresh);
        })?;
        let text = Manifest { key: format!("{key:032x}"), databases: self.used.clone() };
        super::files::replace(&manifest, &serde_json::to_vec_pretty(&text)?)?;
        Ok(true)
    }

    /// The files in the order of the list, those of a folder by name. One that is listed twice counts where it is first.
    fn list(&self) -> Result<Vec<Stamp>, (PathBuf, io::Error)> {
        let mut found: Vec<(PathBuf, Listed)> = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            let named = |error| (place.clone(), error);
            match std::fs::read_dir(place) {
                Ok(entries) => {
                    let mut paths = Vec::new();
                    for entry in entries {
                        let path = entry.map_err(named)?.path();
                        if is_ours(&path) && path.extension().is_some_and(|e| e == "mmdb") {
                            paths.push(path);
                        }
                    }
                    paths.sort();
                    found.extend(paths.into_iter().map(|path| (path, Listed::Folder(index))));
                }
                Err(_) if place.is_file() => found.push((place.clone(), Listed::File(index))),
                // No directory at all is a newcomer's: the database in the program serves.
                Err(error) if error.kind() == io::ErrorKind::NotFound && place.extension().is_none() => {}
                Err(error) => return Err(named(error)),
            }
        }
        let mut stamps: Vec<Stamp> = Vec::new();
        for (path, listed) in found {
            match std::fs::metadata(&path) {
                Ok(metadata) if !metadata.is_file() => {
                    // A pipe would keep its reader waiting, and some devices never end.
                    let words = "it is not a file, but something like a pipe or a device";
                    return Err((path, io::Error::new(io::ErrorKind::InvalidInput, words)));
                }
                Ok(metadata) if stamps.iter().all(|stamp| stamp.path != path) => {
                    stamps.push(Stamp { length: metadata.len(), modified: metadata.modified().ok(), path, listed });
                }
                _ => {}
            }
        }
        Ok(stamps)
    }
}

impl Used {
    fn of(path: String, database: &Database) -> Self {
        Self {
            path,
            kind: database.kind().to_owned(),
            class: database.class().to_string(),
            built: database.build_epoch(),
            credit: database.credit().map(str::to_owned),
        }
    }

    fn source(&self) -> Source {
        Source { path: self.path.clone(), kind: self.kind.clone(), built: self.built }
    }
}

fn open(path: &Path, now: u64) -> Result<Database, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let database = Database::new(bytes).map_err(|error| error.to_string())?;
    match database.built_in_the_future(now) {
        Some(words) => Err(words),
        None => Ok(database),
    }
}

/// One key over the contents of all files, read in pieces, and over all that their precedence and names depend on; the
/// shipped database counts too.
fn hash(stamps: &[Stamp]) -> Result<u128, (PathBuf, io::Error)> {
    let mut key = CacheKey::new();
    key.file(SHIPPED.len() as u64);
    key.bytes(SHIPPED);
    let mut buffer = vec![0; 1 << 20];
    for stamp in stamps {
        let mut read = || -> io::Result<()> {
            let mut file = File::open(&stamp.path)?;
            key.bytes(format!("{} {:?} ", shown(&stamp.path), stamp.listed).as_bytes());
            key.file(stamp.length);
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    n => key.bytes(&buffer[..n]),
                }
            }
        };
        read().map_err(|error| (stamp.path.clone(), error))?;
    }
    Ok(key.finish())
}

/// Percent of the sampled IPv4 /24s with a place in `old` that lose it or move far in `new`.
fn change(old: &SiteTable, new: &SiteTable) -> usize {
    let place = |sites: &SiteTable, address: u32| -> Option<Place> {
        let site = sites.site(crate::geo::SiteId(sites.v4().find(address).value));
        site.place.or_else(|| site.country.and_then(Country::place))
    };
    let (mut known, mut changed) = (0, 0);
    for n in 0..SAMPLES {
        // An odd multiplier visits the whole space evenly, the same addresses every time.
        let address = n.wrapping_mul(0x9e37_79b1) & 0xffff_ff00;
        if let Some(before) = place(old, address) {
            known += 1;
            let near = place(new, address).is_some_and(|after| after.kilometers_to(before) <= MOVED_KM);
            changed += usize::from(!near);
        }
    }
    changed * 100 / known.max(1)
}
