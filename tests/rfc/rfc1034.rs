//! Concepts and the lookup algorithm (RFC 1034).

use crate::common::{Query, Server};

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 86400 NS ns1
    @ 86400 NS ns2
    @ 300 MX 10 mail
    ns1 300 A 192.0.2.53
    ns2 300 A 198.51.100.53
    mail 300 A 192.0.2.25
    mail 300 A 192.0.2.26
    www 60 CNAME mail
    out 60 CNAME www.elsewhere.
    l1 60 CNAME l2
    l2 60 CNAME l1
    self 60 CNAME self
    tosub 60 CNAME x.sub
    togone 60 CNAME gone
    sub 300 NS ns.sub
    sub 300 NS ns.sib
    sub 300 NS ns1
    sub 300 DS 1 13 250 beef
    ns.sub 300 A 192.0.2.60
    ns.sub 300 AAAA 2001:db8::60
    sib 300 NS ns.sib
    ns.sib 300 A 192.0.2.61
    a.b.c 60 TXT deep
    zone child.example.com
    @ 3600 SOA ns1 hm 2 7200 900 1209600 60
    @ 60 NS ns1.example.com.
    www 60 A 192.0.2.99
    zone broken.example broken
";
const SOA: &str = "authority:\nexample.com. 60 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60";

#[track_caller]
fn check(question: &str, expected: &str) {
    Server::new(ZONE).check(question, &expected.replace("$SOA", SOA));
}

#[test]
fn s4_3_2_step_2_the_nearest_zone() {
    check("www.child.example.com. A", "NOERROR aa\nwww.child.example.com. 60 IN A 192.0.2.99");
    check("example.org. A", "REFUSED");
    check("com. A", "REFUSED");
    check(". NS", "REFUSED");
    let server = Server::new(ZONE);
    server.check_query(&Query::new("example.org. A").edns(), "REFUSED\nopt 1232 ede 20");
    server.check_query(&Query::new("www.broken.example. A").edns(), "SERVFAIL\nopt 1232 ede 14 (zone not loaded)");
}

/// The root zone is a zone like others (RFC 8806 has resolvers' operators host it), also above hosted zones.
#[test]
fn s4_3_2_the_root_zone() {
    let server = Server::new(
        "
        zone .
        @ 86400 SOA a.root-servers.net. nstld.example. 1 1800 900 604800 3600
        @ 86400 NS a.root-servers.net.
        a.root-servers.net. 86400 A 192.0.2.4
        org. 3600 NS a0.org.
        org. 3600 DS 1 13 2 abababababababababababababababababababababababababababababababab
        a0.org. 3600 A 192.0.2.5
        zone example.com.
        @ 60 SOA ns1 hm 1 2 3 4 5
        @ 60 NS ns1
        ns1 60 A 192.0.2.53
        ",
    );
    let soa = "authority:\n. 3600 IN SOA a.root-servers.net. nstld.example. 1 1800 900 604800 3600";
    server.check(". NS", "NOERROR aa\n. 86400 IN NS a.root-servers.net.");
    server.check(". A", &format!("NOERROR aa\n{soa}"));
    server.check(". DS", &format!("NOERROR aa\n{soa}"));
    server.check("net. A", &format!("NOERROR aa\n{soa}"));
    server.check("a.root-servers.net. A", "NOERROR aa\na.root-servers.net. 86400 IN A 192.0.2.4");
    server.check("com. A", &format!("NXDOMAIN aa\n{soa}"));
    let referral = "NOERROR\nauthority:\norg. 3600 IN NS a0.org.\nadditional:\na0.org. 3600 IN A 192.0.2.5";
    server.check("www.example.org. A", referral);
    server.check("ns1.example.com. A", "NOERROR aa\nns1.example.com. 60 IN A 192.0.2.53");
}

#[test]
fn s4_3_2_step_3a_data_no_data_and_no_name() {
    check(
        "mail.example.com. A",
        "NOERROR aa\nmail.example.com. 300 IN A 192.0.2.25\nmail.example.com. 300 IN A 192.0.2.26",
    );
    check("mail.example.com. AAAA", "NOERROR aa\n$SOA");
    check("gone.example.com. A", "NXDOMAIN aa\n$SOA");
    check("b.c.example.com. TXT", "NOERROR aa\n$SOA");
    check("x.b.c.example.com. TXT", "NXDOMAIN aa\n$SOA");
    check(
        "example.com. SOA",
        "NOERROR aa\nexample.com. 3600 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60",
    );
    check("EXAMPLE.com. MX", "NOERROR aa\nEXAMPLE.com. 300 IN MX 10 mail.EXAMPLE.com.");
}

#[test]
fn s3_6_2_aliases() {
    check(
        "www.example.com. A",
        "NOERROR aa\nwww.example.com. 60 IN CNAME mail.example.com.\n\
         mail.example.com. 300 IN A 192.0.2.25\nmail.example.com. 300 IN A 192.0.2.26",
    );
    check("www.example.com. CNAME", "NOERROR aa\nwww.example.com. 60 IN CNAME mail.example.com.");
    check("out.example.com. A", "NOERROR aa\nout.example.com. 60 IN CNAME www.elsewhere.");
    check(
        "l1.example.com. A",
        "NOERROR aa\nl1.example.com. 60 IN CNAME l2.example.com.\nl2.example.com. 60 IN CNAME l1.example.com.",
    );
    check("self.example.com. A", "NOERROR aa\nself.example.com. 60 IN CNAME self.example.com.");
    check("www.example.com. AAAA", "NOERROR aa\nwww.example.com. 60 IN CNAME mail.example.com.\n$SOA");
    check("togone.example.com. A", "NXDOMAIN aa\ntogone.example.com. 60 IN CNAME gone.example.com.\n$SOA");
}

const REFERRAL: &str = "authority:
    sub.example.com. 300 IN NS ns.sub.example.com.
    sub.example.com. 300 IN NS ns.sib.example.com.
    sub.example.com. 300 IN NS ns1.example.com.
    additional:
    ns.sub.example.com. 300 IN A 192.0.2.60
    ns.sub.example.com. 300 IN AAAA 2001:db8::60
    ns.sib.example.com. 300 IN A 192.0.2.61";

#[test]
fn s4_3_2_step_3b_referrals() {
    for question in ["x.sub.example.com. A", "sub.example.com. NS", "ns.sub.example.com. A"] {
        check(question, &format!("NOERROR\n{REFERRAL}"));
    }
    // AA follows the first owner name (SEMANTICS §5.1).
    check(
        "tosub.example.com. A",
        &format!("NOERROR aa\ntosub.example.com. 60 IN CNAME x.sub.example.com.\n{REFERRAL}"),
    );
}

#[test]
fn rfc4035_s3_1_4_1_ds_lives_above_the_cut() {
    check("sub.example.com. DS", "NOERROR aa\nsub.example.com. 300 IN DS 1 13 250 BEEF");
    check("sib.example.com. DS", "NOERROR aa\n$SOA");
    // Parent and child are hosted here, but the parent has no cut: NXDOMAIN would deny the child (RFC 8020).
    check(
        "child.example.com. DS",
        "NOERROR aa\nauthority:\n\
         child.example.com. 60 IN SOA ns1.child.example.com. hm.child.example.com. 2 7200 900 1209600 60",
    );
    check("example.com. DS", "NOERROR aa\n$SOA");
}
