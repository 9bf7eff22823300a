//! `geodb fetch` against servers on this machine: every provider, every check, and that nothing is changed by what fails.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod command;
mod proxies;
mod proxy;
mod server;
mod tls;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catchment::config::settings::fetch::{Checksum, Source};
use catchment::config::settings::reach::Reach;
use catchment::fetch::{Done, Failure, FailureKind, Fetcher, Outcome, Wish};
use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use server::{Reply, Server};

/// 2023-11-14; the month matters to DB-IP.
const NOW: u64 = 1_700_000_000;
const DAY: u64 = 86_400;

/// A database with so many networks of each family, each with a record of its own.
fn database(kind: &str, built: u64, networks: u32) -> Vec<u8> {
    let mut writer = Writer::new();
    for number in 0..networks {
        let place = [("latitude", Value::Double(f64::from(number % 90))), ("longitude", Value::Double(5.0))];
        let id = writer.record(&Value::Map(place.into()));
        writer.insert_v4(0x0100_0000 + (number << 8), 24, id);
        writer.insert_v6(0x2a00 << 112 | u128::from(number) << 80, 48, id);
    }
    writer.finish(&Metadata { kind: kind.into(), description: String::new(), build_epoch: built })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("X/COPYRIGHT.txt", &b"words"[..]), (name, bytes)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let sum = ring::digest::digest(&ring::digest::SHA256, bytes);
    sum.as_ref().iter().fold(String::new(), |mut out, octet| {
        write!(out, "{octet:02x}").unwrap();
        out
    })
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "MAXMIND_ACCOUNT_ID" => "123456",
        "MAXMIND_LICENSE_KEY" => "key_of_mine",
        "IPINFO_TOKEN" => "token_of_mine",
        _ => return None,
    };
    Some(value.to_owned())
}

/// A directory of databases, and who fetches into it.
struct Place {
    directory: tempfile::TempDir,
    fetcher: Fetcher,
}

impl Place {
    fn new() -> Self {
        Self::reaching(|_| Reach::default())
    }

    /// With others reached so; `reach` is told the directory.
    fn reaching(reach: impl FnOnce(&Path) -> Reach) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(directory.path().join("state/fetch"), reach(directory.path()));
        std::fs::create_dir(directory.path().join("geodb")).unwrap();
        Self { directory, fetcher }
    }

    fn file(&self, source: &Source) -> PathBuf {
        source.file(&[self.directory.path().join("geodb")]).unwrap()
    }

    fn fetch(&self, source: &Source, wish: Wish, now: u64) -> Result<Done, Failure> {
        self.fetch_in(&environment, source, wish, now)
    }

    /// With these variables.
    fn fetch_in(
        &self,
        environment: &(dyn Fn(&str) -> Option<String> + Sync),
        source: &Source,
        wish: Wish,
        now: u64,
    ) -> Result<Done, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = self.file(source);
        let done = runtime.block_on(self.fetcher.fetch(source, &file, wish, now, environment, &|_| {}));
        if let Err(failure) = &done {
            assert!(!failure.to_string().contains("of_mine"), "{failure}");
        }
        // Whatever came of it, nothing is left lying about.
        let names = ["geodb", "state/fetch"].map(|sub| self.directory.path().join(sub));
        let left =
            names.iter().filter_map(|sub| std::fs::read_dir(sub).ok()).flatten().map(|entry| entry.unwrap().path());
        let left: Vec<_> = left.filter(|path| path.extension().is_some_and(|e| e == "part")).collect();
        assert!(left.is_empty(), "{left:?}");
        done
    }

    #[track_caller]
    fn takes(&self, source: &Source, now: u64, outcome: Outcome) -> Done {
        let done = self.fetch(source, Wish::default(), now).unwrap();
        assert_eq!(done.outcome, outcome);
        done
    }

    /// It is refused with these words, and what was there is there.
    #[track_caller]
    fn refuses(&self, source: &Source, kind: FailureKind, words: &str) -> Failure {
        let before = std::fs::read(self.file(source)).ok();
        let failure = self.fetch(source, Wish::default(), NOW).unwrap_err();
        assert!(failure.to_string().contains(words) && failure.kind == kind, "{failure:?}");
        assert_eq!(std::fs::read(self.file(source)).ok(), before);
        failure
    }
}

