//! The kinds of checks: what they mean, and what is wrong with them.

use expect_test::expect;

use super::{check, load};

/// What the checks of a service come to at 127.0.0.1, a line each.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn meaning(checks: &str, expected: expect_test::Expect) {
    let text = format!(
        "pops: {{p: {{at: [1, 2]}}}}\nchecks:\n  c: {checks}\n  web: {{http: /}}\n  db: {{tcp: 5432}}\n  \
         both: {{all: [web, db]}}\nservices:\n  s: {{checks: [c, both], pops: {{p: 127.0.0.1}}}}\n"
    );
    let loaded = load(&[("f.yaml", &text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let target = &loaded.fleet.unwrap().services[0].members[0].addresses[0].targets[0];
    expected.assert_eq(&format!("{} {:?} {:?}", target.address, target.check.kind, target.check.source));
}

#[test]
fn meanings() {
    meaning(
        "{tcp: {port: 25, send: \"x\\r\\n\", expect: 2}}",
        expect![
            "127.0.0.1:25 Dialog(Dialog { send: [120, 13, 10], expect: Some([50]) }) Source { v4: None, v6: None }"
        ],
    );
    meaning(
        "{tls: www.example.com}",
        expect![[
            r#"127.0.0.1:443 Tls(Tls { server_name: Some("www.example.com"), verify: true, min_days: None }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{tls: {name: a.example, min_days: 7, verify: false, port: 8443}}",
        expect![[
            r#"127.0.0.1:8443 Tls(Tls { server_name: Some("a.example"), verify: false, min_days: Some(7) }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{dns: www.example.com}",
        expect![[
            r#"127.0.0.1:53 Dns(Dns { name: "www.example.com.", name_wire: [3, 119, 119, 119, 7, 101, 120, 97, 109, 112, 108, 101, 3, 99, 111, 109, 0], rtype: 1, rtype_name: "A", rcode: 0, answers: [] }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{dns: {name: a.example., type: MX, rcode: NXDOMAIN, answer: [10 mail.example]}, port: 5353}",
        expect![[
            r#"127.0.0.1:5353 Dns(Dns { name: "a.example.", name_wire: [1, 97, 7, 101, 120, 97, 109, 112, 108, 101, 0], rtype: 15, rtype_name: "MX", rcode: 3, answers: [DnsValue { text: "10 mail.example", wire: [0, 10, 4, 109, 97, 105, 108, 7, 101, 120, 97, 109, 112, 108, 101, 0] }] }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{icmp: , source: [127.0.0.1, \"::1\"]}",
        expect!["127.0.0.1:0 Icmp Source { v4: Some(127.0.0.1), v6: Some(::1) }"],
    );
    meaning(
        "{grpc: {service: a.B, tls: true}}",
        expect![[
            r#"127.0.0.1:443 Grpc(Grpc { service: "a.B", host: None, tls: Some(Tls { server_name: None, verify: true, min_days: None }) }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{grpc: {host: h, tls: {name: n, min_days: 1}, port: 9000}}",
        expect![[
            r#"127.0.0.1:9000 Grpc(Grpc { service: "", host: Some("h"), tls: Some(Tls { server_name: Some("n"), verify: true, min_days: Some(1) }) }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{exec: [/bin/true, -x, \"{address}\"]}",
        expect![[
            r#"127.0.0.1:0 Exec(Exec { command: ["/bin/true", "-x", "{address}"] }) Source { v4: None, v6: None }"#
        ]],
    );
    meaning(
        "{push: web}",
        expect![[r#"127.0.0.1:0 Push(Push { name: "web", expired: Unknown }) Source { v4: None, v6: None }"#]],
    );
    meaning(
        "{push: {name: web, expired: bad}}",
        expect![[r#"127.0.0.1:0 Push(Push { name: "web", expired: Bad }) Source { v4: None, v6: None }"#]],
    );
    meaning(
        "{http: {headers: {X-Probe: 1}, regex: '^o*k$', http: 2, redirects: 3}}",
        expect![[
            r#"127.0.0.1:80 Http(Http { method: "GET", path: "/", host: None, headers: [("x-probe", "1")], status: [(200, 399)], body: Some(Regex(Pattern { written: "^o*k$", compiled: Regex("^o*k$") })), version: Http2, redirects: 3 }) Source { v4: None, v6: None }"#
        ]],
    );
}

#[test]
fn checks_made_of_others() {
    let text = "\
pops: {p: {at: [1, 2]}}
checks:
  web: {http: /}
  db: {tcp: 5432}
  either: {any: [web, db]}
  not-db: {not: db}
  most: {at_least: {n: 2, of: [either, not-db, web]}}
services:
  s: {checks: [most], pops: {p: [127.0.0.1, {ip: 127.0.0.2, probe: \"127.0.0.9:77\"}]}}
";
    let loaded = load(&[("f.yaml", text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let fleet = loaded.fleet.unwrap();
    let parts = |index: usize| {
        let address: &crate::config::model::AddressModel = &fleet.services[0].members[0].addresses[index];
        match &address.targets[0].check.kind {
            crate::health::CheckKind::Calculated(formula) => {
                let shown = formula.map(&mut |part| Some(format!("{} {}", part.check.kind, part.address)));
                format!("{:?}", shown.unwrap())
            }
            other => panic!("{other:?}"),
        }
    };
    expect![[r#"AtLeast(2, [Any([Of("http GET / 127.0.0.1:80"), Of("tcp 127.0.0.1:5432")]), Not(Of("tcp 127.0.0.1:5432")), Of("http GET / 127.0.0.1:80")])"#]].assert_eq(&parts(0));
    // The port of an address's `probe` stands above those of all parts.
    expect![[r#"AtLeast(2, [Any([Of("http GET / 127.0.0.9:77"), Of("tcp 127.0.0.9:77")]), Not(Of("tcp 127.0.0.9:77")), Of("http GET / 127.0.0.9:77")])"#]].assert_eq(&parts(1));
}

#[test]
fn circles_and_unknown_names() {
    let circle = "\
checks:
  a: {all: [b, web]}
  b: {any: [c]}
  c: {not: a}
  self: {not: self}
  web: {http: /}
  lost: {all: [wbe, self]}
services:
  s: {checks: [a, lost], pops: {p: 127.0.0.1}}
pops: {p: {at: [1, 2]}}
";
    expect![[r#"
        f.yaml:2:3: error: check `a` is made of itself: `a` → `b` → `c` → `a`
          help: a calculated check is made of probed ones in the end
        f.yaml:5:3: error: check `self` is made of itself: `self` → `self`
          help: a calculated check is made of probed ones in the end
        f.yaml:7:16: error: check `wbe` is not defined
          help: did you mean `web`? defined: `a`, `b`, `c`, `lost`, `self`, `web`"#]]
    .assert_eq(&load(&[("f.yaml", circle)]).diagnostics.to_string());
    // Across files, and names that only the fleet has.
    let fleet = "pops: {p: {at: [1, 2]}}\nchecks: {web: {http: /}}\n";
    let zone = "\
zone: example.com
ns: ns.example.net.
checks: {both: {all: [web, own]}, own: {tcp: 1}, bad: {any: [bad]}}
services: {s: {checks: [both], pops: {p: 127.0.0.1}}}
records: {a: {steer: s}}
";
    expect![[r#"
        z.yaml:3:50: error: check `bad` is made of itself: `bad` → `bad`
          help: a calculated check is made of probed ones in the end"#]]
    .assert_eq(&load(&[("f.yaml", fleet), ("z.yaml", zone)]).diagnostics.to_string());
}

#[test]
fn what_is_wrong_with_calculated_checks() {
    check(
        "{all: []}",
        expect![[r#"
        f.yaml:2:12: error: `all` names no check
          help: for example `[web, cert]`"#]],
    );
    check(
        "{any: [c2, c2], interval: 5s, fall: 1}",
        expect![[r#"
        f.yaml:2:13: error: check `c2` is not defined
          help: did you mean `c`? defined: `c`
        f.yaml:2:17: error: check `c2` is named twice
          help: keep one of the two
        f.yaml:2:17: error: check `c2` is not defined
          help: did you mean `c`? defined: `c`
        f.yaml:2:32: error: `interval` means nothing for `any`
          help: leave it out: `any` follows the checks it is made of at once
        f.yaml:2:42: error: `fall` means nothing for `any`
          help: leave it out: `any` follows the checks it is made of at once"#]],
    );
    check(
        "{at_least: {n: 3, of: [x, y]}}",
        expect![[r#"
        f.yaml:2:21: error: `n` cannot be `3`
          help: a whole number from 1 to 2, in decimal digits"#]],
    );
    check(
        "{at_least: 2}",
        expect![[r#"
        f.yaml:2:17: error: `at_least` is a map, not a single value
          help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
    check(
        "{at_least: {n: 2}}",
        expect![[r#"
        f.yaml:2:17: error: `at_least` needs `n` and `of`
          help: how many of which checks: `at_least: {n: 2, of: [a, b, c]}`"#]],
    );
    check("{not: [a]}", expect!["f.yaml:2:12: error: `not` is a single value, not a list"]);
}

#[test]
fn what_is_wrong_with_kinds() {
    check(
        "{tcp: {sendd: x}}",
        expect![[r#"
        f.yaml:2:13: error: `sendd` is not a key of a `tcp` check
          help: did you mean `send`? accepted here: `port`, `send`, `expect`
        f.yaml:3:57: error: check `c` has no port for this address
          help: write `port: 5432` in the check, or a port in `probe`: `"127.0.0.1:5432"`"#]],
    );
    check(
        "{tls: {name: \"a b\", min_days: 4000}}",
        expect![[r#"
        f.yaml:2:19: error: `name` cannot be `a b`
          help: a host name, for example `www.example.com`
        f.yaml:2:36: error: `min_days` cannot be `4000`
          help: a whole number from 0 to 3650, in decimal digits"#]],
    );
    check(
        "{dns: {type: A}}",
        expect![[r#"
        f.yaml:2:12: error: this `dns` check has no `name`
          help: the name to ask for: `name: www.example.com`"#]],
    );
    check(
        "{dns: {name: a..b}}",
        expect![[r#"
        f.yaml:2:19: error: `a..b` has an empty label; two dots stand side by side or one stands first
          help: a name to ask for, for example `www.example.com`"#]],
    );
    check(
        "{dns: {name: a, type: AAAAA, rcode: NOEROR}}",
        expect![[r#"
        f.yaml:2:28: error: `type` cannot be `AAAAA`
          help: did you mean `AAAA`?"#]],
    );
    check(
        "{dns: {name: a, rcode: NOEROR, answer: 1.2.3}}",
        expect![[r#"
        f.yaml:2:29: error: `rcode` cannot be `NOEROR`
          help: did you mean `NOERROR`? accepted here: `NOERROR`, `FORMERR`, `SERVFAIL`, `NXDOMAIN`, `NOTIMP`, `REFUSED`, `NOTAUTH`
        f.yaml:2:45: error: `1.2.3` is not an IPv4 address
          help: for example `192.0.2.1`"#]],
    );
    check(
        "{icmp: {size: 3}, port: 7}",
        expect![[r#"
        f.yaml:2:14: error: `size` is not a key of an `icmp` check
          help: accepted here: 
        f.yaml:2:30: error: `icmp` has no port
          help: leave it out"#]],
    );
    check(
        "{grpc: {service: \"a b\"}}",
        expect![[r#"
        f.yaml:2:23: error: `service` cannot be `a b`
          help: printable ASCII, at most 100 octets, for example `package.Service`
        f.yaml:3:57: error: check `c` has no port for this address
          help: write `port: 5432` in the check, or a port in `probe`: `"127.0.0.1:5432"`"#]],
    );
    check(
        "{grpc: {tls: yes, port: 1}}",
        expect![[r#"
        f.yaml:2:19: error: `tls` cannot be `yes`
          help: `true`, or a map: `{name: www.example.com, min_days: 7}`"#]],
    );
    check(
        "{exec: /bin/check -x}",
        expect![[r#"
        f.yaml:2:13: error: `exec` is a list, not a single value
          help: the program's absolute path and its arguments, no shell: `exec: [/usr/lib/plugins/check_x, -H, "{address}"]`"#]],
    );
    check(
        "{exec: [check]}",
        expect![[r#"
        f.yaml:2:14: error: `check` is not an absolute path
          help: the program's absolute path and its arguments, no shell: `exec: [/usr/lib/plugins/check_x, -H, "{address}"]`"#]],
    );
    check(
        "{exec: []}",
        expect![[r#"
        f.yaml:2:13: error: `exec` names no program
          help: the program's absolute path and its arguments, no shell: `exec: [/usr/lib/plugins/check_x, -H, "{address}"]`"#]],
    );
    check(
        "{push: ../x}",
        expect![[r#"
        f.yaml:2:13: error: `../x` cannot be the name of a pushed value
          help: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 63"#]],
    );
    check(
        "{push: {expired: never}}",
        expect![[r#"
        f.yaml:2:13: error: this `push` check has no `name`
          help: names the value: `push: {name: web}`
        f.yaml:2:23: error: `expired` cannot be `never`
          help: accepted here: `unknown`, `bad`"#]],
    );
    check(
        "{tcp: 1, source: [127.0.0.1, 127.0.0.2, x]}",
        expect![[r#"
        f.yaml:2:35: error: `source` has two addresses of one family
          help: keep one of the two
        f.yaml:2:46: error: `source` cannot be `x`
          help: an address of this machine, or one of each family: `[192.0.2.1, "2001:db8::1"]`"#]],
    );
    check(
        "{http: {headers: {\"a b\": x, Host: y, z: \"é\"}, http: 3, redirects: 9}}",
        expect![[r#"
        f.yaml:2:24: error: `a b` cannot be the name of a header
          help: letters, digits and `-`, for example `X-Probe` (RFC 9110 §5.6.2)
        f.yaml:2:34: error: `Host` is not for a check to set
          help: write `host: …` beside `headers`
        f.yaml:2:46: error: header `z` has characters that cannot be sent
          help: printable ASCII (RFC 9110 §5.5)
        f.yaml:2:58: error: `http` cannot be `3`
          help: did you mean `1`? accepted here: `1`, `2`
        f.yaml:2:72: error: `redirects` cannot be `9`
          help: a whole number from 0 to 5, in decimal digits"#]],
    );
    check(
        "{http: {regex: \"a(\", body: b}}",
        expect![[r#"
        f.yaml:2:21: error: `regex` beside `body`
          help: a pattern can hold the text too: keep one of the two"#]],
    );
    check(
        "{http: {regex: \"a(\"}}",
        expect![[r#"
        f.yaml:2:21: error: `regex` cannot be `a(`: unclosed group
          help: patterns are those of the Rust crate `regex`, best in single quotes: `'"status": *"ok"'`"#]],
    );
}
