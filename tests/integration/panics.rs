//! A panic in the program's own code that runs inside ours costs a record at the most, and never the program.

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use crossbeam_channel::unbounded;
use serde::{Serialize, Serializer};
use trubrics::{
    DropReason, Event, LlmEvent, Record, Request, Response, Transport, TransportError, Trubrics,
    testing::{API_KEY, Server},
    transport_fn,
};

use crate::child;
use crate::support::{LONG, assert_settled, default_client_of};

/// Plain, for a client without TLS.
const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn a_client_may_be_used_where_panics_are_caught() {
    let server = Server::start().unwrap();
    let client = default_client_of(&server).build().unwrap();
    let event = Event::new("u", "e");
    // Compiles without `AssertUnwindSafe`.
    let flushed = catch_unwind(|| {
        client.track(event.clone());
        client.flush(LONG)
    });
    flushed.expect("no panic").expect("delivered");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_panic_in_before_send_costs_that_record() {
    let server = Server::start().unwrap();
    let client = default_client_of(&server)
        .before_send(|record| match record {
            Record::LlmEvent(_) => panic!("no prompts"),
            record => Some(record),
        })
        .build()
        .unwrap();
    client.track(Event::new("user", "Before"));
    client.track(LlmEvent::new("user", "prompt", "generation"));
    client
        .try_track(LlmEvent::new("user", "prompt", "generation"))
        .unwrap();
    client
        .track_sync(LlmEvent::new("user", "prompt", "generation"))
        .unwrap_err();
    client.track(Event::new("user", "After"));
    let error = client.close(LONG).unwrap_err();
    assert_eq!((error.pending(), error.dropped()), (0, 2));
    assert_eq!(server.accepted(), 2);
    assert_eq!(client.stats().dropped_for(DropReason::Hook), 2);
    assert_settled(&client);
}

#[test]
fn a_panic_in_on_drop_is_swallowed_on_the_worker_and_on_the_callers_thread() {
    let server = Server::start().unwrap();
    server.set_refusal(|record| record["event"] == "Bad");
    let (sender, told) = unbounded();
    let client = default_client_of(&server)
        .on_drop(move |dropped| {
            sender.send(dropped.reason()).unwrap();
            panic!("no dead letters");
        })
        .build()
        .unwrap();
    client.track(Event::new("user", "Bad"));
    client.track(Event::new("user", "Good"));
    client.track(Event::new("", "Nobody"));
    let error = client.close(LONG).unwrap_err();
    assert_eq!((error.pending(), error.dropped()), (0, 2));
    assert_eq!(server.accepted(), 1);
    assert_settled(&client);
    let reasons: Vec<_> = told.try_iter().collect();
    assert_eq!(reasons, [DropReason::Invalid, DropReason::Rejected]);
}

struct Explosive;

impl Serialize for Explosive {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("not serialised")
    }
}

#[test]
fn a_panic_while_a_value_is_serialised_costs_that_record() {
    let server = Server::start().unwrap();
    let client = default_client_of(&server).build().unwrap();
    client.track(Event::new("user", "Bad").property("value", Explosive));
    client.track(Event::new("user", "Bad").properties(Explosive));
    client.track(LlmEvent::new("user", "prompt", "generation").property("value", Explosive));
    let bad = Event::new("user", "Bad").property("value", Explosive);
    assert!(client.try_track(bad).unwrap_err().invalid().is_some());
    client.track(Event::new("user", "Good"));
    client.close(LONG).unwrap_err();
    assert_eq!(server.accepted(), 1);
    assert_eq!(client.stats().dropped_for(DropReason::Invalid), 3);
    assert_settled(&client);

    let built = default_client_of(&server)
        .default_property("value", Explosive)
        .build();
    assert_eq!(built.unwrap_err().setting(), Some("default_property"));
}

