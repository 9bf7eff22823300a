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
    written steer 5
    written 60 A 203.0.113.9
    written 60 AAAA 2001:db8::9
    fenced steer 5
    alias 60 CNAME strict
    names steer 3
    *.names steer 3
    dealt steer 4
    pair steer 6
    fallback steer 7
    panic steer 8
    own steer 0
    own 60 HTTPS 0 other
    own 60 MX 10 ns1
";
use State::{Down, Up};

#[track_caller]
fn check(states: [State; 2], question: &str, expected: &str, kind: Kind) {
    let server = Server::with(ZONE, Identity::default(), &states);
    let query = Query::new(question).edns();
    server.check_query(&query, expected);
    assert_eq!(server.ask_response(&query).1.kind(), kind);
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
    check([Up, Up], "fenced.example.com. A", "SERVFAIL\nopt 1232 ede 0 (no usable PoP)", Kind::Error);
    check(
        [Up, Up],
        "written.example.com. A",
        "NOERROR aa\nwritten.example.com. 60 IN A 203.0.113.9\nopt 1232",
        Kind::OnEmpty,
    );
}

#[test]
fn s3_3_panic_says_so() {
    check(
        [Down, Up],
        "panic.example.com. A",
        "NOERROR aa\npanic.example.com. 10 IN A 192.0.2.10\nopt 1232 ede 0 (panic)",
        Kind::Panic,
    );
    check([Up, Up], "panic.example.com. A", "NOERROR aa\npanic.example.com. 60 IN A 192.0.2.10\nopt 1232", Kind::Home);
}

#[test]
fn s3_4_fallback_addresses() {
    check(
        [Down, Down],
        "fallback.example.com. AAAA",
        "NOERROR aa\nfallback.example.com. 10 IN AAAA 2001:db8:ffff::1\nopt 1232 ede 0 (fallback)",
        Kind::Fallback,
    );
    check(
        [Down, Up],
        "fallback.example.com. A",
        "NOERROR aa\nfallback.example.com. 20 IN A 192.0.2.20\nopt 1232",
        Kind::Away,
    );
}

#[test]
fn s3_9_hints_follow_the_decision() {
    check(
        [Up, Up],
        "www.example.com. HTTPS",
        "NOERROR aa\nwww.example.com. 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.10 ipv6hint=2001:db8:f::10\nopt 1232",
        Kind::Home,
    );
    check(
        [Down, Up],
        "www.example.com. HTTPS",
        "NOERROR aa\nwww.example.com. 20 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.20 ipv6hint=2001:db8:1::10\nopt 1232",
        Kind::Away,
    );
    // A service without such records leaves what is written, and NODATA is of the service.
    check(
        [Up, Up],
        "strict.example.com. HTTPS",
        "NOERROR aa\nauthority:\nexample.com. 60 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60\nopt 1232",
        Kind::NoData,
    );
}

#[test]
fn s3_10_services_of_names() {
    check(
        [Up, Up],
        "names.example.com. A",
        "NOERROR aa\nnames.example.com. 60 IN CNAME fra.cdn.example.\nopt 1232",
        Kind::Home,
    );
    check(
        [Down, Up],
        "x.names.example.com. A",
        "NOERROR aa\nx.names.example.com. 20 IN CNAME ns1.example.com.\nns1.example.com. 300 IN A 192.0.2.53\nopt 1232",
        Kind::Away,
    );
    check(
        [Down, Up],
        "names.example.com. CNAME",
        "NOERROR aa\nnames.example.com. 20 IN CNAME ns1.example.com.\nopt 1232",
        Kind::Away,
    );
    check(
        [Up, Up],
        "own.example.com. MX",
        "NOERROR aa\nown.example.com. 60 IN MX 10 ns1.example.com.\nopt 1232",
        Kind::Static,
    );
}

