//! Answers over the rate limit: of which class, and what became of them.

/// What is limited together (SEMANTICS §5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitClass {
    /// Answers with data.
    Positive,
    /// NODATA and referrals.
    NoData,
    /// NXDOMAIN, of each zone by itself.
    NxDomain,
    /// Errors and refusals.
    Error,
}

impl LimitClass {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Positive, Self::NoData, Self::NxDomain, Self::Error];

    /// The label of this class in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::NoData => "nodata",
            Self::NxDomain => "nxdomain",
            Self::Error => "error",
        }
    }
}

/// What became of an answer over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limited {
    /// It was not sent.
    Dropped,
    /// TC, or BADCOOKIE to a client with a cookie, was sent instead.
    Slipped,
    /// It was sent; where the limit is in force it would have been dropped.
    WouldDrop,
    /// It was sent; where the limit is in force it would have slipped.
    WouldSlip,
}

impl Limited {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Dropped, Self::Slipped, Self::WouldDrop, Self::WouldSlip];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Slipped => "slipped",
            Self::WouldDrop => "would-drop",
            Self::WouldSlip => "would-slip",
        }
    }
}

/// By class, then by what became of them, both in the order of their `ALL`.
pub type LimitedCounts = [[u64; Limited::ALL.len()]; LimitClass::ALL.len()];
