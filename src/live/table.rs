//! Address ranges → answer, with the exact scope prefix length (DESIGN §5, SEMANTICS §1.5).

use std::net::IpAddr;

use super::answer::AnswerId;
use super::fill::{LiveMap, Map};
use crate::geo::{Found, Ranges, SiteId, SiteTable, SiteView};
use crate::net::{Bits, Block};

/// What a block of clients gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The answer, or [`AnswerId::RESOLVER`].
    pub answer: AnswerId,
    /// Scope prefix length in the family of the block, at least 1; above the block's length when a longer source prefix
    /// would be told something else (RFC 7871 §7.2.1).
    pub scope: u8,
}

/// The live ranges of a map at one epoch.
#[derive(Debug)]
pub struct ScopeTable {
    v4: FamilyTable<u32>,
    v6: FamilyTable<u128>,
}

#[derive(Debug)]
struct FamilyTable<K> {
    ranges: Ranges<K, u16>,
    /// First address → answer of each block of [`Clip::BLOCK`] bits that holds more than one answer, in order.
    mixed: (Vec<K>, Vec<AnswerId>),
}

/// The longest source prefix that resolvers send, past which a mixed block is answered as one.
pub(super) trait Clip: Bits {
    /// 24 for IPv4, 56 for IPv6.
    const BLOCK: u8;
    /// Ranges a block of that length is walked for its majority, at most.
    const WALK: usize;
}

impl Clip for u32 {
    const BLOCK: u8 = 24;
    const WALK: usize = 256;
}

impl Clip for u128 {
    const BLOCK: u8 = 56;
    const WALK: usize = 256;
}

/// Ranges walked for the majority of a block shorter than [`Clip::BLOCK`].
const SHORT_WALK: usize = 64;

impl LiveMap {
    /// What the clients of a folded block get. Without the scope table of its own epoch, the site ranges serve: the same
    /// answers, scopes narrower or equal, never wider.
    #[inline]
    pub fn choose(&self, map: &Map, sites: &SiteTable, block: Block) -> Chosen {
        let mut chosen = match block {
            Block::V4 { base, length } => {
                choose(self, map, || map.v4(sites), self.table.as_ref().map(|t| &t.v4), base, length)
            }
            Block::V6 { base, length } => {
                choose(self, map, || map.v6(sites), self.table.as_ref().map(|t| &t.v6), base, length)
            }
        };
        // Clients are dealt by unit: a wider scope would give many units the answer of one. Dealt by query they all may get
        // any of the group (SEMANTICS §2.6).
        if self.pieces.is_some()
            && map.plan.sticky
            && self.answers.get(usize::from(chosen.answer.0)).is_some_and(|answer| answer.decision.is_split())
        {
            chosen.scope = chosen.scope.max(map.plan.unit_length(block));
        }
        chosen
    }

    /// The first and last address of the live range that holds a block's first address: its neighbors bound the scope.
    pub fn range(&self, map: &Map, sites: &SiteTable, block: Block) -> (IpAddr, IpAddr) {
        let v4 = |(first, last): (u32, u32)| (IpAddr::V4(first.into()), IpAddr::V4(last.into()));
        let v6 = |(first, last): (u128, u128)| (IpAddr::V6(first.into()), IpAddr::V6(last.into()));
        match (block, &self.table) {
            (Block::V4 { base, .. }, Some(table)) => v4(ends(&table.v4.ranges.view().find(base))),
            (Block::V4 { base, .. }, None) => v4(ends(&map.v4(sites).find(base))),
            (Block::V6 { base, .. }, Some(table)) => v6(ends(&table.v6.ranges.view().find(base))),
            (Block::V6 { base, .. }, None) => v6(ends(&map.v6(sites).find(base))),
        }
    }

    /// Builds the scope table of this epoch: one pass over the site ranges of both families.
    pub fn build_table(&self, map: &Map, sites: &SiteTable) -> ScopeTable {
        ScopeTable { v4: build(self, map, map.v4(sites)), v6: build(self, map, map.v6(sites)) }
    }
}

impl Map {
    /// The site that decides for a folded block: the block's own when it has one, else that of its static majority.
    /// Health has no part in it, so a block's answer is always [`crate::steering::decide()`] of this site.
    pub fn deciding_site(&self, sites: &SiteTable, block: Block) -> SiteId {
        SiteId(match block {
            Block::V4 { base, length } => deciding(self, self.v4(sites), base, length),
            Block::V6 { base, length } => deciding(self, self.v6(sites), base, length),
        })
    }
}

impl ScopeTable {
    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory()
    }

    /// Number of live ranges, IPv4 and IPv6.
    pub fn ranges(&self) -> (usize, usize) {
        (self.v4.ranges.view().len(), self.v6.ranges.view().len())
    }
}

