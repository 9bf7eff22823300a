//! dnstap frames, read back by a reader of the test's own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use catchment::journal::{DnstapSettings, Fate, FramePlace, Messages, Settings};
use catchment::metrics::JournalKind;

use crate::common::Query;
use crate::reader::{Frame, Value, fields, frame, frames, say};
use crate::{Desk, LIMIT, all, until};

const CONTENT: &[u8] = b"protobuf:dnstap.Dnstap";
const ACCEPT: u32 = 1;
const START: u32 = 2;
const STOP: u32 = 3;
const READY: u32 = 4;
const FINISH: u32 = 5;

fn settings(to: FramePlace, messages: Messages) -> Settings {
    let identity = Some("fra1".to_owned());
    Settings { log: None, dnstap: Some(DnstapSettings { to, sample: 1, only: all(), messages, identity }) }
}

/// The messages of a whole stream: their fields by number.
#[track_caller]
fn messages(frames: &[Frame]) -> Vec<BTreeMap<u64, Value>> {
    let [Frame::Control(START, content), data @ .., Frame::Control(STOP, _)] = frames else { panic!("{frames:?}") };
    assert_eq!(content, CONTENT);
    let message = |frame: &Frame| {
        let Frame::Data(data) = frame else { panic!("{frame:?}") };
        let mut outer: BTreeMap<_, _> = fields(data).into_iter().collect();
        assert_eq!(outer.remove(&1), Some(Value::Octets(b"fra1".to_vec())));
        assert!(matches!(outer.remove(&2), Some(Value::Octets(version)) if version.starts_with(b"catchment ")));
        assert_eq!(outer.remove(&15), Some(Value::Number(1)));
        let Some(Value::Octets(message)) = outer.remove(&14) else { panic!("no message") };
        assert!(outer.is_empty());
        fields(&message).into_iter().collect()
    };
    data.iter().map(message).collect()
}

fn types(messages: &[BTreeMap<u64, Value>]) -> Vec<u64> {
    let number = |message: &BTreeMap<u64, Value>| match message[&1] {
        Value::Number(number) => number,
        Value::Octets(_) => panic!("a type of octets"),
    };
    messages.iter().map(number).collect()
}

fn file(desk: &Desk) -> PathBuf {
    desk.directory.path().join("queries.fstrm")
}

#[test]
fn query_and_response_are_told_with_all_that_is_known_of_them() {
    let desk = Desk::new(&[]);
    let path = file(&desk);
    desk.set(&settings(FramePlace::File(path.clone()), Messages::Both));
    let request = Query::new("WWW.example.com. A").octets();
    let response = desk.ask(&request).unwrap();
    desk.note(&request, &[], &response, Fate::Dropped);
    desk.journal.stop(LIMIT);
    let messages = messages(&frames(&mut File::open(&path).unwrap()));
    assert_eq!(types(&messages), [1, 2, 1]);
    assert_eq!(desk.counts(JournalKind::Dnstap), [3, 0, 0]);
    let octets = |octets: &[u8]| Value::Octets(octets.to_vec());
    let [mut query, mut answer, _] = <[_; 3]>::try_from(messages).unwrap();
    for message in [&mut query, &mut answer] {
        message.remove(&1);
        let expected = [
            // IPv4 over UDP, addresses and ports.
            (2, Value::Number(1)),
            (3, Value::Number(1)),
            (4, octets(&[198, 51, 100, 7])),
            (5, octets(&[192, 0, 2, 53])),
            (6, Value::Number(4711)),
            (7, Value::Number(53)),
            (11, octets(b"\x07example\x03com\0")),
        ];
        for (number, value) in expected {
            assert_eq!(message.remove(&number), Some(value), "{number}");
        }
        assert!(matches!(message.remove(&8), Some(Value::Number(seconds)) if seconds > 1_700_000_000));
        assert!(matches!(message.remove(&9), Some(Value::Number(nanoseconds)) if nanoseconds < 1_000_000_000));
    }
    assert_eq!(query.remove(&10), Some(octets(&request)));
    assert!(query.is_empty(), "{query:?}");
    assert!(matches!(answer.remove(&12), Some(Value::Number(seconds)) if seconds > 1_700_000_000));
    assert!(answer.remove(&13).is_some());
    let Some(Value::Octets(told)) = answer.remove(&14) else { panic!("no response") };
    assert!(answer.is_empty(), "{answer:?}");
    assert_eq!((told.len(), &told[..2]), (response.length, &request[..2]));
}

