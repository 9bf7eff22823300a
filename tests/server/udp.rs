//! Datagrams.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    ECHO, GATE, PANIC, ask, connect, echo, framed, has_ipv6, read, receive, request, settings, start, udp,
};
use catchment::metrics::{Cause, Messages};
use catchment::query::Ecs;
use catchment::server::{Drained, MAX_REQUEST, Settings};

fn one_thread(address: &str) -> Settings {
    Settings { udp_threads: NonZeroUsize::MIN, ..settings(&[address]) }
}

#[test]
fn every_address_answers_whichever_thread_a_client_falls_to() {
    let addresses = if has_ipv6() { &["127.0.0.1", "127.0.0.2", "::1"][..] } else { &["127.0.0.1", "127.0.0.2"] };
    let server = start(&settings(addresses));
    for address in server.addresses() {
        // The kernel chooses the socket by the client's port: 32 clients miss one of two with chance 2^-31.
        for id in 0..32 {
            let answer = ask(&udp(address), &request(id, ECHO));
            assert_eq!(answer, echo(id, ECHO, &address.ip().to_string(), "udp"));
        }
    }
    let asked = 32 * addresses.len() as u64;
    let counts = server.finish();
    assert_eq!((counts.udp.received, counts.udp.answered[0], counts.udp.sent), (asked, asked, asked));
    assert_eq!(counts.tcp, Messages::default());
}

#[test]
fn one_message_in_512_is_looked_at_closer_whatever_port_it_comes_from() {
    const BURST: u16 = 40;
    let server = start(&one_thread("127.0.0.1"));
    let (client, mut answer) = (udp(server.address()), [0; 100]);
    for burst in 0..100 {
        for id in 0..BURST {
            client.send(&request(burst * BURST + id, ECHO)).unwrap();
        }
        for _ in 0..BURST {
            client.recv(&mut answer).unwrap();
        }
    }
    let metrics = server.metrics.clone();
    assert_eq!(server.finish().udp.received, 4_000);
    // The distances between them are 256 to 766.
    let looked_at = metrics.read_all().details.durations.counts.iter().sum::<u64>();
    assert!((5..=15).contains(&looked_at), "{looked_at}");
}

#[test]
fn the_engine_is_told_where_client_subnets_are_not_heeded() {
    let mut settings = settings(&["127.0.0.1", "127.0.0.2"]);
    settings.listen[1].ecs = Ecs::Off;
    let server = start(&settings);
    for (address, ecs) in server.addresses().into_iter().zip(["", "|no ecs"]) {
        let ip = address.ip().to_string();
        assert_eq!(ask(&udp(address), &request(1, ECHO)), echo(1, ECHO, &ip, &format!("udp{ecs}")));
        let mut stream = connect(address);
        stream.write_all(&framed(&request(2, ECHO))).unwrap();
        assert_eq!(read(&mut stream), echo(2, ECHO, &ip, &format!("tcp{ecs}")));
    }
}

/// The client is connected, so the kernel gives it only what comes from the very address it asked.
#[track_caller]
fn check_wildcard(wildcard: &str, asked: &str) {
    let server = start(&settings(&[wildcard]));
    let address = SocketAddr::new(asked.parse().unwrap(), server.address().port());
    for id in 0..8 {
        assert_eq!(ask(&udp(address), &request(id, ECHO)), echo(id, ECHO, asked, "udp"));
    }
    let counts = server.finish();
    assert_eq!((counts.udp.sent, counts.udp.unsent, counts.udp.receive_errors), (8, 0, 0));
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    check_wildcard("0.0.0.0", "127.0.0.5");
    check_wildcard("0.0.0.0", "127.0.0.1");
    if has_ipv6() {
        check_wildcard("::", "::1");
    }
}

#[test]
fn a_wildcard_of_each_family_leaves_the_other_alone() {
    if !has_ipv6() {
        return;
    }
    let server = start(&settings(&["0.0.0.0", "::"]));
    let [v4, v6] = server.addresses()[..] else { panic!() };
    for (ip, port) in [("127.0.0.5", v4.port()), ("::1", v6.port())] {
        let answer = ask(&udp(SocketAddr::new(ip.parse().unwrap(), port)), &request(7, ECHO));
        assert_eq!(answer, echo(7, ECHO, ip, "udp"));
    }
    server.finish();
}

