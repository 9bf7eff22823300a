//! Edits reach the answers; broken ones do not.

use crate::process::{LIMIT, ZONE, start, www};

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
