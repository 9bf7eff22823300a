//! The wire format (RFC 1035), header rules and the order of checks (SEMANTICS §5.6).

use catchment::query::{Drop, Outcome, Transport};

use crate::common::{Query, Server, hex, laws, render};

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
";

fn server() -> Server {
    Server::new(ZONE)
}

#[track_caller]
fn check(query: &Query, expected: &str) {
    server().check_query(query, expected);
}

/// Octets that are no well-formed query: the answer as text.
#[track_caller]
fn check_raw(request: &[u8], expected: &str) {
    let server = server();
    let (answer, _) = server.ask_raw(request);
    laws(request, &answer, &server.who);
    assert_eq!(render(&answer), expected, "{}", hex(request));
}

#[test]
fn s4_1_1_short_packets_and_responses_are_dropped() {
    let query = Query::new("ns1.example.com. A").octets();
    for length in 0..12 {
        assert_eq!(server().ask_raw(&query[..length]).1, Outcome::Dropped(Drop::Short));
    }
    for flags in [0x8000, 0xf800] {
        let response = Query::new("ns1.example.com. A").flags(flags).octets();
        assert_eq!(server().ask_raw(&response).1, Outcome::Dropped(Drop::Response));
        assert_eq!(server().ask_raw(&response[..13]).1, Outcome::Dropped(Drop::Response));
    }
}

#[test]
fn s4_1_1_flags_rd_is_copied_all_others_are_ours() {
    // Everything set but QR and opcode: AA TC RD RA Z AD CD and an RCODE. `laws` looks at the rest.
    check(&Query::new("ns1.example.com. A").flags(0x07ff), "NOERROR aa rd\nns1.example.com. 300 IN A 192.0.2.53");
}

#[test]
fn s4_1_1_opcodes() {
    for opcode in [1u16, 2, 3, 6, 7, 15] {
        check(&Query::new("ns1.example.com. A").flags(opcode << 11), "NOTIMP");
        check(&Query::new("ns1.example.com. A").flags(opcode << 11).edns(), "NOTIMP\nopt 1232");
        // Before anything else is looked at.
        let mut other = Query::new("ns1.example.com. A").flags(opcode << 11).octets();
        other.truncate(20);
        check_raw(&other, "NOTIMP no question");
    }
    for opcode in [4u16, 5] {
        check(&Query::new("example.com. SOA").flags(opcode << 11).edns(), "REFUSED\nopt 1232 ede 18");
    }
}

#[test]
fn s4_1_2_one_question() {
    let mut none = Query::new("ns1.example.com. A");
    (none.question, none.questions) = (Vec::new(), 0);
    check_raw(&none.octets(), "FORMERR no question");
    check_raw(&none.edns().octets(), "FORMERR no question\nopt 1232");
    let mut two = Query::new("ns1.example.com. A");
    two.question.extend(two.question.clone());
    two.questions = 2;
    check_raw(&two.octets(), "FORMERR no question");
}

#[test]
fn s4_1_2_letter_case_is_kept() {
    check(&Query::new("nS1.eXample.COM. A"), "NOERROR aa\nnS1.eXample.COM. 300 IN A 192.0.2.53");
    let (answer, _) = server().ask_raw(&Query::new("GONE.eXample.com. A").octets());
    assert!(render(&answer).starts_with("NXDOMAIN aa\nauthority:\neXample.com. 60 IN SOA ns1.eXample.com."));
}

#[test]
fn s4_1_4_malformed_questions() {
    let header = &Query::new(". A").octets()[..12];
    for question in [
        // A pointer to itself, into the header, forward; reserved label types; no end; no type; no class.
        &[0xc0, 12, 0, 1, 0, 1][..],
        &[0xc0, 0, 0, 1, 0, 1],
        &[1, b'a', 0xc0, 20, 0, 1, 0, 1, 0],
        &[0x40, 0, 0, 1, 0, 1],
        &[0x80, 0, 0, 1, 0, 1],
        &[5, b'a'],
        &[1, b'a'],
        &[1, b'a', 0],
        &[1, b'a', 0, 0, 1, 0],
    ] {
        check_raw(&[header, question].concat(), "FORMERR no question");
    }
    let long = [header, &b"\x01a".repeat(128), &[0, 0, 1, 0, 1]].concat();
    check_raw(&long, "FORMERR no question");
}

