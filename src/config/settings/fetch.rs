//! `geodb: {fetch: …}`: where databases are fetched from.

use std::fmt;
use std::path::{Path, PathBuf};

use super::super::grammar::{Keys, Shape, key, required};
use super::super::reader::{Fields, Sink, one_or_more, text};
use super::super::yaml::Node;

/// A database that is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Who has it.
    pub provider: Provider,
    /// Which of the provider's, as the provider names it: `GeoLite2-City`. Empty for an address of one's own.
    pub edition: String,
    /// The account: a MaxMind account's number, or a user's name for basic authentication. Default none (MaxMind: from
    /// the environment).
    pub account: Option<String>,
    /// The file with the license key, token or password on its first line. Default none (from the environment).
    pub key_file: Option<PathBuf>,
    /// The checksum of what is downloaded. Default: where the provider has one.
    pub sha256: Option<Checksum>,
    /// Where the provider is asked instead: a mirror. Without a slash at its end. Default: the provider's own address.
    pub base: Option<String>,
    /// The file to replace: a name in the first directory of `geodb`, or a path. Default: `EDITION.mmdb`, or the name at
    /// the end of the address.
    pub to: PathBuf,
}

/// Who has a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// MaxMind: `GeoLite2-City` and so on, with an account and a license key.
    MaxMind,
    /// DB-IP Lite, monthly and free.
    DbIp,
    /// `IPinfo`, with a token.
    IpInfo,
    /// Any address: a database, or one packed as `.gz` or `.tar.gz`.
    Url(String),
}

/// The SHA-256 of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// 64 hexadecimal digits in lower case: then nothing else is ever taken.
    Digits(String),
    /// Text at this address has them.
    At(String),
}

impl Provider {
    /// What is fetched where nothing is said.
    fn default_edition(&self) -> &'static str {
        match self {
            Self::MaxMind => "GeoLite2-City",
            Self::DbIp => "dbip-city-lite",
            Self::IpInfo => "ipinfo_lite",
            Self::Url(_) => "",
        }
    }
}

impl Source {
    /// One as it is written in short: `maxmind`, `maxmind:GeoLite2-ASN`, `dbip`, `ipinfo`, or an address.
    ///
    /// # Errors
    /// What is wrong with it, and help.
    pub fn parse(written: &str) -> Result<Self, (String, &'static str)> {
        let (word, edition) = match written.split_once(':') {
            Some((word, edition)) if !edition.starts_with("//") => (word, Some(edition)),
            _ => (written, None),
        };
        let provider = match word {
            "maxmind" => Provider::MaxMind,
            "dbip" => Provider::DbIp,
            "ipinfo" => Provider::IpInfo,
            _ => {
                address(written)?;
                Provider::Url(written.to_owned())
            }
        };
        let mut source = Self {
            edition: provider.default_edition().to_owned(),
            provider,
            account: None,
            key_file: None,
            sha256: None,
            base: None,
            to: PathBuf::new(),
        };
        if let Some(edition) = edition.filter(|_| !matches!(source.provider, Provider::Url(_))) {
            source.edition = self::edition(edition)?;
        }
        source.to = source.default_file().into();
        Ok(source)
    }

    /// The same with another edition.
    ///
    /// # Errors
    /// As [`Source::parse`].
    pub fn with_edition(mut self, written: &str) -> Result<Self, (String, &'static str)> {
        if matches!(self.provider, Provider::Url(_)) {
            return Err(("an address has no `edition`".to_owned(), "it is for `maxmind`, `dbip` and `ipinfo`"));
        }
        self.edition = edition(written)?;
        self.to = self.default_file().into();
        Ok(self)
    }

    /// The file that it replaces, with databases in these directories (or files): `None` where there is no directory.
    pub fn file(&self, places: &[PathBuf]) -> Option<PathBuf> {
        if self.to.parent().is_some_and(|parent| !parent.as_os_str().is_empty()) {
            return Some(self.to.clone());
        }
        let directory = places.iter().find(|place| place.extension().is_none_or(|extension| extension != "mmdb"))?;
        Some(directory.join(&self.to))
    }

