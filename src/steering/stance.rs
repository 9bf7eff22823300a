//! What a policy's rules, fences and latency rows say of each site (SEMANTICS §2.5): found once when a map is compiled.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::SmallVec;

use super::plan::{Given, Members, PrefixMatch, Shape, Slot, rule_slot};
use super::rule::{City, Match, Rule};
use crate::geo::{Continent, Country, Site, SiteId, SiteTable};

/// What holds for the clients of some sites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stance {
    /// The rule of the most specific level, by its index in the policy.
    pub rule: Option<u32>,
    /// Every fence that applies: indices below the number of rules are rules, the others fences after them.
    pub fences: SmallVec<[u32; 2]>,
    /// The latency row of the most specific level, by its index in the map.
    pub latency: Option<Row>,
}

/// A latency row and how fine its key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Index in the map.
    pub index: u32,
    /// What the client was known by.
    pub level: Level,
}

/// What a client is known by, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// An operator's prefix.
    Prefix,
    /// AS number.
    Asn,
    /// City.
    City,
    /// Subdivision.
    Subdivision,
    /// Country.
    Country,
    /// Continent.
    Continent,
}

/// The stance of every site under one policy.
#[derive(Debug, Default)]
pub struct Stances {
    /// Distinct ones.
    list: Vec<Stance>,
    /// Site → index; empty when all sites have the same.
    by_site: Vec<u32>,
    /// By stance: who may serve, where fences say.
    allowed: Vec<Option<Members>>,
}

const NEUTRAL: &Stance = &Stance { rule: None, fences: SmallVec::new_const(), latency: None };

impl Stances {
    /// Asks the rules of a policy for every site. `prefixes` has what its prefixes say by label of the overlay; labels beyond
    /// its end say nothing.
    pub fn compile(shape: &Shape, sites: &SiteTable, prefixes: &[PrefixMatch]) -> Self {
        if !shape.has_matches() {
            return Self::default();
        }
        let finder = Finder::new(shape);
        let mut memo = HashMap::new();
        let mut ids: HashMap<Stance, u32> = HashMap::new();
        let mut list = Vec::new();
        let by_site = (0..sites.len())
            .map(|id| {
                let site = sites.site(SiteId(id as u32));
                let by_prefix = prefixes.get(site.label as usize);
                let stance = finder.stance(&site, sites, by_prefix, &mut memo);
                *ids.entry(stance).or_insert_with_key(|stance| {
                    list.push(stance.clone());
                    (list.len() - 1) as u32
                })
            })
            .collect();
        let allowed = list.iter().map(|stance: &Stance| allowed(shape, stance)).collect();
        Self { list, by_site, allowed }
    }

    /// The stance of a site.
    pub fn of(&self, site: SiteId) -> &Stance {
        self.index(site).map_or(NEUTRAL, |index| &self.list[index])
    }

    /// Who may serve the clients of a site; `None`: everyone.
    pub fn allowed(&self, site: SiteId) -> Option<&Members> {
        self.index(site).and_then(|index| self.allowed[index].as_ref())
    }

    /// The number of a site's stance: sites of one number come under the same rules.
    pub fn number(&self, site: SiteId) -> u32 {
        self.by_site.get(site.0 as usize).copied().unwrap_or(0)
    }

    /// Bytes on the heap, more or less.
    pub fn memory(&self) -> usize {
        self.by_site.len() * size_of::<u32>() + self.list.len() * (size_of::<Stance>() + size_of::<Members>())
    }

    /// Which of `count` rules and fences some site comes under: the others match nothing of the loaded databases.
    pub fn used(&self, count: usize) -> Vec<bool> {
        let mut used = vec![false; count];
        for stance in &self.list {
            for index in stance.rule.iter().chain(&stance.fences) {
                if let Some(slot) = used.get_mut(*index as usize) {
                    *slot = true;
                }
            }
        }
        used
    }

    fn index(&self, site: SiteId) -> Option<usize> {
        self.by_site.get(site.0 as usize).map(|index| *index as usize)
    }
}

fn allowed(shape: &Shape, stance: &Stance) -> Option<Members> {
    let mut allowed = (!stance.fences.is_empty()).then(|| Members::first(shape.members.len()))?;
    for &fence in &stance.fences {
        match &shape.given[fence as usize] {
            Given::Only(set) => allowed.intersect(set),
            Given::Never(set) => allowed.subtract(set),
            Given::Order(_) | Given::Adjust(_) | Given::Latency(_) => {}
        }
    }
    Some(allowed)
}

/// Rules by what they are for.
#[derive(Default)]
struct Finder {
    rules: Keys,
    /// Each with its own keys, as all that match apply.
    fences: Vec<(u32, Keys)>,
    latency: Keys,
    /// Whether anything asks for names of cities and subdivisions.
    by_name: bool,
}

/// Rules of one kind by key; of several with the same key the first counts.
#[derive(Default)]
struct Keys {
    asns: HashMap<u32, u32>,
    city_ids: HashMap<u32, u32>,
    /// Country and lower-cased name → subdivision, if one is named, and rule.
    cities: HashMap<(Country, String), Vec<CityRule>>,
    /// Country and lower-cased code or name.
    subdivisions: HashMap<(Country, String), u32>,
    countries: HashMap<Country, u32>,
    continents: HashMap<Continent, u32>,
}

/// The subdivision that a rule for a city names, if it does, and the rule.
type CityRule = (Option<String>, u32);

/// What names lead to: found once per combination.
#[derive(Clone, Default)]
struct Named {
    rule: Option<(Level, u32)>,
    fences: SmallVec<[u32; 2]>,
    latency: Option<(Level, u32)>,
}

