//! The queue's bounds, and what happens when they are reached.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use trubrics::{DropReason, Event, Overflow, Response, Trubrics, transport_fn};

use crate::support::{Folder, Gate, LONG, NEVER, assert_balanced, build, client_of, server};

#[test]
fn a_full_queue_drops_the_newest_and_counts_it() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .queue_capacity(5),
    );
    for index in 0..8 {
        client.track(Event::new("u", format!("event {index}")));
    }
    let body = gate.next_request();
    assert!(
        body.contains("event 4") && !body.contains("event 5"),
        "{body}"
    );
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.pending, stats.dropped), (8, 5, 3));
    assert_eq!(stats.dropped_for(DropReason::QueueFull), 3);
    gate.answer(200);
    client.flush(LONG).expect("the rest is delivered");
    client.track(Event::new("u", "there is room again"));
    gate.answer(200);
    client.flush(LONG).expect("delivered");
    assert_balanced(client.stats());
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .queue_bytes(10_000),
    );
    for _ in 0..4 {
        client.track(Event::new("u", "e").text("x".repeat(3_000)));
    }
    assert_eq!(client.stats().dropped_for(DropReason::QueueFull), 1);
    // They may have been sent as one batch or as two.
    gate.answer(200);
    gate.answer(200);
    client.flush(LONG).expect("the rest is delivered");
    assert_eq!(client.stats().delivered, 3);
}

#[test]
fn a_record_larger_than_the_queue_is_invalid_in_words() {
    let server = server();
    for overflow in [Overflow::DropNewest, Overflow::Block] {
        let client = build(client_of(&server).queue_bytes(1_000).overflow(overflow));
        let event = Event::new("u", "e")
            .timestamp(time::OffsetDateTime::UNIX_EPOCH)
            .text("x".repeat(1_000));
        let error = client.try_track(event.clone()).expect_err("too large");
        let problem = error.invalid().expect("a reason").to_string();
        assert_eq!(
            problem,
            "record is 1092 bytes of JSON: queue_bytes allows 952"
        );
        client.track(event);
        assert_eq!(client.stats().dropped_for(DropReason::Invalid), 1);
    }
}

#[test]
fn block_waits_for_room_and_loses_nothing() {
    let server = server();
    let client = build(
        client_of(&server)
            .queue_capacity(10)
            .overflow(Overflow::Block),
    );
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    client.track(Event::new("u", "e"));
                }
            });
        }
    });
    client.flush(LONG).expect("delivered");
    assert_eq!(server.accepted(), 2_000);
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.delivered, stats.dropped),
        (2_000, 2_000, 0)
    );
}

#[test]
fn block_waits_for_bytes_too_even_when_nothing_else_would_send() {
    let server = server();
    let client = build(
        client_of(&server)
            .flush_interval(NEVER)
            .queue_bytes(3_000)
            .overflow(Overflow::Block),
    );
    for size in [100, 2_800, 100, 2_800, 2_800] {
        client.track(Event::new("u", "e").text("x".repeat(size)));
    }
    client.flush(LONG).expect("delivered");
    assert_eq!(server.accepted(), 5);
}

#[test]
fn try_track_never_waits_whatever_overflow_says() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .queue_capacity(1)
            .overflow(Overflow::Block),
    );
    client
        .try_track(Event::new("u", "e"))
        .expect("there is room");
    assert!(
        client
            .try_track(Event::new("u", "e"))
            .expect_err("there is none")
            .is_full()
    );
    gate.answer(200);
    client.flush(LONG).expect("delivered");
}

#[test]
fn a_caller_that_waits_for_room_is_let_go_by_a_close() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .queue_capacity(1)
            .overflow(Overflow::Block),
    );
    client.track(Event::new("u", "first"));
    gate.next_request();
    let (done, waiting) = mpsc::channel();
    let caller = thread::spawn({
        let client = client.clone();
        move || {
            client.track(Event::new("u", "second"));
            done.send(()).expect("the test waits");
        }
    });
    client
        .close(Duration::from_millis(50))
        .expect_err("no server answers");
    waiting.recv_timeout(LONG).expect("the caller returns");
    caller.join().expect("no panic");
    gate.answer(200);
    let _ = client.flush(LONG);
    assert_balanced(client.stats());
    assert_eq!(client.stats().dropped_for(DropReason::Closed), 1);
}

#[test]
fn a_queue_too_small_for_any_record_says_that_and_not_that_it_is_full() {
    let server = server();
    let client = build(client_of(&server).queue_bytes(111));
    let error = client.try_track(Event::new("u", "e")).expect_err("too big");
    assert!(error.invalid().is_some(), "{error}");
    client.track(Event::new("u", "e"));
    assert_eq!(client.stats().dropped_for(DropReason::Invalid), 1);
}

#[test]
fn callers_wait_for_room_in_the_spool_where_blocking_is_asked_for() {
    const EACH: usize = 3_000;
    let (server, folder) = (server(), Folder::new());
    let client = build(
        client_of(&server)
            .overflow(Overflow::Block)
            .queue_capacity(500)
            .spool(&folder.0)
            .spool_max_bytes(200_000),
    );
    thread::scope(|scope| {
        for thread in 0..2 {
            let client = &client;
            scope.spawn(move || {
                for index in 0..EACH {
                    client.track(Event::new(
                        format!("user {thread}"),
                        format!("event {index}"),
                    ));
                }
            });
        }
    });
    let _ = client.flush(LONG);
    let stats = client.stats();
    assert_eq!(stats.dropped, 0, "{stats:?}");
    assert_eq!(server.accepted(), 2 * EACH, "{stats:?}");
}

#[test]
fn records_are_sent_while_callers_track_without_pause() {
    let (server, folder) = (server(), Folder::new());
    let client = build(client_of(&server).spool(&folder.0));
    let is_enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_enough.load(SeqCst) {
                    client.track(Event::new("u", "e"));
                }
            });
        }
        // Several requests: each had to come between two writes to the disk, which are long while callers track.
        let arrived = server.wait_for(500, LONG);
        is_enough.store(true, SeqCst);
        arrived.map(|_| ()).expect("records arrive meanwhile");
    });
    let _ = client.close(Duration::ZERO);
}

#[test]
fn a_flush_beside_callers_without_pause_delivers_what_was_tracked_before() {
    let folder = Folder::new();
    let (tell, arrived) = mpsc::channel();
    let transport = transport_fn(move |request| {
        let body = String::from_utf8_lossy(request.body());
        for event in body.split("before ").skip(1) {
            let _ = tell.send(event.split('"').next().map(str::to_owned));
        }
        Ok(Response::new(200))
    });
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .overflow(Overflow::Block)
            .queue_capacity(1_000)
            .spool(&folder.0)
            .spool_max_bytes(1_000_000),
    );
    let is_over = AtomicBool::new(false);
    let flushed: Vec<_> = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    client.track(Event::new("u", "e"));
                }
            });
        }
        let flush = |number| {
            client.track(Event::new("u", format!("before {number}")));
            (client.flush(LONG), arrived.try_iter().last().flatten())
        };
        let flushed = (0..3).map(flush).collect();
        is_over.store(true, SeqCst);
        flushed
    });
    let _ = client.close(Duration::ZERO);
    for (number, (flushed, last)) in flushed.into_iter().enumerate() {
        flushed.expect("all before it are delivered");
        assert_eq!(last, Some(number.to_string()));
    }
    assert_eq!(client.stats().dropped, 0, "{:?}", client.stats());
}
