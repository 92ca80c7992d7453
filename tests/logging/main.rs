//! What is logged, and what never is. A binary of its own, since a program has one logger.
#![cfg(feature = "http")]

mod outages;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use log::{Level, LevelFilter, Log, Metadata, Record};
use trubrics::{
    Event, LlmEvent, Overflow, Trubrics, TrubricsBuilder,
    testing::{Reply, Server},
};

const LONG: Duration = Duration::from_secs(30);

/// All lines that any crate logged at any level, with their targets.
struct Lines(Mutex<Vec<(Level, String, String)>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = (
            record.level(),
            record.target().to_owned(),
            record.args().to_string(),
        );
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        let tracks = record.target() == "trubrics" && record.level() == Level::Debug;
        let client = TRACKED_BY_LOGGER.lock().map(|client| client.clone());
        if let (true, Ok(Some(client))) = (tracks, client) {
            client.track(Event::new("u", "logged"));
        }
    }

    fn flush(&self) {}
}

/// One test at a time, each with an empty log.
fn fresh_log() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = log::set_logger(&LINES);
    log::set_max_level(LevelFilter::Trace);
    LINES
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    turn
}

fn lines() -> Vec<(Level, String, String)> {
    LINES
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Our own lines of this level.
fn ours(level: Level) -> Vec<String> {
    let ours = lines()
        .into_iter()
        .filter(|line| line.0 == level && line.1 == "trubrics");
    ours.map(|line| line.2).collect()
}

fn client_of(server: &Server) -> TrubricsBuilder {
    Trubrics::builder(server.api_key())
        .host(server.url())
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(1))
}

#[test]
fn a_healthy_client_logs_nothing_but_its_attempts() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    let client = client_of(&server).build().expect("good settings");
    client.track(Event::new("u", "e"));
    client.close(LONG).expect("delivered");
    let all: Vec<_> = lines()
        .into_iter()
        .filter(|line| line.1 == "trubrics")
        .collect();
    assert!(matches!(&all[..], [(Level::Debug, _, text)]
        if text.starts_with("/publish_events (records: 1, bytes: ") && text.contains("): status 200 after ")));
}

#[test]
fn neither_the_key_nor_anything_of_the_user_is_logged_at_any_level() {
    let _turn = fresh_log();
    let server = Server::start_with_api_key("secret-key").expect("a free port");
    server.set_refusal(|record| record["event"] == "secret-bad");
    server.script([
        Reply::status(503),
        Reply::close(),
        Reply::status(401).body(r#"{"detail":"secret-key?"}"#),
    ]);
    let client = client_of(&server)
        .queue_capacity(3)
        .build()
        .expect("good settings");
    for round in 0..3 {
        client.track(
            Event::new("secret-user", "secret-name")
                .property("secret-k", "secret-v")
                .text("secret-text"),
        );
        client.track(LlmEvent::new(
            "secret-user",
            "secret-prompt",
            "secret-generation",
        ));
        client.track(Event::new("secret-user", "secret-bad"));
        client.track(Event::new("secret-user", "secret-overflow"));
        client.track(Event::new("secret-user", ""));
        client.track(Event::new("secret-user", "secret").property("secret-k", f64::NAN));
        let error = client.flush(LONG).expect_err("some were dropped");
        assert!(
            !format!("{error:?} {error}").contains("secret"),
            "round {round}"
        );
    }
    let error = client
        .track_sync(Event::new("secret-user", "secret-bad"))
        .expect_err("refused");
    assert!(!format!("{error:?} {error}").contains("secret"));
    let _ = client.close(LONG);
    client.track(Event::new("secret-user", "secret-late"));
    let leaks: Vec<_> = lines()
        .into_iter()
        .filter(|line| line.2.contains("secret"))
        .collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

#[test]
fn an_episode_of_drops_is_one_warning_and_a_total_at_its_end() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    let client = client_of(&server)
        .queue_capacity(1)
        .build()
        .expect("good settings");
    for _ in 0..50 {
        client.track(Event::new("u", "e"));
    }
    client.flush(LONG).expect("the first one is delivered");
    client.track(Event::new("u", ""));
    let error = client.close(LONG).expect_err("most were dropped");
    assert_eq!(error.dropped(), 50);
    let lines = [
        "dropping records: the queue was full",
        "records dropped in all: 50",
    ];
    assert_eq!(ours(Level::Warn), lines);
}

#[test]
fn a_refused_key_is_one_error_and_not_one_for_each_batch() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    let client = client_of(&server)
        .max_batch_size(1)
        .build()
        .expect("good settings");
    server.script([401, 403, 401].map(Reply::status));
    for _ in 0..3 {
        client.track(Event::new("u", "e"));
    }
    client.flush(LONG).expect_err("all were dropped");
    client.track(Event::new("u", "e"));
    client.flush(LONG).expect("delivered");
    server.script([Reply::status(401)]);
    client.track(Event::new("u", "e"));
    client.flush(LONG).expect_err("dropped");
    let error = client.close(LONG).expect_err("four were dropped");
    assert_eq!(error.dropped(), 4);
    assert_eq!(
        ours(Level::Error),
        [
            "the server refuses the API key (status 401): records are dropped",
            "the server refuses the API key (status 401): records are dropped",
        ]
    );
    assert_eq!(ours(Level::Warn), ["records dropped in all: 4"]);
}

