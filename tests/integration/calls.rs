//! What each call of the client does and returns, and what it never does.

/// The one call that waits for its record's delivery.
mod track_sync;

use std::{
    env,
    error::Error,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use trubrics::{
    DropReason, Event, LlmEvent, Overflow, Record, Response, TransportError, Trubrics,
    testing::Server, transport_fn,
};

use crate::support::{Gate, LONG, assert_balanced, build, client_of, server};

#[test]
fn a_flush_delivers_everything_that_was_tracked_before_it() {
    let server = server();
    let client = build(client_of(&server));
    client.track(Event::new("user_1", "Sign up").property("plan", "team"));
    client.track(LlmEvent::new("user_1", "2 + 2?", "4").assistant_id("gpt-4o"));
    client.flush(LONG).expect("delivered");

    let events = server.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["event"], "Sign up");
    assert_eq!(events[0]["properties"], json!({"plan": "team"}));
    let llm_events = server.llm_events();
    assert_eq!(llm_events.len(), 1);
    assert_eq!(llm_events[0]["generation"], "4");

    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.delivered, stats.dropped, stats.pending),
        (2, 2, 0, 0)
    );
}

#[test]
fn a_timestamp_is_the_moment_of_the_call_and_not_of_the_delivery() {
    let server = server();
    let client = build(client_of(&server));
    let before = unix_milliseconds();
    client.track(Event::new("u", "e"));
    let after = unix_milliseconds();
    server.set_latency(Duration::from_millis(50));
    client.flush(LONG).expect("delivered");

    let events = server.events();
    let timestamp = events[0]["timestamp"].as_str().expect("a text");
    let format = &time::format_description::well_known::Rfc3339;
    let sent = time::OffsetDateTime::parse(timestamp, format).expect("RFC 3339");
    let sent = sent.unix_timestamp_nanos() / 1_000_000;
    assert!(
        (before..=after).contains(&sent),
        "{before} <= {sent} <= {after}"
    );
}

fn unix_milliseconds() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_millis() as i128
}

#[test]
fn the_last_handle_that_is_dropped_delivers_what_waits() {
    let server = server();
    let client = build(client_of(&server));
    let clone = client.clone();
    client.track(Event::new("u", "first"));
    drop(client);
    clone.track(Event::new("u", "second"));
    drop(clone);
    assert_eq!(names(&server.events()), ["first", "second"]);
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().expect("a name"))
        .collect()
}

#[test]
fn a_close_delivers_what_waits_and_a_second_one_changes_nothing() {
    let server = server();
    let client = build(client_of(&server));
    client.track(Event::new("u", "e"));
    client.close(LONG).expect("delivered");
    client.close(LONG).expect("closed already");
    client.flush(LONG).expect("nothing is left");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn a_record_that_comes_after_the_close_is_a_counted_drop() {
    let server = server();
    let client = build(client_of(&server));
    client.close(LONG).expect("nothing to deliver");
    client.track(Event::new("u", "late"));

    let stats = client.stats();
    assert_eq!((stats.tracked, stats.dropped), (1, 1));
    assert_eq!(stats.dropped_for(DropReason::Closed), 1);
    client.flush(LONG).expect("nothing was dropped meanwhile");
    let error = client.close(LONG).expect_err("one was dropped");
    assert_eq!((error.pending(), error.dropped()), (0, 1));
    assert_eq!(server.accepted(), 0);
}

#[test]
fn try_track_gives_the_record_back_when_it_cannot_be_taken() {
    let server = server();
    let client = build(client_of(&server).queue_capacity(1));
    client
        .try_track(Event::new("u", "taken"))
        .expect("there is room");

    let full = client
        .try_track(Event::new("u", "kept"))
        .expect_err("there is no room");
    assert!(full.is_full() && !full.is_closed() && full.invalid().is_none());
    assert_eq!(full.to_string(), "the queue is full");
    let record = full.into_record();

    client.flush(LONG).expect("delivered");
    client.try_track(record).expect("there is room again");

    client.flush(LONG).expect("delivered");
    let invalid = client.try_track(Event::new("", "e")).expect_err("no user");
    assert_eq!(invalid.to_string(), "the record is invalid");
    let source = invalid.source().expect("a reason").to_string();
    assert_eq!(
        source,
        "user_id is empty: use anonymous_id() for a user without auth"
    );
    assert_eq!(
        invalid.invalid().map(|error| error.field()),
        Some("user_id")
    );

    client.close(LONG).expect("delivered");
    let closed = client
        .try_track(Event::new("u", "late"))
        .expect_err("closed");
    assert!(closed.is_closed());
    assert_eq!(closed.to_string(), "the client is closed");

    assert_eq!(names(&server.events()), ["taken", "kept"]);
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.delivered, stats.dropped), (2, 2, 0));
}

