//! Which texts make up the next generation: the newest good version of every file, never a broken one.
//!
//! Pure but for the store of last good copies, which it asks at start only. The rules are those of DESIGN §9 and
//! SEMANTICS §6.3–6.5: a bad zone keeps its last good version, a fleet that is bad or would break a good zone is refused
//! whole, a vanished zone has a time of grace, and when many vanish at once all are held.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::files::{NamedFiles, Scan};
use super::parsed::{ParsedFile, named_by, parse_copy, parse_one, sniff_origin, whole};
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

    /// The fleet to try: the new one if its files are good, else the one in use, else (at start) the last good copies.
    fn choose_fleet(
        &self,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        claims: &BTreeMap<Arc<str>, Claim>,
        barred: &Barred,
        memory: &dyn Memory,
        findings: &mut Findings,
    ) -> FleetChoice {
        let paths: Vec<_> = claims.iter().filter(|(_, c)| c.role == Role::Fleet).collect();
        let first = self.fleet_files.is_empty() && self.zones.is_empty();
        let vanished = self.fleet_files.iter().any(|(path, _)| !claims.contains_key(path)) && claims.is_empty();
        let mut files = Vec::new();
        let mut bad = vanished || barred.fleet.is_some();
        for (path, claim) in paths {
            match &parsed[path].result {
                Some(Parsed::Fleet(fleet)) if claim.good => files.push((Arc::clone(path), Arc::clone(fleet))),
                _ => {
                    let copy = first.then(|| memory.copy(path)).flatten();
                    match copy.and_then(|text| parse_copy(path, &text, memory)) {
                        Some(Parsed::Fleet(fleet)) => files.push((Arc::clone(path), fleet)),
                        _ => bad = true,
                    }
                }
            }
        }
        if let Some(why) = &barred.fleet {
            findings.diagnostics.extend(why.clone());
        }
        findings.diagnostics.extend(self.of_bad_fleet(parsed, claims));
        // Of these nothing is known, so a name that nobody defines may be theirs.
        let unknown = |chosen: &[(Arc<str>, Arc<FleetFile>)]| -> Vec<Arc<str>> {
            let of_fleet = claims.iter().filter(|(_, c)| c.role == Role::Fleet).map(|(path, _)| path);
            of_fleet.filter(|path| chosen.iter().all(|(known, _)| known != *path)).cloned().collect()
        };
        let in_use = || FleetChoice {
            fleet: Arc::clone(&self.fleet),
            files: self.fleet_files.clone(),
            new: false,
            refused: unknown(&self.fleet_files),
        };
        let same = files.len() == self.fleet_files.len()
            && files.iter().zip(&self.fleet_files).all(|(a, b)| a.0 == b.0 && Arc::ptr_eq(&a.1, &b.1));
        if same || (bad && !first) {
            return in_use();
        }
        let list: Vec<_> = files.iter().map(|(_, file)| Arc::clone(file)).collect();
        let (fleet, diagnostics) = config::link_fleet_with(&list, &self.fleet.allow, &unknown(&files));
        let refused = diagnostics.has_errors();
        findings.diagnostics.extend(diagnostics);
        match fleet {
            Some(fleet) if !refused => {
                let refused = unknown(&files);
                FleetChoice { fleet: Arc::new(fleet), files, new: true, refused }
            }
            _ => in_use(),
        }
    }

    /// Files with errors of their own are linked all the same, with what else there is of the fleet, for the errors that only
    /// linking finds: all at once.
    fn of_bad_fleet(
        &self,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        claims: &BTreeMap<Arc<str>, Claim>,
    ) -> Diagnostics {
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for path in claims.iter().filter(|(_, claim)| claim.role == Role::Fleet).map(|(path, _)| path) {
            match &parsed[path].result {
                Some(Parsed::Fleet(file)) => read.push(Arc::clone(file)),
                _ => unread.push(Arc::clone(path)),
            }
        }
        if read.iter().all(|file| file.is_good()) {
            return Diagnostics::default();
        }
        config::link_fleet_with(&read, &self.fleet.allow, &unread).1
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `next`, cut out to be run a second time")]
    fn link_zones(
        &self,
        scan: &Scan,
        parsed: &HashMap<Arc<str>, Arc<ParsedFile>>,
        claims: &BTreeMap<Arc<str>, Claim>,
        gone: &HashMap<Name, Gone>,
        barred: &Barred,
        memory: &dyn Memory,
        choice: &FleetChoice,
    ) -> Linked {
        let FleetChoice { fleet, files: fleet_files, refused, .. } = choice;
        let unchanged = Arc::ptr_eq(fleet, &self.fleet);
        let fleet_time =
            fleet_files.iter().filter_map(|(path, _)| scan.get(path)).map(|f| f.modified).max().unwrap_or(0);
        let mut work: Vec<Work> = Vec::new();
        for (path, claim) in claims {
            let Role::Zone(name) = &claim.role else { continue };
            let fresh = match &parsed[path].result {
                Some(Parsed::Zone(zone)) if claim.good && !barred.zones.contains_key(path) => Some(Arc::clone(zone)),
                _ => None,
            };
            let stale = fresh.is_none().then_some(Stale::Refused);
            work.push((name.clone(), Arc::clone(path), fresh, stale));
        }
        for (name, fate) in gone {
            if let (Gone::Kept { since }, Some(entry)) = (fate, self.zones.get(name)) {
                work.push((name.clone(), Arc::clone(&entry.path), None, Some(Stale::Vanished(*since))));
            }
        }
        let results = parallel(&work, |(name, path, fresh, stale)| {
            let inputs = parsed.get(path).map_or(0, |file| file.modified());
            let modified = scan.get(path).map_or(0, |f| f.modified).max(inputs).max(fleet_time);
            let mut one = LinkedZone::default();
            if let Some(why) = barred.zones.get(path) {
                one.diagnostics.extend(why.clone());
            }
            let old = self.zones.get(name).and_then(|z| z.good.as_ref());
            let with = Link { fleet, refused, unchanged, old, modified, floor: memory.serial(name) };
            if let Some(file) = fresh {
                one.good = with.run(file, &mut one.diagnostics);
                if one.good.is_some() {
                    return one;
                }
            }
            // A file with errors of its own is linked all the same, for the errors that only linking finds: all at once.
            if let (None, Some(Parsed::Zone(bad))) = (fresh, parsed.get(path).and_then(|file| file.result.as_ref()))
                && !barred.zones.contains_key(path)
                && bad.origin() == name
            {
                one.diagnostics.extend(config::link_zone_beside(bad, fleet, refused).1);
            }
            one.stale = stale.clone().or(Some(Stale::Refused));
            if let Some(old) = old {
                // The last good version, with the fleet that is on trial. The bad file's time is not its serial.
                let mut why = Diagnostics::default();
                one.good = Link { modified: fleet_time, ..with }.run(&old.file, &mut why);
                if one.good.is_none() {
                    one.broken = Some(why);
                }
            } else if let Some(Parsed::Zone(copy)) = memory.copy(path).and_then(|text| parse_copy(path, &text, memory))
                && copy.origin() == name
            {
                one.good = Link { modified: fleet_time, ..with }.run(&copy, &mut Diagnostics::default());
            }
            one
        });
        let mut linked = Linked::default();
        for ((name, path, ..), one) in work.into_iter().zip(results) {
            linked.diagnostics.extend(one.diagnostics);
            if let Some(why) = one.broken {
                linked.broken.push((BrokenZone { name: name.clone(), path: Arc::clone(&path) }, why));
            }
            linked.zones.insert(name, ZoneEntry { path, good: one.good, stale: one.stale });
        }
        linked
    }
}

