//! Resident memory, each figure from a process of its own.

#![expect(clippy::print_stdout, reason = "a child's figures go to its parent")]

use crossbeam_channel::unbounded;
use trubrics::{Response, Trubrics, transport_fn};

use crate::{
    limits::{self, Quiet},
    process::{child as child_process, figures, resident, settle},
    sink::BlackHole,
    table::{Spread, Unit::Bytes, compare, plain},
};

const TURNS: usize = 5;
const RECORDS: usize = 100_000;

pub(crate) fn run() {
    let records = RECORDS.to_string();
    let figure = |who: &str, index: usize| {
        figures(&mut child_process("memory", &[who, &records]))
            .get(index)
            .copied()
            .expect("as many figures as roles print")
    };
    let json = json_length(RECORDS / 2);
    compare(
        "memory per waiting record",
        Bytes,
        TURNS,
        &mut || figure("waiting", 0),
        &mut [
            (&format!("its JSON ({json} B) and 64 B"), &mut || {
                json as f64 + 64.0
            }),
            ("encoded, on a bare channel", &mut || figure("channel", 0)),
        ],
    );
    compare(
        "memory of a client at rest",
        Bytes,
        TURNS,
        &mut || figure("rest", 0),
        &mut [("a parked thread and a ureq agent", &mut || {
            figure("parked", 0)
        })],
    );
    let million: Vec<_> = (0..TURNS)
        .map(|_| figures(&mut child_process("memory", &["million", "1000000"])))
        .collect();
    let nth = |index: usize| -> Vec<f64> { million.iter().map(|turn| turn[index]).collect() };
    let limit = trubrics::defaults::QUEUE_BYTES;
    for (what, index) in [
        ("after a black-holed million, default queue", 0),
        ("  the same, after close", 1),
    ] {
        let note = format!("queue_bytes is {limit} B");
        plain(what, Spread::of(&nth(index)).show(Bytes), "-", &note);
    }
}

/// The length of a record's JSON, as a transport sees it.
fn json_length(count: usize) -> usize {
    let (tell, told) = unbounded();
    let client = Trubrics::builder("bench-key").transport(transport_fn(move |request| {
        let _ = tell.send(request.body().len() - "[]".len());
        Ok(Response::new(200))
    }));
    let client = client.build().expect("good settings");
    client.track(limits::event(count));
    client.flush(limits::LONG).expect("an answer");
    told.recv().expect("a request")
}

pub(crate) fn child(who: &str, records: usize) {
    match who {
        "waiting" => {
            let quiet = Quiet::new(|builder| builder);
            let before = resident();
            for count in 0..records {
                quiet.client.track(limits::event(count));
            }
            println!("{}", (resident() - before) / records as f64);
        }
        "channel" => {
            let (sender, _receiver) = unbounded();
            let before = resident();
            for count in 0..records {
                sender
                    .send(limits::encode(count).into_boxed_slice())
                    .expect("a receiver");
            }
            println!("{}", (resident() - before) / records as f64);
        }
        "rest" => {
            let before = resident();
            let client = Trubrics::new("bench-key").expect("good settings");
            settle();
            println!("{}", resident() - before);
            drop(client);
        }
        "parked" => {
            let before = resident();
            let agent = ureq::Agent::new_with_defaults();
            let thread = std::thread::spawn(std::thread::park);
            settle();
            println!("{}", resident() - before);
            thread.thread().unpark();
            thread.join().expect("no panic");
            drop(agent);
        }
        "million" => {
            let hole = BlackHole::open();
            let before = resident();
            let client = Trubrics::builder("bench-key").host(hole.url());
            let client = client.build().expect("good settings");
            for count in 0..records {
                client.track(limits::event(count));
            }
            let held = resident() - before;
            let _ = client.close(std::time::Duration::from_millis(500));
            drop(client);
            println!("{held} {}", resident() - before);
        }
        _ => panic!("no such role: {who}"),
    }
}
