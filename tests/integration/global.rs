//! The client of the process.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use trubrics::{
    DropReason, Event, Trubrics,
    testing::{API_KEY, Recorder, with_global},
};

use crate::support::{Gate, LONG, build};

/// There is one process here, and many tests.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recording() -> (Recorder, Trubrics) {
    let recorder = Recorder::new();
    let client = build(Trubrics::builder(API_KEY).transport(recorder.clone()));
    (recorder, client)
}

#[test]
fn nothing_happens_without_a_client_of_the_process() {
    let _turn = alone();
    trubrics::track(Event::new("u", "e"));
    trubrics::flush(LONG).expect("nothing to deliver");
    let client = trubrics::global();
    client.track(Event::new("u", "e"));
    assert_eq!(client.stats().tracked, 0);
}

#[test]
fn the_client_of_the_process_is_there_until_its_guard_is_dropped() {
    let _turn = alone();
    let (recorder, client) = recording();
    let guard = trubrics::init(client.clone()).expect("the first");
    trubrics::track(Event::new("u", "first"));
    trubrics::flush(LONG).expect("delivered");
    assert_eq!(recorder.accepted(), 1);
    trubrics::global().track(Event::new("u", "second"));
    drop(guard);
    assert_eq!(recorder.accepted(), 2);
    trubrics::track(Event::new("u", "too late"));
    assert_eq!(client.stats().tracked, 2);
}

#[test]
fn the_guard_closes_the_client_though_others_have_handles_of_it() {
    let _turn = alone();
    let (_, client) = recording();
    let guard = trubrics::init(client.clone()).expect("the first");
    let handle = trubrics::global();
    drop(guard);
    handle.track(Event::new("u", "too late"));
    assert_eq!(client.stats().dropped_for(DropReason::Closed), 1);
}

#[test]
fn a_guard_that_is_closed_says_how_it_went() {
    let _turn = alone();
    let (recorder, client) = recording();
    let guard = trubrics::init(client).expect("the first");
    trubrics::track(Event::new("u", ""));
    trubrics::track(Event::new("u", "e"));
    let error = guard.close(LONG).expect_err("one was invalid");
    assert_eq!((error.dropped(), recorder.accepted()), (1, 1));
}

#[test]
fn of_two_clients_the_first_stays_and_the_second_comes_back() {
    let _turn = alone();
    let (first, client) = recording();
    let (second, other) = recording();
    let guard = trubrics::init(client).expect("the first");
    let error = trubrics::init(other).expect_err("the second");
    assert_eq!(
        error.to_string(),
        "the process has a client already, whose guard is alive"
    );
    let other = error.into_client();
    trubrics::track(Event::new("u", "e"));
    other.track(Event::new("u", "e"));
    other.flush(LONG).expect("delivered");
    drop(guard);
    assert_eq!((first.accepted(), second.accepted()), (1, 1));

    let _guard = trubrics::init(other).expect("the place is free again");
}

#[test]
fn many_threads_track_while_clients_come_and_go() {
    let _turn = alone();
    let (recorder, client) = recording();
    let guard = trubrics::init(client.clone()).expect("the first");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    trubrics::track(Event::new("u", "e"));
                }
            });
        }
    });
    drop(guard);
    assert_eq!(recorder.accepted(), 2000);
    assert_eq!(client.stats().tracked, 2000);
}

#[test]
fn the_close_of_a_guard_takes_no_longer_than_its_time() {
    let _turn = alone();
    let (gate, transport) = Gate::new();
    let builder = Trubrics::builder(API_KEY).transport(transport);
    let client = build(builder.flush_batch_size(1).shutdown_timeout(LONG));
    let guard = trubrics::init(client).expect("the first");
    trubrics::track(Event::new("u", "e"));
    gate.next_request();
    let start = Instant::now();
    guard
        .close(Duration::from_millis(100))
        .expect_err("no answer yet");
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    gate.answer(200);
}

#[test]
fn a_guard_that_closes_leaves_the_next_client_of_the_process_alone() {
    let _turn = alone();
    let (gate, transport) = Gate::new();
    let first = build(Trubrics::builder(API_KEY).transport(transport));
    let guard = trubrics::init(first).expect("the first");
    trubrics::track(Event::new("u", "e"));
    let closing = thread::spawn(move || guard.close(LONG));
    gate.next_request();
    let (recorder, second) = recording();
    let _guard = trubrics::init(second).expect("the place is free");
    gate.answer(200);
    closing.join().expect("no panic").expect("delivered");
    trubrics::track(Event::new("u", "e"));
    trubrics::flush(LONG).expect("delivered");
    assert_eq!(recorder.accepted(), 1);
}

#[test]
fn tests_in_parallel_have_a_client_of_the_process_each() {
    let _turn = alone();
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let (recorder, client) = recording();
                let name = format!("of test {number}");
                for _ in 0..50 {
                    with_global(&client, || trubrics::track(Event::new("u", &name)));
                }
                with_global(&client, || trubrics::flush(LONG)).expect("delivered");
                assert_eq!(recorder.events_named(&name).len(), 50);
                assert_eq!(recorder.accepted(), 50);
            });
        }
    });
    assert_eq!(trubrics::global().stats().tracked, 0);
}

#[test]
fn inside_of_a_test_of_its_own_no_client_is_made_the_one_of_the_process() {
    let (_, client) = recording();
    let error = with_global(&client, || trubrics::init(Trubrics::disabled()));
    error.expect_err("the test has one");
}

#[test]
fn the_client_of_a_test_is_gone_after_it_and_after_a_panic() {
    let _turn = alone();
    let (_, outer) = recording();
    let (_, inner) = recording();
    with_global(&outer, || {
        let panicking = || with_global(&inner, || panic!("on purpose"));
        panic::catch_unwind(AssertUnwindSafe(panicking)).expect_err("a panic");
        trubrics::track(Event::new("u", "e"));
    });
    trubrics::track(Event::new("u", "e"));
    assert_eq!((outer.stats().tracked, inner.stats().tracked), (1, 0));
}
