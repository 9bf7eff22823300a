//! A small HTTP client: one request per connection, everything bounded, written to a file as it comes.
//!
//! Redirects are followed, to the same kind of connection or a safer one; who is asked in the end gets no credentials that
//! were meant for another.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use ring::digest::{Context, SHA256};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::proxy::{self, Proxies};
use super::source::shown;
use super::{Failure, FailureKind, Step, Tell};
use crate::config::settings::reach::Reach;

/// To connect to one address, and to shake hands.
const CONNECT: Duration = Duration::from_secs(10);
/// Until an answer begins.
pub(super) const HEAD: Duration = Duration::from_secs(30);
/// Longest silence in the middle of a download.
const IDLE: Duration = Duration::from_secs(30);
/// Longest download.
const TOTAL: Duration = Duration::from_hours(1);
/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Largest download: the largest databases there are have some 2 GB unpacked, and pack to a third.
pub(super) const MAX_DOWNLOAD: u64 = 2 << 30;
/// Largest text (checksums, words of an error).
const MAX_TEXT: usize = 16 << 10;

/// Who asks.
pub(super) const USER_AGENT: &str = concat!("catchment/", env!("CARGO_PKG_VERSION"));

/// What is known of the download of before, so that it need not be sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What came of asking for a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// It is in the file.
    File { octets: u64, sha256: String, validators: Validators },
    /// It is as it was (304).
    Unchanged,
    /// There is none (404).
    Nothing,
}

/// Asks over HTTP and HTTPS.
pub(super) struct Client {
    tls: TlsConnector,
    proxies: Proxies,
}

/// A connection, or a tunnel through one.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Client {
    /// Trusts the public certificate authorities and those of the settings, whose file is read; goes by way of proxies as the
    /// settings and the environment say.
    pub(super) fn new(reach: &Reach, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let authorities = reach.authorities.as_deref().map_or_else(|| Ok(Vec::new()), authorities)?;
        let (roots, ignored) = crate::tls::roots(&authorities);
        if ignored > 0 && ignored == authorities.len() {
            let file = reach.authorities.as_deref().unwrap_or(Path::new(""));
            return Err(no_authorities(file, "no certificate in it can be used"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder =
            builder.map_err(|error| Failure::of(FailureKind::Setup, format!("TLS cannot be set up: {error}")))?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), proxies: Proxies::of(reach, environment) })
    }

    /// A short text.
    pub(super) async fn text(&self, url: &str, authorization: Option<&str>) -> Result<String, Failure> {
        let (response, _connection) = self.ask(url, authorization, &Validators::default()).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(url, &response));
        }
        let body = timeout(HEAD, Limited::new(response.into_body(), MAX_TEXT).collect()).await;
        let body = body.map_err(|_| network(url, "the answer does not end"))?;
        let body = body.map_err(|error| network(url, &format!("the answer cannot be read: {error}")))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    /// A file, written to `to`, which is made.
    pub(super) async fn file(
        &self,
        url: &str,
        authorization: Option<&str>,
        known: &Validators,
        to: &Path,
        tell: Tell<'_>,
    ) -> Result<Got, Failure> {
        let (response, _connection) = self.ask(url, authorization, known).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Got::Unchanged),
            StatusCode::NOT_FOUND => return Ok(Got::Nothing),
            _ => return Err(refused(url, &response)),
        }
        let all = length(response.headers());
        if all.is_some_and(|all| all > MAX_DOWNLOAD) {
            return Err(too_large(url));
        }
        let text = |name| response.headers().get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let validators = Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
        let saved = timeout(TOTAL, save(url, response.into_body(), all, to, tell)).await;
        let (octets, sha256) = saved.map_err(|_| network(url, "the download takes too long"))??;
        Ok(Got::File { octets, sha256, validators })
    }

    /// Asks, and follows redirects. The connection ends with the guard.
    async fn ask(
        &self,
        url: &str,
        authorization: Option<&str>,
        known: &Validators,
    ) -> Result<(Response<Incoming>, Ending), Failure> {
        let first = parse(url)?;
        let mut at = first.clone();
        for _ in 0..=REDIRECTS {
            let may_know = authorization.filter(|_| same_place(&first, &at));
            let (response, connection) = self.ask_once(&at, may_know, known).await?;
            let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !moved {
                return Ok((response, connection));
            }
            at = next(&at, response.headers().get(header::LOCATION))?;
        }
        Err(network(url, &format!("more than {REDIRECTS} redirects")))
    }

    async fn ask_once(
        &self,
        uri: &Uri,
        authorization: Option<&str>,
        known: &Validators,
    ) -> Result<(Response<Incoming>, Ending), Failure> {
        let url = uri.to_string();
        let mut request =
            Request::builder().method(Method::GET).uri(uri.path_and_query().map_or("/", |path| path.as_str()));
        if let Some(headers) = request.headers_mut() {
            let mut put = |name: header::HeaderName, value: &str| match HeaderValue::from_str(value) {
                Ok(mut value) => {
                    value.set_sensitive(name == header::AUTHORIZATION);
                    headers.insert(name, value);
                    Ok(())
                }
                Err(_) => Err(Failure::of(FailureKind::Setup, format!("`{name}` cannot be sent as it is"))),
            };
            put(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))?;
            put(header::USER_AGENT, USER_AGENT)?;
            put(header::ACCEPT, "*/*")?;
            put(header::ACCEPT_ENCODING, "identity")?;
            put(header::CONNECTION, "close")?;
            if let Some(authorization) = authorization {
                put(header::AUTHORIZATION, authorization)?;
            }
            if let Some(etag) = &known.etag {
                put(header::IF_NONE_MATCH, etag)?;
            }
            if let Some(moment) = &known.last_modified {
                put(header::IF_MODIFIED_SINCE, moment)?;
            }
        }
        let request = request.body(Empty::<Bytes>::new());
        let request = request.map_err(|error| Failure::of(FailureKind::Setup, format!("{}: {error}", shown(&url))))?;
        let stream: Box<dyn Duplex> = match self.proxies.towards(uri)? {
            Some(proxy) => proxy::tunnel(&proxy, uri, &url).await?,
            None => Box::new(connect(host(uri), port(uri)).await.map_err(|why| network(&url, &why))?),
        };
        if uri.scheme_str() != Some("https") {
            return converse(stream, request, &url).await;
        }
        let host = host(uri);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| network(&url, &format!("`{host}` is no name for TLS")))?;
        let secured = timeout(CONNECT, self.tls.connect(name, stream)).await;
        let secured = secured.map_err(|_| network(&url, "no TLS handshake in time"))?;
        converse(secured.map_err(|error| network(&url, &handshake(&error)))?, request, &url).await
    }
}

