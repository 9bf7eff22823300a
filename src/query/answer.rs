//! Lookup + live answer → sections: one RRset, or a chain of aliases through the hosted zones and what is at its end.

use super::encode::Reply;
use super::steer::{Client, Steered, given};
use super::{Kind, Said};
use crate::dns::edns::ExtendedError;
use crate::dns::message::{Owner, QUESTION, Section};
use crate::dns::{FoldedName, Rcode, Type};
use crate::live::{Live, Prepared, SteeredType, Told};
use crate::metrics::{Decided, Number};
use crate::snapshot::Snapshot;
use crate::zone::{Cut, Entry, Found, Lookup, MAX_LINKS, RrSet, SteerId, Zone};

mod alias;
mod reflect;

/// Answers a question of class IN. `name` is the question's; it becomes the names of the chain.
#[inline]
pub(super) fn answer(
    snapshot: &Snapshot,
    live: &Live,
    client: &Client<'_>,
    qtype: Type,
    name: &mut FoldedName,
    reply: &mut Reply<'_, '_>,
) -> Said {
    let Some(found) = find(snapshot, name, qtype) else {
        return Said::error(Rcode::REFUSED, Some(ExtendedError::NOT_AUTHORITATIVE));
    };
    let Entry::Loaded(zone) = found.entry else {
        return Said { zone: Number::of(found.index), ..Said::error(Rcode::SERVFAIL, Some(ExtendedError::NOT_READY)) };
    };
    let mut said = Said {
        rcode: Rcode::NOERROR,
        authoritative: true,
        kind: Kind::Static,
        zone: Number::of(found.index),
        scope: 0,
        by_subnet: false,
        error: None,
        decided: Decided::NOTHING,
    };
    let apex_at = Some(QUESTION + name.suffix_start(found.labels) as u16);
    let mut step = Step { snapshot, live, client, qtype, reply, said: &mut said, apex_at, cap: u32::MAX };
    match zone.lookup_from(name, found.hash, qtype) {
        lookup @ (Lookup::Cname(_) | Lookup::Dname { .. }) => step.chain(zone, lookup, name),
        lookup @ Lookup::Steered { steer, .. } if step.sends_to_names(steer) => step.chain(zone, lookup, name),
        Lookup::Referral(cut) => {
            step.said.authoritative = false;
            step.referral(cut, name);
        }
        lookup => step.end(zone, lookup, Owner::At(QUESTION)),
    }
    said
}

/// The zone that answers: the longest suffix; for DS the zone above the name, if that is the parent (RFC 4035 §3.1.4.1).
#[inline]
fn find<'a>(snapshot: &'a Snapshot, name: &FoldedName, qtype: Type) -> Option<Found<'a>> {
    if qtype == Type::DS
        && let Some(above) = snapshot.zones.find_above(name)
    {
        let is_parent = match above.entry {
            Entry::Loaded(zone) => {
                // A zone that does not know the name, or delegates a name above it, is not the parent.
                let says = zone.lookup_from(name, above.hash, qtype);
                !matches!(says, Lookup::Referral(_) | Lookup::NxDomain)
            }
            Entry::NotLoaded => true,
        };
        if is_parent {
            return Some(above);
        }
    }
    snapshot.zones.find(name)
}

/// What every link of an answer needs.
struct Step<'s, 'q, 'r, 'o> {
    snapshot: &'s Snapshot,
    live: &'s Live,
    client: &'q Client<'q>,
    qtype: Type,
    reply: &'q mut Reply<'r, 'o>,
    said: &'q mut Said,
    /// A pointer to the apex inside the question, as long as the question is what is answered.
    apex_at: Option<u16>,
    /// The longest TTL of written addresses: less than they have at the end of an ALIAS.
    cap: u32,
}

