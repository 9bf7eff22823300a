//! Owner name + type → [`Lookup`]: RFC 1034 §4.3.2 step 3 with RFC 4592 (wildcards), RFC 6672 (DNAME) and RFC 9471 (glue).

use super::alias::Alias;
use super::rrset::RrSet;
use super::tree::{ALIAS, APEX, CNAME, CUT, NONE, Node, REFLECT, Zone};
use super::{ReflectId, SteerId};
use crate::dns::{FoldedName, Type};

/// What a zone says of a name and type. The owner name of an answer is always the name that was asked: a wildcard's
/// records are given under it (RFC 4592 §3.3.1).
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// The RRset of that type; of type ANY, one RRset of the name (RFC 8482 §4.1).
    Answer(RrSet<'a>),
    /// The name is steered. What was written of the type that was asked is beside it.
    Steered {
        /// What steers it.
        steer: SteerId,
        /// The written RRset of that type.
        written: Option<RrSet<'a>>,
    },
    /// The name is an ALIAS, and A, AAAA or ANY was asked: it has another name's addresses.
    Alias {
        /// Where they are.
        alias: Alias<'a>,
        /// Asked for ANY: one of the RRsets that are written beside it, should there be no address.
        written: Option<RrSet<'a>>,
    },
    /// The name tells clients what is seen of them, and TXT was asked (or ANY, where nothing else is written).
    Reflect(ReflectId),
    /// The name is an alias, and something else than CNAME was asked.
    Cname(RrSet<'a>),
    /// A name above this one owns a DNAME.
    Dname {
        /// Labels of that owner.
        labels: usize,
        /// The DNAME.
        rrset: RrSet<'a>,
    },
    /// The name is at or below a zone cut.
    Referral(Cut<'a>),
    /// The name exists, and has nothing of that type.
    NoData,
    /// The name does not exist, and no wildcard stands for it.
    NxDomain,
}

/// Where a name leads in a zone, by its nodes, whose numbers mean nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// To this node's data: its own, or the wildcard's that stands for it.
    Node(u32),
    /// To this zone cut itself.
    Cut(u32),
    /// Below this zone cut or owner of a DNAME.
    Below(u32),
    /// Nowhere.
    Nothing,
}

/// A zone cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    /// Labels of its name.
    pub labels: usize,
    /// Its NS RRset.
    pub ns: RrSet<'a>,
    zone: &'a Zone,
    node: u32,
}

/// Addresses of a name server at or below a zone cut.
#[derive(Clone, Copy, Debug)]
pub struct Glue<'a> {
    /// The name server, in lower-cased wire form.
    pub name: &'a [u8],
    /// Whether it lies at or below this very cut, so that the referral is useless without it (RFC 9471 §3.1); else it
    /// is below another cut of the zone (sibling glue, §3.2).
    pub required: bool,
    /// Its A records.
    pub a: Option<RrSet<'a>>,
    /// Its AAAA records.
    pub aaaa: Option<RrSet<'a>>,
}

impl<'a> Cut<'a> {
    /// The glue of its name servers: the required first, each in the order of the NS records.
    pub fn glue(self) -> impl Iterator<Item = Glue<'a>> {
        self.zone.glue_of(self.node).iter().map(move |glue| {
            let node = self.zone.node(glue.node);
            Glue {
                name: self.zone.name_of(node),
                required: glue.required,
                a: self.zone.set(node, Type::A),
                aaaa: self.zone.set(node, Type::AAAA),
            }
        })
    }
}

