//! Two looks at counters → what happens in a second.

use std::collections::BTreeMap;

use crate::control::wire::Traffic;

/// What happens in a second, between two looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Answers, in all.
    pub(super) answers: f64,
    /// Answers by transport.
    pub(super) transports: Vec<(String, f64)>,
    /// Answers by RCODE, the most first.
    pub(super) rcodes: Vec<(String, f64)>,
    /// Messages without an answer, by cause; only those that happen. `overflow`: dropped by the kernel; `unsent`: could not be
    /// sent.
    pub(super) drops: Vec<(String, f64)>,
    /// Answers that did not fit.
    pub(super) truncated: f64,
    /// Answers by service and PoP: in all, and those of them that were not `home`.
    pub(super) served: BTreeMap<(String, String), (f64, f64)>,
    /// How long an answer took to make, in microseconds; `None` when none was measured.
    pub(super) microseconds: Option<f64>,
}

impl Rates {
    /// Between two looks. A server that was started anew in between begins at 0.
    pub(super) fn between(before: &Traffic, now: &Traffic) -> Self {
        let same = now.transports.iter().zip(&before.transports).all(|(now, before)| now.received >= before.received);
        let nothing = Traffic::default();
        let before = if same { before } else { &nothing };
        // Before the second look there are no rates, rather than all since the start within no time.
        if !same || now.at_ms <= before.at_ms {
            return Self::default();
        }
        let seconds = real(now.at_ms - before.at_ms) / 1000.0;
        let rate = |now: u64, before: u64| real(now.saturating_sub(before)) / seconds;
        let mut rates = Self::default();
        for transport in &now.transports {
            let old = before.transports.iter().find(|old| old.transport == transport.transport).cloned();
            let old = old.unwrap_or_default();
            let mut drop = |cause: &str, count: u64, before: u64| {
                let rate = rate(count, before);
                if rate > 0.0 {
                    add(&mut rates.drops, cause, rate);
                }
            };
            for (cause, count) in &transport.dropped {
                drop(cause, *count, old.dropped.get(cause).copied().unwrap_or_default());
            }
            drop("overflow", transport.overflowed, old.overflowed);
            drop("unsent", transport.unsent, old.unsent);
            rates.truncated += rate(transport.truncated, old.truncated);
        }
        for answers in &now.answers {
            let like = |old: &&crate::control::wire::Answers| {
                (&old.transport, &old.kind, &old.rcode) == (&answers.transport, &answers.kind, &answers.rcode)
            };
            let old = before.answers.iter().find(like).map_or(0, |old| old.count);
            let rate = rate(answers.count, old);
            rates.answers += rate;
            add(&mut rates.transports, &answers.transport, rate);
            add(&mut rates.rcodes, &answers.rcode, rate);
        }
        rates.rcodes.sort_by(|a, b| b.1.total_cmp(&a.1));
        for served in &now.served {
            let like = |old: &&crate::control::wire::Served| {
                (&old.service, &old.pop, &old.reason) == (&served.service, &served.pop, &served.reason)
            };
            let old = before.served.iter().find(like).map_or(0, |old| old.count);
            let rate = rate(served.count, old);
            let sum = rates.served.entry((served.service.clone(), served.pop.clone())).or_default();
            sum.0 += rate;
            sum.1 += if served.reason == "home" { 0.0 } else { rate };
        }
        let (count, nanoseconds) = (now.respond_count, now.respond_nanoseconds);
        let measured = count.saturating_sub(before.respond_count);
        rates.microseconds = (measured > 0)
            .then(|| real(nanoseconds.saturating_sub(before.respond_nanoseconds)) / real(measured) / 1000.0);
        rates
    }
}

fn add(sums: &mut Vec<(String, f64)>, key: &str, rate: f64) {
    match sums.iter_mut().find(|(known, _)| known == key) {
        Some((_, sum)) => *sum += rate,
        None => sums.push((key.to_owned(), rate)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// A rate for people: `0`, `0.3`, `12`, `1,234`, `56.7k`, `1.23M`.
pub(super) fn shown(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..9.95 => format!("{rate:.1}"),
        ..999.5 => format!("{rate:.0}"),
        ..9_999.5 => {
            let digits = format!("{rate:.0}");
            format!("{},{}", &digits[..1], &digits[1..])
        }
        ..999_950.0 => format!("{:.1}k", rate / 1e3),
        _ => format!("{:.2}M", rate / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn traffic(at_ms: u64, received: u64, home: u64, away: u64, short: u64) -> Traffic {
        serde_json::from_value(json!({
            "at_ms": at_ms, "connections_open": 0, "respond_count": received / 64, "respond_nanoseconds": received * 20,
            "samples": 0, "hottest": [],
            "transports": [{"transport": "udp", "received": received, "sent": 0, "unsent": 0, "truncated": 0,
                "overflowed": 0, "dropped": {"short": short, "long": 0}}],
            "answers": [{"transport": "udp", "kind": "home", "rcode": "NOERROR", "count": home},
                {"transport": "udp", "kind": "away", "rcode": "NOERROR", "count": away},
                {"transport": "udp", "kind": "nxdomain", "rcode": "NXDOMAIN", "count": received - home - away - short}],
            "served": [{"service": "web", "pop": "fra", "reason": "home", "count": home},
                {"service": "web", "pop": "fra", "reason": "away", "count": away}]
        }))
        .unwrap()
    }

    #[test]
    fn differences_over_time() {
        let rates = Rates::between(&traffic(1000, 640, 500, 20, 20), &traffic(3000, 1280, 900, 120, 60));
        assert!((rates.answers - 300.0).abs() < 1e-9);
        assert_eq!(rates.rcodes, [("NOERROR".to_owned(), 250.0), ("NXDOMAIN".to_owned(), 50.0)]);
        assert_eq!(rates.drops, [("short".to_owned(), 20.0)]);
        assert_eq!(rates.served[&("web".to_owned(), "fra".to_owned())], (250.0, 50.0));
        assert_eq!(rates.microseconds, Some(1.28));
    }

    #[test]
    fn a_restart_makes_no_nonsense() {
        assert_eq!(Rates::between(&traffic(1000, 640, 500, 20, 20), &traffic(2000, 64, 50, 0, 0)), Rates::default());
        let once = traffic(1000, 640, 500, 20, 20);
        assert_eq!(Rates::between(&once, &once), Rates::default());
    }

    #[test]
    fn rates_for_people() {
        let shown: Vec<_> =
            [0.0, 0.25, 9.9, 10.2, 999.4, 1234.0, 9_999.4, 56_700.0, 999_949.0, 1_234_000.0].map(shown).into();
        assert_eq!(shown, ["0", "0.2", "9.9", "10", "999", "1,234", "9,999", "56.7k", "999.9k", "1.23M"]);
    }
}
