//! ALIAS: an owner name that has the addresses of another hosted name. Not a type of the DNS: what is served are A and
//! AAAA records of the owner's own, so it may stand where a CNAME may not, at the apex and beside other data.

use super::SteerId;
use super::lookup::Lookup;
use super::rrset::RrSet;
use super::set::{Entry, ZoneSet};
use crate::dns::{FoldedName, Name, Type};

/// Links of a chain of CNAME, DNAME and ALIAS that are followed (SEMANTICS §5.4).
pub const MAX_LINKS: usize = 16;

/// An ALIAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias<'a> {
    /// What its addresses' TTL is at most where they are written, in seconds; steered ones have their own.
    pub ttl: u32,
    /// The name whose addresses it has, in wire form.
    pub target: &'a [u8],
}

/// An ALIAS in its zone's table.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Where its node's name lies in `Zone::names`, which no other node has.
    pub(super) name: u32,
    pub(super) ttl: u32,
    pub(super) target: Name,
}

/// Where an ALIAS leads.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// To written addresses.
    Static {
        /// The addresses.
        rrset: RrSet<'a>,
        /// Their TTL, or that of a link to them if it is smaller.
        ttl: u32,
    },
    /// To a steered name.
    Steered {
        /// The zone of that name ([`ZoneSet::get`]).
        zone: u32,
        /// What steers it.
        steer: SteerId,
        /// What is written of the type beside it.
        written: Option<RrSet<'a>>,
        /// The smallest TTL of the links to it.
        ttl: u32,
    },
    /// The name it leads to does not exist, or has no address of that type.
    Nothing,
    /// Out of the hosted zones.
    Outside,
    /// Below a zone cut: the addresses are for others to tell.
    Delegated,
    /// Into a zone that could not be loaded.
    NotLoaded,
    /// Round in a circle, or over more than [`MAX_LINKS`] links.
    Endless,
}

impl ZoneSet {
    /// Follows an ALIAS through the hosted zones to addresses of one type, A or AAAA. Pure; allocates nothing.
    pub fn follow<'a>(&'a self, alias: Alias<'a>, rtype: Type) -> End<'a> {
        let mut name = FoldedName::new();
        let Alias { mut ttl, target } = alias;
        name.read(target);
        // A circle is a chain that does not end.
        for _ in 0..MAX_LINKS {
            let Some(found) = self.find(&name) else { return End::Outside };
            let Entry::Loaded(zone) = found.entry else { return End::NotLoaded };
            let target = match zone.lookup_from(&name, found.hash, rtype) {
                Lookup::Answer(rrset) => return End::Static { rrset, ttl: ttl.min(rrset.ttl) },
                Lookup::Steered { steer, written } => {
                    return End::Steered { zone: found.index, steer, written, ttl };
                }
                Lookup::NoData | Lookup::NxDomain | Lookup::Reflect(_) => return End::Nothing,
                Lookup::Referral(_) => return End::Delegated,
                Lookup::Dname { labels, rrset } => {
                    ttl = ttl.min(rrset.ttl);
                    if !name.substitute(labels, rrset.first()) {
                        // No name is that long.
                        return End::Nothing;
                    }
                    continue;
                }
                Lookup::Cname(rrset) => {
                    ttl = ttl.min(rrset.ttl);
                    rrset.first()
                }
                Lookup::Alias { alias, .. } => {
                    ttl = ttl.min(alias.ttl);
                    alias.target
                }
            };
            name.read(target);
        }
        End::Endless
    }
}