#[test]
fn a_limit_is_logged_once_and_hides_no_other_drop() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    let client = client_of(&server)
        .at_most("e", 1, LONG)
        .sample(0.5)
        .build()
        .expect("good settings");
    // These two are on either side of the sample.
    for _ in 0..10 {
        client.track(Event::new("a", "e"));
        client.track(Event::new("ada@example.com", "e"));
    }
    client.track(Event::new("ada@example.com", ""));
    client.close(LONG).expect_err("ten were dropped");
    assert_eq!(
        ours(Level::Warn),
        [
            "dropping records: more events of its name came than at_most allows",
            "dropping records: the record was invalid",
            "records dropped in all: 1",
            "records dropped by at_most in all: 9",
        ]
    );
}

/// A client whose logger tracks with it, if it is there.
static TRACKED_BY_LOGGER: Mutex<Option<Trubrics>> = Mutex::new(None);

#[test]
fn a_logger_that_tracks_neither_blocks_a_thread_that_sends_nor_calls_itself_without_end() {
    let _turn = fresh_log();
    for connections in [1, 2] {
        let server = Server::start().expect("a free port");
        let client = client_of(&server)
            .max_concurrent_requests(connections)
            .queue_capacity(2)
            .flush_batch_size(1)
            .overflow(Overflow::Block)
            .build()
            .expect("good settings");
        *TRACKED_BY_LOGGER.lock().expect("no panic") = Some(client.clone());
        for _ in 0..20 {
            client.track(Event::new("u", "e"));
        }
        let flushed = client.flush(LONG);
        *TRACKED_BY_LOGGER.lock().expect("no panic") = None;
        let _ = client.close(LONG);
        let stats = client.stats();
        assert!(stats.delivered >= 20, "{flushed:?} {stats:?}");
        assert_eq!(stats.pending, 0);
    }
}

#[test]
fn each_request_is_one_line_for_who_debugs() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    let client = client_of(&server).build().expect("good settings");
    client.track_sync(Event::new("u", "e")).expect("delivered");
    client.track(LlmEvent::new("u", "p", "g"));
    client.close(LONG).expect("delivered");
    let lines = ours(Level::Debug);
    let starts = [
        "/publish_events (records: 1, bytes: ",
        "/publish_llm_events (records: 1, bytes: ",
    ];
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(
            line.starts_with(start) && line.contains("): status 200 after "),
            "{line}"
        );
    }
}
