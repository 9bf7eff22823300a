//! Records in wire form, without their owner name.

use std::net::IpAddr;

use crate::steering::Binding;

/// One RRset ready to copy out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Number of records.
    pub count: u16,
    /// Per record TYPE CLASS TTL RDLENGTH RDATA (RFC 1035 §3.2.1 without the owner name), one after the other.
    pub bytes: Box<[u8]>,
}

impl Prepared {
    /// RDATA of each record.
    pub fn rdata(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let length = usize::from(u16::from_be_bytes([*rest.get(8)?, *rest.get(9)?]));
            let rdata = rest.get(10..10 + length)?;
            rest = &rest[10 + length..];
            Some(rdata)
        })
    }
}

const CLASS_IN: u16 = 1;
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
pub(super) const SVCB: u16 = 64;
pub(super) const HTTPS: u16 = 65;
/// `SvcParamKey`s of RFC 9460 §14.3.2.
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// A or AAAA records of addresses of one family.
pub(super) fn addresses(list: &[IpAddr], ttl: u32) -> Prepared {
    let mut bytes = Vec::with_capacity(list.len() * 26);
    for address in list {
        match address {
            IpAddr::V4(a) => record(A, ttl, &a.octets(), &mut bytes),
            IpAddr::V6(a) => record(AAAA, ttl, &a.octets(), &mut bytes),
        }
    }
    Prepared { count: list.len() as u16, bytes: bytes.into() }
}

/// A CNAME record.
pub(super) fn cname(target: &[u8], ttl: u32) -> Prepared {
    let mut bytes = Vec::with_capacity(10 + target.len());
    record(CNAME, ttl, target, &mut bytes);
    Prepared { count: 1, bytes: bytes.into() }
}

/// HTTPS or SVCB records, with hints of these addresses where they are asked for. A hint without an address is left out
/// (SEMANTICS §3.9).
pub(super) fn bindings(list: &[Binding], rtype: u16, v4: &[IpAddr], v6: &[IpAddr], ttl: u32) -> Prepared {
    let (mut count, mut bytes) = (0, Vec::new());
    for binding in list.iter().filter(|binding| binding.rtype == rtype) {
        let mut rdata = binding.before.to_vec();
        if binding.v4_hint {
            hint(IPV4HINT, v4, &mut rdata);
        }
        rdata.extend_from_slice(&binding.between);
        if binding.v6_hint {
            hint(IPV6HINT, v6, &mut rdata);
        }
        rdata.extend_from_slice(&binding.after);
        record(rtype, ttl, &rdata, &mut bytes);
        count += 1;
    }
    Prepared { count, bytes: bytes.into() }
}

fn hint(key: u16, addresses: &[IpAddr], out: &mut Vec<u8>) {
    let octets: Vec<u8> = addresses
        .iter()
        .flat_map(|ip| match ip {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        })
        .collect();
    if !octets.is_empty() {
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
        out.extend_from_slice(&octets);
    }
}

fn record(rtype: u16, ttl: u32, rdata: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&rtype.to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}
