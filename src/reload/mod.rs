//! Watches files, and turns a change into a new snapshot or into words.
//!
//! [`files`] looks at a directory, [`generation`] decides which texts make up the next generation (never a broken one),
//! [`databases`] does the same for `geodb/`, `gates` refuses what would break an operator's assertion or move too many
//! clients, [`state`] is what a restart must not forget, [`watch`] tells when to look.
//! Everything here is cold: it blocks, and runs on a thread where that is no harm.

pub mod databases;
mod expectations;
pub mod files;
mod gates;
pub mod generation;
mod parsed;
pub mod state;
pub mod watch;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::databases::{Databases, Look};
use self::files::NamedFiles;
use self::generation::{Barred, Findings, Generation, Moment, Stale};
use self::state::State;
use crate::compile;
use crate::config::settings::Broken;
use crate::config::{Diagnostic, Diagnostics};
use crate::dns::Name;
use crate::health::{Known, Target};
use crate::heap;
use crate::snapshot::{Identity, Parts, Snapshot};
use crate::survey::Move;

/// Where things are, and what the server says of itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of zone and fleet files.
    pub zones: PathBuf,
    /// Directories of databases, or files.
    pub geodb: Vec<PathBuf>,
    /// What a restart must not forget; `None` forgets.
    pub state: Option<PathBuf>,
    /// How long a vanished zone is kept.
    pub grace: Duration,
    /// What the server says of itself.
    pub identity: Identity,
    /// What a change may not do.
    pub limits: Limits,
}

/// What a change may not do, though its files are good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The largest share of clients that may move at any name, in thousandths, by IPv4 addresses, IPv6 records or people.
    pub max_move: Option<u16>,
    /// Whether databases that break an `expect:` are refused.
    pub databases: Broken,
}

/// What the operator wants of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Zones and databases whose files are gone are to go at once.
    pub confirm_removals: bool,
    /// Clients may move as they will, and databases may be older than those in use or differ from them as they will.
    pub force: bool,
    /// What moves is to be told ([`Loaded::moves`]).
    pub survey: bool,
}

/// The time, both ways.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Seconds since 1970.
    pub unix: u64,
    /// Milliseconds of a clock that only goes forward.
    pub monotonic: u64,
}

/// Keeps the last good of everything, and makes snapshots.
#[derive(Debug)]
pub struct Loader {
    options: Options,
    /// `state/`.
    pub state: State,
    /// The databases in use.
    pub databases: Databases,
    /// The files in use.
    pub generation: Generation,
    snapshot: Option<Arc<Snapshot>>,
    number: u64,
    said: HashSet<String>,
    /// What the gates refused, as long as the files stay as they are.
    barred: Barred,
    /// What was found when the tables in use were made.
    of_tables: Diagnostics,
    /// A snapshot is to be made though no file has changed.
    anew: bool,
    /// Records are let go of once tables hold them.
    thrifty: bool,
}

/// What came of one look at everything.
#[derive(Debug)]
pub struct Loaded {
    /// The new snapshot, if anything changed that a query could see.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What the files are like; everything, not only what is new.
    pub findings: Findings,
    /// Those of the diagnostics that the look before did not have.
    pub fresh: Diagnostics,
    /// What happened to zones, in words for the log.
    pub events: Vec<Event>,
    /// What happened to the databases.
    pub database: Look,
    /// What moves at steered names, the largest first, if that was asked for or is limited.
    pub moves: Vec<Move>,
    /// Why the state directory could not be written.
    pub state_error: Option<String>,
}

/// Something that happened to a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It serves for the first time.
    Added {
        /// Apex.
        zone: Name,
        /// SOA serial.
        serial: u32,
        /// Number of records.
        records: usize,
    },
    /// A new version serves.
    Changed {
        /// Apex.
        zone: Name,
        /// SOA serial.
        serial: u32,
        /// Number of records.
        records: usize,
    },
    /// Its file is refused; the last good version serves.
    Kept(Name),
    /// Its file is refused and nothing better is known: SERVFAIL.
    NotLoaded(Name),
    /// Its file is gone; it is kept for a time of grace.
    Vanished(Name),
    /// So many files are gone that none of their zones is removed until that is confirmed.
    Held(Name),
    /// It is gone.
    Removed(Name),
}

