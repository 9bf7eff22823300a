//! Who may ask over TCP: not too often, not by way of a foreign web page, and to change something only with a token.
//!
//! A page that a browser shows may make the browser send requests anywhere, also to 127.0.0.1, and with a name of its own
//! that it lets point there (DNS rebinding) it may read the answers. So `Host` must be an address, `localhost` or a name
//! from the settings, and `Origin`, where there is one, must be the same.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Extension, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;

use super::routes::{Failure, Peer};

/// What the settings say of the API: taken up while serving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Names that `Host` may have besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The file of tokens; without one nothing can be changed over TCP. Read at each use, so that it may be changed.
    pub tokens: Option<PathBuf>,
    /// A database older than this is a reason not to be ready.
    pub max_database_age: Option<Duration>,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote(pub(super) IpAddr);

/// Octets of a file of tokens that are read.
const MAX_FILE: u64 = 64 << 10;
/// Shortest token, in octets: 128 bits take 22 letters of base64, 32 of hexadecimal.
const MIN_TOKEN: usize = 22;

/// The rules, and how often everyone has asked.
#[derive(Debug)]
pub(super) struct Gate {
    rules: watch::Receiver<Arc<Rules>>,
    rates: Mutex<Rates>,
}

impl Gate {
    pub(super) fn new(rules: watch::Receiver<Arc<Rules>>) -> Self {
        Self { rules, rates: Mutex::default() }
    }

    fn admit(&self, request: &Request, remote: IpAddr, now: Instant) -> Result<Option<Peer>, Failure> {
        if !self.rates.lock().unwrap_or_else(PoisonError::into_inner).take(remote, now) {
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, "too many requests", "wait a second"));
        }
        self.host(request)?;
        match *request.method() {
            Method::GET | Method::HEAD => Ok(None),
            _ => self.token(request.headers()).map(Some),
        }
    }

    fn host(&self, request: &Request) -> Result<(), Failure> {
        let headers = request.headers();
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            // Before HTTP/1.1 there was none, and no browser speaks that any more: a health check of a load balancer.
            (None, _) if request.version() == Version::HTTP_10 && !headers.contains_key(ORIGIN) => return Ok(()),
            _ => return Err(Failure::new(StatusCode::BAD_REQUEST, "one `Host` header is needed", "")),
        };
        let target = request.uri().authority().map_or(host, |authority| authority.as_str());
        if !self.is_ours(host) || !self.is_ours(target) {
            let help = "use an address or `localhost`, or add the name to `control: {hosts: …}`";
            return Err(Failure::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this server does not answer for that `Host`",
                help,
            ));
        }
        let own = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        };
        if !headers.get_all(ORIGIN).iter().all(own) {
            return Err(Failure::new(StatusCode::FORBIDDEN, "requests of foreign web pages are not answered", ""));
        }
        Ok(())
    }

    /// Whether a name and port is one that this server answers for.
    fn is_ours(&self, authority: &str) -> bool {
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => authority,
        };
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
            || name.parse::<std::net::Ipv4Addr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.rules.borrow().hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    fn token(&self, headers: &HeaderMap) -> Result<Peer, Failure> {
        let refuse = |message: &str, help: &str| Failure::new(StatusCode::UNAUTHORIZED, message, help);
        let Some(file) = self.rules.borrow().tokens.clone() else {
            let help = "ask over the control socket, or set `control: {tokens: FILE}`";
            return Err(Failure::new(StatusCode::FORBIDDEN, "nothing can be changed over TCP", help));
        };
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let Some(sent) = sent else {
            return Err(refuse("a token is needed", "send `Authorization: Bearer TOKEN`"));
        };
        let tokens = read(&file).map_err(|error| {
            tracing::warn!(file = %file.display(), error, "tokens cannot be read, so nothing can be changed over TCP");
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the file of tokens cannot be read", "see the log")
        })?;
        // Every one is looked at, however early one fits.
        let mut found = None;
        for (name, token) in &tokens {
            if fits(token.as_bytes(), sent).into() {
                found = Some(name);
            }
        }
        found
            .map(|name| Peer(format!("token {name}")))
            .ok_or_else(|| refuse("this token is not known", "see the file of `control: {tokens: …}`"))
    }
}

