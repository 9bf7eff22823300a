//! RDATA: presentation text → wire form, type by type.
//!
//! Types whose fields are numbers, names, addresses, strings and octets are rows of one table (`fields`); hickory-proto
//! reads the ones with a grammar of their own (SVCB, HTTPS, CAA, CERT, CSYNC); `\# LENGTH HEX` (RFC 3597 §5) works for
//! every type. Names are resolved against the zone here, because hickory knows no origin.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::{Name, wire_length};
use super::text::{self, Token, excerpt};
use super::types::Type;

mod foreign;

/// The data of one record in wire form, names uncompressed and as written; at most 65,535 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdata {
    /// The octets.
    pub wire: Box<[u8]>,
}

/// What is wrong with a record's text, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RdataError {
    /// What is wrong.
    pub message: String,
    /// What would have been accepted, if that says more.
    pub help: Option<String>,
}

impl RdataError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }
}

/// Where RDATA of a type holds names that a response may compress (RFC 3597 §4): `(octets before, number of names)`.
/// Only NS, CNAME, PTR, MX and SOA (SEMANTICS §5.9).
#[inline]
pub fn compressible(rtype: Type) -> Option<(usize, usize)> {
    match rtype {
        Type::NS | Type::CNAME | Type::PTR => Some((0, 1)),
        Type::MX => Some((2, 1)),
        Type::SOA => Some((0, 2)),
        _ => None,
    }
}

impl Rdata {
    /// The name this record points to: of NS, CNAME, DNAME, PTR, MX, SRV, AFSDB and KX.
    pub fn target(&self, rtype: Type) -> Option<Name> {
        let skip = match rtype {
            Type::NS | Type::CNAME | Type::DNAME | Type::PTR => 0,
            Type::MX | Type::AFSDB | Type::KX => 2,
            Type::SRV => 6,
            _ => return None,
        };
        Name::from_wire(self.wire.get(skip..)?)
    }

    /// An A or AAAA record's data.
    pub fn address(address: std::net::IpAddr) -> (Type, Self) {
        match address {
            std::net::IpAddr::V4(a) => (Type::A, Self { wire: a.octets().into() }),
            std::net::IpAddr::V6(a) => (Type::AAAA, Self { wire: a.octets().into() }),
        }
    }

    /// An SOA's data (RFC 1035 §3.3.13): times in seconds.
    pub fn soa(mname: &Name, rname: &Name, numbers: Soa) -> Self {
        let mut wire = Vec::with_capacity(mname.as_wire().len() + rname.as_wire().len() + 20);
        wire.extend_from_slice(mname.as_wire());
        wire.extend_from_slice(rname.as_wire());
        for number in [numbers.serial, numbers.refresh, numbers.retry, numbers.expire, numbers.minimum] {
            wire.extend_from_slice(&number.to_be_bytes());
        }
        Self { wire: wire.into() }
    }
}

/// The numbers of an SOA; times in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// Version of the zone (RFC 1982 arithmetic).
    pub serial: u32,
    /// How often secondaries look.
    pub refresh: u32,
    /// How soon they look again after a failure.
    pub retry: u32,
    /// When they give up.
    pub expire: u32,
    /// TTL of negative answers, with the SOA's own (RFC 2308 §5).
    pub minimum: u32,
}

/// A field of RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    U8,
    U16,
    U32,
    Name,
    Ipv4,
    Ipv6,
    /// One character string: a length octet and up to 255.
    Text,
    /// One or more character strings, to the end.
    Texts,
    /// Octets of text, to the end, without a length.
    Octets,
    /// Hexadecimal, to the end; may be written in several pieces.
    Hex,
    /// Base64, to the end; may be written in several pieces.
    Base64,
    /// This many octets, written in hexadecimal pairs between hyphens (RFC 7043).
    Eui(usize),
}

/// How a type is written: its fields, their names for people, and an example.
struct Form {
    fields: &'static [Field],
    usage: &'static str,
    example: &'static str,
}

