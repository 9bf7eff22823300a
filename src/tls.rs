//! TLS as a client has it, for probes and for what is fetched: which authorities are trusted, and what went wrong in words.
//!
//! Makes no connection, and decides for nobody whether a certificate is looked at.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

/// Reads a file of certificate authorities in PEM form; anything in it that is no certificate is passed over. The error
/// is in words.
pub fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let words = |error| match error {
        pem::Error::Io(error) => plain(&error),
        // What stands there is not repeated: it may be a key.
        _ => "it is not as PEM files are".to_owned(),
    };
    let read = CertificateDer::pem_file_iter(file).map_err(words)?;
    let found = read.collect::<Result<Vec<_>, _>>().map_err(words)?;
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

/// The public certificate authorities and these (DER), and how many of these are none that can be used.
pub(crate) fn roots(authorities: &[CertificateDer<'static>]) -> (RootCertStore, usize) {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let (_, ignored) = roots.add_parsable_certificates(authorities.iter().cloned());
    (roots, ignored)
}

/// What went wrong with a handshake, for people.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("certificate {}", of_certificate(error)),
        Error::AlertReceived(alert) => format!("server refused: {}", apart(&format!("{alert:?}"))),
        Error::InvalidMessage(_) => "server does not speak TLS".to_owned(),
        Error::PeerIncompatible(_) => "server offers nothing newer than TLS 1.1, or no cipher of ours".to_owned(),
        other => plain(other),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!("expired {} ago", between(*not_after, *time)),
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("is not valid yet, but in {}", between(*time, *not_before))
        }
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let presented = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
            format!("is for {presented}, not for {}", expected.to_str())
        }
        CertificateError::UnknownIssuer => "is not signed by a known authority".to_owned(),
        CertificateError::BadSignature => "has a bad signature".to_owned(),
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not one for servers".to_owned()
        }
        CertificateError::Other(other) => match other.0.to_string().as_str() {
            "CaUsedAsEndEntity" => "is that of an authority, not one of a server".to_owned(),
            other => format!("is not accepted ({})", apart(other)),
        },
        other => format!("is not accepted ({other})"),
    }
}

/// The name of an alert or error as words: `NoApplicationProtocol` → `no application protocol`.
fn apart(name: &str) -> String {
    let (mut words, mut before) = (String::with_capacity(name.len() + 4), ' ');
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
        before = letter;
    }
    words
}

/// rustls prints the names of a certificate as `DnsName("www.example.com")`.
fn bare(name: &str) -> &str {
    name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name).trim_matches('"')
}

fn between(earlier: UnixTime, later: UnixTime) -> Spell {
    Spell(Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())))
}

/// The error's text as part of a sentence: no `(os error 24)`, lower case.
pub(crate) fn plain(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// A duration as people write it: `2 s`, `1.5 s`, `500 ms`, `3 days`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spell(pub(crate) Duration);

impl std::fmt::Display for Spell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let (count, unit) = match seconds {
            0 => return write!(f, "{} ms", self.0.as_millis()),
            1..300 if seconds < 10 => return write!(f, "{} s", (self.0.as_secs_f64() * 10.0).round() / 10.0),
            1..300 => return write!(f, "{seconds} s"),
            300..7200 => return write!(f, "{} min", seconds / 60),
            7200..172_800 => (seconds / 3600, "hours"),
            _ => (seconds / 86400, "days"),
        };
        write!(f, "{count} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        let spell = |ms: u64| Spell(Duration::from_millis(ms)).to_string();
        assert_eq!([spell(500), spell(1500), spell(2000), spell(12_300)], ["500 ms", "1.5 s", "2 s", "12 s"]);
        assert_eq!([spell(600_000), spell(7_200_000), spell(259_200_000)], ["10 min", "2 hours", "3 days"]);
    }

    #[test]
    fn alerts_as_words() {
        assert_eq!(["NoApplicationProtocol", "UnknownCA"].map(apart), ["no application protocol", "unknown ca"]);
    }
}
