//! The server's own file.

use expect_test::{Expect, expect};

use super::super::Source;
use super::super::settings::{Settings, parse};

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(text: &str, expected: Expect) {
    let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
    assert_eq!(settings.is_none(), found.has_errors());
    expected.assert_eq(&found.to_string());
}

#[test]
fn nothing_written_is_every_default() {
    for text in ["", "# listen: x\n", "log:\ntcp: {}\n"] {
        let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
        assert_eq!((settings, found.to_string().as_str()), (Some(Settings::default()), ""));
    }
    expect![[r#"
        Settings {
            listen: [
                127.0.0.1:5300,
                [::1]:5300,
            ],
            zones: "zones",
            geodb: [
                "geodb",
            ],
            state: "state",
            io: Native,
            log: Log {
                level: Info,
                format: Text,
            },
            identity: Identity {
                name: None,
                nsid: None,
                version: Some(
                    "catchment VERSION",
                ),
                ede: Text,
            },
            tcp: Tcp {
                connections: 1000,
                per_client: 50,
                idle: 10s,
            },
            udp: Udp {
                threads: None,
            },
            first_probes: 2s,
            vanish_grace: 30s,
        }"#]]
    .assert_eq(&format!("{:#?}", Settings::default()).replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn everything_written() {
    let text = "\
listen: [\"192.0.2.53:53\", \"[2001:db8::53]:53\"]
zones: /etc/catchment/zones
geodb: [a.mmdb, b]
state: /var/lib/catchment
io: portable
log: {level: debug, format: json}
identity: {name: fra1, nsid: NO, version: off, ede: codes}
tcp: {connections: 10, per_client: 2, idle: 1500ms}
udp: {threads: 4}
startup: {first_probes: 0}
reload: {vanish_grace: 1m}
";
    let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
    assert_eq!(found.to_string(), "");
    expect![[r#"
        Settings {
            listen: [
                192.0.2.53:53,
                [2001:db8::53]:53,
            ],
            zones: "/etc/catchment/zones",
            geodb: [
                "a.mmdb",
                "b",
            ],
            state: "/var/lib/catchment",
            io: Portable,
            log: Log {
                level: Debug,
                format: Json,
            },
            identity: Identity {
                name: Some(
                    "fra1",
                ),
                nsid: Some(
                    "NO",
                ),
                version: None,
                ede: Codes,
            },
            tcp: Tcp {
                connections: 10,
                per_client: 2,
                idle: 1.5s,
            },
            udp: Udp {
                threads: Some(
                    4,
                ),
            },
            first_probes: 0ns,
            vanish_grace: 60s,
        }"#]]
    .assert_eq(&format!("{:#?}", settings.unwrap()));
}

#[test]
fn mistakes() {
    check(
        "\
listen: [5300, 127.0.0.1, localhost:53, \"127.0.0.1:53\", \"127.0.0.1:53\"]
lisen: x
io: epoll
log: {level: verbose, fromat: json}
tcp: {connections: 0, idle: 1h}
udp: {threads: many}
startup: 2s
control: {}
",
        expect![[r#"
            catchment.yaml:1:10: error: cannot listen on `5300`
              help: the address is missing: `"127.0.0.1:5300"`, `"[::1]:5300"`
            catchment.yaml:1:16: error: cannot listen on `127.0.0.1`
              help: the port is missing: `"127.0.0.1:53"`
            catchment.yaml:1:27: error: cannot listen on `localhost:53`
              help: an address and a port, in quotes: `"192.0.2.53:53"`, `"[2001:db8::53]:53"`
            catchment.yaml:1:57: error: `127.0.0.1:53` is written twice
            catchment.yaml:2:1: error: `lisen` is not a key of the settings
              help: did you mean `listen`? accepted here: `listen`, `zones`, `geodb`, `state`, `io`, `log`, `identity`, `tcp`, `udp`, `startup`, `reload`
            catchment.yaml:3:5: error: `io` cannot be `epoll`
              help: accepted here: `native`, `portable`
            catchment.yaml:4:14: error: `level` cannot be `verbose`
              help: accepted here: `error`, `warn`, `info`, `debug`, `trace`
            catchment.yaml:4:23: error: `fromat` is not a key of `log`
              help: did you mean `format`? accepted here: `level`, `format`
            catchment.yaml:5:20: error: `connections` cannot be `0`
              help: a whole number from 1 to 1000000, in decimal digits
            catchment.yaml:5:29: error: `idle` cannot be `1h`
              help: accepted: 100ms to 10m
            catchment.yaml:6:16: error: `threads` cannot be `many`
              help: a whole number from 1 to 256, in decimal digits
            catchment.yaml:7:10: error: `startup` is a map, not a single value
              help: write `key: value` lines below it, or `{key: value, …}`
            catchment.yaml:8:1: error: `control` is planned, not in this version
              help: leave it out; accepted here: `listen`, `zones`, `geodb`, `state`, `io`, `log`, `identity`, `tcp`, `udp`, `startup`, `reload`"#]],
    );
    check(
        "listen: []\nzones:\nstate: [a]\n",
        expect![[r#"
        catchment.yaml:1:9: error: `listen` names no address
          help: for example `["127.0.0.1:5300", "[::1]:5300"]`
        catchment.yaml:2:6: error: `zones` has no value
        catchment.yaml:3:8: error: `state` is a single value, not a list"#]],
    );
    check(
        "pops: {}\n",
        expect![[r#"
        catchment.yaml:1:1: error: `pops` belongs into a file of the zones directory, not into the settings
          help: move it there, for example to `zones/fleet.yaml`"#]],
    );
    check(
        "listen: [\n",
        expect![[r#"
            catchment.yaml:1:9: error: `[` is never closed
              help: add the missing `]`
            catchment.yaml:1:9: error: `listen` names no address
              help: for example `["127.0.0.1:5300", "[::1]:5300"]`"#]],
    );
    check(
        "- x\n",
        expect![[r#"
        catchment.yaml:1:1: error: a file is a map of keys
          help: a zone file begins with `zone: example.com`"#]],
    );
}
