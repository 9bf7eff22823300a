//! Address ranges → answer, with the exact scope prefix length (DESIGN §5, SEMANTICS §1.5).

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;

use super::answer::AnswerId;
use super::fill::{Homes, LiveMap, Map};
use crate::geo::{Found, Indexable, Indexed, IndexedBuilder, SiteId, SiteRanges, SiteTable, SiteView};
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
#[derive(Debug, PartialEq, Eq)]
pub struct ScopeTable {
    v4: FamilyTable<u32>,
    v6: FamilyTable<u128>,
}

#[derive(Debug, PartialEq, Eq)]
struct FamilyTable<K: Indexable> {
    ranges: Indexed<K>,
    /// First address → deciding site of each block of [`Clip::BLOCK`] bits that holds more than one answer, in order.
    mixed: (Vec<K>, Vec<u32>),
}

/// The scope table of an earlier epoch of the same map, and which answers it was made of: what did not change since need not
/// be found again among millions of site ranges.
#[derive(Debug)]
pub struct Basis {
    by_site: Arc<Vec<AnswerId>>,
    table: Arc<ScopeTable>,
}

/// What became of the ranges of each answer of a [`Basis`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No site has it.
    Unseen,
    /// All sites that had it have this one now: its ranges stay whole.
    Became(u16),
    /// Its sites went different ways: its ranges are cut anew.
    Torn,
}

/// The longest source prefix that resolvers send, past which a mixed block is answered as one.
pub(super) trait Clip: Indexable {
    /// 24 for IPv4, 56 for IPv6.
    const BLOCK: u8;
    /// Ranges a block of that length is walked for its majority, at most.
    const WALK: usize;
    /// The length of the largest aligned block that begins at `base` and ends by `end`.
    fn largest(base: Self, end: Self) -> u8;
    /// Whether it is in the one of 16 parts of the space that stand for all of it; a /16 (/32) is as a whole.
    fn in_sample(self) -> bool;
}

/// One of 16, whatever the pattern.
fn is_chosen(block: u32) -> bool {
    block.wrapping_mul(0x9e37_79b1) >> 28 == 0
}

impl Clip for u32 {
    const BLOCK: u8 = 24;
    const WALK: usize = 256;

    #[inline]
    fn largest(base: Self, end: Self) -> u8 {
        // The logarithm of the number of addresses, rounded down.
        let size = (end - base).checked_add(1).map_or(32, Self::ilog2);
        32 - base.trailing_zeros().min(size) as u8
    }

    #[inline]
    fn in_sample(self) -> bool {
        is_chosen(self >> 16)
    }
}

impl Clip for u128 {
    const BLOCK: u8 = 56;
    const WALK: usize = 256;

    #[inline]
    fn largest(base: Self, end: Self) -> u8 {
        let size = (end - base).checked_add(1).map_or(128, Self::ilog2);
        128 - base.trailing_zeros().min(size) as u8
    }

    #[inline]
    fn in_sample(self) -> bool {
        is_chosen((self >> 96) as u32)
    }
}

/// Ranges walked for the majority of a block shorter than [`Clip::BLOCK`].
const SHORT_WALK: usize = 64;

/// About where the range of an address is; for [`LiveMap::touch`].
#[derive(Clone, Copy, Debug)]
pub enum Near {
    /// Of IPv4.
    V4(usize),
    /// Of IPv6.
    V6(usize),
}

impl LiveMap {
    /// About where the range of a block's first address is. `None` without a scope table.
    #[inline]
    pub fn near(&self, block: Block) -> Option<Near> {
        let table = self.table.as_ref()?;
        Some(match block {
            Block::V4 { base, .. } => Near::V4(table.v4.ranges.near(base)),
            Block::V6 { base, .. } => Near::V6(table.v6.ranges.near(base)),
        })
    }

