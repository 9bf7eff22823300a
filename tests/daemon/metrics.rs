//! What `/metrics` says is what was asked, and adds up.

#![expect(clippy::float_cmp, reason = "whole numbers, far below 2^53")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, UdpSocket};
use std::time::Instant;

use hickory_proto::rr::RecordType;

use crate::health::{until_www_is, zone};
use crate::http::{get, serve};
use crate::process::{Daemon, LIMIT, ZONE, over_tcp, over_udp, query};

/// Samples by name and labels, as they are written.
fn scrape(daemon: &Daemon) -> BTreeMap<String, f64> {
    let (status, text) = get(daemon, "/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
    let samples: BTreeMap<_, _> = lines.iter().cloned().collect();
    assert_eq!(samples.len(), lines.len(), "a sample is there twice");
    samples
}

/// The sum of a family's samples whose labels contain these words.
fn sum(samples: &BTreeMap<String, f64>, name: &str, words: &[&str]) -> f64 {
    let fits = |key: &String| key.split('{').next() == Some(name) && words.iter().all(|word| key.contains(word));
    samples.iter().filter(|(key, _)| fits(key)).map(|(_, value)| value).sum()
}

#[track_caller]
fn adds_up(samples: &BTreeMap<String, f64>) {
    for transport in ["transport=\"udp\"", "transport=\"tcp\""] {
        let of = |name: &str| sum(samples, name, &[transport]);
        let (received, answered) = (of("catchment_received_messages_total"), of("catchment_queries_total"));
        assert_eq!(received, answered + of("catchment_dropped_messages_total") + of("catchment_engine_panics_total"));
        assert_eq!(answered, of("catchment_sent_answers_total") + of("catchment_unsent_answers_total"));
    }
    for reason in ["home", "away", "panic", "fail-open", "fallback", "on-empty", "override"] {
        let steered = sum(samples, "catchment_steered_answers_total", &[&format!("reason=\"{reason}\"")]);
        assert_eq!(steered, sum(samples, "catchment_queries_total", &[&format!("kind=\"{reason}\"")]), "{reason}");
    }
    let of = |name: &str| sum(samples, name, &[]);
    let ended = of("catchment_tcp_connections_open") + of("catchment_tcp_connections_closed_total");
    assert_eq!(of("catchment_tcp_connections_accepted_total"), ended);
}

/// Scrapes until the counters have caught up with what was asked.
fn settled(daemon: &Daemon, name: &str, words: &[&str], expected: f64) -> BTreeMap<String, f64> {
    let begun = Instant::now();
    loop {
        let samples = scrape(daemon);
        if sum(&samples, name, words) >= expected {
            return samples;
        }
        assert!(begun.elapsed() < LIMIT, "{name} {words:?} is {}", sum(&samples, name, words));
        std::thread::yield_now();
    }
}

#[test]
fn every_query_is_counted_once_under_its_names() {
    let daemon = serve(&[("example.com.yaml", ZONE)]);
    let ask = |name: &str, rtype| {
        over_udp(daemon.address(), &query(name, rtype));
    };
    for _ in 0..5 {
        ask("www.example.com.", RecordType::A);
    }
    ask("www.example.com.", RecordType::MX);
    ask("no.example.com.", RecordType::A);
    ask("elsewhere.example.", RecordType::A);
    over_tcp(daemon.address(), &query("www.example.com.", RecordType::AAAA));
    // No answer: too short, and an answer itself.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&[0; 11], daemon.address()).unwrap();
    socket.send_to(&[0x80; 12], daemon.address()).unwrap();
    let samples = settled(&daemon, "catchment_dropped_messages_total", &[], 2.0);
    let samples = if sum(&samples, "catchment_sent_answers_total", &[]) < 9.0 {
        settled(&daemon, "catchment_sent_answers_total", &[], 9.0)
    } else {
        samples
    };
    let queries: Vec<_> = samples
        .iter()
        .filter(|(key, _)| key.starts_with("catchment_queries_total"))
        .map(|(k, v)| format!("{k} {v}"))
        .collect();
    expect_test::expect![[r#"
        catchment_queries_total{transport="tcp",zone="example.com.",kind="static",rcode="NOERROR"} 1
        catchment_queries_total{transport="udp",zone="",kind="refused",rcode="REFUSED"} 1
        catchment_queries_total{transport="udp",zone="example.com.",kind="nodata",rcode="NOERROR"} 1
        catchment_queries_total{transport="udp",zone="example.com.",kind="nxdomain",rcode="NXDOMAIN"} 1
        catchment_queries_total{transport="udp",zone="example.com.",kind="static",rcode="NOERROR"} 5"#]]
    .assert_eq(&queries.join("\n"));
    adds_up(&samples);

    // Counters go on over a reload.
    daemon.write_zone("example.com.yaml", &ZONE.replace("192.0.2.1", "192.0.2.7"));
    daemon.until("reloaded generation=2");
    ask("www.example.com.", RecordType::A);
    let samples = settled(&daemon, "catchment_queries_total", &["udp", "static"], 6.0);
    assert_eq!(sum(&samples, "catchment_reloads_total", &["taken"]), 1.0);
    assert_eq!(sum(&samples, "catchment_generation", &[]), 2.0);
    adds_up(&settled(&daemon, "catchment_sent_answers_total", &[], 10.0));
}

#[test]
fn an_outage_shows() {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (listen(), listen());
    let daemon = serve(&[("example.com.yaml", &zone(a.local_addr().unwrap(), b.local_addr().unwrap()))]);
    let steered = |pop: &str, reason: &str| {
        let labels = [format!("pop=\"{pop}\""), format!("reason=\"{reason}\"")];
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        settled(&daemon, "catchment_steered_answers_total", &labels, 1.0)
    };
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    let samples = steered("a", "home");
    assert_eq!(samples["catchment_pop_usable{service=\"web\",pop=\"a\",family=\"v4\"}"], 1.0);
    assert_eq!(sum(&samples, "catchment_targets", &["up"]), 2.0);
    drop(a);
    until_www_is(&daemon, "20 IN A 192.0.2.2");
    let samples = steered("b", "away");
    assert_eq!(samples["catchment_pop_usable{service=\"web\",pop=\"a\",family=\"v4\"}"], 0.0);
    assert_eq!(sum(&samples, "catchment_service_alarm", &[]), 0.0);
    drop(b);
    until_www_is(&daemon, "10 IN A 192.0.2.1");
    let samples = steered("a", "fail-open");
    assert_eq!(samples["catchment_service_alarm{service=\"web\",alarm=\"fail-open\"}"], 1.0);
    assert!(
        sum(&samples, "catchment_target_transitions_total", &[]) >= 4.0
            && sum(&samples, "catchment_epochs_total", &[]) >= 2.0
    );
    // A file with a mistake.
    daemon.write_zone("example.com.yaml", "zone: example.com\nrecords: {www: {A: nonsense}}\n");
    daemon.until("the last good version of the zone serves");
    let samples = settled(&daemon, "catchment_reloads_total", &["refused"], 1.0);
    assert!(samples["catchment_last_reload_timestamp_seconds{result=\"refused\"}"] > 1.7e9);
    settled(&daemon, "catchment_zones", &["stale"], 1.0);
    // An order.
    assert_eq!(daemon.run(&["drain", "b", "--reason", "test", "--force"]).0, 0);
    settled(&daemon, "catchment_overrides", &["drain"], 1.0);
    adds_up(&scrape(&daemon));
}

#[test]
fn the_page_of_the_documentation_is_what_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let daemon = serve(&[("example.com.yaml", &zone(address, address))]);
    until_www_is(&daemon, "60 IN A 192.0.2.1");
    let (_, text) = get(&daemon, "/metrics");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut documented = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split(" | ").collect();
        let name = cells[0].trim_matches(['|', ' ', '`']);
        labels.insert(name, cells[2].split('`').filter(|word| !word.trim().is_empty()).collect());
        documented.insert(format!("{} {}", name.strip_suffix("_total").unwrap_or(name), cells[1]));
    }
    let served: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect();
    assert_eq!(served, documented);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let key = line.rsplit_once(' ').unwrap().0;
        let (name, rest) = key.split_once('{').unwrap_or((key, ""));
        let parts = ["_bucket", "_sum", "_count"];
        let histogram = parts.iter().find_map(|part| name.strip_suffix(part)).filter(|name| labels.contains_key(name));
        let expected = &labels[histogram.unwrap_or(name)];
        let got: BTreeSet<_> = rest.split("=\"").filter_map(|part| part.rsplit([',', '"', '{']).next()).collect();
        let got: BTreeSet<_> = got.into_iter().filter(|label| !matches!(*label, "}" | "" | "le")).collect();
        assert_eq!(&got, expected, "{line}");
    }
}

