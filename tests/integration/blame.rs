//! What a failure is blamed on: the size of a body, a batch, an endpoint or the host. The answers here are made up, and
//! no test sleeps.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use trubrics::{
    DropReason, Event, LlmEvent, Response, Transport, TransportError, Trubrics, TrubricsBuilder,
    transport_fn,
};

use crate::child::tell;
use crate::support::{LONG, NEVER, build};

/// The bodies that were accepted, and how many requests there were.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(Vec<String>, usize)>>);

impl Seen {
    fn requests(&self) -> usize {
        self.0.lock().expect("no panic").1
    }

    /// How often the text is in accepted bodies.
    fn accepted(&self, text: &str) -> usize {
        let seen = self.0.lock().expect("no panic");
        seen.0.iter().map(|body| body.matches(text).count()).sum()
    }

    /// A transport whose answers `answer` makes, from the URL and the body.
    fn transport<A>(&self, answer: A) -> impl Transport + use<A>
    where
        A: Fn(&str, &str) -> Result<u16, TransportError> + Send + Sync + 'static,
    {
        let seen = self.clone();
        transport_fn(move |request| {
            let body = std::str::from_utf8(request.body()).expect("JSON");
            let mut seen = seen.0.lock().expect("no panic");
            seen.1 += 1;
            let status = answer(request.url(), body)?;
            if status == 200 {
                seen.0.push(body.to_owned());
            }
            Ok(Response::new(status))
        })
    }
}

fn impatient(transport: impl Transport) -> TrubricsBuilder {
    Trubrics::builder("key")
        .transport(transport)
        .flush_interval(NEVER)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(5))
}

#[test]
fn bodies_that_are_not_sent_in_time_are_sent_in_parts() {
    let seen = Seen::default();
    let client = build(impatient(seen.transport(|_, body| match body.len() {
        0..=300_000 => Ok(200),
        _ => Err(TransportError::while_sending(std::io::Error::from(
            std::io::ErrorKind::TimedOut,
        ))),
    })));
    for _ in 0..100 {
        client.track(LlmEvent::new("user", "prompt", "g".repeat(10_000)));
    }
    client.flush(LONG).expect("delivered in parts");
    assert_eq!(client.stats().delivered, 100);
    assert!(seen.requests() < 12, "{} requests", seen.requests());
    assert_eq!(seen.accepted("\"prompt\":"), 100);
}

#[test]
fn a_413_on_llm_events_leaves_the_requests_of_events_large() {
    let seen = Seen::default();
    // The largest request of events after the first 413, and how many requests of LLM events got a 413.
    let counts = Arc::new(Mutex::new((0, 0)));
    let counted = counts.clone();
    let client = build(impatient(seen.transport(move |url, body| {
        let mut counted = counted.lock().expect("no panic");
        if url.ends_with("/publish_events") {
            if counted.1 > 0 {
                counted.0 = counted.0.max(body.len());
            }
            return Ok(200);
        }
        let is_too_large = body.len() > 300_000;
        counted.1 += usize::from(is_too_large);
        Ok(if is_too_large { 413 } else { 200 })
    })));
    for _ in 0..20 {
        (0..100).for_each(|_| client.track(LlmEvent::new("user", "prompt", "g".repeat(10_000))));
        (0..100).for_each(|_| client.track(Event::new("user", "e").text("t".repeat(5_000))));
        client.flush(LONG).expect("delivered");
    }
    assert_eq!(client.stats().delivered, 4_000);
    let (largest, refused) = *counts.lock().expect("no panic");
    tell(&format!(
        "{largest} bytes in the largest request of events, {refused} requests of LLM events with 413"
    ));
    assert!(largest > 300_000, "{largest} bytes");
    assert!(refused <= 9, "{refused} of LLM events with 413");
}

/// Both endpoints, one of which answers 500, with one connection and with several.
fn endpoint_that_fails(failing: &'static str, track_bad: fn(&Trubrics), track_good: fn(&Trubrics)) {
    for connections in [1, 4] {
        endpoint_that_fails_with(connections, failing, track_bad, track_good);
    }
}

fn endpoint_that_fails_with(
    connections: usize,
    failing: &'static str,
    track_bad: fn(&Trubrics),
    track_good: fn(&Trubrics),
) {
    let seen = Seen::default();
    let failures = Seen::default();
    let failed = failures.clone();
    let transport = seen.transport(move |url, _| {
        if !url.ends_with(failing) {
            return Ok(200);
        }
        failed.0.lock().expect("no panic").1 += 1;
        Ok(500)
    });
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .flush_interval(NEVER)
            .max_concurrent_requests(connections)
            .initial_backoff(Duration::from_millis(1))
            .max_backoff(NEVER),
    );
    track_bad(&client);
    let _ = client.flush(Duration::from_millis(5));
    let mut delivered = 0;
    while delivered < 50 * 20 {
        (0..20).for_each(|_| track_good(&client));
        delivered += 20;
        let before = Instant::now();
        while client.stats().delivered < delivered {
            assert!(before.elapsed() < LONG, "the healthy endpoint has its turn");
            std::thread::yield_now();
        }
    }
    let _ = client.close(Duration::ZERO);
    // Their delays double from 1 ms on, whatever else is accepted.
    assert!(failures.requests() < 20, "{} requests", failures.requests());
}

