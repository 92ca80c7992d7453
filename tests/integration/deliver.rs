/// Calls that end before all records are settled.
mod ends;

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use trubrics::{
    DeliveryError, Event, LlmEvent, Record, Response, Trubrics,
    testing::{Recorder, Reply},
    transport_fn,
};

use crate::support::{LONG, build, client_of, server};

fn event(number: usize) -> Record {
    Event::new("u", "e").property("n", number).into()
}

/// Events, of which each third is an LLM event.
fn mixed(count: usize) -> Vec<Record> {
    let record = |number| match number % 3 {
        2 => LlmEvent::new("u", "p", "g").property("n", number).into(),
        _ => event(number),
    };
    (0..count).map(record).collect()
}

fn numbers(records: &[Value]) -> Vec<u64> {
    let number = |record: &Value| record["properties"]["n"].as_u64().expect("a number");
    records.iter().map(number).collect()
}

fn is_sorted(records: &[Value]) -> bool {
    numbers(records).is_sorted_by(|one, next| one < next)
}

/// The outcomes as texts, with the text of the source.
fn texts(outcomes: &[Result<(), DeliveryError>]) -> Vec<String> {
    let text = |outcome: &Result<(), DeliveryError>| match outcome {
        Ok(()) => "delivered".to_owned(),
        Err(error) => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    };
    outcomes.iter().map(text).collect()
}

#[test]
fn records_go_out_in_full_requests_and_past_the_queue() {
    let server = server();
    let client = build(client_of(&server).queue_capacity(1));
    let outcomes = client.deliver(mixed(900), LONG);
    assert_eq!(outcomes.len(), 900);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.requests().len(), 9);
    assert_eq!(
        (server.events().len(), server.llm_events().len()),
        (600, 300)
    );
    assert!(is_sorted(&server.events()) && is_sorted(&server.llm_events()));
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.delivered, stats.pending),
        (900, 900, 0)
    );
}

#[test]
fn each_record_has_its_own_outcome_in_the_order_given() {
    let server = server();
    server.set_refusal(|event| event["event"] == "refused");
    let client = build(client_of(&server).before_send(|record| match &record {
        Record::Event(event) if event.get_name() == "hidden" => None,
        Record::Event(event) if event.get_name() == "panic" => panic!("a hook's own"),
        _ => Some(record),
    }));
    let names = ["a", "", "refused", "hidden", "b", "panic", "c"];
    let records = names.map(|name| Event::new("u", name));
    let outcomes = client.deliver(records, LONG);
    let texts = texts(&outcomes);
    let words = "the server answered with status 422: body.1";
    assert!(texts[2].starts_with(words), "{}", texts[2]);
    assert_eq!(
        [
            &texts[0], &texts[1], &texts[3], &texts[4], &texts[5], &texts[6]
        ],
        [
            "delivered",
            "the record is invalid: event is empty: the event's name is needed",
            "a hook of the program refused the record",
            "delivered",
            "a hook of the program refused the record",
            "delivered",
        ]
    );
    let refused = outcomes[2].as_ref().expect_err("refused");
    assert_eq!(
        (refused.status(), refused.is_transient()),
        (Some(422), false)
    );
    assert_eq!(server.accepted(), 3);
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.delivered, stats.dropped), (3, 3, 0));
}

#[test]
fn the_one_bad_record_of_many_is_found_without_the_server_naming_it() {
    let server = server();
    server.set_error_details(false);
    server.set_refusal(|event| event["properties"]["n"] == 77);
    let client = build(client_of(&server));
    let outcomes = client.deliver((0..250).map(event), LONG);
    let failed: Vec<_> = (0..250).filter(|index| outcomes[*index].is_err()).collect();
    assert_eq!((failed, server.accepted()), (vec![77], 249));
}

#[test]
fn a_request_that_fails_is_sent_again_in_its_order() {
    for failure in [Reply::status(503), Reply::close(), Reply::status(429)] {
        let server = server();
        let client = build(client_of(&server));
        server.script([Reply::accept(), failure.close_after()]);
        let outcomes = client.deliver((0..350).map(event), LONG);
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!(server.requests().len(), 5);
        assert!(is_sorted(&server.events()));
    }
}

#[test]
fn a_record_that_makes_the_server_fail_does_not_keep_the_others() {
    let transport = transport_fn(|request| {
        let is_poisoned = String::from_utf8_lossy(request.body()).contains("poison");
        Ok(Response::new(if is_poisoned { 500 } else { 200 }))
    });
    let client = Trubrics::builder("key")
        .transport(transport)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(5))
        .give_up_after(Duration::from_millis(200));
    let client = build(client);
    for count in [1, 100, 350] {
        let poison = count / 2;
        let record = |number| match number == poison {
            true => Event::new("u", "poison"),
            false => Event::new("u", "e"),
        };
        let outcomes = client.deliver((0..count).map(record), LONG);
        let failed: Vec<_> = (0..count)
            .filter(|index| outcomes[*index].is_err())
            .collect();
        assert_eq!(failed, [poison]);
        let error = outcomes[poison].as_ref().expect_err("poison");
        assert!(error.is_transient(), "{error}");
    }
}

