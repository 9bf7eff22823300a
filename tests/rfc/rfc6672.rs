//! DNAME (RFC 6672).

use crate::common::Server;

const ZONE: &str = "
    zone example.com
    @ 60 SOA ns hm 1 2 3 4 60
    @ 60 NS ns.other.
    old 300 DNAME new
    old 300 TXT beside
    host.new 60 A 192.0.2.1
    alias.new 60 CNAME host.old
    out 300 DNAME elsewhere.example.
    long 60 DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.
    zone example.net
    @ 60 SOA ns hm 1 2 3 4 60
    @ 60 NS ns.other.
    @ 120 DNAME example.com.
    @ 60 A 192.0.2.9
";

#[track_caller]
fn check(question: &str, expected: &str) {
    Server::new(ZONE).check(question, expected);
}

#[test]
fn s2_2_the_subtree_moves_and_the_owner_stays() {
    check(
        "host.old.example.com. A",
        "NOERROR aa
         old.example.com. 300 IN DNAME new.example.com.
         host.old.example.com. 300 IN CNAME host.new.example.com.
         host.new.example.com. 60 IN A 192.0.2.1",
    );
    check("old.example.com. TXT", "NOERROR aa\nold.example.com. 300 IN TXT \"beside\"");
    check("old.example.com. DNAME", "NOERROR aa\nold.example.com. 300 IN DNAME new.example.com.");
    check("example.net. A", "NOERROR aa\nexample.net. 60 IN A 192.0.2.9");
}

#[test]
fn s2_2_names_too_long_are_yxdomain() {
    let prefix = "b".repeat(40);
    check(
        &format!("{prefix}.long.example.com. A"),
        "YXDOMAIN aa
         long.example.com. 60 IN DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
    );
}

#[test]
fn s3_1_through_all_hosted_zones_no_record_twice() {
    check(
        "alias.old.example.net. A",
        "NOERROR aa
         example.net. 120 IN DNAME example.com.
         alias.old.example.net. 120 IN CNAME alias.old.example.com.
         old.example.com. 300 IN DNAME new.example.com.
         alias.old.example.com. 300 IN CNAME alias.new.example.com.
         alias.new.example.com. 60 IN CNAME host.old.example.com.
         host.old.example.com. 300 IN CNAME host.new.example.com.
         host.new.example.com. 60 IN A 192.0.2.1",
    );
    check(
        "x.out.example.com. A",
        "NOERROR aa
         out.example.com. 300 IN DNAME elsewhere.example.
         x.out.example.com. 300 IN CNAME x.elsewhere.example.",
    );
}

#[test]
fn s3_1_nxdomain_is_of_the_last_name() {
    check(
        "none.old.example.com. A",
        "NXDOMAIN aa
         old.example.com. 300 IN DNAME new.example.com.
         none.old.example.com. 300 IN CNAME none.new.example.com.
         authority:
         example.com. 60 IN SOA ns.example.com. hm.example.com. 1 2 3 4 60",
    );
}
