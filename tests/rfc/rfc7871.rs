//! Client subnet (RFC 7871), as strict as SEMANTICS §1.2–1.4 and §1.6–1.11.

use catchment::query::{Ecs, Kind};

use crate::common::{Query, Server};

/// No database: every address is nowhere, so `pops:` decides by its order; the unusable blocks still shape scopes.
const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
    www steer 0
    v4 steer 1
    alias 60 CNAME www
    both steer 0
    both 60 TXT written
";
const WWW: &str = "NOERROR aa\nwww.example.com. 60 IN A 192.0.2.10";

#[track_caller]
fn check(question: &str, subnet: &str, expected: &str) {
    Server::new(ZONE).check_query(&Query::new(question).subnet(subnet), expected);
}

#[test]
fn s7_2_1_scopes_of_steered_answers() {
    // 193.0.6.0 lies between 192.168/16 and 224/3: 193/8 is the largest block around it that is all alike.
    check("www.example.com. A", "193.0.6.0/24", &format!("{WWW}\nopt 1232 ecs 193.0.6.0/24/8"));
    check("www.example.com. A", "193.0.4.0/22", &format!("{WWW}\nopt 1232 ecs 193.0.4.0/22/8"));
    check("www.example.com. A", "193.0.6.139/32", &format!("{WWW}\nopt 1232 ecs 193.0.6.139/32/8"));
    let v6 = "NOERROR aa\nwww.example.com. 60 IN AAAA 2001:db8:f::10";
    check("www.example.com. AAAA", "2001:67c:2e8::/48", &format!("{v6}\nopt 1232 ecs 2001:67c:2e8::/48/3"));
    Server::new(ZONE).check_query(&Query::new("www.example.com. A").edns(), &format!("{WWW}\nopt 1232"));
}

#[test]
fn s7_1_2_source_length_0_asks_for_the_resolver() {
    check("www.example.com. A", "0.0.0.0/0", &format!("{WWW}\nopt 1232 ecs 0.0.0.0/0/0"));
    check("www.example.com. A", "::/0", &format!("{WWW}\nopt 1232 ecs ::/0/0"));
    let query = Query::new("www.example.com. A").option(8, &[0, 0, 0, 0]);
    Server::new(ZONE).check_query(&query, &format!("{WWW}\nopt 1232 ecs 0.0.0.0/0/0"));
}

#[test]
fn s7_2_1_what_is_not_tailored_has_scope_0() {
    let soa = "authority:\nexample.com. 60 IN SOA ns1.example.com. hm.example.com. 1 7200 900 1209600 60";
    let ecs = "opt 1232 ecs 193.0.6.0/24/0";
    check("ns1.example.com. A", "193.0.6.0/24", &format!("NOERROR aa\nns1.example.com. 300 IN A 192.0.2.53\n{ecs}"));
    check("gone.example.com. A", "193.0.6.0/24", &format!("NXDOMAIN aa\n{soa}\n{ecs}"));
    check("x.www.example.com. A", "193.0.6.0/24", &format!("NXDOMAIN aa\n{soa}\n{ecs}"));
    check("www.example.com. MX", "193.0.6.0/24", &format!("NOERROR aa\n{soa}\n{ecs}"));
    check("v4.example.com. AAAA", "193.0.6.0/24", &format!("NOERROR aa\n{soa}\n{ecs}"));
    check(
        "both.example.com. TXT",
        "193.0.6.0/24",
        &format!("NOERROR aa\nboth.example.com. 60 IN TXT \"written\"\n{ecs}"),
    );
    check("www.elsewhere. A", "193.0.6.0/24", &format!("REFUSED\n{ecs} ede 20"));
    check("www.example.com. AXFR", "193.0.6.0/24", &format!("REFUSED\n{ecs} ede 18"));
}

#[test]
fn semantics_1_8_ipv4_inside_ipv6() {
    check("www.example.com. A", "::ffff:193.0.6.0/120", &format!("{WWW}\nopt 1232 ecs ::ffff:193.0.6.0/120/104"));
    check("www.example.com. A", "64:ff9b::c100:600/120", &format!("{WWW}\nopt 1232 ecs 64:ff9b::c100:600/120/104"));
    check("www.example.com. A", "2002:c100:600::/40", &format!("{WWW}\nopt 1232 ecs 2002:c100:600::/40/24"));
}

