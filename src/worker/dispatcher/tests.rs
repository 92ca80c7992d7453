use std::time::Duration;

use super::*;
use crate::{
    Response, Trubrics,
    accounting::tests::unsettled,
    record::{Encoded, Endpoint},
    transport_fn,
};

const LONG: Duration = Duration::from_secs(30);

fn exchange() -> Arc<Exchange> {
    let builder = Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))));
    let (parts, _) = builder.prepare().expect("valid settings").expect("enabled");
    parts.exchange
}

/// A batch of one record that began now, and its attempt.
fn batch(now: Instant) -> (Batch, Attempt) {
    let record = Encoded {
        json: b"{}".as_slice().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    };
    let batch = Batch::new(Endpoint::Events, 0, unsettled([record]), now);
    let attempt = batch.attempt(Vec::new(), now + LONG, 0);
    (batch, attempt)
}

#[test]
fn a_batch_is_in_flight_until_its_request_has_ended() {
    let (mut dispatcher, next) = Dispatcher::over_channel(exchange(), 1);
    let now = Instant::now();
    assert!(dispatcher.is_idle() && dispatcher.is_unused() && !dispatcher.is_full());
    assert!(!dispatcher.has_begun_since(now));
    let (one, attempt) = batch(now);
    assert!(dispatcher.attempt(one, attempt).is_none());
    assert!(!dispatcher.is_idle() && !dispatcher.is_unused() && dispatcher.is_full());
    assert!(dispatcher.has_begun_since(now));
    assert!(!dispatcher.has_begun_since(now + Duration::from_nanos(1)));
    let (slot, attempt) = next.try_recv().expect("an attempt");
    let ended = dispatcher.complete(slot, attempt.body);
    assert_eq!(ended.map(|batch| batch.records()), Some(1));
    assert!(dispatcher.is_idle() && dispatcher.is_unused());
}

#[test]
fn the_request_of_a_forgotten_batch_keeps_its_place_until_it_ends() {
    let (mut dispatcher, next) = Dispatcher::over_channel(exchange(), 1);
    let (one, attempt) = batch(Instant::now());
    assert!(dispatcher.attempt(one, attempt).is_none());
    assert_eq!(dispatcher.forget().count(), 1);
    assert_eq!(dispatcher.forget().count(), 0);
    assert!(dispatcher.is_idle() && !dispatcher.is_unused() && dispatcher.is_full());
    let (slot, attempt) = next.try_recv().expect("an attempt");
    assert!(dispatcher.complete(slot, attempt.body).is_none());
    assert!(dispatcher.is_unused());
}

#[test]
fn threads_make_the_requests_and_end_with_the_dispatcher() {
    let (control, messages) = unbounded();
    let handle = Arc::new(WorkerHandle::new(control));
    let threads = Dispatcher::on_threads(exchange(), &handle, 2);
    let mut dispatcher = threads.expect("two threads");
    let (one, attempt) = batch(Instant::now());
    assert!(dispatcher.attempt(one, attempt).is_none());
    let message = messages.recv_timeout(LONG).expect("the request ends");
    let Control::Completed(completed) = message else {
        panic!("not the end of the request")
    };
    assert_eq!(completed.verdict, Verdict::Delivered);
    assert!(
        dispatcher
            .complete(completed.slot, completed.body)
            .is_some()
    );
    dispatcher.end();
    assert_eq!(Arc::strong_count(&handle), 1, "the threads have ended");
}

#[test]
fn small_buffers_are_used_again() {
    let mut dispatcher = Dispatcher::on_worker(exchange());
    dispatcher.keep(Vec::with_capacity(MAX_KEPT_BODY));
    assert!(dispatcher.buffer().capacity() >= MAX_KEPT_BODY);
    assert_eq!(dispatcher.buffer().capacity(), 0);
    dispatcher.keep(Vec::with_capacity(MAX_KEPT_BODY + 1));
    assert_eq!(dispatcher.buffer().capacity(), 0);
}
