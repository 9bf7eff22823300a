//! What decides for a client: the client subnet, or the packet's source (SEMANTICS §1.1, §1.4, §1.8, §1.9, §1.11).

use std::net::IpAddr;

use super::Question;
use crate::dns::ecs::Ecs;
use crate::geo::{SiteId, SiteTable};
use crate::live::Map;
use crate::net::{Block, Folded};

/// What a decision was made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The block, IPv4-in-IPv6 folded.
    pub block: Block,
    /// Where it comes from.
    pub from: KeySource,
    /// What it was before folding, if it is another: an IPv6 block that holds an IPv4 one.
    pub unfolded: Option<(IpAddr, u8)>,
    /// The client subnet, folded, whose scope is told; `None` where none is heeded.
    pub(super) subnet: Option<Folded>,
}

/// Where the key of a decision comes from (SEMANTICS §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The client subnet.
    Subnet,
    /// The packet's source; no client subnet was sent, or one of length 0.
    Source,
    /// The packet's source, as the zone heeds no client subnets (`ecs: off`).
    SourceForOff,
    /// The packet's source, as the client subnet says nothing of a place (private, loopback, …).
    SourceForUnusable,
}

impl Key {
    pub(super) fn new(map: &Map, sites: &SiteTable, ecs: Ecs, question: &Question) -> Self {
        let by_source = |from, subnet| {
            let block = Block::host(question.source);
            let unfolded = (block.address() != question.source).then_some((question.source, 128));
            Self { block, from, unfolded, subnet }
        };
        match question.subnet {
            Some(_) if ecs == Ecs::Off => by_source(KeySource::SourceForOff, None),
            Some((address, length)) if length > 0 => {
                let folded = Folded::new(address, length);
                if map.deciding_site(sites, folded.block) == SiteId::UNUSABLE {
                    return by_source(KeySource::SourceForUnusable, Some(folded));
                }
                let unfolded = (folded.shift > 0).then_some((address, length));
                Self { block: folded.block, from: KeySource::Subnet, unfolded, subnet: Some(folded) }
            }
            _ => by_source(KeySource::Source, None),
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        let inside = match self.unfolded {
            Some((address, 128)) => format!(", the IPv4 address inside {address}"),
            Some((address, length)) => format!(", the IPv4 part of {address}/{length}"),
            None => String::new(),
        };
        let why = match self.from {
            KeySource::Subnet => "the client subnet",
            KeySource::Source => "the packet's source; no client subnet",
            KeySource::SourceForOff => "the packet's source, as the zone has `ecs: off`",
            KeySource::SourceForUnusable => "the packet's source, as the client subnet says nothing of a place",
        };
        format!("{}{inside} ({why})", self.block)
    }
}
