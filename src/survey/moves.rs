//! What an edit moves at each steered name: the question that `diff` answers at length and a limit on reloads in a figure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::Change;
use super::ground::Ground;
use super::side::Side;
use super::tally::Amounts;
use crate::dns::Name;
use crate::explain::Assume;
use crate::live::MapId;
use crate::snapshot::Parts;
use crate::zone::Entry;

/// Names that go the same ways before, and the same ways after.
#[derive(Clone, Debug)]
pub struct Move {
    /// The names with their zones, sorted.
    pub names: Vec<(Name, Name)>,
    /// Shares of clients who move, of 1: by IPv4 addresses, IPv6 records and people.
    pub share: Amounts,
}

impl Move {
    /// The largest of the three shares.
    pub fn most(&self) -> f64 {
        self.share.v4.max(self.share.v6).max(self.share.people)
    }
}

/// Every steered name: its zone, and the map that steers it.
pub fn steered(parts: &Parts) -> BTreeMap<Name, (Name, MapId)> {
    let mut names = BTreeMap::new();
    for (index, (apex, entry)) in parts.zones.iter().enumerate() {
        let Entry::Loaded(zone) = entry else { continue };
        for owner in zone.owners() {
            if let (Some(name), Some(steer)) =
                (Name::from_wire(owner.name), owner.steer.and_then(|id| parts.steer(index as u32, id)))
            {
                names.insert(name, (apex.clone(), steer.map));
            }
        }
    }
    names
}

/// What moves at the names that both have, with every target unknown; the operator's `drain: true` in files counts. The largest
/// comes first; names at which nobody moves are left out.
pub fn moves(before: &Parts, after: &Parts) -> Vec<Move> {
    let (old, new) = (steered(before), steered(after));
    let mut pairs = BTreeMap::<(MapId, MapId), Vec<(Name, Name)>>::new();
    for (name, (zone, map)) in new {
        if let Some((_, was)) = old.get(&name) {
            pairs.entry((*was, map)).or_default().push((name, zone));
        }
    }
    let same_sites = Arc::ptr_eq(&before.sites, &after.sites);
    let map = |parts: &Parts, id: MapId| parts.maps.get(id.0 as usize).cloned();
    let mut list = Vec::new();
    for ((was, is), names) in pairs {
        let shared = map(before, was).zip(map(after, is)).is_some_and(|(a, b)| Arc::ptr_eq(&a, &b));
        if shared && same_sites {
            continue;
        }
        let none = Assume::default();
        let (Some(was), Some(is)) = (Side::new(before, was, &none), Side::new(after, is, &none)) else { continue };
        let share = Change::new(&was, &is, &Ground::between(&was, &is)).moved_share();
        list.push(Move { names, share });
    }
    list.retain(|one| one.most() > 0.0);
    list.sort_by(|a, b| b.most().total_cmp(&a.most()).then_with(|| a.names.cmp(&b.names)));
    list
}
