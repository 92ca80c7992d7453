//! How records travel: batches, order, endpoints, headers.

use std::{thread, time::Duration};

use serde_json::{Value, json};
use trubrics::{Event, LlmEvent, Record, Trubrics};

use crate::support::{Gate, LONG, NEVER, build, client_of, server};

#[test]
fn every_request_carries_the_headers_of_the_api_and_nothing_else_of_ours() {
    let server = server();
    let client = build(client_of(&server));
    client.track(Event::new("u", "e"));
    client.track(LlmEvent::new("u", "p", "g"));
    client.flush(LONG).expect("delivered");

    let requests = server.requests();
    assert_eq!(requests.len(), 2, "one for each endpoint");
    for request in requests {
        assert_eq!(request.method(), "POST");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-api-key"), Some(server.api_key()));
        assert_eq!(
            request.header("user-agent"),
            Some(concat!("trubrics-rust/", env!("CARGO_PKG_VERSION")))
        );
        assert_eq!(
            request.header("content-length"),
            Some(request.body().len().to_string().as_str())
        );
        for absent in [
            "content-encoding",
            "transfer-encoding",
            "authorization",
            "expect",
            "cookie",
        ] {
            assert_eq!(request.header(absent), None, "{absent}");
        }
        assert!(!request.path().contains(server.api_key()));
        assert!(!String::from_utf8_lossy(request.body()).contains(server.api_key()));
    }
}

#[test]
fn the_url_has_no_double_slash_however_the_host_ends() {
    let server = server();
    for slashes in ["", "/", "//"] {
        let client = build(client_of(&server).host(format!("{}{slashes}", server.url())));
        client.track_sync(Event::new("u", "e")).expect("delivered");
        client.track(Event::new("u", "e"));
        client.close(LONG).expect("delivered");
    }
    let requests = server.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.path() == "/api/ingestion/publish_events")
    );
}

#[test]
fn events_and_llm_events_go_to_their_own_endpoint_whatever_their_name() {
    let server = server();
    let client = build(client_of(&server));
    client.track(Event::new("u", "Generation"));
    client.track(LlmEvent::new("u", "p", "g").prompt_event_name("Sign up"));
    client.flush(LONG).expect("delivered");
    assert_eq!((server.events().len(), server.llm_events().len()), (1, 1));
}

#[test]
fn enough_waiting_records_are_sent_at_once() {
    let server = server();
    let client = build(client_of(&server).flush_batch_size(3));
    for index in 0..3 {
        client.track(Event::new("u", "e").property("index", index));
    }
    server.wait_for(3, LONG).expect("sent without a flush");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_few_records_are_sent_when_the_interval_is_over() {
    let server = server();
    let client = build(client_of(&server).flush_interval(Duration::from_secs(1)));
    client.track(Event::new("u", "e"));
    assert_eq!(server.accepted(), 0);
    server.wait_for(1, LONG).expect("sent without a flush");
    drop(client);
}

#[test]
fn large_records_are_sent_at_once_when_they_fill_a_batch_in_bytes() {
    let server = server();
    let client = build(client_of(&server).max_batch_bytes(10_000));
    for _ in 0..3 {
        client.track(Event::new("u", "e").text("x".repeat(4_000)));
    }
    server.wait_for(2, LONG).expect("sent without a flush");
    client.flush(LONG).expect("delivered");
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.body().len() <= 10_000)
    );
}

#[test]
fn one_request_carries_a_hundred_records_when_more_are_waiting() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .flush_interval(NEVER),
    );
    for index in 0..20 {
        client.track(Event::new("u", "e").property("index", index));
    }
    let first = gate.next_request();
    for index in 20..250 {
        client.track(Event::new("u", "e").property("index", index));
    }
    let mut found = indexes(&first);
    let mut sizes = vec![found.len()];
    gate.answer(200);
    for _ in 0..3 {
        let batch = indexes(&gate.next_request());
        gate.answer(200);
        sizes.push(batch.len());
        found.extend(batch);
        if found.len() == 250 {
            break;
        }
    }
    client.flush(LONG).expect("delivered");
    assert_eq!(sizes, [20, 100, 100, 30]);
    assert_eq!(found, (0..250).collect::<Vec<_>>());
}

fn indexes(body: &str) -> Vec<u64> {
    let records: Vec<Value> = serde_json::from_str(body).expect("an array");
    records
        .iter()
        .map(|record| record["properties"]["index"].as_u64().expect("an index"))
        .collect()
}

