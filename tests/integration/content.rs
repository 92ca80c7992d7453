//! What is sent of what was said: everything, redacted, cut or only its length.

use serde_json::{Value, json, value::RawValue};
use trubrics::{
    Content, DropReason, Event, LlmEvent, Record, Response, Trubrics, TrubricsBuilder,
    testing::{API_KEY, Server},
    transport_fn,
};

use crate::support::{LONG, assert_balanced, build, client_of, server};

/// Two bytes a character.
const UMLAUTS: &str = "äöü";

fn long() -> String {
    "5 MB. ".repeat(5 * 1024 * 1024 / 6)
}

/// Sends a prompt, its reverse as the generation, and the same text as an event's; returns both as they arrived.
#[track_caller]
fn sent(settings: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder, prompt: &str) -> (Value, Value) {
    let server = server();
    let client = build(settings(client_of(&server)));
    let reverse: String = prompt.chars().rev().collect();
    client.track(LlmEvent::new("u", prompt, reverse).property("kept", 1));
    client.track(Event::new("u", "e").text(prompt).property("kept", 1));
    client.flush(LONG).expect("delivered");
    (server.llm_events().remove(0), server.events().remove(0))
}

#[test]
fn everything_is_sent_unless_somebody_says_otherwise() {
    for prompt in ["", "a", UMLAUTS, &long()] {
        let (llm_event, event) = sent(|builder| builder, prompt);
        assert!(llm_event["prompt"] == prompt && event["properties"]["$text"] == prompt);
        assert_eq!(llm_event["properties"], json!({"kept": 1}));
    }
}

#[test]
fn with_content_off_only_the_lengths_are_sent() {
    for (prompt, length) in [("", 0), ("a", 1), (UMLAUTS, 3), (&long(), long().len())] {
        let (llm_event, event) = sent(|builder| builder.llm_content(Content::Off), prompt);
        assert_eq!(
            (&llm_event["prompt"], &llm_event["generation"]),
            (&json!(""), &json!(""))
        );
        assert_eq!(
            llm_event["properties"],
            json!({"kept": 1, "prompt_length": length, "generation_length": length})
        );
        assert_eq!(
            event["properties"],
            json!({"kept": 1, "text_length": length})
        );
    }
}

#[test]
fn a_redaction_sees_every_text_and_nothing_else_is_sent() {
    for prompt in ["", "a", UMLAUTS, &long()] {
        let redact = |text: &str| format!("{} bytes", text.len());
        let (llm_event, event) = sent(
            |builder| builder.llm_content(Content::redacted(redact)),
            prompt,
        );
        let expected = format!("{} bytes", prompt.len());
        assert_eq!(llm_event["prompt"], expected);
        assert_eq!(llm_event["generation"], expected);
        assert_eq!(llm_event["properties"], json!({"kept": 1}));
        assert_eq!(event["properties"], json!({"kept": 1, "$text": expected}));
    }
}

#[test]
fn a_text_over_the_limit_is_cut_between_two_characters() {
    let long = long();
    let cases = [
        ("", 1, ""),
        ("a", 1, "a"),
        (UMLAUTS, 6, UMLAUTS),
        (UMLAUTS, 5, "äö"),
        (UMLAUTS, 1, ""),
        (&long, 1_000_000, &long[..1_000_000]),
    ];
    for (prompt, max, expected) in cases {
        let (llm_event, event) = sent(|builder| builder.max_text_bytes(max), prompt);
        assert!(llm_event["prompt"] == expected && event["properties"]["$text"] == expected);
        let length = prompt.chars().count();
        let properties = if prompt == expected {
            json!({"kept": 1})
        } else {
            json!({"kept": 1, "truncated": true, "prompt_length": length, "generation_length": length})
        };
        assert_eq!(llm_event["properties"], properties);
        let truncated = &event["properties"]["truncated"];
        assert_eq!(*truncated == true, prompt != expected);
    }
}

#[test]
fn a_long_prompt_arrives_cut_where_the_server_would_refuse_the_whole() {
    let server = server();
    server.set_body_limit(1024 * 1024);
    let client = build(client_of(&server).max_text_bytes(100_000));
    client.track(LlmEvent::new("u", long(), long()));
    client.flush(LONG).expect("delivered");
    let record = &server.llm_events()[0];
    assert_eq!(record["properties"]["prompt_length"], long().len());
}

#[test]
fn a_redaction_comes_before_the_cut() {
    let settings = |builder: TrubricsBuilder| {
        builder
            .llm_content(Content::redacted(|text| text.replace("secret", "[hidden]")))
            .max_text_bytes(4)
    };
    let (llm_event, _) = sent(settings, "secret");
    assert_eq!(llm_event["prompt"], "[hid");
    assert_eq!(llm_event["properties"]["prompt_length"], 8);
    assert_eq!(llm_event["properties"]["truncated"], true);
}

