//! What the operator's files add to addresses: labels by prefix, and the AS numbers that policies name.
//!
//! An overlaid table shares the columns of its base, which may be a mapped file, and holds beside them only the overlay's own
//! ranges and one extra site per distinct (site below, label, AS number). So a changed prefix file costs a fraction of a
//! second and a few bytes per prefix, whatever the size of the databases.

use std::collections::{HashMap, HashSet};
use std::iter::Peekable;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::asn::AsnTable;
use super::extras::{Added, Extras};
use super::packed::{Packable, PackedView};
use super::ranges::{RangeView, Ranges};
use super::sites::SiteTable;
use crate::net::Bits;

/// What the operator's files add to addresses: opaque to this room. Label 0 is "none".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Overlay {
    /// First IPv4 address and label, rising, covering from there to the next; before the first nothing is added.
    pub v4: Vec<(u32, u32)>,
    /// The same for IPv6.
    pub v6: Vec<(u128, u32)>,
    /// The AS numbers that policies name, sorted.
    pub asns: Vec<u32>,
}

/// An overlay over a table.
#[derive(Debug)]
pub(super) struct Overlaid {
    /// Ranges → number of an addition plus 1, 0 where nothing is added.
    pub v4: Ranges<u32, u32>,
    pub v6: Ranges<u128, u32>,
    pub extras: Extras,
}

impl SiteTable {
    /// A table with the sites of `base` where nothing is added, and where a label or a named AS number applies a site of its
    /// own with all that is known below. An unusable address that gets either becomes usable ("an operator's prefix
    /// always wins", SEMANTICS §1.9).
    ///
    /// The columns of `base` are shared, and an overlay that it has itself does not count. Where nothing at all is added
    /// it is `base` that comes back. Labels out of order are passed over. The same input gives the same site numbers.
    pub fn overlaid(base: &Arc<Self>, asns: Option<&Arc<AsnTable>>, overlay: &Overlay) -> Arc<Self> {
        let mut additions = Additions::default();
        let named = |asn: u32| if overlay.asns.binary_search(&asn).is_ok() { asn } else { 0 };
        let asns = asns.filter(|_| !overlay.asns.is_empty());
        let mut v4 = additions.merge(&overlay.v4, asns.map(|asns| asns.v4()), named);
        let mut v6 = additions.merge(&overlay.v6, asns.map(|asns| asns.v6()), named);
        if additions.list.is_empty() && base.overlay.is_none() {
            return Arc::clone(base);
        }
        let overlay = (!additions.list.is_empty()).then(|| {
            v4.shrink();
            v6.shrink();
            let mut pairs = Pairs::default();
            meet(base.columns.v4.view(), v4.view(), &mut pairs);
            meet(base.columns.v6.view(), v6.view(), &mut pairs);
            let extras = Extras::new(base.columns.rows.as_slice().len() as u32, additions.list, pairs);
            Overlaid { v4, v6, extras }
        });
        let (columns, sources, asns) = (Arc::clone(&base.columns), Arc::clone(&base.sources), base.asns.clone());
        Arc::new(Self { columns, sources, asns, overlay })
    }
}

impl Overlaid {
    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory() + self.extras.memory()
    }
}

/// Distinct additions in the order they are met, IPv4 first.
#[derive(Default)]
struct Additions {
    list: Vec<Added>,
    numbers: HashMap<Added, u32, FixedState>,
}

/// (number of an addition plus 1, site of the base) that occur together.
type Pairs = HashSet<(u32, u32), FixedState>;

impl Additions {
    /// The number of an addition plus 1; 0 for nothing.
    fn number(&mut self, added: Added) -> u32 {
        if added == Added::default() {
            return 0;
        }
        *self.numbers.entry(added).or_insert_with(|| {
            self.list.push(added);
            self.list.len() as u32
        })
    }

    /// Labels and the named ones of AS numbers, as one table of additions.
    fn merge<K: Packable>(
        &mut self,
        labels: &[(K, u32)],
        asns: Option<PackedView<'_, K>>,
        named: impl Fn(u32) -> u32,
    ) -> Ranges<K, u32> {
        let mut highest = None;
        let mut labels = labels
            .iter()
            .copied()
            .filter(|(start, _)| {
                let rises = highest.is_none_or(|highest| *start > highest);
                highest = highest.max(Some(*start));
                rises
            })
            .peekable();
        let asns = asns.into_iter().flat_map(PackedView::iter).map(|range| (range.start, named(range.value)));
        let mut asns = asns.peekable();
        let (mut ranges, mut now, mut position) = (Ranges::new(0), Added::default(), K::ZERO);
        loop {
            pass(&mut labels, position, &mut now.label);
            pass(&mut asns, position, &mut now.asn);
            ranges.push(position, self.number(now));
            let nexts = labels.peek().into_iter().chain(asns.peek()).map(|(start, _)| *start);
            let Some(next) = nexts.min() else { return ranges };
            position = next;
        }
    }
}

/// Takes what begins at a position.
fn pass<K: Bits>(items: &mut Peekable<impl Iterator<Item = (K, u32)>>, position: K, now: &mut u32) {
    while let Some((_, value)) = items.next_if(|(start, _)| *start <= position) {
        *now = value;
    }
}

/// Which additions meet which sites.
fn meet<K: Packable>(base: PackedView<'_, K>, added: RangeView<'_, K, u32>, pairs: &mut Pairs) {
    let mut last = None;
    for range in added.iter().filter(|range| range.value != 0) {
        for below in base.from(range.start).take_while(|below| below.start <= range.end) {
            let pair = (range.value, below.value);
            if last != Some(pair) {
                last = Some(pair);
                pairs.insert(pair);
            }
        }
    }
}
