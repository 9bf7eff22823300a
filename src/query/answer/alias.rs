//! An ALIAS: the addresses of another hosted name, under the owner's own.

use super::Step;
use crate::dns::Type;
use crate::dns::edns::ExtendedError;
use crate::dns::message::{Owner, Section};
use crate::metrics::Number;
use crate::zone::{Alias, End, RrSet, Zone};

/// The addresses are for others to tell: an answer that there are none would be a lie, and kept.
const NOT_HERE: ExtendedError = ExtendedError { code: 0, text: "ALIAS target not here" };
/// It leads round in a circle, or too far.
const ENDLESS: ExtendedError = ExtendedError { code: 0, text: "ALIAS without an end" };

impl Step<'_, '_, '_, '_> {
    /// What the target has of the type that was asked: its decision with TTL, scope and extended error where it is steered,
    /// else its records. Of ANY the first that there is of A, AAAA, and what is written beside the ALIAS. `zone` is the
    /// owner's, whose SOA says that there is nothing.
    #[cold]
    pub(super) fn alias(&mut self, zone: &Zone, alias: Alias<'_>, written: Option<RrSet<'_>>, owner: Owner<'_>) {
        let types = match self.qtype {
            Type::ANY => [Some(Type::A), Some(Type::AAAA)],
            one => [Some(one), None],
        };
        for rtype in types.into_iter().flatten() {
            let error = match self.snapshot.zones.follow(alias, rtype) {
                End::Static { rrset, ttl } => {
                    self.cap = ttl;
                    return self.put_capped(owner, rrset);
                }
                End::Steered { zone: target, steer, written, ttl } => {
                    self.cap = ttl;
                    let own = std::mem::replace(&mut self.said.zone, Number::of(target));
                    // A service of names has its addresses elsewhere, if only the next CNAME knows where.
                    let here = !self.sends_to_names(steer);
                    if here {
                        self.steered(zone, steer, written, owner);
                    }
                    self.said.zone = own;
                    if here {
                        return;
                    }
                    NOT_HERE
                }
                End::Nothing => continue,
                End::NotLoaded => ExtendedError::NOT_READY,
                End::Outside | End::Delegated => NOT_HERE,
                End::Endless => ENDLESS,
            };
            self.fail();
            self.said.error = Some(error);
            return;
        }
        self.written(zone, written, owner);
    }

    /// Written records, with a TTL no longer than the links to them have.
    pub(super) fn put_capped(&mut self, owner: Owner<'_>, rrset: RrSet<'_>) {
        if rrset.ttl > self.cap {
            self.reply.records_for(self.cap, owner, rrset.count, rrset.bytes);
        } else {
            self.put(Section::Answer, owner, rrset);
        }
    }
}
