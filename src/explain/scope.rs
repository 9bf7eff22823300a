//! How far an answer holds: the range around the key, what bounds it, and who decided in a mixed block.
//!
//! Without assumptions the live tables say it; with some, ranges are decided one by one, outward from the key, until
//! they differ.

use std::net::IpAddr;

use super::given;
use crate::geo::{Found, Packable, SiteId, SiteTable, SiteView};
use crate::live::{AnswerId, LiveMap, Map};
use crate::net::Block;
use crate::steering::{Decision, Facts};

/// How far an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// First and last address of the range of equal decisions around the key.
    pub range: (IpAddr, IpAddr),
    /// The ranges before and after it; `None` at the ends of the space.
    pub neighbors: [Option<Neighbor>; 2],
    /// What bounds the scope.
    pub bound: Bound,
    /// Set when the block is mixed, and the majority decided.
    pub mixed: Option<Mixed>,
}

/// A range of equal decisions beside the key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// First address.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
    /// What its clients get.
    pub gets: String,
}

/// A block of clients that would not all get the same by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// What they would get, and how many of thousand addresses, the most first; none when the block has more ranges than are
    /// walked, and its first address decided.
    pub parts: Vec<(String, u16)>,
}

/// What bounds a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The range before the key's.
    Before,
    /// The range after it.
    After,
    /// The unit that clients are dealt by.
    Unit,
    /// A scope of 0 would hold for everyone.
    Floor,
    /// Resolvers send no longer prefixes.
    Longest,
    /// The client subnet is no longer.
    Source,
}

impl Bound {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Before => "bounded by the range before",
            Self::After => "bounded by the range after",
            Self::Unit => "clients are dealt by blocks of this length",
            Self::Floor => "the whole space alike; 0 would say that nothing is tailored",
            Self::Longest => "the block is mixed, and resolvers send no longer prefixes",
            Self::Source => "never longer than the client subnet",
        }
    }
}

/// What an address of either family needs here.
trait Address: Packable {
    /// The longest prefix that resolvers send.
    const LONGEST: u8;
    fn ip(self) -> IpAddr;
    /// `None` for an address of the other family.
    fn of(address: IpAddr) -> Option<Self>;
}

impl Address for u32 {
    const LONGEST: u8 = 24;
    fn ip(self) -> IpAddr {
        IpAddr::V4(self.into())
    }
    fn of(address: IpAddr) -> Option<Self> {
        if let IpAddr::V4(address) = address { Some(address.into()) } else { None }
    }
}

impl Address for u128 {
    const LONGEST: u8 = 56;
    fn ip(self) -> IpAddr {
        IpAddr::V6(self.into())
    }
    fn of(address: IpAddr) -> Option<Self> {
        if let IpAddr::V6(address) = address { Some(address.into()) } else { None }
    }
}

/// Decides sites as they come, each once.
pub(super) struct Scout<'a> {
    map: &'a Map,
    sites: &'a SiteTable,
    /// Where the live tables hold.
    live: Option<&'a LiveMap>,
    facts: &'a Facts,
    /// `None`: decided by the resolver's address.
    decisions: Vec<Option<Decision>>,
    /// By site: an index into them, or [`UNDECIDED`].
    by_site: Vec<u32>,
}

const UNDECIDED: u32 = u32::MAX;

impl<'a> Scout<'a> {
    pub(super) fn new(map: &'a Map, sites: &'a SiteTable, live: Option<&'a LiveMap>, facts: &'a Facts) -> Self {
        Self { map, sites, live, facts, decisions: Vec::new(), by_site: vec![UNDECIDED; sites.len()] }
    }

    /// How far the answer for a block holds, and its scope in the block's own family.
    pub(super) fn reach(&mut self, block: Block, is_split: bool) -> (Reach, u8) {
        let unit = (is_split && self.map.plan.sticky).then(|| self.map.plan.unit_length(block));
        match block {
            Block::V4 { base, length } => self.reach_in(self.map.v4(self.sites), base, length, unit),
            Block::V6 { base, length } => self.reach_in(self.map.v6(self.sites), base, length, unit),
        }
    }

    fn reach_in<K: Address>(&mut self, view: SiteView<'_, K>, base: K, length: u8, unit: Option<u8>) -> (Reach, u8) {
        let around = self.range(view, base);
        let before = around.start.previous().map(|x| self.range(view, x));
        let after = around.end.next().map(|x| self.range(view, x));
        let neighbor = |found: Found<K, usize>, this: &Self| Neighbor {
            first: found.start.ip(),
            last: found.end.ip(),
            gets: this.words(found.value),
        };
        let neighbors = [before.map(|found| neighbor(found, self)), after.map(|found| neighbor(found, self))];

        let exact = around.scope(base);
        let by_after = around.end.next().is_some_and(|x| 1 + base.common_prefix(x) == exact);
        let (scope, bound) = if exact.max(1) <= length {
            match exact {
                0 => (1, Bound::Floor),
                _ if by_after => (exact, Bound::After),
                _ => (exact, Bound::Before),
            }
        } else if length > K::LONGEST {
            (length, Bound::Source)
        } else if exact > K::LONGEST {
            (K::LONGEST, Bound::Longest)
        } else if exact == 0 {
            (1, Bound::Floor)
        } else {
            (exact, if by_after { Bound::After } else { Bound::Before })
        };
        let (scope, bound) = match unit {
            Some(unit) if unit > scope => (unit, Bound::Unit),
            _ => (scope, bound),
        };
        let is_mixed = length <= K::LONGEST && base.last(length) > around.end;
        let mixed = is_mixed.then(|| self.mixed(view, base, length));
        (Reach { range: (around.start.ip(), around.end.ip()), neighbors, bound, mixed }, scope)
    }

