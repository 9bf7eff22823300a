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