/// The certificates in a file.
fn authorities(file: &Path) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, Failure> {
    crate::tls::authorities(file).map_err(|why| no_authorities(file, &why))
}

fn no_authorities(file: &Path, why: &str) -> Failure {
    let message = format!(
        "the certificate authorities of {} cannot be read: {why}\n  help: `authorities` in `geodb` names a PEM file, with \
         `-----BEGIN CERTIFICATE-----` in it; without it the public ones are trusted",
        file.display()
    );
    Failure::of(FailureKind::Setup, message)
}

/// What went wrong with a handshake, for people.
fn handshake(error: &io::Error) -> String {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "the connection was closed while shaking hands for TLS".to_owned(),
            _ => format!("the connection broke while shaking hands for TLS: {}", crate::tls::plain(error)),
        };
    };
    let words = format!("TLS: {}", crate::tls::words(error));
    // A signature is bad, too, when the authority has a new key under its old name.
    if let rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) = error {
        return format!(
            "{words}\n  help: where a mirror or a proxy has an authority of its own, name the file of its certificate: \
             `authorities` in `geodb`, or `--authorities`"
        );
    }
    words
}

/// Ends a connection's task with whoever reads from it.
struct Ending(JoinHandle<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects to the first address of a host that takes it. The error is in words.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = timeout(CONNECT, tokio::net::lookup_host((host, port))).await;
    let addresses = addresses.map_err(|_| format!("the address of {host} is not found in time"))?;
    let addresses = addresses.map_err(|error| format!("the address of {host} is not found: {error}"))?;
    let mut why = format!("{host} has no address");
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = format!("no connection to {address}: {error}"),
            Err(_) => why = format!("no connection to {address} within {CONNECT:?}"),
        }
    }
    Err(why)
}

async fn converse(
    stream: impl Duplex + 'static,
    request: Request<Empty<Bytes>>,
    url: &str,
) -> Result<(Response<Incoming>, Ending), Failure> {
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| network(url, &error.to_string()))?;
    // What goes wrong on the connection is said by the answer's body.
    let ending = Ending(tokio::spawn(async move { drop(connection.await) }));
    let answered = timeout(HEAD, sender.send_request(request)).await;
    let answered = answered.map_err(|_| network(url, &format!("no answer within {HEAD:?}")))?;
    Ok((answered.map_err(|error| network(url, &format!("no answer: {error}")))?, ending))
}

