//! SEMANTICS §3 and §5 where no RFC says it: steered names in answers.

use catchment::health::State;
use catchment::query::Kind;
use catchment::snapshot::Identity;

use crate::common::{Query, Server};

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
    www steer 0
    *.app steer 0
    strict steer 2
    fallback steer 2
    fallback 60 A 203.0.113.9
    alias 60 CNAME strict
";
use State::{Down, Up};

#[track_caller]
fn check(states: [State; 2], question: &str, expected: &str, kind: Kind) {
    let server = Server::with(ZONE, Identity::default(), &states);
    let query = Query::new(question).edns();
    server.check_query(&query, expected);
    assert_eq!(server.ask_response(&query).1.kind, kind);
}

#[test]
fn s3_8_home_and_away() {
    check([Up, Up], "www.example.com. A", "NOERROR aa\nwww.example.com. 60 IN A 192.0.2.10\nopt 1232", Kind::Home);
    check([Down, Up], "www.example.com. A", "NOERROR aa\nwww.example.com. 20 IN A 192.0.2.20\nopt 1232", Kind::Away);
    check(
        [Down, Up],
        "www.example.com. AAAA",
        "NOERROR aa\nwww.example.com. 20 IN AAAA 2001:db8:1::10\nopt 1232",
        Kind::Away,
    );
    check(
        [Up, Up],
        "x.y.app.example.com. A",
        "NOERROR aa\nx.y.app.example.com. 60 IN A 192.0.2.10\nopt 1232",
        Kind::Home,
    );
}

#[test]
fn s3_4_fail_open_says_so() {
    check(
        [Down, Down],
        "www.example.com. A",
        "NOERROR aa\nwww.example.com. 10 IN A 192.0.2.10\nopt 1232 ede 0 (fail-open)",
        Kind::FailOpen,
    );
}

#[test]
fn s3_2_nothing_left() {
    check([Down, Down], "strict.example.com. A", "SERVFAIL\nopt 1232 ede 0 (no usable PoP)", Kind::Error);
    check([Down, Down], "alias.example.com. A", "SERVFAIL\nopt 1232 ede 0 (no usable PoP)", Kind::Error);
    check(
        [Down, Down],
        "fallback.example.com. A",
        "NOERROR aa\nfallback.example.com. 60 IN A 203.0.113.9\nopt 1232",
        Kind::OnEmpty,
    );
    check(
        [Up, Down],
        "fallback.example.com. A",
        "NOERROR aa\nfallback.example.com. 60 IN A 192.0.2.10\nopt 1232",
        Kind::Home,
    );
}

/// SEMANTICS §5.4: sixteen links and what they lead to, no more.
#[test]
fn s5_4_sixteen_links() {
    let chain = |links: usize| {
        let aliases = (0..links).map(|n| format!("c{n} 60 CNAME c{}\n", n + 1)).collect::<Vec<_>>().concat();
        let server = Server::new(&format!("{ZONE}\n{aliases}\nc{links} 60 A 192.0.2.1"));
        let query = Query::new("c0.example.com. A").payload(1232);
        let answer = server.ask(&query);
        (answer.matches("CNAME").count(), answer.contains("IN A "), answer.starts_with("NOERROR aa\n"))
    };
    assert_eq!(chain(16), (16, true, true));
    assert_eq!(chain(17), (16, false, true));
    assert_eq!(chain(40), (16, false, true));
}

/// SEMANTICS §5.5: without its required glue a referral is truncated; sibling glue is left out.
#[test]
fn s5_5_glue_at_the_limit() {
    let cut =
        (0..20).map(|n| format!("sub 60 NS ns{n}.sub\nns{n}.sub 60 AAAA 2001:db8::{n}\n")).collect::<Vec<_>>().concat();
    let server = Server::new(&format!("{ZONE}\n{cut}"));
    assert_eq!(server.ask(&Query::new("x.sub.example.com. A")), "NOERROR tc");
    assert_eq!(server.ask(&Query::new("x.sub.example.com. A").edns()).matches("AAAA").count(), 20);
    let sibling =
        (0..20).map(|n| format!("sub 60 NS ns{n}.sib\nns{n}.sib 60 AAAA 2001:db8::{n}\n")).collect::<Vec<_>>().concat();
    let server = Server::new(&format!("{ZONE}\nsib 60 NS ns.other.\n{sibling}"));
    let answer = server.ask(&Query::new("x.sub.example.com. A"));
    assert!(answer.starts_with("NOERROR\n"));
    assert_eq!(answer.matches(" NS ").count(), 20);
    assert!((1..20).contains(&answer.matches("AAAA").count()));
}
