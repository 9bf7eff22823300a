//! The walk over all ranges, and what lies there: cells with their weights.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::people;
use super::side::Side;
use crate::geo::{Country, Found, Packable, Site, SiteId, SiteRanges, SiteTable, SiteView, Vector};
use crate::live::Map;

/// A family of client addresses.
pub trait Space: Packable {
    /// The longest scope that resolvers are given: 24 or 56.
    const LONGEST: u8;
    /// What is known of addresses.
    fn places(sites: &SiteTable) -> SiteView<'_, Self>;
    /// Who decides for them: the same, but where a policy asks for less detail.
    fn deciders<'a>(map: &'a Map, sites: &'a SiteTable) -> SiteView<'a, Self>;
    /// Bits that clients are dealt by.
    fn unit(map: &Map) -> u8;
}

impl Space for u32 {
    const LONGEST: u8 = 24;

    fn places(sites: &SiteTable) -> SiteView<'_, Self> {
        sites.v4()
    }

    fn deciders<'a>(map: &'a Map, sites: &'a SiteTable) -> SiteView<'a, Self> {
        map.v4(sites)
    }

    fn unit(map: &Map) -> u8 {
        map.plan.unit.v4
    }
}

impl Space for u128 {
    const LONGEST: u8 = 56;

    fn places(sites: &SiteTable) -> SiteView<'_, Self> {
        sites.v6()
    }

    fn deciders<'a>(map: &'a Map, sites: &'a SiteTable) -> SiteView<'a, Self> {
        map.v6(sites)
    }

    fn unit(map: &Map) -> u8 {
        map.plan.unit.v6
    }
}

/// What one side knows of some addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The site they are of: place, country, what rules see.
    pub site: SiteId,
    /// The site that decides for them: the same, but where a policy asks for less detail.
    pub decider: SiteId,
}

/// A range of addresses of one spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch<K> {
    /// First address.
    pub first: K,
    /// Last address.
    pub last: K,
    /// What is known of them.
    pub spot: Spot,
}

/// How much some addresses count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// IPv4 addresses; 256 of them are a /24.
    pub v4: u64,
    /// Records of IPv4: ranges of one site, each by its first address.
    pub v4_records: u64,
    /// Records of IPv6, likewise.
    pub v6_records: u64,
}

/// All addresses that are alike for both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// What they are before; of one side alone the same as after.
    pub before: Spot,
    /// What they are after.
    pub after: Spot,
    /// How much they count.
    pub weights: Weights,
    /// Their country, by the side after, else by the one before.
    pub country: Option<Country>,
    /// Where they are, likewise.
    pub vector: Option<Vector>,
    /// How many people that is ([`Ground::people`]).
    pub people: f64,
}

/// The clients of the address space, by what two sides know of them.
#[derive(Clone, Debug)]
pub struct Ground {
    /// By rising spots.
    pub cells: Vec<Cell>,
    /// IPv4 addresses of each country, by the side after, else by the one before.
    countries: BTreeMap<Country, u64>,
}

impl Ground {
    /// What one side knows.
    pub fn of(side: &Side<'_>) -> Self {
        Self::between(side, side)
    }

    /// What two sides know of the same addresses. Records are those of the side after.
    pub fn between(before: &Side<'_>, after: &Side<'_>) -> Self {
        let mut cells = Cells::new(before, after);
        cells.walk::<u32>(before, after, |weights, count, record| {
            weights.v4 += count as u64;
            weights.v4_records += u64::from(record);
        });
        cells.walk::<u128>(before, after, |weights, _, record| weights.v6_records += u64::from(record));
        let (was, is) = (before.sites(), after.sites());
        let is_client = |cell: &Cell| is_known(is, cell.after.site) || is_known(was, cell.before.site);
        let mut cells: Vec<Cell> = cells.list().filter(is_client).collect();
        let mut countries = BTreeMap::new();
        for cell in &mut cells {
            cell.country = is.site(cell.after.site).country.or_else(|| was.site(cell.before.site).country);
            cell.vector = after.place(cell.after.site).or_else(|| before.place(cell.before.site)).map(Vector::of);
            if let Some(country) = cell.country {
                *countries.entry(country).or_default() += cell.weights.v4;
            }
        }
        let mut ground = Self { cells, countries };
        let people: Vec<f64> = ground.cells.iter().map(|cell| ground.people(cell.country, &cell.weights)).collect();
        for (cell, people) in ground.cells.iter_mut().zip(people) {
            cell.people = people;
        }
        ground
    }

