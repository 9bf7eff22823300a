//! Which counter stands for what, in one generation: zones and PoPs have numbers that mean something only there.
//!
//! Counters are dense arrays, so that counting is an addition and no search. What the operator may write without bound
//! (zones, services, PoPs) has a bound here: what is beyond it is counted together, under [`OTHERS`].

use std::collections::HashMap;
use std::sync::Arc;

use super::{Kind, Number, RCODES};

/// Zones with counters of their own; the others share one row. A row takes 320 octets per thread.
pub const MAX_ZONES: usize = 1_000;
/// Services at PoPs with counters of their own; 64 octets each, per thread.
pub const MAX_SERVED: usize = 4_096;
/// The label of what is counted together, as a zone or service cannot be called.
pub const OTHERS: &str = "(others)";
/// The label of no zone, no PoP.
pub const NONE: &str = "";
/// Counters of a zone, one for each way an answer may end: a kind with its own RCODE, or an error with any.
pub(super) const SLOTS: usize = 40;
/// The slot of errors with RCODE 0, behind those of kinds with an RCODE of their own.
const ERROR: usize = Kind::ALL.len();
/// Counters of one member, one for each reason why a steered name is answered so: [`Kind::Home`] to [`Kind::Override`], and 0 for
/// [`Kind::Error`], whose number is a multiple of this.
const WIDTH: usize = 8;

/// The RCODE each kind comes with; one that no message carries for those with any.
const USUAL: [u16; 16] = {
    let mut usual = [u16::MAX; 16];
    let mut i = 0;
    while i < Kind::ALL.len() {
        if let Some(rcode) = Kind::ALL[i].rcode() {
            usual[i] = rcode;
        }
        i += 1;
    }
    usual
};

/// The slot of a kind and an RCODE. A kind with an RCODE not its own counts as an error: RCODEs are always true.
#[inline]
pub(super) fn slot(kind: Kind, rcode: u16) -> usize {
    let kind = kind as usize;
    if USUAL[kind] == rcode { kind } else { error_slot(rcode) }
}

#[cold]
#[inline(never)]
fn error_slot(rcode: u16) -> usize {
    ERROR + usize::from(rcode).min(RCODES - 1)
}

/// What a slot stands for: kind and RCODE, the last RCODE standing for all higher ones.
pub(super) fn of_slot(slot: usize) -> (Kind, u16) {
    match Kind::ALL.get(slot).and_then(|kind| Some((*kind, kind.rcode()?))) {
        Some(usual) => usual,
        None => (Kind::Error, slot.saturating_sub(ERROR).min(RCODES - 1) as u16),
    }
}

/// Which counter stands for what. Counters: a row of slots for no zone, one for each zone, and one for the other zones; then a
/// row of reasons for each member of each group, and one for nobody.
#[derive(Clone, Debug)]
pub struct Layout {
    zones: Vec<Arc<str>>,
    groups: Vec<Group>,
    /// By one more than the number of the map; the first stands for those that have no row.
    pub(super) of_map: Arc<[Row]>,
    /// How many counters there are.
    pub(super) cells: usize,
}

/// Maps that are counted together: of the same service and the same PoPs.
#[derive(Clone, Debug)]
struct Group {
    service: Arc<str>,
    pops: Vec<Arc<str>>,
    row: Row,
}

/// Where a group's counters are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    first: u32,
}

impl Row {
    /// The counter of a member (one more than its number; 0 for nobody).
    #[inline]
    pub(super) fn cell(self, member: u16, kind: Kind) -> usize {
        self.first as usize + usize::from(member) * WIDTH + kind as usize % WIDTH
    }
}

/// What a counter stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// Answers of a zone: its name, and the slot.
    Zone(&'a Arc<str>, usize),
    /// Answers outside all zones.
    NoZone(usize),
    /// Answers of zones that are counted together.
    OtherZones(usize),
    /// Answers of a service, by a PoP (`None`: by nobody), for a reason.
    Served(&'a Arc<str>, Option<&'a Arc<str>>, Kind),
}

impl Layout {
    /// Of the zones by number, and of the maps by number: service and PoPs by member.
    pub fn new(zones: impl Iterator<Item = Arc<str>>, maps: impl Iterator<Item = (Arc<str>, Vec<Arc<str>>)>) -> Self {
        let zones: Vec<_> = zones.take(MAX_ZONES).collect();
        let mut layout = Self { cells: (zones.len() + 2) * SLOTS, zones, groups: Vec::new(), of_map: Arc::default() };
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
        let row = Row { first: self.cells as u32 };
        self.cells += (pops.len() + 1) * WIDTH;
        self.groups.push(Group { service, pops, row });
        row
    }

    /// The row of the zones that have none of their own.
    pub(super) fn other_zones(&self) -> u32 {
        self.zones.len() as u32 + 1
    }

