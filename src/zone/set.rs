//! All zones of a snapshot, found by the longest suffix of a name (RFC 1034 §4.3.2 step 2).

use std::fmt;
use std::sync::Arc;

use super::tree::{Index, Zone};
use crate::dns::name::MAX_LABELS;
use crate::dns::{FoldedName, Name};

/// A configured zone.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It answers.
    Loaded(Arc<Zone>),
    /// It could not be loaded: SERVFAIL, never REFUSED (SEMANTICS §5.2).
    NotLoaded,
}

/// A zone found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its number in [`ZoneSet::get`].
    pub index: u32,
    /// Labels of its apex.
    pub labels: usize,
    /// [`FoldedName::hash`] of its apex.
    pub hash: u64,
    /// The zone.
    pub entry: &'a Entry,
    /// Whether there are zones below it, so that a name inside it may be another's.
    pub has_inner: bool,
}

/// Zones by their names. Immutable; zones are shared with the generation before.
#[derive(Clone, Default)]
pub struct ZoneSet {
    /// (lower-cased apex, zone), by the order they were added.
    entries: Vec<(Name, Entry)>,
    index: Index,
    /// By zone: whether there is one below it.
    has_inner: Vec<bool>,
    /// Some apex has so many labels.
    depths: Depths,
    /// Labels of the deepest apex.
    deepest: usize,
}

/// By number of labels.
#[derive(Clone)]
struct Depths([bool; MAX_LABELS + 1]);

impl Default for Depths {
    fn default() -> Self {
        Self([false; MAX_LABELS + 1])
    }
}

/// Collects zones.
#[derive(Debug, Default)]
pub struct ZoneSetBuilder {
    set: ZoneSet,
}

impl ZoneSetBuilder {
    /// Room for this many zones.
    pub fn with_capacity(count: usize) -> Self {
        let set =
            ZoneSet { entries: Vec::with_capacity(count), index: Index::with_capacity(count), ..ZoneSet::default() };
        Self { set }
    }

    /// Adds a zone; `false`, and nothing is added, if one of that name is there.
    pub fn add(&mut self, apex: &Name, entry: Entry) -> bool {
        let folded = FoldedName::of(apex);
        let (labels, hash) = (folded.labels(), folded.hash(folded.labels()));
        if self.set.probe(&folded, labels, hash).is_some() {
            return false;
        }
        self.set.index.insert(hash, self.set.entries.len() as u32);
        self.set.entries.push((folded.to_name(), entry));
        self.set.depths.0[labels] = true;
        self.set.deepest = self.set.deepest.max(labels);
        true
    }

    /// The set.
    pub fn build(self) -> ZoneSet {
        let mut set = self.set;
        set.has_inner = vec![false; set.entries.len()];
        for index in 0..set.entries.len() {
            let mut most = set.entries[index].0.label_count();
            let name = FoldedName::of(&set.entries[index].0);
            while let Some(above) = most.checked_sub(1).and_then(|most| set.find_within(&name, most)) {
                let (zone, labels) = (above.index, above.labels);
                set.has_inner[zone as usize] = true;
                most = labels;
            }
        }
        set
    }
}

