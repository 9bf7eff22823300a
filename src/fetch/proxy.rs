//! By way of whom a server is asked: the rules of the settings and the environment, and tunnels through HTTP proxies.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::client::{Duplex, HEAD, USER_AGENT, connect, host, network, port};
use super::{Failure, FailureKind};
use crate::config::settings::reach::{Proxy, ProxyUrl, Reach};

/// Variables that name a proxy, in the order in which they are looked at, which is curl's.
const NAMES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables that name hosts to be asked directly.
const EXCEPT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Which servers are asked by way of a proxy.
pub(super) struct Proxies {
    /// `None`: none is.
    rules: Option<Matcher>,
    /// The environment names one that cannot be used: who is to be asked through it cannot be asked.
    unusable: Option<Failure>,
}

impl Proxies {
    /// As the settings say, and where they say nothing, the environment.
    pub(super) fn of(reach: &Reach, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = |names: &[&'static str]| {
            let said = |name: &&'static str| Some((*name, environment(name).filter(|value| !value.is_empty())?));
            names.iter().find_map(said)
        };
        let named = match &reach.proxy {
            Proxy::Off => None,
            Proxy::At(url) => Some(Ok(url.clone())),
            Proxy::Environment => said(&NAMES).map(|(name, value)| {
                ProxyUrl::parse(value.trim()).map_err(|(message, help)| {
                    Failure::of(FailureKind::Setup, format!("`{name}` of the environment: {message}\n  help: {help}"))
                })
            }),
        };
        let (url, unusable) = match &named {
            None => return Self { rules: None, unusable: None },
            Some(Ok(url)) => (url.whole(), None),
            Some(Err(failure)) => ("http://unusable", Some(failure.clone())),
        };
        let except = match &reach.no_proxy {
            Some(except) => except.join(","),
            None => said(&EXCEPT).map(|(_, value)| value).unwrap_or_default(),
        };
        // Between commas, or between spaces, as curl has it. The rules hold `*` against names only, not against addresses.
        let except: Vec<&str> = except.split([',', ' ']).filter(|one| !one.is_empty()).collect();
        let rules = Matcher::builder().https(url).no(except.join(",")).build();
        Self { rules: (!except.contains(&"*")).then_some(rules), unusable }
    }

    /// The proxy to ask a server through. Never for this machine itself, and so never in the clear: nothing else is asked
    /// by `http://`.
    pub(super) fn towards(&self, uri: &Uri) -> Result<Option<Intercept>, Failure> {
        let proxy = self.rules.as_ref().filter(|_| !is_here(host(uri))).and_then(|rules| rules.intercept(uri));
        match (&self.unusable, proxy) {
            (Some(failure), Some(_)) => Err(failure.clone()),
            (_, proxy) => Ok(proxy),
        }
    }
}

/// Whether a host is this machine (RFC 6761 §6.3 for the name).
fn is_here(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    name == "localhost" || name.ends_with(".localhost") || address()
}

/// A tunnel to a server (RFC 9110 §9.3.6): what goes through it is between us and the server.
pub(super) async fn tunnel(proxy: &Intercept, uri: &Uri, url: &str) -> Result<Box<dyn Duplex>, Failure> {
    let by = format!("by way of the proxy {}", proxy.uri().authority().map_or("", |authority| authority.as_str()));
    let failed = |why: &str| network(url, &format!("{by}: {why}"));
    let to = format!("{}:{}", uri.host().unwrap_or_default(), port(uri));
    let stream = connect(host(proxy.uri()), port(proxy.uri())).await.map_err(|why| failed(&why))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error.to_string()))?;
    // It ends with the tunnel, or with the sender.
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = to.parse().map_err(|_| failed(&format!("`{to}` cannot be asked for")))?;
    let host = HeaderValue::from_str(&to).map_err(|_| failed(&format!("`{to}` cannot be asked for")))?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Some(name) = proxy.basic_auth() {
        headers.insert(header::PROXY_AUTHORIZATION, name.clone());
    }
    let answered = timeout(HEAD, sender.send_request(request)).await;
    let answered = answered.map_err(|_| failed(&format!("no answer within {HEAD:?}")))?;
    let answer = answered.map_err(|error| failed(&format!("no answer: {error}")))?;
    let status = answer.status();
    if !status.is_success() {
        let (kind, why) = refusal(status, proxy.basic_auth().is_some(), &to);
        return Err(Failure { kind, ..failed(&why) });
    }
    let through = hyper::upgrade::on(answer).await.map_err(|error| failed(&format!("no tunnel: {error}")))?;
    Ok(Box::new(TokioIo::new(through)))
}

