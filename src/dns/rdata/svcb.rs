//! SVCB and HTTPS (RFC 9460): a priority, a name, and parameters by rising key, none twice.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::show::{base64, escaped, quoted};
use super::{Name, RdataError, Token, Type, excerpt, from_base64, number, octets_of, push_name, shape, wire_length};

pub(super) const USAGE: &str = "PRIORITY NAME [KEY=VALUE …]";

/// The parameters with names (RFC 9460 §14.3.2, RFC 9461, RFC 9540); others are `key123`.
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];
const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;

fn key_number(text: &str) -> Option<u16> {
    if let Some(at) = KEYS.iter().position(|key| *key == text) {
        return Some(at as u16);
    }
    // 65535 is "invalid key", and leading zeros are not written (RFC 9460 §2.1, §14.3.2).
    let digits = text.strip_prefix("key").filter(|digits| *digits == "0" || !digits.starts_with('0'))?;
    number(digits, 65534).map(|n| n as u16)
}

fn key_text(key: u16) -> String {
    KEYS.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

fn fail(rtype: Type, message: String) -> RdataError {
    RdataError { message, help: Some(shape(rtype).message) }
}

pub(super) fn encode(rtype: Type, tokens: &[Token<'_>], origin: &Name) -> Result<Vec<u8>, RdataError> {
    let [priority, target, written @ ..] = tokens else { return Err(shape(rtype)) };
    let priority = number(priority.text, u32::from(u16::MAX))
        .ok_or_else(|| fail(rtype, format!("`{}` is not a priority from 0 to 65535", excerpt(priority.text))))?;
    let mut wire = (priority as u16).to_be_bytes().to_vec();
    push_name(&mut wire, target.text, origin)?;
    let mut params: Vec<(u16, Vec<u8>)> = Vec::with_capacity(written.len());
    for token in written {
        let (key, value) = param(rtype, token)?;
        if params.iter().any(|known| known.0 == key) {
            return Err(fail(rtype, format!("parameter `{}` stands twice", key_text(key))));
        }
        params.push((key, value));
    }
    params.sort();
    if let Some(missing) = inconsistent(&params) {
        return Err(fail(rtype, missing));
    }
    for (key, value) in params {
        wire.extend(key.to_be_bytes());
        let length = u16::try_from(value.len()).map_err(|_| fail(rtype, "a parameter is too long".to_owned()))?;
        wire.extend(length.to_be_bytes());
        wire.extend(value);
    }
    Ok(wire)
}

/// What a record promises and does not hold (RFC 9460 §7.1.1, §8).
fn inconsistent(params: &[(u16, Vec<u8>)]) -> Option<String> {
    let given = |key: u16| params.iter().find(|param| param.0 == key).map(|param| &param.1);
    if given(NO_DEFAULT_ALPN).is_some() && given(ALPN).is_none() {
        return Some("`no-default-alpn` without `alpn` leaves no protocol".to_owned());
    }
    let mandatory = given(MANDATORY).map(|value| numbers(value)).unwrap_or_default();
    let missing = mandatory.into_iter().find(|key| given(*key).is_none())?;
    Some(format!("`mandatory` names `{}`, which is not given", key_text(missing)))
}

fn numbers(value: &[u8]) -> Vec<u16> {
    value.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

fn param(rtype: Type, token: &Token<'_>) -> Result<(u16, Vec<u8>), RdataError> {
    let (word, value) = token.text.split_once('=').map_or((token.text, None), |(word, value)| (word, Some(value)));
    let Some(key) = key_number(word) else {
        let message = format!("`{}` is not a parameter", excerpt(word));
        let help = format!("{}, or `key123=…` for any other", KEYS.map(|key| format!("`{key}`")).join(", "));
        return Err(RdataError { message, help: Some(help) });
    };
    let inner = value.map(|v| v.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(v));
    let octets = octets_of(&Token { text: inner.unwrap_or_default(), quoted: true })?;
    if word.starts_with("key") {
        return if is_value(key, &octets) {
            Ok((key, octets))
        } else {
            Err(fail(rtype, format!("`{}` is not the value of `{}`", excerpt(token.text), key_text(key))))
        };
    }
    let wrong = |what: &str| fail(rtype, format!("`{}`: {what}", excerpt(token.text)));
    let has_value = !matches!(KEYS.get(usize::from(key)), Some(&("no-default-alpn" | "ohttp")));
    if has_value == octets.is_empty() {
        return Err(wrong(if has_value { "its value is missing" } else { "it has no value" }));
    }
    let words = || -> Result<Vec<Vec<u8>>, RdataError> {
        list(&octets).ok_or_else(|| wrong("values stand between commas, none empty; a comma in one is `\\\\,`"))
    };
    let texts = || -> Result<Vec<String>, RdataError> {
        words()?.into_iter().map(|w| String::from_utf8(w).map_err(|_| wrong("not text"))).collect()
    };
    let mut out = Vec::new();
    match KEYS.get(usize::from(key)).copied().unwrap_or_default() {
        "mandatory" => {
            let mut keys = Vec::new();
            for word in texts()? {
                let listed = key_number(&word).filter(|key| *key != MANDATORY && !keys.contains(key));
                keys.push(listed.ok_or_else(|| wrong("each is a parameter, once, and not `mandatory`"))?);
            }
            keys.sort_unstable();
            out.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        }
        "alpn" => {
            for word in words()? {
                out.push(u8::try_from(word.len()).map_err(|_| wrong("a protocol has at most 255 octets"))?);
                out.extend(word);
            }
        }
        "port" => {
            let text = String::from_utf8_lossy(&octets);
            let port = number(&text, u32::from(u16::MAX)).ok_or_else(|| wrong("a port is a number from 0 to 65535"))?;
            out.extend((port as u16).to_be_bytes());
        }
        "ipv4hint" => {
            for word in texts()? {
                let address: Ipv4Addr = word.parse().map_err(|_| wrong("IPv4 addresses, between commas"))?;
                out.extend(address.octets());
            }
        }
        "ipv6hint" => {
            for word in texts()? {
                let address: Ipv6Addr = word.parse().map_err(|_| wrong("IPv6 addresses, between commas"))?;
                out.extend(address.octets());
            }
        }
        "ech" => out = from_base64(&String::from_utf8_lossy(&octets)).ok_or_else(|| wrong("its value is base64"))?,
        "dohpath" if !is_value(key, &octets) => return Err(wrong("a path like `/dns-query{?dns}`")),
        _ => out = octets,
    }
    Ok((key, out))
}

/// Values between commas (RFC 9460 appendix A.1): `\,` and `\\` stand for themselves; none is empty.
fn list(octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut out = vec![Vec::new()];
    let mut rest = octets.iter();
    while let Some(octet) = rest.next() {
        match octet {
            b',' => out.push(Vec::new()),
            b'\\' => out.last_mut()?.push(*rest.next().filter(|o| matches!(o, b',' | b'\\'))?),
            other => out.last_mut()?.push(*other),
        }
    }
    out.iter().all(|value| !value.is_empty()).then_some(out)
}

/// Whether octets are the value of a parameter.
fn is_value(key: u16, value: &[u8]) -> bool {
    let length = value.len();
    match KEYS.get(usize::from(key)).copied() {
        Some("mandatory") => {
            let keys = numbers(value);
            length > 0 && length.is_multiple_of(2) && keys.is_sorted_by(|a, b| a < b) && !keys.contains(&MANDATORY)
        }
        Some("alpn") => protocols(value).is_some_and(|list| !list.is_empty()),
        Some("no-default-alpn" | "ohttp") => length == 0,
        Some("port") => length == 2,
        Some("ipv4hint") => length > 0 && length.is_multiple_of(4),
        Some("ipv6hint") => length > 0 && length.is_multiple_of(16),
        Some("ech") => length > 0,
        Some("dohpath") => value.first() == Some(&b'/') && std::str::from_utf8(value).is_ok(),
        _ => true,
    }
}

fn protocols(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = value;
    let mut out = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let (protocol, left) = tail.split_at_checked(usize::from(*length)).filter(|(p, _)| !p.is_empty())?;
        out.push(protocol);
        rest = left;
    }
    Some(out)
}

type Params<'w> = Vec<(u16, &'w [u8])>;

/// Priority, name and parameters; `None` when the octets are not that.
fn read(wire: &[u8]) -> Option<(u16, Name, Params<'_>)> {
    let (priority, rest) = wire.split_first_chunk::<2>()?;
    let (name, mut rest) = rest.split_at_checked(wire_length(rest)?)?;
    let mut params: Params<'_> = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let [k0, k1, l0, l1] = *head;
        let key = u16::from_be_bytes([k0, k1]);
        let (value, left) = tail.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        if params.last().is_some_and(|last| last.0 >= key) || key == u16::MAX || !is_value(key, value) {
            return None;
        }
        params.push((key, value));
        rest = left;
    }
    let owned: Vec<_> = params.iter().map(|(key, value)| (*key, value.to_vec())).collect();
    let whole = rest.is_empty() && inconsistent(&owned).is_none();
    whole.then_some((u16::from_be_bytes(*priority), Name::from_wire(name)?, params))
}

