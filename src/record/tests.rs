use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::*;

pub(crate) mod chance;
mod errors;
mod feedback;
mod generation;
mod names;
mod properties;
mod timestamps;
mod traits;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn encode(record: impl Into<Record>) -> Result<Encoded, EventError> {
    record.into().encode(&Properties::default(), NOW)
}

#[track_caller]
fn json_of(record: impl Into<Record>) -> Value {
    let encoded = encode(record).expect("a valid record");
    serde_json::from_slice(&encoded.json).expect("valid JSON")
}

#[track_caller]
fn error_of(record: impl Into<Record>) -> String {
    encode(record).err().expect("an invalid record").to_string()
}

fn event() -> Event {
    Event::new("user", "Sign up")
}

#[test]
fn an_event_has_exactly_the_fields_of_the_api() {
    assert_eq!(
        json_of(event()),
        json!({"user_id": "user", "event": "Sign up", "timestamp": "1970-01-01T00:00:00.000Z"})
    );
}

#[test]
fn the_dollar_properties_have_their_setters() {
    let event = event()
        .text("hello")
        .thread_id("t")
        .assistant_id("a")
        .prompt_id("p")
        .generation_id("g");
    assert_eq!(
        json_of(event)["properties"],
        json!({"$text": "hello", "$thread_id": "t", "$assistant_id": "a", "$prompt_id": "p", "$generation_id": "g"})
    );
}

#[test]
fn an_llm_event_leaves_out_what_was_not_given() {
    assert_eq!(
        json_of(LlmEvent::new("user", "", "")),
        json!({"user_id": "user", "prompt": "", "generation": "", "timestamp": "1970-01-01T00:00:00.000Z"})
    );
}

#[test]
fn an_llm_event_has_exactly_the_fields_of_the_api() {
    let event = LlmEvent::new("user", "2 + 2?", "4")
        .assistant_id("gpt-4o")
        .thread_id("t")
        .latency(Duration::from_millis(1420))
        .prompt_event_name("Question")
        .generation_event_name("Answer")
        .timestamp(NOW)
        .property("k", 1)
        .properties(json!({"l": 2}));
    assert_eq!(
        json_of(event),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "4", "assistant_id": "gpt-4o", "thread_id": "t",
            "latency": 1.42, "prompt_event_name": "Question", "generation_event_name": "Answer",
            "timestamp": "1970-01-01T00:00:00.000Z", "properties": {"k": 1, "l": 2}
        })
    );
}

#[test]
fn no_debug_output_shows_what_the_user_said() {
    let event = event().text("a secret").property("k", "a secret");
    let llm_event = LlmEvent::new("a secret", "a secret", "a secret");
    let shown = format!("{event:?} {llm_event:?} {:?}", Record::from(event.clone()));
    assert!(
        !shown.contains("secret") && !shown.contains("user"),
        "{shown}"
    );
}

#[test]
fn anonymous_ids_are_uuids_and_differ() {
    let id = anonymous_id();
    assert!(uuid::Uuid::parse_str(&id).is_ok());
    assert_ne!(id, anonymous_id());
}
