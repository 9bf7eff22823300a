//! What each kind of probe sends and expects. Checked where it is read; the prober takes it as it is.

use std::hash::{Hash, Hasher};

use regex::bytes::{Regex, RegexBuilder};

/// An HTTP request and what is expected of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Http {
    /// Request method, upper case. Default `GET`.
    pub method: String,
    /// Path and query, beginning with `/`. Default `/`.
    pub path: String,
    /// The `Host` header; `None` sends the target's address.
    pub host: Option<String>,
    /// Further headers, in the order written; one of a name that would be sent anyway replaces that.
    pub headers: Vec<(String, String)>,
    /// Accepted status codes as inclusive ranges. Default 200–399.
    pub status: Vec<(u16, u16)>,
    /// What the first 64 KiB of the body must hold; `None` does not look.
    pub body: Option<Body>,
    /// Which HTTP. Default 1.1.
    pub version: HttpVersion,
    /// How many redirects are followed, each to the target's own address, 0 to 5. Default 0: a redirect is an answer.
    pub redirects: u8,
}

impl Http {
    /// Status codes accepted by default.
    pub const STATUS: (u16, u16) = (200, 399);
    /// Most redirects that can be asked for.
    pub const MAX_REDIRECTS: u8 = 5;
}

impl Default for Http {
    /// `GET /` of HTTP/1.1, the address as `Host`, 200–399, any body, no redirects.
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            status: vec![Self::STATUS],
            body: None,
            version: HttpVersion::Http1,
            redirects: 0,
        }
    }
}

/// Which HTTP a probe speaks. Over TLS it is the only one offered (ALPN, RFC 7301).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    #[default]
    Http1,
    /// HTTP/2 (RFC 9113); without TLS by prior knowledge (§3.3).
    Http2,
}

/// What a body must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// This text.
    Text(String),
    /// Something that matches.
    Regex(Pattern),
}

/// A regular expression over bytes, compiled once. Equal when written alike.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    compiled: Regex,
}

impl Pattern {
    /// Most bytes a compiled pattern may take; those people write take some thousands.
    const LIMIT: usize = 1 << 20;

    /// Compiles a pattern; the error is in words.
    pub fn parse(written: &str) -> Result<Self, String> {
        match RegexBuilder::new(written).size_limit(Self::LIMIT).build() {
            Ok(compiled) => Ok(Self { written: written.to_owned(), compiled }),
            Err(regex::Error::CompiledTooBig(_)) => Err("the pattern is too large".to_owned()),
            // The text shows the pattern over several lines; the last one says what is wrong.
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                Err(last.strip_prefix("error: ").unwrap_or(last).to_owned())
            }
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether anything in these bytes matches.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.compiled.is_match(bytes)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.written.hash(state);
    }
}

/// TLS of a check: what is asked for, and what of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// SNI, and the name the certificate must carry; `None` takes the `Host` header, else the address.
    pub server_name: Option<String>,
    /// Whether the certificate is checked: its chain, its name, its time. Default true.
    pub verify: bool,
    /// Whole days the server's certificate must still be valid for; `None` does not ask.
    pub min_days: Option<u16>,
}

impl Default for Tls {
    /// The name of the `Host` header, certificate checked, for however long it is valid.
    fn default() -> Self {
        Self { server_name: None, verify: true, min_days: None }
    }
}

/// What is said over a TCP connection. Without `expect` it is enough that `send` could be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dialog {
    /// Sent at once; may be empty, for servers that speak first.
    pub send: Vec<u8>,
    /// What the first 4 KiB of the answer must hold.
    pub expect: Option<Vec<u8>>,
}

/// A DNS query and what is expected of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dns {
    /// The name asked for, as people read it.
    pub name: String,
    /// The same in wire form (RFC 1035 §3.1), uncompressed, lower case.
    pub name_wire: Vec<u8>,
    /// The type asked for.
    pub rtype: u16,
    /// Its mnemonic.
    pub rtype_name: String,
    /// The response code wanted, 0 to 4095. Default 0, NOERROR.
    pub rcode: u16,
    /// Values that must be among the answers.
    pub answers: Vec<DnsValue>,
}

/// A value that must be among the answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsValue {
    /// As written.
    pub text: String,
    /// RDATA in wire form, names uncompressed.
    pub wire: Vec<u8>,
}

/// A question to the health protocol of gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grpc {
    /// The service asked for; empty asks for the server as a whole.
    pub service: String,
    /// The `:authority` sent; `None` sends the target's address.
    pub host: Option<String>,
    /// TLS; `None` speaks HTTP/2 in the clear.
    pub tls: Option<Tls>,
}

/// A program that probes, as Nagios plugins do: it ends with 0 for ok, 1 for a warning, 2 for critical, 3 for unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Exec {
    /// The program's absolute path and its arguments; `{address}` and `{port}` in arguments stand for the target's. No
    /// shell reads them.
    pub command: Vec<String>,
}

/// A value that somebody else writes down: its name, and what its end means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Push {
    /// Names the value, beside the target's address: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// What a value means whose lifetime has ended.
    pub expired: Expired,
}

/// What a pushed value means whose lifetime has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expired {
    /// Nothing, like no value: when that lasts, the target becomes unknown. Default.
    #[default]
    Unknown,
    /// That whoever should have written is gone: bad.
    Bad,
}