pub(super) fn is_well_formed(wire: &[u8]) -> bool {
    read(wire).is_some()
}

pub(super) fn show(wire: &[u8]) -> Option<String> {
    let (priority, name, params) = read(wire)?;
    let mut out = format!("{priority} {name}");
    for (key, value) in params {
        // Writing to a string cannot fail.
        let _ = write!(out, " {}", key_text(key));
        let text = match KEYS.get(usize::from(key)).copied() {
            Some("no-default-alpn" | "ohttp") => continue,
            Some("mandatory") => comma(numbers(value).into_iter().map(key_text)),
            Some("alpn") => quoted(&protocols(value)?.into_iter().map(item).collect::<Vec<_>>().join(&b',')),
            Some("port") => comma(numbers(value)),
            Some("ipv4hint") => comma(value.as_chunks::<4>().0.iter().map(|a| Ipv4Addr::from(*a))),
            Some("ipv6hint") => comma(value.as_chunks::<16>().0.iter().map(|a| Ipv6Addr::from(*a))),
            Some("ech") => base64(value),
            _ if value.is_empty() => continue,
            _ => format!("\"{}\"", escaped(value)),
        };
        let _ = write!(out, "={text}");
    }
    Some(out)
}

/// A protocol as an item of a list.
fn item(protocol: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(protocol.len());
    for octet in protocol {
        if matches!(octet, b',' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out
}

fn comma(values: impl IntoIterator<Item: ToString>) -> String {
    values.into_iter().map(|v| v.to_string()).collect::<Vec<_>>().join(",")
}
