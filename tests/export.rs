//! `catchment export`: what it writes reads back to the same zone.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

use std::path::Path;
use std::process::Command;

use catchment::dns::rdata;
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::health::Known;
use catchment::reload::{Limits, Loader, Now, Options, Wish};
use catchment::snapshot::Identity;

/// A zone with odd names, long texts and types known only by number.
const ZONE: &str = r#"
zone: a.example
ttl: 5m
soa: {serial: 42, rname: "host\\.master"}
ns: {ttl: 1d, names: [ns1, ns.b.example.]}
records:
  "@": {steer: web, MX: 10 mail, TXT: [v=spf1 -all, '"a \"b\" \\200" "c"'], CAA: '0 issue "ca.example.net; x=y"'}
  ns1: {A: 192.0.2.53, AAAA: "2001:db8::53"}
  mail: {A: {ttl: 1h, values: [192.0.2.25, 192.0.2.26]}}
  "*.w": {CNAME: mail}
  "od\\.d\\007.\\064": {TYPE65400: '\# 2 beef', HINFO: '"" "x y"'}
  svc: {HTTPS: ['0 www', '1 . alpn="f\\\\oo\\,bar,h2" port=8443 key667="\200"'], LOC: 52 N 4 E 0}
  sub: {NS: ns.sub, DS: 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118}
  ns.sub: {A: 192.0.2.99}
  www: {steer: {service: web, policy: failover}}
  flat: {ALIAS: {ttl: 60, values: mail}, TXT: x}
  near: {ALIAS: www}
"#;

const FLEET: &str = "\
pops: {fra: {at: [50.11, 8.68]}, iad: {at: [38.95, -77.45]}}
services: {web: {pops: {fra: [192.0.2.1, \"2001:db8::1\"], iad: [192.0.2.2, \"2001:db8::2\"]}}}
";

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn export(dir: &Path, more: &[&str]) -> (String, String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.arg("export").args(more).current_dir(dir).env_remove("RUST_LOG");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

/// Every record of the zone's model, sorted.
fn records(dir: &Path) -> Vec<String> {
    let mut loader = Loader::forgetful(Options {
        zones: dir.join("zones"),
        geodb: vec![dir.join("geodb")],
        state: None,
        grace: std::time::Duration::from_secs(30),
        identity: Identity::default(),
        limits: Limits::default(),
    });
    let loaded = loader.load(Now { unix: 1_790_000_000, monotonic: 0 }, Wish::default(), &mut |_, _| Known::default());
    assert!(!loaded.findings.diagnostics.has_errors(), "{}", loaded.findings.diagnostics);
    let good = loader.generation.zones.values().next().unwrap().good.clone().unwrap();
    let mut all = vec![format!("{:?} {}", good.model.soa, good.serial)];
    let line = |r: catchment::config::model::Record<'_>| {
        format!("{} {} {} {}", r.owner, r.ttl, r.rtype, rdata::show(r.rtype, r.rdata))
    };
    all.extend(good.model.records.iter().map(line));
    all.sort();
    all
}

#[test]
fn what_is_exported_reads_back_to_the_same_zone() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let mut writer = Writer::new();
    let location = Value::Map(vec![("latitude", Value::Double(48.9)), ("longitude", Value::Double(2.4))]);
    let record = writer.record(&Value::Map(vec![("location", location)]));
    writer.insert_v4(8 << 24, 8, record);
    let database =
        writer.finish(&Metadata { kind: "Test-City".into(), description: "test".into(), build_epoch: 1_780_000_000 });
    for place in [&first, &second] {
        write(&place.join("geodb/city.mmdb"), &database);
    }
    write(&first.join("zones/a.yaml"), ZONE);
    write(&first.join("zones/fleet.yaml"), FLEET);

    let (text, talk, good) = export(&first, &["a.example"]);
    assert!(good && talk.is_empty(), "{talk}");
    assert!(text.contains("; a.example. is steered: service web, policy nearest\n"), "{text}");
    assert!(
        text.contains("; flat.a.example. 60 ALIAS mail.a.example.\n; near.a.example. 300 ALIAS www.a.example.\n"),
        "{text}"
    );
    write(&second.join("zones/a.yaml"), "zone: a.example\nzonefile: db\n");
    write(&second.join("zones/db"), &text);
    assert_eq!(records(&second), records(&first));
    // Once more: the text is its own export, but for what was steered and ALIAS.
    let (again, ..) = export(&second, &["a.example."]);
    let steered =
        |line: &&str| !line.contains("is steered") && !line.contains(" 60 ALIAS ") && !line.contains(" 300 ALIAS ");
    assert_eq!(again.lines().collect::<Vec<_>>(), text.lines().filter(steered).collect::<Vec<_>>());

    let (text, _, good) = export(&first, &["a.example", "--as-of-client", "8.8.8.8"]);
    assert!(good);
    let steered: Vec<_> = text.lines().skip_while(|line| !line.contains("is steered")).collect();
    assert_eq!(
        steered,
        [
            "; a.example. is steered: service web, policy nearest",
            "; decided: fra",
            "a.example. 60 IN A 192.0.2.1",
            "a.example. 60 IN AAAA 2001:db8::1",
            "; www.a.example. is steered: service web, policy failover",
            "; decided: fra",
            "www.a.example. 60 IN A 192.0.2.1",
            "www.a.example. 60 IN AAAA 2001:db8::1",
            "; flat.a.example. 60 ALIAS mail.a.example.",
            "flat.a.example. 60 IN A 192.0.2.25",
            "flat.a.example. 60 IN A 192.0.2.26",
            "; near.a.example. 300 ALIAS www.a.example.",
            "; decided: fra",
            "near.a.example. 60 IN A 192.0.2.1",
            "near.a.example. 60 IN AAAA 2001:db8::1",
        ]
    );
    let (_, talk, good) = export(&first, &["b.example"]);
    assert!(!good);
    assert_eq!(talk, "error: zone `b.example.` is not in zones; zones there: `a.example.`\n");
    write(&second.join("zones/db"), "");
    let (text, talk, good) = export(&second, &["a.example"]);
    assert!(!good && text.is_empty() && talk.contains("`zones/db` holds no records"), "{talk}");
}
