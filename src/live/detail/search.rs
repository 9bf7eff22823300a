//! The price of an entry that meets a budget of detours or a number of entries: a few looks at a sample, then at all.

use super::tree::Pass;
use super::{Clip, Detail, Pruned, Scene};
use crate::geo::{Ranges, SiteView};

/// Ranges from which on a sample is looked at first.
const WORTH_A_SAMPLE: usize = 200_000;
/// Prices between which nothing is looked for, as a ratio.
const CLOSE: f64 = 1.04;
/// Kilometers times blocks of the longest scope that an entry is worth, at first: IPv4 and IPv6, whose blocks weigh otherwise.
const FIRST: [f64; 2] = [250.0, 40_000.0];
/// Looks at all of it, at most.
const PASSES: usize = 6;

/// What is asked for: prices that go up make detours longer, and entries fewer.
#[derive(Clone, Copy)]
enum Goal {
    Kilometers(f64),
    Entries(f64),
}

impl Goal {
    /// What a result comes to, as a part of what is asked for.
    #[expect(clippy::cast_precision_loss, reason = "fewer entries than 2^52")]
    fn part(self, pruned: &Pruned, scale: f64) -> f64 {
        match self {
            Self::Kilometers(most) => pruned.kilometers / most,
            Self::Entries(most) => pruned.entries as f64 * scale / most,
        }
    }

    /// Whether the price that meets the goal is below that of a result.
    fn is_past(self, part: f64) -> bool {
        match self {
            Self::Kilometers(_) => part > 1.0,
            Self::Entries(_) => part <= 1.0,
        }
    }
}

/// Prunes one family to what is asked.
pub(super) fn search<K: Clip>(scene: &Scene<'_>, view: SiteView<'_, K>, detail: Detail) -> (Ranges<K, u32>, Pruned) {
    let goal = match detail {
        // Nothing is given away at no price.
        Detail::Exact | Detail::Budget(0) => return at(scene, view, 0.0),
        Detail::Budget(meters) => Goal::Kilometers(f64::from(meters) / 1e3),
        Detail::Entries(most) => Goal::Entries(f64::from(most.max(1))),
    };
    let sampled = view.base_len() >= WORTH_A_SAMPLE;
    let look = |price: f64| {
        let pass = Pass::run(scene, view, price, sampled);
        #[expect(clippy::cast_precision_loss, reason = "fewer ranges than 2^52")]
        let scale = if sampled { view.base_len() as f64 / pass.ranges.max(1) as f64 } else { 1.0 };
        goal.is_past(goal.part(&pass.total(), scale))
    };
    // Prices that lie too low and too high, then ever closer ones.
    let first = FIRST[usize::from(K::WIDTH > 32)];
    let (mut low, mut high) = (first, first);
    while !look(high) && high < 1e12 {
        (low, high) = (high, high * 4.0);
    }
    // The first one was too high already.
    if high <= first {
        low = high / 4.0;
        while look(low) && low > 1e-6 {
            (low, high) = (low / 4.0, low);
        }
    }
    while high / low > CLOSE {
        let middle = (low * high).sqrt();
        if look(middle) { high = middle } else { low = middle }
    }
    // A sample tells the price more or less.
    let mut price = if matches!(goal, Goal::Kilometers(_)) { low } else { high };
    let mut best: Option<(Ranges<K, u32>, Pruned)> = None;
    for pass in 0..PASSES {
        let (ranges, result) = at(scene, view, price);
        let part = goal.part(&result, 1.0);
        let better = |best: &(_, Pruned)| match goal {
            Goal::Kilometers(_) => result.lambda > best.1.lambda,
            Goal::Entries(_) => result.lambda < best.1.lambda,
        };
        if part <= 1.0 && best.as_ref().is_none_or(better) {
            best = Some((ranges, result));
        }
        // Without a sample it is known already.
        if part <= 1.0 && (!sampled || part > 0.95 || pass > 0) || part > 1.0 && best.is_some() {
            break;
        }
        price *= match goal {
            Goal::Kilometers(_) => (0.99 / part.max(0.01)).powf(0.9),
            Goal::Entries(_) => (part / 0.99).powf(2.0),
        };
    }
    best.unwrap_or_else(|| at(scene, view, if matches!(goal, Goal::Kilometers(_)) { 0.0 } else { 1e12 }))
}

fn at<K: Clip>(scene: &Scene<'_>, view: SiteView<'_, K>, price: f64) -> (Ranges<K, u32>, Pruned) {
    let pass = Pass::run(scene, view, price, false);
    let total = pass.total();
    (pass.into_ranges(), total)
}
