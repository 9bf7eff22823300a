//! The portable listeners give the native ones' answers.

use std::io::Write;
use std::time::Duration;

use crate::support::{ask, check_sums, connect, framed, portable, read, responded, settings, start_with, udp};
use catchment::metrics::Counts;
use catchment::query::{Drop, Outcome, Who};
use catchment::server::{Answer, Settings};
use hickory_proto::op::Message;

/// `www.example.com. A`, EDNS with a client subnet 192.0.2.0/24.
const REQUEST: &[u8] = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\
    \x03wWw\x07example\x03com\x00\x00\x01\x00\x01\
    \x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x0b\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02";

/// Two addresses, the client subnet with a scope, an option hickory has no type for, payload size 1232.
const ANSWER: &[u8] = b"\x12\x34\x84\x00\x00\x01\x00\x02\x00\x00\x00\x01\
    \x03wWw\x07example\x03com\x00\x00\x01\x00\x01\
    \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64\x0a\
    \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64\x0b\
    \x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x11\x00\x08\x00\x07\x00\x01\x18\x14\xc0\x00\x02\x00\x0f\x00\x02\x00\x03";

/// The same, as hickory encodes it: the first owner name does not point into the question.
const PORTABLE_ANSWER: &[u8] = b"\x12\x34\x84\x00\x00\x01\x00\x02\x00\x00\x00\x01\
    \x03wWw\x07example\x03com\x00\x00\x01\x00\x01\
    \x03wWw\x07example\x03com\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64\x0a\
    \xc0\x21\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64\x0b\
    \x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x11\x00\x08\x00\x07\x00\x01\x18\x14\xc0\x00\x02\x00\x0f\x00\x02\x00\x03";

/// Answers what it knows, panics over id 0xdead, drops the rest.
struct Canned;

impl Answer for Canned {
    fn answer(&self, _: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        match request {
            [0xde, 0xad, ..] => std::panic::resume_unwind(Box::new("a test")),
            _ if request == REQUEST => {
                out[..ANSWER.len()].copy_from_slice(ANSWER);
                responded(ANSWER.len(), 0)
            }
            _ => Outcome::Dropped(Drop::Response),
        }
    }
}

/// Asks over UDP, twice over one TCP connection, with a panic and a drop in between; the answers in that order.
fn answers(settings: &Settings) -> ([Vec<u8>; 3], Counts) {
    let (server, runtime, metrics) = start_with(settings, Canned);
    let address = server.addresses()[0];
    let mut panicking = REQUEST.to_vec();
    panicking[..2].copy_from_slice(&[0xde, 0xad]);
    let mut unknown = REQUEST.to_vec();
    unknown[..2].copy_from_slice(&[0, 1]);

    let client = udp(address);
    client.send(&panicking).unwrap();
    client.send(&unknown).unwrap();
    let datagram = ask(&client, REQUEST);
    let mut stream = connect(address);
    stream.write_all(&[framed(REQUEST), framed(&panicking), framed(&unknown), framed(REQUEST)].concat()).unwrap();
    let (first, second) = (read(&mut stream), read(&mut stream));
    drop(stream);
    runtime.block_on(server.drain(Duration::from_secs(5)));
    ([datagram, first, second], metrics.read())
}

#[test]
fn answers_and_counters_are_those_of_the_native_listeners() {
    let (native, native_counts) = answers(&settings(&["127.0.0.1"]));
    let (portable, portable_counts) = answers(&portable(&["127.0.0.1"]));
    assert_eq!(native, [ANSWER; 3]);
    assert_eq!(portable, [PORTABLE_ANSWER; 3]);
    assert_eq!(Message::from_vec(ANSWER).unwrap(), Message::from_vec(PORTABLE_ANSWER).unwrap());
    for counts in [native_counts, portable_counts] {
        check_sums(&counts.udp);
        check_sums(&counts.tcp);
        assert_eq!((counts.udp.sent, counts.udp.panicked, counts.udp.dropped[1]), (1, 1, 1));
        assert_eq!((counts.tcp.sent, counts.tcp.panicked, counts.tcp.dropped[1]), (2, 1, 1));
    }
}

/// Answers any question for `x.example.com` with as many addresses as octet 1 of the id says.
struct Many;

impl Answer for Many {
    fn answer(&self, _: &Who, request: &[u8], out: &mut [u8]) -> Outcome {
        let count = request[1];
        let mut answer = request.to_vec();
        answer[2] |= 0x84;
        answer[7] = count;
        for i in 0..count {
            answer.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64");
            answer.push(i);
        }
        out[..answer.len()].copy_from_slice(&answer);
        responded(answer.len(), 0)
    }
}

/// 31 octets of header and question, 16 for each address, and 13 more for the name that is written out: 30 addresses
/// are 511 octets as the engine compresses, 524 as hickory does.
#[test]
fn an_answer_that_hickory_makes_too_long_is_truncated_whole() {
    let (server, _runtime, _metrics) = start_with(&portable(&["127.0.0.1"]), Many);
    let client = udp(server.addresses()[0]);
    for (count, expected) in [(29, (false, 29, 508)), (30, (true, 0, 31))] {
        let mut request =
            b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x07example\x03com\x00\x00\x01\x00\x01".to_vec();
        request[1] = count;
        let answer = ask(&client, &request);
        let message = Message::from_vec(&answer).unwrap();
        assert_eq!((message.metadata.truncation, message.answers.len(), answer.len()), expected);
    }
}