#[test]
fn either_half_alone() {
    for (half, expected) in [(Messages::Queries, [1, 1].as_slice()), (Messages::Responses, &[2])] {
        let desk = Desk::new(&[]);
        desk.set(&settings(FramePlace::File(file(&desk)), half));
        let request = Query::new("ns1.example.com. A").octets();
        let response = desk.ask(&request).unwrap();
        desk.note(&request, &[], &response, Fate::Dropped);
        desk.journal.stop(LIMIT);
        assert_eq!(types(&messages(&frames(&mut File::open(file(&desk)).unwrap()))), expected);
    }
}

#[test]
fn a_file_that_is_there_is_put_aside_and_one_that_was_moved_is_ended() {
    let desk = Desk::new(&[]);
    let path = file(&desk);
    fs::write(&path, "of before").unwrap();
    desk.set(&settings(FramePlace::File(path.clone()), Messages::Responses));
    let request = Query::new("ns1.example.com. A").octets();
    desk.ask(&request).unwrap();
    until("the first frame", || desk.counts(JournalKind::Dnstap)[0] == 1);
    assert_eq!(fs::read(path.with_extension("fstrm.old")).unwrap(), b"of before");
    let moved = path.with_extension("1");
    fs::rename(&path, &moved).unwrap();
    desk.journal.reopen();
    until("the new file", || path.exists());
    desk.ask(&request).unwrap();
    desk.journal.stop(LIMIT);
    for path in [moved, path] {
        assert_eq!(types(&messages(&frames(&mut File::open(path).unwrap()))), [2]);
    }
}

/// Does what a reader at a socket does up to START.
fn welcome(listener: &UnixListener) -> UnixStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(frame(&mut stream), Some(Frame::Control(READY, CONTENT.to_vec())));
    say(&mut stream, ACCEPT, CONTENT);
    assert_eq!(frame(&mut stream), Some(Frame::Control(START, CONTENT.to_vec())));
    stream
}

#[test]
fn a_reader_at_a_socket_is_greeted_left_properly_and_found_again() {
    let desk = Desk::new(&[]);
    let path = desk.directory.path().join("dnstap.sock");
    let listener = UnixListener::bind(&path).unwrap();
    desk.set(&settings(FramePlace::Socket(path), Messages::Responses));
    let request = Query::new("ns1.example.com. A").octets();
    let mut first = welcome(&listener);
    // What is asked before the greeting is over is lost, and so is what comes while nobody reads.
    let mut sent = 0;
    let mut data = None;
    first.set_nonblocking(true).unwrap();
    until("a frame", || {
        desk.ask(&request).unwrap();
        sent += 1;
        let mut head = [0];
        let there = std::io::Read::read(&mut first, &mut head).is_ok();
        data = there.then_some(head);
        there
    });
    drop((first, data));
    // It is noticed by a write that fails, and then looked for again.
    listener.set_nonblocking(true).unwrap();
    let mut second = None;
    until("it is found again", || {
        desk.ask(&request).unwrap();
        sent += 1;
        second = listener.accept().ok();
        second.is_some()
    });
    let (mut second, _) = second.unwrap();
    second.set_nonblocking(false).unwrap();
    second.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(frame(&mut second), Some(Frame::Control(READY, CONTENT.to_vec())));
    say(&mut second, ACCEPT, CONTENT);
    let reader = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while let Some(frame) = frame(&mut second) {
            let last = matches!(frame, Frame::Control(STOP, _));
            seen.push(frame);
            if last {
                say(&mut second, FINISH, &[]);
            }
        }
        seen
    });
    desk.journal.stop(LIMIT);
    let seen = messages(&reader.join().unwrap());
    let [written, dropped, lost] = desk.counts(JournalKind::Dnstap);
    assert_eq!(written + dropped + lost, sent);
    assert!(written >= seen.len() as u64 && lost > 0, "{written} {lost}");
}
