//! How a service, a site and health become a decision: the operator's policy with every default filled in.

/// A steering policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The operator's name for it, or a built-in one: `nearest`, `failover`.
    pub name: String,
    /// What orders the PoPs of a service for a site.
    pub rank: Rank,
    /// How many PoPs an answer holds, 1 to 8. Default 1.
    pub count: u8,
    /// What happens when no PoP of a service is usable. Default [`OnAllDown::IgnoreHealth`].
    pub on_all_down: OnAllDown,
}

impl Policy {
    /// Most PoPs an answer may hold.
    pub const MAX_COUNT: u8 = 8;

    /// The built-in policy of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let rank = match name {
            "nearest" => Rank::Distance,
            "failover" => Rank::Order,
            _ => return None,
        };
        Some(Self { name: name.to_owned(), rank, count: 1, on_all_down: OnAllDown::IgnoreHealth })
    }
}

/// What orders the PoPs of a service for a site. Ties: the order in the service's `pops:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// Great-circle distance from the site; without coordinates of the site, the order in `pops:`.
    Distance,
    /// The order in `pops:` for everyone.
    Order,
}

/// What happens when no PoP of a service is usable (SEMANTICS §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnAllDown {
    /// Rank as if every PoP were up, and say so (EDE 0 `fail-open`, log, metric).
    IgnoreHealth,
    /// Answer SERVFAIL.
    Servfail,
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
