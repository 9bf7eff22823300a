//! Requests that came together are read together, so that their answers wait for memory together.
//!
//! Names and address ranges are in tables far larger than the caches, and one answer needs four places or more, each found by
//! the one before: slot, node, name and RRset, record; or index, range, answer. One message after the other would wait at each.
//! Here each place is touched for all messages in turn, in loops so short that the processor waits for many of them
//! at once; when answers are made everything is near. Touching is reading: no instruction beyond that is needed, and no answer
//! depends on it.

use std::hint::black_box;

use super::swift::Asked;
use super::{Outcome, Who, respond_stepwise};
use crate::live::Live;
use crate::snapshot::Snapshot;

/// Most requests of a batch: as many as a processor waits for at once, about, and few enough that what is read of them stays near.
pub const AT_ONCE: usize = 16;
/// Requests from which on it pays to touch what they need.
const WORTH_TOUCHING: usize = 4;

/// Room for what is read of a batch, reused from batch to batch.
pub struct Room(Box<[Asked]>);

impl Default for Room {
    fn default() -> Self {
        Self((0..AT_ONCE).map(|_| Asked::new()).collect())
    }
}

/// Requests that have been read, and are answered from one state.
pub struct Batch<'b> {
    snapshot: &'b Snapshot,
    live: &'b Live,
    /// By number.
    asked: &'b mut [Asked],
}

impl<'b> Batch<'b> {
    /// Reads [`AT_ONCE`] requests at most, each with who asks. `live` belongs to `snapshot`.
    pub fn read<'r>(
        snapshot: &'b Snapshot,
        live: &'b Live,
        requests: impl ExactSizeIterator<Item = (&'r Who, &'r [u8])> + Clone,
        room: &'b mut Room,
    ) -> Self {
        let count = requests.len().min(AT_ONCE);
        let asked = room.0.get_mut(..count).unwrap_or_default();
        let mut before = None;
        for ((who, request), asked) in requests.clone().zip(&mut *asked) {
            asked.read(snapshot, before, who.ecs, request);
            before = Some(&*asked);
        }
        let many = count >= WORTH_TOUCHING;
        if many {
            touch_names(snapshot, asked);
        }
        let mut steered = 0;
        for ((who, _), asked) in requests.zip(&mut *asked) {
            steered += usize::from(asked.find(snapshot, live, who));
        }
        if many {
            touch_records(snapshot, asked);
            if steered >= WORTH_TOUCHING {
                touch_ranges(live, asked);
            }
        }
        Self { snapshot, live, asked }
    }

    /// Answers the request of this number, which is the one that was read; once.
    #[inline]
    pub fn respond(&mut self, number: usize, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        let Self { snapshot, live, .. } = *self;
        let asked = self.asked.get_mut(number);
        asked
            .and_then(|asked| asked.answer(snapshot, live, who, request, out))
            .unwrap_or_else(|| respond_stepwise(snapshot, live, who, request, out))
    }
}

fn touch_names(snapshot: &Snapshot, asked: &[Asked]) {
    let mut seen = 0;
    let mut nodes = [None; AT_ONCE];
    for (asked, node) in asked.iter().zip(&mut nodes) {
        let large = asked.inside(snapshot).filter(|(zone, _)| zone.is_large());
        *node = large.and_then(|(zone, hash)| Some((zone, zone.glance(hash)?)));
    }
    for (zone, node) in nodes.into_iter().flatten() {
        seen ^= zone.touch(node);
    }
    black_box(seen);
}

fn touch_records(snapshot: &Snapshot, asked: &[Asked]) {
    black_box(asked.iter().fold(0, |seen, asked| seen ^ asked.touch(snapshot)));
}

fn touch_ranges(live: &Live, asked: &[Asked]) {
    let mut seen = 0;
    let mut places = [None; AT_ONCE];
    for (asked, place) in asked.iter().zip(&mut places) {
        *place = asked.near(live);
    }
    for (map, near) in places.into_iter().flatten() {
        seen ^= live.maps.get(map.0 as usize).map_or(0, |map| map.touch(near));
    }
    black_box(seen);
}
