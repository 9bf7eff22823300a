//! What two snapshots have at their names, as far as it is the same for every client.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::dns::{Name, Type};
use crate::live::MapId;
use crate::reload::generation::Generation;
use crate::snapshot::Snapshot;
use crate::survey::{self, Side};
use crate::zone::Entry;

/// TTL and RDATA of an RRset, in an order of their own.
type Records = (u32, BTreeSet<Box<[u8]>>);

/// All names of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Names {
    zones: BTreeSet<Name>,
    /// By name: the map that steers it.
    pub(super) steered: BTreeMap<Name, MapId>,
    /// By name and type.
    written: BTreeMap<Name, BTreeMap<Type, Records>>,
    aliases: BTreeMap<Name, (Name, u32)>,
}

impl Names {
    pub(super) fn of(snapshot: &Snapshot, generation: &Generation) -> Self {
        let steered = survey::steered(snapshot).into_iter().map(|(name, (_, map))| (name, map)).collect();
        let mut names = Self { steered, ..Self::default() };
        for (apex, entry) in snapshot.zones.iter() {
            names.zones.insert(apex.clone());
            let Entry::Loaded(zone) = entry else { continue };
            for owner in zone.owners() {
                let Some(name) = Name::from_wire(owner.name) else { continue };
                for set in &owner.sets {
                    let rdata = set.rdata().map(|rdata| without_serial(set.rtype, rdata)).collect();
                    names.written.entry(name.clone()).or_default().insert(set.rtype, (set.ttl, rdata));
                }
            }
        }
        let models = generation.zones.values().filter_map(|zone| zone.good.as_ref());
        for alias in models.flat_map(|good| &good.model.aliases) {
            names.aliases.insert(alias.owner.clone(), (alias.target.clone(), alias.ttl));
        }
        names
    }

    fn all(&self) -> BTreeSet<&Name> {
        self.steered.keys().chain(self.written.keys()).chain(self.aliases.keys()).collect()
    }
}

/// RDATA, a SOA's without its serial, which changes with every edit.
fn without_serial(rtype: Type, rdata: &[u8]) -> Box<[u8]> {
    let mut rdata = Box::<[u8]>::from(rdata);
    if rtype == Type::SOA
        && let Some(at) = rdata.len().checked_sub(20)
    {
        rdata[at..at + 4].fill(0);
    }
    rdata
}

/// A name without its final dot.
pub(super) fn shown(name: &Name) -> String {
    let text = name.to_string();
    if text.len() > 1 { text.trim_end_matches('.').to_owned() } else { text }
}

/// What differs for every client alike.
#[derive(Debug, Default)]
pub(super) struct Written {
    zones: [Vec<String>; 2],
    names: [Vec<String>; 2],
    /// `www A`, of names that both have.
    records: Vec<String>,
    /// Names that are steered before or after, and not so on the other side.
    steered: [Vec<String>; 2],
}

impl Written {
    pub(super) fn between(old: &Names, new: &Names) -> Self {
        let only =
            |a: &BTreeSet<&Name>, b: &BTreeSet<&Name>| a.difference(b).map(|name| shown(name)).collect::<Vec<_>>();
        let (was, is) = (old.all(), new.all());
        let zones = |names: &Names, other: &Names| names.zones.difference(&other.zones).map(shown).collect::<Vec<_>>();
        let mut records = Vec::new();
        let mut steered = [Vec::new(), Vec::new()];
        for name in was.intersection(&is) {
            match (old.steered.contains_key(*name), new.steered.contains_key(*name)) {
                (true, false) => steered[0].push(shown(name)),
                (false, true) => steered[1].push(shown(name)),
                (true, true) | (false, false) => {}
            }
            let none = BTreeMap::new();
            let (before, after) = (old.written.get(*name).unwrap_or(&none), new.written.get(*name).unwrap_or(&none));
            let types: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for rtype in types.into_iter().filter(|rtype| before.get(*rtype) != after.get(*rtype)) {
                records.push(format!("{} {rtype}", shown(name)));
            }
            if old.aliases.get(*name) != new.aliases.get(*name) {
                records.push(format!("{} ALIAS", shown(name)));
            }
        }
        Self { zones: [zones(old, new), zones(new, old)], names: [only(&was, &is), only(&is, &was)], records, steered }
    }

    /// Every kind in a line with its names, so many at most of each; empty where nothing differs.
    pub(super) fn text(&self, most: usize) -> String {
        let mut out = String::new();
        let mut list = |what: &str, names: &[String]| {
            if names.is_empty() {
                return;
            }
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{what}: {}", names.len());
            for name in names.iter().take(most) {
                let _ = writeln!(out, "  {name}");
            }
            if names.len() > most {
                let _ = writeln!(out, "  … and {} more", names.len() - most);
            }
        };
        list("zones that go", &self.zones[0]);
        list("zones that come", &self.zones[1]);
        list("names that go", &self.names[0]);
        list("names that come", &self.names[1]);
        list("names no longer steered", &self.steered[0]);
        list("names steered from now on", &self.steered[1]);
        list("records that change for everyone", &self.records);
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "zones_removed": self.zones[0],
            "zones_added": self.zones[1],
            "names_removed": self.names[0],
            "names_added": self.names[1],
            "no_longer_steered": self.steered[0],
            "newly_steered": self.steered[1],
            "records_changed": self.records,
        })
    }
}

/// What differs in the PoPs of a service and in what they answer with, in words.
pub(super) fn service_changes(was: &Side<'_>, is: &Side<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let members = |side: &Side<'_>| {
        let pairs = side.pops().iter().map(ToString::to_string).zip(side.map.service.members.iter().cloned());
        pairs.collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (members(was), members(is));
    let only = |a: &BTreeMap<String, _>, b: &BTreeMap<String, _>| {
        a.keys().filter(|pop| !b.contains_key(*pop)).cloned().collect::<Vec<_>>()
    };
    for (what, pops) in [("PoPs that go", only(&before, &after)), ("PoPs that come", only(&after, &before))] {
        if !pops.is_empty() {
            lines.push(format!("{what}: {}", pops.join(", ")));
        }
    }
    let targets = |member: &crate::steering::Member| {
        let name = member.cname.as_deref().and_then(Name::from_wire).map(|name| shown(&name));
        let addresses = member.addresses.iter().map(|address| address.ip.to_string());
        addresses.chain(name).collect::<Vec<_>>().join(", ")
    };
    for (pop, old) in &before {
        let Some(new) = after.get(pop) else { continue };
        let (old, new) = (targets(old), targets(new));
        if old != new {
            lines.push(format!("{pop} answers with {new} in place of {old}"));
        }
    }
    let (old, new) = (was.map.service.ttls, is.map.service.ttls);
    if old != new {
        let words = |ttls: crate::steering::Ttls| format!("{}/{}/{} s", ttls.home, ttls.away, ttls.suspect);
        lines.push(format!("TTLs (home/away/suspect) {} → {}", words(old), words(new)));
    }
    if was.map.service.bindings != is.map.service.bindings {
        lines.push("HTTPS or SVCB records change".to_owned());
    }
    lines
}