#[test]
fn the_text_of_an_error_is_content_too() {
    let sent = |content| {
        let server = server();
        let client = build(client_of(&server).llm_content(content));
        client.llm_call("u", "p").fail("cannot answer: secret");
        client.flush(LONG).expect("delivered");
        server.llm_events()[0]["properties"].clone()
    };
    let redacted = sent(Content::redacted(|text| text.replace("secret", "***")));
    assert_eq!(redacted["error_message"], "cannot answer: ***");
    let off = sent(Content::Off);
    assert!(off.get("error_message").is_none());
    assert_eq!(
        (&off["error_length"], &off["outcome"]),
        (&json!(21), &json!("failed"))
    );
}

#[test]
fn a_text_property_of_another_type_does_not_slip_through() {
    let server = server();
    let hide = Content::redacted(|text| text.replace("secret", "***"));
    let client = build(client_of(&server).llm_content(hide));
    client.track(Event::new("u", "e").property("$text", ["secret"]));
    client.flush(LONG).expect("delivered");
    assert_eq!(server.events()[0]["properties"]["$text"], "[\"***\"]");
}

#[test]
fn a_redaction_that_panics_drops_the_record() {
    let server = server();
    let redact = Content::redacted(|text| match text {
        "bad" => panic!("on purpose"),
        text => text.to_owned(),
    });
    let client = build(client_of(&server).llm_content(redact));
    client.track(LlmEvent::new("u", "bad", "g"));
    client.track(LlmEvent::new("u", "p", "bad"));
    client.track(Event::new("u", "e").text("bad"));
    client.track(Event::new("u", "good"));
    let error = client
        .track_sync(Event::new("u", "e").text("bad"))
        .expect_err("not redacted");
    assert_eq!(
        error.to_string(),
        "a hook of the program refused the record"
    );
    client.flush(LONG).expect("the rest is delivered");
    assert_eq!(server.accepted(), 1);
    let stats = client.stats();
    assert_eq!(stats.dropped_for(DropReason::Hook), 3);
    assert_balanced(stats);
}

#[test]
fn a_record_that_is_given_back_is_whole_and_may_be_tracked_again() {
    let server = server();
    let client = build(
        client_of(&server)
            .llm_content(Content::Off)
            .queue_capacity(1),
    );
    client.track(Event::new("u", "fills the queue"));
    let full = client
        .try_track(LlmEvent::new("u", "four", "g"))
        .expect_err("no room");
    client.flush(LONG).expect("delivered");
    client.track(full.into_record());
    client.flush(LONG).expect("delivered");
    assert_eq!(server.llm_events()[0]["properties"]["prompt_length"], 4);
}

#[test]
fn dead_letters_are_redacted_as_well() {
    let server = server();
    let (tell, told) = std::sync::mpsc::channel();
    let client = build(
        client_of(&server)
            .llm_content(Content::redacted(|_| "***".into()))
            .on_drop(move |dropped| {
                for record in dropped.records() {
                    let _ = tell.send(record.to_owned());
                }
            }),
    );
    client.close(LONG).expect("nothing to deliver");
    client.track(LlmEvent::new("u", "secret", "secret"));
    let record = told.recv_timeout(LONG).expect("a dead letter");
    assert!(!record.contains("secret") && record.contains("***"));
}

#[test]
fn what_before_send_leaves_is_what_the_content_rules_get() {
    let server = server();
    let client = build(
        client_of(&server)
            .llm_content(Content::Off)
            .before_send(|mut record| {
                if let Record::LlmEvent(event) = &mut record {
                    event.set_prompt("longer");
                }
                Some(record)
            }),
    );
    client.track(LlmEvent::new("u", "p", "g"));
    client.flush(LONG).expect("delivered");
    assert_eq!(server.llm_events()[0]["properties"]["prompt_length"], 6);
}

#[test]
fn a_hook_reads_and_changes_what_a_record_holds() {
    fn mask(text: &str) -> String {
        text.replace("ada@example.org", "(mail)")
    }
    let server: Server = server();
    let client = build(client_of(&server).before_send(|mut record| {
        if let Record::LlmEvent(event) = &mut record {
            event.set_prompt(mask(event.get_prompt()));
        }
        record.remove_property("mail");
        Some(record)
    }));
    client.track(
        LlmEvent::new("u", "I am ada@example.org", "Hello")
            .property("mail", "ada@example.org")
            .property("kept", 1),
    );
    client.flush(LONG).expect("delivered");
    let record = &server.llm_events()[0];
    assert_eq!(record["prompt"], "I am (mail)");
    assert_eq!(record["properties"], json!({"kept": 1}));
}

