//! `geodb: {fetch: …}`: the server fetches by itself, takes up what it fetched, and says how that went.

use std::time::Instant;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};

use crate::http::get;
use crate::process::{Daemon, LIMIT, ZONE, directory, start_in, with_sites};

#[path = "../fetch/server.rs"]
mod server;

use server::{Reply, Server};

fn database(built: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    let place = [("latitude", Value::Double(50.0)), ("longitude", Value::Double(5.0))];
    let id = writer.record(&Value::Map(place.into()));
    writer.insert_v4(0x0100_0000, 24, id);
    writer.finish(&Metadata { kind: "City".into(), description: String::new(), build_epoch: built })
}

fn settings(server: &Server, name: &str) -> String {
    format!(
        "control: {{http: \"127.0.0.1:0\"}}\ngeodb: {{fetch: \"{}/{name}.mmdb?token=of_mine\", every: 1h}}\n",
        server.base()
    )
}

#[track_caller]
fn shows(daemon: &Daemon, status: &str, metrics: &[&str]) {
    let (_, text, _) = daemon.run(&["status"]);
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(one_line.contains(status), "no `{status}` in:\n{text}");
    let (_, page) = get(daemon, "/metrics");
    for line in metrics {
        assert!(page.lines().any(|have| have.starts_with(line)), "no `{line}` in:\n{page}");
    }
    assert!(!text.contains("of_mine") && !page.contains("of_mine"));
}

#[test]
fn a_server_fetches_its_database() {
    let server = Server::start(|_| Reply::ok(database(1_700_000_000)));
    let directory = with_sites(directory(&[("example.com.yaml", ZONE)]));
    std::fs::write(directory.path().join("catchment.yaml"), settings(&server, "city")).unwrap();
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);

    let lines = daemon.until("database fetched");
    assert!(lines.last().unwrap().contains("built=\"2023-11-14\""), "{lines:?}");
    daemon.until("generation");
    let from = format!("from {}/city.mmdb: what the provider had", server.base());
    shows(
        &daemon,
        &from,
        &[
            "catchment_database_fetches_total{file=\"geodb/city.mmdb\",result=\"replaced\"} 1",
            "catchment_database_fetches_total{file=\"geodb/city.mmdb\",result=\"failed\"} 0",
            "catchment_database_fetch_timestamp_seconds{file=\"geodb/city.mmdb\"} 1",
        ],
    );

    // Other settings hold at once; what fails is said, and changes nothing.
    server.now(|_| Reply::status(500));
    std::fs::write(daemon.directory.path().join("catchment.yaml"), settings(&server, "other")).unwrap();
    let lines = daemon.until("could not be fetched");
    let last = lines.last().unwrap();
    assert!(last.contains("WARN") && last.contains("has trouble") && !last.contains("of_mine"), "{last}");
    shows(
        &daemon,
        "FAILED geodb/other.mmdb",
        &["catchment_database_fetches_total{file=\"geodb/other.mmdb\",result=\"failed\"} 1"],
    );
    assert!(daemon.directory.path().join("geodb/city.mmdb").exists());

    std::fs::write(daemon.directory.path().join("catchment.yaml"), "control: {http: \"127.0.0.1:0\"}\n").unwrap();
    daemon.until("settings changed");
    // The task hears of it right after the log does.
    let begun = Instant::now();
    while daemon.run(&["status"]).1.contains("fetching") {
        assert!(begun.elapsed() < LIMIT, "it is still fetching");
    }
    let (lines, status) = daemon.stop();
    assert!(status.success() && !lines.iter().any(|line| line.contains("ERROR")), "{lines:?}");
}

#[test]
fn authorities_that_are_not_there() {
    let server = Server::start(|_| Reply::ok(database(1_700_000_000)));
    let directory = with_sites(directory(&[("example.com.yaml", ZONE)]));
    let file = directory.path().join("catchment.yaml");
    let written = settings(&server, "city");
    std::fs::write(&file, written.replace("every: 1h", "every: off")).unwrap();
    let daemon = start_in(directory, &[], &["127.0.0.1:0"], &[]);
    let edit = |text: String| {
        std::fs::write(file.with_extension("new~"), text).unwrap();
        std::fs::rename(file.with_extension("new~"), &file).unwrap();
    };
    edit(written.replace("geodb: {", "geodb: {authorities: none.pem, "));
    let why = "the certificate authorities of none.pem cannot be read: no such file or directory";
    let lines = daemon.until("databases cannot be fetched as it is");
    assert!(lines.last().unwrap().contains(why), "{lines:?}");
    let lines = daemon.until("could not be fetched");
    assert!(lines.last().unwrap().contains(why), "{lines:?}");
    assert_eq!(server.paths().len(), 0);
    shows(&daemon, why, &["catchment_database_fetches_total{file=\"geodb/city.mmdb\",result=\"failed\"} 1"]);
    // Without them it is tried again at once.
    edit(written);
    daemon.until("database fetched");
}
