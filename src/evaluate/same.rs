//! Whether the same inputs give the same answers: decided again on one thread, and again after a restart from the cache.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::Asked;
use super::failures::same;
use crate::geo::{SharedBytes, SiteId, SiteTable};
use crate::health::Known;
use crate::live::{AnswerId, Live, Map, Source, complete, epoch};
use crate::net::Block;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Determinism {
    /// Sites that were decided again one by one, without threads and tables.
    pub sites: u64,
    /// Of these, with another result.
    pub different: u64,
    /// Whether a site table that was written and read again gave the same answers and scopes.
    pub restart: bool,
    /// A hash over every range's answer and scope: equal on every machine that has the same files.
    pub fingerprint: u64,
}

/// Decides everything again.
pub fn measure(asked: &Asked<'_>) -> Determinism {
    let (map, sites, live) = (asked.map, asked.side.sites(), asked.live);
    let different = (0..sites.len() as u32)
        .filter(|id| {
            let decision = map.decide(sites, SiteId(*id), &live.facts);
            let stored = live.by_site.get(*id as usize).copied().unwrap_or(AnswerId::RESOLVER);
            let stored = live.answers.get(usize::from(stored.0)).map(|answer| &answer.decision);
            // Of sites whose clients the resolver's address decides for nothing is stored.
            stored.is_some_and(|stored| *stored != decision)
        })
        .count();
    let restart = read_again(asked).is_some_and(|again| same(live, &again, true));
    let (sites, different) = (sites.len() as u64, different as u64);
    Determinism { sites, different, restart, fingerprint: fingerprint(asked) }
}

/// The same map over a site table that went through its cache.
fn read_again(asked: &Asked<'_>) -> Option<crate::live::LiveMap> {
    let parts = asked.side.parts;
    let mut bytes = Vec::new();
    parts.base.write(1, &mut bytes).ok()?;
    let bytes: SharedBytes = Arc::new(bytes);
    let base = Arc::new(SiteTable::from_cache(bytes, 1).ok()?);
    let sites = SiteTable::overlaid(&base, base.asns(), &parts.overlay);
    let old = asked.map;
    let source =
        Source { policy: Arc::clone(&old.policy), service: old.service.clone(), prefixes: asked.map.homes.prefixes() };
    let maps = [Arc::new(Map::compile(source, &parts.pops, &sites, []))];
    let Live { maps, .. } = complete(&epoch::first(&maps, &sites, &Known::default(), None), &maps, &sites);
    maps.into_iter().next()
}

fn fingerprint(asked: &Asked<'_>) -> u64 {
    let mut hash = Xxh3::new();
    let mut add = |block: Block| {
        let chosen = asked.live.choose(asked.map, asked.side.sites(), block);
        hash.update(&chosen.answer.0.to_le_bytes());
        hash.update(&[chosen.scope]);
    };
    for stretch in asked.side.stretches::<u32>() {
        add(Block::V4 { base: stretch.first, length: 32 });
    }
    for stretch in asked.side.stretches::<u128>() {
        add(Block::V6 { base: stretch.first, length: 128 });
    }
    for answer in asked.live.answers.iter() {
        // The decision's words stand for it: names and numbers of members, nothing of this process.
        hash.update(format!("{:?}", answer.decision).as_bytes());
    }
    hash.digest()
}
