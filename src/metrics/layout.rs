//! Which counter stands for what, in one generation: zones and PoPs have numbers that mean something only there.
//!
//! Counters are dense arrays, so that counting is an addition and no search. What the operator may write without bound
//! (zones, services, PoPs) has a bound here: what is beyond it is counted together, under [`OTHERS`].

use std::collections::HashMap;
use std::sync::Arc;

use super::RCODES;

/// Zones with counters of their own; the others share one row. A row takes 320 octets per thread.
pub const MAX_ZONES: usize = 1_000;
/// Services at PoPs with counters of their own; 64 octets each, per thread.
pub const MAX_SERVED: usize = 4_096;
/// The label of what is counted together, as a zone or service cannot be called.
pub const OTHERS: &str = "(others)";
/// The label of no zone, no PoP.
pub const NONE: &str = "";
/// In [`super::Answered`]: no zone, no map.
pub const NO_NUMBER: u32 = u32::MAX;
/// In [`super::Answered`]: no member.
pub const NO_MEMBER: u16 = u16::MAX;

/// What sorts of answers there are, by number, each with the RCODE it comes with; `None` where that may be any.
pub const KINDS: [(&str, Option<u16>); 14] = [
    ("static", Some(0)),
    ("home", Some(0)),
    ("away", Some(0)),
    ("panic", Some(0)),
    ("fail-open", Some(0)),
    ("fallback", Some(0)),
    ("on-empty", Some(0)),
    ("referral", Some(0)),
    ("nodata", Some(0)),
    ("nxdomain", Some(3)),
    ("identity", Some(0)),
    ("cookie", Some(0)),
    ("refused", Some(5)),
    ("error", None),
];
/// The number of `error` in [`KINDS`].
const ERROR: usize = KINDS.len() - 1;
/// Ways an answer may end: a kind with its own RCODE, or an error with any.
pub(super) const SLOTS: usize = ERROR + RCODES;

/// Why a steered name was answered as it was, by number: as in [`KINDS`], but that `servfail` is the first.
pub const REASONS: [&str; 7] = ["servfail", "home", "away", "panic", "fail-open", "fallback", "on-empty"];
/// Counters of one member: a power of two.
const WIDTH: usize = 8;

/// The RCODE each kind comes with, as [`KINDS`] has it; one that no message carries for those with any.
const USUAL: [u16; 16] = {
    let mut usual = [u16::MAX; 16];
    let mut i = 0;
    while i < KINDS.len() {
        if let Some(rcode) = KINDS[i].1 {
            usual[i] = rcode;
        }
        i += 1;
    }
    usual
};

/// The slot of a kind and an RCODE. A kind with an RCODE not its own counts as an error: RCODEs are always true.
#[inline]
pub(super) fn slot(kind: u8, rcode: u16) -> usize {
    let kind = usize::from(kind & 15);
    if USUAL[kind] == rcode { kind } else { ERROR + usize::from(rcode).min(RCODES - 1) }
}

/// What a slot stands for: kind and RCODE, the last RCODE standing for all higher ones.
pub fn of_slot(slot: usize) -> (&'static str, u16) {
    match KINDS.get(slot) {
        Some((kind, Some(rcode))) => (kind, *rcode),
        Some((_, None)) | None => (KINDS[ERROR].0, (slot - ERROR) as u16),
    }
}

/// Which counter stands for what. Counters: a row of slots for each zone, then one for the other zones and one for no
/// zone; then a row of reasons for each member of each group, and one for nobody.
#[derive(Clone, Debug)]
pub struct Layout {
    zones: Vec<Arc<str>>,
    groups: Vec<Group>,
    /// By map.
    pub(super) of_map: Arc<[Row]>,
    /// The row of maps without one.
    pub(super) other: Row,
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
    members: u16,
}

impl Row {
    /// The counter of a member, or of nobody.
    #[inline]
    pub(super) fn cell(self, member: u16, reason: u8) -> usize {
        self.first as usize + usize::from(member.min(self.members)) * WIDTH + usize::from(reason) % WIDTH
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
    Served(&'a Arc<str>, Option<&'a Arc<str>>, usize),
}

impl Layout {
    /// Of the zones by number, and of the maps by number: service and PoPs by member.
    pub fn new(zones: impl Iterator<Item = Arc<str>>, maps: impl Iterator<Item = (Arc<str>, Vec<Arc<str>>)>) -> Self {
        let zones: Vec<_> = zones.take(MAX_ZONES).collect();
        let mut layout = Self {
            cells: (zones.len() + 2) * SLOTS,
            zones,
            groups: Vec::new(),
            of_map: Arc::default(),
            other: Row::default(),
        };
        layout.other = layout.put(OTHERS.into(), Vec::new());
        let mut known: HashMap<(Arc<str>, Vec<Arc<str>>), Row> = HashMap::new();
        let mut served = 0;
        let mut of_map = Vec::new();
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
            of_map.push(row.unwrap_or(layout.other));
        }
        layout.of_map = of_map.into();
        layout
    }

