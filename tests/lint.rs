//! What `catchment check` finds odd, word for word.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]
#![expect(clippy::needless_raw_string_hashes, reason = "written so by UPDATE_EXPECT=1")]

use catchment::compile;
use catchment::config::{Parsed, Source, link_fleet, link_zone, parse};
use expect_test::{Expect, expect};

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(text: &str, expected: Expect) {
    let (parsed, found) = parse(&Source { path: "z.yaml".into(), text: text.into() });
    assert!(!found.has_errors(), "{found}");
    let Some(Parsed::Zone(file)) = parsed else { panic!("a zone") };
    let (model, found) = link_zone(&file, &link_fleet(&[]).0.unwrap());
    let model = model.unwrap_or_else(|| panic!("{found}"));
    let zone = compile::zone(&model, 1).0.unwrap();
    expected.assert_eq(&compile::lint(&model, &zone).to_string());
}

const SERVERS: &str =
    "ns: [ns1, ns2]\nrecords:\n  ns1: {A: 192.0.2.53}\n  ns2: {A: 198.51.100.53, AAAA: \"2001:db8::53\"}\n";

#[test]
fn a_zone_as_it_should_be() {
    let records = "  \"@\": {MX: [10 mail, 20 mx.example.net.], TXT: [v=spf1 mx -all, v=other]}\n  mail: {A: 192.0.2.25}\n  \
                   \"*.app\": {CNAME: mail}\n  _sip._tcp: {SRV: 0 5 5060 mail}\n  none: {SRV: 0 0 0 .}\n  out: {CNAME: www.example.net.}\n";
    check(&format!("zone: example.com\n{SERVERS}{records}"), expect![[""]]);
}

#[test]
fn the_start_of_authority_and_name_servers() {
    check(
        "zone: example.com\nsoa: {refresh: 1h, retry: 2h, expire: 1d, minimum: 2d, ttl: 2d}\nns: [ns.example.net.]\n",
        expect![[r#"
            z.yaml:1:7: warning: `retry` of the SOA, 7200 s, is not below `refresh`, 3600 s
              help: secondaries try again sooner than they look anew (RFC 1912 §2.2)
            z.yaml:1:7: warning: `expire` of the SOA is 86400 s: secondaries give the zone up that soon after losing touch
              help: two to four weeks are usual (RFC 1912 §2.2)
            z.yaml:1:7: warning: resolvers are told to remember for 172800 s that a name does not exist
              help: more than a day is too long (RFC 2308 §5)
            z.yaml:3:6: warning: zone `example.com.` has one name server
              help: two or more, in different networks, so that one may fail (RFC 2182 §5)"#]],
    );
    check(
        "zone: example.com\nttl: 30d\nsoa: {ttl: 1h}\nns: {ttl: 1h, names: [a, b]}\nrecords: {a: {A: 192.0.2.1}, b: {A: 192.0.2.2}}\n",
        expect![[r#"
            z.yaml:4:23: warning: all name servers of `example.com.` are in one /24
              help: put them into different networks, so that one may fail (RFC 2182 §3.1)
            z.yaml:5:18: warning: a TTL of 2592000 s: a mistake in it stays for more than a week
              help: resolvers keep nothing longer; a day is long enough"#]],
    );
}

#[test]
fn what_records_point_to() {
    let records = "  \"@\": {MX: [10 mail, 20 gone, 30 192.0.2.1.]}\n  mail: {CNAME: host}\n  host: {A: 192.0.2.25}\n  \
                   lost: {CNAME: nobody}\n  _sip._tcp: {SRV: 0 5 5060 nobody}\n  sub: {NS: [ns.sub, mail]}\n  ns.sub: {A: 192.0.2.7}\n";
    check(
        &format!("zone: example.com\n{SERVERS}{records}"),
        expect![[r#"
        z.yaml:6:14: warning: MX of `example.com.` points to `mail.example.com.`, which is a CNAME
          help: point to the name that has the addresses (RFC 2181 §10.3)
        z.yaml:6:23: warning: MX of `example.com.` points to `gone.example.com.`, which has no address
          help: write its `A` or `AAAA` under `records`
        z.yaml:6:32: warning: MX of `example.com.` points to `192.0.2.1.`, a name that looks like an address
          help: point to a name, and give that name the address
        z.yaml:9:17: warning: CNAME of `lost.example.com.` leads to `nobody.example.com.`, which does not exist
          help: every question for it ends in NXDOMAIN
        z.yaml:10:20: warning: SRV of `_sip._tcp.example.com.` points to `nobody.example.com.`, which has no address
          help: write its `A` or `AAAA` under `records`
        z.yaml:11:22: warning: NS of `sub.example.com.` points to `mail.example.com.`, which is a CNAME
          help: point to the name that has the addresses (RFC 2181 §10.3)"#]],
    );
}

#[test]
fn names_and_policies() {
    let records = "  my_host: {A: 192.0.2.3, AAAA: \"2001:db8::3\"}\n  -a: {A: 192.0.2.4}\n  _dmarc: {TXT: v=DMARC1}\n  \
                   mail: {TXT: [v=spf1 -all, V=SPF1 mx -all, v=spf10]}\n";
    check(
        &format!("zone: example.com\n{SERVERS}{records}"),
        expect![[r#"
        z.yaml:6:16: warning: `my_host.example.com.` is not a host name
          help: letters, digits and `-` inside labels; many programs refuse others (RFC 1123 §2.1)
        z.yaml:7:11: warning: `-a.example.com.` is not a host name
          help: letters, digits and `-` inside labels; many programs refuse others (RFC 1123 §2.1)
        z.yaml:9:29: warning: `mail.example.com.` has two SPF policies
          help: receivers take that for an error; join them into one (RFC 7208 §3.2)"#]],
    );
}

#[test]
fn times_of_steered_names() {
    let zone = |ttl: &str, check: &str| {
        format!(
            "zone: example.com\n{SERVERS}  www: {{steer: web}}\n  api: {{steer: web}}\nsoa: {{minimum: 3h}}\n\
             pops: {{fra: {{at: [50, 8]}}}}\nchecks: {{c: {check}}}\n\
             services: {{web: {{checks: [c], ttl: {ttl}, pops: {{fra: {{ip: 192.0.2.1, probe: \"127.0.0.1:80\"}}}}}}}}\n"
        )
    };
    check(
        &zone("1h", "{http: /, interval: 1s, timeout: 500ms}"),
        expect![[r#"
        z.yaml:6:9: warning: a failure of service `web` is noticed within 4.25 s, and resolvers go on with the old answer for 1h
          help: a shorter `ttl: {home: …}`, for example 60s, lets failover be felt"#]],
    );
    // As slow to notice as resolvers are to forget.
    check(&zone("1h", "{http: /, interval: 5m}").replace("minimum: 3h", "minimum: 1h"), expect![[""]]);
    check(&zone("5m", "{http: /}").replace("minimum: 3h", "minimum: 1h"), expect![[""]]);
}
