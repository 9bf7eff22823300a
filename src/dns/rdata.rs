//! RDATA: presentation text → wire form, type by type, and back.
//!
//! Types whose fields are numbers, names, addresses, strings and octets are rows of one table (`form`), which reading,
//! checking and showing share. SVCB and HTTPS (`svcb`) and LOC (`loc`) have grammars of their own. `\# LENGTH HEX`
//! (RFC 3597 §5) works for every type. Written here and not taken from hickory-proto, because messages are for operators,
//! names are relative to a zone, and escapes must mean the same everywhere; hickory stays as oracle in the tests.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::{Name, wire_length};
use super::text::{self, Token, excerpt};
use super::types::Type;

mod codes;
mod loc;
mod show;
mod svcb;

pub use show::show;

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

/// The name that a record with this RDATA points to: of NS, CNAME, DNAME, PTR, MX, SRV, AFSDB and KX.
pub fn target(rtype: Type, rdata: &[u8]) -> Option<Name> {
    let skip = match rtype {
        Type::NS | Type::CNAME | Type::DNAME | Type::PTR => 0,
        Type::MX | Type::AFSDB | Type::KX => 2,
        Type::SRV => 6,
        _ => return None,
    };
    Name::from_wire(rdata.get(skip..)?)
}

impl Rdata {
    /// The name this record points to, as [`target`] has it.
    pub fn target(&self, rtype: Type) -> Option<Name> {
        target(rtype, &self.wire)
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
    /// Seconds in 32 bits, written as a number or with units, as in `1h` (what other servers' files have in an SOA).
    Time,
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
    /// A DNSSEC algorithm: an octet, or its mnemonic (RFC 4034 §2.2).
    Algorithm,
    /// The type of a certificate: 16 bits, or its mnemonic (RFC 4398 §2.1).
    Certificate,
    /// A property of CAA: a length octet and that many letters and digits (RFC 8659 §4.1).
    Tag,
    /// Types, as a bitmap (RFC 4034 §4.1.2), to the end.
    Types,
}

/// How a type is written: its fields, their names for people, and an example.
struct Form {
    fields: &'static [Field],
    usage: &'static str,
    example: &'static str,
}

fn form(rtype: Type) -> Option<Form> {
    use Field::{
        Algorithm, Base64, Certificate, Eui, Hex, Ipv4, Ipv6, Name, Octets, Tag, Text, Texts, Time, Types, U8, U16, U32,
    };
    let row = |fields, usage, example| Some(Form { fields, usage, example });
    match rtype {
        Type::A => row(&[Ipv4], "ADDRESS", "192.0.2.1"),
        Type::AAAA => row(&[Ipv6], "ADDRESS", "2001:db8::1"),
        Type::NS => row(&[Name], "NAME", "ns1"),
        Type::CNAME => row(&[Name], "NAME", "www"),
        Type::DNAME => row(&[Name], "NAME", "example.net."),
        Type::PTR => row(&[Name], "NAME", "host.example.com."),
        Type::MX => row(&[U16, Name], "PREFERENCE NAME", "10 mail"),
        Type::AFSDB => row(&[U16, Name], "SUBTYPE NAME", "1 afs"),
        Type::KX => row(&[U16, Name], "PREFERENCE NAME", "10 kx"),
        Type::RP => row(&[Name, Name], "MAILBOX TEXT-NAME", "hostmaster ."),
        Type::SOA => row(
            &[Name, Name, U32, Time, Time, Time, Time],
            "MNAME RNAME SERIAL REFRESH RETRY EXPIRE MINIMUM",
            "ns1 hostmaster 1 7200 900 1209600 60",
        ),
        Type::SRV => row(&[U16, U16, U16, Name], "PRIORITY WEIGHT PORT NAME", "0 5 5060 sip"),
        Type::NAPTR => row(
            &[U16, U16, Text, Text, Text, Name],
            "ORDER PREFERENCE FLAGS SERVICES REGEXP NAME",
            "100 10 \"S\" \"SIP+D2U\" \"\" _sip._udp",
        ),
        Type::HINFO => row(&[Text, Text], "CPU OS", "\"amd64\" \"linux\""),
        Type::TXT | Type::SPF => row(&[Texts], "TEXT", "\"v=spf1 -all\""),
        Type::URI => row(&[U16, U16, Octets], "PRIORITY WEIGHT TARGET", "10 1 \"https://www.example.com/\""),
        Type::DS | Type::CDS => row(
            &[U16, Algorithm, U8, Hex],
            "KEY-TAG ALGORITHM DIGEST-TYPE HEX",
            "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118",
        ),
        Type::DNSKEY | Type::CDNSKEY => {
            row(&[U16, U8, Algorithm, Base64], "FLAGS PROTOCOL ALGORITHM BASE64", "257 3 13 mdsswUyr3DPW132m")
        }
        Type::TLSA | Type::SMIMEA => row(&[U8, U8, U8, Hex], "USAGE SELECTOR MATCHING HEX", "3 1 1 d2abde240d7cd3ee"),
        Type::SSHFP => row(&[U8, U8, Hex], "ALGORITHM TYPE HEX", "1 1 123456789abcdef67890123456789abcdef67890"),
        Type::OPENPGPKEY => row(&[Base64], "BASE64", "mQENBFVHm5sBCAC6"),
        Type::EUI48 => row(&[Eui(6)], "XX-XX-XX-XX-XX-XX", "00-00-5e-00-53-2a"),
        Type::EUI64 => row(&[Eui(8)], "XX-XX-XX-XX-XX-XX-XX-XX", "00-00-5e-ef-10-00-00-2a"),
        Type::CAA => row(&[U8, Tag, Octets], "FLAGS TAG VALUE", "0 issue \"ca.example.net\""),
        Type::CERT => {
            row(&[Certificate, U16, Algorithm, Base64], "TYPE KEY-TAG ALGORITHM BASE64", "PKIX 0 0 MIIBIjANBgkq")
        }
        Type::CSYNC => row(&[U32, U16, Types], "SERIAL FLAGS TYPE…", "66 3 A NS AAAA"),
        Type::ZONEMD => row(&[U32, U8, U8, Hex], "SERIAL SCHEME HASH HEX", "2018031900 1 1 c68090d90a7aed71"),
        _ => None,
    }
}

/// How a type is written, and an example: rows of the table, and the types with a grammar of their own.
fn usage(rtype: Type) -> Option<(&'static str, &'static str)> {
    match rtype {
        Type::SVCB => Some((svcb::USAGE, "1 . alpn=h2 port=8443")),
        Type::HTTPS => Some((svcb::USAGE, "1 . alpn=h2,h3")),
        Type::LOC => Some((loc::USAGE, "52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m")),
        _ => form(rtype).map(|form| (form.usage, form.example)),
    }
}

/// What a type wants, for the error that what is written has not its shape.
fn shape(rtype: Type) -> RdataError {
    match usage(rtype) {
        Some((usage, example)) => RdataError::new(format!("{rtype} wants `{usage}`, for example `{example}`")),
        None => RdataError {
            message: format!("{rtype} has no text form here"),
            help: Some("write its octets as RFC 3597 has it: `\\# LENGTH HEX`, for example `\\# 2 beef`".to_owned()),
        },
    }
}

/// Reads the presentation text of a record's data; names in it are relative to `origin` unless they end in a dot.
///
/// TXT and SPF (SEMANTICS §6.10): a text that begins with `"` is presentation text, any other is one text as it stands,
/// cut at 255 octets.
pub fn parse(rtype: Type, text: &str, origin: &Name) -> Result<Rdata, RdataError> {
    let text = text.trim();
    if matches!(rtype, Type::TXT | Type::SPF) && !text.starts_with('"') && !text.starts_with("\\#") {
        return whole(whole_text(text));
    }
    parse_tokens(rtype, &cut(text)?, origin)
}

/// The same from text that is cut into tokens, as a master file has it (RFC 1035 §5.1): TXT is nothing special here.
pub fn parse_tokens(rtype: Type, tokens: &[Token<'_>], origin: &Name) -> Result<Rdata, RdataError> {
    if !rtype.is_data() {
        return Err(RdataError::new(format!("{rtype} is asked for, never written in a zone")));
    }
    if let Some((Token { text: "\\#", quoted: false }, rest)) = tokens.split_first() {
        return whole(generic(rtype, rest)?);
    }
    match rtype {
        Type::SVCB | Type::HTTPS => whole(svcb::encode(rtype, tokens, origin)?),
        Type::LOC => whole(loc::encode(tokens)?),
        _ => {
            let form = form(rtype).ok_or_else(|| shape(rtype))?;
            let wire = encode(rtype, &form, tokens, origin)?;
            match codes::wrong_digest(rtype, &wire) {
                Some((wanted, got)) => Err(RdataError {
                    message: format!("a digest of this type has {wanted} octets, not {got}"),
                    help: Some("resolvers refuse the whole answer otherwise: copy the digest whole".to_owned()),
                }),
                None => whole(wire),
            }
        }
    }
}

fn whole(wire: Vec<u8>) -> Result<Rdata, RdataError> {
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

/// `\# LENGTH HEX` (RFC 3597 §5), its first token taken. Data of a type with a text form must have its shape.
fn generic(rtype: Type, tokens: &[Token<'_>]) -> Result<Vec<u8>, RdataError> {
    const HELP: &str = "RFC 3597 data is `\\# LENGTH HEX`, for example `\\# 2 beef`";
    let fail = |message: String| RdataError { message, help: Some(HELP.to_owned()) };
    let Some((length, rest)) = tokens.split_first() else { return Err(fail("`\\#` lacks a length".to_owned())) };
    let length = number(length.text, u32::from(u16::MAX))
        .ok_or_else(|| fail(format!("`{}` is not a length from 0 to 65535", excerpt(length.text))))?;
    let hex = joined(rest);
    let wire = from_hex(&hex).ok_or_else(|| fail(format!("`{}` is not hexadecimal", excerpt(&hex))))?;
    if wire.len() != length as usize {
        return Err(fail(format!("the length says {length} octets, but {} are written", wire.len())));
    }
    if !is_well_formed(rtype, &wire) {
        return Err(RdataError::new(format!("these {length} octets are not the data of type {rtype}")));
    }
    Ok(wire)
}

fn joined(tokens: &[Token<'_>]) -> String {
    tokens.iter().map(|t| t.text).collect()
}

/// A number in decimal digits, at most `max`.
fn number(text: &str, max: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && *n <= max)
}

/// Whether octets have the shape of a type's data: exact lengths, whole names. Types without a text form always have.
pub fn is_well_formed(rtype: Type, wire: &[u8]) -> bool {
    match rtype {
        Type::SVCB | Type::HTTPS => svcb::is_well_formed(wire),
        Type::LOC => loc::is_well_formed(wire),
        _ => form(rtype).is_none_or(|form| split(&form, wire).is_some() && codes::wrong_digest(rtype, wire).is_none()),
    }
}

/// The octets of each field; `None` when they are not of this form.
fn split<'w>(form: &Form, wire: &'w [u8]) -> Option<Vec<(Field, &'w [u8])>> {
    let mut rest = wire;
    let mut out = Vec::with_capacity(form.fields.len());
    for field in form.fields {
        let length = match field {
            Field::U8 | Field::Algorithm => 1,
            Field::U16 | Field::Certificate => 2,
            Field::U32 | Field::Time | Field::Ipv4 => 4,
            Field::Ipv6 => 16,
            Field::Eui(length) => *length,
            Field::Name => wire_length(rest)?,
            Field::Text => usize::from(*rest.first()?) + 1,
            Field::Tag => {
                let length = usize::from(*rest.first()?) + 1;
                let tag = rest.get(1..length)?;
                (!tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric)).then_some(length)?
            }
            Field::Octets => rest.len(),
            Field::Hex | Field::Base64 => (!rest.is_empty()).then_some(rest.len())?,
            Field::Types => codes::types_of(rest).map(|_| rest.len())?,
            Field::Texts => {
                let mut at = 0;
                while let Some(length) = rest.get(at) {
                    at += 1 + usize::from(*length);
                }
                (at == rest.len() && at > 0).then_some(at)?
            }
        };
        let (value, left) = rest.split_at_checked(length)?;
        out.push((*field, value));
        rest = left;
    }
    rest.is_empty().then_some(out)
}

fn encode(rtype: Type, form: &Form, tokens: &[Token<'_>], origin: &Name) -> Result<Vec<u8>, RdataError> {
    let mut wire = Vec::with_capacity(32);
    let mut rest = tokens;
    for field in form.fields {
        match field {
            Field::Texts => {
                if rest.is_empty() {
                    return Err(shape(rtype));
                }
                for token in std::mem::take(&mut rest) {
                    push_text(&mut wire, token)?;
                }
            }
            Field::Hex => {
                let joined = joined(std::mem::take(&mut rest));
                let octets = from_hex(&joined).filter(|o| !o.is_empty());
                wire.extend(octets.ok_or_else(|| not(&joined, "hexadecimal", rtype))?);
            }
            Field::Base64 => {
                let joined = joined(std::mem::take(&mut rest));
                let octets = from_base64(&joined).filter(|o| !o.is_empty());
                wire.extend(octets.ok_or_else(|| not(&joined, "base64", rtype))?);
            }
            Field::Types => wire.extend(codes::bitmap(rtype, std::mem::take(&mut rest))?),
            single => {
                let Some((token, left)) = rest.split_first() else { return Err(shape(rtype)) };
                rest = left;
                push_field(&mut wire, *single, token, origin, rtype)?;
            }
        }
    }
    if rest.is_empty() { Ok(wire) } else { Err(shape(rtype)) }
}

fn push_field(
    wire: &mut Vec<u8>,
    field: Field,
    token: &Token<'_>,
    origin: &Name,
    rtype: Type,
) -> Result<(), RdataError> {
    let written = token.text;
    let up_to =
        |max: u32| number(written, max).ok_or_else(|| not(written, &format!("a number from 0 to {max}"), rtype));
    match field {
        Field::U8 => wire.push(up_to(u32::from(u8::MAX))? as u8),
        Field::U16 => wire.extend((up_to(u32::from(u16::MAX))? as u16).to_be_bytes()),
        Field::U32 => wire.extend(up_to(u32::MAX)?.to_be_bytes()),
        Field::Time => {
            let seconds = text::seconds(token.text);
            wire.extend(seconds.ok_or_else(|| not(token.text, "a time like `7200` or `2h`", rtype))?.to_be_bytes());
        }
        Field::Algorithm => match codes::algorithm(written) {
            Some(number) => wire.push(number),
            None => wire.push(up_to(u32::from(u8::MAX))? as u8),
        },
        Field::Certificate => match codes::certificate(written) {
            Some(number) => wire.extend(number.to_be_bytes()),
            None => wire.extend((up_to(u32::from(u16::MAX))? as u16).to_be_bytes()),
        },
        Field::Name => push_name(wire, written, origin)?,
        Field::Ipv4 => {
            let address: Ipv4Addr = written.parse().map_err(|_| wrong_address(written, "IPv4", "AAAA"))?;
            wire.extend(address.octets());
        }
        Field::Ipv6 => {
            let address: Ipv6Addr = written.parse().map_err(|_| wrong_address(written, "IPv6", "A"))?;
            wire.extend(address.octets());
        }
        Field::Text => push_text(wire, token)?,
        Field::Tag => {
            let good = (1..=255).contains(&written.len()) && written.bytes().all(|b| b.is_ascii_alphanumeric());
            if !good {
                return Err(not(written, "a property like `issue`, `issuewild` or `iodef`", rtype));
            }
            wire.push(written.len() as u8);
            wire.extend(written.bytes());
        }
        Field::Octets => wire.extend(octets_of(token)?),
        Field::Eui(length) => {
            let octets: Option<Vec<u8>> = written
                .split('-')
                .map(|pair| from_hex(pair).and_then(|o| <[u8; 1]>::try_from(o).ok()).map(|[o]| o))
                .collect();
            wire.extend(octets.filter(|o| o.len() == length).ok_or_else(|| shape(rtype))?);
        }
        // Taken to the end by the caller.
        Field::Texts | Field::Hex | Field::Base64 | Field::Types => {}
    }
    Ok(())
}

fn push_name(wire: &mut Vec<u8>, text: &str, origin: &Name) -> Result<(), RdataError> {
    let name = Name::parse(text, Some(origin)).map_err(|e| RdataError::new(e.to_string()))?;
    wire.extend_from_slice(name.as_wire());
    Ok(())
}

fn not(text: &str, what: &str, rtype: Type) -> RdataError {
    RdataError { message: format!("`{}` is not {what}", excerpt(text)), help: Some(shape(rtype).message) }
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
