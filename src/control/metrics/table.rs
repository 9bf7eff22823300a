//! What every metric is called, counts, and is labeled with: the source of `docs/metrics.md`.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A family of metrics.
#[derive(Debug)]
pub(in super::super) struct Family {
    /// Without unit and suffix.
    pub(super) stem: &'static str,
    pub(super) kind: MetricType,
    pub(super) unit: Option<Unit>,
    pub(super) labels: &'static [&'static str],
    /// Without a final period.
    pub(super) help: &'static str,
}

impl Family {
    /// As it stands in the exposition; of a histogram without the suffixes of its parts.
    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        let unit = self.unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => "",
        };
        format!("{}{unit}{suffix}", self.stem)
    }
}

macro_rules! families {
    ($($name:ident: $kind:ident $stem:literal $(in $unit:ident)? $([$($label:literal),*])? $help:literal;)*) => {
        $(pub(super) static $name: Family = Family {
            stem: $stem,
            kind: MetricType::$kind,
            unit: { let unit: Option<Unit> = None; $(let _ = unit; let unit = Some(Unit::$unit);)? unit },
            labels: &[$($($label),*)?],
            help: $help,
        };)*
        /// All of them, in the order they are shown.
        pub(super) static ALL: &[&Family] = &[$(&$name),*];
    };
}

