//! `http` and `https`.

use std::net::SocketAddr;
use std::time::Duration;

use catchment::health::check::{Body, HttpVersion, Pattern};
use catchment::health::{CheckKind, Http, Tls, Verdict};
use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn http_status() {
    let ok = answering(OK).await;
    check_http(ok, http(|_| {}), Verdict::Good, "HTTP 200").await;
    let other = http(|http| http.status = vec![(204, 204), (300, 399)]);
    check_http(ok, other, Verdict::Bad, "HTTP 200, wanted 204, 300–399").await;
    let broken = answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
    check_http(broken, http(|_| {}), Verdict::Bad, "HTTP 503, wanted 200–399").await;
    check_http(broken, http(|http| http.status = vec![(503, 503)]), Verdict::Good, "HTTP 503").await;
    check_http(nobody().await, http(|_| {}), Verdict::Bad, "connection refused").await;
    let old = answering("HTTP/1.0 200 OK\r\n\r\nok").await;
    check_http(old, http(|_| {}), Verdict::Good, "HTTP 200").await;
}

#[tokio::test]
async fn http_redirects_are_answers_and_not_followed() {
    let (other, mut visits) = counting().await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n");
    let address = answering(redirect).await;
    check_http(address, http(|_| {}), Verdict::Good, "HTTP 302").await;
    check_http(address, http(|http| http.status = vec![(200, 200)]), Verdict::Bad, "HTTP 302, wanted 200").await;
    assert!(visits.try_recv().is_err());
}

#[tokio::test]
async fn http_request_as_sent() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(request(&mut stream).await).unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let agent = concat!("user-agent: catchment/", env!("CARGO_PKG_VERSION"));
    let rest = format!("{agent}\r\naccept: */*\r\nconnection: close\r\n\r\n");
    check_http(address, http(|_| {}), Verdict::Good, "HTTP 200").await;
    assert_eq!(requests.recv().await.unwrap(), format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n{rest}"));
    let kind = http(|http| {
        http.method = "HEAD".to_owned();
        http.path = "/a?b=c".to_owned();
        http.host = Some("www.example.com".to_owned());
    });
    check_http(address, kind, Verdict::Good, "HTTP 200").await;
    assert_eq!(requests.recv().await.unwrap(), format!("HEAD /a?b=c HTTP/1.1\r\nhost: www.example.com\r\n{rest}"));
    let nonsense = http(|http| http.path = "/ /".to_owned());
    check_http(address, nonsense, Verdict::Bad, "request cannot be made: invalid uri character").await;
}

