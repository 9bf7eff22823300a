//! From the name that is asked to where it leads, type by type: the links that the packet path follows too.

use crate::dns::{FoldedName, Name, Type};
use crate::snapshot::{Parts, Steer};
use crate::zone::{Entry, Lookup, MAX_LINKS, RrSet};

/// A name on the way, and what leads on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name.
    pub owner: Name,
    /// What stands there.
    pub by: LinkKind,
    /// Where it leads.
    pub target: Name,
}

/// What leads from a name to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A CNAME record.
    Cname,
    /// A DNAME above the name.
    Dname,
    /// An ALIAS: the target's addresses are given as the owner's own.
    Alias,
}

impl LinkKind {
    /// As it is written in zone files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cname => "CNAME",
            Self::Dname => "DNAME",
            Self::Alias => "ALIAS",
        }
    }
}

/// Where a name leads.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    pub(super) links: Vec<Link>,
    /// The last name.
    pub(super) last: Name,
    /// The apex of its zone, if it lies in one.
    pub(super) zone: Option<Name>,
    /// What is there.
    pub(super) end: End<'a>,
    /// The longest TTL of written addresses: that of the links after an ALIAS.
    pub(super) cap: u32,
}

/// What is at the end of a way.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    /// A steered name, and what is written of the type beside it.
    Steered { steer: Steer, written: Option<RrSet<'a>> },
    /// Written records.
    Static(RrSet<'a>),
    /// No configured zone holds the name.
    NotHosted,
    /// The zone could not be loaded.
    NotLoaded,
    /// The name is at or below a zone cut.
    Delegated,
    /// The name has nothing of the type.
    NoData,
    /// There is no such name.
    NxDomain,
    /// The way goes round in a circle, or over too many links.
    Endless,
}

impl Way<'_> {
    /// Whether the way is over an ALIAS.
    pub(super) fn is_aliased(&self) -> bool {
        self.links.iter().any(|link| link.by == LinkKind::Alias)
    }
}

/// Follows a name for one type.
pub(super) fn follow<'a>(snapshot: &'a Parts, name: &Name, rtype: Type) -> Way<'a> {
    let mut way = Way { links: Vec::new(), last: name.clone(), zone: None, end: End::Endless, cap: u32::MAX };
    loop {
        let folded = FoldedName::of(&way.last);
        way.zone = None;
        let Some(found) = snapshot.zones.find(&folded) else {
            way.end = End::NotHosted;
            return way;
        };
        way.zone = snapshot.zones.get(found.index).map(|(apex, _)| apex.clone());
        let Entry::Loaded(zone) = found.entry else {
            way.end = End::NotLoaded;
            return way;
        };
        let (by, ttl, target) = match zone.lookup(&folded, rtype) {
            Lookup::Cname(rrset) => (LinkKind::Cname, rrset.ttl, Name::from_wire(rrset.first())),
            Lookup::Alias { alias, .. } => (LinkKind::Alias, alias.ttl, Name::from_wire(alias.target)),
            Lookup::Dname { labels, rrset } => {
                let mut moved = FoldedName::of(&way.last);
                let target = moved.substitute(labels, rrset.first()).then(|| moved.to_name());
                (LinkKind::Dname, rrset.ttl, target)
            }
            other => {
                way.end = match other {
                    Lookup::Steered { steer, written } => match snapshot.steer(found.index, steer) {
                        Some(steer) => End::Steered { steer: *steer, written },
                        None => End::NotLoaded,
                    },
                    Lookup::Answer(rrset) => End::Static(rrset),
                    Lookup::Referral(_) => End::Delegated,
                    Lookup::NxDomain => End::NxDomain,
                    Lookup::NoData
                    | Lookup::Reflect(_)
                    | Lookup::Cname(_)
                    | Lookup::Dname { .. }
                    | Lookup::Alias { .. } => End::NoData,
                };
                return way;
            }
        };
        let known = |target: &Name| *target == *name || way.links.iter().any(|link| link.target == *target);
        let Some(target) = target.filter(|target| way.links.len() < MAX_LINKS && !known(target)) else {
            return way;
        };
        if by == LinkKind::Alias || way.is_aliased() {
            way.cap = way.cap.min(ttl);
        }
        let owner = std::mem::replace(&mut way.last, target.clone());
        way.links.push(Link { owner, by, target });
    }
}
