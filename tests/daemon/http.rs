//! The control API over TCP: reads for all, writes with a token, and nobody's manners are relied on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::guard::until;
use crate::health::{until_www_is, zone};
use crate::process::{Daemon, LIMIT, ZONE, directory, start_in, with_sites, www};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Serves these zones, with HTTP on any port.
pub(crate) fn serve(zones: &[(&str, &str)]) -> Daemon {
    let directory = with_sites(directory(zones));
    let settings = "control: {http: \"127.0.0.1:0\", tokens: tokens, hosts: [dns1.example.net]}\n";
    std::fs::write(directory.path().join("catchment.yaml"), settings).unwrap();
    std::fs::write(directory.path().join("tokens"), format!("ops {TOKEN}\n")).unwrap();
    start_in(directory, &[], &["127.0.0.1:0"], &[])
}

/// Sends octets, says that this is all, and reads whatever comes back.
pub(crate) fn send(server: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // The server may have had enough before everything is sent, and then close with a reset.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status and body of a request of these lines, `Host` among them.
#[track_caller]
pub(crate) fn ask(server: SocketAddr, request: &str, headers: &str, body: &str) -> (u16, String) {
    let text = format!("{request} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    let answer = send(server, text.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: `{answer}`"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[track_caller]
pub(crate) fn get(daemon: &Daemon, path: &str) -> (u16, String) {
    ask(daemon.http.unwrap(), &format!("GET {path}"), "Host: localhost\r\n", "")
}

#[track_caller]
fn json(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = get(daemon, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn steered() -> (Daemon, [TcpListener; 2]) {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [a, b] = [0, 1].map(|i: usize| listeners[i].local_addr().unwrap());
    (serve(&[("example.com.yaml", &zone(a, b))]), listeners)
}

#[test]
fn lookups() {
    let (daemon, _listeners) = steered();
    assert_eq!(get(&daemon, "/healthz"), (200, r#"{"alive":true}"#.to_owned()));
    assert_eq!(get(&daemon, "/readyz"), (200, r#"{"ready":true,"reasons":[]}"#.to_owned()));
    assert_eq!(json(&daemon, "/api/v1/zones")["zones"][0]["zone"], "example.com.");
    let pops = json(&daemon, "/api/v1/pops");
    assert_eq!(
        pops["pops"][1],
        serde_json::json!({"pop": "b", "latitude": 1.0, "longitude": 1.0, "services": ["web"]})
    );
    assert_eq!(json(&daemon, "/api/v1/services")["services"][0]["pops"][0]["v4"], "usable");
    let targets = json(&daemon, "/api/v1/targets");
    assert_eq!(targets["targets"][0]["transitions"][0]["to"], "up");
    let explained = json(&daemon, "/api/v1/explain?name=www.example.com&client=192.0.2.1&assume=down=a");
    assert!(explained.to_string().contains("192.0.2.2"), "{explained}");
    let (status, text) = get(&daemon, "/api/v1/explain?name=www.example.com&subnet=192.0.2.0/24&format=text");
    assert!(status == 200 && text.contains("→ a: 192.0.2.1"), "{text}");
    for (query, said) in [
        ("", "missing field `name`"),
        ("?name=a..b", "`name` is not a name"),
        ("?name=www.example.com&client=nobody", "`client` is not an address"),
        ("?name=www.example.com&subnet=1.2.3.4/40", "`subnet`"),
        ("?name=www.example.com&assume=down=zz", "there is no PoP `zz`"),
        ("?name=www.example.com&format=xml", "`format` is"),
        ("?name=www.example.com&color=red", "unknown field `color`"),
    ] {
        let (status, body) = get(&daemon, &format!("/api/v1/explain{query}"));
        assert!(status == 400 && body.contains(said), "{query}: {status} {body}");
    }
    let (code, out, err) = daemon.run(&["explain", "www.example.com", "--client", "192.0.2.1", "--live", "--all"]);
    assert!(code == 0 && out.contains("→ a: 192.0.2.1") && out.contains("as the running server saw it"), "{out}{err}");
    let (code, _, err) = daemon.run(&["explain", "www.example.com", "--live", "--assume", "down=zz"]);
    assert!(code == 2 && err.contains("there is no PoP `zz`"), "{err}");
    // The same over the socket.
    let (code, out, _) = daemon.run(&["status", "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()["pid"].as_u64()), (0, Some(daemon.id().into())));
    assert!(daemon.stop().1.success());
}

/// From how things stand: the operator's orders count, and what is assumed comes on top.
#[test]
fn previews() {
    let (daemon, _listeners) = steered();
    let preview = |query: &str| json(&daemon, &format!("/api/v1/preview?name=www.example.com&{query}"));
    // Whole numbers as long as nobody shares clients by weight.
    #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2^32")]
    let addresses = |clients: &Value| clients["ipv4_addresses"].as_f64().unwrap() as i64;
    let failed = preview("down=a");
    assert_eq!((&failed["flows"][0]["from"], &failed["flows"][0]["to"]), (&"a".into(), &"b".into()), "{failed}");
    assert!(failed["flows"].as_array().unwrap().len() == 1 && addresses(&failed["moved"]) > 0, "{failed}");
    let [a, b] = [0, 1].map(|at| &failed["pops"][at]);
    assert_eq!((&a["pop"], &b["pop"], addresses(&a["after"])), (&"a".into(), &"b".into(), 0), "{failed}");
    assert_eq!(addresses(&a["before"]) + addresses(&b["before"]), addresses(&failed["total"]));
    assert_eq!(addresses(&b["after"]), addresses(&failed["total"]));

    let (status, body) = ask(daemon.http.unwrap(), "POST /api/v1/overrides", &with_token(TOKEN), ORDER);
    assert_eq!(status, 200, "{body}");
    until("the order counts", || preview("down=a")["flows"].as_array().is_some_and(Vec::is_empty));
    // Drained or not, a server that stands is better than one that does not.
    assert_eq!(preview("down=b")["flows"][0]["to"], "a");
    for (query, said) in [
        ("?name=www.example.com", "nothing is assumed"),
        ("?name=www.example.com&down=zz", "there is no PoP `zz`"),
        ("?name=ns1.example.com&down=a", "is not steered here"),
        ("?name=a..b&down=a", "`name` is not a name"),
        ("?name=www.example.com&assume=down=a", "unknown field `assume`"),
    ] {
        let (status, body) = get(&daemon, &format!("/api/v1/preview{query}"));
        assert!(status == 400 && body.contains(said), "{query}: {status} {body}");
    }
}

#[test]
fn the_description_names_every_route_and_type() {
    let daemon = serve(&[("example.com.yaml", ZONE)]);
    let description = json(&daemon, "/openapi.json");
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_ascii_uppercase();
            let (status, body) = ask(daemon.http.unwrap(), &format!("{method} {path}"), &with_token(TOKEN), "");
            assert!(status != 404 || path.ends_with("/push"), "{method} {path}: {body}");
            assert_ne!(status, 405, "{method} {path}");
        }
    }
    let text = description.to_string();
    let types = description["components"]["schemas"].as_object().unwrap();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at + 21..].split('"').next().unwrap();
        assert!(types.contains_key(name), "{name}");
    }
    assert!(types.len() > 30 && description["components"]["securitySchemes"]["token"].is_object());
}

fn with_token(token: &str) -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {token}\r\n")
}

const ORDER: &str = r#"{"target": "a", "action": "drain", "reason": "test"}"#;

#[test]
fn orders_need_a_token() {
    let (daemon, _listeners) = steered();
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    let http = daemon.http.unwrap();
    let post = |headers: &str| ask(http, "POST /api/v1/overrides", headers, ORDER).0;
    assert_eq!(post("Host: localhost\r\n"), 401);
    assert_eq!(post(&with_token("0123456789abcdef0123456789abcdee")), 401);
    assert_eq!(post(&with_token(TOKEN).replace("localhost", "evil.example")), 421);
    assert_eq!(post(&format!("{}Origin: http://evil.example\r\n", with_token(TOKEN))), 403);
    assert_eq!(json(&daemon, "/api/v1/overrides")["overrides"].as_array().unwrap().len(), 0);
    // A token that is taken out of the file is no more.
    let tokens = daemon.directory.path().join("tokens");
    std::fs::write(&tokens, "").unwrap();
    assert_eq!(post(&with_token(TOKEN)), 401);
    std::fs::write(&tokens, format!("ops {TOKEN}\n")).unwrap();
    assert_eq!(post(&with_token(TOKEN)), 200);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    assert_eq!(json(&daemon, "/api/v1/overrides")["overrides"][0]["by"], "token ops");
    assert!(daemon.stop().1.success());
}

#[test]
fn pushed_values() {
    let zone = ZONE.to_owned()
        + "  shop: {steer: web}\n\
           pops: {a: {at: [0, 0]}, b: {at: [1, 1]}}\n\
           checks: {told: {push: told, interval: 200ms, timeout: 100ms, fall: 1, rise: 1, confirm: false}}\n\
           services: {web: {checks: [told], policy: failover, pops: {a: 192.0.2.10, b: 192.0.2.20}}}\n";
    let daemon = serve(&[("example.com.yaml", &zone)]);
    let push = |body: &str| ask(daemon.http.unwrap(), "POST /api/v1/push", &with_token(TOKEN), body);
    let good = r#"{"name": "told", "address": "192.0.2.10", "up": false, "for_seconds": 600, "text": "disk\nfull"}"#;
    let (status, body) = push(good);
    assert_eq!((status, body.as_str()), (200, r#"{"targets":1}"#));
    let shop = crate::process::query("shop.example.com.", hickory_proto::rr::RecordType::A);
    let begun = std::time::Instant::now();
    while !crate::process::text(&crate::process::over_udp(daemon.address(), &shop)).contains("192.0.2.20") {
        assert!(begun.elapsed() < LIMIT);
        std::thread::yield_now();
    }
    for (body, expected) in [
        ("", 400),
        (r#"{"name": "other", "up": true, "for_seconds": 60}"#, 404),
        (r#"{"name": "../../etc/passwd", "up": true, "for_seconds": 60}"#, 404),
        (r#"{"name": "told", "up": true, "for_seconds": 0}"#, 400),
        (r#"{"name": "told", "address": "192.0.2.99", "up": true, "for_seconds": 60}"#, 404),
        (r#"{"name": "told", "address": "nowhere", "up": true, "for_seconds": 60}"#, 400),
        (r#"{"name": "told", "up": true, "for_seconds": 60, "more": 1}"#, 400),
    ] {
        assert_eq!(push(body).0, expected, "{body}");
    }
    assert!(daemon.stop().1.success());
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn octets(&mut self, most: usize) -> Vec<u8> {
        let length = self.roll(most);
        (0..length).map(|_| self.roll(256) as u8).collect()
    }
}

#[test]
fn rude_requests_are_refused_and_nothing_panics() {
    let daemon = serve(&[("example.com.yaml", ZONE)]);
    let http = daemon.http.unwrap();
    assert_eq!(ask(http, "GET /metrics", "Host: evil.example\r\n", "").0, 421);
    assert_eq!(ask(http, "GET /metrics", "", "").0, 400);
    assert_eq!(ask(http, "DELETE /api/v1/status", &with_token(TOKEN), "").0, 405);
    assert_eq!(ask(http, "POST /api/v1/overrides", &with_token(TOKEN), &"x".repeat(17 << 10)).0, 413);
    assert_eq!(ask(http, "POST /api/v1/overrides", &with_token(TOKEN), "{").0, 400);
    // A body of gigabytes is not waited for.
    let endless =
        format!("POST /api/v1/overrides HTTP/1.1\r\n{}Content-Length: 99999999999\r\n\r\n", with_token(TOKEN));
    assert!(send(http, endless.as_bytes()).starts_with("HTTP/1.1 413"));

    let words = [
        "GET",
        "POST",
        "/",
        "/metrics",
        "/api/v1/explain?name=",
        "/api/v1/../../",
        "%00%ff%2e%2e",
        "?",
        "&",
        "=",
        " ",
        "HTTP/1.1",
        "\r\n",
        "Host: localhost",
        "Host: \u{ff}",
        "Origin: null",
        "Content-Length: -1",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Authorization: Bearer ",
        "Expect: 100-continue",
        ":",
        "\0",
        "{\"target\": ",
        "ffffffff\r\n",
        "0\r\n\r\n",
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut statuses = std::collections::BTreeMap::new();
    for round in 0..600 {
        // Two of three are HTTP, with whatever in the path or the query.
        let mut request = match round % 3 {
            0 => Vec::new(),
            1 => b"GET /".to_vec(),
            _ => b"GET /api/v1/explain?name=".to_vec(),
        };
        for _ in 0..dice.roll(12) {
            let octets = match dice.roll(6) {
                0 => dice.octets(40),
                _ => words[dice.roll(words.len())].as_bytes().to_vec(),
            };
            // As they are, or so that they are part of a URL.
            for octet in octets {
                match round % 3 {
                    0 => request.push(octet),
                    _ if octet.is_ascii_alphanumeric() || b"/?&=.%-".contains(&octet) => request.push(octet),
                    _ => request.extend_from_slice(format!("%{octet:02x}").as_bytes()),
                }
            }
        }
        request.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
        assert!(!status.starts_with('5'), "{:?}: {answer}", String::from_utf8_lossy(&request));
        *statuses.entry(status).or_insert(0) += 1;
    }
    assert!(["400", "404"].iter().all(|status| statuses.contains_key(*status)), "{statuses:?}");
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 300 IN A 192.0.2.1");
    let (lines, ended) = daemon.stop();
    assert!(ended.success() && !lines.iter().any(|line| line.contains("panicked")), "{lines:?}");
}

#[test]
fn clients_that_say_nothing_hold_nobody_up_for_long() {
    let daemon = serve(&[("example.com.yaml", ZONE)]);
    let http = daemon.http.unwrap();
    // More than may be connected at a time.
    let silent: Vec<_> = (0..80).map(|_| TcpStream::connect(http).unwrap()).collect();
    assert_eq!(get(&daemon, "/healthz").0, 200);
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 300 IN A 192.0.2.1");
    drop(silent);
}

#[test]
fn a_taken_port_is_no_reason_not_to_serve() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = with_sites(directory(&[("example.com.yaml", ZONE)]));
    let settings = format!("control: {{http: \"{}\"}}\n", taken.local_addr().unwrap());
    std::fs::write(directory.path().join("catchment.yaml"), settings).unwrap();
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    assert_eq!(daemon.http, None);
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 300 IN A 192.0.2.1");
    assert_eq!(daemon.run(&["status"]).0, 0);
    assert!(daemon.stop().1.success());
}

#[test]
fn readiness_tells_why_not() {
    let daemon = serve(&[("example.com.yaml", ZONE)]);
    assert_eq!(get(&daemon, "/readyz").0, 200);
    daemon.write_zone("broken.example.yaml", "zone: broken.example\nrecords: {www: {A: nonsense}}\n");
    daemon.until("the zone cannot be loaded");
    let (status, body) = loop {
        let (status, body) = get(&daemon, "/readyz");
        if status != 200 {
            break (status, body);
        }
        std::thread::yield_now();
    };
    assert_eq!((status, body.contains("zones that could not be loaded: `broken.example.`")), (503, true), "{body}");
    std::fs::remove_file(daemon.directory.path().join("zones/broken.example.yaml")).unwrap();
    assert!(daemon.stop().1.success());
}
