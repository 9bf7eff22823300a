//! Numbers with mnemonics in RDATA, and bitmaps of types.

use super::{RdataError, Token, Type, excerpt, shape};

/// DNSSEC algorithms (RFC 4034 appendix A.1, and the registry).
const ALGORITHMS: [(&str, u8); 15] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Certificate types (RFC 4398 §2.1).
const CERTIFICATES: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

pub(super) fn algorithm(mnemonic: &str) -> Option<u8> {
    ALGORITHMS.iter().find(|row| row.0.eq_ignore_ascii_case(mnemonic)).map(|row| row.1)
}

pub(super) fn certificate(mnemonic: &str) -> Option<u16> {
    CERTIFICATES.iter().find(|row| row.0.eq_ignore_ascii_case(mnemonic)).map(|row| row.1)
}

pub(super) fn certificate_mnemonic(number: u16) -> Option<&'static str> {
    CERTIFICATES.iter().find(|row| row.1 == number).map(|row| row.0)
}

/// Octets that a digest of a known kind must have and those it has, if they differ: other servers and resolvers refuse the
/// message that holds such a DS, CDS (RFC 4509, 6605) or SSHFP (RFC 4255, 6594).
pub(super) fn wrong_digest(rtype: Type, wire: &[u8]) -> Option<(usize, usize)> {
    let (kind, digest) = match rtype {
        Type::DS | Type::CDS => (wire.get(3)?, wire.get(4..)?),
        Type::SSHFP => (wire.get(1)?, wire.get(2..)?),
        _ => return None,
    };
    let wanted = match (rtype, kind) {
        (_, 1) => 20,
        (_, 2) | (Type::DS | Type::CDS, 3) => 32,
        (Type::DS | Type::CDS, 4) => 48,
        _ => return None,
    };
    (digest.len() != wanted).then_some((wanted, digest.len()))
}

/// Types as windows of a bitmap (RFC 4034 §4.1.2): window number, length 1 to 32, bits from the left; rising windows.
pub(super) fn bitmap(rtype: Type, tokens: &[Token<'_>]) -> Result<Vec<u8>, RdataError> {
    let mut types = Vec::with_capacity(tokens.len());
    for token in tokens {
        let listed = Type::parse(token.text).ok_or_else(|| RdataError {
            message: format!("`{}` is not a type", excerpt(token.text)),
            help: Some(shape(rtype).message),
        })?;
        types.push(listed.0);
    }
    types.sort_unstable();
    let mut wire = Vec::new();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; 32];
        let mut length = 0;
        for number in window {
            let [_, low] = number.to_be_bytes();
            let at = usize::from(low / 8);
            if let Some(octet) = bits.get_mut(at) {
                *octet |= 0x80 >> (low % 8);
            }
            length = length.max(at + 1);
        }
        wire.push((window.first().copied().unwrap_or(0) >> 8) as u8);
        wire.push(length as u8);
        wire.extend(bits.iter().take(length));
    }
    Ok(wire)
}

/// The types of a bitmap; `None` when it is not one in its shortest form.
pub(super) fn types_of(wire: &[u8]) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    let mut rest = wire;
    let mut last = None;
    while let [window, length, tail @ ..] = rest {
        let (bits, left) = tail.split_at_checked(usize::from(*length))?;
        if !(1..=32).contains(length) || last.is_some_and(|last| last >= *window) || bits.last() == Some(&0) {
            return None;
        }
        for (at, octet) in bits.iter().enumerate() {
            let set = (0..8u16).filter(|bit| octet & (0x80 >> bit) != 0);
            types.extend(set.map(|bit| Type(u16::from(*window) << 8 | (at as u16) << 3 | bit)));
        }
        last = Some(*window);
        rest = left;
    }
    rest.is_empty().then_some(types)
}
