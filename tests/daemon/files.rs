//! Edits reach the answers; broken ones do not.

use std::io::{Read, Write};
use std::net::TcpStream;

use hickory_proto::rr::RecordType;

use crate::http;
use crate::process::{LIMIT, ZONE, directory, over_udp, query, start, start_in, with_sites, www};

#[test]
fn an_edit_is_live_and_a_broken_one_is_refused_with_its_place() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let server = daemon.address();
    assert_eq!(www(server), "NoError aa\nwww.example.com. 300 IN A 192.0.2.1");

    let begun = std::time::Instant::now();
    daemon.write_zone("example.com.yaml", &ZONE.replace("192.0.2.1,", "192.0.2.2,"));
    while www(server) != "NoError aa\nwww.example.com. 300 IN A 192.0.2.2" {
        assert!(begun.elapsed() < LIMIT, "the edit did not arrive");
        std::thread::yield_now();
    }

    daemon.write_zone("example.com.yaml", &ZONE.replace("A: 192.0.2.1,", "A: 192.0.2.300,"));
    let said = daemon.until("zones/example.com.yaml:7:").join("\n");
    assert!(said.contains("192.0.2.300"), "{said}");
    assert_eq!(www(server), "NoError aa\nwww.example.com. 300 IN A 192.0.2.2");

    daemon.signal("HUP");
    assert_eq!(www(server), "NoError aa\nwww.example.com. 300 IN A 192.0.2.2");
    assert!(daemon.stop().1.success());
}

#[test]
fn a_reload_says_what_it_does_and_a_rehearsal_what_it_would() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let (code, out, _) = daemon.run(&["reload"]);
    assert_eq!((code, &*out), (0, "serves     generation 1, as before: nothing changes for queries\n"));
    // A file that vanishes is held for its time of grace, and no edit is taken in the meantime: nobody else looks.
    let zone = |a: &str| ZONE.replace("192.0.2.1,", a);
    let other = ZONE.replace("example.com", "example.net");
    daemon.write_zone("other.yaml", &other);
    daemon.until("example.net");
    std::fs::remove_file(daemon.directory.path().join("zones/other.yaml")).unwrap();
    daemon.until("kept for a time of grace");

    let (code, out, _) = daemon.run(&["reload", "--dry-run", "--confirm-removals"]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with(
            "would be   generation 3 after 2; nothing was changed\nzones      example.net. would be removed\n"
        ),
        "{out}"
    );
    let (_, out, _) = daemon.run(&["status"]);
    assert!(out.contains("STALE example.net. serves as it was before: its file is gone"), "{out}");
    let (code, out, _) = daemon.run(&["reload", "--confirm-removals", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["generation"], &told["zones"][0]["what"]), (0, &3.into(), &"removed".into()));

    daemon.write_zone("example.com.yaml", &zone("192.0.2.300,"));
    let (code, out, _) = daemon.run(&["reload"]);
    assert_eq!(code, 1);
    assert!(out.contains("zones/example.com.yaml:7:12: error: ") && out.contains("192.0.2.300"), "{out}");
    let (_, out, _) = daemon.run(&["status"]);
    assert!(out.contains("STALE example.com. serves as it was before:"), "{out}");
    assert!(out.contains("files      1 error; `catchment check` shows them"), "{out}");
    assert!(daemon.stop().1.success());
}

#[test]
fn settings_hold_at_once_or_wait_for_a_start_and_broken_ones_change_nothing() {
    let first = "identity: {name: one}\nudp: {threads: 1}\nreload: {vanish_grace: 1h}\n";
    let directory = directory(&[("example.com.yaml", ZONE)]);
    let file = directory.path().join("catchment.yaml");
    std::fs::write(&file, first).unwrap();
    let daemon = start_in(with_sites(directory), &[], &["127.0.0.1:0"], &[]);
    let name = || {
        let mut request = query("id.server", RecordType::TXT);
        let class = request.windows(4).position(|octets| octets == [0, 16, 0, 1]).unwrap() + 3;
        request[class] = 3;
        let answer = over_udp(daemon.address(), &request);
        let end = answer.windows(4).position(|octets| octets == *b"\x03one" || octets == *b"\x03two");
        end.map(|at| String::from_utf8(answer[at + 1..at + 4].to_vec()).unwrap())
    };
    assert_eq!(name().as_deref(), Some("one"));

    std::fs::write(&file, first.replace("one", "two").replace("threads: 1", "threads: 2")).unwrap();
    let said = daemon.until("these settings hold from the next start on").join("\n");
    assert!(said.contains("settings changed") && said.contains("settings=\"identity.name\""), "{said}");
    assert!(said.contains("settings=\"udp.threads\""), "{said}");
    daemon.until("reloaded");
    assert_eq!(name().as_deref(), Some("two"));

    std::fs::write(&file, "identity: {nam: three}\n").unwrap();
    let said = daemon.until("the settings stay as they are").join("\n");
    assert!(said.contains("catchment.yaml:1:12: error: ") && said.contains("did you mean `name`?"), "{said}");
    assert_eq!(name().as_deref(), Some("two"));
    // Emptied or gone, they stay as well; and the level of the log is heeded when they are back.
    std::fs::write(&file, "\n").unwrap();
    daemon.until("the settings file is empty");
    std::fs::remove_file(&file).unwrap();
    daemon.until("the settings file is gone");
    assert_eq!(name().as_deref(), Some("two"));
    std::fs::write(&file, format!("{}log: {{level: debug}}\n", first.replace("one", "two"))).unwrap();
    let said = daemon.until("settings changed").join("\n");
    assert!(said.contains("settings=\"log.level\""), "{said}");
    assert!(daemon.stop().1.success());
}

#[test]
fn limits_of_tcp_and_the_rules_of_the_api_hold_at_once() {
    let directory = directory(&[("example.com.yaml", ZONE)]);
    let file = directory.path().join("catchment.yaml");
    let first = "tcp: {per_client: 2, idle: 10m}\ncontrol: {http: \"127.0.0.1:0\"}\n";
    std::fs::write(&file, first).unwrap();
    let daemon = start_in(with_sites(directory), &[], &["127.0.0.1:0"], &[]);
    let connect = || {
        let mut stream = TcpStream::connect(daemon.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // Answered, so that it has its seat.
        let request = query("www.example.com.", RecordType::A);
        stream.write_all(&(request.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(&request).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        stream
    };
    let status = || http::send(daemon.http.unwrap(), b"GET /healthz HTTP/1.1\r\nHost: ns1.example.net\r\n\r\n");
    let (mut one, mut two) = (connect(), connect());
    assert!(status().starts_with("HTTP/1.1 421 "), "{}", status());

    std::fs::write(
        &file,
        "tcp: {per_client: 1, idle: 300ms}\ncontrol: {http: \"127.0.0.1:0\", hosts: [ns1.example.net]}\n",
    )
    .unwrap();
    let said = daemon.until("settings changed").join("\n");
    assert!(said.contains("settings=\"tcp.per_client, tcp.idle, control.hosts\""), "{said}");
    assert!(!said.contains("from the next start on"), "{said}");
    daemon.until("reloaded");
    let mut three = connect();
    // Both go for the newcomer: the limit was lowered. And that one is idle after 300 ms, not ten minutes.
    for stream in [&mut one, &mut two, &mut three] {
        assert!(matches!(stream.read(&mut [0; 16]), Ok(0)), "the connection should have been closed");
    }
    assert!(status().starts_with("HTTP/1.1 200 "), "{}", status());
    assert!(daemon.stop().1.success());
}
