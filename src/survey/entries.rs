//! What resolvers would have to keep: live ranges, and the scope blocks they fall into.

use super::ground::Space;
use super::side::Side;
use crate::geo::Found;
use crate::live::AnswerId;

/// What one family of clients costs the caches of resolvers that send client subnets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Live ranges: adjacent addresses with equal answers.
    pub ranges: u64,
    /// Scope blocks that a resolver could hold at most, of a name asked for by every client: the fewest aligned blocks that
    /// make up the live ranges, none longer than /24 (IPv6: /56), where clients are dealt none shorter than their unit.
    pub blocks: u128,
}

impl Entries {
    /// Counts one family of clients. Addresses that say nothing of a place are not counted: nobody asks for them.
    pub fn of<K: Space>(side: &Side<'_>) -> Self {
        let mut entries = Self::default();
        let mut open: Option<(K, K, AnswerId)> = None;
        let mut mixed = None;
        let deciders = K::deciders(side.map, side.sites());
        for Found { start, end, value } in deciders.iter() {
            let answer = side.answer(crate::geo::SiteId(value));
            match &mut open {
                Some((_, last, same)) if *same == answer => *last = end,
                _ => {
                    if let Some((first, last, answer)) = open.replace((start, end, answer)) {
                        entries.add(side, first, last, answer, &mut mixed);
                    }
                }
            }
        }
        if let Some((first, last, answer)) = open {
            entries.add(side, first, last, answer, &mut mixed);
        }
        entries
    }

    /// A live range. `mixed` is the block of the longest scope that was counted last as mixed inside.
    fn add<K: Space>(&mut self, side: &Side<'_>, first: K, last: K, answer: AnswerId, mixed: &mut Option<K>) {
        if answer == AnswerId::RESOLVER {
            return;
        }
        self.ranges += 1;
        let longest = K::LONGEST;
        let dealt = side.live().answers.get(usize::from(answer.0)).is_some_and(|a| a.decision.is_split());
        let unit = if dealt && side.map.plan.sticky { K::unit(side.map).min(longest) } else { 0 };
        let mut at = first;
        loop {
            let block = at.first(longest);
            if block != at || block.last(longest) > last {
                // The rest of a block that others have a part in: one entry, whoever it goes to.
                if *mixed != Some(block) {
                    *mixed = Some(block);
                    self.blocks += 1;
                }
                match block.last(longest).min(last).next() {
                    Some(next) if next <= last => at = next,
                    _ => return,
                }
                continue;
            }
            // The largest aligned block that begins here and fits.
            let mut length = longest;
            while length > 0 && at.first(length - 1) == at && at.last(length - 1) <= last {
                length -= 1;
            }
            let units = 1u128.checked_shl(u32::from(unit.saturating_sub(length))).unwrap_or(u128::MAX);
            self.blocks = self.blocks.saturating_add(units);
            match at.last(length).next() {
                Some(next) if next <= last => at = next,
                _ => return,
            }
        }
    }
}
