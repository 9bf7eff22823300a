//! A packet's bytes in, an answer's bytes and an [`Outcome`] out: [`respond`].
//!
//! A `Request` exists only if it passed every check (`request.rs`); a lookup and the live tables become
//! sections (`answer.rs`); sections become octets, whole or not at all (`encode.rs`). What is asked most goes a shorter way, by
//! what the zone has ready (`swift.rs`), and requests that came together go it together (`batch.rs`). Synchronous; allocates nothing, holds no
//! clock, does no I/O, and cannot fail: every packet has an outcome. Counting outcomes, rate limits and sockets are the
//! server's.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

use std::net::IpAddr;
use std::ops::Deref;

pub use crate::dns::ecs::Ecs;
use crate::dns::edns::ExtendedError;
use crate::dns::{Class, FoldedName, Rcode, Type};
use crate::live::Live;
use crate::metrics::{Answered, Decided, Number};
pub use crate::metrics::{Cookie, Kind};
use crate::snapshot::Snapshot;

mod answer;
mod batch;
mod chaos;
mod encode;
mod request;
mod steer;
mod swift;

pub use batch::{AT_ONCE, Batch, Room};
use encode::Reply;
use request::{Read, Request};

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP: answers are limited in size.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484).
    Https,
    /// QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// Whether connections idle, and a client may ask how long (RFC 7828).
    fn has_keepalive(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// Whether lengths are all that an observer sees (RFC 8467).
    fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }
}

/// Who asked, and when.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// The packet's source address.
    pub source: IpAddr,
    /// Its port.
    pub source_port: u16,
    /// The address that was asked.
    pub destination: IpAddr,
    /// How it came.
    pub transport: Transport,
    /// Whether the listener heeds client subnets.
    pub ecs: Ecs,
    /// Seconds since 1970.
    pub now: u32,
}

/// How a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer is sent.
    Dropped(Drop),
    /// The first `length` octets of the buffer are the answer.
    Responded(Response),
}

/// Why no answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// Under 12 octets (or, a caller's fault, a buffer under 512 that does not hold even the question).
    Short,
    /// QR was set: it is itself a response.
    Response,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Octets of the answer.
    pub length: usize,
    /// The type that was asked; `None` when there is no well-formed question.
    pub qtype: Option<Type>,
    /// Everything else: what is counted of it. The zone's number is that of [`crate::zone::ZoneSet::get`], the map's that of
    /// [`crate::live::MapId`].
    pub answered: Answered,
}

impl Deref for Response {
    type Target = Answered;

    fn deref(&self) -> &Answered {
        &self.answered
    }
}

/// What an answer says besides its records.
#[derive(Clone, Copy, Debug)]
struct Said {
    rcode: Rcode,
    authoritative: bool,
    kind: Kind,
    zone: Number,
    /// SCOPE PREFIX-LENGTH, when the request has a client subnet.
    scope: u8,
    by_subnet: bool,
    error: Option<ExtendedError>,
    decided: Decided,
}

impl Said {
    fn error(rcode: Rcode, error: Option<ExtendedError>) -> Self {
        let kind = if rcode == Rcode::REFUSED { Kind::Refused } else { Kind::Error };
        Self {
            rcode,
            authoritative: false,
            kind,
            zone: Number::NONE,
            scope: 0,
            by_subnet: false,
            error,
            decided: Decided::NOTHING,
        }
    }
}

/// Answers one request, in the order of checks of SEMANTICS §5.6.
///
/// `out` is at least 512 octets, and as long as an answer may be: 65,535 on stream transports. `live` belongs to
/// `snapshot`. The response never passes the client's UDP payload size, 1,232 octets or `out`.
///
/// What is asked most is answered by the swift path, everything else step by step.
pub fn respond(snapshot: &Snapshot, live: &Live, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
    let mut asked = swift::Asked::new();
    asked.read(snapshot, None, who.ecs, request);
    asked.find(snapshot, live, who);
    asked
        .answer(snapshot, live, who, request, out)
        .unwrap_or_else(|| respond_stepwise(snapshot, live, who, request, out))
}

