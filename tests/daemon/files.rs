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
