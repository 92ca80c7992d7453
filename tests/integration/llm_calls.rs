//! Calls to a model, on a real clock.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{LONG, build, client_of, server};

/// Whether the seconds that were sent lie between two durations; they have nanoseconds, and a rounding of their own.
#[track_caller]
fn assert_between(seconds: &Value, least: Duration, most: Duration) {
    let seconds = seconds.as_f64().expect("a number");
    let rounding = 1e-9;
    assert!(
        least.as_secs_f64() - rounding <= seconds && seconds <= most.as_secs_f64() + rounding,
        "{least:?} <= {seconds} s <= {most:?}"
    );
}

/// A model that says when it spoke, in time that passes without a sleep.
fn model(spoke: &Cell<Option<Instant>>) -> impl Iterator<Item = String> {
    (0..50).map(|number| {
        let chunk: String = (0..2_000)
            .map(|other| (number + other).to_string())
            .collect();
        spoke.set(spoke.get().or(Some(Instant::now())));
        chunk
    })
}

#[test]
fn latency_and_time_to_first_token_are_those_of_the_clock() {
    let server = server();
    let client = build(client_of(&server));
    let spoke = Cell::new(None);

    let before = Instant::now();
    let call = client.llm_call("u", "p");
    let after = Instant::now();
    let mut stream = call.stream(model(&spoke));
    let mut answer = stream.next().expect("a first chunk");
    let heard = Instant::now();
    answer.extend(stream.by_ref().collect::<Vec<_>>());
    let ended = Instant::now();
    drop(stream);
    client.flush(LONG).expect("delivered");

    let event = &server.llm_events()[0];
    assert_eq!(event["generation"], answer);
    let spoke = spoke.get().expect("it spoke");
    assert_between(
        &event["properties"]["gen_ai.response.time_to_first_chunk"],
        spoke - after,
        heard - before,
    );
    assert_between(&event["latency"], heard - after, ended - before);
}

#[test]
fn a_call_without_a_stream_is_measured_from_its_start_to_its_end() {
    let server = server();
    let client = build(client_of(&server));
    let before = Instant::now();
    let call = client.llm_call("u", "p");
    let after = Instant::now();
    let answer: String = model(&Cell::new(None)).collect();
    let answered = Instant::now();
    call.finish(answer);
    let ended = Instant::now();
    client.flush(LONG).expect("delivered");
    let latency = &server.llm_events()[0]["latency"];
    assert_between(latency, answered - after, ended - before);
}
