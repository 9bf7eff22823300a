//! Which addresses a source is asked at, and with what: pure.

use std::path::Path;

use super::{Failure, FailureKind};
use crate::config::settings::fetch::{Checksum, Provider, Source};

/// What is needed to fetch from a source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Where the database is; of several, the first that is there.
    pub(super) urls: Vec<String>,
    /// Where its checksum is, or the checksum.
    pub(super) checksum: Option<Checksum>,
    /// The value of `Authorization`, for the first host only.
    pub(super) authorization: Option<String>,
    /// What `database_type` must be, where that is known.
    pub(super) kind: Option<String>,
}

/// What the environment says.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

const MAXMIND: &str = "https://download.maxmind.com";
const DB_IP: &str = "https://download.db-ip.com";
const IPINFO: &str = "https://ipinfo.io";

/// Everything but the secrets, for `Debug` and logs.
impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|url| shown(url)).collect();
        f.debug_struct("Plan").field("urls", &urls).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// An address without its query, which may hold a token.
pub(super) fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// The plan of a source at this moment (seconds since 1970).
pub(super) fn plan(source: &Source, unix: u64, environment: Environment<'_>) -> Result<Plan, Failure> {
    let edition = &source.edition;
    let base = |own: &'static str| source.base.as_deref().unwrap_or(own);
    let mut plan = match &source.provider {
        Provider::MaxMind => {
            let account = source.account.clone().or_else(|| environment("MAXMIND_ACCOUNT_ID"));
            let account = account.ok_or_else(|| missing("the account", "account", "MAXMIND_ACCOUNT_ID"))?;
            let key = secret(source, "MAXMIND_LICENSE_KEY", environment)?;
            let key = key.ok_or_else(|| missing("the license key", "key_file", "MAXMIND_LICENSE_KEY"))?;
            let url = format!("{}/geoip/databases/{edition}/download?suffix=tar.gz", base(MAXMIND));
            Plan {
                checksum: Some(Checksum::At(format!("{url}.sha256"))),
                urls: vec![url],
                authorization: Some(basic(&account, &key)),
                kind: Some(edition.clone()),
            }
        }
        Provider::DbIp => {
            let (year, month) = month(unix);
            let before = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
            let url =
                |(year, month): (i64, i64)| format!("{}/free/{edition}-{year:04}-{month:02}.mmdb.gz", base(DB_IP));
            // On the first days of a month its file may not be there yet.
            Plan { urls: vec![url((year, month)), url(before)], checksum: None, authorization: None, kind: None }
        }
        Provider::IpInfo => {
            let token = secret(source, "IPINFO_TOKEN", environment)?;
            let token = token.ok_or_else(|| missing("the token", "key_file", "IPINFO_TOKEN"))?;
            if !token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
                return Err(Failure::of(FailureKind::Setup, "the token has characters that tokens do not have"));
            }
            let url = format!("{}/data/{edition}.mmdb", base(IPINFO));
            Plan {
                checksum: Some(Checksum::At(format!("{url}/checksums?token={token}"))),
                urls: vec![format!("{url}?token={token}")],
                authorization: None,
                kind: None,
            }
        }
        Provider::Url(url) => {
            let key = secret(source, "", environment)?;
            let authorization = match (&source.account, key) {
                (Some(account), Some(key)) => Some(basic(account, &key)),
                (None, Some(key)) => Some(format!("Bearer {key}")),
                (Some(_), None) => return Err(Failure::of(FailureKind::Setup, "`account` wants a `key_file`, too")),
                (None, None) => None,
            };
            Plan { urls: vec![url.clone()], checksum: None, authorization, kind: None }
        }
    };
    if let Some(checksum) = &source.sha256 {
        plan.checksum = Some(checksum.clone());
    }
    Ok(plan)
}

fn missing(what: &str, key: &str, variable: &str) -> Failure {
    let message = format!("{what} is not known\n  help: write `{key}:` in `geodb: {{fetch: …}}`, or set `{variable}`");
    Failure::of(FailureKind::Setup, message)
}

