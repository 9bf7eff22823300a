//! `tcp`, with and without a dialog.

use std::net::SocketAddr;

use catchment::health::check::Dialog;
use catchment::health::{CheckKind, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

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
async fn tcp_dialogs() {
    let dialog = |send: &str, expect: Option<&str>| {
        CheckKind::Dialog(Dialog { send: send.into(), expect: expect.map(|text| text.as_bytes().to_vec()) })
    };
    // One that speaks first, and one that answers a line in two pieces.
    let mail = server(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        let _ = stream.read_u8().await;
    })
    .await;
    check_http(mail, dialog("", Some("220 ")), Verdict::Good, "answered `220 mail.example ESMTP`").await;
    check_http(mail, dialog("x", None), Verdict::Good, "connected and sent").await;
    let store = server(|mut stream| async move {
        let mut line = [0; 6];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"PING\r\n");
        for piece in [&b"+PO"[..], b"NG\r\n"] {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    check_http(store, dialog("PING\r\n", Some("+PONG")), Verdict::Good, "answered `+PONG`").await;
    check_http(store, dialog("PING\r\n", Some("+OK")), Verdict::Bad, "answered `+PONG`, wanted `+OK`").await;
    let silent = server(|_| async {}).await;
    check_http(silent, dialog("", Some("220")), Verdict::Bad, "answered nothing, wanted `220`").await;
    let half_open = stalling(b"").await;
    let waiting = "timed out after 200 ms while waiting for the first byte";
    check_stall(half_open, dialog("", Some("220")), waiting).await;
    check_http(nobody().await, dialog("", None), Verdict::Bad, "connection refused").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn from_an_address_of_this_machine() {
    use catchment::health::{Check, Source};
    use tokio::sync::mpsc;
    let (seen, mut peers) = mpsc::unbounded_channel();
    let address = server(move |stream| {
        seen.send(stream.peer_addr().unwrap().ip().to_string()).unwrap();
        async {}
    })
    .await;
    let from = |source: &str| Source { v4: Some(source.parse().unwrap()), v6: None };
    let check_from = |source: &str| Check { source: from(source), ..once(CheckKind::Tcp, 5000) };
    check(&probe(address, check_from("127.0.0.77"), Vec::new()).await, Verdict::Good, "connected");
    assert_eq!(peers.recv().await.unwrap(), "127.0.0.77");
    // An address this machine has not: nothing is known of the target.
    let report = probe(address, check_from("192.0.2.1"), Vec::new()).await;
    let observation = report.last.unwrap().observation;
    let expected = (Verdict::Unable, "not probed: cannot assign requested address");
    assert_eq!((observation.verdict, &*observation.words), expected);
    assert_eq!(report.state, catchment::health::State::Unknown);
}
