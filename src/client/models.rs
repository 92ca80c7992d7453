//! Models of a whole client: its handle, its worker, and all that is between them. The transport is a double.
//!
//! The waits for a batch to fill have no end here, so a record arrives only if its caller woke the worker.

mod consent;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    DropReason, Event, Overflow, Response, Stats, Trubrics, TrubricsBuilder,
    sync::{
        channel::{Receiver, unbounded},
        model::check,
        thread,
    },
    transport_fn,
};

/// A limit that no thread reaches.
const LATER: Duration = Duration::from_secs(3_600);

fn event() -> Event {
    Event::new("user", "event")
}

/// How many records are in this body.
fn records_in(body: &[u8]) -> usize {
    body.split(|byte| *byte == b'{').count() - 1
}

/// A client that sends each record at once, and the number of records of each request.
fn client(set: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder) -> (Trubrics, Receiver<usize>) {
    let (sent, requests) = unbounded();
    let transport = transport_fn(move |request| {
        let _ = sent.send(records_in(request.body()));
        Ok(Response::new(200))
    });
    let builder = Trubrics::builder("key").transport(transport);
    let client = set(builder.flush_batch_size(1)).build();
    (client.expect("valid settings"), requests)
}

/// A client, and how many records the transport sent.
fn counting_client(
    set: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder,
) -> (Trubrics, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let transport = transport_fn(move |request| {
        counted.fetch_add(records_in(request.body()) as u64, Relaxed);
        Ok(Response::new(200))
    });
    let builder = Trubrics::builder("key").transport(transport);
    let client = set(builder.flush_batch_size(1)).build();
    (client.expect("valid settings"), sent)
}

fn in_thread(
    client: &Trubrics,
    work: impl FnOnce(Trubrics) + Send + 'static,
) -> thread::JoinHandle<()> {
    let client = client.clone();
    thread::spawn(move || work(client))
}

/// Each tracked record is delivered or dropped for this reason.
fn assert_settled(stats: &Stats, tracked: u64, reason: DropReason) {
    assert_eq!((stats.tracked, stats.pending), (tracked, 0), "{stats:?}");
    let dropped = stats.dropped_for(reason);
    assert_eq!(stats.dropped, dropped, "{stats:?}");
    assert_eq!(stats.delivered + dropped, tracked, "{stats:?}");
}

/// Receives requests until this many records have arrived.
fn await_records(requests: &Receiver<usize>, records: usize) {
    let mut arrived = 0;
    while arrived < records {
        arrived += requests.recv().expect("a request");
    }
    assert_eq!(arrived, records);
}

#[test]
fn a_record_arrives_without_a_flush() {
    check("one record", Some(2), || {
        let (client, requests) = client(|builder| builder);
        client.track(event());
        await_records(&requests, 1);
        client.close(LATER).expect("all is delivered");
    });
}

#[test]
fn a_record_that_comes_when_the_worker_stops_polling_arrives() {
    check("two records, one after the other", Some(2), || {
        let (client, requests) = client(|builder| builder);
        client.track(event());
        await_records(&requests, 1);
        client.track(event());
        await_records(&requests, 1);
        client.close(LATER).expect("all is delivered");
    });
}

#[test]
fn the_records_of_two_callers_arrive() {
    check("two callers", Some(2), || {
        let (client, requests) = client(|builder| builder);
        let other = in_thread(&client, |client| client.track(event()));
        client.track(event());
        await_records(&requests, 2);
        other.join().expect("no panic");
        client.close(LATER).expect("all is delivered");
    });
}

#[test]
fn a_record_tracked_beside_a_close_is_delivered_or_dropped() {
    check("a caller beside a close", Some(2), || {
        let (client, sent) = counting_client(|builder| builder);
        let other = in_thread(&client, |client| client.track(event()));
        let _ = client.close(LATER);
        other.join().expect("no panic");
        let stats = client.stats();
        assert_settled(&stats, 1, DropReason::Closed);
        assert_eq!(stats.delivered, sent.load(Relaxed));
    });
}

#[test]
fn a_close_without_time_counts_each_record_once() {
    check("a caller beside a close without time", Some(2), || {
        let (client, sent) = counting_client(|builder| builder);
        let other = in_thread(&client, |client| client.track(event()));
        client.track(event());
        let _ = client.close(Duration::ZERO);
        other.join().expect("no panic");
        let _ = client.close(LATER);
        let stats = client.stats();
        assert_eq!((stats.tracked, stats.pending), (2, 0), "{stats:?}");
        assert_eq!(stats.delivered + stats.dropped, 2, "{stats:?}");
        assert_eq!(stats.delivered, sent.load(Relaxed));
    });
}

#[test]
fn two_closes_both_see_the_end() {
    check("two closes", Some(2), || {
        let (client, sent) = counting_client(|builder| builder);
        client.track(event());
        let other = in_thread(&client, |client| client.close(LATER).expect("delivered"));
        client.close(LATER).expect("all is delivered");
        assert_eq!(sent.load(Relaxed), 1);
        other.join().expect("no panic");
    });
}

#[test]
fn a_flush_is_answered_when_its_record_is_delivered() {
    check("a flush beside a caller", Some(2), || {
        // The batch does not fill: only the flush sends it.
        let (client, sent) = counting_client(|builder| builder.flush_batch_size(10));
        let other = in_thread(&client, |client| client.track(event()));
        client.track(event());
        client.flush(LATER).expect("all is delivered");
        assert!(sent.load(Relaxed) >= 1);
        other.join().expect("no panic");
        client.close(LATER).expect("all is delivered");
        assert_eq!(sent.load(Relaxed), 2);
    });
}

#[test]
fn a_flush_beside_a_close_returns() {
    check("a flush beside a close", Some(2), || {
        let (client, sent) = counting_client(|builder| builder.flush_batch_size(10));
        client.track(event());
        let other = in_thread(&client, |client| {
            client.flush(LATER).expect("all is delivered");
        });
        client.close(LATER).expect("all is delivered");
        other.join().expect("no panic");
        assert_eq!(sent.load(Relaxed), 1);
    });
}

#[test]
fn a_caller_that_waits_for_room_gets_it() {
    check("two callers and room for one", Some(2), || {
        let set = |builder: TrubricsBuilder| builder.overflow(Overflow::Block).queue_capacity(1);
        let (client, requests) = client(set);
        let other = in_thread(&client, |client| client.track(event()));
        client.track(event());
        await_records(&requests, 2);
        other.join().expect("no panic");
        client.close(LATER).expect("all is delivered");
    });
}

#[test]
fn a_close_ends_the_wait_for_room() {
    check("a caller that waits beside a close", Some(2), || {
        let set = |builder: TrubricsBuilder| builder.overflow(Overflow::Block).queue_capacity(1);
        let (client, sent) = counting_client(set);
        client.track(event());
        let other = in_thread(&client, |client| client.track(event()));
        let _ = client.close(LATER);
        other.join().expect("no panic");
        let stats = client.stats();
        assert_settled(&stats, 2, DropReason::Closed);
        assert_eq!(stats.delivered, sent.load(Relaxed));
    });
}

#[test]
fn requests_on_threads_of_their_own_complete() {
    check("two requests at once", Some(1), || {
        let (client, sent) = counting_client(|builder| builder.max_concurrent_requests(2));
        client.track(event());
        client.track(event());
        client.flush(LATER).expect("all is delivered");
        assert_eq!(sent.load(Relaxed), 2);
        client.close(LATER).expect("all is delivered");
    });
}
