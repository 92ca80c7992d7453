//! Consent: a withdrawal in each state of a client, seen by a server.

mod deliveries;
mod processes;
mod states;

use std::{
    fs,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use trubrics::{
    Consent, DropReason, Event, Overflow, Response, Transport, TransportError, Trubrics,
    WhileUndecided,
    testing::{API_KEY, ReceivedRequest, Server},
    transport_fn,
};

use crate::support::{Folder, Gate, LONG, NEVER, assert_settled, build, client_of, server};

fn event(name: &str) -> Event {
    Event::new("user", name)
}

fn withdrawn(client: &Trubrics) -> u64 {
    client.stats().dropped_for(DropReason::Withdrawn)
}

#[test]
fn queued_records_are_dropped_and_later_ones_are_not_taken() {
    let server = server();
    let (shown, names) = mpsc::channel();
    let client = build(client_of(&server).on_drop(move |dropped| {
        assert_eq!(dropped.reason(), DropReason::Withdrawn);
        let _ = shown.send((dropped.count(), dropped.records().count()));
    }));
    for _ in 0..5 {
        client.track(event("before"));
    }
    client.withdraw().expect("no disk");
    assert_eq!(client.consent(), Consent::Withdrawn);
    assert_eq!(withdrawn(&client), 5);
    client.track(event("after"));
    assert!(
        client
            .try_track(event("after"))
            .expect_err("refused")
            .lacks_consent()
    );
    assert!(
        client
            .track_sync(event("after"))
            .expect_err("refused")
            .lacks_consent()
    );
    client.flush(LONG).expect("nothing waits");
    let counts: Vec<_> = names.try_iter().collect();
    let (count, records) = counts
        .iter()
        .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    assert_eq!((count, records), (6, 5), "a later one is not shown");
    assert_settled(&client);

    client.grant().expect("no disk");
    client.track(event("granted"));
    client.flush(LONG).expect("delivered");
    assert_eq!(server.events_named("granted").len(), 1);
    assert_eq!(server.accepted(), 1);
    client.close(LONG).expect_err("some were dropped");
    assert_settled(&client);
}

/// Clients with one request in flight on the worker, on a thread of its own, several, and with a spool.
fn each_kind(server: &Server, test: impl Fn(Trubrics, &str)) {
    for (requests, has_spool) in [(1, false), (4, false), (1, true), (4, true)] {
        let folder = Folder::new();
        let builder = client_of(server)
            .max_concurrent_requests(requests)
            .max_batch_size(5)
            .request_timeout(LONG);
        let builder = match has_spool {
            true => builder.spool(&folder.0),
            false => builder,
        };
        let context = format!("{requests} requests, spool: {has_spool}");
        test(build(builder), &context);
        assert_eq!(folder.records(), 0, "{context}");
    }
}

#[test]
fn requests_in_flight_are_broken_off_and_their_answers_ignored() {
    let server = server();
    server.set_latency(LONG);
    each_kind(&server, |client, context| {
        let before = server.requests().len();
        for _ in 0..40 {
            client.track(event("before"));
        }
        let _ = client.flush(Duration::ZERO);
        server
            .wait_for_requests(before + 1, LONG)
            .expect("a request");
        let start = Instant::now();
        client.withdraw().expect("the disk works");
        assert!(
            start.elapsed() < LONG / 4,
            "{context}: {:?}",
            start.elapsed()
        );
        assert_eq!(withdrawn(&client), 40, "{context}: {:?}", client.stats());
        assert_settled(&client);
        // The transport is usable after that.
        server.set_latency(Duration::ZERO);
        client.grant().expect("the disk works");
        // The server may still read a request that was broken off.
        let granted = server.events_named("granted").len();
        client.track(event("granted"));
        client.flush(LONG).expect("delivered");
        let arrived = server.events_named("granted").len();
        assert_eq!(arrived, granted + 1, "{context}");
        server.set_latency(LONG);
        let _ = client.close(LONG);
    });
}

#[test]
fn records_in_a_back_off_are_dropped() {
    let server = server();
    server.set_unavailable(true);
    each_kind(&server, |client, context| {
        for _ in 0..40 {
            client.track(event("before"));
        }
        let _ = client
            .flush(Duration::from_millis(200))
            .expect_err("an outage");
        client.withdraw().expect("the disk works");
        assert_eq!(withdrawn(&client), 40, "{context}: {:?}", client.stats());
        // The server may still read a request that was broken off. None of a later one arrives.
        client.track(event("later"));
        client.close(LONG).expect_err("they were dropped");
        assert_settled(&client);
        let is_later =
            |request: &ReceivedRequest| String::from_utf8_lossy(request.body()).contains("later");
        assert!(!server.requests().iter().any(is_later), "{context}");
    });
}

#[test]
fn callers_that_wait_for_room_are_refused() {
    let (gate, transport) = Gate::new();
    let client = Trubrics::builder("key")
        .queue_capacity(1)
        .flush_batch_size(1)
        .overflow(Overflow::Block)
        .transport(transport);
    let client = build(client);
    client.track(event("in flight"));
    gate.next_request();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| client.track(event("waits"))))
            .collect();
        let withdrawal = scope.spawn(|| client.withdraw());
        for caller in callers {
            caller.join().expect("no panic");
        }
        gate.answer(200);
        withdrawal.join().expect("no panic").expect("no disk");
    });
    assert_eq!((withdrawn(&client), client.stats().delivered), (3, 1));
    assert_settled(&client);
}

