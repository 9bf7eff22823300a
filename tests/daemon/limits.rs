//! A flood is answered at the set rate, and what is answered can be taken down.

use std::fs;
use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::http::get;
use crate::process::{Daemon, LIMIT, ZONE, directory, over_tcp, over_udp, query, start_in, with_sites};

fn serve(settings: &str) -> Daemon {
    let directory = with_sites(directory(&[("example.com.yaml", ZONE)]));
    let settings = format!("control: {{http: \"127.0.0.1:0\"}}\n{settings}");
    fs::write(directory.path().join("catchment.yaml"), settings).unwrap();
    start_in(directory, &[], &["127.0.0.1:0"], &[])
}

/// The sum of a family's samples that have these words among their labels.
fn sum(daemon: &Daemon, name: &str, words: &[&str]) -> u64 {
    let (_, text) = get(daemon, "/metrics");
    let fits =
        |line: &&str| line.split(['{', ' ']).next() == Some(name) && words.iter().all(|word| line.contains(word));
    text.lines().filter(fits).map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Sends queries from the addresses of a /24 in turn, all of them within few seconds; gives whole answers and short ones, and how
/// many seconds it took at most.
fn flood(daemon: &Daemon, network: &str, request: &[u8], count: usize) -> (usize, usize, u64) {
    let sockets: Vec<_> = (1..=8)
        .map(|host| {
            let socket = UdpSocket::bind(format!("{network}.{host}:0")).unwrap();
            socket.connect(daemon.address()).unwrap();
            socket
        })
        .collect();
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let began = second();
    let before = sum(daemon, "catchment_received_messages_total", &["udp"]);
    for socket in sockets.iter().cycle().take(count) {
        socket.send(request).unwrap();
    }
    let deadline = std::time::Instant::now() + LIMIT;
    while sum(daemon, "catchment_received_messages_total", &["udp"]) < before + count as u64 {
        assert!(std::time::Instant::now() < deadline, "not everything arrived");
    }
    let seconds = second() - began + 1;
    let (mut whole, mut short) = (0, 0);
    for socket in &sockets {
        // Everything that is sent has been: the counters say so.
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut answer = [0; 1500];
        while let Ok(length) = socket.recv(&mut answer) {
            let truncated = Message::from_vec(&answer[..length]).unwrap().metadata.truncation;
            *(if truncated { &mut short } else { &mut whole }) += 1;
        }
    }
    (whole, short, seconds)
}

#[test]
fn a_flood_is_answered_at_the_set_rate_and_slips() {
    let daemon = serve("rrl: {mode: on, loopback: limited, positive: 40, nxdomain: 10}\nudp: {threads: 2}\n");
    let request = query("www.example.com.", RecordType::A);
    let (whole, short, seconds) = flood(&daemon, "127.0.7", &request, 600);
    assert!(whole >= 40 && whole <= 42 * seconds as usize, "{whole} in {seconds} s");
    // Every second of the rest, to the nearest second of the clock.
    let rest = 600 - whole;
    assert!(short.abs_diff(rest / 2) <= 2 * seconds as usize, "{short} of {rest}");
    let limited = |result: &str| sum(&daemon, "catchment_rate_limited_answers_total", &["positive", result]);
    assert_eq!((limited("\"slipped\""), limited("\"dropped\"")), (short as u64, (rest - short) as u64));
    assert_eq!(sum(&daemon, "catchment_dropped_messages_total", &["rate", "udp"]), (rest - short) as u64);
    let received = sum(&daemon, "catchment_received_messages_total", &["udp"]);
    let answered = sum(&daemon, "catchment_queries_total", &["udp"]);
    assert_eq!(received, answered + sum(&daemon, "catchment_dropped_messages_total", &["udp"]));
    // Another network is not touched by it, nor is TCP, nor another class.
    let (whole, short, _) = flood(&daemon, "127.0.8", &request, 30);
    assert_eq!((whole, short), (30, 0));
    for _ in 0..60 {
        over_tcp(daemon.address(), &request);
    }
    let (whole, _, seconds) = flood(&daemon, "127.0.7", &query("no.example.com.", RecordType::A), 100);
    assert!(whole >= 10 && whole <= 12 * seconds as usize, "{whole} in {seconds} s");
}

#[test]
fn by_default_a_flood_is_only_counted_and_the_mode_is_hot() {
    let settings = |mode: &str| {
        format!("control: {{http: \"127.0.0.1:0\"}}\nrrl: {{mode: {mode}, loopback: limited, positive: 5, slip: 0}}\n")
    };
    let daemon = serve("rrl: {loopback: limited, positive: 5, slip: 0}\n");
    let request = query("www.example.com.", RecordType::A);
    let (whole, short, seconds) = flood(&daemon, "127.0.7", &request, 100);
    assert_eq!((whole, short), (100, 0));
    let limited = |result: &str| sum(&daemon, "catchment_rate_limited_answers_total", &[result]);
    assert!(limited("would-drop") >= 100 - 6 * seconds && limited("\"dropped\"") == 0);
    fs::write(daemon.directory.path().join("catchment.yaml"), settings("on")).unwrap();
    daemon.until("settings changed");
    let (whole, _, seconds) = flood(&daemon, "127.0.7", &request, 100);
    assert!(whole <= 6 * seconds as usize, "{whole} in {seconds} s");
    assert!(limited("\"dropped\"") > 0);
}

#[test]
fn the_query_log_is_hot_follows_its_file_and_is_whole_at_the_end() {
    let daemon = serve("query_log: {to: queries.json, sample: 1/1}\ndnstap: {to: queries.fstrm}\n");
    let (path, moved) = (daemon.directory.path().join("queries.json"), daemon.directory.path().join("queries.1"));
    let request = query("www.example.com.", RecordType::A);
    for _ in 0..3 {
        over_udp(daemon.address(), &request);
    }
    over_tcp(daemon.address(), &request);
    let deadline = std::time::Instant::now() + LIMIT;
    while sum(&daemon, "catchment_journaled_total", &["query-log", "written"]) < 4 {
        assert!(std::time::Instant::now() < deadline);
    }
    fs::rename(&path, &moved).unwrap();
    daemon.signal("HUP");
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline);
    }
    over_udp(daemon.address(), &query("no.example.com.", RecordType::TXT));
    let directory = std::sync::Arc::clone(&daemon.directory);
    let (_, status) = daemon.stop();
    assert!(status.success());
    let read = |path| -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (before, after) = (read(moved), read(path));
    assert_eq!(before.len(), 4);
    assert!(before.iter().all(|line| line["name"] == "www.example.com." && line["client"] == "127.0.0.0/24"));
    assert_eq!(before.iter().filter(|line| line["transport"] == "tcp").count(), 1);
    assert_eq!(after.len(), 1);
    assert_eq!((&after[0]["rcode"], &after[0]["kind"]), (&"NXDOMAIN".into(), &"nxdomain".into()));
    let frames = fs::read(directory.path().join("queries.fstrm")).unwrap();
    assert!(frames.ends_with(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3]), "the stream is ended");
}
