//! EDNS (RFC 6891), NSID (RFC 5001), keepalive (RFC 7828), padding (RFC 8467), extended errors (RFC 8914).

use catchment::query::{Transport, respond};
use catchment::snapshot::{Ede, Identity};

use crate::common::{Query, Server, render};

const ZONE: &str = "
    zone example.com
    @ 3600 SOA ns1 hm 1 7200 900 1209600 60
    @ 300 NS ns1
    ns1 300 A 192.0.2.53
";
const A: &str = "NOERROR aa\nns1.example.com. 300 IN A 192.0.2.53";

fn query() -> Query {
    Query::new("ns1.example.com. A").edns()
}

fn with_name(name: &str) -> Server {
    let nsid = Some(format!("nsid of {name}"));
    Server::with(ZONE, Identity { name: Some(name.to_owned()), nsid, ..Identity::default() }, &[])
}

#[test]
fn s6_1_1_opt_answers_opt_and_only_opt() {
    let server = Server::new(ZONE);
    server.check("ns1.example.com. A", A);
    server.check_query(&query(), &format!("{A}\nopt 1232"));
    let mut twice = query();
    twice.records = vec![0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    twice.counts = [0, 0, 1];
    server.check_query(&twice, "FORMERR\nopt 1232");
    // In another section, or of another owner than the root.
    for (counts, owner) in [([1, 0, 0], &[0][..]), ([0, 1, 0], &[0]), ([0, 0, 1], &[1, b'a', 0])] {
        let mut odd = Query::new("ns1.example.com. A");
        odd.records = [owner, &[0, 41, 4, 208, 0, 0, 0, 0, 0, 0]].concat();
        odd.counts = counts;
        server.check_query(&odd, "FORMERR");
    }
}

#[test]
fn s6_1_3_versions_and_flags() {
    let server = Server::new(ZONE);
    for version in [1u32, 255] {
        let mut newer = query().option(8, &[0, 1, 24, 0, 1, 2, 3]);
        newer.opt.as_mut().unwrap().1 = version << 16;
        server.check_query(&newer, "BADVERS\nopt 1232");
    }
    // The version comes before the options.
    let mut newer = query().option(8, &[1]);
    newer.opt.as_mut().unwrap().1 = 1 << 16;
    server.check_query(&newer, "BADVERS\nopt 1232");
    // DO is copied, other flags and the extended RCODE are not.
    let mut flags = query();
    flags.opt.as_mut().unwrap().1 = 0xff00_ffff;
    server.check_query(&flags, &format!("{A}\nopt 1232 do"));
}

#[test]
fn s6_1_2_every_option_code_is_taken() {
    let server = with_name("ns1.fra");
    for code in 0..=u16::MAX {
        let answer = server.ask(&query().option(code, &[]));
        let expected = match code {
            3 => format!("{A}\nopt 1232 nsid nsid of ns1.fra"),
            // Client subnet and cookie have contents.
            8 | 10 => "FORMERR\nopt 1232".to_owned(),
            _ => format!("{A}\nopt 1232"),
        };
        assert_eq!(answer, expected, "option {code}");
    }
}

/// SEMANTICS §5.8: each option is answered at most once, and of one that stands twice the first counts; two client subnets
/// are FORMERR (§1.3).
#[test]
fn s6_1_2_options_that_stand_twice() {
    let tcp = Identity { nsid: Some("n".to_owned()), cookie_secrets: vec![[1; 16]], ..Identity::default() };
    let tcp = Server::with(ZONE, tcp, &[]).over(Transport::Tcp);
    let live = tcp.snapshot.live();
    let (mut once, mut twice) = ([0; 512], [0; 512]);
    for code in 0..=u16::MAX {
        let query = query().option(code, &[7; 8]);
        let one = respond(&tcp.snapshot, &live, &tcp.who, &query.octets(), &mut once);
        let two = respond(&tcp.snapshot, &live, &tcp.who, &query.option(code, &[7; 8]).octets(), &mut twice);
        assert_eq!((one, once), (two, twice), "option {code}");
    }
    let all = |times: usize| {
        let one = |query: Query, _| query.option(3, &[]).option(10, &[7; 8]).option(11, &[]).option(65_001, b"x");
        tcp.ask(&(0..times).fold(query(), one))
    };
    assert_eq!(all(5), all(1));
    assert_eq!(all(1).matches("option").count(), 2, "cookie and keepalive: {}", all(1));
    let tls = Server::new(ZONE).over(Transport::Tls);
    let (answer, _) = tls.ask_raw(&query().option(12, &[0; 8]).option(12, &[]).octets());
    assert_eq!((answer.len(), render(&answer).matches("option 12").count()), (468, 1));
    let subnet = query().subnet("193.0.6.0/24");
    tls.check_query(&subnet.clone().subnet("193.0.6.0/24"), "FORMERR\nopt 1232");
}

#[test]
fn s6_1_2_options_past_the_end() {
    let server = Server::new(ZONE);
    for options in [&[0][..], &[0, 3], &[0, 3, 0], &[0, 3, 0, 1], &[0, 3, 0, 0, 0]] {
        let mut odd = query();
        odd.opt.as_mut().unwrap().2 = options.to_vec();
        server.check_query(&odd, "FORMERR\nopt 1232");
    }
}

#[test]
fn rfc5001_nsid() {
    with_name("ns1.fra")
        .check_query(&query().option(3, &[]).option(3, b"x"), &format!("{A}\nopt 1232 nsid nsid of ns1.fra"));
    let silent = Server::with(ZONE, Identity { name: Some("ns1.fra".to_owned()), ..Identity::default() }, &[]);
    silent.check_query(&query().option(3, &[]), &format!("{A}\nopt 1232"));
    // The longest that is told, beside the longest of everything else, in the least room.
    let label = "x".repeat(63);
    let name = format!("{label}.{label}.{label}.{}.example.com.", "x".repeat(49));
    let identity = Identity { nsid: Some("n".repeat(200)), cookie_secrets: vec![[1; 16]], ..Identity::default() };
    let query =
        Query::new(&format!("{name} A")).payload(512).subnet("2001:db8::/128").option(3, &[]).option(10, &[7; 8]);
    let (answer, _) = Server::with(ZONE, identity, &[]).ask_raw(&query.octets());
    let text = render(&answer);
    assert!(text.contains(&format!("nsid {} option", "n".repeat(128))), "{text}");
    assert!(answer.len() <= 512, "{}", answer.len());
}

#[test]
fn rfc7828_keepalive_where_connections_are() {
    let asked = query().option(11, &[]);
    let tcp = Server::new(ZONE).over(Transport::Tcp);
    tcp.check_query(&asked, &format!("{A}\nopt 1232 option 11 0064"));
    tcp.check_query(&query(), &format!("{A}\nopt 1232"));
    let brief = Server::with(ZONE, Identity { keepalive: 15, ..Identity::default() }, &[]).over(Transport::Tcp);
    brief.check_query(&asked, &format!("{A}\nopt 1232 option 11 000f"));
    Server::new(ZONE).check_query(&asked, &format!("{A}\nopt 1232"));
    Server::new(ZONE).over(Transport::Quic).check_query(&asked, &format!("{A}\nopt 1232"));
}

#[test]
fn rfc8467_padding_where_it_hides() {
    let asked = query().option(12, &[0; 8]);
    for transport in [Transport::Tls, Transport::Https, Transport::Quic] {
        let (answer, _) = Server::new(ZONE).over(transport).ask_raw(&asked.octets());
        assert_eq!(answer.len(), 468);
        assert!(render(&answer).contains("option 12 0000"));
    }
    Server::new(ZONE).over(Transport::Tcp).check_query(&asked, &format!("{A}\nopt 1232"));
    Server::new(ZONE).over(Transport::Tls).check_query(&query(), &format!("{A}\nopt 1232"));
}

#[test]
fn rfc8914_as_much_as_is_wanted() {
    let said = |ede| Server::with("zone broken.example broken", Identity { ede, ..Identity::default() }, &[]);
    let query = Query::new("broken.example. A").edns();
    said(Ede::Text).check_query(&query, "SERVFAIL\nopt 1232 ede 14 (zone not loaded)");
    said(Ede::Codes).check_query(&query, "SERVFAIL\nopt 1232 ede 14");
    said(Ede::Off).check_query(&query, "SERVFAIL\nopt 1232");
    said(Ede::Text).check("broken.example. A", "SERVFAIL");
}

#[test]
fn rfc4892_chaos_names() {
    let server = with_name("ns1.fra");
    for name in ["id.server.", "HOSTNAME.bind."] {
        let expected = format!("NOERROR aa\n{name} 0 CH TXT \"ns1.fra\"");
        server.check(&format!("{name} TXT CH"), &expected);
        server.check(&format!("{name} ANY CH"), &expected);
    }
    server.check("id.server. A CH", "NOERROR aa");
    let version = format!("NOERROR aa\nversion.bind. 0 CH TXT \"catchment {}\"", env!("CARGO_PKG_VERSION"));
    server.check("version.bind. TXT CH", &version);
    server.check("ns1.example.com. TXT CH", "REFUSED");
    Server::new(ZONE).check("id.server. TXT CH", "REFUSED");
    let silent = Server::with(ZONE, Identity { version: None, ..Identity::default() }, &[]);
    silent.check("version.server. TXT CH", "REFUSED");
}