impl Loader {
    /// Nothing loaded yet.
    ///
    /// # Errors
    /// The state directory cannot be made; goes on without one is for the caller to decide.
    pub fn new(options: Options) -> std::io::Result<Self> {
        let state = match &options.state {
            Some(directory) => State::open(directory, &options.zones)?,
            None => State::none(),
        };
        Ok(Self::with(options, state))
    }

    /// Nothing loaded yet; remembers what a server wrote to the state directory, and writes nothing.
    pub fn read_only(options: Options) -> Self {
        let state = options.state.as_ref().map_or_else(State::none, |directory| State::read(directory, &options.zones));
        Self::with(options, state)
    }

    /// Nothing loaded yet, and nothing remembered.
    pub fn forgetful(options: Options) -> Self {
        Self::with(options, State::none())
    }

    fn with(options: Options, state: State) -> Self {
        let databases = Databases::new(options.geodb.clone());
        let generation = Generation::default();
        Self {
            options,
            state,
            databases,
            generation,
            snapshot: None,
            number: 0,
            said: HashSet::new(),
            barred: Barred::default(),
            of_tables: Diagnostics::default(),
            anew: false,
            thrifty: false,
        }
    }

    /// Keeps no more of zones than serving and reloading take, from the next look on.
    #[must_use]
    pub fn thrifty(mut self) -> Self {
        self.thrifty = true;
        self
    }

    /// Goes by other settings from the next look on.
    pub fn set(&mut self, grace: Duration, identity: Identity, limits: Limits) {
        self.anew |= self.options.identity != identity;
        // What was refused by the limits of before may be let in by these.
        if self.options.limits != limits {
            self.barred = Barred::default();
        }
        self.options = Options { grace, identity, limits, ..self.options.clone() };
    }

