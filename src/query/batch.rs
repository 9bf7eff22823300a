//! Requests that came together are read together, so that their answers wait for memory together.
//!
//! Names and address ranges are in tables far larger than the caches, and one answer needs four places or more, each found by
//! the one before: slot, node, name and RRset, record; or index, range, answer. One message after the other would wait at each.
//! Here each place is touched for all messages in turn, in loops so short that the processor waits for many of them
//! at once; when answers are made everything is near. Touching is reading: no instruction beyond that is needed, and no answer
//! depends on it.

use std::hint::black_box;

use super::swift::{self, Asked};
use super::{Outcome, Who, respond_stepwise};
use crate::dns::FoldedName;
use crate::live::Live;
use crate::snapshot::Snapshot;

/// Most requests of a batch.
pub const AT_ONCE: usize = 32;
/// Requests from which on it pays to touch what they need.
const WORTH_TOUCHING: usize = 4;

/// Room for the names of a batch, reused from batch to batch.
#[derive(Debug)]
pub struct Names(Box<[FoldedName]>);

impl Default for Names {
    fn default() -> Self {
        Self((0..AT_ONCE).map(|_| FoldedName::new()).collect())
    }
}

/// Requests that have been read, and are answered from one state.
pub struct Batch<'b> {
    snapshot: &'b Snapshot,
    live: &'b Live,
    /// By number; `None` where the longer way answers.
    asked: [Option<Asked<'b>>; AT_ONCE],
}

impl<'b> Batch<'b> {
    /// Reads [`AT_ONCE`] requests at most, each with who asks. `live` belongs to `snapshot`.
    pub fn read(
        snapshot: &'b Snapshot,
        live: &'b Live,
        requests: impl ExactSizeIterator<Item = (&'b Who, &'b [u8])> + Clone,
        names: &'b mut Names,
    ) -> Self {
        let mut batch = Self { snapshot, live, asked: [const { None }; AT_ONCE] };
        let many = requests.len() >= WORTH_TOUCHING;
        let mut before = None;
        for (((who, request), name), to) in requests.clone().zip(&mut names.0).zip(&mut batch.asked) {
            let asked = swift::read(snapshot, before.as_ref(), who.ecs, request, name);
            before = asked.as_ref().and_then(Asked::inside).copied().or(before);
            *to = asked;
        }
        if many {
            batch.touch_names();
        }
        for ((who, _), asked) in requests.zip(&mut batch.asked) {
            if let Some(asked) = asked {
                asked.find(snapshot, live, who);
            }
        }
        if many {
            batch.touch_ranges();
        }
        batch
    }

    /// Answers the request of this number, which is the one that was read; once.
    #[inline]
    pub fn respond(&mut self, number: usize, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        let asked = self.asked.get_mut(number).and_then(Option::as_mut);
        asked
            .and_then(|asked| asked.answer(self.snapshot, self.live, who, out))
            .unwrap_or_else(|| respond_stepwise(self.snapshot, self.live, who, request, out))
    }

    fn touch_names(&self) {
        let mut seen = 0;
        let mut nodes = [None; AT_ONCE];
        for (asked, node) in self.asked.iter().zip(&mut nodes) {
            *node = asked.as_ref().and_then(Asked::inside).and_then(|inside| inside.zone.glance(inside.hash));
        }
        for (asked, node) in self.asked.iter().zip(nodes) {
            if let (Some(asked), Some(node)) = (asked, node)
                && let Some(inside) = asked.inside()
            {
                seen ^= inside.zone.touch(node);
            }
        }
        black_box(seen);
    }

    fn touch_ranges(&self) {
        let mut seen = 0;
        let mut places = [None; AT_ONCE];
        for (asked, place) in self.asked.iter().zip(&mut places) {
            if let Some(asked) = asked {
                *place = asked.near(self.live);
                seen ^= asked.touch();
            }
        }
        for (map, near) in places.into_iter().flatten() {
            seen ^= self.live.maps.get(map.0 as usize).map_or(0, |map| map.touch(near));
        }
        black_box(seen);
    }
}
