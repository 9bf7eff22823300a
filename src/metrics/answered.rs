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
    /// Where in the row of a map this is counted ([`WIDTH`] counters for each member): nobody stands for 0, each member for one
    /// more than its number.
    pub(super) place: u32,
}

/// Counters of one member, one for each reason why a steered name is answered so: [`Kind::Home`] to [`Kind::Override`], and 0 for
/// [`Kind::Error`], whose number is a multiple of this.
pub(super) const WIDTH: u32 = 8;

impl Decided {
    /// Steering had no part in it.
    pub const NOTHING: Self = Self { map: Number::NONE, place: 0 };

    /// A map decided so: `member` is the one that serves, the first of several, and `kind` why, [`Kind::Home`] to
    /// [`Kind::Override`], or [`Kind::Error`].
    #[inline]
    pub fn new(map: u32, member: Option<u16>, kind: Kind) -> Self {
        let member = member.map_or(0, |member| u32::from(member) + 1);
        Self { map: Number::of(map), place: member * WIDTH + kind as u32 % WIDTH }
    }

    /// The member that serves, the first of several; none when nobody does.
    pub fn member(self) -> Option<u16> {
        (self.place / WIDTH).checked_sub(1).map(|member| member as u16)
    }

    /// Why: [`Kind::Home`] to [`Kind::Override`], or [`Kind::Error`].
    pub fn kind(self) -> Kind {
        match self.place % WIDTH {
            0 => Kind::Error,
            reason => KINDS[reason as usize],
        }
    }
}

/// What is counted of an answer. The numbers of zone, map and member mean something in their generation only.
///
/// Made and read once per query, so it is small, and as a writer needs it: one comparison tells that an answer has nothing
/// besides zone, kind and a decision, and finds its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the numbers belong to; 0 belongs to none.
    pub generation: u64,
    /// Lowest first: 4 bits kind; 27 bits zone, one more than its number; 1 bit for an RCODE that is not the kind's own, and 12
    /// bits of that RCODE; 8 bits of nothing; 12 bits [`Marks`]. Without the last two it is the number of a counter.
    place: u64,
    /// What steering decided; of a chain, the last decision.
    pub decided: Decided,
}

/// Bits of a kind.
const KIND: u32 = 4;
/// Where what tells of an odd RCODE begins.
const ODD: u32 = 31;
const RCODE: u32 = 32;
/// Where marks begin.
const MARKS: u32 = 52;
/// Counters of a zone, one for each kind that comes with its own RCODE.
pub(super) const SLOTS: usize = 1 << KIND;

/// Kinds by number; the last is none.
const KINDS: [Kind; SLOTS] = {
    let mut kinds = [Kind::Error; SLOTS];
    let mut i = 0;
    while i < Kind::ALL.len() {
        kinds[i] = Kind::ALL[i];
        i += 1;
    }
    kinds
};

/// What most answers are without: 8 bits scope, one more than it; 1 bit whether the client subnet decided, 1 bit whether the answer
/// is truncated, 2 bits cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u16);

/// Marks that there can be.
pub(super) const ALL_MARKS: usize = 1 << (64 - MARKS);

impl Marks {
    /// SCOPE PREFIX-LENGTH (0 to 128) given to a request that has a client subnet, whether that subnet decided, whether the
    /// answer did not fit and went without records, and what the request's cookie was worth.
    #[inline]
    pub fn new(scope: Option<u8>, by_subnet: bool, truncated: bool, cookie: Cookie) -> Self {
        let scope = scope.map_or(0, |scope| u16::from(scope.min(128)) + 1);
        Self(scope | u16::from(by_subnet) << 8 | u16::from(truncated) << 9 | (cookie as u16) << 10)
    }

    /// Those of a number below [`ALL_MARKS`].
    pub(super) fn of(number: usize) -> Self {
        Self((number % ALL_MARKS) as u16)
    }

    /// SCOPE PREFIX-LENGTH given; `None` when the request has no client subnet.
    pub(super) fn scope(self) -> Option<u8> {
        (self.0 as u8).checked_sub(1)
    }

    pub(super) fn by_subnet(self) -> bool {
        self.0 >> 8 & 1 != 0
    }

