//! Response rate limiting (SEMANTICS §5.10): how many UDP answers of a class a network gets in a second, so that spoofed
//! sources do not make this server a weapon against them.
//!
//! One table for all threads, so that a rate is that of the server and not of each of its threads: fixed in size, of atomics, no
//! lock, nothing allocated. A key is a network (/24, /56) and a class of answers; of NXDOMAIN also the zone. What is counted of
//! it is the answers of this second, by the clock that the batch has read. The words of a set share one cache line. Where more
//! keys than it has places are busy within a second, the one that has asked least makes room and begins anew: a network under
//! flood keeps its count, and nobody is limited for what others asked.
//!
//! Knows nothing of the octets of an answer: who is limited is said here, what it is sent in [`crate::query::slip`].

mod table;
#[cfg(test)]
mod tests;
mod worst;

use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::warn;

use crate::metrics::{Answered, Cookie, Kind, LimitClass, Limited, Metrics, Number};
use table::Table;
pub use worst::Network;
use worst::Worst;

/// What is done with answers that are over their rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Nothing, and nothing is counted.
    Off,
    /// They are sent; counters and log say what would become of them.
    #[default]
    LogOnly,
    /// They are dropped, and some of them slip.
    On,
}

/// What is limited, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is done.
    pub mode: Mode,
    /// Answers a second, by class in the order of [`LimitClass::ALL`]; `None`: any number.
    pub rates: [Option<u32>; LimitClass::ALL.len()],
    /// Of answers over the rate one in so many slips; 0: none.
    pub slip: u32,
    /// Networks that are never limited: first address and prefix length. IPv4 in its own form.
    pub exempt: Vec<(IpAddr, u8)>,
    /// Whether loopback is limited like everyone else.
    pub loopback: Loopback,
}

/// Whether loopback is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loopback {
    /// Never.
    #[default]
    Exempt,
    /// Like everyone else: for tests of this limit itself.
    Limited,
}

impl Default for Limits {
    fn default() -> Self {
        let rates = [Some(2_000), Some(500), Some(100), Some(100)];
        Self { mode: Mode::LogOnly, rates, slip: 2, exempt: Vec::new(), loopback: Loopback::Exempt }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Send,
    /// It is sent, and would not be if this were [`Mode::On`].
    Would(LimitClass, Limited),
    /// It is not sent.
    Drop(LimitClass),
    /// A short one is sent instead, that asks the client to come by TCP or with the cookie it is given.
    Slip(LimitClass),
}

/// The limiter of a server: one for all its threads.
#[derive(Debug)]
pub struct Limiter {
    mode: AtomicU8,
    /// As [`Limits::rates`]; the highest number for "any".
    rates: [AtomicU32; LimitClass::ALL.len()],
    slip: AtomicU32,
    spared: ArcSwap<Spared>,
    /// So that nobody can choose networks that share a place.
    seed: [u64; 2],
    table: Table,
    worst: Worst,
}

/// Who is never limited: looked at only when somebody would be.
#[derive(Debug)]
struct Spared {
    exempt: Vec<(IpAddr, u8)>,
    loopback: Loopback,
}

impl Limiter {
    /// A limiter that nobody has passed yet.
    pub fn new(limits: &Limits) -> Self {
        let random = RandomState::new();
        let limiter = Self {
            mode: AtomicU8::new(0),
            rates: [const { AtomicU32::new(0) }; LimitClass::ALL.len()],
            slip: AtomicU32::new(0),
            spared: ArcSwap::from_pointee(Spared { exempt: Vec::new(), loopback: limits.loopback }),
            seed: [random.hash_one(0u8), random.hash_one(1u8)],
            table: Table::new(),
            worst: Worst::new(),
        };
        limiter.set(limits);
        limiter
    }

    /// Other limits from now on. What was counted of this second stays.
    pub fn set(&self, limits: &Limits) {
        for (to, rate) in self.rates.iter().zip(limits.rates) {
            to.store(rate.unwrap_or(u32::MAX), Relaxed);
        }
        self.slip.store(limits.slip, Relaxed);
        self.spared.store(Arc::new(Spared { exempt: limits.exempt.clone(), loopback: limits.loopback }));
        self.mode.store(limits.mode as u8, Relaxed);
    }

    /// What becomes of an answer over UDP to `source` in the second `now`. Counts it.
    #[inline]
    pub fn judge(&self, source: IpAddr, now: u32, answered: &Answered) -> Verdict {
        let mode = self.mode.load(Relaxed);
        if mode == Mode::Off as u8 || answered.cookie() == Cookie::Valid {
            return Verdict::Send;
        }
        let class = class(answered.kind());
        let rate = self.rates[class as usize].load(Relaxed);
        let network = Network::of(source);
        // NXDOMAIN by zone: who asks for names that are not in one zone may still learn so of another.
        let zone = if class == LimitClass::NxDomain { answered.zone() } else { Number::NONE };
        let count = self.table.count(self.hash(network, class, zone), now);
        if count <= rate {
            return Verdict::Send;
        }
        self.over(mode, class, source, network, count - rate)
    }