#[test]
fn a_system_time_outside_the_calendar_is_refused_without_a_panic() {
    if !child::is_this(
        module_path!(),
        "a_system_time_outside_the_calendar_is_refused_without_a_panic",
    ) {
        return;
    }
    let panicked = Arc::new(AtomicBool::new(false));
    panic::set_hook(Box::new({
        let panicked = panicked.clone();
        move |_| panicked.store(true, SeqCst)
    }));
    let client = Trubrics::builder(API_KEY).host(NOWHERE);
    let client = client.build().unwrap();
    // The years 100000 and -100000 or so.
    let far = Duration::from_secs(3_093_527_980_800);
    let times = [SystemTime::UNIX_EPOCH + far, SystemTime::UNIX_EPOCH - far];
    for time in times {
        let records: [Record; 2] = [
            Event::new("user", "Far").timestamp(time).into(),
            LlmEvent::new("user", "p", "g").timestamp(time).into(),
        ];
        for record in records {
            let error = client.try_track(record).unwrap_err();
            assert_eq!(error.invalid().unwrap().field(), "timestamp");
        }
    }
    let _ = panic::take_hook();
    assert!(!panicked.load(SeqCst));
}

#[test]
fn a_panic_in_a_transport_is_a_missing_answer() {
    let panicked = AtomicBool::new(false);
    let transport = transport_fn(move |_| {
        assert!(panicked.swap(true, SeqCst), "not yet");
        Ok(Response::new(200))
    });
    let client = Trubrics::builder(API_KEY)
        .transport(transport)
        .initial_backoff(Duration::from_millis(1))
        .build()
        .unwrap();
    let error = client.track_sync(Event::new("user", "First")).unwrap_err();
    assert!(error.is_transient());
    client.track(Event::new("user", "Second"));
    client.close(LONG).unwrap();
    assert_settled(&client);
}

#[test]
fn a_transport_that_does_nothing_but_panic_costs_its_records() {
    struct Broken;

    impl Transport for Broken {
        fn send(&self, _: &Request<'_>) -> Result<Response, TransportError> {
            panic!("broken")
        }

        fn interrupt(&self) {
            panic!("broken too")
        }
    }

    let client = Trubrics::builder(API_KEY)
        .transport(Broken)
        .initial_backoff(Duration::from_secs(1))
        .build()
        .unwrap();
    client.track(Event::new("user", "Lost"));
    let error = client.close(Duration::from_millis(500)).unwrap_err();
    assert_eq!(error.pending() + error.dropped(), 1);
    let _ = client.close(LONG);
    assert_eq!(client.stats().dropped_for(DropReason::CloseTimeout), 1);
    assert_settled(&client);
}

#[test]
fn a_logger_that_panics_costs_nothing() {
    struct Logger;

    impl log::Log for Logger {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            // The threads of the server in this process are none of ours.
            assert!(!record.target().starts_with("trubrics"), "no log");
        }

        fn flush(&self) {}
    }

    if !child::is_this(module_path!(), "a_logger_that_panics_costs_nothing") {
        return;
    }
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let server = Server::start().unwrap();
    server.set_refusal(|record| record["event"] == "Bad");
    let client = default_client_of(&server).build().unwrap();
    client.track(Event::new("user", "Bad"));
    client.track(Event::new("", "Nobody"));
    client.track(Event::new("user", "Good"));
    client.track_sync(Event::new("user", "Good")).unwrap();
    client.close(LONG).unwrap_err();
    client.track(Event::new("user", "Late"));
    assert_eq!(server.accepted(), 2);
    assert_eq!(client.stats().dropped, 3);
    assert_settled(&client);
}

#[test]
fn a_drop_while_unwinding_delivers_what_was_tracked() {
    let server = Server::start().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let client = default_client_of(&server).build().unwrap();
        client.track(Event::new("user", "Before the panic"));
        panic!("the program's own");
    }));
    assert!(panicked.is_err());
    assert_eq!(server.accepted(), 1);
}

/// An error that panics when it goes.
#[derive(Debug)]
struct Bomb;

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bomb")
    }
}

impl std::error::Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

#[test]
fn a_panic_on_a_thread_that_sends_is_a_missing_answer() {
    let is_first = AtomicBool::new(true);
    let transport = transport_fn(move |_| {
        if is_first.swap(false, SeqCst) {
            Err(TransportError::new(Bomb))
        } else {
            Ok(Response::new(200))
        }
    });
    let client = Trubrics::builder(API_KEY)
        .max_concurrent_requests(2)
        .initial_backoff(Duration::from_millis(1))
        .transport(transport)
        .build()
        .unwrap();
    for _ in 0..2 {
        client.track(Event::new("user", "e"));
        client.flush(LONG).unwrap();
    }
    client.close(LONG).unwrap();
    assert_eq!(client.stats().delivered, 2);
}
