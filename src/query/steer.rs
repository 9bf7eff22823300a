//! Whose place decides, and what it gets (SEMANTICS §1.1, §1.4, §1.8, §1.9).

use std::net::IpAddr;

use crate::dns::ecs::{ClientSubnet, Ecs};
use crate::live::{Answer, AnswerId, Chosen, Live};
use crate::net::{Block, Folded};
use crate::snapshot::{Snapshot, Steer};
use crate::zone::SteerId;

/// Whose place decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    /// The packet's source.
    resolver: Block,
    /// The client subnet, if it has a length above 0, and its family's width.
    subnet: Option<(Folded, u8)>,
}

/// What a client gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steered<'a> {
    pub(super) answer: &'a Answer,
    /// Scope prefix length in the client subnet's own terms; 0 without one, or where none is heeded.
    pub(super) scope: u8,
    /// Whether the client subnet decided.
    pub(super) by_subnet: bool,
}

impl Client {
    #[inline]
    pub(super) fn new(source: IpAddr, ecs: Option<&ClientSubnet<'_>>) -> Self {
        let subnet = ecs.filter(|ecs| ecs.source() > 0);
        Self {
            resolver: Block::host(source),
            subnet: subnet.map(|ecs| (Folded::new(ecs.address(), ecs.source()), ecs.width())),
        }
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
        let Steer { map: id, ecs } = *snapshot.steer(zone, steer)?;
        let map = snapshot.maps.get(id.0 as usize)?;
        let live = live.maps.get(id.0 as usize)?;
        let choose = |block| live.choose(map, &snapshot.sites, block);
        let by_resolver = || match choose(self.resolver).answer {
            AnswerId::RESOLVER => live.nowhere(),
            answer => live.answer(answer),
        };
        let Some((folded, width)) = self.subnet.filter(|_| ecs == Ecs::On) else {
            return Some(Steered { answer: by_resolver(), scope: 0, by_subnet: false });
        };
        let Chosen { answer, scope } = choose(folded.block);
        let scope = scope.saturating_add(folded.shift).clamp(1, width);
        Some(match answer {
            AnswerId::RESOLVER => Steered { answer: by_resolver(), scope, by_subnet: false },
            answer => Steered { answer: live.answer(answer), scope, by_subnet: true },
        })
    }
}
