//! What came in and what went out.

use super::table::{
    ACCEPTED, CLOSED, COOKIES, DROPPED, JOURNALED, LIMITED, OPEN, OVERFLOWED, PANICS, QUERIES, RECEIVE_ERRORS,
    RECEIVED, RESPOND, SCOPES, SENT, STEERED, SUBNETS, TRUNCATED, UNSENT,
};
use super::{Histogram, Page};
use crate::dns::Rcode;
use crate::metrics::{
    BOUNDS, Cause, Closed, Cookie, Durations, JournalFate, JournalKind, LimitClass, Limited, RCODES, Reading, Transport,
};

pub(super) fn fill(page: &mut Page, reading: &Reading) {
    let Reading { counts, details, totals, .. } = reading;
    for (transport, messages) in [(Transport::Udp, &counts.udp), (Transport::Tcp, &counts.tcp)] {
        let transport = [transport.label()];
        page.put(&RECEIVED, transport, messages.received);
        page.put(&PANICS, transport, messages.panicked);
        page.put(&SENT, transport, messages.sent);
        page.put(&UNSENT, transport, messages.unsent);
        page.put(&TRUNCATED, transport, messages.truncated);
        page.put(&OVERFLOWED, transport, messages.overflowed);
        page.put(&RECEIVE_ERRORS, transport, messages.receive_errors);
        for cause in Cause::ALL {
            page.put(&DROPPED, [transport[0], cause.label()], messages.dropped(cause));
        }
    }
    for (answers, count) in &totals.answers {
        let labels = [answers.transport.label(), &answers.zone, answers.kind, &rcode(answers.rcode)];
        page.put(&QUERIES, labels, *count);
    }
    for (served, count) in &totals.served {
        page.put(&STEERED, [&served.service, &served.pop, served.reason], *count);
    }
    page.histogram(&RESPOND, durations(&details.durations));
    for (decided, scopes) in ["no", "yes"].into_iter().zip(&details.scopes) {
        page.put(&SUBNETS, [decided], scopes.iter().sum::<u64>());
    }
    page.histogram(&SCOPES, scopes(&details.scopes[1]));
    for ((_, label), count) in Cookie::COUNTED.into_iter().zip(details.cookies) {
        page.put(&COOKIES, [label], count);
    }
    for (class, counts) in LimitClass::ALL.into_iter().zip(details.limited) {
        for (limited, count) in Limited::ALL.into_iter().zip(counts) {
            page.put(&LIMITED, [class.label(), limited.label()], count);
        }
    }
    for (kind, counts) in JournalKind::ALL.into_iter().zip(reading.journaled) {
        for (fate, count) in JournalFate::ALL.into_iter().zip(counts) {
            page.put(&JOURNALED, [kind.label(), fate.label()], count);
        }
    }
    page.put(&ACCEPTED, [], counts.connections.accepted);
    for reason in Closed::ALL {
        page.put(&CLOSED, [reason.label()], counts.connections.closed(reason));
    }
    page.put(&OPEN, [], counts.connections.open());
}

/// The name of an RCODE; the last that is counted stands for all higher ones.
pub(in crate::control) fn rcode(rcode: u16) -> String {
    if usize::from(rcode) + 1 == RCODES { format!("{rcode}+") } else { Rcode(rcode).to_string() }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of processor time, exact for a century")]
fn durations(durations: &Durations) -> Histogram {
    let bounds = BOUNDS.iter().map(|bound| f64::from(*bound) / 1e9).chain([f64::INFINITY]);
    Histogram {
        sum: durations.sum as f64 / 1e9,
        count: durations.counts.iter().sum(),
        buckets: bounds.zip(durations.counts).collect(),
    }
}

/// Lengths that mean something: whole octets of IPv4, what databases and CDNs use, /48, /56 and whole addresses.
const LENGTHS: [usize; 15] = [0, 8, 12, 16, 18, 20, 22, 24, 28, 32, 40, 44, 48, 56, 128];

#[expect(clippy::cast_precision_loss, reason = "a sum of prefix lengths, exact up to 2^53")]
fn scopes(counts: &[u64]) -> Histogram {
    let mut from = 0;
    let bucket = |bound: usize| {
        let count = counts.get(from..=bound).unwrap_or_default().iter().sum();
        from = bound + 1;
        (bound as f64, count)
    };
    Histogram {
        buckets: LENGTHS.into_iter().map(bucket).chain([(f64::INFINITY, 0)]).collect(),
        sum: counts.iter().zip(0u64..).map(|(count, length)| count * length).sum::<u64>() as f64,
        count: counts.iter().sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_in_one_bucket() {
        let counts: Vec<u64> = (1..=129).collect();
        let histogram = scopes(&counts);
        assert_eq!(histogram.count, counts.iter().sum::<u64>());
        assert_eq!(histogram.buckets.iter().map(|bucket| bucket.1).sum::<u64>(), histogram.count);
        let upto = |bound: f64| histogram.buckets.iter().filter(|b| b.0 <= bound).map(|b| b.1).sum::<u64>();
        assert_eq!((upto(0.0), upto(24.0)), (1, (1..=25).sum()));
    }

    #[test]
    fn rcodes_have_names() {
        assert_eq!([0, 3, 16, 23, 24].map(rcode), ["NOERROR", "NXDOMAIN", "BADVERS", "BADCOOKIE", "24+"]);
    }
}
