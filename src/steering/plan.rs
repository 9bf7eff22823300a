//! A policy resolved against one service: names of PoPs become indices of its members.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::policy::{Detail, Margin, Panic, Policy, Rank, Unit};
use super::rule::{Effect, Match, Rule};
use super::service::{Pop, Service};
use super::split::UnitKey;
use crate::geo::location::Vector;
use crate::net::{Bits, Block};

/// A set of members of one service, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Members(SmallVec<[u64; 2]>);

impl Members {
    /// The first `count` members.
    pub fn first(count: usize) -> Self {
        (0..count).map(|index| index as u16).collect()
    }

    /// Whether this member is in it.
    #[inline]
    pub fn contains(&self, index: u16) -> bool {
        self.0.get(usize::from(index) / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Adds a member.
    pub fn insert(&mut self, index: u16) {
        let word = usize::from(index) / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (index % 64);
    }

    /// Leaves only those that are in `other` too.
    pub fn intersect(&mut self, other: &Self) {
        for (index, word) in self.0.iter_mut().enumerate() {
            *word &= other.0.get(index).copied().unwrap_or(0);
        }
    }

    /// Takes out those that are in `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (word, out) in self.0.iter_mut().zip(&other.0) {
            *word &= !out;
        }
    }
}

impl FromIterator<u16> for Members {
    fn from_iter<I: IntoIterator<Item = u16>>(indices: I) -> Self {
        let mut set = Self::default();
        for index in indices {
            set.insert(index);
        }
        set
    }
}

/// What a rule gives, for one service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// These first.
    Order(SmallVec<[u16; 4]>),
    /// Microseconds on top of costs.
    Adjust(SmallVec<[(u16, i32); 4]>),
    /// Nobody else.
    Only(Members),
    /// Not these.
    Never(Members),
    /// Round-trip times in microseconds.
    Latency(SmallVec<[(u16, u32); 4]>),
}

/// A policy for one service. Two of equal [`Shape`] decide alike on every site, whatever the names.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All that a decision depends on.
    pub shape: Shape,
    /// By member: what a split hashes beside the client, made of the names of service and PoP, so that all owner names of a
    /// service agree.
    pub keys: Vec<u64>,
    /// What a split hashes.
    pub unit: Unit,
    /// Whether a client always falls on the same side of a split.
    pub sticky: bool,
    /// How exact scopes are.
    pub detail: Detail,
}

/// What decisions depend on beside the sites and the facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// By member.
    pub(super) members: Vec<MemberShape>,
    /// The smallest bias of all, and whether there is any.
    pub(super) least_bias: i32,
    pub(super) is_biased: bool,
    /// Members by tier, at least one tier.
    pub(super) tiers: Vec<Members>,
    /// Who is near whom.
    pub(super) nearby: super::nearby::Nearby,
    /// How members are ordered.
    pub(super) order: Order,
    /// Milliseconds per kilometer.
    pub(super) ms_per_km: f64,
    /// Members for clients of whom no place is known, then all others by index.
    pub(super) default_order: Vec<u16>,
    /// Microseconds above the best within which members share.
    pub(super) near: Option<u32>,
    /// Most members of an answer.
    pub(super) count: usize,
    /// Members passed over.
    pub(super) skip: usize,
    /// When health is ignored.
    pub(super) panic: Option<Panic>,
    /// What happens when nobody is usable.
    pub(super) all_down: AllDown,
    /// Rules by their index in the policy, then its fences.
    pub(super) given: Vec<Given>,
    /// Latency rows by their index in the map.
    pub(super) latency: Vec<Given>,
    /// What the rules, fences and rows are for.
    pub(super) matches: Matches,
}

/// A member as a shape sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MemberShape {
    pub(super) vector: Option<Vector>,
    pub(super) bias: i32,
    pub(super) weight: u32,
    pub(super) capacity: u32,
}

/// What orders members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Distance,
    Written,
    Weights,
    Latency(Margin),
}

/// What happens when nobody is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllDown {
    IgnoreHealth,
    Fallback,
    Servfail,
}

/// The keys of rules, fences and latency rows, as the policy has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Matches {
    pub(super) rules: super::rule::Rules,
    pub(super) fences: Vec<Rule>,
    pub(super) latency: super::rule::Rules,
}

