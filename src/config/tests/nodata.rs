//! What could make a type exist for some clients only, and what sends clients of a family far away.

use expect_test::{Expect, expect};

use super::load;

const FLEET: &str = "\
pops: {fra: {at: [50, 8.6]}, ams: {at: [52.3, 4.8]}, iad: {at: [38.9, -77.4]}}
services:
  both: {pops: {fra: [192.0.2.1, \"2001:db8::1\"], ams: [192.0.2.2, \"2001:db8::2\"]}}
  four: {pops: {fra: 192.0.2.3, ams: 192.0.2.4}}
  mixed: {pops: {fra: [192.0.2.5, \"2001:db8::5\"], iad: 192.0.2.6}}
  named: {policy: failover, pops: {fra: {cname: a.cdn.example.}}}
policies:
  fallback4: {on_all_down: {fallback: 192.0.2.9}}
  fallback: {on_all_down: {fallback: [192.0.2.9, \"2001:db8::9\"]}}
  fenced: {fence: [{match: {country: US}, only: iad}, {match: {country: DE}, never: [fra, ams]}], tiers: [[fra, ams, iad]]}
  western: {tiers: [[iad]]}
  strict: {on_empty: servfail}
";

/// Findings of records of a zone, those of the fleet left out.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn records(text: &str, expected: Expect) {
    let zone = format!("zone: example.com\nns: [ns.example.net.]\nrecords:\n{text}");
    let mut found = load(&[("f.yaml", FLEET), ("z.yaml", &zone)]).diagnostics;
    found.0.retain(|d| d.location.file.starts_with('z'));
    expected.assert_eq(&found.to_string());
}

#[test]
fn pops_without_a_family() {
    expect![[r#"
        f.yaml:5:51: warning: PoP `iad` of service `mixed` has no IPv6 address
          help: its IPv6 clients go elsewhere, the nearest is `fra`, 6554 km away; `families: [v4]` leaves IPv6 out for everyone"#]].assert_eq(&load(&[("f.yaml", FLEET)]).diagnostics.to_string());
}

#[test]
fn fallbacks() {
    records(
        "
  a: {steer: {service: both, policy: fallback4}}
  b: {steer: {service: four, policy: fallback4}}
  c: {steer: {service: four, policy: fallback}}
  d: {steer: {service: both, policy: fallback}}
  e: {steer: {service: named, policy: fallback4}}
",
        expect![[r#"
            z.yaml:5:38: error: the fallback of policy `fallback4` has no IPv6 address, and service `both` has
              help: resolvers would keep "no AAAA" for clients that are served: add an address at f.yaml:8:28, or leave the family out of the service with `families`
            z.yaml:7:38: warning: the IPv6 fallback of policy `fallback` is never answered: service `four` has none
              help: leave it out at f.yaml:9:27
            z.yaml:9:39: error: the fallback of policy `fallback4` has addresses, and service `named` a `cname`
              help: which types exist at a name cannot change with health: take `ignore-health` or `servfail` at f.yaml:8:28"#]],
    );
}

#[test]
fn written_beside_steer() {
    records(
        "
  a: {steer: both, A: 192.0.2.77}
  b: {steer: both, AAAA: \"2001:db8::77\"}
  c: {steer: both, A: 192.0.2.77, AAAA: \"2001:db8::77\"}
  d: {steer: four, A: 192.0.2.77}
  e: {steer: four, A: 192.0.2.77, AAAA: \"2001:db8::77\"}
  f: {steer: {service: both, policy: strict}, A: 192.0.2.77}
  g: {steer: {service: mixed, policy: western}, A: 192.0.2.77}
",
        expect![[r#"
            z.yaml:5:23: error: `a.example.com.` has `A` beside `steer`, and no `AAAA`
              help: it is for clients that nobody is left for, and service `both` has IPv6 addresses: whether `AAAA` exists would depend on the client, and resolvers keep that for all; write it as well
            z.yaml:6:26: error: `b.example.com.` has `AAAA` beside `steer`, and no `A`
              help: it is for clients that nobody is left for, and service `both` has IPv4 addresses: whether `A` exists would depend on the client, and resolvers keep that for all; write it as well
            z.yaml:9:41: error: `AAAA` beside `steer` of `e.example.com.`, and service `four` has no IPv6 address
              help: it is for clients that nobody is left for: whether `AAAA` exists would depend on the client, and resolvers keep that for all; leave it out
            z.yaml:10:50: warning: `A` beside `steer` is never answered: policy `strict` has `on_empty: servfail`
              help: leave it out, or say `on_empty: static`
            z.yaml:11:7: warning: PoP `fra` of service `mixed` is in no tier of policy `western`
              help: what is in no tier never serves: put it into one, if only the last"#]],
    );
}

#[test]
fn fences_that_leave_nobody() {
    records(
        "
  a: {steer: {service: mixed, policy: fenced}}
  b: {steer: {service: mixed, policy: fenced}, A: 192.0.2.77, AAAA: \"2001:db8::77\"}
  c: {steer: {service: both, policy: fenced}}
",
        expect![[r#"
            z.yaml:5:7: warning: policy `fenced` names PoP `ams` that service `mixed` is not at
              help: passed over for this service; first named at f.yaml:10:113
            z.yaml:5:7: warning: the fence at f.yaml:10 leaves nobody with AAAA of service `mixed`: its clients get SERVFAIL
              help: name a PoP that has one there, or write what to answer them beside `steer` of `a.example.com.`
            z.yaml:7:7: warning: policy `fenced` names PoP `iad` that service `both` is not at
              help: passed over for this service; first named at f.yaml:10:118
            z.yaml:7:7: warning: the fence at f.yaml:10 leaves nobody with A and AAAA of service `both`: its clients get SERVFAIL
              help: name a PoP that has one there, or write what to answer them beside `steer` of `c.example.com.`"#]],
    );
}
