//! Records per second, from the first call until the last one is accepted; the sink is the same for all.

use std::{collections::HashSet, time::Duration, time::Instant};

use serde_json::Value;

use crate::{
    limits::{self, BarePipe, LONG, PipeEvent, Post},
    sink::Sink,
    table::{Unit::PerSecond, compare, plain},
};

const TURNS: usize = 9;
const SLOW_TURNS: usize = 3;
const RECORDS: usize = 100_000;
/// At a hundred per round trip of 20 ms these take a second.
const SLOW_RECORDS: usize = 5_000;

pub(crate) fn run() {
    check_the_sink();
    let near = Sink::start(Duration::ZERO);
    let far = Sink::start(Duration::from_millis(20));
    for connections in [1, 8] {
        compare(
            &format!("delivery of {RECORDS}, connections: {connections}"),
            PerSecond,
            TURNS,
            &mut || track(&near, RECORDS, connections),
            &mut [
                ("bare pipe", &mut || pipe(&near, RECORDS)),
                ("ureq alone, bodies made before", &mut || {
                    post(&near, RECORDS)
                }),
            ],
        );
    }
    compare(
        &format!("delivery of {SLOW_RECORDS} at 20 ms"),
        PerSecond,
        SLOW_TURNS,
        &mut || track(&far, SLOW_RECORDS, 1),
        &mut [
            ("bare pipe", &mut || pipe(&far, SLOW_RECORDS)),
            ("ureq alone, bodies made before", &mut || {
                post(&far, SLOW_RECORDS)
            }),
        ],
    );
    compare(
        &format!("delivery of {} at 20 ms, connections: 8", 8 * SLOW_RECORDS),
        PerSecond,
        SLOW_TURNS,
        &mut || track(&far, 8 * SLOW_RECORDS, 8),
        &mut [("ours with one connection", &mut || {
            track(&far, SLOW_RECORDS, 1)
        })],
    );
}

/// Runs `work`, which brings this many records to the sink; gives records per second.
fn rate(sink: &Sink, records: usize, work: impl FnOnce()) -> f64 {
    let before = sink.records();
    let start = Instant::now();
    work();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(sink.records() - before, records as u64, "none is lost");
    records as f64 / seconds
}

fn track(sink: &Sink, records: usize, connections: usize) -> f64 {
    let client = limits::roomy(&sink.url()).max_concurrent_requests(connections);
    let client = client.build().expect("good settings");
    rate(sink, records, || {
        for count in 0..records {
            client.track(limits::event(count));
        }
        client.flush(LONG).expect("a sink that answers");
    })
}

fn pipe(sink: &Sink, records: usize) -> f64 {
    let pipe = BarePipe::start(&sink.url());
    rate(sink, records, || {
        for count in 0..records {
            pipe.send(PipeEvent::new(count));
        }
        pipe.close();
    })
}

fn post(sink: &Sink, records: usize) -> f64 {
    let post = Post::new(&sink.url());
    let bodies: Vec<_> = (0..records / 100).map(|n| limits::body(100 * n)).collect();
    rate(sink, records, || {
        for body in bodies {
            post.send(&body);
        }
    })
}

/// The sink counts by looking for a word: parse what it got, once, and see whether it counts right.
fn check_the_sink() {
    let sink = Sink::keeping();
    track(&sink, 10_000, 1);
    let mut counts = HashSet::new();
    for body in sink.bodies() {
        let records: Vec<Value> = serde_json::from_slice(&body).expect("a JSON array");
        for record in records {
            counts.insert(record["properties"]["count"].as_u64().expect("a number"));
        }
    }
    assert_eq!(counts.len() as u64, sink.records(), "each record once");
    plain(
        "records in the sink, counted and parsed",
        sink.records(),
        counts.len(),
        "the sink counts right",
    );
}
