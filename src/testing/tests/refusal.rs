use serde_json::{Value, json};

use super::{Client, Server, an_error, chunked, event, llm_event, only_error, post, with, without};
use crate::testing::{endpoint::Endpoint, validation::validate};

#[test]
fn an_invalid_record_is_named_by_index_and_field() {
    let event = event("a");
    for (bad, field, kind) in [
        (without(event.clone(), "user_id"), "user_id", "missing"),
        (
            with(event.clone(), "user_id", json!("")),
            "user_id",
            "string_too_short",
        ),
        (
            with(event.clone(), "event", json!("")),
            "event",
            "string_too_short",
        ),
        (
            with(event.clone(), "event", json!(1)),
            "event",
            "string_type",
        ),
        (without(event.clone(), "timestamp"), "timestamp", "missing"),
        (
            with(event.clone(), "timestamp", json!("today")),
            "timestamp",
            "datetime_parsing",
        ),
        (
            with(event.clone(), "timestamp", json!(1)),
            "timestamp",
            "datetime_type",
        ),
        (
            with(event.clone(), "properties", json!(null)),
            "properties",
            "dict_type",
        ),
        (
            with(event.clone(), "properties", json!([])),
            "properties",
            "dict_type",
        ),
        (
            with(event.clone(), "prompt", json!("p")),
            "prompt",
            "extra_forbidden",
        ),
    ] {
        let found = only_error("publish_events", &json!([event, event, bad]));
        assert_eq!(found, an_error(json!(["body", 2, field]), kind), "{bad}");
    }
}

#[test]
fn an_invalid_llm_event_is_named_by_index_and_field() {
    let event = llm_event("p");
    for (bad, field, kind) in [
        (without(event.clone(), "prompt"), "prompt", "missing"),
        (
            without(event.clone(), "generation"),
            "generation",
            "missing",
        ),
        (
            with(event.clone(), "latency", json!("1")),
            "latency",
            "float_type",
        ),
        (
            with(event.clone(), "latency", json!({ "s": 1 })),
            "latency",
            "float_type",
        ),
        (
            with(event.clone(), "latency", json!(null)),
            "latency",
            "float_type",
        ),
        (
            with(event.clone(), "thread_id", json!(null)),
            "thread_id",
            "string_type",
        ),
        (
            with(event.clone(), "timestamp", json!("2024-10-09")),
            "timestamp",
            "datetime_parsing",
        ),
        (
            with(event.clone(), "event", json!("e")),
            "event",
            "extra_forbidden",
        ),
    ] {
        let found = only_error("publish_llm_events", &json!([bad]));
        assert_eq!(found, an_error(json!(["body", 0, field]), kind), "{bad}");
    }
}

#[test]
fn every_bad_record_of_an_array_is_named() {
    let server = Server::start().unwrap();
    let body = json!([{}, event("a"), 7]);
    let detail = Client::connect(&server)
        .post("publish_events", &body)
        .json();
    assert_eq!(
        detail["detail"],
        json!([
            { "loc": ["body", 0, "user_id"], "msg": "Field required", "type": "missing" },
            { "loc": ["body", 0, "event"], "msg": "Field required", "type": "missing" },
            { "loc": ["body", 0, "timestamp"], "msg": "Field required", "type": "missing" },
            {
                "loc": ["body", 2],
                "msg": "Input should be a valid dictionary or object to extract fields from",
                "type": "model_attributes_type",
            },
        ])
    );
}

#[test]
fn a_body_that_is_not_an_array_of_1_to_100_is_refused() {
    let array = an_error(json!(["body"]), "list_type");
    assert_eq!(only_error("publish_events", &event("a")), array);
    assert_eq!(only_error("publish_events", &json!(null)), array);
    assert_eq!(
        only_error("publish_events", &json!([])),
        an_error(json!(["body"]), "too_short")
    );
    let many = Value::from(vec![event("a"); 101]);
    assert_eq!(
        only_error("publish_events", &many),
        an_error(json!(["body"]), "too_long")
    );
    let server = Server::start().unwrap();
    let full = Value::from(vec![event("a"); 100]);
    assert_eq!(
        Client::connect(&server)
            .post("publish_events", &full)
            .status,
        200
    );
    assert_eq!(server.accepted(), 100);
}

