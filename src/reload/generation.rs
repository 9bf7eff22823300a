//! Which texts make up the next generation: the newest good version of every file, never a broken one.
//!
//! Pure but for the store of last good copies, which it asks at start only. The rules are those of DESIGN §9 and
//! SEMANTICS §6.3–6.5: a bad zone keeps its last good version, a fleet that is bad or would break a good zone is refused
//! whole, a vanished zone has a time of grace, and when many vanish at once all are held.

mod link;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use self::link::FleetChoice;
use super::files::{NamedFiles, Scan};
use super::parsed::{ParsedFile, named_by, parse_one, sniff_origin, whole};
use crate::compile;
use crate::config::model::{Fleet, ZoneModel};
use crate::config::{self, Diagnostic, Diagnostics, FleetFile, Parsed, ZoneFile};
use crate::dns::Name;
use crate::zone::Zone;

/// The inputs of one generation, accepted or on trial.
#[derive(Clone, Debug, Default)]
pub struct Generation {
    /// What each file was parsed to, by path.
    parsed: HashMap<Arc<str>, Arc<ParsedFile>>,
    /// What each path last held when it was good.
    roles: HashMap<Arc<str>, Role>,
    /// The fleet in use.
    pub fleet: Arc<Fleet>,
    /// The files it was linked from.
    fleet_files: Vec<(Arc<str>, Arc<FleetFile>)>,
    /// Every configured zone.
    pub zones: BTreeMap<Name, ZoneEntry>,
}

/// A configured zone.
#[derive(Clone, Debug)]
pub struct ZoneEntry {
    /// The file it comes from, as shown.
    pub path: Arc<str>,
    /// What is served; `None` is SERVFAIL with EDE 14.
    pub good: Option<GoodZone>,
    /// Why `good` is not what the file says now.
    pub stale: Option<Stale>,
}

/// A version of a zone that was accepted.
#[derive(Clone, Debug)]
pub struct GoodZone {
    file: Arc<ZoneFile>,
    /// The zone, linked with the fleet in use.
    pub model: Arc<ZoneModel>,
    /// Its tables.
    pub zone: Arc<Zone>,
    /// What was found when they were made.
    found: Arc<Diagnostics>,
    /// The SOA serial it is served with: as written, else the newest modification time of its inputs, in seconds since
    /// 1970, never below an earlier one.
    pub serial: u32,
}

/// Why a zone is served otherwise than its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// The file is refused.
    Refused,
    /// The file is gone since this time (milliseconds of the caller's clock).
    Vanished(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Zone(Name),
    Fleet,
}

/// Files that were parsed well and still may not be used, with why: an `expect:` of theirs fails.
#[derive(Clone, Debug, Default)]
pub struct Barred {
    /// Zone files by path.
    pub zones: HashMap<Arc<str>, Diagnostics>,
    /// The fleet as a whole.
    pub fleet: Option<Diagnostics>,
}

impl Barred {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.fleet.is_none()
    }
}

/// When, and how firmly.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds of a monotonic clock.
    pub now: u64,
    /// Seconds since 1970.
    pub unix: u64,
    /// How long a vanished zone is kept, in milliseconds.
    pub grace: u64,
    /// The operator confirmed that zones which vanished are to go.
    pub confirm_removals: bool,
}

/// What earlier runs left: asked when nothing better is known.
pub trait Memory: Sync {
    /// The last accepted text of the file shown as `path`.
    fn copy(&self, path: &str) -> Option<Arc<str>>;
    /// The octets of the file shown as `named` when the last accepted text of the one shown as `path` was read.
    fn named_copy(&self, path: &str, named: &str) -> Option<Arc<[u8]>>;
    /// The last serial a zone was served with.
    fn serial(&self, zone: &Name) -> Option<u32>;
}

/// What came of looking at the files.
#[derive(Debug, Default)]
pub struct Findings {
    /// Errors and warnings of all files, in file order.
    pub diagnostics: Diagnostics,
    /// Zones whose time of grace is over, or that moved to `confirm_removals`.
    pub removed: Vec<Name>,
    /// Zones that vanished and are held because too many did at once.
    pub held: Vec<Name>,
    /// Milliseconds after which the files must be looked at again though nothing changed: the end of a grace time.
    pub again_in: Option<u64>,
}

impl Generation {
    /// Lets the blocks of `probes.allow` be probed although they are no place for services, from the next look on.
    pub fn allow_probes(&mut self, probes: &config::settings::Probes) {
        Arc::make_mut(&mut self.fleet).allow.clone_from(&probes.allow);
    }

