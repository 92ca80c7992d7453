//! What a failure is blamed on: the size of a body, a batch, an endpoint or the host. The answers here are made up, and
//! no test sleeps.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use trubrics::{
    Event, LlmEvent, Response, Transport, TransportError, Trubrics, TrubricsBuilder, transport_fn,
};

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

/// Both endpoints, one of which answers 500.
fn endpoint_that_fails(failing: &'static str, track_bad: fn(&Trubrics), track_good: fn(&Trubrics)) {
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
            .initial_backoff(Duration::from_millis(1))
            .max_backoff(NEVER),
    );
    track_bad(&client);
    let _ = client.flush(Duration::from_millis(5));
    let mut delivered = 0;
    while delivered < 50 * 20 {
        (0..20).for_each(|_| track_good(&client));
        delivered += 20;
        let before = std::time::Instant::now();
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
