//! The server's own file.

use expect_test::{Expect, expect};

use super::super::Source;
use super::super::schema::Kind;
use super::super::settings::{Cookies, Settings, environment, parse};
use super::schema;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "an Expect is written at the call")]
fn check(text: &str, expected: Expect) {
    let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
    assert_eq!(settings.is_none(), found.has_errors());
    if !found.has_errors() {
        schema::accepts(Kind::Settings, "catchment.yaml", text);
    }
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
                Listen {
                    address: 127.0.0.1:5300,
                    ecs: On,
                },
                Listen {
                    address: [::1]:5300,
                    ecs: On,
                },
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
            cookies: Own,
            tcp: Tcp {
                connections: 1000,
                per_client: 100,
                idle: 10s,
                write: 5s,
            },
            udp: Udp {
                threads: None,
                receive_buffer: 1048576,
                pin: false,
                busy_poll: 0,
            },
            rrl: Rrl {
                mode: LogOnly,
                positive: Some(
                    2000,
                ),
                nodata: Some(
                    500,
                ),
                nxdomain: Some(
                    100,
                ),
                errors: Some(
                    100,
                ),
                slip: 2,
                exempt: [],
                exempt_loopback: true,
            },
            query_log: QueryLog {
                to: Off,
                sample: 1000,
                whole_clients: false,
                only: Only {
                    kinds: [],
                    clients: [],
                    names: [],
                },
            },
            dnstap: Dnstap {
                to: Off,
                sample: 1,
                messages: Both,
                only: Only {
                    kinds: [],
                    clients: [],
                    names: [],
                },
            },
            health: Health {
                remember: 300s,
                canaries: [],
            },
            control: Control {
                socket: InState,
                http: Some(
                    127.0.0.1:8053,
                ),
                tokens: None,
                hosts: [],
                max_database_age: None,
            },
            first_probes: 2s,
            probes: Probes {
                in_flight: None,
                exec: false,
                allow: [],
                authorities: None,
            },
            vanish_grace: 30s,
            watch: Auto,
            max_move: None,
            geodb_expect: Warn,
            fetch: [],
            fetch_every: Some(
                86400s,
            ),
            reach: Reach {
                authorities: None,
                proxy: Environment,
                no_proxy: None,
            },
        }"#]]
    .assert_eq(&format!("{:#?}", Settings::default()).replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn no_database_at_all() {
    let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: "geodb: off\n".into() });
    assert_eq!((found.to_string().as_str(), settings.unwrap().geodb.len()), ("", 0));
}

