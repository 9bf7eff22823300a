//! Connections (RFC 7766).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{
    ECHO, LIMIT, PANIC, check_closed, connect, echo, exchange, framed, has_ipv6, read, request, settings, sized, start,
    start_asleep,
};
use catchment::metrics::{Cause, Closed};
use catchment::server::{Drained, Settings, TcpSettings};

fn limited(tcp: TcpSettings) -> Settings {
    Settings { tcp, ..settings(&["127.0.0.1"]) }
}

/// Frames of `count` requests, and the answers they deserve.
fn pipeline(count: u16) -> (Vec<u8>, Vec<Vec<u8>>) {
    let requests = (0..count).flat_map(|id| framed(&request(id, ECHO))).collect();
    (requests, (0..count).map(|id| echo(id, ECHO, "127.0.0.1", "tcp")).collect())
}

#[test]
fn every_address_answers_on_its_udp_port() {
    let addresses = if has_ipv6() { &["127.0.0.1", "127.0.0.2", "::1"][..] } else { &["127.0.0.1", "127.0.0.2"] };
    let server = start(&settings(addresses));
    for address in server.addresses() {
        exchange(&mut connect(address), 7);
    }
    let counts = server.finish();
    assert_eq!((counts.tcp.received, counts.tcp.sent), (addresses.len() as u64, addresses.len() as u64));
    assert_eq!(counts.connections.closed(Closed::Client), addresses.len() as u64);
}

#[test]
fn s6_2_1_1_requests_in_one_write_are_all_answered_in_order() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    // Beyond the input buffer and the output bound, so that several rounds are needed.
    let (requests, answers) = pipeline(3_000);
    let mut writing = client.try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(&requests).unwrap());
    for answer in answers {
        assert_eq!(read(&mut client), answer);
    }
    writer.join().unwrap();
    let metrics = server.metrics.clone();
    assert_eq!(server.finish().tcp.sent, 3_000);
    // One in 512 is looked at closer, in even distances.
    let looked_at = metrics.read_all().details.durations.counts.iter().sum::<u64>();
    assert!((5..=7).contains(&looked_at), "{looked_at}");
}

/// What one write brings is there at once for one read: a write of the server for each answer would mostly show as the first
/// alone.
#[test]
fn s6_2_1_1_answers_that_are_ready_go_out_in_one_write() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    let (requests, answers) = pipeline(20);
    let all = answers.iter().map(|answer| framed(answer)).collect::<Vec<_>>().concat();
    for _ in 0..50 {
        client.write_all(&requests).unwrap();
        let mut got = vec![0; all.len() + 1];
        let length = client.read(&mut got).unwrap();
        assert_eq!(got[..length], all[..]);
    }
    server.finish();
}

#[test]
fn s8_a_message_may_come_an_octet_at_a_time() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    let (requests, answers) = pipeline(3);
    for octet in requests {
        client.write_all(&[octet]).unwrap();
    }
    for answer in answers {
        assert_eq!(read(&mut client), answer);
    }
    server.finish();
}

#[test]
fn s6_2_4_a_client_that_closed_its_side_gets_its_answers_first() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    let (requests, answers) = pipeline(10);
    client.write_all(&requests).unwrap();
    // A message that will never be whole.
    client.write_all(&[0, 200, 1, 2, 3]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    for answer in answers {
        assert_eq!(read(&mut client), answer);
    }
    check_closed(&mut client);
    let counts = server.finish();
    assert_eq!((counts.tcp.received, counts.connections.closed(Closed::Client)), (10, 1));
}

#[test]
fn what_is_no_request_does_not_end_those_behind_it() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    let mut response = request(1, ECHO);
    response[2] |= 0x80;
    let (long, longest) = (vec![7; 5_000], vec![8; 65_535]);
    for (i, garbage) in [&[][..], &[1, 2, 3, 4, 5], &response, &long, &longest].into_iter().enumerate() {
        client.write_all(&framed(garbage)).unwrap();
        exchange(&mut client, i as u16);
    }
    let counts = server.finish();
    assert_eq!(counts.tcp.dropped(Cause::Short), 2);
    assert_eq!(counts.tcp.dropped(Cause::Response), 1);
    assert_eq!(counts.tcp.dropped(Cause::Long), 2);
    assert_eq!(counts.tcp.answered[0], 5);
}

#[test]
fn a_panic_ends_one_message_and_no_connection() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    for id in 0..3 {
        client.write_all(&framed(&request(id, PANIC))).unwrap();
        exchange(&mut client, id);
    }
    let counts = server.finish();
    assert_eq!((counts.tcp.panicked, counts.tcp.answered[0]), (3, 3));
}

#[test]
fn the_longest_answer_fits() {
    let server = start(&settings(&["127.0.0.1"]));
    let mut client = connect(server.address());
    client.write_all(&framed(&sized(5, 65_535))).unwrap();
    assert_eq!(read(&mut client).len(), 65_535);
    server.finish();
}

