//! HTTP/2 (RFC 9113): one request on a connection of its own. For `http: 2` and for gRPC.
//!
//! `h2` without hyper around it: hyper's HTTP/2 client hands parts of a connection to an executor, and a probe that is cut
//! off would leave them running.

use h2::RecvStream;
use h2::client::{Builder, Connection, SendRequest};
use hyper::Request;
use hyper::body::Bytes;
use hyper::http::response::Parts;
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::{Failure, Stage};
use super::http::HEAD_LIMIT;

/// Greets the server. The connection is to be driven beside what is sent on it.
pub(super) async fn begin<S>(stream: S) -> Result<(SendRequest<Bytes>, Connection<S, Bytes>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Builder::new()
        .enable_push(false)
        .max_header_list_size(HEAD_LIMIT as u32)
        .handshake(stream)
        .await
        .map_err(|error| broken(&error, Stage::Response))
}

/// Sends a request, with a body or without; gives the head of the response and its body yet to come.
pub(super) async fn send(
    sender: SendRequest<Bytes>,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<(Parts, RecvStream), Failure> {
    let failed = |error: h2::Error| broken(&error, Stage::Response);
    let mut sender = sender.ready().await.map_err(failed)?;
    let (response, mut stream) = sender.send_request(request, body.is_none()).map_err(failed)?;
    if let Some(body) = body {
        stream.send_data(body, true).map_err(failed)?;
    }
    Ok(response.await.map_err(failed)?.into_parts())
}

/// The next piece of a body; `None` at its end.
pub(super) async fn piece(body: &mut RecvStream) -> Result<Option<Bytes>, Failure> {
    let Some(data) = body.data().await else { return Ok(None) };
    let data = data.map_err(|error| broken(&error, Stage::Body))?;
    // What was read makes room for more; that fails only on a stream that has ended.
    let _ = body.flow_control().release_capacity(data.len());
    Ok(Some(data))
}

/// An exchange that did not come to its end.
pub(super) fn broken(error: &h2::Error, stage: Stage) -> Failure {
    if let Some(io) = error.get_io() {
        return Failure::of_connection(io, stage);
    }
    match error.reason() {
        Some(reason) if error.is_remote() => Failure::of_target(format!("HTTP/2: the server sent {reason:?}")),
        Some(reason) => Failure::of_target(format!("no HTTP/2 response: {reason:?}")),
        None => Failure::of_target(format!("no HTTP/2 response: {error}")),
    }
}
