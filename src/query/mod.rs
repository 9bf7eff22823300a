//! A packet's bytes in, an answer's bytes and an outcome out (skeleton; the room is written on its own branch).

use std::net::IpAddr;

use crate::live::Live;
use crate::snapshot::Snapshot;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP: answers are limited in size.
    Udp,
    /// TCP.
    Tcp,
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
    /// Under 12 octets.
    Short,
    /// QR was set: it is itself a response.
    Response,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Octets of the answer.
    pub length: usize,
    /// RCODE, extended bits included.
    pub rcode: u16,
}

/// Answers one request.
pub fn respond(_snapshot: &Snapshot, _live: &Live, _who: &Who, request: &[u8], _out: &mut [u8]) -> Outcome {
    if request.len() < 12 { Outcome::Dropped(Drop::Short) } else { Outcome::Dropped(Drop::Response) }
}
