//! A node that is cut off believes what it knew before (SEMANTICS §4.12).

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::health::{until_www_is, zone};
use crate::process::{Daemon, LIMIT, directory, start_in, with_sites, www};

/// A listener whose queue is full: who connects waits in vain, as for a host that is cut off.
struct Canary {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Canary {
    fn silent() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        Self { _waiting: (0..8).map_while(connect).collect(), listener }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Answers from now on.
    fn answer(self) {
        std::thread::spawn(move || while self.listener.accept().is_ok() {});
    }
}

fn json(daemon: &Daemon, command: &str) -> Value {
    let (code, out, err) = daemon.run(&[command, "--json"]);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn most_targets_fail_and_the_canaries_too() {
    let (one, two) = (Canary::silent(), Canary::silent());
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (listen(), listen());
    let zone = zone(a.local_addr().unwrap(), b.local_addr().unwrap());
    let directory = with_sites(directory(&[("example.com.yaml", &zone)]));
    let settings = format!("health: {{canaries: [\"{}\", \"{}\"]}}\n", one.address(), two.address());
    std::fs::write(directory.path().join("catchment.yaml"), settings).unwrap();
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    until("both canaries are silent", || {
        let status = json(&daemon, "status");
        status["guard"]["canaries"].as_array().unwrap().iter().all(|canary| canary["answers"] == false)
    });
    assert_eq!(json(&daemon, "status")["guard"]["phase"], "watching");

    // Cut off: everything fails.
    drop((a, b));
    daemon.until("health is frozen: most targets turned bad at once and no canary answers");
    until("both targets are measured down", || {
        let health = json(&daemon, "health");
        health["targets"].as_array().unwrap().iter().all(|target| target["state"] == "down")
    });
    assert_eq!(www(daemon.address()), "NoError aa\nwww.example.com. 60 IN A 192.0.2.1");
    let (_, text, _) = daemon.run(&["health"]);
    assert!(text.contains("FROZEN since") && text.contains("answers go by `up`"), "{text}");
    assert!(!text.contains("FAIL-OPEN"), "{text}");
    // `explain` goes by what answers go by, beside the server as by its word.
    let written = || std::fs::read_to_string(daemon.directory.path().join("state/health.json")).unwrap_or_default();
    until("what is held is written down", || written().matches("\"held\": \"up\"").count() == 2);
    for more in [&[][..], &["--live"]] {
        let (code, text, _) = daemon.run(&[&["explain", "www.example.com"], more].concat());
        assert!(code == 0 && text.contains("192.0.2.1") && !text.contains("fail-open"), "{text}");
    }

    // Back, and the targets are down indeed.
    one.answer();
    daemon.until("a canary answers again: health thaws");
    daemon.until("health has thawed");
    until_www_is(&daemon, "10 IN A 192.0.2.1");
    let (_, text, _) = daemon.run(&["health"]);
    assert!(text.contains("FAIL-OPEN web") && !text.contains("FROZEN"), "{text}");
    until("`explain` says fail-open", || daemon.run(&["explain", "www.example.com"]).1.contains("fail-open"));
    assert!(daemon.stop().1.success());
}