    /// People of a cell of a country: as many of its population as the cell has of its IPv4 addresses.
    pub fn people(&self, country: Option<Country>, weights: &Weights) -> f64 {
        let Some(country) = country else { return 0.0 };
        let all = self.countries.get(&country).copied().unwrap_or(0);
        if all == 0 { 0.0 } else { float(weights.v4) * 1e3 * f64::from(people::thousands(country)) / float(all) }
    }
}

/// Counts are far below what an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "at most 2^32 addresses")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Whether anything is known of a site, by a database or by the operator.
pub(super) fn is_known(sites: &SiteTable, id: SiteId) -> bool {
    id != SiteId::UNUSABLE && sites.site(id) != Site::default()
}

/// The ranges of one side.
pub(super) fn stretches<'s, K: Space>(side: &'s Side<'_>) -> impl Iterator<Item = Stretch<K>> + use<'s, K> {
    let mut together = Together::new([K::places(side.sites()), K::deciders(side.map, side.sites())]);
    std::iter::from_fn(move || {
        let (first, last, [site, decider]) = together.next()?;
        let spot = Spot { site: SiteId(site.value), decider: SiteId(decider.value) };
        Some(Stretch { first, last, spot })
    })
}

/// Weights while they are added up.
enum Cells {
    /// By site: nothing is told apart but what one table does.
    Alike(Vec<Weights>),
    /// By what both sides know.
    Different(HashMap<[u32; 4], Weights, FixedState>),
}

impl Cells {
    fn new(before: &Side<'_>, after: &Side<'_>) -> Self {
        let exact = |side: &Side<'_>| side.map.pruned().is_none();
        if Arc::ptr_eq(before.sites(), after.sites()) && exact(before) && exact(after) {
            Self::Alike(vec![Weights::default(); after.sites().len()])
        } else {
            Self::Different(HashMap::default())
        }
    }

    /// Adds every range of a family, with its number of addresses and whether a record of the side after begins there.
    fn walk<K: Space>(&mut self, before: &Side<'_>, after: &Side<'_>, add: impl Fn(&mut Weights, u128, bool)) {
        let (was, is) = (before.sites(), after.sites());
        let list = match self {
            Self::Alike(list) => {
                for found in K::places(is).iter() {
                    add(&mut list[found.value as usize], K::count(found.start, found.end), true);
                }
                return;
            }
            Self::Different(list) => list,
        };
        let views = [K::places(was), K::deciders(before.map, was), K::places(is), K::deciders(after.map, is)];
        let mut together = Together::new(views);
        while let Some((first, last, found)) = together.next() {
            let weights = list.entry(found.map(|found| found.value)).or_default();
            add(weights, K::count(first, last), found[2].start == first);
        }
    }

    fn list(self) -> impl Iterator<Item = Cell> {
        let cells: Vec<([u32; 4], Weights)> = match self {
            Self::Alike(list) => list.into_iter().enumerate().map(|(id, weights)| ([id as u32; 4], weights)).collect(),
            Self::Different(list) => {
                let mut cells: Vec<_> = list.into_iter().collect();
                cells.sort_unstable_by_key(|cell| cell.0);
                cells
            }
        };
        let spot = |site, decider| Spot { site: SiteId(site), decider: SiteId(decider) };
        cells.into_iter().filter(|cell| cell.1 != Weights::default()).map(move |([a, b, c, d], weights)| Cell {
            before: spot(a, b),
            after: spot(c, d),
            weights,
            country: None,
            vector: None,
            people: 0.0,
        })
    }
}

/// First and last address of a piece, and what each table has there.
type Piece<K, const N: usize> = (K, K, [Found<K, u32>; N]);

/// Several tables over the same space, walked together: pieces in which none of them changes.
struct Together<'a, K: Packable, const N: usize> {
    ranges: [SiteRanges<'a, K>; N],
    now: Option<[Found<K, u32>; N]>,
    first: K,
}

impl<'a, K: Packable, const N: usize> Together<'a, K, N> {
    fn new(views: [SiteView<'a, K>; N]) -> Self {
        let now = views.map(|view| view.find(K::ZERO));
        let ranges = views.map(|view| {
            let mut ranges = view.iter();
            ranges.next();
            ranges
        });
        Self { ranges, now: Some(now), first: K::ZERO }
    }

    /// The next piece.
    fn next(&mut self) -> Option<Piece<K, N>> {
        let now = self.now?;
        let first = self.first;
        let last = now.iter().map(|found| found.end).min()?;
        self.now = match last.next() {
            None => None,
            Some(next) => {
                self.first = next;
                let mut after = now;
                for (found, ranges) in after.iter_mut().zip(&mut self.ranges) {
                    if found.end == last {
                        *found = ranges.next()?;
                    }
                }
                Some(after)
            }
        };
        Some((first, last, now))
    }
}
