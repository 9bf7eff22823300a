//! Address ranges → autonomous system number, as the databases have it.
//!
//! A table beside the sites and not part of them: there are some hundred thousand borders between autonomous systems, and
//! each would cut sites that policies treat alike. Only the numbers that a policy names become part of sites
//! ([`super::overlay`]).

use std::net::IpAddr;

use super::packed::{Packed, PackedView};
use super::ranges::Ranges;

/// Address ranges → AS number (0: unknown), both families. Immutable; on the heap when just built, else in the mapped cache
/// of its [`super::SiteTable`].
#[derive(Debug)]
pub struct AsnTable {
    pub(super) v4: Packed<u32>,
    pub(super) v6: Packed<u128>,
    /// Ranges → which database it is from, as an index plus 1; 0 where none has a number.
    pub(super) v4_sources: Packed<u32>,
    pub(super) v6_sources: Packed<u128>,
}

impl AsnTable {
    /// A table made by hand, of no database.
    pub fn from_ranges(v4: Ranges<u32, u32>, v6: Ranges<u128, u32>) -> Self {
        Self::new([v4, Ranges::new(0)], [v6, Ranges::new(0)])
    }

    /// Numbers and sources of either family.
    pub(super) fn new(v4: [Ranges<u32, u32>; 2], v6: [Ranges<u128, u32>; 2]) -> Self {
        let ([v4, v4_sources], [v6, v6_sources]) =
            (v4.map(|ranges| Packed::of(&ranges)), v6.map(|ranges| Packed::of(&ranges)));
        Self { v4, v6, v4_sources, v6_sources }
    }

    /// IPv4 ranges → AS number.
    #[inline]
    pub fn v4(&self) -> PackedView<'_, u32> {
        self.v4.view()
    }

    /// IPv6 ranges → AS number.
    #[inline]
    pub fn v6(&self) -> PackedView<'_, u128> {
        self.v6.view()
    }

    /// The AS number of an address, 0 when unknown. The address is taken as it is: nothing is folded.
    pub fn asn(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(a) => self.v4().find(a.into()).value,
            IpAddr::V6(a) => self.v6().find(a.into()).value,
        }
    }

    /// Whether no number is known of any address.
    pub fn is_empty(&self) -> bool {
        self.v4().len() == 1 && self.v6().len() == 1 && self.v4().find(0).value == 0 && self.v6().find(0).value == 0
    }

    /// Bytes on the heap; what lies in a mapped file does not count.
    pub fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory() + self.v4_sources.memory() + self.v6_sources.memory()
    }

    /// Bytes in a mapped file.
    pub(super) fn mapped(&self) -> usize {
        self.v4.shared() + self.v6.shared() + self.v4_sources.shared() + self.v6_sources.shared()
    }
}