/// In a time that tells nothing of where they differ.
fn fits(token: &[u8], sent: &[u8]) -> Choice {
    token.ct_eq(sent)
}

/// Lines of `NAME TOKEN`; empty ones and those from `#` are passed over.
fn read(file: &Path) -> Result<Vec<(String, String)>, String> {
    use std::io::Read;
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    opened.take(MAX_FILE).read_to_string(&mut text).map_err(|error| error.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, token] = words[..] else { return Err(format!("line {}: not `NAME TOKEN`", number + 1)) };
        if token.len() < MIN_TOKEN {
            return Err(format!("line {}: the token is shorter than {MIN_TOKEN} characters", number + 1));
        }
        tokens.push((name.to_owned(), token.to_owned()));
    }
    Ok(tokens)
}

/// Asks everyone in, or says why not.
pub(super) async fn gate(
    State(gate): State<Arc<Gate>>,
    Extension(Remote(remote)): Extension<Remote>,
    mut request: Request,
    next: Next,
) -> Response {
    match gate.admit(&request, remote, Instant::now()) {
        Ok(peer) => {
            request.extensions_mut().insert(peer.unwrap_or_else(|| Peer(remote.to_string())));
            next.run(request).await
        }
        Err(failure) => {
            let mut response = failure.into_response();
            let header = match response.status() {
                StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
                StatusCode::TOO_MANY_REQUESTS => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
                _ => None,
            };
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, value);
            }
            response
        }
    }
}

/// How often everyone has asked: a bucket for each client that fills with time.
#[derive(Debug, Default)]
struct Rates {
    buckets: HashMap<IpAddr, (f64, Instant)>,
}

/// Requests a second that a client may make for long, and how many at once: several scrapers, dashboards and terminals.
const PER_SECOND: f64 = 50.0;
const AT_ONCE: f64 = 100.0;
/// Clients whose requests are counted; when more ask, those that have been quiet are forgotten.
const CLIENTS: usize = 1_024;
/// A bucket is full again after this time, and may be forgotten.
const QUIET: Duration = Duration::from_secs(2);

