use std::time::{Duration, Instant};

use crate::{
    Event, LlmEvent, Trubrics, TypedEvent,
    testing::{API_KEY, Recorder, Reply},
};

const LONG: Duration = Duration::from_secs(30);

fn client(recorder: &Recorder) -> Trubrics {
    Trubrics::builder(API_KEY)
        .transport(recorder.clone())
        .initial_backoff(Duration::from_millis(1))
        .build()
        .expect("good settings")
}

#[test]
fn records_are_found_by_kind_by_name_and_by_user() {
    let recorder = Recorder::new();
    let client = client(&recorder);
    client.track(Event::new("a", "Sign up"));
    client.track(Event::new("b", "Sign up"));
    client.track(Event::new("a", "Log in"));
    client.track(LlmEvent::new("a", "p", "g"));
    client.flush(LONG).expect("delivered");

    assert_eq!((recorder.accepted(), recorder.events().len()), (4, 3));
    assert_eq!(recorder.llm_events().len(), 1);
    assert_eq!(recorder.events_named("Sign up").len(), 2);
    assert_eq!(recorder.events_of("a").len(), 2);
    assert_eq!(recorder.llm_events_of("a").len(), 1);
    assert!(recorder.events_named("Sign").is_empty() && recorder.llm_events_of("b").is_empty());
    assert_eq!(
        recorder.requests()[0].path(),
        "/api/ingestion/publish_events"
    );
    assert_eq!(format!("{recorder:?}"), "Recorder { accepted: 4, .. }");
}

#[test]
fn a_recorder_judges_as_a_server_does() {
    let recorder = Recorder::new();
    let stranger = Trubrics::builder("another key").transport(recorder.clone());
    let stranger = stranger.build().expect("good settings");
    let error = stranger.track_sync(Event::new("u", "e")).expect_err("key");
    assert_eq!(
        (error.status(), error.detail()),
        (Some(401), Some("Invalid API key"))
    );

    recorder.set_refusal(|record| record["event"] == "bad");
    let error = client(&recorder)
        .track_sync(Event::new("u", "bad"))
        .expect_err("refused");
    assert_eq!(error.status(), Some(422));
    assert_eq!(recorder.accepted(), 0);
}

#[test]
fn a_script_decides_what_the_next_requests_get() {
    let recorder = Recorder::new();
    recorder.script([
        Reply::close(),
        Reply::status(503).header("retry-after", "0"),
        Reply::status(429),
    ]);
    let client = client(&recorder);
    let statuses: Vec<_> = (0..4)
        .map(|_| match client.track_sync(Event::new("u", "e")) {
            Ok(()) => Some(200),
            Err(error) => error.status(),
        })
        .collect();
    assert_eq!(statuses, [None, Some(503), Some(429), Some(200)]);
}

#[test]
fn an_unavailable_recorder_answers_503() {
    let recorder = Recorder::new();
    recorder.set_unavailable(true);
    let client = client(&recorder);
    let error = client.track_sync(Event::new("u", "e")).expect_err("503");
    assert_eq!(error.status(), Some(503));
    recorder.set_unavailable(false);
    client.track_sync(Event::new("u", "e")).expect("over");
    assert_eq!(recorder.wait_for(1, LONG).expect("one").len(), 1);
    let error = recorder.wait_for(2, Duration::ZERO).expect_err("one");
    assert_eq!(error.to_string(), "waited 0ns for 2 records, 1 arrived");
}

#[test]
fn a_delay_longer_than_the_request_fails_it() {
    let recorder = Recorder::new();
    recorder.script([Reply::accept().delay(LONG)]);
    let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
    let client = builder
        .request_timeout(Duration::from_millis(20))
        .build()
        .expect("good settings");
    let error = client.track_sync(Event::new("u", "e")).expect_err("late");
    assert!(error.is_transient() && error.status().is_none());
}

#[test]
fn a_close_does_not_wait_for_a_delay() {
    let recorder = Recorder::new();
    recorder.script([Reply::accept().delay(LONG)]);
    let client = Trubrics::builder(API_KEY)
        .transport(recorder.clone())
        .request_timeout(LONG)
        .build()
        .expect("good settings");
    client.track(Event::new("u", "e"));
    let _ = client.flush(Duration::ZERO);
    recorder.wait_for_requests(1, LONG).expect("a request");
    let start = Instant::now();
    client.close(Duration::ZERO).expect_err("interrupted");
    // Waits for the end of the worker.
    client.close(LONG).expect_err("one was dropped");
    assert!(start.elapsed() < LONG / 2);
    assert_eq!(client.stats().pending, 0);

    // The next client uses it as usual.
    let other = self::client(&recorder);
    other.track_sync(Event::new("u", "e")).expect("accepted");
}

