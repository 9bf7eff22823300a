//! `http` and `https`: one request over a connection that exists for it alone, in HTTP/1.1 or HTTP/2.
//!
//! A redirect is a status like any other, unless the check follows some. One that leads anywhere but to the target itself
//! is never followed (SEMANTICS §4.8).

use std::borrow::Cow;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::http::HeaderValue;
use hyper::http::request::Builder;
use hyper::http::response::Parts;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::{Failure, Progress, Stage, plain};
use super::tls::Alpn;
use super::tools::Tools;
use super::{http2, tcp};
use crate::health::check::{Body, Http, HttpVersion, Tls};

/// Bytes of a body that are looked at.
const BODY_LIMIT: usize = 64 * 1024;
/// Bytes a response's head may have.
pub(super) const HEAD_LIMIT: usize = 64 * 1024;
pub(super) const USER_AGENT: &str = concat!("catchment/", env!("CARGO_PKG_VERSION"));

/// Sends the request, over TLS or not, and judges the response.
pub(crate) async fn exchange(
    address: SocketAddr,
    source: Option<IpAddr>,
    http: &Http,
    tls: Option<&Tls>,
    tools: &Tools,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    let (scheme, port) = if tls.is_some() { ("https", 443) } else { ("http", 80) };
    let host = host(address, port, http.host.as_deref());
    let mut path = http.path.clone();
    for _ in 0..=http.redirects {
        progress.enter(Stage::Connect);
        let stream = tcp::connect(address, source).await?;
        let ask = Ask { http, scheme, host: &host, path: &path };
        let answer = match tls {
            None => {
                progress.enter(Stage::Response);
                ask.over(stream, progress).await?
            }
            Some(tls) => {
                progress.enter(Stage::Tls);
                let alpn = match http.version {
                    HttpVersion::Http1 => Alpn::Http1,
                    HttpVersion::Http2 => Alpn::Http2,
                };
                let stream = tools.connectors.handshake(stream, &host, tls, alpn).await?.stream;
                progress.enter(Stage::Response);
                ask.over(stream, progress).await?
            }
        };
        match answer {
            Answer::Good(words) => return Ok(words),
            Answer::Moved { status, to } => {
                path = along(&ask, &to).ok_or_else(|| {
                    let to = super::dialog::shown(to.as_bytes());
                    Failure::of_target(format!("HTTP {status} to `{to}`, which is elsewhere and not followed"))
                })?;
            }
        }
    }
    Err(Failure::of_target(format!("more than {} redirects", http.redirects)))
}

/// One request of a probe.
struct Ask<'a> {
    http: &'a Http,
    scheme: &'static str,
    host: &'a str,
    path: &'a str,
}

