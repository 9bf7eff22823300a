//! What is said when an address cannot be had.

use expect_test::{Expect, expect};

use crate::process::{command, directory, start};

/// Runs it with this address; it must end with exit code 1. Its last lines, with the port as `PORT`.
#[track_caller]
fn check(listen: &str, expected: &Expect) {
    let directory = directory(&[]);
    let output = command(&[], directory.path(), &[listen], &["--log", "off"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let port = listen.rsplit(':').next().unwrap();
    expected.assert_eq(&said.replace(port, "PORT"));
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let first = start(&["127.0.0.1:0"], &[]);
    check(
        &first.address().to_string(),
        &expect![[r"
            error: cannot listen on `127.0.0.1:PORT` (UDP): the address is in use
              help: another server (perhaps systemd-resolved or a second catchment) listens there; `ss -lunpt` names it; choose another address or port with `--listen`
        "]],
    );
}

#[test]
fn an_address_of_another_machine_is_named_with_what_to_do() {
    check(
        "198.51.100.53:5300",
        &expect![[r"
            error: cannot listen on `198.51.100.53:PORT`: this machine has no such address
              help: `ip address` lists those it has; an anycast address goes on the loopback interface: `ip address add 198.51.100.53/32 dev lo`
        "]],
    );
}

#[test]
fn a_start_without_a_zones_directory_says_what_to_do() {
    let directory = directory(&[]);
    std::fs::remove_dir(directory.path().join("zones")).unwrap();
    let output = command(&[], directory.path(), &["127.0.0.1:0"], &["--log", "off"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "error: zones cannot be read: No such file or directory (os error 2)\n  help: make it and put a zone there, \
                    or name another with `--zones`\n";
    assert_eq!(said, expected);
}