#[test]
fn a_redaction_that_tracks_does_not_call_itself_without_end() {
    use std::sync::{Arc, Mutex};

    let server = server();
    let slot: Arc<Mutex<Option<Trubrics>>> = Arc::default();
    let client = build(client_of(&server).llm_content(Content::redacted({
        let slot = slot.clone();
        move |text| {
            let client = slot.lock().expect("no panic").clone().expect("a client");
            client.track(LlmEvent::new("u", text, text));
            text.to_owned()
        }
    })));
    *slot.lock().expect("no panic") = Some(client.clone());
    client.track(LlmEvent::new("u", "p", "g"));
    slot.lock().expect("no panic").take();
    client.flush(LONG).expect("the outer record is delivered");
    assert_eq!(server.accepted(), 1);
    assert_eq!(client.stats().dropped_for(DropReason::Hook), 2);
}

/// Sends this record through these settings; gives what goes on the wire, which the testing server might not read.
#[track_caller]
fn wire(
    settings: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder,
    record: impl Into<Record>,
) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let transport = transport_fn(move |request| {
        let body = String::from_utf8(request.body().to_vec()).expect("UTF-8");
        let _ = tell.lock().expect("no panic").send(body);
        Ok(Response::new(200))
    });
    let client = build(settings(Trubrics::builder(API_KEY).transport(transport)));
    client.track(record);
    client.flush(LONG).expect("delivered");
    told.try_recv().expect("a request")
}

#[test]
fn what_was_said_is_hidden_however_it_is_written() {
    let deep = format!("{}\"secret\"{}", "[".repeat(200), "]".repeat(200));
    let values = [&deep, r#"[1e999,"secret"]"#, r#""\ud800secret""#];
    for value in values {
        let raw = |json: String| RawValue::from_string(json).expect("JSON");
        let value = value.to_owned();
        let blanks = raw(format!(
            "{{ \"a\" : 1 , \"$text\" : {value} , \"error_message\"\n:{value} }}"
        ));
        let records: [Record; 3] = [
            Event::new("u", "e")
                .text("x")
                .property("$text", raw(value.clone()))
                .into(),
            LlmEvent::new("u", "p", "g")
                .property("error_message", raw(value))
                .into(),
            Event::new("u", "e").properties(blanks).into(),
        ];
        for record in records {
            let off = wire(|builder| builder.llm_content(Content::Off), record.clone());
            assert!(!off.contains("secret"), "{off}");
            let hide = |text: &str| text.replace("secret", "***");
            let redacted = wire(
                |builder| builder.llm_content(Content::redacted(hide)),
                record.clone(),
            );
            assert!(
                !redacted.contains("secret") && redacted.contains("***"),
                "{redacted}"
            );
            let removed = |builder: TrubricsBuilder| {
                builder.before_send(|mut record| {
                    record.remove_property("$text");
                    record.remove_property("error_message");
                    Some(record)
                })
            };
            let removed = wire(removed, record);
            assert!(!removed.contains("secret"), "{removed}");
        }
    }
}

#[test]
fn a_default_property_that_holds_what_was_said_is_content_too() {
    let sent = |settings: fn(TrubricsBuilder) -> TrubricsBuilder| {
        let server = server();
        let builder = client_of(&server)
            .default_property("$text", "secret")
            .default_property("error_message", ["secret"])
            .default_property("kept", 1);
        let client = build(settings(builder));
        client.track(Event::new("u", "e"));
        client.track(Event::new("u", "e").text("its own"));
        client.flush(LONG).expect("delivered");
        let events = server.events();
        (
            events[0]["properties"].clone(),
            events[1]["properties"].clone(),
        )
    };
    let (default, own) = sent(|builder| builder.llm_content(Content::Off));
    assert_eq!(
        default,
        json!({"kept": 1, "text_length": 6, "error_length": 10})
    );
    assert_eq!(
        own,
        json!({"kept": 1, "text_length": 7, "error_length": 10})
    );
    let (default, own) = sent(|builder| {
        builder.llm_content(Content::redacted(|text| text.replace("secret", "***")))
    });
    assert_eq!(
        default,
        json!({"kept": 1, "$text": "***", "error_message": "[\"***\"]"})
    );
    assert_eq!(own["$text"], "its own");
    let (default, own) = sent(|builder| builder.max_text_bytes(3));
    assert_eq!(
        (&default["$text"], &own["$text"]),
        (&json!("sec"), &json!("its"))
    );
    let (default, _) = sent(|builder| builder);
    assert_eq!(
        default,
        json!({"kept": 1, "$text": "secret", "error_message": ["secret"]})
    );
}