    /// Of numbers that stand for nothing known.
    pub fn unknown() -> Self {
        Self::new(std::iter::empty(), std::iter::empty())
    }

    fn put(&mut self, service: Arc<str>, pops: Vec<Arc<str>>) -> Row {
        let members = pops.len().min(usize::from(NO_MEMBER) - 1) as u16;
        let row = Row { first: self.cells as u32, members };
        self.cells += (usize::from(members) + 1) * WIDTH;
        self.groups.push(Group { service, pops, row });
        row
    }

    /// Zones that have a row.
    pub(super) fn zones(&self) -> u32 {
        self.zones.len() as u32
    }

    /// The counter of a zone, where `named` have a row.
    #[inline]
    pub(super) fn zone_cell(named: u32, zone: u32, slot: usize) -> usize {
        let row = if zone < named { zone } else { named + u32::from(zone == NO_NUMBER) };
        row as usize * SLOTS + slot
    }

    /// What every counter stands for, in order; the counters between that stand for nothing are left out.
    pub(super) fn meanings(&self) -> impl Iterator<Item = (usize, Meaning<'_>)> {
        let zones = self
            .zones
            .iter()
            .enumerate()
            .flat_map(|(row, zone)| (0..SLOTS).map(move |slot| (row * SLOTS + slot, Meaning::Zone(zone, slot))));
        let named = self.zones.len();
        let others = (0..SLOTS).map(move |slot| (named * SLOTS + slot, Meaning::OtherZones(slot)));
        let none = (0..SLOTS).map(move |slot| ((named + 1) * SLOTS + slot, Meaning::NoZone(slot)));
        let served = self.groups.iter().flat_map(|group| {
            let members = group.pops.iter().take(usize::from(group.row.members)).map(Some).chain([None]);
            members.enumerate().flat_map(move |(member, pop)| {
                (0..REASONS.len()).map(move |reason| {
                    (group.row.cell(member as u16, reason as u8), Meaning::Served(&group.service, pop, reason))
                })
            })
        });
        zones.chain(others).chain(none).chain(served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_kinds_with_their_rcodes_and_errors_with_any() {
        for kind in 0..KINDS.len() as u8 {
            for rcode in (0..30).chain([4_095]) {
                let (word, told) = of_slot(slot(kind, rcode));
                assert_eq!(told, rcode.min(RCODES as u16 - 1), "{kind} {rcode}");
                let (of_kind, usual) = KINDS[usize::from(kind)];
                assert_eq!(word, if usual == Some(rcode) { of_kind } else { "error" });
            }
        }
        assert_eq!(of_slot(SLOTS - 1), ("error", 24));
    }

    #[test]
    fn reasons_are_kinds() {
        for (number, reason) in REASONS.iter().enumerate().skip(1) {
            assert_eq!(KINDS[number].0, *reason);
        }
        assert!(REASONS.len() <= WIDTH);
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
        let zone = |zone: u32| meaning(Layout::zone_cell(layout.zones(), zone, 9));
        assert_eq!(zone(1), Meaning::Zone(&name("b."), 9));
        assert_eq!((zone(2), zone(NO_NUMBER)), (Meaning::OtherZones(9), Meaning::NoZone(9)));
        let served = |map: usize, member: u16| meaning(layout.of_map[map].cell(member, 2));
        assert_eq!(served(0, 1), Meaning::Served(&name("web"), Some(&name("iad")), 2));
        assert_eq!(served(0, 0), served(2, 0));
        assert_eq!(served(1, NO_MEMBER), Meaning::Served(&name("api"), None, 2));
        assert_eq!(meaning(layout.other.cell(7, 1)), Meaning::Served(&name(OTHERS), None, 1));
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
        assert!(first[2] > first[1] && first[4..].iter().all(|at| *at == layout.other.first));
    }
}
