//! How many clients are sent to the PoP that the oracle finds nearest, and how much farther the others have to go.

use super::oracle::{Oracle, TIE_KM};
use super::{Asked, is_known};
use crate::geo::SiteId;
use crate::net::{Bits, Block};
use crate::survey::ground::Space;
use crate::survey::{Ground, Stretch, Weights};

/// Kilometers beyond the nearest PoP.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Excess {
    /// Mean.
    pub mean: f64,
    /// 95 % of the clients have at most this.
    pub p95: f64,
    /// 99 % of them.
    pub p99: f64,
    /// The most.
    pub max: f64,
}

/// What became of clients by one weighting.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// All that were weighed.
    pub all: f64,
    /// Those who are sent to the nearest PoP.
    pub right: f64,
    /// Those who are told no PoP, or dealt among several by weight.
    pub elsewhere: f64,
    /// Kilometers to the nearest PoP, weighted: what the best of all servers comes to.
    nearest_km: f64,
    /// Kilometers beyond the nearest with their weights, of those who are not right.
    beyond: Vec<(f64, f64)>,
}

impl Rate {
    fn add(&mut self, oracle: &Oracle, site: SiteId, pop: Option<u16>, weight: f64) {
        let Some((_, km)) = oracle.nearest(site, |_| false) else { return };
        self.all += weight;
        self.nearest_km += km * weight;
        match pop.and_then(|pop| oracle.excess(site, pop, |_| false)) {
            Some(excess) if excess <= TIE_KM => self.right += weight,
            Some(excess) => self.beyond.push((excess, weight)),
            None => self.elsewhere += weight,
        }
    }

    /// The share that is right, 0 to 1; 1 of nobody.
    pub fn share(&self) -> f64 {
        if self.all > 0.0 { self.right / self.all } else { 1.0 }
    }

    /// Mean kilometers to the nearest PoP.
    pub fn nearest_km(&self) -> f64 {
        if self.all > 0.0 { self.nearest_km / self.all } else { 0.0 }
    }

    /// Kilometers beyond the nearest, of all who are sent to a PoP.
    pub fn excess(&mut self) -> Excess {
        let all = self.all - self.elsewhere;
        self.beyond.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        // From the farthest down, until what is beyond is less than a part of all.
        let quantile = |part: f64| {
            let mut passed = 0.0;
            let mut beyond = self.beyond.iter();
            beyond.find_map(|(km, weight)| {
                passed += weight;
                (passed > (1.0 - part) * all).then_some(*km)
            })
        };
        Excess {
            mean: if all > 0.0 { self.beyond.iter().map(|(km, weight)| km * weight).sum::<f64>() / all } else { 0.0 },
            p95: quantile(0.95).unwrap_or(0.0),
            p99: quantile(0.99).unwrap_or(0.0),
            max: self.beyond.first().map_or(0.0, |first| first.0),
        }
    }
}

/// Every weighting, for clients that are known to the address or to the longest prefix that resolvers send.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// By IPv4 addresses, 256 of them a /24.
    pub space: Rate,
    /// By people: the population of each country spread over its IPv4 addresses.
    pub people: Rate,
    /// Each record of IPv4 once.
    pub v4_records: Rate,
    /// Each record of IPv6 once.
    pub v6_records: Rate,
}

impl Rates {
    /// The weightings with their names.
    pub fn rows(&mut self) -> [(&'static str, &mut Rate); 4] {
        [
            ("/24s", &mut self.space),
            ("people", &mut self.people),
            ("IPv4 records", &mut self.v4_records),
            ("IPv6 records", &mut self.v6_records),
        ]
    }
}

/// Who is told what: by the whole address, and by /24 and /56.
#[derive(Clone, Debug, Default)]
pub struct Nearest {
    /// Clients whose whole address decides, as without a client subnet.
    pub exact: Rates,
    /// Clients of resolvers that send /24 and /56: of a block that is mixed inside all get one answer.
    pub subnet: Rates,
    /// IPv4 addresses whose place is unknown; they count nowhere.
    pub unplaced: u64,
}

impl Nearest {
    /// Looks every range up as a packet would, by its first address.
    pub fn measure(asked: &Asked<'_>, oracle: &Oracle, ground: &Ground) -> Self {
        let mut nearest = Self::default();
        let sites = asked.side.sites();
        for stretch in asked.side.stretches::<u32>() {
            let site = stretch.spot.site;
            let addresses = u32::count(stretch.first, stretch.last) as u64;
            if !oracle.is_placed(site) {
                nearest.unplaced += if is_known(sites, site) { addresses } else { 0 };
                continue;
            }
            let country = sites.site(site).country;
            let add = |rates: &mut Rates, pop, addresses: u64| {
                #[expect(clippy::cast_precision_loss, reason = "at most 2^32")]
                rates.space.add(oracle, site, pop, addresses as f64);
                let weights = Weights { v4: addresses, ..Weights::default() };
                rates.people.add(oracle, site, pop, ground.people(country, &weights));
            };
            let own = asked.pop(v4(stretch.first, 32));
            add(&mut nearest.exact, own, addresses);
            nearest.exact.v4_records.add(oracle, site, own, 1.0);
            for (block, addresses) in pieces(stretch.first, stretch.last) {
                add(&mut nearest.subnet, asked.pop(v4(block, 24)), addresses);
            }
            nearest.subnet.v4_records.add(oracle, site, asked.pop(v4(stretch.first.first(24), 24)), 1.0);
        }
        for Stretch { first, spot, .. } in asked.side.stretches::<u128>() {
            if oracle.is_placed(spot.site) {
                let v6 = |base, length| Block::V6 { base, length };
                nearest.exact.v6_records.add(oracle, spot.site, asked.pop(v6(first, 128)), 1.0);
                let longest = <u128 as Space>::LONGEST;
                nearest.subnet.v6_records.add(oracle, spot.site, asked.pop(v6(first.first(longest), longest)), 1.0);
            }
        }
        nearest
    }
}

fn v4(base: u32, length: u8) -> Block {
    Block::V4 { base, length }
}

/// A range as parts of /24s: the first addresses of a mixed one at its beginning, of one that it holds whole and stands for all
/// of those, and of a mixed one at its end; with the addresses that the range has in them.
fn pieces(first: u32, last: u32) -> impl Iterator<Item = (u32, u64)> {
    let (head, tail) = (first.first(24), last.first(24));
    let count = |from: u32, to: u32| u64::from(to) - u64::from(from) + 1;
    let one = (head == tail).then(|| (head, count(first, last)));
    let several = (head != tail).then(|| {
        let whole_from = if first == head { Some(head) } else { head.last(24).next() };
        let whole_to = if last == tail.last(24) { Some(last) } else { tail.previous() };
        let begin = (first != head).then(|| (head, count(first, head.last(24))));
        let end = (last != tail.last(24)).then(|| (tail, count(tail, last)));
        let whole = whole_from.zip(whole_to).filter(|(from, to)| from < to).map(|(from, to)| (from, count(from, to)));
        [begin, whole, end]
    });
    one.into_iter().chain(several.into_iter().flatten().flatten())
}