fn source(written: &str, server: &Server) -> Source {
    let mut source = Source::parse(written).unwrap();
    source.base = Some(server.base());
    source
}

#[test]
fn maxmind_by_way_of_another_host() {
    let old = archive("X/GeoLite2-City.mmdb", &database("GeoLite2-City", NOW - 5 * DAY, 40));
    let new = database("GeoLite2-City", NOW - DAY, 44);
    let packed = archive("X/GeoLite2-City.mmdb", &new);
    let store = Server::start(move |_| Reply::ok(old.clone()));
    let sum = |packed: &[u8]| format!("{}  GeoLite2-City_20231110.tar.gz\n", sha256(packed));
    let answer = |sum: String, to: String| {
        move |request: &server::Request| match request.path.as_str() {
            "/geoip/databases/GeoLite2-City/download?suffix=tar.gz.sha256" => Reply::ok(sum.clone()),
            "/geoip/databases/GeoLite2-City/download?suffix=tar.gz" => {
                Reply::status(302).header("Location", to.clone())
            }
            _ => Reply::status(404),
        }
    };
    let to = format!("{}/signed?secret=1", store.base());
    let first = archive("X/GeoLite2-City.mmdb", &database("GeoLite2-City", NOW - 5 * DAY, 40));
    let server = Server::start(answer(sum(&first), to.clone()));
    let (place, source) = (Place::new(), source("maxmind", &server));

    let done = place.takes(&source, NOW, Outcome::Replaced);
    assert_eq!((done.was, done.is.networks_v4, done.is.networks_v6), (None, 40, 40));
    assert!(done.credit.unwrap().contains("MaxMind"));
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert_eq!(request.headers["authorization"], "Basic MTIzNDU2OmtleV9vZl9taW5l");
        assert_eq!(request.headers["user-agent"], concat!("catchment/", env!("CARGO_PKG_VERSION")));
    }
    // Who is asked in the end does not get the key.
    let asked = store.asked();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/signed?secret=1"));
    assert!(!asked[0].headers.contains_key("authorization"));

    // The checksum says that nothing is new: nothing is downloaded.
    place.takes(&source, NOW + DAY, Outcome::Unchanged);
    assert_eq!((server.paths().len(), store.paths().len()), (1, 0));

    let wanted = packed.clone();
    store.now(move |_| Reply::ok(wanted.clone()));
    server.now(answer(sum(&packed), to));
    let done = place.takes(&source, NOW, Outcome::Replaced);
    assert_eq!((done.was.unwrap().networks_v4, done.is.networks_v4), (40, 44));
    assert_eq!(std::fs::read(place.file(&source)).unwrap(), new);
}

#[test]
fn maxmind_with_a_wrong_checksum() {
    let packed = archive("X/GeoLite2-City.mmdb", &database("GeoLite2-City", NOW, 40));
    let server = Server::start(move |request| {
        if request.path.ends_with("sha256") { Reply::ok("0".repeat(64)) } else { Reply::ok(packed.clone()) }
    });
    let (place, source) = (Place::new(), source("maxmind", &server));
    place.refuses(&source, FailureKind::Checksum, "not 0000");
    server.now(|_| Reply::ok("<html>"));
    place.refuses(&source, FailureKind::Checksum, "no SHA-256");
    server.now(|_| Reply::status(401));
    place.refuses(&source, FailureKind::Credentials, "not accepted");
    server.now(|_| Reply::status(429).header("Retry-After", "77"));
    let failure = place.refuses(&source, FailureKind::Busy, "wants us to wait");
    assert_eq!(failure.after, Some(Duration::from_secs(77)));
    server.now(|_| Reply::status(503));
    place.refuses(&source, FailureKind::Network, "has trouble");
}

#[test]
fn maxmind_gives_another_edition() {
    let packed = archive("X/GeoLite2-City.mmdb", &database("GeoLite2-Country", NOW, 40));
    let server = Server::start(move |request| {
        if request.path.ends_with("sha256") { Reply::ok(sha256(&packed)) } else { Reply::ok(packed.clone()) }
    });
    let (place, source) = (Place::new(), source("maxmind", &server));
    place.refuses(&source, FailureKind::Refused, "it is `GeoLite2-Country`, not `GeoLite2-City`");
}