/// What came of one request.
enum Answer {
    Good(Cow<'static, str>),
    /// A redirect that is to be followed.
    Moved {
        status: u16,
        to: String,
    },
}

impl Ask<'_> {
    async fn over<S>(&self, stream: S, progress: &mut Progress) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.http.version {
            HttpVersion::Http1 => self.over_http1(stream, progress).await,
            HttpVersion::Http2 => self.over_http2(stream, progress).await,
        }
    }

    async fn over_http1<S>(&self, stream: S, progress: &mut Progress) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let builder = Request::builder().uri(self.path).header(header::HOST, self.host);
        let mut request = self.request(builder, Empty::<Bytes>::new()).map_err(|error| unmade(&error))?;
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error, Stage::Response))?;
        let dialog = async {
            let response = sender.send_request(request).await.map_err(|error| broken(&error, Stage::Response))?;
            let (head, body) = response.into_parts();
            self.judge(&head, Pieces::Http1(body), progress).await
        };
        drive(dialog, connection).await
    }

    async fn over_http2<S>(&self, stream: S, progress: &mut Progress) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let builder = Request::builder().uri(format!("{}://{}{}", self.scheme, self.host, self.path));
        let request = self.request(builder, ()).map_err(|error| unmade(&error))?;
        let (sender, connection) = http2::begin(stream).await?;
        let dialog = async {
            let (head, body) = http2::send(sender, request, None).await?;
            self.judge(&head, Pieces::Http2(body), progress).await
        };
        drive(dialog, connection).await
    }

    fn request<B>(&self, builder: Builder, body: B) -> Result<Request<B>, hyper::http::Error> {
        let mut request = builder
            .method(self.http.method.as_str())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*")
            .body(body)?;
        for (name, value) in &self.http.headers {
            request.headers_mut().insert(header::HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        Ok(request)
    }

    async fn judge(&self, head: &Parts, mut body: Pieces, progress: &mut Progress) -> Result<Answer, Failure> {
        progress.enter(Stage::Body);
        let (http, status) = (self.http, head.status.as_u16());
        if http.redirects > 0
            && matches!(status, 301 | 302 | 303 | 307 | 308)
            && let Some(to) = head.headers.get(header::LOCATION)
        {
            return Ok(Answer::Moved { status, to: String::from_utf8_lossy(to.as_bytes()).into_owned() });
        }
        if !http.status.iter().any(|&(first, last)| (first..=last).contains(&status)) {
            return Err(Failure::of_target(format!("HTTP {status}, wanted {}", spell(&http.status))));
        }
        let missing = match &http.body {
            Some(Body::Text(wanted)) if !body.hold(wanted.as_bytes()).await? => {
                Some(format!("HTTP {status}, but `{wanted}` is not in the body"))
            }
            // Only at the end: a pattern may be anchored there.
            Some(Body::Regex(pattern)) if !pattern.is_match(&body.all().await?) => {
                Some(format!("HTTP {status}, but nothing in the body matches `{}`", pattern.as_str()))
            }
            Some(_) | None => None,
        };
        if let Some(words) = missing {
            return Err(Failure::of_target(words));
        }
        progress.enter(Stage::Done);
        Ok(Answer::Good(format!("HTTP {status}").into()))
    }
}

/// Where a redirect leads on the target itself: path and query. `None` when it leads elsewhere.
fn along(ask: &Ask<'_>, to: &str) -> Option<String> {
    let to = to.split('#').next().unwrap_or_default();
    let beyond_scheme = match to.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(ask.scheme) => Some(rest),
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => return None,
        _ => to.strip_prefix("//"),
    };
    if let Some(rest) = beyond_scheme {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let same = authority.eq_ignore_ascii_case(ask.host);
        return same.then(|| if path.starts_with('/') { path.to_owned() } else { format!("/{path}") });
    }
    let base = ask.path.split('?').next().unwrap_or_default();
    Some(match to.chars().next() {
        Some('/') => to.to_owned(),
        None | Some('?') => format!("{base}{to}"),
        Some(_) => format!("{}/{to}", base.rsplit_once('/').map_or("", |(folder, _)| folder)),
    })
}

/// Lets the connection move the bytes while the dialog waits for them; whatever it has to say of their end reaches the
/// dialog too.
pub(super) async fn drive<T>(dialog: impl Future<Output = T>, connection: impl Future) -> T {
    let (mut dialog, mut connection) = (std::pin::pin!(dialog), std::pin::pin!(connection));
    tokio::select! {
        biased;
        outcome = &mut dialog => return outcome,
        _ = &mut connection => {}
    }
    dialog.await
}

/// `host` as configured, else the address, without the scheme's own port.
pub(crate) fn host(address: SocketAddr, port: u16, configured: Option<&str>) -> String {
    match configured {
        Some(host) => host.to_owned(),
        None if address.port() != port => address.to_string(),
        None => match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        },
    }
}

/// The body of a response, however it comes.
enum Pieces {
    Http1(Incoming),
    Http2(h2::RecvStream),
}

