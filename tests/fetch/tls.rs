//! Over TLS: who is trusted, what is refused and in which words, and that credentials stay at their place.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use catchment::config::settings::fetch::Source;
use catchment::config::settings::reach::Reach;
use catchment::fetch::{FailureKind, Outcome};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::server::{Reply, Server};
use super::{DAY, NOW, Place, database};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate authority of the test's own.
pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server's side with a certificate for a host, as `change` leaves it, signed by `issuer` or itself; the certificate in PEM.
fn certified(
    host: &str,
    issuer: Option<&Authority>,
    change: impl FnOnce(&mut CertificateParams),
) -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    change(&mut params);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (Arc::new(config), certificate.pem())
}

/// A server's side with a good certificate.
pub(crate) fn good(host: &str, issuer: &Authority) -> Arc<ServerConfig> {
    certified(host, Some(issuer), |_| {}).0
}

/// Others are trusted, too.
pub(crate) fn trusting(directory: &Path, pem: &str) -> Reach {
    let file = directory.join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    Reach { authorities: Some(file), ..Reach::default() }
}

fn any(_: &super::server::Request) -> Reply {
    Reply::ok(database("City", NOW - DAY, 40))
}

fn city(server: &Server) -> Source {
    Source::parse(&format!("{}/City.mmdb?sig=of_mine", server.base())).unwrap()
}

#[test]
fn an_authority_of_ones_own() {
    let authority = authority();
    let server = Server::secured(good("127.0.0.1", &authority), any);
    let place = Place::reaching(|directory| trusting(directory, &authority.pem()));
    let done = place.takes(&city(&server), NOW, Outcome::Replaced);
    assert_eq!(done.is.networks_v4, 40);
    assert_eq!(server.paths(), ["/City.mmdb?sig=of_mine"]);
    // The file is read at each look.
    std::fs::write(place.directory.path().join("ca.pem"), self::authority().pem()).unwrap();
    let failure = place.refuses(&city(&server), FailureKind::Network, "TLS: certificate has a bad signature");
    assert!(failure.to_string().contains("--authorities"), "{failure}");
    assert_eq!(server.paths().len(), 0);
}

#[test]
fn what_is_wrong_with_a_certificate() {
    let authority = authority();
    let place = Place::reaching(|directory| trusting(directory, &authority.pem()));
    place.takes(&city(&Server::secured(good("127.0.0.1", &authority), any)), NOW, Outcome::Replaced);
    let refuses = |(config, _): (Arc<ServerConfig>, String), words: &str| {
        let server = Server::secured(config, any);
        let failure = place.refuses(&city(&server), FailureKind::Network, words);
        let port = server.address.port().to_string();
        let failure = failure.to_string().replace(&port, "PORT");
        assert_eq!(failure.lines().next().unwrap(), format!("https://127.0.0.1:PORT/City.mmdb: {words}"));
        assert_eq!(server.paths().len(), 0);
        failure
    };
    let unknown = refuses(certified("127.0.0.1", None, |_| {}), "TLS: certificate is not signed by a known authority");
    assert!(unknown.ends_with("`authorities` in `geodb`, or `--authorities`"), "{unknown}");
    let other = certified("mirror.example", Some(&authority), |_| {});
    refuses(other, "TLS: certificate is for mirror.example, not for 127.0.0.1");
    let three_days_ago = SystemTime::now() - Duration::from_hours(73);
    let expired = certified("127.0.0.1", Some(&authority), |params| params.not_after = three_days_ago.into());
    refuses(expired, "TLS: certificate expired 3 days ago");
    let in_three_days = SystemTime::now() + Duration::from_hours(73);
    let early = certified("127.0.0.1", Some(&authority), |params| params.not_before = in_three_days.into());
    refuses(early, "TLS: certificate is not valid yet, but in 3 days");
}

#[test]
fn a_server_that_is_its_own_authority() {
    let (config, pem) = certified("127.0.0.1", None, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let server = Server::secured(config, any);
    let place = Place::reaching(|directory| trusting(directory, &pem));
    let words = "TLS: certificate is that of an authority, not one of a server";
    place.refuses(&city(&server), FailureKind::Network, words);
}

#[test]
fn no_tls_at_all() {
    for (says, words) in [
        ("HTTP/1.1 400 What\r\n\r\n", "TLS: server does not speak TLS"),
        ("", "the connection was closed while shaking hands for TLS"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = Source::parse(&format!("https://{}/City.mmdb", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(says.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // Until the other side has had enough, too.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        Place::new().refuses(&source, FailureKind::Network, words);
    }
}

#[test]
fn authorities_that_are_none() {
    let server = Server::start(any);
    let place = Place::reaching(|directory| Reach { authorities: Some(directory.join("ca.pem")), ..Reach::default() });
    let file = place.directory.path().join("ca.pem");
    let refuses = |why: &str| {
        let failure = place.refuses(&city(&server), FailureKind::Setup, why).to_string();
        let failure = super::shown(place.directory.path(), &failure);
        let words = format!(
            "the certificate authorities of DIR/ca.pem cannot be read: {why}\n  help: `authorities` in `geodb`"
        );
        assert!(failure.starts_with(&words), "{failure}");
    };
    refuses("no such file or directory");
    std::fs::create_dir(&file).unwrap();
    refuses("is a directory");
    std::fs::remove_dir(&file).unwrap();
    for (text, why) in [
        ("", "there is no certificate in it"),
        ("words\n", "there is no certificate in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "it is not as PEM files are"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "it is not as PEM files are"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in it can be used"),
        (&KeyPair::generate().unwrap().serialize_pem(), "there is no certificate in it"),
    ] {
        std::fs::write(&file, text).unwrap();
        refuses(why);
    }
    assert_eq!(server.paths().len(), 0);
}

#[test]
fn redirects_lead_to_no_less() {
    let authority = authority();
    let secured = || Server::secured(good("127.0.0.1", &authority), any);
    let (first, second, clear) = (secured(), secured(), Server::start(any));
    let place = Place::reaching(|directory| trusting(directory, &authority.pem()));
    let mut source = city(&first);
    let key = place.directory.path().join("key");
    std::fs::write(&key, "key_of_mine\n").unwrap();
    source.key_file = Some(key);

    let to = format!("{}/x?sig=of_mine", clear.base());
    first.now(move |_| Reply::status(302).header("Location", to.clone()));
    place.refuses(&source, FailureKind::Network, "it leads from TLS to the clear");
    assert_eq!((first.paths().len(), clear.paths().len()), (1, 0));

    // Another port is another place: it gets no key, also by way of a third.
    let back = format!("{}/y", second.base());
    first.now(move |request| match request.path.as_str() {
        "/x" => Reply::status(307).header("Location", back.clone()),
        _ => Reply::status(302).header("Location", "/x"),
    });
    place.takes(&source, NOW, Outcome::Replaced);
    let keys = |server: &Server| {
        server.asked().iter().map(|request| request.headers.get("authorization").cloned()).collect::<Vec<_>>()
    };
    let key = Some("Bearer key_of_mine".to_owned());
    assert_eq!((keys(&first), keys(&second)), (vec![key.clone(), key], vec![None]));
}