    /// Reads what will be counted at answers to these sources, so that it is near by then.
    #[inline]
    pub(super) fn touch(&self, sources: impl ExactSizeIterator<Item = IpAddr>) {
        if self.mode.load(Relaxed) == Mode::Off as u8 || sources.len() < WORTH_TOUCHING {
            return;
        }
        // Most answers are of this class.
        let hash = |source| self.hash(Network::of(source), LimitClass::Positive, Number::NONE);
        black_box(sources.fold(0, |seen, source| seen ^ self.table.touch(hash(source))));
    }

    /// The answer is the `excess`th above the rate in this second.
    #[cold]
    #[inline(never)]
    fn over(&self, mode: u8, class: LimitClass, source: IpAddr, network: Network, excess: u32) -> Verdict {
        if self.spared.load().spares(source) {
            return Verdict::Send;
        }
        self.worst.note(network, self.seed);
        let slip = self.slip.load(Relaxed);
        let slips = slip > 0 && excess.is_multiple_of(slip);
        match (mode == Mode::On as u8, slips) {
            (false, true) => Verdict::Would(class, Limited::WouldSlip),
            (false, false) => Verdict::Would(class, Limited::WouldDrop),
            (true, true) => Verdict::Slip(class),
            (true, false) => Verdict::Drop(class),
        }
    }

    #[inline]
    fn hash(&self, network: Network, class: LimitClass, zone: Number) -> u64 {
        let key = u64::from(zone.get().map_or(0, |zone| zone.wrapping_add(1))) << 8 | class as u64;
        mix(mix(network.0 ^ self.seed[0], self.seed[1] | 1), key ^ self.seed[1])
    }

    /// The networks that were limited most since the last call, most first, with how many of their answers at least.
    pub fn worst(&self) -> Vec<(Network, u64)> {
        self.worst.take()
    }
}

impl Spared {
    fn spares(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        (self.loopback == Loopback::Exempt && source.is_loopback())
            || self.exempt.iter().any(|(first, length)| match (first, source) {
                (IpAddr::V4(first), IpAddr::V4(source)) => {
                    (first.to_bits() ^ source.to_bits()).checked_shr(32 - u32::from(*length).min(32)).unwrap_or(0) == 0
                }
                (IpAddr::V6(first), IpAddr::V6(source)) => {
                    (first.to_bits() ^ source.to_bits()).checked_shr(128 - u32::from(*length).min(128)).unwrap_or(0)
                        == 0
                }
                _ => false,
            })
    }
}

/// Which limit an answer falls under.
#[inline]
fn class(kind: Kind) -> LimitClass {
    match kind {
        Kind::Static
        | Kind::Home
        | Kind::Away
        | Kind::Panic
        | Kind::FailOpen
        | Kind::Fallback
        | Kind::OnEmpty
        | Kind::Override
        | Kind::Identity
        | Kind::Cookie => LimitClass::Positive,
        Kind::NoData | Kind::Referral => LimitClass::NoData,
        Kind::NxDomain => LimitClass::NxDomain,
        Kind::Error | Kind::Refused => LimitClass::Error,
    }
}

/// Both halves of a product: every bit of either number moves every bit of the result.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Answers from which on it pays to touch what is counted of them (as [`crate::query::Batch`] does).
const WORTH_TOUCHING: usize = 4;
/// How often the log says who was limited.
const EVERY: Duration = Duration::from_mins(1);
/// Networks that a line names.
const NAMED: usize = 5;

/// Logs once a minute, if any answer was over its rate, how many were and of whom most. Never ends.
pub async fn watch(limiter: Arc<Limiter>, metrics: Metrics) {
    let mut before = metrics.limited();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = metrics.limited();
        let since = |result: Limited| -> u64 {
            let sum =
                |counts: &[[u64; Limited::ALL.len()]]| counts.iter().map(|counts| counts[result as usize]).sum::<u64>();
            sum(&now).saturating_sub(sum(&before))
        };
        let [dropped, slipped, would_drop, would_slip] = Limited::ALL.map(since);
        before = now;
        if dropped + slipped + would_drop + would_slip == 0 {
            continue;
        }
        let worst: Vec<_> =
            limiter.worst().iter().take(NAMED).map(|(network, count)| format!("{network} ({count})")).collect();
        let worst = worst.join(", ");
        if would_drop + would_slip > 0 {
            warn!(
                would_drop,
                would_slip, worst, "answers were over the rate limit, and were sent: `rrl: {{mode: log-only}}`"
            );
        }
        if dropped + slipped > 0 {
            warn!(dropped, slipped, worst, "answers were over the rate limit");
        }
    }
}
