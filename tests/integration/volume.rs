//! Many records, and how they are put into requests.
//!
//! The full count, which would take a debug build too long:
//!
//! ```text
//! TRUBRICS_VOLUME=1000000 cargo test --release --test integration volume:: -- --nocapture
//! ```

use std::{
    collections::HashMap,
    env, thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{bounded, unbounded};
use serde::Deserialize;
use trubrics::{
    Event, Overflow, Response, Trubrics, defaults,
    testing::{ReceivedRequest, Server},
    transport_fn,
};

use crate::child::tell;

const AMPLE: Duration = Duration::from_secs(300);

const THREADS: u64 = 8;

/// What these tests look at in a record.
#[derive(Deserialize)]
struct Received {
    user_id: String,
    properties: Place,
}

/// Where a record stood in its thread.
#[derive(Deserialize)]
struct Place {
    n: u64,
}

fn records(request: &ReceivedRequest) -> Vec<Received> {
    serde_json::from_slice(request.body()).expect("an array of records")
}

fn event(thread: u64, n: u64) -> Event {
    Event::new(thread.to_string(), "Volume").property("n", n)
}

/// Fails unless each of the threads' records came once, and in the order of its thread.
#[track_caller]
fn assert_all_in_order(server: &Server, threads: u64, per_thread: u64) {
    let mut next: HashMap<String, u64> = HashMap::new();
    for request in server.requests() {
        assert_eq!(request.status(), Some(200));
        for record in records(&request) {
            let expected = next.entry(record.user_id).or_default();
            assert_eq!(record.properties.n, *expected);
            *expected += 1;
        }
    }
    let expected = (0..threads).map(|thread| (thread.to_string(), per_thread));
    assert_eq!(next, expected.collect());
}

#[test]
fn the_records_of_eight_threads_all_arrive_once_each_and_in_the_order_of_their_thread() {
    let asked = env::var("TRUBRICS_VOLUME").ok();
    let count: u64 = asked.map_or(100_000, |count| count.parse().expect("a number"));
    let per_thread = count / THREADS;
    let server = Server::start().expect("a server");
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .overflow(Overflow::Block)
        .queue_capacity(10_000)
        .build()
        .expect("a client");

    let start = Instant::now();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                for n in 0..per_thread {
                    client.track(event(thread, n));
                }
            });
        }
    });
    client.close(AMPLE).expect("everything is delivered");
    tell(&format!(
        "{count} records from {THREADS} threads in {:.1?}, {} requests",
        start.elapsed(),
        server.requests().len()
    ));

    assert_all_in_order(&server, THREADS, per_thread);
    let stats = client.stats();
    assert_eq!(stats.delivered, THREADS * per_thread);
    assert_eq!(stats.tracked, stats.delivered);
}

#[test]
fn a_burst_of_a_hundred_thousand_fits_the_default_queue() {
    let server = Server::start().expect("a server");
    // Nothing leaves the queue before all are in.
    server.set_unavailable(true);
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .build()
        .expect("a client");
    for n in 0..100_000 {
        client.track(event(0, n));
    }
    server.set_unavailable(false);
    client.close(AMPLE).expect("everything is delivered");
    assert_eq!(server.accepted(), 100_000);
    assert_eq!(client.stats().dropped, 0);
}

#[test]
fn one_request_takes_as_many_as_it_may_when_more_are_waiting() {
    let (sizes, requests) = unbounded();
    let (go_on, held) = bounded::<()>(0);
    let transport = transport_fn(move |request| {
        let records: Vec<Received> = serde_json::from_slice(request.body()).expect("an array");
        sizes.send(records.len()).expect("the test listens");
        // Ends for good when the test lets go of its side.
        let _ = held.recv();
        Ok(Response::new(200))
    });
    let client = Trubrics::builder("key")
        .transport(transport)
        .build()
        .expect("a client");
    let track = |count| (0..count).for_each(|n| client.track(event(0, n)));

    track(20);
    assert_eq!(requests.recv_timeout(AMPLE), Ok(20));
    track(250);
    drop(go_on);
    client.flush(AMPLE).expect("delivered");
    let sizes: Vec<_> = requests.try_iter().collect();
    assert_eq!(
        sizes,
        [defaults::MAX_BATCH_SIZE, defaults::MAX_BATCH_SIZE, 50]
    );
}

#[test]
fn nothing_waiting_means_nothing_sent() {
    let server = Server::start().expect("a server");
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .flush_interval(Duration::from_secs(1))
        .build()
        .expect("a client");
    client.flush(AMPLE).expect("nothing to deliver");
    client.track(event(0, 0));
    client.flush(AMPLE).expect("delivered");
    client.flush(AMPLE).expect("nothing to deliver");
    client.close(AMPLE).expect("nothing to deliver");
    let sizes: Vec<_> = server
        .requests()
        .iter()
        .map(|one| records(one).len())
        .collect();
    assert_eq!(sizes, [1]);
}
