//! `grpc` against a health service.

use catchment::health::check::Grpc;
use catchment::health::{CheckKind, Tls, Verdict};
use hyper::http::{HeaderMap, HeaderValue};

use crate::support::*;

fn grpc(service: &str, tls: bool) -> CheckKind {
    let tls = tls.then(|| Tls { verify: false, ..Tls::default() });
    CheckKind::Grpc(Grpc { service: service.to_owned(), host: Some("www.example.com".to_owned()), tls })
}

/// As a health service answers: `""` serves, `bad` does not, `slow` has an answer in two pieces, others are unknown.
fn health(request: &hyper::Request<Vec<u8>>) -> H2Answer {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    let trailers = |status: &'static str, message: &'static str| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        trailers.insert("grpc-message", HeaderValue::from_static(message));
        Some(trailers)
    };
    match request.body().as_slice() {
        [0, 0, 0, 0, 0] => (200, vec![vec![0, 0, 0, 0, 2, 8, 1]], trailers("0", "")),
        [0, 0, 0, 0, 5, 0x0a, 3, b'b', b'a', b'd'] => (200, vec![vec![0, 0, 0, 0, 2, 8, 2]], trailers("0", "")),
        [0, 0, 0, 0, 6, 0x0a, 4, b's', b'l', b'o', b'w'] => {
            (200, vec![vec![0, 0, 0], vec![0, 2, 8, 1]], trailers("0", ""))
        }
        [0, 0, 0, 0, 6, 0x0a, 4, b'h', b't', b't', b'p'] => (404, Vec::new(), None),
        _ => (200, Vec::new(), trailers("5", "unknown service")),
    }
}

#[tokio::test]
async fn health_of_services() {
    let plain = server(|stream| h2_server(stream, health)).await;
    let check = async |service: &str, verdict, words: &str| {
        check_http(plain, grpc(service, false), verdict, words).await;
    };
    check("", Verdict::Good, "gRPC: SERVING").await;
    check("slow", Verdict::Good, "gRPC: SERVING").await;
    check("bad", Verdict::Bad, "gRPC: NOT_SERVING, wanted SERVING").await;
    check("none", Verdict::Bad, "gRPC: NOT_FOUND: unknown service").await;
    check("http", Verdict::Bad, "HTTP 404, wanted a gRPC answer").await;
}

#[tokio::test]
async fn health_over_tls() {
    let address = tls_server("x", |_| {}, None, &[b"h2"], async |stream| h2_server(stream, health).await).await;
    check_http(address, grpc("", true), Verdict::Good, "gRPC: SERVING").await;
    check_http(address, grpc("bad", true), Verdict::Bad, "gRPC: NOT_SERVING, wanted SERVING").await;
    let plain = answering(OK).await;
    check_http(plain, grpc("", false), Verdict::Bad, "no HTTP/2 response: FRAME_SIZE_ERROR").await;
}