#[test]
fn what_is_no_request_is_dropped_by_cause_and_the_next_is_answered() {
    let server = start(&one_thread("127.0.0.1"));
    let client = udp(server.address());
    let mut response = request(1, ECHO);
    response[2] |= 0x80;
    let mut longest = request(2, ECHO);
    longest.resize(MAX_REQUEST - 20, 0);
    let mut too_long = longest.clone();
    too_long.resize(MAX_REQUEST + 1, 0);
    for (i, garbage) in [&[][..], &[0], &[255; 11], &response, &too_long, &[0x12; 9_000]].into_iter().enumerate() {
        client.send(garbage).unwrap();
        let id = 100 + i as u16;
        assert_eq!(ask(&client, &request(id, ECHO)), echo(id, ECHO, "127.0.0.1", "udp"));
    }
    assert!(ask(&client, &longest).starts_with(&echo(2, ECHO, "", "")[..13]));
    let counts = server.finish();
    assert_eq!(counts.udp.dropped(Cause::Short), 3);
    assert_eq!(counts.udp.dropped(Cause::Response), 1);
    assert_eq!(counts.udp.dropped(Cause::Long), 2);
    assert_eq!(counts.udp.answered[0], 7);
}

#[test]
fn answers_are_counted_by_rcode() {
    let server = start(&one_thread("127.0.0.1"));
    let client = udp(server.address());
    for rcode in [0, 3, 3, 5] {
        let mut request = request(9, ECHO);
        request[3] = rcode;
        ask(&client, &request);
    }
    let answered = server.finish().udp.answered;
    assert_eq!((answered[0], answered[3], answered[5]), (1, 2, 1));
}

#[test]
fn a_panic_ends_one_message_and_no_thread() {
    let server = start(&one_thread("127.0.0.1"));
    let client = udp(server.address());
    for id in 0..5 {
        client.send(&request(id, PANIC)).unwrap();
        assert_eq!(ask(&client, &request(id, ECHO)), echo(id, ECHO, "127.0.0.1", "udp"));
    }
    let counts = server.finish();
    assert_eq!((counts.udp.panicked, counts.udp.answered[0]), (5, 5));
}

#[test]
fn a_drain_answers_all_that_had_arrived() {
    let server = start(&one_thread("127.0.0.1"));
    let client = udp(server.address());
    client.send(&request(0, GATE)).unwrap();
    for id in 1..=50 {
        client.send(&request(id, ECHO)).unwrap();
    }
    let gate = server.gate.clone();
    let draining = thread::spawn(move || server.finish());
    gate.send(()).unwrap();
    assert_eq!(receive(&client), echo(0, GATE, "127.0.0.1", "udp"));
    for id in 1..=50 {
        assert_eq!(receive(&client), echo(id, ECHO, "127.0.0.1", "udp"));
    }
    assert_eq!(draining.join().unwrap().udp.sent, 51);
}

#[test]
fn a_drain_of_a_quiet_server_does_not_wait_for_a_timeout() {
    let server = start(&Settings { udp_threads: NonZeroUsize::new(4).unwrap(), ..settings(&["127.0.0.1", "0.0.0.0"]) });
    let address = server.address();
    let begun = Instant::now();
    server.finish();
    assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
    // The port is free again.
    UdpSocket::bind(address).unwrap();
}

#[test]
fn a_drain_says_when_its_grace_ran_out() {
    let server = start(&one_thread("127.0.0.1"));
    udp(server.address()).send(&request(0, GATE)).unwrap();
    let gate = server.gate.clone();
    let (drained, _) = server.drain(Duration::from_millis(20));
    assert_eq!(drained, Drained::GraceRanOut { connections: 0 });
    drop(gate);
}

/// While the thread waits at the gate, more queues up than fits into one batch: from several clients, to several addresses,
/// what is no request among it.
#[test]
fn batches_keep_clients_and_the_addresses_they_asked_apart() {
    let server = start(&one_thread("0.0.0.0"));
    let port = server.address().port();
    let clients: Vec<_> = (1..=7).map(|host| udp(SocketAddr::new([127, 0, 0, host].into(), port))).collect();
    clients[0].send(&request(0, GATE)).unwrap();
    for id in 1..=20 {
        for client in &clients {
            client.send(&request(id, ECHO)).unwrap();
            client.send(&request(id, if id % 5 == 0 { PANIC } else { ECHO })[..usize::from(id % 12)]).unwrap();
        }
    }
    server.gate.send(()).unwrap();
    assert_eq!(receive(&clients[0]), echo(0, GATE, "127.0.0.1", "udp"));
    for (host, client) in (1..).zip(&clients) {
        for id in 1..=20 {
            assert_eq!(receive(client), echo(id, ECHO, &format!("127.0.0.{host}"), "udp"));
        }
    }
    let counts = server.finish().udp;
    assert_eq!((counts.received, counts.sent, counts.dropped(Cause::Short)), (281, 141, 140));
}

#[test]
fn what_finds_the_receive_buffer_full_is_counted() {
    let server = start(&Settings { receive_buffer: 4_096, ..one_thread("127.0.0.1") });
    let client = udp(server.address());
    client.send(&request(0, GATE)).unwrap();
    for id in 1..=200 {
        client.send(&request(id, ECHO)).unwrap();
    }
    server.gate.send(()).unwrap();
    receive(&client);
    let counts = server.finish().udp;
    assert_eq!(counts.received + counts.overflowed, 201);
    assert!(counts.overflowed > 100, "{counts:?}");
}
