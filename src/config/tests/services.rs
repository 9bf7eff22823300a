//! Services with weights, names, families and HTTPS records.

use expect_test::{Expect, expect};

use super::{fleet, load, service};
use crate::steering::Binding;

#[test]
fn weights_and_capacities() {
    service("{pops: {a: {weight: 3, capacity: 40, addresses: 127.0.0.1}, b: 127.0.0.2}}", expect![[""]]);
    service(
        "{pops: {a: {weight: -1, capacity: 0, addresses: 127.0.0.1}, b: {weight: 1000001, addresses: 127.0.0.2}}}",
        expect![[r#"
            f.yaml:5:26: error: `weight` cannot be `-1`
              help: a whole number from 0 to 1000000, in decimal digits
            f.yaml:5:40: error: `capacity` cannot be `0`
              help: a whole number from 1 to 1000000, in decimal digits
            f.yaml:5:78: error: `weight` cannot be `1000001`
              help: a whole number from 0 to 1000000, in decimal digits"#]],
    );
    service(
        "{pops: {a: {weight: 0, addresses: 127.0.0.1}, b: {weight: 0, addresses: 127.0.0.2}}}",
        expect![[r#"
        f.yaml:5:3: warning: every PoP of service `s` has weight 0
          help: weight 0 serves only when no positive weight is left: here all share alike"#]],
    );
    service(
        "{slow_start: 0, pops: {a: 127.0.0.1}}",
        expect![[r#"
        f.yaml:5:19: error: `slow_start` cannot be `0s`
          help: accepted: 1s to 1d"#]],
    );
    let text = "pops: {a: }\nservices: {s: {policy: failover, slow_start: 5m, pops: {a: {weight: 0, capacity: 7, addresses: 192.0.2.1}}}}\n";
    let loaded = load(&[("f.yaml", text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let service = loaded.fleet.unwrap().services.remove(0);
    assert_eq!((service.members[0].weight, service.members[0].capacity), (0, 7));
    assert_eq!(service.slow_start, Some(std::time::Duration::from_mins(5)));
}

#[test]
fn families() {
    service(
        "{families: [v4], pops: {a: [127.0.0.1, \"::1\"], b: \"::2\"}}",
        expect![[r#"
        f.yaml:5:53: error: PoP `b` has no IPv4 address, the one family of this service
          help: give it one, or take the PoP out of this service"#]],
    );
    service(
        "{families: [], pops: {a: 127.0.0.1}}",
        expect![[r#"
        f.yaml:5:17: error: `families` leaves no address
          help: `[v4]`, `[v6]`, or leave the key out for both"#]],
    );
    service(
        "{families: ipv4, pops: {a: 127.0.0.1}}",
        expect![[r#"
        f.yaml:5:17: error: `families` cannot be `ipv4`
          help: accepted here: `v4`, `v6`"#]],
    );
    let text =
        "pops: {a: }\nservices: {s: {policy: failover, families: v6, pops: {a: [192.0.2.1, \"2001:db8::1\"]}}}\n";
    let service = load(&[("f.yaml", text)]).fleet.unwrap().services.remove(0);
    assert_eq!(service.members[0].addresses.len(), 1);
    assert!(service.members[0].addresses[0].ip.is_ipv6());
}

#[test]
fn names_instead_of_addresses() {
    service(
        "{pops: {a: {cname: a.cdn.example.}, b: 127.0.0.1}}",
        expect![[r#"
        f.yaml:5:42: error: PoP `b` has addresses, and PoP `a` a `cname`
          help: clients of one name get the same types: give all PoPs addresses, or all a `cname`"#]],
    );
    service(
        "{pops: {a: {cname: a.cdn.example., addresses: 127.0.0.1}}}",
        expect![[r#"
        f.yaml:5:25: error: `cname` beside `addresses`
          help: clients are sent to addresses or to a name: keep one of the two"#]],
    );
    service(
        "{pops: {a: {cname: a.cdn.example}}}",
        expect![[r#"
        f.yaml:5:25: error: `a.cdn.example` has no final dot
          help: the fleet belongs to no zone: write the whole name, `a.cdn.example.`"#]],
    );
    service(
        "{pops: {a: {cname: 127.0.0.1}, b: {cname: .}}}",
        expect![[r#"
        f.yaml:5:25: error: `127.0.0.1` is an address
          help: write it in `addresses`
        f.yaml:5:48: error: `cname` cannot be the root"#]],
    );
    service(
        "{pops: {a: a.cdn.example.}}",
        expect![[r#"
        f.yaml:5:17: error: `a.cdn.example.` is not an IP address
          help: a name is written as `{cname: name.example.}`, at all PoPs of a service or at none"#]],
    );
    service(
        "{checks: [web], pops: {a: {cname: a.cdn.example.}, b: {cname: b.cdn.example., checks: []}}}",
        expect![[r#"
            f.yaml:5:40: error: PoP `a` has a `cname` and checks, and no `probe`
              help: say where to connect with `probe: "127.0.0.10:8080"`, or `checks: []`"#]],
    );
    service(
        "{checks: [db], pops: {a: {cname: a.cdn.example., probe: 127.0.0.1}}}",
        expect![[r#"
            f.yaml:5:62: error: check `db` has no port for this address
              help: write `port: 5432` in the check, or a port in `probe`: `"127.0.0.1:5432"`"#]],
    );
    service(
        "{families: v4, https: 1 ., pops: {a: {cname: a.cdn.example.}}}",
        expect![[r#"
        f.yaml:5:17: error: `families` beside `cname`
          help: a service with `cname` answers with that name for every type
        f.yaml:5:28: error: `https` beside `cname`
          help: a service with `cname` answers with that name for every type"#]],
    );
    let text = "pops: {a: }\nchecks: {c: {tcp: 9}}\nservices: {s: {policy: failover, checks: [c], pops: {a: {cname: a.cdn.example., probe: \"127.0.0.1:7\"}}}}\n";
    let loaded = load(&[("f.yaml", text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let member = loaded.fleet.unwrap().services[0].members[0].clone();
    assert_eq!(member.cname.unwrap().to_string(), "a.cdn.example.");
    assert_eq!((member.addresses.len(), member.cname_targets[0].address.port()), (0, 7));
}

#[test]
fn names_beside_other_data() {
    let fleet = "pops: {a: }\nservices: {s: {policy: failover, pops: {a: {cname: a.cdn.example.}}}}\n";
    let zone = "zone: example.com\nns: [ns.example.net.]\nrecords:\n  \"@\": {steer: s}\n  a: {steer: s, TXT: x, MX: 1 m}\n  b: {steer: s}\n";
    expect![[r#"
        z.yaml:4:9: error: the apex cannot be steered by service `s`, which has a `cname`
          help: the apex has SOA and NS, and cannot be a CNAME as well: give the service addresses
        z.yaml:5:7: error: `a.example.com.` has `MX`, `TXT` beside a service with `cname`
          help: a name is an alias or has data of its own (RFC 2181 §10.1)"#]]
    .assert_eq(&load(&[("f.yaml", fleet), ("z.yaml", zone)]).diagnostics.to_string());
    let own = "zone: example.com\nns: [ns.example.net.]\nservices: {t: {policy: failover, pops: {a: {cname: target}}}}\nrecords: {c: {steer: t}}\n";
    let loaded = load(&[("f.yaml", fleet), ("z.yaml", own)]);
    let cname = loaded.zones[0].steers[0].service.members[0].cname.clone();
    assert_eq!(cname.unwrap().to_string(), "target.example.com.");
}

/// Findings of the HTTPS records of a service.
#[track_caller]
fn https(text: &str, expected: Expect) {
    let rest = "pops: {a: }\nservices:\n  s:\n    policy: failover\n    pops: {a: [192.0.2.1, \"2001:db8::1\"]}\n";
    fleet(&format!("{rest}    https: {text}\n"), expected);
}

#[test]
fn bindings() {
    https("[1 . alpn=h2, 1 . alpn=h2]", expect!["f.yaml:6:26: error: `1 . alpn=h2` is written twice"]);
    https("1 . ipv4hint=auto ipv4hint=auto", expect!["f.yaml:6:12: error: `ipv4hint=auto` stands twice"]);
    https(
        "1 . ipv4hint=auto ipv4hint=192.0.2.1",
        expect![[r#"
        f.yaml:6:12: error: `ipv4hint` is `auto` and written
          help: keep one of the two"#]],
    );
    https(
        "1 . ipv6hint=auto ipv6hint=2001:db8::1",
        expect![[r#"
        f.yaml:6:12: error: `ipv6hint` is `auto` and written
          help: keep one of the two"#]],
    );
    https(
        "0 other.example. ipv4hint=auto",
        expect![[r#"
        f.yaml:6:12: error: hints beside priority 0
          help: priority 0 only says where to look instead (RFC 9460 §2.4.2): leave the hints out, or begin with `1 .`"#]],
    );
    https(
        "1 . mandatory=ipv4hint ipv4hint=auto",
        expect![[r#"
        f.yaml:6:12: error: `mandatory` names a hint that is `auto`
          help: a hint is left out where no address is usable: take it out of `mandatory`, or write addresses"#]],
    );
    https(
        "1 . mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.1 ipv6hint=auto",
        expect![[r#"
        f.yaml:6:12: error: `mandatory` names a hint that is `auto`
          help: a hint is left out where no address is usable: take it out of `mandatory`, or write addresses"#]],
    );
    https(
        "1 . alpnn=h2",
        expect![[r#"
        f.yaml:6:12: error: `alpnn` is not a parameter
          help: `mandatory`, `alpn`, `no-default-alpn`, `port`, `ipv4hint`, `ech`, `ipv6hint`, `dohpath`, `ohttp`, or `key123=…` for any other"#]],
    );
    https(
        "1 other.example alpn=h2",
        expect![[r#"
        f.yaml:6:12: error: `other.example` has no final dot
          help: the fleet belongs to no zone: write the whole name, `other.example.`"#]],
    );
    https("", expect!["f.yaml:6:10: error: `https` has no value"]);
    https("1 other.example. alpn=h2 ipv4hint=192.0.2.1", expect![[""]]);
}

#[test]
fn hints_are_addresses_of_the_same_name() {
    let fleet = "pops: {a: }\nservices:\n  s: {policy: failover, https: 1 www.example.com. ipv4hint=auto, svcb: 1 ., pops: {a: 192.0.2.1}}\n  t: {policy: failover, pops: {a: 192.0.2.2}}\n";
    let zone = |records: &str| format!("zone: example.com\nns: [ns.example.net.]\nrecords: {{{records}}}\n");
    let check = |records: &str, expected: Expect| {
        expected.assert_eq(&load(&[("f.yaml", fleet), ("z.yaml", &zone(records))]).diagnostics.to_string());
    };
    check("\"@\": {steer: s}, www: {steer: s}", expect![[""]]);
    check(
        "\"@\": {steer: s}, www: {steer: t}",
        expect![[r#"
        f.yaml:3:32: error: hints cannot be `auto` for `www.example.com.`: zone `example.com.` does not steer it by service `s`
          help: hints are the addresses that clients find under that name (RFC 9460 §7.3): write `.` for the owner name itself, steer that name in this zone, or write the hints out"#]],
    );
    check(
        "\"@\": {steer: s}, x: {steer: s}",
        expect![[r#"
        f.yaml:3:32: error: hints cannot be `auto` for `www.example.com.`: zone `example.com.` does not steer it by service `s`
          help: hints are the addresses that clients find under that name (RFC 9460 §7.3): write `.` for the owner name itself, steer that name in this zone, or write the hints out"#]],
    );
    check(
        "www: {steer: s, HTTPS: 1 ., SVCB: 1 .}",
        expect![[r#"
        z.yaml:3:34: error: `HTTPS` of `www.example.com.` comes from service `s` already, at f.yaml:3:32
          help: keep one of the two
        z.yaml:3:45: error: `SVCB` of `www.example.com.` comes from service `s` already, at f.yaml:3:72
          help: keep one of the two"#]],
    );
}

/// RDATA with these hints put in, as an answer has it.
fn assemble(binding: &Binding, v4: &[[u8; 4]], v6: &[[u8; 16]]) -> Vec<u8> {
    let mut wire = binding.before.to_vec();
    let hint = |wire: &mut Vec<u8>, key: u16, octets: Vec<u8>| {
        if !octets.is_empty() {
            wire.extend(key.to_be_bytes());
            wire.extend((octets.len() as u16).to_be_bytes());
            wire.extend(octets);
        }
    };
    if binding.v4_hint {
        hint(&mut wire, 4, v4.concat());
    }
    wire.extend(&binding.between);
    if binding.v6_hint {
        hint(&mut wire, 6, v6.concat());
    }
    wire.extend(&binding.after);
    wire
}

#[test]
fn pieces_make_whole_records() {
    use domain::base::{ParseRecordData as _, Rtype};
    use hickory_proto::rr::{RData, RecordType};
    use hickory_proto::serialize::binary::{BinDecoder, Restrict};

    let cases = [
        (
            "1 . alpn=h2,h3 ipv4hint=auto ipv6hint=auto",
            "1 . alpn=h2,h3 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1",
        ),
        ("1 . ipv6hint=auto ech=AAAA port=8443", "1 . port=8443 ech=AAAA ipv6hint=2001:db8::1"),
        ("16 . key7=\"/{?dns}\" ipv4hint=auto", "16 . ipv4hint=192.0.2.1,192.0.2.2 dohpath=\"/{?dns}\""),
        ("2 . ipv4hint=192.0.2.9 ipv6hint=auto key667=x", "2 . ipv4hint=192.0.2.9 ipv6hint=2001:db8::1 key667=x"),
        ("2 . ipv4hint=auto ipv6hint=2001:db8::9", "2 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::9"),
        ("1 x.example. alpn=h2", "1 x.example. alpn=h2"),
        ("0 x.example.", "0 x.example."),
    ];
    let v4 = [[192, 0, 2, 1], [192, 0, 2, 2]];
    let v6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (written, whole) in cases {
        let text = format!(
            "pops: {{a: }}\nservices: {{s: {{policy: failover, https: '{written}', pops: {{a: 192.0.2.1}}}}}}\n"
        );
        let loaded = load(&[("f.yaml", &text)]);
        assert_eq!(loaded.diagnostics.to_string(), "", "{written}");
        let binding = loaded.fleet.unwrap().services[0].bindings[0].clone();
        let wire = assemble(&binding, &v4, &[v6]);
        let expected = crate::dns::rdata::parse(crate::dns::Type::HTTPS, whole, &crate::dns::Name::root()).unwrap();
        assert_eq!(wire, expected.wire.to_vec(), "{written}");
        for wire in [wire, assemble(&binding, &[], &[])] {
            let mut decoder = BinDecoder::new(&wire);
            let hickory = RData::read(&mut decoder, RecordType::HTTPS, Restrict::new(wire.len() as u16)).unwrap();
            assert!(matches!(hickory, RData::HTTPS(_)), "{written}");
            let mut parser = domain::dep::octseq::Parser::from_ref(wire.as_slice());
            let record =
                domain::rdata::Https::<&[u8], domain::base::ParsedName<&[u8]>>::parse_rdata(Rtype::HTTPS, &mut parser);
            assert!(record.unwrap().is_some(), "{written}");
        }
    }
}
