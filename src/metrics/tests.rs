//! What was counted is read, by name, whoever counted it.

use std::time::Duration;

use super::*;

#[test]
fn blocks_of_a_transport_are_summed_and_outlive_their_writers() {
    let metrics = Metrics::new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut writer = metrics.writer(Transport::Udp);
            std::thread::spawn(move || {
                for i in 0..1_000u16 {
                    writer.received(1);
                    writer.ended(if i % 10 == 0 {
                        End::Dropped(Cause::Short)
                    } else {
                        End::Answered(Answered::with_rcode(i % 4))
                    });
                }
            })
        })
        .collect();
    let shared = metrics.shared_writer(Transport::Udp);
    shared.received();
    shared.ended(End::Panicked);
    for thread in threads {
        thread.join().unwrap();
    }
    let counts = metrics.read();
    assert_eq!(counts.udp.received, 4_001);
    assert_eq!(counts.udp.dropped(Cause::Short), 400);
    assert_eq!(counts.udp.answered.iter().sum::<u64>(), 3_600);
    assert_eq!(counts.udp.panicked, 1);
    assert_eq!(counts.tcp, Messages::default());
}

#[test]
fn high_rcodes_share_the_last_counter() {
    let metrics = Metrics::new();
    let mut writer = metrics.writer(Transport::Tcp);
    for rcode in [0, 23, 24, 4_095] {
        writer.ended(End::Answered(Answered::with_rcode(rcode)));
    }
    let answered = metrics.read().tcp.answered;
    assert_eq!((answered[0], answered[23], answered[24]), (1, 1, 2));
}

/// What [`Answered`] is made of is told by it again, and counted.
#[track_caller]
fn check_told(zone: Number, kind: Kind, rcode: u16, decided: Decided, marks: Marks) {
    let metrics = Metrics::new();
    metrics.name_with(Box::new(|_| Some(Layout::new(["a.".into()].into_iter(), std::iter::empty()))));
    let mut writer = metrics.writer(Transport::Udp);
    let answered = Answered::new(7, zone, kind, rcode, decided, marks);
    assert_eq!((answered.zone(), answered.kind(), answered.rcode(), answered.marks()), (zone, kind, rcode, marks));
    assert_eq!((answered.generation, answered.decided), (7, decided));
    writer.ended(End::Answered(answered));
    let totals = metrics.read_all().totals;
    let told = totals.answers.iter().map(|(answers, count)| (&*answers.zone, answers.kind, answers.rcode, *count));
    let usual = Answered::usual(7, zone, kind, decided, marks) == answered;
    let kind = if usual { kind } else { Kind::Error };
    let zone = [layout::NONE, "a.", layout::OTHERS][zone.get().map_or(0, |zone| zone.min(1) as usize + 1)];
    assert_eq!(told.collect::<Vec<_>>(), [(zone, kind.label(), rcode.min(RCODES as u16 - 1), 1)]);
    let served = totals.served.iter().map(|(served, count)| (&*served.service, served.reason, *count));
    let expected = (decided != Decided::NOTHING).then(|| (layout::OTHERS, decided.kind().reason(), 1));
    assert_eq!(served.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn every_answer_is_counted_as_what_it_is() {
    let zones = [Number::NONE, Number::of(0), Number::of(1), Number::of((1 << 27) - 3)];
    let all = Marks::new(Some(128), true, true, Cookie::Valid);
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number);
        assert_eq!(format!("{kind:?}").to_lowercase(), kind.label().replace('-', ""));
        let decided = if kind.is_reason() { Decided::new(u32::MAX - 1, None, kind) } else { Decided::NOTHING };
        for rcode in (0..30).chain([4_095]) {
            for zone in zones {
                check_told(zone, kind, rcode, Decided::NOTHING, Marks::default());
            }
            check_told(zones[1], kind, rcode, decided, all);
        }
    }
    let mut reasons: Vec<_> =
        Kind::ALL.into_iter().filter(|kind| kind.is_reason()).map(|kind| Decided::new(0, None, kind).place).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn members_and_reasons_of_decisions_are_told_again() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_reason()) {
        for member in [None, Some(0), Some(1), Some(999), Some(u16::MAX)] {
            let decided = Decided::new(5, member, kind);
            assert_eq!((decided.map.get(), decided.member(), decided.kind()), (Some(5), member, kind));
        }
    }
}

