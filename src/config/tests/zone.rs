//! Zone files: what they mean, and what is wrong with them.

use expect_test::expect;

use crate::dns::ecs::Ecs;

use super::{FLEET, describe, load, records, zone};

#[test]
fn a_zone_with_everything() {
    let text = "\
zone: example.com
ttl: 5m
soa: {mname: ns1, rname: hostmaster, ttl: 1h, refresh: 2h, retry: 15m, expire: 14d, minimum: 60s, serial: 4294967295}
ns: {ttl: 1d, names: [ns1, ns.example.net.]}
records:
  \"@\": {steer: web, MX: 10 mail, TXT: [\"v=spf1 -all\", '\"a\" \"b c\"', a; b \\ \"c\"]}
  ns1: {ttl: 90, A: 192.0.2.53, AAAA: {ttl: 7, values: \"2001:db8::53\"}}
  mail: {A: {values: [192.0.2.25, 192.0.2.26]}}
  shop: {steer: {service: web, policy: two, count: 1, ttl: 30}}
  more: {steer: {service: web, ttl: {away: 5s}}}
  \"*.app\": {CNAME: www}
  odd: {TYPE65400: '\\# 2 beef'}
  sub: {NS: [ns1.sub, ns.example.net.]}
expect:
  - {name: shop, client: 192.0.2.1, assume: {down: fra}, pop: iad}
  - {name: \"@\", client: \"2001:db8::/32\", pop: fra}
";
    let loaded = load(&[("fleet.yaml", FLEET), ("z.yaml", text)]);
    expect![].assert_eq(&loaded.diagnostics.to_string());
    expect![[r#"
        example.com. 3600 SOA ns1.example.com. hostmaster.example.com. Some(4294967295) 7200 900 1209600 60
        example.com. 86400 NS \x03ns1\x07example\x03com\x00 ; z.yaml:4:23
        example.com. 86400 NS \x02ns\x07example\x03net\x00 ; z.yaml:4:28
        example.com. 300 MX \x00\n\x04mail\x07example\x03com\x00 ; z.yaml:6:25
        example.com. 300 TXT \x0bv=spf1 -all ; z.yaml:6:40
        example.com. 300 TXT \x01a\x03b c ; z.yaml:6:55
        example.com. 300 TXT \na; b \\ \"c\" ; z.yaml:6:68
        ns1.example.com. 90 A \xc0\x00\x025 ; z.yaml:7:21
        ns1.example.com. 7 AAAA  \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00S ; z.yaml:7:56
        mail.example.com. 300 A \xc0\x00\x02\x19 ; z.yaml:8:23
        mail.example.com. 300 A \xc0\x00\x02\x1a ; z.yaml:8:35
        *.app.example.com. 300 CNAME \x03www\x07example\x03com\x00 ; z.yaml:11:20
        odd.example.com. 300 TYPE65400 \xbe\xef ; z.yaml:12:20
        sub.example.com. 300 NS \x03ns1\x03sub\x07example\x03com\x00 ; z.yaml:13:14
        sub.example.com. 300 NS \x02ns\x07example\x03net\x00 ; z.yaml:13:23
        example.com. steer web by nearest Distance count 1 ttl 60/20/10 ; z.yaml:6:9
        shop.example.com. steer web by two Order count 1 ttl 30/30/30 ; z.yaml:9:10
        more.example.com. steer web by nearest Distance count 1 ttl 60/5/10 ; z.yaml:10:10
        expect shop.example.com. for 192.0.2.1 None without ["fra"]: ["iad"] ; z.yaml:15:5
        expect example.com. for 2001:db8:: Some(V6 { base: 42540766411282592856903984951653826560, length: 32 }) without []: ["fra"] ; z.yaml:16:5
    "#]]
    .assert_eq(&describe(&loaded.zones[0]));
}

#[test]
fn client_subnets_are_heeded_unless_switched_off() {
    let zone = |line: &str| load(&[("z.yaml", &format!("zone: example.com\nns: ns.example.net.\n{line}"))]);
    for (line, expected) in [("", Ecs::On), ("ecs: on\n", Ecs::On), ("ecs: off\n", Ecs::Off)] {
        assert_eq!(zone(line).zones[0].ecs, expected);
    }
    let help = "  help: did you mean `on`? accepted here: `on`, `off`";
    assert_eq!(zone("ecs: no\n").diagnostics.to_string(), format!("z.yaml:3:6: error: `ecs` cannot be `no`\n{help}"));
}

#[test]
fn a_zone_with_nothing_but_its_servers_has_every_default() {
    let loaded = load(&[("z.yaml", "zone: example.com\nns: ns.example.net.\n")]);
    expect![[r#"
        example.com. 3600 SOA ns.example.net. hostmaster.example.com. None 7200 1800 1209600 300
        example.com. 3600 NS \x02ns\x07example\x03net\x00 ; z.yaml:2:5
    "#]]
    .assert_eq(&describe(&loaded.zones[0]));
}

/// Ten mistakes, ten findings, one run, in file order.
#[test]
fn ten_mistakes_at_once() {
    zone(
        "\
zone: example.com
ttl: 5x
soa: {mname: ns1, minimun: 60s}
ns: [ns1]
records:
  ns1: {A: 192.0.2.300}
  www: {steer: wbe}
  api: {steer: {service: web, policy: nearest-eu, count: 9}}
  mail: {a: 192.0.2.25}
  alias: {CNAME: www, TXT: x}
  other.example.net.: {A: 192.0.2.1}
expect:
  - {name: www, client: 192.0.2.1/24, pop: fra}
",
        expect![[r#"
            z.yaml:2:6: error: `ttl` cannot be `5x`
              help: seconds as a whole number, or `90s`, `5m`, `1h30m`, `1d`
            z.yaml:3:19: error: `minimun` is not a key of `soa`
              help: did you mean `minimum`? accepted here: `mname`, `rname`, `ttl`, `refresh`, `retry`, `expire`, `minimum`, `serial`
            z.yaml:6:12: error: `192.0.2.300` is not an IPv4 address
              help: for example `192.0.2.1`
            z.yaml:7:16: error: service `wbe` is not defined
              help: did you mean `web`? defined: `web`
            z.yaml:8:39: error: policy `nearest-eu` is not defined
              help: built in: `nearest`, `failover`, `weighted`; defined: `two`
            z.yaml:8:58: error: `count` cannot be `9`
              help: a whole number from 1 to 8, in decimal digits
            z.yaml:9:10: error: `a` is not a key of an owner name
              help: did you mean `A`? types are written in capitals
            z.yaml:10:11: error: `CNAME` cannot stand beside `TXT`
              help: a name is an alias or has data of its own (RFC 2181 §10.1)
            z.yaml:11:3: error: `other.example.net.` is not in zone `example.com.`
              help: names are relative to the zone unless they end in a dot; another zone has a file of its own
            z.yaml:13:25: error: `192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?"#]],
    );
}

#[test]
fn names_are_checked_against_the_fleet() {
    zone(
        "\
zone: example.com
ns: ns.example.net.
records:
  www: {steer: wbe}
  api: {steer: {service: web, policy: neares}}
  eu: {steer: {service: web, policy: nearest-eu}}
  w: {steer: {service: web, policy: weighted}}
expect:
  - {name: api, client: 192.0.2.1, pop: frx}
  - {name: api, client: 192.0.2.1, assume: {down: [fra, lhr]}, pop: fra}
",
        expect![[r#"
            z.yaml:4:16: error: service `wbe` is not defined
              help: did you mean `web`? defined: `web`
            z.yaml:5:39: error: policy `neares` is not defined
              help: did you mean `nearest`? built in: `nearest`, `failover`, `weighted`; defined: `two`
            z.yaml:6:38: error: policy `nearest-eu` is not defined
              help: built in: `nearest`, `failover`, `weighted`; defined: `two`
            z.yaml:9:41: error: PoP `frx` is not defined
              help: did you mean `fra`? defined: `fra`, `iad`
            z.yaml:10:57: error: PoP `lhr` is not defined
              help: defined: `fra`, `iad`"#]],
    );
}

#[test]
fn a_service_that_is_not_at_the_pop_of_an_assertion() {
    let fleet = format!("{}  sin: {{at: [1.35, 103.99]}}\n", FLEET.split("checks:").next().unwrap())
        + "checks:"
        + FLEET.split_once("checks:").unwrap().1;
    let zone = "zone: example.com\nns: ns.example.net.\nrecords: {www: {steer: web}}\nexpect: [{name: www, client: 192.0.2.1, pop: sin}]\n";
    expect![[r#"
        z.yaml:4:46: error: service `web` is not at PoP `sin`
          help: its PoPs: `fra`, `iad`"#]]
    .assert_eq(&load(&[("f.yaml", &fleet), ("z.yaml", zone)]).diagnostics.to_string());
}

#[test]
fn the_apex_of_a_zone() {
    zone("zone:\nns: ns.example.net.\n", expect!["z.yaml:1:5: error: `zone` has no value"]);
    zone(
        "zone: \"*.example.com\"\nns: ns.example.net.\n",
        expect!["z.yaml:1:7: error: `*.example.com` is a wildcard, not a zone"],
    );
    zone(
        "zone: a..example.com\nns: ns.example.net.\n",
        expect![
            "z.yaml:1:7: error: `a..example.com` has an empty label; two dots stand side by side or one stands first"
        ],
    );
    zone("zone: [example.com, example.net]\n", expect!["z.yaml:1:7: error: `zone` is a single value, not a list"]);
    zone(
        "zone: example.com\nzonefile: db\ndnssec: true\nns: ns.example.net.\nrecord: {}\n",
        expect![[r#"
            z.yaml:2:11: error: `db` cannot be read: no such file
            z.yaml:3:1: error: `dnssec` is planned, not in this version
              help: leave it out; accepted here: `zone`, `zonefile`, `ttl`, `soa`, `ns`, `ecs`, `records`, `expect`, `pops`, `checks`, `services`, `policies`
            z.yaml:5:1: error: `record` is not a key of a zone file
              help: did you mean `records`? accepted here: `zone`, `zonefile`, `ttl`, `soa`, `ns`, `ecs`, `records`, `expect`, `pops`, `checks`, `services`, `policies`"#]],
    );
}

#[test]
fn a_file_that_lost_its_zone() {
    zone(
        "ttl: 5m\nrecords: {www: {A: 192.0.2.1}}\n",
        expect![[r#"
        z.yaml:1:1: error: `ttl` needs a `zone:` in the same file
          help: begin the file with its zone, for example `zone: example.com`"#]],
    );
    zone(
        "zones: example.com\nrecords: {www: {A: 192.0.2.1}}\n",
        expect![[r#"
        z.yaml:1:1: error: `zones` is not a key of a zone file
          help: did you mean `zone`?"#]],
    );
    zone(
        "Zone: example.com\nns: [ns1]\n",
        expect![[r#"
        z.yaml:1:1: error: `Zone` is not a key of a zone file
          help: did you mean `zone`?"#]],
    );
}

#[test]
fn name_servers() {
    zone(
        "zone: example.com\n",
        expect![[r#"
        z.yaml:1:7: error: the zone has no `ns`
          help: name the servers of the zone: `ns: [ns1, ns2]`, with addresses for both under `records`"#]],
    );
    zone("zone: example.com\nns:\n", expect!["z.yaml:2:3: error: `ns` has no value"]);
    zone(
        "zone: example.com\nns: []\n",
        expect![[r#"
        z.yaml:2:5: error: `ns` names no server
          help: name the servers of the zone: `ns: [ns1, ns2]`, with addresses for both under `records`"#]],
    );
    zone(
        "zone: example.com\nns: {ttl: 1d}\n",
        expect![[r#"
        z.yaml:2:5: error: `ns` names no server
          help: name the servers of the zone: `ns: [ns1, ns2]`, with addresses for both under `records`"#]],
    );
    zone(
        "zone: example.com\nns: {ttl: 1d, name: [ns1]}\n",
        expect![[r#"
        z.yaml:2:5: error: `ns` names no server
          help: name the servers of the zone: `ns: [ns1, ns2]`, with addresses for both under `records`
        z.yaml:2:15: error: `name` is not a key of `ns`
          help: did you mean `names`? accepted here: `ttl`, `names`"#]],
    );
    zone(
        "zone: example.com\nns: [ns1, NS1.example.com., ns.example.com]\n",
        expect![[r#"
        z.yaml:2:6: warning: name server `ns1.example.com.` has no address in this zone
          help: write its `A` or `AAAA` under `records`, or end the name in a dot when it lies elsewhere
        z.yaml:2:11: error: name server `NS1.example.com.` is written twice
        z.yaml:2:29: warning: name server `ns.example.com.example.com.` has no address in this zone
          help: write its `A` or `AAAA` under `records`, or end the name in a dot when it lies elsewhere"#]],
    );
    zone(
        "zone: example.com\nns: [[ns1], \"a b\"]\n",
        expect![[r#"
        z.yaml:2:6: error: a name server is a single value, not a list
        z.yaml:2:13: error: NS wants `NAME`, for example `ns1`"#]],
    );
}

#[test]
fn the_soa() {
    zone(
        "zone: example.com\nns: ns.example.net.\nsoa: {mname: a..b, rname: joe.doe@example.com, ttl: 1w, retry: 3000000000, expire: 500ms, serial: -1}\n",
        expect![[r#"
            z.yaml:3:14: error: `a..b` has an empty label; two dots stand side by side or one stands first
            z.yaml:3:27: error: `rname` cannot be `joe.doe@example.com`
              help: DNS writes a mailbox as a name: did you mean `joe\.doe.example.com.`?
            z.yaml:3:53: error: `ttl` cannot be `1w`
              help: seconds as a whole number, or `90s`, `5m`, `1h30m`, `1d`
            z.yaml:3:64: error: `retry` cannot be `3000000000`
              help: at most 2147483647 seconds, some 68 years (RFC 2181 §8)
            z.yaml:3:84: error: `expire` cannot be `500ms`
              help: whole seconds: DNS has no smaller unit
            z.yaml:3:99: error: `serial` cannot be `-1`
              help: a whole number from 0 to 4294967295, in decimal digits"#]],
    );
    zone(
        "zone: example.com\nns: ns.example.net.\nsoa: ns1 hostmaster 1 2 3 4 5\n",
        expect![[r#"
        z.yaml:3:6: error: `soa` is a map, not a single value
          help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
}

#[test]
fn owner_names() {
    records(
        "  www:\n  mail: 192.0.2.1\n  v6: ::1\n  list: [A, 192.0.2.1]\n",
        expect![[r#"
        z.yaml:4:6: error: `www` has no records
          help: for example `www: {A: 192.0.2.1}`
        z.yaml:5:9: error: `mail` is a map of types and `steer`, not a single value
          help: for example `mail: {A: 192.0.2.1}`
        z.yaml:6:7: error: `v6` is a map of types and `steer`, not a single value
          help: for example `v6: {AAAA: "::1"}`
        z.yaml:7:9: error: `list` is a map of types and `steer`, not a list
          help: for example `list: {A: 192.0.2.1}`"#]],
    );
    records(
        "  www.example.com: {A: 192.0.2.1}\n  www.example.com.: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:3: warning: `www.example.com` is read as `www.example.com.example.com.`
          help: names are relative to the zone: end it in a dot, or leave the zone's name out"#]],
    );
    records(
        "  www.example.net.: {A: 192.0.2.1}\n  a..b: {A: 192.0.2.1}\n",
        expect![[r#"
        z.yaml:4:3: error: `www.example.net.` is not in zone `example.com.`
          help: names are relative to the zone unless they end in a dot; another zone has a file of its own
        z.yaml:5:3: error: `a..b` has an empty label; two dots stand side by side or one stands first"#]],
    );
    records(
        "  www: {TXT: a}\n  WWW.EXAMPLE.COM.: {TXT: b}\n",
        expect![[r#"
        z.yaml:5:3: error: `WWW.EXAMPLE.COM.` is written twice, first at line 4, column 3
          help: letters of names have no case; join the two"#]],
    );
}

#[test]
fn keys_of_an_owner_name() {
    records(
        "  www: {a: 192.0.2.1, AAA: x, Steer: web, steeer: web, TYPE99999: x, FOO: x}\n",
        expect![[r#"
            z.yaml:4:9: error: `a` is not a key of an owner name
              help: did you mean `A`? types are written in capitals
            z.yaml:4:23: error: `AAA` is not a type, nor a key of an owner name
              help: did you mean `AAAA`? accepted here: `ttl`, `steer`, `ALIAS`, `reflect`, and types in capitals, like `A`, `AAAA`, `MX`, `TYPE65400`
            z.yaml:4:31: error: `Steer` is not a type, nor a key of an owner name
              help: did you mean `steer`? accepted here: `ttl`, `steer`, `ALIAS`, `reflect`, and types in capitals, like `A`, `AAAA`, `MX`, `TYPE65400`
            z.yaml:4:43: error: `steeer` is not a type, nor a key of an owner name
              help: did you mean `steer`? accepted here: `ttl`, `steer`, `ALIAS`, `reflect`, and types in capitals, like `A`, `AAAA`, `MX`, `TYPE65400`
            z.yaml:4:56: error: `TYPE99999` is not a type, nor a key of an owner name
              help: accepted here: `ttl`, `steer`, `ALIAS`, `reflect`, and types in capitals, like `A`, `AAAA`, `MX`, `TYPE65400`
            z.yaml:4:70: error: `FOO` is not a type, nor a key of an owner name
              help: accepted here: `ttl`, `steer`, `ALIAS`, `reflect`, and types in capitals, like `A`, `AAAA`, `MX`, `TYPE65400`"#]],
    );
    records(
        "  www: {A: 192.0.2.1, reflect: true, weight: 3}\n",
        expect![[r#"
            z.yaml:4:38: error: `weight` is planned, not in this version
              help: leave it out; accepted here: `ttl`, `steer`, `ALIAS`, `reflect`"#]],
    );
    records(
        "  \"@\": {SOA: x, NS: ns1}\n  www: {NSEC: x, RRSIG: x, ANY: x, OPT: x, AXFR: x}\n",
        expect![[r#"
        z.yaml:4:9: error: the SOA is not written under `records`
          help: its fields are keys of `soa:`, beside `zone:`
        z.yaml:4:17: error: the zone's name servers are not written under `records`
          help: name them in `ns:`, beside `zone:`
        z.yaml:5:9: error: `NSEC` comes with signing, which is planned, not in this version
          help: leave it out
        z.yaml:5:18: error: `RRSIG` comes with signing, which is planned, not in this version
          help: leave it out
        z.yaml:5:28: error: `ANY` is asked for, never written in a zone
          help: leave it out
        z.yaml:5:36: error: `OPT` is asked for, never written in a zone
          help: leave it out
        z.yaml:5:44: error: `AXFR` is asked for, never written in a zone
          help: leave it out"#]],
    );
    records(
        "  www: {ttl: -1, A: {ttl: 2147483648, values: [192.0.2.1], vaules: x}}\n  x: {ttl: 2147483647, TXT: x}\n",
        expect![[r#"
        z.yaml:4:14: error: `ttl` cannot be `-1`
          help: seconds as a whole number, or `90s`, `5m`, `1h30m`, `1d`
        z.yaml:4:27: error: `ttl` cannot be `2147483648`
          help: at most 2147483647 seconds, some 68 years (RFC 2181 §8)
        z.yaml:4:60: error: `vaules` is not a key of an RRset
          help: did you mean `values`? accepted here: `ttl`, `values`"#]],
    );
}

#[test]
fn values() {
    records(
        "  www: {A: 192.0.2.256, AAAA: 192.0.2.1, MX: mail, SRV: 1 2 3, CAA: issue x, TYPE65400: beef}\n",
        expect![[r#"
            z.yaml:4:12: error: `192.0.2.256` is not an IPv4 address
              help: for example `192.0.2.1`
            z.yaml:4:31: error: `192.0.2.1` is not an IPv6 address
              help: addresses of the other family go under `A`
            z.yaml:4:46: error: `mail` is not a number from 0 to 65535
              help: MX wants `PREFERENCE NAME`, for example `10 mail`
            z.yaml:4:57: error: SRV wants `PRIORITY WEIGHT PORT NAME`, for example `0 5 5060 sip`
            z.yaml:4:69: error: `issue` is not a number from 0 to 255
              help: CAA wants `FLAGS TAG VALUE`, for example `0 issue "ca.example.net"`
            z.yaml:4:89: error: TYPE65400 has no text form here
              help: write its octets as RFC 3597 has it: `\# LENGTH HEX`, for example `\# 2 beef`"#]],
    );
    records(
        "  www: {CAA: [\"0 issue ca.example; policy=ev\", '0 issue \"ca.example; policy=ev\"'], TXT: \"a;b\"}\n",
        expect![[r#"
            z.yaml:4:15: warning: what stands after `;` is not served
              help: in a record's value a comment begins there; put what belongs to the value in quotation marks"#]],
    );
    records(
        "  www: {A: , AAAA: [], TXT: {values: []}, MX: {ttl: 5}, HINFO: [[a]]}\n",
        expect![[r#"
        z.yaml:4:10: error: `A` has no value
        z.yaml:4:20: error: `AAAA` has no values
          help: write one, or leave the type out
        z.yaml:4:29: error: `TXT` has no values
          help: write one, or leave the type out
        z.yaml:4:47: error: `MX` has no values
          help: write one, or leave the type out
        z.yaml:4:65: error: `HINFO` is a single value, not a list"#]],
    );
    records(
        "  www: {A: [192.0.2.1, 192.0.2.1], CNAME: [a, b]}\n",
        expect![[r#"
        z.yaml:4:24: warning: `192.0.2.1` is written twice
          help: an RRset holds each value once (RFC 2181 §5)
        z.yaml:4:36: error: `CNAME` cannot stand beside `A`
          help: a name is an alias or has data of its own (RFC 2181 §10.1)
        z.yaml:4:43: error: a name has at most one `CNAME`, not 2"#]],
    );
    records(
        "  www: {CNAME: www.example.com}\n  x: {MX: 10 mail.example.com}\n",
        expect![[r#"
        z.yaml:4:16: warning: `www.example.com` is read as `www.example.com.example.com.`
          help: names are relative to the zone: end it in a dot, or leave the zone's name out
        z.yaml:5:11: warning: `10 mail.example.com` is read as `mail.example.com.example.com.`
          help: names are relative to the zone: end it in a dot, or leave the zone's name out"#]],
    );
}

#[test]
fn what_cannot_stand_side_by_side() {
    records(
        "  \"@\": {CNAME: www}\n  a: {CNAME: www, A: 192.0.2.1, TXT: x}\n  b: {CNAME: www, steer: web}\n",
        expect![[r#"
            z.yaml:4:9: error: the apex has SOA and NS, and cannot be a `CNAME` as well
              help: write addresses, `steer`, or `ALIAS: NAME` for those of another hosted name
            z.yaml:5:7: error: `CNAME` cannot stand beside `A`, `TXT`
              help: a name is an alias or has data of its own (RFC 2181 §10.1)
            z.yaml:6:7: error: `CNAME` cannot stand beside `steer`
              help: keep one of the two"#]],
    );
    records(
        "  a: {steer: web, A: 192.0.2.1, AAAA: ::1, TXT: fine}\n  b: {steer: web, DNAME: x}\n  c: {A: 192.0.2.1, TYPE1: 192.0.2.2}\n",
        expect![[r#"
            z.yaml:4:39: error: `AAAA` beside `steer` of `a.example.com.`, and service `web` has no IPv6 address
              help: it is for clients that nobody is left for: whether `AAAA` exists would depend on the client, and resolvers keep that for all; leave it out
            z.yaml:5:19: error: `DNAME` cannot stand beside `steer`
              help: keep one of the two
            z.yaml:6:21: error: `A` is written twice here"#]],
    );
}

/// RFC 8806: also the root zone is a zone.
#[test]
fn the_root_zone() {
    let text = "zone: .\nns: [a.root-servers.net]\nrecords:\n  a.root-servers.net: {A: 192.0.2.4}\n  org: {NS: a0.org}\n  a0.org.: {A: 192.0.2.5}\n  arpa: {TXT: x}\n";
    let loaded = load(&[("z.yaml", text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    expect![[r#"
        . 3600 SOA a.root-servers.net. hostmaster. None 7200 1800 1209600 300
        . 3600 NS \x01a\x0croot-servers\x03net\x00 ; z.yaml:2:6
        a.root-servers.net. 3600 A \xc0\x00\x02\x04 ; z.yaml:4:27
        org. 3600 NS \x02a0\x03org\x00 ; z.yaml:5:13
        a0.org. 3600 A \xc0\x00\x02\x05 ; z.yaml:6:16
        arpa. 3600 TXT \x01x ; z.yaml:7:15
    "#]]
    .assert_eq(&describe(&loaded.zones[0]));
}

#[test]
fn an_alias_of_a_hosted_name() {
    let text = "zone: example.com\nns: [ns.example.net.]\nttl: 5m\nrecords:\n  \"@\": {ALIAS: www, MX: 10 mail}\n  a: {ttl: 1m, ALIAS: [b.example.net.]}\n  b: {ALIAS: {ttl: 30, values: www}}\n  www: {steer: web}\n";
    let loaded = load(&[("fleet.yaml", FLEET), ("z.yaml", text)]);
    expect![[r#"
        example.com. 300 SOA ns.example.net. hostmaster.example.com. None 7200 1800 1209600 300
        example.com. 300 NS \x02ns\x07example\x03net\x00 ; z.yaml:2:6
        example.com. 300 MX \x00\n\x04mail\x07example\x03com\x00 ; z.yaml:5:25
        www.example.com. steer web by nearest Distance count 1 ttl 60/20/10 ; z.yaml:8:9
        example.com. 300 ALIAS www.example.com. ; z.yaml:5:16
        a.example.com. 60 ALIAS b.example.net. ; z.yaml:6:24
        b.example.com. 30 ALIAS www.example.com. ; z.yaml:7:32
    "#]]
    .assert_eq(&describe(&loaded.zones[0]));
    records(
        "  a: {ALIAS: [x, y]}\n  b: {ALIAS: }\n  c: {ALIAS: c}\n  d: {ALIAS: a..b}\n  e: {alias: x}\n  f: {ALIAS: {value: x}}\n  g: {ALIAS: x.example.com}\n  h: {ALIAS: {a: x}}\n  i: {ALIAS: []}\n",
        expect![[r#"
            z.yaml:4:7: error: an `ALIAS` leads to one name, not 2
              help: for example `ALIAS: www`
            z.yaml:5:12: error: `ALIAS` has no value
            z.yaml:6:14: error: this `ALIAS` leads to its own name
              help: name another one, whose addresses it is to have
            z.yaml:7:14: error: `a..b` has an empty label; two dots stand side by side or one stands first
            z.yaml:8:7: error: `alias` is not a key of an owner name
              help: did you mean `ALIAS`? it is written in capitals, like types
            z.yaml:9:7: error: an `ALIAS` leads to one name, not 0
              help: for example `ALIAS: www`
            z.yaml:9:15: error: `value` is not a key of an RRset
              help: did you mean `values`? accepted here: `ttl`, `values`
            z.yaml:10:14: warning: `x.example.com` is read as `x.example.com.example.com.`
              help: names are relative to the zone: end it in a dot, or leave the zone's name out
            z.yaml:11:7: error: an `ALIAS` leads to one name, not 0
              help: for example `ALIAS: www`
            z.yaml:11:15: error: `a` is not a key of an RRset
              help: accepted here: `ttl`, `values`
            z.yaml:12:7: error: an `ALIAS` leads to one name, not 0
              help: for example `ALIAS: www`"#]],
    );
    records(
        "  a: {ALIAS: x, A: 192.0.2.1, AAAA: ::1, TXT: fine}\n  b: {ALIAS: x, CNAME: y}\n  c: {ALIAS: x, steer: web}\n  d: {ALIAS: x, NS: ns.example.net.}\n  e: {NS: ns.example.net.}\n  x.e: {ALIAS: x}\n  f: {DNAME: x}\n  x.f: {ALIAS: x}\n",
        expect![[r#"
            z.yaml:4:7: error: `ALIAS` cannot stand beside `A`, `AAAA`
              help: an `ALIAS` gives the name all of its addresses; keep one of the two
            z.yaml:5:7: error: `ALIAS` cannot stand beside `CNAME`
              help: an `ALIAS` gives the name all of its addresses; keep one of the two
            z.yaml:6:7: error: `ALIAS` cannot stand beside `steer`
              help: an `ALIAS` gives the name all of its addresses; keep one of the two
            z.yaml:7:7: error: `ALIAS` cannot stand beside `NS`
              help: a name with `NS` is delegated: its servers answer for it; keep one of the two
            z.yaml:9:3: warning: `x.e.example.com.` is never answered: it lies under the delegation of `e.example.com.`
              help: move it to the zone it belongs to, or delete the delegation
            z.yaml:11:3: warning: `x.f.example.com.` is never answered: it lies under the `DNAME` of `f.example.com.`
              help: write it under the name that the `DNAME` points to"#]],
    );
}

#[test]
fn what_is_never_answered() {
    records(
        "  sub: {NS: [ns.sub, ns.example.net.], DS: \"1 8 9 abcd\", TXT: x}\n  ns.sub: {A: 192.0.2.1}\n  a.b.sub: {TXT: x}\n  w.sub: {steer: web}\n  c: {NS: ns.example.net., steer: web}\n  d: {DNAME: example.net., TXT: fine}\n  x.d: {A: 192.0.2.1}\n",
        expect![[r#"
            z.yaml:4:58: warning: `TXT` is never answered: the name is delegated
              help: its servers answer for it; only `DS` and glue addresses stand beside `NS`
            z.yaml:6:3: warning: `a.b.sub.example.com.` is never answered: it lies under the delegation of `sub.example.com.`
              help: move it to the zone it belongs to, or delete the delegation
            z.yaml:7:3: warning: `w.sub.example.com.` is never answered: it lies under the delegation of `sub.example.com.`
              help: move it to the zone it belongs to, or delete the delegation
            z.yaml:8:7: error: `NS` cannot stand beside `steer`
              help: a name with `NS` is delegated: its servers answer for it; keep one of the two
            z.yaml:10:3: warning: `x.d.example.com.` is never answered: it lies under the `DNAME` of `d.example.com.`
              help: write it under the name that the `DNAME` points to"#]],
    );
}

#[test]
fn owners_without_records() {
    records(
        "  a: {}\n  b: {ttl: 5}\n",
        expect![[r#"
        z.yaml:4:3: error: `a` has no records
          help: for example `a: {A: 192.0.2.1}`
        z.yaml:5:3: error: `b` has no records
          help: for example `b: {A: 192.0.2.1}`"#]],
    );
}

#[test]
fn findings_are_bounded_and_harmless_to_a_terminal() {
    let many = (0..600).fold(String::new(), |text, n| text + &format!("  h{n}: {{A: x}}\n"));
    let loaded = load(&[("z.yaml", &format!("zone: example.com\nns: ns.example.net.\nrecords:\n{many}"))]);
    assert_eq!(loaded.diagnostics.0.len(), 501);
    assert_eq!(loaded.diagnostics.0[0].to_string(), "z.yaml: error: 100 more findings are not shown");
    records(
        "  \"a\\e[31mb\": {FOO: x}\n",
        expect![[r#"z.yaml:4:3: error: `a�[31mb` has a character that a name holds only as an escape (`\DDD`)"#]],
    );
    let loaded = load(&[("z.yaml", &format!("zone: example.com\n{}: x\n", "y".repeat(1000)))]);
    assert!(loaded.diagnostics.0.iter().all(|d| d.message.chars().count() <= 601), "{}", loaded.diagnostics);
    let key = format!("zone: example.com\nns: ns.example.net.\nrecords:\n  a: {{steer: {}}}\n", "y".repeat(1_000_000));
    assert!(load(&[("z.yaml", &key)]).diagnostics.0.iter().all(|d| d.message.chars().count() <= 601));
}

#[test]
fn steers() {
    records(
        "  a: {steer: }\n  b: {steer: [web]}\n  c: {steer: {policy: two}}\n  d: {steer: {service: web, count: 0, skip: 1, ttl: {home: x}}}\n",
        expect![[r#"
            z.yaml:4:12: error: `steer` has no value
            z.yaml:5:14: error: `steer` is a single value, not a list
            z.yaml:6:14: error: `steer` does not say which `service`
              help: for example `steer: {service: web, policy: nearest}`
            z.yaml:7:36: error: `count` cannot be `0`
              help: a whole number from 1 to 8, in decimal digits
            z.yaml:7:60: error: `home` cannot be `x`
              help: seconds as a whole number, or `90s`, `5m`, `1h30m`, `1d`"#]],
    );
}

#[test]
fn assertions() {
    zone(
        "zone: example.com\nns: ns.example.net.\nexpect:\n  - {name: www, client: x, pop: fra}\n  - {client: 192.0.2.1/24}\n  - {name: www.example.net., client: 192.0.2.1, pop: fra, asn: 3}\n  - www\n",
        expect![[r#"
            z.yaml:4:25: error: `x` is not an IP address
            z.yaml:5:5: error: this assertion has no `name`
              help: for example `{name: www, client: 192.0.2.1, pop: fra}`
            z.yaml:5:5: error: this assertion expects nothing
              help: say what the client must be told: `pop`, `answer`, `ttl` or `scope`; for example `{name: www, client: 192.0.2.1, pop: fra}`
            z.yaml:5:14: error: `192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?
            z.yaml:6:5: error: `www.example.net.` is not in this zone
            z.yaml:6:59: error: `asn` is planned, not in this version
              help: leave it out; accepted here: `name`, `client`, `resolver`, `subnet`, `type`, `assume`, `pop`, `answer`, `ttl`, `scope`
            z.yaml:7:5: error: an assertion is a map, not a single value
              help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
    zone(
        "zone: example.com\nns: ns.example.net.\nexpect: {name: www, client: 192.0.2.1, pop: fra}\n",
        expect![[r#"
        z.yaml:3:9: error: `expect` is a list of assertions, not a map
          help: one line each: `- {name: www, client: 192.0.2.1, pop: fra}`"#]],
    );
}

#[test]
fn assertions_about_more_than_the_pop() {
    let zone = |expects: &str| {
        format!(
            "zone: example.com\nns: ns.example.net.\nrecords: {{www: {{steer: web}}, m: {{MX: 10 m}}}}\nexpect:\n{expects}"
        )
    };
    let good = "  - {name: www, resolver: 192.0.2.1, subnet: 198.51.100.0/24, pop: [fra, iad], scope: 20, ttl: 1m}\n  \
                - {name: www, client: 192.0.2.1, assume: {down: [fra], drain: iad, up: [iad]}, answer: 192.0.2.10}\n  \
                - {name: m, type: MX, answer: 10 m}\n  - {name: nobody, answer: nxdomain}\n  - {name: www, type: TXT, answer: nodata}\n";
    super::zone(&zone(good), expect![[""]]);
    let bad = "  - {name: www, client: 192.0.2.1, subnet: 192.0.2.0/24, pop: fra}\n  \
               - {name: www, scope: 20}\n  - {name: m, answer: mail}\n  - {name: m, type: MXX, answer: 10 m}\n  \
               - {name: m, type: MX, answer: m}\n  - {name: www, client: 192.0.2.1}\n  \
               - {name: www, resolver: 192.0.2.0/24, pop: fra}\n  - {name: www, client: 192.0.2.1, pop: fra, scope: 129}\n  \
               - {name: m, answer: []}\n  - {name: www, client: 192.0.2.1, pop: fra, assume: {down: [frb]}}\n";
    super::zone(
        &zone(bad),
        expect![[r#"
        z.yaml:5:25: error: `client` beside `resolver` or `subnet`
          help: `client` is short for one of them: keep it, or `resolver` and `subnet`
        z.yaml:6:5: error: this assertion has a `scope` and no `client`
          help: for example `{name: www, client: 192.0.2.1, pop: fra}`
        z.yaml:7:23: error: `answer` cannot be `mail`
          help: say of which type it is: `type: MX`; or one of `nodata`, `nxdomain`, `servfail`
        z.yaml:8:21: error: `type` cannot be `MXX`
          help: did you mean `MX`?
        z.yaml:9:33: error: `m` is not a number from 0 to 65535
          help: MX wants `PREFERENCE NAME`, for example `10 mail`
        z.yaml:10:5: error: this assertion expects nothing
          help: say what the client must be told: `pop`, `answer`, `ttl` or `scope`; for example `{name: www, client: 192.0.2.1, pop: fra}`
        z.yaml:11:27: error: `192.0.2.0/24` is not an IP address
          help: one address, without a prefix length
        z.yaml:12:53: error: `scope` cannot be `129`
          help: a whole number from 0 to 128, in decimal digits
        z.yaml:13:23: error: `answer` holds no record
          help: for none write `nodata` or `nxdomain`
        z.yaml:14:62: error: PoP `frb` is not defined
          help: did you mean `fra`? defined: `fra`, `iad`"#]],
    );
}
