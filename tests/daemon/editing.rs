//! Every way in which files are written reaches the answers, within a second (SEMANTICS §6.1); what only looks like a change, or is
//! half of one, takes nothing away.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Daemon, LIMIT, ZONE, directory, start, start_in, with_sites, www};

/// How long a change may take to be in the answers; a debug build on a busy machine says nothing of that.
const WITHIN: Duration = if cfg!(debug_assertions) { LIMIT } else { Duration::from_secs(1) };
/// The same where files are polled.
const POLLED: Duration = if cfg!(debug_assertions) { LIMIT } else { Duration::from_secs(5) };

/// The zone with this address at `www`.
fn zone(last: u8) -> String {
    ZONE.replace("192.0.2.1,", &format!("192.0.2.{last},"))
}

/// Waits for the answer.
#[track_caller]
fn arrives(server: SocketAddr, last: u8, within: Duration, how: &str) {
    let begun = Instant::now();
    let wanted = format!("NoError aa\nwww.example.com. 300 IN A 192.0.2.{last}");
    loop {
        let answer = www(server);
        if answer == wanted {
            println!("{how}: {} ms", begun.elapsed().as_millis());
            return;
        }
        assert!(begun.elapsed() < within, "{how}: not within {within:?}, but {answer}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The server has looked, and still answers as before.
#[track_caller]
fn stays(daemon: &Daemon, last: u8, how: &str) {
    let (_, out, _) = daemon.run(&["reload"]);
    assert_eq!(www(daemon.address()), format!("NoError aa\nwww.example.com. 300 IN A 192.0.2.{last}"), "{how}: {out}");
}

fn shell(at: &Path, script: &str) -> bool {
    Command::new("sh").args(["-ec", script]).current_dir(at).status().unwrap().success()
}

#[test]
fn every_way_of_writing_arrives() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let (server, at) = (daemon.address(), daemon.directory.path().to_owned());
    let file = at.join("zones/example.com.yaml");

    daemon.write_zone("example.com.yaml", &zone(2));
    arrives(server, 2, WITHIN, "renamed over, as editors do");
    std::fs::write(&file, zone(3)).unwrap();
    arrives(server, 3, WITHIN, "overwritten in place");
    assert!(shell(&at, "sed -i s/192.0.2.3,/192.0.2.4,/ zones/example.com.yaml"));
    arrives(server, 4, WITHIN, "sed -i");
    // vim, as it is set by default: the old one is kept beside while the new one is written under its name.
    std::fs::rename(&file, at.join("zones/example.com.yaml~")).unwrap();
    std::fs::write(&file, zone(5)).unwrap();
    std::fs::remove_file(at.join("zones/example.com.yaml~")).unwrap();
    arrives(server, 5, WITHIN, "moved aside and written anew");
    // In pieces, with pauses shorter than the time of quiet.
    let text = zone(6);
    for length in [10, 60, text.len()] {
        std::fs::write(&file, &text[..length]).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
    arrives(server, 6, WITHIN, "written in pieces");

    std::fs::write(&file, "").unwrap();
    stays(&daemon, 6, "emptied");
    std::fs::write(&file, zone(7)).unwrap();
    arrives(server, 7, WITHIN, "and filled again");
    std::fs::remove_file(&file).unwrap();
    stays(&daemon, 7, "removed, in its time of grace");
    std::fs::write(at.join("zones/other.yaml"), zone(8)).unwrap();
    arrives(server, 8, WITHIN, "under another name");
    std::fs::remove_dir_all(at.join("zones")).unwrap();
    stays(&daemon, 8, "the directory removed");
    std::fs::create_dir(at.join("zones")).unwrap();
    stays(&daemon, 8, "an empty one made");
    std::fs::write(&file, zone(9)).unwrap();
    arrives(server, 9, WITHIN, "in the directory made again");
    std::fs::create_dir(at.join("zones/sub")).unwrap();
    std::fs::rename(&file, at.join("zones/sub/example.com.yaml")).unwrap();
    std::fs::write(at.join("zones/sub/example.com.yaml"), zone(10)).unwrap();
    arrives(server, 10, WITHIN, "in a directory below, made by the way");
    assert!(daemon.stop().1.success());
}

#[test]
fn a_git_checkout_arrives() {
    let daemon = start(&["127.0.0.1:0"], &[]);
    let (server, at) = (daemon.address(), daemon.directory.path().join("zones"));
    let git = "git -c user.name=t -c user.email=t -c init.defaultBranch=main -c commit.gpgsign=false";
    if !shell(&at, &format!("{git} init -q && {git} add -A && {git} commit -qm one && {git} branch one")) {
        println!("there is no git here: not tested");
        return;
    }
    daemon.write_zone("example.com.yaml", &zone(2));
    assert!(shell(&at, &format!("{git} commit -qam two")));
    arrives(server, 2, WITHIN, "committed");
    assert!(shell(&at, &format!("{git} checkout -q one")));
    arrives(server, 1, WITHIN, "git checkout");
    assert!(shell(&at, &format!("{git} checkout -q main")));
    arrives(server, 2, WITHIN, "git checkout, and back");
    assert!(daemon.stop().1.success());
}

/// What Kubernetes does with a `ConfigMap`: the files are links through `..data`, a link that is renamed over.
#[test]
fn a_swapped_link_of_data_arrives() {
    let directory = directory(&[]);
    let zones = directory.path().join("zones");
    let version = |name: &str, last: u8| {
        std::fs::create_dir(zones.join(name)).unwrap();
        std::fs::write(zones.join(name).join("example.com.yaml"), zone(last)).unwrap();
    };
    version("..one", 1);
    symlink("..one", zones.join("..data")).unwrap();
    symlink("..data/example.com.yaml", zones.join("example.com.yaml")).unwrap();
    let daemon = start_in(with_sites(directory), &[], &["127.0.0.1:0"], &[]);
    let zones = daemon.directory.path().join("zones");
    for (name, last, old) in [("..two", 2, "..one"), ("..three", 3, "..two")] {
        std::fs::create_dir(zones.join(name)).unwrap();
        std::fs::write(zones.join(name).join("example.com.yaml"), zone(last)).unwrap();
        symlink(name, zones.join("..data_tmp")).unwrap();
        std::fs::rename(zones.join("..data_tmp"), zones.join("..data")).unwrap();
        std::fs::remove_dir_all(zones.join(old)).unwrap();
        arrives(daemon.address(), last, WITHIN, "the ..data link swapped");
    }
    assert!(daemon.stop().1.success());
}

#[test]
fn polling_sees_what_is_written() {
    let directory = directory(&[("example.com.yaml", ZONE)]);
    std::fs::write(directory.path().join("catchment.yaml"), "reload: {watch: poll}\n").unwrap();
    let daemon = start_in(with_sites(directory), &[], &["127.0.0.1:0"], &[]);
    let (server, at) = (daemon.address(), daemon.directory.path().to_owned());
    daemon.write_zone("example.com.yaml", &zone(2));
    arrives(server, 2, POLLED, "renamed over, polled");
    std::fs::write(at.join("zones/example.com.yaml"), zone(3)).unwrap();
    arrives(server, 3, POLLED, "overwritten in place, polled");
    std::fs::remove_dir_all(at.join("zones")).unwrap();
    std::fs::create_dir(at.join("zones")).unwrap();
    std::fs::write(at.join("zones/other.yaml"), zone(4)).unwrap();
    arrives(server, 4, POLLED, "in a directory made again, polled");
    assert!(daemon.stop().1.success());
}