async fn save(
    url: &str,
    mut body: Incoming,
    all: Option<u64>,
    to: &Path,
    tell: Tell<'_>,
) -> Result<(u64, String), Failure> {
    let mut file = File::create_new(to).await.map_err(|error| disk(to, &error))?;
    let (mut octets, mut digest) = (0_u64, Context::new(&SHA256));
    loop {
        let frame =
            timeout(IDLE, body.frame()).await.map_err(|_| network(url, &format!("nothing comes for {IDLE:?}")))?;
        let Some(frame) = frame else { break };
        let frame =
            frame.map_err(|error| network(url, &format!("the download broke off after {octets} octets: {error}")))?;
        let Some(data) = frame.data_ref() else { continue };
        octets += data.len() as u64;
        if octets > MAX_DOWNLOAD {
            return Err(too_large(url));
        }
        digest.update(data);
        file.write_all(data).await.map_err(|error| disk(to, &error))?;
        tell(Step::Download { octets, all });
    }
    file.flush().await.map_err(|error| disk(to, &error))?;
    Ok((octets, hex(digest.finish().as_ref())))
}

/// Lower case.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{octet:02x}");
        out
    })
}

fn parse(url: &str) -> Result<Uri, Failure> {
    let good = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    let uri = url.parse::<Uri>().ok().filter(good);
    uri.ok_or_else(|| Failure::of(FailureKind::Setup, format!("`{}` is not an address", shown(url))))
}

/// The host, an IPv6 address without its brackets.
pub(super) fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

pub(super) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

fn same_place(a: &Uri, b: &Uri) -> bool {
    a.scheme() == b.scheme() && a.authority() == b.authority()
}

/// Where a redirect leads (RFC 9110 §15.4): never from TLS to the clear.
fn next(from: &Uri, location: Option<&HeaderValue>) -> Result<Uri, Failure> {
    let url = from.to_string();
    let location = location.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let absolute = if location.starts_with('/') && !location.starts_with("//") {
        let scheme = from.scheme_str().unwrap_or("https");
        format!("{scheme}://{}{location}", from.authority().map_or("", |authority| authority.as_str()))
    } else {
        location.split('#').next().unwrap_or_default().to_owned()
    };
    if crate::config::settings::fetch::address(&absolute).is_err() {
        return Err(network(&url, &format!("it leads to `{}`, where nothing is fetched from", shown(&absolute))));
    }
    let to = parse(&absolute)?;
    if from.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
        return Err(network(&url, "it leads from TLS to the clear"));
    }
    Ok(to)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(url: &str) -> Failure {
    Failure::of(FailureKind::Refused, format!("{}: larger than {} MB", shown(url), MAX_DOWNLOAD >> 20))
}

pub(super) fn disk(path: &Path, error: &io::Error) -> Failure {
    Failure::of(FailureKind::Disk, format!("{} cannot be written: {error}", path.display()))
}

pub(super) fn network(url: &str, why: &str) -> Failure {
    Failure::of(FailureKind::Network, format!("{}: {why}", shown(url)))
}

/// An answer that is none of those hoped for, in words. What the server says is not repeated: it may hold what was sent.
fn refused(url: &str, response: &Response<Incoming>) -> Failure {
    let status = response.status();
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let (kind, why) = match status.as_u16() {
        401 | 403 => (FailureKind::Credentials, "the account, key or token is not accepted".to_owned()),
        404 => (FailureKind::Missing, "there is no such file".to_owned()),
        429 => (FailureKind::Busy, "too many downloads; the provider wants us to wait".to_owned()),
        500.. => (FailureKind::Network, format!("the server has trouble ({status})")),
        _ => (FailureKind::Missing, format!("the server answers {status}")),
    };
    Failure { after: after.map(Duration::from_secs), ..Failure::of(kind, format!("{}: {why}", shown(url))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, location: &str, expected: Result<&str, &str>) {
        let location = HeaderValue::from_str(location).unwrap();
        let next = next(&from.parse().unwrap(), Some(&location)).map(|uri| uri.to_string());
        let next = next.map_err(|failure| failure.to_string());
        assert_eq!(next.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn redirects() {
        const FROM: &str = "https://a.example/x?token=secret";
        check(FROM, "https://b.example/y?sig=1", Ok("https://b.example/y?sig=1"));
        check(FROM, "/z", Ok("https://a.example/z"));
        check(FROM, "http://127.0.0.1/z", Err("https://a.example/x: it leads from TLS to the clear"));
        check(
            FROM,
            "http://b.example/y?sig=secret",
            Err("https://a.example/x: it leads to `http://b.example/y`, where nothing is fetched from"),
        );
        check(
            FROM,
            "//b.example/y",
            Err("https://a.example/x: it leads to `//b.example/y`, where nothing is fetched from"),
        );
        check(
            FROM,
            "file:///etc/passwd",
            Err("https://a.example/x: it leads to `file:///etc/passwd`, where nothing is fetched from"),
        );
    }

    #[test]
    fn credentials_stay_at_their_place() {
        let of = |url: &str| url.parse::<Uri>().unwrap();
        assert!(same_place(&of("https://a.example/x"), &of("https://a.example/y?z")));
        for other in ["https://b.example/x", "https://a.example:444/x", "http://a.example/x"] {
            assert!(!same_place(&of("https://a.example/x"), &of(other)), "{other}");
        }
    }
}