#[test]
fn every_mark_is_told_and_counted() {
    for scope in [None, Some(0), Some(24), Some(128)] {
        for cookie in [Cookie::None, Cookie::New, Cookie::Valid] {
            for (by_subnet, truncated) in [(false, false), (false, true), (true, false), (true, true)] {
                let marks = Marks::new(scope, by_subnet, truncated, cookie);
                let metrics = Metrics::new();
                let answered = Answered::with_rcode(0).marked(marks);
                metrics.writer(Transport::Udp).ended(End::Answered(answered));
                assert_eq!((answered.scope(), answered.by_subnet()), (scope, by_subnet));
                assert_eq!((answered.truncated(), answered.cookie(), answered.rcode()), (truncated, cookie, 0));
                let Reading { counts, details, .. } = metrics.read_all();
                assert_eq!(counts.udp.truncated, u64::from(truncated));
                assert_eq!(details.cookies, Cookie::COUNTED.map(|(counted, _)| u64::from(counted == cookie)));
                let scopes = details.scopes.as_flattened().iter();
                let of_scope: Vec<_> = scopes.enumerate().filter(|(_, count)| **count > 0).collect();
                let expected = scope.map(|scope| (usize::from(by_subnet) * SCOPES + usize::from(scope), &1));
                assert_eq!(of_scope, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn batches_are_counted_right_over_a_turn_of_generations_and_nobody_sees_an_end_without_beginning() {
    const BATCHES: u64 = 3_000;
    let metrics = Metrics::new();
    metrics.name_with(Box::new(|generation| {
        // What was `a.` in one generation is `b.` in the next.
        let zones = if generation % 2 == 0 { ["a.", "b."] } else { ["b.", "a."] };
        Some(Layout::new(zones.into_iter().map(Arc::from), std::iter::empty()))
    }));
    let mut writer = metrics.writer(Transport::Udp);
    let thread = std::thread::spawn(move || {
        for batch in 0..BATCHES {
            let generation = 1 + batch / 100;
            writer.received(32);
            let mut page = writer.begin(generation);
            for number in 0..32 {
                // Of each batch 20 messages are for `a.`, 11 for `b.`, and one gets no answer.
                let zone = Number::of(u32::from((number < 20) == (generation % 2 == 1)));
                let (kind, decided, marks) = (Kind::NoData, Decided::NOTHING, Marks::default());
                page.ended(match number {
                    31 => End::Dropped(Cause::Rate),
                    _ => End::Answered(Answered::usual(generation, zone, kind, decided, marks)),
                });
            }
            writer.sent(31);
        }
    });
    let read = || {
        let Reading { counts, totals, .. } = metrics.read_all();
        let answered = counts.udp.answered.iter().sum::<u64>();
        assert!(counts.udp.received >= answered + counts.udp.dropped(Cause::Rate), "{counts:?}");
        assert!(answered >= counts.udp.sent);
        (counts.udp.received, totals)
    };
    while !thread.is_finished() {
        read();
    }
    thread.join().unwrap();
    let (received, totals) = read();
    let of_zone = |zone: &str| totals.answers.iter().filter(|(of, _)| &*of.zone == zone).map(|(_, count)| count).sum();
    assert_eq!((received, of_zone("a."), of_zone("b.")), (32 * BATCHES, 20 * BATCHES, 11 * BATCHES));
}

#[test]
fn answers_are_counted_by_name_over_generations() {
    let metrics = Metrics::new();
    let name = |text: &str| Arc::<str>::from(text);
    metrics.name_with(Box::new(move |generation| {
        // Zone and PoP change places from the first generation to the second; a third is not known any more.
        let (zones, pops) = match generation {
            1 => (["a.", "b."], ["fra", "iad"]),
            2 => (["b.", "a."], ["iad", "fra"]),
            _ => return None,
        };
        let map = (name("web"), pops.map(name).to_vec());
        Some(Layout::new(zones.into_iter().map(name), std::iter::once(map)))
    }));
    let (mut udp, tcp) = (metrics.writer(Transport::Udp), metrics.shared_writer(Transport::Tcp));
    let home = |generation, zone, member| {
        let (decided, marks) = (Decided::new(0, member, Kind::Home), Marks::new(Some(24), true, false, Cookie::None));
        Answered::usual(generation, Number::of(zone), Kind::Home, decided, marks)
    };
    let refused =
        |generation| Answered::usual(generation, Number::NONE, Kind::Refused, Decided::NOTHING, Marks::default());
    let mut all = 0;
    for (generation, zone, member) in
        [(1, 0, Some(0)), (1, 1, Some(1)), (2, 1, Some(1)), (2, 1, None), (3, 0, Some(0)), (2, 1, Some(1))]
    {
        for end in [home(generation, zone, member), refused(generation)] {
            udp.ended(End::Answered(end));
            tcp.ended(End::Answered(end));
            all += 1;
        }
    }
    let Reading { counts, details, totals, .. } = metrics.read_all();
    let of_zone = |zone: &str| {
        let of =
            |(answers, count): (&Answers, &u64)| (&*answers.zone == zone && answers.kind == "home").then_some(*count);
        totals.answers.iter().filter_map(of).collect::<Vec<_>>()
    };
    // Over UDP and over TCP.
    assert_eq!((of_zone("a."), of_zone("b."), of_zone(layout::OTHERS)), (vec![4, 4], vec![1, 1], vec![1, 1]));
    let by_pop = |pop: &str| totals.served[&Served { service: name("web"), pop: name(pop), reason: "home" }];
    assert_eq!((by_pop("fra"), by_pop("iad"), by_pop("")), (6, 2, 2));
    assert_eq!((counts.udp.answered[0], counts.tcp.answered[5]), (6, 6));
    assert_eq!(totals.answers.values().sum::<u64>(), 2 * all);
    assert_eq!((details.scopes[1][24], details.scopes[0].iter().sum::<u64>()), (all, 0));
}

#[test]
fn details_are_counted() {
    let metrics = Metrics::new();
    let mut writer = metrics.writer(Transport::Udp);
    for cookie in [Cookie::New, Cookie::Valid, Cookie::Valid, Cookie::None] {
        let marks = Marks::new(None, false, cookie == Cookie::New, cookie);
        let answered = Answered::with_rcode(0).marked(marks);
        assert_eq!((answered.cookie(), answered.truncated(), answered.scope()), (cookie, cookie == Cookie::New, None));
        writer.ended(End::Answered(answered));
    }
    for nanoseconds in [250, 251, 5_000_000_000] {
        writer.begin(0).took(Duration::from_nanos(nanoseconds));
    }
    let Reading { counts, details, .. } = metrics.read_all();
    assert_eq!((counts.udp.truncated, details.cookies), (1, [1, 2]));
    let durations = details.durations;
    assert_eq!((durations.counts[0], durations.counts[1], durations.counts[BOUNDS.len()]), (1, 1, 1));
    assert_eq!((durations.counts.iter().sum::<u64>(), durations.sum), (3, 5_000_000_501));
}

#[test]
fn orders_of_causes_and_reasons_are_their_indices() {
    for (i, cause) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, i);
    }
    for (i, kind) in JournalKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, i);
    }
    for (i, fate) in JournalFate::ALL.into_iter().enumerate() {
        assert_eq!(fate as usize, i);
    }
    for (i, class) in LimitClass::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, i);
    }
    for (i, limited) in Limited::ALL.into_iter().enumerate() {
        assert_eq!(limited as usize, i);
    }
    for (i, reason) in Closed::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, i);
    }
}
