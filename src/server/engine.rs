//! The seam between sockets and the engine: one call per message, which never unwinds into a listener.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::error;

use crate::metrics::{Cause, End};
use crate::query::{self, Drop, Outcome, Who};
use crate::snapshot::Current;

/// What answers messages. Production has one, [`Engine`]; tests put their own in its place.
pub trait Answer: Send + Sync + 'static {
    /// Answers `request` (a message without its TCP length, 0 to [`MAX_REQUEST`] octets) into the front of `out`.
    ///
    /// Called from many threads at once; must neither wait nor allocate.
    fn answer(&self, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome;

    /// Calls `serve` once, with what answers any number of messages like [`Answer::answer`], all from one state.
    fn batch(&self, serve: impl FnOnce(&dyn Fn(&Who, &[u8], &mut [u8]) -> Outcome))
    where
        Self: Sized,
    {
        serve(&|who, request, out| self.answer(who, request, out));
    }
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

impl Answer for Engine {
    fn answer(&self, who: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        let snapshot = self.current.load();
        let live = snapshot.live();
        query::respond(&snapshot, &live, who, request, out)
    }

    fn batch(&self, serve: impl FnOnce(&dyn Fn(&Who, &[u8], &mut [u8]) -> Outcome)) {
        let snapshot = self.current.load();
        let live = snapshot.live();
        serve(&|who, request, out| query::respond(&snapshot, &live, who, request, out));
    }
}

/// How a message ended, and the octets of its answer at the front of the buffer (0 without one).
pub(super) struct Asked {
    pub(super) end: End,
    pub(super) length: usize,
}

/// Asks the engine (its [`Answer::answer`]); a panic in it ends this message only.
#[inline]
pub(super) fn ask(
    answer: impl Fn(&Who, &[u8], &mut [u8]) -> Outcome,
    who: &Who,
    request: &[u8],
    out: &mut [u8],
) -> Asked {
    // The buffers are overwritten before they are read again, and the engine's tables are immutable, so nothing half
    // done can be seen after an unwind.
    match catch_unwind(AssertUnwindSafe(|| answer(who, request, out))) {
        Ok(Outcome::Responded(response)) => {
            Asked { end: End::Answered(response.rcode), length: response.length.min(out.len()) }
        }
        Ok(Outcome::Dropped(cause)) => Asked { end: End::Dropped(dropped(cause)), length: 0 },
        Err(_) => {
            // The one thing logged of a packet: without its octets the fault cannot be found again. Once a second.
            static LAST: AtomicU32 = AtomicU32::new(0);
            if LAST.swap(who.now, Relaxed) != who.now {
                error!(source = %who.source, transport = ?who.transport, request = %Hex(request), "engine panicked over a message");
            }
            Asked { end: End::Panicked, length: 0 }
        }
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
