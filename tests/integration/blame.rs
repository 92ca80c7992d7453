//! What a failure is blamed on: the size of a body, a batch, an endpoint or the host. The answers here are made up, and
//! no test sleeps.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use trubrics::{
    LlmEvent, Response, Transport, TransportError, Trubrics, TrubricsBuilder, transport_fn,
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