    /// The next generation from what the files are now. `self` is the last accepted one and stays as it is.
    pub fn next(
        &self,
        scan: &Scan,
        named: &NamedFiles,
        moment: Moment,
        barred: &Barred,
        memory: &dyn Memory,
    ) -> (Self, Findings) {
        let mut findings = Findings::default();
        let parsed = self.parse_all(scan, named, moment.unix);
        let named_only = self.named_only(&parsed, memory);
        for (_, file) in parsed.iter().filter(|(path, _)| !named_only.contains(*path)) {
            findings.diagnostics.extend(file.diagnostics.clone());
        }
        let claims = self.claims(scan, &parsed, &named_only, &mut findings.diagnostics);
        let gone = self.gone(&claims, moment, &mut findings);

        let mut chosen = self.choose_fleet(&parsed, &claims, barred, memory, &mut findings);
        let attempt = |fleet: &FleetChoice| self.link_zones(scan, &parsed, &claims, &gone, barred, memory, fleet);
        let mut linked = attempt(&chosen);
        if chosen.new && !linked.broken.is_empty() {
            // A fleet that would break a good zone is refused whole.
            for (zone, why) in &linked.broken {
                let place = why.0.first().map_or_else(|| whole(&zone.path), |d| d.location.clone());
                let name = &zone.name;
                findings.diagnostics.push(
                    Diagnostic::error(
                        place,
                        format!("the changed fleet would break zone `{name}`; the whole previous fleet stays"),
                    )
                    .help(why.0.first().map_or_else(String::new, |d| d.message.clone())),
                );
            }
            chosen.fleet = Arc::clone(&self.fleet);
            chosen.files.clone_from(&self.fleet_files);
            linked = attempt(&chosen);
        }
        findings.diagnostics.extend(linked.diagnostics);
        let used: Vec<_> = linked.zones.values().filter_map(|z| Some(Arc::clone(&z.good.as_ref()?.file))).collect();
        let files: Vec<_> = chosen.files.iter().map(|(_, file)| Arc::clone(file)).collect();
        findings.diagnostics.extend(config::unused(&files, &used));
        let tables = linked.zones.iter().map(|(name, zone)| {
            let good = zone.good.as_ref();
            (name, good.map(|good| (&*good.model, &good.zone)))
        });
        findings.diagnostics.extend(compile::aliases(&tables));
        findings.diagnostics.sort();

        let mut roles = self.roles.clone();
        for (path, claim) in &claims {
            roles.insert(Arc::clone(path), claim.role());
        }
        roles.retain(|path, role| {
            (scan.contains_key(path) && !named_only.contains(path))
                || matches!(role, Role::Zone(name) if linked.zones.get(name).is_some_and(|z| z.path == *path))
        });
        (Self { parsed, roles, fleet: chosen.fleet, fleet_files: chosen.files, zones: linked.zones }, findings)
    }

    /// The files whose text is what is served now, for the store of last good copies.
    pub fn accepted(&self) -> impl Iterator<Item = &Arc<str>> {
        let zones = self.zones.values().filter(|z| z.good.is_some() && z.stale.is_none()).map(|z| &z.path);
        // A fleet that is refused leaves the files of before in use, and their copies as they are.
        let is_read = |path: &Arc<str>, file: &Arc<FleetFile>| match self.parsed.get(path).map(|read| &read.result) {
            Some(Some(Parsed::Fleet(now))) => Arc::ptr_eq(now, file),
            _ => false,
        };
        let fleet = self.fleet_files.iter().filter(move |(path, file)| is_read(path, file)).map(|(path, _)| path);
        fleet.chain(zones)
    }

    /// Whether queries could not tell the two apart: the same zones in the same versions.
    pub fn serves_like(&self, other: &Self) -> bool {
        let tables =
            |entry: &ZoneEntry| entry.good.as_ref().map(|good| (Arc::as_ptr(&good.zone), Arc::as_ptr(&good.model)));
        self.zones.len() == other.zones.len()
            && self.zones.iter().zip(&other.zones).all(|(a, b)| a.0 == b.0 && tables(a.1) == tables(b.1))
    }

    /// Whether both were made from the same texts.
    pub fn reads_like(&self, other: &Self) -> bool {
        let same = |(path, file): (&Arc<str>, &Arc<ParsedFile>)| {
            other.parsed.get(path).is_some_and(|known| Arc::ptr_eq(known, file))
        };
        self.parsed.len() == other.parsed.len() && self.parsed.iter().all(same)
    }

    /// Files of the fleet that differ from those of `other`, new and removed ones too.
    pub fn changed_fleet_files(&self, other: &Self) -> Vec<Arc<str>> {
        let missing = |of: &Self, from: &Self| -> Vec<Arc<str>> {
            let is_there = |(path, file): &(Arc<str>, Arc<FleetFile>)| {
                from.fleet_files.iter().any(|(known, other)| known == path && Arc::ptr_eq(file, other))
            };
            of.fleet_files.iter().filter(|one| !is_there(one)).map(|(path, _)| Arc::clone(path)).collect()
        };
        let mut changed = [missing(self, other), missing(other, self)].concat();
        changed.sort();
        changed.dedup();
        changed
    }

