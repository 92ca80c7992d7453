use serde_json::{json, value::RawValue};
use trubrics::{
    Content, DropReason, Event, LlmEvent, Record, Redaction, Trubrics, TrubricsBuilder,
    testing::{API_KEY, Recorder},
};

use crate::support::{LONG, assert_balanced};

fn client(settings: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder) -> (Trubrics, Recorder) {
    let recorder = Recorder::new();
    let builder = settings(Trubrics::builder(API_KEY).transport(recorder.clone()));
    (builder.build().expect("good settings"), recorder)
}

fn everything(builder: TrubricsBuilder) -> TrubricsBuilder {
    builder
        .redact_properties(Redaction::all())
        .redact_keys(Redaction::SECRET_KEYS)
        .redact_keys(["iban"])
}

#[test]
fn properties_of_both_kinds_are_redacted() {
    let (client, recorder) = client(everything);
    let nested = json!({"list": ["ada@example.org", {"apiKey": 5, "n": 1}], "iban": null});
    client.track(
        Event::new("u", "e")
            .text("I am ada@example.org")
            .property("a", &nested),
    );
    client.track(
        LlmEvent::new("u", "p", "g")
            .property("a", &nested)
            .property("card", "4111 1111 1111 1111"),
    );
    client.flush(LONG).expect("delivered");
    let expected =
        json!({"list": ["[email]", {"apiKey": "[redacted]", "n": 1}], "iban": "[redacted]"});
    assert_eq!(
        recorder.events()[0]["properties"],
        json!({"$text": "I am [email]", "a": expected})
    );
    assert_eq!(
        recorder.llm_events()[0]["properties"],
        json!({"a": expected, "card": "[card]"})
    );
}

#[test]
fn default_properties_are_redacted_and_those_that_scopes_preset() {
    let (client, recorder) = client(|builder| {
        everything(builder)
            .default_property("owner", "ada@example.org")
            .default_property("$text", "by ada@example.org")
            .default_property("token", 1)
    });
    client.track(Event::new("u", "e"));
    let scope = client.for_user("u").property("mail", "ada@example.org");
    scope.track(scope.event("e"));
    client.flush(LONG).expect("delivered");
    let defaults = json!({"owner": "[email]", "$text": "by [email]", "token": "[redacted]"});
    assert_eq!(recorder.events()[0]["properties"], defaults);
    assert_eq!(recorder.events()[1]["properties"]["mail"], "[email]");
}

#[test]
fn what_before_send_adds_is_redacted_and_fields_are_not() {
    let (client, recorder) = client(|builder| {
        everything(builder).before_send(|mut record| {
            record.set_property("mail", "ada@example.org");
            Some(record)
        })
    });
    client.track(LlmEvent::new("u@example.org", "ada@example.org", "g"));
    client.flush(LONG).expect("delivered");
    let record = &recorder.llm_events()[0];
    assert_eq!(record["properties"]["mail"], "[email]");
    assert_eq!(record["prompt"], "ada@example.org");
    assert_eq!(record["user_id"], "u@example.org");
}

#[test]
fn presets_and_functions_redact_prompts_and_generations() {
    let redaction = Redaction::new()
        .emails()
        .then(|text| text.replace("Ada", "[name]"));
    let (client, recorder) = client(|builder| builder.llm_content(Content::Redacted(redaction)));
    client.track(
        LlmEvent::new("u", "I am Ada, ada@example.org", "ok").property("mail", "ada@example.org"),
    );
    client.flush(LONG).expect("delivered");
    let record = &recorder.llm_events()[0];
    assert_eq!(
        (&record["prompt"], &record["generation"]),
        (&json!("I am [name], [email]"), &json!("ok"))
    );
    assert_eq!(record["properties"]["mail"], "ada@example.org");
}

#[test]
fn a_limit_does_not_cut_a_secret_before_it_is_found() {
    let (client, recorder) = client(|builder| everything(builder).max_text_bytes(8));
    client.track(Event::new("u", "e").text("to ada@example.org"));
    client.flush(LONG).expect("delivered");
    assert_eq!(recorder.events()[0]["properties"]["$text"], "to [emai");
}

#[test]
fn a_redaction_of_properties_that_panics_drops_the_record() {
    let panicking = || {
        Redaction::new().then(|text| match text {
            "bad" => panic!("on purpose"),
            text => text.to_owned(),
        })
    };
    let (client, recorder) = client(|builder| builder.redact_properties(panicking()));
    client.track(Event::new("u", "e").property("a", ["bad"]));
    client.track(Event::new("u", "e").property("a", "good"));
    client
        .track_sync(Event::new("u", "e").text("bad"))
        .expect_err("not redacted");
    client.flush(LONG).expect("the rest is delivered");
    assert_eq!(recorder.events().len(), 1);
    assert_eq!(client.stats().dropped_for(DropReason::Hook), 1);
    assert_balanced(client.stats());

    let error = Trubrics::builder(API_KEY)
        .redact_properties(panicking())
        .default_property("a", "bad")
        .transport(Recorder::new())
        .build()
        .expect_err("not redacted");
    assert_eq!(error.setting(), Some("redact_properties"));
}

#[test]
fn a_record_that_is_given_back_is_not_redacted_and_dead_letters_are() {
    let (dead_letters, dead) = std::sync::mpsc::channel();
    let (client, _) = client(|builder| {
        everything(builder).on_drop(move |dropped| {
            for record in dropped.records() {
                let _ = dead_letters.send(record.to_owned());
            }
        })
    });
    client.close(LONG).expect("nothing to deliver");
    let event = Event::new("u", "e").property("mail", "ada@example.org");
    let back = client
        .try_track(event.clone())
        .expect_err("closed")
        .into_record();
    assert_eq!(back, Record::from(event.clone()));
    client.track(event);
    client.track(Event::new("", "invalid").property("mail", "ada@example.org"));
    for _ in 0..2 {
        let record = dead.recv_timeout(LONG).expect("a dead letter");
        assert!(
            record.contains("[email]") && !record.contains("ada"),
            "{record}"
        );
    }
}

#[test]
fn raw_json_is_redacted_however_it_is_written() {
    let (client, recorder) = client(everything);
    let raw = |json: &str| RawValue::from_string(json.to_owned()).expect("JSON");
    let blanks = raw("{ \"p\\u0061ssword\" : 1 ,\n\"b\" : [ \"ada\\u0040example.org\" ] }");
    client.track(Event::new("u", "e").properties(blanks));
    client.track(
        Event::new("u", "e")
            .property("token", 1)
            .property("token", "twice"),
    );
    client.flush(LONG).expect("delivered");
    assert_eq!(
        recorder.events()[0]["properties"],
        json!({"password": "[redacted]", "b": ["[email]"]})
    );
    assert_eq!(
        recorder.events()[1]["properties"],
        json!({"token": "[redacted]"})
    );
}
