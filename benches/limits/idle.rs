//! What a client at rest does: nothing.

#![expect(clippy::print_stdout, reason = "a child's figures go to its parent")]

use std::{thread, time::Duration};

use trubrics::Trubrics;

use crate::{
    limits,
    process::{self, child as child_process, figures},
    sink::Sink,
    table::plain,
};

const REST: Duration = Duration::from_secs(10);

pub(crate) fn run() {
    let sink = Sink::start(Duration::ZERO);
    let url = sink.url();
    let at_rest = |who: &str| figures(&mut child_process("idle", &[who, &url]));
    thread::scope(|scope| {
        let raw = scope.spawn(|| at_rest("parked"));
        let ours = at_rest("client");
        let raw = raw.join().expect("no panic");
        for (what, index) in [
            ("context switches in 10 s, after one event", 0),
            ("CPU time in 10 s, ns", 1),
        ] {
            plain(what, ours[index], raw[index], "a parked thread");
        }
    });
}

pub(crate) fn child(who: &str, url: &str) {
    let client = match who {
        "client" => {
            let client = Trubrics::builder("bench-key").host(url);
            let client = client.build().expect("good settings");
            client.track(limits::event(0));
            client.flush(limits::LONG).expect("a sink that answers");
            client
        }
        _ => {
            thread::spawn(thread::park);
            Trubrics::disabled()
        }
    };
    process::settle();
    let before = process::switches_and_cpu();
    thread::sleep(REST);
    let after = process::switches_and_cpu();
    println!("{} {}", after.0 - before.0, after.1 - before.1);
    drop(client);
}
