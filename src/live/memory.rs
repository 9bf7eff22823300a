//! What maps take on the heap, for `status`: those that decide alike share their tables, and what is shared counts once.

use std::collections::HashSet;
use std::sync::Arc;

use super::detail::Pruned;
use super::epoch::Live;
use super::fill::{LiveMap, Map, MapId};

/// What the maps of one [`super::Homes`] take.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Which they are; at least one.
    pub maps: Vec<MapId>,
    /// Bytes of the homes.
    pub homes: usize,
    /// Bytes of their live tables: one set of them where they know alike too.
    pub live: usize,
    /// Live ranges of the first of them, IPv4 and IPv6; `None` until they are built.
    pub ranges: Option<(usize, usize)>,
    /// What less detail came to; `None` where scopes are exact.
    pub pruned: Option<[Pruned; 2]>,
}

/// What all maps of a snapshot take, in the order of the first of each that decide alike.
pub fn held(maps: &[Arc<Map>], live: &Live) -> Vec<Held> {
    let mut list: Vec<(&Arc<Map>, Held)> = Vec::new();
    let mut seen = HashSet::new();
    for ((map, live), id) in maps.iter().zip(&live.maps).zip(0..) {
        let bytes = tables(live, &mut seen);
        if let Some((_, held)) = list.iter_mut().find(|(other, _)| Arc::ptr_eq(&other.homes, &map.homes)) {
            held.maps.push(MapId(id));
            held.live += bytes;
            continue;
        }
        let ranges = live.table.as_ref().map(|table| table.ranges());
        let (maps, homes) = (vec![MapId(id)], map.homes.memory());
        list.push((map, Held { maps, homes, live: bytes, ranges, pruned: map.pruned() }));
    }
    list.into_iter().map(|(_, held)| held).collect()
}

/// Bytes of the tables of one map that were not `seen` before.
fn tables(live: &LiveMap, seen: &mut HashSet<usize>) -> usize {
    let mut new = |address: usize, bytes: usize| if seen.insert(address) { bytes } else { 0 };
    let by_site = new(Arc::as_ptr(&live.by_site) as usize, live.by_site.capacity() * size_of::<u16>());
    by_site + live.table.as_ref().map_or(0, |table| new(Arc::as_ptr(table) as usize, table.memory()))
}