    fn default_file(&self) -> String {
        let Provider::Url(url) = &self.provider else { return format!("{}.mmdb", self.edition) };
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let name = name.strip_suffix(".tar").or_else(|| name.strip_suffix(".mmdb")).unwrap_or(name);
        let good = !name.is_empty() && !name.starts_with('.') && path.matches('/').count() > 2;
        if good { format!("{name}.mmdb") } else { "fetched.mmdb".to_owned() }
    }
}

impl fmt::Display for Source {
    /// Without what may be secret: the query of an address may be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Provider::MaxMind => write!(f, "maxmind:{}", self.edition),
            Provider::DbIp => write!(f, "dbip:{}", self.edition),
            Provider::IpInfo => write!(f, "ipinfo:{}", self.edition),
            Provider::Url(url) => f.write_str(url.split('?').next().unwrap_or(url)),
        }
    }
}

/// Letters, digits and what names of files are made of besides.
fn edition(written: &str) -> Result<String, (String, &'static str)> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if written.is_empty() || written.starts_with('.') || written.len() > 100 || !written.chars().all(good) {
        let help = "as the provider writes it: `GeoLite2-City`, `dbip-city-lite`, `ipinfo_lite`";
        return Err((format!("`{written}` is not an edition"), help));
    }
    Ok(written.to_owned())
}

/// Whether this is an address to fetch from: `https://` anywhere, `http://` on this machine only, as databases decide where
/// clients go, and nobody on the way may change them.
///
/// # Errors
/// What is wrong with it, and help.
pub fn address(written: &str) -> Result<(), (String, &'static str)> {
    const HELP: &str = "for example `https://mirror.example.com/city.mmdb.gz`, or `maxmind`, `dbip`, `ipinfo`";
    let shown = written.split('?').next().unwrap_or(written);
    let (rest, secure) = match (written.strip_prefix("https://"), written.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Err((format!("`{shown}` is nothing to fetch from"), HELP)),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        let help = "write `account:` and `key_file:` instead";
        return Err(("names and passwords do not belong into an address".to_owned(), help));
    }
    if authority.is_empty() || written.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err((format!("`{shown}` is not an address"), HELP));
    }
    let host = if authority.starts_with('[') {
        authority.split(']').next().unwrap_or_default().trim_start_matches('[')
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !secure && !here {
        let help = "`https://`; only this machine itself may be asked in the clear";
        return Err((format!("`{shown}` could be changed by anyone on the way"), help));
    }
    Ok(())
}

/// Digits, or where they are.
///
/// # Errors
/// What is wrong with it, and help.
pub fn checksum(written: &str) -> Result<Checksum, (String, &'static str)> {
    if written.len() == 64 && written.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(Checksum::Digits(written.to_ascii_lowercase()));
    }
    if written.contains("://") {
        address(written)?;
        return Ok(Checksum::At(written.to_owned()));
    }
    Err((format!("`{written}` is not a SHA-256"), "64 hexadecimal digits, or the address of a text with them"))
}

/// An item of `fetch`.
pub(super) const FETCH: Keys = Keys {
    what: "an item of `fetch`",
    known: &[
        required(
            "from",
            Shape::Text,
            "`maxmind`, `dbip` (DB-IP Lite, monthly), `ipinfo`, or an address: a database, or one packed as `.gz` or `.tar.gz`.",
        ),
        key(
            "edition",
            Shape::Text,
            "GeoLite2-City, dbip-city-lite, ipinfo_lite",
            "Which of the provider's, as the provider names it: `GeoLite2-ASN`.",
        ),
        key(
            "account",
            Shape::Text,
            "`MAXMIND_ACCOUNT_ID` of the environment",
            "The number of the MaxMind account. For an address: a name for basic authentication.",
        ),
        key(
            "key_file",
            Shape::Text,
            "`MAXMIND_LICENSE_KEY`, `IPINFO_TOKEN` of the environment",
            "A file with the license key or token on its first line. For an address: the password of `account`, or without one \
             a bearer token.",
        ),
        key(
            "sha256",
            Shape::Text,
            "the provider's; DB-IP has none",
            "64 hexadecimal digits that the download must have, or the address of a text with them.",
        ),
        key("base", Shape::Text, "the provider's address", "A mirror that is asked instead."),
        key(
            "to",
            Shape::Text,
            "EDITION.mmdb, or the name in the address",
            "The file to replace: a name in the first directory of `geodb`, or a path.",
        ),
    ],
    planned: &[],
};