#[test]
fn a_body_that_is_too_large_is_split_and_the_next_call_knows() {
    let server = server();
    server.set_body_limit(4_000);
    let client = build(client_of(&server));
    assert!(
        client
            .deliver((0..100).map(event), LONG)
            .iter()
            .all(Result::is_ok)
    );
    let requests = server.requests().len();
    assert!(
        client
            .deliver((0..100).map(event), LONG)
            .iter()
            .all(Result::is_ok)
    );
    let mut later = server.requests().split_off(requests).into_iter();
    assert!(later.all(|request| request.status() == Some(200)));
    assert_eq!(server.accepted(), 200);
}

#[test]
fn many_threads_deliver_side_by_side() {
    let server = server();
    let client = build(client_of(&server).max_concurrent_requests(4));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let outcomes = client.deliver(mixed(30), LONG);
                    assert!(outcomes.iter().all(Result::is_ok));
                }
            });
        }
    });
    assert_eq!((server.accepted(), client.stats().delivered), (600, 600));
    let connections = server
        .requests()
        .iter()
        .map(|request| request.connection())
        .max();
    assert!(connections <= Some(4), "{connections:?}");
}

#[test]
fn a_disabled_client_succeeds_and_no_record_is_no_request() {
    let outcomes = Trubrics::disabled().deliver(mixed(3), LONG);
    assert!(outcomes.len() == 3 && outcomes.iter().all(Result::is_ok));
    let server = server();
    let client = build(client_of(&server));
    assert!(client.deliver(mixed(0), LONG).is_empty());
    assert!(client.deliver([Event::new("", "e")], LONG)[0].is_err());
    assert!(server.requests().is_empty());
}

#[test]
fn an_error_says_whether_the_record_itself_is_at_fault() {
    let page = || Reply::status(400).header("content-type", "text/html");
    for (reply, is_fault) in [
        (page().body("<html>no</html>"), false),
        (Reply::status(404), false),
        (Reply::status(401), false),
        (Reply::status(400), true),
        (Reply::status(413), true),
        (Reply::status(422), true),
    ] {
        let server = server();
        let client = build(client_of(&server));
        let name = format!("{reply:?}");
        server.script([reply.clone(), reply]);
        let mut outcomes = client.deliver([event(0)], LONG);
        outcomes.push(client.track_sync(event(0)));
        for outcome in outcomes {
            let error = outcome.expect_err("refused");
            assert_eq!(error.is_record_fault(), is_fault, "{name}");
        }
    }
    let client = build(client_of(&server()));
    let error = client.track_sync(Event::new("", "e")).expect_err("no user");
    assert!(error.is_record_fault());
}

#[test]
fn reasons_that_repeat_a_long_record_are_read() {
    let server = server();
    let client = build(client_of(&server));
    let long = "x".repeat(300_000);
    let reasons = json!({"detail": [{
        "type": "missing", "loc": ["body", 1, "user_id"], "msg": "Field required", "input": {"prompt": long},
    }]});
    server.script([Reply::status(422).body(reasons.to_string())]);
    let outcomes = client.deliver([event(0), event(1), event(2)], LONG);
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let error = outcomes[1].as_ref().expect_err("the server names it");
    assert!(
        error
            .detail()
            .is_some_and(|detail| detail.contains("Field required"))
    );
    assert_eq!(server.requests().len(), 2, "no search for it");
}

#[test]
fn a_call_from_a_hook_is_an_error_at_once() {
    let recorder = Recorder::new();
    let own = Arc::new(OnceLock::<Trubrics>::new());
    let (inside, seen) = (own.clone(), Arc::new(OnceLock::new()));
    let note = seen.clone();
    let builder = Trubrics::builder(recorder.api_key()).transport(recorder.clone());
    let client = build(builder.before_send(move |record| {
        let client = inside.get().expect("set before");
        let mut outcomes = client.deliver([event(1), event(2)], LONG);
        outcomes.push(client.track_sync(event(3)));
        let _ = note.set(outcomes);
        Some(record)
    }));
    let _ = own.set(client.clone());
    client.track_sync(event(0)).expect("delivered");
    let outcomes = seen.get().expect("the hook ran");
    assert_eq!(
        texts(outcomes),
        ["a hook or a transport of the client cannot wait for a delivery"; 3]
    );
    let is_in_hook = |outcome: &Result<(), DeliveryError>| {
        let error = outcome.as_ref().expect_err("inside");
        error.is_in_hook() && !error.is_transient()
    };
    assert!(outcomes.iter().all(is_in_hook));
    assert_eq!(recorder.accepted(), 1);
}

#[test]
fn a_transport_that_tracks_with_its_own_client_ends() {
    let own = Arc::new(OnceLock::<Trubrics>::new());
    let inside = own.clone();
    let transport = transport_fn(move |_| {
        let client = inside.get().expect("set before");
        client.track_sync(event(1)).expect_err("inside");
        Ok(Response::new(200))
    });
    let client = build(Trubrics::builder("key").transport(transport));
    let _ = own.set(client.clone());
    client.track_sync(event(0)).expect("delivered");
}
