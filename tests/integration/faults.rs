//! Failures that pass, and records that are refused.

use std::{
    collections::HashSet,
    sync::mpsc,
    time::{Duration, Instant},
};

use trubrics::{DropReason, Event, LlmEvent, Trubrics, testing::Reply};

use crate::support::{Folder, Gate, LONG, NEVER, assert_balanced, build, client_of, server};

fn numbered(index: usize) -> Event {
    Event::new("u", "e").property("index", index)
}

#[test]
fn every_failure_that_may_pass_is_tried_again_with_the_same_bytes() {
    let transient = [408, 425, 429, 500, 502, 503, 504, 599].map(Reply::status);
    for reply in transient.into_iter().chain([Reply::close()]) {
        let server = server();
        let client = build(client_of(&server));
        server.script([reply.clone(), reply]);
        client.track(numbered(0));
        client.flush(LONG).expect("delivered at last");
        let requests = server.requests();
        assert!(requests.len() >= 3, "{requests:?}");
        assert!(
            requests
                .iter()
                .all(|request| request.body() == requests[0].body())
        );
        assert_eq!(server.accepted(), 1);
        let stats = client.stats();
        assert_eq!((stats.delivered, stats.dropped), (1, 0));
    }
}

#[test]
fn every_refusal_that_is_final_costs_one_request_and_is_told_once() {
    for status in [
        300, 301, 302, 307, 400, 401, 402, 403, 404, 405, 409, 413, 415, 418, 422,
    ] {
        let server = server();
        let (told, drops) = mpsc::channel();
        let client = build(client_of(&server).on_drop(move |dropped| {
            let _ = told.send((dropped.reason(), dropped.status(), dropped.count()));
        }));
        server.script([Reply::status(status).header("location", server.url())]);
        client.track(numbered(0));
        let error = client.flush(LONG).expect_err("it was dropped");
        assert_eq!((error.pending(), error.dropped()), (0, 1));
        let reason = match status {
            401 | 403 => DropReason::Unauthorized,
            413 => DropReason::TooLarge,
            400 | 422 => DropReason::Rejected,
            _ => DropReason::RequestRejected,
        };
        assert_eq!(
            drops.try_iter().collect::<Vec<_>>(),
            [(reason, Some(status), 1)]
        );
        assert_eq!(server.requests().len(), 1, "status {status}");
        assert_eq!(client.stats().dropped_for(reason), 1);
        assert_balanced(client.stats());
    }
}

#[test]
fn records_that_a_proxy_refuses_with_a_page_stay_in_the_spool() {
    let (server, folder) = (server(), Folder::new());
    let client = build(client_of(&server).spool(&folder.0));
    let page = Reply::status(400).header("content-type", "text/html");
    server.script([page.body("<html>400 Bad Request</html>")]);
    (0..10).for_each(|index| client.track(numbered(index)));
    client.flush(LONG).expect_err("the proxy refuses");
    assert_eq!(server.requests().len(), 1);
    let stats = client.stats();
    assert_eq!((stats.pending, stats.dropped), (10, 0));
    client.close(LONG).expect("they stay in the folder");
    let next = build(client_of(&server).spool(&folder.0));
    next.close(LONG).expect("they are delivered");
    assert_eq!(server.accepted(), 10);
}