    /// The counter of a zone.
    #[inline]
    pub(super) fn zone_cell(other_zones: u32, zone: Number, slot: usize) -> usize {
        zone.raised().min(other_zones) as usize * SLOTS + slot
    }

    /// What every counter stands for, in order; the counters between that stand for nothing are left out.
    pub(super) fn meanings(&self) -> impl Iterator<Item = (usize, Meaning<'_>)> {
        let slots = |row: usize| (0..ERROR + RCODES).map(move |slot| (row * SLOTS + slot, slot));
        let none = slots(0).map(|(cell, slot)| (cell, Meaning::NoZone(slot)));
        let zones = self.zones.iter().enumerate();
        let zones =
            zones.flat_map(move |(at, zone)| slots(at + 1).map(move |(cell, slot)| (cell, Meaning::Zone(zone, slot))));
        let others = slots(self.zones.len() + 1).map(|(cell, slot)| (cell, Meaning::OtherZones(slot)));
        let served = self.groups.iter().flat_map(|group| {
            [None].into_iter().chain(group.pops.iter().map(Some)).enumerate().flat_map(move |(member, pop)| {
                let meaning =
                    move |kind| (group.row.cell(member as u16, kind), Meaning::Served(&group.service, pop, kind));
                Kind::ALL.into_iter().filter(|kind| kind.is_reason()).map(meaning)
            })
        });
        none.chain(zones).chain(others).chain(served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_in_order_and_their_slots_tell_kind_and_rcode() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            assert_eq!(format!("{kind:?}").to_lowercase(), kind.label().replace('-', ""));
            for rcode in (0..30).chain([4_095]) {
                let (told, of) = of_slot(slot(kind, rcode));
                assert_eq!(of, rcode.min(RCODES as u16 - 1), "{kind:?} {rcode}");
                assert_eq!(told, if kind.rcode() == Some(rcode) { kind } else { Kind::Error });
            }
        }
        const { assert!(ERROR + RCODES <= SLOTS) };
        let mut reasons: Vec<_> =
            Kind::ALL.into_iter().filter(|kind| kind.is_reason()).map(|kind| kind as usize % WIDTH).collect();
        reasons.sort_unstable();
        assert_eq!(reasons, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn every_counter_stands_for_one_thing_and_every_thing_has_one() {
        let name = |text: &str| Arc::<str>::from(text);
        let pops = |names: &[&str]| names.iter().map(|pop| name(pop)).collect::<Vec<_>>();
        let maps = [("web", pops(&["fra", "iad"])), ("api", pops(&["fra"])), ("web", pops(&["fra", "iad"]))];
        let layout = Layout::new(
            ["a.", "b."].into_iter().map(name),
            maps.into_iter().map(|(service, pops)| (name(service), pops)),
        );
        let mut seen = vec![false; layout.cells];
        for (cell, _) in layout.meanings() {
            assert!(!std::mem::replace(&mut seen[cell], true));
        }
        let meaning = |cell: usize| layout.meanings().find(|(at, _)| *at == cell).unwrap().1;
        let zone = |zone: Number| meaning(Layout::zone_cell(layout.other_zones(), zone, 9));
        assert_eq!(zone(Number::of(0)), Meaning::Zone(&name("a."), 9));
        assert_eq!(zone(Number::of(1)), Meaning::Zone(&name("b."), 9));
        assert_eq!(zone(Number::of(2)), Meaning::OtherZones(9));
        assert_eq!(zone(Number::of(u32::MAX - 1)), Meaning::OtherZones(9));
        assert_eq!(zone(Number::NONE), Meaning::NoZone(9));
        let served = |map: usize, member: u16| meaning(layout.of_map[map].cell(member, Kind::Away));
        assert_eq!(served(1, 2), Meaning::Served(&name("web"), Some(&name("iad")), Kind::Away));
        assert_eq!(served(1, 1), served(3, 1));
        assert_eq!(served(2, 0), Meaning::Served(&name("api"), None, Kind::Away));
        assert_eq!(served(0, 0), Meaning::Served(&name(OTHERS), None, Kind::Away));
    }

    #[test]
    fn what_the_operator_writes_without_bound_has_one() {
        let zones = (0..MAX_ZONES + 5).map(|i| Arc::from(format!("z{i}.")));
        let maps = (0..10).map(|i| {
            let pops = (0..MAX_SERVED / 4).map(|pop| Arc::from(format!("p{pop}"))).collect();
            (Arc::from(format!("s{i}")), pops)
        });
        let layout = Layout::new(zones, maps);
        assert!(layout.cells <= (MAX_ZONES + 2) * SLOTS + (MAX_SERVED + 1) * WIDTH);
        let first: Vec<_> = layout.of_map.iter().map(|row| row.first).collect();
        assert!(first[3] > first[2] && first[5..].iter().all(|at| *at == first[0]));
    }
}
