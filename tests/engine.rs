//! Laws of `query::respond` under any octets: it answers or drops, and what it answers reads with a second codec, fits,
//! and repeats id and question.

mod common;

use catchment::query::{Outcome, Transport};
use catchment::snapshot::Identity;
use common::{Query, Server, laws};
use proptest::prelude::*;

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    @ 300 MX 10 mail
    ns1 300 A 192.0.2.53
    www steer 0
    v4 steer 1
    alias 60 CNAME www
    *.wild 60 CNAME x.wild
    old 60 DNAME new
    x.new 60 CNAME y.old
    y.new 60 CNAME alias
    sub 60 NS ns.sub
    sub 60 NS ns.sib
    ns.sub 60 A 192.0.2.60
    sib 60 NS ns.sib
    ns.sib 60 A 192.0.2.61
    a.b.c 60 HTTPS 1 . alpn=h2,h3
    one 60 CNAME two.chain
    two.chain 60 CNAME three.two.chain
    three.two.chain 60 CNAME one.two.chain
    one.two.chain 60 A 192.0.2.70
    one.two.chain 60 A 192.0.2.71
    *.many 60 CNAME one
    out 60 CNAME a.far.example.
    inner 60 CNAME x.sub
    down 60 CNAME www.broken.example.
    dead 60 CNAME gone
    old.alias 60 CNAME x.old
    loop 60 CNAME loop.loop
    loop.loop 60 CNAME loop
    big 60 TXT 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
               0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
               0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
               0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
               0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789
    zone sub.example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns
    zone tail.example
    @ 3600 SOA ns.kid hm.kid 1 7200 900 1209600 60
    @ 300 NS www
    www 60 CNAME to
    to 60 CNAME other.to
    other.to 60 AAAA 2001:db8::1
    *.w 60 CNAME www
    kid 60 NS ns.kid
    kid 60 NS www.far.example.
    ns.kid 60 A 192.0.2.62
    ns.kid 60 AAAA 2001:db8::62
    zone broken.example broken
";

fn server() -> Server {
    let identity = Identity { name: Some("ns1".to_owned()), cookie_secrets: vec![[1; 16]], ..Identity::default() };
    Server::with(ZONE, identity, &[])
}

thread_local! {
    static SERVER: std::cell::RefCell<Server> = std::cell::RefCell::new(server());
}

fn hold(request: &[u8], transport: Transport) {
    SERVER.with_borrow_mut(|server| {
        server.who.transport = transport;
        let (answer, outcome) = server.ask_raw(request);
        match outcome {
            Outcome::Responded(_) => laws(request, &answer, &server.who),
            Outcome::Dropped(_) => assert!(request.len() < 12 || request[2] & 0x80 != 0),
        }
        // What one request left in the buffers is no part of the next answer.
        assert_eq!(server.ask_raw(request).0, answer);
    });
}

fn query() -> impl Strategy<Value = Query> {
    let name = prop_oneof![
        Just("example.com"),
        Just("www.example.com"),
        Just("alias.example.com"),
        Just("q.wild.example.com"),
        Just("x.old.example.com"),
        Just("q.sib.example.com"),
        Just("sub.example.com"),
        Just("b.c.example.com"),
        Just("big.example.com"),
        Just("one.example.com"),
        Just("three.two.chain.example.com"),
        Just("any.many.example.com"),
        Just("any.one.many.example.com"),
        Just("out.example.com"),
        Just("inner.example.com"),
        Just("down.example.com"),
        Just("dead.example.com"),
        Just("old.alias.example.com"),
        Just("loop.loop.example.com"),
        Just("q.w.e.sub.example.com"),
        Just("www.tail.example"),
        Just("to.tail.example"),
        Just("a.b.kid.tail.example"),
        Just("gone.example.com"),
        Just("www.broken.example"),
        Just("version.bind"),
    ];
    let rtype = prop_oneof![Just("A"), Just("AAAA"), Just("MX"), Just("TXT"), Just("DS"), Just("ANY"), Just("HTTPS")];
    let options = proptest::collection::vec((0u16..20, proptest::collection::vec(any::<u8>(), 0..40)), 0..4);
    (name, rtype, options, any::<bool>(), 0u8..40, any::<u16>()).prop_map(|(name, rtype, options, edns, bits, size)| {
        let mut query = Query::new(&format!("{name} {rtype}"));
        if edns {
            query = query.payload(size);
            for (code, data) in options {
                query = query.option(code, &data);
            }
            if bits <= 32 {
                let masked = 0xc100_0600_u32 & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                query = query.subnet(&format!("{}/{bits}", std::net::Ipv4Addr::from(masked)));
            }
        }
        query
    })
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![Just(Transport::Udp), Just(Transport::Tcp), Just(Transport::Tls), Just(Transport::Quic)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn well_formed_requests(query in query(), transport in transport()) {
        hold(&query.octets(), transport);
    }

    #[test]
    fn mutated_requests(
        query in query(),
        transport in transport(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut request = query.octets();
        for (at, octet) in changes {
            let at = at.index(request.len());
            request[at] = octet;
        }
        if let Some(cut) = cut {
            request.truncate(cut.index(request.len()));
        }
        hold(&request, transport);
    }

    #[test]
    fn random_octets(request in proptest::collection::vec(any::<u8>(), 0..120), transport in transport()) {
        hold(&request, transport);
    }

    #[test]
    fn random_octets_after_a_header(body in proptest::collection::vec(any::<u8>(), 0..80), transport in transport()) {
        let header = [0u8, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        hold(&[&header[..], &body].concat(), transport);
    }
}

#[test]
fn a_small_buffer_truncates_and_nothing_else() {
    let server = server();
    let request = Query::new("big.example.com TXT").edns().octets();
    for size in 0..600 {
        let mut out = vec![0; size];
        let live = server.snapshot.live();
        let outcome = catchment::query::respond(&server.snapshot, &live, &server.who, &request, &mut out);
        match outcome {
            Outcome::Responded(response) => {
                assert!(response.length <= size);
                assert_eq!(response.truncated(), size < 33 + 12 + 502 + 11, "{size}");
            }
            Outcome::Dropped(_) => assert!(size < 33),
        }
    }
}

/// Of large zones more is touched before it is needed; and names of two zones alternate.
#[test]
fn names_of_large_zones_are_found_in_batches() {
    let hosts: Vec<_> = (0..5_000).map(|host| format!("h{host} 60 A 192.0.2.{}\n", host % 250)).collect();
    let hosts = hosts.concat();
    let large = |zone| format!("zone {zone}\n@ 60 SOA ns1 hm 1 7200 900 1209600 60\n@ 60 NS ns1\nwww steer 0\n{hosts}");
    let server = Server::new(&format!("{}{}", large("large.example"), large("under.large.example")));
    for number in 0..200 {
        let zone = if number % 3 == 0 { "large.example" } else { "under.large.example" };
        let host = number * 25;
        let expected = format!("NOERROR aa\nh{host}.{zone}. 60 IN A 192.0.2.{}", host % 250);
        server.check(&format!("h{host}.{zone} A"), &expected);
        let (_, missing) = server.ask_response(&Query::new(&format!("x{number}.h{number}.{zone} A")));
        assert_eq!(missing.rcode(), 3);
        let (_, steered) = server.ask_response(&Query::new(&format!("www.{zone} A")).subnet("193.0.6.0/24"));
        assert_eq!(steered.kind(), catchment::query::Kind::Home);
    }
}
