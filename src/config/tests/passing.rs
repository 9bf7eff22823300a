//! `rrl`, `query_log` and `dnstap` of the settings.

use expect_test::{Expect, expect};

use super::super::Source;
use super::super::schema::Kind;
use super::super::settings::{DnstapPlace, LogPlace, RrlMode, Settings, parse, shown};
use super::schema;

fn read(text: &str) -> (Option<Settings>, String) {
    let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
    if settings.is_some() {
        schema::accepts(Kind::Settings, "catchment.yaml", text);
    }
    (settings, found.to_string())
}

#[test]
fn everything_written() {
    let (settings, found) = read("\
rrl: {mode: on, positive: off, nodata: 7, nxdomain: 8, errors: 9, slip: 0, exempt: [192.0.2.0/24, \"2001:db8::/32\"], loopback: limited}
query_log: {to: q.json, sample: 1/10, client: full, only: {kind: [fail-open, override], client: 192.0.2.0/24, name: [example.com, a.example.]}}
dnstap: {to: \"unix:/run/tap.sock\", sample: 1/2, messages: responses, only: {kind: error}}
");
    assert_eq!(found, "");
    let settings = settings.unwrap();
    assert_eq!((settings.rrl.mode, settings.rrl.positive, settings.rrl.slip), (RrlMode::On, None, 0));
    assert_eq!(settings.query_log.to, LogPlace::File("q.json".into()));
    assert_eq!(settings.dnstap.to, DnstapPlace::Socket("/run/tap.sock".into()));
    let changed = shown::changed(&Settings::default(), &settings);
    let values: Vec<_> = settings.shown().into_iter().filter(|(key, _)| changed.contains(key)).collect();
    let lines: Vec<_> = values.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    expect![[r#"
        rrl.mode: on
        rrl.positive: off
        rrl.nodata: 7
        rrl.nxdomain: 8
        rrl.errors: 9
        rrl.slip: 0
        rrl.exempt: 192.0.2.0/24, 2001:db8::/32
        rrl.loopback: limited
        query_log.to: q.json
        query_log.sample: 1/10
        query_log.client: full
        query_log.only.kind: fail-open, override
        query_log.only.client: 192.0.2.0/24
        query_log.only.name: example.com., a.example.
        dnstap.to: unix:/run/tap.sock
        dnstap.sample: 1/2
        dnstap.messages: responses
        dnstap.only.kind: error
    "#]]
    .assert_eq(&lines.concat());
    for (word, place) in [
        ("stdout", LogPlace::Stdout),
        ("stderr", LogPlace::Stderr),
        ("off", LogPlace::Off),
        ("./off", LogPlace::File("./off".into())),
    ] {
        assert_eq!(read(&format!("query_log: {{to: {word}}}\n")).0.unwrap().query_log.to, place);
    }
    assert_eq!(read("dnstap: {to: t.fstrm}\n").0.unwrap().dnstap.to, DnstapPlace::File("t.fstrm".into()));
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(text: &str, expected: Expect) {
    let (settings, found) = read(text);
    assert!(settings.is_none());
    expected.assert_eq(&found);
}

#[test]
fn mistakes() {
    check(
        "rrl: {mode: log_only, positive: 0, slip: 11, exempt: 192.0.2.1/24, loopback: no}\n",
        expect![[r#"
        catchment.yaml:1:13: error: `mode` cannot be `log_only`
          help: did you mean `log-only`? accepted here: `off`, `log-only`, `on`
        catchment.yaml:1:33: error: `positive` cannot be `0`
          help: a whole number from 1 to 1000000, in decimal digits
        catchment.yaml:1:42: error: `slip` cannot be `11`
          help: a whole number from 0 to 10, in decimal digits
        catchment.yaml:1:54: error: `exempt` cannot be `192.0.2.1/24`
          help: `192.0.2.1/24` has bits set past its length; did you mean `192.0.2.0/24`?; a block of addresses, for example `192.0.2.0/24`
        catchment.yaml:1:78: error: `loopback` cannot be `no`
          help: accepted here: `exempt`, `limited`"#]],
    );
    check(
        "query_log: {sample: 1000, only: {kind: failopen, name: \"a..b\", client: here}, to: [a]}\n",
        expect![[r#"
            catchment.yaml:1:21: error: `sample` cannot be `1000`
              help: one in so many, from `1/1` (all) to `1/1000000000`
            catchment.yaml:1:40: error: `failopen` is not a kind of answer
              help: did you mean `fail-open`?
            catchment.yaml:1:56: error: `a..b` has an empty label; two dots stand side by side or one stands first
            catchment.yaml:1:72: error: `client` cannot be `here`
              help: `here` is not an IP address; a block of addresses, for example `192.0.2.0/24`
            catchment.yaml:1:83: error: `to` is a single value, not a list"#]],
    );
    check(
        "dnstap: {to: \"unix:\", sample: 1/0, messages: all}\n",
        expect![[r#"
        catchment.yaml:1:14: error: `unix:` has no path
          help: for example `unix:/run/dnstap.sock`
        catchment.yaml:1:31: error: `sample` cannot be `1/0`
          help: one in so many, from `1/1` (all) to `1/1000000000`
        catchment.yaml:1:46: error: `messages` cannot be `all`
          help: accepted here: `queries`, `responses`, `both`"#]],
    );
}
