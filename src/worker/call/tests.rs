use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use super::*;
use crate::{
    Event, Response, Trubrics,
    accounting::{CallOutcomes, Outcome},
    clock::{self, double::VirtualTime},
    deadline::after,
    transport_fn,
};

/// What became of the records of a call, how long it took, and when its requests began.
struct Run {
    outcomes: Vec<Option<Outcome>>,
    took: Duration,
    requests: Vec<Duration>,
}

/// Delivers this many events with the default settings, in made-up time. `answer` makes a status from a body.
fn run(count: usize, timeout: Duration, answer: fn(&str) -> u16) -> Run {
    let time = VirtualTime::start();
    let (start, requests) = (clock::now(), Arc::new(Mutex::new(Vec::new())));
    let begun = requests.clone();
    let transport = transport_fn(move |request| {
        begun.lock().expect("no panic").push(clock::now() - start);
        let body = String::from_utf8_lossy(request.body());
        Ok(Response::new(answer(&body)))
    });
    // A call makes one request at a time whatever the client may do.
    let builder = Trubrics::builder("key").max_concurrent_requests(3);
    let builder = builder.transport(transport);
    let (parts, _worker) = builder.prepare().expect("valid settings").expect("enabled");
    let prepare = |number: usize| {
        let event = Event::new("u", format!("event {number}."));
        parts.intake.prepare(event.into()).expect("valid")
    };
    let records: Vec<_> = (0..count).map(prepare).collect();
    let outcomes = CallOutcomes::new(parts.intake.accounting.clone(), &records);
    let outcomes = Arc::new(outcomes);
    let accounting = Arc::new(Accounting::of_call(parts.intake.client, outcomes.clone()));
    let exchange = Arc::new(parts.exchange.for_call(accounting.clone()));
    let deadline = after(start, timeout);
    let worker = Worker::of_call(exchange, accounting, &parts.worker, records, deadline);
    let mut worker = worker.expect("no thread is needed");
    loop {
        match worker.step() {
            Ahead::Work => {}
            Ahead::Wait(Some(until)) => time.set(until - start),
            Ahead::Wait(None) | Ahead::End => break,
        }
    }
    worker.abandon(DropReason::CloseTimeout);
    let requests = requests.lock().expect("no panic").clone();
    Run {
        outcomes: outcomes.take(),
        took: time.elapsed(),
        requests,
    }
}

fn undelivered(run: &Run) -> Vec<usize> {
    let is_delivered = |index: &usize| run.outcomes[*index] == Some(Outcome::Delivered);
    let indexes = 0..run.outcomes.len();
    indexes.filter(|index| !is_delivered(index)).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures, for those who want them")]
fn a_poisoned_record_of_any_call_ends_alone_and_within_a_bound() {
    let answer = |body: &str| if body.contains("event 77.") { 500 } else { 200 };
    for count in [78, 100, 1_000] {
        for minutes in [1, 10] {
            let run = run(count, Duration::from_secs(minutes * 60), answer);
            let (requests, took) = (run.requests.len(), run.took);
            println!("{count} records, {minutes} min: {requests} requests, {took:?}");
            assert_eq!(undelivered(&run), [77]);
            assert!(took <= Duration::from_secs(minutes.min(6) * 60), "{took:?}");
            assert!(requests < 100, "{requests} requests");
        }
    }
}

#[test]
fn the_last_attempt_is_made_shortly_before_the_deadline() {
    for seconds in [1, 10, 100] {
        let timeout = Duration::from_secs(seconds);
        let run = run(150, timeout, |_| 503);
        let last = timeout - *run.requests.last().expect("a request");
        assert!(
            last <= Duration::from_millis(100),
            "{last:?} before the end"
        );
        assert!(run.took <= timeout);
        assert_eq!(undelivered(&run).len(), 150);
    }
}

/// Runs a call of one event in real time, whose first attempt fails, and asks before each step whether it may go on.
/// Returns the outcome of the event, and how often it was asked.
fn run_in_real_time(may_go_on: bool) -> (Option<Outcome>, usize) {
    let requests = Arc::new(AtomicUsize::new(0));
    let transport = transport_fn(move |_| match requests.fetch_add(1, SeqCst) {
        0 => Ok(Response::new(503)),
        _ => Ok(Response::new(200)),
    });
    let builder = Trubrics::builder("key").transport(transport);
    let builder = builder.initial_backoff(Duration::from_millis(50));
    let (parts, _worker) = builder.prepare().expect("valid settings").expect("enabled");
    let record = parts.intake.prepare(Event::new("u", "event").into());
    let records = vec![record.expect("valid")];
    let client = parts.intake.accounting.clone();
    let outcomes = Arc::new(CallOutcomes::new(client, &records));
    let accounting = Arc::new(Accounting::of_call(parts.intake.client, outcomes.clone()));
    let exchange = Arc::new(parts.exchange.for_call(accounting.clone()));
    let deadline = clock::now() + Duration::from_secs(30);
    let worker = Worker::of_call(exchange, accounting, &parts.worker, records, deadline);
    let (_open, closed) = crate::sync::channel::bounded(0);
    let asked = AtomicUsize::new(0);
    worker.expect("no thread is needed").run_call(&closed, || {
        asked.fetch_add(1, SeqCst);
        may_go_on
    });
    (outcomes.take().remove(0), asked.into_inner())
}

#[test]
fn a_call_waits_between_its_attempts() {
    let (outcome, asked) = run_in_real_time(true);
    assert_eq!(outcome, Some(Outcome::Delivered));
    assert!(asked < 30, "it was asked {asked} times");
}

#[test]
fn a_call_that_may_not_go_on_makes_no_attempt() {
    let (outcome, asked) = run_in_real_time(false);
    let dropped = Outcome::Dropped(DropReason::CloseTimeout, None);
    assert_eq!((outcome, asked), (Some(dropped), 1));
}
