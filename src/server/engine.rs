//! The seam between sockets and the engine: one call per message, which never unwinds into a listener.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::error;

use super::rrl::{Limiter, Verdict};
use crate::journal::{Fate, Noted, Pen};
use crate::metrics::layout::Layout;
use crate::metrics::{self, Answered, Cause, End, LimitClass, Limited, Page, SharedWriter, Writer};
use crate::query::{self, Drop, Outcome, Response, Room, Who};
use crate::snapshot::Current;

/// What answers messages. Production has one, [`Engine`]; tests put their own in its place.
pub trait Answer: Send + Sync + 'static {
    /// Answers `request` (a message without its TCP length, 0 to [`MAX_REQUEST`] octets) into the front of `out`.
    ///
    /// Called from many threads at once; must neither wait nor allocate.
    fn answer(&self, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome;

    /// Has `serve` answer these messages in their order, some at a time, all from one state, whose generation (here 0) all their
    /// [`Answered`] have.
    fn batch(&self, messages: &[Message<'_>], _room: &mut Room, serve: &mut Serve<'_>)
    where
        Self: Sized,
    {
        serve(0, messages, &mut |_, Message { who, request, .. }, out| self.answer(who, request, out));
    }

    /// A short answer in the place of one that its network is not sent (see [`query::slip`]). `out` holds that one.
    fn slip(&self, _who: &Who, _request: &[u8], instead_of: &Response, _out: &mut [u8]) -> Outcome {
        Outcome::Responded(*instead_of)
    }
}

/// What answers the message of a number, among those that were read with it, into a room.
pub(super) type Answerer<'a> = dyn FnMut(usize, &Message<'_>, &mut [u8]) -> Outcome + 'a;
/// What is given an [`Answerer`] and the messages that it answers, each once at most, in their order, and their generation.
pub(super) type Serve<'a> = dyn FnMut(u64, &[Message<'_>], &mut Answerer<'_>) + 'a;

/// A message that is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// Where it is among those that came with it, the unanswerable included.
    pub place: usize,
    /// Who asks.
    pub who: Who,
    /// Its octets, without a TCP length.
    pub request: &'m [u8],
}

/// Longest request that is read, in octets, without its TCP length. A question, an OPT with every option we know and
/// padding (RFC 8467 pads queries to 128) stay far below; what is longer is not a query, and is dropped and counted
/// rather than cut and guessed at.
pub const MAX_REQUEST: usize = 4_096;

/// The engine over the current snapshot: one load of it, and of its live tables, per message or batch.
#[derive(Clone, Debug)]
pub struct Engine {
    current: Arc<Current>,
}

impl Engine {
    /// Answers from whatever snapshot `current` points at when a message comes.
    pub fn new(current: Arc<Current>) -> Self {
        Self { current }
    }
}

/// What counters call the zones and PoPs of the snapshot that `current` points at.
pub fn names(current: Arc<Current>) -> metrics::Names {
    Box::new(move |generation| {
        let snapshot = current.load();
        (snapshot.generation == generation).then(|| {
            let zones = snapshot.zones.iter().map(|(zone, _)| zone.to_string().into());
            let maps = snapshot.maps.iter().map(|map| (map.service.name.as_str().into(), map.pops.clone()));
            Layout::new(zones, maps)
        })
    })
}

impl Answer for Engine {
    fn answer(&self, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        let snapshot = self.current.load();
        let live = snapshot.live();
        query::respond(&snapshot, &live, who, request, out)
    }