/// As [`respond`], without the swift path: every check in its turn, every name compressed for this answer. What the swift path
/// answers is the same but for the choice of what names are compressed against; tests hold the two side by side.
pub fn respond_stepwise(snapshot: &Snapshot, live: &Live, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
    let mut name = FoldedName::new();
    let read = request::read(request, who.ecs, &mut name);
    let (request, refusal) = match &read {
        Read::Dropped(why) => return Outcome::Dropped(*why),
        Read::Refused(request, said) => (request, Some(*said)),
        Read::Asked(request) => (request, None),
    };
    let Some(mut reply) = Reply::new(request, who, &snapshot.identity, out) else {
        return Outcome::Dropped(Drop::Short);
    };
    let said = match refusal {
        Some(said) => said,
        None => answer_to(snapshot, live, who, request, &mut name, &mut reply),
    };
    Outcome::Responded(reply.finish(&said, snapshot.generation))
}

/// What a client gets in the place of an answer that is not sent because its network asks too much (SEMANTICS §5.10): BADCOOKIE with a fresh
/// cookie if it has sent one (RFC 7873 §5.2.3), else TC, and no records. A client that is there can come again by the one or the
/// other; the victim of a spoofed source is sent hardly more than was asked in its name.
///
/// `out` holds what [`respond`] has put there for the same `who` and `request`, which [`Response`] tells of.
#[cold]
pub fn slip(snapshot: &Snapshot, who: &Who, request: &[u8], instead_of: &Response, out: &mut [u8]) -> Outcome {
    let mut name = FoldedName::new();
    let read = request::read(request, who.ecs, &mut name);
    let request = match &read {
        Read::Dropped(why) => return Outcome::Dropped(*why),
        Read::Refused(request, _) | Read::Asked(request) => request,
    };
    let authoritative = out.get(2).is_some_and(|flags| flags & 0x04 != 0);
    let Some(mut reply) = Reply::new(request, who, &snapshot.identity, out) else {
        return Outcome::Dropped(Drop::Short);
    };
    let said = if reply.has_cookie() {
        Said { zone: instead_of.zone(), ..Said::error(Rcode::BADCOOKIE, None) }
    } else {
        reply.cut();
        Said {
            rcode: Rcode(instead_of.rcode()),
            authoritative,
            kind: instead_of.kind(),
            zone: instead_of.zone(),
            scope: instead_of.scope().unwrap_or(0),
            by_subnet: instead_of.by_subnet(),
            error: None,
            decided: instead_of.decided,
        }
    };
    // The numbers are those of the answer it stands for, also where another snapshot serves by now.
    Outcome::Responded(reply.finish(&said, instead_of.generation))
}

/// A request that passed the checks of its form: by opcode, class and type.
fn answer_to(
    snapshot: &Snapshot,
    live: &Live,
    who: &Who,
    request: &Request<'_>,
    name: &mut FoldedName,
    reply: &mut Reply<'_, '_>,
) -> Said {
    let Some((qtype, class)) = request.asked else {
        // A question-less request that passed has a cookie (RFC 7873 §5.4), which is of use only where they are made.
        if snapshot.identity.cookie_secrets.is_empty() {
            return Said::error(Rcode::FORMERR, None);
        }
        return Said { kind: Kind::Cookie, ..Said::error(Rcode::NOERROR, None) };
    };
    match class {
        Class::IN => {}
        Class::CH => return chaos::answer(&snapshot.identity, name, qtype, reply),
        _ => return Said::error(Rcode::REFUSED, None),
    }
    match qtype {
        Type::AXFR | Type::IXFR => return Said::error(Rcode::REFUSED, Some(ExtendedError::PROHIBITED)),
        Type::MAILA | Type::MAILB => return Said::error(Rcode::NOTIMP, None),
        Type::OPT | Type(128..255) => return Said::error(Rcode::FORMERR, Some(ExtendedError::INVALID_TYPE)),
        _ => {}
    }
    let client = steer::Client::new(who, request.header.id, request.options.ecs.as_ref());
    answer::answer(snapshot, live, &client, qtype, name, reply)
}
