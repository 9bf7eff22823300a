//! Placeholder until the overlay lands.

/// What the operator's files add to addresses: opaque to geo. Label 0 is "none".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Overlay {
    /// First address and label, rising; each holds up to the next.
    pub v4: Vec<(u32, u32)>,
    /// Likewise.
    pub v6: Vec<(u128, u32)>,
    /// AS numbers that policies name, sorted.
    pub asns: Vec<u32>,
}