#[test]
fn everything_written() {
    let text = "\
listen: [\"192.0.2.53:53\", {address: \"[2001:db8::53]:53\", ecs: off}]
zones: /etc/catchment/zones
geodb: [a.mmdb, b]
state: /var/lib/catchment
io: portable
log: {level: debug, format: json}
identity: {name: fra1, nsid: NO, version: off, ede: codes}
cookies: {secrets: [00112233445566778899aabbccddeeff, \"00000000000000000000000000000001\"]}
tcp: {connections: 10, per_client: 2, idle: 1500ms, write: 1m}
udp: {threads: 4, receive_buffer: 4194304, pin: true, busy_poll: 50}
startup: {first_probes: 0}
probes: {in_flight: 1000, exec: true, allow: [169.254.10.0/24, \"fe80::/64\"], authorities: ca.pem}
reload: {vanish_grace: 1m}
";
    let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
    assert_eq!(found.to_string(), "");
    expect![[r#"
        Settings {
            listen: [
                Listen {
                    address: 192.0.2.53:53,
                    ecs: On,
                },
                Listen {
                    address: [2001:db8::53]:53,
                    ecs: Off,
                },
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
            cookies: Shared(2 secrets),
            tcp: Tcp {
                connections: 10,
                per_client: 2,
                idle: 1.5s,
                write: 60s,
            },
            udp: Udp {
                threads: Some(
                    4,
                ),
                receive_buffer: 4194304,
                pin: true,
                busy_poll: 50,
            },
            rrl: Rrl {
                mode: LogOnly,
                positive: Some(
                    2000,
                ),
                nodata: Some(
                    500,
                ),
                nxdomain: Some(
                    100,
                ),
                errors: Some(
                    100,
                ),
                slip: 2,
                exempt: [],
                exempt_loopback: true,
            },
            query_log: QueryLog {
                to: Off,
                sample: 1000,
                whole_clients: false,
                only: Only {
                    kinds: [],
                    clients: [],
                    names: [],
                },
            },
            dnstap: Dnstap {
                to: Off,
                sample: 1,
                messages: Both,
                only: Only {
                    kinds: [],
                    clients: [],
                    names: [],
                },
            },
            health: Health {
                remember: 300s,
                canaries: [],
            },
            control: Control {
                socket: InState,
                http: Some(
                    127.0.0.1:8053,
                ),
                tokens: None,
                hosts: [],
                max_database_age: None,
            },
            first_probes: 0ns,
            probes: Probes {
                in_flight: Some(
                    1000,
                ),
                exec: true,
                allow: [
                    V4 {
                        base: 2851998208,
                        length: 24,
                    },
                    V6 {
                        base: 338288524927261089654018896841347694592,
                        length: 64,
                    },
                ],
                authorities: Some(
                    "ca.pem",
                ),
            },
            vanish_grace: 60s,
            watch: Auto,
            max_move: None,
            geodb_expect: Warn,
            fetch: [],
            fetch_every: Some(
                86400s,
            ),
            reach: Reach {
                authorities: None,
                proxy: Environment,
                no_proxy: None,
            },
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
cluster: {}
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
              help: did you mean `listen`? accepted here: `listen`, `zones`, `geodb`, `state`, `io`, `log`, `identity`, `cookies`, `tcp`, `udp`, `rrl`, `query_log`, `dnstap`, `startup`, `probes`, `reload`, `health`, `control`
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
            catchment.yaml:8:1: error: `cluster` is planned, not in this version
              help: leave it out; accepted here: `listen`, `zones`, `geodb`, `state`, `io`, `log`, `identity`, `cookies`, `tcp`, `udp`, `rrl`, `query_log`, `dnstap`, `startup`, `probes`, `reload`, `health`, `control`"#]],
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
        expect![[r"
        catchment.yaml:1:1: error: `pops` belongs into a file of the zones directory, not into the settings
          help: move it there, for example to `zones/fleet.yaml`"]],
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
        expect![[r"
        catchment.yaml:1:1: error: a file is a map of keys
          help: a zone file begins with `zone: example.com`"]],
    );
}

#[test]
fn cookie_secrets() {
    let read = |text: &str| parse(&Source { path: "catchment.yaml".into(), text: text.into() }).0.map(|s| s.cookies);
    assert_eq!(read("cookies: off\n"), Some(Cookies::Off));
    assert_eq!(read("cookies: {}\n"), Some(Cookies::Own));
    let secret = [0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37, 0xbf, 0xcf];
    // Also where YAML would see a number.
    let text = "cookies: {secrets: [E5E973e5a6b2a43f48e7dc849e37bfcf, 00000000000000000000000000000000]}\n";
    assert_eq!(read(text), Some(Cookies::Shared(vec![secret, [0; 16]])));
    assert_eq!(read("cookies: {secrets: e5e973e5a6b2a43f48e7dc849e37bfcf}\n"), Some(Cookies::Shared(vec![secret])));
}

#[test]
fn mistakes_in_what_the_engine_is_told() {
    check(
        "\
listen: [{ecs: off}, {address: \"127.0.0.1:53\", ecs: maybe}, {address: \"127.0.0.1:53\"}]
cookies: {secrets: [+0000000000000000000000000000001, abc, 00000000000000000000000000000001, 00000000000000000000000000000001]}
tcp: {write: 0}
udp: {receive_buffer: 1M}
",
        expect![[r#"
            catchment.yaml:1:10: error: this item has no `address`
              help: for example `{address: "192.0.2.53:53", ecs: off}`
            catchment.yaml:1:53: error: `ecs` cannot be `maybe`
              help: accepted here: `on`, `off`
            catchment.yaml:1:71: error: `127.0.0.1:53` is written twice
            catchment.yaml:2:21: error: this is not a cookie secret
              help: 32 hexadecimal digits, for example from `openssl rand -hex 16`
            catchment.yaml:2:55: error: this is not a cookie secret
              help: 32 hexadecimal digits, for example from `openssl rand -hex 16`
            catchment.yaml:2:94: error: this secret is written twice
            catchment.yaml:3:14: error: `write` cannot be `0s`
              help: accepted: 100ms to 10m
            catchment.yaml:4:23: error: `receive_buffer` cannot be `1M`
              help: a whole number from 4096 to 1073741824, in decimal digits"#]],
    );
    check(
        "cookies: {secrets: []}\n",
        expect![[r"
        catchment.yaml:1:20: error: `secrets` has none
          help: 32 hexadecimal digits, for example from `openssl rand -hex 16`"]],
    );
    check(
        "cookies: on\nlisten: {address: [x]}\n",
        expect![[r"
        catchment.yaml:1:10: error: `cookies` is a map, not a single value
          help: write `key: value` lines below it, or `{key: value, …}`
        catchment.yaml:2:19: error: `listen` is a single value, not a list"]],
    );
    let long = "n".repeat(129);
    check(
        &format!("identity: {{name: {long}, nsid: {long}}}\n"),
        expect!["catchment.yaml:1:155: error: `nsid` is 129 octets long; at most 128 fit"],
    );
}

#[test]
fn health_and_control() {
    let read = |text: &str| {
        let (settings, found) = parse(&Source { path: "catchment.yaml".into(), text: text.into() });
        assert_eq!(found.to_string(), "");
        settings.unwrap()
    };
    let settings = read(
        "state: s\nhealth: {remember: 1h, canaries: [\"192.0.2.1:443\", \"[2001:db8::1]:53\"]}\ncontrol: {socket: c.sock}\n",
    );
    assert_eq!(settings.health.remember.as_secs(), 3600);
    assert_eq!(
        settings.health.canaries.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.0.2.1:443", "[2001:db8::1]:53"]
    );
    assert_eq!(settings.control_socket(), Some("c.sock".into()));
    assert_eq!(read("state: s\n").control_socket(), Some("s/control.sock".into()));
    assert_eq!(read("control: {socket: off}\n").control_socket(), None);
    check(
        "health: {remember: 2d, canaries: [\"192.0.2.1:443\"]}\ncontrol: {sockt: x, http: y}\n",
        expect![[r#"
            catchment.yaml:1:20: error: `remember` cannot be `2d`
              help: accepted: 0s to 1d
            catchment.yaml:1:34: error: one canary is too few
              help: 2 to 16: one may be down by itself
            catchment.yaml:2:11: error: `sockt` is not a key of `control`
              help: did you mean `socket`? accepted here: `socket`, `http`, `tokens`, `hosts`, `max_database_age`
            catchment.yaml:2:27: error: `y` is not an address with a port
              help: for example `127.0.0.1:8053` or `"[::1]:8053"`; or `off`"#]],
    );
    check(
        "health: {canaries: [192.0.2.1, \"192.0.2.1:443\", \"192.0.2.1:443\"], freeze: 1h}\n",
        expect![[r"
            catchment.yaml:1:21: error: `192.0.2.1` is not an address with a port
              help: addresses and ports that are not yours and nearly always answer, two or more
            catchment.yaml:1:49: error: `192.0.2.1:443` is written twice
            catchment.yaml:1:67: error: `freeze` is planned, not in this version
              help: leave it out; accepted here: `remember`, `canaries`"]],
    );
}

fn environment(variables: &[(&str, &str)]) -> (Option<Settings>, String) {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (settings, found) = environment::apply(Settings::default(), &variables);
    (settings, found.to_string())
}

#[test]
fn variables_win_over_the_file() {
    let source = Source {
        path: "catchment.yaml".into(),
        text: "tcp: {idle: 3s, write: 4s}\nidentity: {name: a, nsid: b}\n".into(),
    };
    let settings = parse(&source).0.unwrap();
    let variables = [
        ("CATCHMENT_TCP_IDLE", "7s"),
        ("CATCHMENT_LISTEN", "127.0.0.1:53, [::1]:53"),
        ("CATCHMENT_GEODB", "off"),
        ("CATCHMENT_IDENTITY_NAME", "NO"),
        ("CATCHMENT_PROBES_EXEC", "true"),
        ("CATCHMENT_COOKIES_SECRETS", "00112233445566778899aabbccddeeff"),
        ("CATCHMENT_PORT", "8080"),
        ("HOME", "/root"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (settings, found) = environment::apply(settings, &variables);
    let settings = settings.unwrap();
    assert_eq!(found.to_string(), "");
    let shown = settings.shown().into_iter().filter(|(key, _)| {
        ["tcp.", "listen", "geodb", "identity.n", "probes.exec", "cookies"].iter().any(|begin| key.starts_with(begin))
    });
    expect![[r#"
        listen = 127.0.0.1:53, [::1]:53
        geodb = off
        geodb.expect = warn
        geodb.fetch = none
        geodb.every = 1d
        geodb.authorities = none
        geodb.proxy = as the environment says
        geodb.no_proxy = as the environment says
        identity.name = NO
        identity.nsid = b
        cookies = on
        cookies.secrets = 1 (not shown)
        tcp.connections = 1000
        tcp.per_client = 100
        tcp.idle = 7s
        tcp.write = 4s
        probes.exec = true
    "#]]
    .assert_eq(&(shown.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join("\n") + "\n"));
}

#[test]
fn variables_that_are_wrong() {
    let (settings, found) = environment(&[
        ("CATCHMENT_TCP_IDEL", "7s"),
        ("CATCHMENT_TCP_IDLE", "soon"),
        ("CATCHMENT_TCP", "{idle: 7s}"),
        ("CATCHMENT_LISTEN", "53"),
    ]);
    assert!(settings.is_none());
    expect![[r#"
        CATCHMENT_TCP_IDEL: error: `CATCHMENT_TCP_IDEL` is not a setting
          help: did you mean `CATCHMENT_TCP_IDLE`?
        CATCHMENT_TCP_IDLE:1:1: error: `idle` cannot be `soon`
          help: seconds as a whole number, or `500ms`, `90s`, `5m`, `1h30m`, `1d`; accepted: 100ms to 10m
        CATCHMENT_TCP: error: `CATCHMENT_TCP` is not a setting
          help: did you mean `CATCHMENT_IO`?
        CATCHMENT_LISTEN:1:1: error: cannot listen on `53`
          help: the address is missing: `"127.0.0.1:53"`, `"[::1]:53"`"#]]
    .assert_eq(&found);
}

/// What is shown is every key there is, in the order of the reference.
#[test]
fn every_setting_is_shown() {
    let shown = Settings::default().shown();
    let paths: Vec<&str> = environment::leaves().iter().map(|leaf| leaf.path).collect();
    assert_eq!(shown.iter().map(|(key, _)| *key).collect::<Vec<_>>(), paths);
}
