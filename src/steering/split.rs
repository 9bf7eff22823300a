//! Dealing clients among several PoPs: weighted rendezvous hashing in integers (SEMANTICS §2.6).
//!
//! Every member draws a number from the client's unit and its own key; who has the smallest logarithm per weight wins. So
//! shares are as the weights, a member that leaves moves only its own clients, and raising a weight only moves clients
//! toward it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What is dealt: the first address of a unit and its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitKey([u8; 17]);

impl UnitKey {
    /// An IPv4 unit.
    #[inline]
    pub fn v4(base: u32) -> Self {
        Self::new(4, u128::from(base))
    }

    /// An IPv6 unit.
    #[inline]
    pub fn v6(base: u128) -> Self {
        Self::new(6, base)
    }

    /// One query (`sticky: false`): its message id and source port.
    #[inline]
    pub fn query(id: u16, port: u16) -> Self {
        Self::new(0, u128::from(id) << 16 | u128::from(port))
    }

    #[inline]
    fn new(family: u8, value: u128) -> Self {
        let mut bytes = [0; 17];
        bytes[0] = family;
        bytes[1..].copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }
}

/// How badly a member wants a unit; the smallest wins. Compared as fractions, so that no rounding decides.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// −log₂ of the number drawn, in 2⁻³² units, at least 1.
    log: u64,
    weight: u32,
}

impl Draw {
    /// What a member of this key draws for a unit. The weight is 1 or more.
    #[inline]
    pub fn new(key: u64, unit: &UnitKey, weight: u32) -> Self {
        Self { log: negative_log2(xxh3_64_with_seed(&unit.0, key)), weight: weight.max(1) }
    }

    /// Whether this one wins over another.
    #[inline]
    pub fn beats(&self, other: &Self) -> bool {
        // log / weight < other.log / other.weight
        u128::from(self.log) * u128::from(other.weight) < u128::from(other.log) * u128::from(self.weight)
    }
}

/// The member that wins a unit, as an index into the list of (key, weight), and the first of those in case of a tie. Weights
/// of 0 do not take part; `None` when there is no other.
#[inline]
pub fn winner(
    list: impl IntoIterator<Item = (u64, u32)>,
    unit: &UnitKey,
    out: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut best: Option<(Draw, usize)> = None;
    for (index, (key, weight)) in list.into_iter().enumerate() {
        if weight == 0 || out(index) {
            continue;
        }
        let draw = Draw::new(key, unit, weight);
        if best.as_ref().is_none_or(|(leader, _)| draw.beats(leader)) {
            best = Some((draw, index));
        }
    }
    best.map(|(_, index)| index)
}

/// −log₂((h + 1) / 2⁶⁴) in 2⁻³² units, at least 1: the same integer on every machine. Off by less than 2⁻²², which moves a
/// share of one half by less than a millionth.
#[inline]
fn negative_log2(hash: u64) -> u64 {
    let Some(number) = hash.checked_add(1) else { return 1 };
    let exponent = number.ilog2();
    // The bits below the leading one, as a fraction of 2⁶⁴.
    let fraction = if exponent == 0 { 0 } else { number << (64 - exponent) };
    let (slot, within) = ((fraction >> (64 - STEPS_BITS)) as usize, fraction << STEPS_BITS >> 32);
    let (low, high) = (u64::from(LOG2[slot]), if slot + 1 == STEPS { 1 << 32 } else { u64::from(LOG2[slot + 1]) });
    let log = (u64::from(exponent) << 32) + low + (((high - low) * within) >> 32);
    (64u64 << 32).saturating_sub(log).max(1)
}

const STEPS_BITS: u32 = 10;
const STEPS: usize = 1 << STEPS_BITS;

/// log₂(1 + i/1024) in 2⁻³² units.
static LOG2: [u32; STEPS] = {
    let mut table = [0; STEPS];
    let mut step = 0;
    while step < STEPS {
        table[step] = fraction_of_log2((STEPS + step) as u64);
        step += 1;
    }
    table
};

/// The fraction of log₂ of a number from 1024 to 2047, in 2⁻³² units: a bit per squaring.
const fn fraction_of_log2(number: u64) -> u32 {
    // 1 ≤ x < 2 with 62 bits after the point.
    let mut x = (number as u128) << (62 - STEPS_BITS);
    let mut log = 0u32;
    let mut bit = 0;
    while bit < 32 {
        x = (x * x) >> 62;
        log <<= 1;
        if x >= 2 << 62 {
            x >>= 1;
            log |= 1;
        }
        bit += 1;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_a_library() {
        let mut worst = 0.0f64;
        for step in 0..200_000u64 {
            let hash = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (step % 64);
            #[expect(clippy::cast_precision_loss, reason = "an oracle in floating point")]
            let (ours, exact) = (negative_log2(hash) as f64 / 2f64.powi(32), 64.0 - libm::log2(hash as f64 + 1.0));
            worst = worst.max((ours - exact).abs());
        }
        assert!(worst < 1.0 / f64::from(1 << 22), "{worst}");
        assert_eq!(negative_log2(u64::MAX), 1);
        assert_eq!(negative_log2(0), 64 << 32);
    }

    /// How many of a million units fall on each of some weights.
    fn deal(weights: &[u32]) -> Vec<u32> {
        let mut counts = vec![0; weights.len()];
        for unit in 0..1_000_000u32 {
            let list = weights.iter().enumerate().map(|(at, weight)| (at as u64 * 77 + 5, *weight));
            counts[winner(list, &UnitKey::v4(unit << 12), |_| false).unwrap()] += 1;
        }
        counts
    }

    #[track_caller]
    fn check(weights: &[u32], expected: &[u32]) {
        for (count, expected) in deal(weights).iter().zip(expected) {
            assert!(count.abs_diff(*expected) < 2_500, "{:?}", deal(weights));
        }
    }

    #[test]
    fn s2_6_shares_are_as_the_weights() {
        check(&[70, 30], &[700_000, 300_000]);
        check(&[1, 1, 1, 1], &[250_000; 4]);
        check(&[3, 0, 1], &[750_000, 0, 250_000]);
        check(&[1, 999], &[1_000, 999_000]);
    }

    #[test]
    fn s2_6_leaving_moves_only_its_own_and_raising_moves_only_toward() {
        for unit in 0..20_000u32 {
            let unit = UnitKey::v4(unit << 12);
            let win = |weights: [u32; 3]| winner([11, 22, 33].into_iter().zip(weights), &unit, |_| false).unwrap();
            let (all, without, raised) = (win([70, 30, 10]), win([70, 0, 10]), win([70, 40, 10]));
            assert!(all == 1 || without == all);
            assert!(raised == 1 || raised == all);
        }
    }
}