    /// Whether a zone's served version comes from the same text as in `other`.
    pub fn same_version(&self, other: &Self, zone: &Name) -> bool {
        match (self.zones.get(zone).and_then(|z| z.good.as_ref()), other.zones.get(zone).and_then(|z| z.good.as_ref()))
        {
            (Some(a), Some(b)) => Arc::ptr_eq(&a.file, &b.file),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// The files that the file shown as `path` was parsed with.
    pub fn inputs(&self, path: &str) -> impl Iterator<Item = &Arc<str>> {
        self.parsed.get(path).into_iter().flat_map(|file| &file.inputs).map(|input| &input.path)
    }

    /// Lets go of records that tables hold. What only they tell (`check`, `export`) is no longer told of these zones.
    pub fn forget_records(&mut self) {
        for entry in self.zones.values_mut() {
            let Some(good) = &mut entry.good else { continue };
            let Some(compiled) = good.file.compiled().map(Arc::new) else { continue };
            if let Some(parsed) = self.parsed.get_mut(&entry.path)
                && matches!(&parsed.result, Some(Parsed::Zone(zone)) if Arc::ptr_eq(zone, &good.file))
            {
                let result = Some(Parsed::Zone(Arc::clone(&compiled)));
                *parsed = Arc::new(ParsedFile { result, ..ParsedFile::clone(parsed) });
            }
            if let Some(records) = compiled.records() {
                let records = Arc::clone(records);
                good.model = Arc::new(ZoneModel { records, ..ZoneModel::clone(&good.model) });
            }
            good.file = compiled;
        }
    }

    fn parse_all(&self, scan: &Scan, named: &NamedFiles, unix: u64) -> HashMap<Arc<str>, Arc<ParsedFile>> {
        let files: Vec<_> = scan.iter().collect();
        let results = parallel(&files, |(path, file)| match self.parsed.get(*path) {
            Some(known) if self.is_usable(known) && known.is_of(file, named, unix) => Arc::clone(known),
            _ => Arc::new(parse_one(path, file, named, unix)),
        });
        files.iter().map(|(path, _)| Arc::clone(path)).zip(results).collect()
    }

    /// Whether a file as it was kept is all that is wanted: one without its records is, beside its tables.
    fn is_usable(&self, file: &ParsedFile) -> bool {
        match &file.result {
            Some(Parsed::Zone(zone)) if zone.is_compiled() => {
                let good = self.zones.get(zone.origin()).and_then(|entry| entry.good.as_ref());
                good.is_some_and(|good| Arc::ptr_eq(&good.file, zone))
            }
            _ => true,
        }
    }

    /// Files that others name, as rule files are, and that are neither a zone nor a piece of the fleet by themselves. A
    /// naming file that cannot be read now still names what it named when it was good.
    fn named_only(&self, parsed: &HashMap<Arc<str>, Arc<ParsedFile>>, memory: &dyn Memory) -> HashSet<Arc<str>> {
        let mut named: HashSet<Arc<str>> = HashSet::new();
        for (path, file) in parsed {
            named.extend(file.inputs.iter().map(|input| Arc::clone(&input.path)));
            if file.diagnostics.has_errors() {
                match self.parsed.get(path) {
                    Some(before) => named.extend(before.inputs.iter().map(|input| Arc::clone(&input.path))),
                    None => named.extend(memory.copy(path).into_iter().flat_map(|text| named_by(path, &text, memory))),
                }
            }
        }
        named.retain(|path| {
            let held_zone = matches!(self.roles.get(path), Some(Role::Zone(_)));
            !held_zone && parsed.get(path).is_some_and(|file| file.result.is_none())
        });
        named
    }

    /// What each file is for: what it says, else what it was, else what it looks like.
    fn claims(
        &self,
        scan: &Scan,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        named_only: &HashSet<Arc<str>>,
        diagnostics: &mut Diagnostics,
    ) -> BTreeMap<Arc<str>, Claim> {
        let mut claims = BTreeMap::new();
        for (path, file) in scan.iter().filter(|(path, _)| !named_only.contains(*path)) {
            let read = &parsed[path];
            let before = self.roles.get(path);
            let says = match &read.result {
                Some(Parsed::Zone(zone)) => Some(Role::Zone(zone.origin().clone())),
                Some(Parsed::Fleet(_)) => Some(Role::Fleet),
                None => None,
            };
            let good = says.is_some() && !read.diagnostics.has_errors();
            let claim = match (before, says) {
                (Some(Role::Zone(held)), Some(role)) if role != Role::Zone(held.clone()) => {
                    if moved(held, path, parsed) {
                        Claim { role, good }
                    } else {
                        let now = match &role {
                            Role::Zone(name) => format!("now says `zone: {name}`"),
                            Role::Fleet => "now has no `zone:`".to_owned(),
                        };
                        diagnostics.push(
                            Diagnostic::error(whole(path), format!("this file held zone `{held}` and {now}"))
                                .help("the zone stays as it was; to remove it, delete the file"),
                        );
                        Claim { role: Role::Zone(held.clone()), good: false }
                    }
                }
                (_, Some(role)) => Claim { role, good },
                (Some(role), None) => Claim { role: role.clone(), good: false },
                (None, None) => match file.text.as_deref().ok().and_then(sniff_origin) {
                    Some(name) => Claim { role: Role::Zone(name), good: false },
                    None => Claim { role: Role::Fleet, good: false },
                },
            };
            claims.insert(Arc::clone(path), claim);
        }
        self.refuse_newcomers(&mut claims, diagnostics);
        claims
    }

    /// Two files claiming one zone: the newcomer is refused.
    fn refuse_newcomers(&self, claims: &mut BTreeMap<Arc<str>, Claim>, diagnostics: &mut Diagnostics) {
        let mut holders: HashMap<Name, Arc<str>> = HashMap::new();
        for (name, entry) in &self.zones {
            let still = claims.get(&entry.path).is_some_and(|c| c.role == Role::Zone(name.clone()));
            if still {
                holders.insert(name.clone(), Arc::clone(&entry.path));
            }
        }
        let mut refused = Vec::new();
        for (path, claim) in claims.iter() {
            if let Role::Zone(name) = &claim.role {
                let holder = holders.entry(name.clone()).or_insert_with(|| Arc::clone(path));
                if holder != path {
                    diagnostics.push(
                        Diagnostic::error(whole(path), format!("zone `{name}` is already defined in {holder}"))
                            .help("keep one of the two files"),
                    );
                    refused.push(Arc::clone(path));
                }
            }
        }
        for path in refused {
            claims.remove(&path);
        }
    }

    /// Zones that no file holds any more, and whether each is kept.
    fn gone(&self, claims: &BTreeMap<Arc<str>, Claim>, moment: Moment, findings: &mut Findings) -> HashMap<Name, Gone> {
        let claimed: HashSet<&Name> = claims
            .values()
            .filter_map(|c| match &c.role {
                Role::Zone(name) => Some(name),
                Role::Fleet => None,
            })
            .collect();
        let missing: Vec<_> = self.zones.iter().filter(|(name, _)| !claimed.contains(name)).collect();
        let many = missing.len() > (self.zones.len() / 10).max(1) || (claims.is_empty() && !missing.is_empty());
        let mut gone = HashMap::new();
        for (name, entry) in missing {
            let since = match entry.stale {
                Some(Stale::Vanished(since)) => since,
                _ => moment.now,
            };
            let over = moment.now.saturating_sub(since) >= moment.grace;
            let fate = if moment.confirm_removals || (over && !many) {
                findings.removed.push(name.clone());
                Gone::Removed
            } else {
                if many {
                    findings.held.push(name.clone());
                } else {
                    let left = moment.grace - moment.now.saturating_sub(since);
                    findings.again_in = Some(findings.again_in.map_or(left, |l| l.min(left)));
                }
                Gone::Kept { since }
            };
            gone.insert(name.clone(), fate);
        }
        gone
    }
}

/// Whether another file holds the zone now, so that this path is free for something else.
fn moved(zone: &Name, path: &Arc<str>, parsed: &HashMap<Arc<str>, Arc<ParsedFile>>) -> bool {
    parsed
        .iter()
        .any(|(other, file)| other != path && matches!(&file.result, Some(Parsed::Zone(z)) if z.origin() == zone))
}

struct Claim {
    role: Role,
    good: bool,
}

impl Claim {
    fn role(&self) -> Role {
        self.role.clone()
    }
}

enum Gone {
    Kept { since: u64 },
    Removed,
}

/// Maps a slice on all cores, in order.
fn parallel<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len() / 16 + 1);
    if threads < 2 {
        return items.iter().map(f).collect();
    }
    let f = &f;
    std::thread::scope(|scope| {
        let chunks = items.chunks(items.len().div_ceil(threads));
        let workers: Vec<_> = chunks.map(|c| scope.spawn(move || c.iter().map(f).collect::<Vec<_>>())).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<R>>| match worker.join() {
            Ok(results) => results,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    })
}