#[test]
fn semantics_1_9_unusable_addresses_leave_it_to_the_resolver() {
    let query = Query::new("www.example.com. A").subnet("10.1.2.0/24");
    let (text, response) = Server::new(ZONE).ask_response(&query);
    assert_eq!(text, format!("{WWW}\nopt 1232 ecs 10.1.2.0/24/8"));
    assert_eq!((response.by_subnet(), response.scope(), response.kind()), (false, Some(8), Kind::Home));
    let (_, response) = Server::new(ZONE).ask_response(&Query::new("www.example.com. A").subnet("193.0.6.0/24"));
    assert!(response.by_subnet());
}

#[test]
fn semantics_1_10_a_chain_has_the_longest_scope() {
    check(
        "alias.example.com. A",
        "193.0.6.0/24",
        "NOERROR aa
         alias.example.com. 60 IN CNAME www.example.com.
         www.example.com. 60 IN A 192.0.2.10
         opt 1232 ecs 193.0.6.0/24/8",
    );
}

#[test]
fn s7_1_3_malformed_options_are_formerr_with_opt() {
    for data in [
        &[][..],
        &[0, 1, 24],
        // Family.
        &[0, 3, 24, 0, 1, 2, 3],
        &[0, 0, 8, 0, 1],
        // Lengths of 33 and 129.
        &[0, 1, 33, 0, 1, 2, 3, 4, 0],
        &[0, 2, 129, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0],
        // Scope in a query.
        &[0, 1, 24, 24, 193, 0, 6],
        // Octets: one short, one over, some without a length.
        &[0, 1, 24, 0, 193, 0],
        &[0, 1, 24, 0, 193, 0, 6, 0],
        &[0, 1, 0, 0, 0],
        // A bit past the length.
        &[0, 1, 23, 0, 193, 0, 7],
        &[0, 2, 33, 0, 0x20, 1, 0xd, 0xb8, 0x40],
    ] {
        Server::new(ZONE).check_query(&Query::new("www.example.com. A").option(8, data), "FORMERR\nopt 1232");
    }
    let twice = Query::new("www.example.com. A").subnet("193.0.6.0/24").subnet("193.0.6.0/24");
    Server::new(ZONE).check_query(&twice, "FORMERR\nopt 1232");
}

#[test]
fn semantics_1_11_off_for_a_zone() {
    let off = ZONE.replace("zone example.com", "zone example.com ecs off");
    let both = format!(
        "{off}
        zone example.net
        @ 3600 SOA ns1 hm 1 7200 900 1209600 60
        @ 300 NS ns1.example.com.
        www steer 0
        away 60 CNAME www.example.com."
    );
    let server = Server::new(&both);
    let ask = |question: &str, subnet: &str| server.ask_response(&Query::new(question).subnet(subnet));
    for subnet in ["193.0.6.0/24", "10.1.2.0/24", "0.0.0.0/0", "2001:67c:2e8::/48"] {
        let (text, response) = ask("www.example.com. A", subnet);
        assert_eq!(text, format!("{WWW}\nopt 1232 ecs {subnet}/0"));
        assert_eq!((response.by_subnet(), response.scope(), response.kind()), (false, Some(0), Kind::Home));
    }
    // Another zone's names are not concerned, but where they lead here.
    let (text, _) = ask("www.example.net. A", "193.0.6.0/24");
    assert!(text.ends_with("ecs 193.0.6.0/24/8"), "{text}");
    let (text, _) = ask("away.example.net. A", "193.0.6.0/24");
    assert!(text.ends_with("ecs 193.0.6.0/24/0"), "{text}");
    // Strict all the same.
    server.check_query(&Query::new("www.example.com. A").option(8, &[0, 1]), "FORMERR\nopt 1232");
}

#[test]
fn semantics_1_11_off_for_a_listener() {
    let mut server = Server::new(ZONE);
    server.who.ecs = Ecs::Off;
    let query = Query::new("www.example.com. A");
    let (text, response) = server.ask_response(&query.clone().subnet("193.0.6.0/24"));
    assert_eq!(text, format!("{WWW}\nopt 1232"));
    assert_eq!((response.by_subnet(), response.scope()), (false, None));
    // Ignored whatever is in it (RFC 6891 §6.1.2).
    server.check_query(&query.option(8, &[0, 1]).option(8, &[]), &format!("{WWW}\nopt 1232"));
}