#[test]
fn a_close_without_time_leaves_the_recorder_to_the_next_client() {
    let recorder = Recorder::new();
    client(&recorder).close(Duration::ZERO).expect("no record");
    let next = client(&recorder);
    next.track_sync(Event::new("u", "e")).expect("accepted");
    assert_eq!(recorder.accepted(), 1);
}

#[test]
fn a_withdrawal_does_not_wait_for_a_delay() {
    let recorder = Recorder::new();
    recorder.script([Reply::accept().delay(LONG)]);
    let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
    let client = builder.request_timeout(LONG).build().expect("good");
    client.track(Event::new("u", "e"));
    let _ = client.flush(Duration::ZERO);
    recorder.wait_for_requests(1, LONG).expect("a request");
    client.withdraw().expect("the request is broken off");
}

#[test]
fn replies_without_an_answer_fail_the_request() {
    let recorder = Recorder::new();
    recorder.script([
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        Reply::close(),
        Reply::hang(),
        Reply::accept().drip(LONG).close_after(),
    ]);
    let client = client(&recorder);
    for _ in 0..3 {
        let error = client.track_sync(Event::new("u", "e")).expect_err("failed");
        assert!(error.is_transient() && error.status().is_none());
    }
    client.track_sync(Event::new("u", "e")).expect("accepted");
    let requests = recorder.wait_for_requests(4, LONG).expect("four");
    assert_eq!(
        (requests[2].status(), requests[3].status()),
        (None, Some(200))
    );
    assert_eq!(requests[3].connection(), 0);
}

#[test]
fn a_recorder_has_the_settings_of_a_server() {
    let recorder = Recorder::new();
    assert_eq!(recorder.api_key(), API_KEY);
    recorder.set_any_api_key(true);
    let builder = Trubrics::builder("other").transport(recorder.clone());
    let client = builder.build().expect("good settings");
    let send = || client.track_sync(Event::new("u", "e"));
    send().expect("any key");

    recorder.set_body_limit(10);
    assert_eq!(send().expect_err("too large").status(), Some(413));
    recorder.set_body_limit(1_000);
    recorder.set_refusal(|_| true);
    recorder.set_error_details(false);
    assert_eq!(send().expect_err("refused").status(), Some(422));
    let taken = recorder.take_requests(LONG);
    assert_eq!((taken.len(), recorder.accepted()), (3, 0));
    assert_eq!(taken[1].body(), b"");
    assert_eq!(taken[2].answer(), b"Unprocessable");
}

#[test]
fn the_latency_of_a_recorder_counts_for_the_time_out() {
    let recorder = Recorder::new();
    recorder.set_latency(LONG);
    let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
    let client = builder
        .request_timeout(Duration::from_millis(20))
        .build()
        .expect("good settings");
    client.track_sync(Event::new("u", "e")).expect_err("late");
    assert_eq!(recorder.accepted(), 1);
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct SignedOut;

impl TypedEvent for SignedOut {
    const NAME: &'static str = "Signed out";
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct SignUp {
    plan: Option<String>,
    seats: u32,
}

impl TypedEvent for SignUp {
    const NAME: &'static str = "Sign up";
}

#[test]
fn typed_events_are_read_back_as_the_values_that_were_tracked() {
    let recorder = Recorder::new();
    let client = Trubrics::builder(API_KEY)
        .transport(recorder.clone())
        .default_property("release", "1.2")
        .build()
        .expect("good settings");
    let sign_up = SignUp {
        plan: None,
        seats: 3,
    };
    let user = client.for_user("a").property("language", "de");
    user.track(user.event_of(&sign_up));
    client.track(Event::of("b", &SignedOut));
    client.flush(LONG).expect("delivered");
    assert_eq!(
        recorder.events_as::<SignUp>().expect("as tracked"),
        [sign_up]
    );
    assert_eq!(
        recorder.events_as::<SignedOut>().expect("as tracked"),
        [SignedOut]
    );
    assert_eq!(recorder.events_of("a")[0]["properties"]["language"], "de");

    client
        .track_sync(Event::new("a", "Sign up").property("seats", "many"))
        .expect("delivered");
    let error = recorder.events_as::<SignUp>().expect_err("of another type");
    assert!(error.to_string().contains("expected u32"), "{error}");
}
