//! Lines of the query log, read back by a JSON parser.

use std::fs;
use std::path::PathBuf;

use catchment::dns::{Name, Type};
use catchment::health::State;
use catchment::journal::{Fate, LogSettings, Only, Place, Settings, Shown};
use catchment::metrics::{Cookie, JournalKind, Kind, Marks};
use catchment::net::Block;
use nix::sys::stat::Mode;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::Query;
use crate::{Desk, LIMIT, all, until};

fn settings(desk: &Desk, sample: u32, only: Only, client: Shown) -> (Settings, PathBuf) {
    let path = desk.directory.path().join("queries.json");
    let log = LogSettings { to: Place::File(path.clone()), sample, only, client };
    (Settings { log: Some(log), dnstap: None }, path)
}

/// The lines of a file, each without its time, which is looked at.
fn read(path: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let time = value.as_object_mut().unwrap().remove("time").unwrap();
        let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
        assert!(time.as_second() > 1_700_000_000);
        value
    };
    text.lines().map(line).collect()
}

#[track_caller]
fn check(states: &[State], query: &Query, client: Shown, expected: Value) {
    let desk = Desk::new(states);
    let (settings, path) = settings(&desk, 1, all(), client);
    desk.set(&settings);
    let length = desk.ask(&query.octets()).unwrap().length;
    desk.journal.stop(LIMIT);
    let mut expected = expected;
    expected["size"] = length.into();
    assert_eq!(read(&path), [expected]);
    assert_eq!(desk.counts(JournalKind::QueryLog), [1, 0, 0]);
}

#[test]
fn a_line_says_who_asked_what_and_why() {
    check(
        &[State::Up, State::Up],
        &Query::new("WWW.example.com. A").subnet("203.0.113.128/25"),
        Shown::Prefix,
        json!({
            "client": "198.51.100.0/24", "transport": "udp", "name": "www.example.com.", "type": "A", "zone": "example.com.",
            "kind": "home", "rcode": "NOERROR", "service": "web", "policy": "nearest", "pop": "fra", "reason": "home",
            "subnet": "203.0.113.0/24", "scope": 5, "by_subnet": true, "took_ns": 1500,
        }),
    );
    check(
        &[State::Down, State::Up],
        &Query::new("www.example.com. AAAA"),
        Shown::Full,
        json!({
            "client": "198.51.100.7", "port": 4711, "transport": "udp", "name": "www.example.com.", "type": "AAAA",
            "zone": "example.com.", "kind": "away", "rcode": "NOERROR", "service": "web", "policy": "nearest", "pop": "iad",
            "reason": "away", "took_ns": 1500,
        }),
    );
    check(
        &[],
        &Query::new("id.server. TXT CH"),
        Shown::Prefix,
        json!({
            "client": "198.51.100.0/24", "transport": "udp", "name": "id.server.", "type": "TXT", "class": "CH",
            "kind": "refused", "rcode": "REFUSED", "took_ns": 1500,
        }),
    );
    // Not even a question.
    let mut broken = Query::new("www.example.com. A");
    broken.questions = 9;
    let kind =
        json!({"client": "198.51.100.0/24", "transport": "udp", "kind": "error", "rcode": "FORMERR", "took_ns": 1500});
    check(&[], &broken, Shown::Prefix, kind);
}

