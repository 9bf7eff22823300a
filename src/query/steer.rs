//! Whose place decides, and what it gets (SEMANTICS §1.1, §1.4, §1.8, §1.9).

use std::net::IpAddr;

use super::{Kind, Who};
use crate::dns::ecs::{ClientSubnet, Ecs};
use crate::dns::edns::ExtendedError;
use crate::live::{Answer, AnswerId, Chosen, Dealt, Live, LiveMap, MapId, Prepared, SteeredType, Told, UnitKey};
use crate::net::{Block, Folded};
use crate::snapshot::{Snapshot, Steer};
use crate::zone::SteerId;

/// The sort of an answer that somebody gives, and what is wrong with it; `None` where nobody gives one.
#[inline]
pub(super) fn given(told: Told) -> Option<(Kind, Option<ExtendedError>)> {
    Some(match told {
        Told::Home => (Kind::Home, None),
        Told::Away => (Kind::Away, None),
        Told::Panic => (Kind::Panic, Some(ExtendedError::PANIC)),
        Told::FailOpen => (Kind::FailOpen, Some(ExtendedError::FAIL_OPEN)),
        Told::Fallback => (Kind::Fallback, Some(ExtendedError::FALLBACK)),
        Told::Absent | Told::Empty | Told::Servfail => return None,
    })
}

/// Whose place decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'c> {
    /// The packet's source, as it came.
    pub(super) source: IpAddr,
    /// The client subnet, as it came: none where none is read.
    pub(super) sent: Option<&'c ClientSubnet<'c>>,
    /// The client subnet, if it has a length above 0, and its family's width.
    subnet: Option<(Folded, u8)>,
    /// What is dealt by when clients need not stay: message id and source port.
    query: UnitKey,
}

/// What a client gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steered<'a> {
    /// The map that decided.
    pub(super) map: MapId,
    pub(super) answer: &'a Answer,
    /// What the client is dealt, where several PoPs share.
    pub(super) dealt: Option<Dealt<'a>>,
    /// Whether written addresses serve when nobody may.
    pub(super) written: bool,
    /// Scope prefix length in the client subnet's own terms; 0 without one, or where none is heeded.
    pub(super) scope: u8,
    /// Whether the client subnet decided.
    pub(super) by_subnet: bool,
    /// Where to look whether the operator's word keeps the client from its home; none where nothing is said of any PoP.
    ordered: Option<Ordered<'a>>,
}

/// Where the home of a client is found.
#[derive(Clone, Copy, Debug)]
struct Ordered<'a> {
    snapshot: &'a Snapshot,
    live: &'a LiveMap,
    block: Block,
}

impl<'c> Client<'c> {
    #[inline]
    pub(super) fn new(who: &Who, id: u16, ecs: Option<&'c ClientSubnet<'c>>) -> Self {
        let subnet = ecs.filter(|ecs| ecs.source() > 0);
        Self {
            source: who.source,
            sent: ecs,
            query: UnitKey::query(id, who.source_port),
            subnet: subnet.map(|ecs| (Folded::new(ecs.address(), ecs.source()), ecs.width())),
        }
    }

    /// The packet's source, folded.
    #[inline]
    fn resolver(&self) -> Block {
        Block::host(self.source)
    }

    /// The block of the client: of its subnet, if that is heeded and there is one, else of the packet's source.
    pub(super) fn block(&self, by_subnet: bool) -> Block {
        self.subnet.filter(|_| by_subnet).map_or_else(|| self.resolver(), |(folded, _)| folded.block)
    }

    /// What a steered name gives this client.
    #[inline]
    pub(super) fn steer<'a>(
        &self,
        snapshot: &'a Snapshot,
        live: &'a Live,
        zone: u32,
        steer: SteerId,
    ) -> Option<Steered<'a>> {
        let Steer { map: id, ecs, .. } = *snapshot.steer(zone, steer)?;
        let map = snapshot.maps.get(id.0 as usize)?;
        let live = live.maps.get(id.0 as usize)?;
        let choose = |block| live.choose(map, &snapshot.sites, block);
        let by_resolver = || match choose(self.resolver()).answer {
            AnswerId::RESOLVER => live.nowhere(),
            answer => live.answer(answer),
        };
        let steered = |answer: &'a Answer, scope: u8, by_subnet: Option<Block>| {
            let dealt = live.deal(answer, map, || match by_subnet {
                _ if !map.plan.sticky => self.query,
                Some(block) => map.plan.unit_of_subnet(block),
                None => map.plan.unit_of_source(self.resolver()),
            });
            Steered {
                map: id,
                answer,
                dealt,
                written: map.falls_back_on_written(),
                scope,
                by_subnet: by_subnet.is_some(),
                ordered: live.ordered.then(|| Ordered {
                    snapshot,
                    live,
                    block: by_subnet.unwrap_or_else(|| self.resolver()),
                }),
            }
        };
        let Some((folded, width)) = self.subnet.filter(|_| ecs == Ecs::On) else {
            return Some(steered(by_resolver(), 0, None));
        };
        let Chosen { answer, scope } = choose(folded.block);
        let scope = scope.saturating_add(folded.shift).clamp(1, width);
        Some(match answer {
            AnswerId::RESOLVER => steered(by_resolver(), scope, None),
            answer => steered(live.answer(answer), scope, Some(folded.block)),
        })
    }
}

impl<'a> Steered<'a> {
    /// What a question of this type is told.
    #[inline]
    pub(super) fn told(&self, rtype: SteeredType) -> Told {
        match &self.dealt {
            None => self.answer.of(rtype).0,
            Some(dealt) => dealt.told(rtype),
        }
    }

    /// The member that serves a question of this type, the first of several.
    #[inline]
    pub(super) fn member(&self, rtype: SteeredType) -> Option<u16> {
        match &self.dealt {
            None => self.answer.member(rtype),
            Some(dealt) => dealt.member(rtype),
        }
    }

    /// The sort of an answer that is [`given`], with the operator's word in mind where health is as it should be.
    #[inline]
    pub(super) fn kind(&self, kind: Kind, rtype: SteeredType) -> Kind {
        match self.ordered {
            Some(ordered) if matches!(kind, Kind::Home | Kind::Away) && ordered.keeps_away(self, rtype) => {
                Kind::Override
            }
            _ => kind,
        }
    }

    /// The records of this type, in pieces.
    #[inline]
    pub(super) fn records(&self, rtype: SteeredType) -> impl Iterator<Item = &'a Prepared> {
        let whole = self.dealt.is_none().then(|| self.answer.of(rtype).1);
        whole.into_iter().chain(self.dealt.map(|dealt| dealt.records(rtype)).into_iter().flatten())
    }

    /// The CNAME of a service that sends clients to names.
    #[inline]
    pub(super) fn cname(&self) -> &'a Prepared {
        match &self.dealt {
            None => &self.answer.records.cname,
            Some(dealt) => dealt.cname(),
        }
    }
}

impl Ordered<'_> {
    #[cold]
    fn keeps_away(self, steered: &Steered<'_>, rtype: SteeredType) -> bool {
        let Self { snapshot, live, block } = self;
        let Some(map) = snapshot.maps.get(steered.map.0 as usize) else { return false };
        let dealt = steered.dealt.and_then(|dealt| dealt.home(rtype));
        live.is_ordered_away(map, &snapshot.sites, block, rtype, steered.member(rtype), dealt)
    }
}