#[test]
fn db_ip_month_by_month() {
    let october = gzip(&database("DBIP-City-Lite", NOW - 40 * DAY, 40));
    let server = Server::start(move |request| match request.path.as_str() {
        "/free/dbip-city-lite-2023-10.mmdb.gz"
            if request.headers.get("if-none-match").is_some_and(|e| e == "\"o1\"") =>
        {
            Reply::status(304)
        }
        "/free/dbip-city-lite-2023-10.mmdb.gz" => Reply::ok(october.clone()).header("ETag", "\"o1\""),
        _ => Reply::status(404),
    });
    let (place, source) = (Place::new(), source("dbip", &server));
    let both = ["/free/dbip-city-lite-2023-11.mmdb.gz", "/free/dbip-city-lite-2023-10.mmdb.gz"];
    let done = place.takes(&source, NOW, Outcome::Replaced);
    assert!(done.credit.unwrap().contains("DB-IP"));
    assert_eq!(server.paths(), both);
    place.takes(&source, NOW, Outcome::Unchanged);
    assert_eq!(server.paths(), both);

    // The new month's file is another, whatever the old one's tag was.
    let november = gzip(&database("DBIP-City-Lite", NOW - 10 * DAY, 40));
    server.now(move |request| {
        assert!(!request.headers.contains_key("if-none-match"));
        Reply::ok(november.clone()).header("Last-Modified", "Wed, 01 Nov 2023 04:00:00 GMT")
    });
    place.takes(&source, NOW, Outcome::Replaced);
    server.now(|request| {
        assert_eq!(request.headers["if-modified-since"], "Wed, 01 Nov 2023 04:00:00 GMT");
        Reply::status(304)
    });
    place.takes(&source, NOW, Outcome::Unchanged);

    // Whoever changes the file by hand gets the provider's again.
    std::fs::write(place.file(&source), database("DBIP-City-Lite", NOW - 99 * DAY, 40)).unwrap();
    let november = gzip(&database("DBIP-City-Lite", NOW - 10 * DAY, 40));
    server.now(move |_| Reply::ok(november.clone()));
    server.asked();
    place.takes(&source, NOW, Outcome::Replaced);
    assert!(!server.asked()[0].headers.contains_key("if-modified-since"));

    server.now(|_| Reply::status(404));
    place.refuses(&source, FailureKind::Missing, "dbip-city-lite-2023-10.mmdb.gz: there is no such file");
}