#[test]
fn answers_that_an_order_moves_are_counted_so() {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (listen(), listen());
    let daemon = serve(&[("example.com.yaml", &zone(a.local_addr().unwrap(), b.local_addr().unwrap()))]);
    let tell = |words: &str| {
        let (code, _, said) = daemon.run(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "{said}");
    };
    let mut before = (0.0, 0.0);
    // Asks until it is so, then once more; how many more answers of `b` count as `override`, and as anything else.
    let mut more = |expected: &str| {
        until_www_is(&daemon, expected);
        let (counted, _) = scrape_of(&daemon, &before);
        before = counted;
        over_udp(daemon.address(), &query("www.example.com.", RecordType::A));
        let (counted, more) = scrape_of(&daemon, &before);
        before = counted;
        more
    };
    assert_eq!(more("60 IN A 192.0.2.1"), (0.0, 0.0));
    tell("drain a --reason test");
    assert_eq!(more("20 IN A 192.0.2.2"), (1.0, 0.0));
    tell("force down a --reason test");
    // Who is forced down is no home: the next one is.
    assert_eq!(more("60 IN A 192.0.2.2"), (1.0, 0.0));
    tell("force clear a");
    assert_eq!(more("60 IN A 192.0.2.1"), (0.0, 0.0));
    // The other is drained, and has nothing to do with it.
    tell("drain b --reason test");
    drop(a);
    assert_eq!(more("20 IN A 192.0.2.2"), (0.0, 1.0));
    adds_up(&scrape(&daemon));
}

/// Answers of `b` by reason `override`, and by any other, and how many that is more than before.
fn scrape_of(daemon: &Daemon, before: &(f64, f64)) -> ((f64, f64), (f64, f64)) {
    let samples = scrape(daemon);
    let all = sum(&samples, "catchment_steered_answers_total", &["pop=\"b\""]);
    let ordered = sum(&samples, "catchment_steered_answers_total", &["pop=\"b\"", "reason=\"override\""]);
    let now = (ordered, all - ordered);
    (now, (now.0 - before.0, now.1 - before.1))
}