    /// The range of equal decisions around an address, and the number of its decision.
    fn range<K: Address>(&mut self, view: SiteView<'_, K>, x: K) -> Found<K, usize> {
        let found = view.find(x);
        let value = self.decision(found.value);
        let (mut start, mut end) = (found.start, found.end);
        if let Some((first, last)) =
            self.live.map(|live| live.range(self.map, self.sites, Block::new(x.ip(), K::WIDTH)))
        {
            (start, end) = (K::of(first).unwrap_or(start), K::of(last).unwrap_or(end));
            return Found { start, end, value };
        }
        while let Some(found) = start.previous().map(|x| view.find(x)) {
            if self.decision(found.value) != value {
                break;
            }
            start = found.start;
        }
        while let Some(found) = end.next().map(|x| view.find(x)) {
            if self.decision(found.value) != value {
                break;
            }
            end = found.end;
        }
        Found { start, end, value }
    }

    fn mixed<K: Address>(&mut self, view: SiteView<'_, K>, base: K, length: u8) -> Mixed {
        let limit = if length < K::LONGEST { 64 } else { 256 };
        let end = base.last(length);
        let mut counts: Vec<(usize, u128)> = Vec::new();
        for (walked, found) in view.from(base).take_while(|found| found.start <= end).enumerate() {
            if walked == limit {
                return Mixed { parts: Vec::new() };
            }
            let number = self.decision(found.value);
            let addresses = K::count(found.start.max(base), found.end.min(end));
            match counts.iter_mut().find(|part| part.0 == number) {
                Some(part) => part.1 = part.1.saturating_add(addresses),
                None => counts.push((number, addresses)),
            }
        }
        let all = K::count(base, end).max(1);
        let permille = |addresses: u128| addresses.checked_mul(1000).map_or(1000, |n| n / all) as u16;
        counts.sort_by_key(|part| std::cmp::Reverse(part.1));
        Mixed { parts: counts.iter().map(|(number, n)| (self.words(*number), permille(*n))).collect() }
    }

    /// The number of a site's decision.
    fn decision(&mut self, site: u32) -> usize {
        let known = self.by_site[site as usize];
        if known != UNDECIDED {
            return known as usize;
        }
        let decision = match self.live.map(|live| (live, live.by_site[site as usize])) {
            _ if SiteId(site) == SiteId::UNUSABLE => None,
            Some((_, AnswerId::RESOLVER)) => None,
            Some((live, answer)) => Some(live.answer(answer).decision.clone()),
            None => Some(self.map.decide(self.sites, SiteId(site), self.facts)),
        };
        let number = self.decisions.iter().position(|known| *known == decision).unwrap_or_else(|| {
            self.decisions.push(decision);
            self.decisions.len() - 1
        });
        self.by_site[site as usize] = number as u32;
        number
    }

    fn words(&self, number: usize) -> String {
        match self.decisions.get(number) {
            Some(Some(decision)) => given::words(self.map, decision),
            _ => "by the packet's source".to_owned(),
        }
    }

    /// How many units of a key's family have a decision: among so many clients a split is dealt.
    pub(super) fn units(&mut self, decision: &Decision, block: Block) -> u64 {
        match block {
            Block::V4 { .. } => self.units_in(self.map.v4(self.sites), decision, block),
            Block::V6 { .. } => self.units_in(self.map.v6(self.sites), decision, block),
        }
    }

    fn units_in<K: Address>(&mut self, view: SiteView<'_, K>, decision: &Decision, block: Block) -> u64 {
        let unit = self.map.plan.unit_length(block);
        let mut units = 0u64;
        let mut last = None;
        for found in view.iter() {
            let number = self.decision(found.value);
            if self.decisions[number].as_ref() != Some(decision) {
                continue;
            }
            let (first, end) = (found.start.first(unit), found.end.first(unit));
            let span = K::count(first, end) >> (K::WIDTH - unit);
            let shared = last == Some(first);
            units = units.saturating_add(u64::try_from(span).unwrap_or(u64::MAX).saturating_add(u64::from(!shared)));
            last = Some(end);
        }
        units
    }
}

/// An address of a block that lies in a site.
pub(super) fn address_of(map: &Map, sites: &SiteTable, block: Block, site: SiteId) -> Option<IpAddr> {
    fn first<K: Address>(view: SiteView<'_, K>, base: K, length: u8, site: SiteId) -> Option<IpAddr> {
        let end = base.last(length);
        let mut inside = view.from(base).take_while(|found| found.start <= end).take(256);
        inside.find(|found| found.value == site.0).map(|found| found.start.max(base).ip())
    }
    match block {
        Block::V4 { base, length } => first(map.v4(sites), base, length, site),
        Block::V6 { base, length } => first(map.v6(sites), base, length, site),
    }
}
