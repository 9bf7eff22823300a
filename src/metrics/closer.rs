//! Which messages are looked at closer: how long they take, and what they ask.
//!
//! One in [`ONE_IN`], whoever sends them and in whatever order: the distances between them are drawn, so that no rhythm of
//! the questions is in step with them. A thread asks once for all messages of a batch.

/// One message in so many is looked at closer. A look costs 300 to 800 instructions and two readings of the clock, so 1 to 2 for
/// each message, where all other counting of a plain answer costs 8.
pub const ONE_IN: u32 = 512;

/// When the next message's turn is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closer {
    /// Messages before it.
    left: usize,
    state: u64,
}

impl Closer {
    /// Draws of its own for every `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut closer = Self { left: 0, state: seed };
        closer.left = closer.draw();
        closer
    }

    /// Of so many messages that come now, those before the one that is looked at; all of them, mostly. Not more than half of
    /// [`ONE_IN`] at once.
    #[inline]
    pub(super) fn before(&mut self, messages: usize) -> usize {
        if let Some(left) = self.left.checked_sub(messages) {
            self.left = left;
            return messages;
        }
        self.turn(messages)
    }

    #[cold]
    #[inline(never)]
    fn turn(&mut self, messages: usize) -> usize {
        let before = self.left;
        self.left = self.draw().saturating_sub(messages - before - 1);
        before
    }

    /// Messages between two that are looked at: [`ONE_IN`] - 1 in the mean, and half of that at least.
    fn draw(&mut self) -> usize {
        // SplitMix64 (Steele et al. 2014): any seed will do.
        self.state = self.state.wrapping_add(STEP);
        let mut drawn = self.state;
        drawn = (drawn ^ drawn >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ drawn >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let half = ONE_IN as usize / 2;
        half + (drawn >> 40) as usize % (2 * half - 1)
    }

    /// Whether a message of this number is looked at, where those who number messages share nothing else. Multiples of the golden
    /// ratio are spread evenly, and in step with no rhythm.
    pub(super) fn falls_on(number: u64) -> bool {
        number.wrapping_mul(STEP) < u64::MAX / ONE_IN as u64
    }
}

/// 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages by number that are looked at when batches of such lengths come in turn.
    fn looked_at(lengths: &[usize], messages: usize) -> Vec<usize> {
        let (mut closer, mut number, mut seen) = (Closer::new(3), 0, Vec::new());
        for length in lengths.iter().cycle() {
            let before = closer.before(*length);
            if before < *length {
                seen.push(number + before);
            }
            number += length;
            if number >= messages {
                break;
            }
        }
        seen
    }

    /// Every place of a rhythm has its share of what is looked at.
    #[track_caller]
    fn check_even(seen: &[usize], messages: usize) {
        let expected = messages / ONE_IN as usize;
        assert!(seen.len().abs_diff(expected) < expected / 50, "{} instead of {expected}", seen.len());
        for rhythm in [2, 10, 32, 64, 100, 256, 1000] {
            let mut counts = vec![0; rhythm];
            for number in seen {
                counts[number % rhythm] += 1;
            }
            let mean = f64::from(seen.len() as u32) / f64::from(rhythm as u32);
            // Six standard deviations of independent draws.
            let far = counts.iter().find(|count| (f64::from(**count) - mean).abs() > 6.0 * mean.sqrt() + 1.0);
            assert_eq!(far, None, "of {rhythm} places with {mean} each");
        }
    }

    #[test]
    fn messages_are_chosen_evenly_whatever_the_batches() {
        const MESSAGES: usize = 5_000_000;
        let singly = looked_at(&[1], MESSAGES);
        check_even(&singly, MESSAGES);
        for lengths in [&[32][..], &[1, 31, 7, 32], &[0, 3]] {
            assert_eq!(looked_at(lengths, MESSAGES), singly);
        }
        let numbered: Vec<_> = (0..MESSAGES).filter(|number| Closer::falls_on(*number as u64)).collect();
        check_even(&numbered, MESSAGES);
    }
}
