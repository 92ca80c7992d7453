//! Limits of event names, and samples of users.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use trubrics::{
    DropReason, Event, LlmEvent, Record, Trubrics,
    testing::{API_KEY, Recorder},
};

use crate::support::{LONG, NEVER, assert_settled, build, client_of, server};

fn recorded(
    setup: impl FnOnce(trubrics::TrubricsBuilder) -> trubrics::TrubricsBuilder,
) -> (Trubrics, Recorder) {
    let recorder = Recorder::new();
    let client = setup(Trubrics::builder(API_KEY)).transport(recorder.clone());
    (build(client), recorder)
}

#[test]
fn events_over_the_limit_of_their_name_are_dropped_and_counted() {
    let (client, recorder) =
        recorded(|builder| builder.at_most("a", 3, NEVER).at_most("b", 1, NEVER));
    for _ in 0..10 {
        for name in ["a", "b", "c"] {
            client.track(Event::new("u", name));
        }
        client
            .try_track(Event::new("u", "a"))
            .expect("dropped by the program's own limit");
    }
    let error = client.flush(LONG).map_err(|error| error.dropped());
    assert_eq!(error, Ok(()), "the drops were before the flush");
    let count = |name| {
        recorder
            .events()
            .iter()
            .filter(|event| event["event"] == name)
            .count()
    };
    assert_eq!(["a", "b", "c"].map(count), [3, 1, 10]);
    assert_eq!(client.stats().dropped_for(DropReason::RateLimited), 17 + 9);
    let closed = client.close(LONG).expect_err("records were dropped");
    assert_eq!((closed.dropped(), closed.pending()), (26, 0));
    assert_settled(&client);
}

#[test]
fn a_limit_has_room_again_in_its_next_window() {
    let window = Duration::from_millis(1);
    let (client, recorder) = recorded(|builder| builder.at_most("e", 1, window));
    // However fast this machine is, some of these are in other windows than the first.
    while recorder.events().len() < 3 {
        client.track(Event::new("u", "e"));
        let _ = client.flush(LONG);
    }
    assert_settled(&client);
}

#[test]
fn the_last_limit_of_a_name_holds() {
    let (client, recorder) =
        recorded(|builder| builder.at_most("e", 1, NEVER).at_most("e", 2, NEVER));
    (0..5).for_each(|_| client.track(Event::new("u", "e")));
    client.flush(LONG).expect("delivered");
    assert_eq!(recorder.events().len(), 2);
}

#[test]
fn the_limit_and_the_sample_see_what_before_send_has_left() {
    let (client, recorder) = recorded(|builder| {
        builder
            .at_most("renamed", 1, NEVER)
            .sample(0.0)
            .before_send(|mut record| {
                record.set_user_id("user_2");
                if let Record::Event(event) = &mut record {
                    event.set_name("renamed");
                }
                Some(record)
            })
    });
    client.track(Event::new("u", "a"));
    client
        .close(LONG)
        .expect("the sample drops no record by a fault");
    assert!(recorder.events().is_empty());
    assert_eq!(client.stats().dropped_for(DropReason::Sampled), 1);
    let (client, recorder) = recorded(|builder| {
        builder
            .at_most("renamed", 1, NEVER)
            .before_send(|mut record| {
                if let Record::Event(event) = &mut record {
                    event.set_name("renamed");
                }
                Some(record)
            })
    });
    for name in ["a", "b", "c"] {
        client.track(Event::new("u", name));
    }
    client.flush(LONG).expect("delivered");
    assert_eq!(recorder.events().len(), 1);
}

#[test]
fn llm_events_have_no_limit() {
    let (client, recorder) = recorded(|builder| builder.at_most("Prompt", 0, NEVER));
    client.track(LlmEvent::new("u", "p", "g").prompt_event_name("Prompt"));
    client.track(Event::new("u", "Prompt"));
    client.flush(LONG).expect("delivered");
    assert_eq!(
        (recorder.llm_events().len(), recorder.events().len()),
        (1, 0)
    );
}

