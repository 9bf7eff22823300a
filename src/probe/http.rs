//! `http` and `https`: one HTTP/1.1 request over a connection that exists for it alone.
//!
//! No redirect is followed: a 3xx is a status like any other.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::{Failure, Progress, Stage, plain};
use crate::health::Http;

/// Bytes of a body that are looked at.
const BODY_LIMIT: usize = 64 * 1024;
/// Bytes a response's head may have.
const HEAD_LIMIT: usize = 64 * 1024;
const USER_AGENT: &str = concat!("catchment/", env!("CARGO_PKG_VERSION"));

/// Sends the request and judges the response. `port` is the scheme's own, left out of a `Host` made from the address.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    address: SocketAddr,
    port: u16,
    http: &Http,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    let request = Request::builder()
        .method(http.method.as_str())
        .uri(&http.path)
        .header(header::HOST, host(address, port, http))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::of_target(format!("request cannot be made: {}", plain(&error))))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error, Stage::Response))?;
    let dialog = async {
        let response = sender.send_request(request).await.map_err(|error| broken(&error, Stage::Response))?;
        judge(response, http, progress).await
    };
    let (mut dialog, mut connection) = (std::pin::pin!(dialog), std::pin::pin!(connection));
    // The connection moves the bytes; whatever it has to say of their end reaches the dialog too.
    tokio::select! {
        biased;
        verdict = &mut dialog => return verdict,
        _ = &mut connection => {}
    }
    dialog.await
}

/// The `Host` header: as configured, else the address.
pub(crate) fn host(address: SocketAddr, port: u16, http: &Http) -> String {
    match &http.host {
        Some(host) => host.clone(),
        None if address.port() != port => address.to_string(),
        None => match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        },
    }
}

async fn judge(
    response: Response<Incoming>,
    http: &Http,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    progress.enter(Stage::Body);
    let status = response.status().as_u16();
    if !http.status.iter().any(|&(first, last)| (first..=last).contains(&status)) {
        return Err(Failure::of_target(format!("HTTP {status}, expected {}", spell(&http.status))));
    }
    if let Some(wanted) = &http.body
        && !contains(response.into_body(), wanted.as_bytes()).await?
    {
        return Err(Failure::of_target(format!("HTTP {status}, but `{wanted}` is not in the body")));
    }
    progress.enter(Stage::Done);
    Ok(format!("HTTP {status}").into())
}

/// Whether the first [`BODY_LIMIT`] bytes contain this; reads no more than it takes to tell.
async fn contains(mut body: Incoming, wanted: &[u8]) -> Result<bool, Failure> {
    let mut seen: Vec<u8> = Vec::new();
    if wanted.is_empty() {
        return Ok(true);
    }
    while seen.len() < BODY_LIMIT {
        let frame = match body.frame().await {
            None => return Ok(false),
            Some(Err(error)) => return Err(broken(&error, Stage::Body)),
            Some(Ok(frame)) => frame,
        };
        let Some(data) = frame.data_ref() else { continue };
        // A match may begin in what came before.
        let from = seen.len().saturating_sub(wanted.len() - 1);
        seen.extend(data.iter().take(BODY_LIMIT - seen.len()));
        if seen.get(from..).is_some_and(|new| new.windows(wanted.len()).any(|window| window == wanted)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An HTTP exchange that did not come to its end.
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
        let http = Http { host: configured.map(str::to_owned), ..Http::default() };
        assert_eq!(host(address.parse().unwrap(), port, &http), expected);
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
    fn status_codes_as_people_write_them() {
        assert_eq!(spell(&[(200, 399)]), "200–399");
        assert_eq!(spell(&[(200, 200), (204, 204), (300, 399)]), "200, 204, 300–399");
    }
}