impl Rates {
    fn take(&mut self, client: IpAddr, now: Instant) -> bool {
        // A client of IPv6 has a /64 to ask from.
        let client = match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        };
        if self.buckets.len() >= CLIENTS && !self.buckets.contains_key(&client) {
            self.buckets.retain(|_, (_, last)| now.saturating_duration_since(*last) < QUIET);
            if self.buckets.len() >= CLIENTS {
                return false;
            }
        }
        let (left, last) = self.buckets.entry(client).or_insert((AT_ONCE, now));
        let filled = *left + now.saturating_duration_since(*last).as_secs_f64() * PER_SECOND;
        *last = now;
        *left = filled.min(AT_ONCE);
        let admitted = *left >= 1.0;
        if admitted {
            *left -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn gate(rules: Rules) -> Gate {
        Gate::new(watch::Sender::new(Arc::new(rules)).subscribe())
    }

    fn rules() -> (tempfile::NamedTempFile, Gate) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("# people\nops {TOKEN}\n\nci  ffffffffffffffffffffffffffffffff\n"))
            .unwrap();
        let (hosts, tokens) = (vec!["dns1.example.net".to_owned()], Some(file.path().to_owned()));
        let rules = Rules { hosts, tokens, ..Rules::default() };
        (file, gate(rules))
    }

    /// A request of these words: `METHOD URI`, then headers; the status it is refused with, or who asks.
    #[track_caller]
    fn check(request: &str, headers: &[(&str, &str)], expected: Result<&str, u16>) {
        let (_file, gate) = rules();
        let (method, uri) = request.split_once(' ').unwrap();
        let mut built = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            built = built.header(*name, *value);
        }
        let request = built.body(Body::empty()).unwrap();
        let admitted = gate.admit(&request, IpAddr::from([127, 0, 0, 1]), Instant::now());
        let admitted = admitted.map(|peer| peer.map_or_else(String::new, |peer| peer.0));
        assert_eq!(admitted.map_err(|failure| failure.status().as_u16()), expected.map(str::to_owned));
    }

    #[test]
    fn hosts() {
        for host in ["127.0.0.1:8053", "localhost", "LOCALHOST:1", "[::1]:8053", "192.0.2.1", "DNS1.example.net:80"] {
            check("GET /metrics", &[("host", host)], Ok(""));
        }
        for host in
            ["evil.example", "evil.example:8053", "localhost.evil.example", "127.0.0.1.nip.example", "", "[::1", "::1"]
        {
            check("GET /metrics", &[("host", host)], Err(421));
        }
        check("GET /metrics", &[], Err(400));
        check("GET /metrics", &[("host", "localhost"), ("host", "localhost")], Err(400));
        check("GET http://evil.example/metrics", &[("host", "localhost")], Err(421));
    }

    #[test]
    fn origins() {
        let from = |origin| [("host", "localhost:8053"), ("origin", origin)];
        check("GET /metrics", &from("http://localhost:8053"), Ok(""));
        for origin in ["http://localhost:8054", "http://evil.example", "null", "file://", "localhost:8053", ""] {
            check("GET /metrics", &from(origin), Err(403));
        }
    }

    #[test]
    fn tokens() {
        let with = |token| [("host", "localhost"), ("authorization", token)];
        let good = format!("Bearer {TOKEN}");
        check("POST /api/v1/overrides", &with(&good), Ok("token ops"));
        check("DELETE /", &with("Bearer ffffffffffffffffffffffffffffffff"), Ok("token ci"));
        check("POST /api/v1/overrides", &[("host", "localhost")], Err(401));
        for wrong in [
            "Bearer ",
            "Bearer 0123456789abcdef0123456789abcdee",
            &format!("Bearer {TOKEN}0"),
            &format!("Basic {TOKEN}"),
            TOKEN,
            "Bearer ops",
        ] {
            check("POST /api/v1/overrides", &with(wrong), Err(401));
        }
        for method in ["PUT", "PATCH", "OPTIONS", "BREW"] {
            check(&format!("{method} /"), &[("host", "localhost")], Err(401));
        }
    }

    #[test]
    fn without_a_file_nothing_can_be_changed() {
        let admit = |tokens: Option<PathBuf>| {
            let without = gate(Rules { tokens, ..Rules::default() });
            let request =
                Request::post("/").header("host", "localhost").header("authorization", format!("Bearer {TOKEN}"));
            without
                .admit(&request.body(Body::empty()).unwrap(), IpAddr::from([127, 0, 0, 1]), Instant::now())
                .map(|_| ())
        };
        assert_eq!(admit(None).unwrap_err().status(), 403);
        assert_eq!(admit(Some("/nonexistent".into())).unwrap_err().status(), 503);
    }

    #[test]
    fn files_of_tokens() {
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("a b c").unwrap_err(), "line 1: not `NAME TOKEN`");
        assert_eq!(parse("#\nshort 0123").unwrap_err(), "line 2: the token is shorter than 22 characters");
    }

    #[test]
    fn rates_are_limited_and_so_is_what_is_kept_of_them() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let here = IpAddr::from([127, 0, 0, 1]);
        let at_once = (0..500).filter(|_| rates.take(here, start)).count();
        assert_eq!(at_once, 100);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..500).filter(|_| rates.take(here, later)).count(), 50);
        // Others are not concerned, until there are too many to count.
        let others = (0..5_000u32).filter(|n| rates.take(IpAddr::from(n.to_be_bytes()), later)).count();
        assert_eq!((others, rates.buckets.len()), (CLIENTS - 1, CLIENTS));
        assert!(rates.take(IpAddr::from([192, 0, 2, 1]), later + QUIET));
        // All of a /64 is one.
        let of = |low: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, low]);
        let much_later = later + QUIET + QUIET;
        assert_eq!((0..500).filter(|low| rates.take(of(*low), much_later)).count(), 100);
    }
}
