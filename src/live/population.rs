//! How evenly splits can come out: a share of few units is a share of few draws (SEMANTICS §2.6).

use super::answer::AnswerId;
use super::fill::{LiveMap, Map};
use crate::geo::{Packable, SiteTable, SiteView};
use crate::steering::Choice;

/// What a split comes to, for one family of clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Population {
    /// Units that are dealt.
    pub units: u64,
    /// Expected deviation of the largest share from what is written, in points of a hundred: √(p (1 − p) / n).
    pub deviation: f64,
}

impl LiveMap {
    /// The splits of a map by IPv4 clients, the one with the fewest units first; empty where nobody shares. An operator's
    /// unit that lies in several ranges counts in each.
    pub fn populations(&self, map: &Map, sites: &SiteTable) -> Vec<Population> {
        if self.pieces.is_none() {
            return Vec::new();
        }
        let mut units = vec![0.0; self.answers.len()];
        count(map.v4(sites), map.plan.unit.v4, &self.by_site, &mut units);
        let mut list: Vec<Population> = self
            .answers
            .iter()
            .zip(units)
            .filter(|(_, units)| *units > 0.0)
            .filter_map(|(answer, units)| {
                let choice =
                    if answer.decision.v4 == Choice::Absent { &answer.decision.v6 } else { &answer.decision.v4 };
                let Choice::Split(split) = choice else { return None };
                let all: u64 = split.group.iter().map(|share| u64::from(share.weight)).sum();
                let deviation = |share: &crate::steering::Share| {
                    #[expect(clippy::cast_precision_loss, reason = "a share")]
                    let part = f64::from(share.weight) / all as f64;
                    (part * (1.0 - part) / units.max(1.0)).sqrt() * 100.0
                };
                let worst = split.group.iter().map(deviation).fold(0.0, f64::max);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a positive count below 2^24"
                )]
                let units = units.ceil() as u64;
                Some(Population { units, deviation: worst })
            })
            .collect();
        list.sort_by_key(|population| population.units);
        list
    }
}

/// Adds the units of every range to its answer's.
fn count<K: Packable>(view: SiteView<'_, K>, unit: u8, by_site: &[AnswerId], units: &mut [f64]) {
    let size = 2f64.powi(i32::from(K::WIDTH) - i32::from(unit));
    for found in view.iter() {
        let answer = by_site[found.value as usize];
        if let Some(units) = units.get_mut(usize::from(answer.0)) {
            #[expect(clippy::cast_precision_loss, reason = "a count")]
            let addresses = K::count(found.start, found.end) as f64;
            *units += addresses / size;
        }
    }
}
