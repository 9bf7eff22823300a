//! LOC (RFC 1876): degrees, minutes and seconds, meters above the ellipsoid, and three sizes as a digit and a power of ten.

use super::{RdataError, Token, Type, excerpt, not, shape};

pub(super) const USAGE: &str = "DEGREES [MINUTES [SECONDS]] N|S DEGREES [MINUTES [SECONDS]] E|W ALTITUDE[m] [SIZE[m] [HORIZONTAL[m] [VERTICAL[m]]]]";

/// The equator and the prime meridian, in thousandths of an arc second.
const MIDDLE: u32 = 1 << 31;
/// 90 degrees.
const LATITUDE: u32 = 90 * 3_600_000;
/// 180 degrees.
const LONGITUDE: u32 = 180 * 3_600_000;
/// Altitudes count from 100,000 m below the ellipsoid, in centimeters.
const BOTTOM: i64 = 10_000_000;
/// The largest size: nine times ten to the ninth centimeters.
const LARGEST: u64 = 9_000_000_000;

/// 16 octets: version 0, size, horizontal and vertical precision, latitude, longitude, altitude.
pub(super) fn encode(tokens: &[Token<'_>]) -> Result<Vec<u8>, RdataError> {
    let (latitude, rest) = angle(tokens, 90, LATITUDE, ["N", "S"])?;
    let (longitude, rest) = angle(rest, 180, LONGITUDE, ["E", "W"])?;
    let (altitude, rest) = rest.split_first().ok_or_else(|| shape(Type::LOC))?;
    let altitude = meters(altitude.text)
        .and_then(|cm| u32::try_from(cm + BOTTOM).ok())
        .ok_or_else(|| not(altitude.text, "an altitude from -100000.00m to 42849672.95m", Type::LOC))?;
    if rest.len() > 3 {
        return Err(shape(Type::LOC));
    }
    // A house, 10 km, 10 m (RFC 1876 §3).
    let mut sizes = [0x12, 0x16, 0x13];
    for (size, token) in sizes.iter_mut().zip(rest) {
        *size = meters(token.text)
            .and_then(power)
            .ok_or_else(|| not(token.text, "a size from 0m to 90000000.00m", Type::LOC))?;
    }
    let mut wire = vec![0];
    wire.extend(sizes);
    for number in [latitude, longitude, altitude] {
        wire.extend(number.to_be_bytes());
    }
    Ok(wire)
}

type Rest<'t, 'a> = &'t [Token<'a>];

/// One to three numbers and a hemisphere; positive is north or east.
fn angle<'t, 'a>(
    tokens: Rest<'t, 'a>,
    degrees: u32,
    limit: u32,
    [plus, minus]: [&str; 2],
) -> Result<(u32, Rest<'t, 'a>), RdataError> {
    let is_letter = |t: &Token<'_>| t.text.eq_ignore_ascii_case(plus) || t.text.eq_ignore_ascii_case(minus);
    let count = tokens.iter().position(is_letter).filter(|n| (1..=3).contains(n)).ok_or_else(|| shape(Type::LOC))?;
    let (numbers, rest) = tokens.split_at_checked(count).ok_or_else(|| shape(Type::LOC))?;
    let (letter, rest) = rest.split_first().ok_or_else(|| shape(Type::LOC))?;
    let mut total = 0u32;
    for (index, token) in numbers.iter().enumerate() {
        let (max, unit, what) = match index {
            0 => (degrees * 1000, 3_600_000, format!("degrees from 0 to {degrees}")),
            1 => (59_000, 60_000, "minutes from 0 to 59".to_owned()),
            _ => (59_999, 1000, "seconds from 0 to 59.999".to_owned()),
        };
        let digits = if index == 2 { 3 } else { 0 };
        let thousandths =
            decimal(token.text, digits).and_then(|n| u32::try_from(n * (if digits == 0 { 1000 } else { 1 })).ok());
        let value = thousandths.filter(|n| *n <= max).ok_or_else(|| not(token.text, &what, Type::LOC))?;
        total += (u64::from(value) * unit / 1000) as u32;
    }
    if total > limit {
        return Err(RdataError::new(format!("more than {degrees} degrees {}", excerpt(letter.text))));
    }
    let value = if letter.text.eq_ignore_ascii_case(plus) { MIDDLE + total } else { MIDDLE - total };
    Ok((value, rest))
}

