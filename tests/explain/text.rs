//! The text of explanations as people see it: 80 columns, no color.

use catchment::explain::text::text;
use catchment::explain::{Assume, Background, Question, TargetWords, explain_with};
use catchment::health::{Known, State};
use expect_test::{Expect, expect};

use super::world;
use catchment::dns::Name;
use std::time::Duration;

/// A name, the client subnet (or `source ADDRESS`), what is assumed, and the states of PoPs.
#[track_caller]
fn check(name: &str, client: &str, assume: &Assume, states: &[(&str, State)], expected: &Expect) {
    let list = world::states(states);
    let snapshot = world::snapshot(&world::sites(), &list, &["iad"]);
    let (source, subnet) = if let Some(source) = client.strip_prefix("source ") {
        (source.parse().unwrap(), None)
    } else {
        let (address, length) = client.split_once('/').unwrap();
        ("8.8.8.8".parse().unwrap(), Some((address.parse().unwrap(), length.parse().unwrap())))
    };
    let name = Name::parse(&format!("{name}.example.com."), None).unwrap();
    let question = Question { name, source, subnet, assume: assume.clone() };
    let targets = list.iter().map(|state| match state {
        State::Down => TargetWords {
            state: "a check fails".to_owned(),
            since: Some(Duration::from_secs(190)),
            found: "HTTP 503, expected 200–399".to_owned(),
        },
        _ => TargetWords::default(),
    });
    let background = Background {
        targets: targets.collect(),
        known: Known::of(list.clone()),
        age: (!list.iter().all(|state| *state == State::Unknown)).then_some(Duration::from_secs(1)),
        drains: [("iad".to_owned(), "zones/fleet.yaml:4".to_owned())].into(),
        said: vec![(Some("web".to_owned()), Some("sin".to_owned()), "override drain: new fibre (by alice)".to_owned())],
        serving: false,
    };
    let explained = explain_with(&snapshot, &snapshot.live(), &question, &background);
    let text = text(&question, &explained, &background, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "80 columns:\n{text}");
    expected.assert_eq(&text);
}

fn nothing() -> Assume {
    Assume::default()
}

