//! Which counter stands for what, in one generation: zones and PoPs have numbers that mean something only there.
//!
//! Counters are dense arrays, so that counting is an addition and no search. What the operator may write without bound
//! (zones, services, PoPs) has a bound here: what is beyond it is counted together, under [`OTHERS`].

use std::collections::HashMap;
use std::sync::Arc;

use super::answered::{SLOTS, WIDTH};
use super::{Kind, RCODES};

/// Zones with counters of their own; the others share one row. A row takes 328 octets per thread.
pub const MAX_ZONES: usize = 1_000;
/// Services at PoPs with counters of their own; 64 octets each, per thread.
pub const MAX_SERVED: usize = 4_096;
/// The label of what is counted together, as a zone or service cannot be called.
pub const OTHERS: &str = "(others)";
/// The label of no zone, no PoP.
pub const NONE: &str = "";
/// Which counter stands for what. Three arrays of counters: a row of kinds for no zone, one for each zone, and one for the other
/// zones; likewise rows of RCODEs, for answers with one that is not their kind's own; and a row of reasons for nobody and for each
/// member of each group.
#[derive(Clone, Debug)]
pub struct Layout {
    zones: Vec<Arc<str>>,
    groups: Vec<Group>,
    /// By one more than the number of the map; the first stands for those that have no row.
    pub(super) of_map: Arc<[Row]>,
    /// How many counters there are of reasons.
    pub(super) served: usize,
}

/// Maps that are counted together: of the same service and the same PoPs.
#[derive(Clone, Debug)]
struct Group {
    service: Arc<str>,
    pops: Vec<Arc<str>>,
    row: Row,
}

/// Where a group's counters are: behind so many others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row(pub(super) u32);

/// What a counter of zones stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// Answers of a zone: its name.
    Zone(&'a Arc<str>),
    /// Answers outside all zones.
    NoZone,
    /// Answers of zones that are counted together.
    OtherZones,
}

impl Layout {
    /// Of the zones by number, and of the maps by number: service and PoPs by member.
    pub fn new(zones: impl Iterator<Item = Arc<str>>, maps: impl Iterator<Item = (Arc<str>, Vec<Arc<str>>)>) -> Self {
        let zones: Vec<_> = zones.take(MAX_ZONES).collect();
        let mut layout = Self { zones, groups: Vec::new(), of_map: Arc::default(), served: 0 };
        let other = layout.put(OTHERS.into(), Vec::new());
        let mut known: HashMap<(Arc<str>, Vec<Arc<str>>), Row> = HashMap::new();
        let mut served = 0;
        let mut of_map = vec![other];
        for (service, pops) in maps {
            let key = (service, pops);
            let row = known.get(&key).copied().or_else(|| {
                served += key.1.len() + 1;
                (served <= MAX_SERVED).then(|| {
                    let row = layout.put(Arc::clone(&key.0), key.1.clone());
                    known.insert(key, row);
                    row
                })
            });
            of_map.push(row.unwrap_or(other));
        }
        layout.of_map = of_map.into();
        layout
    }

    /// Of numbers that stand for nothing known.
    pub fn unknown() -> Self {
        Self::new(std::iter::empty(), std::iter::empty())
    }

    fn put(&mut self, service: Arc<str>, pops: Vec<Arc<str>>) -> Row {
        let row = Row(self.served as u32);
        self.served += (pops.len() + 1) * WIDTH as usize;
        self.groups.push(Group { service, pops, row });
        row
    }

    /// Rows of zones.
    pub(super) fn rows(&self) -> usize {
        self.zones.len() + 2
    }

    /// What the rows of zones stand for, in their order.
    fn of_rows(&self) -> impl Iterator<Item = (usize, Meaning<'_>)> {
        let zones = self.zones.iter().map(Meaning::Zone);
        std::iter::once(Meaning::NoZone).chain(zones).chain([Meaning::OtherZones]).enumerate()
    }