#[test]
fn a_user_is_in_the_sample_with_all_records_or_with_none() {
    let (client, recorder) = recorded(|builder| builder.sample(0.5));
    for round in 0..3 {
        for user in 0..200 {
            let user = format!("user_{user}");
            client.track(Event::new(user.as_str(), format!("round {round}")));
            client.track(LlmEvent::new(user, "p", "g"));
        }
    }
    client
        .close(LONG)
        .expect("a record outside the sample is not an error");
    let users = |records: &[serde_json::Value]| -> BTreeSet<String> {
        records
            .iter()
            .map(|record| record["user_id"].to_string())
            .collect()
    };
    let (events, llm_events) = (recorder.events(), recorder.llm_events());
    let kept = users(&events);
    assert_eq!(kept, users(&llm_events));
    assert!(
        (60..140).contains(&kept.len()),
        "{} of 200 users",
        kept.len()
    );
    assert_eq!(
        (events.len(), llm_events.len()),
        (3 * kept.len(), 3 * kept.len())
    );
    let all = events.iter().chain(&llm_events);
    assert!(
        all.clone()
            .all(|record| record["properties"]["sample_rate"] == 0.5)
    );
    let stats = client.stats();
    let left_out = (200 - kept.len() as u64) * 6;
    assert_eq!(stats.dropped_for(DropReason::Sampled), left_out);
    assert_eq!((stats.tracked, stats.dropped), (1_200, left_out));
    assert_settled(&client);
}

#[test]
fn without_a_rate_below_one_records_get_no_rate() {
    for rate in [None, Some(1.0)] {
        let (client, recorder) = recorded(|builder| match rate {
            Some(rate) => builder.sample(rate),
            None => builder,
        });
        client.track(Event::new("u", "e"));
        client.close(LONG).expect("delivered");
        assert!(recorder.events()[0].get("properties").is_none());
    }
}

#[test]
fn the_rate_of_the_sample_replaces_a_default_property_and_not_an_own_one() {
    let (client, recorder) = recorded(|builder| {
        builder
            .default_property("sample_rate", "wrong")
            .sample(0.999_999)
    });
    client.track(Event::new("u", "e"));
    client.track(Event::new("u", "e").property("sample_rate", 1));
    client.close(LONG).expect("delivered");
    let rates: Vec<_> = recorder
        .events()
        .iter()
        .map(|event| event["properties"]["sample_rate"].clone())
        .collect();
    assert_eq!(rates, [serde_json::json!(0.999_999), serde_json::json!(1)]);
}

#[test]
fn track_sync_follows_the_sample_and_the_limits() {
    let server = server();
    let client = build(client_of(&server).sample(0.0));
    let error = client
        .track_sync(Event::new("u", "e"))
        .expect_err("not in the sample");
    assert_eq!(
        (error.left_out(), error.is_transient()),
        (Some(DropReason::Sampled), false)
    );
    let client = build(client_of(&server).at_most("e", 1, NEVER));
    client
        .track_sync(Event::new("u", "e"))
        .expect("within the limit");
    let error = client
        .track_sync(Event::new("u", "e"))
        .expect_err("over it");
    assert_eq!(
        (error.left_out(), error.is_transient()),
        (Some(DropReason::RateLimited), true)
    );
    assert_eq!(
        error.to_string(),
        "the record was not sent: more events of its name came than at_most allows"
    );
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.delivered),
        (1, 1),
        "an error gives the record back"
    );
    assert_eq!(server.events().len(), 1);
}

#[test]
fn on_drop_shows_records_that_are_left_out_under_the_content_rules() {
    let drops = Arc::new(Mutex::new(Vec::new()));
    let seen = drops.clone();
    let (client, _) = recorded(|builder| {
        builder
            .at_most("e", 0, NEVER)
            .llm_content(trubrics::Content::Off)
            .on_drop(move |dropped| {
                let records = dropped.records().map(str::to_owned).collect::<Vec<_>>();
                seen.lock().unwrap().push((dropped.reason(), records));
            })
    });
    client.track(
        Event::new("u", "e")
            .property("$text", "secret")
            .property("n", 1),
    );
    client.track(Event::new("", "e"));
    let drops = drops.lock().unwrap();
    assert!(
        drops
            .iter()
            .all(|(reason, records)| *reason == DropReason::RateLimited && records.len() == 1)
    );
    assert!(drops[0].1[0].contains("\"n\":1") && drops[0].1[0].contains("\"timestamp\""));
    assert!(!drops[0].1[0].contains("secret"));
    assert!(
        drops[1].1[0].contains("\"user_id\":\"\""),
        "an invalid one, as far as it can be written"
    );
}

#[test]
fn bounds_of_limits_and_samples_are_checked() {
    let refused = |builder: trubrics::TrubricsBuilder| {
        builder
            .transport(Recorder::new())
            .build()
            .expect_err("refused")
            .to_string()
    };
    let builder = || Trubrics::builder(API_KEY);
    for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(
            refused(builder().sample(rate)),
            format!("sample is {rate}: 0 to 1 is allowed")
        );
    }
    let text = "at_most is 16777216 events: 0 to 16777215 is allowed";
    assert_eq!(refused(builder().at_most("e", 1 << 24, NEVER)), text);
    let text = "at_most is 0ns: at least 1ms is allowed";
    assert_eq!(refused(builder().at_most("e", 1, Duration::ZERO)), text);
}
