//! One state of health over all maps. Answers first, scopes after: [`advance`] gives new answers with the narrower scopes
//! of the site ranges, [`complete`] adds the exact scopes of the same epoch.

use std::sync::Arc;

use super::fill::{LiveMap, Map, MapId};
use crate::geo::SiteTable;
use crate::health::State;

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
        &self.maps[usize::from(id.0)]
    }

    /// Whether every map has its exact scopes.
    pub fn is_complete(&self) -> bool {
        self.maps.iter().all(|map| map.table.is_some())
    }

    /// Bytes of the tables on the heap.
    pub fn memory(&self) -> usize {
        self.maps
            .iter()
            .map(|map| map.table.as_ref().map_or(0, |t| t.memory()) + map.by_site.len() * size_of::<u16>())
            .sum()
    }
}

/// The first epoch: every map filled for what is known now, scopes still to come.
pub fn first(maps: &[Arc<Map>], sites: &SiteTable, states: &[State]) -> Live {
    Live { epoch: 1, maps: maps.iter().map(|map| LiveMap::fill(map, sites, states)).collect() }
}

/// The next epoch: maps whose members' standing changed are filled again, without their scope tables; the others are
/// shared. Where only `suspect` changed, the decisions are the same and so are their scopes: the table stays
/// (SEMANTICS §1.5).
pub fn advance(previous: &Live, maps: &[Arc<Map>], sites: &SiteTable, states: &[State]) -> Live {
    let next = |(map, old): (&Arc<Map>, &LiveMap)| {
        if map.facts(states) == old.facts && answers_alike(map, old, states) {
            return old.clone();
        }
        let mut new = LiveMap::fill(map, sites, states);
        if same_decisions(old, &new) {
            new.table.clone_from(&old.table);
        }
        new
    };
    Live { epoch: previous.epoch + 1, maps: maps.iter().zip(&previous.maps).map(next).collect() }
}

/// The same epoch with the scope tables that are missing.
pub fn complete(live: &Live, maps: &[Arc<Map>], sites: &SiteTable) -> Live {
    let with_table = |(map, old): (&Arc<Map>, &LiveMap)| {
        let mut new = old.clone();
        if new.table.is_none() {
            new.table = Some(Arc::new(new.build_table(map, sites)));
        }
        new
    };
    Live { epoch: live.epoch, maps: maps.iter().zip(&live.maps).map(with_table).collect() }
}

/// Whether the same members would be given with the same addresses and TTLs: one address of several may have failed
/// without its PoP's standing changing.
fn answers_alike(map: &Map, old: &LiveMap, states: &[State]) -> bool {
    old.answers.iter().all(|a| super::Answer::prepare(a.decision.clone(), &map.service, states) == *a)
}

/// Whether two fills of a map decide alike on every site, answer numbers included.
fn same_decisions(old: &LiveMap, new: &LiveMap) -> bool {
    old.answers.len() == new.answers.len()
        && old.answers.iter().zip(new.answers.iter()).all(|(a, b)| a.decision == b.decision)
        && old.by_site == new.by_site
}