    /// What every counter of zones and kinds stands for, with its place; those between that stand for nothing are left out.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (usize, Meaning<'_>, Kind)> {
        self.of_rows().flat_map(|(row, of)| Kind::ALL.map(|kind| (row * SLOTS + kind as usize, of, kind)))
    }

    /// What every counter of zones and RCODEs stands for, with its place; the last RCODE stands for all higher ones.
    pub(super) fn rcodes(&self) -> impl Iterator<Item = (usize, Meaning<'_>, u16)> {
        self.of_rows().flat_map(|(row, of)| (0..RCODES).map(move |rcode| (row * RCODES + rcode, of, rcode as u16)))
    }

    /// The counter of a zone (one more than its number) and an RCODE.
    pub(super) fn rcode_cell(&self, zone: u32, rcode: u16) -> usize {
        (zone as usize).min(self.rows() - 1) * RCODES + usize::from(rcode).min(RCODES - 1)
    }

    /// What every counter of reasons stands for, with its place: answers of a service, by a PoP (`None`: by nobody).
    pub(super) fn reasons(&self) -> impl Iterator<Item = (usize, &Arc<str>, Option<&Arc<str>>, Kind)> {
        self.groups.iter().flat_map(|Group { service, pops, row }| {
            std::iter::once(None).chain(pops.iter().map(Some)).enumerate().flat_map(move |(member, pop)| {
                let first = row.0 as usize + member * WIDTH as usize;
                let reasons = Kind::ALL.into_iter().filter(|kind| kind.is_reason());
                reasons.map(move |kind| (first + kind as usize % WIDTH as usize, service, pop, kind))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answered, Decided, Marks, Number};
    use super::*;

    #[test]
    fn every_counter_stands_for_one_thing_and_every_thing_has_one() {
        let name = |text: &str| Arc::<str>::from(text);
        let pops = |names: &[&str]| names.iter().map(|pop| name(pop)).collect::<Vec<_>>();
        let maps = [("web", pops(&["fra", "iad"])), ("api", pops(&["fra"])), ("web", pops(&["fra", "iad"]))];
        let layout = Layout::new(
            ["a.", "b."].into_iter().map(name),
            maps.into_iter().map(|(service, pops)| (name(service), pops)),
        );
        let mut kinds = vec![false; layout.rows() * SLOTS];
        for (cell, ..) in layout.kinds() {
            assert!(!std::mem::replace(&mut kinds[cell], true));
        }
        let mut rcodes = vec![false; layout.rows() * RCODES];
        for (cell, ..) in layout.rcodes() {
            assert!(!std::mem::replace(&mut rcodes[cell], true));
        }
        let mut served = vec![false; layout.served];
        for (cell, ..) in layout.reasons() {
            assert!(!std::mem::replace(&mut served[cell], true));
        }
        assert!(rcodes.iter().chain(&served).all(|seen| *seen));

        let answered = |zone: Number| Answered::usual(7, zone, Kind::Referral, Decided::NOTHING, Marks::default());
        let of_kind = |zone: Number| {
            let at = answered(zone).plain_cell();
            layout.kinds().find(|(cell, ..)| *cell as u64 == at).map(|(_, of, kind)| (of, kind))
        };
        let of_rcode = |zone: Number| {
            let at = layout.rcode_cell(zone.raised(), 3_000);
            layout.rcodes().find(|(cell, ..)| *cell == at).map(|(_, of, rcode)| (of, rcode)).unwrap()
        };
        let (a, b) = (name("a."), name("b."));
        for (zone, of) in [
            (Number::NONE, Meaning::NoZone),
            (Number::of(0), Meaning::Zone(&a)),
            (Number::of(1), Meaning::Zone(&b)),
            (Number::of(2), Meaning::OtherZones),
        ] {
            assert_eq!(of_kind(zone), Some((of, Kind::Referral)));
            assert_eq!(of_rcode(zone), (of, 24));
        }
        assert_eq!((of_kind(Number::of(3)), of_rcode(Number::of(3)).0), (None, Meaning::OtherZones));
        assert!(answered(Number::of(u32::MAX - 1)).plain_cell() >= kinds.len() as u64);

        let served = |map: usize, member: Option<u16>| {
            let at = (layout.of_map[map].0 + Decided::new(9, member, Kind::Away).place) as usize;
            let (_, service, pop, kind) = layout.reasons().find(|(cell, ..)| *cell == at).unwrap();
            (&**service, pop.map(|pop| &**pop), kind)
        };
        assert_eq!(served(1, Some(1)), ("web", Some("iad"), Kind::Away));
        assert_eq!(served(1, Some(0)), served(3, Some(0)));
        assert_eq!(served(2, None), ("api", None, Kind::Away));
        assert_eq!(served(0, None), (OTHERS, None, Kind::Away));
    }

    #[test]
    fn what_the_operator_writes_without_bound_has_one() {
        let zones = (0..MAX_ZONES + 5).map(|i| Arc::from(format!("z{i}.")));
        let maps = (0..10).map(|i| {
            let pops = (0..MAX_SERVED / 4).map(|pop| Arc::from(format!("p{pop}"))).collect();
            (Arc::from(format!("s{i}")), pops)
        });
        let layout = Layout::new(zones, maps);
        assert_eq!(layout.rows(), MAX_ZONES + 2);
        assert!(layout.served <= (MAX_SERVED + 1) * WIDTH as usize);
        let first: Vec<_> = layout.of_map.iter().map(|row| row.0).collect();
        assert!(first[3] > first[2] && first[5..].iter().all(|at| *at == first[0]));
    }
}