impl Plan {
    /// Resolves a policy against a service. PoPs that the service is not at are passed over.
    pub fn new(policy: &Policy, service: &Service, pops: &[Pop]) -> Self {
        let pop = |index: usize| &pops[service.members[index].pop.0 as usize];
        let by_name: HashMap<&str, u16> =
            (0..service.members.len()).map(|index| (pop(index).name.as_str(), index as u16)).collect();
        let index = |name: &String| by_name.get(name.as_str()).copied();
        let mut members: Vec<_> = service
            .members
            .iter()
            .enumerate()
            .map(|(at, member)| MemberShape {
                vector: pop(at).place.map(Vector::of),
                bias: 0,
                weight: member.weight,
                capacity: member.capacity,
            })
            .collect();
        for (name, bias) in &policy.bias {
            if let Some(at) = index(name) {
                members[usize::from(at)].bias = *bias;
            }
        }
        let mut tiers: Vec<Members> =
            policy.tiers.iter().map(|names| names.iter().filter_map(index).collect()).collect();
        if tiers.is_empty() {
            tiers.push(Members::first(members.len()));
        }
        let given = |rule: &Rule| match &*rule.effect {
            Effect::Order(names) => Given::Order(names.iter().filter_map(index).collect()),
            Effect::Adjust(list) => Given::Adjust(list.iter().filter_map(|(n, us)| Some((index(n)?, *us))).collect()),
            Effect::Only(names) => Given::Only(names.iter().filter_map(index).collect()),
            Effect::Never(names) => Given::Never(names.iter().filter_map(index).collect()),
            Effect::Latency(list) => Given::Latency(list.iter().filter_map(|(n, us)| Some((index(n)?, *us))).collect()),
        };
        let (order, latency) = match &policy.rank {
            Rank::Distance => (Order::Distance, super::rule::Rules::default()),
            Rank::Order => (Order::Written, super::rule::Rules::default()),
            Rank::Weights => (Order::Weights, super::rule::Rules::default()),
            Rank::Latency(map) => (Order::Latency(map.margin), map.rows.clone()),
        };
        let key = |at: usize| xxh3_64(format!("{}\0{}", service.name, pop(at).name).as_bytes());
        Self {
            keys: (0..members.len()).map(key).collect(),
            unit: policy.unit,
            sticky: policy.sticky,
            detail: policy.detail,
            shape: Shape {
                least_bias: members.iter().map(|member| member.bias).min().unwrap_or(0),
                is_biased: members.iter().any(|member| member.bias != 0),
                members,
                tiers,
                nearby: super::nearby::Nearby::default(),
                order,
                ms_per_km: f64::from(policy.ns_per_km) / 1e6,
                default_order: policy.default_order.iter().filter_map(index).collect(),
                near: policy.near,
                count: usize::from(policy.count.max(1)),
                skip: usize::from(policy.skip),
                panic: policy.panic,
                all_down: match policy.on_all_down {
                    super::OnAllDown::IgnoreHealth => AllDown::IgnoreHealth,
                    super::OnAllDown::Fallback(_) => AllDown::Fallback,
                    super::OnAllDown::Servfail => AllDown::Servfail,
                },
                given: policy.rules.list().iter().chain(&policy.fences).map(given).collect(),
                latency: latency.list().iter().map(given).collect(),
                matches: Matches { rules: policy.rules.clone(), fences: policy.fences.clone(), latency },
            },
        }
    }
}

impl Plan {
    /// The unit of the clients of a subnet, folded (SEMANTICS §2.6).
    #[inline]
    pub fn unit_of_subnet(&self, block: Block) -> UnitKey {
        match block {
            Block::V4 { base, .. } => UnitKey::v4(base.first(self.unit.v4)),
            Block::V6 { base, .. } => UnitKey::v6(base.first(self.unit.v6)),
        }
    }

    /// The unit of a client of whom only the packet's source is known, folded: the whole address, or /64.
    #[inline]
    pub fn unit_of_source(&self, block: Block) -> UnitKey {
        match block {
            Block::V4 { base, .. } => UnitKey::v4(base),
            Block::V6 { base, .. } => UnitKey::v6(base.first(64)),
        }
    }

    /// The prefix length of units in a block's family.
    #[inline]
    pub fn unit_length(&self, block: Block) -> u8 {
        match block {
            Block::V4 { .. } => self.unit.v4,
            Block::V6 { .. } => self.unit.v6,
        }
    }
}

impl Shape {
    /// Whether a single best member serves each class, without sharing, passing over or several at once: what the short
    /// cuts of an epoch need.
    pub fn is_plain(&self) -> bool {
        self.count == 1 && self.skip == 0 && self.near.is_none() && self.order != Order::Weights
    }

    /// Whether homes are the nearest by distance, bias and rules aside.
    pub fn is_by_distance(&self) -> bool {
        self.order == Order::Distance
    }

    /// Where the members stand, by index.
    pub fn vectors(&self) -> Vec<Option<Vector>> {
        self.members.iter().map(|member| member.vector).collect()
    }

    /// How many of the best are passed over, and how many serve.
    #[inline]
    pub fn passes(&self) -> (usize, usize) {
        (self.skip, self.count)
    }

    /// Whether sites are told apart by more than their place.
    pub(super) fn has_matches(&self) -> bool {
        !self.given.is_empty() || !self.latency.is_empty()
    }
}

/// The prefixes that a policy tells clients by, for the overlay of the site table: what [`super::stance`] is asked with.
pub fn prefixes(policy: &Policy) -> impl Iterator<Item = (Slot, &Block)> {
    let latency = match &policy.rank {
        Rank::Latency(map) => map.rows.list(),
        Rank::Distance | Rank::Order | Rank::Weights => &[],
    };
    let rules = policy.rules.list().iter().enumerate().map(|(at, rule)| (rule_slot(at, rule), rule));
    let fences =
        policy.fences.iter().enumerate().map(|(at, rule)| (Slot::Fence((policy.rules.list().len() + at) as u32), rule));
    let rows = latency.iter().enumerate().map(|(at, rule)| (Slot::Latency(at as u32), rule));
    rules.chain(fences).chain(rows).flat_map(|(slot, rule)| {
        match &rule.class {
            Match::Prefix(blocks) => blocks.as_slice(),
            _ => &[],
        }
        .iter()
        .map(move |block| (slot, block))
    })
}

/// Where a rule stands among those that compete with it, with its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// The longest prefix wins.
    Rule(u32),
    /// All apply.
    Fence(u32),
    /// The longest prefix wins.
    Latency(u32),
}

pub(super) fn rule_slot(at: usize, rule: &Rule) -> Slot {
    match *rule.effect {
        Effect::Only(_) | Effect::Never(_) => Slot::Fence(at as u32),
        Effect::Order(_) | Effect::Adjust(_) | Effect::Latency(_) => Slot::Rule(at as u32),
    }
}

/// What the prefixes of a policy say of the addresses of one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrefixMatch {
    /// The rule of the longest prefix.
    pub rule: Option<u32>,
    /// Every fence whose prefix holds the address, in rising order.
    pub fences: SmallVec<[u32; 2]>,
    /// The latency row of the longest prefix.
    pub latency: Option<u32>,
}
