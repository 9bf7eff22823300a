//! IP blocks as the rest of the program uses them, and the one place where IPv4 inside IPv6 becomes IPv4.
//!
//! Knows nothing of DNS or geography.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An unsigned integer that holds an address: `u32` for IPv4, `u128` for IPv6, most significant bit first.
pub trait Bits: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// Bits of an address of this family: 32 or 128.
    const WIDTH: u8;
    /// The lowest address.
    const ZERO: Self;
    /// The highest address.
    const MAX: Self;
    /// Bits the two have in common from the most significant one, 0 to `WIDTH`.
    fn common_prefix(self, other: Self) -> u8;
    /// The first address of the aligned block of `length` (0 to `WIDTH`) that holds this one.
    #[must_use]
    fn first(self, length: u8) -> Self;
    /// The last address of the aligned block of `length` (0 to `WIDTH`) that holds this one.
    #[must_use]
    fn last(self, length: u8) -> Self;
    /// The address after this one, if there is one.
    fn next(self) -> Option<Self>;
    /// The address before this one, if there is one.
    fn previous(self) -> Option<Self>;
    /// `end - start + 1` as a weight, saturating at `u128::MAX`.
    fn count(start: Self, end: Self) -> u128;
}

macro_rules! bits {
    ($type:ty, $width:literal) => {
        impl Bits for $type {
            const WIDTH: u8 = $width;
            const ZERO: Self = 0;
            const MAX: Self = <$type>::MAX;

            #[inline]
            fn common_prefix(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }

            #[inline]
            fn first(self, length: u8) -> Self {
                if length == 0 { 0 } else { self & (<$type>::MAX << ($width - u32::from(length))) }
            }

            #[inline]
            fn last(self, length: u8) -> Self {
                if length >= $width { self } else { self | (<$type>::MAX >> length) }
            }

            #[inline]
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline]
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }

            fn count(start: Self, end: Self) -> u128 {
                (u128::from(end) - u128::from(start)).saturating_add(1)
            }
        }
    };
}

bits!(u32, 32);
bits!(u128, 128);

/// An aligned block of addresses of one family: `base` with all bits past `length` zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// An IPv4 block, length 0 to 32.
    V4 {
        /// First address.
        base: u32,
        /// Prefix length in bits.
        length: u8,
    },
    /// An IPv6 block, length 0 to 128.
    V6 {
        /// First address.
        base: u128,
        /// Prefix length in bits.
        length: u8,
    },
}

impl Block {
    /// The block of `length` bits that holds `address`, as it is: nothing folded. Lengths above the family's width
    /// are cut to it; bits past the length are cleared.
    pub fn new(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(a) => {
                let length = length.min(32);
                Self::V4 { base: u32::from(a).first(length), length }
            }
            IpAddr::V6(a) => {
                let length = length.min(128);
                Self::V6 { base: u128::from(a).first(length), length }
            }
        }
    }

    /// One address, folded: a mapped, NAT64 or 6to4 address becomes its IPv4 address.
    pub fn host(address: IpAddr) -> Self {
        Folded::new(address, if address.is_ipv4() { 32 } else { 128 }).block
    }

    /// Prefix length in bits.
    pub fn length(self) -> u8 {
        match self {
            Self::V4 { length, .. } | Self::V6 { length, .. } => length,
        }
    }

    /// The first address.
    pub fn address(self) -> IpAddr {
        match self {
            Self::V4 { base, .. } => IpAddr::V4(Ipv4Addr::from(base)),
            Self::V6 { base, .. } => IpAddr::V6(Ipv6Addr::from(base)),
        }
    }

    /// Reads `ADDRESS/LENGTH` or a plain address (a block of one). Bits past the length must be zero.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, length) = match text.split_once('/') {
            Some((a, l)) => (a, Some(l)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(l) => match l.parse::<u8>() {
                Ok(n) if n <= width => n,
                _ => return Err(format!("`{l}` is not a prefix length from 0 to {width}")),
            },
        };
        let block = Self::new(address, length);
        if block.address() == address {
            Ok(block)
        } else {
            Err(format!("`{text}` has bits set past its length; did you mean `{block}`?"))
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length())
    }
}

/// A block with IPv4-in-IPv6 taken out, and what was taken off its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The block to look up.
    pub block: Block,
    /// Bits to add to a scope of `block` to give it back in the client's own terms: 0, 16 (6to4) or 96.
    pub shift: u8,
}

