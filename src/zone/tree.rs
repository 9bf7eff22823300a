//! The compiled zone: nodes found by the hash of their whole name, in flat tables without a box per name or record.
//!
//! Empty non-terminals are nodes, so that a name exists exactly if it is in the index, and every node knows the topmost
//! zone cut or DNAME at or above it and its wildcard child. An existing name therefore takes one probe; a missing one
//! takes one more per halving of its depth, to find the closest encloser.

use std::fmt;
use std::sync::Arc;

use super::alias::{Alias, Stored};
use super::ready::ReadyTable;
use super::rrset::RrSet;
use super::{ReflectId, SteerId};
use crate::dns::{FoldedName, Name, Type};

/// "No node", "no steer".
pub(super) const NONE: u32 = u32::MAX;
/// The apex is always the first node.
pub(super) const APEX: u32 = 0;

/// One owner name or empty non-terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Its lower-cased wire form in `Zone::names`.
    pub(super) name: u32,
    pub(super) name_length: u8,
    pub(super) flags: u8,
    /// Number of its RRsets, which lie side by side in `Zone::sets`, by rising type.
    pub(super) set_count: u16,
    pub(super) sets: u32,
    /// The topmost node at or above this one, the apex apart, that is a zone cut or owns a DNAME (the apex may own a
    /// DNAME); [`NONE`].
    pub(super) stop: u32,
    /// The child `*`, or [`NONE`].
    pub(super) wildcard: u32,
    /// [`SteerId`]; of a CNAME or a zone cut, which cannot be steered, the number of what is prepared in `Zone::ready`; or
    /// [`NONE`].
    pub(super) number: u32,
}

impl Node {
    /// What steers it.
    #[inline]
    pub(super) fn steer(&self) -> Option<SteerId> {
        (self.number != NONE && self.flags & (CNAME | CUT) == 0).then_some(SteerId(self.number))
    }
}

/// The node owns NS below the apex.
pub(super) const CUT: u8 = 1;
/// The node owns a CNAME.
pub(super) const CNAME: u8 = 2;
/// The node owns a DNAME.
pub(super) const DNAME: u8 = 4;
/// The node is an ALIAS: its addresses are those of another name.
pub(super) const ALIAS: u8 = 8;
/// The node's TXT tells clients what is seen of them.
pub(super) const REFLECT: u8 = 16;

/// An RRset in `Zone::records`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) rtype: Type,
    pub(super) count: u16,
    pub(super) ttl: u32,
    pub(super) start: u32,
    pub(super) length: u32,
}

/// A compiled zone. Immutable. What a new serial does not change is shared with the zone of before.
#[derive(Clone)]
pub struct Zone {
    pub(super) apex: Name,
    pub(super) apex_labels: u8,
    /// Labels of the deepest name.
    pub(super) max_labels: u8,
    pub(super) index: Index,
    pub(super) nodes: Arc<[Node]>,
    pub(super) names: Arc<[u8]>,
    pub(super) sets: Arc<[Set]>,
    pub(super) records: Box<[u8]>,
    /// Per cut, its glue; by rising node.
    pub(super) cuts: Arc<[super::cuts::CutGlue]>,
    pub(super) glue: Arc<[super::cuts::GlueNode]>,
    /// By rising `name`.
    pub(super) aliases: Arc<[Stored]>,
    /// Where a node's name lies in `names`, which no other node has, and what it reflects; rising.
    pub(super) reflects: Box<[(u32, ReflectId)]>,
    /// The SOA with the TTL of negative answers, prepared.
    pub(super) negative_soa: Box<[u8]>,
    pub(super) negative_ttl: u32,
    /// Whole sections, compressed.
    pub(super) ready: ReadyTable,
}

impl Zone {
    /// The name of the zone, as written.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The name of the zone in lower-cased wire form.
    #[inline]
    pub fn apex_folded(&self) -> &[u8] {
        self.name_of(self.node(APEX))
    }

    /// Number of labels of the apex.
    pub fn apex_labels(&self) -> usize {
        usize::from(self.apex_labels)
    }

