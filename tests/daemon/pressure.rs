//! Garbage, and too little of everything.

use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use hickory_proto::rr::RecordType;

use crate::process::{LIMIT, check, query, start, start_with, www};

const WWW: &str = "NoError aa\nwww.example.com. 300 IN A 192.0.2.1";

/// Every prefix of a query, every octet of it in turn set to values that break things, and noise.
#[test]
fn broken_requests_end_nothing() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let good = query("www.example.com.", RecordType::A);
    let mut requests: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    for at in 0..good.len() {
        for value in [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff] {
            let mut broken = good.clone();
            broken[at] = value;
            requests.push(broken);
        }
    }
    // A fixed generator (xorshift), so that a failure can be repeated.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..2_000 {
        let length = next() as usize % 600;
        requests.push((0..length).map(|_| next() as u8).collect());
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (i, request) in requests.iter().enumerate() {
        socket.send_to(request, daemon.address()).unwrap();
        // The socket's buffers hold so many; more would be lost before it was read.
        if i % 200 == 0 {
            assert_eq!(www(daemon.address()), WWW);
        }
    }
    check(daemon.address(), "www.example.com.", RecordType::A, WWW);
    let (lines, status) = daemon.stop();
    assert!(status.success(), "{status}");
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
}

/// 64 descriptors, hard limit: about half are left for connections.
#[test]
fn running_out_of_descriptors_stops_nobody() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: no prlimit (util-linux) on this machine");
        return;
    }
    let daemon = start_with(&["prlimit", "--nofile=64:64", "--"], &["127.0.0.1:0"], &[]);
    let idle: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect_timeout(&daemon.address(), LIMIT).unwrap()).collect();
    for _ in 0..3 {
        check(daemon.address(), "www.example.com.", RecordType::A, WWW);
    }
    daemon.until("accepting a TCP connection failed");
    drop(idle);
    assert!(daemon.stop().1.success());
}
