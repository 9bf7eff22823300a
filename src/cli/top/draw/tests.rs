//! The screen as text, in terminals of several sizes.

use expect_test::{Expect, expect};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::*;
use crate::cli::client::typed;

fn member(pop: &str, v4: &str, v6: &str, more: &Value) -> Value {
    let mut member = json!({"pop": pop, "v4": v4, "v6": v6, "drained": false, "share": 1000});
    for (key, value) in more.as_object().into_iter().flatten() {
        member[key] = value.clone();
    }
    member
}

fn look(pops: usize, calm: bool) -> Look {
    let well = member("ams", "usable", "usable", &json!({}));
    let mut members = vec![
        member("fra", if calm { "usable" } else { "unusable" }, "absent", &json!({})),
        well.clone(),
        member("iad", if calm { "usable" } else { "suspect" }, "usable", &json!({"drained": !calm, "by": "pop"})),
    ];
    members.extend((0..pops).map(|number| member(&format!("pop{number}"), "usable", "usable", &json!({}))));
    let change = |age_ms: u64, address: &str, to: &str| {
        json!({"age_ms": age_ms, "address": address, "check": "https GET /healthz", "from": "suspect", "to": to,
            "reason": "connection refused"})
    };
    let alarms = json!([{"service": "web", "what": "fail-open", "words": "no usable PoP for some clients"}]);
    let stale = json!([{"zone": "example.com.", "file": "zones/example.com.yaml",
        "why": "zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 address", "more": 2}]);
    let none = json!([]);
    let some = |value: &Value| if calm { none.clone() } else { value.clone() };
    let status = json!({
        "version": "0.1.0", "pid": 1, "started": "2026-11-22T18:00:00Z", "uptime_seconds": 273_600, "generation": 12,
        "epoch": 40, "scopes_complete": true, "zones": {"loaded": 3, "not_loaded": [], "stale": some(&stale)},
        "databases": [], "memory": {"live_octets": 1}, "targets": {"all": 3, "unknown": 0, "up": 3, "suspect": 0, "down": 0,
            "recovering": 0},
        "probing": {"in_flight": 0, "limit": 256, "lag_ms": 0}, "guard": {"phase": "off", "canaries": []},
        "alarms": some(&alarms), "overrides": []
    });
    let health = json!({
        "at": "2026-11-22T18:00:00Z", "generation": 12, "epoch": 40, "guard": {"phase": "off", "canaries": []},
        "alarms": some(&alarms), "targets": [], "overrides": [],
        "transitions": some(&json!([change(3500, "127.0.0.10:8443", "down"), change(70_000, "[::1]:8443", "up")])),
        "services": [{"service": "web", "pops": members}, {"service": "a-service-of-a-long-name", "pops": [well]}]
    });
    let traffic = json!({
        "at_ms": 0, "transports": [], "answers": [], "served": [], "connections_open": 12, "respond_count": 0,
        "respond_nanoseconds": 0, "samples": 4000,
        "hottest": [{"name": "www.example.com.", "rtype": "A", "count": 2600},
            {"name": "a.very.long.name.that.needs.more.than.the.room.there.is.example.com.", "rtype": "AAAA", "count": 12}]
    });
    Look { status: typed(&status).unwrap(), health: typed(&health).unwrap(), traffic: typed(&traffic).unwrap() }
}

fn rates(calm: bool) -> Rates {
    let served =
        [("web", "fra", 1200.0, 0.0), ("web", "ams", 800.0, 80.0), ("web", "iad", 0.4, 0.4), ("web", "", 3.0, 3.0)];
    let served = served.map(|(service, pop, rate, away)| ((service.to_owned(), pop.to_owned()), (rate, away)));
    let pair = |name: &str, rate| (name.to_owned(), rate);
    Rates {
        answers: 2345.0,
        transports: vec![pair("udp", 2300.0), pair("tcp", 45.0)],
        rcodes: vec![pair("NOERROR", 2230.0), pair("NXDOMAIN", 112.0), pair("SERVFAIL", 3.0), pair("REFUSED", 0.0)],
        drops: if calm { Vec::new() } else { vec![pair("short", 2.0), pair("overflow", 130.0)] },
        truncated: if calm { 0.0 } else { 1.5 },
        served: served.into(),
        microseconds: Some(1.24),
    }
}

#[track_caller]
fn check((width, height): (u16, u16), screen: &mut Screen, look: &Look, rates: &Rates, expected: &Expect) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame, look, rates)).unwrap();
    for cell in &terminal.backend().buffer().content {
        assert!(screen.color || (cell.fg, cell.bg) == (Color::Reset, Color::Reset));
    }
    expected.assert_eq(&super::super::text(terminal.backend().buffer()));
}