    /// A loader that stands where this one does and writes nothing: what it loads is what this one would.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self {
            options: self.options.clone(),
            state: self.state.reader(),
            databases: self.databases.clone(),
            generation: self.generation.clone(),
            snapshot: self.snapshot.clone(),
            number: self.number,
            said: self.said.clone(),
            barred: self.barred.clone(),
            of_tables: self.of_tables.clone(),
            anew: self.anew,
            thrifty: self.thrifty,
        }
    }

    /// Looks at everything and makes a snapshot if anything changed. `known` is asked for what is known of the targets
    /// of a new plan, by `TargetId`, just before the snapshot is filled.
    pub fn load(&mut self, now: Now, wish: Wish, known: &mut dyn FnMut(u64, &[Target]) -> Known) -> Loaded {
        let before = self.databases.clone();
        let mut database = self.databases.look(&self.state, now.unix, wish);
        if database.changed {
            // Reading databases takes more than all that follows.
            heap::give_back();
        }
        let (scan, unreadable) = match files::scan(&self.options.zones) {
            Ok(scan) => (Some(scan), None),
            Err(error) => (None, Some(error)),
        };
        let moment = Moment {
            now: now.monotonic,
            unix: now.unix,
            grace: u64::try_from(self.options.grace.as_millis()).unwrap_or(u64::MAX),
            confirm_removals: wish.confirm_removals,
        };
        let named = NamedFiles::new(&self.options.zones);
        let mut barred = std::mem::take(&mut self.barred);
        // What was refused stays refused as long as nothing is written and nobody insists; to try again would only cost.
        let mut remembered = !barred.is_empty();
        let (mut next, mut findings, mut parts);
        let mut moves = Vec::new();
        loop {
            (next, findings) = match &scan {
                Some(scan) => self.generation.next(scan, &named, moment, &barred, &self.state),
                // A directory that cannot be read says nothing of its files.
                None => (self.generation.clone(), Findings::default()),
            };
            if remembered && (wish != Wish::default() || database.changed || !next.reads_like(&self.generation)) {
                (barred, remembered) = (Barred::default(), false);
                continue;
            }
            let changed =
                self.anew || self.snapshot.is_none() || database.changed || !next.serves_like(&self.generation);
            parts = changed.then(|| self.compile(&next));
            let Some(parts) = &parts else { break };
            let gate = self.gate(&next, parts, &mut barred, database.changed, wish);
            if gate.databases.is_empty() && gate.barred {
                continue;
            }
            if !gate.databases.is_empty() {
                self.databases.put_back(&before);
                database.changed = false;
                database.errors.extend(gate.databases);
                self.databases.trouble.clone_from(&database.errors);
                continue;
            }
            moves = gate.moves;
            self.of_tables = gate.warnings;
            self.of_tables.extend(compile::unmatched(parts));
            break;
        }
        self.barred = barred;
        findings.diagnostics.extend(self.of_tables.clone());
        findings.diagnostics.sort();
        if let Some(error) = unreadable {
            let place = files::shown(&self.options.zones);
            let words = format!("the directory cannot be read: {error}");
            let location = crate::config::Location { file: place, line: 0, column: 0 };
            findings.diagnostics.push(Diagnostic::error(location, words).help("zones stay as they are"));
        }
        if self.thrifty {
            next.forget_records();
        }
        let events = self.events(&next, &findings);
        let state_error = self.remember(&next, scan.as_ref(), &named, &findings).err().map(|error| error.to_string());
        self.generation = next;
        self.anew = false;
        let snapshot = parts.map(|parts| {
            self.number = parts.generation;
            let known = known(parts.generation, &parts.targets);
            Arc::new(Snapshot::new(parts, &known, self.snapshot.as_deref()))
        });
        if let Some(snapshot) = &snapshot {
            self.snapshot = Some(Arc::clone(snapshot));
        }
        let fresh = self.not_said_before(&findings.diagnostics);
        Loaded { snapshot, findings, fresh, events, database, moves, state_error }
    }

    fn compile(&self, next: &Generation) -> Parts {
        let zones = next.zones.iter().map(|(apex, entry)| compile::ZoneInput {
            apex,
            loaded: entry.good.as_ref().map(|good| (&good.model, &good.zone)),
        });
        compile::snapshot(compile::Input {
            generation: self.number + 1,
            fleet: &next.fleet,
            zones: zones.collect(),
            sites: Arc::clone(&self.databases.sites),
            identity: self.options.identity.clone(),
            previous: self.snapshot.as_deref(),
        })
    }

    fn events(&self, next: &Generation, findings: &Findings) -> Vec<Event> {
        let mut events = Vec::new();
        for (zone, entry) in &next.zones {
            let old = self.generation.zones.get(zone);
            let was = old.and_then(|old| old.good.as_ref());
            if let Some(good) = &entry.good {
                let (zone, serial, records) = (zone.clone(), good.serial, good.zone.record_count());
                match was {
                    None => events.push(Event::Added { zone, serial, records }),
                    Some(was) if !Arc::ptr_eq(&was.zone, &good.zone) || !Arc::ptr_eq(&was.model, &good.model) => {
                        events.push(Event::Changed { zone, serial, records });
                    }
                    Some(_) => {}
                }
            }
            let stale = old.and_then(|old| old.stale.as_ref());
            match (&entry.stale, &entry.good) {
                (Some(Stale::Refused), Some(_)) if stale != Some(&Stale::Refused) => {
                    events.push(Event::Kept(zone.clone()));
                }
                (_, None) if old.is_none_or(|old| old.good.is_some()) => events.push(Event::NotLoaded(zone.clone())),
                (Some(Stale::Vanished(_)), _) if !matches!(stale, Some(Stale::Vanished(_))) => {
                    let held = findings.held.contains(zone);
                    events.push(if held { Event::Held(zone.clone()) } else { Event::Vanished(zone.clone()) });
                }
                _ => {}
            }
        }
        events.extend(findings.removed.iter().cloned().map(Event::Removed));
        events
    }

    fn remember(
        &mut self,
        next: &Generation,
        scan: Option<&files::Scan>,
        named: &NamedFiles,
        findings: &Findings,
    ) -> std::io::Result<()> {
        for path in next.accepted() {
            if let Some(Ok(text)) = scan.and_then(|scan| scan.get(path)).map(|file| &file.text) {
                let inputs = next.inputs(path).filter_map(|input| Some((&**input, named.read(input).octets.ok()?)));
                self.state.keep(path, text, &inputs.collect::<Vec<_>>())?;
            }
        }
        for zone in &findings.removed {
            if let Some(entry) = self.generation.zones.get(zone) {
                self.state.forget(&entry.path);
            }
        }
        let serials = next.zones.iter().filter_map(|(zone, entry)| Some((zone.clone(), entry.good.as_ref()?.serial)));
        self.state.keep_serials(serials)
    }

    fn not_said_before(&mut self, all: &Diagnostics) -> Diagnostics {
        let texts: HashSet<String> = all.0.iter().map(ToString::to_string).collect();
        let fresh = all.0.iter().filter(|d| !self.said.contains(&d.to_string())).cloned().collect();
        self.said = texts;
        Diagnostics(fresh)
    }
}
