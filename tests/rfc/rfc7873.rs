//! Cookies (RFC 7873, RFC 9018) and TSIG of unknown keys (RFC 8945).

use catchment::dns::edns::ServerCookie;
use catchment::query::{Cookie, Outcome, respond, slip};
use catchment::snapshot::Identity;

use crate::common::{Query, Server, hex, laws, render};

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
";
const A: &str = "NOERROR aa\nns1.example.com. 300 IN A 192.0.2.53";
const CLIENT: [u8; 8] = *b"clientck";

fn server() -> Server {
    Server::with(ZONE, Identity { cookie_secrets: vec![[1; 16], [2; 16]], ..Identity::default() }, &[])
}

fn made(secret: [u8; 16], age: i32) -> Vec<u8> {
    let server = server();
    let then = server.who.now.wrapping_sub_signed(age);
    [&CLIENT[..], &ServerCookie::new(&secret, CLIENT, then, server.who.source).0].concat()
}

#[track_caller]
fn check(cookie: &[u8], expected: &[u8], worth: Cookie) {
    let query = Query::new("ns1.example.com. A").option(10, cookie);
    let (text, response) = server().ask_response(&query);
    assert_eq!((text, response.cookie()), (format!("{A}\nopt 1232 option 10 {}", hex(expected)), worth));
}

#[test]
fn s5_2_1_a_client_cookie_gets_a_server_cookie() {
    check(&CLIENT, &made([1; 16], 0), Cookie::New);
}

#[test]
fn s5_2_3_a_bad_server_cookie_is_answered_as_new() {
    check(&made([9; 16], 0), &made([1; 16], 0), Cookie::New);
    check(&made([1; 16], 3601), &made([1; 16], 0), Cookie::New);
    check(&made([1; 16], -301), &made([1; 16], 0), Cookie::New);
    check(&[CLIENT, [7; 8]].concat(), &made([1; 16], 0), Cookie::New);
    check(&[&CLIENT[..], &[7; 32]].concat(), &made([1; 16], 0), Cookie::New);
}

#[test]
fn s5_2_4_a_good_one_is_given_back_and_renewed_after_half_an_hour() {
    for secret in [[1; 16], [2; 16]] {
        check(&made(secret, 1800), &made(secret, 1800), Cookie::Valid);
        check(&made(secret, -300), &made(secret, -300), Cookie::Valid);
        check(&made(secret, 1801), &made([1; 16], 0), Cookie::Valid);
    }
}

#[test]
fn s5_2_3_over_its_rate_a_client_with_a_cookie_gets_badcookie_and_others_tc() {
    let slipped = |question: &str, cookie: Option<&[u8]>| {
        let (server, query) = (server(), Query::new(question).subnet("203.0.113.0/24"));
        let request = cookie.into_iter().fold(query, |query, cookie| query.option(10, cookie)).octets();
        let mut out = [0xee; 1232];
        let (snapshot, who) = (&server.snapshot, &server.who);
        let Outcome::Responded(whole) = respond(snapshot, &snapshot.live(), who, &request, &mut out) else { panic!() };
        let Outcome::Responded(short) = slip(snapshot, who, &request, &whole, &mut out) else { panic!() };
        laws(&request, &out[..short.length], who);
        assert_eq!((short.zone(), short.generation), (whole.zone(), whole.generation));
        (render(&out[..short.length]), short.rcode(), short.truncated())
    };
    let subnet = "ecs 203.0.113.0/24/0";
    let given = hex(&made([1; 16], 0));
    let badcookie = |text: &str| (format!("BADCOOKIE{text}\nopt 1232 {subnet} option 10 {given}"), 23, false);
    assert_eq!(slipped("ns1.example.com. A", Some(&CLIENT)), badcookie(""));
    assert_eq!(slipped("no.example.com. A", Some(&CLIENT)), badcookie(""));
    assert_eq!(slipped("ns1.example.com. A", None), (format!("NOERROR aa tc\nopt 1232 {subnet}"), 0, true));
    assert_eq!(slipped("no.example.com. A", None), (format!("NXDOMAIN aa tc\nopt 1232 {subnet}"), 3, true));
    assert_eq!(slipped("elsewhere.example. A", None), (format!("REFUSED tc\nopt 1232 {subnet}"), 5, true));
}

#[test]
fn s4_lengths() {
    for length in [0, 1, 7, 9, 15, 41, 64] {
        let query = Query::new("ns1.example.com. A").option(10, &vec![0; length]);
        server().check_query(&query, "FORMERR\nopt 1232");
        Server::new(ZONE).check_query(&query, "FORMERR\nopt 1232");
    }
    // Without secrets a well-formed cookie is an unknown option; of two the first counts.
    Server::new(ZONE).check_query(&Query::new("ns1.example.com. A").option(10, &CLIENT), &format!("{A}\nopt 1232"));
    let twice = Query::new("ns1.example.com. A").option(10, &CLIENT).option(10, &[9; 8]);
    server().check_query(&twice, &format!("{A}\nopt 1232 option 10 {}", hex(&made([1; 16], 0))));
}

#[test]
fn s5_4_a_query_for_a_cookie_alone() {
    let mut query = Query::new(". A").option(10, &CLIENT);
    (query.question, query.questions) = (Vec::new(), 0);
    let expected = format!("NOERROR no question\nopt 1232 option 10 {}", hex(&made([1; 16], 0)));
    server().check_query(&query, &expected);
    Server::new(ZONE).check_query(&query, "FORMERR no question\nopt 1232");
}

/// A TSIG record of a key nobody knows.
fn tsig() -> Vec<u8> {
    let mut record = b"\x03key\0\x00\xfa\x00\xff\0\0\0\0".to_vec();
    let data =
        [b"\x0bhmac-sha256\0".as_slice(), &[0, 0, 1, 2, 3, 4, 1, 44, 0, 2, 9, 9, 0x12, 0x34, 0, 0, 0, 0]].concat();
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

#[test]
fn rfc8945_s5_2_1_an_unknown_key() {
    let mut query = Query::new("ns1.example.com. A");
    (query.records, query.counts) = (tsig(), [0, 0, 1]);
    let answer = Server::new(ZONE).ask(&query);
    assert!(answer.starts_with("NOTAUTH\nadditional:\nkey. 0 * TSIG hmac-sha256."), "{answer}");
    assert!(answer.contains("BADKEY"), "{answer}");
    // Not the last record.
    query = query.edns();
    Server::new(ZONE).check_query(&query, "FORMERR");
    // Malformed.
    let mut short = Query::new("ns1.example.com. A");
    (short.records, short.counts) = (b"\x03key\0\x00\xfa\x00\xff\0\0\0\0\0\0".to_vec(), [0, 0, 1]);
    Server::new(ZONE).check_query(&short, "FORMERR");
}
