//! A PoP that stops answering its probes loses its clients, and gets them back.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::process::{Daemon, LIMIT, start, www};

pub(crate) fn zone(a: SocketAddr, b: SocketAddr) -> String {
    format!(
        "\
zone: example.com
ns: [ns1]
pops: {{a: {{at: [0, 0]}}, b: {{at: [1, 1]}}}}
checks:
  up: {{tcp: {{}}, interval: 200ms, timeout: 100ms, fall: 2, rise: 1}}
services:
  web:
    checks: [up]
    policy: failover
    pops: {{a: {{ip: 192.0.2.1, probe: \"{a}\"}}, b: {{ip: 192.0.2.2, probe: \"{b}\"}}}}
records:
  ns1: {{A: 192.0.2.53}}
  www: {{steer: web}}
"
    )
}

#[track_caller]
pub(crate) fn until_www_is(daemon: &Daemon, expected: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let got = www(daemon.address());
        if got == format!("NoError aa\nwww.example.com. {expected}") {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < LIMIT, "still: {got}");
        std::thread::yield_now();
    }
}

#[test]
fn clients_follow_health_and_come_back() {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (listen(), listen());
    let (a_address, b_address) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let daemon = start(&["127.0.0.1:0"], &[]);
    daemon.write_zone("example.com.yaml", &zone(a_address, b_address));
    until_www_is(&daemon, "60 IN A 192.0.2.1");

    // A listener that is closed refuses; one that is bound anew on the same port accepts.
    drop(a);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    let moved = daemon.until("clients move away").pop().unwrap();
    assert!(moved.contains("service=\"web\" pop=\"a\" types=\"A\""), "{moved}");

    drop(b);
    until_www_is(&daemon, "10 IN A 192.0.2.1");
    daemon.until("fail-open: no PoP is usable");

    let _a = TcpListener::bind(a_address).unwrap();
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    daemon.until("fail-open has ended");

    // A reload keeps what is known: `b` is not usable for a moment either.
    let zone = zone(a_address, b_address);
    daemon.write_zone("example.com.yaml", &zone.replace("records:", "records:\n  more: {A: 192.0.2.99}"));
    daemon.until("reloaded generation=3");
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    assert!(daemon.stop().1.success());
}

#[test]
fn sighup_looks_at_all_files_and_says_what_came_of_it() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    daemon.signal("HUP");
    daemon.until("looked at all files; nothing has changed");
    assert!(daemon.stop().1.success());
}
