//! Orders of the operator: how long until the first client is told.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::pops::{Fault, Pop};
use crate::process::LIMIT;
use crate::wire::{Client, between_us, moment_us, now_us, question};
use crate::{daemon, machine};

const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

#[test]
#[ignore = "wants a release build"]
fn forty_orders_while_all_is_well() {
    orders(40, false);
}

/// Everything is down: drains still say who is preferred.
#[test]
#[ignore = "wants a release build"]
fn forty_orders_in_fail_open() {
    orders(40, true);
}

/// Gives orders that move the clients of a name from one PoP to the other and back, and watches its answers.
fn orders(count: usize, fail_open: bool) {
    let loopback = |index| Pop::tcp(Ipv4Addr::new(127, 0, 2, index));
    let mut pops = [loopback(1), loopback(2)];
    let [a, b] = pops.each_ref().map(|pop| pop.address);
    let daemon = daemon(&format!(
        "zone: example.com\nns: [ns1]\npops: {{a: {{at: [0, 0]}}, b: {{at: [1, 1]}}}}\n\
         checks: {{up: {{tcp: {{}}, interval: 200ms, timeout: 100ms}}}}\n\
         services: {{web: {{checks: [up], policy: nearest, pops: {{a: {{ip: {A}, probe: \"{a}\"}}, b: {{ip: {B}, \
         probe: \"{b}\"}}}}}}}}\nrecords: {{ns1: {{A: 192.0.2.53}}, www: {{steer: web}}}}\n"
    ));
    if fail_open {
        for pop in &mut pops {
            pop.fail(Fault::Refused);
        }
        daemon.until("fail-open: no PoP is usable");
    }

    let stop = Arc::new(AtomicBool::new(false));
    let (told, changes) = mpsc::channel();
    let watching = {
        let (stop, mut client) = (Arc::clone(&stop), Client::new(daemon.address()));
        std::thread::spawn(move || {
            let (question, mut last) = (question("www.example.com"), None);
            while !stop.load(Ordering::Relaxed) {
                if let Some(address) = client.ask(&question)
                    && last.replace(address) != Some(address)
                {
                    told.send((now_us(), address)).unwrap();
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        })
    };
    let first = changes.recv_timeout(LIMIT).unwrap().1;
    let away = if first == A { B } else { A };
    let pop = if first == A { "a" } else { "b" };

    let (mut whole, mut in_force) = (Vec::new(), Vec::new());
    for order in 0..count {
        // With nobody usable, a drain wants to be forced.
        let drain = [&["drain", pop, "--reason", "test", "--force"][..], &["undrain", pop]];
        let (command, expected) = (drain[order % 2], [away, first][order % 2]);
        let given = now_us();
        let begun = Instant::now();
        let (code, _, err) = daemon.run(command);
        assert_eq!(code, 0, "{err}");
        let (at, address) = changes.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no change by {command:?}"));
        assert_eq!(address, expected, "after {:?}", begun.elapsed());
        let line = daemon.until(" override action=").pop().unwrap();
        whole.push(between_us(given, at));
        in_force.push(between_us(moment_us(&line), at));
    }
    stop.store(true, Ordering::Relaxed);
    watching.join().unwrap();
    assert!(daemon.stop().1.success());

    let kind = if fail_open { "in fail-open" } else { "all well" };
    println!("{count} orders, {kind}; {}", machine());
    for (what, values) in [("command given", &mut whole), ("order in force", &mut in_force)] {
        values.sort_unstable();
        let ms = |index: usize| values[index] as f64 / 1000.0;
        println!("  {what} to the first new answer: median {:.2}, worst {:.2} ms", ms(count / 2), ms(count - 1));
    }
    // Milliseconds, as docs/operations.md says. With nobody usable every site is decided anew, which takes some more.
    let median = if fail_open { 40_000 } else { 5_000 };
    assert!(in_force[count / 2] <= median && in_force[count - 1] <= 100_000, "{in_force:?}");
}