/// What [`Named`] depends on.
type NameKey = (Option<Country>, [Option<crate::geo::TextId>; 3]);

impl Finder {
    fn new(shape: &Shape) -> Self {
        let mut finder = Self::default();
        let rules = shape.matches.rules.list();
        for (at, rule) in rules.iter().enumerate() {
            match rule_slot(at, rule) {
                Slot::Fence(index) => finder.fence(index, rule),
                Slot::Rule(index) | Slot::Latency(index) => finder.rules.add(index, rule),
            }
        }
        for (at, fence) in shape.matches.fences.iter().enumerate() {
            finder.fence((rules.len() + at) as u32, fence);
        }
        for (at, row) in shape.matches.latency.list().iter().enumerate() {
            finder.latency.add(at as u32, row);
        }
        let all = finder.fences.iter().map(|fence| &fence.1).chain([&finder.rules, &finder.latency]);
        finder.by_name = all.into_iter().any(|keys| !keys.cities.is_empty() || !keys.subdivisions.is_empty());
        finder
    }

    fn fence(&mut self, index: u32, rule: &Rule) {
        if matches!(rule.class, Match::Prefix(_)) {
            return;
        }
        let mut keys = Keys::default();
        keys.add(index, rule);
        self.fences.push((index, keys));
    }

    fn stance(
        &self,
        site: &Site,
        sites: &SiteTable,
        by_prefix: Option<&PrefixMatch>,
        memo: &mut HashMap<NameKey, Named>,
    ) -> Stance {
        let names = if self.by_name {
            let key = (site.country, [site.subdivision, site.subdivision_name, site.city]);
            memo.entry(key).or_insert_with(|| self.named(site, sites)).clone()
        } else {
            Named::default()
        };
        let find = |keys: &Keys, named: Option<(Level, u32)>, prefix: Option<u32>| {
            prefix
                .map(|index| (Level::Prefix, index))
                .or_else(|| keys.asns.get(&site.asn).map(|index| (Level::Asn, *index)))
                .or_else(|| keys.city_ids.get(&site.city_id).map(|index| (Level::City, *index)))
                .or(named)
                .or_else(|| keys.countries.get(&site.country?).map(|index| (Level::Country, *index)))
                .or_else(|| keys.continents.get(&site.country?.continent()?).map(|index| (Level::Continent, *index)))
        };
        let mut fences: SmallVec<[u32; 2]> = by_prefix.map(|prefix| prefix.fences.clone()).unwrap_or_default();
        for (index, keys) in &self.fences {
            if names.fences.contains(index) || find(keys, None, None).is_some() {
                fences.push(*index);
            }
        }
        fences.sort_unstable();
        fences.dedup();
        let latency = find(&self.latency, names.latency, by_prefix.and_then(|prefix| prefix.latency));
        Stance {
            rule: find(&self.rules, names.rule, by_prefix.and_then(|prefix| prefix.rule)).map(|found| found.1),
            fences,
            latency: latency.map(|(level, index)| Row { index, level }),
        }
    }

    fn named(&self, site: &Site, sites: &SiteTable) -> Named {
        let Some(country) = site.country else { return Named::default() };
        let words = Words::of(site, sites);
        Named {
            rule: self.rules.named(country, &words),
            fences: self
                .fences
                .iter()
                .filter(|(_, keys)| keys.named(country, &words).is_some())
                .map(|(index, _)| *index)
                .collect(),
            latency: self.latency.named(country, &words),
        }
    }
}

/// Names of a site, lower-cased.
struct Words {
    city: Option<String>,
    /// ISO code and English name, as far as the database has them.
    subdivision: Vec<String>,
}

impl Words {
    fn of(site: &Site, sites: &SiteTable) -> Self {
        let lower = |id| sites.text(id).to_lowercase();
        Self {
            city: site.city.map(lower),
            subdivision: [site.subdivision, site.subdivision_name].into_iter().flatten().map(lower).collect(),
        }
    }
}

impl Keys {
    fn add(&mut self, index: u32, rule: &Rule) {
        match &rule.class {
            // The overlay's labels tell of prefixes.
            Match::Prefix(_) => {}
            Match::Asn(list) => list.iter().for_each(|asn| _ = self.asns.entry(*asn).or_insert(index)),
            Match::City(list) => {
                for city in list {
                    match city {
                        City::Id(id) => _ = self.city_ids.entry(*id).or_insert(index),
                        City::Named { country, subdivision, name } => {
                            let subdivision = subdivision.as_ref().map(|name| name.to_lowercase());
                            self.cities.entry((*country, name.to_lowercase())).or_default().push((subdivision, index));
                        }
                    }
                }
            }
            Match::Subdivision(list) => {
                for subdivision in list {
                    let key = (subdivision.country, subdivision.name.to_lowercase());
                    self.subdivisions.entry(key).or_insert(index);
                }
            }
            Match::Country(list) => list.iter().for_each(|key| _ = self.countries.entry(*key).or_insert(index)),
            Match::Continent(list) => list.iter().for_each(|key| _ = self.continents.entry(*key).or_insert(index)),
        }
    }

    fn named(&self, country: Country, words: &Words) -> Option<(Level, u32)> {
        let city = words.city.as_ref().and_then(|city| {
            let of_name = self.cities.get(&(country, city.clone()))?;
            let fits = |wanted: &Option<String>| wanted.as_ref().is_none_or(|name| words.subdivision.contains(name));
            of_name.iter().find(|(subdivision, _)| fits(subdivision)).map(|(_, index)| (Level::City, *index))
        });
        city.or_else(|| {
            let found = words.subdivision.iter().filter_map(|name| self.subdivisions.get(&(country, name.clone())));
            found.min().map(|index| (Level::Subdivision, *index))
        })
    }
}
