//! An answer as a thread hands it over, and as it waits in a queue.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::metrics::Answered;
use crate::query::{Response, Transport, Who};

/// What became of an answer after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was sent.
    Sent,
    /// Its network had too many: a short one was sent instead.
    Slipped,
    /// Its network had too many: nothing was sent.
    Dropped,
}

/// An answer, as a thread has it.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'a> {
    /// Who asked.
    pub who: &'a Who,
    /// The port that was asked.
    pub port: u16,
    /// The request's octets.
    pub request: &'a [u8],
    /// The answer's octets; none where nothing was sent.
    pub answer: &'a [u8],
    /// What is said of it: where nothing was sent, of what would have been.
    pub response: &'a Response,
    /// What became of it.
    pub fate: Fate,
    /// How long it took to make, where that was measured.
    pub took: Option<Duration>,
}

/// Octets of messages there is room for from the start: nearly all of UDP. Others make room, which stays.
const REQUEST: usize = 512;
const ANSWER: usize = 1_232;

/// An answer in a queue. Made before it is needed, and used again and again.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) when: SystemTime,
    pub(super) source: IpAddr,
    pub(super) source_port: u16,
    pub(super) destination: IpAddr,
    pub(super) port: u16,
    pub(super) transport: Transport,
    pub(super) answered: Answered,
    pub(super) fate: Fate,
    pub(super) took: Option<Duration>,
    pub(super) request: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            when: SystemTime::UNIX_EPOCH,
            source: IpAddr::from([0; 4]),
            source_port: 0,
            destination: IpAddr::from([0; 4]),
            port: 0,
            transport: Transport::Udp,
            answered: Answered::with_rcode(0),
            fate: Fate::Sent,
            took: None,
            request: Vec::with_capacity(REQUEST),
            answer: Vec::with_capacity(ANSWER),
        }
    }

    pub(super) fn fill(&mut self, noted: &Noted<'_>) {
        // The clock is read again: the second of the batch is too coarse for what is looked at singly.
        self.when = SystemTime::now();
        (self.source, self.source_port) = (noted.who.source.to_canonical(), noted.who.source_port);
        (self.destination, self.port) = (noted.who.destination.to_canonical(), noted.port);
        self.transport = noted.who.transport;
        self.answered = noted.response.answered;
        (self.fate, self.took) = (noted.fate, noted.took);
        self.request.clear();
        self.request.extend_from_slice(noted.request);
        self.answer.clear();
        self.answer.extend_from_slice(noted.answer);
    }
}