/// What `fetch` takes: items, or one in short.
pub(super) const SOURCES: Shape = Shape::OneOrMore(&Shape::Either(&[Shape::Text, Shape::Map(&FETCH)]));

/// All that are written.
pub(super) fn read(node: &Node<'_>, sink: &mut Sink) -> Vec<Source> {
    let items = match node {
        Node::Map(..) => std::slice::from_ref(node),
        _ => one_or_more(node, "`fetch`", sink).unwrap_or_default(),
    };
    let mut sources: Vec<Source> = Vec::with_capacity(items.len());
    for item in items {
        let Some(source) = read_one(item, sink) else { continue };
        if sources.iter().any(|known| known.to == source.to) {
            let message = format!("two items replace `{}`", source.to.display());
            sink.error_help(item.at(), message, "give one of them another `to`");
        } else {
            sources.push(source);
        }
    }
    sources
}

fn read_one(item: &Node<'_>, sink: &mut Sink) -> Option<Source> {
    let Node::Map(at, _) = item else {
        let written = text(item, "an item of `fetch`", sink)?;
        return said(Source::parse(written), item, sink);
    };
    let fields = Fields::open(item, &FETCH, sink)?;
    let Some(from) = fields.get("from") else {
        sink.error_help(
            *at,
            "this item has no `from`",
            "for example `{from: maxmind, account: \"123456\", key_file: maxmind.key}`",
        );
        return None;
    };
    let mut source = said(Source::parse(text(from, "`from`", sink)?), from, sink)?;
    let mut get = |key: &str| {
        let node = fields.get(key)?;
        let written = text(node, &format!("`{key}`"), sink)?;
        Some((node, written.to_owned()))
    };
    let (edition, account, key_file) = (get("edition"), get("account"), get("key_file"));
    let (sha256, base, to) = (get("sha256"), get("base"), get("to"));
    if let Some((node, edition)) = edition {
        source = said(source.with_edition(&edition), node, sink)?;
    }
    source.account = account.map(|(_, account)| account);
    source.key_file = key_file.map(|(_, path)| path.into());
    if let Some((node, written)) = sha256 {
        source.sha256 = said(checksum(&written), node, sink);
    }
    if let Some((node, base)) = base {
        if matches!(source.provider, Provider::Url(_)) {
            sink.error_help(node.at(), "an address has no `base`", "write the whole address as `from`");
        } else if said(address(&base), node, sink).is_some() {
            source.base = Some(base.trim_end_matches('/').to_owned());
        }
    }
    if let Some((node, to)) = to {
        let path = Path::new(&to);
        // Of `.mmdb` alone, the end is the name.
        let good = path.extension().is_some_and(|extension| extension == "mmdb") && !file_of(&to).starts_with('.');
        if !good || to.ends_with('/') {
            let help = "a name that ends in `.mmdb`; others are not looked at";
            sink.error_help(node.at(), format!("`to` cannot be `{to}`"), help);
        }
        source.to = to.into();
    }
    Some(source)
}