impl<K: Bits> FamilyTable<K> {
    fn memory(&self) -> usize {
        self.ranges.memory()
            + self.mixed.0.capacity() * size_of::<K>()
            + self.mixed.1.capacity() * size_of::<AnswerId>()
    }
}

#[inline]
fn choose<'s, K: Clip>(
    live: &LiveMap,
    map: &Map,
    sites: impl Fn() -> SiteView<'s, K>,
    table: Option<&FamilyTable<K>>,
    base: K,
    length: u8,
) -> Chosen {
    let (answer, scope) = if let Some(table) = table {
        let found = table.ranges.view().find(base);
        (AnswerId(found.value), found.scope(base))
    } else {
        let found = sites().find(base);
        (live.by_site[found.value as usize], found.scope(base))
    };
    let scope = scope.max(1);
    if scope <= length {
        // The whole block lies in one range. A source at most /24 (/56) never sees a longer scope.
        return Chosen { answer, scope: if length <= K::BLOCK { scope.min(K::BLOCK) } else { scope } };
    }
    if length > K::BLOCK {
        // Longer than resolvers send: decided by its first address, and the scope never passes the source length.
        return Chosen { answer, scope: length };
    }
    let answer = match table {
        Some(table) if length == K::BLOCK => match table.mixed.0.binary_search(&base) {
            Ok(index) => table.mixed.1[index],
            Err(_) => answer,
        },
        _ => majority(map, sites(), base, length).map_or(answer, |site| live.by_site[site as usize]),
    };
    Chosen { answer, scope: scope.min(K::BLOCK) }
}

fn ends<K: Bits, V: Copy>(found: &Found<K, V>) -> (K, K) {
    (found.start, found.end)
}

fn deciding<K: Clip>(map: &Map, sites: SiteView<'_, K>, base: K, length: u8) -> u32 {
    let own = sites.find(base).value;
    if length > K::BLOCK { own } else { majority(map, sites, base, length).unwrap_or(own) }
}

/// The site that answers for a mixed block: the largest among those of the home that most of the block has in the static
/// map, so that the failure of another PoP never moves the block. `None` when the block has more ranges than are walked.
fn majority<K: Clip>(map: &Map, sites: SiteView<'_, K>, base: K, length: u8) -> Option<u32> {
    let (end, limit) = (base.last(length), if length < K::BLOCK { SHORT_WALK } else { K::WALK });
    let mut tally = Tally::default();
    for (walked, found) in sites.from(base).take_while(|found| found.start <= end).enumerate() {
        if walked == limit {
            return None;
        }
        tally.add(map, found.value, K::count(found.start.max(base), found.end.min(end)));
    }
    tally.site()
}

/// Weights of the sites inside one block, in a fixed room: `WALK` distinct sites at most.
#[derive(Default)]
struct Tally {
    /// (home, site, addresses), in order of appearance.
    rows: smallvec::SmallVec<[(u16, u32, u128); 256]>,
}

impl Tally {
    fn add(&mut self, map: &Map, site: u32, addresses: u128) {
        // Unusable addresses are a home of their own.
        let home = if SiteId(site) == SiteId::UNUSABLE { u16::MAX } else { map.homes.by_site[site as usize] };
        match self.rows.iter_mut().find(|row| row.1 == site) {
            Some(row) => row.2 = row.2.saturating_add(addresses),
            None => self.rows.push((home, site, addresses)),
        }
    }

    /// The largest site of the largest home; the earlier address wins a tie.
    fn site(&self) -> Option<u32> {
        let total =
            |home: u16| self.rows.iter().filter(|row| row.0 == home).fold(0u128, |sum, row| sum.saturating_add(row.2));
        let mut best: Option<(u128, u128, u32)> = None;
        for &(home, site, addresses) in &self.rows {
            let candidate = (total(home), addresses, site);
            if best.is_none_or(|b| (candidate.0, candidate.1) > (b.0, b.1)) {
                best = Some(candidate);
            }
        }
        best.map(|b| b.2)
    }
}

fn build<K: Clip>(live: &LiveMap, map: &Map, sites: SiteView<'_, K>) -> FamilyTable<K> {
    let mut ranges = Ranges::new(0);
    let mut mixed = (Vec::new(), Vec::new());
    for found in sites.iter() {
        ranges.push(found.start, live.by_site[found.value as usize].0);
    }
    ranges.shrink();
    // Borders inside a block of the clip length make it mixed.
    for Found { start, .. } in ranges.view().iter() {
        let block = start.first(K::BLOCK);
        if start != block
            && mixed.0.last() != Some(&block)
            && let Some(site) = majority(map, sites, block, K::BLOCK)
        {
            mixed.0.push(block);
            mixed.1.push(live.by_site[site as usize]);
        }
    }
    mixed.0.shrink_to_fit();
    mixed.1.shrink_to_fit();
    FamilyTable { ranges, mixed }
}
