//! EDNS Client Subnet (RFC 7871), read strictly from raw octets, and echoed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// FAMILY of IPv4 addresses.
const IPV4: u16 = 1;
/// FAMILY of IPv6 addresses.
const IPV6: u16 = 2;

/// A client subnet that a resolver sent. Exists only if well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet<'p> {
    /// The option's data, to echo.
    data: &'p [u8],
    address: IpAddr,
    source: u8,
}

/// Whether client subnets are heeded. Off for a zone: echoed with scope 0, and the packet's source decides. Off for a
/// listener: not even read, and none returned (SEMANTICS §1.11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecs {
    /// They are. Default.
    #[default]
    On,
    /// They are not.
    Off,
}

/// Why a client subnet option is malformed (SEMANTICS §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcsError {
    /// Under four octets.
    Short,
    /// FAMILY is neither 1 nor 2, with a source prefix length above 0.
    Family,
    /// SOURCE PREFIX-LENGTH above 32 or 128.
    Length,
    /// SCOPE PREFIX-LENGTH is not 0 in a query.
    Scope,
    /// ADDRESS does not have ceil(source / 8) octets.
    Octets,
    /// ADDRESS has bits set past the source prefix length.
    Bits,
}

impl<'p> ClientSubnet<'p> {
    /// Reads the option's data: FAMILY, SOURCE PREFIX-LENGTH, SCOPE PREFIX-LENGTH, ADDRESS (RFC 7871 §6).
    #[inline]
    pub fn read(data: &'p [u8]) -> Result<Self, EcsError> {
        let (&[f0, f1, source, scope], octets) = data.split_first_chunk::<4>().ok_or(EcsError::Short)?;
        let width = match u16::from_be_bytes([f0, f1]) {
            IPV4 => 32,
            IPV6 => 128,
            _ if source == 0 => 0,
            _ => return Err(EcsError::Family),
        };
        if source > width {
            return Err(EcsError::Length);
        }
        if scope != 0 {
            return Err(EcsError::Scope);
        }
        if octets.len() != usize::from(source.div_ceil(8)) {
            return Err(EcsError::Octets);
        }
        let address = if width == 128 {
            let mut address = [0; 16];
            // As many as fit: their number was checked.
            if let Some(room) = address.get_mut(..octets.len()) {
                room.copy_from_slice(octets);
            }
            let address = u128::from_be_bytes(address);
            if address & u128::MAX.checked_shr(source.into()).unwrap_or(0) != 0 {
                return Err(EcsError::Bits);
            }
            IpAddr::V6(Ipv6Addr::from_bits(address))
        } else {
            let address = u32::from_be_bytes(match *octets {
                [a, b, c] => [a, b, c, 0],
                [a, b, c, d] => [a, b, c, d],
                [a, b] => [a, b, 0, 0],
                [a] => [a, 0, 0, 0],
                _ => [0; 4],
            });
            if address & u32::MAX.checked_shr(source.into()).unwrap_or(0) != 0 {
                return Err(EcsError::Bits);
            }
            IpAddr::V4(Ipv4Addr::from_bits(address))
        };
        Ok(Self { data, address, source })
    }

    /// The address, zero past the source prefix length.
    #[inline]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// SOURCE PREFIX-LENGTH; 0 asks to be answered by the resolver's own address.
    #[inline]
    pub fn source(&self) -> u8 {
        self.source
    }

    /// The family's width in bits: no scope is longer.
    #[inline]
    pub fn width(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The option's data.
    #[inline]
    pub fn data(&self) -> &'p [u8] {
        self.data
    }

    /// Octets of the option in a response, its code and length included.
    #[inline]
    pub fn echo_length(&self) -> usize {
        4 + self.data.len()
    }

    /// The data of the echo before and after its scope prefix length: FAMILY and SOURCE, then ADDRESS.
    #[inline]
    pub fn echo(&self) -> (&'p [u8], &'p [u8]) {
        (self.data.get(..3).unwrap_or_default(), self.data.get(4..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data: &[u8], expected: Result<(&str, u8), EcsError>) {
        let got = ClientSubnet::read(data).map(|ecs| (ecs.address().to_string(), ecs.source()));
        assert_eq!(got, expected.map(|(address, source)| (address.to_owned(), source)));
    }

    #[test]
    fn well_formed() {
        check(&[0, 1, 24, 0, 193, 0, 6], Ok(("193.0.6.0", 24)));
        check(&[0, 1, 32, 0, 193, 0, 6, 139], Ok(("193.0.6.139", 32)));
        check(&[0, 1, 21, 0, 193, 0, 8], Ok(("193.0.8.0", 21)));
        check(&[0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 1], Ok(("2001:db8:0:100::", 56)));
        check(&[0, 1, 0, 0], Ok(("0.0.0.0", 0)));
        check(&[0, 2, 0, 0], Ok(("::", 0)));
        check(&[0, 0, 0, 0], Ok(("0.0.0.0", 0)));
    }

    #[test]
    fn malformed() {
        check(&[], Err(EcsError::Short));
        check(&[0, 1, 24], Err(EcsError::Short));
        check(&[0, 3, 24, 0, 1, 2, 3], Err(EcsError::Family));
        check(&[0, 0, 8, 0, 1], Err(EcsError::Family));
        check(&[0, 1, 33, 0, 1, 2, 3, 4, 0], Err(EcsError::Length));
        check(&[[0, 2, 129, 0].as_slice(), &[0; 17]].concat(), Err(EcsError::Length));
        check(&[0, 1, 24, 24, 193, 0, 6], Err(EcsError::Scope));
        check(&[0, 1, 24, 0, 193, 0], Err(EcsError::Octets));
        check(&[0, 1, 24, 0, 193, 0, 6, 0], Err(EcsError::Octets));
        check(&[0, 1, 0, 0, 0], Err(EcsError::Octets));
        check(&[0, 0, 0, 0, 0], Err(EcsError::Octets));
        check(&[0, 1, 21, 0, 193, 0, 9], Err(EcsError::Bits));
    }
}