/// The first line of the key file, else of the variable.
fn secret(source: &Source, variable: &str, environment: Environment<'_>) -> Result<Option<String>, Failure> {
    let Some(path) = &source.key_file else {
        let value = environment(variable).map(|value| value.trim().to_owned());
        return Ok(value.filter(|value| !value.is_empty()));
    };
    read_key(path).map(Some)
}

fn read_key(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::of(FailureKind::Setup, format!("the key file {} cannot be read: {error}", path.display()))
    })?;
    let line = text.lines().next().unwrap_or_default().trim();
    // What a header can hold; nothing of the key is shown.
    if line.is_empty() || !line.bytes().all(|b| (0x21..0x7f).contains(&b)) {
        let message = format!("the key file {} has no key on its first line", path.display());
        return Err(Failure::of(FailureKind::Setup, message));
    }
    Ok(line.to_owned())
}

/// Basic authentication (RFC 7617 §2).
fn basic(account: &str, key: &str) -> String {
    format!("Basic {}", base64(format!("{account}:{key}").as_bytes()))
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain([0, 0].iter()).take(3).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(word >> shift & 63) as usize];
            out.push(if index > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// Year and month of a moment, UTC.
fn month(unix: u64) -> (i64, i64) {
    let moment = i64::try_from(unix).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let date = moment.unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
    (i64::from(date.year()), i64::from(date.month()))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "MAXMIND_ACCOUNT_ID" => Some("123456".to_owned()),
            "MAXMIND_LICENSE_KEY" => Some(" key_of_mine\n".to_owned()),
            "IPINFO_TOKEN" => Some("token_of_mine".to_owned()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(source: &str, unix: u64, expected: &Expect) {
        let source = Source::parse(source).unwrap();
        let plan = plan(&source, unix, &environment).unwrap();
        let Plan { urls, checksum, authorization, kind } = &plan;
        expected.assert_eq(&format!("{}\n{checksum:?}\n{authorization:?} {kind:?}\n", urls.join("\n")));
        let shown = format!("{plan:?} {source}");
        assert!(!shown.contains("of_mine") && !shown.contains("Basic"), "{shown}");
    }

    #[test]
    fn addresses_of_the_providers() {
        check(
            "maxmind",
            1_795_000_000,
            &expect![[r#"
            https://download.maxmind.com/geoip/databases/GeoLite2-City/download?suffix=tar.gz
            Some(At("https://download.maxmind.com/geoip/databases/GeoLite2-City/download?suffix=tar.gz.sha256"))
            Some("Basic MTIzNDU2OmtleV9vZl9taW5l") Some("GeoLite2-City")
        "#]],
        );
        check(
            "dbip",
            1_795_000_000,
            &expect![[r"
            https://download.db-ip.com/free/dbip-city-lite-2026-11.mmdb.gz
            https://download.db-ip.com/free/dbip-city-lite-2026-10.mmdb.gz
            None
            None None
        "]],
        );
        check(
            "dbip:dbip-country-lite",
            1_767_225_600,
            &expect![[r"
            https://download.db-ip.com/free/dbip-country-lite-2026-01.mmdb.gz
            https://download.db-ip.com/free/dbip-country-lite-2025-12.mmdb.gz
            None
            None None
        "]],
        );
        check(
            "ipinfo",
            1_795_000_000,
            &expect![[r#"
            https://ipinfo.io/data/ipinfo_lite.mmdb?token=token_of_mine
            Some(At("https://ipinfo.io/data/ipinfo_lite.mmdb/checksums?token=token_of_mine"))
            None None
        "#]],
        );
        check(
            "https://mirror.example.com/x.mmdb",
            0,
            &expect![[r"
            https://mirror.example.com/x.mmdb
            None
            None None
        "]],
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = |_: &str| None;
        for (source, word) in [("maxmind", "MAXMIND_ACCOUNT_ID"), ("ipinfo", "IPINFO_TOKEN")] {
            let error = plan(&Source::parse(source).unwrap(), 0, &none).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn base64_of_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
