//! The operator's policy with every default filled in. PoPs are still names: one policy serves many services, and
//! [`super::plan`] resolves it against one of them.

use std::net::IpAddr;
use std::sync::Arc;

use super::rule::{Fence, Rules};

/// A steering policy (DESIGN §4, SEMANTICS §3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The operator's name for it, or a built-in one: `nearest`, `failover`, `weighted`.
    pub name: String,
    /// Names of PoPs, tier by tier; empty: all PoPs of the service in one tier. PoPs of a service that no tier names never
    /// serve under this policy.
    pub tiers: Vec<Vec<String>>,
    /// Who may be sent where. Hard: never relaxed.
    pub fences: Vec<Fence>,
    /// What some clients are given instead of, or beside, the rank.
    pub rules: Rules,
    /// What orders the PoPs of a service for a site.
    pub rank: Rank,
    /// PoPs for clients of whom neither place nor country is known, best first; the others follow in the order of `pops:`.
    pub default_order: Vec<String>,
    /// Nanoseconds of cost per kilometer of great circle, 1 to 1,000,000. Default [`Policy::NS_PER_KM`].
    pub ns_per_km: u32,
    /// Microseconds added to the cost of a PoP for everyone; negative attracts.
    pub bias: Vec<(String, i32)>,
    /// PoPs whose cost is at most this many microseconds above the best share its clients. `None`: only the best serves.
    pub near: Option<u32>,
    /// What a split hashes.
    pub unit: Unit,
    /// Whether a client always falls on the same side of a split. Default true; otherwise each query is dealt anew.
    pub sticky: bool,
    /// How many PoPs an answer holds, 1 to 8. Default 1.
    pub count: u8,
    /// How many of the best are passed over first, 0 to 7. Default 0.
    pub skip: u8,
    /// When too little of a tier is usable, health is ignored in it. Default off.
    pub panic: Option<Panic>,
    /// What happens when no PoP of a service is usable. Default [`OnAllDown::IgnoreHealth`].
    pub on_all_down: OnAllDown,
    /// What happens when nobody is even eligible. Default [`OnEmpty::Static`].
    pub on_empty: OnEmpty,
    /// How exact scopes are.
    pub detail: Detail,
}

impl Policy {
    /// Most PoPs an answer may hold.
    pub const MAX_COUNT: u8 = 8;
    /// Most PoPs that may be passed over.
    pub const MAX_SKIP: u8 = 7;
    /// Most tiers.
    pub const MAX_TIERS: usize = 16;
    /// What a kilometer costs by default, in nanoseconds of round-trip time.
    pub const NS_PER_KM: u32 = 17_400;
    /// Names of the policies that need no file.
    pub const BUILT_IN: [&str; 3] = ["nearest", "failover", "weighted"];

    /// The built-in policy of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let rank = match name {
            "nearest" => Rank::Distance,
            "failover" => Rank::Order,
            "weighted" => Rank::Weights,
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            tiers: Vec::new(),
            fences: Vec::new(),
            rules: Rules::default(),
            rank,
            default_order: Vec::new(),
            ns_per_km: Self::NS_PER_KM,
            bias: Vec::new(),
            near: None,
            unit: Unit::default(),
            sticky: true,
            count: 1,
            skip: 0,
            panic: None,
            on_all_down: OnAllDown::IgnoreHealth,
            on_empty: OnEmpty::Static,
            detail: Detail::Exact,
        })
    }
}

/// What orders the PoPs of a service for a site. Ties: the order in the service's `pops:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// Great-circle distance from the site; without coordinates of the site, the order in `pops:`.
    Distance,
    /// The order in `pops:` for everyone.
    Order,
    /// The weights of the PoPs, without geography.
    Weights,
    /// Measured latency where it is known, else distance.
    Latency(Arc<LatencyMap>),
}

/// Measured latencies from networks and regions to PoPs. Rows that are too old are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LatencyMap {
    /// What was measured. [`super::Effect::Latency`] only.
    pub rows: Rules,
    /// By how many microseconds the best by latency must beat the nearest by distance to be preferred.
    pub margin: Margin,
}

impl LatencyMap {
    /// Added to the cost of distance where a row does not cover a PoP, in microseconds, so that both are on one scale: the
    /// constant of the fit of round-trip times over distance (26.7 ms + 0.0174 ms/km on 233 cities).
    pub const CONSTANT_US: i64 = 26_700;
}

/// Gains that a latency row must exceed, in microseconds, by how fine its key is. Defaults 5, 10 and 30 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Margin {
    /// For prefixes.
    pub prefix: u32,
    /// For AS numbers.
    pub asn: u32,
    /// For cities, subdivisions, countries and continents.
    pub region: u32,
}

impl Default for Margin {
    fn default() -> Self {
        Self { prefix: 5_000, asn: 10_000, region: 30_000 }
    }
}

/// Prefix lengths of the blocks that are never torn apart by a split (SEMANTICS §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// IPv4, 16 to 24. Default 20.
    pub v4: u8,
    /// IPv6, 32 to 56. Default 44.
    pub v6: u8,
}

impl Default for Unit {
    fn default() -> Self {
        Self { v4: 20, v6: 44 }
    }
}

/// When health is ignored in a tier (SEMANTICS §3.3): shares of the capacity that is usable, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Panic {
    /// It begins below this share, 1 to 1000.
    pub below: u16,
    /// It ends at this share, `below` to 1000. Default 150 above `below`.
    pub resume: u16,
}

/// What happens when no PoP of a service is usable (SEMANTICS §3.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OnAllDown {
    /// Rank as if every PoP were up, and say so (EDE 0 `fail-open`, log, metric).
    IgnoreHealth,
    /// Answer these addresses: at least one of every family the service has.
    Fallback(Vec<IpAddr>),
    /// Answer SERVFAIL.
    Servfail,
}

/// What happens when fences and overrides leave nobody (SEMANTICS §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnEmpty {
    /// The `A` and `AAAA` written at the owner name; SERVFAIL where there are none.
    Static,
    /// SERVFAIL.
    Servfail,
}

/// How exact scopes, and with them the choice inside small blocks, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Every live border counts.
    Exact,
    /// Small odd blocks are answered like what surrounds them, as long as that costs this many meters on average at most.
    Budget(u32),
    /// The same, until at most this many blocks are left.
    Entries(u32),
}

/// The three times to live of a steered answer, in seconds (SEMANTICS §3.8). Defaults 60, 20, 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ttls {
    /// The chosen PoP is the best one for the class, and up or unknown.
    pub home: u32,
    /// The chosen PoP is a substitute.
    pub away: u32,
    /// The chosen PoP is suspect, or health is being ignored: min(away, suspect).
    pub suspect: u32,
}

impl Default for Ttls {
    fn default() -> Self {
        Self { home: 60, away: 20, suspect: 10 }
    }
}