/// Begins below 70 %, ends at 90 %; who serves between them depends on what was before.
#[test]
fn panic_between_its_limits() {
    let down = |pops: &[&'static str]| pops.iter().map(|pop| (*pop, State::Down)).collect::<Vec<_>>();
    check(
        "panic",
        "193.0.0.0/24",
        &nothing(),
        &down(&["fra", "ams"]),
        &expect![[r#"
        panic.example.com. → fra: 192.0.2.10 2001:db8:1::1
          service      web by policy nearest, in zone example.com.
          decided by   193.0.0.0/24 (the client subnet)
          located      Munich, DE, at 48.14, 11.58
          record       193.0.0.0/22 in geodb/test.mmdb (Test-City, built 2026-06-05)
          network      AS3320
          health       as the running server saw it 1 s ago
          panic        in tier 1 for A and AAAA: too little is usable, so health is
                       ignored
          A            192.0.2.10, extended error `panic`
          AAAA         2001:db8:1::1, extended error `panic`
          HTTPS        1 . alpn="h2" ipv4hint=192.0.2.10 ipv6hint=2001:db8:1::1,
                       extended error `panic`
          TTL          10 s, panic: too little of the tier is usable, so health is
                       ignored
          scope        /22, bounded by the range after
            before     192.168.0.0 – 192.168.255.255: by the packet's source
            range      192.169.0.0 – 193.0.5.255
            after      193.0.6.0 – 193.0.7.255: ams (panic)
          if it fails  without fra: fra (panic)

               PoP     km   cost ms  A       AAAA
          1  → fra    304     5.292  down    down
                   serves though it is down; a check fails since 3 min: HTTP 503,
                   expected 200–399
          2    ams    668    11.621  down    down
                   a check fails since 3 min: HTTP 503, expected 200–399
          3    lhr    939    16.332  usable  –
          4    iad   6840   119.012  usable  usable
                   drained; `drain: true` in zones/fleet.yaml:4
          5    sin  10074   175.296  usable  usable
                   override drain: new fibre (by alice)
    "#]],
    );
    check(
        "panic",
        "193.0.0.0/24",
        &nothing(),
        &down(&["fra"]),
        &expect![[r#"
        panic.example.com. → ams: 192.0.2.20 2001:db8:2::1
          service      web by policy nearest, in zone example.com.
          decided by   193.0.0.0/24 (the client subnet)
          located      Munich, DE, at 48.14, 11.58
          record       193.0.0.0/22 in geodb/test.mmdb (Test-City, built 2026-06-05)
          network      AS3320
          health       as the running server saw it 1 s ago
          panic        in tier 1 for A and AAAA: not begun; but a server where it did
                       before goes on, as less than `resume` is usable (`--live` knows)
          A            192.0.2.20
          AAAA         2001:db8:2::1
          HTTPS        1 . alpn="h2" ipv4hint=192.0.2.20 ipv6hint=2001:db8:2::1
          TTL          20 s, away: the chosen PoP stands in for a better one
          scope        /22, bounded by the range after
            before     192.168.0.0 – 192.168.255.255: by the packet's source
            range      192.169.0.0 – 193.0.5.255
            after      193.0.6.0 – 193.0.7.255: ams
          if it fails  without ams: fra (panic)
          flips when   lhr serves if it is 4.712 ms cheaper (`bias: {lhr: -4.712ms}` for
                       all)

               PoP     km   cost ms  A       AAAA
          1    fra    304     5.292  down    down
                   down; a check fails since 3 min: HTTP 503, expected 200–399
          2  → ams    668    11.621  usable  usable
          3    lhr    939    16.332  usable  –
          4    iad   6840   119.012  usable  usable
                   drained; `drain: true` in zones/fleet.yaml:4
          5    sin  10074   175.296  usable  usable
                   override drain: new fibre (by alice)
    "#]],
    );
}

#[test]
fn plain() {
    check(
        "plain",
        "193.0.0.0/24",
        &nothing(),
        &[],
        &expect![[r#"
            plain.example.com. → fra: 192.0.2.10 2001:db8:1::1
              service      web by policy nearest, in zone example.com.
              decided by   193.0.0.0/24 (the client subnet)
              located      Munich, DE, at 48.14, 11.58
              record       193.0.0.0/22 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS3320
              health       not known (no server is running here), so every PoP counts as
                           usable
              A            192.0.2.10
              AAAA         2001:db8:1::1
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.10 ipv6hint=2001:db8:1::1
              TTL          60 s, home: the best PoP serves
              scope        /22, bounded by the range after
                before     192.168.0.0 – 192.168.255.255: by the packet's source
                range      192.169.0.0 – 193.0.5.255
                after      193.0.6.0 – 193.0.7.255: ams
              if it fails  without fra: ams (away)
              flips when   ams serves if it is 6.330 ms cheaper (`bias: {ams: -6.330ms}` for
                           all)

                   PoP     km   cost ms  A       AAAA
              1  → fra    304     5.292  usable  usable
              2    ams    668    11.621  usable  usable
              3    lhr    939    16.332  usable  –
              4    iad   6840   119.012  usable  usable
                       drained; `drain: true` in zones/fleet.yaml:4
              5    sin  10074   175.296  usable  usable
                       override drain: new fibre (by alice)
        "#]],
    );
}

#[test]
fn a_fence_and_a_rule() {
    check(
        "ruled",
        "193.0.0.0/24",
        &nothing(),
        &[("fra", State::Down)],
        &expect![[r#"
            ruled.example.com. → ams: 192.0.2.20 2001:db8:2::1
              service      web by policy eu, in zone example.com.
              decided by   193.0.0.0/24 (the client subnet)
              located      Munich, DE, at 48.14, 11.58
              record       193.0.0.0/22 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS3320
              rule         prefer ams by 9.000 ms for ASN AS3320 (zones/fleet.yaml:14)
              fence        only fra, ams for country DE (zones/fleet.yaml:12)
              health       as the running server saw it 1 s ago
              A            192.0.2.20
              AAAA         2001:db8:2::1
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.20 ipv6hint=2001:db8:2::1
              TTL          60 s, home: the best PoP serves
              scope        /22, bounded by the range after
                before     192.169.0.0 – 192.255.255.255: ams (away)
                range      193.0.0.0 – 193.0.5.255
                after      193.0.6.0 – 193.0.6.255: sin
              if it fails  without ams: ams (fail-open)

                   PoP     km   base ms     rule   cost ms  A       AAAA
              1  → ams    668    11.621   -9.000     2.621  usable  usable
              2    fra    304     5.292        –     5.292  down    down
                       down; a check fails since 3 min: HTTP 503, expected 200–399
              3    lhr    939    16.332        –    16.332  usable  –
                       fenced off by zones/fleet.yaml:12
              4    iad   6840   119.012        –   119.012  usable  usable
                       fenced off by zones/fleet.yaml:12; `drain: true` in
                       zones/fleet.yaml:4
              5    sin  10074   175.296        –   175.296  usable  usable
                       fenced off by zones/fleet.yaml:12; override drain: new fibre (by
                       alice)
        "#]],
    );
}

#[test]
fn shared() {
    check(
        "near",
        "193.0.6.0/24",
        &nothing(),
        &[],
        &expect![[r#"
            near.example.com. → fra: 192.0.2.10 2001:db8:1::1
              service      web by policy nearest, in zone example.com.
              decided by   193.0.6.0/24 (the client subnet)
              located      Amsterdam, NL, at 52.37, 4.90
              record       193.0.6.0/23 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS3333
              health       not known (no server is running here), so every PoP counts as
                           usable
              A            192.0.2.10
              AAAA         2001:db8:1::1
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.10 ipv6hint=2001:db8:1::1
              TTL          60 s, home: the best PoP serves
              shared by    fra 75.0 % ±10.8, ams 25.0 % ±10.8, over 16 units
              dealt        193.0.0.0/20 falls to fra, on every node and at every time
              scope        /20, clients are dealt by blocks of this length
                before     192.169.0.0 – 192.255.255.255: fra
                range      193.0.0.0 – 193.0.255.255
                after      193.1.0.0 – 193.1.255.255: A ams; AAAA fra 75 %, ams 25 %
              if it fails  without fra: ams 100 %

                   PoP     km   cost ms  weight   share  A       AAAA
              1    ams      0     0.000       1  25.0 %  usable  usable
                       shares; another won this client
              2  → fra    364     6.330       3  75.0 %  usable  usable
              3    lhr    381     6.627       0       –  usable  –
              4    iad   6212   108.097       2       –  usable  usable
                       drained; `drain: true` in zones/fleet.yaml:4
              5    sin  10504   182.762       1       –  usable  usable
                       override drain: new fibre (by alice)
        "#]],
    );
}

#[test]
fn fail_open() {
    let all = world::POPS.map(|pop| (pop, State::Down));
    check(
        "plain",
        "2a00:2000:1::/48",
        &nothing(),
        &all,
        &expect![[r#"
            plain.example.com. → lhr: 192.0.2.30 192.0.2.31 2001:db8:2::1
              service      web by policy nearest, in zone example.com.
              decided by   2a00:2000:1::/48 (the client subnet)
              located      London, GB, at 51.51, -0.13
              record       2a00:2000::/32 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS786
              health       as the running server saw it 1 s ago
              A            192.0.2.30, 192.0.2.31, extended error `fail-open`
              AAAA         2001:db8:2::1, extended error `fail-open`
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.30,192.0.2.31
                           ipv6hint=2001:db8:2::1, extended error `fail-open`
              TTL          10 s, fail-open: no PoP is usable, so health is ignored
              scope        /32, bounded by the range after
                before     2601:: – 2a00:1fff:ffff:ffff:ffff:ffff:ffff:ffff: fra (fail-open)
                range      2a00:2000:: – 2a00:2000:ffff:ffff:ffff:ffff:ffff:ffff
                after      2a00:2001:: – fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff: fra
                           (fail-open)
              if it fails  without lhr: A lhr (fail-open); AAAA ams (fail-open)

                   PoP     km   cost ms  A       AAAA
              1  → lhr     23     0.405  down    –
                       serves A alone; no AAAA address; a check fails since 3 min: HTTP 503,
                       expected 200–399
              2  → ams    358     6.225  down    down
                       serves AAAA alone; its A addresses are down; a check fails since 3
                       min: HTTP 503, expected 200–399
              3    fra    638    11.099  down    down
                       a check fails since 3 min: HTTP 503, expected 200–399
              4    iad   5921   103.032  down    down
                       drained; a check fails since 3 min: HTTP 503, expected 200–399;
                       `drain: true` in zones/fleet.yaml:4
              5    sin  10860   188.958  down    down
                       a check fails since 3 min: HTTP 503, expected 200–399; override
                       drain: new fibre (by alice)
        "#]],
    );
}

#[test]
fn an_assumed_failure_over_an_alias_and_tiers() {
    let assume = Assume { down: vec!["sin".to_owned(), "web@lhr".to_owned()], ..Assume::default() };
    check(
        "tiers",
        "::ffff:193.1.0.0/120",
        &assume,
        &[],
        &expect![[r#"
            tiers.example.com. → fra: 192.0.2.10 2001:db8:1::1
              service      web by policy nearest, in zone example.com.
              decided by   193.1.0.0/24, the IPv4 part of ::ffff:193.1.0.0/120 (the client
                           subnet)
              located      London, GB, at 51.51, -0.13
              record       193.1.0.0/16 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS786
              health       not known (no server is running here), so every PoP counts as
                           usable
              assumed      down: sin, web@lhr
              A            192.0.2.10
              AAAA         2001:db8:1::1
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.10 ipv6hint=2001:db8:1::1
              TTL          20 s, away: the chosen PoP stands in for a better one
              scope        /104, bounded by the range before
                before     192.168.0.0 – 192.168.255.255: by the packet's source
                range      192.169.0.0 – 223.255.255.255
                after      224.0.0.0 – 255.255.255.255: by the packet's source
              if it fails  without fra: iad (away)

                   PoP tier     km   cost ms  A       AAAA
              1    sin    1  10860   188.958  down    down    down; assumed
              2    lhr    2     23     0.405  down    –       down; assumed
              3    iad    2   5921   103.032  usable  usable
                       drained; `drain: true` in zones/fleet.yaml:4
              4  → fra    3    638    11.099  usable  usable
              5    ams    –    358     6.225  usable  usable  in no tier of the policy
        "#]],
    );
}

#[test]
fn a_mixed_block() {
    check(
        "latency",
        "198.18.5.0/24",
        &nothing(),
        &[],
        &expect![[r#"
            latency.example.com. → lhr: 192.0.2.30 192.0.2.31 2001:db8:1::1
              service      web by policy nearest, in zone example.com.
              decided by   198.18.5.0/24 (the client subnet)
              located      Boston, US, at 42.36, -71.06
              record       198.18.5.0/25 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS7922
              latency      fra 90.000 ms, iad 110.000 ms, lhr 40.000 ms for country US
                           (zones/maps/rum.csv:2)
              health       not known (no server is running here), so every PoP counts as
                           usable
              A            192.0.2.30, 192.0.2.31
              AAAA         2001:db8:1::1
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.30,192.0.2.31
                           ipv6hint=2001:db8:1::1
              TTL          60 s, home: the best PoP serves
              scope        /24, the block is mixed, and resolvers send no longer prefixes
                before     193.2.0.0 – 198.18.4.255: fra
                range      198.18.5.0 – 198.18.5.127
                after      198.18.5.128 – 198.18.5.191: sin
              mixed        75.0 % to A lhr; AAAA fra; 25.0 % to sin. The home of most of it
                           decides, whatever its health
              if it fails  without lhr: A fra (away); AAAA fra

                   PoP     km   base ms     bias   cost ms  A       AAAA
              1  → lhr   5244   40.000*   +1.000    41.000  usable  –
                       serves A alone; no AAAA address
              2  → fra   5897   90.000*        –    90.000  usable  usable
                       serves AAAA alone; A is served by another
              3    iad    659  110.000*        –   110.000  usable  usable
                       drained; `drain: true` in zones/fleet.yaml:4
              4    ams   5557   123.399        –   123.399  usable  usable
              5    sin  15129   289.952        –   289.952  usable  usable
                       override drain: new fibre (by alice)
        "#]],
    );
}

#[test]
fn a_private_source_and_a_service_of_names() {
    check(
        "names",
        "source 10.1.2.3",
        &nothing(),
        &[],
        &expect![[r#"
            names.example.com. → fra: plain.example.com.
              service      web by policy nearest, in zone example.com.
              decided by   10.1.2.3/32 (the packet's source; no client subnet)
              located      nowhere: no database knows a place, so the order in `pops:`
                           decides
              health       not known (no server is running here), so every PoP counts as
                           usable
              CNAME        plain.example.com.
              TTL          60 s, home: the best PoP serves
              scope        none, as there is no client subnet
                before     9.0.0.0 – 9.255.255.255: fra
                range      10.0.0.0 – 10.255.255.255
                after      11.0.0.0 – 100.63.255.255: fra
              if it fails  without fra: ams (away)

                   PoP     km  A       AAAA
              1  → fra      –  usable  usable
              2    ams      –  usable  usable
              3    lhr      –  usable  usable
              4    iad      –  usable  usable  drained; `drain: true` in zones/fleet.yaml:4
              5    sin      –  usable  usable  override drain: new fibre (by alice)

            plain.example.com. → fra: 192.0.2.10 2001:db8:1::1
              service      web by policy nearest, in zone example.com.
              decided by   10.1.2.3/32 (the packet's source; no client subnet)
              located      nowhere: no database knows a place, so the order in `pops:`
                           decides
              health       not known (no server is running here), so every PoP counts as
                           usable
              A            192.0.2.10
              AAAA         2001:db8:1::1
              HTTPS        1 . alpn="h2" ipv4hint=192.0.2.10 ipv6hint=2001:db8:1::1
              TTL          60 s, home: the best PoP serves
              scope        none, as there is no client subnet
                before     9.0.0.0 – 9.255.255.255: fra
                range      10.0.0.0 – 10.255.255.255
                after      11.0.0.0 – 100.63.255.255: fra
              if it fails  without fra: ams (away)

                   PoP     km  A       AAAA
              1  → fra      –  usable  usable
              2    ams      –  usable  usable
              3    lhr      –  usable  –
              4    iad      –  usable  usable  drained; `drain: true` in zones/fleet.yaml:4
              5    sin      –  usable  usable  override drain: new fibre (by alice)
        "#]],
    );
}

#[test]
fn nobody_and_what_is_written() {
    check(
        "closed",
        "10.1.0.0/16",
        &nothing(),
        &[],
        &expect![[r"
            closed.example.com. → nobody
              service      web by policy nearest, in zone example.com.
              decided by   8.8.8.8/32 (the packet's source, as the client subnet says
                           nothing of a place)
              located      Boston, US, at 42.36, -71.06
              record       8.0.0.0/8 in geodb/test.mmdb (Test-City, built 2026-06-05)
              network      AS7922
              fence        only nobody for country US (zones/fleet.yaml:30)
              health       not known (no server is running here), so every PoP counts as
                           usable
              A            203.0.113.9 (TTL 300 s; as written at the name)
              AAAA         2001:db8::9 (TTL 300 s; as written at the name)
              HTTPS        NODATA, for every client
              scope        /8, the unusable block's own
                before     9.0.0.0 – 9.255.255.255: fra
                range      10.0.0.0 – 10.255.255.255
                after      11.0.0.0 – 100.63.255.255: fra

                   PoP     km   cost ms  A       AAAA
              1    iad    659    11.462  usable  usable
                       fenced off by zones/fleet.yaml:30; `drain: true` in
                       zones/fleet.yaml:4
              2    lhr   5244    91.240  usable  –       fenced off by zones/fleet.yaml:30
              3    ams   5557    96.699  usable  usable  fenced off by zones/fleet.yaml:30
              4    fra   5897   102.603  usable  usable  fenced off by zones/fleet.yaml:30
              5    sin  15129   263.252  usable  usable
                       fenced off by zones/fleet.yaml:30; override drain: new fibre (by
                       alice)
        "]],
    );
}
