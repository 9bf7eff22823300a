//! One state of health over all maps. Answers first, scopes after: [`advance`] gives new answers with the narrower scopes
//! of the site ranges, [`complete`] adds the exact scopes of the same epoch.

use std::sync::Arc;

use super::answer::Answer;
use super::dealt::Pieces;
use super::fill::{LiveMap, Map, MapId};
use crate::geo::SiteTable;
use crate::health::Known;
use crate::steering::Facts;

/// The live tables of one snapshot at one epoch.
#[derive(Debug)]
pub struct Live {
    /// Counts from 1 within a snapshot.
    pub epoch: u64,
    /// By [`MapId`].
    pub maps: Vec<LiveMap>,
}

impl Live {
    /// The map of this id.
    #[inline]
    pub fn map(&self, id: MapId) -> &LiveMap {
        &self.maps[id.0 as usize]
    }

    /// Whether every map has its exact scopes.
    pub fn is_complete(&self) -> bool {
        self.maps.iter().all(|map| map.table.is_some())
    }
}

/// The first epoch of a snapshot. Maps take over the tables, scopes included, of those of the previous snapshot that know
/// and decide alike, and share them among each other. Panic goes on until its end is reached, whatever is reloaded meanwhile
/// (SEMANTICS §3.3).
pub fn first(maps: &[Arc<Map>], sites: &SiteTable, known: &Known, previous: Option<(&[Arc<Map>], &Live)>) -> Live {
    let before: Vec<_> = previous.map_or_else(Vec::new, |(maps, live)| maps.iter().zip(&live.maps).collect());
    let facts = |index: usize| {
        let map: &Map = &maps[index];
        let same = before.iter().find(|(old, _)| panics_alike(old, map));
        same.map(|(_, live)| &live.facts)
    };
    Live { epoch: 1, maps: fill_all(maps, sites, known, &facts, &before, &|_, _| None) }
}

/// The next epoch: maps whose members' standing changed are filled again, without their scope tables; the others are
/// shared. Where only `suspect` changed, the decisions are the same and so are their scopes: the table stays
/// (SEMANTICS §1.5).
pub fn advance(previous: &Live, maps: &[Arc<Map>], sites: &SiteTable, known: &Known) -> Live {
    let keep = |index: usize, map: &Map| {
        let old = &previous.maps[index];
        let facts = map.facts(known, Some(&old.facts));
        (facts == old.facts && answers_alike(map, old, known)).then(|| old.clone())
    };
    let facts = |index: usize| previous.maps.get(index).map(|live| &live.facts);
    let mut filled = fill_all(maps, sites, known, &facts, &[], &keep);
    let mut kept = 0;
    for (new, old) in filled.iter_mut().zip(&previous.maps) {
        if new.table.is_none() && same_decisions(old, new) {
            new.table.clone_from(&old.table);
        }
        if new.table.is_none() {
            new.basis = old.as_basis().filter(|basis| kept + basis.memory() <= KEPT);
            kept += new.basis.as_ref().map_or(0, |basis| basis.memory());
        }
    }
    Live { epoch: previous.epoch + 1, maps: filled }
}

/// Bytes of old scope tables that are kept until the new ones are built of them, at most: two of 50 PoPs over full city data.
/// Without its old table a map's new one takes some three times as long.
const KEPT: usize = 80 << 20;

/// Whether a map of one generation is one of another, as far as panic is concerned: the same tiers of the same service.
fn panics_alike(old: &Map, new: &Map) -> bool {
    old.service.name == new.service.name && old.policy.name == new.policy.name && old.policy.tiers == new.policy.tiers
}

fn fill_all<'a>(
    maps: &[Arc<Map>],
    sites: &SiteTable,
    known: &Known,
    last: &dyn Fn(usize) -> Option<&'a Facts>,
    before: &[(&Arc<Map>, &LiveMap)],
    keep: &dyn Fn(usize, &Map) -> Option<LiveMap>,
) -> Vec<LiveMap> {
    let mut filled: Vec<LiveMap> = Vec::with_capacity(maps.len());
    for (index, map) in maps.iter().enumerate() {
        let new = keep(index, map).unwrap_or_else(|| {
            let others = maps.iter().zip(&filled).chain(before.iter().copied());
            LiveMap::fill(map, sites, known, last(index), others)
        });
        filled.push(new);
    }
    filled
}

/// The same epoch with the scope tables that are missing; maps with the same answers by site share one.
pub fn complete(live: &Live, maps: &[Arc<Map>], sites: &SiteTable) -> Live {
    complete_some(live, maps, sites, 0, &|| false).0
}

/// As [`complete`], for maps from this one on, those before it last, until it is `enough`; for one of them at least. Gives the
/// map to go on with, too, so that none is left out for long where others change all the time.
pub fn complete_some(
    live: &Live,
    maps: &[Arc<Map>],
    sites: &SiteTable,
    from: usize,
    enough: &dyn Fn() -> bool,
) -> (Live, usize) {
    let mut completed = live.maps.clone();
    let from = from.min(maps.len());
    let mut next = from;
    for index in (from..maps.len()).chain(0..from).filter(|index| live.maps[*index].table.is_none()) {
        let old = &live.maps[index];
        let same = |other: &&LiveMap| other.table.is_some() && Arc::ptr_eq(&other.by_site, &old.by_site);
        let table = match completed.iter().find(same) {
            Some(other) => other.table.clone(),
            None => Some(Arc::new(old.build_table(&maps[index], sites))),
        };
        completed[index].table = table;
        next = index + 1;
        if enough() {
            break;
        }
    }
    for map in completed.iter_mut().filter(|map| map.table.is_some()) {
        map.basis = None;
    }
    (Live { epoch: live.epoch, maps: completed }, next)
}

/// An epoch with the scope tables that were completed for an earlier one meanwhile, of maps that decide as they did; none where
/// there is nothing to take over.
pub fn adopt(live: &Live, completed: &Live) -> Option<Live> {
    let takes = |now: &LiveMap, done: &LiveMap| {
        now.table.is_none() && done.table.is_some() && Arc::ptr_eq(&now.by_site, &done.by_site)
    };
    let pairs = || live.maps.iter().zip(&completed.maps);
    pairs().any(|(now, done)| takes(now, done)).then(|| {
        let take = |(now, done): (&LiveMap, &LiveMap)| {
            if takes(now, done) {
                LiveMap { table: done.table.clone(), basis: None, ..now.clone() }
            } else {
                now.clone()
            }
        };
        Live { epoch: live.epoch, maps: pairs().map(take).collect() }
    })
}

/// Whether the same members would be given with the same addresses and TTLs: one address of several may have failed
/// without its PoP's standing changing.
fn answers_alike(map: &Map, old: &LiveMap, known: &Known) -> bool {
    let alike = |a: &Answer| Answer::prepare(a.decision.clone(), map, &old.facts, known) == *a;
    let pieces = old.pieces.as_ref();
    old.answers.iter().all(alike) && pieces.is_none_or(|pieces| Pieces::prepare(map, &old.facts, known) == **pieces)
}

/// Whether two fills of a map decide alike on every site, answer numbers included.
fn same_decisions(old: &LiveMap, new: &LiveMap) -> bool {
    old.answers.len() == new.answers.len()
        && old.answers.iter().zip(new.answers.iter()).all(|(a, b)| a.decision == b.decision)
        && old.by_site == new.by_site
}
