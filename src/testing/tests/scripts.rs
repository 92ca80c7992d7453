use std::time::{Duration, Instant};

use serde_json::json;

use super::{Client, Server, event, post};
use crate::testing::Reply;

#[test]
fn replies_come_in_order_and_then_the_server_judges_again() {
    let server = Server::start().unwrap();
    server.script([
        Reply::status(503).header("retry-after", "7"),
        Reply::accept(),
    ]);
    server.script([Reply::status(429).body("slow down")]);
    let mut client = Client::connect(&server);
    let body = json!([event("a")]);
    let first = client.post("publish_events", &body);
    assert_eq!(
        (first.status, first.header("retry-after")),
        (503, Some("7"))
    );
    assert_eq!(client.post("publish_events", &body).status, 200);
    let third = client.post("publish_events", &body);
    assert_eq!(
        (third.status, third.body.as_slice()),
        (429, &b"slow down"[..])
    );
    assert_eq!(client.post("publish_events", &body).status, 200);
    assert_eq!(server.accepted(), 2);
}

#[test]
fn an_accepting_reply_still_checks_the_request() {
    let server = Server::start().unwrap();
    server.script([Reply::accept().header("x-mark", "1"), Reply::accept()]);
    let mut client = Client::connect(&server);
    let answer = client.post("publish_events", &json!([{}]));
    assert_eq!((answer.status, answer.header("x-mark")), (422, Some("1")));
}

#[test]
fn only_a_2xx_status_accepts_records() {
    let server = Server::start().unwrap();
    server.script([202, 204, 302, 401, 500].map(Reply::status));
    let mut client = Client::connect(&server);
    for status in [202, 204, 302, 401, 500] {
        let answer = client.post("publish_events", &json!([event("a"), {}]));
        assert_eq!(answer.status, status);
    }
    assert_eq!(server.accepted(), 4);
    assert_eq!(server.events().len(), 4);
}

#[test]
fn an_unavailable_server_answers_503_and_keeps_the_script() {
    let server = Server::start().unwrap();
    server.script([Reply::status(418)]);
    server.set_unavailable(true);
    let mut client = Client::connect(&server);
    assert_eq!(
        client.post("publish_events", &json!([event("a")])).status,
        503
    );
    server.set_unavailable(false);
    assert_eq!(
        client.post("publish_events", &json!([event("a")])).status,
        418
    );
    assert_eq!(
        client.post("publish_events", &json!([event("a")])).status,
        200
    );
}

#[test]
fn a_closed_request_gets_no_byte_and_is_listed_without_a_status() {
    let server = Server::start().unwrap();
    server.script([Reply::close()]);
    let mut client = Client::connect(&server);
    client.send(post("publish_events", &json!([event("a")]).to_string()));
    assert_eq!(client.rest(), b"");
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].status()), (1, None));
    assert_eq!(server.accepted(), 0);
}

#[test]
fn a_reply_can_be_followed_by_an_unannounced_close() {
    let server = Server::start().unwrap();
    server.script([Reply::accept().close_after()]);
    let mut client = Client::connect(&server);
    let answer = client.post("publish_events", &json!([event("a")]));
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    assert_eq!(client.rest(), b"");
}

#[test]
fn raw_bytes_are_sent_as_they_are() {
    let server = Server::start().unwrap();
    server.script([Reply::raw("garbage\0").close_after()]);
    let mut client = Client::connect(&server);
    client.send(post("publish_events", "[]"));
    assert_eq!(client.rest(), b"garbage\0");
}

#[test]
fn a_dripped_answer_arrives_whole() {
    let server = Server::start().unwrap();
    server.script([Reply::accept().drip(Duration::from_micros(10))]);
    let mut client = Client::connect(&server);
    let answer = client.post("publish_events", &json!([event("a")]));
    assert_eq!(answer.json(), json!({ "status": "success" }));
}

#[test]
fn latency_and_delay_add_up() {
    let server = Server::start().unwrap();
    server.set_latency(Duration::from_millis(20));
    server.script([Reply::accept().delay(Duration::from_millis(30))]);
    let begin = Instant::now();
    Client::connect(&server).post("publish_events", &json!([event("a")]));
    assert!(begin.elapsed() >= Duration::from_millis(50));
}