#[test]
fn ipinfo_with_its_token() {
    let plain = database("ipinfo lite", NOW - DAY, 40);
    let server = Server::start(move |request| match request.path.as_str() {
        "/data/ipinfo_lite.mmdb/checksums?token=token_of_mine" => {
            Reply::ok(format!(r#"{{"checksums": {{"sha1": "x", "sha256": "{}"}}}}"#, sha256(&plain)))
        }
        "/data/ipinfo_lite.mmdb?token=token_of_mine" => Reply::ok(plain.clone()),
        _ => Reply::status(403),
    });
    let (place, mut source) = (Place::new(), source("ipinfo", &server));
    place.takes(&source, NOW, Outcome::Replaced);
    place.takes(&source, NOW, Outcome::Unchanged);
    server.now(|_| Reply::status(403));
    place.refuses(&source, FailureKind::Credentials, "/data/ipinfo_lite.mmdb/checksums: the account, key or token");
    source.key_file = Some(place.directory.path().join("none"));
    place.refuses(&source, FailureKind::Setup, "cannot be read");
}

#[test]
fn any_address_with_every_kind_of_trouble() {
    let server = Server::start(|_| Reply::ok(database("City", NOW - 2 * DAY, 40)));
    let place = Place::new();
    let mut source = Source::parse(&format!("{}/a/City.mmdb?sig=of_mine", server.base())).unwrap();
    assert!(place.file(&source).ends_with("geodb/City.mmdb"));
    place.takes(&source, NOW, Outcome::Replaced);
    // The same octets again, with no word whether they are new.
    place.takes(&source, NOW, Outcome::Unchanged);

    let refuses = |bytes: Vec<u8>, kind, words: &str| {
        server.now(move |_| Reply::ok(bytes.clone()));
        place.refuses(&source, kind, words)
    };
    let whole = database("City", NOW - DAY, 40);
    refuses(b"<html>hello</html>".to_vec(), FailureKind::Refused, "not a MaxMind database");
    refuses(Vec::new(), FailureKind::Refused, "the file is empty");
    refuses(whole[..whole.len() / 2].to_vec(), FailureKind::Refused, "what was fetched");
    refuses(gzip(&whole)[..200].to_vec(), FailureKind::Refused, "cannot be unpacked");
    refuses(database("City", NOW - 3 * DAY, 40), FailureKind::Refused, "before the one that is there");
    refuses(database("City", NOW + 3 * DAY, 40), FailureKind::Refused, "in the future");
    refuses(database("City", NOW - DAY, 19), FailureKind::Refused, "has 19 IPv4 networks, less than half of the 40");
    refuses(database("City", NOW - DAY, 0), FailureKind::Refused, "neither places nor countries");

    let cut = whole.clone();
    server.now(move |_| Reply { cut: Some(300), ..Reply::ok(cut.clone()) });
    place.refuses(&source, FailureKind::Network, "broke off after 300 octets");
    server.now(|_| Reply::status(302).header("Location", "/a"));
    place.refuses(&source, FailureKind::Network, "more than 5 redirects");
    server.now(|_| Reply::status(302).header("Location", "http://192.0.2.1/a?sig=of_mine"));
    place.refuses(&source, FailureKind::Network, "leads to `http://192.0.2.1/a`, where nothing is fetched from");
    server.now(|_| Reply { headers: vec![("Content-Encoding", "none".into())], ..Reply::status(500) });
    place.refuses(&source, FailureKind::Network, "has trouble (500");

    // Smaller, and that is as it should be.
    server.now(|_| Reply::ok(database("City", NOW - DAY, 19)));
    let dry = place.fetch(&source, Wish { force: true, dry_run: true }, NOW).unwrap();
    assert_eq!((dry.outcome, dry.is.networks_v4, dry.was.unwrap().networks_v4), (Outcome::Would, 19, 40));
    let done = place.fetch(&source, Wish { force: true, dry_run: false }, NOW).unwrap();
    assert_eq!(done.outcome, Outcome::Replaced);

    // What has the wrong digits is not looked at any further.
    source.sha256 = Some(Checksum::Digits(sha256(b"another")));
    server.now(|_| Reply::ok(database("City", NOW, 40)));
    place.refuses(&source, FailureKind::Checksum, "as announced");
}

#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let server = Server::start(|_| Reply::ok(database("City", NOW - 2 * DAY, 40)));
    let place = Place::new();
    let source = Source::parse(&format!("{}/City.mmdb", server.base())).unwrap();
    let real = place.directory.path().join("real.mmdb");
    std::fs::write(&real, "").unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, place.file(&source)).unwrap();
    place.takes(&source, NOW, Outcome::Replaced);
    assert!(std::fs::symlink_metadata(place.file(&source)).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    place.takes(&source, NOW, Outcome::Unchanged);
}

#[test]
fn credentials_of_an_address() {
    let server = Server::start(|_| Reply::ok(database("City", NOW - 2 * DAY, 40)));
    let place = Place::new();
    let key = place.directory.path().join("key");
    std::fs::write(&key, "key_of_mine\nsecond line\n").unwrap();
    let mut source = Source::parse(&format!("{}/City.mmdb", server.base())).unwrap();
    source.key_file = Some(key.clone());
    place.takes(&source, NOW, Outcome::Replaced);
    assert_eq!(server.asked()[0].headers["authorization"], "Bearer key_of_mine");
    source.account = Some("me".to_owned());
    place.takes(&source, NOW, Outcome::Unchanged);
    assert_eq!(server.asked()[0].headers["authorization"], "Basic bWU6a2V5X29mX21pbmU=");
    std::fs::write(&key, "\n").unwrap();
    place.refuses(&source, FailureKind::Setup, "has no key on its first line");
}

/// The path as the test's directory has it, for messages.
fn shown(path: &Path, text: &str) -> String {
    text.replace(&path.display().to_string(), "DIR")
}
