//! Answers by name: what dense counters of several writers and generations come to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::layout::{Meaning, NONE, OTHERS};
use super::{Kind, Tally, Transport};

/// Most sorts of answers that are told apart; of zones that come and go beyond that all are put down under [`OTHERS`].
const MAX_ANSWERS: usize = 20_000;
/// Likewise of services at PoPs.
const MAX_SERVED: usize = 20_000;

/// Answers that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answers {
    /// How they went.
    pub transport: Transport,
    /// Of which zone; [`NONE`] outside all.
    pub zone: Arc<str>,
    /// What sort they are.
    pub kind: &'static str,
    /// Their RCODE, the last standing for all higher ones.
    pub rcode: u16,
}

/// Answers of steered names that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The service.
    pub service: Arc<str>,
    /// The PoP that clients were sent to; [`NONE`] when it was none.
    pub pop: Arc<str>,
    /// Why: [`Kind::reason`].
    pub reason: &'static str,
}

/// Answers by name. What was never answered is not there, but that every PoP of a service has its `home`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All answers.
    pub answers: BTreeMap<Answers, u64>,
    /// Those that a map decided, of all transports.
    pub served: BTreeMap<Served, u64>,
}

impl Totals {
    /// Adds what was counted in a generation.
    pub(super) fn add(&mut self, transport: Transport, tally: &Tally) {
        let (none, others): (Arc<str>, Arc<str>) = (NONE.into(), OTHERS.into());
        let Tally { layout, kinds, rcodes, served } = tally;
        let count = |cells: &[AtomicU64], cell: usize| cells.get(cell).map_or(0, |cell| cell.load(Relaxed));
        let usual = layout.kinds().map(|(cell, of, kind)| (count(kinds, cell), of, kind, kind.rcode()));
        let odd = layout.rcodes().map(|(cell, of, rcode)| (count(rcodes, cell), of, Kind::Error, rcode));
        for (count, of, kind, rcode) in usual.chain(odd).filter(|(count, ..)| *count > 0) {
            let zone = match of {
                Meaning::Zone(zone) => zone,
                Meaning::NoZone => &none,
                Meaning::OtherZones => &others,
            };
            let answers = Answers { transport, zone: Arc::clone(zone), kind: kind.label(), rcode };
            put(&mut self.answers, answers, count, MAX_ANSWERS, |answers| Answers {
                zone: Arc::clone(&others),
                ..answers
            });
        }
        for (cell, service, pop, kind) in layout.reasons() {
            let count = count(served, cell);
            // A rate needs a beginning, and most PoPs serve someone soon.
            let is_home = kind == Kind::Home && pop.is_some();
            if count > 0 || is_home {
                let pop = Arc::clone(pop.unwrap_or(&none));
                let served = Served { service: Arc::clone(service), pop, reason: kind.reason() };
                put(&mut self.served, served, count, MAX_SERVED, |served| Served {
                    service: Arc::clone(&others),
                    pop: Arc::clone(&none),
                    ..served
                });
            }
        }
    }
}

/// Adds to a key that is there or for which there is room, else to the one for all others.
fn put<K: Ord>(to: &mut BTreeMap<K, u64>, key: K, count: u64, room: usize, other: impl FnOnce(K) -> K) {
    let key = if to.len() < room || to.contains_key(&key) { key } else { other(key) };
    *to.entry(key).or_default() += count;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::answered::SLOTS;
    use crate::metrics::layout::Layout;

    #[test]
    fn names_that_come_and_go_are_bounded() {
        let mut totals = Totals::default();
        for generation in 0..MAX_ANSWERS + 10 {
            let zone: Arc<str> = format!("z{generation}.").into();
            let tally = Tally::new(Arc::new(Layout::new([zone].into_iter(), std::iter::empty())));
            tally.kinds[SLOTS].store(2, Relaxed);
            totals.add(Transport::Udp, &tally);
        }
        assert_eq!(totals.answers.len(), MAX_ANSWERS + 1);
        let others = totals.answers.iter().find(|(answers, _)| &*answers.zone == OTHERS).unwrap();
        assert_eq!(*others.1, 20);
    }
}
