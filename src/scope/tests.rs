use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::testing::{API_KEY, Recorder};

const LONG: Duration = Duration::from_secs(30);

fn recording() -> (Recorder, Trubrics) {
    let recorder = Recorder::new();
    let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
    (recorder, builder.build().expect("good settings"))
}

fn full(client: &Trubrics) -> Scope {
    client
        .for_user("user")
        .thread_id("t")
        .assistant_id("a")
        .property("plan", "team")
}

#[track_caller]
fn only(mut records: Vec<Value>) -> Value {
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[test]
fn an_event_of_a_scope_has_its_presets() {
    let (recorder, client) = recording();
    let scope = full(&client);
    scope.track(scope.event("Sign up"));
    client.flush(LONG).expect("delivered");
    let event = only(recorder.events_named("Sign up"));
    assert_eq!(event["user_id"], "user");
    assert_eq!(
        event["properties"],
        json!({"plan": "team", "$thread_id": "t", "$assistant_id": "a"})
    );
}

#[test]
fn an_llm_event_and_a_call_of_a_scope_have_its_presets() {
    let (recorder, client) = recording();
    let scope = full(&client);
    scope.track(scope.llm_event("2 + 2?", "4"));
    scope.llm_call("2 + 2?").finish("4");
    client.flush(LONG).expect("delivered");
    let events = recorder.llm_events_of("user");
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(
            (&event["thread_id"], &event["assistant_id"]),
            (&json!("t"), &json!("a"))
        );
        assert_eq!(
            (&event["prompt"], &event["generation"]),
            (&json!("2 + 2?"), &json!("4"))
        );
        assert_eq!(event["properties"]["plan"], "team");
    }
}

#[test]
fn feedback_of_a_scope_has_its_presets() {
    let (recorder, client) = recording();
    let scope = full(&client);
    scope.track(scope.feedback("g").thumbs_up());
    scope.track(client.feedback("other", "g").thumbs_up());
    client.flush(LONG).expect("delivered");
    let events = recorder.events_named("Feedback");
    let users: Vec<_> = events.iter().map(|event| &event["user_id"]).collect();
    assert_eq!(users, ["user", "other"]);
    assert_eq!(
        events[0]["properties"],
        json!({
            "plan": "team", "$thread_id": "t", "$assistant_id": "a", "$generation_id": "g", "feedback.thumb": "up"
        })
    );
    assert_eq!(
        events[1]["properties"],
        json!({"$generation_id": "g", "feedback.thumb": "up"})
    );
}

#[test]
fn what_an_event_sets_itself_beats_the_preset() {
    let (recorder, client) = recording();
    let scope = full(&client);
    scope.track(scope.event("e").property("plan", "free").thread_id("other"));
    scope.track(
        scope
            .llm_event("p", "g")
            .property("plan", "free")
            .thread_id("other"),
    );
    client.flush(LONG).expect("delivered");
    let event = only(recorder.events());
    assert_eq!(
        event["properties"],
        json!({"plan": "free", "$thread_id": "other", "$assistant_id": "a"})
    );
    let event = only(recorder.llm_events());
    assert_eq!(
        (&event["thread_id"], &event["properties"]["plan"]),
        (&json!("other"), &json!("free"))
    );
}

#[test]
fn a_preset_beats_the_default_property_of_the_client() {
    let recorder = Recorder::new();
    let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
    let client = builder
        .default_property("plan", "free")
        .build()
        .expect("good settings");
    let scope = full(&client);
    scope.track(scope.event("e"));
    client.flush(LONG).expect("delivered");
    assert_eq!(only(recorder.events())["properties"]["plan"], "team");
}

#[test]
fn a_clone_goes_its_own_way() {
    let (recorder, client) = recording();
    let scope = client.for_user("user").thread_id("first");
    let other = scope.clone().thread_id("second");
    scope.track(scope.event("e"));
    other.track(other.event("e"));
    client.flush(LONG).expect("delivered");
    let threads: Vec<_> = recorder
        .events()
        .iter()
        .map(|event| event["properties"]["$thread_id"].clone())
        .collect();
    assert_eq!(threads, ["first", "second"]);
}

#[test]
fn a_preset_of_none_is_not_a_preset() {
    let (recorder, client) = recording();
    let scope = full(&client).thread_id(None);
    let call = scope.llm_call("2 + 2?").assistant_id(None);
    call.finish("4");
    client.flush(LONG).expect("delivered");
    let event = only(recorder.llm_events());
    assert_eq!(event.get("thread_id"), None);
    assert_eq!(event.get("assistant_id"), None);
}

#[test]
fn a_preset_that_cannot_be_sent_is_told_with_each_record() {
    let (_, client) = recording();
    let scope = client.for_user("user").property("score", f64::NAN);
    for record in [
        scope.event("e").into(),
        Record::from(scope.llm_event("p", "g")),
    ] {
        let error = client.try_track(record).expect_err("no JSON number");
        let invalid = error.invalid().expect("the reason");
        assert_eq!(invalid.field(), "property `score`");
    }
}

#[test]
fn debug_shows_nothing_of_a_scope() {
    let scope = full(&Trubrics::disabled());
    assert_eq!(format!("{scope:?}"), "Scope { .. }");
}
