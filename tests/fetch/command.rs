//! The command: what it prints, its exit codes, and secrets that are nowhere.

use std::path::Path;
use std::process::{Command, Output};

use expect_test::{Expect, expect};

use super::proxy::{Does, Proxy};
use super::server::{Reply, Server};
use super::tls::{authority, good};
use super::{archive, database, gzip, sha256, shown};

const BUILT: u64 = 1_699_000_000;

/// Runs `catchment geodb fetch` in a directory, with these variables and no proxies of the tests' own environment.
fn run(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.current_dir(directory).args(["geodb", "fetch"]).args(arguments);
    command.env_remove("NO_COLOR").env("IPINFO_TOKEN", "token_of_mine").env("MAXMIND_LICENSE_KEY", "key_of_mine");
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

#[track_caller]
fn check(directory: &Path, arguments: &[&str], code: i32, server: &Server, expected: &Expect) {
    check_in(directory, &[], arguments, code, server, expected);
}

#[track_caller]
fn check_in(
    directory: &Path,
    variables: &[(&str, &str)],
    arguments: &[&str],
    code: i32,
    server: &Server,
    expected: &Expect,
) {
    let output = run(directory, variables, arguments);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("of_mine") && !text.contains('\x1b'), "{text}");
    assert_eq!(output.status.code(), Some(code), "{text}");
    expected.assert_eq(&shown(directory, &text).replace(&server.address.port().to_string(), "PORT"));
}

