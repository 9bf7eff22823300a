//! `dns` against a server that answers as told.

use std::net::SocketAddr;

use catchment::health::check::{Dns, DnsValue};
use catchment::health::{CheckKind, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::support::*;

fn dns(rcode: u16, answer: Option<[u8; 4]>) -> CheckKind {
    let value = |wire: [u8; 4]| DnsValue { text: std::net::Ipv4Addr::from(wire).to_string(), wire: wire.to_vec() };
    CheckKind::Dns(Dns {
        name: "www.example.com.".to_owned(),
        name_wire: b"\x03www\x07example\x03com\0".to_vec(),
        rtype: 1,
        rtype_name: "A".to_owned(),
        rcode,
        answers: answer.map(value).into_iter().collect(),
    })
}

/// The response to a query with this third and fourth octet and these addresses.
fn response(query: &[u8], flags: [u8; 2], addresses: &[[u8; 4]]) -> Vec<u8> {
    let mut response = query.to_vec();
    [response[2], response[3]] = flags;
    response[7] = addresses.len() as u8;
    for address in addresses {
        response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        response.extend(address);
    }
    response
}

/// A server on both transports: over UDP it sends each of these, over TCP one.
async fn dns_server(
    udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    tcp: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> SocketAddr {
    // A port that is free on both.
    let (socket, listener) = loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            for answer in udp(&query[..length]) {
                socket.send_to(&answer, client).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut query).await.unwrap();
            let answer = tcp(&query);
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn answers() {
    let good =
        dns_server(|query| vec![response(query, [0x84, 0], &[[192, 0, 2, 1], [192, 0, 2, 2]])], |_| vec![]).await;
    check_http(good, dns(0, None), Verdict::Good, "DNS: 2 answers").await;
    check_http(good, dns(0, Some([192, 0, 2, 2])), Verdict::Good, "DNS: 2 answers").await;
    let missing = "DNS: `192.0.2.3` is not in the answer (192.0.2.1, 192.0.2.2)";
    check_http(good, dns(0, Some([192, 0, 2, 3])), Verdict::Bad, missing).await;
    let broken = dns_server(|query| vec![response(query, [0x80, 2], &[])], |_| vec![]).await;
    check_http(broken, dns(0, None), Verdict::Bad, "DNS: SERVFAIL, wanted NOERROR").await;
    check_http(broken, dns(2, None), Verdict::Good, "DNS: SERVFAIL").await;
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_over_tcp() {
    let cut = |query: &[u8]| vec![response(query, [0x86, 0], &[])];
    let whole = |query: &[u8]| response(query, [0x84, 0], &[[192, 0, 2, 1]]);
    check_http(dns_server(cut, whole).await, dns(0, None), Verdict::Good, "DNS: one answer").await;
    let other = |query: &[u8]| response(&[&[!query[0]], &query[1..]].concat(), [0x84, 0], &[]);
    check_http(dns_server(cut, other).await, dns(0, None), Verdict::Bad, "DNS: an answer to another question").await;
}

#[tokio::test]
async fn what_is_no_answer() {
    // Of another id first, and garbage; then the right one.
    let late = dns_server(
        |query| {
            let right = response(query, [0x84, 0], &[]);
            let mut wrong = right.clone();
            wrong[1] = !wrong[1];
            vec![wrong, vec![1, 2, 3], right]
        },
        |_| vec![],
    )
    .await;
    check_http(late, dns(0, None), Verdict::Good, "DNS: 0 answers").await;
    let garbage = dns_server(|query| vec![response(query, [0x84, 0], &[])[..20].to_vec()], |_| vec![]).await;
    check_stall(garbage, dns(0, None), "timed out after 200 ms while waiting for the first byte").await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check_http(nobody, dns(0, None), Verdict::Bad, "connection refused").await;
}
