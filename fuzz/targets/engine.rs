//! `respond` on any octets: it answers or drops, and an answer reads with a second codec, fits its limit, repeats id and
//! question, and has at most one OPT record. The first octet of the input chooses the transport.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use catchment::query::{Outcome, Transport};
use catchment::snapshot::Identity;
use common::{Server, laws};
use domain::base::Message;
use libfuzzer_sys::fuzz_target;

/// The zones of `tests/peers` in small: every kind of answer there is.
const ZONE: &str = include_str!("engine.zone");

thread_local! {
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
        // What one request left behind is no part of the next answer.
        assert_eq!(server.ask_raw(request).0, answer);
    });
});