    /// The SOA as negative answers carry it: with the TTL min(SOA TTL, MINIMUM) (RFC 2308 §3).
    #[inline]
    pub fn negative_soa(&self) -> RrSet<'_> {
        RrSet { rtype: Type::SOA, ttl: self.negative_ttl, count: 1, bytes: &self.negative_soa }
    }

    /// The serial of the SOA.
    pub fn serial(&self) -> u32 {
        self.negative_soa().first().rchunks(4).nth(4).and_then(|o| o.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    /// The same zone with another serial.
    #[must_use]
    pub fn with_serial(&self, serial: u32) -> Self {
        let mut zone = self.clone();
        // The serial is the first of five numbers that end an SOA (RFC 1035 §3.3.13), the only record of its RRset.
        let number = |octets: Option<&mut [u8]>| {
            let start = octets.as_ref().and_then(|octets| octets.len().checked_sub(20));
            if let (Some(octets), Some(start)) = (octets, start)
                && let Some(place) = octets.get_mut(start..start + 4)
            {
                place.copy_from_slice(&serial.to_be_bytes());
            }
        };
        let soa = self.sets_of(self.node(APEX)).iter().find(|set| set.rtype == Type::SOA);
        if let Some(set) = soa {
            number(zone.records.get_mut(set.start as usize..).and_then(|rest| rest.get_mut(..set.length as usize)));
        }
        number(Some(&mut zone.negative_soa));
        number(zone.ready.soa_mut());
        zone
    }

    /// Number of owner names, empty non-terminals included.
    pub fn name_count(&self) -> usize {
        self.nodes.len()
    }

    /// Number of records.
    pub fn record_count(&self) -> usize {
        self.sets.iter().map(|set| usize::from(set.count)).sum()
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.index.slots.len() * size_of::<u64>()
            + self.nodes.len() * size_of::<Node>()
            + self.names.len()
            + self.sets.len() * size_of::<Set>()
            + self.records.len()
            + self.glue.len() * size_of::<super::cuts::GlueNode>()
            + self.cuts.len() * size_of::<super::cuts::CutGlue>()
            + self.reflects.len() * size_of::<(u32, ReflectId)>()
            + self.ready.memory()
            + self.aliases.iter().map(|alias| size_of::<Stored>() + alias.target.as_wire().len()).sum::<usize>()
    }

    /// Every RRset with its owner's lower-cased wire form and every steered name, in no particular order.
    pub fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        self.nodes.iter().map(|node| Owner {
            name: self.name_of(node),
            steer: node.steer(),
            sets: self.sets_of(node).iter().map(|set| self.rrset(set)).collect(),
        })
    }

    #[inline]
    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    #[inline]
    pub(super) fn name_of(&self, node: &Node) -> &[u8] {
        &self.names[node.name as usize..][..usize::from(node.name_length)]
    }

    #[inline]
    pub(super) fn sets_of(&self, node: &Node) -> &[Set] {
        &self.sets[node.sets as usize..][..usize::from(node.set_count)]
    }

    #[inline]
    pub(super) fn set(&self, node: &Node, rtype: Type) -> Option<RrSet<'_>> {
        self.sets_of(node).iter().find(|set| set.rtype == rtype).map(|set| self.rrset(set))
    }

    #[inline]
    pub(super) fn rrset(&self, set: &Set) -> RrSet<'_> {
        let bytes = &self.records[set.start as usize..][..set.length as usize];
        RrSet { rtype: set.rtype, ttl: set.ttl, count: set.count, bytes }
    }

    /// The ALIAS of a node that has the flag.
    pub(super) fn alias(&self, node: &Node) -> Option<Alias<'_>> {
        let index = self.aliases.binary_search_by_key(&node.name, |alias| alias.name).ok()?;
        self.aliases.get(index).map(|alias| Alias { ttl: alias.ttl, target: alias.target.as_wire() })
    }

    /// What a node that has the flag reflects.
    pub(super) fn reflect(&self, node: &Node) -> Option<ReflectId> {
        let index = self.reflects.binary_search_by_key(&node.name, |reflect| reflect.0).ok()?;
        self.reflects.get(index).map(|reflect| reflect.1)
    }

    /// The node of the suffix of `labels` labels, whose hash this is.
    #[inline]
    pub(super) fn find(&self, name: &FoldedName, labels: usize, hash: u64) -> Option<u32> {
        self.index.find(hash, |id| self.name_of(self.node(id)) == name.suffix(labels))
    }
}

/// An owner name with its data.
#[derive(Clone, Debug)]
pub struct Owner<'a> {
    /// Lower-cased wire form.
    pub name: &'a [u8],
    /// Set on a steered name.
    pub steer: Option<SteerId>,
    /// By rising type; none at an empty non-terminal.
    pub sets: Vec<RrSet<'a>>,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({}, {} names, {} records)", self.apex, self.nodes.len(), self.record_count())
    }
}

/// Hash → number, open addressing with linear steps, at most three quarters full. What is equal is for the caller to say.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Upper half the hash, lower half the number; [`EMPTY`] is free.
    slots: Box<[u64]>,
    count: usize,
}

const EMPTY: u64 = u64::MAX;

impl Default for Index {
    fn default() -> Self {
        Self { slots: vec![EMPTY; 8].into(), count: 0 }
    }
}

impl Index {
    /// Room for this many without growing.
    pub(super) fn with_capacity(count: usize) -> Self {
        let slots = (count * 4 / 3 + 1).next_power_of_two().max(8);
        Self { slots: vec![EMPTY; slots].into(), count: 0 }
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, equal: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let tag = hash >> 32;
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                return None;
            }
            if slot >> 32 == tag && equal(slot as u32) {
                return Some(slot as u32);
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts in a number that is not there yet; below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![EMPTY; self.slots.len() * 2].into();
            let old = std::mem::replace(&mut self.slots, larger);
            for slot in old {
                if slot != EMPTY {
                    self.place(slot);
                }
            }
        }
        self.count += 1;
        self.place((hash >> 32) << 32 | u64::from(id));
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}
