//! Orders by command, over the control socket: taken, refused, kept.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::health::{until_www_is, zone};
use crate::process::{Daemon, LIMIT, directory, over_udp, query, start, start_in, text, with_sites, www};

/// `a` and `b` accept; `c` is drained in its file.
fn fleet() -> (Daemon, Vec<TcpListener>) {
    let listeners: Vec<_> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let zone = zone(listeners[0].local_addr().unwrap(), listeners[1].local_addr().unwrap());
    let zone = zone
        .replace("b: {at: [1, 1]}}", "b: {at: [1, 1]}, c: {at: [2, 2], drain: true}}")
        .replace("pops: {a: {ip", "pops: {c: {ip: 192.0.2.3, checks: []}, a: {ip");
    let directory = with_sites(directory(&[("example.com.yaml", &zone)]));
    (start_in(directory, &[], &["127.0.0.1:0"], &[]), listeners)
}

fn overrides(daemon: &Daemon) -> Vec<Value> {
    let (code, out, err) = daemon.run(&["status", "--json"]);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str::<Value>(&out).unwrap()["overrides"].as_array().unwrap().clone()
}

#[track_caller]
fn check(daemon: &Daemon, command: &str, code: i32, expected: &[&str]) {
    let words: Vec<_> = command.split(' ').collect();
    let (got, out, err) = daemon.run(&words);
    let text = format!("{out}{err}");
    assert_eq!(got, code, "{command}: {text}");
    for expected in expected {
        assert!(text.contains(expected), "{command}: no `{expected}` in:\n{text}");
    }
}

#[test]
fn orders_are_taken_and_refused() {
    let (daemon, _listeners) = fleet();
    check(&daemon, "drain a --reason test --for 2h", 0, &["a: drained until ", ": test"]);
    daemon.until("override action=\"drain\" target=\"a\"");
    // `b` alone is left now; `c` is drained in its file, and does not count.
    check(&daemon, "drain b --reason test", 1, &["this would leave `web` no usable PoP", "`min_up` is 1", "--force"]);
    check(&daemon, "drain web@b --reason test --force", 0, &["web@b: drained", "note: `web` has no usable PoP left"]);
    check(&daemon, "undrain c", 1, &["`c` is drained in its file, at zones/example.com.yaml:", "no command undoes"]);
    check(&daemon, "undrain d", 1, &["there is no PoP or service `d`", "did you mean"]);
    check(&daemon, "drain a", 2, &["`drain` needs a reason"]);
    check(&daemon, "drain a --reason x --over 1ms", 2, &["whole seconds"]);
    check(&daemon, "force up a --reason test", 0, &["a: forced up"]);
    check(&daemon, "undrain a", 1, &["`a` is forced up, not drained"]);
    check(&daemon, "force clear a", 0, &["a: no override any more"]);
    check(&daemon, "undrain web@b --over 10m", 0, &["web@b: returning, 0 % of its clients back", "over 10m"]);
    check(&daemon, "health", 0, &["OVERRIDE web@b returning", "web      c    usable", "drained (in its file)"]);
    check(&daemon, "status", 0, &["overrides  web@b returning, 0 % of its clients back", "guard      off"]);
    check(&daemon, "status", 0, &["memory     live tables ", "; site table ", "           failover for web: "]);

    let audit = std::fs::read_to_string(daemon.directory.path().join("state/audit.log")).unwrap();
    let actions: Vec<_> = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| format!("{} {}", line["action"].as_str().unwrap(), line["target"].as_str().unwrap()))
        .collect();
    assert_eq!(actions, ["drain a", "drain web@b", "up a", "clear a", "undrain web@b"]);
    assert!(daemon.stop().1.success());
}

#[test]
fn answers_follow_orders() {
    let (daemon, _listeners) = fleet();
    // `c` is first in the order and drained in its file; `failover` puts `a` before `b`.
    until_www_is(&daemon, "20 IN A 192.0.2.1");
    check(&daemon, "drain a --reason test", 0, &[]);
    // In force when the command is answered, but for the epoch, which is milliseconds.
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    // Beside the server, too.
    check(&daemon, "explain www.example.com", 0, &["→ b: 192.0.2.2"]);
    // Drained ones serve when nobody else is left …
    check(&daemon, "force down b --reason test --force", 0, &[]);
    until_www_is(&daemon, "60 IN A 192.0.2.3");
    // … those that are forced down never do.
    check(&daemon, "force down c --reason test --force", 0, &[]);
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    let daemon = start_in(daemon.kill(), &[], &["127.0.0.1:0"], &[]);
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 60 IN A 192.0.2.1");
    for target in ["a", "b", "c"] {
        check(&daemon, &format!("force clear {target}"), 0, &[]);
    }
    until_www_is(&daemon, "20 IN A 192.0.2.1");
    check(&daemon, "force down a --reason test --for 2s", 0, &[]);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    until_www_is(&daemon, "20 IN A 192.0.2.1");
    assert!(daemon.stop().1.success());
}

