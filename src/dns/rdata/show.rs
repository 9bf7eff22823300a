//! RDATA in wire form → presentation text that reads back to the same octets, absolute names, on one line.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Field, Name, Type, codes, form, loc, split, svcb};

/// The presentation text of a record's data; `\# LENGTH HEX` (RFC 3597 §5) for types without a text form, and for octets
/// that are not of their type's form.
pub fn show(rtype: Type, wire: &[u8]) -> String {
    let known = match rtype {
        Type::SVCB | Type::HTTPS => svcb::show(wire),
        Type::LOC => loc::show(wire),
        _ if codes::wrong_digest(rtype, wire).is_some() => None,
        _ => form(rtype).and_then(|form| split(&form, wire)).and_then(|fields| {
            let shown: Option<Vec<_>> = fields.into_iter().map(|(field, octets)| show_field(field, octets)).collect();
            shown.map(|shown| shown.join(" ").trim_end().to_owned())
        }),
    };
    known.unwrap_or_else(|| format!("\\# {} {}", wire.len(), hex(wire)).trim_end().to_owned())
}

fn show_field(field: Field, octets: &[u8]) -> Option<String> {
    let number = || octets.iter().fold(0u32, |n, octet| n << 8 | u32::from(*octet));
    Some(match field {
        Field::U8 | Field::U16 | Field::U32 | Field::Time | Field::Algorithm => number().to_string(),
        Field::Certificate => match codes::certificate_mnemonic(number() as u16) {
            Some(mnemonic) => mnemonic.to_owned(),
            None => number().to_string(),
        },
        Field::Name => Name::from_wire(octets)?.to_string(),
        Field::Ipv4 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).to_string(),
        Field::Ipv6 => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string(),
        Field::Text => quoted(octets.get(1..)?),
        Field::Tag => String::from_utf8(octets.get(1..)?.to_vec()).ok()?,
        Field::Texts => texts(octets),
        Field::Octets => quoted(octets),
        Field::Hex => hex(octets),
        Field::Base64 => base64(octets),
        Field::Eui(_) => octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join("-"),
        Field::Types => codes::types_of(octets)?.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    })
}

fn texts(octets: &[u8]) -> String {
    let mut rest = octets;
    let mut out = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let (text, left) = tail.split_at_checked(usize::from(*length)).unwrap_or((tail, &[]));
        out.push(quoted(text));
        rest = left;
    }
    out.join(" ")
}

/// In quotation marks.
pub(super) fn quoted(octets: &[u8]) -> String {
    format!("\"{}\"", escaped(octets))
}

/// As it stands between quotation marks.
pub(super) fn escaped(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = match octet {
            b'"' | b'\\' => write!(out, "\\{}", char::from(*octet)),
            b' '..=b'~' => write!(out, "{}", char::from(*octet)),
            _ => write!(out, "\\{octet:03}"),
        };
    }
    out
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{octet:02X}");
        out
    })
}

/// RFC 4648 §4, with padding.
pub(super) fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let at = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let index = (bits >> (18 - 6 * n) & 63) as usize;
            let letter = ALPHABET.get(index).copied().unwrap_or(b'A');
            out.push(if n > group.len() { '=' } else { char::from(letter) });
        }
    }
    out
}
