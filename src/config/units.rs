//! Times as people write them: `90`, `90s`, `5m`, `1h30m`, `1d`, `250ms`.

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