/// A number without sign and with at most `digits` digits after the point, in units of its last digit.
fn decimal(text: &str, digits: usize) -> Option<i64> {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if before.is_empty() || before.len() > 10 || after.len() > digits || !all_digits(before) || !all_digits(after) {
        return None;
    }
    format!("{before}{after:0<digits$}").parse().ok()
}

/// `-2.5m` in centimeters.
fn meters(text: &str) -> Option<i64> {
    let text = text.strip_suffix(['m', 'M']).unwrap_or(text);
    match text.strip_prefix('-') {
        Some(below) => decimal(below, 2).map(|cm| -cm),
        None => decimal(text, 2),
    }
}

/// Centimeters as a digit and a power of ten, what does not fit cut off.
fn power(centimeters: i64) -> Option<u8> {
    let (mut digit, mut exponent) = (u64::try_from(centimeters).ok().filter(|cm| *cm <= LARGEST)?, 0u8);
    while digit > 9 {
        digit /= 10;
        exponent += 1;
    }
    Some((digit as u8) << 4 | exponent)
}

struct Location {
    sizes: [u8; 3],
    latitude: u32,
    longitude: u32,
    altitude: u32,
}

fn read(wire: &[u8]) -> Option<Location> {
    let (head, numbers) = wire.split_first_chunk::<4>()?;
    let [0, size, horizontal, vertical] = *head else { return None };
    let numbers: &[u8; 12] = numbers.try_into().ok()?;
    let (latitude, rest) = numbers.split_first_chunk::<4>()?;
    let (longitude, rest) = rest.split_first_chunk::<4>()?;
    let sizes = [size, horizontal, vertical];
    let (latitude, longitude) = (u32::from_be_bytes(*latitude), u32::from_be_bytes(*longitude));
    let good = sizes.iter().all(|s| s >> 4 < 10 && s & 15 < 10)
        && latitude.abs_diff(MIDDLE) <= LATITUDE
        && longitude.abs_diff(MIDDLE) <= LONGITUDE;
    let altitude = u32::from_be_bytes(rest.try_into().ok()?);
    good.then_some(Location { sizes, latitude, longitude, altitude })
}

pub(super) fn is_well_formed(wire: &[u8]) -> bool {
    read(wire).is_some()
}

/// `52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m`.
pub(super) fn show(wire: &[u8]) -> Option<String> {
    let location = read(wire)?;
    let angle = |value: u32, [plus, minus]: [char; 2]| {
        let total = value.abs_diff(MIDDLE);
        let (degrees, minutes, thousandths) = (total / 3_600_000, total / 60_000 % 60, total % 60_000);
        let letter = if value < MIDDLE { minus } else { plus };
        format!("{degrees} {minutes} {}.{:03} {letter}", thousandths / 1000, thousandths % 1000)
    };
    let altitude = i64::from(location.altitude) - BOTTOM;
    let sign = if altitude < 0 { "-" } else { "" };
    let sizes = location.sizes.map(|size| {
        let centimeters = u64::from(size >> 4) * 10u64.pow(u32::from(size & 15));
        if centimeters % 100 == 0 { format!("{}m", centimeters / 100) } else { format!("0.{:02}m", centimeters % 100) }
    });
    Some(format!(
        "{} {} {sign}{}.{:02}m {}",
        angle(location.latitude, ['N', 'S']),
        angle(location.longitude, ['E', 'W']),
        altitude.abs() / 100,
        altitude.abs() % 100,
        sizes.join(" ")
    ))
}
