//! What `oracle.py` wrote, and the places of the site table matched with it.

use std::fs;
use std::path::{Path, PathBuf};

use catchment::geo::{Packable, Place, SiteTable, SiteView};
use catchment::steering::{Pop, Service};

use crate::fleet;

/// Nothing is known of an address.
pub const NOWHERE: i32 = -1;
/// An address of no use: its resolver decides.
pub const USELESS: i32 = -2;

/// Address ranges → number of a place, as the oracle has them.
pub struct Places {
    pub v4: Vec<(u32, i32)>,
    pub v6: Vec<(u128, i32)>,
}

impl Places {
    pub fn read(folder: &Path) -> Self {
        let numbers = |file: &str| -> Vec<i32> { words(folder, file).map(i32::from_le_bytes).collect() };
        let v4 = words(folder, "v4.starts").map(u32::from_le_bytes).zip(numbers("v4.places")).collect();
        let v6 = words(folder, "v6.starts").map(u128::from_le_bytes).zip(numbers("v6.places")).collect();
        Self { v4, v6 }
    }
}

fn words<const N: usize>(folder: &Path, file: &str) -> impl Iterator<Item = [u8; N]> {
    let bytes = fs::read(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let words: Vec<[u8; N]> = bytes.as_chunks().0.to_vec();
    words.into_iter()
}

/// A list of PoPs with the oracle's order of them at each place.
pub struct List {
    pub pops: Vec<Pop>,
    pub service: Service,
    pub countries: Vec<String>,
    order: Vec<u16>,
    close: Vec<u8>,
    depth: usize,
}

impl List {
    pub fn read(lists: &Path, truth: &Path, name: &str) -> Self {
        let text = fs::read_to_string(lists.join(format!("pops-{name}.tsv"))).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        let place = |row: &Vec<&str>| Place::from_degrees(row[1].parse().unwrap(), row[2].parse().unwrap()).unwrap();
        let places: Vec<Place> = rows.iter().map(place).collect();
        let (service, pops) = fleet::of(&places);
        let depth = fs::read_to_string(truth.join(format!("{name}.depth"))).unwrap().trim().parse().unwrap();
        Self {
            pops,
            service,
            countries: rows.iter().map(|row| row[3].to_owned()).collect(),
            order: words(truth, &format!("{name}.order")).map(u16::from_le_bytes).collect(),
            close: fs::read(truth.join(format!("{name}.close"))).unwrap(),
            depth,
        }
    }

    /// The PoPs at a place, nearest first.
    pub fn order(&self, place: i32) -> &[u16] {
        let at = usize::try_from(place).unwrap() * self.depth;
        &self.order[at..at + self.depth]
    }

    /// Who serves a place when some are out; `None` for addresses of no use. Of nowhere the order of the file decides.
    pub fn nearest(&self, place: i32, out: impl Fn(u16) -> bool) -> Option<u16> {
        match place {
            USELESS => None,
            NOWHERE => Some((0..self.pops.len() as u16).find(|pop| !out(*pop)).expect("somebody is left")),
            place => {
                Some(*self.order(place).iter().find(|pop| !out(**pop)).expect("the oracle's rows are deep enough"))
            }
        }
    }

    /// Whether floating point cannot tell who is nearer there.
    pub fn is_close(&self, place: i32) -> bool {
        usize::try_from(place).is_ok_and(|place| self.close[place] != 0)
    }

    /// Sets of PoPs that fail together: each alone, each with its nearest neighbor, and whole countries.
    pub fn failures(&self) -> Vec<Vec<u16>> {
        let all = 0..self.pops.len() as u16;
        let place = |pop: u16| self.pops[usize::from(pop)].place.unwrap();
        let mut sets: Vec<Vec<u16>> = all.clone().map(|pop| vec![pop]).collect();
        for pop in all.clone() {
            let to = |other: &u16| place(pop).kilometers_to(place(*other));
            let neighbor = all.clone().filter(|other| *other != pop).min_by(|a, b| to(a).total_cmp(&to(b))).unwrap();
            sets.push(vec![pop.min(neighbor), pop.max(neighbor)]);
        }
        let mut countries = self.countries.clone();
        countries.sort();
        countries.dedup();
        let of = |country: &String| all.clone().filter(|pop| self.countries[usize::from(*pop)] == *country).collect();
        sets.extend(countries.iter().map(of).filter(|set: &Vec<u16>| set.len() > 1 && set.len() < self.pops.len()));
        let mut seen = std::collections::HashSet::new();
        sets.retain(|set| seen.insert(set.clone()));
        sets
    }
}

/// Walks the ranges of the oracle and of a site table side by side: first and last address, place, site.
pub fn side_by_side<K: Packable>(truth: &[(K, i32)], sites: SiteView<'_, K>, mut visit: impl FnMut(K, K, i32, u32)) {
    let mut truth = truth.iter().enumerate().map(|(index, &(start, place))| {
        let end = truth.get(index + 1).and_then(|next| next.0.previous()).unwrap_or(K::MAX);
        (start, end, place)
    });
    let mut sites = sites.iter();
    let (mut ours, mut theirs) = (sites.next().unwrap(), truth.next().unwrap());
    loop {
        let end = ours.end.min(theirs.1);
        visit(ours.start.max(theirs.0), end, theirs.2, ours.value);
        if end == K::MAX {
            return;
        }
        if ours.end == end {
            ours = sites.next().expect("the table covers the whole space");
        }
        if theirs.1 == end {
            theirs = truth.next().expect("the oracle covers the whole space");
        }
    }
}

/// By site: the place that the oracle has for all of its addresses. One that has several is a finding.
pub fn places_of_sites(places: &Places, sites: &SiteTable) -> Vec<i32> {
    const UNSEEN: i32 = i32::MIN;
    let mut of = vec![UNSEEN; sites.len()];
    let mut visit = |place: i32, site: u32| {
        let known = &mut of[site as usize];
        assert!(*known == UNSEEN || *known == place, "site {site} is at places {known} and {place}");
        *known = place;
    };
    side_by_side(&places.v4, sites.v4(), |_, _, place, site| visit(place, site));
    side_by_side(&places.v6, sites.v6(), |_, _, place, site| visit(place, site));
    // Sites without an address are none of the oracle's business: nothing is known of them.
    of.iter_mut().filter(|place| **place == UNSEEN).for_each(|place| *place = NOWHERE);
    of
}

/// A folder that the environment names.
pub fn folder(variable: &str) -> PathBuf {
    let name = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is to name a folder"));
    PathBuf::from(name)
}
