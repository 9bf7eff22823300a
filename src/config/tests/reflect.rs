//! Names that tell clients what is seen of them.

use expect_test::expect;

use super::{FLEET, load, load_with, records};

#[test]
fn who_is_told() {
    let zone = "zone: example.com\nns: [ns.example.net.]\nrecords:\n  a: {reflect: true}\n  b: {reflect: {allow: [192.0.2.0/24, \"2001:db8::/32\"]}, steer: web}\n  c: {reflect: {allow: any}, A: 192.0.2.1}\n  d: {reflect: false, TXT: x}\n";
    let loaded = load(&[("fleet.yaml", FLEET), ("z.yaml", zone)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let shown: Vec<String> = loaded.zones[0]
        .reflects
        .iter()
        .map(|r| {
            format!(
                "{} {} {}",
                r.owner,
                r.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                r.location
            )
        })
        .collect();
    expect![[r#"
        a.example.com. 127.0.0.0/8 ::1/128 z.yaml:4:7
        b.example.com. 192.0.2.0/24 2001:db8::/32 z.yaml:5:7
        c.example.com. 0.0.0.0/0 ::/0 z.yaml:6:7"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn what_cannot_be_reflected() {
    records(
        "
  a: {reflect: yes}
  b: {reflect: {}}
  c: {reflect: {allow: []}}
  d: {reflect: {allow: [192.0.2.1/24, any], alow: x}}
  e: {reflect: true, TXT: x, MX: 10 m}
  f: {reflect: true, CNAME: a}
  g: {reflect: [192.0.2.0/24]}
",
        expect![[r#"
            z.yaml:5:16: error: `reflect` is `true` or `false`, not `yes`
              help: did you mean `true`?
            z.yaml:6:16: error: `reflect` does not say whom to `allow`
              help: for example `{allow: [192.0.2.0/24]}`; `reflect: true` tells only this machine
            z.yaml:7:24: error: `allow` names nobody
              help: prefixes of clients, or `any`
            z.yaml:8:25: error: `192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?
              help: a prefix like `192.0.2.0/24`, or `any` alone
            z.yaml:8:39: error: `any` is not an IP address
              help: a prefix like `192.0.2.0/24`, or `any` alone
            z.yaml:8:45: error: `alow` is not a key of `reflect`
              help: did you mean `allow`? accepted here: `allow`
            z.yaml:9:22: error: `TXT` cannot stand beside `reflect`
              help: the name answers with a TXT of its own: take another name
            z.yaml:10:22: error: `CNAME` cannot stand beside `reflect`
              help: the name answers with a TXT of its own: take another name
            z.yaml:11:16: error: `reflect` is a single value, not a list"#]],
    );
}

#[test]
fn what_stands_in_other_files() {
    let fleet = "pops: {a: }\nservices: {s: {policy: failover, pops: {a: {cname: a.cdn.example.}}}}\n";
    let zone = "zone: example.com\nzonefile: db\nrecords: {a: {reflect: true}, b: {reflect: true, steer: s}}\n";
    let db = "@ 60 NS ns.example.net.\na 60 TXT x\na 60 A 192.0.2.1\n";
    let loaded = load_with(&[("f.yaml", fleet), ("z.yaml", zone)], &[("db", db)], 0);
    expect![[r#"
        db:2:1: error: `a.example.com.` has TXT here and `reflect` at z.yaml:3:15
          help: the name answers with a TXT of its own: take another name
        z.yaml:3:35: error: `reflect` beside service `s`, which has a `cname`
          help: a name is an alias or has data of its own (RFC 2181 §10.1)"#]]
    .assert_eq(&loaded.diagnostics.to_string());
}
