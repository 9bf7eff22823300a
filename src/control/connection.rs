//! One connection of the control API, with its limits, whatever it came by.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tracing::debug;

/// How long a request line and headers may take.
const HEADERS: Duration = Duration::from_secs(2);
/// Octets of request line and headers together.
const HEAD: usize = 16 << 10;
/// Headers of a request.
const MAX_HEADERS: usize = 64;

/// Answers one request within this time, or gives up.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, lasts: Duration) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(lasts, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a control connection ended early"),
        Err(_) => debug!("a control connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::extract::DefaultBodyLimit;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Sends a piece every second; how long the connection lasted, and the first line of what it said.
    async fn slow(pieces: &[&str]) -> (u64, String) {
        let router = Router::new().route("/", post(|_: Bytes| async { "fine" })).layer(DefaultBodyLimit::max(64));
        let (mut client, server) = duplex(1024);
        let began = Instant::now();
        let serving = tokio::spawn(async move {
            serve(server, router, Duration::from_secs(15)).await;
            began.elapsed().as_secs()
        });
        for piece in pieces {
            // The other side may have had enough.
            if client.write_all(piece.as_bytes()).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let lasted = serving.await.unwrap();
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        (lasted, said.lines().next().unwrap_or_default().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_clients_are_left() {
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n\r\n";
        assert_eq!(slow(&[head, &"x".repeat(60)]).await, (1, "HTTP/1.1 200 OK".to_owned()));
        assert_eq!(slow(&[]).await.0, 2);
        assert_eq!(slow(&["P"; 100]).await.0, 2);
        let trickle: Vec<_> = std::iter::once(head).chain(["x"; 59]).collect();
        assert_eq!(slow(&trickle).await, (15, String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn large_requests_are_refused() {
        let long = format!("POST /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(HEAD));
        assert_eq!(slow(&[&long]).await.1, "HTTP/1.1 431 Request Header Fields Too Large");
        let many = format!("POST / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(slow(&[&many]).await.1, "HTTP/1.1 431 Request Header Fields Too Large");
        let body = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n{}", "x".repeat(65));
        assert_eq!(slow(&[&body]).await.1, "HTTP/1.1 413 Payload Too Large");
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = format!("41\r\n{}\r\n0\r\n\r\n", "x".repeat(65));
        assert_eq!(slow(&[chunked, &chunk]).await.1, "HTTP/1.1 413 Payload Too Large");
    }
}
