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
    /// Steered to a substitute, as the operator has drained the best PoP of the client's class or forced it down.
    Override,
    /// Any error but those that have a kind of their own.
    Error,
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
}

/// What a request's cookie was worth (RFC 7873 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cookie {
    /// None was sent, or none is checked here.
    None,
    /// The client's part alone, or with a server's part that is not ours.
    New,
    /// Ours, and valid.
    Valid,
}

/// A number that may be missing, in four octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number(u32);

impl Number {
    /// There is none.
    pub const NONE: Self = Self(0);

    /// This one. The highest of all numbers is taken for none.
    #[inline]
    pub fn of(number: u32) -> Self {
        Self(number.wrapping_add(1))
    }

    /// The number, if there is one.
    #[inline]
    pub fn get(self) -> Option<u32> {
        self.0.checked_sub(1)
    }

    /// 0 for none, else one more than the number.
    #[inline]
    pub(super) fn raised(self) -> u32 {
        self.0
    }
}

/// What steering decided, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The map; none where steering decided nothing.
    pub map: Number,
    /// 0 when nobody serves, else one more than the member that does, the first of several.
    pub(super) member: u16,
    /// Why: [`Kind::Home`] to [`Kind::Override`], or [`Kind::Error`].
    pub kind: Kind,
}

impl Decided {
    /// Steering had no part in it.
    pub const NOTHING: Self = Self { map: Number::NONE, member: 0, kind: Kind::Error };

    /// The member that serves, the first of several; none when nobody does.
    pub fn member(self) -> Option<u16> {
        self.member.checked_sub(1)
    }

    /// A map decided so.
    #[inline]
    pub fn new(map: u32, member: Option<u16>, kind: Kind) -> Self {
        Self { map: Number::of(map), member: member.map_or(0, |member| member.wrapping_add(1)), kind }
    }
}

/// What is counted of an answer. The numbers of zone, map and member mean something in their generation only.
///
/// Made and read once per query, so it is small, and what most queries are without is together in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the numbers belong to; 0 belongs to none.
    pub generation: u64,
    /// The zone of the answer: of a chain, the last one.
    pub zone: Number,
    /// What steering decided; of a chain, the last decision.
    pub decided: Decided,
    /// RCODE, extended bits included.
    pub rcode: u16,
    /// What sort of answer it is.
    pub kind: Kind,
    /// What it has besides.
    pub marks: Marks,
}

/// What most answers are without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks([u8; 4]);

impl Marks {
    /// SCOPE PREFIX-LENGTH (0 to 128) given to a request that has a client subnet, whether that subnet decided, whether the
    /// answer did not fit and went without records, and what the request's cookie was worth.
    #[inline]
    pub fn new(scope: Option<u8>, by_subnet: bool, truncated: bool, cookie: Cookie) -> Self {
        Self([scope.map_or(0, |scope| scope.saturating_add(1)), by_subnet.into(), truncated.into(), cookie as u8])
    }

    /// Whether there is nothing to count.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        u32::from_ne_bytes(self.0) == 0
    }

    /// Scope and whether the subnet decided as one number, below 512: 0 without a client subnet, else one more than the scope, and
    /// 256 more where the subnet decided.
    #[inline]
    pub(super) fn scope(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]]) % 512)
    }

    /// Whether there is more than a scope.
    #[inline]
    pub(super) fn is_more_than_scope(self) -> bool {
        u16::from_ne_bytes([self.0[2], self.0[3]]) != 0
    }
}

impl Answered {
    /// An answer of which only the RCODE is known.
    pub fn with_rcode(rcode: u16) -> Self {
        Self {
            generation: 0,
            zone: Number::NONE,
            decided: Decided::NOTHING,
            rcode,
            kind: Kind::Error,
            marks: Marks::default(),
        }
    }

    /// SCOPE PREFIX-LENGTH given; `None` when the request has no client subnet.
    #[inline]
    pub fn scope(&self) -> Option<u8> {
        self.marks.0[0].checked_sub(1)
    }

    /// Whether a client subnet decided: present, above length 0, and usable.
    #[inline]
    pub fn by_subnet(&self) -> bool {
        self.marks.0[1] != 0
    }

    /// Whether the answer did not fit, and went without records.
    #[inline]
    pub fn truncated(&self) -> bool {
        self.marks.0[2] != 0
    }

    /// What the request's cookie was worth.
    #[inline]
    pub fn cookie(&self) -> Cookie {
        match self.marks.0[3] {
            0 => Cookie::None,
            1 => Cookie::New,
            _ => Cookie::Valid,
        }
    }
}

impl Cookie {
    /// Those that are counted, with their labels, in the order of [`super::Details::cookies`].
    pub const COUNTED: [(Self, &'static str); 2] = [(Self::New, "new"), (Self::Valid, "valid")];
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 15] = [
        Self::Static,
        Self::Home,
        Self::Away,
        Self::Panic,
        Self::FailOpen,
        Self::Fallback,
        Self::OnEmpty,
        Self::Override,
        Self::Error,
        Self::Referral,
        Self::NoData,
        Self::NxDomain,
        Self::Identity,
        Self::Cookie,
        Self::Refused,
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
            Self::Override => "override",
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

    /// Whether it may be in [`Decided::kind`].
    pub(super) fn is_reason(self) -> bool {
        self == Self::Error || self.is_steered()
    }

    /// Whether steering gave an answer.
    fn is_steered(self) -> bool {
        matches!(
            self,
            Self::Home | Self::Away | Self::Panic | Self::FailOpen | Self::Fallback | Self::OnEmpty | Self::Override
        )
    }

    /// Why a steered name was answered so, for [`Decided::kind`]; `servfail` where nobody may serve.
    pub fn reason(self) -> &'static str {
        if self.is_steered() { self.label() } else { "servfail" }
    }
}
