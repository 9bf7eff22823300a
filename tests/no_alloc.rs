//! `query::respond` allocates nothing, whatever it is asked: counted by the allocator.

#![expect(unsafe_code, reason = "counting allocations takes a global allocator")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use catchment::journal::{Fate, Journal, LogSettings, Noted, Only, Place, Settings, Shown};
use catchment::metrics::Metrics;
use catchment::net::Block;
use catchment::query::{AT_ONCE, Batch, Outcome, Room, Transport, respond, slip};
use catchment::server::rrl::{Limiter, Limits, Mode, Verdict};
use catchment::snapshot::Identity;
use common::{Query, Server};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it is; the counter is a thread-local without a destructor
// and without an allocation of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    @ 300 MX 10 mail
    ns1 300 A 192.0.2.53
    mail 300 AAAA 2001:db8::25
    www steer 0
    reflect reflect 1
    hidden reflect 2
    toward 60 CNAME reflect
    strict steer 2
    alias 60 CNAME www
    flat 60 ALIAS alias
    far 60 ALIAS x.old
    round 60 ALIAS round
    loop 60 CNAME loop2
    loop2 60 CNAME loop
    *.wild 60 TXT wild
    old 60 DNAME new
    x.new 60 CNAME alias
    sub 60 NS ns.sub
    sub 60 NS ns.sib
    ns.sub 60 A 192.0.2.60
    sib 60 NS ns.sib
    ns.sib 60 A 192.0.2.61
    a.b.c.d.e.f 60 TXT deep
    zone broken.example broken
";

#[test]
fn respond_allocates_nothing() {
    let identity = Identity { name: Some("ns1".to_owned()), cookie_secrets: vec![[1; 16]], ..Identity::default() };
    let mut server = Server::with(ZONE, identity, &[]);
    let names = [
        "example.com",
        "ns1.example.com",
        "MAIL.example.com",
        "www.example.com",
        "strict.example.com",
        "reflect.example.com",
        "hidden.example.com",
        "toward.example.com",
        "alias.example.com",
        "flat.example.com",
        "far.example.com",
        "round.example.com",
        "loop.example.com",
        "q.wild.example.com",
        "x.old.example.com",
        "x.sub.example.com",
        "gone.example.com",
        "b.c.d.e.f.example.com",
        "q.r.s.b.c.d.e.f.example.com",
        "www.broken.example",
        "example.org",
        "id.server",
    ];
    let mut requests = Vec::new();
    for name in names {
        for rest in ["A", "AAAA", "MX", "TXT", "NS", "DS", "SOA", "ANY", "CNAME", "AXFR", "OPT", "TXT CH"] {
            let query = Query::new(&format!("{name} {rest}"));
            requests.push(query.octets());
            requests.push(query.clone().edns().octets());
            requests.push(query.clone().subnet("193.0.6.0/24").option(3, &[]).option(10, &[7; 8]).octets());
            requests.push(query.clone().subnet("2001:67c:2e8::/48").option(12, &[0; 9]).option(11, &[]).octets());
            requests.push(query.subnet("10.1.0.0/16").option(10, &[7; 24]).octets());
        }
    }
    let whole = requests.last().unwrap().clone();
    requests.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
    let (mut out, mut room) = (vec![0; 65_535], Room::default());
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        server.who.transport = transport;
        let live = server.snapshot.live();
        let before = ALLOCATIONS.get();
        for request in &requests {
            respond(&server.snapshot, &live, &server.who, request, &mut out);
        }
        for requests in requests.chunks(AT_ONCE) {
            let asked = requests.iter().map(|request| (&server.who, request.as_slice()));
            let mut batch = Batch::read(&server.snapshot, &live, asked, &mut room);
            for (number, request) in requests.iter().enumerate() {
                batch.respond(number, &server.who, request, &mut out);
            }
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{transport:?}");
    }
    // The counter counts.
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

/// What an answer goes by on its way out: the rate limit with all it may say, and the query log with every answer taken down.
#[test]
fn what_answers_go_by_allocates_nothing() {
    let Server { snapshot, who } = Server::with(ZONE, Identity::default(), &[]);
    let current = Arc::new(ArcSwap::from_pointee(snapshot));
    let snapshot = current.load_full();
    let journal = Arc::new(Journal::new(current, Metrics::new()));
    let only = Only { clients: vec![Block::parse("198.51.100.0/24").unwrap()], ..Only::default() };
    let log = LogSettings { to: Place::File("/dev/null".into()), sample: 1, only, client: Shown::Full };
    journal.set(&Settings { log: Some(log), dnstap: None }).unwrap();
    let (pen, limiter) = (journal.pen(), Limiter::new(&Limits { mode: Mode::On, ..Limits::default() }));
    let request = Query::new("gone.example.com A").edns().octets();
    let (live, mut out) = (snapshot.live(), vec![0; 1232]);
    let mut seen = [0; 3];
    let mut pass = || {
        let Outcome::Responded(response) = respond(&snapshot, &live, &who, &request, &mut out) else { return };
        let sent = match limiter.judge(who.source, who.now, &response.answered) {
            Verdict::Send | Verdict::Would(..) => 0,
            Verdict::Drop(_) => 1,
            Verdict::Slip(_) => {
                slip(&snapshot, &who, &request, &response, &mut out);
                2
            }
        };
        seen[sent] += 1;
        let answer = &out[..response.length];
        pen.note(|| Noted {
            who: &who,
            port: 53,
            request: &request,
            answer,
            response: &response,
            fate: Fate::Sent,
            took: None,
        });
    };
    // What threads make once.
    (0..150).for_each(|_| pass());
    let before = ALLOCATIONS.get();
    (0..5_000).for_each(|_| pass());
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(seen, [100, 2_525, 2_525]);
    journal.stop(Duration::from_secs(20));
}