#[test]
fn s6_2_3_idle_connections_are_closed() {
    let server = start(&limited(TcpSettings { idle: Duration::from_millis(150), ..TcpSettings::default() }));
    let mut silent = connect(server.address());
    let mut trickling = connect(server.address());
    exchange(&mut trickling, 1);
    trickling.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // 65,000 octets are promised; one every 20 ms comes, until the server has had enough.
    trickling.write_all(&65_000u16.to_be_bytes()).unwrap();
    let closed = (0..500).any(|_| {
        let sent = trickling.write_all(&[0]);
        let read = trickling.read(&mut [0]);
        sent.is_err() || matches!(read, Ok(0)) || read.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
    });
    assert!(closed);
    check_closed(&mut silent);
    let counts = server.finish();
    assert_eq!(counts.connections.closed(Closed::Idle), 2);
    assert_eq!(counts.tcp.dropped(Cause::Long), 1);
}

#[test]
fn when_all_seats_are_taken_the_idlest_connection_is_closed() {
    let server = start(&limited(TcpSettings { connections: 3, ..TcpSettings::default() }));
    let mut clients: Vec<_> = (0..3).map(|_| connect(server.address())).collect();
    for index in [1, 0, 0, 2, 2, 0] {
        exchange(&mut clients[index], 1);
    }
    let mut newcomer = connect(server.address());
    exchange(&mut newcomer, 2);
    check_closed(&mut clients[1]);
    for index in [0, 2] {
        exchange(&mut clients[index], 3);
    }
    exchange(&mut newcomer, 3);
    let counts = server.finish();
    assert_eq!((counts.connections.closed(Closed::Evicted), counts.connections.accepted), (1, 4));
}

#[test]
fn a_client_over_its_share_loses_its_own_idlest_connection() {
    let server = start(&limited(TcpSettings { per_client: 2, ..TcpSettings::default() }));
    let mut other = connect_from([127, 0, 0, 9], server.address());
    exchange(&mut other, 1);
    let mut greedy: Vec<_> = (0..5).map(|_| connect_from([127, 0, 0, 8], server.address())).collect();
    exchange(&mut greedy[4], 2);
    for displaced in &mut greedy[..3] {
        check_closed(displaced);
    }
    exchange(&mut greedy[3], 3);
    exchange(&mut other, 4);
    assert_eq!(server.finish().connections.closed(Closed::Evicted), 3);
}

fn connect_from(source: [u8; 4], server: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(source), 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Asks for more than the kernel's buffers hold and reads nothing; returns once the server takes no more.
fn overfill(client: &mut TcpStream) {
    let batch: Vec<u8> = (0..1_000).flat_map(|id| framed(&sized(id, 60_000))).collect();
    for _ in 0..1_000 {
        if client.write_all(&batch).is_err() {
            return;
        }
    }
    panic!("the server took a million requests without handing out an answer");
}

#[test]
fn a_client_that_reads_no_answers_is_cut() {
    let server = start(&limited(TcpSettings { write: Duration::from_millis(100), ..TcpSettings::default() }));
    let mut deaf = connect(server.address());
    overfill(&mut deaf);
    exchange(&mut connect(server.address()), 1);
    let counts = server.finish();
    assert_eq!(counts.connections.closed(Closed::Slow), 1);
    assert!(counts.tcp.unsent > 0);
}

/// The runtime does not run before the drain: connections wait in the backlog, their requests in the kernel.
#[test]
fn a_drain_answers_all_that_had_arrived_even_what_nobody_had_accepted() {
    let server = start_asleep(&settings(&["127.0.0.1"]));
    let (requests, answers) = pipeline(1_000);
    let mut clients: Vec<_> = (0..20).map(|_| connect(server.address())).collect();
    for client in &mut clients {
        client.write_all(&requests).unwrap();
    }
    let draining = std::thread::spawn(move || server.finish());
    for client in &mut clients {
        for answer in &answers {
            assert_eq!(&read(client), answer);
        }
        check_closed(client);
    }
    drop(clients);
    let counts = draining.join().unwrap();
    assert_eq!((counts.tcp.sent, counts.connections.accepted), (20_000, 20));
}

#[test]
fn a_drain_closes_quiet_connections_and_takes_no_new_ones() {
    let server = start(&settings(&["127.0.0.1"]));
    let address = server.address();
    let mut client = connect(address);
    exchange(&mut client, 1);
    let draining = std::thread::spawn(move || server.finish());
    check_closed(&mut client);
    drop(client);
    assert_eq!(draining.join().unwrap().connections.closed(Closed::Drained), 1);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_drain_cuts_what_is_left_when_its_grace_ran_out() {
    let server = start(&limited(TcpSettings { write: LIMIT, ..TcpSettings::default() }));
    let mut deaf = connect(server.address());
    // Gives up when neither side moves any more.
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    overfill(&mut deaf);
    let (drained, counts) = server.drain(Duration::from_millis(20));
    assert_eq!(drained, Drained::GraceRanOut { connections: 1 });
    assert_eq!((counts.connections.closed(Closed::Drained), counts.connections.open()), (1, 0));
}
