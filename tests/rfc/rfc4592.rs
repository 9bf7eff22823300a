//! Wildcards (RFC 4592).

use crate::common::Server;

/// The zone of §2.2.1.
const ZONE: &str = "
    zone example
    @ 3600 SOA ns.example.com. hm 1 7200 900 1209600 60
    @ 3600 NS ns.example.com.
    @ 3600 NS ns.example.net.
    * 3600 TXT this is a wildcard
    * 3600 MX 10 host1
    sub.* 3600 TXT this is not a wildcard
    host1 3600 A 192.0.2.1
    _ssh._tcp.host1 3600 SRV 0 0 22 host1
    _ssh._tcp.host2 3600 SRV 0 0 22 host2
    subdel 3600 NS ns.example.com.
    subdel 3600 NS ns.example.net.
";
const SOA: &str = "authority:\nexample. 60 IN SOA ns.example.com. hm.example. 1 7200 900 1209600 60";

#[track_caller]
fn check(question: &str, expected: &str) {
    Server::new(ZONE).check(question, &expected.replace("$SOA", SOA));
}

#[test]
fn s2_2_1_answers_made_from_wildcards() {
    check("host3.example. MX", "NOERROR aa\nhost3.example. 3600 IN MX 10 host1.example.");
    check("host3.example. A", "NOERROR aa\n$SOA");
    check("foo.bar.example. TXT", "NOERROR aa\nfoo.bar.example. 3600 IN TXT \"this is a wildcard\"");
}

#[test]
fn s2_2_1_names_that_exist_take_nothing_from_wildcards() {
    check("host1.example. MX", "NOERROR aa\n$SOA");
    check("sub.*.example. MX", "NOERROR aa\n$SOA");
    check("_telnet._tcp.host1.example. SRV", "NXDOMAIN aa\n$SOA");
    check(
        "host.subdel.example. A",
        "NOERROR\nauthority:\nsubdel.example. 3600 IN NS ns.example.com.\nsubdel.example. 3600 IN NS ns.example.net.",
    );
    check("ghost.*.example. MX", "NXDOMAIN aa\n$SOA");
}

#[test]
fn s2_2_2_empty_non_terminals_exist() {
    check("_tcp.host1.example. A", "NOERROR aa\n$SOA");
    check("host2.example. TXT", "NOERROR aa\n$SOA");
    check("_tcp.host2.example. TXT", "NOERROR aa\n$SOA");
    check("x._tcp.host2.example. TXT", "NXDOMAIN aa\n$SOA");
}

#[test]
fn s2_3_the_asterisk_is_a_name_like_others() {
    check("*.example. MX", "NOERROR aa\n*.example. 3600 IN MX 10 host1.example.");
    check("sub.*.example. TXT", "NOERROR aa\nsub.*.example. 3600 IN TXT \"this is not a wildcard\"");
}

#[test]
fn s4_3_a_wildcard_alias_is_followed() {
    let zone = "
        zone example
        @ 60 SOA ns hm 1 2 3 4 60
        @ 60 NS ns.other.
        *.a 60 CNAME b
        b 60 A 192.0.2.1
        *.loop 60 CNAME x.loop
    ";
    let server = Server::new(zone);
    server.check("q.a.example. A", "NOERROR aa\nq.a.example. 60 IN CNAME b.example.\nb.example. 60 IN A 192.0.2.1");
    server.check(
        "q.loop.example. A",
        "NOERROR aa\nq.loop.example. 60 IN CNAME x.loop.example.\nx.loop.example. 60 IN CNAME x.loop.example.",
    );
}

#[test]
fn s4_9_an_empty_wildcard_gives_no_data() {
    let zone = "
        zone example
        @ 60 SOA ns.example.com. hm 1 7200 900 1209600 60
        @ 60 NS ns.other.
        a.* 60 A 192.0.2.1
    ";
    Server::new(zone).check("x.example. A", &format!("NOERROR aa\n{SOA}"));
    Server::new(zone).check("a.x.example. A", &format!("NOERROR aa\n{SOA}"));
}
