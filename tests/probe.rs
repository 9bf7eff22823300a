//! The prober against real servers on loopback.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catchment::health::check::Body;
use catchment::health::{Check, CheckKind, Http, State, Target, Tls, Verdict};
use catchment::probe::{Prober, Settings, TargetReport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Longest wait for what must happen; only reached by a failing test.
const PATIENCE: Duration = Duration::from_secs(20);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that hands each connection to `serve`, until the test's runtime ends.
async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Reads a request up to its empty line.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A server that answers each request with these bytes and closes.
async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<Vec<u8>> = Arc::new(answer.into());
    server(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            request(&mut stream).await;
            // The probe may have seen enough before the end.
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

/// A server that reads the request, sends these bytes and then nothing, for ever.
async fn stalling(answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        request(&mut stream).await;
        stream.write_all(answer).await.unwrap();
        let _ = stream.read_u8().await;
    })
    .await
}

/// A server that counts its connections into a channel and closes them.
async fn counting() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let (visited, visits) = mpsc::unbounded_channel();
    let address = server(move |_| {
        let visited = visited.clone();
        async move {
            // The test may be over.
            let _ = visited.send(());
        }
    })
    .await;
    (address, visits)
}

/// An address nobody listens on.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn http(change: impl FnOnce(&mut Http)) -> CheckKind {
    let mut http = Http { path: "/healthz".to_owned(), ..Http::default() };
    change(&mut http);
    CheckKind::Http(http)
}

fn https(host: &str, verify: bool) -> CheckKind {
    let http = Http { host: Some(host.to_owned()), ..Http::default() };
    CheckKind::Https(http, Tls { verify, ..Tls::default() })
}

/// A check that is made once while a test looks.
fn once(kind: CheckKind, timeout_ms: u64) -> Check {
    Check { interval: Duration::from_mins(10), timeout: Duration::from_millis(timeout_ms), ..Check::new(kind) }
}

/// A check that is made all the time.
fn often(kind: CheckKind) -> Check {
    let tenth = Duration::from_millis(100);
    Check { interval: tenth, timeout: tenth, flap: None, ..Check::new(kind) }
}

fn prober(authorities: Vec<CertificateDer<'static>>) -> Prober {
    Prober::start(&Settings { authorities, ..Settings::default() }).unwrap()
}

/// The report of a single probe.
async fn probe(address: SocketAddr, check: Check, authorities: Vec<CertificateDer<'static>>) -> TargetReport {
    let prober = prober(authorities);
    prober.replace(1, vec![Target { address, check }]);
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.untried), (1, 0));
    prober.report().remove(0)
}

#[track_caller]
fn check(report: &TargetReport, verdict: Verdict, words: &str) {
    let observation = &report.last.as_ref().unwrap().observation;
    assert_eq!((observation.verdict, &*observation.words), (verdict, words));
    let state = if verdict == Verdict::Good { State::Up } else { State::Suspect };
    assert_eq!(report.state, state);
}

async fn check_tcp(address: SocketAddr, timeout_ms: u64, verdict: Verdict, words: &str) {
    check(&probe(address, once(CheckKind::Tcp, timeout_ms), Vec::new()).await, verdict, words);
}

async fn check_http(address: SocketAddr, kind: CheckKind, verdict: Verdict, words: &str) {
    check(&probe(address, once(kind, 10_000), Vec::new()).await, verdict, words);
}

async fn check_stall(address: SocketAddr, kind: CheckKind, words: &str) {
    check(&probe(address, once(kind, 200), Vec::new()).await, Verdict::Bad, words);
}

