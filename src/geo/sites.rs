//! The shared site table: address ranges → site, and what is known of each site.

use super::location::{Country, Place};
use super::ranges::{RangeView, Ranges};
use crate::net::{Bits, Block, UNUSABLE};

/// A row of the site table. Means something only beside its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The site of addresses that no database and no prefix knows.
    pub const NOWHERE: Self = Self(0);
    /// The site of addresses that say nothing of a place (private, loopback, …; [`crate::net::UNUSABLE`]) and are in no
    /// database: the resolver's address decides in their stead.
    pub const UNUSABLE: Self = Self(1);
}

/// All that policies can see of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Site {
    /// Coordinates from the database; `None` when it has none for this site.
    pub place: Option<Place>,
    /// Country of the database record (`country`, else `registered_country`).
    pub country: Option<Country>,
    /// Subdivision (ISO code or name as the database has it), a key for [`SiteTable::text`].
    pub subdivision: Option<TextId>,
    /// City name (English), a key for [`SiteTable::text`].
    pub city: Option<TextId>,
    /// Autonomous system number, 0 when unknown.
    pub asn: u32,
}

/// An interned text of a site table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub u32);

/// Address ranges → site, both families, and the sites. Immutable.
#[derive(Debug)]
pub struct SiteTable {
    v4: Ranges<u32, u32>,
    v6: Ranges<u128, u32>,
    sites: Vec<Site>,
}

impl SiteTable {
    /// The table without any database: everything is [`SiteId::NOWHERE`], but for the unusable blocks.
    pub fn empty() -> Self {
        let (mut v4, mut v6) = (Ranges::new(0), Ranges::new(0));
        for block in UNUSABLE {
            match *block {
                Block::V4 { base, length } => fill(&mut v4, base, length),
                Block::V6 { base, length } => fill(&mut v6, base, length),
            }
        }
        Self { v4, v6, sites: vec![Site::default(); 2] }
    }

    /// IPv4 ranges → [`SiteId`].
    pub fn v4(&self) -> RangeView<'_, u32, u32> {
        self.v4.view()
    }

    /// IPv6 ranges → [`SiteId`].
    pub fn v6(&self) -> RangeView<'_, u128, u32> {
        self.v6.view()
    }

    /// Number of sites, at least 2.
    #[expect(clippy::len_without_is_empty, reason = "two sites always exist")]
    pub fn len(&self) -> usize {
        self.sites.len()
    }

    /// What is known of a site of this table.
    pub fn site(&self, id: SiteId) -> Site {
        self.sites[id.0 as usize]
    }

    /// An interned text of this table.
    pub fn text(&self, _id: TextId) -> &str {
        ""
    }
}

fn fill<K: Bits>(ranges: &mut Ranges<K, u32>, base: K, length: u8) {
    ranges.push(base, SiteId::UNUSABLE.0);
    if let Some(next) = base.last(length).next() {
        ranges.push(next, SiteId::NOWHERE.0);
    }
}
