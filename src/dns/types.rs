//! Record types, classes, opcodes and response codes, with their names.

use std::fmt;

/// A record type (RFC 1035 §3.2.2 and the IANA registry). Unassigned ones are `TYPE123` (RFC 3597 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub u16);

macro_rules! types {
    ($($name:ident $value:literal $text:literal,)*) => {
        #[expect(missing_docs, reason = "the registry's mnemonics, by the registry's numbers")]
        impl Type {
            $(pub const $name: Self = Self($value);)*

            /// The registry's mnemonic, if this table has it.
            pub fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }

            /// Reads a mnemonic or `TYPE123`, letters of any case.
            pub fn parse(text: &str) -> Option<Self> {
                const TABLE: &[(&str, u16)] = &[$(($text, $value)),*];
                if let Some(row) = TABLE.iter().find(|row| row.0.eq_ignore_ascii_case(text)) {
                    return Some(Self(row.1));
                }
                let digits = text.get(4..).filter(|_| text.get(..4).is_some_and(|t| t.eq_ignore_ascii_case("TYPE")))?;
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                digits.parse().ok().map(Self)
            }

            /// Every mnemonic of this table, for "did you mean".
            pub fn mnemonics() -> impl Iterator<Item = &'static str> {
                [$($text),*].into_iter()
            }
        }
    };
}

types! {
    A 1 "A", NS 2 "NS", CNAME 5 "CNAME", SOA 6 "SOA", PTR 12 "PTR", HINFO 13 "HINFO", MX 15 "MX", TXT 16 "TXT",
    RP 17 "RP", AFSDB 18 "AFSDB", SIG 24 "SIG", KEY 25 "KEY", AAAA 28 "AAAA", LOC 29 "LOC", SRV 33 "SRV",
    NAPTR 35 "NAPTR", KX 36 "KX", CERT 37 "CERT", DNAME 39 "DNAME", OPT 41 "OPT", APL 42 "APL", DS 43 "DS",
    SSHFP 44 "SSHFP", RRSIG 46 "RRSIG", NSEC 47 "NSEC", DNSKEY 48 "DNSKEY", NSEC3 50 "NSEC3",
    NSEC3PARAM 51 "NSEC3PARAM", TLSA 52 "TLSA", SMIMEA 53 "SMIMEA", CDS 59 "CDS", CDNSKEY 60 "CDNSKEY",
    OPENPGPKEY 61 "OPENPGPKEY", CSYNC 62 "CSYNC", ZONEMD 63 "ZONEMD", SVCB 64 "SVCB", HTTPS 65 "HTTPS", SPF 99 "SPF",
    EUI48 108 "EUI48", EUI64 109 "EUI64", NXNAME 128 "NXNAME", TKEY 249 "TKEY", TSIG 250 "TSIG", IXFR 251 "IXFR",
    AXFR 252 "AXFR", MAILB 253 "MAILB", MAILA 254 "MAILA", ANY 255 "ANY", URI 256 "URI", CAA 257 "CAA",
}

impl Type {
    /// Whether records of this type can stand in a zone: not 0, OPT, or a question-only type (RFC 6895 §3.1).
    pub fn is_data(self) -> bool {
        self.0 != 0 && self != Self::OPT && !(128..=255).contains(&self.0)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(text) => f.write_str(text),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

/// A class (RFC 1035 §3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet.
    pub const IN: Self = Self(1);
    /// CHAOS, where servers tell about themselves.
    pub const CH: Self = Self(3);
    /// Any class.
    pub const ANY: Self = Self(255);
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("IN"),
            3 => f.write_str("CH"),
            254 => f.write_str("NONE"),
            255 => f.write_str("ANY"),
            other => write!(f, "CLASS{other}"),
        }
    }
}

/// The kind of a request, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A standard query.
    pub const QUERY: Self = Self(0);
    /// RFC 1996.
    pub const NOTIFY: Self = Self(4);
    /// RFC 2136.
    pub const UPDATE: Self = Self(5);
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("QUERY"),
            1 => f.write_str("IQUERY"),
            2 => f.write_str("STATUS"),
            4 => f.write_str("NOTIFY"),
            5 => f.write_str("UPDATE"),
            6 => f.write_str("DSO"),
            other => write!(f, "OPCODE{other}"),
        }
    }
}

/// A response code, extended bits included (RFC 6891 §6.1.3): 0 to 4095.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rcode(pub u16);

macro_rules! rcodes {
    ($($name:ident $value:literal,)*) => {
        #[expect(missing_docs, reason = "the registry's mnemonics, by the registry's numbers")]
        impl Rcode {
            $(pub const $name: Self = Self($value);)*
        }

        impl fmt::Display for Rcode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($value => f.write_str(stringify!($name)),)*
                    other => write!(f, "RCODE{other}"),
                }
            }
        }
    };
}

rcodes! {
    NOERROR 0, FORMERR 1, SERVFAIL 2, NXDOMAIN 3, NOTIMP 4, REFUSED 5, YXDOMAIN 6, YXRRSET 7, NXRRSET 8, NOTAUTH 9,
    NOTZONE 10, BADVERS 16, BADCOOKIE 23,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_its_text() {
        for value in 0..=u16::MAX {
            assert_eq!(Type::parse(&Type(value).to_string()), Some(Type(value)));
        }
        assert_eq!(Type::parse("type65400"), Some(Type(65400)));
        assert_eq!(Type::parse("aaaa"), Some(Type::AAAA));
        for bad in ["", "TYPE", "TYPE65536", "TYPE+1", "TYPE-1", "B"] {
            assert_eq!(Type::parse(bad), None, "{bad}");
        }
    }
}