#[test]
fn one_bad_event_costs_one_event() {
    for (names, most) in [(true, 2), (false, 16)] {
        let server = server();
        server.set_error_details(names);
        server.set_refusal(|record| record["properties"]["index"] == 42);
        let (told, drops) = mpsc::channel();
        let client = build(
            client_of(&server)
                .flush_batch_size(100)
                .on_drop(move |dropped| {
                    let _ = told.send(dropped.records().map(str::to_owned).collect::<Vec<_>>());
                }),
        );
        for index in 0..100 {
            client.track(numbered(index));
        }
        let error = client.flush(LONG).expect_err("one was refused");
        assert_eq!(error.dropped(), 1);
        let dropped: Vec<_> = drops.try_iter().flatten().collect();
        assert!(
            matches!(&dropped[..], [record] if record.contains(r#""index":42}"#)),
            "{dropped:?}"
        );
        let indexes: Vec<_> = server
            .events()
            .iter()
            .map(|event| event["properties"]["index"].as_u64())
            .collect();
        let good: Vec<_> = (0..100).filter(|index| *index != 42).map(Some).collect();
        assert_eq!(indexes, good, "once each, and in order");
        assert!(
            server.requests().len() <= most,
            "{} requests",
            server.requests().len()
        );
    }
}

#[test]
fn a_hundred_bad_events_are_all_counted_within_the_budget() {
    let server = server();
    server.set_error_details(false);
    server.set_refusal(|_| true);
    let client = build(client_of(&server).flush_batch_size(100));
    for index in 0..100 {
        client.track(numbered(index));
    }
    client.flush(LONG).expect_err("all were refused");
    assert_eq!(client.stats().dropped_for(DropReason::Rejected), 100);
    assert!(
        server.requests().len() <= 33,
        "{} requests",
        server.requests().len()
    );
}

#[test]
fn what_is_too_large_together_is_sent_in_parts() {
    let server = server();
    server.set_body_limit(3_000);
    let client = build(client_of(&server));
    for index in 0..50 {
        client.track(numbered(index));
    }
    client.track(numbered(50).text("x".repeat(4_000)));
    client.flush(LONG).expect_err("one is too large alone");
    let delivered: HashSet<_> = server
        .events()
        .iter()
        .map(|event| event["properties"]["index"].as_u64())
        .collect();
    assert_eq!(delivered, (0..50).map(Some).collect());
    assert_eq!(server.accepted(), 50, "none twice");
    assert_eq!(client.stats().dropped_for(DropReason::TooLarge), 1);
}

#[test]
fn a_refusal_on_one_endpoint_leaves_the_other_alone() {
    let server = server();
    server.set_refusal(|record| record.get("prompt").is_some());
    let client = build(client_of(&server));
    client.track(numbered(0));
    client.track(LlmEvent::new("u", "p", "g"));
    client.track(numbered(1));
    client.flush(LONG).expect_err("one was refused");
    assert_eq!((server.events().len(), server.llm_events().len()), (2, 0));
    let events = server
        .requests()
        .iter()
        .filter(|request| request.path().ends_with("/publish_events"))
        .count();
    assert_eq!(events, 1);
}

#[test]
fn a_batch_is_given_up_after_its_time_and_the_next_one_still_goes() {
    let server = server();
    server.set_unavailable(true);
    let client = build(client_of(&server).give_up_after(Duration::from_millis(50)));
    client.track(numbered(0));
    let error = client.flush(LONG).expect_err("it was given up");
    assert_eq!((error.pending(), error.dropped()), (0, 1));
    assert_eq!(client.stats().dropped_for(DropReason::GaveUp), 1);
    assert!(server.requests().len() > 1, "it was tried more than once");
    server.set_unavailable(false);
    client.track(numbered(1));
    client.flush(LONG).expect("delivered");
}

#[test]
fn a_flush_does_not_wait_out_our_own_back_off() {
    let server = server();
    let hour = Duration::from_secs(3600);
    let client = build(
        client_of(&server)
            .initial_backoff(hour)
            .max_backoff(hour)
            .give_up_after(hour),
    );
    server.script([Reply::status(503)]);
    client.track(numbered(0));
    let error = client
        .flush(Duration::from_secs(1))
        .expect_err("the first attempt fails");
    assert_eq!((error.pending(), error.dropped()), (1, 0));
    client.flush(LONG).expect("the next flush tries at once");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn repeated_flushes_are_no_storm_of_retries() {
    let server = server();
    let hour = Duration::from_secs(3600);
    let client = build(
        client_of(&server)
            .initial_backoff(hour)
            .max_backoff(hour)
            .give_up_after(hour),
    );
    server.set_unavailable(true);
    client.track(numbered(0));
    for _ in 0..100 {
        client
            .flush(Duration::from_millis(10))
            .expect_err("the server is down");
    }
    assert!(
        server.requests().len() <= 2,
        "{} requests",
        server.requests().len()
    );
}

#[test]
fn neither_flush_nor_close_sends_against_a_retry_after() {
    let server = server();
    let client = build(client_of(&server));
    server.script([Reply::status(429).header("retry-after", "3600")]);
    client.track(numbered(0));
    let start = Instant::now();
    let time = Duration::from_millis(50);
    client.flush(time).expect_err("the server asks to wait");
    client.flush(time).expect_err("it still does");
    let error = client.close(LONG).expect_err("it is dropped");
    assert!(
        start.elapsed() < LONG,
        "none of them waits until its deadline"
    );
    assert_eq!((error.pending(), error.dropped()), (0, 1));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(client.stats().dropped_for(DropReason::CloseTimeout), 1);
}

#[test]
fn a_batch_that_has_had_its_time_is_given_up_without_a_request_against_a_retry_after() {
    for connections in [1, 3] {
        let server = server();
        server.script([Reply::status(429).header("Retry-After", "60")]);
        let builder = client_of(&server).max_concurrent_requests(connections);
        let client = build(builder.give_up_after(Duration::from_millis(50)));
        client.track(numbered(0));
        client.flush(Duration::ZERO).expect("it is sent");
        let start = Instant::now();
        while client.stats().pending > 0 {
            assert!(start.elapsed() < LONG, "{:?}", client.stats());
            std::thread::yield_now();
        }
        assert_eq!(client.stats().dropped_for(DropReason::GaveUp), 1);
        assert_eq!(server.requests().len(), 1);
        assert_balanced(client.stats());
    }
}

#[test]
fn a_retry_after_is_waited_for() {
    let server = server();
    let client = build(client_of(&server));
    server.script([Reply::status(503).header("retry-after", "1")]);
    client.track(numbered(0));
    let start = Instant::now();
    client.flush(LONG).expect("delivered");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn records_that_come_during_an_outage_wait_behind_those_that_were_there() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .flush_interval(NEVER)
            .flush_batch_size(1)
            .initial_backoff(Duration::from_millis(1))
            .max_backoff(Duration::from_millis(1)),
    );
    client.track(numbered(0));
    assert!(gate.next_request().contains(r#""index":0"#));
    for index in 1..=50 {
        client.track(numbered(index));
    }
    gate.answer(503);
    let again = gate.next_request();
    assert!(
        again.contains(r#""index":0"#) && !again.contains(r#""index":1}"#),
        "{again}"
    );
    gate.answer(200);
    assert!(
        gate.next_request().contains(r#""index":50}"#),
        "the rest goes together"
    );
    gate.answer(200);
    client.flush(LONG).expect("delivered");
}

#[test]
fn a_connection_that_died_unused_costs_no_attempt() {
    let server = server();
    let hour = Duration::from_secs(3600);
    let client = build(client_of(&server).initial_backoff(hour).max_backoff(hour));
    server.script([Reply::status(200), Reply::close()]);
    client.track(numbered(0));
    client.flush(LONG).expect("delivered");
    client.track(numbered(1));
    client
        .flush(LONG)
        .expect("delivered over a new connection, at once");
    assert_eq!(server.requests().len(), 3);
}
