//! Who shares a client, by what it is dealt, and how even the deal is.

use crate::live::Map;
use crate::net::Block;
use crate::steering::{Choice, Decision};

/// A decision that is dealt among several PoPs.
#[derive(Clone, Debug)]
pub struct SplitView {
    /// Who shares.
    pub group: Vec<Part>,
    /// The block that is dealt as one; `None` when each query is dealt anew (`sticky: false`).
    pub unit: Option<Block>,
    /// The PoP that this client is dealt.
    pub won: Option<String>,
    /// How many units of the key's address family come under the same decision.
    pub units: u64,
}

/// A PoP's part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub pop: String,
    /// Its weight now, 0 when it takes no part; only the ratios count.
    pub weight: u32,
    /// Its weight when all is well.
    pub home: u32,
    /// What it expects of the clients, in percent.
    pub percent: f64,
    /// The standard deviation of that over so many units, in percentage points.
    pub deviation: f64,
}

impl SplitView {
    pub(super) fn new(
        map: &Map,
        decision: &Decision,
        unit: Option<Block>,
        won: Option<&u16>,
        units: u64,
    ) -> Option<Self> {
        let split = [&decision.v4, &decision.v6].into_iter().find_map(|choice| match choice {
            Choice::Split(split) => Some(split),
            _ => None,
        })?;
        let all: f64 = split.group.iter().map(|share| f64::from(share.weight)).sum::<f64>().max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let n = units.max(1) as f64;
        let name = |index: u16| map.pops[usize::from(index)].to_string();
        let part = |share: &crate::steering::Share| {
            let p = f64::from(share.weight) / all;
            Part {
                pop: name(share.member),
                weight: share.weight,
                home: share.home,
                percent: p * 100.0,
                deviation: libm::sqrt(p * (1.0 - p) / n) * 100.0,
            }
        };
        let group = split.group.iter().map(part).collect();
        Some(Self { group, unit, won: won.map(|index| name(*index)), units })
    }
}
