//! What is counted of an answer: the engine fills it in, the writers add it up.

/// What sort of answer a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Static data.
    Static,
    /// Steered to the best PoP of the client's class.
    Home,
    /// Steered to a substitute.
    Away,
    /// Steered with health ignored in a tier, as too little of it is usable.
    Panic,
    /// Steered with health ignored, for want of a usable PoP.
    FailOpen,
    /// The policy's fallback addresses, for want of a usable PoP.
    Fallback,
    /// The written addresses of a steered name, for want of an eligible PoP.
    OnEmpty,
    /// To the servers of a child zone.
    Referral,
    /// The name exists without the type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// What the server says of itself (CHAOS).
    Identity,
    /// No answer but a cookie.
    Cookie,
    /// Refused: outside the zones, or not offered.
    Refused,
    /// Any other error.
    Error,
}

/// What a request's cookie was worth (RFC 7873 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cookie {
    /// None was sent, or none is checked here.
    None,
    /// The client's part alone, or with a server's part that is not ours.
    New,
    /// Ours, and valid.
    Valid,
}

/// What steering decided, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The map, by its number.
    pub map: u32,
    /// The member that serves, the first of several; `None` when none does.
    pub member: Option<u16>,
    /// Why: [`Kind::Home`] to [`Kind::OnEmpty`], or [`Kind::Error`].
    pub kind: Kind,
}

/// What is counted of an answer. The numbers of zone, map and member mean something in their generation only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the numbers belong to; 0 belongs to none.
    pub generation: u64,
    /// RCODE, extended bits included.
    pub rcode: u16,
    /// What sort of answer it is.
    pub kind: Kind,
    /// The zone of the answer, by its number: of a chain, the last one.
    pub zone: Option<u32>,
    /// What steering decided; of a chain, the last decision.
    pub decided: Option<Decided>,
    /// Whether a client subnet decided: present, above length 0, and usable.
    pub by_subnet: bool,
    /// SCOPE PREFIX-LENGTH given; `None` when the request has no client subnet.
    pub scope: Option<u8>,
    /// Whether the answer did not fit, and went without records.
    pub truncated: bool,
    /// What the request's cookie was worth.
    pub cookie: Cookie,
    /// How long it took to make, in nanoseconds; 0 where that was not measured.
    pub took: u32,
}

impl Answered {
    /// An answer of which only the RCODE is known.
    pub fn with_rcode(rcode: u16) -> Self {
        Self {
            generation: 0,
            rcode,
            kind: Kind::Error,
            zone: None,
            decided: None,
            by_subnet: false,
            scope: None,
            truncated: false,
            cookie: Cookie::None,
            took: 0,
        }
    }
}

impl Cookie {
    /// Those that are counted, with their labels, in the order of [`super::Details::cookies`].
    pub const COUNTED: [(Self, &'static str); 2] = [(Self::New, "new"), (Self::Valid, "valid")];
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 14] = [
        Self::Static,
        Self::Home,
        Self::Away,
        Self::Panic,
        Self::FailOpen,
        Self::Fallback,
        Self::OnEmpty,
        Self::Referral,
        Self::NoData,
        Self::NxDomain,
        Self::Identity,
        Self::Cookie,
        Self::Refused,
        Self::Error,
    ];

    /// The label of this kind in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Home => "home",
            Self::Away => "away",
            Self::Panic => "panic",
            Self::FailOpen => "fail-open",
            Self::Fallback => "fallback",
            Self::OnEmpty => "on-empty",
            Self::Referral => "referral",
            Self::NoData => "nodata",
            Self::NxDomain => "nxdomain",
            Self::Identity => "identity",
            Self::Cookie => "cookie",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }

    /// The RCODE it comes with; `None` where that may be any.
    pub(super) const fn rcode(self) -> Option<u16> {
        match self {
            Self::NxDomain => Some(3),
            Self::Refused => Some(5),
            Self::Error => None,
            _ => Some(0),
        }
    }

    /// Why a steered name was answered so, for [`Decided::kind`]; `servfail` where nobody may serve.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Home | Self::Away | Self::Panic | Self::FailOpen | Self::Fallback | Self::OnEmpty => self.label(),
            _ => "servfail",
        }
    }
}