#[test]
fn settings_bound_the_records_of_a_request_and_a_record_that_is_larger_goes_alone() {
    let server = server();
    let client = build(client_of(&server).max_batch_size(7).max_batch_bytes(2_000));
    for _ in 0..10 {
        client.track(Event::new("u", "small"));
    }
    client.track(Event::new("u", "large").text("x".repeat(5_000)));
    client.track(Event::new("u", "small"));
    client.flush(LONG).expect("delivered");
    let sizes: Vec<_> = server
        .requests()
        .iter()
        .map(|request| {
            serde_json::from_slice::<Vec<Value>>(request.body())
                .expect("an array")
                .len()
        })
        .collect();
    assert_eq!(sizes, [7, 3, 1, 1]);
}

#[test]
fn each_endpoint_keeps_the_order_of_each_thread() {
    let server = server();
    let client = build(client_of(&server));
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let client = client.clone();
            scope.spawn(move || {
                for index in 0..500 {
                    let record: Record = match index % 3 {
                        0 => LlmEvent::new(name, "p", "g")
                            .property("index", index)
                            .into(),
                        _ => Event::new(name, "e").property("index", index).into(),
                    };
                    client.track(record);
                }
            });
        }
    });
    client.flush(LONG).expect("delivered");
    assert_eq!(server.accepted(), 2_000);
    for records in [server.events(), server.llm_events()] {
        for name in ["a", "b", "c", "d"] {
            let of_thread = records.iter().filter(|record| record["user_id"] == name);
            let order: Vec<_> = of_thread
                .map(|record| record["properties"]["index"].as_u64())
                .collect();
            assert!(
                order.is_sorted() && order.windows(2).all(|pair| pair[0] != pair[1]),
                "{name}"
            );
        }
    }
}

#[test]
fn all_records_go_over_one_connection() {
    let server = server();
    let client = build(client_of(&server));
    for _ in 0..10 {
        client.track(Event::new("u", "e"));
        client.flush(LONG).expect("delivered");
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.connection() == 1)
    );
}

#[test]
fn default_properties_are_sent_with_every_record_unless_it_has_its_own() {
    let server = server();
    let client = build(
        client_of(&server)
            .default_property("app", "1.0")
            .default_property("env", "test"),
    );
    client.track(Event::new("u", "e").property("env", "prod"));
    client.track(LlmEvent::new("u", "p", "g"));
    client.flush(LONG).expect("delivered");
    assert_eq!(
        server.events()[0]["properties"],
        json!({"app": "1.0", "env": "prod"})
    );
    assert_eq!(
        server.llm_events()[0]["properties"],
        json!({"app": "1.0", "env": "test"})
    );
}

#[test]
fn several_connections_carry_several_requests_at_once() {
    let (gate, transport) = Gate::new();
    let client = build(
        Trubrics::builder("key")
            .transport(transport)
            .max_concurrent_requests(3)
            .flush_interval(NEVER),
    );
    for index in 0..300 {
        client.track(Event::new("u", "e").property("index", index));
    }
    // None of them is answered before all three are made.
    let mut found: Vec<_> = (0..3).flat_map(|_| indexes(&gate.next_request())).collect();
    for _ in 0..10 {
        gate.answer(200);
    }
    client.flush(LONG).expect("delivered");
    found.extend(gate.requests.try_iter().flat_map(|body| indexes(&body)));
    found.sort_unstable();
    assert_eq!(found, (0..300).collect::<Vec<_>>());
    client.close(LONG).expect("nothing is left");
}

#[test]
fn several_connections_lose_and_double_nothing_when_some_requests_fail() {
    let server = server();
    server.set_refusal(|record| {
        record["properties"]["index"]
            .as_u64()
            .is_some_and(|index| index % 97 == 0)
    });
    server.script([503, 200, 429, 503, 500].map(trubrics::testing::Reply::status));
    let client = build(
        client_of(&server)
            .max_concurrent_requests(8)
            .max_batch_size(10),
    );
    for index in 0..1_000 {
        client.track(Event::new("u", "e").property("index", index));
    }
    // The scripted success takes a batch unseen, bad records and all.
    let error = client.close(LONG).expect_err("some were refused");
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.pending), (1_000, 0));
    assert_eq!(stats.dropped, error.dropped());
    let mut found: Vec<_> = server
        .events()
        .iter()
        .map(|event| event["properties"]["index"].as_u64().expect("an index"))
        .collect();
    assert_eq!(found.len() as u64, stats.delivered);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len() as u64, stats.delivered, "none twice");
}

#[test]
fn a_request_may_be_as_large_as_can_be_counted() {
    for connections in [1, 3] {
        let server = server();
        let builder = client_of(&server).max_concurrent_requests(connections);
        let client = build(builder.max_batch_bytes(usize::MAX));
        for _ in 0..2 {
            client.track(Event::new("u", "e"));
            client.flush(LONG).expect("delivered");
        }
        client.close(LONG).expect("delivered");
        assert_eq!(server.accepted(), 2);
    }
}