impl<'s> Step<'s, '_, '_, '_> {
    /// Follows aliases from the first to where they end: at data, outside the hosted zones, at the limit, or where they
    /// began to go round.
    #[cold]
    fn chain(&mut self, mut zone: &'s Zone, mut lookup: Lookup<'s>, name: &mut FoldedName) {
        // Hashes of the owners so far, and of the DNAMEs given: no record twice.
        let mut owners = [0u64; MAX_LINKS];
        let mut dnames = [0u64; MAX_LINKS];
        // The first owner is the question itself; later ones stand as targets in the link before.
        let mut owner = Owner::At(QUESTION);
        for link in 0..MAX_LINKS {
            if let Some(slot) = owners.get_mut(link) {
                *slot = name.hash(name.labels());
            }
            let target = match lookup {
                Lookup::Cname(rrset) => {
                    let target = self.put(Section::Answer, owner, rrset);
                    name.read(rrset.first()).and(target)
                }
                Lookup::Dname { labels, rrset } => {
                    let hash = name.hash(labels);
                    if !dnames.iter().take(link).any(|given| *given == hash) {
                        self.put(Section::Answer, Owner::Name(name.suffix(labels)), rrset);
                    }
                    if let Some(slot) = dnames.get_mut(link) {
                        *slot = hash;
                    }
                    if !name.substitute(labels, rrset.first()) {
                        (self.said.rcode, self.said.kind) = (Rcode::YXDOMAIN, Kind::Error);
                        return;
                    }
                    self.reply.synthesized_cname(owner, rrset.ttl, name.as_wire())
                }
                Lookup::Steered { steer, written } if self.sends_to_names(steer) => {
                    let Some(cname) = self.steered_cname(zone, steer, written, owner) else { return };
                    let target = self.reply.records(Section::Answer, owner, Type::CNAME, cname.count, &cname.bytes);
                    if matches!(self.qtype, Type::CNAME | Type::ANY) {
                        return;
                    }
                    cname.rdata().next().and_then(|rdata| name.read(rdata)).and(target)
                }
                Lookup::Referral(cut) => return self.referral(cut, name),
                other => return self.end(zone, other, owner),
            };
            // No chain of this many links gets out of the reach of pointers; if one did, it would end here.
            let Some(target) = target else { return };
            owner = Owner::At(target);
            self.apex_at = None;
            let next = name.hash(name.labels());
            if owners.iter().take(link + 1).any(|hash| *hash == next) {
                return;
            }
            let Some(found) = find(self.snapshot, name, self.qtype) else { return };
            let Entry::Loaded(next) = found.entry else { return };
            self.said.zone = Number::of(found.index);
            zone = next;
            lookup = zone.lookup_from(name, found.hash, self.qtype);
        }
        // The last of the links may lead to data still.
        match lookup {
            Lookup::Cname(_) | Lookup::Dname { .. } => {}
            Lookup::Referral(cut) => self.referral(cut, name),
            other => self.end(zone, other, owner),
        }
    }

    /// What is not an alias and not a referral.
    #[inline]
    fn end(&mut self, zone: &Zone, lookup: Lookup<'_>, owner: Owner<'_>) {
        match lookup {
            Lookup::Answer(rrset) => {
                self.put(Section::Answer, owner, rrset);
            }
            Lookup::Steered { steer, written } => self.steered(zone, steer, written, owner),
            Lookup::Alias { alias, written } => self.alias(zone, alias, written, owner),
            Lookup::Reflect(reflect) => self.reflect(reflect, owner),
            Lookup::NxDomain => {
                (self.said.rcode, self.said.kind) = (Rcode::NXDOMAIN, Kind::NxDomain);
                self.put_soa(zone);
            }
            Lookup::NoData | Lookup::Cname(_) | Lookup::Dname { .. } | Lookup::Referral(_) => self.no_data(zone),
        }
    }

    #[inline]
    fn no_data(&mut self, zone: &Zone) {
        self.said.kind = Kind::NoData;
        self.put_soa(zone);
    }

    #[inline]
    fn put(&mut self, section: Section, owner: Owner<'_>, rrset: RrSet<'_>) -> Option<u16> {
        self.reply.records(section, owner, rrset.rtype, rrset.count, rrset.bytes)
    }

    fn put_soa(&mut self, zone: &Zone) {
        let owner = self.apex_at.map_or(Owner::Name(zone.apex().as_wire()), Owner::At);
        self.put(Section::Authority, owner, zone.negative_soa());
    }

    /// The live answer for A, AAAA, HTTPS and SVCB; for anything else what is written (SEMANTICS §3.10).
    #[inline]
    fn steered(&mut self, zone: &Zone, steer: SteerId, written: Option<RrSet<'_>>, owner: Owner<'_>) {
        let rtype = match self.qtype {
            Type::A | Type::ANY => SteeredType::A,
            Type::AAAA => SteeredType::Aaaa,
            Type::HTTPS => SteeredType::Https,
            Type::SVCB => SteeredType::Svcb,
            _ => return self.written(zone, written, owner),
        };
        let Some(steered) = self.steer(steer) else { return self.fail() };
        let v6_only = self.qtype == Type::ANY && steered.told(SteeredType::A) == Told::Absent;
        let rtype = if v6_only { SteeredType::Aaaa } else { rtype };
        let told = steered.told(rtype);
        let bound = matches!(rtype, SteeredType::Https | SteeredType::Svcb);
        if told == Told::Absent || (bound && steered.records(rtype).all(|records| records.count == 0)) {
            // Of the service, not of the client: scope 0 (SEMANTICS §1.6).
            return self.written(zone, written, owner);
        }
        if !self.tell(&steered, told, rtype) {
            return self.empty(&steered, told, written, owner);
        }
        let wire = match rtype {
            SteeredType::A => Type::A,
            SteeredType::Aaaa => Type::AAAA,
            SteeredType::Https => Type::HTTPS,
            SteeredType::Svcb => Type::SVCB,
        };
        for records in steered.records(rtype) {
            self.reply.records(Section::Answer, owner, wire, records.count, &records.bytes);
        }
    }

    fn steer(&self, steer: SteerId) -> Option<Steered<'s>> {
        // A steer without its map would be a snapshot that is not whole.
        self.client.steer(self.snapshot, self.live, self.said.zone.get().unwrap_or(u32::MAX), steer)
    }

    /// Whether a steered name is one that sends clients to other names.
    #[inline]
    fn sends_to_names(&self, steer: SteerId) -> bool {
        self.snapshot.steer(self.said.zone.get().unwrap_or(u32::MAX), steer).is_some_and(|steer| steer.cname)
    }

    /// The CNAME that a client is given at a steered name; `None` when the answer is complete without.
    fn steered_cname(
        &mut self,
        zone: &Zone,
        steer: SteerId,
        written: Option<RrSet<'_>>,
        owner: Owner<'_>,
    ) -> Option<&'s Prepared> {
        let Some(steered) = self.steer(steer) else {
            self.fail();
            return None;
        };
        let told = steered.told(SteeredType::A);
        if told == Told::Absent {
            self.written(zone, written, owner);
            return None;
        }
        if !self.tell(&steered, told, SteeredType::A) {
            self.empty(&steered, told, written, owner);
            return None;
        }
        Some(steered.cname())
    }

    /// Takes over scope and kind of a decision. Whether it has an answer.
    #[inline]
    fn tell(&mut self, steered: &Steered<'_>, told: Told, rtype: SteeredType) -> bool {
        self.said.scope = self.said.scope.max(steered.scope);
        self.said.by_subnet |= steered.by_subnet;
        let Some((kind, error)) = given(told) else { return false };
        let kind = steered.kind(kind, rtype);
        self.said.kind = kind;
        self.said.error = error.or(self.said.error);
        self.said.decided = Decided::new(steered.map.0, steered.member(rtype), kind);
        true
    }

    /// What is written at a steered name whose clients nobody may serve, if the policy allows; never NODATA, as resolvers
    /// would keep that for all clients.
    #[cold]
    fn empty(&mut self, steered: &Steered<'_>, told: Told, written: Option<RrSet<'_>>, owner: Owner<'_>) {
        match written {
            Some(rrset) if told == Told::Empty && steered.written => {
                self.said.kind = Kind::OnEmpty;
                self.put_capped(owner, rrset);
            }
            _ => self.fail(),
        }
        self.said.decided = Decided::new(steered.map.0, None, self.said.kind);
    }

    /// What is written of the type at a steered name.
    fn written(&mut self, zone: &Zone, written: Option<RrSet<'_>>, owner: Owner<'_>) {
        match written {
            Some(rrset) => self.put_capped(owner, rrset),
            None => self.no_data(zone),
        }
    }

    /// SERVFAIL, with nothing of what was found on the way.
    #[cold]
    fn fail(&mut self) {
        self.reply.clear();
        self.said.authoritative = false;
        (self.said.rcode, self.said.kind) = (Rcode::SERVFAIL, Kind::Error);
        self.said.error = Some(ExtendedError::NO_POP);
    }

    /// NS of the cut, and glue: required in whole or the answer is truncated, sibling glue where it fits.
    #[cold]
    fn referral(&mut self, cut: Cut<'_>, name: &FoldedName) {
        self.said.kind = Kind::Referral;
        self.put(Section::Authority, Owner::Name(name.suffix(cut.labels)), cut.ns);
        for glue in cut.glue() {
            let write = |reply: &mut Reply<'_, '_>| {
                for rrset in [glue.a, glue.aaaa].into_iter().flatten() {
                    reply.records(Section::Additional, Owner::Name(glue.name), rrset.rtype, rrset.count, rrset.bytes);
                }
            };
            if glue.required {
                write(self.reply);
            } else {
                self.reply.optional(write);
            }
        }
    }
}
