//! What resolvers that send client subnets would hold: entries after clients at random have asked.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::random::Random;
use super::{Asked, is_known};
use crate::net::{Bits, Block};
use crate::survey::ground::Space;
use crate::survey::{Entries, Stretch};

/// Questions of clients after which a cache is looked at.
pub const CLIENTS: [u64; 3] = [10_000, 100_000, 1_000_000];

/// So many clients in a row, for each that has asked, who have all asked before: then there are no others.
const REPEATED: u64 = 50;

/// Entries of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cached {
    /// Different clients that asked, and the entries that were made for them. Fewer clients than wanted where there are no more.
    pub after: Vec<(u64, u64)>,
    /// Live ranges.
    pub ranges: u64,
    /// Entries when everybody has asked.
    pub all: u128,
}

/// A cache as RFC 7871 §7.3.1 describes it, of a name whose answers do not grow old.
struct Cache<K> {
    entries: HashSet<(u8, K), FixedState>,
    /// Scopes that occur.
    scopes: Vec<u8>,
}

impl<K: Bits + std::hash::Hash> Cache<K> {
    fn new() -> Self {
        Self { entries: HashSet::default(), scopes: Vec::new() }
    }

    /// Asks for a client what no entry covers; `scope` is what it would be told.
    fn ask(&mut self, client: K, scope: impl FnOnce() -> u8) {
        if self.scopes.iter().any(|scope| self.entries.contains(&(*scope, client.first(*scope)))) {
            return;
        }
        // What is longer than the source is kept at its length (RFC 7871 §7.3.1).
        let scope = scope();
        self.entries.insert((scope, client.first(scope)));
        if !self.scopes.contains(&scope) {
            self.scopes.push(scope);
        }
    }
}

/// Clients of IPv4: the /24s of addresses at random, of those that something is known of.
pub fn v4(asked: &Asked<'_>, seed: u64) -> Cached {
    let sites = asked.side.sites();
    // First addresses of stretches, and how many known addresses there are up to their ends.
    let mut known: Vec<(u32, u64)> = Vec::new();
    let mut all = 0;
    for stretch in asked.side.stretches::<u32>().filter(|stretch| is_known(sites, stretch.spot.site)) {
        all += u64::from(stretch.last - stretch.first) + 1;
        known.push((stretch.first, all));
    }
    let mut random = Random::new(seed);
    let client = || {
        let at = random.below(all.max(1));
        let index = known.partition_point(|(_, end)| *end <= at);
        let before = index.checked_sub(1).and_then(|index| known.get(index)).map_or(0, |stretch| stretch.1);
        Some(known.get(index)?.0.wrapping_add((at - before) as u32).first(24))
    };
    fill(asked, client, |base| Block::V4 { base, length: 24 })
}

/// Clients of IPv6: /56s in records at random, as most of the address space is in a few huge records.
pub fn v6(asked: &Asked<'_>, seed: u64) -> Cached {
    let sites = asked.side.sites();
    let known = |stretch: &Stretch<u128>| is_known(sites, stretch.spot.site);
    let all = asked.side.stretches::<u128>().filter(known).count() as u64;
    let mut random = Random::new(seed);
    // As many records as may be asked for, taken in order; the order of asking is mixed below.
    let wanted = CLIENTS.iter().max().copied().unwrap_or(0) * 2;
    let stretches = asked.side.stretches::<u128>().filter(known);
    let records: Vec<(u128, u128)> =
        stretches.filter(|_| all <= wanted || random.below(all) < wanted).map(|s| (s.first, s.last)).collect();
    let mut random = Random::new(seed ^ 6);
    let client = || {
        let (first, last) = records.get(random.below(records.len().max(1) as u64) as usize)?;
        let (from, to) = (first >> 72, last >> 72);
        let bits = random.bits();
        let block = if to - from == u128::MAX >> 72 { bits >> 72 } else { from + bits % (to - from + 1) };
        Some(block << 72)
    };
    fill(asked, client, |base| Block::V6 { base, length: 56 })
}

fn fill<K: Space + std::hash::Hash>(
    asked: &Asked<'_>,
    mut client: impl FnMut() -> Option<K>,
    block: impl Fn(K) -> Block,
) -> Cached {
    let Entries { ranges, blocks } = Entries::of::<K>(&asked.side);
    let mut cached = Cached { after: Vec::new(), ranges, all: blocks };
    let (mut cache, mut seen) = (Cache::new(), HashSet::<K, FixedState>::default());
    for wanted in CLIENTS {
        let mut repeated = 0;
        while (seen.len() as u64) < wanted && repeated < REPEATED * (seen.len() as u64 + 100) {
            repeated += 1;
            let Some(base) = client() else { break };
            if seen.insert(base) {
                cache.ask(base, || asked.scope(block(base)).min(K::LONGEST));
                repeated = 0;
            }
        }
        let state = (seen.len() as u64, cache.entries.len() as u64);
        if cached.after.last() != Some(&state) {
            cached.after.push(state);
        }
    }
    cached
}