/// Which of these units a PoP has, as resolvers of their clients are told.
fn units(daemon: &Daemon, address: &str) -> Vec<bool> {
    let told = |unit: u8| {
        let mut request = query("www.example.com.", RecordType::A);
        // The OPT comes last, and has no options yet: a client subnet of 11 octets (RFC 7871 §6).
        request.truncate(request.len() - 2);
        request.extend([0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 11, unit, 0]);
        text(&over_udp(daemon.address(), &request)).ends_with(address)
    };
    (0..200).map(told).collect()
}

/// A gradual drain takes clients away unit by unit and none comes back meanwhile; undraining likewise brings them back.
#[test]
fn gradual_drains_move_clients_one_way() {
    let (daemon, _listeners) = fleet();
    until_www_is(&daemon, "20 IN A 192.0.2.1");
    for (order, address) in [("drain a --over 3s --reason test", "192.0.2.2"), ("undrain a --over 3s", "192.0.2.1")] {
        let mut last = units(&daemon, address);
        assert!(last.iter().all(|there| !there), "{order}");
        check(&daemon, order, 0, &[]);
        let (begun, mut amid) = (Instant::now(), 0);
        while last.iter().any(|there| !there) {
            assert!(begun.elapsed() < LIMIT, "{order}: never");
            let now = units(&daemon, address);
            assert!(last.iter().zip(&now).all(|(last, now)| *now || !last), "{order}: some went back");
            amid += usize::from((20..180).contains(&now.iter().filter(|there| **there).count()));
            last = now;
        }
        assert!(amid > 1, "{order}: all at once");
    }
    assert!(daemon.stop().1.success());
}

#[test]
fn an_edit_is_held_against_what_is_served() {
    let (daemon, listeners) = fleet();
    until_www_is(&daemon, "20 IN A 192.0.2.1");
    check(&daemon, "drain a --reason test", 0, &[]);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    let path = daemon.directory.path();
    let zone = std::fs::read_to_string(path.join("zones/example.com.yaml")).unwrap();
    std::fs::create_dir(path.join("next")).unwrap();
    let next = |text: &str| std::fs::write(path.join("next/example.com.yaml"), text).unwrap();

    // Written within a second of a change.
    let deadline = Instant::now() + LIMIT;
    while !path.join("state/health.json").exists() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    next(&zone);
    check(&daemon, "diff next --live --max-move 0", 0, &["1 steered name stays as it is"]);
    // Drains are what is served: who loses `b` goes to `c`, as `a` is drained as well. By the files alone they are at `a`.
    let b = format!(", b: {{ip: 192.0.2.2, probe: \"{}\"}}", listeners[1].local_addr().unwrap());
    assert!(zone.contains(&b));
    next(&zone.replace(&b, ""));
    check(&daemon, "diff next --live --max-move 5%", 1, &["b     c "]);
    check(&daemon, "diff zones next --max-move 5%", 0, &["not more than"]);
    // A broken file is not served.
    daemon.write_zone("example.com.yaml", "zone: example.com\nns: [");
    daemon.until("example.com.yaml:");
    next(&zone);
    check(&daemon, "diff next --live --max-move 0", 0, &["1 steered name stays as it is"]);

    check(&daemon, "diff zones next --live", 1, &["one directory"]);
    check(&daemon, "diff next", 1, &["two directories"]);
    assert!(daemon.stop().1.success());
}

#[test]
fn overrides_end_by_themselves() {
    let (daemon, _listeners) = fleet();
    check(&daemon, "force down a --reason test --for 1s", 0, &["a: forced down until "]);
    assert_eq!(overrides(&daemon).len(), 1);
    daemon.until("override ended target=\"a\" word=\"down\"");
    assert_eq!(overrides(&daemon).len(), 0);
    let kept = std::fs::read_to_string(daemon.directory.path().join("state/overrides.json")).unwrap();
    assert!(kept.contains("\"overrides\": []"), "{kept}");
    let audit = std::fs::read_to_string(daemon.directory.path().join("state/audit.log")).unwrap();
    assert!(audit.lines().last().unwrap().contains("\"action\":\"end\",\"target\":\"a\""), "{audit}");
    assert!(daemon.stop().1.success());
}

#[test]
fn an_order_survives_kill_9() {
    let (daemon, _listeners) = fleet();
    check(&daemon, "drain a --reason maintenance --for 2h", 0, &[]);
    let before = overrides(&daemon);
    // Killed the moment the command was answered.
    let daemon = start_in(daemon.kill(), &[], &["127.0.0.1:0"], &[]);
    assert_eq!(overrides(&daemon), before);
    assert_eq!(before[0]["reason"], "maintenance");
    assert!(daemon.stop().1.success());
}

