//! Setters and readers of records: one name for a field, and a way to clear those that may be absent.

use super::*;

fn llm_event() -> LlmEvent {
    LlmEvent::new("user", "p", "g")
}

#[test]
fn an_optional_text_is_given_in_each_form_of_a_text() {
    let owned = "t".to_owned();
    let forms = [
        llm_event().thread_id("t"),
        llm_event().thread_id(&owned),
        llm_event().thread_id(owned.clone()),
        llm_event().thread_id(Some(owned.clone())),
        llm_event().thread_id(std::borrow::Cow::from("t")),
        llm_event().thread_id(Box::<str>::from("t")),
    ];
    for event in forms {
        assert_eq!(event.get_thread_id(), Some("t"));
    }
}

#[test]
fn none_clears_every_optional_field_of_an_llm_event() {
    let full = llm_event()
        .assistant_id("a")
        .thread_id("t")
        .latency(Duration::from_secs(1))
        .prompt_event_name("Question")
        .generation_event_name("Answer")
        .timestamp(NOW);
    let mut in_place = full.clone();
    in_place.set_assistant_id(None);
    in_place.set_thread_id(None);
    in_place.set_latency(None);
    in_place.set_prompt_event_name(None);
    in_place.set_generation_event_name(None);
    in_place.set_timestamp(None);
    let on_the_way = full
        .assistant_id(None)
        .thread_id(None)
        .latency(None)
        .prompt_event_name(None)
        .generation_event_name(None)
        .timestamp(None);
    for event in [in_place, on_the_way] {
        assert_eq!(event.get_assistant_id(), None);
        assert_eq!(event.get_thread_id(), None);
        assert_eq!(event.get_latency(), None);
        assert_eq!(event.get_prompt_event_name(), None);
        assert_eq!(event.get_generation_event_name(), None);
        assert_eq!(event.get_timestamp(), None);
        assert_eq!(json_of(event), json_of(llm_event()));
    }
}

#[test]
fn none_clears_every_optional_field_of_an_event() {
    let full = event()
        .text("hello")
        .thread_id("t")
        .assistant_id("a")
        .prompt_id("p")
        .generation_id("g")
        .timestamp(NOW);
    let mut in_place = full.clone();
    in_place.set_text(None);
    in_place.set_thread_id(None);
    in_place.set_assistant_id(None);
    in_place.set_prompt_id(None);
    in_place.set_generation_id(None);
    in_place.set_timestamp(None);
    let on_the_way = full
        .text(None)
        .thread_id(None)
        .assistant_id(None)
        .prompt_id(None)
        .generation_id(None)
        .timestamp(None);
    for cleared in [in_place, on_the_way] {
        assert_eq!(cleared.get_text(), None);
        assert_eq!(cleared.get_thread_id(), None);
        assert_eq!(cleared.get_assistant_id(), None);
        assert_eq!(cleared.get_prompt_id(), None);
        assert_eq!(cleared.get_generation_id(), None);
        assert_eq!(cleared.get_timestamp(), None);
        assert_eq!(json_of(cleared), json_of(event()));
    }
}

#[test]
fn a_field_of_an_event_is_set_in_place_and_read() {
    let mut event = event();
    event.set_text("hello");
    event.set_thread_id("t");
    event.set_assistant_id("a");
    event.set_prompt_id("p");
    event.set_generation_id("g");
    event.set_timestamp(NOW);
    assert_eq!(event.get_text().as_deref(), Some("hello"));
    assert_eq!(event.get_thread_id().as_deref(), Some("t"));
    assert_eq!(event.get_assistant_id().as_deref(), Some("a"));
    assert_eq!(event.get_prompt_id().as_deref(), Some("p"));
    assert_eq!(event.get_generation_id().as_deref(), Some("g"));
    assert_eq!(event.get_timestamp(), Some(NOW));
}

#[test]
fn a_record_of_either_kind_gives_up_what_it_has() {
    let records: [Record; 2] = [
        event()
            .thread_id("t")
            .assistant_id("a")
            .timestamp(NOW)
            .into(),
        llm_event()
            .thread_id("t")
            .assistant_id("a")
            .timestamp(NOW)
            .into(),
    ];
    for mut record in records {
        assert_eq!(record.get_thread_id().as_deref(), Some("t"));
        assert_eq!(record.get_assistant_id().as_deref(), Some("a"));
        assert_eq!(record.get_timestamp(), Some(NOW));
        record.set_thread_id(None);
        record.set_assistant_id(None);
        record.set_timestamp(None);
        assert_eq!(record.get_thread_id(), None);
        assert_eq!(record.get_assistant_id(), None);
        assert_eq!(record.get_timestamp(), None);
    }
}

#[test]
fn a_record_is_read_and_changed_by_the_names_of_its_fields() {
    let mut record = Record::from(event().property("k", 1).property("l", "two"));
    assert_eq!(record.get_user_id(), "user");
    assert_eq!(record.get_property("k"), Some(json!(1)));
    assert_eq!(record.get_property("other"), None);
    record.set_user_id("other user");
    record.set_property("k", 3);
    assert_eq!(record.remove_property("l"), Some(json!("two")));
    assert_eq!(record.remove_property("l"), None);
    let json = json_of(record);
    assert_eq!(json["user_id"], "other user");
    assert_eq!(json["properties"], json!({"k": 3}));
}

#[test]
fn an_event_is_read_by_the_names_of_its_fields() {
    let mut event = event().text("hello").thread_id("t").timestamp(NOW);
    assert_eq!((event.get_user_id(), event.get_name()), ("user", "Sign up"));
    assert_eq!(event.get_text().as_deref(), Some("hello"));
    assert_eq!(event.get_property("$thread_id"), Some(json!("t")));
    assert_eq!(event.get_timestamp(), Some(NOW));
    assert_eq!(Event::new("u", "e").property("$text", 1).get_text(), None);
    event.set_name("Log in");
    event.set_user_id("other");
    assert_eq!((event.get_user_id(), event.get_name()), ("other", "Log in"));
}

#[test]
fn an_llm_event_is_read_by_the_names_of_its_fields() {
    let mut event = LlmEvent::new("user", "p", "g");
    assert_eq!(event.get_latency(), None);
    assert_eq!(event.get_thread_id(), None);
    assert_eq!(event.get_prompt_event_name(), None);
    assert_eq!(event.get_generation_event_name(), None);
    event = event
        .assistant_id("a")
        .thread_id("t")
        .latency(Duration::from_secs(1))
        .prompt_event_name("Question")
        .generation_event_name("Answer")
        .timestamp(NOW);
    assert_eq!(
        (
            event.get_user_id(),
            event.get_prompt(),
            event.get_generation()
        ),
        ("user", "p", "g")
    );
    assert_eq!(event.get_assistant_id(), Some("a"));
    assert_eq!(event.get_thread_id(), Some("t"));
    assert_eq!(event.get_latency(), Some(Duration::from_secs(1)));
    assert_eq!(event.get_prompt_event_name(), Some("Question"));
    assert_eq!(event.get_generation_event_name(), Some("Answer"));
    assert_eq!(event.get_timestamp(), Some(NOW));
    event.set_user_id("other");
    event.set_prompt("q");
    event.set_generation("h");
    let json = json_of(event);
    assert_eq!(
        (&json["user_id"], &json["prompt"], &json["generation"]),
        (&json!("other"), &json!("q"), &json!("h"))
    );
}