#[test]
fn a_body_that_is_not_json_gets_the_offset_of_the_fault() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "[{]",
        "[\n\n {]",
        "[1] 2",
        "[1e999]",
        r#"["\ud800"]"#,
        &deep,
    ] {
        client.send(post("publish_events", body));
        let answer = client.answer();
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(answer.json()["detail"][0]["type"], "json_invalid");
        assert!(answer.json()["detail"][0]["loc"][1].is_u64());
    }
    let mut broken = post("publish_events", "[\"ab\"]").into_bytes();
    let last = broken.len() - 4;
    broken[last] = 0xff;
    client.send(broken);
    assert_eq!(
        client.answer().json()["detail"][0]["loc"],
        json!(["body", 2])
    );
    client.send(post("publish_events", "[\n\n {]"));
    assert_eq!(
        client.answer().json()["detail"][0]["loc"],
        json!(["body", 5])
    );
}

#[test]
fn the_last_value_of_a_field_given_twice_counts() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let rest = r#""event":"e","timestamp":"2024-10-09T13:21:46Z""#;
    client.send(post(
        "publish_events",
        &format!(r#"[{{"user_id":1,"user_id":"a",{rest}}}]"#),
    ));
    assert_eq!(client.answer().status, 200);
    client.send(post(
        "publish_events",
        &format!(r#"[{{"user_id":"a","user_id":1,{rest}}}]"#),
    ));
    assert_eq!(client.answer().status, 422);
}

#[test]
fn a_refusal_covers_the_array_and_names_the_bad_records() {
    let server = Server::start().unwrap();
    server.set_refusal(|record| record["user_id"] == "bad");
    let mut client = Client::connect(&server);
    let body = json!([event("a"), event("bad"), event("b"), event("bad")]);
    let answer = client.post("publish_events", &body);
    assert_eq!(answer.status, 422);
    let detail = answer.json()["detail"].clone();
    assert_eq!(detail[0]["loc"], json!(["body", 1]));
    assert_eq!(detail[1]["loc"], json!(["body", 3]));
    assert_eq!(server.accepted(), 0);

    server.set_error_details(false);
    let answer = client.post("publish_events", &body);
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (422, &b"Unprocessable"[..])
    );

    assert_eq!(
        client.post("publish_events", &json!([event("a")])).status,
        200
    );
    server.set_refusal(|_| false);
    assert_eq!(client.post("publish_events", &body).status, 200);
}

#[test]
fn a_condition_that_panics_costs_one_request() {
    let server = Server::start().unwrap();
    // Unwinds as a panic does, but prints nothing.
    server.set_refusal(|_| std::panic::resume_unwind(Box::new(())));
    let mut client = Client::connect(&server);
    let body = json!([event("a")]);
    assert_eq!(client.post("publish_events", &body).status, 500);
    server.set_refusal(|_| false);
    assert_eq!(client.post("publish_events", &body).status, 200);
}

#[test]
fn a_body_over_the_limit_is_read_to_its_end_and_refused() {
    let server = Server::start().unwrap();
    server.set_body_limit(1000);
    let mut client = Client::connect(&server);
    client.send(post("publish_events", &"x".repeat(3_000_000)));
    assert_eq!(client.answer().status, 413);
    let chunks = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(0x400));
    client.send(chunked(&chunks));
    assert_eq!(client.answer().status, 413);
    assert_eq!(
        client.post("publish_events", &json!([event("a")])).status,
        200
    );
    assert_eq!(server.requests()[0].body(), b"");
}

proptest::proptest! {
    #[test]
    fn a_body_that_passes_the_checks_can_be_parsed(
        text in r#"[\[\]{}",:\\ud8e0-9.+\-nltrfs]{0,12}"#,
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
    ) {
        let with_value = |value: &str| {
            let fields = r#""user_id":"u","prompt":"","generation":"""#;
            format!(r#"[{{{fields},"properties":{{"a":{value}}}}}]"#).into_bytes()
        };
        let quoted = format!("\"{text}\"");
        for body in [with_value(&text), with_value(&quoted), bytes] {
            let count = validate(Endpoint::LlmEvents, &body).ok().map(|records| records.len());
            let parsed = serde_json::from_slice::<Vec<Value>>(&body).ok().map(|all| all.len());
            proptest::prop_assert!(count.is_none() || count == parsed);
        }
    }
}
