//! How often work may be done that costs more the larger the fleet: a storm of changes must not take a core.
//!
//! Pure: moments are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// A purse of processor time that fills slowly. A few changes, or a disaster of many at once, find it full and are served
/// at once; where they do not end, work waits until there is some again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Full.
    purse: Duration,
    /// What a second puts in, in thousandths of a second.
    permille: u32,
    /// No work waits longer.
    longest: Duration,
    /// What is in it; below nothing, how much is owed.
    left: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(purse: Duration, permille: u32, longest: Duration, now: Instant) -> Self {
        Self { purse, permille, longest, left: purse.as_secs_f64(), at: now }
    }

    /// Work that ended now took this long.
    pub(super) fn spent(&mut self, took: Duration, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        let filled = (self.left + since * f64::from(self.permille) / 1000.0).min(self.purse.as_secs_f64());
        self.left = filled - took.as_secs_f64();
        self.at = now;
    }

    /// When work may be done again, seen from the end of the last.
    pub(super) fn next(&self) -> Instant {
        if self.left >= 0.0 {
            return self.at;
        }
        let wait = Duration::from_secs_f64(-self.left * 1000.0 / f64::from(self.permille));
        self.at + wait.min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_served_at_once_and_a_storm_is_slowed() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let mut pace = Pace::new(ms(100), 50, ms(250), start);
        // Ten of 10 ms empty the purse …
        for work in 1..=10 {
            pace.spent(ms(10), start);
            assert_eq!(pace.next(), start, "{work}");
        }
        // … the eleventh is owed for 200 ms, at 5 % …
        pace.spent(ms(10), start);
        assert_eq!((pace.next() - start).as_millis(), 200);
        // … one too large to be paid is waited for no longer than a quarter of a second.
        pace.spent(ms(500), start + ms(200));
        assert_eq!(pace.next(), start + ms(450));
        // An hour later it is full, and not more than full.
        let later = start + ms(3_600_000);
        pace.spent(ms(99), later);
        assert_eq!(pace.next(), later);
        pace.spent(ms(2), later);
        assert!(pace.next() > later);
    }
}