/// Whether another file holds the zone now, so that this path is free for something else.
fn moved(zone: &Name, path: &Arc<str>, parsed: &HashMap<Arc<str>, Arc<ParsedFile>>) -> bool {
    parsed
        .iter()
        .any(|(other, file)| other != path && matches!(&file.result, Some(Parsed::Zone(z)) if z.origin() == zone))
}

/// A zone to link: its name and path, the file on trial if there is a good one, and why it is stale if there is none.
type Work = (Name, Arc<str>, Option<Arc<ZoneFile>>, Option<Stale>);

/// The fleet to try.
struct FleetChoice {
    fleet: Arc<Fleet>,
    files: Vec<(Arc<str>, Arc<FleetFile>)>,
    /// Whether it differs from the one in use.
    new: bool,
    /// Files of the fleet of which no good version is known: names that nobody defines may be theirs.
    refused: Vec<Arc<str>>,
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

#[derive(Default)]
struct Linked {
    zones: BTreeMap<Name, ZoneEntry>,
    diagnostics: Diagnostics,
    /// Good zones that the fleet on trial would break.
    broken: Vec<(BrokenZone, Diagnostics)>,
}

struct BrokenZone {
    name: Name,
    path: Arc<str>,
}

#[derive(Default)]
struct LinkedZone {
    good: Option<GoodZone>,
    stale: Option<Stale>,
    diagnostics: Diagnostics,
    broken: Option<Diagnostics>,
}

/// What a zone is linked with.
struct Link<'a> {
    fleet: &'a Fleet,
    /// Files of the fleet of which no good version is known.
    refused: &'a [Arc<str>],
    /// Whether the fleet is the one in use, so that an unchanged file needs no work.
    unchanged: bool,
    /// The zone as it is served now.
    old: Option<&'a GoodZone>,
    /// Newest modification time of the inputs.
    modified: u32,
    /// The last serial of earlier runs.
    floor: Option<u32>,
}

impl Link<'_> {
    fn run(&self, file: &Arc<ZoneFile>, diagnostics: &mut Diagnostics) -> Option<GoodZone> {
        if let Some(old) = self.old.filter(|old| self.unchanged && Arc::ptr_eq(&old.file, file)) {
            return Some(old.clone());
        }
        let (model, found) = config::link_zone_beside(file, self.fleet, self.refused);
        let refused = found.has_errors();
        diagnostics.extend(found);
        let model = model.filter(|_| !refused)?;
        let floor = self.old.map(|old| old.serial).or(self.floor).unwrap_or(0);
        if let Some(written) = model.serial.filter(|written| *written < floor) {
            let message = format!("the serial {written} is below the last one served, {floor}");
            diagnostics.push(
                Diagnostic::warning(model.location.clone(), message)
                    .help("secondaries will not notice the change; leave `serial` out to have it kept automatically"),
            );
        }
        let serial = model.serial.unwrap_or(self.modified.max(floor));
        let (zone, found) = match self.old.filter(|old| Arc::ptr_eq(&old.file, file)) {
            // Another fleet changes nothing of a zone's tables but the serial.
            Some(old) if old.serial == serial => (Arc::clone(&old.zone), Arc::clone(&old.found)),
            Some(old) => (Arc::new(old.zone.with_serial(serial)), Arc::clone(&old.found)),
            None if file.is_compiled() => return None,
            None => {
                let (zone, found) = compile::zone(&model, serial);
                let Some(zone) = zone else {
                    diagnostics.extend(found);
                    return None;
                };
                (Arc::new(zone), Arc::new(found))
            }
        };
        diagnostics.extend(Diagnostics::clone(&found));
        Some(GoodZone { file: Arc::clone(file), model: Arc::new(model), zone, found, serial })
    }
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
