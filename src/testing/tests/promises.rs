//! What the documentation says about settings, queries and replies beyond the other files.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{API_KEY, Client, LONG, Server, event, post};
use crate::testing::{DEFAULT_BODY_LIMIT, Reply};

fn good() -> String {
    post("publish_events", &json!([event("a")]).to_string())
}

#[test]
fn a_scripted_status_comes_before_the_check_of_the_key() {
    let server = Server::start().unwrap();
    server.script([Reply::status(200), Reply::accept()]);
    let mut client = Client::connect(&server);
    for status in [200, 401] {
        client.send(good().replace(API_KEY, "other"));
        assert_eq!(client.answer().status, status);
    }
}

#[test]
fn an_iterator_of_replies_may_query_the_server() {
    let server = Server::start().unwrap();
    server.script((0..2).map(|_| Reply::status(200 + server.accepted() as u16)));
    let mut client = Client::connect(&server);
    client.send(good());
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_refusal_is_asked_only_about_valid_records() {
    let server = Server::start().unwrap();
    server.set_refusal(|_| std::panic::resume_unwind(Box::new(())));
    let answer = Client::connect(&server).post("publish_events", &json!([{}]));
    assert_eq!(answer.status, 422);
}

#[test]
fn invalid_records_have_no_details_either_when_these_are_off() {
    let server = Server::start().unwrap();
    server.set_error_details(false);
    let answer = Client::connect(&server).post("publish_events", &json!([{}]));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.body, b"Unprocessable");
}

#[test]
fn records_are_accepted_before_the_latency() {
    let server = Server::start().unwrap();
    server.set_latency(Duration::MAX);
    let mut client = Client::connect(&server);
    client.send(good());
    assert_eq!(server.wait_for(1, LONG).unwrap(), [event("a")]);
    assert_eq!(server.requests()[0].status(), Some(200));
}

#[test]
fn a_body_over_the_default_limit_gets_a_413() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    for (length, status) in [(DEFAULT_BODY_LIMIT, 422), (DEFAULT_BODY_LIMIT + 1, 413)] {
        client.send(post("publish_events", &" ".repeat(length)));
        assert_eq!(client.answer().status, status);
    }
}

#[test]
fn a_record_that_was_sent_twice_is_listed_twice() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        client.post("publish_events", &json!([event("a")]));
    }
    assert_eq!(server.events(), [event("a"), event("a")]);
}

#[test]
fn a_request_has_its_query_first_headers_and_connection() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let mut bytes = good()
        .replace("publish_events", "publish_events?a=b")
        .replace("host:", "x-a: 1\r\nX-A: 2\r\nx-b: ?\r\nhost:")
        .into_bytes();
    let mark = bytes.windows(6).position(|part| part == b"x-b: ?").unwrap();
    bytes[mark + 5] = 0xff;
    client.send(bytes);
    assert_eq!(client.answer().status, 200);
    let request = &server.requests()[0];
    assert_eq!(request.path(), "/api/ingestion/publish_events?a=b");
    assert_eq!(request.header("x-a"), Some("1"));
    assert_eq!(request.header("x-b"), Some("\u{fffd}"));
    assert_eq!(request.connection(), 1);
}

#[test]
fn bytes_that_are_not_a_request_are_not_listed() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    assert!(server.requests().is_empty());
}

#[test]
fn a_header_of_a_reply_replaces_the_servers_own() {
    let server = Server::start().unwrap();
    let reply = Reply::accept().header("Content-Type", "text/plain");
    server.script([reply.header("content-length", "3")]);
    let mut client = Client::connect(&server);
    client.send(good());
    let answer = client.answer();
    assert_eq!(answer.body, br#"{"s"#);
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Content-Type", "content-length"]);

    // One that it has for this answer alone.
    server.set_error_details(false);
    server.script([Reply::accept().header("Content-Type", "text/html")]);
    let answer = Client::connect(&server).post("publish_events", &json!([{}]));
    assert_eq!(answer.status, 422);
    let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-type");
    let types: Vec<_> = answer.headers.iter().filter(named).collect();
    assert_eq!(
        types,
        [&("Content-Type".to_owned(), "text/html".to_owned())]
    );
}

#[test]
fn a_connection_stays_open_after_raw_bytes() {
    let server = Server::start().unwrap();
    server.script([Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]);
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        client.send(good());
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!((server.requests().len(), server.accepted()), (2, 1));
}

#[test]
fn a_close_can_be_delayed() {
    let server = Server::start().unwrap();
    server.script([Reply::close().delay(Duration::from_millis(30))]);
    let mut client = Client::connect(&server);
    let begin = Instant::now();
    client.send(good());
    assert_eq!(client.rest(), b"");
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_property_that_is_too_deep_is_not_json() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    client.send(good_with_property(&deep));
    assert_eq!(client.answer().json()["detail"][0]["type"], "json_invalid");
}

fn good_with_property(value: &str) -> String {
    let record = event("a").to_string();
    let record = record.trim_end_matches('}');
    post(
        "publish_events",
        &format!(r#"[{record},"properties":{{"a":{value}}}}}]"#),
    )
}
