//! What one probe found, in words a person can act on.

use std::borrow::Cow;
use std::time::Duration;

/// The result of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it says of the target.
    pub verdict: Verdict,
    /// Why, for people: `connection refused`, `HTTP 503, wanted 200–399`, `timed out after 2 s while connecting`.
    /// Lower case except for proper names, no final period.
    pub words: Cow<'static, str>,
    /// How long each part took, as far as the probe came.
    pub phases: Phases,
}

impl Observation {
    /// A good result.
    pub fn good(words: impl Into<Cow<'static, str>>) -> Self {
        Self { verdict: Verdict::Good, words: words.into(), phases: Phases::default() }
    }

    /// A bad result.
    pub fn bad(words: impl Into<Cow<'static, str>>) -> Self {
        Self { verdict: Verdict::Bad, words: words.into(), phases: Phases::default() }
    }

    /// No result, for a reason on this side.
    pub fn unable(words: impl Into<Cow<'static, str>>) -> Self {
        Self { verdict: Verdict::Unable, words: words.into(), phases: Phases::default() }
    }
}

/// What an observation says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target answered as expected.
    Good,
    /// It did not.
    Bad,
    /// Nothing: the probe failed for want of something here (file descriptors, local ports, memory). Counts neither
    /// way, so that our own trouble never takes a PoP away; when it lasts, the last result grows stale.
    Unable,
}

/// How long the parts of one probe took. `None`: not part of this check, or not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// From the first SYN until the connection stood.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request until the head of the response was read.
    pub first_byte: Option<Duration>,
    /// From start to verdict.
    pub total: Duration,
}