    pub(super) fn truncated(self) -> bool {
        self.0 >> 9 & 1 != 0
    }

    #[inline]
    pub(super) fn cookie(self) -> Cookie {
        match self.0 >> 10 & 3 {
            0 => Cookie::None,
            1 => Cookie::New,
            _ => Cookie::Valid,
        }
    }
}

impl Answered {
    /// An answer of a kind and any RCODE (extended bits included, below 4096). Zones have numbers below 2^27 - 1: there is no memory
    /// for more.
    #[inline]
    pub fn new(generation: u64, zone: Number, kind: Kind, rcode: u16, decided: Decided, marks: Marks) -> Self {
        let mut answered = Self::usual(generation, zone, kind, decided, marks);
        if kind.rcode() != rcode {
            answered.place |= 1 << ODD | u64::from(rcode % 4096) << RCODE;
        }
        answered
    }

    /// An answer of a kind with the RCODE that this kind comes with: SERVFAIL of [`Kind::Error`].
    #[inline]
    pub fn usual(generation: u64, zone: Number, kind: Kind, decided: Decided, marks: Marks) -> Self {
        Self {
            generation,
            place: u64::from(zone.raised() << KIND) | kind as u64 | u64::from(marks.0) << MARKS,
            decided,
        }
    }

    /// An answer of which only the RCODE is known.
    pub fn with_rcode(rcode: u16) -> Self {
        Self::new(0, Number::NONE, Kind::Error, rcode, Decided::NOTHING, Marks::default())
    }

    /// The same with other marks.
    #[must_use]
    pub fn marked(self, marks: Marks) -> Self {
        Self { place: self.place & !(!0 << MARKS) | u64::from(marks.0) << MARKS, ..self }
    }

    /// The zone of the answer: of a chain, the last one.
    #[inline]
    pub fn zone(&self) -> Number {
        Number((self.place as u32 & !(1 << ODD)) >> KIND)
    }

    /// What sort of answer it is.
    #[inline]
    pub fn kind(&self) -> Kind {
        KINDS[self.place as usize % SLOTS]
    }

    /// RCODE, extended bits included.
    #[inline]
    pub fn rcode(&self) -> u16 {
        if self.is_odd() { (self.place >> RCODE) as u16 % 4096 } else { self.kind().rcode() }
    }

    /// Whether the RCODE is not the kind's own.
    #[inline]
    pub(super) fn is_odd(&self) -> bool {
        self.place >> ODD & 1 != 0
    }

    /// What it has besides.
    #[inline]
    pub fn marks(&self) -> Marks {
        Marks((self.place >> MARKS) as u16)
    }

    /// The number of the counter of its zone and kind, if it has no marks and the RCODE of its kind; else higher than any.
    #[inline]
    pub(super) fn plain_cell(&self) -> u64 {
        self.place
    }

    /// As [`Answered::plain_cell`], also with marks.
    #[inline]
    pub(super) fn cell(&self) -> u32 {
        self.place as u32
    }

    /// The number of its marks, below [`ALL_MARKS`].
    #[inline]
    pub(super) fn mark(&self) -> usize {
        (self.place >> MARKS) as usize
    }

    /// SCOPE PREFIX-LENGTH given; `None` when the request has no client subnet.
    #[inline]
    pub fn scope(&self) -> Option<u8> {
        self.marks().scope()
    }

    /// Whether a client subnet decided: present, above length 0, and usable.
    #[inline]
    pub fn by_subnet(&self) -> bool {
        self.marks().by_subnet()
    }

    /// Whether the answer did not fit, and went without records.
    #[inline]
    pub fn truncated(&self) -> bool {
        self.marks().truncated()
    }

    /// What the request's cookie was worth.
    #[inline]
    pub fn cookie(&self) -> Cookie {
        self.marks().cookie()
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

    /// The RCODE it comes with: SERVFAIL of an error, which may come with any.
    #[inline]
    pub(super) const fn rcode(self) -> u16 {
        match self {
            Self::NxDomain => 3,
            Self::Refused => 5,
            Self::Error => 2,
            _ => 0,
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