fn fields(rtype: Type) -> Option<Form> {
    use Field::{Base64, Eui, Hex, Ipv4, Ipv6, Name, Octets, Text, Texts, U8, U16, U32};
    let form = |fields, usage, example| Some(Form { fields, usage, example });
    match rtype {
        Type::A => form(&[Ipv4], "ADDRESS", "192.0.2.1"),
        Type::AAAA => form(&[Ipv6], "ADDRESS", "2001:db8::1"),
        Type::NS => form(&[Name], "NAME", "ns1"),
        Type::CNAME => form(&[Name], "NAME", "www"),
        Type::DNAME => form(&[Name], "NAME", "example.net."),
        Type::PTR => form(&[Name], "NAME", "host.example.com."),
        Type::MX => form(&[U16, Name], "PREFERENCE NAME", "10 mail"),
        Type::AFSDB => form(&[U16, Name], "SUBTYPE NAME", "1 afs"),
        Type::KX => form(&[U16, Name], "PREFERENCE NAME", "10 kx"),
        Type::RP => form(&[Name, Name], "MAILBOX TEXT-NAME", "hostmaster ."),
        Type::SOA => form(
            &[Name, Name, U32, U32, U32, U32, U32],
            "MNAME RNAME SERIAL REFRESH RETRY EXPIRE MINIMUM",
            "ns1 hostmaster 1 7200 900 1209600 60",
        ),
        Type::SRV => form(&[U16, U16, U16, Name], "PRIORITY WEIGHT PORT NAME", "0 5 5060 sip"),
        Type::NAPTR => form(
            &[U16, U16, Text, Text, Text, Name],
            "ORDER PREFERENCE FLAGS SERVICES REGEXP NAME",
            "100 10 \"S\" \"SIP+D2U\" \"\" _sip._udp",
        ),
        Type::HINFO => form(&[Text, Text], "CPU OS", "\"amd64\" \"linux\""),
        Type::TXT | Type::SPF => form(&[Texts], "TEXT", "\"v=spf1 -all\""),
        Type::URI => form(&[U16, U16, Octets], "PRIORITY WEIGHT TARGET", "10 1 \"https://www.example.com/\""),
        Type::DS | Type::CDS => {
            form(&[U16, U8, U8, Hex], "KEY-TAG ALGORITHM DIGEST-TYPE HEX", "60485 13 2 d4b7d520e7bb5f0f")
        }
        Type::DNSKEY | Type::CDNSKEY => {
            form(&[U16, U8, U8, Base64], "FLAGS PROTOCOL ALGORITHM BASE64", "257 3 13 mdsswUyr3DPW132m")
        }
        Type::TLSA | Type::SMIMEA => form(&[U8, U8, U8, Hex], "USAGE SELECTOR MATCHING HEX", "3 1 1 d2abde240d7cd3ee"),
        Type::SSHFP => form(&[U8, U8, Hex], "ALGORITHM TYPE HEX", "4 2 123456789abcdef6"),
        Type::OPENPGPKEY => form(&[Base64], "BASE64", "mQENBFVHm5sBCAC6"),
        Type::EUI48 => form(&[Eui(6)], "XX-XX-XX-XX-XX-XX", "00-00-5e-00-53-2a"),
        Type::EUI64 => form(&[Eui(8)], "XX-XX-XX-XX-XX-XX-XX-XX", "00-00-5e-ef-10-00-00-2a"),
        _ => None,
    }
}

/// Reads the presentation text of a record's data; names in it are relative to `origin` unless they end in a dot.
///
/// TXT and SPF (SEMANTICS §6.10): a text that begins with `"` is presentation text, any other is one text as it stands,
/// cut at 255 octets.
pub fn parse(rtype: Type, text: &str, origin: &Name) -> Result<Rdata, RdataError> {
    let text = text.trim();
    let wire = if text.starts_with("\\#") {
        generic(rtype, text)?
    } else if matches!(rtype, Type::TXT | Type::SPF) && !text.starts_with('"') {
        whole_text(text)
    } else if !rtype.is_data() {
        return Err(RdataError::new(format!("{rtype} is asked for, never written in a zone")));
    } else if let Some(form) = fields(rtype) {
        let tokens = cut(text)?;
        encode(rtype, &form, &tokens, origin)?
    } else if let Some((usage, example)) = foreign::usage(rtype) {
        let tokens = cut(text)?;
        foreign::encode(rtype, &tokens, origin).map_err(|e| RdataError {
            help: e.help.or_else(|| Some(format!("{rtype} wants `{usage}`, for example `{example}`"))),
            ..e
        })?
    } else {
        return Err(RdataError {
            message: format!("{rtype} has no text form here"),
            help: Some("write its octets as RFC 3597 has it: `\\# LENGTH HEX`, for example `\\# 2 beef`".to_owned()),
        });
    };
    if wire.len() > usize::from(u16::MAX) {
        return Err(RdataError::new(format!("the data is {} octets long; at most 65535 fit", wire.len())));
    }
    Ok(Rdata { wire: wire.into() })
}