#[tokio::test]
async fn tcp() {
    let open = server(|_| async {}).await;
    let report = probe(open, once(CheckKind::Tcp, 5000), Vec::new()).await;
    check(&report, Verdict::Good, "connected");
    let phases = report.last.unwrap().observation.phases;
    assert!(phases.connect.is_some_and(|connect| connect <= phases.total));
    assert_eq!((phases.tls, phases.first_byte), (None, None));
    check_tcp(nobody().await, 5000, Verdict::Bad, "connection refused").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn tcp_without_an_answer() {
    // A queue for one connection that nobody takes out: once it is full, Linux drops further SYNs.
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        // "In progress" is what is wanted.
        let _ = filler.connect(&address);
        filler
    };
    let fillers = [fill(), fill(), fill(), fill()];
    check_tcp(address.as_socket().unwrap(), 200, Verdict::Bad, "timed out after 200 ms while connecting").await;
    drop((listener, fillers));
}

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

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate authority of the test's own.
fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An HTTPS server that answers 200. Its certificate is for `name`, as `change` leaves it, signed by `issuer` or itself.
async fn https_server(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
    issuer: Option<&Authority>,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            request(&mut stream).await;
            // A probe that refused the certificate is gone by now.
            let _ = stream.write_all(OK.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
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

/// Waits until the prober's states are these.
async fn wait_for(prober: &Prober, expected: &[State]) {
    let mut changes = prober.changes();
    let reached = async {
        loop {
            changes.borrow_and_update();
            if prober.states().1 == expected {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{:?}, not {expected:?}", prober.states()));
}

/// A server that can be made to refuse connections.
struct Switch {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Switch {
    async fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, task: tokio::spawn(async move { while listener.accept().await.is_ok() {} }) }
    }

    async fn off(self) -> SocketAddr {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        self.address
    }
}

#[tokio::test]
async fn a_target_goes_down_and_comes_back_alone() {
    let (one, other) = (Switch::on("127.0.0.1:0".parse().unwrap()).await, server(|_| async {}).await);
    let prober = prober(Vec::new());
    prober.replace(7, [one.address, other].map(|address| Target { address, check: often(CheckKind::Tcp) }).to_vec());
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.good, round.untried), (2, 2, 0));
    assert_eq!(prober.states(), (7, vec![State::Up, State::Up]));
    let address = one.off().await;
    wait_for(&prober, &[State::Down, State::Up]).await;
    let report = prober.report().remove(0);
    assert!(report.failures >= 3, "{report:?}");
    assert_eq!(report.last.unwrap().observation.words, "connection refused");
    assert!(report.next_probe <= Duration::from_millis(100));
    let one = Switch::on(address).await;
    wait_for(&prober, &[State::Up, State::Up]).await;
    assert_eq!(prober.report()[0].failures, 0);
    assert!(prober.pulse().oldest_result.unwrap() < PATIENCE);
    prober.stop(Duration::from_secs(1)).await;
    one.off().await;
}

#[tokio::test]
async fn a_new_plan_keeps_states_and_stops_what_it_has_not() {
    let dead = nobody().await;
    let ((leaves, mut leaving), (stays, mut staying)) = (counting().await, counting().await);
    let prober = prober(Vec::new());
    let plan = |list: &[SocketAddr], check: &Check| {
        list.iter().map(|&address| Target { address, check: check.clone() }).collect::<Vec<_>>()
    };
    prober.replace(1, plan(&[dead, leaves, stays], &often(CheckKind::Tcp)));
    wait_for(&prober, &[State::Down, State::Up, State::Up]).await;
    let mut changes = prober.changes();
    changes.borrow_and_update();

    // Another order, another threshold: known at once, and the tick tells.
    prober.replace(2, plan(&[stays, dead, leaves], &Check { fall: 5, ..often(CheckKind::Tcp) }));
    assert!(changes.has_changed().unwrap());
    assert_eq!(prober.states(), (2, vec![State::Up, State::Down, State::Up]));

    // Gone from the plan: while the one that stays is probed five times, nothing comes to it.
    prober.replace(3, plan(&[stays], &often(CheckKind::Tcp)));
    assert_eq!(prober.states(), (3, vec![State::Up]));
    // Connections that stood before the plan came may still be in the server's queue.
    let next = async |visits: &mut mpsc::UnboundedReceiver<()>| timeout(PATIENCE, visits.recv()).await.unwrap();
    while staying.try_recv().is_ok() {}
    next(&mut staying).await;
    while leaving.try_recv().is_ok() {}
    for _ in 0..5 {
        next(&mut staying).await;
    }
    assert!(leaving.try_recv().is_err());

    prober.replace(4, Vec::new());
    assert_eq!(prober.states(), (4, Vec::new()));
    assert_eq!(prober.first_round(PATIENCE).await.targets, 0);
}

#[tokio::test]
async fn a_probe_under_way_ends_with_its_target() {
    let (arrived, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let events = (Arc::clone(&arrived), Arc::clone(&left));
    let address = server(move |mut stream| {
        let (arrived, left) = events.clone();
        async move {
            request(&mut stream).await;
            arrived.notify_one();
            let _ = stream.read_u8().await;
            left.notify_one();
        }
    })
    .await;
    let slow = Target { address, check: once(http(|_| {}), 600_000) };
    let happens = async |event: &Notify| timeout(PATIENCE, event.notified()).await.unwrap();

    let first = prober(Vec::new());
    first.replace(1, vec![slow.clone()]);
    happens(&arrived).await;
    assert_eq!(first.pulse().in_flight, 1);
    first.replace(2, Vec::new());
    assert_eq!(first.pulse().in_flight, 0);
    happens(&left).await;
    // The same when the prober is stopped, after its grace, or dropped.
    first.replace(3, vec![slow.clone()]);
    happens(&arrived).await;
    timeout(PATIENCE, first.stop(Duration::from_millis(10))).await.unwrap();
    happens(&left).await;
    let second = prober(Vec::new());
    second.replace(1, vec![slow]);
    happens(&arrived).await;
    drop(second);
    happens(&left).await;
}

#[tokio::test]
async fn the_first_round_has_a_deadline() {
    let (good, slow, dead) = (answering(OK).await, stalling(b"").await, nobody().await);
    let prober = prober(Vec::new());
    let targets = [good, slow, dead].map(|address| Target { address, check: once(http(|_| {}), 600_000) });
    prober.replace(1, targets.to_vec());
    // First the two that answer, so that the deadline cannot pass before them.
    wait_for(&prober, &[State::Up, State::Unknown, State::Suspect]).await;
    let round = prober.first_round(Duration::from_millis(20)).await;
    assert_eq!((round.targets, round.good, round.bad, round.unable, round.untried), (3, 1, 1, 0, 1));
    assert_eq!(prober.pulse().in_flight, 1);
}

#[tokio::test]
async fn no_more_probes_at_a_time_than_allowed() {
    let count = Arc::new(Mutex::new((0_u32, 0_u32)));
    let counter = Arc::clone(&count);
    let address = server(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            request(&mut stream).await;
            {
                let (now, most) = &mut *counter.lock().unwrap();
                *now += 1;
                *most = (*most).max(*now);
            }
            // Lets others come, if any may.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            counter.lock().unwrap().0 -= 1;
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let prober = Prober::start(&Settings { in_flight: Some(3), ..Settings::default() }).unwrap();
    let target = |number: usize| Target { address, check: once(http(|http| http.path = format!("/{number}")), 10_000) };
    prober.replace(1, (0..40).map(target).collect());
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.good), (40, 40));
    assert_eq!(count.lock().unwrap().1, 3);
}
