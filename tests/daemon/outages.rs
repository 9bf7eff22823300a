//! What an outage leaves to see, and what only the operator ends (SEMANTICS §3.3, §3.4; issue 4).

use std::net::TcpListener;

use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::health::{until_www_is, zone};
use crate::process::{Daemon, directory, over_udp, query, start_in, with_sites};

fn listeners() -> (TcpListener, TcpListener) {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    (listen(), listen())
}

fn start(zone: &str) -> Daemon {
    start_in(with_sites(directory(&[("example.com.yaml", zone)])), &[], &["127.0.0.1:0"], &[])
}

#[track_caller]
fn check(daemon: &Daemon, command: &str, expected: &[&str]) {
    let (code, out, err) = daemon.run(&command.split(' ').collect::<Vec<_>>());
    let text = format!("{out}{err}");
    assert_eq!(code, 0, "{command}: {text}");
    for expected in expected {
        assert!(text.contains(expected), "{command}: no `{expected}` in:\n{text}");
    }
}

/// Code and text of the extended DNS error (RFC 8914) of www.example.com.
fn ede(daemon: &Daemon) -> Option<(u16, String)> {
    let answer = over_udp(daemon.address(), &query("www.example.com.", RecordType::A));
    // The last option of the OPT, which is the last record.
    let at = answer.windows(4).rposition(|octets| octets[..3] == [0, 15, 0])?;
    let (length, data) = (usize::from(answer[at + 3]), &answer[at + 4..]);
    Some((u16::from_be_bytes([data[0], data[1]]), String::from_utf8(data[2..length].to_vec()).unwrap()))
}

#[test]
fn fail_open_is_to_be_seen_everywhere() {
    let (a, b) = listeners();
    let daemon = start(&zone(a.local_addr().unwrap(), b.local_addr().unwrap()));
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    assert_eq!(ede(&daemon), None);
    check(&daemon, "status", &["2 up"]);
    drop((a, b));
    daemon.until("fail-open: no PoP is usable, so answers are given as if all were up service=\"web\"");
    until_www_is(&daemon, "10 IN A 192.0.2.1");
    assert_eq!(ede(&daemon), Some((0, "fail-open".to_owned())));
    for command in ["health", "status"] {
        check(&daemon, command, &["FAIL-OPEN web: no PoP is usable"]);
    }
    // Health is written down within a second, for `explain` beside the server.
    let begun = std::time::Instant::now();
    while !daemon.run(&["explain", "www.example.com"]).1.contains("fail-open") {
        assert!(begun.elapsed() < crate::process::LIMIT, "`explain` never says so");
    }
    assert!(daemon.stop().1.success());
}

#[test]
fn panic_is_to_be_seen_everywhere() {
    let ((a, b), (c, _)) = (listeners(), listeners());
    let third = format!(", c: {{ip: 192.0.2.3, probe: \"{}\"}}}}\nrecords:", c.local_addr().unwrap());
    let zone = zone(a.local_addr().unwrap(), b.local_addr().unwrap())
        .replace("services:", "policies: {careful: {extends: failover, panic: {below: 50%}}}\nservices:")
        .replace("policy: failover", "policy: careful")
        .replace("b: {at: [1, 1]}}", "b: {at: [1, 1]}, c: {at: [2, 2]}}")
        .replace("}\nrecords:", &third);
    let daemon = start(&zone);
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    drop(a);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    assert_eq!(ede(&daemon), None);
    // One of three is less than half.
    drop(b);
    daemon.until("panic: too few PoPs of a tier are usable, so health is ignored in it service=\"web\"");
    until_www_is(&daemon, "10 IN A 192.0.2.1");
    assert_eq!(ede(&daemon), Some((0, "panic".to_owned())));
    for command in ["health", "status"] {
        check(&daemon, command, &["PANIC web: too few PoPs are usable (1 of 3), so"]);
    }
    let begun = std::time::Instant::now();
    while !daemon.run(&["explain", "www.example.com"]).1.contains("panic") {
        assert!(begun.elapsed() < crate::process::LIMIT, "`explain` never says so");
    }
    assert!(daemon.stop().1.success());
}

#[test]
fn what_went_down_stays_out_until_the_operator_says_otherwise() {
    let (a, b) = listeners();
    let address = a.local_addr().unwrap();
    let zone =
        zone(address, b.local_addr().unwrap()).replace("policy: failover", "policy: failover\n    manual_resume: true");
    let daemon = start(&zone);
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    drop(a);
    daemon.until("override action=\"drain\" target=\"web@a\" by=\"catchment\"");
    let a = TcpListener::bind(address).unwrap();
    daemon.until("clients come back service=\"web\" pop=\"a\"");
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    let words = "went down, and `manual_resume` keeps it out";
    check(&daemon, "health", &["OVERRIDE web@a drained, by catchment: went down", "drained (web@a)"]);
    check(&daemon, "status", &["web@a drained, by catchment"]);
    check(&daemon, "explain www.example.com", &["drained", "→ b: 192.0.2.2"]);
    let audit = std::fs::read_to_string(daemon.directory.path().join("state/audit.log")).unwrap();
    let line: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&line["by"], &line["action"], &line["target"]),
        (&"catchment".into(), &"drain".into(), &"web@a".into())
    );
    assert!(line["reason"].as_str().unwrap().contains(words), "{line}");

    // Over a crash, too.
    let daemon = start_in(daemon.kill(), &[], &["127.0.0.1:0"], &[]);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    check(&daemon, "undrain web@a", &["web@a: no override any more"]);
    until_www_is(&daemon, "60 IN A 192.0.2.1");

    // The next fall is held again; a service without the key comes back by itself (`health`).
    drop(a);
    daemon.until("override action=\"drain\" target=\"web@a\" by=\"catchment\"");
    assert!(daemon.stop().1.success());
}

/// A prober that does not get to run: what it knew grows old and is *unknown*, which is usable (SEMANTICS §4.7).
#[test]
#[ignore = "stands still for eleven seconds"]
fn a_stalled_prober_takes_nobody_away() {
    let (a, b) = listeners();
    let zone = zone(a.local_addr().unwrap(), b.local_addr().unwrap());
    let daemon = start(&zone);
    drop(a);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    // Longer than max(3 × interval, interval + 10 s).
    daemon.signal("STOP");
    std::thread::sleep(std::time::Duration::from_secs(11));
    daemon.signal("CONT");
    daemon.until("results too old");
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    assert!(daemon.stop().1.success());
}