impl ZoneSet {
    /// The zone with the longest name that the name is at or under.
    #[inline]
    pub fn find(&self, name: &FoldedName) -> Option<Found<'_>> {
        self.find_within(name, name.labels())
    }

    /// The same among zones the name is strictly under: where its DS lives (RFC 4035 §3.1.4.1).
    pub fn find_above(&self, name: &FoldedName) -> Option<Found<'_>> {
        self.find_within(name, name.labels().checked_sub(1)?)
    }

    #[inline]
    fn find_within(&self, name: &FoldedName, most: usize) -> Option<Found<'_>> {
        /// Apexes are not that deep, mostly.
        const SHALLOW: usize = 8;
        let deepest = most.min(self.deepest);
        if deepest >= SHALLOW {
            return self.find_deep(name, deepest);
        }
        let (mut hashes, mut hash) = ([FoldedName::ROOT_HASH; SHALLOW], FoldedName::ROOT_HASH);
        for (slot, labels) in hashes[1..=deepest].iter_mut().zip(1..) {
            hash = name.extend_hash(hash, labels);
            *slot = hash;
        }
        // The longest first, which is the one.
        for labels in (0..=deepest).rev() {
            if self.depths.0[labels] {
                let hash = hashes[labels];
                if let Some(index) = self.probe(name, labels, hash) {
                    return Some(self.found(index, labels, hash));
                }
            }
        }
        None
    }

    #[cold]
    fn find_deep(&self, name: &FoldedName, deepest: usize) -> Option<Found<'_>> {
        let (mut found, mut hash) = (None, FoldedName::ROOT_HASH);
        for labels in 0..=deepest {
            if labels > 0 {
                hash = name.extend_hash(hash, labels);
            }
            if self.depths.0[labels]
                && let Some(index) = self.probe(name, labels, hash)
            {
                found = Some((index, labels, hash));
            }
        }
        found.map(|(index, labels, hash)| self.found(index, labels, hash))
    }

    #[inline]
    fn found(&self, index: u32, labels: usize, hash: u64) -> Found<'_> {
        let at = index as usize;
        Found { index, labels, hash, entry: &self.entries[at].1, has_inner: self.has_inner[at] }
    }

    #[inline]
    fn probe(&self, name: &FoldedName, labels: usize, hash: u64) -> Option<u32> {
        self.index.find(hash, |index| self.entries[index as usize].0.as_wire() == name.suffix(labels))
    }

    /// A zone by its number: its lower-cased name and what is known of it.
    pub fn get(&self, index: u32) -> Option<(&Name, &Entry)> {
        self.entries.get(index as usize).map(|(name, entry)| (name, entry))
    }

    /// A zone by its exact name.
    pub fn zone(&self, apex: &Name) -> Option<&Entry> {
        let folded = FoldedName::of(apex);
        let index = self.probe(&folded, folded.labels(), folded.hash(folded.labels()))?;
        Some(&self.entries[index as usize].1)
    }

    /// Every zone with its number's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name, entry))
    }

    /// Number of zones.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no zone.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for ZoneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZoneSet({} zones)", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    #[track_caller]
    fn check(zones: &[&str], asked: &str, expected: Option<&str>, above: Option<&str>) {
        let mut builder = ZoneSetBuilder::default();
        for zone in zones {
            assert!(builder.add(&name(zone), Entry::NotLoaded));
        }
        let set = builder.build();
        let folded = FoldedName::of(&name(asked));
        let told = |found: Option<Found<'_>>| {
            found.map(|f| {
                assert_eq!(f.hash, folded.hash(f.labels));
                set.get(f.index).unwrap().0.to_string()
            })
        };
        assert_eq!(told(set.find(&folded)).as_deref(), expected);
        assert_eq!(told(set.find_above(&folded)).as_deref(), above);
    }

    #[test]
    fn the_longest_suffix_on_label_borders_wins() {
        let zones = ["Example.com.", "sub.example.com.", "com.example."];
        check(&zones, "www.example.com.", Some("example.com."), Some("example.com."));
        check(&zones, "A.SUB.example.COM.", Some("sub.example.com."), Some("sub.example.com."));
        check(&zones, "sub.example.com.", Some("sub.example.com."), Some("example.com."));
        check(&zones, "badexample.com.", None, None);
        check(&zones, "example.com.", Some("example.com."), None);
        check(&zones, ".", None, None);
        check(&["."], "a.b.", Some("."), Some("."));
        check(&["."], ".", Some("."), None);
        check(&[], "a.b.", None, None);
        check(&["a.b.c."], "x.b.c.", None, None);
        // Deeper than what is looked for the short way.
        let deep = ["c.", "8.7.6.5.4.3.2.1.c.", "9.8.7.6.5.4.3.2.1.c."];
        check(&deep, "x.9.8.7.6.5.4.3.2.1.c.", Some("9.8.7.6.5.4.3.2.1.c."), Some("9.8.7.6.5.4.3.2.1.c."));
        check(&deep, "9.8.7.6.5.4.3.2.1.c.", Some("9.8.7.6.5.4.3.2.1.c."), Some("8.7.6.5.4.3.2.1.c."));
        check(&deep, "x.8.7.6.5.4.3.2.1.c.", Some("8.7.6.5.4.3.2.1.c."), Some("8.7.6.5.4.3.2.1.c."));
        check(&deep, "x.7.6.5.4.3.2.1.c.", Some("c."), Some("c."));
    }

    #[test]
    fn a_second_zone_of_a_name_is_refused() {
        let mut builder = ZoneSetBuilder::with_capacity(2);
        assert!(builder.add(&name("a."), Entry::NotLoaded));
        assert!(!builder.add(&name("A."), Entry::NotLoaded));
        assert_eq!(builder.build().len(), 1);
    }
}
