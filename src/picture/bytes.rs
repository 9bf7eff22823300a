//! Numbers of the files beside this room: variable-length integers of 7 bits an octet, lowest first.

/// Reads one number after the other; past the end everything is 0.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn number(&mut self) -> u32 {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let octet = self.octet();
            value |= u32::from(octet & 127) << shift;
            if octet < 128 {
                break;
            }
        }
        value
    }

    /// A count of things of which each takes an octet at least.
    pub(super) fn count(&mut self) -> usize {
        (self.number() as usize).min(self.0.len())
    }

    /// 0, -1, 1, -2, … are 0, 1, 2, 3, …
    pub(super) fn signed(&mut self) -> i32 {
        let folded = self.number();
        #[expect(clippy::cast_possible_wrap, reason = "half of a u32 fits")]
        let half = (folded >> 1) as i32;
        if folded & 1 == 0 { half } else { !half }
    }
}