/// What an answer to CONNECT means that is no tunnel.
fn refusal(status: StatusCode, named: bool, to: &str) -> (FailureKind, String) {
    const HELP: &str = "\n  help: `proxy: http://NAME:PASSWORD@HOST:PORT` in `geodb`, or the same in `https_proxy`";
    match status.as_u16() {
        407 if named => (FailureKind::Credentials, format!("it does not accept the name and password{HELP}")),
        407 => (FailureKind::Credentials, format!("it wants a name and password{HELP}")),
        401 | 403 | 405 => (FailureKind::Setup, format!("it does not allow connections to {to} ({status})")),
        502..=504 => (FailureKind::Network, format!("it cannot reach {to} ({status})")),
        _ => (FailureKind::Network, format!("it makes no tunnel to {to} ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for an address, with these variables, without the name and password.
    #[track_caller]
    fn check(reach: &Reach, variables: &[(&str, &str)], url: &str, expected: &str) {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = match Proxies::of(reach, &environment).towards(&url.parse().unwrap()) {
            Ok(proxy) => proxy.map_or_else(|| "direct".to_owned(), |proxy| proxy.uri().to_string()),
            Err(failure) => failure.to_string(),
        };
        assert!(!found.contains("secret"), "{found}");
        assert_eq!(found, expected);
    }

    const OUT: &str = "https://db.example.com/x";

    #[test]
    fn the_environment_as_curl_reads_it() {
        let none = Reach::default();
        check(&none, &[], OUT, "direct");
        check(&none, &[("HTTPS_PROXY", "http://big:1")], OUT, "http://big:1/");
        check(&none, &[("HTTPS_PROXY", "http://big:1"), ("https_proxy", "small:2")], OUT, "http://small:2/");
        check(&none, &[("https_proxy", ""), ("ALL_PROXY", "http://me:secret@all:3")], OUT, "http://all:3/");
        check(&none, &[("all_proxy", "[::1]:4")], OUT, "http://[::1]:4/");
        // Of others than ours it says nothing.
        check(&none, &[("http_proxy", "http://p:1"), ("HTTP_PROXY", "http://p:1")], OUT, "direct");
        let refused = "`ALL_PROXY` of the environment: the proxy `socks5://p:1` cannot be used\n  help: a proxy is spoken to by \
                       `http://` only; what is fetched through it stays encrypted";
        let socks = ("ALL_PROXY", "socks5://me:secret@p:1");
        check(&none, &[socks], OUT, refused);
        // It is in nobody's way who is asked directly.
        check(&none, &[socks, ("no_proxy", "example.com")], OUT, "direct");
        check(&none, &[socks], "https://127.0.0.1/x", "direct");
    }

    #[test]
    fn who_is_asked_directly() {
        let by = |except: &str, url: &str, expected: &str| {
            let variables = [("https_proxy", "http://p:1"), ("no_proxy", except), ("NO_PROXY", "db.example.com")];
            check(&Reach::default(), &variables, url, expected);
        };
        let through = "http://p:1/";
        by("x.example", OUT, through);
        for except in
            ["*", "a,*", "db.example.com", ".example.com", "example.com", "x, DB.example.COM", "x db.example.com"]
        {
            by(except, OUT, "direct");
        }
        // An empty variable is none, and the other one holds.
        by("", OUT, "direct");
        by("ample.com", OUT, through);
        by("192.0.2.0/24", "https://192.0.2.7/x", "direct");
        by("192.0.2.7", "https://192.0.2.8/x", through);
        by("*", "https://192.0.2.8/x", "direct");
        by("2001:db8::/32", "https://[2001:db8::7]:444/x", "direct");
        // This machine never.
        for url in
            ["localhost", "a.localhost", "LOCALHOST.", "127.0.0.1:8443", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            by("x", &format!("https://{url}/x"), "direct");
        }
    }

    #[test]
    fn the_settings_win() {
        let at = |url: &str| Proxy::At(ProxyUrl::parse(url).unwrap());
        let variables = [("https_proxy", "http://env:1"), ("no_proxy", "db.example.com")];
        let reach = Reach { proxy: at("http://own:2"), ..Reach::default() };
        check(&reach, &variables, OUT, "direct");
        check(&reach, &variables, "https://other.example/", "http://own:2/");
        let reach = Reach { proxy: at("http://own:2"), no_proxy: Some(Vec::new()), ..Reach::default() };
        check(&reach, &variables, OUT, "http://own:2/");
        let reach = Reach { no_proxy: Some(vec!["a".into(), ".example".into()]), ..Reach::default() };
        check(&reach, &variables, OUT, "http://env:1/");
        check(&reach, &variables, "https://other.example/", "direct");
        let off = Reach { proxy: Proxy::Off, ..Reach::default() };
        check(&off, &[("https_proxy", "socks5://broken")], OUT, "direct");
    }
}
