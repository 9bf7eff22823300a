//! What is ready for a name becomes the answer to its question; a steered name's is chosen.

use std::net::IpAddr;

use super::super::steer::{Client, given};
use super::super::{Ecs, Kind, Who};
use super::Subnet;
use super::page::Page;
use crate::dns::ecs::ClientSubnet;
use crate::dns::edns::ExtendedError;
use crate::dns::{Rcode, Type};
use crate::live::{Live, MapId, SteeredType};
use crate::metrics::Decided;
use crate::net::{Block, Folded};
use crate::snapshot::{Snapshot, Steer};
use crate::zone::{Ready, SteerId, Zone};

/// The place whose answer a client gets.
#[derive(Clone, Copy)]
pub(super) struct Aimed {
    pub(super) map: MapId,
    pub(super) block: Block,
    /// Bits to add to a scope, and the width of the subnet's family; `None` where the packet's source decides.
    pub(super) subnet: Option<(u8, u8)>,
}

/// Where a steered name's answer is decided for a client. `None` where that depends on more than its range: clients are sent to
/// names or shared out, or the operator keeps some from a PoP.
#[inline]
pub(super) fn aim(
    snapshot: &Snapshot,
    live: &Live,
    zone: u32,
    steer: SteerId,
    who: &Who,
    ecs: Option<(IpAddr, u8)>,
) -> Option<Aimed> {
    let Steer { map, ecs: heeded, cname } = *snapshot.steer(zone, steer)?;
    let live = live.maps.get(map.0 as usize)?;
    if cname || live.ordered || live.pieces.is_some() {
        return None;
    }
    Some(match ecs.filter(|(_, source)| *source > 0 && heeded == Ecs::On) {
        Some((address, source)) => {
            let Folded { block, shift } = Folded::new(address, source);
            Aimed { map, block, subnet: Some((shift, if address.is_ipv4() { 32 } else { 128 })) }
        }
        None => Aimed { map, block: Block::host(who.source), subnet: None },
    })
}

/// What an answer says besides its records.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) rcode: Rcode,
    pub(super) authoritative: bool,
    pub(super) kind: Kind,
    pub(super) error: Option<ExtendedError>,
    /// What steering decided, for counting.
    pub(super) decided: Decided,
    pub(super) scope: u8,
    pub(super) by_subnet: bool,
}

/// What the records of an answer depend on.
pub(super) struct Answer<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) live: &'a Live,
    /// The zone's number.
    pub(super) index: u32,
    pub(super) zone: &'a Zone,
    pub(super) name_length: usize,
    pub(super) who: &'a Who,
    pub(super) request: &'a [u8],
    pub(super) ecs: Option<&'a Subnet>,
    /// Of the question's own name, if that is steered.
    pub(super) aimed: Option<Aimed>,
    pub(super) told: Said,
}

impl Answer<'_> {
    /// What is at the end of a chain, or at once. `owner` points to its name.
    #[inline]
    pub(super) fn end(&mut self, ready: Ready<'_>, qtype: Type, owner: u16, page: &mut Page<'_>) -> Option<()> {
        match ready {
            Ready::Records(rrset) => page.records(owner, rrset.count, rrset.bytes)?,
            Ready::Steered(steer) => self.steered(steer, qtype, owner, page)?,
            Ready::NoData => {
                self.told.kind = Kind::NoData;
                page.sections(&self.zone.ready_soa()?, self.name_length)?;
            }
            Ready::NxDomain => {
                (self.told.rcode, self.told.kind) = (Rcode::NXDOMAIN, Kind::NxDomain);
                page.sections(&self.zone.ready_soa()?, self.name_length)?;
            }
            Ready::Referral(sections) => {
                (self.told.authoritative, self.told.kind) = (false, Kind::Referral);
                page.sections(&sections, self.name_length)?;
            }
            Ready::Chain(_) | Ready::Dname { .. } | Ready::Other => return None,
        }
        Some(())
    }

    /// Addresses by decision.
    #[inline]
    fn steered(&mut self, steer: SteerId, qtype: Type, owner: u16, page: &mut Page<'_>) -> Option<()> {
        let rtype = match qtype {
            Type::A => SteeredType::A,
            Type::AAAA => SteeredType::Aaaa,
            _ => return None,
        };
        let aimed = self.aimed.or_else(|| {
            let ecs = self.ecs.map(|ecs| (ecs.address, ecs.source));
            aim(self.snapshot, self.live, self.index, steer, self.who, ecs)
        });
        if let Some(Aimed { map: id, block, subnet }) = aimed {
            let (map, live) = (self.snapshot.maps.get(id.0 as usize)?, self.live.maps.get(id.0 as usize)?);
            let chosen = live.choose(map, &self.snapshot.sites, block);
            // There is none where the resolver's address is to decide.
            if let Some(answer) = live.answers.get(usize::from(chosen.answer.0)) {
                let (told, records) = answer.of(rtype);
                // None of this family, but not for all clients: the longer way knows what is said of that.
                if records.count == 0 {
                    return None;
                }
                page.records(owner, records.count, &records.bytes)?;
                if let Some((shift, width)) = subnet {
                    self.told.scope = chosen.scope.saturating_add(shift).clamp(1, width);
                    self.told.by_subnet = true;
                }
                (self.told.kind, self.told.error) = given(told)?;
                self.told.decided = Decided::new(id.0, answer.member(rtype), self.told.kind);
                return Some(());
            }
        }
        self.dealt(steer, rtype, owner, page)
    }

    /// The same where it depends on more than the range of the client.
    #[inline(never)]
    fn dealt(&mut self, steer: SteerId, rtype: SteeredType, owner: u16, page: &mut Page<'_>) -> Option<()> {
        if self.snapshot.steer(self.index, steer)?.cname {
            return None;
        }
        let ecs = match self.ecs {
            Some(&Subnet { at, length, .. }) => {
                Some(ClientSubnet::read(self.request.get(at.into()..)?.get(..length.into())?).ok()?)
            }
            None => None,
        };
        let id = u16::from_be_bytes(*self.request.first_chunk()?);
        let client = Client::new(self.who, id, ecs.as_ref());
        let steered = client.steer(self.snapshot, self.live, self.index, steer)?;
        (self.told.scope, self.told.by_subnet) = (steered.scope, steered.by_subnet);
        let before = page.counts;
        for records in steered.records(rtype) {
            page.records(owner, records.count, &records.bytes)?;
        }
        if page.counts == before {
            return None;
        }
        let (kind, error) = given(steered.told(rtype))?;
        (self.told.kind, self.told.error) = (steered.kind(kind, rtype), error);
        self.told.decided = Decided::new(steered.map.0, steered.member(rtype), self.told.kind);
        Some(())
    }
}
