//! Records ready to copy out: everything of a resource record that follows its owner name, as it goes over the wire.

use crate::dns::{Class, Type};

pub use crate::dns::message::FIXED;

/// An RRset of class IN, borrowed from its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RrSet<'a> {
    /// The type of all its records.
    pub rtype: Type,
    /// The TTL of all its records, in seconds.
    pub ttl: u32,
    /// Number of records, at least 1.
    pub count: u16,
    /// Per record TYPE CLASS TTL RDLENGTH RDATA (RFC 1035 §3.2.1 without the owner name), one after the other. Names in
    /// RDATA are uncompressed; [`crate::dns::rdata::compressible`] says where a response may compress them.
    pub bytes: &'a [u8],
}

impl<'a> RrSet<'a> {
    /// The RDATA of each record.
    pub fn rdata(self) -> impl Iterator<Item = &'a [u8]> {
        Records { rest: self.bytes }.filter_map(|record| record.get(FIXED..))
    }

    /// The RDATA of the first record.
    pub fn first(self) -> &'a [u8] {
        self.rdata().next().unwrap_or(&[])
    }
}

/// The prepared records of an RRset, one by one.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Over prepared records, one after the other.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_be_bytes([*self.rest.get(8)?, *self.rest.get(9)?]));
        let (record, rest) = self.rest.split_at_checked(FIXED + length)?;
        self.rest = rest;
        Some(record)
    }
}

/// Appends a prepared record of class IN. `rdata` is at most 65,535 octets.
pub fn prepare(out: &mut Vec<u8>, rtype: Type, ttl: u32, rdata: &[u8]) {
    out.extend_from_slice(&rtype.0.to_be_bytes());
    out.extend_from_slice(&Class::IN.0.to_be_bytes());
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}
