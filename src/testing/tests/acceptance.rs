use std::time::Duration;

use serde_json::{Value, json};

use super::{API_KEY, Client, LONG, Server, event, llm_event, post, with};
use crate::testing::Reply;

#[test]
fn valid_records_are_accepted_and_kept_in_order_of_arrival() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let first = json!([
        event("a"),
        with(event("b"), "properties", json!({ "n": [1, null] }))
    ]);
    let answer = client.post("publish_events", &first);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "status": "success" }));
    client.post("publish_llm_events", &json!([llm_event("p")]));
    client.post("publish_events", &json!([event("c")]));

    assert_eq!(
        Value::from(server.events()),
        json!([first[0], first[1], event("c")])
    );
    assert_eq!(Value::from(server.llm_events()), json!([llm_event("p")]));
    assert_eq!(server.accepted(), 4);
}

#[test]
fn an_llm_event_with_every_field_is_accepted() {
    let server = Server::start().unwrap();
    let full = json!([{
        "user_id": "u", "prompt": "p\n\"q\"", "generation": "g", "assistant_id": "gpt",
        "thread_id": "t", "latency": 1.5, "timestamp": "2024-10-09T13:21:46+02:00",
        "prompt_event_name": "Ask", "generation_event_name": "Reply", "properties": {},
    }, { "user_id": "u", "prompt": "", "generation": "", "latency": 2 }]);
    let answer = Client::connect(&server).post("publish_llm_events", &full);
    assert_eq!(answer.status, 200);
    assert_eq!(Value::from(server.llm_events()), full);
}

#[test]
fn only_its_own_key_is_accepted() {
    let server = Server::start_with_api_key("other").unwrap();
    assert_eq!(server.api_key(), "other");
    let mut client = Client::connect(&server);
    let answer = client.post("publish_events", &json!([event("a")]));
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json(), json!({ "detail": "Invalid API key" }));
    client.send(post("publish_events", &json!([event("a")]).to_string()).replace(API_KEY, "other"));
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_missing_key_wrong_path_method_or_type_has_its_own_status() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let good = post("publish_events", &json!([event("a")]).to_string());
    for (from, to, status) in [
        ("x-api-key", "x-other", 401),
        ("/publish_events", "/publish_event", 404),
        ("/publish_events", "//publish_events", 404),
        ("POST", "PUT", 405),
        ("application/json", "text/plain", 415),
        ("content-type", "x-type", 415),
        ("application/json", "Application/JSON; charset=utf-8", 200),
        ("publish_events", "publish_events?a=b", 200),
    ] {
        client.send(good.replace(from, to));
        assert_eq!(client.answer().status, status, "{from} -> {to}");
    }
    let statuses: Vec<_> = server.requests().iter().map(|r| r.status()).collect();
    assert_eq!(statuses.len(), 8);
    assert_eq!(statuses[0], Some(401));
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_request_keeps_its_parts_and_its_connection() {
    let server = Server::start().unwrap();
    let body = json!([event("a")]);
    Client::connect(&server).post("publish_events", &body);
    Client::connect(&server).post("publish_events", &body);
    let requests = server.requests();
    assert_eq!(requests[0].method(), "POST");
    assert_eq!(requests[0].path(), "/api/ingestion/publish_events");
    assert_eq!(requests[0].header("X-Api-Key"), Some(API_KEY));
    assert_eq!(requests[0].header("x-none"), None);
    assert_eq!(requests[0].body(), body.to_string().as_bytes());
    assert_ne!(requests[0].connection(), requests[1].connection());
    assert!(!format!("{requests:?} {server:?}").contains(API_KEY));
}

#[test]
fn any_api_key_accepts_every_key_but_an_empty_one() {
    let server = Server::start().unwrap();
    server.set_any_api_key(true);
    let mut client = Client::connect(&server);
    let good = post("publish_events", &json!([event("a")]).to_string());
    for (key, status) in [("other", 200), ("", 401), (API_KEY, 200)] {
        client.send(good.replace(API_KEY, key));
        assert_eq!(client.answer().status, status, "{key:?}");
    }
    client.send(good.replace("x-api-key", "x-other"));
    assert_eq!(client.answer().status, 401);
    server.set_any_api_key(false);
    client.send(good.replace(API_KEY, "other"));
    assert_eq!(client.answer().status, 401);
}

#[test]
fn a_server_listens_on_the_given_port() {
    let free = Server::start_on_port(0, "key").unwrap();
    let port: u16 = free
        .url()
        .split([':', '/'])
        .nth(4)
        .unwrap()
        .parse()
        .unwrap();
    let taken = Server::start_on_port(port, "key").unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(free);
    let server = Server::start_on_port(port, "key").unwrap();
    assert_eq!(
        server.url(),
        format!("http://127.0.0.1:{port}/api/ingestion")
    );
}

#[test]
fn requests_that_are_taken_are_forgotten_with_their_records() {
    let server = Server::start().unwrap();
    assert!(server.take_requests(Duration::ZERO).is_empty());
    let mut client = Client::connect(&server);
    client.post("publish_events", &json!([event("a")]));
    client.post("publish_events", &json!([event("")]));
    let taken = server.take_requests(LONG);
    let statuses: Vec<_> = taken.iter().map(|request| request.status()).collect();
    assert_eq!(statuses, [Some(200), Some(422)]);
    assert!(server.requests().is_empty() && server.events().is_empty());

    client.post("publish_events", &json!([event("b")]));
    assert_eq!(server.accepted(), 1);
    assert_eq!(server.take_requests(LONG).len(), 1);
}

#[test]
fn a_request_comes_with_the_answer_that_it_got() {
    let server = Server::start().unwrap();
    server.script([
        Reply::accept(),
        Reply::accept().body("changed"),
        Reply::close(),
    ]);
    let mut client = Client::connect(&server);
    let refused = client.post("publish_events", &json!([event("")]));
    client.post("publish_events", &json!([event("a")]));
    client.send(post("publish_events", "[]"));
    let requests = server.wait_for_requests(3, LONG).unwrap();
    assert_eq!(requests[0].answer(), refused.body);
    assert_eq!(requests[1].answer(), b"changed");
    assert_eq!(requests[2].answer(), b"");
}
