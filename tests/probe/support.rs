//! Servers of the tests' own, and how one probe of them is made.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use catchment::health::{Check, CheckKind, Http, State, Target, Tls, Verdict};
use catchment::probe::{Prober, Settings, TargetReport};
use hyper::http::HeaderMap;
use hyper::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest wait for what must happen; only reached by a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that hands each connection to `serve`, until the test's runtime ends.
pub(crate) async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
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
pub(crate) async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
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
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
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
pub(crate) async fn stalling(answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        request(&mut stream).await;
        stream.write_all(answer).await.unwrap();
        let _ = stream.read_u8().await;
    })
    .await
}

/// A server that counts its connections into a channel and closes them.
pub(crate) async fn counting() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
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
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(crate) fn http(change: impl FnOnce(&mut Http)) -> CheckKind {
    let mut http = Http { path: "/healthz".to_owned(), ..Http::default() };
    change(&mut http);
    CheckKind::Http(http)
}

pub(crate) fn https(host: &str, verify: bool) -> CheckKind {
    let http = Http { host: Some(host.to_owned()), ..Http::default() };
    CheckKind::Https(http, Tls { verify, ..Tls::default() })
}

/// A check that is made once while a test looks.
pub(crate) fn once(kind: CheckKind, timeout_ms: u64) -> Check {
    Check { interval: Duration::from_mins(10), timeout: Duration::from_millis(timeout_ms), ..Check::new(kind) }
}

/// A check that is made all the time.
pub(crate) fn often(kind: CheckKind) -> Check {
    let tenth = Duration::from_millis(100);
    Check { interval: tenth, timeout: tenth, flap: None, ..Check::new(kind) }
}

pub(crate) fn prober(authorities: Vec<CertificateDer<'static>>) -> Prober {
    Prober::start(&Settings { authorities, ..Settings::default() }).unwrap()
}

/// The report of a single probe.
pub(crate) async fn probe(
    address: SocketAddr,
    check: Check,
    authorities: Vec<CertificateDer<'static>>,
) -> TargetReport {
    let prober = prober(authorities);
    prober.replace(1, vec![Target { address, check }]);
    let round = prober.first_round(PATIENCE).await;
    assert_eq!((round.targets, round.untried), (1, 0));
    prober.report().remove(0)
}

#[track_caller]
pub(crate) fn check(report: &TargetReport, verdict: Verdict, words: &str) {
    let observation = &report.last.as_ref().unwrap().observation;
    assert_eq!((observation.verdict, &*observation.words), (verdict, words));
    let state = if verdict == Verdict::Good { State::Up } else { State::Suspect };
    assert_eq!(report.state, state);
}

pub(crate) async fn check_tcp(address: SocketAddr, timeout_ms: u64, verdict: Verdict, words: &str) {
    check(&probe(address, once(CheckKind::Tcp, timeout_ms), Vec::new()).await, verdict, words);
}

pub(crate) async fn check_http(address: SocketAddr, kind: CheckKind, verdict: Verdict, words: &str) {
    check(&probe(address, once(kind, 10_000), Vec::new()).await, verdict, words);
}

pub(crate) async fn check_stall(address: SocketAddr, kind: CheckKind, words: &str) {
    check(&probe(address, once(kind, 200), Vec::new()).await, Verdict::Bad, words);
}

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate authority of the test's own.
pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An HTTPS server that answers 200. Its certificate is for `name`, as `change` leaves it, signed by `issuer` or itself.
pub(crate) async fn https_server(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
    issuer: Option<&Authority>,
) -> SocketAddr {
    tls_server(name, change, issuer, &[], |mut stream| async move {
        request(&mut stream).await;
        // A probe that refused the certificate is gone by now.
        let _ = stream.write_all(OK.as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await
}

/// A TLS server with such a certificate, that offers these protocols and hands each connection to `serve`.
pub(crate) async fn tls_server<F>(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
    issuer: Option<&Authority>,
    protocols: &[&[u8]],
    serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    server(move |stream| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await
}

/// What an HTTP/2 server of a test answers: status, pieces of the body, trailers.
pub(crate) type H2Answer = (u16, Vec<Vec<u8>>, Option<HeaderMap>);

/// Serves HTTP/2 on one connection: each request as `answer` says.
pub(crate) async fn h2_server<S>(stream: S, answer: impl Fn(&Request<Vec<u8>>) -> H2Answer)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    // Polling for the next request is what moves the bytes of this one.
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (head, mut incoming) = request.into_parts();
        let mut body = Vec::new();
        if !incoming.is_end_stream() {
            while let Some(Ok(data)) = incoming.data().await {
                body.extend(data);
            }
        }
        let (status, pieces, trailers) = answer(&Request::from_parts(head, body));
        let mut head = Response::builder().status(status);
        if pieces.is_empty()
            && let Some(trailers) = &trailers
        {
            // "Trailers only": they stand in the head.
            head.headers_mut().unwrap().extend(trailers.clone());
        }
        let mut send = respond.send_response(head.body(()).unwrap(), pieces.is_empty()).unwrap();
        let count = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            // The client may have gone.
            let _ = send.send_data(piece.into(), trailers.is_none() && index + 1 == count);
        }
        if count > 0
            && let Some(trailers) = trailers
        {
            let _ = send.send_trailers(trailers);
        }
    }
}

/// Waits until the prober's states are these.
pub(crate) async fn wait_for(prober: &Prober, expected: &[State]) {
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
pub(crate) struct Switch {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Switch {
    pub(crate) async fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, task: tokio::spawn(async move { while listener.accept().await.is_ok() {} }) }
    }

    pub(crate) async fn off(self) -> SocketAddr {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        self.address
    }
}