#[tokio::test]
async fn http_body() {
    let wanting = |text: &str| http(|http| http.body = Some(Body::Text(text.to_owned())));
    let ok = answering(OK).await;
    check_http(ok, wanting("ok"), Verdict::Good, "HTTP 200").await;
    let absent = "HTTP 200, but `fine` is not in the body";
    check_http(ok, wanting("fine"), Verdict::Bad, absent).await;
    // A match across two chunks.
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfi \r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n";
    check_http(answering(chunked).await, wanting("fine"), Verdict::Good, "HTTP 200").await;
    // What stands behind the first 64 KiB is not read, however much there is.
    let filled = |before: usize| {
        let body = format!("{}fine{}", "x".repeat(before), "x".repeat(4 << 20));
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    check_http(answering(filled(64 * 1024 - 4)).await, wanting("fine"), Verdict::Good, "HTTP 200").await;
    check_http(answering(filled(64 * 1024 - 3)).await, wanting("fine"), Verdict::Bad, absent).await;
    let endless = server(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    check_http(endless, wanting("fine"), Verdict::Bad, absent).await;
    // Cut off in the middle, and never coming.
    let short = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfi").await;
    check_http(short, wanting("fine"), Verdict::Bad, "connection closed while reading the answer").await;
    let never = stalling(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfi").await;
    check_stall(never, wanting("fine"), "timed out after 200 ms while reading the answer").await;
}

#[tokio::test]
async fn http_servers_that_misbehave() {
    let waiting = "timed out after 200 ms while waiting for the first byte";
    check_stall(stalling(b"").await, http(|_| {}), waiting).await;
    check_stall(stalling(b"HTTP/1.1 2").await, http(|_| {}), waiting).await;
    let reset = server(|mut stream| async move {
        request(&mut stream).await;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    check_http(reset, http(|_| {}), Verdict::Bad, "connection reset while waiting for the first byte").await;
    let closed = answering("").await;
    check_http(closed, http(|_| {}), Verdict::Bad, "connection closed while waiting for the first byte").await;
    let garbage = answering("SSH-2.0-OpenSSH_9.2\r\n").await;
    check_http(garbage, http(|_| {}), Verdict::Bad, "no HTTP response: invalid HTTP version parsed").await;
    let head = answering(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))).await;
    check_http(head, http(|_| {}), Verdict::Bad, "no HTTP response: message head is too large").await;
}

#[tokio::test]
async fn https_names_and_issuers() {
    let authority = authority();
    let known = async |address: SocketAddr, kind: CheckKind, verdict: Verdict, words: &str| {
        let report = probe(address, once(kind, 10_000), vec![authority.der().clone()]).await;
        check(&report, verdict, words);
        report
    };
    let good = https_server("www.example.com", |_| {}, Some(&authority)).await;
    let report = known(good, https("www.example.com", true), Verdict::Good, "HTTP 200").await;
    let phases = report.last.unwrap().observation.phases;
    assert!(phases.connect.is_some() && phases.tls.is_some() && phases.first_byte.is_some());
    known(good, https("www.example.com:8443", true), Verdict::Good, "HTTP 200").await;
    // The certificate is held against the name of the check, whatever the address.
    let other = "TLS: certificate is for www.example.com, not for shop.example.com";
    known(good, https("shop.example.com", true), Verdict::Bad, other).await;
    let sni = CheckKind::Https(
        Http { host: Some("shop.example.com".to_owned()), ..Http::default() },
        Tls { server_name: Some("www.example.com".to_owned()), ..Tls::default() },
    );
    known(good, sni, Verdict::Good, "HTTP 200").await;
    let address = https_server("127.0.0.1", |_| {}, Some(&authority)).await;
    known(address, CheckKind::Https(Http::default(), Tls::default()), Verdict::Good, "HTTP 200").await;

    let unknown = "TLS: certificate is not signed by a known authority";
    check_http(good, https("www.example.com", true), Verdict::Bad, unknown).await;
    let own = https_server("www.example.com", |_| {}, None).await;
    known(own, https("www.example.com", true), Verdict::Bad, unknown).await;
    check_http(own, https("shop.example.com", false), Verdict::Good, "HTTP 200").await;
}

#[tokio::test]
async fn https_validity() {
    let authority = authority();
    let expired =
        https_server("www.example.com", |params| params.not_after = date_time_ymd(2020, 1, 1), Some(&authority)).await;
    let early =
        https_server("www.example.com", |params| params.not_before = date_time_ymd(4000, 1, 1), Some(&authority)).await;
    for (address, before, after) in [
        (expired, "TLS: certificate expired ", " days ago"),
        (early, "TLS: certificate is not valid yet, but in ", " days"),
    ] {
        let kind = https("www.example.com", true);
        let report = probe(address, once(kind, 10_000), vec![authority.der().clone()]).await;
        let words = report.last.unwrap().observation.words;
        let days = words.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        assert!(days.and_then(|days| days.parse::<u32>().ok()).is_some_and(|days| days > 1000), "{words}");
    }
}

#[tokio::test]
async fn https_servers_that_misbehave() {
    let kind = https("www.example.com", true);
    let plain = server(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut hello = [0; 4096];
        while stream.read(&mut hello).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    check_http(plain, kind.clone(), Verdict::Bad, "TLS: server does not speak TLS").await;
    let closed = server(|mut stream| async move {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await;
    })
    .await;
    check_http(closed, kind.clone(), Verdict::Bad, "connection closed while shaking hands for TLS").await;
    let silent = stalling(b"").await;
    check_stall(silent, kind, "timed out after 200 ms while shaking hands for TLS").await;
}

#[tokio::test]
async fn http_patterns_and_headers() {
    let matching = |pattern: &str| http(|http| http.body = Some(Body::Regex(Pattern::parse(pattern).unwrap())));
    let ok = answering("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"status\":  \"ok\"}").await;
    check_http(ok, matching("\"status\": *\"ok\""), Verdict::Good, "HTTP 200").await;
    check_http(ok, matching("^ok"), Verdict::Bad, "HTTP 200, but nothing in the body matches `^ok`").await;

    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(request(&mut stream).await).unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let kind = http(|http| {
        http.headers = vec![("user-agent".to_owned(), "x".to_owned()), ("x-probe".to_owned(), "1 2".to_owned())];
    });
    check_http(address, kind, Verdict::Good, "HTTP 200").await;
    let sent = requests.recv().await.unwrap();
    assert!(sent.contains("\r\nuser-agent: x\r\n") && sent.contains("\r\nx-probe: 1 2\r\n"), "{sent}");
}

#[tokio::test]
async fn http_redirects_to_the_same_target_only() {
    let (other, mut visits) = counting().await;
    let moved = async |to: String| {
        server(move |mut stream| {
            let to = to.clone();
            async move {
                let answer = match request(&mut stream).await.split(' ').nth(1).unwrap() {
                    "/healthz" => format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
                    "/there" => OK.to_owned(),
                    _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await
    };
    let follow = |redirects: u8| http(|http| http.redirects = redirects);
    check_http(moved("/there".to_owned()).await, follow(1), Verdict::Good, "HTTP 200").await;
    check_http(moved("there".to_owned()).await, follow(5), Verdict::Good, "HTTP 200").await;
    check_http(moved("/else".to_owned()).await, follow(1), Verdict::Bad, "HTTP 404, wanted 200–399").await;
    check_http(moved("/healthz".to_owned()).await, follow(3), Verdict::Bad, "more than 3 redirects").await;
    let words = format!("HTTP 302 to `http://{other}/`, which is elsewhere and not followed");
    check_http(moved(format!("http://{other}/")).await, follow(1), Verdict::Bad, &words).await;
    assert!(visits.try_recv().is_err());
}

#[tokio::test]
async fn http2_in_the_clear() {
    let second = |change: fn(&mut Http)| {
        http(|http| {
            http.version = HttpVersion::Http2;
            http.host = Some("www.example.com".to_owned());
            change(http);
        })
    };
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = server(move |stream| {
        let seen = seen.clone();
        h2_server(stream, move |request| {
            seen.send(format!("{} {}", request.method(), request.uri())).unwrap();
            let status = if request.uri().path() == "/healthz" { 200 } else { 503 };
            (status, vec![b"all fi".to_vec(), b"ne".to_vec()], None)
        })
    })
    .await;
    check_http(address, second(|http| http.body = Some(Body::Text("fine".to_owned()))), Verdict::Good, "HTTP 200")
        .await;
    assert_eq!(requests.recv().await.unwrap(), "GET http://www.example.com/healthz");
    check_http(address, second(|http| http.path = "/x".to_owned()), Verdict::Bad, "HTTP 503, wanted 200–399").await;
    // A server of HTTP/1.1 only, one that says nothing, one that resets.
    let old = answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    check_http(old, second(|_| {}), Verdict::Bad, "no HTTP/2 response: FRAME_SIZE_ERROR").await;
    let waiting = "timed out after 200 ms while waiting for the first byte";
    let silent = server(|mut stream| async move {
        let mut heard = [0; 4096];
        while stream.read(&mut heard).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    check_stall(silent, second(|_| {}), waiting).await;
}

#[tokio::test]
async fn https_speaks_what_the_check_says() {
    let kind = |version| {
        let http = Http { version, ..Http::default() };
        CheckKind::Https(http, Tls { verify: false, ..Tls::default() })
    };
    let new = tls_server(
        "www.example.com",
        |_| {},
        None,
        &[b"h2"],
        async |stream| {
            h2_server(stream, |_| (200, Vec::new(), None)).await;
        },
    )
    .await;
    check_http(new, kind(HttpVersion::Http2), Verdict::Good, "HTTP 200").await;
    let refused = "TLS: server refused: no application protocol";
    check_http(new, kind(HttpVersion::Http1), Verdict::Bad, refused).await;
    let old = https_server("www.example.com", |_| {}, None).await;
    check_http(old, kind(HttpVersion::Http1), Verdict::Good, "HTTP 200").await;
    check_http(old, kind(HttpVersion::Http2), Verdict::Bad, "TLS: server does not offer HTTP/2").await;
}
