//! Fleet files: PoPs, checks, services, policies.

use std::fmt::Write as _;

use expect_test::expect;

use super::super::file::pops::MAX_POPS;
use super::{check, fleet, load, service};

#[test]
fn pops() {
    fleet(
        "\
pops:
  a: {at: 50.11}
  b: {at: [50.11]}
  c: {at: [8.68, 150.11]}
  d: {at: [N50, 8.68]}
  e: {at: [91, 181]}
  f: {country: UK}
  g: {country: GBR}
  g2: {country: ZZ}
  g3: {country: XK}
  h: {country: NO, drain: yes, city: 7}
  i: {att: [1, 2], weight: 3}
  j: [1, 2]
  -k: {}
  \"l m\": {}
  n: {at: [nan, inf]}
",
        expect![[r#"
            f.yaml:2:11: error: `at` is a list of two numbers
              help: latitude, then longitude, in degrees: `at: [50.11, 8.68]`
            f.yaml:3:11: error: `at` is a list of two numbers, not of 1
              help: latitude, then longitude, in degrees: `at: [50.11, 8.68]`
            f.yaml:5:12: error: the latitude cannot be `N50`
              help: a latitude in degrees from -90 to 90; latitude comes first: `at: [50.11, 8.68]`
            f.yaml:6:12: error: the latitude cannot be `91`
              help: a latitude in degrees from -90 to 90; latitude comes first: `at: [50.11, 8.68]`
            f.yaml:6:16: error: the longitude cannot be `181`
              help: a longitude in degrees from -180 to 180; latitude comes first: `at: [50.11, 8.68]`
            f.yaml:7:16: error: `UK` is not a country code
              help: did you mean `GB`? the code of the United Kingdom in ISO 3166
            f.yaml:8:16: error: `GBR` is not a country code
              help: two letters as in ISO 3166, for example `NL`
            f.yaml:9:17: error: `ZZ` is not a country code
              help: ISO 3166 assigns no country to it
            f.yaml:11:27: error: `drain` is `true` or `false`, not `yes`
              help: did you mean `true`?
            f.yaml:12:7: error: `att` is not a key of a PoP
              help: did you mean `at`? accepted here: `at`, `city`, `country`, `drain`
            f.yaml:12:20: error: `weight` is planned, not in this version
              help: leave it out; accepted here: `at`, `city`, `country`, `drain`
            f.yaml:13:6: error: a PoP is a map, not a list
              help: write `key: value` lines below it, or `{key: value, …}`
            f.yaml:14:3: error: `-k` cannot be the name of a PoP
              help: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 63
            f.yaml:15:3: error: `l m` cannot be the name of a PoP
              help: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 63
            f.yaml:16:12: error: the latitude cannot be `nan`
              help: a latitude in degrees from -90 to 90; latitude comes first: `at: [50.11, 8.68]`
            f.yaml:16:17: error: the longitude cannot be `inf`
              help: a longitude in degrees from -180 to 180; latitude comes first: `at: [50.11, 8.68]`"#]],
    );
    let many = (0..=MAX_POPS).fold("pops:\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "  p{n}:");
        text
    });
    fleet(
        &many,
        expect![[r#"
            f.yaml:1002:3: error: more than 1000 PoPs in all fleet files
              help: leave out those that no service is at"#]],
    );
}

#[test]
fn norway_is_a_country() {
    let loaded = load(&[("f.yaml", "pops: {osl: {at: [+60.19, 11.10], country: NO, drain: true}}\n")]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let pop = loaded.fleet.unwrap().pops.remove(0).pop;
    assert_eq!((pop.country.unwrap().to_string().as_str(), pop.drained), ("NO", true));
}

#[test]
fn kinds_of_checks() {
    check(
        "{}",
        expect![[r#"
            f.yaml:2:3: error: this check does not say what to probe
              help: add `tcp`, `http`, `https` or another kind of probe, for example `http: /healthz`"#]],
    );
    check(
        "{tcp: 80, http: /}",
        expect![[r#"
        f.yaml:2:3: error: this check has two kinds of probe
          help: make two checks, and name both in the service's `checks`"#]],
    );
    check("{tls: {name: x}}", expect![""]);
    check(
        "{any: [a, b]}",
        expect![[r#"
            f.yaml:2:13: error: check `a` is not defined
              help: did you mean `c`? defined: `c`
            f.yaml:2:16: error: check `b` is not defined
              help: did you mean `c`? defined: `c`"#]],
    );
    check(
        "{htp: /}",
        expect![[r#"
            f.yaml:2:7: error: `htp` is not a key of a check
              help: did you mean `http`? accepted here: `tcp`, `http`, `https`, `tls`, `dns`, `icmp`, `grpc`, `exec`, `push`, `all`, `any`, `at_least`, `not`, `port`, `interval`, `timeout`, `fall`, `rise`, `confirm`, `flap`, …"#]],
    );
    check(
        "/healthz",
        expect![[r#"
        f.yaml:2:6: error: a check is a map, not a single value
          help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
    check(
        "{tcp: web}",
        expect![[r#"
        f.yaml:2:12: error: `tcp` cannot be `web`
          help: a whole number from 1 to 65535, in decimal digits"#]],
    );
    check(
        "{tcp: {port: 0}}",
        expect![[r#"
            f.yaml:2:19: error: `port` cannot be `0`
              help: a whole number from 1 to 65535, in decimal digits
            f.yaml:3:57: error: check `c` has no port for this address
              help: write `port: 5432` in the check, or a port in `probe`: `"127.0.0.1:5432"`"#]],
    );
    check(
        "{tcp: 80, port: 81}",
        expect!["f.yaml:2:22: error: `port` is written twice, here and with the kind of probe"],
    );
}

#[test]
fn requests_of_checks() {
    check(
        "{http: healthz}",
        expect![[r#"
        f.yaml:2:13: error: `healthz` is not the path of a request
          help: a path begins with `/` and has no spaces, for example `/healthz`; other characters as `%XX`"#]],
    );
    check(
        "{http: \"http://example.com/x\"}",
        expect![[r#"
        f.yaml:2:13: error: `http://example.com/x` is not the path of a request
          help: write only the path, for example `/healthz`; `host` and `port` are keys of their own"#]],
    );
    check(
        "{http: {method: get, path: /a b, host: a/b, status: [], headers: {}}}",
        expect![[r#"
            f.yaml:2:22: error: `method` cannot be `get`
              help: an HTTP method in capitals: did you mean `GET`?
            f.yaml:2:33: error: `/a b` is not the path of a request
              help: a path begins with `/` and has no spaces, for example `/healthz`; other characters as `%XX`
            f.yaml:2:45: error: `host` cannot be `a/b`
              help: a host name, for example `www.example.com`
            f.yaml:2:58: error: `status` accepts no code at all"#]],
    );
    check(
        "{http: {status: [200, 99, 300-200, x]}}",
        expect![[r#"
        f.yaml:2:28: error: `status` cannot be `99`
          help: codes from 100 to 599, or ranges like `200-299`
        f.yaml:2:32: error: `status` cannot be `300-200`
          help: codes from 100 to 599, or ranges like `200-299`
        f.yaml:2:41: error: `status` cannot be `x`
          help: codes from 100 to 599, or ranges like `200-299`"#]],
    );
    check(
        "{http: {method: HEAD, body: ok}}",
        expect![[r#"
        f.yaml:2:34: error: the answer to HEAD has no body to look at
          help: use `method: GET`"#]],
    );
    check(
        "{http: {server_name: x}}",
        expect![[r#"
            f.yaml:2:14: error: `server_name` is not a key of an `http` check
              help: accepted here: `method`, `path`, `host`, `headers`, `status`, `body`, `regex`, `http`, `redirects`, `port`"#]],
    );
    check(
        "{https: {server_name: a b, verify: no}}",
        expect![[r#"
        f.yaml:2:28: error: `server_name` cannot be `a b`
          help: a host name, for example `www.example.com`
        f.yaml:2:41: error: `verify` is `true` or `false`, not `no`
          help: did you mean `false`?"#]],
    );
}

#[test]
fn times_of_checks() {
    check(
        "{http: /, interval: 50ms}",
        expect![[r#"
        f.yaml:2:26: error: `interval` cannot be `50ms`
          help: accepted: 100ms to 1d"#]],
    );
    check(
        "{http: /, interval: 2d}",
        expect![[r#"
        f.yaml:2:26: error: `interval` cannot be `2d`
          help: accepted: 100ms to 1d"#]],
    );
    check(
        "{http: /, interval: 1:20}",
        expect![[r#"
        f.yaml:2:26: error: `interval` cannot be `1:20`
          help: seconds as a whole number, or `500ms`, `90s`, `5m`, `1h30m`, `1d`; accepted: 100ms to 1d"#]],
    );
    check(
        "{http: /, timeout: 6s}",
        expect![[r#"
        f.yaml:2:25: error: `timeout` of 6s is longer than `interval` of 5s
          help: a probe must end before the next one begins: shorten it, or lengthen `interval`"#]],
    );
    check("{http: /, interval: 1s, timeout: 1s}", expect![]);
    check("{http: /, interval: 1s}", expect![]);
    check(
        "{http: /, fall: 0, rise: 101, confirm: 1}",
        expect![[r#"
        f.yaml:2:22: error: `fall` cannot be `0`
          help: a whole number from 1 to 100, in decimal digits
        f.yaml:2:31: error: `rise` cannot be `101`
          help: a whole number from 1 to 100, in decimal digits
        f.yaml:2:45: error: `confirm` is `true` or `false`, not `1`
          help: write `true` or `false`"#]],
    );
    check(
        "{http: /, fall: 03, rise: 1.5, confirm: on}",
        expect![[r#"
        f.yaml:2:22: error: `fall` cannot be `03`
          help: a whole number from 1 to 100, in decimal digits
        f.yaml:2:32: error: `rise` cannot be `1.5`
          help: a whole number from 1 to 100, in decimal digits
        f.yaml:2:46: error: `confirm` is `true` or `false`, not `on`
          help: did you mean `true`?"#]],
    );
    check(
        "{http: /, flap: no}",
        expect![[r#"
        f.yaml:2:22: error: `flap` is `off` or a map, not a single value
          help: write `flap: off`, or a map like `{half_life: 10m, above: 3, factor: 4}`"#]],
    );
    check(
        "{http: /, flap: {half_life: 0, above: 0, factor: x, faktor: 1}}",
        expect![[r#"
        f.yaml:2:34: error: `half_life` cannot be `0s`
          help: accepted: 1s to 1d
        f.yaml:2:44: error: `above` cannot be `0`
          help: a whole number from 1 to 1000, in decimal digits
        f.yaml:2:55: error: `factor` cannot be `x`
          help: a whole number from 1 to 100, in decimal digits
        f.yaml:2:58: error: `faktor` is not a key of `flap`
          help: did you mean `factor`? accepted here: `half_life`, `above`, `factor`"#]],
    );
}

#[test]
fn what_checks_mean() {
    let text = "\
pops: {p: {at: [1, 2]}}
checks:
  all: {https: {method: HEAD, path: \"/x?y=z\", host: h, status: [200, 300-399], port: 8443, server_name: s, verify: false}, interval: 1m, timeout: 250ms, fall: 1, rise: 100, confirm: false, flap: off}
  short: {http: /healthz, interval: 500ms}
  db: {tcp: 5432, flap: {above: 5}}
services:
  s: {checks: [all, short, db], pops: {p: 127.0.0.1}}
";
    let loaded = load(&[("f.yaml", text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    expect![[r#"
        [
            Target {
                address: 127.0.0.1:8443,
                check: Check {
                    kind: Https(
                        Http {
                            method: "HEAD",
                            path: "/x?y=z",
                            host: Some(
                                "h",
                            ),
                            headers: [],
                            status: [
                                (
                                    200,
                                    200,
                                ),
                                (
                                    300,
                                    399,
                                ),
                            ],
                            body: None,
                            version: Http1,
                            redirects: 0,
                        },
                        Tls {
                            server_name: Some(
                                "s",
                            ),
                            verify: false,
                            min_days: None,
                        },
                    ),
                    interval: 60s,
                    timeout: 250ms,
                    fall: 1,
                    rise: 100,
                    confirm: false,
                    flap: None,
                    source: Source {
                        v4: None,
                        v6: None,
                    },
                },
            },
            Target {
                address: 127.0.0.1:80,
                check: Check {
                    kind: Http(
                        Http {
                            method: "GET",
                            path: "/healthz",
                            host: None,
                            headers: [],
                            status: [
                                (
                                    200,
                                    399,
                                ),
                            ],
                            body: None,
                            version: Http1,
                            redirects: 0,
                        },
                    ),
                    interval: 500ms,
                    timeout: 500ms,
                    fall: 3,
                    rise: 2,
                    confirm: true,
                    flap: Some(
                        Flap {
                            half_life: 600s,
                            above: 3,
                            factor: 4,
                        },
                    ),
                    source: Source {
                        v4: None,
                        v6: None,
                    },
                },
            },
            Target {
                address: 127.0.0.1:5432,
                check: Check {
                    kind: Tcp,
                    interval: 5s,
                    timeout: 2s,
                    fall: 3,
                    rise: 2,
                    confirm: true,
                    flap: Some(
                        Flap {
                            half_life: 600s,
                            above: 5,
                            factor: 4,
                        },
                    ),
                    source: Source {
                        v4: None,
                        v6: None,
                    },
                },
            },
        ]"#]]
    .assert_eq(&format!("{:#?}", loaded.fleet.unwrap().services[0].members[0].addresses[0].targets));
}

#[test]
fn services() {
    service(
        "{}",
        expect![[r#"
        f.yaml:5:3: error: service `s` has no `pops`
          help: name PoPs with their addresses: `pops: {fra: 192.0.2.10}`"#]],
    );
    service(
        "{pops: {}}",
        expect![[r#"
        f.yaml:5:13: error: service `s` has no PoPs
          help: name PoPs with their addresses: `pops: {fra: 192.0.2.10}`"#]],
    );
    service(
        "{pops: [a, b]}",
        expect![[r#"
        f.yaml:5:13: error: `pops` is a map, not a list
          help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
    service(
        "{pops: {a: , b: []}}",
        expect![[r#"
        f.yaml:5:14: error: PoP `a` has no address for this service
          help: give it an address, or take the PoP out of this service
        f.yaml:5:19: error: PoP `b` has no address for this service
          help: give it an address, or take the PoP out of this service"#]],
    );
    service(
        "{pops: {a: {addresses: []}, b: {probe: \"127.0.0.1:80\"}}}",
        expect![[r#"
        f.yaml:5:14: error: PoP `a` has no address for this service
          help: give it an address, or take the PoP out of this service
        f.yaml:5:34: error: PoP `b` has no address for this service
          help: give it an address, or take the PoP out of this service"#]],
    );
    service(
        "{pops: {a: {weight: 3, addresses: [127.0.0.1]}, b: {cname: x}}}",
        expect![[r#"
            f.yaml:5:65: error: `x` has no final dot
              help: the fleet belongs to no zone: write the whole name, `x.`"#]],
    );
    service(
        "{pops: {a: www.example.com, b: 192.0.2.1/32}}",
        expect![[r#"
            f.yaml:5:17: error: `www.example.com` is not an IP address
              help: a name is written as `{cname: name.example.}`, at all PoPs of a service or at none
            f.yaml:5:37: error: `192.0.2.1/32` is not an IP address
              help: one address, without a prefix length"#]],
    );
    service(
        "{pops: {a: [127.0.0.1, 127.0.0.1], b: {ip: \"127.0.0.1:80\"}}}",
        expect![[r#"
            f.yaml:5:29: error: `127.0.0.1` is written twice for this PoP
            f.yaml:5:41: warning: PoP `b` of service `s` has no IPv4 address
              help: its IPv4 clients go elsewhere, the nearest is `a`, 314 km away; `families: [v6]` leaves IPv4 out for everyone
            f.yaml:5:49: error: `127.0.0.1:80` is not an IP address
              help: for example `192.0.2.10` or `"2001:db8::10"`; a port belongs into `probe`"#]],
    );
    service(
        "{pops: {a: [{probe: \"127.0.0.1:80\"}], b: [[127.0.0.1]]}}",
        expect![[r#"
        f.yaml:5:18: error: this address has no `ip`
          help: for example `{ip: 192.0.2.10, probe: "127.0.0.10:8443"}`
        f.yaml:5:48: error: an address is text or a map with `ip`, not a list"#]],
    );
    service(
        "{pops: {c: 127.0.0.1}, policy: far, checks: [wbe, web, web]}",
        expect![[r#"
            f.yaml:5:14: error: PoP `c` is not defined
              help: did you mean `a`? defined: `a`, `b`
            f.yaml:5:37: error: policy `far` is not defined
              help: built in: `nearest`, `failover`, `weighted`; none is defined
            f.yaml:5:51: error: check `wbe` is not defined
              help: did you mean `web`? defined: `db`, `web`, `x`
            f.yaml:5:61: error: check `web` is named twice
              help: keep one of the two"#]],
    );
    service(
        "{https: \"1 .\", ttl: {home: 60s, awy: 20s}, min_up: 3, pops: {a: 127.0.0.1, b: 127.0.0.2}}",
        expect![[r#"
            f.yaml:5:38: error: `awy` is not a key of `ttl`
              help: did you mean `away`? accepted here: `home`, `away`, `suspect`
            f.yaml:5:57: error: `min_up` is 3, and the service has 2 PoPs"#]],
    );
    service(
        "{min_addresses: 2, pops: {a: [127.0.0.1, 127.0.0.3], b: 127.0.0.2}}",
        expect![[r#"
        f.yaml:5:22: error: `min_addresses` is 2, and a PoP has only 1 of a family
          help: such a PoP would never be eligible"#]],
    );
}

#[test]
fn probes() {
    service(
        "{checks: [db], pops: {a: 127.0.0.1, b: 127.0.0.2}}",
        expect![[r#"
            f.yaml:5:31: error: check `db` has no port for this address
              help: write `port: 5432` in the check, or a port in `probe`: `"127.0.0.1:5432"`"#]],
    );
    service(
        "{checks: [web], pops: {a: {ip: 127.0.0.1, probe: 8080}}}",
        expect![[r#"
        f.yaml:5:55: error: `probe` cannot be `8080`
          help: an address and a port, in quotes: `"127.0.0.10:8443"`, `"[::1]:8443"`"#]],
    );
    service(
        "{checks: [web], pops: {a: {ip: 127.0.0.1, probe: [::1]:80}}}",
        expect![[r#"
        f.yaml:5:60: error: a `,` or `}` is missing before this
          help: inside `{…}` entries are separated by commas"#]],
    );
    service(
        "{checks: [web], pops: {a: {ip: 127.0.0.1, probe: \"127.0.0.1:0\"}}}",
        expect![[r#"
        f.yaml:5:55: error: `probe` cannot be `127.0.0.1:0`
          help: an address and a port, in quotes: `"127.0.0.10:8443"`, `"[::1]:8443"`"#]],
    );
    service(
        "{checks: [web], pops: {a: {addresses: [127.0.0.1, 127.0.0.2], probe: \"127.0.0.1:80\"}}}",
        expect![[r#"
        f.yaml:5:75: error: `probe` of PoP `a` stands for one address, and it has 2
          help: give each address its own: `{ip: 192.0.2.10, probe: "127.0.0.10:8443"}`"#]],
    );
    service(
        "{pops: {a: {ip: 127.0.0.1, probe: \"127.0.0.1:80\"}}}",
        expect![[r#"
        f.yaml:5:40: warning: `probe` without a check: nothing is probed
          help: name a check, or leave `probe` out"#]],
    );
    service(
        "{checks: [web], pops: {a: [192.0.2.1, \"2001:db8::1\"], b: 198.51.100.7}}",
        expect![[r#"
            f.yaml:5:33: warning: `192.0.2.1` is an address of documentation, where no probe is answered, like 2 more of this service
              help: say where to connect with `probe: "127.0.0.10:8080"`, or `checks: []`
            f.yaml:5:60: warning: PoP `b` of service `s` has no IPv6 address
              help: its IPv6 clients go elsewhere, the nearest is `a`, 314 km away; `families: [v4]` leaves IPv6 out for everyone"#]],
    );
    service(
        "{checks: [web], pops: {a: 127.0.0.1, b: 127.0.0.1}}",
        expect![[r#"
        f.yaml:5:46: warning: `127.0.0.1` is an address of PoP `a` as well
          help: clients cannot be steered between PoPs that share an address"#]],
    );
    service(
        "{checks: [web], pops: {a: [169.254.169.254, \"fe80::1\", 224.0.0.1, \"ff02::1\", 0.0.0.0, \"::\", \"::ffff:169.254.1.1\", 255.255.255.255]}}",
        expect![[r#"
            f.yaml:5:33: error: `169.254.169.254` cannot be probed: link-local, where cloud metadata services answer (RFC 3927)
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:50: error: `fe80::1` cannot be probed: link-local (RFC 4291 §2.5.6)
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:61: error: `224.0.0.1` cannot be probed: multicast or reserved (RFC 5771, RFC 1112)
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:72: error: `ff02::1` cannot be probed: multicast (RFC 4291 §2.7)
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:83: error: `0.0.0.0` cannot be probed: "this network" (RFC 1122 §3.2.1.3)
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:92: error: `::` cannot be probed: the unspecified address
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:98: error: `::ffff:169.254.1.1` cannot be probed: link-local, where cloud metadata services answer (RFC 3927)
              help: probe another address with `probe`, or none with `checks: []`
            f.yaml:5:120: error: `255.255.255.255` cannot be probed: multicast or reserved (RFC 5771, RFC 1112)
              help: probe another address with `probe`, or none with `checks: []`"#]],
    );
    service(
        "{checks: [x], pops: {a: {ip: 169.254.1.1, checks: []}, b: {ip: 169.254.1.2, probe: 127.0.0.9}}}",
        expect![],
    );
}

#[test]
fn where_a_check_connects() {
    let text = "\
pops: {p: {at: [1, 2]}}
checks: {web: {http: /}, tls: {https: /}, db: {tcp: 5432}, alt: {http: /, port: 8080}}
services:
  s:
    checks: [web, tls, db, alt]
    pops: {p: [127.0.0.1, {ip: 127.0.0.2, probe: \"127.0.0.9:7\"}, {ip: 127.0.0.3, probe: 127.0.0.8}, {ip: 127.0.0.4, checks: [db]}]}
  t:
    checks: [web]
    pops: {p: {addresses: [\"2001:db8::1\"], probe: \"[::1]:9\", checks: [alt]}}
";
    let loaded = load(&[("f.yaml", text)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let lines: Vec<String> = loaded
        .fleet
        .unwrap()
        .services
        .iter()
        .flat_map(|s| s.members[0].addresses.clone())
        .map(|a| format!("{}: {}", a.ip, a.targets.iter().map(|t| t.address.to_string()).collect::<Vec<_>>().join(" ")))
        .collect();
    expect![[r#"
        127.0.0.1: 127.0.0.1:80 127.0.0.1:443 127.0.0.1:5432 127.0.0.1:8080
        127.0.0.2: 127.0.0.9:7 127.0.0.9:7 127.0.0.9:7 127.0.0.9:7
        127.0.0.3: 127.0.0.8:80 127.0.0.8:443 127.0.0.8:5432 127.0.0.8:8080
        127.0.0.4: 127.0.0.4:5432
        2001:db8::1: [::1]:9"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn sections_that_are_no_maps_and_unknown_ones() {
    fleet(
        "pops: [fra]\nchecks: web\nservices:\npolicies: {}\n",
        expect![[r#"
        f.yaml:1:7: error: `pops` is a map, not a list
          help: write `key: value` lines below it, or `{key: value, …}`
        f.yaml:2:9: error: `checks` is a map, not a single value
          help: write `key: value` lines below it, or `{key: value, …}`"#]],
    );
    fleet(
        "pop: {}\nlisten: x\nviews: {}\n",
        expect![[r#"
        f.yaml:1:1: error: `pop` is not a key of a fleet file
          help: did you mean `pops`? accepted here: `pops`, `checks`, `services`, `policies`
        f.yaml:2:1: error: `listen` is not a key of a fleet file
          help: accepted here: `pops`, `checks`, `services`, `policies`
        f.yaml:3:1: error: `views` is planned, not in this version
          help: leave it out; accepted here: `pops`, `checks`, `services`, `policies`"#]],
    );
}
