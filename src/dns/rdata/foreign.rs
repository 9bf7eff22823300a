//! The types whose text hickory-proto reads: SVCB and HTTPS (RFC 9460), CAA (RFC 8659), CERT (RFC 4398), CSYNC (RFC 7477).
//!
//! hickory gets absolute names only (`.` in place of the target, which is put in afterwards), ASCII only, and is not
//! trusted not to panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, Restrict};

use super::{Name, RdataError, Token, Type, excerpt};

/// How a type is written, and an example.
pub(super) fn usage(rtype: Type) -> Option<(&'static str, &'static str)> {
    match rtype {
        Type::SVCB => Some(("PRIORITY NAME [KEY=VALUE …]", "1 . alpn=h2 port=8443")),
        Type::HTTPS => Some(("PRIORITY NAME [KEY=VALUE …]", "1 . alpn=h2,h3")),
        Type::CAA => Some(("FLAGS TAG VALUE", "0 issue \"ca.example.net\"")),
        Type::CERT => Some(("TYPE KEY-TAG ALGORITHM BASE64", "1 0 0 MIIBIjANBgkq")),
        Type::CSYNC => Some(("SERIAL FLAGS TYPE…", "66 3 A NS AAAA")),
        _ => None,
    }
}

pub(super) fn encode(rtype: Type, tokens: &[Token<'_>], origin: &Name) -> Result<Vec<u8>, RdataError> {
    if let Some(token) = tokens.iter().find(|t| !t.text.is_ascii()) {
        return Err(RdataError::new(format!(
            "`{}` has characters beyond ASCII; write their octets as `\\DDD`",
            excerpt(token.text)
        )));
    }
    match rtype {
        Type::SVCB | Type::HTTPS => service_binding(rtype, tokens, origin),
        _ => {
            let text = tokens.iter().map(written).collect::<Vec<_>>().join(" ");
            let wire = through_hickory(rtype, &text)?;
            // It writes what it would not read: a CAA record without a tag, for one.
            if is_well_formed(rtype, &wire) {
                Ok(wire)
            } else {
                Err(RdataError::new(format!("`{}` does not read as {rtype}", excerpt(&text))))
            }
        }
    }
}

/// A token as it was written.
fn written(token: &Token<'_>) -> String {
    if token.quoted { format!("\"{}\"", token.text) } else { token.text.to_owned() }
}

/// `SvcPriority`, `TargetName`, `SvcParams` in rising order of their keys, none twice (RFC 9460 §2.2).
fn service_binding(rtype: Type, tokens: &[Token<'_>], origin: &Name) -> Result<Vec<u8>, RdataError> {
    let [priority, target, params @ ..] = tokens else {
        return Err(RdataError::new(format!("{rtype} lacks a priority or a name")));
    };
    let name = match target.text {
        "." => Name::root(),
        text => Name::parse(text, Some(origin)).map_err(|e| RdataError::new(e.to_string()))?,
    };
    let mut out = match priority.text.parse::<u16>() {
        Ok(number) => number.to_be_bytes().to_vec(),
        Err(_) => {
            return Err(RdataError::new(format!("`{}` is not a priority from 0 to 65535", excerpt(priority.text))));
        }
    };
    let mut pairs: Vec<(u16, Vec<u8>)> = Vec::new();
    for param in params {
        pairs.push(service_param(rtype, param)?);
    }
    pairs.sort();
    if let Some(pair) = pairs.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
        let key = pair.first().map_or(0, |p| p.0);
        return Err(RdataError::new(format!("the parameter with key {key} stands twice")));
    }
    if let Some((_, mandatory)) = pairs.first().filter(|p| p.0 == 0) {
        let mut keys = mandatory.chunks(2).map(|k| k.iter().fold(0u16, |n, o| n << 8 | u16::from(*o)));
        if let Some(missing) = keys.find(|k| *k == 0 || !pairs.iter().any(|p| p.0 == *k)) {
            return Err(RdataError::new(format!("`mandatory` names key {missing}, which is not given")));
        }
    }
    out.extend_from_slice(name.as_wire());
    for (key, value) in pairs {
        out.extend(key.to_be_bytes());
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
    }
    Ok(out)
}

/// One parameter as key and value: generic ones (`key667=…`) here, named ones by hickory.
fn service_param(rtype: Type, param: &Token<'_>) -> Result<(u16, Vec<u8>), RdataError> {
    let (key, value) = param.text.split_once('=').map_or((param.text, None), |(k, v)| (k, Some(v)));
    let bad = || RdataError::new(format!("`{}` is not a service parameter", excerpt(param.text)));
    if let Some(number) = key.strip_prefix("key").and_then(|n| n.parse::<u16>().ok()) {
        let inner = value.unwrap_or_default();
        let inner = inner.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(inner);
        let octets = Token { text: inner, quoted: true }.octets().ok_or_else(bad)?;
        return Ok((number, octets));
    }
    if value.is_some_and(|v| v.trim_matches('"').is_empty()) {
        return Err(RdataError::new(format!("`{}` lacks its value", excerpt(param.text))));
    }
    let wire = through_hickory(rtype, &format!("1 . {}", param.text))?;
    // Priority and the root, then one parameter: key, length, value.
    match wire.get(3..) {
        Some([k0, k1, _, _, value @ ..]) => {
            let mut value = value.to_vec();
            let key = u16::from_be_bytes([*k0, *k1]);
            if key == 0 {
                sort_pairs(&mut value);
            }
            Ok((key, value))
        }
        _ => Err(bad()),
    }
}

/// Sorts the 16-bit numbers of a `mandatory` value (RFC 9460 §8).
fn sort_pairs(value: &mut Vec<u8>) {
    let mut keys: Vec<[u8; 2]> = value.chunks_exact(2).filter_map(|c| c.try_into().ok()).collect();
    keys.sort_unstable();
    *value = keys.concat();
}

fn through_hickory(rtype: Type, text: &str) -> Result<Vec<u8>, RdataError> {
    let read = || -> Result<Vec<u8>, String> {
        let data = RData::try_from_str(RecordType::from(rtype.0), text).map_err(|e| e.to_string())?;
        data.to_bytes().map_err(|e| e.to_string())
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(why)) => {
            Err(RdataError::new(format!("`{}` does not read as {rtype}: {}", excerpt(text), excerpt(&why))))
        }
        Err(_) => Err(RdataError::new(format!("`{}` does not read as {rtype}", excerpt(text)))),
    }
}

/// Whether hickory reads the octets as data of the type; types it does not know always are.
pub(super) fn is_well_formed(rtype: Type, wire: &[u8]) -> bool {
    if usage(rtype).is_none() {
        return true;
    }
    let length = wire.len() as u16;
    catch_unwind(AssertUnwindSafe(|| {
        RData::read(&mut BinDecoder::new(wire), RecordType::from(rtype.0), Restrict::new(length)).is_ok()
    }))
    .unwrap_or(false)
}
