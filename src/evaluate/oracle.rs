//! Who is nearest, worked out a second time: haversine on doubles, from degrees to kilometers. Shares nothing with the
//! distances that decisions are made by ([`crate::geo::location`]) but the coordinates they start from.

use std::thread;

use crate::geo::{Country, Place, SiteId, SiteTable};

/// Mean radius of the Earth in kilometers (IUGG R₁).
const RADIUS_KM: f64 = 6_371.008_8;

/// How much farther than the nearest a PoP may be and still be right, in kilometers: costs are whole microseconds, a little
/// less than 58 m, and equal costs go to the PoP written first.
pub const TIE_KM: f64 = 0.058;

/// PoPs remembered for each site, nearest first. Who is left after more of them failed is looked for among all.
const DEPTH: usize = 6;

/// A PoP that stands in no row.
const NONE: u16 = u16::MAX;

/// A point in radians, with the cosine of its latitude.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    latitude: f64,
    longitude: f64,
    cos_latitude: f64,
}

impl Point {
    /// From degrees.
    pub fn of(latitude: f64, longitude: f64) -> Self {
        let latitude = latitude.to_radians();
        Self { latitude, longitude: longitude.to_radians(), cos_latitude: latitude.cos() }
    }

    /// The haversine of the angle between two points, 0 to 1: rises strictly with distance.
    fn haversine(&self, other: &Self) -> f64 {
        let latitude = ((self.latitude - other.latitude) / 2.0).sin();
        let longitude = ((self.longitude - other.longitude) / 2.0).sin();
        latitude * latitude + self.cos_latitude * other.cos_latitude * longitude * longitude
    }

    /// Great-circle kilometers.
    pub fn km(&self, other: &Self) -> f64 {
        2.0 * RADIUS_KM * self.haversine(other).min(1.0).sqrt().asin()
    }
}

impl From<Place> for Point {
    fn from(place: Place) -> Self {
        Self::of(place.latitude(), place.longitude())
    }
}

/// The order of PoPs by distance, for every site.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// By PoP; `None` where it has no place.
    pops: Vec<Option<Point>>,
    /// By site; `None` where nothing is known of a place.
    sites: Vec<Option<Point>>,
    /// By site: the nearest PoPs, nearest first, [`NONE`] behind the last.
    near: Vec<[u16; DEPTH]>,
}

impl Oracle {
    /// Of sites (their own coordinates, else those of their country) and PoPs.
    pub fn new(table: &SiteTable, pops: &[Option<Place>]) -> Self {
        let pops: Vec<Option<Point>> = pops.iter().map(|place| place.map(Point::from)).collect();
        let point = |id: u32| {
            let site = table.site(SiteId(id));
            site.place.or_else(|| site.country.and_then(Country::place)).map(Point::from)
        };
        let sites: Vec<Option<Point>> = (0..table.len() as u32).map(point).collect();
        let rows = |part: &[Option<Point>]| part.iter().map(|site| row(site.as_ref(), &pops)).collect::<Vec<_>>();
        let (first, second) = sites.split_at(sites.len() / 2);
        let near = thread::scope(|scope| {
            let other = scope.spawn(|| rows(second));
            let mut near = rows(first);
            near.extend(other.join().unwrap_or_else(|_| rows(second)));
            near
        });
        Self { pops, sites, near }
    }

    /// Whether anything is known of where a site is.
    pub fn is_placed(&self, site: SiteId) -> bool {
        self.sites.get(site.0 as usize).is_some_and(Option::is_some)
    }

    /// Kilometers from a site to a PoP.
    pub fn km(&self, site: SiteId, pop: u16) -> Option<f64> {
        let site = self.sites.get(site.0 as usize)?.as_ref()?;
        Some(site.km(self.pops.get(usize::from(pop))?.as_ref()?))
    }

    /// The nearest PoP that has not failed, and how far it is.
    pub fn nearest(&self, site: SiteId, failed: impl Fn(u16) -> bool) -> Option<(u16, f64)> {
        let near = self.near.get(site.0 as usize)?;
        let pop = near.iter().copied().take_while(|pop| *pop != NONE).find(|pop| !failed(*pop)).or_else(|| {
            let from = self.sites.get(site.0 as usize)?.as_ref()?;
            let alive = (0..self.pops.len() as u16).filter(|pop| !failed(*pop));
            let far = alive.filter_map(|pop| Some((pop, from.haversine(self.pops.get(usize::from(pop))?.as_ref()?))));
            far.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(pop, _)| pop)
        })?;
        Some((pop, self.km(site, pop)?))
    }

    /// How many kilometers farther than the nearest that has not failed a PoP is; `None` where the site is nowhere. At most
    /// [`TIE_KM`] is right.
    pub fn excess(&self, site: SiteId, pop: u16, failed: impl Fn(u16) -> bool) -> Option<f64> {
        let (best, km) = self.nearest(site, failed)?;
        if best == pop { Some(0.0) } else { Some((self.km(site, pop)? - km).max(0.0)) }
    }

    /// For each PoP the one that is nearest to it.
    pub fn neighbors(&self) -> impl Iterator<Item = (u16, u16)> {
        self.pops.iter().enumerate().filter_map(|(index, pop)| {
            let from = pop.as_ref()?;
            let others = self.pops.iter().enumerate().filter(|(other, _)| *other != index);
            let far = others.filter_map(|(other, pop)| Some((other, from.haversine(pop.as_ref()?))));
            far.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(other, _)| (index as u16, other as u16))
        })
    }
}

/// The nearest PoPs of one site, by insertion.
fn row(site: Option<&Point>, pops: &[Option<Point>]) -> [u16; DEPTH] {
    let (mut row, mut far) = ([NONE; DEPTH], [f64::INFINITY; DEPTH]);
    let Some(site) = site else { return row };
    for (index, pop) in pops.iter().enumerate() {
        let Some(pop) = pop else { continue };
        let distance = site.haversine(pop);
        if distance >= far[DEPTH - 1] {
            continue;
        }
        let at = far.iter().position(|other| distance < *other).unwrap_or(DEPTH - 1);
        far[at..].rotate_right(1);
        row[at..].rotate_right(1);
        (far[at], row[at]) = (distance, index as u16);
    }
    row
}