families! {
    BUILD: Gauge "catchment_build_info" ["version"] "1; the version as a label";
    RECEIVED: Counter "catchment_received_messages" ["transport"] "Messages read whole from sockets";
    QUERIES: Counter "catchment_queries" ["transport", "zone", "kind", "rcode"]
        "Answers made: by zone (empty outside all zones, `(others)` beyond the first 1,000 zones), sort of answer, and RCODE";
    STEERED: Counter "catchment_steered_answers" ["service", "pop", "reason"]
        "Answers that steering decided: by service, by the PoP clients were sent to (empty when none), and why";
    DROPPED: Counter "catchment_dropped_messages" ["transport", "cause"] "Messages that get no answer";
    PANICS: Counter "catchment_engine_panics" ["transport"] "Messages over which the engine panicked: a defect; please report it";
    SENT: Counter "catchment_sent_answers" ["transport"] "Answers handed to the kernel";
    UNSENT: Counter "catchment_unsent_answers" ["transport"] "Answers that could not be handed to the kernel";
    TRUNCATED: Counter "catchment_truncated_answers" ["transport"] "Answers that did not fit and went without records (TC)";
    OVERFLOWED: Counter "catchment_overflowed_messages" ["transport"]
        "Datagrams that the kernel dropped because the receive buffer of a socket was full; looked at once a second";
    RECEIVE_ERRORS: Counter "catchment_receive_errors" ["transport"] "Errors of receiving or accepting";
    RESPOND: Histogram "catchment_respond_duration" in Seconds
        "How long answers took to make, from octets to octets; taken of one message in 512";
    SUBNETS: Counter "catchment_client_subnet_queries" ["decided"]
        "Queries with a client subnet (ECS), by whether it decided the answer";
    SCOPES: Histogram "catchment_client_subnet_scope"
        "Scope prefix lengths returned, of answers that the client subnet decided";
    COOKIES: Counter "catchment_cookie_queries" ["cookie"]
        "Queries with a cookie: `valid` is one of ours, `new` anything else that is well formed";
    LIMITED: Counter "catchment_rate_limited_answers" ["class", "result"]
        "UDP answers over the rate limit of their network (RRL), by class and by what became of them";
    JOURNALED: Counter "catchment_journaled" ["output", "result"]
        "Lines of the query log and frames of dnstap, by what became of them; of what was `dropped`, answers";
    ACCEPTED: Counter "catchment_tcp_connections_accepted" "TCP connections accepted";
    CLOSED: Counter "catchment_tcp_connections_closed" ["reason"] "TCP connections ended";
    OPEN: Gauge "catchment_tcp_connections_open" "TCP connections open now";

    TARGETS: Gauge "catchment_targets" ["state"] "Targets of probes, by state";
    TARGET_STATE: Gauge "catchment_target_state" ["address", "check"]
        "State of a target: 0 unknown, 1 up, 2 suspect, 3 down, 4 recovering; the first 2,000 targets have series of their own";
    TRANSITIONS: Counter "catchment_target_transitions" ["address", "check"] "Changes of state of a target";
    PROBES: Counter "catchment_probes" ["address", "check", "verdict"]
        "Probes of a target, by how they ended; `unable`: not made, for a reason on this side";
    PROBE_LATENCY: Gauge "catchment_probe_latency" in Seconds ["address", "check", "quantile"]
        "How long good probes of a target took, of the last 128";
    OLDEST_RESULT: Gauge "catchment_oldest_result_age" in Seconds "Age of the oldest last result of any target";
    PROBES_IN_FLIGHT: Gauge "catchment_probes_in_flight" "Probes under way";
    PROBES_LIMIT: Gauge "catchment_probes_limit" "Most probes that may be under way";
    PROBE_LAG: Gauge "catchment_probe_lag" in Seconds "How long the probe that waits longest has been due";
    USABLE: Gauge "catchment_pop_usable" ["service", "pop", "family"]
        "1 when clients may be sent to the service at the PoP, 0 when not; absent where it has no address of the family";
    DRAINED: Gauge "catchment_pop_drained" ["service", "pop"] "1 when drained, by file or by order";
    ALARM: Gauge "catchment_service_alarm" ["service", "alarm"]
        "1 while clients of the service are answered with health ignored (`panic`, `fail-open`)";
    GUARD: Gauge "catchment_health_frozen"
        "1 while answers go by health of before, as this node seems cut off; 0.5 while that ends";
    OVERRIDES: Gauge "catchment_overrides" ["word"] "Orders of operators that hold";

    READY: Gauge "catchment_ready" "1 when `/readyz` says so";
    GENERATION: Gauge "catchment_generation" "The state of the files that serves; counts from 1 with each start";
    EPOCH: Gauge "catchment_epoch" "The state of health that serves; counts from 1 with each generation";
    EPOCHS: Counter "catchment_epochs" "Changes of health that changed answers";
    SCOPES_COMPLETE: Gauge "catchment_scopes_complete" "1 when the exact scopes of this epoch are built";
    RELOADS: Counter "catchment_reloads" ["result"]
        "Looks at changed files: `taken` made a new generation, `refused` found new errors, so that something serves as before";
    LAST_RELOAD: Gauge "catchment_last_reload_timestamp" in Seconds ["result"] "When the last such look was, since 1970; 0: never";
    ZONES: Gauge "catchment_zones" ["state"]
        "Zones: `loaded`, `not-loaded` (SERVFAIL), and `stale` of the loaded ones: served otherwise than their files say";
    DATABASE_BUILT: Gauge "catchment_database_build_timestamp" in Seconds ["path", "kind"] "When a database in use was built, since 1970";
    FETCHES: Counter "catchment_database_fetches" ["file", "result"]
        "Looks at the providers of databases: `replaced`, `unchanged`, `failed`";
    FETCHED: Gauge "catchment_database_fetch_timestamp" in Seconds ["file"]
        "When a database was last known to be what its provider has, since 1970; 0: never";
    MAP_MEMORY: Gauge "catchment_map_memory" in Bytes ["policy", "service", "part"]
        "Memory of the maps, under the first of those that share one: `static` (every site's home), `live`";
    MAP_RANGES: Gauge "catchment_map_ranges" ["policy", "service", "family"] "Live ranges of a map";
    SITES_MEMORY: Gauge "catchment_sites_memory" in Bytes ["part"] "The site table: `mapped` from its file, and on the `heap`";

    CPU: Counter "process_cpu" in Seconds "Time on processors, user and system";
    RESIDENT: Gauge "process_resident_memory" in Bytes "Resident memory";
    VIRTUAL: Gauge "process_virtual_memory" in Bytes "Virtual memory";
    FDS: Gauge "process_open_fds" "Open descriptors";
    MAX_FDS: Gauge "process_max_fds" "Most descriptors that may be open";
    THREADS: Gauge "process_threads" "Threads";
    STARTED: Gauge "process_start_time" in Seconds "When the process started, since 1970";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::{self, Write};

    use super::*;

    /// The page of the documentation.
    fn page() -> Result<String, fmt::Error> {
        let mut out = String::from(HEAD);
        for family in ALL {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                family.name(),
                family.kind.as_str(),
                labels.join(" "),
                family.help
            )?;
        }
        out.push_str(TAIL);
        Ok(out)
    }

    const HEAD: &str = "\
# Metrics