#[test]
fn overrides_that_cannot_be_read_are_kept_aside() {
    let (daemon, _listeners) = fleet();
    let directory = daemon.kill();
    std::fs::write(directory.path().join("state/overrides.json"), "{\"version\": 1, \"over").unwrap();
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    assert_eq!(overrides(&daemon).len(), 0);
    let state = daemon.directory.path().join("state");
    let names = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let aside = names.into_iter().find(|name| name.starts_with("overrides.json.corrupt-")).unwrap();
    assert_eq!(std::fs::read_to_string(state.join(aside)).unwrap(), "{\"version\": 1, \"over");
    check(&daemon, "drain a --reason test", 0, &["a: drained"]);
    let (lines, status) = daemon.stop();
    assert!(status.success(), "{lines:#?}");
}

/// The first answer after `kill -9` goes by what was known, not by one failed probe (`suspect`, which is usable).
#[test]
fn health_is_remembered_over_kill_9() {
    let (a, b) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let zone = zone(a.local_addr().unwrap(), b.local_addr().unwrap());
    let daemon = start_in(with_sites(directory(&[("example.com.yaml", &zone)])), &[], &["127.0.0.1:0"], &[]);
    drop(a);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    // From now on one probe a minute, so that no second one comes before the first answer.
    daemon.write_zone("example.com.yaml", &zone.replace("interval: 200ms", "interval: 1m"));
    daemon.until("reloaded generation=2");
    let health = daemon.directory.path().join("state/health.json");
    let begun = Instant::now();
    while !std::fs::read_to_string(&health).is_ok_and(|text| text.contains("\"down\"")) {
        assert!(begun.elapsed() < LIMIT, "health was not written down");
        std::thread::yield_now();
    }
    let daemon = start_in(daemon.kill(), &[], &["127.0.0.1:0"], &[]);
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 20 IN A 192.0.2.2");
    assert!(daemon.stop().1.success());

    // With nothing remembered it is another answer: one failure is no outage.
    let directory = with_sites(directory(&[("example.com.yaml", &zone.replace("interval: 200ms", "interval: 1m"))]));
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 10 IN A 192.0.2.1");
    assert!(daemon.stop().1.success());
}

#[test]
fn the_socket_is_its_owners_and_one_servers() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let socket = daemon.directory.path().join("state/control.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // A second server in the same place has no business there …
    let (code, _, err) = daemon.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(err.contains("error: another server answers at state/control.sock"), "{err}");
    check(&daemon, "status", 0, &["zones      1 loaded"]);
    // … but the socket of a dead one is replaced.
    let directory = daemon.kill();
    assert!(socket.exists());
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    check(&daemon, "status", 0, &["zones      1 loaded"]);
    check(&daemon, "health", 0, &["Nothing is probed"]);
    check(&daemon, "status --socket nowhere.sock", 1, &["no server answers at nowhere.sock", "catchment serve"]);
    let directory = std::sync::Arc::clone(&daemon.directory);
    assert!(daemon.stop().1.success());
    assert!(!directory.path().join("state/control.sock").exists());
}

/// What a request gets, head and body.
fn ask(daemon: &Daemon, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(daemon.directory.path().join("state/control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that has heard enough may close before all is written.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(body: &str) -> Vec<u8> {
    format!("POST /api/v1/overrides HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn the_api_refuses_in_json_and_is_bounded() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes();
    let cases: [(Vec<u8>, &str, &str); 8] = [
        (get("/api/v1/overrides"), "200", "{\"overrides\":[]}"),
        (get("/api/v1/nothing"), "404", "\"error\":\"there is nothing at `/api/v1/nothing`\""),
        (get("/"), "404", "\"help\":\"`/openapi.json` has them all\""),
        (b"DELETE /api/v1/overrides HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), "405", "\"error\":"),
        (post("{"), "400", "\"error\":\"the body is not an order: "),
        (post("{\"target\": \"a\", \"action\": \"drain\", \"reson\": \"x\"}"), "400", "unknown field `reson`"),
        (
            post("{\"target\": \"a\\u001b\", \"action\": \"drain\", \"reason\": \"x\"}"),
            "404",
            "there is no PoP or service",
        ),
        (post(&"x".repeat(20_000)), "413", "at most 16384 octets are read"),
    ];
    for (request, status, expected) in cases {
        let answer = ask(&daemon, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(expected) && answer.contains("application/json"), "{answer}");
    }
    // Not HTTP, and headers that never end: closed, within the time there is.
    ask(&daemon, &[0xff; 4096]);
    ask(&daemon, b"GET /api/v1/status HTTP/1.1\r\nhost: x\r\n");
    check(&daemon, "status", 0, &["zones      1 loaded"]);
    assert!(daemon.stop().1.success());
}
