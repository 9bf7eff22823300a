//! `scope-audit` finds the lies of servers that lie about their scopes, and none where there is none.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catchment::health::Known;
use catchment::query::{Ecs, Outcome, Transport, Who, respond};
use catchment::reload::{Limits, Loader, Now, Options, Wish};
use catchment::snapshot::{Identity, Snapshot};

/// What a small name server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Decides by /16 and /32, and says so.
    Honest,
    /// The same, but says that it holds for more.
    TooWide,
    /// The same, but says that it holds for less.
    TooNarrow,
    /// Says nothing of scopes.
    Silent,
    /// Honest, but answers with the records in another order each time, and loses a packet.
    Shaky,
}

/// The response to a request with one question and a client subnet as the only option.
fn answer(manner: Manner, request: &[u8], count: usize) -> Vec<u8> {
    let name = 12 + request[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let (question, opt) = (&request[12..name + 4], &request[name + 4..]);
    // Root, type, payload, TTL, length; code, length, family, source, scope, address.
    let subnet = &opt[15..];
    let (family, source) = (subnet[1], subnet[2]);
    let mut address = [0; 16];
    address[..subnet.len() - 4].copy_from_slice(&subnet[4..]);
    let (decided, told) = match family {
        1 => ([address[0], address[1]], 16),
        _ => ([address[2], address[3]], 32),
    };
    let scope = match manner {
        Manner::Honest | Manner::Silent | Manner::Shaky => told,
        Manner::TooWide => told - 4,
        Manner::TooNarrow => told + 3,
    };
    let mut response = request[..12].to_vec();
    response[2] = 0x84;
    let mut records = vec![[192, family, decided[0], decided[1]], [198, family, decided[1], decided[0]]];
    if manner == Manner::Shaky && count.is_multiple_of(2) {
        records.reverse();
    }
    response[7] = records.len() as u8;
    response[11] = u8::from(manner != Manner::Silent);
    response.extend_from_slice(question);
    for record in records {
        response.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        response.extend_from_slice(&record);
    }
    if manner != Manner::Silent {
        let end = response.len();
        response.extend_from_slice(opt);
        response[end + 18] = if source == 0 { 0 } else { scope };
    }
    response
}

/// Runs `catchment scope-audit` with these arguments.
fn audit(arguments: &[&str]) -> (Output, serde_json::Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["scope-audit", "www.example.com", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, value)
}

/// Audits a server on loopback that answers as `reply` says.
fn audited(samples: u32, reply: impl Fn(&[u8], usize) -> Option<Vec<u8>> + Sync) -> (Output, serde_json::Value) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 1500];
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(response) = reply(&buffer[..length], count) {
                    socket.send_to(&response, from).unwrap();
                }
                count += 1;
            }
        });
        let result = audit(&["--server", &address, "--samples", &samples.to_string(), "--rate", "100000"]);
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[track_caller]
fn check(manner: Manner, expected: impl Fn(&serde_json::Value) -> bool, code: i32) {
    let (output, value) =
        audited(600, |request, count| (manner != Manner::Shaky || count != 40).then(|| answer(manner, request, count)));
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(value["samples"] == 600 && value["unanswered"] == 0 && expected(&value), "{value:#}");
}

fn number(value: &serde_json::Value, key: &str) -> u64 {
    value[key].as_u64().unwrap()
}

#[test]
fn honest_servers_pass() {
    for manner in [Manner::Honest, Manner::Shaky] {
        let good = |value: &serde_json::Value| {
            number(value, "violations") == 0 && number(value, "not_minimal") == 0 && number(value, "pairs") > 300
        };
        check(manner, good, 0);
    }
}

#[test]
fn scopes_that_are_too_wide_are_found() {
    let found = |value: &serde_json::Value| {
        let (first, pairs) = (&value["shown"][0], number(value, "pairs"));
        // Fifteen of sixteen random pairs differ.
        number(value, "violations") > pairs * 8 / 10
            && value["shown"].as_array().unwrap().len() == 20
            && first["clients"][0] != first["clients"][1]
            && first["answers"][0] != first["answers"][1]
            && first["answers"][0].as_str().unwrap().starts_with("192.")
    };
    check(Manner::TooWide, found, 1);
}

#[test]
fn scopes_that_are_too_narrow_cost_caches_and_are_counted() {
    let found = |value: &serde_json::Value| {
        let (siblings, wasted) = (number(value, "siblings"), number(value, "not_minimal"));
        number(value, "violations") == 0 && siblings > 300 && wasted == siblings
    };
    check(Manner::TooNarrow, found, 0);
}

/// Without a client subnet in the response resolvers keep the answer for everyone (RFC 7871 §7.3).
#[test]
fn tailoring_without_saying_so_is_found() {
    let found = |value: &serde_json::Value| {
        number(value, "without_ecs") == 600
            && number(value, "violations") > 500
            && value["shown"][0]["scopes"][0].is_null()
    };
    check(Manner::Silent, found, 1);
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (output, _) = audit(&["--server", &closed, "--samples", "400", "--rate", "100000"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"), "{output:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn our_files_pass() {
    let state = tempfile::tempdir().unwrap();
    let path = |name: &str| root().join(name).display().to_string();
    let state = state.path().display().to_string();
    let (zones, geodb) = (path("zones"), path("geodb"));
    let places = ["--zones", &zones, "--geodb", &geodb, "--state", &state, "--samples", "40000"];
    for rtype in ["A", "AAAA"] {
        let (output, value) = audit(&[places.as_slice(), &["--type", rtype]].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!((number(&value, "violations"), number(&value, "not_minimal")), (0, 0), "{value:#}");
        assert!(number(&value, "pairs") > 5_000 && number(&value, "siblings") > 5_000, "{value:#}");
    }
}

/// The same over the wire, from the engine that serves.
#[test]
fn our_packets_pass() {
    let mut loader = Loader::forgetful(Options {
        zones: root().join("zones"),
        geodb: vec![root().join("geodb")],
        state: None,
        grace: Duration::ZERO,
        identity: Identity::default(),
        limits: Limits::default(),
    });
    let loaded = loader.load(Now { unix: 1_790_000_000, monotonic: 0 }, Wish::default(), &mut |_, _| Known::default());
    let snapshot = loaded.snapshot.unwrap();
    let serve = |snapshot: &Snapshot, request: &[u8]| {
        let source = "127.0.0.1".parse().unwrap();
        let (transport, ecs) = (Transport::Udp, Ecs::On);
        let who = Who { source, source_port: 4000, destination: source, transport, ecs, now: 1_790_000_000 };
        let mut out = vec![0; 1232];
        let Outcome::Responded(response) = respond(snapshot, &snapshot.live(), &who, request, &mut out) else {
            return None;
        };
        out.truncate(response.length);
        Some(out)
    };
    let (output, value) = audited(2_000, |request, _| serve(&snapshot, request));
    assert!(output.status.success(), "{output:?}");
    assert_eq!((number(&value, "violations"), number(&value, "not_minimal")), (0, 0), "{value:#}");
    assert!(number(&value, "pairs") > 300, "{value:#}");
}
