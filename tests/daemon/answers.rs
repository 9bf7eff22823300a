//! Ready means answering, on every address and transport; stopping is clean.

use hickory_proto::rr::RecordType;

use crate::process::{check, has_ipv6, start};

#[test]
fn all_addresses_answer_over_udp_and_tcp_until_sigterm() {
    let listen = if has_ipv6() { &["127.0.0.1:0", "[::1]:0"][..] } else { &["127.0.0.1:0"] };
    let daemon = start(listen, &[]);
    assert_eq!(daemon.addresses.len(), listen.len());
    for &address in &daemon.addresses {
        check(address, "www.example.com.", RecordType::A, "NoError aa\nwww.example.com. 300 IN A 192.0.2.1");
        check(address, "wWw.example.com.", RecordType::AAAA, "NoError aa\nwWw.example.com. 300 IN AAAA 2001:db8::1");
        check(address, "nothing.example.com.", RecordType::A, "NXDomain aa");
        check(address, "example.org.", RecordType::A, "Refused");
    }
    let (_, status) = daemon.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn the_portable_listeners_answer_alike() {
    let daemon = start(&["127.0.0.1:0"], &["--io", "portable"]);
    check(daemon.address(), "www.example.com.", RecordType::A, "NoError aa\nwww.example.com. 300 IN A 192.0.2.1");
    let (_, status) = daemon.stop();
    assert!(status.success(), "{status}");
}