#[test]
fn in_words() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let server = Server::start(|_| Reply::ok(gzip(&database("DBIP-City-Lite", BUILT, 40))).header("ETag", "\"1\""));
    let base = server.base();
    let dbip = ["dbip", "--base", &base];
    check(
        directory,
        &["dbip", "--base", &base, "--dry-run"],
        0,
        &server,
        &expect![[r"
        geodb/dbip-city-lite.mmdb: would be replaced: DBIP-City-Lite, built 2023-11-03, 40 IPv4 and 40 IPv6 networks, 3 KB
        IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0
    "]],
    );
    assert!(!directory.join("geodb/dbip-city-lite.mmdb").exists());
    check(
        directory,
        &dbip,
        0,
        &server,
        &expect![[r"
        geodb/dbip-city-lite.mmdb: new: DBIP-City-Lite, built 2023-11-03, 40 IPv4 and 40 IPv6 networks, 3 KB
        IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0
    "]],
    );
    server.now(|_| Reply::status(304));
    check(
        directory,
        &dbip,
        0,
        &server,
        &expect![[r"
        geodb/dbip-city-lite.mmdb: unchanged: DBIP-City-Lite, built 2023-11-03, 40 IPv4 and 40 IPv6 networks, 3 KB
    "]],
    );
    server.now(|_| Reply::ok(database("DBIP-City-Lite", BUILT + 1, 4)));
    check(
        directory,
        &dbip,
        1,
        &server,
        &expect![[r"
        error: geodb/dbip-city-lite.mmdb: it has 4 IPv4 networks, less than half of the 40 that are there
          help: if that is as it should be, `--force`
    "]],
    );
    check(
        directory,
        &["dbip", "--base", &base, "--force"],
        0,
        &server,
        &expect![[r"
        geodb/dbip-city-lite.mmdb: replaced: DBIP-City-Lite, built 2023-11-03 (was 2023-11-03), 4 IPv4 and 4 IPv6 networks, 2 KB
        IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0
    "]],
    );
}

#[test]
fn mistakes() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let server = Server::start(|_| Reply::status(403));
    let base = server.base();
    check(
        directory,
        &[],
        1,
        &server,
        &expect![[r"
        error: nothing to fetch
          help: name a source, for example `catchment geodb fetch dbip`, or write `geodb: {fetch: [dbip]}` into the settings
    "]],
    );
    check(
        directory,
        &["dpip"],
        2,
        &server,
        &expect![[r"
        error: `dpip` is nothing to fetch from
          help: for example `https://mirror.example.com/city.mmdb.gz`, or `maxmind`, `dbip`, `ipinfo`
    "]],
    );
    check(
        directory,
        &["--to", "x.mmdb"],
        2,
        &server,
        &expect![[r"
        error: `--to`, `--account`, `--key-file`, `--sha256` and `--base` are for one source
          help: name it
    "]],
    );
    check(
        directory,
        &["maxmind", "--base", &base],
        1,
        &server,
        &expect![[r"
        error: geodb/GeoLite2-City.mmdb: the account is not known
          help: write `account:` in `geodb: {fetch: …}`, or set `MAXMIND_ACCOUNT_ID`
    "]],
    );
    check(
        directory,
        &["ipinfo", "--base", &base],
        1,
        &server,
        &expect![[r"
        error: geodb/ipinfo_lite.mmdb: http://127.0.0.1:PORT/data/ipinfo_lite.mmdb/checksums: the account, key or token is not accepted
    "]],
    );
    check(
        directory,
        &["ipinfo", "--base", "http://192.0.2.1/"],
        2,
        &server,
        &expect![[r"
        error: `http://192.0.2.1/` could be changed by anyone on the way
          help: `https://`; only this machine itself may be asked in the clear
    "]],
    );
}

#[test]
fn all_of_the_settings_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let packed = archive("X/GeoLite2-ASN.mmdb", &database("GeoLite2-ASN", BUILT, 40));
    let server = Server::start(move |request| match request.path.as_str() {
        path if path.starts_with("/free/") => Reply::status(500),
        path if path.ends_with("sha256") => Reply::ok(sha256(&packed)),
        _ => Reply::ok(packed.clone()),
    });
    let base = server.base();
    let settings = format!(
        "geodb:\n  from: data\n  fetch:\n  - {{from: maxmind, edition: GeoLite2-ASN, account: \"1\", base: \"{base}\"}}\n  \
         - {{from: dbip, base: \"{base}\"}}\n"
    );
    std::fs::write(directory.join("catchment.yaml"), settings).unwrap();
    let output = run(directory, &[], &["--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0), "{text}");
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(results[0]["outcome"], "replaced");
    assert_eq!(results[0]["file"], "data/GeoLite2-ASN.mmdb");
    assert_eq!(results[0]["database"]["networks"]["v6"], 40);
    assert_eq!((&results[1]["outcome"], &results[1]["cause"]), (&"failed".into(), &"network".into()));
    assert!(directory.join("data/GeoLite2-ASN.mmdb").exists());
    // One of them by its name, with what the settings say of it.
    let again = run(directory, &[], &["maxmind:GeoLite2-ASN"]);
    assert!(String::from_utf8(again.stdout).unwrap().starts_with("data/GeoLite2-ASN.mmdb: unchanged: "));
}

#[test]
fn through_a_proxy_that_looks_inside() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let authority = authority();
    let server = Server::secured(good("db.example", &authority), |_| Reply::ok(database("City", BUILT, 40)));
    let proxy = Proxy::start(Does::Tunnel(server.address));
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    let url = "https://db.example/City.mmdb";
    let variables = [("https_proxy", format!("http://me:of_mine@{}", proxy.address))];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let check = |arguments: &[&str], code, expected: &Expect| {
        check_in(directory, &variables, arguments, code, &server, expected);
    };
    check(
        &[url],
        1,
        &expect![[r"
            error: geodb/City.mmdb: https://db.example/City.mmdb: TLS: certificate is not signed by a known authority
              help: where a mirror or a proxy has an authority of its own, name the file of its certificate: `authorities` in `geodb`, or `--authorities`
        "]],
    );
    check(
        &[url, "--authorities", "none.pem"],
        1,
        &expect![[r"
            error: geodb/City.mmdb: the certificate authorities of none.pem cannot be read: no such file or directory
              help: `authorities` in `geodb` names a PEM file, with `-----BEGIN CERTIFICATE-----` in it; without it the public ones are trusted
        "]],
    );
    check(
        &[url, "--proxy", "http://me:of_mine@127.0.0.1:1"],
        2,
        &expect![[r"
            error: a name and password do not belong on the command line, which all can see
              help: write it into the settings (`geodb: {proxy: …}`), or set `https_proxy`
        "]],
    );
    check(
        &[url, "--proxy", "socks5://127.0.0.1:1"],
        2,
        &expect![[r"
            error: the proxy `socks5://127.0.0.1:1` cannot be used
              help: a proxy is spoken to by `http://` only; what is fetched through it stays encrypted
        "]],
    );
    check(
        &[url, "--authorities", "ca.pem"],
        0,
        &expect![[r"
            geodb/City.mmdb: new: City, built 2023-11-03, 40 IPv4 and 40 IPv6 networks, 3 KB
        "]],
    );
    // The same from the settings, which win over the environment.
    let settings = format!("geodb: {{fetch: \"{url}\", authorities: ca.pem, proxy: \"{}\"}}\n", proxy.address);
    std::fs::write(directory.join("catchment.yaml"), settings).unwrap();
    proxy.asked();
    let output = run(directory, &[("https_proxy", "socks5://of_mine")], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("geodb/City.mmdb: unchanged: "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!proxy.asked()[0].1.contains_key("proxy-authorization"));
}