#[test]
fn a_small_terminal() {
    let mut screen = Screen::new(Sort::Share, false);
    check(
        (80, 24),
        &mut screen,
        &look(0, true),
        &rates(true),
        &expect![[r"
        catchment 0.1.0  up 3d4h  generation 12, epoch 40  3 zones  2026-11-22T18:00:00Z
           2,345 answers/s  udp 2,300  tcp 45  12 TCP open  1.2 µs each
                 NOERROR 95.1 %  NXDOMAIN 4.8 %  SERVFAIL 0.1 %
               0 drops/s

        SERVICE         POP     A         AAAA      ANSWERS/S   SHARE    AWAY   OPERATOR
        web             fra     usable    -             1,200  59.9 %   0.0 %
        web             ams     usable    usable          800  39.9 %  10.0 %
        web             (none)  -         -               3.0   0.1 %   100 %
        web             iad     usable    usable          0.4   0.0 %   100 %
        a-service-of-…  ams     usable    usable            0   0.0 %









        LAST CHANGES OF TARGETS                  HOTTEST NAMES
        nothing is probed                         1,524/s www.example.com.         A
                                                    7.0/s a.very.long.name.that.n… AAAA
        q end   s sort: share    ↑↓ scroll   h help
    "]],
    );
    check(
        (80, 24),
        &mut screen,
        &look(20, false),
        &rates(false),
        &expect![[r"
        catchment 0.1.0  up 3d4h  generation 12, epoch 40  3 zones  2026-11-22T18:00:00Z
        FAIL-OPEN web: no usable PoP for some clients
        STALE example.com.: zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 ad
           2,345 answers/s  udp 2,300  tcp 45  12 TCP open  1.2 µs each
                 NOERROR 95.1 %  NXDOMAIN 4.8 %  SERVFAIL 0.1 %  truncated 1.5
             132 drops/s    short 2.0  overflow 130

        SERVICE         POP     A         AAAA      ANSWERS/S   SHARE    AWAY   OPERATOR
        web             fra     unusable  -             1,200  59.9 %   0.0 %
        web             ams     usable    usable          800  39.9 %  10.0 %
        web             (none)  -         -               3.0   0.1 %   100 %
        web             iad     suspect   usable          0.4   0.0 %   100 %   drained
        web             pop0    usable    usable            0   0.0 %
        web             pop1    usable    usable            0   0.0 %
        web             pop2    usable    usable            0   0.0 %
        web             pop3    usable    usable            0   0.0 %
        web             pop4    usable    usable            0   0.0 %
        web             pop5    usable    usable            0   0.0 %
        … 15 more PoPs

        LAST CHANGES OF TARGETS                  HOTTEST NAMES
          3.5s down 127.0.0.10:8443 https GET /   1,524/s www.example.com.         A
         1m10s up [::1]:8443 https GET /healthz     7.0/s a.very.long.name.that.n… AAAA
        q end   s sort: share    ↑↓ scroll   h help
    "]],
    );
    screen.sort = Sort::Health;
    screen.help = true;
    check(
        (80, 24),
        &mut screen,
        &look(20, false),
        &rates(false),
        &expect![[r"
        catchment 0.1.0  up 3d4h  generation 12, epoch 40  3 zones  2026-11-22T18:00:00Z
        FAIL-OPEN web: no usable PoP for some clients
        STALE example.com.: zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 ad
           2,345 answers/s  udp 2,300  tcp 45  12 TCP open  1.2 µs each
                 NOERROR 95.1 %  NXDOMAIN 4.8 %  SERVFAIL 0.1 %  truncated 1.5
         HELP
          q, Esc   end
          s        sort by share, name or health
          ↑ ↓      scroll PoPs
          h        this help

          ANSWERS/S  answers that sent clients to the PoP, in a second
          SHARE      of all answers of the service
          AWAY       of its own: to clients that another PoP is home to
          A, AAAA    usable, suspect, unusable, or - without an address

          HOTTEST is of one message in 512, drawn at random; what is half a
          minute old counts half.


        LAST CHANGES OF TARGETS                  HOTTEST NAMES
          3.5s down 127.0.0.10:8443 https GET /   1,524/s www.example.com.         A
         1m10s up [::1]:8443 https GET /healthz     7.0/s a.very.long.name.that.n… AAAA
        q end   s sort: health   ↑↓ scroll   h help
    "]],
    );
    check(
        (80, 24),
        &mut Screen::new(Sort::Name, false),
        &look(20, false),
        &Rates::default(),
        &expect![[r"
        catchment 0.1.0  up 3d4h  generation 12, epoch 40  3 zones  2026-11-22T18:00:00Z
        FAIL-OPEN web: no usable PoP for some clients
        STALE example.com.: zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 ad
               0 answers/s    12 TCP open

               0 drops/s

        SERVICE         POP    A         AAAA      ANSWERS/S   SHARE    AWAY   OPERATOR
        web             fra    unusable  -                 0   0.0 %
        web             ams    usable    usable            0   0.0 %
        web             iad    suspect   usable            0   0.0 %           drained
        web             pop0   usable    usable            0   0.0 %
        web             pop1   usable    usable            0   0.0 %
        web             pop2   usable    usable            0   0.0 %
        web             pop3   usable    usable            0   0.0 %
        web             pop4   usable    usable            0   0.0 %
        web             pop5   usable    usable            0   0.0 %
        web             pop6   usable    usable            0   0.0 %
        … 14 more PoPs

        LAST CHANGES OF TARGETS                  HOTTEST NAMES
          3.5s down 127.0.0.10:8443 https GET /       0/s www.example.com.         A
         1m10s up [::1]:8443 https GET /healthz       0/s a.very.long.name.that.n… AAAA
        q end   s sort: name     ↑↓ scroll   h help
    "]],
    );
}

#[test]
fn a_large_terminal() {
    let mut screen = Screen::new(Sort::Name, true);
    screen.lost = Some("no server answers at state/control.sock".to_owned());
    check(
        (150, 40),
        &mut screen,
        &look(4, false),
        &rates(false),
        &expect![[r"
        catchment 0.1.0  up 3d4h  generation 12, epoch 40  3 zones                                                                        2026-11-22T18:00:00Z
        NO ANSWER since 2026-11-22T18:00:00Z: no server answers at state/control.sock
        FAIL-OPEN web: no usable PoP for some clients
        STALE example.com.: zones/example.com.yaml:14:9: `192.0.2.300` is not an IPv4 address
           2,345 answers/s  udp 2,300  tcp 45  12 TCP open  1.2 µs each
                 NOERROR 95.1 %  NXDOMAIN 4.8 %  SERVFAIL 0.1 %  truncated 1.5
             132 drops/s    short 2.0  overflow 130

        SERVICE         POP     A         AAAA      ANSWERS/S   SHARE    AWAY                                 OPERATOR
        web             fra     unusable  -             1,200  59.9 %   0.0 %  ██████████████████
        web             ams     usable    usable          800  39.9 %  10.0 %  ████████████
        web             iad     suspect   usable          0.4   0.0 %   100 %                                 drained (pop)
        web             pop0    usable    usable            0   0.0 %
        web             pop1    usable    usable            0   0.0 %
        web             pop2    usable    usable            0   0.0 %
        web             pop3    usable    usable            0   0.0 %
        web             (none)  -         -               3.0   0.1 %   100 %
        a-service-of-…  ams     usable    usable            0   0.0 %


















        LAST CHANGES OF TARGETS                                                     HOTTEST NAMES
          3.5s down 127.0.0.10:8443 https GET /healthz: connection refused          65.0 %   1,524/s www.example.com.                                   A
         1m10s up [::1]:8443 https GET /healthz: connection refused                  0.3 %     7.0/s a.very.long.name.that.needs.more.than.the.room.th… AAAA
        q end   s sort: name     ↑↓ scroll   h help
    "]],
    );
    // Scrolled beyond the end, it stays at the end.
    screen.skip = usize::MAX;
    check(
        (80, 12),
        &mut screen,
        &look(4, false),
        &rates(false),
        &expect![[r"
        catchment 0.1.0  up 3d4h  generation 12, epoch 40  3 zones  2026-11-22T18:00:00Z
        NO ANSWER since 2026-11-22T18:00:00Z: no server answers at state/control.sock
           2,345 answers/s  udp 2,300  tcp 45  12 TCP open  1.2 µs each
        SERVICE         POP     A         AAAA      ANSWERS/S   SHARE    AWAY   OPERATOR
        web             pop3    usable    usable            0   0.0 %
        web             (none)  -         -               3.0   0.1 %   100 %
        a-service-of-…  ams     usable    usable            0   0.0 %

        LAST CHANGES OF TARGETS                  HOTTEST NAMES
          3.5s down 127.0.0.10:8443 https GET /   1,524/s www.example.com.         A
         1m10s up [::1]:8443 https GET /healthz     7.0/s a.very.long.name.that.n… AAAA
        q end   s sort: name     ↑↓ scroll   h help
    "]],
    );
}

#[test]
fn no_terminal_is_too_small() {
    for size in [(1, 1), (20, 5), (79, 3), (3, 80)] {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        let mut screen = Screen { help: true, ..Screen::new(Sort::Share, true) };
        terminal.draw(|frame| screen.draw(frame, &look(9, false), &rates(false))).unwrap();
    }
}