    /// Reads of ranges as much as brings them near. What it gives means nothing.
    #[inline]
    pub fn touch(&self, near: Near) -> u64 {
        match (&self.table, near) {
            (Some(table), Near::V4(near)) => table.v4.ranges.touch(near),
            (Some(table), Near::V6(near)) => table.v6.ranges.touch(near),
            (None, _) => 0,
        }
    }

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
            (Block::V4 { base, .. }, Some(table)) => v4(ends(&table.v4.ranges.range(base))),
            (Block::V4 { base, .. }, None) => v4(ends(&map.v4(sites).find(base))),
            (Block::V6 { base, .. }, Some(table)) => v6(ends(&table.v6.ranges.range(base))),
            (Block::V6 { base, .. }, None) => v6(ends(&map.v6(sites).find(base))),
        }
    }

    /// Builds the scope table of this epoch: of the table of an earlier epoch where this map has one, else by one pass over
    /// the site ranges. The result is the same. Each family is built on a thread of its own.
    pub fn build_table(&self, map: &Map, sites: &SiteTable) -> ScopeTable {
        let fates = self.basis.as_ref().map(|basis| basis.fates(&self.by_site));
        let basis = self.basis.as_ref().zip(fates.as_deref());
        let v4 = || build(self, map, map.v4(sites), basis.map(|(basis, fates)| (&basis.table.v4, fates)));
        let v6 = || build(self, map, map.v6(sites), basis.map(|(basis, fates)| (&basis.table.v6, fates)));
        // Small tables are done before a thread would have begun; without a thread it goes one after the other.
        if map.v4(sites).base_len() < WORTH_A_THREAD {
            return ScopeTable { v4: v4(), v6: v6() };
        }
        thread::scope(|scope| {
            let other = thread::Builder::new().name("scopes".to_owned()).spawn_scoped(scope, v4);
            let v6 = v6();
            let v4 = other.ok().and_then(|other| other.join().ok()).unwrap_or_else(v4);
            ScopeTable { v4, v6 }
        })
    }

    /// What the scope table of the next epoch can be built of: this epoch's, or what this one was to be built of.
    pub(super) fn as_basis(&self) -> Option<Arc<Basis>> {
        match &self.table {
            Some(table) => Some(Arc::new(Basis { by_site: Arc::clone(&self.by_site), table: Arc::clone(table) })),
            None => self.basis.clone(),
        }
    }
}

/// Site ranges of IPv4 from which on a thread for each family pays.
const WORTH_A_THREAD: usize = 20_000;

impl Basis {
    /// Bytes that are kept only for this.
    pub(super) fn memory(&self) -> usize {
        self.table.memory() + self.by_site.len() * size_of::<AnswerId>()
    }

    /// By answer of the basis: what became of it.
    fn fates(&self, now: &[AnswerId]) -> Vec<Fate> {
        let mut fates = vec![Fate::Unseen; usize::from(u16::MAX) + 1];
        for (before, now) in self.by_site.iter().zip(now) {
            let fate = &mut fates[usize::from(before.0)];
            *fate = match *fate {
                Fate::Unseen => Fate::Became(now.0),
                Fate::Became(other) if other != now.0 => Fate::Torn,
                same => same,
            };
        }
        fates
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
        (self.v4.ranges.len(), self.v6.ranges.len())
    }
}