#[test]
fn s4_1_octets_after_the_message() {
    let mut request = Query::new("ns1.example.com. A").octets();
    request.push(0);
    check_raw(&request, "FORMERR");
    let mut missing = Query::new("ns1.example.com. A").edns().octets();
    missing.pop();
    check_raw(&missing, "FORMERR");
}

#[test]
fn s2_3_4_the_longest_name() {
    let server =
        Server::new(&format!("zone {}\n@ 60 SOA . . 1 2 3 4 5\n@ 60 NS .\n* 60 A 192.0.2.1", "a.".repeat(126)));
    let longest = "a.".repeat(127);
    server.check(&format!("{longest} A"), &format!("NOERROR aa\n{longest} 60 IN A 192.0.2.1"));
    server.check(&format!("{} A", "a.".repeat(125)), "REFUSED");
}

#[test]
fn s3_2_4_classes() {
    for class in [2u16, 4, 254, 255] {
        check(&Query::new(&format!("ns1.example.com. A {class}")), "REFUSED");
    }
}

#[test]
fn s3_2_3_every_type_has_an_answer() {
    let server = server();
    for value in 0..=u16::MAX {
        let answer = server.ask(&Query::new(&format!("ns1.example.com. TYPE{value}")).edns());
        let first = answer.lines().next().unwrap();
        let expected = match value {
            41 | 128..=250 => "FORMERR",
            251 | 252 => "REFUSED",
            253 | 254 => "NOTIMP",
            _ => "NOERROR aa",
        };
        assert_eq!(first, expected, "TYPE{value}");
        assert_eq!(answer.contains("ede 30"), expected == "FORMERR", "TYPE{value}");
        assert_eq!(answer.contains("IN A "), matches!(value, 1 | 255), "TYPE{value}");
    }
}

#[test]
fn s4_2_1_truncation_is_whole() {
    let many = (0..120).map(|n| format!("many 60 A 192.0.2.{n}\n")).collect::<Vec<_>>().concat();
    let texts = (0..20).map(|n| format!("fit 60 A 198.51.100.{n}\n")).collect::<Vec<_>>().concat();
    let zone = format!("{ZONE}\n{many}\n{texts}");
    let server = Server::new(&zone);
    assert_eq!(server.ask(&Query::new("many.example.com. A")), "NOERROR aa tc");
    assert_eq!(server.ask(&Query::new("many.example.com. A").payload(4096)), "NOERROR aa tc\nopt 1232");
    assert_eq!(server.ask(&Query::new("many.example.com. A").payload(0)), "NOERROR aa tc\nopt 1232");
    assert_eq!(server.ask(&Query::new("fit.example.com. A")).lines().count(), 21);
    assert_eq!(Server::new(&zone).over(Transport::Tcp).ask(&Query::new("many.example.com. A")).lines().count(), 121);
    // At the octet: 12 + 22 + 5 * 16 of answers + 11 of OPT.
    let edge = (0..29).map(|n| format!("e 60 A 198.51.100.{n}\n")).collect::<Vec<_>>().concat();
    let server = Server::new(&format!("{ZONE}\n{edge}"));
    let query = Query::new("e.example.com. A");
    let (answer, _) = server.ask_raw(&query.octets());
    assert_eq!((answer.len(), answer[2] & 2), (12 + 19 + 29 * 16, 0));
    let (answer, _) = server.ask_raw(&query.payload(505).octets());
    assert_eq!((answer.len(), answer[2] & 2), (12 + 19 + 29 * 16 + 11, 0));
}
