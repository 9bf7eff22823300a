//! `respond` on any octets: it answers or drops, and an answer reads with a second codec, fits its limit, repeats id and
//! question, and has at most one OPT record; nothing is allocated on the way. The first octet of the input chooses the
//! transport.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use catchment::query::{Outcome, Transport, respond};
use catchment::snapshot::Identity;
use common::{Server, laws};
use domain::base::Message;
use libfuzzer_sys::fuzz_target;

/// The zones of `tests/peers` in small: every kind of answer there is.
const ZONE: &str = include_str!("engine.zone");

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

thread_local! {
    static OUT: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; 65_535]);
    static SERVER: std::cell::RefCell<Server> = {
        let identity = Identity {
            name: Some("ns1".to_owned()),
            version: Some("1".to_owned()),
            cookie_secrets: vec![[1; 16], [2; 16]],
            ..Identity::default()
        };
        std::cell::RefCell::new(Server::with(ZONE, identity, &[]))
    };
}

fuzz_target!(|input: &[u8]| {
    let Some((first, request)) = input.split_first() else { return };
    SERVER.with_borrow_mut(|server| {
        server.who.transport = match first % 8 {
            0..4 => Transport::Udp,
            4 => Transport::Tcp,
            5 => Transport::Tls,
            6 => Transport::Https,
            _ => Transport::Quic,
        };
        let (answer, outcome) = server.ask_raw(request);
        match outcome {
            Outcome::Responded(_) => {
                laws(request, &answer, &server.who);
                let asked = Message::from_octets(request).ok().and_then(|request| request.opt());
                if let Some(opt) = asked
                    && server.who.transport == Transport::Udp
                {
                    assert!(answer.len() <= usize::from(opt.udp_payload_size()).clamp(512, 1232));
                }
            }
            Outcome::Dropped(_) => assert!(request.len() < 12 || request[2] & 0x80 != 0),
        }
        OUT.with_borrow_mut(|out| {
            let live = server.snapshot.live();
            let before = ALLOCATIONS.get();
            let again = respond(&server.snapshot, &live, &server.who, request, out);
            assert_eq!(ALLOCATIONS.get(), before, "an allocation");
            // What one request left behind is no part of the next answer.
            assert_eq!((again, &out[..answer.len()]), (outcome, &answer[..]));
        });
    });
});