fn cut(text: &str) -> Result<Vec<Token<'_>>, RdataError> {
    text::tokens(text).map_err(|e| RdataError::new(format!("`{}`: {e}", excerpt(text))))
}

fn whole_text(text: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() + text.len() / 255 + 1);
    if text.is_empty() {
        wire.push(0);
    }
    for piece in text.as_bytes().chunks(255) {
        wire.push(piece.len() as u8);
        wire.extend_from_slice(piece);
    }
    wire
}

/// `\# LENGTH HEX` (RFC 3597 §5). Data of a type in the table must have its shape.
fn generic(rtype: Type, text: &str) -> Result<Vec<u8>, RdataError> {
    const HELP: &str = "RFC 3597 data is `\\# LENGTH HEX`, for example `\\# 2 beef`";
    let fail = |message: String| RdataError { message, help: Some(HELP.to_owned()) };
    let tokens = cut(text)?;
    let mut rest = tokens.iter().map(|t| t.text);
    let length = match (rest.next(), rest.next()) {
        (Some("\\#"), Some(length)) => {
            length.parse::<u16>().map_err(|_| fail(format!("`{}` is not a length from 0 to 65535", excerpt(length))))?
        }
        _ => return Err(fail(format!("`{}` lacks a length", excerpt(text)))),
    };
    let hex: String = rest.collect();
    let wire = from_hex(&hex).ok_or_else(|| fail(format!("`{}` is not hexadecimal", excerpt(&hex))))?;
    if wire.len() != usize::from(length) {
        return Err(fail(format!("the length says {length} octets, but {} are written", wire.len())));
    }
    if !is_well_formed(rtype, &wire) {
        return Err(RdataError::new(format!("these {length} octets are not the data of type {rtype}")));
    }
    Ok(wire)
}

/// Whether octets have the shape of a type's data: exact lengths, whole names. Types without a row here always have.
fn is_well_formed(rtype: Type, wire: &[u8]) -> bool {
    let Some(form) = fields(rtype) else { return foreign::is_well_formed(rtype, wire) };
    let mut rest = wire;
    for field in form.fields {
        let length = match field {
            Field::U8 => Some(1),
            Field::U16 => Some(2),
            Field::U32 | Field::Ipv4 => Some(4),
            Field::Ipv6 => Some(16),
            Field::Eui(length) => Some(*length),
            Field::Name => wire_length(rest),
            Field::Text => rest.first().map(|l| usize::from(*l) + 1),
            Field::Hex | Field::Base64 | Field::Octets => Some(rest.len()),
            Field::Texts => {
                let mut at = 0;
                while let Some(length) = rest.get(at) {
                    at += 1 + usize::from(*length);
                }
                (at == rest.len() && at > 0).then_some(at)
            }
        };
        match length.and_then(|l| rest.get(l..)) {
            Some(left) => rest = left,
            None => return false,
        }
    }
    rest.is_empty()
}