impl Folded {
    /// Folds the block of `length` bits that holds `address`: IPv4-mapped (`::ffff:0:0/96`) and NAT64 (`64:ff9b::/96`,
    /// RFC 6052) when longer than 96 bits, 6to4 (`2002::/16`, RFC 3056) when longer than 16. A 6to4 block longer than
    /// 48 bits is its IPv4 address whole. Everything else, Teredo included, stays what it is.
    pub fn new(address: IpAddr, length: u8) -> Self {
        if let IpAddr::V6(v6) = address {
            let bits = u128::from(v6);
            let prefix96 = bits >> 32;
            if length > 96 && (prefix96 == 0xffff || prefix96 == 0x0064_ff9b_0000_0000_0000_0000) {
                let v4 = IpAddr::V4(Ipv4Addr::from(bits as u32));
                return Self { block: Block::new(v4, length - 96), shift: 96 };
            }
            if length > 16 && bits >> 112 == 0x2002 {
                let v4 = IpAddr::V4(Ipv4Addr::from((bits >> 80) as u32));
                return Self { block: Block::new(v4, (length - 16).min(32)), shift: 16 };
            }
        }
        Self { block: Block::new(address, length), shift: 0 }
    }
}

/// Blocks no client is reached at from outside, so that they say nothing of a place (SEMANTICS §1.9). A database
/// record or an operator's prefix wins over them.
pub const UNUSABLE: &[Block] = &[
    Block::V4 { base: 0x0000_0000, length: 8 },
    Block::V4 { base: 0x0a00_0000, length: 8 },
    Block::V4 { base: 0x6440_0000, length: 10 },
    Block::V4 { base: 0x7f00_0000, length: 8 },
    Block::V4 { base: 0xa9fe_0000, length: 16 },
    Block::V4 { base: 0xac10_0000, length: 12 },
    Block::V4 { base: 0xc0a8_0000, length: 16 },
    Block::V4 { base: 0xe000_0000, length: 3 },
    Block::V6 { base: 0, length: 127 },
    Block::V6 { base: 0xfc00 << 112, length: 7 },
    Block::V6 { base: 0xfe80 << 112, length: 10 },
    Block::V6 { base: 0xff00 << 112, length: 8 },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, length: u8, expected: &str, shift: u8) {
        let folded = Folded::new(address.parse().unwrap(), length);
        assert_eq!((folded.block.to_string().as_str(), folded.shift), (expected, shift));
    }

    #[test]
    fn ipv4_inside_ipv6_is_folded_only_when_long_enough_to_hold_it() {
        check("::ffff:192.0.2.7", 128, "192.0.2.7/32", 96);
        check("::ffff:192.0.2.7", 120, "192.0.2.0/24", 96);
        check("::ffff:192.0.2.7", 96, "::ffff:0.0.0.0/96", 0);
        check("64:ff9b::c000:207", 128, "192.0.2.7/32", 96);
        check("64:ff9b::c000:207", 64, "64:ff9b::/64", 0);
        check("2002:c000:207::1", 128, "192.0.2.7/32", 16);
        check("2002:c000:207::1", 40, "192.0.2.0/24", 16);
        check("2002:c000:207::1", 16, "2002::/16", 0);
        check("2001:0:c000:207::", 64, "2001:0:c000:207::/64", 0);
        check("192.0.2.7", 24, "192.0.2.0/24", 0);
    }

    #[test]
    fn bits_at_the_ends_of_the_space() {
        assert_eq!(7u32.first(0), 0);
        assert_eq!(7u32.last(0), u32::MAX);
        assert_eq!(7u32.first(32), 7);
        assert_eq!(7u128.last(128), 7);
        assert_eq!(u32::MAX.next(), None);
        assert_eq!(0u128.previous(), None);
        assert_eq!(u128::count(0, u128::MAX), u128::MAX);
        assert_eq!(0u32.common_prefix(0), 32);
        assert_eq!(0x8000_0000u32.common_prefix(0), 0);
    }

    #[test]
    fn parse_names_what_is_wrong() {
        assert_eq!(Block::parse("192.0.2.0/24").unwrap().to_string(), "192.0.2.0/24");
        assert_eq!(
            Block::parse("192.0.2.1/24").unwrap_err(),
            "`192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?"
        );
        assert_eq!(Block::parse("192.0.2.0/33").unwrap_err(), "`33` is not a prefix length from 0 to 32");
        assert_eq!(Block::parse("x").unwrap_err(), "`x` is not an IP address");
    }
}
