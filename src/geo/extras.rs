//! The sites that an overlay makes of a table's own: one per distinct (site of the base, what is added to it).
//!
//! They are numbered after the base's, by what is added and then by the site below, so that the number of a pair is found
//! by its rank and no range of the base is ever copied.

/// What an overlay adds to addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Added {
    /// The operator's label, 0 for none.
    pub label: u32,
    /// An AS number that policies name, 0 for none.
    pub asn: u32,
}

/// The extra sites of an overlaid table.
#[derive(Debug)]
pub(super) struct Extras {
    /// Number of sites of the base: the first extra site has this number.
    first: u32,
    added: Vec<Added>,
    /// Where the sites of each of `added` begin in `below`, and where the last ones end.
    offsets: Vec<u32>,
    /// The site of the base, of each extra site; rising among those of one addition.
    below: Vec<u32>,
    /// By addition: a faster way to the rank, where it has so many sites that this takes no more room than they do.
    ranks: Vec<Option<Ranks>>,
}

/// An addition to at least one in so many sites of the base is ranked by bits: those take 12 bytes per 64 sites of the base, which
/// is then about what the list of its sites takes.
const WIDE: usize = 32;

impl Extras {
    /// Of additions, and the (number of the addition plus 1, site of the base) that occur, in any order; `first` is the
    /// number of sites of the base.
    pub(super) fn new(first: u32, added: Vec<Added>, pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut pairs: Vec<(u32, u32)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        let offset = |addition: usize| pairs.partition_point(|pair| pair.0 as usize <= addition) as u32;
        let offsets: Vec<u32> = (0..=added.len()).map(offset).collect();
        let below: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
        let ranks = offsets.windows(2).map(|ends| {
            let below = &below[ends[0] as usize..ends[1] as usize];
            (below.len() * WIDE >= first as usize).then(|| Ranks::new(first, below))
        });
        let ranks = ranks.collect();
        Self { first, added, offsets, below, ranks }
    }

    /// The site of an addition (its number plus 1) to a site of the base; the latter itself if the two never meet.
    #[inline]
    pub(super) fn id(&self, addition: u32, below: u32) -> u32 {
        let index = (addition as usize).wrapping_sub(1);
        let rank = match self.ranks.get(index) {
            Some(Some(ranks)) => ranks.rank(below),
            _ => self.below_of(index).binary_search(&below).ok().map(|rank| rank as u32),
        };
        rank.and_then(|rank| Some(self.first + self.offsets.get(index)? + rank)).unwrap_or(below)
    }

    fn below_of(&self, index: usize) -> &[u32] {
        let range = || Some(*self.offsets.get(index)? as usize..*self.offsets.get(index + 1)? as usize);
        range().and_then(|range| self.below.get(range)).unwrap_or_default()
    }

    /// The site of the base below an extra site, and what is added to it; `None` for a site of the base and for numbers
    /// past the last.
    pub(super) fn get(&self, id: u32) -> Option<(u32, Added)> {
        let index = id.checked_sub(self.first)?;
        let below = *self.below.get(index as usize)?;
        let addition = self.offsets.partition_point(|offset| *offset <= index) - 1;
        Some((below, *self.added.get(addition)?))
    }

    /// Number of extra sites.
    pub(super) fn len(&self) -> usize {
        self.below.len()
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        let ranks: usize = self.ranks.iter().flatten().map(Ranks::memory).sum();
        self.added.capacity() * size_of::<Added>()
            + (self.offsets.capacity() + self.below.capacity()) * size_of::<u32>()
            + self.ranks.capacity() * size_of::<Option<Ranks>>()
            + ranks
    }
}

/// A set of numbers that tells the rank of each.
#[derive(Debug)]
struct Ranks {
    /// A bit per number.
    words: Vec<u64>,
    /// How many are set before each word.
    before: Vec<u32>,
}

impl Ranks {
    /// Of rising numbers below `bound`.
    fn new(bound: u32, numbers: &[u32]) -> Self {
        let mut words = vec![0u64; (bound as usize).div_ceil(64)];
        for number in numbers {
            words[*number as usize / 64] |= 1 << (number % 64);
        }
        let sum = |sum: &mut u32, word: &u64| {
            let before = *sum;
            *sum += word.count_ones();
            Some(before)
        };
        let before = words.iter().scan(0, sum).collect();
        Self { words, before }
    }

    #[inline]
    fn rank(&self, number: u32) -> Option<u32> {
        let (index, bit) = (number as usize / 64, 1u64 << (number % 64));
        let word = *self.words.get(index)?;
        (word & bit != 0).then(|| self.before[index] + (word & (bit - 1)).count_ones())
    }

    fn memory(&self) -> usize {
        self.words.capacity() * size_of::<u64>() + self.before.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Narrow and wide additions alike: numbers are dense, in order, and lead back.
        #[test]
        fn numbers_lead_to_pairs_and_back(pairs in proptest::collection::btree_set((1..4u32, 0..200u32), 0..300)) {
            let added: Vec<Added> = (0..3).map(|asn| Added { label: 7, asn }).collect();
            let extras = Extras::new(200, added.clone(), pairs.iter().rev().copied());
            prop_assert_eq!(extras.len(), pairs.len());
            for (index, (addition, below)) in pairs.iter().enumerate() {
                let id = 200 + index as u32;
                prop_assert_eq!(extras.id(*addition, *below), id);
                prop_assert_eq!(extras.get(id), Some((*below, added[*addition as usize - 1])));
            }
            prop_assert_eq!(extras.get(199), None);
            prop_assert_eq!(extras.get(200 + pairs.len() as u32), None);
            for addition in 0..5 {
                for below in 0..210 {
                    if !pairs.contains(&(addition, below)) {
                        prop_assert_eq!(extras.id(addition, below), below);
                    }
                }
            }
        }
    }
}