impl Zone {
    /// Looks up a name at or below the apex. Pure; allocates nothing.
    #[inline]
    pub fn lookup(&self, name: &FoldedName, rtype: Type) -> Lookup<'_> {
        self.lookup_from(name, name.hash(self.apex_labels()), rtype)
    }

    /// As [`Zone::lookup`], with the hash of the apex, which finding the zone took already.
    #[inline]
    pub fn lookup_from(&self, name: &FoldedName, apex_hash: u64, rtype: Type) -> Lookup<'_> {
        match self.reach(name, apex_hash, self.hash_from(name, apex_hash)) {
            Reached::Node(id) => self.data(self.node(id), rtype),
            // The parent side of the cut answers for DS (RFC 4035 §3.1.4.1).
            Reached::Cut(id) if rtype == Type::DS => {
                self.set(self.node(id), Type::DS).map_or(Lookup::NoData, Lookup::Answer)
            }
            Reached::Cut(id) | Reached::Below(id) => self.stopped(id),
            Reached::Nothing => Lookup::NxDomain,
        }
    }

    /// Hash of a name at or below the apex, from that of the apex: what [`Zone::reach`] and [`Zone::glance`] find it by. No name of
    /// the zone has it where this one has more labels than any of them.
    #[inline]
    pub fn hash_from(&self, name: &FoldedName, apex_hash: u64) -> u64 {
        let (labels, mut count, mut hash) = (name.labels(), self.apex_labels(), apex_hash);
        if labels <= usize::from(self.max_labels) {
            while count < labels {
                count += 1;
                hash = name.extend_hash(hash, count);
            }
        }
        hash
    }

    /// Whether its tables are larger than the nearest caches.
    #[inline]
    pub fn is_large(&self) -> bool {
        /// Names, each with some 90 octets.
        const LARGE: usize = 4_096;
        self.nodes.len() >= LARGE
    }

    /// The node that a name with this hash has, most likely; for [`Zone::touch`].
    #[inline]
    pub fn glance(&self, hash: u64) -> Option<u32> {
        self.index.find(hash, |_| true)
    }

    /// Reads of a node, its name and its RRsets as much as brings them near. What it gives means nothing.
    #[inline]
    pub fn touch(&self, node: u32) -> u64 {
        let Some(node) = self.nodes.get(node as usize) else { return 0 };
        let name = self.names.get(node.name as usize).map_or(0, |octet| u64::from(*octet));
        name ^ self.sets.get(node.sets as usize).map_or(0, |set| u64::from(set.start))
    }

    /// Likewise of the first RRset that a name which leads there has. What it gives means nothing.
    #[inline]
    pub fn touch_records(&self, reached: Reached) -> u64 {
        let Reached::Node(node) = reached else { return 0 };
        if !self.is_large() {
            return 0;
        }
        let set = self.nodes.get(node as usize).and_then(|node| self.sets.get(node.sets as usize));
        set.and_then(|set| self.records.get(set.start as usize)).map_or(0, |octet| u64::from(*octet))
    }

    /// Where a name leads that has this hash ([`Zone::hash_from`]).
    #[inline]
    pub fn reach(&self, name: &FoldedName, apex_hash: u64, hash: u64) -> Reached {
        let labels = name.labels();
        if labels <= usize::from(self.max_labels)
            && let Some(id) = self.find(name, labels, hash)
        {
            let node = self.node(id);
            return match node.stop {
                NONE => Reached::Node(id),
                stop if stop != id => Reached::Below(stop),
                _ if node.flags & CUT != 0 => Reached::Cut(id),
                _ => Reached::Node(id),
            };
        }
        let encloser = self.node(self.closest_encloser(name, apex_hash));
        match (encloser.stop, encloser.wildcard) {
            (NONE, NONE) => Reached::Nothing,
            (NONE, wildcard) => Reached::Node(wildcard),
            (stop, _) => Reached::Below(stop),
        }
    }

    /// At or below a cut, or below a DNAME.
    #[cold]
    fn stopped(&self, id: u32) -> Lookup<'_> {
        let node = self.node(id);
        let labels = crate::dns::name::Labels::of(self.name_of(node)).count();
        let (rtype, cut) = if node.flags & CUT != 0 { (Type::NS, true) } else { (Type::DNAME, false) };
        match self.set(node, rtype) {
            Some(ns) if cut => Lookup::Referral(Cut { labels, ns, zone: self, node: id }),
            Some(rrset) => Lookup::Dname { labels, rrset },
            // The builder sets `stop` only where there is one of the two.
            None => Lookup::NoData,
        }
    }

    #[inline]
    pub(super) fn data(&self, node: &Node, rtype: Type) -> Lookup<'_> {
        if rtype == Type::ANY {
            return self.any(node);
        }
        if rtype == Type::TXT && node.flags & REFLECT != 0 {
            return self.reflected(node);
        }
        let written = self.set(node, rtype);
        if let Some(steer) = node.steer() {
            return Lookup::Steered { steer, written };
        }
        match written {
            Some(rrset) => Lookup::Answer(rrset),
            None if node.flags & CNAME != 0 => self.set(node, Type::CNAME).map_or(Lookup::NoData, Lookup::Cname),
            None if node.flags & ALIAS != 0 && matches!(rtype, Type::A | Type::AAAA) => self.aliased(node, None),
            None => Lookup::NoData,
        }
    }

    #[cold]
    fn reflected(&self, node: &Node) -> Lookup<'_> {
        // The builder sets the flag only where there is one.
        self.reflect(node).map_or(Lookup::NoData, Lookup::Reflect)
    }

    #[cold]
    fn aliased<'z>(&'z self, node: &Node, written: Option<RrSet<'z>>) -> Lookup<'z> {
        // The builder sets the flag only where there is one.
        self.alias(node).map_or(Lookup::NoData, |alias| Lookup::Alias { alias, written })
    }

    /// One RRset: the written one of the lowest type, unless it is what a steered name falls back to.
    fn any(&self, node: &Node) -> Lookup<'_> {
        if node.flags & ALIAS != 0 {
            // No type is lower than A.
            return self.aliased(node, self.sets_of(node).first().map(|set| self.rrset(set)));
        }
        let steer = node.steer();
        let mut sets = self.sets_of(node).iter();
        match sets.find(|set| steer.is_none() || !matches!(set.rtype, Type::A | Type::AAAA)) {
            Some(set) => Lookup::Answer(self.rrset(set)),
            None => match steer {
                Some(steer) => {
                    Lookup::Steered { steer, written: self.set(node, Type::A).or_else(|| self.set(node, Type::AAAA)) }
                }
                None if node.flags & REFLECT != 0 => self.reflected(node),
                None => Lookup::NoData,
            },
        }
    }

    /// The closest encloser (RFC 4592 §3.3.1) of a name that does not exist: the longest existing ancestor. Empty
    /// non-terminals are nodes, so below the first that is missing there is nothing.
    fn closest_encloser(&self, name: &FoldedName, apex_hash: u64) -> u32 {
        /// Levels that are tried one by one, which needs no room for hashes.
        const FEW: usize = 8;
        let mut exists = self.apex_labels();
        let mut missing = name.labels().min(usize::from(self.max_labels) + 1);
        let mut encloser = APEX;
        if missing <= exists + FEW {
            let mut hash = apex_hash;
            for count in exists + 1..missing {
                hash = name.extend_hash(hash, count);
                match self.find(name, count, hash) {
                    Some(id) => encloser = id,
                    None => break,
                }
            }
            return encloser;
        }
        // Of many, by halving the depths between the apex and the name.
        // The first `missing - exists` entries are used.
        let mut hashes = [0u64; crate::dns::name::MAX_LABELS + 1];
        let (base, mut hash) = (exists, apex_hash);
        for count in exists + 1..missing {
            hash = name.extend_hash(hash, count);
            hashes[count - base] = hash;
        }
        while missing > exists + 1 {
            let middle = exists.midpoint(missing);
            match self.find(name, middle, hashes[middle - base]) {
                Some(id) => (exists, encloser) = (middle, id),
                None => missing = middle,
            }
        }
        encloser
    }
}
