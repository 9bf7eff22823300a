//! `geodb: {authorities, proxy, no_proxy}`: how those who have databases are reached.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::super::reader::{Fields, Sink, one_or_more, text};
use crate::net::Block;

/// How those who have databases are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// A file of certificate authorities (PEM) that are trusted besides the public ones. Default none.
    pub authorities: Option<PathBuf>,
    /// By way of whom. Default: as the environment says.
    pub proxy: Proxy,
    /// Who is asked directly, whatever [`Reach::proxy`] is. Default `None`: as the environment says.
    pub no_proxy: Option<Vec<String>>,
}

/// By way of whom others are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As `https_proxy`, `HTTPS_PROXY`, `all_proxy` or `ALL_PROXY` of the environment says, in this order.
    #[default]
    Environment,
    /// Nobody, whatever the environment says.
    Off,
    /// This one.
    At(ProxyUrl),
}

/// The address of an HTTP proxy. Shown without the name and password in it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// One as it is written: `http://proxy.example.com:3128`, `proxy.example.com:3128`, with `NAME:PASSWORD@` before the host
    /// where the proxy wants that (RFC 3986 §3.2; what is special there is percent-encoded).
    ///
    /// # Errors
    /// What is wrong with it, without the password, and help.
    pub fn parse(written: &str) -> Result<Self, (String, &'static str)> {
        const HELP: &str = "for example `http://proxy.example.com:3128`; in a name and password before the host, percent-encode \
                            what is special";
        let none = || (format!("`{}` is no address of a proxy", bare(written)), HELP);
        let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
        if !scheme.eq_ignore_ascii_case("http") {
            let message = format!("the proxy `{}` cannot be used", bare(written));
            return Err((
                message,
                "a proxy is spoken to by `http://` only; what is fetched through it stays encrypted",
            ));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '/' | '?' | '#' | '[' | ']' | '\\' | '"');
        if user.is_some_and(|user| user.is_empty() || !user.chars().all(plain)) {
            return Err(none());
        }
        let uri = format!("http://{place}/").parse::<hyper::Uri>().ok().filter(|uri| uri.path() == "/");
        let authority = uri.as_ref().and_then(hyper::Uri::authority).ok_or_else(none)?;
        let port_is_good = authority.as_str() == authority.host() || authority.port_u16().is_some_and(|port| port > 0);
        if authority.host().is_empty() || authority.as_str() != place || !port_is_good {
            return Err(none());
        }
        Ok(Self(format!("http://{rest}")))
    }

    /// With the name and password.
    pub fn whole(&self) -> &str {
        &self.0
    }

    /// Whether it has a name, and perhaps a password.
    pub fn has_name(&self) -> bool {
        self.0.contains('@')
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bare(&self.0))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// An address without what may be a name and password.
fn bare(written: &str) -> String {
    let (scheme, rest) = written.split_once("://").map_or(("", written), |(scheme, rest)| (scheme, rest));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    if scheme.is_empty() { place.to_owned() } else { format!("{scheme}://{place}") }
}

/// Who is asked directly: `*` (all), an address or block, or a host with all below it.
///
/// # Errors
/// What is wrong with it, and help.
fn direct(written: &str) -> Result<String, (String, &'static str)> {
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let named = !written.is_empty() && written.chars().all(host) && written.chars().any(|c| c.is_ascii_alphanumeric());
    if written == "*" || named || written.parse::<IpAddr>().is_ok() || Block::parse(written).is_ok() {
        return Ok(written.to_owned());
    }
    let help = "hosts, with all below them (`mirror.example.com`, `.example.com`), addresses, blocks, or `*`";
    Err((format!("`no_proxy` cannot be `{written}`"), help))
}

/// What is written, over what held before.
pub(super) fn read(fields: &Fields<'_, '_>, reach: &mut Reach, sink: &mut Sink) {
    if let Some(written) = fields.get("authorities").and_then(|node| text(node, "`authorities`", sink)) {
        reach.authorities = Some(written.into());
    }
    if let Some(node) = fields.get("proxy") {
        match text(node, "`proxy`", sink) {
            None => {}
            Some("off") => reach.proxy = Proxy::Off,
            Some(written) => match ProxyUrl::parse(written) {
                Ok(url) => reach.proxy = Proxy::At(url),
                Err((message, help)) => sink.error_help(node.at(), message, help),
            },
        }
    }
    if let Some(node) = fields.get("no_proxy") {
        let mut all = Vec::new();
        for item in one_or_more(node, "`no_proxy`", sink).unwrap_or_default() {
            match text(item, "`no_proxy`", sink).map(direct) {
                None => {}
                Some(Ok(one)) => all.push(one),
                Some(Err((message, help))) => sink.error_help(item.at(), message, help),
            }
        }
        reach.no_proxy = Some(all);
    }
}

