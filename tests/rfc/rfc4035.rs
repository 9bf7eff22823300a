//! Answers of servers that know of DNSSEC's types (RFC 4035), from unsigned zones.

use crate::common::Server;

/// The grandparent and the grandchild are hosted, the zone between them is not.
const ZONE: &str = "
    zone example
    @ 60 SOA ns.other. hm 1 2 3 4 60
    @ 60 NS ns.other.
    parent 60 NS ns.elsewhere.
    signed 60 NS ns.elsewhere.
    signed 60 DS 1 13 250 beef
    zone child.parent.example
    @ 60 SOA ns.other. hm 1 2 3 4 30
    @ 60 NS ns.other.
    alias 60 CNAME signed.example.
";

/// Referring to the zone between would answer a question that was not asked, and clear AA.
#[test]
fn s3_1_4_1_without_the_parent_the_child_says_no_data() {
    Server::new(ZONE).check(
        "child.parent.example. DS",
        "NOERROR aa\nauthority:\nchild.parent.example. 30 IN SOA ns.other. hm.child.parent.example. 1 2 3 4 30",
    );
    Server::new(ZONE).check("parent.example. NS", "NOERROR\nauthority:\nparent.example. 60 IN NS ns.elsewhere.");
}

#[test]
fn s3_1_4_1_an_alias_leads_to_the_parent_side_of_a_cut() {
    Server::new(ZONE).check(
        "alias.child.parent.example. DS",
        "NOERROR aa
         alias.child.parent.example. 60 IN CNAME signed.example.
         signed.example. 60 IN DS 1 13 250 BEEF",
    );
}
