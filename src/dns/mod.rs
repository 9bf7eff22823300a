//! The protocol's words (skeleton; the room is written on its own branch).
/// An owner name in wire form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);
/// RDATA in wire form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdata {
    /// The octets, names uncompressed.
    pub wire: Box<[u8]>,
}
/// A record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub u16);