fn encode(rtype: Type, form: &Form, tokens: &[Token<'_>], origin: &Name) -> Result<Vec<u8>, RdataError> {
    let shape = || RdataError::new(format!("{rtype} wants `{}`, for example `{}`", form.usage, form.example));
    let mut wire = Vec::with_capacity(32);
    let mut rest = tokens;
    for field in form.fields {
        match field {
            Field::Texts => {
                if rest.is_empty() {
                    return Err(shape());
                }
                for token in std::mem::take(&mut rest) {
                    push_text(&mut wire, token)?;
                }
            }
            Field::Hex => {
                let joined: String = std::mem::take(&mut rest).iter().map(|t| t.text).collect();
                let octets = from_hex(&joined).filter(|o| !o.is_empty());
                wire.extend(octets.ok_or_else(|| not(&joined, "hexadecimal", &shape()))?);
            }
            Field::Base64 => {
                let joined: String = std::mem::take(&mut rest).iter().map(|t| t.text).collect();
                let octets = from_base64(&joined).filter(|o| !o.is_empty());
                wire.extend(octets.ok_or_else(|| not(&joined, "base64", &shape()))?);
            }
            single => {
                let Some((token, left)) = rest.split_first() else { return Err(shape()) };
                rest = left;
                push_field(&mut wire, *single, token, origin, &shape)?;
            }
        }
    }
    if rest.is_empty() { Ok(wire) } else { Err(shape()) }
}

fn push_field(
    wire: &mut Vec<u8>,
    field: Field,
    token: &Token<'_>,
    origin: &Name,
    shape: &impl Fn() -> RdataError,
) -> Result<(), RdataError> {
    let text = token.text;
    let number = |max: u32| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>()
            .ok()
            .filter(|n| digits && *n <= max)
            .ok_or_else(|| not(text, &format!("a number from 0 to {max}"), &shape()))
    };
    match field {
        Field::U8 => wire.push(number(u32::from(u8::MAX))? as u8),
        Field::U16 => wire.extend((number(u32::from(u16::MAX))? as u16).to_be_bytes()),
        Field::U32 => wire.extend(number(u32::MAX)?.to_be_bytes()),
        Field::Name => {
            let name = Name::parse(text, Some(origin)).map_err(|e| RdataError::new(e.to_string()))?;
            wire.extend_from_slice(name.as_wire());
        }
        Field::Ipv4 => {
            let address: Ipv4Addr = text.parse().map_err(|_| wrong_address(text, "IPv4", "AAAA"))?;
            wire.extend(address.octets());
        }
        Field::Ipv6 => {
            let address: Ipv6Addr = text.parse().map_err(|_| wrong_address(text, "IPv6", "A"))?;
            wire.extend(address.octets());
        }
        Field::Text => push_text(wire, token)?,
        Field::Octets => wire.extend(octets_of(token)?),
        Field::Eui(length) => {
            let octets: Option<Vec<u8>> = text
                .split('-')
                .map(|pair| from_hex(pair).and_then(|o| <[u8; 1]>::try_from(o).ok()).map(|[o]| o))
                .collect();
            wire.extend(octets.filter(|o| o.len() == length).ok_or_else(shape)?);
        }
        // Taken to the end by the caller.
        Field::Texts | Field::Hex | Field::Base64 => {}
    }
    Ok(())
}

fn not(text: &str, what: &str, shape: &RdataError) -> RdataError {
    RdataError { message: format!("`{}` is not {what}", excerpt(text)), help: Some(shape.message.clone()) }
}

fn wrong_address(text: &str, wanted: &str, other: &str) -> RdataError {
    let help = match text.parse::<std::net::IpAddr>() {
        Ok(_) => format!("addresses of the other family go under `{other}`"),
        Err(_) => format!("for example `{}`", if wanted == "IPv4" { "192.0.2.1" } else { "2001:db8::1" }),
    };
    RdataError { message: format!("`{}` is not an {wanted} address", excerpt(text)), help: Some(help) }
}

fn octets_of(token: &Token<'_>) -> Result<Vec<u8>, RdataError> {
    token.octets().ok_or_else(|| RdataError {
        message: format!("`{}` has a bad escape", excerpt(token.text)),
        help: Some("write `\\DDD` with three digits from 000 to 255, or `\\` and a character".to_owned()),
    })
}

fn push_text(wire: &mut Vec<u8>, token: &Token<'_>) -> Result<(), RdataError> {
    let octets = octets_of(token)?;
    let length = u8::try_from(octets.len()).map_err(|_| RdataError {
        message: format!("`{}` is {} octets long; at most 255 fit into one string", excerpt(token.text), octets.len()),
        help: Some("cut it into several quoted strings".to_owned()),
    })?;
    wire.push(length);
    wire.extend(octets);
    Ok(())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).map(|d| d as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// RFC 4648 §4, padding required where due.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for octet in body.bytes() {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    (bits & ((1 << held) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests;