#[test]
fn a_request_that_cannot_be_broken_off_is_an_error_after_five_seconds() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .flush_batch_size(1)
            .transport(transport),
    );
    client.track(event("in flight"));
    gate.next_request();
    let start = Instant::now();
    let error = client.withdraw().expect_err("the request goes on");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(start.elapsed() >= Duration::from_secs(5) && start.elapsed() < LONG / 2);
    client.track(event("later"));
    assert_eq!(withdrawn(&client), 1);
    gate.answer(503);
    client.withdraw().expect("it has ended");
    assert_eq!(withdrawn(&client), 2);
    assert_settled(&client);
}

/// Calls the client's own handle from a hook.
fn in_hook(
    call: impl Fn(&Trubrics) + Send + Sync + 'static,
    transport: impl Transport,
) -> Trubrics {
    let handle: Arc<OnceLock<Trubrics>> = Arc::default();
    let own = handle.clone();
    let builder = Trubrics::builder("key")
        .flush_batch_size(1)
        .give_up_after(Duration::ZERO);
    let client = build(builder.transport(transport).on_drop(move |_| {
        if let Some(client) = own.get() {
            call(client);
        }
    }));
    let _ = handle.set(client.clone());
    client
}

#[test]
fn a_withdrawal_from_a_hook_takes_effect_and_does_not_wait() {
    let (called, calls) = mpsc::channel();
    let client = in_hook(
        move |client| {
            let kind = client.withdraw().map_err(|error| error.kind());
            let _ = called.send(kind);
        },
        transport_fn(|_| Ok(Response::new(503))),
    );
    client.track(event("dropped"));
    let kind = calls.recv_timeout(LONG).expect("a drop");
    assert_eq!(kind, Err(std::io::ErrorKind::WouldBlock));
    assert_eq!(client.consent(), Consent::Withdrawn);
    client.withdraw().expect("no disk");
    client.track(event("later"));
    assert_eq!(withdrawn(&client), 1);
    assert_settled(&client);
    client.close(LONG).expect_err("they were dropped");
}