#[test]
fn a_failing_events_endpoint_does_not_hold_up_llm_events() {
    endpoint_that_fails(
        "/publish_events",
        |client| client.track(Event::new("user", "bad")),
        |client| client.track(LlmEvent::new("user", "prompt", "answer")),
    );
}

#[test]
fn a_failing_llm_endpoint_does_not_hold_up_events() {
    endpoint_that_fails(
        "/publish_llm_events",
        |client| client.track(LlmEvent::new("user", "bad", "answer")),
        |client| client.track(Event::new("user", "good")),
    );
}

/// Answers 500 to each body with the bad record.
fn refuses_poison(_: &str, body: &str) -> Result<u16, TransportError> {
    match body.contains("poison") {
        true => Ok(500),
        false => Ok(200),
    }
}

/// Tracks 30 times 20 events, the seventh of which is bad, and waits until all others are delivered.
#[track_caller]
fn deliver_all_but_the_bad_one(client: &Trubrics, seen: &Seen) {
    for batch in 0..30 {
        for index in 0..20 {
            let name = match (batch, index) {
                (0, 7) => "poison",
                _ => "good",
            };
            client.track(Event::new("user", name));
        }
        let sent = seen.requests();
        wait_for(|| seen.requests() > sent || batch == 29);
    }
    let _ = client.flush(Duration::from_millis(1));
    wait_for(|| client.stats().delivered == 599);
    assert_eq!(seen.accepted("good"), 599);
}

#[track_caller]
fn wait_for(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < LONG, "it does not happen");
        std::thread::yield_now();
    }
}

#[test]
fn one_bad_record_holds_up_no_other() {
    let seen = Seen::default();
    let client = build(impatient(seen.transport(refuses_poison)).give_up_after(NEVER));
    deliver_all_but_the_bad_one(&client, &seen);
    assert_eq!(client.stats().pending, 1);
    let _ = client.close(Duration::ZERO);
}

#[test]
fn one_bad_record_in_a_spool_holds_up_no_other() {
    let folder = std::env::temp_dir().join(format!("trubrics-blame-{}", std::process::id()));
    let seen = Seen::default();
    let client = build(impatient(seen.transport(refuses_poison)).spool(&folder));
    deliver_all_but_the_bad_one(&client, &seen);
    let _ = client.close(Duration::ZERO);
    assert_eq!(client.stats().left_in_spool, 1);
    std::fs::remove_dir_all(folder).expect("the folder of the spool");
}

#[test]
fn a_record_that_kills_the_connection_holds_up_no_other() {
    let seen = Seen::default();
    let transport = seen.transport(|_, body| match body.contains("poison") {
        true => Err(TransportError::while_sending("reset")),
        false => Ok(200),
    });
    let client = build(
        impatient(transport)
            .give_up_after(NEVER)
            .max_concurrent_requests(3),
    );
    deliver_all_but_the_bad_one(&client, &seen);
    let _ = client.close(Duration::ZERO);
}

#[test]
fn a_bad_record_without_others_is_given_up_alone() {
    let seen = Seen::default();
    let drops = Arc::new(Mutex::new(Vec::new()));
    let shown = drops.clone();
    let settings = impatient(seen.transport(refuses_poison)).give_up_after(Duration::from_secs(2));
    let client = build(settings.on_drop(move |dropped| {
        let drop = (dropped.reason(), dropped.status(), dropped.count());
        shown.lock().expect("no panic").push(drop);
    }));
    for index in 0..20 {
        let name = if index == 7 { "poison" } else { "good" };
        client.track(Event::new("user", name));
    }
    client.flush(LONG).expect_err("one is dropped");
    assert_eq!(client.stats().delivered, 19);
    assert_eq!(
        *drops.lock().expect("no panic"),
        [(DropReason::GaveUp, Some(500), 1)]
    );
}

#[test]
fn an_outage_costs_one_request_for_each_delay_however_much_waits() {
    let seen = Seen::default();
    let begin = Instant::now();
    let settings = impatient(seen.transport(|_, _| Ok(500))).max_backoff(NEVER);
    let client = build(settings.give_up_after(NEVER));
    for _ in 0..200 {
        client.track(Event::new("user", "event"));
        client.track(LlmEvent::new("user", "prompt", "answer"));
    }
    wait_for(|| seen.requests() >= 8);
    // Seven delays, each of at least half of its bound, which doubles from 1 ms on.
    let least = Duration::from_micros(127 * 500);
    assert!(
        begin.elapsed() >= least,
        "8 requests in {:?}",
        begin.elapsed()
    );
    let _ = client.close(Duration::ZERO);
}

#[test]
fn a_bad_record_is_found_in_a_few_requests() {
    let seen = Seen::default();
    let shared = Arc::new(AtomicUsize::new(0));
    let count = shared.clone();
    let transport = seen.transport(move |url, body| {
        if body.contains("poison") && body.contains("good") {
            count.fetch_add(1, Relaxed);
        }
        refuses_poison(url, body)
    });
    let client = build(impatient(transport).give_up_after(NEVER));
    deliver_all_but_the_bad_one(&client, &seen);
    let failed = shared.load(Relaxed);
    assert!(failed <= 14, "{failed} failed requests with good records");
    let _ = client.close(Duration::ZERO);
}
