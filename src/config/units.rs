//! Times as people write them (`90`, `90s`, `5m`, `1h30m`, `1d`, `250ms`), costs (`5ms`, `200km`), shares (`34%`) and
//! moments (`2026-11-01`, or seconds since 1970).

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::{Sink, text};
use super::yaml::Node;

/// Longest TTL in seconds (RFC 2181 §8).
pub const MAX_TTL: u32 = i32::MAX as u32;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a time: integer seconds, or numbers with units `d`, `h`, `m`, `s`, `ms`, each once and from large to small.
/// `None` for anything else, or beyond 2^63 milliseconds.
pub fn parse(written: &str) -> Option<Duration> {
    let digits = |s: &str| (!s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u64>().ok())?;
    if let Some(seconds) = digits(written) {
        return Some(Duration::from_millis(seconds.checked_mul(1000)?));
    }
    let mut rest = written;
    let mut total = 0u64;
    let mut smallest = usize::MAX;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let index = UNITS.iter().position(|(name, _)| *name == unit)?;
        if smallest != usize::MAX && index <= smallest {
            return None;
        }
        smallest = index;
        total = total.checked_add(digits(number)?.checked_mul(UNITS[index].1)?)?;
        rest = next;
    }
    (!written.is_empty()).then(|| Duration::from_millis(total))
}

