//! Policies: every key, what is wrong with it, and what a policy takes from another.

use std::sync::Arc;

use expect_test::{Expect, expect};

use super::super::model::Fleet;
use super::{fleet, load, load_with};
use crate::steering::{Detail, Effect, Margin, OnAllDown, OnEmpty, Panic, Policy, Rank, Unit};

/// Three PoPs, and a service at all of them.
const POPS: &str = "\
pops: {fra: {at: [50, 8.6]}, ams: {at: [52.3, 4.8]}, iad: {at: [38.9, -77.4]}}
services: {web: {pops: {fra: 192.0.2.1, ams: 192.0.2.2, iad: 192.0.2.3}}}
";

/// Findings of policies beside [`POPS`].
#[track_caller]
fn policies(text: &str, expected: Expect) {
    fleet(&format!("{POPS}policies:\n{text}"), expected);
}

fn good(text: &str) -> Fleet {
    let loaded = load(&[("f.yaml", &format!("{POPS}policies:\n{text}"))]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    loaded.fleet.unwrap()
}

fn policy(fleet: &Fleet, name: &str) -> Arc<Policy> {
    Arc::clone(&fleet.policies.iter().find(|p| p.policy.name == name).unwrap().policy)
}

#[test]
fn every_key() {
    let fleet = good(
        "
  eu:
    extends: nearest
    tiers: [[fra, ams], [iad]]
    fence: [{match: {country: [DE, AT]}, only: [fra, ams]}]
    rules:
      - {match: {prefix: [10.0.0.0/8]}, order: [fra]}
      - {match: {asn: [3320, AS64496]}, prefer: {fra: 15ms}, avoid: {iad: 200km}}
    rank: distance
    ms_per_km: 0.02
    default: [iad, fra]
    bias: {fra: 5ms, ams: -3ms}
    near: 50km
    unit: {v4: 24, v6: 56}
    sticky: false
    count: 2
    skip: 1
    panic: {below: 34%, resume: 50%}
    on_all_down: {fallback: 192.0.2.9}
    on_empty: servfail
    ecs: {detail: {budget: 5km}}
",
    );
    let policy = policy(&fleet, "eu");
    assert_eq!(policy.tiers, [vec!["fra", "ams"], vec!["iad"]]);
    assert_eq!(policy.fences.len(), 1);
    let effects: Vec<&Effect> = policy.rules.list().iter().map(|rule| &*rule.effect).collect();
    let adjust = Effect::Adjust(vec![("fra".into(), -15_000), ("iad".into(), 4000)]);
    assert_eq!(effects, [&Effect::Order(vec!["fra".into()]), &adjust]);
    assert_eq!(policy.rules.list()[1].origin.line, 11);
    assert_eq!((policy.ns_per_km, policy.near), (20_000, Some(1000)));
    assert_eq!(policy.default_order, ["iad", "fra"]);
    assert_eq!(policy.bias, [("fra".to_owned(), 5000), ("ams".to_owned(), -3000)]);
    assert_eq!(policy.unit, Unit { v4: 24, v6: 56 });
    assert_eq!((policy.sticky, policy.count, policy.skip), (false, 2, 1));
    assert_eq!(policy.panic, Some(Panic { below: 340, resume: 500 }));
    assert_eq!(policy.on_all_down, OnAllDown::Fallback(vec!["192.0.2.9".parse().unwrap()]));
    assert_eq!((policy.on_empty, policy.detail), (OnEmpty::Servfail, Detail::Budget(5000)));
}

#[test]
fn nothing_written_is_nearest() {
    let fleet =
        good("  a:\n  b: {extends: failover}\n  c: {rank: weights}\n  d: {extends: weighted, ecs: {detail: exact}}\n");
    let built_in = |base: &str, name: &str| Policy { name: name.to_owned(), ..Policy::built_in(base).unwrap() };
    assert_eq!(*policy(&fleet, "a"), built_in("nearest", "a"));
    assert_eq!(*policy(&fleet, "b"), built_in("failover", "b"));
    assert_eq!(*policy(&fleet, "c"), built_in("weighted", "c"));
    assert_eq!(*policy(&fleet, "d"), built_in("weighted", "d"));
}

#[test]
fn maps_merge_and_lists_are_replaced() {
    let fleet = good(
        "
  leaf: {extends: middle, bias: {ams: 1ms}, unit: {v6: 48}, tiers: [[ams, fra, iad]], panic: {below: 20%}, near: off}
  middle: {extends: root, bias: {fra: 7ms}, default: [ams]}
  root:
    rank: order
    tiers: [[fra], [ams, iad]]
    bias: {fra: 5ms, iad: 6ms}
    unit: {v4: 22}
    near: 10km
    panic: 40%
    default: [fra, iad]
    rules: [{match: {continent: EU}, prefer: {fra: 100km}}]
  slower: {extends: root, ms_per_km: 0.1, panic: off, rank: distance}
",
    );
    let leaf = policy(&fleet, "leaf");
    let bias = [("fra", 7000), ("iad", 6000), ("ams", 1000)].map(|(pop, us)| (pop.to_owned(), us));
    assert_eq!(leaf.bias, bias);
    assert_eq!((leaf.unit, leaf.near), (Unit { v4: 22, v6: 48 }, None));
    assert_eq!(leaf.tiers, [["ams", "fra", "iad"]]);
    assert_eq!(leaf.panic, Some(Panic { below: 200, resume: 350 }));
    assert_eq!((&leaf.default_order[..], &leaf.rank), (&["ams".to_owned()][..], &Rank::Order));
    assert_eq!(leaf.rules, policy(&fleet, "root").rules);
    let slower = policy(&fleet, "slower");
    assert_eq!((slower.near, slower.panic, &slower.rank), (Some(1000), None, &Rank::Distance));
    assert_eq!(*slower.rules.list()[0].effect, Effect::Adjust(vec![("fra".into(), -10_000)]));
}

#[test]
fn a_zone_extends_the_fleets() {
    let zone = "zone: example.com\nns: ns.example.net.\npolicies: {own: {extends: eu, count: 2}}\nrecords: {a: {steer: {service: web, policy: own, skip: 1}}}\n";
    let fleet = format!("{POPS}policies: {{eu: {{bias: {{fra: 5ms}}}}}}\n");
    let loaded = load(&[("f.yaml", &fleet), ("z.yaml", zone)]);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let policy = &loaded.zones[0].steers[0].policy;
    assert_eq!((policy.count, policy.skip, &policy.bias[..]), (2, 1, &[("fra".to_owned(), 5000)][..]));
}

#[test]
fn who_extends_whom() {
    policies(
        "  a: {extends: b}\n  b: {extends: c}\n  c: {extends: a}\n  d: {extends: d}\n  e: {extends: nearst}\n  f: {extends: [a]}\n  g: {extends: a}\n  weighted: {}\n  h: {cuont: 1}\n",
        expect![[r#"
            f.yaml:6:16: error: policy `a` extends itself: `a` → `b` → `c` → `a`
              help: take one `extends` out
            f.yaml:7:16: error: policy `d` extends itself: `d` → `d`
              help: take one `extends` out
            f.yaml:8:16: error: policy `nearst` is not defined
              help: did you mean `nearest`? built in: `nearest`, `failover`, `weighted`; defined: `a`, `b`, `c`, `d`, `e`, `f`, `g`, `h`
            f.yaml:9:16: error: `extends` is a single value, not a list
            f.yaml:11:3: error: `weighted` is the name of a built-in policy
              help: take another name, and say `extends: weighted`
            f.yaml:12:7: error: `cuont` is not a key of a policy
              help: did you mean `count`? accepted here: `extends`, `tiers`, `fence`, `rules`, `rank`, `ms_per_km`, `default`, `bias`, `near`, `unit`, `sticky`, `count`, `skip`, `panic`, `on_all_down`, `on_empty`, `ecs`"#]],
    );
}

#[test]
fn names_of_pops() {
    policies(
        "  a: {tiers: [[fra, lhr]], default: [amss], bias: {sin: 1ms}, rules: [{match: {asn: 1}, order: [x, fra, y]}, {match: {asn: 2}, prefer: {x: 1ms}}]}\n",
        expect![[r#"
            f.yaml:4:21: error: PoP `lhr` is not defined
              help: defined: `ams`, `fra`, `iad`
            f.yaml:4:38: error: PoP `amss` is not defined
              help: did you mean `ams`? defined: `ams`, `fra`, `iad`
            f.yaml:4:52: error: PoP `sin` is not defined
              help: defined: `ams`, `fra`, `iad`
            f.yaml:4:97: error: PoP `x` is not defined
              help: defined: `ams`, `fra`, `iad`
            f.yaml:4:105: error: PoP `y` is not defined
              help: defined: `ams`, `fra`, `iad`"#]],
    );
}

#[test]
fn tiers_and_orders() {
    policies(
        "
  a: {tiers: fra}
  b: {tiers: []}
  c: {tiers: [fra, ams]}
  d: {tiers: [[fra, ams], [], [fra]]}
  e: {tiers: [[fra, fra]]}
  f: {default: []}
  g: {default: [fra, ams, fra]}
  h: {tiers: [[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra],[fra]]}
",
        expect![[r#"
            f.yaml:5:14: error: `tiers` is a list of lists, not a single value
              help: lists of PoPs, the first to serve first: `tiers: [[fra, ams], [iad]]`
            f.yaml:6:14: error: `tiers` has no tier
              help: lists of PoPs, the first to serve first: `tiers: [[fra, ams], [iad]]`
            f.yaml:7:15: error: tier `fra` is no list
              help: write `[fra]`
            f.yaml:7:20: error: tier `ams` is no list
              help: write `[ams]`
            f.yaml:8:27: error: a tier without PoPs
              help: name some, or leave the tier out
            f.yaml:8:32: error: PoP `fra` is in a tier already, at f.yaml:8:16
              help: a PoP is in one tier
            f.yaml:9:21: error: PoP `fra` is in a tier already, at f.yaml:9:16
              help: a PoP is in one tier
            f.yaml:10:16: error: `default` names no PoP
              help: name at least one, or leave the key out
            f.yaml:11:27: error: PoP `fra` is named twice
            f.yaml:12:14: error: 17 tiers, more than 16
              help: PoPs of one tier are ranked among themselves: join some"#]],
    );
}

#[test]
fn numbers_and_units() {
    policies(
        "
  a: {bias: {fra: 5, ams: 1s, iad: 20000ms}, near: -5km}
  b: {bias: [fra], near: 0}
  c: {ms_per_km: 0, unit: {v4: 15, v6: 57, v5: 1}, count: 9, skip: 8}
  d: {ms_per_km: 1.5, panic: 0.34, sticky: yes}
  e: {panic: {below: 34, resume: 101%}}
  f: {panic: {below: 50%, resume: 40%}}
  g: {panic: {resume: 40%}}
  h: {panic: 0%, ms_per_km: 17.4us}
  i: {ecs: off}
  j: {ecs: {detail: exactly}}
  k: {ecs: {detail: {budget: 5ms}}}
  l: {ecs: {detail: {budget: 5km, entries: 0}}}
  m: {ecs: {detail: {entries: 0}}}
  n: {ecs: {detail: {}}}
",
        expect![[r#"
            f.yaml:5:19: error: the bias of `fra` cannot be `5`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            f.yaml:5:27: error: the bias of `ams` cannot be `1s`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            f.yaml:5:36: error: the bias of `iad` cannot be `20000ms`
              help: at most `10000ms` or `40075km`
            f.yaml:5:52: error: `near` cannot be `-5km`
              help: not below zero, for example `5ms` or `200km`
            f.yaml:6:13: error: `bias` is a map, not a list
              help: write `key: value` lines below it, or `{key: value, …}`
            f.yaml:6:26: error: `near` cannot be `0`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            f.yaml:7:18: error: `ms_per_km` cannot be `0`
              help: milliseconds of round trip per kilometer, from 0.000001 to 1, for example `0.0174`
            f.yaml:7:32: error: `v4` cannot be `15`
              help: a whole number from 16 to 24, in decimal digits
            f.yaml:7:40: error: `v6` cannot be `57`
              help: a whole number from 32 to 56, in decimal digits
            f.yaml:7:44: error: `v5` is not a key of `unit`
              help: did you mean `v4`? accepted here: `v4`, `v6`
            f.yaml:7:59: error: `count` cannot be `9`
              help: a whole number from 1 to 8, in decimal digits
            f.yaml:7:68: error: `skip` cannot be `8`
              help: a whole number from 0 to 7, in decimal digits
            f.yaml:8:18: error: `ms_per_km` cannot be `1.5`
              help: milliseconds of round trip per kilometer, from 0.000001 to 1, for example `0.0174`
            f.yaml:8:30: error: `panic` cannot be `0.34`
              help: did you mean `34%`? a share is written in percent
            f.yaml:8:44: error: `sticky` is `true` or `false`, not `yes`
              help: did you mean `true`?
            f.yaml:9:22: error: `below` cannot be `34`
              help: a share in percent from `0.1%` to `100%`, for example `34%`
            f.yaml:9:34: error: `resume` cannot be `101%`
              help: a share in percent from `0.1%` to `100%`, for example `34%`
            f.yaml:10:14: error: panic ends at 40%, and begins below 50%
              help: `resume` is at least `below`
            f.yaml:11:14: error: `panic` has no `below`
              help: below which share health is ignored: `panic: {below: 34%, resume: 50%}`
            f.yaml:12:14: error: `panic` cannot be `0%`
              help: a share in percent from `0.1%` to `100%`, for example `34%`
            f.yaml:12:29: error: `ms_per_km` cannot be `17.4us`
              help: milliseconds of round trip per kilometer, from 0.000001 to 1, for example `0.0174`
            f.yaml:13:12: error: `ecs` of a policy cannot be `off`
              help: client subnets are heeded by zone (`ecs: off` in a zone file) and by listener; a policy has `detail`
            f.yaml:14:21: error: `detail` cannot be `exactly`
              help: accepted here: `exact`
            f.yaml:15:30: error: `budget` cannot be `5ms`
              help: an average detour from `0.001km` to `1000km`, for example `5km`
            f.yaml:16:44: error: `entries` beside `budget`
              help: keep one of the two
            f.yaml:17:31: error: `entries` cannot be `0`
              help: a whole number from 1 to 16000000, in decimal digits
            f.yaml:18:21: error: `detail` says nothing
              help: one of `budget`, `entries`, or `detail: exact`"#]],
    );
}

#[test]
fn what_happens_when_nobody_is_left() {
    policies(
        "
  a: {on_all_down: servfial, on_empty: nodata}
  b: {on_all_down: fallback}
  c: {on_all_down: {fallback: []}}
  d: {on_all_down: {fallback: [192.0.2.1, 192.0.2.1, www.example.com]}}
  e: {on_all_down: {fallbak: []}}
  f: {on_empty: static, on_all_down: [ignore-health]}
",
        expect![[r#"
            f.yaml:5:20: error: `on_all_down` cannot be `servfial`
              help: did you mean `servfail`? accepted here: `ignore-health`, `servfail`
            f.yaml:5:40: error: `on_empty` cannot be `nodata`
              help: accepted here: `static`, `servfail`
            f.yaml:6:20: error: `fallback` without addresses
              help: addresses to answer then: `{fallback: [192.0.2.1, "2001:db8::1"]}`
            f.yaml:7:31: error: `fallback` has no address
              help: addresses to answer then: `{fallback: [192.0.2.1, "2001:db8::1"]}`
            f.yaml:8:43: error: `192.0.2.1` is written twice
            f.yaml:8:54: error: `www.example.com` is not an IP address
              help: a name is written as `{cname: name.example.}`, at all PoPs of a service or at none
            f.yaml:9:21: error: `fallbak` is not a key of `on_all_down`
              help: did you mean `fallback`? accepted here: `fallback`
            f.yaml:10:38: error: `on_all_down` is a single value, not a list"#]],
    );
}

#[test]
fn ranks() {
    policies(
        "
  a: {rank: distances}
  b: {rank: latency}
  c: {rank: {}}
  d: {rank: {latncy: {}}}
  e: {rank: {latency: {}}}
  f: {rank: {latency: {rows: {}, margin: 5}}}
  g: {rank: {latency: {rows: [], map: x.csv, max_age: 1s}}}
  h: {rank: {latency: {rows: [{match: {asn: 1}}, {ms: {fra: 1}}, {match: {asn: 1}, ms: {fra: x, lhr: 1}, measured: now}]}}}
  i: {rank: {latency: {rows: [{match: {asn: 1}, ms: {fra: 1}, measured: 1700000000000}], margin: {prefix: 1, region: 2ms}}}}
  j: {rank: {latency: {map: none.csv}}}
",
        expect![[r#"
            f.yaml:5:13: error: `rank` cannot be `distances`
              help: did you mean `distance`? accepted here: `distance`, `order`, `weights`
            f.yaml:6:13: error: `rank: latency` without measurements
              help: say where they are: `rank: {latency: {map: maps/latency.csv}}`
            f.yaml:7:13: error: `rank` says nothing
              help: for example `rank: {latency: {map: maps/latency.csv}}`
            f.yaml:8:14: error: `latncy` is not a key of `rank`
              help: did you mean `latency`? accepted here: `latency`
            f.yaml:9:23: error: `latency` has nothing measured
              help: name a table with `map: maps/latency.csv`, or write `rows`
            f.yaml:10:30: error: `rows` is a list, not a map
              help: for example `{match: {asn: [3320]}, ms: {fra: 12, ams: 18}}`
            f.yaml:10:42: error: `margin` cannot be `5`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            f.yaml:11:30: error: `rows` beside `map`
              help: keep one of the two
            f.yaml:11:55: error: `max_age` cannot be `1s`
              help: accepted: 1m to 3650d
            f.yaml:12:31: error: this row has no `ms`
              help: for example `{match: {asn: [3320]}, ms: {fra: 12, ams: 18}}`
            f.yaml:12:50: error: this row has no `match`
              help: for example `{match: {asn: [3320]}, ms: {fra: 12, ams: 18}}`
            f.yaml:12:94: error: the time of `fra` cannot be `x`
              help: milliseconds, at most three digits after the point and below 10000, for example `12.5`
            f.yaml:12:97: error: PoP `lhr` is not defined
              help: defined: `ams`, `fra`, `iad`
            f.yaml:12:116: error: `measured` cannot be `now`
              help: a date like `2026-11-01`, a time like `2026-11-01T12:30:00Z`, or seconds since 1970
            f.yaml:13:73: error: `measured` cannot be `1700000000000`
              help: seconds since 1970, not milliseconds
            f.yaml:13:107: error: `prefix` cannot be `1`
              help: a time or a distance with its unit, for example `5ms` or `200km`
            f.yaml:14:29: error: `none.csv` cannot be read: no such file"#]],
    );
}

#[test]
fn latency_maps() {
    let fleet = "\
policies:
  measured:
    rank:
      latency:
        map: maps/rtt.csv
        margin: {prefix: 1ms, asn: 100km}
        max_age: 7d
  inline: {extends: measured, rank: {latency: {rows: [{match: {asn: 1}, ms: {fra: 12.5, ams: 18ms}}], margin: 2ms}}}
";
    let table = "\
country,asn,measured,note,fra,AMS,iad
DE,,2026-11-20,,1,2,
,3320,2026-11-10,too old,9,9,9
NL,,1795000000,,,0.5,100
";
    let now = 1_795_305_600; // 2026-11-22
    let text = format!("{POPS}{fleet}").replace("ams", "AMS");
    let loaded = load_with(&[("z/f.yaml", &text)], &[("z/maps/rtt.csv", table)], now);
    expect![[r#"
        z/f.yaml:7:14: warning: 1 of 3 rows are older than 7d, and not used
          help: measure again; where no row is left, distance decides
        z/f.yaml:9:18: warning: `max_age` says nothing of 1 of 1 rows: they have no `measured`
          help: write when each row was measured, as a date or in seconds since 1970"#]]
    .assert_eq(&loaded.diagnostics.to_string());
    let fleet = loaded.fleet.unwrap();
    let Rank::Latency(map) = &policy(&fleet, "measured").rank else { panic!("latency") };
    assert_eq!(map.margin, Margin { prefix: 1000, asn: 1740, region: 30_000 });
    let rows: Vec<_> = map.rows.list().iter().map(|row| (row.origin.line, (*row.effect).clone())).collect();
    let latency =
        |list: &[(&str, u32)]| Effect::Latency(list.iter().map(|(pop, us)| ((*pop).to_owned(), *us)).collect());
    assert_eq!(rows, [(2, latency(&[("fra", 1000), ("AMS", 2000)])), (4, latency(&[("AMS", 500), ("iad", 100_000)]))]);
    let Rank::Latency(map) = &policy(&fleet, "inline").rank else { panic!("latency") };
    assert_eq!(map.margin, Margin { prefix: 2000, asn: 2000, region: 2000 });
    assert_eq!(*map.rows.list()[0].effect, latency(&[("fra", 12_500), ("AMS", 18_000)]));
}

#[test]
fn a_latency_map_grows_old() {
    let text = format!("{POPS}policies: {{m: {{rank: {{latency: {{map: rtt.csv, max_age: 1d}}}}}}}}\n");
    let source = super::Source { path: "f.yaml".into(), text: text.into() };
    let expires = |measured: u64, now: u64| {
        let table = format!("asn,fra,measured\n1,5,{measured}\n2,5,\n");
        let (parsed, _) = super::parse_with(&source, &super::Beside(&[("rtt.csv", &table)]), now);
        parsed.unwrap().expires()
    };
    assert_eq!(expires(1_000_000, 1_000_000), Some(1_086_401));
    assert_eq!(expires(1_000_000, 1_086_400), Some(1_090_000), "looked at once an hour at most");
    assert_eq!(expires(1_000_000, 1_086_401), None);
}

#[test]
fn tables_of_latency() {
    let table = |text: &str, expected: Expect| {
        let fleet = format!("{POPS}policies: {{m: {{rank: {{latency: rtt.csv}}}}}}\n");
        expected.assert_eq(&load_with(&[("f.yaml", &fleet)], &[("rtt.csv", text)], 0).diagnostics.to_string());
    };
    table(
        "",
        expect![[r#"
        f.yaml:3:32: error: `rtt.csv` holds no rows
          help: to do without it, rank by `distance`"#]],
    );
    table(
        "asn,fra\n",
        expect![[r#"
        f.yaml:3:32: error: `rtt.csv` holds no rows
          help: to do without it, rank by `distance`"#]],
    );
    table(
        "fra,ams\n1,2\n",
        expect![[r#"
        rtt.csv:1:1: error: the headings name no column of keys
          help: name at least one of `prefix`, `asn`, `city`, `subdivision`, `country`, `continent`"#]],
    );
    table(
        "asn,measured\n1,2\n",
        expect![[r#"
        rtt.csv:1:1: error: the headings name no PoP
          help: each PoP has a column of its own, in milliseconds"#]],
    );
    table(
        "asn,prefx,fra,fra\n1,,x,1\n,,1\n2,,1,1,1\n3,,12000\n1,,99,\n",
        expect![[r#"
        rtt.csv:1:5: error: PoP `prefx` is not defined
          help: defined: `ams`, `fra`, `iad`
        rtt.csv:1:15: error: `fra` has two columns
          help: keep one of the two
        rtt.csv:2:4: error: the time of `fra` cannot be `x`
          help: milliseconds, at most three digits after the point and below 10000, for example `12.5`
        rtt.csv:3:1: error: this row says nobody it is for
          help: fill one of the columns of keys
        rtt.csv:4:8: error: `1` stands under no heading
          help: several values of one field stand between spaces, not commas
        rtt.csv:5:4: error: the time of `fra` cannot be `12000`
          help: milliseconds, at most three digits after the point and below 10000, for example `12.5`"#]],
    );
    table(
        "prefix,measured,fra\n192.0.2.0/24,soon,1\n192.0.2.0/24,,2\n192.0.2.0/24,,2\n",
        expect![[r#"
        rtt.csv:2:14: error: `measured` cannot be `soon`
          help: a date like `2026-11-01`, a time like `2026-11-01T12:30:00Z`, or seconds since 1970
        rtt.csv:3:1: error: `192.0.2.0/24` has another answer at rtt.csv:2:1
          help: the longest prefix wins, and these are equally long: keep one
        rtt.csv:4:1: error: `192.0.2.0/24` has another answer at rtt.csv:2:1
          help: the longest prefix wins, and these are equally long: keep one"#]],
    );
}

#[test]
fn a_policy_beside_a_service() {
    let text = "\
pops: {fra: {at: [50, 8.6]}, ams: {at: [52.3, 4.8]}, iad: {at: [38.9, -77.4]}, sin: }
policies:
  far: {tiers: [[fra, iad]], bias: {sin: 1ms}}
  none: {tiers: [[sin]], rank: order}
  third: {skip: 2}
services:
  web: {policy: far, pops: {fra: 192.0.2.1, ams: 192.0.2.2}}
  api: {policy: none, pops: {fra: 192.0.2.3}}
  ntp: {policy: third, pops: {fra: 192.0.2.4, ams: 192.0.2.5}}
";
    fleet(
        text,
        expect![[r#"
            f.yaml:7:17: warning: policy `far` names PoPs `iad`, `sin` that service `web` is not at
              help: passed over for this service; first named at f.yaml:3:23
            f.yaml:7:17: warning: PoP `ams` of service `web` is in no tier of policy `far`
              help: what is in no tier never serves: put it into one, if only the last
            f.yaml:8:17: warning: policy `none` names PoP `sin` that service `api` is not at
              help: passed over for this service; first named at f.yaml:4:19
            f.yaml:8:17: error: no PoP of service `api` is in a tier of policy `none`
              help: its PoPs: `fra`
            f.yaml:9:17: warning: `skip` is 2, and service `ntp` has 2 PoPs
              help: the last one serves, as there is no other"#]],
    );
    let zone = "zone: example.com\nns: ns.example.net.\nrecords: {a: {steer: {service: web, skip: 3}}, b: {steer: {service: web, policy: none}}}\n";
    let text = text.replace("policy: none, ", "").replace("policy: far, ", "").replace("policy: third, ", "");
    expect![[r#"
        z.yaml:3:15: warning: `skip` is 3, and service `web` has 2 PoPs
          help: the last one serves, as there is no other
        z.yaml:3:52: warning: policy `none` names PoP `sin` that service `web` is not at
          help: passed over for this service; first named at f.yaml:4:19
        z.yaml:3:52: error: no PoP of service `web` is in a tier of policy `none`
          help: its PoPs: `fra`, `ams`"#]]
    .assert_eq(&load(&[("f.yaml", &text), ("z.yaml", zone)]).diagnostics.to_string());
}
