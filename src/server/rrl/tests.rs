use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;
use crate::metrics::{Decided, Marks};

fn answered(kind: Kind, zone: Number) -> Answered {
    Answered::usual(0, zone, kind, Decided::NOTHING, Marks::default())
}

fn on() -> Limits {
    Limits { mode: Mode::On, ..Limits::default() }
}

/// What became of a number of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    sent: u32,
    slipped: u32,
    dropped: u32,
    would_slip: u32,
    would_drop: u32,
}

/// Judges a number of answers of a second, each to the next of the sources.
#[track_caller]
fn check(limiter: &Limiter, sources: &[&str], now: u32, count: usize, answered: &Answered, expected: Sum) {
    let sources: Vec<IpAddr> = sources.iter().map(|source| source.parse().unwrap()).collect();
    let mut sum = Sum::default();
    for source in sources.iter().cycle().take(count) {
        match limiter.judge(*source, now, answered) {
            Verdict::Send => sum.sent += 1,
            Verdict::Slip(_) => sum.slipped += 1,
            Verdict::Drop(_) => sum.dropped += 1,
            Verdict::Would(_, Limited::WouldSlip) => sum.would_slip += 1,
            Verdict::Would(..) => sum.would_drop += 1,
        }
    }
    assert_eq!(sum, expected);
}

#[test]
fn each_class_has_its_rate_and_every_second_of_the_rest_slips() {
    let classes = [
        (2_000, &[Kind::Static, Kind::Home, Kind::Away, Kind::FailOpen, Kind::OnEmpty, Kind::Identity][..]),
        (500, &[Kind::NoData, Kind::Referral]),
        (100, &[Kind::NxDomain]),
        (100, &[Kind::Error, Kind::Refused]),
    ];
    for (rate, kinds) in classes {
        for kind in kinds {
            let limiter = Limiter::new(&on());
            let answered = answered(*kind, Number::of(3));
            let expected = || Sum { sent: rate, slipped: 500, dropped: 500, ..Sum::default() };
            let count = rate as usize + 1_000;
            check(&limiter, &["192.0.2.1"], 100, count, &answered, expected());
            // The next second begins anew.
            check(&limiter, &["192.0.2.1"], 101, count, &answered, expected());
        }
    }
}

#[test]
fn classes_do_not_share_and_nxdomain_is_by_zone() {
    let limiter = Limiter::new(&on());
    let all = |sent| Sum { sent, ..Sum::default() };
    for answered in [
        answered(Kind::NxDomain, Number::of(0)),
        answered(Kind::NxDomain, Number::of(1)),
        answered(Kind::Error, Number::NONE),
    ] {
        check(&limiter, &["192.0.2.1"], 7, 100, &answered, all(100));
        check(&limiter, &["192.0.2.1"], 7, 1, &answered, Sum { dropped: 1, ..Sum::default() });
    }
    // Errors are not by zone.
    check(
        &limiter,
        &["192.0.2.1"],
        7,
        1,
        &answered(Kind::Refused, Number::of(5)),
        Sum { slipped: 1, ..Sum::default() },
    );
    check(&limiter, &["192.0.2.1"], 7, 2_000, &answered(Kind::Home, Number::of(0)), all(2_000));
}

#[test]
fn a_network_is_limited_as_one() {
    let half = || Sum { sent: 100, slipped: 50, dropped: 50, ..Sum::default() };
    let refused = answered(Kind::Refused, Number::NONE);
    for same in [
        &["192.0.2.1", "192.0.2.254", "::ffff:192.0.2.7"][..],
        &["2001:db8:0:1ff::1", "2001:db8:0:100::", "2001:db8:0:17f:1:2:3:4"],
    ] {
        check(&Limiter::new(&on()), same, 5, 200, &refused, half());
    }
    for other in [["192.0.2.1", "192.0.3.1"], ["2001:db8:0:1ff::1", "2001:db8:0:200::"]] {
        check(&Limiter::new(&on()), &other, 5, 200, &refused, Sum { sent: 200, ..Sum::default() });
    }
}

#[test]
fn who_is_exempt_is_sent_everything() {
    let limits =
        Limits { exempt: vec![("198.51.100.0".parse().unwrap(), 25), ("2001:db8::".parse().unwrap(), 32)], ..on() };
    let all = || Sum { sent: 300, ..Sum::default() };
    let limited = || Sum { sent: 100, slipped: 100, dropped: 100, ..Sum::default() };
    let refused = answered(Kind::Refused, Number::NONE);
    for exempt in ["127.0.0.1", "127.9.8.7", "::1", "198.51.100.127", "2001:db8:1::1", "::ffff:198.51.100.1"] {
        check(&Limiter::new(&limits), &[exempt], 5, 300, &refused, all());
    }
    for source in ["198.51.100.128", "2001:db9::1", "0.0.0.0"] {
        check(&Limiter::new(&limits), &[source], 5, 300, &refused, limited());
    }
    let not_loopback = Limits { loopback: Loopback::Limited, ..on() };
    check(&Limiter::new(&not_loopback), &["127.0.0.1"], 5, 300, &refused, limited());
    let everyone = Limits { exempt: vec![("0.0.0.0".parse().unwrap(), 0)], ..on() };
    check(&Limiter::new(&everyone), &["203.0.113.1"], 5, 300, &refused, all());
    let with = |cookie| refused.marked(Marks::new(None, false, false, cookie));
    check(&Limiter::new(&on()), &["192.0.2.1"], 5, 300, &with(Cookie::Valid), all());
    check(&Limiter::new(&on()), &["192.0.2.1"], 5, 300, &with(Cookie::New), limited());
}