/// A time as this module reads it: `1h30m`, `250ms`, `0s`.
pub fn show(time: Duration) -> String {
    let mut left = time.as_millis() as u64;
    let mut out = String::new();
    for (name, size) in UNITS {
        if left >= size {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}{name}", left / size);
            left %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A time within a range.
pub(super) fn duration(
    node: &Node<'_>,
    what: &str,
    range: &RangeInclusive<Duration>,
    sink: &mut Sink,
) -> Option<Duration> {
    let written = text(node, what, sink)?;
    let bounds = format!("{} to {}", show(*range.start()), show(*range.end()));
    match parse(written) {
        Some(time) if range.contains(&time) => Some(time),
        Some(time) => {
            sink.error_help(node.at(), format!("{what} cannot be `{}`", show(time)), format!("accepted: {bounds}"));
            None
        }
        None => {
            let help = format!("seconds as a whole number, or `500ms`, `90s`, `5m`, `1h30m`, `1d`; accepted: {bounds}");
            sink.error_help(node.at(), format!("{what} cannot be `{written}`"), help);
            None
        }
    }
}

/// A TTL or another time of the SOA in whole seconds, 0 to 2^31 − 1 (RFC 2181 §8).
pub(super) fn ttl(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<u32> {
    let written = text(node, what, sink)?;
    let time = parse(written);
    if let Some(time) = time
        && time.subsec_millis() == 0
        && time.as_secs() <= u64::from(MAX_TTL)
    {
        return Some(time.as_secs() as u32);
    }
    let help = match time {
        Some(time) if time.subsec_millis() != 0 => "whole seconds: DNS has no smaller unit".to_owned(),
        Some(_) => format!("at most {MAX_TTL} seconds, some 68 years (RFC 2181 §8)"),
        None => "seconds as a whole number, or `90s`, `5m`, `1h30m`, `1d`".to_owned(),
    };
    sink.error_help(node.at(), format!("{what} cannot be `{written}`"), help);
    None
}

/// A cost as written: time, or distance that becomes time by the policy's `ms_per_km`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// Microseconds of round-trip time.
    Microseconds(i32),
    /// Meters of great circle.
    Meters(i32),
}

impl Cost {
    /// Largest time, in microseconds: no round trip takes ten seconds.
    const MAX_MICROSECONDS: i64 = 10_000_000;
    /// Largest distance, in meters: the equator.
    const MAX_METERS: i64 = 40_075_000;

    /// In microseconds, where a kilometer costs this many nanoseconds; rounded to the nearest.
    pub fn microseconds(self, ns_per_km: u32) -> i32 {
        match self {
            Self::Microseconds(us) => us,
            Self::Meters(m) => {
                let product = i64::from(m) * i64::from(ns_per_km);
                ((product + 500_000 * product.signum()) / 1_000_000) as i32
            }
        }
    }

    /// Reads `5ms`, `-0.25ms`, `200km`.
    ///
    /// # Errors
    /// What would have been accepted.
    pub fn parse(written: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "a time or a distance with its unit, for example `5ms` or `200km`";
        let (number, is_time) = match (written.strip_suffix("ms"), written.strip_suffix("km")) {
            (Some(number), _) => (number, true),
            (_, Some(number)) => (number, false),
            _ => return Err(SHAPE),
        };
        let thousandths = thousandths(number.trim_end()).ok_or(SHAPE)?;
        let limit = if is_time { Self::MAX_MICROSECONDS } else { Self::MAX_METERS };
        if thousandths.abs() > limit {
            return Err("at most `10000ms` or `40075km`");
        }
        let value = thousandths as i32;
        Ok(if is_time { Self::Microseconds(value) } else { Self::Meters(value) })
    }

    /// The same, of costs that are not below zero.
    ///
    /// # Errors
    /// What would have been accepted.
    pub fn parse_positive(written: &str) -> Result<Self, &'static str> {
        match Self::parse(written)? {
            Self::Microseconds(n) | Self::Meters(n) if n < 0 => Err("not below zero, for example `5ms` or `200km`"),
            cost => Ok(cost),
        }
    }
}

/// A decimal number with a sign and at most three digits after the point, times 1000.
pub(super) fn thousandths(written: &str) -> Option<i64> {
    let (negative, number) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || part.len() > 3 || !digits(whole) || !digits(part) {
        return None;
    }
    if number.ends_with('.') {
        return None;
    }
    let value = whole.parse::<i64>().ok()? * 1000 + format!("{part:0<3}").parse::<i64>().ok()?;
    Some(if negative { -value } else { value })
}

/// A cost that is not below zero.
pub(super) fn cost(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Cost> {
    cost_by(Cost::parse_positive, node, what, sink)
}

/// A cost that may be below zero.
pub(super) fn signed_cost(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<Cost> {
    cost_by(Cost::parse, node, what, sink)
}

fn cost_by(
    parse: fn(&str) -> Result<Cost, &'static str>,
    node: &Node<'_>,
    what: &str,
    sink: &mut Sink,
) -> Option<Cost> {
    let written = text(node, what, sink)?;
    parse(written).map_err(|help| sink.error_help(node.at(), format!("{what} cannot be `{written}`"), help)).ok()
}

/// A share in percent, in thousandths: 1 to 1000.
pub(super) fn share(node: &Node<'_>, what: &str, sink: &mut Sink) -> Option<u16> {
    let written = text(node, what, sink)?;
    let percent = written.strip_suffix('%').and_then(|number| thousandths(number.trim_end()));
    let share = percent.filter(|n| n % 100 == 0).and_then(|n| u16::try_from(n / 100).ok());
    let share = share.filter(|n| (1..=1000).contains(n));
    if share.is_none() {
        let help = match thousandths(written).filter(|n| (1..=1000).contains(n)) {
            Some(n) if n % 10 == 0 => format!("did you mean `{}%`? a share is written in percent", n / 10),
            _ => "a share in percent from `0.1%` to `100%`, for example `34%`".to_owned(),
        };
        sink.error_help(node.at(), format!("{what} cannot be `{written}`"), help);
    }
    share
}

/// A share in thousandths, as it would be written: `34%`, `0.1%`.
pub fn show_share(share: u16) -> String {
    match share % 10 {
        0 => format!("{}%", share / 10),
        tenth => format!("{}.{tenth}%", share / 10),
    }
}

/// Reads a moment: a date (`2026-11-01`, the beginning of that day in UTC), a date and time (`2026-11-01T12:30:00Z`), or
/// seconds since 1970. Gives seconds since 1970.
///
/// # Errors
/// What would have been accepted.
pub fn moment(written: &str) -> Result<u64, &'static str> {
    const SHAPE: &str = "a date like `2026-11-01`, a time like `2026-11-01T12:30:00Z`, or seconds since 1970";
    if !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = written.parse::<u64>().map_err(|_| SHAPE)?;
        // In the year 5138; milliseconds of today are beyond.
        let seconds = Some(seconds).filter(|seconds| *seconds < 100_000_000_000);
        return seconds.ok_or("seconds since 1970, not milliseconds");
    }
    let (date, time) = written.split_once(['T', ' ']).map_or((written, None), |(date, time)| (date, Some(time)));
    let seconds = match time {
        None => Some(0),
        Some(time) => fields(time.strip_suffix('Z').unwrap_or(time), ':', [2, 2, 2])
            .filter(|[hour, minute, second]| *hour < 24 && *minute < 60 && *second < 60)
            .map(|[hour, minute, second]| u64::from(hour * 3600 + minute * 60 + second)),
    };
    let days = fields(date, '-', [4, 2, 2]).and_then(|[year, month, day]| days(year, month, day));
    Ok(days.ok_or(SHAPE)? * 86_400 + seconds.ok_or(SHAPE)?)
}

fn fields(written: &str, between: char, widths: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = written.split(between);
    let mut next = |width: usize| {
        parts.next().filter(|p| p.len() == width && p.bytes().all(|b| b.is_ascii_digit()))?.parse::<u32>().ok()
    };
    let found = [next(widths[0])?, next(widths[1])?, next(widths[2])?];
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, from that day on.
fn days(year: u32, month: u32, day: u32) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, 28 + u32::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(month.checked_sub(1)? as usize)?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let before = year - 1;
    let leaps = |year: u32| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(before) - leaps(1969);
    let months: u32 = lengths.iter().take(month as usize - 1).sum();
    Some(u64::from(years + months + day - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(written: &str, expected: Option<u64>) {
        assert_eq!(parse(written).map(|d| d.as_millis() as u64), expected, "{written}");
    }

    #[test]
    fn times_as_people_write_them() {
        check("90", Some(90_000));
        check("0", Some(0));
        check("90s", Some(90_000));
        check("5m", Some(300_000));
        check("1h30m", Some(5_400_000));
        check("1d", Some(86_400_000));
        check("250ms", Some(250));
        check("1m500ms", Some(60_500));
        for wrong in [
            "",
            "s",
            "5",
            "1:20",
            "0.5s",
            "5 m",
            "30m1h",
            "5m5m",
            "1w",
            "-5",
            "+5s",
            "5M",
            "99999999999999999999",
            "9999999999999999999d",
        ] {
            if wrong != "5" {
                check(wrong, None);
            }
        }
    }

    #[test]
    fn costs_as_people_write_them() {
        let check =
            |written: &str, expected: Option<Cost>| assert_eq!(Cost::parse(written).ok(), expected, "{written}");
        check("5ms", Some(Cost::Microseconds(5000)));
        check("-3ms", Some(Cost::Microseconds(-3000)));
        check("0.25 ms", Some(Cost::Microseconds(250)));
        check("200km", Some(Cost::Meters(200_000)));
        check("10000ms", Some(Cost::Microseconds(10_000_000)));
        for wrong in ["", "5", "ms", "5m", "5s", "10000.001ms", "40076km", "1.2345ms", "1.ms", "--1ms", "+1ms", ".5ms"]
        {
            check(wrong, None);
        }
        assert_eq!(Cost::parse_positive("-1ms").ok(), None);
        assert_eq!(Cost::Meters(200_000).microseconds(17_400), 3480);
        assert_eq!(Cost::Meters(-1_000).microseconds(17_500), -18);
    }

    #[test]
    fn moments_as_people_write_them() {
        let check = |written: &str, expected: Option<u64>| assert_eq!(moment(written).ok(), expected, "{written}");
        check("0", Some(0));
        check("1970-01-01", Some(0));
        check("2000-02-29", Some(951_782_400));
        check("2026-11-22T18:40:20Z", Some(1_795_372_820));
        check("2026-11-22 18:40:20", Some(1_795_372_820));
        for wrong in ["", "2026-13-01", "2026-02-29", "1969-12-31", "1700000000000", "26-1-1", "2026-11-22T24:00:00"] {
            check(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ms in 0u64..1 << 50) {
            prop_assert_eq!(parse(&show(Duration::from_millis(ms))), Some(Duration::from_millis(ms)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
