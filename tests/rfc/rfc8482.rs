//! ANY (RFC 8482), and types asked for that are no data (RFC 6895, RFC 9824).

use crate::common::Server;

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    @ 300 MX 10 mail
    ns1 300 TXT b
    ns1 300 A 192.0.2.53
    alias 60 CNAME ns1
    www steer 0
    beside steer 0
    beside 60 A 192.0.2.99
    beside 60 TXT written
    sub 60 NS ns.other.
    a.b 60 TXT x
    *.wild 60 TXT x
";

#[track_caller]
fn check(name: &str, expected: &str) {
    Server::new(ZONE).check(&format!("{name} ANY"), expected);
}

#[test]
fn s4_1_one_rrset() {
    check("ns1.example.com.", "NOERROR aa\nns1.example.com. 300 IN A 192.0.2.53");
    check("example.com.", "NOERROR aa\nexample.com. 300 IN NS ns1.example.com.");
    check("alias.example.com.", "NOERROR aa\nalias.example.com. 60 IN CNAME ns1.example.com.");
    check("www.example.com.", "NOERROR aa\nwww.example.com. 60 IN A 192.0.2.10");
    check("beside.example.com.", "NOERROR aa\nbeside.example.com. 60 IN TXT \"written\"");
    check("x.wild.example.com.", "NOERROR aa\nx.wild.example.com. 60 IN TXT \"x\"");
}

#[test]
fn s4_1_nothing_is_nothing() {
    let soa = "authority:\nexample.com. 60 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60";
    check("b.example.com.", &format!("NOERROR aa\n{soa}"));
    check("gone.example.com.", &format!("NXDOMAIN aa\n{soa}"));
    check("sub.example.com.", "NOERROR\nauthority:\nsub.example.com. 60 IN NS ns.other.");
}