fn file_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What was read, or the finding.
fn said<T>(read: Result<T, (String, &'static str)>, node: &Node<'_>, sink: &mut Sink) -> Option<T> {
    read.map_err(|(message, help)| sink.error_help(node.at(), message, help)).ok()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::super::file::Source as File;

    #[track_caller]
    fn check(yaml: &str, expected: &Expect) {
        let file = File { path: "catchment.yaml".into(), text: yaml.into() };
        let (settings, found) = super::super::parse(&file);
        let mut out = String::new();
        for source in settings.into_iter().flat_map(|settings| settings.fetch) {
            let super::Source { to, account, key_file, sha256, base, .. } = &source;
            let line = format!(
                "{source} → {} {account:?} {key_file:?}
  {sha256:?} {base:?}
",
                to.display()
            );
            out.push_str(&line);
        }
        out += &found.to_string();
        expected.assert_eq(&out);
    }

    #[test]
    fn every_form() {
        check(
            "geodb:\n  fetch:\n  - dbip\n  - maxmind:GeoLite2-ASN\n  - {from: maxmind, account: \"1\", key_file: mm.key}\n  \
             - {from: ipinfo, base: \"http://127.0.0.1:1/x/\", to: sub/info.mmdb}\n  \
             - https://mirror.example.com/a/City-2026.tar.gz?sig=secret\n",
            &expect![[r#"
                dbip:dbip-city-lite → dbip-city-lite.mmdb None None
                  None None
                maxmind:GeoLite2-ASN → GeoLite2-ASN.mmdb None None
                  None None
                maxmind:GeoLite2-City → GeoLite2-City.mmdb Some("1") Some("mm.key")
                  None None
                ipinfo:ipinfo_lite → sub/info.mmdb None None
                  None Some("http://127.0.0.1:1/x")
                https://mirror.example.com/a/City-2026.tar.gz → City-2026.mmdb None None
                  None None
            "#]],
        );
        check(
            "geodb: {fetch: dbip, every: off}",
            &expect![[r"
            dbip:dbip-city-lite → dbip-city-lite.mmdb None None
              None None
        "]],
        );
    }

    #[test]
    fn every_mistake() {
        check(
            "geodb:\n  fetch:\n  - dpip\n  - {from: dbip, edition: a/b}\n  - {account: \"1\"}\n  - http://192.0.2.1/x.mmdb\n  \
             - https://me:secret@example.com/x.mmdb\n  - {from: maxmind, sha256: abc}\n  - {from: ipinfo, to: x.txt}\n  \
             - {from: maxmind, token: x}\n  - {from: \"https://example.com/x\", edition: y}\n",
            &expect![[r#"
                catchment.yaml:3:5: error: `dpip` is nothing to fetch from
                  help: for example `https://mirror.example.com/city.mmdb.gz`, or `maxmind`, `dbip`, `ipinfo`
                catchment.yaml:4:27: error: `a/b` is not an edition
                  help: as the provider writes it: `GeoLite2-City`, `dbip-city-lite`, `ipinfo_lite`
                catchment.yaml:5:5: error: this item has no `from`
                  help: for example `{from: maxmind, account: "123456", key_file: maxmind.key}`
                catchment.yaml:6:5: error: `http://192.0.2.1/x.mmdb` could be changed by anyone on the way
                  help: `https://`; only this machine itself may be asked in the clear
                catchment.yaml:7:5: error: names and passwords do not belong into an address
                  help: write `account:` and `key_file:` instead
                catchment.yaml:8:29: error: `abc` is not a SHA-256
                  help: 64 hexadecimal digits, or the address of a text with them
                catchment.yaml:9:24: error: `to` cannot be `x.txt`
                  help: a name that ends in `.mmdb`; others are not looked at
                catchment.yaml:10:5: error: two items replace `GeoLite2-City.mmdb`
                  help: give one of them another `to`
                catchment.yaml:10:21: error: `token` is not a key of an item of `fetch`
                  help: accepted here: `from`, `edition`, `account`, `key_file`, `sha256`, `base`, `to`
                catchment.yaml:11:46: error: an address has no `edition`
                  help: it is for `maxmind`, `dbip` and `ipinfo`"#]],
        );
    }
}