#[test]
fn threads_that_track_during_withdrawals_and_grants_lose_no_count() {
    let server = server();
    for folder in [None, Some(Folder::new())] {
        let builder = client_of(&server)
            .flush_batch_size(5)
            .max_concurrent_requests(2);
        let client = build(match &folder {
            Some(folder) => builder.spool(&folder.0),
            None => builder,
        });
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..2_000).for_each(|_| client.track(event("busy"))));
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        client.withdraw().expect("the disk works");
                        client.grant().expect("the disk works");
                    }
                });
            }
        });
        client.withdraw().expect("the disk works");
        let stats = client.stats();
        assert_eq!((stats.tracked, stats.pending), (6_000, 0), "{stats:?}");
        assert_settled(&client);
        client.track(event("later"));
        client.close(LONG).expect_err("some were dropped");
        assert_eq!(server.events_named("later").len(), 0);
    }
}

#[test]
fn no_record_of_before_is_sent_when_a_grant_follows_at_once() {
    let (send, sent) = mpsc::channel();
    let transport = transport_fn(move |request| {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        send.send(body).map_err(TransportError::new)?;
        Ok(Response::new(200))
    });
    let builder = Trubrics::builder(API_KEY).transport(transport);
    let client = build(builder.flush_batch_size(1).max_concurrent_requests(4));
    for _ in 0..30 {
        for _ in 0..10 {
            client.track(event("before"));
        }
        client.withdraw().expect("no disk");
        sent.try_iter().for_each(drop);
        client.grant().expect("no disk");
        client.track(event("after"));
        client.flush(LONG).ok();
        let bodies: Vec<_> = sent.try_iter().collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert!(bodies[0].contains("after"), "{bodies:?}");
    }
    assert_settled(&client);
}

#[test]
fn an_undecided_client_sends_what_waited_after_a_grant() {
    let server = server();
    let folder = Folder::new();
    let builder = client_of(&server).flush_batch_size(1).spool(&folder.0);
    let client = build(builder.consent(Consent::Undecided));
    for _ in 0..100 {
        client.track(event("waits"));
    }
    let error = client.flush(LONG).expect_err("no consent");
    assert!(error.lacks_consent());
    assert_eq!(error.to_string(), "records wait for consent: 100");
    assert!(
        client
            .track_sync(event("sync"))
            .expect_err("no consent")
            .lacks_consent()
    );
    assert!(!folder.0.exists() && server.requests().is_empty());
    client.grant().expect("the disk works");
    client.flush(LONG).expect("delivered");
    let events = server.events_named("waits");
    assert_eq!(events.len(), 100);
    client.close(LONG).expect("all is delivered");
}

#[test]
fn an_undecided_client_drops_what_waits_when_it_is_closed_or_refused() {
    let server = server();
    for is_withdrawn in [false, true] {
        let folder = Folder::new();
        let builder = client_of(&server)
            .spool(&folder.0)
            .consent(Consent::Undecided);
        let client = build(builder);
        client.track(event("waits"));
        let reason = match is_withdrawn {
            true => {
                client.withdraw().expect("the disk works");
                DropReason::Withdrawn
            }
            false => DropReason::Undecided,
        };
        client.close(LONG).expect_err("it was dropped");
        assert_eq!(client.stats().dropped_for(reason), 1);
        assert_settled(&client);
        assert_eq!(folder.records(), 0);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn an_undecided_client_may_drop_records_until_it_is_granted() {
    let server = server();
    let builder = client_of(&server).while_undecided(WhileUndecided::Drop);
    let client = build(builder.consent(Consent::Undecided));
    client.track(event("too early"));
    assert_eq!(client.stats().dropped_for(DropReason::Undecided), 1);
    client.flush(LONG).expect("nothing waits");
    client.grant().expect("no disk");
    client.track(event("granted"));
    client.flush(LONG).expect("delivered");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn an_undecided_client_does_not_block_when_the_queue_is_full() {
    let server = server();
    let builder = client_of(&server)
        .queue_capacity(2)
        .overflow(Overflow::Block);
    let client = build(builder.consent(Consent::Undecided));
    for _ in 0..5 {
        client.track(event("waits"));
    }
    assert_eq!(client.stats().dropped_for(DropReason::QueueFull), 3);
    client.grant().expect("no disk");
    client.flush(LONG).expect("delivered");
    assert_eq!(server.accepted(), 2);
}
