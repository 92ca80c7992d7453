//! An outage in three forms, with events tracked before and during it: none is lost, and none arrives twice.
//!
//! Short by default, with short delays. With a time in the environment it is that long, and the client is one with
//! default settings:
//!
//! ```text
//! TRUBRICS_OUTAGE_SECONDS=60 cargo test --release --test integration outage:: -- --nocapture
//! ```

mod origin;

use std::{
    collections::HashMap,
    env,
    time::{Duration, Instant},
};

use crossbeam_channel::never;
use trubrics::{Event, Trubrics};

use self::origin::{Origin, Outage};
use crate::child::tell;

const EVENTS: usize = 2_000;

/// Part of the events that still wait when the outage begins: one less than what is sent at once.
const WAITING: usize = 99;

const AMPLE: Duration = Duration::from_secs(120);

#[test]
fn an_outage_that_refuses_connections_loses_none_and_doubles_none() {
    survive(Outage::Refused);
}

#[test]
fn an_outage_that_swallows_requests_loses_none_and_doubles_none() {
    survive(Outage::Silent);
}

#[test]
fn an_outage_that_answers_503_loses_none_and_doubles_none() {
    survive(Outage::Unavailable);
}

#[track_caller]
fn survive(outage: Outage) {
    let asked = env::var("TRUBRICS_OUTAGE_SECONDS").ok();
    let asked = asked.map(|seconds| Duration::from_secs(seconds.parse().expect("a number")));
    let length = asked.unwrap_or(Duration::from_millis(800));
    let origin = Origin::start();
    let mut settings = Trubrics::builder("key")
        .host(origin.url())
        .flush_batch_size(100);
    if asked.is_none() {
        settings = settings
            .request_timeout(Duration::from_millis(300))
            .initial_backoff(Duration::from_millis(2))
            .max_backoff(Duration::from_millis(20));
    }
    let client = settings.build().expect("a client");
    let track = |ids: std::ops::Range<usize>| {
        for id in ids {
            client.track(Event::new(id.to_string(), "Outage"));
        }
    };

    let before = EVENTS / 2;
    track(0..before - WAITING);
    client.flush(AMPLE).expect("delivered before the outage");
    track(before - WAITING..before);
    origin.fail(outage);
    let start = Instant::now();
    let failed_before = origin.failed();
    // Spread over the outage, the last of them at its end.
    let pause = length / 10;
    for tenth in 0..10 {
        let _ = never::<()>().recv_timeout(pause);
        let part = (EVENTS - before) / 10;
        track(before + tenth * part..before + (tenth + 1) * part);
    }
    let lasted = start.elapsed();
    let at_the_end = client.stats();
    let attempts = origin.failed() - failed_before;
    origin.recover();
    let recovery = Instant::now();
    let outcome = client.flush(AMPLE);
    let caught_up = recovery.elapsed();

    let mut arrivals: HashMap<String, usize> = HashMap::new();
    for id in origin.user_ids() {
        *arrivals.entry(id).or_default() += 1;
    }
    let lost = (0..EVENTS)
        .filter(|id| !arrivals.contains_key(&id.to_string()))
        .count();
    let doubled = arrivals.values().filter(|count| **count > 1).count();
    tell(&format!(
        "{outage:?} for {lasted:.1?}: {EVENTS} events, {} pending at its end, {attempts} attempts failed at the server, \
         {lost} lost, {doubled} doubled, flushed {caught_up:.1?} after it",
        at_the_end.pending,
    ));
    assert_eq!((lost, doubled), (0, 0));
    assert_eq!(at_the_end.pending as usize, EVENTS - before + WAITING);
    outcome.expect("everything is delivered");
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.dropped), (EVENTS as u64, 0));
}