#[test]
fn the_error_of_try_track_does_not_show_the_record() {
    let client = build(
        Trubrics::builder("key")
            .transport(transport_fn(|_| Err(TransportError::new("no network")))),
    );
    let _ = client.close(LONG);
    let error = client
        .try_track(LlmEvent::new("secret", "secret", "secret"))
        .expect_err("closed");
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[test]
fn a_disabled_client_does_nothing_and_succeeds() {
    let server = server();
    for client in [
        Trubrics::disabled(),
        build(client_of(&server).disabled(true)),
    ] {
        client.track(Event::new("u", "e"));
        client
            .try_track(Event::new("", ""))
            .expect("nothing is checked");
        client
            .track_sync(Event::new("u", "e"))
            .expect("nothing is sent");
        client.flush(Duration::ZERO).expect("nothing waits");
        client.close(Duration::ZERO).expect("nothing waits");
        assert_eq!(client.stats(), trubrics::Stats::default());
    }
    assert!(server.requests().is_empty());
}

#[test]
fn track_returns_at_once_while_a_request_is_in_flight() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .flush_batch_size(1),
    );
    client.track(Event::new("u", "in flight"));
    gate.next_request();
    for _ in 0..1_000 {
        client.track(Event::new("u", "waiting"));
    }
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.pending), (1_001, 1_001));
    for _ in 0..11 {
        gate.answer(200);
    }
    client.flush(LONG).expect("delivered");
}

#[test]
fn a_flush_of_an_empty_client_sends_nothing() {
    let server = server();
    let client = build(client_of(&server));
    client.flush(Duration::from_secs(5)).expect("nothing waits");
    client.close(Duration::from_secs(5)).expect("nothing waits");
    assert!(server.requests().is_empty());
}

#[test]
fn a_flush_that_runs_out_of_time_says_what_is_pending_and_the_next_one_delivers_it() {
    let (gate, transport) = Gate::new();
    let client = build(Trubrics::builder("key").transport(transport));
    client.track(Event::new("u", "e"));
    client.track(Event::new("u", "e"));
    let error = client
        .flush(Duration::from_millis(20))
        .expect_err("no server answers");
    assert_eq!((error.pending(), error.dropped()), (2, 0));
    assert_eq!(
        error.to_string(),
        "not everything was delivered: 2 pending, 0 dropped"
    );
    gate.answer(200);
    client.flush(LONG).expect("delivered");
    assert_balanced(client.stats());
}

#[test]
fn a_flush_does_not_wait_for_what_is_tracked_after_it() {
    let server = server();
    let client = build(
        client_of(&server)
            .flush_batch_size(1)
            .overflow(Overflow::Block),
    );
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let noise = std::thread::spawn({
        let client = client.clone();
        move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                client.track(Event::new("u", "noise"));
                std::thread::yield_now();
            }
        }
    });
    let start = Instant::now();
    for _ in 0..20 {
        client.track(Event::new("u", "mine"));
        client.flush(LONG).expect("delivered");
    }
    assert!(start.elapsed() < LONG);
    drop(stop);
    noise.join().expect("no panic");
    client.close(LONG).expect("delivered");
    assert_balanced(client.stats());
}

#[test]
fn the_public_types_can_be_sent_and_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    fn is_cloned<T: Clone>() {}
    fn is_error<T: Error + Send + Sync + 'static>() {}
    is_shared::<Trubrics>();
    is_cloned::<Trubrics>();
    is_shared::<Event>();
    is_shared::<LlmEvent>();
    is_shared::<Record>();
    is_shared::<Response>();
    is_error::<trubrics::ConfigError>();
    is_error::<trubrics::EventError>();
    is_error::<trubrics::TrackError>();
    is_error::<trubrics::DeliveryError>();
    is_error::<trubrics::FlushError>();
    is_error::<TransportError>();
}

#[test]
fn a_literal_and_a_string_of_the_callers_own_go_together() {
    let user = String::from("user");
    let _ = Event::new("user", String::from("name"))
        .property(String::from("k"), "v")
        .text(user.clone());
    let _ = Event::new(user.clone(), "name").thread_id("t");
    let _ = LlmEvent::new(&user, "p", String::from("g")).assistant_id(user.as_str());
}

/// The environment of a process cannot be changed safely, so each case is a process of its own.
#[test]
fn the_environment_gives_the_key_and_the_host() {
    const CASE: &str = "TRUBRICS_TEST_FROM_ENV";
    if env::var_os(CASE).is_some() {
        return in_child();
    }
    let server =
        Server::start_with_api_key("key-of-the-environment").expect("a free port on loopback");
    let child = |variables: &[(&str, &str)]| {
        let output = Command::new(env::current_exe().expect("this program"))
            .args([
                "--exact",
                "calls::the_environment_gives_the_key_and_the_host",
                "--nocapture",
            ])
            .env_remove("TRUBRICS_API_KEY")
            .env_remove("TRUBRICS_HOST")
            .env(CASE, "1")
            .envs(variables.iter().copied())
            .output()
            .expect("a child process");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = "TRUBRICS_API_KEY is not set: it must hold the API key from the settings page of your project";
    assert!(child(&[]).contains(missing));
    assert!(child(&[("TRUBRICS_API_KEY", " ")]).contains(missing));
    let host = ("TRUBRICS_HOST", "nonsense");
    assert!(child(&[("TRUBRICS_API_KEY", "key"), host]).contains("host must be a URL"));

    let key = ("TRUBRICS_API_KEY", "key-of-the-environment");
    assert!(child(&[key, ("TRUBRICS_HOST", server.url())]).contains("delivered"));
    assert_eq!(server.accepted(), 1);
}

#[expect(
    clippy::print_stderr,
    reason = "it is how the parent hears of the outcome"
)]
fn in_child() {
    match Trubrics::from_env() {
        Ok(client) => {
            client.track(Event::new("u", "e"));
            client.close(LONG).expect("delivered");
            eprintln!("delivered");
        }
        Err(error) => eprintln!("{error}"),
    }
}
