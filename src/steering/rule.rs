//! Rules and fences: what a policy says of some clients. PoPs are still names.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::geo::{Continent, Country};
use crate::net::Block;

/// Where something was written, for `explain`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as shown to people.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
}

/// Which clients a rule or a fence is for: one level, of any number of keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// Addresses in any of these blocks. The longest prefix of all rules wins.
    Prefix(Vec<Block>),
    /// Autonomous systems.
    Asn(Vec<u32>),
    /// Cities.
    City(Vec<City>),
    /// Subdivisions.
    Subdivision(Vec<Subdivision>),
    /// Countries.
    Country(Vec<Country>),
    /// Continents.
    Continent(Vec<Continent>),
}

/// A city.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum City {
    /// By its GeoNames id.
    Id(u32),
    /// By names, compared without regard to case.
    Named {
        /// Its country.
        country: Country,
        /// ISO code (without the country) or English name.
        subdivision: Option<String>,
        /// English name.
        name: String,
    },
}

/// A subdivision of a country.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subdivision {
    /// Its country.
    pub country: Country,
    /// ISO 3166-2 code without the country (`CA` of `US-CA`) or English name, compared without regard to case.
    pub name: String,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// For whom.
    pub class: Match,
    /// What they are given. Rows of a file share theirs.
    pub effect: Arc<Effect>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a rule gives. PoPs that the service is not at are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// These PoPs first, in this order; the rest by cost.
    Order(Vec<String>),
    /// Microseconds added to the costs of PoPs: below 0 for `prefer`, above for `avoid`.
    Adjust(Vec<(String, i32)>),
    /// Nobody else may serve: a fence.
    Only(Vec<String>),
    /// These may not serve: a fence.
    Never(Vec<String>),
    /// Measured round-trip times in microseconds ([`super::LatencyMap`] only).
    Latency(Vec<(String, u32)>),
}

/// A fence: [`Effect::Only`] or [`Effect::Never`]. All fences that match apply.
pub type Fence = Rule;

/// A list of rules in the order written, of any length, cheap to clone and to compare.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    list: Arc<Vec<Rule>>,
    digest: u64,
}

impl Rules {
    /// The rules of a list.
    pub fn new(list: Vec<Rule>) -> Self {
        if list.is_empty() {
            return Self::default();
        }
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        list.hash(&mut hasher);
        Self { digest: hasher.finish(), list: Arc::new(list) }
    }

    /// The rules, in the order written.
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list) || (self.digest == other.digest && self.list == other.list)
    }
}

impl Eq for Rules {}

impl Hash for Rules {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}