/// Clients without a subnet are dealt by their whole address, those with one by its unit.
#[test]
fn s2_6_units_are_dealt_by_weight() {
    let server = Server::with(ZONE, Identity::default(), &[Up, Up]);
    let fra = |third: u8, last: u8| {
        let query = Query::new("dealt.example.com. A").subnet(&format!("198.{third}.{last}.0/24"));
        let answer = server.ask(&query);
        assert!(answer.contains("scope 20") || answer.contains("/20"), "{answer}");
        answer.contains("192.0.2.10")
    };
    let mut count = 0;
    for third in 0..64 {
        for unit in 0..16 {
            let first = fra(third, unit * 16);
            assert_eq!(fra(third, unit * 16 + 15), first, "one unit");
            count += u32::from(first);
        }
    }
    assert!((700..835).contains(&count), "{count} of 1,024");
    // All names of a service agree, and two PoPs are both of them, the dealt one first.
    let one = server.ask(&Query::new("dealt.example.com. A"));
    let both = server.ask(&Query::new("pair.example.com. A"));
    assert_eq!(both.lines().nth(1).unwrap().replace("pair", "dealt"), one.lines().nth(1).unwrap());
    assert_eq!(both.matches(" IN A ").count(), 2);
    // Who is dealt to a PoP that is down goes elsewhere for a short time; the others stay.
    let failed = Server::with(ZONE, Identity::default(), &[Down, Up]);
    for unit in 0..64 {
        let query = Query::new("dealt.example.com. A").subnet(&format!("198.51.{}.0/24", unit * 4));
        let (before, after) = (server.ask(&query), failed.ask(&query));
        if before.contains("192.0.2.20") {
            assert_eq!(before, after);
        } else {
            assert!(after.contains(" 20 IN A 192.0.2.20"), "{after}");
        }
    }
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

/// DESIGN §4: `ALIAS` to a hosted name.
const ALIASES: &str = "
    @ 300 ALIAS www
    @ 300 MX 10 mail
    steered 5 ALIAS www
    failing 300 ALIAS strict
    kept 30 ALIAS written
    elsewhere 30 ALIAS names
    static 300 ALIAS host.example.net.
    short 30 ALIAS host.example.net.
    host6 300 ALIAS six.example.net.
    *.wild 300 ALIAS www
    through 300 ALIAS link.example.net.
    moved 300 ALIAS x.old.example.net.
    toolong 300 ALIAS x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.long.example.net.
    twice 300 ALIAS static
    chain 60 CNAME short
    gone 300 ALIAS nothing.example.net.
    text 300 ALIAS txt.example.net.
    text 60 TXT beside
    outside 300 ALIAS www.example.org.
    cut 300 ALIAS ns.sub.example.net.
    broken 300 ALIAS www.broken.example.
    loop 300 ALIAS loop2
    loop2 300 CNAME loop
    v4 300 ALIAS v4only.example.net.
    zone example.net
    @ 3600 SOA ns1.example.com. hm 1 7200 900 1209600 60
    @ 300 NS ns1.example.com.
    host 60 A 192.0.2.1
    host 60 A 192.0.2.2
    six 60 AAAA 2001:db8::6
    link 40 CNAME host
    old 20 DNAME new
    x.new 60 A 192.0.2.3
    long 20 DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.example.net.
    txt 60 TXT x
    v4only steer 1
    sub 60 NS ns.sub
    ns.sub 60 A 192.0.2.60
    zone broken.example broken
";

#[track_caller]
fn check_alias(states: [State; 2], question: &str, expected: &str, kind: Kind) {
    let server = Server::with(&format!("{ZONE}\n{ALIASES}"), Identity::default(), &states);
    let query = Query::new(question).edns();
    let options = if expected.contains("opt ") { "" } else { "\nopt 1232" };
    server.check_query(&query, &format!("{expected}{options}"));
    let response = server.ask_response(&query).1;
    assert_eq!(response.kind(), kind);
    // The zone is the owner's, also where the decision is another's.
    assert_eq!(response.zone().get(), Some(0));
}

const SOA: &str = "authority:\nexample.com. 60 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60";

#[test]
fn design_4_an_alias_of_a_steered_name_follows_its_decision() {
    let home = |owner: &str| format!("NOERROR aa\n{owner}.example.com. 60 IN A 192.0.2.10");
    check_alias([Up, Up], "example.com. A", "NOERROR aa\nexample.com. 60 IN A 192.0.2.10", Kind::Home);
    check_alias([Down, Up], "example.com. A", "NOERROR aa\nexample.com. 20 IN A 192.0.2.20", Kind::Away);
    check_alias([Up, Up], "example.com. AAAA", "NOERROR aa\nexample.com. 60 IN AAAA 2001:db8:f::10", Kind::Home);
    // The decision's TTL, whatever is written (SEMANTICS §3.8).
    check_alias([Up, Up], "steered.example.com. A", &home("steered"), Kind::Home);
    check_alias([Up, Up], "a.b.wild.example.com. A", &home("a.b.wild"), Kind::Home);
    check_alias(
        [Down, Down],
        "steered.example.com. A",
        "NOERROR aa\nsteered.example.com. 10 IN A 192.0.2.10\nopt 1232 ede 0 (fail-open)",
        Kind::FailOpen,
    );
    check_alias([Down, Down], "failing.example.com. A", "SERVFAIL\nopt 1232 ede 0 (no usable PoP)", Kind::Error);
    check_alias([Up, Up], "kept.example.com. A", "NOERROR aa\nkept.example.com. 30 IN A 203.0.113.9", Kind::OnEmpty);
    // The types of the target, for every client.
    check_alias([Up, Up], "v4.example.com. A", &home("v4"), Kind::Home);
    check_alias([Up, Up], "v4.example.com. AAAA", &format!("NOERROR aa\n{SOA}"), Kind::NoData);
    check_alias([Up, Up], "example.com. HTTPS", &format!("NOERROR aa\n{SOA}"), Kind::NoData);
}

#[test]
fn design_4_an_alias_of_static_names() {
    let two = |owner: &str, ttl: u32| {
        format!("{owner}.example.com. {ttl} IN A 192.0.2.1\n{owner}.example.com. {ttl} IN A 192.0.2.2")
    };
    let static_ = |question: &str, records: &str| {
        check_alias([Up, Up], question, &format!("NOERROR aa\n{records}"), Kind::Static);
    };
    static_("static.example.com. A", &two("static", 60));
    static_("short.example.com. A", &two("short", 30));
    static_("twice.example.com. A", &two("twice", 60));
    static_("through.example.com. A", &two("through", 40));
    static_("moved.example.com. A", "moved.example.com. 20 IN A 192.0.2.3");
    static_(
        "chain.example.com. A",
        &format!("chain.example.com. 60 IN CNAME short.example.com.\n{}", two("short", 30)),
    );
    // What is written beside it.
    static_("example.com. MX", "example.com. 300 IN MX 10 mail.example.com.");
    static_("text.example.com. TXT", "text.example.com. 60 IN TXT \"beside\"");
    // RFC 8482 §4.1: one RRset of those there are.
    static_("static.example.com. ANY", &two("static", 60));
    static_("host6.example.com. ANY", "host6.example.com. 60 IN AAAA 2001:db8::6");
    static_("text.example.com. ANY", "text.example.com. 60 IN TXT \"beside\"");
    check_alias([Up, Up], "example.com. ANY", "NOERROR aa\nexample.com. 60 IN A 192.0.2.10", Kind::Home);
}

#[test]
fn design_4_an_alias_without_addresses() {
    for question in ["static AAAA", "gone A", "text A", "toolong A", "static TXT", "loop TXT", "gone ANY"] {
        let (owner, rtype) = question.split_once(' ').unwrap();
        let question = format!("{owner}.example.com. {rtype}");
        check_alias([Up, Up], &question, &format!("NOERROR aa\n{SOA}"), Kind::NoData);
    }
    let fails = |owner: &str, error: &str| {
        let expected = format!("SERVFAIL\nopt 1232 ede {error}");
        check_alias([Up, Up], &format!("{owner}.example.com. A"), &expected, Kind::Error);
    };
    fails("outside", "0 (ALIAS target not here)");
    fails("cut", "0 (ALIAS target not here)");
    fails("broken", "14 (zone not loaded)");
    fails("loop", "0 (ALIAS without an end)");
    fails("loop2", "0 (ALIAS without an end)");
}

/// As SEMANTICS §5.4: sixteen links, the first of them the ALIAS itself.
#[test]
fn design_4_an_alias_has_sixteen_links() {
    let answer = |links: usize| {
        let aliases = (1..links).map(|n| format!("c{n} 60 ALIAS c{}\n", n + 1)).collect::<Vec<_>>().concat();
        let server = Server::new(&format!("{ZONE}\nc0 60 ALIAS c1\n{aliases}\nc{links} 60 A 192.0.2.1"));
        server.ask(&Query::new("c0.example.com. A"))
    };
    assert_eq!(answer(16), "NOERROR aa\nc0.example.com. 60 IN A 192.0.2.1");
    assert_eq!(answer(17), "SERVFAIL");
}

/// SEMANTICS §1.10: the scope is that of the decision; without one 0.
#[test]
fn design_4_the_scope_of_an_alias() {
    let server = Server::with(&format!("{ZONE}\n{ALIASES}"), Identity::default(), &[Up, Up]);
    let ask = |name: &str| {
        let response = server.ask_response(&Query::new(&format!("{name}.example.com. A")).subnet("193.0.6.0/24")).1;
        (response.scope(), response.by_subnet())
    };
    let www = ask("www");
    assert!(www.0 > Some(0) && www.1);
    for name in ["steered", "x.wild"] {
        assert_eq!(ask(name), www, "{name}");
    }
    for name in ["static", "gone", "outside"] {
        assert_eq!(ask(name), (Some(0), false), "{name}");
    }
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

const REFLECTING: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
    bare reflect 0
    debug reflect 1
    debug 300 A 192.0.2.80
    www steer 0
    www reflect 1
    local reflect 2
    alias 60 CNAME debug
    hidden 60 CNAME local
    *.any reflect 0
";

#[track_caller]
fn check_reflect(query: &Query, expected: &str) {
    Server::new(REFLECTING).check_query(query, expected);
}

#[test]
fn s3_11_a_client_is_told_what_is_seen_of_it() {
    check_reflect(
        &Query::new("bare.example.com TXT"),
        r#"NOERROR aa
        bare.example.com. 0 IN TXT "source=198.51.100.7" "ecs=none" "state=1.1""#,
    );
    // The scope is the source prefix length: the answer is for nobody else.
    check_reflect(
        &Query::new("debug.example.com TXT").subnet("193.0.6.0/23"),
        r#"NOERROR aa
        debug.example.com. 0 IN TXT "source=198.51.100.7" "ecs=193.0.6.0/23" "service=web" "pop=fra" "kind=home" "scope=8" "state=1.1"
        opt 1232 ecs 193.0.6.0/23/23"#,
    );
    check_reflect(
        &Query::new("alias.example.com TXT").subnet("2001:67c:2e8::/48"),
        r#"NOERROR aa
        alias.example.com. 60 IN CNAME debug.example.com.
        debug.example.com. 0 IN TXT "source=198.51.100.7" "ecs=2001:67c:2e8::/48" "service=web" "pop=fra" "kind=home" "scope=3" "state=1.1"
        opt 1232 ecs 2001:67c:2e8::/48/48"#,
    );
    // Beside other data, steered or not, and under a wildcard.
    check_reflect(&Query::new("debug.example.com A"), "NOERROR aa\ndebug.example.com. 300 IN A 192.0.2.80");
    check_reflect(&Query::new("www.example.com A"), "NOERROR aa\nwww.example.com. 60 IN A 192.0.2.10");
    check_reflect(
        &Query::new("x.any.example.com ANY"),
        r#"NOERROR aa
        x.any.example.com. 0 IN TXT "source=198.51.100.7" "ecs=none" "state=1.1""#,
    );
    let soa = "authority:\nexample.com. 60 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60";
    check_reflect(&Query::new("bare.example.com A"), &format!("NOERROR aa\n{soa}"));
}

#[test]
fn s3_11_others_are_refused() {
    for name in ["local.example.com", "hidden.example.com"] {
        let query = Query::new(&format!("{name} TXT")).subnet("193.0.6.0/24");
        check_reflect(&query, "REFUSED\nopt 1232 ecs 193.0.6.0/24/0 ede 18");
    }
    // The packet's source counts, never the client subnet; IPv4 inside IPv6 is IPv4.
    check_reflect(
        &Query::new("local.example.com TXT").subnet("127.0.0.0/24"),
        "REFUSED\nopt 1232 ecs 127.0.0.0/24/0 ede 18",
    );
    for source in ["127.0.0.1", "::ffff:127.0.0.1"] {
        let mut server = Server::new(REFLECTING);
        server.who.source = source.parse().unwrap();
        let expected = format!(
            r#"NOERROR aa
            local.example.com. 0 IN TXT "source={source}" "ecs=none" "service=dealt" "pop=fra" "kind=home" "state=1.1""#
        );
        server.check("local.example.com TXT", &expected);
    }
}