    fn batch(&self, messages: &[Message<'_>], room: &mut Room, serve: &mut Serve<'_>) {
        let snapshot = self.current.load();
        let live = snapshot.live();
        for messages in messages.chunks(query::AT_ONCE) {
            let requests = messages.iter().map(|Message { who, request, .. }| (who, *request));
            // Reading changes nothing but `room`, which is written before it is read. If it panics, the message alone will do so
            // again: then it is known which it is.
            let read = || query::Batch::read(&snapshot, &live, requests, room);
            let mut batch = catch_unwind(AssertUnwindSafe(read)).ok();
            serve(snapshot.generation, messages, &mut |number, Message { who, request, .. }, out| match &mut batch {
                Some(batch) => batch.respond(number, who, request, out),
                None => query::respond(&snapshot, &live, who, request, out),
            });
        }
    }

    fn slip(&self, who: &Who, request: &[u8], instead_of: &Response, out: &mut [u8]) -> Outcome {
        query::slip(&self.current.load(), who, request, instead_of, out)
    }
}

/// What an answer goes by on its way out.
pub(super) struct Way<'a, E> {
    pub(super) engine: &'a E,
    /// How much a network is sent; none on transports whose sources cannot be made up.
    pub(super) limiter: Option<&'a Limiter>,
    /// Takes answers down.
    pub(super) pen: &'a Pen,
    /// The port that was asked.
    pub(super) port: u16,
}

impl<E: Answer> Way<'_, E> {
    /// What is sent of an answer (its length), which is counted and taken down; nothing where its network has had enough.
    #[inline]
    fn out(
        &self,
        response: &Response,
        who: &Who,
        request: &[u8],
        out: &mut [u8],
        took: Option<Duration>,
        counter: &mut impl Count,
    ) -> Option<usize> {
        let verdict =
            self.limiter.map_or(Verdict::Send, |limiter| limiter.judge(who.source, who.now, &response.answered));
        if verdict != Verdict::Send {
            let sent = self.limited(verdict, response, who, request, out, counter);
            let fate = match (verdict, &sent) {
                (_, None) => Fate::Dropped,
                (Verdict::Slip(_), _) => Fate::Slipped,
                _ => Fate::Sent,
            };
            let (response, answer) = match &sent {
                Some(sent) => (sent, &out[..sent.length.min(out.len())]),
                None => (response, &[][..]),
            };
            self.pen.note(|| Noted { who, port: self.port, request, answer, response, fate, took });
            return sent.map(|sent| sent.length.min(out.len()));
        }
        counter.answered(&response.answered);
        let length = response.length.min(out.len());
        self.pen.note(|| Noted {
            who,
            port: self.port,
            request,
            answer: &out[..length],
            response,
            fate: Fate::Sent,
            took,
        });
        Some(length)
    }

    #[cold]
    #[inline(never)]
    fn limited(
        &self,
        verdict: Verdict,
        response: &Response,
        who: &Who,
        request: &[u8],
        out: &mut [u8],
        counter: &mut impl Count,
    ) -> Option<Response> {
        let (class, limited, sent) = match verdict {
            Verdict::Send => return Some(*response),
            Verdict::Would(class, would) => (class, would, Some(*response)),
            Verdict::Drop(class) => (class, Limited::Dropped, None),
            Verdict::Slip(class) => match self.engine.slip(who, request, response, out) {
                Outcome::Responded(short) => (class, Limited::Slipped, Some(short)),
                Outcome::Dropped(_) => (class, Limited::Dropped, None),
            },
        };
        counter.limited(class, limited);
        match &sent {
            Some(sent) => counter.answered(&sent.answered),
            None => counter.ended(End::Dropped(Cause::Rate)),
        }
        sent
    }
}

/// Asks the engine, and counts how the message ended; the octets of its answer at the front of the
/// buffer. A panic in the engine ends this message only.
#[inline]
pub(super) fn ask<E: Answer>(
    answer: impl FnOnce(&mut [u8]) -> Outcome,
    way: &Way<'_, E>,
    who: &Who,
    request: &[u8],
    out: &mut [u8],
    counter: &mut impl Count,
) -> Option<usize> {
    let outcome = caught(answer, out);
    end(outcome.as_ref(), way, who, request, out, None, counter)
}

/// As [`ask`], of a message that is looked at closer: how long it takes, and what it asks.
#[cold]
#[inline(never)]
pub(super) fn ask_closer<E: Answer>(
    answer: impl FnOnce(&mut [u8]) -> Outcome,
    way: &Way<'_, E>,
    who: &Who,
    request: &[u8],
    out: &mut [u8],
    counter: &mut impl Count,
) -> Option<usize> {
    let began = Instant::now();
    let outcome = caught(answer, out);
    let took = began.elapsed();
    if let Some(Outcome::Responded(_)) = outcome {
        counter.took(took);
        counter.asked(request, who.now);
    }
    end(outcome.as_ref(), way, who, request, out, Some(took), counter)
}