impl Reach {
    /// The keys and what they hold, as they would be written; no password.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let proxy = match &self.proxy {
            Proxy::Environment => "as the environment says".to_owned(),
            Proxy::Off => "off".to_owned(),
            Proxy::At(url) => url.to_string(),
        };
        let no_proxy = match &self.no_proxy {
            None => "as the environment says".to_owned(),
            Some(all) if all.is_empty() => "none".to_owned(),
            Some(all) => all.join(", "),
        };
        let authorities =
            self.authorities.as_deref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
        vec![("geodb.authorities", authorities), ("geodb.proxy", proxy), ("geodb.no_proxy", no_proxy)]
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::super::file::Source;
    use super::*;

    #[track_caller]
    fn check(yaml: &str, expected: &Expect) {
        let (settings, found) = super::super::parse(&Source { path: "catchment.yaml".into(), text: yaml.into() });
        let mut out = String::new();
        if let Some(settings) = settings {
            out.extend(settings.reach.shown().iter().map(|(key, value)| format!("{key} = {value}\n")));
            assert!(!format!("{settings:?}").contains("secret"));
        }
        out += &found.to_string();
        assert!(!out.contains("secret"), "{out}");
        expected.assert_eq(&out);
    }

    #[test]
    fn every_form() {
        check(
            "geodb: {from: geodb}",
            &expect![[r"
            geodb.authorities = none
            geodb.proxy = as the environment says
            geodb.no_proxy = as the environment says
        "]],
        );
        check(
            "geodb: {authorities: ca.pem, proxy: \"http://me:secret@proxy.example.com:3128/\", no_proxy: [.example.com, 10.0.0.0/8]}",
            &expect![[r"
                geodb.authorities = ca.pem
                geodb.proxy = http://proxy.example.com:3128
                geodb.no_proxy = .example.com, 10.0.0.0/8
            "]],
        );
        check(
            "geodb: {proxy: off, no_proxy: \"*\"}",
            &expect![[r"
            geodb.authorities = none
            geodb.proxy = off
            geodb.no_proxy = *
        "]],
        );
        check(
            "geodb: {proxy: \"[2001:db8::1]:3128\", no_proxy: [mirror, \"2001:db8::2\"]}",
            &expect![[r"
            geodb.authorities = none
            geodb.proxy = http://[2001:db8::1]:3128
            geodb.no_proxy = mirror, 2001:db8::2
        "]],
        );
    }

    #[test]
    fn every_mistake() {
        check(
            "geodb:\n  proxy: socks5://me:secret@proxy:1080\n  no_proxy: [\"https://x\", \"a b\", \"\", .]\n",
            &expect![[r"
                catchment.yaml:2:10: error: the proxy `socks5://proxy:1080` cannot be used
                  help: a proxy is spoken to by `http://` only; what is fetched through it stays encrypted
                catchment.yaml:3:14: error: `no_proxy` cannot be `https://x`
                  help: hosts, with all below them (`mirror.example.com`, `.example.com`), addresses, blocks, or `*`
                catchment.yaml:3:27: error: `no_proxy` cannot be `a b`
                  help: hosts, with all below them (`mirror.example.com`, `.example.com`), addresses, blocks, or `*`
                catchment.yaml:3:34: error: `no_proxy` cannot be ``
                  help: hosts, with all below them (`mirror.example.com`, `.example.com`), addresses, blocks, or `*`
                catchment.yaml:3:38: error: `no_proxy` cannot be `.`
                  help: hosts, with all below them (`mirror.example.com`, `.example.com`), addresses, blocks, or `*`"]],
        );
        check(
            "geodb: {proxy: \"http://me:secret@/\"}",
            &expect![[r"
            catchment.yaml:1:16: error: `http:///` is no address of a proxy
              help: for example `http://proxy.example.com:3128`; in a name and password before the host, percent-encode what is special"]],
        );
        check(
            "geodb: {proxy: \"http://me:sec/ret@proxy:3128\"}",
            &expect![[r"
            catchment.yaml:1:16: error: `http://proxy:3128` is no address of a proxy
              help: for example `http://proxy.example.com:3128`; in a name and password before the host, percent-encode what is special"]],
        );
    }

    #[test]
    fn addresses_of_proxies() {
        for good in [
            "proxy:3128",
            "http://proxy",
            "HTTP://proxy/",
            "http://127.0.0.1:1",
            "http://[::1]:65535",
            "http://a:b%40c@proxy:1",
            "http://a@b",
            "http://a:@b",
        ] {
            assert!(ProxyUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://",
            "http://:3128",
            "proxy:",
            "proxy:0",
            "proxy:65536",
            "proxy:x",
            "http://proxy/path",
            "http://a b:1",
            "http://a@b@c",
            "http://@proxy",
            "https://proxy:3128",
            "socks5h://proxy",
            "http://proxy?x",
            "proxy#x",
            "off\n",
        ] {
            assert!(ProxyUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
