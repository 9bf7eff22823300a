//! `catchment evaluate` over a world small enough to count by hand: its text, its counts against naive ones, and policies that
//! are wrong on purpose.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod command;
mod naive;
mod rtt;
mod world;

use std::sync::Arc;

use catchment::evaluate::{Asked, Report, fleet, measure};
use catchment::geo::Country;
use catchment::live::MapId;
use catchment::snapshot::Snapshot;
use catchment::steering::{Effect, Match, Origin, Policy, Rule, Rules};
use expect_test::expect;

/// Evaluates a policy over the small world.
fn evaluated(policy: Policy) -> Report {
    with(&snapshot(policy), |asked| measure(asked, 1, &mut |_| {}))
}

fn snapshot(policy: Policy) -> Snapshot {
    fleet::snapshot(fleet::read(world::POPS).unwrap(), policy, &world::sites()).unwrap()
}

fn with<T>(snapshot: &Snapshot, then: impl FnOnce(&Asked<'_>) -> T) -> T {
    let live = snapshot.live();
    then(&Asked::new(snapshot, &live.maps[0], MapId(0)).unwrap())
}

fn nearest() -> Policy {
    Policy::built_in("nearest").unwrap()
}

#[test]
fn the_whole_report() {
    expect![[r"
        policy nearest, 6 PoPs

        Clients who are sent to the nearest PoP
          weighed by    whole address  farther by km: mean  max  /24 or /56  farther by km: mean   p95   p99   max  nearest PoP, mean km
          /24s                  100 %                    0    0    94.831 %                  128   634  4298  4585                   932
          people                100 %                    0    0    95.160 %                  182     0  4298  4585                  1418
          IPv4 records          100 %                    0    0    80.000 %                  522  4585  4585  4585                  1240
          IPv6 records          100 %                    0    0    75.000 %                 1310  5238  5238  5238                  1608

        Entries in a resolver's cache
          clients that asked  IPv4  IPv6
          11 and 257             7     2
          everybody             72   116
          live ranges           15     7

        Failures
          down                    tried  hurt clients at the nearest left  max km beyond  others who moved  same after return
          each PoP alone              6                             100 %              0                 0             6 of 6
          each with its neighbor      4                             100 %              0                 0             4 of 4
          all of a country            1                             100 %              0                 0             1 of 1

        Decided again
          how                                                   result
          site by site, on one thread                    0 of 7 differ
          after a restart from the cache   the same answers and scopes
          fingerprint, for other machines             2395e3f44075b53c
    "]].assert_eq(&evaluated(nearest()).text());
}

#[test]
fn as_markdown() {
    let text = evaluated(nearest()).markdown();
    let first: Vec<&str> = text.lines().take(6).collect();
    expect![[r"
        **Clients who are sent to the nearest PoP**

        | weighed by | whole address | farther by km: mean | max | /24 or /56 | farther by km: mean | p95 | p99 | max | nearest PoP, mean km |
        |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
        | /24s | 100 % | 0 | 0 | 94.831 % | 128 | 634 | 4298 | 4585 | 932 |
        | people | 100 % | 0 | 0 | 95.160 % | 182 | 0 | 4298 | 4585 | 1418 |"]].assert_eq(&first.join("\n"));
}

/// A rule that sends a country away, or an order without geography, is not hidden by anything.
#[test]
fn what_is_wrong_on_purpose_is_found() {
    let rule = Rule {
        class: Match::Country(vec![Country::new("US").unwrap()]),
        effect: Arc::new(Effect::Order(vec!["sin".to_owned()])),
        origin: Origin { file: "test".into(), line: 1 },
    };
    let mut ruled = evaluated(Policy { rules: Rules::new(vec![rule]), ..nearest() });
    // Of IPv4 two /24s and one address are Boston's.
    let space = &mut ruled.nearest.exact.space;
    assert_eq!((space.all, space.right), (2496.0, 2496.0 - 513.0));
    let excess = space.excess();
    assert!((14_000.0..16_000.0).contains(&excess.max), "{excess:?}: from Boston to Singapore instead of Washington");
    assert!((excess.mean - excess.max * 513.0 / 2496.0).abs() < 1.0 && excess.p95 > 14_000.0, "{excess:?}");
    assert!(ruled.nearest.exact.people.share() < 0.99 && ruled.nearest.exact.v6_records.share() < 1.0);
    // Whatever the policy, a failure moves nobody else.
    assert!(ruled.failures.iter().all(|outcome| outcome.moved == 0 && outcome.changed_by_return == 0));

    let mut ordered = evaluated(Policy::built_in("failover").unwrap());
    assert!(ordered.nearest.exact.space.share() < 0.7);
    assert!(ordered.failures.iter().any(|outcome| outcome.right < outcome.hurt && outcome.max_km > 4_000.0));
    assert!(ordered.text().contains("policy failover"));
}

/// Who shares clients by weight, or stands second in answers, concerns them when it fails: they have not moved without need.
#[test]
fn who_is_dealt_is_not_called_nearest_nor_moved() {
    let mut dealt = evaluated(Policy::built_in("weighted").unwrap());
    assert_eq!((dealt.nearest.exact.space.right, dealt.nearest.exact.space.elsewhere), (0.0, 2496.0));
    assert!(dealt.text().contains("100 % of the clients are dealt among several PoPs by weight, or told none"));
    let two = evaluated(Policy { count: 2, ..nearest() });
    assert!(two.nearest.exact.space.share() >= 1.0);
    for report in [dealt, two] {
        assert!(report.failures.iter().all(|outcome| outcome.moved == 0), "{:?}", report.failures);
    }
}

#[test]
fn the_same_files_have_the_same_fingerprint() {
    let fingerprint = |policy| evaluated(policy).same.fingerprint;
    assert_eq!(fingerprint(nearest()), fingerprint(nearest()));
    assert_ne!(fingerprint(nearest()), fingerprint(Policy::built_in("failover").unwrap()));
}

#[test]
fn lists_that_are_none_are_told_by_line() {
    let check = |text: &str, expected: &str| assert_eq!(fleet::read(text).unwrap_err().to_string(), expected);
    let tail = "; a line is name, latitude, longitude and country, with tabs between them";
    check("fra\t50.1\n", &format!("line 1: latitude or longitude is not a number of degrees{tail}"));
    check("# PoPs\nfra\t50.1\t8.7\tDE\nfra\t1\t1\n", &format!("line 3: the name is there twice{tail}"));
    check("\t50.1\t8.7\n", &format!("line 1: the name is missing{tail}"));
    check("ber\t152.5\t13.4\n", &format!("line 1: latitude or longitude is not a number of degrees{tail}"));
    check("# nothing\n", "it has 0 PoPs; 1 to 10000 are possible");
    let pops = fleet::read("fra\t50.1\t8.7\tDE\tFrankfurt\nber\t52\t13\tGermany\nus-1\t39\t-77\t??\n").unwrap();
    let countries: Vec<_> = pops.iter().map(|pop| pop.country).collect();
    assert_eq!(countries, [Country::new("DE"), Country::new("DE"), None]);
}