/// What the engine makes of a message; none where it panicked.
#[inline]
fn caught(answer: impl FnOnce(&mut [u8]) -> Outcome, out: &mut [u8]) -> Option<Outcome> {
    // The buffers are overwritten before they are read again, and the engine's tables are immutable, so nothing half
    // done can be seen after an unwind.
    catch_unwind(AssertUnwindSafe(|| answer(out))).ok()
}

#[inline]
fn end<E: Answer>(
    outcome: Option<&Outcome>,
    way: &Way<'_, E>,
    who: &Who,
    request: &[u8],
    out: &mut [u8],
    took: Option<Duration>,
    counter: &mut impl Count,
) -> Option<usize> {
    match outcome {
        Some(Outcome::Responded(response)) => way.out(response, who, request, out, took, counter),
        Some(Outcome::Dropped(cause)) => {
            counter.ended(End::Dropped(dropped(*cause)));
            None
        }
        None => {
            // The one thing logged of a packet: without its octets the fault cannot be found again. Once a second.
            static LAST: AtomicU32 = AtomicU32::new(0);
            if LAST.swap(who.now, Relaxed) != who.now {
                error!(source = %who.source, transport = ?who.transport, request = %Hex(request), "engine panicked over a message");
            }
            counter.ended(End::Panicked);
            None
        }
    }
}

/// Whose counters a message goes to: a thread's own, or those of many tasks.
pub(super) trait Count {
    fn answered(&mut self, answered: &Answered);
    fn ended(&mut self, end: End);
    fn took(&mut self, time: Duration);
    fn limited(&mut self, class: LimitClass, limited: Limited);
    fn asked(&mut self, request: &[u8], now: u32);
}

impl Count for Page<'_> {
    #[inline]
    fn answered(&mut self, answered: &Answered) {
        Self::answered(self, answered);
    }

    fn ended(&mut self, end: End) {
        Self::ended(self, end);
    }

    fn took(&mut self, time: Duration) {
        Self::took(self, time);
    }

    fn limited(&mut self, class: LimitClass, limited: Limited) {
        Self::limited(self, class, limited);
    }

    fn asked(&mut self, request: &[u8], now: u32) {
        Self::asked(self, request, now);
    }
}

/// Of answers of any generation, which take turns seldom.
impl Count for Writer {
    fn answered(&mut self, answered: &Answered) {
        Self::ended(self, End::Answered(*answered));
    }

    fn ended(&mut self, end: End) {
        Self::ended(self, end);
    }

    fn took(&mut self, time: Duration) {
        self.open().took(time);
    }

    fn limited(&mut self, class: LimitClass, limited: Limited) {
        self.open().limited(class, limited);
    }

    fn asked(&mut self, request: &[u8], now: u32) {
        self.open().asked(request, now);
    }
}

impl Count for &SharedWriter {
    fn answered(&mut self, answered: &Answered) {
        SharedWriter::ended(self, End::Answered(*answered));
    }

    fn ended(&mut self, end: End) {
        SharedWriter::ended(self, end);
    }

    fn took(&mut self, time: Duration) {
        SharedWriter::took(self, time);
    }

    fn limited(&mut self, class: LimitClass, limited: Limited) {
        SharedWriter::limited(self, class, limited);
    }

    fn asked(&mut self, request: &[u8], now: u32) {
        SharedWriter::asked(self, request, now);
    }
}

fn dropped(cause: Drop) -> Cause {
    match cause {
        Drop::Short => Cause::Short,
        Drop::Response => Cause::Response,
    }
}

/// The second, for [`Who::now`]: 0 before 1970, the highest after 2106.
pub(super) fn unix_now() -> u32 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX)
}

/// The first octets of a message in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// A name of 255 octets, header and options of a normal query fit.
        const SHOWN: usize = 512;
        self.0.iter().take(SHOWN).try_for_each(|octet| write!(f, "{octet:02x}"))?;
        if self.0.len() > SHOWN { write!(f, "… ({} octets)", self.0.len()) } else { Ok(()) }
    }
}
