//! Through an HTTP proxy: tunnels with TLS in them, refusals in words, and who is asked directly.

use catchment::config::settings::fetch::Source;
use catchment::config::settings::reach::{Proxy as Asked, ProxyUrl, Reach};
use catchment::fetch::{Failure, FailureKind, Outcome, Wish};

use super::proxy::{Does, Proxy};
use super::server::{Reply, Server};
use super::tls::{authority, good, trusting};
use super::{DAY, NOW, Place, database, environment};

fn any(_: &super::server::Request) -> Reply {
    Reply::ok(database("City", NOW - DAY, 40))
}

/// By way of this proxy, whose name and password may be in front.
fn by(name: &str, proxy: &Proxy) -> Asked {
    Asked::At(ProxyUrl::parse(&format!("http://{name}{}", proxy.address)).unwrap())
}

#[test]
fn a_tunnel_with_tls_in_it() {
    let authority = authority();
    // Only the proxy knows where that is.
    let server = Server::secured(good("db.example", &authority), any);
    let proxy = Proxy::start(Does::Tunnel(server.address));
    let place = Place::reaching(|directory| Reach {
        proxy: by("me:p%40ss_of_mine@", &proxy),
        ..trusting(directory, &authority.pem())
    });
    let mut source = Source::parse("https://db.example:8443/City.mmdb?sig=of_mine").unwrap();
    let key = place.directory.path().join("key");
    std::fs::write(&key, "key_of_mine\n").unwrap();
    source.key_file = Some(key);
    place.takes(&source, NOW, Outcome::Replaced);

    let (first, headers) = proxy.asked().remove(0);
    assert_eq!(first, "CONNECT db.example:8443 HTTP/1.1");
    // me:p@ss_of_mine
    assert_eq!(headers["proxy-authorization"], "Basic bWU6cEBzc19vZl9taW5l");
    assert_eq!(headers["host"], "db.example:8443");
    assert!(!headers.contains_key("authorization"));
    let request = server.asked().remove(0);
    assert_eq!(request.path, "/City.mmdb?sig=of_mine");
    assert_eq!(
        (&*request.headers["host"], &*request.headers["authorization"]),
        ("db.example:8443", "Bearer key_of_mine")
    );
    assert!(!request.headers.contains_key("proxy-authorization"));
    assert!(!format!("{:?}", place.fetcher).contains("of_mine"));

    // The proxy is no reason to trust anybody.
    let other = Server::secured(good("other.example", &authority), any);
    let proxy = Proxy::start(Does::Tunnel(other.address));
    let place = Place::reaching(|directory| Reach { proxy: by("", &proxy), ..trusting(directory, &authority.pem()) });
    place.refuses(&source, FailureKind::Network, "TLS: certificate is for other.example, not for db.example");
    let (first, headers) = proxy.asked().remove(0);
    assert_eq!((&*first, headers.get("proxy-authorization")), ("CONNECT db.example:8443 HTTP/1.1", None));
}

#[test]
fn a_proxy_that_makes_no_tunnel() {
    let source = Source::parse("https://db.example/City.mmdb").unwrap();
    let failure = |name: &str, says: &'static str| -> (FailureKind, String) {
        let proxy = Proxy::start(Does::Say(says));
        let place = Place::reaching(|_| Reach { proxy: by(name, &proxy), ..Reach::default() });
        let failure: Failure = place.fetch(&source, Wish::default(), NOW).unwrap_err();
        assert_eq!(proxy.asked().len(), 1);
        let words = failure.to_string().replace(&proxy.address.to_string(), "PROXY");
        let words = words.strip_prefix("https://db.example/City.mmdb: by way of the proxy PROXY: ").unwrap().to_owned();
        (failure.kind, words)
    };
    let help = "\n  help: `proxy: http://NAME:PASSWORD@HOST:PORT` in `geodb`, or the same in `https_proxy`";
    let (kind, words) = failure("", "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((kind, words), (FailureKind::Credentials, format!("it wants a name and password{help}")));
    let (kind, words) = failure("me:of_mine@", "HTTP/1.1 407 Who\r\nContent-Length: 3\r\n\r\nNo!");
    assert_eq!((kind, words), (FailureKind::Credentials, format!("it does not accept the name and password{help}")));
    let check = |says, kind, words: &str| assert_eq!(failure("", says), (kind, words.to_owned()));
    let (setup, network) = (FailureKind::Setup, FailureKind::Network);
    check(
        "HTTP/1.0 403 No\r\n\r\n<html>of_mine</html>",
        setup,
        "it does not allow connections to db.example:443 (403 Forbidden)",
    );
    check("HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n", network, "it cannot reach db.example:443 (502 Bad Gateway)");
    check("HTTP/1.1 302 x\r\nLocation: /\r\n\r\n", network, "it makes no tunnel to db.example:443 (302 Found)");
    check("", network, "no answer: connection closed before message completed");
    let (kind, words) = failure("", "SSH-2.0-something\r\n");
    assert!(kind == network && words.starts_with("no answer: invalid HTTP"), "{words}");
}

#[test]
fn a_proxy_that_is_not_there() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Asked::At(ProxyUrl::parse(&format!("http://me:of_mine@{address}")).unwrap());
    let place = Place::reaching(|_| Reach { proxy, ..Reach::default() });
    let source = Source::parse("https://db.example/City.mmdb").unwrap();
    let words = format!("https://db.example/City.mmdb: by way of the proxy {address}: no connection to {address}");
    place.refuses(&source, FailureKind::Network, &words);
}

#[test]
fn who_is_asked_directly() {
    let authority = authority();
    // An address that leads here without being one of this machine's by the rules.
    let server = Server::secured(good("0.0.0.0", &authority), any);
    let proxy = Proxy::start(Does::Tunnel(server.address));
    let place = Place::reaching(|directory| trusting(directory, &authority.pem()));
    let source = Source::parse(&format!("https://0.0.0.0:{}/City.mmdb", server.address.port())).unwrap();
    let variables = |except: &'static str| {
        let proxy = proxy.address.to_string();
        move |name: &str| match name {
            "HTTPS_PROXY" => Some(proxy.clone()),
            "NO_PROXY" => Some(except.to_owned()),
            other => environment(other),
        }
    };
    for (except, through) in [("", true), ("example.com", true), ("0.0.0.0/31", false), ("*", false)] {
        place.fetch_in(&variables(except), &source, Wish::default(), NOW).unwrap();
        assert_eq!((server.paths().len(), proxy.asked().len()), (1, usize::from(through)), "{except}");
    }
    // This machine itself never.
    let server = Server::secured(good("127.0.0.1", &authority), any);
    let source = Source::parse(&format!("{}/City.mmdb", server.base())).unwrap();
    place.fetch_in(&variables(""), &source, Wish::default(), NOW).unwrap();
    let clear = Server::start(any);
    let source = Source::parse(&format!("{}/City.mmdb", clear.base())).unwrap();
    place.fetch_in(&variables(""), &source, Wish::default(), NOW).unwrap();
    assert_eq!((server.paths().len(), clear.paths().len(), proxy.asked().len()), (1, 1, 0));
}
