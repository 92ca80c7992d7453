use std::error::Error;

use trubrics::{Event, LlmEvent, Record, testing::Reply};

use super::names;
use crate::support::{LONG, build, client_of, server};

#[test]
fn track_sync_returns_when_the_server_has_the_record() {
    let server = server();
    let client = build(client_of(&server));
    client
        .track_sync(Event::new("u", "now"))
        .expect("delivered");
    assert_eq!(names(&server.events()), ["now"]);
    client
        .track_sync(LlmEvent::new("u", "p", "g"))
        .expect("delivered");
    assert_eq!(server.llm_events().len(), 1);
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.delivered), (2, 2));
}

#[test]
fn track_sync_makes_one_attempt_and_says_whether_another_may_help() {
    let server = server();
    let client = build(client_of(&server));
    let detail = Reply::status(422)
        .body(r#"{"detail":[{"loc":["body",0,"event"],"msg":"Bad","input":"x"}]}"#);
    let cases = [
        (
            Reply::status(503),
            Some(503),
            true,
            "the server answered with status 503",
        ),
        (
            Reply::status(429),
            Some(429),
            true,
            "the server answered with status 429",
        ),
        (
            Reply::status(401),
            Some(401),
            false,
            "the server answered with status 401",
        ),
        (
            Reply::status(413),
            Some(413),
            false,
            "the server answered with status 413",
        ),
        (
            Reply::status(302).header("location", "/"),
            Some(302),
            false,
            "the server answered with status 302",
        ),
        (
            detail,
            Some(422),
            false,
            "the server answered with status 422: body.0.event: Bad",
        ),
        (
            Reply::close(),
            None,
            true,
            "the server could not be reached",
        ),
    ];
    for (index, (reply, status, is_transient, text)) in cases.into_iter().enumerate() {
        // A fresh connection each time, so that its end is no reason for another attempt.
        server.script([Reply::status(200).close_after(), reply.close_after()]);
        client.track_sync(Event::new("u", "e")).expect("delivered");
        let error = client
            .track_sync(Event::new("u", "e"))
            .expect_err("refused");
        assert_eq!(
            (error.status(), error.is_transient()),
            (status, is_transient),
            "{index}"
        );
        assert_eq!(error.to_string(), text);
    }
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.delivered, stats.dropped),
        (7, 7, 0),
        "what failed is the caller's"
    );
}

#[test]
fn track_sync_refuses_what_is_invalid_or_too_late_without_a_request() {
    let server = server();
    let client = build(client_of(&server).before_send(|record| match record {
        Record::LlmEvent(_) => None,
        record => Some(record),
    }));
    let invalid = client.track_sync(Event::new("u", "")).expect_err("no name");
    assert_eq!(invalid.invalid().map(|error| error.field()), Some("event"));
    assert_eq!(
        invalid.source().expect("a reason").to_string(),
        "event is empty: the event's name is needed"
    );
    let hook = client
        .track_sync(LlmEvent::new("u", "p", "g"))
        .expect_err("refused");
    assert_eq!(hook.to_string(), "a hook of the program refused the record");
    let _ = client.close(LONG);
    let closed = client.track_sync(Event::new("u", "e")).expect_err("closed");
    assert_eq!(closed.to_string(), "the client is closed");
    assert!(
        ![invalid, hook, closed]
            .iter()
            .any(|error| error.is_transient())
    );
    assert!(server.requests().is_empty());
}