`GET /metrics`, on `control: {http: …}` (by default `http://127.0.0.1:8053/metrics`) and on the control socket, in the OpenMetrics
text format. `examples/monitoring` has a scrape configuration, alert rules and a dashboard; [operations](operations.md) says what to do
about each alert. This page is generated from the code, and a test holds it.

| metric | type | labels | what it is |
|---|---|---|---|
";

    const TAIL: &str = "
## What adds up

When no message is under way, for each `transport`:

- `catchment_received_messages` = Σ `catchment_queries` + Σ `catchment_dropped_messages` + `catchment_engine_panics`: every message has one end;
- Σ `catchment_queries` = `catchment_sent_answers` + `catchment_unsent_answers`;
- `catchment_dropped_messages` with cause `rate` over `udp` = Σ `catchment_rate_limited_answers` with result `dropped`. What slipped or
  would have been limited is among the answers: an answer that slipped as BADCOOKIE under kind `error`, one with TC as what it was.

Over all transports:

- Σ `catchment_steered_answers` of a reason from `home` to `override` = Σ `catchment_queries` of that `kind`, but for names behind a CNAME of
  a steered service, which count under what is at the end of the chain; reason `servfail` is part of kind `error`;
- `catchment_tcp_connections_accepted` = `catchment_tcp_connections_open` + Σ `catchment_tcp_connections_closed`;
- Σ `catchment_targets` is the number of targets.

A query counts under the zone of its answer (the last of a chain). A steered answer with several PoPs counts under the first.

## Values of labels

- `kind`: `static`, `home` (steered to the best PoP), `away` (to a substitute: a failure, a tier, a rule), `panic` and `fail-open` (health ignored),
  `fallback` (the policy's addresses), `on-empty` (what is written at the name), `override` (to a substitute, as the operator has drained
  the best PoP, or forced it down), `referral`, `nodata`, `nxdomain`, `identity` (CHAOS), `cookie`
  (no question), `refused`, `error`.
- `reason`: `home` to `override` as above, and `servfail`: nobody may serve.
- `rcode`: `NOERROR`, `NXDOMAIN` and so on; a number where there is no name; `24+` for all from 24.
- `cause`: `short` (under 12 octets), `response` (QR set), `long` (over 4,096 octets), `source` (port 0), `rate` (over the rate limit).
- `class` of a rate limit: `positive`, `nodata` (and referrals), `nxdomain`, `error`; `result`: `dropped`, `slipped` (TC or BADCOOKIE was sent), and
  with `rrl: {mode: log-only}` `would-drop` and `would-slip`.
- `output`: `query-log`, `dnstap`; `result`: `written`, `dropped` (no room to wait: the output is too slow), `lost` (nobody reads the socket, the
  disk is full).
- `reason` of a closed connection: `client`, `idle`, `evicted` (for a newcomer), `slow` (does not read), `failed`, `drained` (stop).

## Bounds

Zones beyond the first 1,000, and services at PoPs beyond 4,096, are counted together under `(others)`; targets beyond 2,000 are in the
sums only. Counting takes no lock and no allocation per query and no memory that threads share; over UDP it costs
some 13 instructions of an answer, 24 where a map decides, 32 with a client subnet too: less than 2 %, 2.2 % of REFUSED (`.ci/full.d/11-counting`). Counters begin at 0 with the process, and go on over reloads.
";

    #[test]
    fn the_page_of_the_documentation() {
        expect_test::expect_file!["../../../docs/metrics.md"].assert_eq(&page().unwrap());
    }

    #[test]
    fn names_are_as_prometheus_asks() {
        let mut seen = HashSet::new();
        for family in ALL {
            let name = family.name();
            assert!(seen.insert(name.clone()), "{name}");
            assert!(name.starts_with("catchment_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(!family.help.ends_with('.') && !family.help.is_empty(), "{name}");
            // The library adds them.
            assert!(!family.stem.ends_with("_total") && !family.stem.ends_with("_seconds"), "{name}");
        }
    }
}
