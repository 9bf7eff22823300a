//! Which answers are taken down.

use std::net::IpAddr;

use super::entry::Noted;
use crate::dns::message::{HEADER, Header};
use crate::dns::{FoldedName, Name};
use crate::metrics::Kind;
use crate::net::Block;

/// Answers of any of these kinds, and to any of these clients, and about any of these names. An empty list is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Sorts of answers.
    pub kinds: Vec<Kind>,
    /// Blocks that the packet's source is in.
    pub clients: Vec<Block>,
    /// Names that are asked for, or that what is asked for is below.
    pub names: Vec<Name>,
}

impl Only {
    /// The kinds as bits by their numbers; all where there is no condition.
    pub(super) fn kinds(&self) -> u32 {
        match &*self.kinds {
            [] => u32::MAX,
            kinds => kinds.iter().fold(0, |bits, kind| bits | 1 << *kind as u32),
        }
    }

    /// Whether there is more to look at than the kind.
    pub(super) fn is_more_than_kinds(&self) -> bool {
        !self.clients.is_empty() || !self.names.is_empty()
    }

    /// Whether client and name are as wanted.
    pub(super) fn fits(&self, noted: &Noted<'_>) -> bool {
        let client = || self.clients.iter().any(|block| holds(*block, noted.who.source));
        (self.clients.is_empty() || client()) && (self.names.is_empty() || self.fits_name(noted.request))
    }

    fn fits_name(&self, request: &[u8]) -> bool {
        let mut asked = FoldedName::new();
        let name = request.get(HEADER..).filter(|_| Header::read(request).is_some_and(|header| header.counts[0] == 1));
        if name.and_then(|octets| asked.read(octets)).is_none() {
            return false;
        }
        self.names.iter().any(|name| {
            let name = FoldedName::of(name);
            asked.labels() >= name.labels() && asked.suffix(name.labels()) == name.as_wire()
        })
    }
}

fn holds(block: Block, address: IpAddr) -> bool {
    Block::new(address.to_canonical(), block.length()) == block
}