impl Pieces {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Http1(body) => loop {
                match body.frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(broken(&error, Stage::Body)),
                    // Trailers are no body.
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
            Self::Http2(body) => http2::piece(body).await,
        }
    }

    /// Whether the first [`BODY_LIMIT`] bytes contain this; reads no more than it takes to tell.
    async fn hold(&mut self, wanted: &[u8]) -> Result<bool, Failure> {
        let mut seen: Vec<u8> = Vec::new();
        if wanted.is_empty() {
            return Ok(true);
        }
        while seen.len() < BODY_LIMIT
            && let Some(data) = self.next().await?
        {
            // A match may begin in what came before.
            let from = seen.len().saturating_sub(wanted.len() - 1);
            seen.extend(data.iter().take(BODY_LIMIT - seen.len()));
            if seen.get(from..).is_some_and(|new| new.windows(wanted.len()).any(|window| window == wanted)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first [`BODY_LIMIT`] bytes.
    async fn all(&mut self) -> Result<Vec<u8>, Failure> {
        let mut seen = Vec::new();
        while seen.len() < BODY_LIMIT
            && let Some(data) = self.next().await?
        {
            seen.extend(data.iter().take(BODY_LIMIT - seen.len()));
        }
        Ok(seen)
    }
}

pub(super) fn unmade(error: &hyper::http::Error) -> Failure {
    Failure::of_target(format!("request cannot be made: {}", plain(error)))
}

/// An HTTP/1.1 exchange that did not come to its end.
fn broken(error: &hyper::Error, stage: Stage) -> Failure {
    let source = std::error::Error::source(error);
    if let Some(io) = source.and_then(|source| source.downcast_ref::<std::io::Error>()) {
        return Failure::of_connection(io, stage);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Failure::of_connection(&std::io::ErrorKind::UnexpectedEof.into(), stage);
    }
    if error.is_parse() {
        return Failure::of_target(format!("no HTTP response: {}", plain(error)));
    }
    Failure::of_target(plain(error))
}

/// Status codes as people write them: `200, 204, 300–399`.
fn spell(ranges: &[(u16, u16)]) -> String {
    let mut text = String::new();
    for (index, (first, last)) in ranges.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a `String` cannot fail.
        let _ = if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}–{last}") };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, port: u16, configured: Option<&str>, expected: &str) {
        assert_eq!(host(address.parse().unwrap(), port, configured), expected);
    }

    #[test]
    fn host_header() {
        check("127.0.0.1:80", 80, None, "127.0.0.1");
        check("127.0.0.1:80", 443, None, "127.0.0.1:80");
        check("127.0.0.1:8443", 443, None, "127.0.0.1:8443");
        check("[::1]:443", 443, None, "[::1]");
        check("[::1]:8443", 443, None, "[::1]:8443");
        check("127.0.0.1:8443", 443, Some("www.example.com"), "www.example.com");
    }

    #[test]
    fn redirects_that_stay() {
        let http = Http::default();
        let ask = Ask { http: &http, scheme: "https", host: "www.example.com", path: "/a/b?c" };
        for (to, expected) in [
            ("/x?y", Some("/x?y")),
            ("x", Some("/a/x")),
            ("?y", Some("/a/b?y")),
            ("", Some("/a/b")),
            ("/x#y", Some("/x")),
            ("https://WWW.example.com/x", Some("/x")),
            ("https://www.example.com", Some("/")),
            ("HTTPS://www.example.com?y", Some("/?y")),
            ("//www.example.com/x", Some("/x")),
            ("/login?to=https://other.example/", Some("/login?to=https://other.example/")),
            ("http://www.example.com/x", None),
            ("https://www.example.com:8443/x", None),
            ("https://www.example.com.evil.example/x", None),
            ("https://www.example.com@evil.example/x", None),
            ("//evil.example/x", None),
        ] {
            assert_eq!(along(&ask, to).as_deref(), expected, "{to}");
        }
    }

    #[test]
    fn status_codes_as_people_write_them() {
        assert_eq!(spell(&[(200, 399)]), "200–399");
        assert_eq!(spell(&[(200, 200), (204, 204), (300, 399)]), "200, 204, 300–399");
    }
}