/// The page for operators has a row for each key, in the order they are written, and no other.
#[test]
fn the_keys_are_those_of_the_page() {
    let page = fs::read_to_string("docs/operations.md").unwrap();
    let (_, table) = page.split_once("| key | what it is |\n|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let documented: Vec<_> = rows.map(|line| line.split('`').nth(1).unwrap()).collect();
    let example = page.lines().find(|line| line.starts_with("{\"time\"")).unwrap();
    let mut told: Vec<String> =
        serde_json::from_str::<Value>(example).unwrap().as_object().unwrap().keys().cloned().collect();

    let desk = Desk::new(&[State::Down, State::Up]);
    let (settings, path) = settings(&desk, 1, all(), Shown::Full);
    desk.set(&settings);
    let steered = Query::new("www.example.com. A CH").subnet("203.0.113.0/24").octets();
    desk.ask(&steered).unwrap();
    let request = Query::new("www.example.com. A").subnet("203.0.113.0/24").octets();
    let mut response = desk.ask(&request).unwrap();
    response.answered = response.answered.marked(Marks::new(Some(5), true, true, Cookie::None));
    desk.note(&request, &[], &response, Fate::Dropped);
    desk.journal.stop(LIMIT);
    let text = fs::read_to_string(path).unwrap();
    let last = text.lines().last().unwrap();
    // All keys but the class stand in the last line, in their order.
    let at = |key: &str| last.find(&format!("\"{key}\":"));
    let places: Vec<_> = documented.iter().filter(|key| **key != "class").map(|key| at(key).expect(key)).collect();
    assert!(places.is_sorted(), "{last}");
    told.extend(text.lines().flat_map(|line| {
        serde_json::from_str::<Value>(line).unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    }));
    told.sort();
    told.dedup();
    let mut expected: Vec<_> = documented.iter().map(|key| (*key).to_owned()).collect();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn what_the_rate_limit_does_is_said() {
    let desk = Desk::new(&[]);
    let (settings, path) = settings(&desk, 1, all(), Shown::Prefix);
    desk.set(&settings);
    let request = Query::new("ns1.example.com. A").octets();
    let response = desk.ask(&request).unwrap();
    desk.note(&request, &[], &response, Fate::Dropped);
    desk.note(&request, &[1, 2, 3], &response, Fate::Slipped);
    desk.journal.stop(LIMIT);
    let said: Vec<_> = read(&path).iter().map(|line| (line["limited"].clone(), line["size"].clone())).collect();
    assert_eq!(said[1..], [(json!("dropped"), json!(0)), (json!("slipped"), json!(3))]);
}

/// Asks thirty rounds; how many lines there are.
#[track_caller]
fn check_count(sample: u32, only: Only, ask: impl Fn(&Desk, usize), expected: usize) {
    let desk = Desk::new(&[]);
    let (settings, path) = settings(&desk, sample, only, Shown::Prefix);
    desk.set(&settings);
    ask(&desk, 30);
    desk.journal.stop(LIMIT);
    assert_eq!(read(&path).len(), expected);
}

#[test]
fn one_in_so_many_and_only_what_is_wanted() {
    let ask = |desk: &Desk, count: usize| {
        for _ in 0..count {
            for question in ["ns1.example.com. A", "www.example.com. A", "ns1.example.com. MX", "example.org. A"] {
                desk.ask(&Query::new(question).octets()).unwrap();
            }
        }
    };
    let name = |text: &str| Name::parse(text, Some(&Name::root())).unwrap();
    let block = |text: &str| Block::parse(text).unwrap();
    check_count(1, all(), ask, 120);
    check_count(7, all(), ask, 17);
    check_count(1, Only { kinds: vec![Kind::NoData, Kind::Refused], ..all() }, ask, 60);
    // Of what is wanted, one in so many.
    check_count(10, Only { kinds: vec![Kind::NoData], ..all() }, ask, 3);
    check_count(1, Only { names: vec![name("NS1.example.com.")], ..all() }, ask, 60);
    check_count(1, Only { names: vec![name("example.com."), name("xample.org.")], ..all() }, ask, 90);
    check_count(1, Only { clients: vec![block("198.51.100.0/24")], ..all() }, ask, 120);
    check_count(1, Only { clients: vec![block("198.51.101.0/24"), block("::/0")], ..all() }, ask, 0);
}

#[test]
fn a_renamed_file_is_left_and_a_new_one_begun() {
    let desk = Desk::new(&[]);
    let (settings, path) = settings(&desk, 1, all(), Shown::Prefix);
    desk.set(&settings);
    let ask = || assert!(desk.ask(&Query::new("ns1.example.com. A").octets()).is_some());
    ask();
    until("the first line", || desk.counts(JournalKind::QueryLog)[0] == 1);
    let moved = path.with_extension("1");
    fs::rename(&path, &moved).unwrap();
    desk.journal.reopen();
    until("the new file", || path.exists());
    ask();
    ask();
    desk.journal.stop(LIMIT);
    assert_eq!((read(&moved).len(), read(&path).len()), (1, 2));
    assert_eq!(desk.counts(JournalKind::QueryLog), [3, 0, 0]);
}

#[test]
fn what_cannot_be_written_is_counted_as_lost() {
    let desk = Desk::new(&[]);
    let to = Place::File(desk.directory.path().join("missing/queries.json"));
    let log = LogSettings { to, sample: 1, only: all(), client: Shown::Prefix };
    desk.set(&Settings { log: Some(log), dnstap: None });
    desk.ask(&Query::new("ns1.example.com. A").octets()).unwrap();
    desk.journal.stop(LIMIT);
    assert_eq!(desk.counts(JournalKind::QueryLog), [0, 0, 1]);
}

/// A pipe that nobody reads: the thread that writes waits for ever, those that answer do not.
#[test]
fn nobody_waits_for_an_output_that_does() {
    let desk = Desk::new(&[]);
    let (settings, path) = settings(&desk, 1, all(), Shown::Prefix);
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    desk.set(&settings);
    let request = Query::new("ns1.example.com. A").octets();
    for _ in 0..5_000 {
        desk.ask(&request).unwrap();
    }
    let [written, dropped, lost] = desk.counts(JournalKind::QueryLog);
    assert_eq!((written, lost), (0, 0));
    assert_eq!(dropped, 5_000 - 2_048);
    desk.journal.stop(std::time::Duration::ZERO);
}

/// Labels of any octets, up to the length of a name.
fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(0), Just(0x7f)], 1..=63), 0..=3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any name and any octets at all: every line is JSON, and has the name that was asked.
    #[test]
    fn hostile_names_stay_within_their_line(names in vec(names(), 40), junk in vec(vec(any::<u8>(), 12..60), 40)) {
        let desk = Desk::new(&[]);
        let (settings, path) = settings(&desk, 1, all(), Shown::Prefix);
        desk.set(&settings);
        let mut asked = Vec::new();
        for labels in names {
            let mut query = Query::new(". A");
            query.question = labels.iter().flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect();
            query.question.extend([0, 0, 1, 0, 1]);
            let wire = query.question[..query.question.len() - 4].to_vec();
            desk.ask(&query.octets()).unwrap();
            asked.push(wire.to_ascii_lowercase());
        }
        let mut lines = asked.len();
        for octets in junk {
            lines += usize::from(desk.ask(&octets).is_some());
        }
        desk.journal.stop(LIMIT);
        let read = read(&path);
        prop_assert_eq!(read.len(), lines);
        for (wire, line) in asked.iter().zip(&read) {
            let name = Name::parse(line["name"].as_str().unwrap(), None).unwrap();
            prop_assert_eq!(name.as_wire(), &wire[..]);
            prop_assert_eq!(line["type"].as_str(), Type::A.mnemonic());
        }
    }
}