#[test]
fn the_default_says_what_it_would_do_and_off_does_nothing() {
    let refused = answered(Kind::Refused, Number::NONE);
    let limiter = Limiter::new(&Limits::default());
    let would = || Sum { sent: 100, would_slip: 10, would_drop: 10, ..Sum::default() };
    check(&limiter, &["192.0.2.1"], 5, 120, &refused, would());
    limiter.set(&Limits { mode: Mode::Off, ..Limits::default() });
    check(&limiter, &["192.0.2.1"], 6, 300, &refused, Sum { sent: 300, ..Sum::default() });
    limiter.set(&Limits { rates: [None, None, None, Some(7)], slip: 0, ..on() });
    check(&limiter, &["192.0.2.1"], 7, 10, &refused, Sum { sent: 7, dropped: 3, ..Sum::default() });
    let positive = answered(Kind::Home, Number::NONE);
    check(&limiter, &["192.0.2.1"], 7, 5_000, &positive, Sum { sent: 5_000, ..Sum::default() });
    limiter.set(&Limits { rates: [Some(0); 4], slip: 1, ..on() });
    check(&limiter, &["192.0.2.1"], 8, 10, &refused, Sum { slipped: 10, ..Sum::default() });
}

/// Two threads, one network: the rate is that of their sum.
#[test]
fn the_rate_is_that_of_all_threads_together() {
    let limiter = Limiter::new(&on());
    let refused = answered(Kind::Refused, Number::NONE);
    let sent: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let source = IpAddr::from([192, 0, 2, 1]);
                    (0..5_000).map(|_| u32::from(limiter.judge(source, 9, &refused) == Verdict::Send)).sum::<u32>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // Each thread may see the key begin once.
    assert!((100..104).contains(&sent), "{sent}");
}

/// A flood in the names of far more networks than there are places: one that asks much is limited all the same, and of those that
/// ask once nobody is.
#[test]
fn many_networks_neither_hide_a_flood_nor_limit_each_other() {
    let limiter = Limiter::new(&on());
    let refused = answered(Kind::Refused, Number::NONE);
    let victim = IpAddr::from([203, 0, 113, 9]);
    let mut sent = 0;
    for i in 0..400_000u32 {
        let source = IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + (i << 8)));
        assert_eq!(limiter.judge(source, 9, &refused), Verdict::Send);
        if i % 10 == 0 {
            sent += u32::from(limiter.judge(victim, 9, &refused) == Verdict::Send);
        }
    }
    assert_eq!(sent, 100);
}

#[test]
fn counts_of_a_key_are_those_of_its_second() {
    let table = Table::new();
    let mut oracle: BTreeMap<(u64, u32), u32> = BTreeMap::new();
    let mut state = 1u64;
    for step in 0..20_000u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Five keys of one set and three of another, told apart by their tags.
        let key = state >> 33 & 7;
        let hash = (key + 1) << 45 | u64::from(key > 4);
        let now = 1_000 + step / 700;
        let count = oracle.entry((key, now)).or_default();
        *count += 1;
        assert_eq!(table.count(hash, now), *count, "{key} {now}");
    }
}

#[test]
fn the_worst_are_named() {
    let mut limiter = Limiter::new(&on());
    // With these the three have places of their own.
    limiter.seed = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9];
    let refused = answered(Kind::Refused, Number::NONE);
    for (source, count) in [("192.0.2.77", 400), ("2001:db8:1:2ff::9", 900), ("198.51.100.1", 101)] {
        for _ in 0..count {
            limiter.judge(source.parse().unwrap(), 3, &refused);
        }
    }
    let named = |limiter: &Limiter| {
        limiter.worst().iter().map(|(network, count)| format!("{network} {count}")).collect::<Vec<_>>()
    };
    assert_eq!(named(&limiter), ["2001:db8:1:200::/56 800", "192.0.2.0/24 300", "198.51.100.0/24 1"]);
    assert_eq!(named(&limiter), Vec::<String>::new());
}

#[test]
fn modes_are_numbered_as_they_are_stored() {
    assert_eq!([Mode::Off as u8, Mode::LogOnly as u8, Mode::On as u8], [0, 1, 2]);
}