impl<K: Indexable> FamilyTable<K> {
    fn memory(&self) -> usize {
        self.ranges.memory() + self.mixed.0.capacity() * size_of::<K>() + self.mixed.1.capacity() * size_of::<u32>()
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
        let (answer, scope) = table.ranges.find(base);
        (AnswerId(answer), scope)
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
            Ok(index) => live.by_site[table.mixed.1[index] as usize],
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
    majority_of(&map.homes, sites.from(base), base, length)
}

/// The same, of the ranges from the one on that holds the first address of the block.
pub(super) fn majority_of<K: Clip>(
    homes: &Homes,
    ranges: impl Iterator<Item = Found<K, u32>>,
    base: K,
    length: u8,
) -> Option<u32> {
    let (end, limit) = (base.last(length), if length < K::BLOCK { SHORT_WALK } else { K::WALK });
    let mut tally = Tally::default();
    for (walked, found) in ranges.take_while(|found| found.start <= end).enumerate() {
        if walked == limit {
            return None;
        }
        tally.add(homes, found.value, K::count(found.start.max(base), found.end.min(end)));
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
    fn add(&mut self, homes: &Homes, site: u32, addresses: u128) {
        // Unusable addresses are a home of their own.
        let home = if SiteId(site) == SiteId::UNUSABLE { u16::MAX } else { homes.by_site[site as usize] };
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

fn build<K: Clip>(
    live: &LiveMap,
    map: &Map,
    sites: SiteView<'_, K>,
    basis: Option<(&FamilyTable<K>, &[Fate])>,
) -> FamilyTable<K> {
    let ranges = match basis {
        Some((table, fates)) => cut_anew(live, sites, table, fates),
        None => merge(live, sites),
    };
    let known = basis.map_or((&[][..], &[][..]), |(table, _)| (&table.mixed.0, &table.mixed.1));
    let mixed = mixed(map, sites, &ranges, known);
    FamilyTable { ranges, mixed }
}

/// All site ranges with their answers, equal neighbors merged.
fn merge<K: Clip>(live: &LiveMap, sites: SiteView<'_, K>) -> Indexed<K> {
    // What is not needed is given back untouched.
    let mut ranges = IndexedBuilder::new(sites.base_len() / 2);
    sites.for_each_change(|site| live.by_site[site as usize].0, |start, answer| ranges.push(start, answer));
    ranges.finish()
}

/// The ranges of an earlier table, those of torn answers cut at the borders of their sites.
fn cut_anew<K: Clip>(live: &LiveMap, sites: SiteView<'_, K>, basis: &FamilyTable<K>, fates: &[Fate]) -> Indexed<K> {
    let before = &basis.ranges;
    let mut ranges = IndexedBuilder::new(before.len());
    let (mut cursor, mut torn) = (sites.iter(), None);
    let mut cut = |ranges: &mut IndexedBuilder<K>, first: K, last: K| {
        cursor.within(first, last, |site| {
            ranges.push(site.start.max(first), live.by_site[site.value as usize].0);
            true
        });
    };
    before.for_each(|start, value| match fates[usize::from(value)] {
        Fate::Became(answer) => {
            if let Some((first, last)) = torn.take().zip(start.previous()) {
                cut(&mut ranges, first, last);
            }
            ranges.push(start, answer);
        }
        Fate::Torn | Fate::Unseen => torn = torn.or(Some(start)),
    });
    if let Some(first) = torn {
        cut(&mut ranges, first, K::MAX);
    }
    ranges.finish()
}

/// The blocks of the clip length with borders inside, and the sites that decide for them. Those are static, so of blocks that
/// an earlier table has they are `known`.
fn mixed<K: Clip>(map: &Map, sites: SiteView<'_, K>, ranges: &Indexed<K>, known: (&[K], &[u32])) -> (Vec<K>, Vec<u32>) {
    let mut mixed: (Vec<K>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut known = known.0.iter().zip(known.1).peekable();
    let (mut cursor, mut last) = (sites.iter(), None);
    ranges.for_each(|start, _| {
        let block = start.first(K::BLOCK);
        if start == block || last == Some(block) {
            return;
        }
        last = Some(block);
        while known.next_if(|(first, _)| **first < block).is_some() {}
        let site = match known.next_if(|(first, _)| **first == block) {
            Some((_, site)) => Some(*site),
            None => majority_ahead(&map.homes, &mut cursor, block),
        };
        if let Some(site) = site {
            mixed.0.push(block);
            mixed.1.push(site);
        }
    });
    mixed.0.shrink_to_fit();
    mixed.1.shrink_to_fit();
    mixed
}

/// As [`majority_of`] says for a block of the clip length ahead of a cursor.
fn majority_ahead<K: Clip>(homes: &Homes, cursor: &mut SiteRanges<'_, K>, block: K) -> Option<u32> {
    let (last, mut tally, mut walked) = (block.last(K::BLOCK), Tally::default(), 0);
    cursor.within(block, last, |found| {
        walked += 1;
        tally.add(homes, found.value, K::count(found.start.max(block), found.end.min(last)));
        walked <= K::WALK
    });
    if walked > K::WALK { None } else { tally.site() }
}
