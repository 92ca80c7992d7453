//! Images and files in texts: placeholders are sent instead, unless the program wants them sent.

use std::sync::{Mutex, mpsc};

use serde_json::{Value, json};
use trubrics::{
    Content, DropReason, Event, LlmEvent, Record, Response, Trubrics, TrubricsBuilder,
    testing::{API_KEY, Recorder},
    transport_fn,
};

use crate::support::{LONG, build};

/// The properties that hold texts, beside the text of an error.
const TEXTS: [&str; 3] = [
    "$text",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
];

/// A PNG in base64: this many characters.
fn png(characters: usize) -> String {
    let digits = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9".chars();
    digits.cycle().take(characters).collect()
}

fn url(characters: usize) -> String {
    format!("data:image/png;base64,{}", png(characters))
}

/// What arrives of one record through these settings.
#[track_caller]
fn sent(
    settings: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder,
    record: impl Into<Record>,
) -> Value {
    let recorder = Recorder::new();
    let client = build(settings(
        Trubrics::builder(API_KEY).transport(recorder.clone()),
    ));
    client.track(record);
    client.flush(LONG).expect("delivered");
    let records = [recorder.events(), recorder.llm_events()].concat();
    records.into_iter().next().expect("a record")
}

fn by_default(builder: TrubricsBuilder) -> TrubricsBuilder {
    builder
}

#[test]
fn a_prompt_of_5_mb_with_three_images_is_sent_under_2_kb() {
    let image = png(1_667_000);
    let messages = json!([
        {"role": "system", "content": "You describe images."},
        {"role": "user", "content": [
            {"type": "text", "text": "Which of these is the oldest?"},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{image}")}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
            {"inline_data": {"mime_type": "image/png", "data": image}},
        ]},
    ]);
    let prompt = messages.to_string();
    assert!(prompt.len() > 5_000_000);
    let (bodies, received) = mpsc::channel();
    let bodies = Mutex::new(bodies);
    let transport = transport_fn(move |request| {
        let _ = bodies
            .lock()
            .expect("no panic")
            .send(request.body().to_vec());
        Ok(Response::new(200))
    });
    let client = build(Trubrics::builder(API_KEY).transport(transport));
    client.track(LlmEvent::new("u", prompt, "The second one."));
    client.flush(LONG).expect("delivered");
    let body = received.recv().expect("a request");
    assert!(body.len() < 2_000, "{} bytes", body.len());
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body[0]["properties"]["media_omitted"], 3);
    let prompt = body[0]["prompt"].as_str().expect("a text");
    let sent = messages.to_string();
    let sent = sent.replace("data:image/png;base64,", "");
    assert_eq!(prompt, sent.replace(&image, "[image/png, 1.3 MB]"));
    assert!(serde_json::from_str::<Value>(prompt).is_ok());
}

#[test]
fn each_text_of_a_record_is_searched_and_nothing_else() {
    let text = format!("{} and {}", url(8), png(2_000));
    let placeholder = "[image/png, 6 B] and [image/png, 2 kB]";
    let mut event = LlmEvent::new("u", &*text, &*text).property("thumbnail", &text);
    for key in TEXTS {
        event = event.property(key, &text);
    }
    let record = sent(by_default, event);
    assert_eq!(
        (&record["prompt"], &record["generation"]),
        (&json!(placeholder), &json!(placeholder))
    );
    let properties = &record["properties"];
    for key in TEXTS {
        assert_eq!(properties[key], placeholder, "{key}");
    }
    assert_eq!(properties["thumbnail"], *text);
    assert_eq!(properties["media_omitted"], 2 * 5);
}

#[test]
fn the_text_of_an_error_is_searched() {
    let recorder = Recorder::new();
    let client = build(Trubrics::builder(API_KEY).transport(recorder.clone()));
    client
        .llm_call("u", "p")
        .fail(format!("too large: {}", url(4_000)));
    client.flush(LONG).expect("delivered");
    let record = recorder.llm_events()[0].to_string();
    assert!(
        record.contains("\"too large: [image/png, 3 kB]\""),
        "{record}"
    );
}

#[test]
fn a_structured_value_keeps_its_structure() {
    for key in TEXTS {
        let value = json!({"path": "a.png", "size": [1, 2.5, null], "data": [url(4_000), url(4)]});
        let properties =
            &sent(by_default, Event::new("u", "e").property(key, &value))["properties"];
        let data = ["[image/png, 3 kB]", "[image/png, 3 B]"];
        let expected = json!({"path": "a.png", "size": [1, 2.5, null], "data": data});
        assert_eq!(properties[key], expected);
        assert_eq!(properties["media_omitted"], 2);
    }
}

#[test]
fn keys_that_become_equal_are_one_key() {
    let value = json!({url(4): 1, url(8): 2, "other": 3});
    let event = Event::new("u", "e").property("$text", value);
    let text = &sent(by_default, event)["properties"]["$text"];
    assert_eq!(text["other"], 3);
    assert_eq!(text.as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn with_send_media_everything_is_sent_as_it_is() {
    let text = format!("{} and {}", url(8), png(2_000));
    let event = LlmEvent::new("u", &*text, &*text).property("$text", json!([text]));
    let record = sent(|builder| builder.send_media(true), event);
    assert_eq!(
        (&record["prompt"], &record["generation"]),
        (&json!(text), &json!(text))
    );
    assert_eq!(record["properties"], json!({"$text": [text]}));
}

#[test]
fn a_redaction_and_the_limit_come_after_the_placeholders() {
    let text = format!("secret {}", url(9_000));
    let event = || {
        LlmEvent::new("u", &*text, "g")
            .property("$text", &text)
            .property("gen_ai.tool.call.arguments", json!([text]))
    };
    let redact = |text: &str| {
        assert!(text.len() < 100, "a redaction gets the placeholder");
        text.replace("secret", "***")
    };
    let settings = |builder: TrubricsBuilder| builder.llm_content(Content::redacted(redact));
    let record = sent(settings, event());
    let expected = "*** [image/png, 7 kB]";
    let properties = &record["properties"];
    assert_eq!(
        (&record["prompt"], &properties["$text"]),
        (&json!(expected), &json!(expected))
    );
    assert_eq!(
        properties["gen_ai.tool.call.arguments"],
        "[\"*** [image/png, 7 kB]\"]"
    );
    assert_eq!(properties["media_omitted"], 3);

    let record = sent(|builder| builder.max_text_bytes(40), event());
    assert_eq!(record["prompt"], "secret [image/png, 7 kB]");
    assert!(record["properties"].get("truncated").is_none());
    let record = sent(|builder| builder.max_text_bytes(10), event());
    assert_eq!(record["prompt"], "secret [im");
    assert_eq!(record["properties"]["prompt_length"], 24);
    assert_eq!(record["properties"]["media_omitted"], 3);
}

#[test]
fn with_content_off_the_length_is_that_of_the_original() {
    let event = LlmEvent::new("u", url(5_000), "é").property("$text", url(2_000));
    let record = sent(|builder| builder.llm_content(Content::Off), event);
    let length = |characters: usize| url(characters).len();
    assert_eq!(
        record["properties"],
        json!({"prompt_length": length(5_000), "generation_length": 1, "text_length": length(2_000)})
    );
}

#[test]
fn before_send_sees_comments_tool_arguments_and_results_whole() {
    let (seen, hooked) = mpsc::channel();
    let seen = Mutex::new(seen);
    let settings = move |builder: TrubricsBuilder| {
        builder.before_send(move |record| {
            let texts = TEXTS.map(|key| record.get_property(key));
            let _ = seen.lock().expect("no panic").send(texts);
            Some(record)
        })
    };
    let mut event = Event::new("u", "e").text(url(4_000));
    for key in &TEXTS[1..] {
        event = event.property(key, json!({"image": url(4_000)}));
    }
    let properties = &sent(settings, event)["properties"];
    let structured = Some(json!({"image": url(4_000)}));
    let texts = hooked.recv().expect("a record");
    assert_eq!(
        texts,
        [Some(json!(url(4_000))), structured.clone(), structured]
    );
    assert_eq!(properties["$text"], "[image/png, 3 kB]");
    assert_eq!(properties["media_omitted"], 3);
}

#[test]
fn try_track_gives_back_the_record_with_its_media() {
    let recorder = Recorder::new();
    let client = build(Trubrics::builder(API_KEY).transport(recorder.clone()));
    let event = LlmEvent::new("", url(4_000), url(4)).property("$text", [url(4)]);
    let refused = client.try_track(event.clone()).expect_err("no user");
    assert_eq!(refused.into_record(), Record::LlmEvent(event));
}

#[test]
fn track_sync_sends_placeholders_too() {
    let recorder = Recorder::new();
    let client = build(Trubrics::builder(API_KEY).transport(recorder.clone()));
    let event = Event::new("u", "e").text(url(4_000));
    client.track_sync(event).expect("delivered");
    assert_eq!(
        recorder.events()[0]["properties"]["$text"],
        "[image/png, 3 kB]"
    );
}

#[test]
fn on_drop_shows_an_invalid_record_without_its_media() {
    let (dropped, shown) = mpsc::channel();
    let builder = Trubrics::builder(API_KEY).transport(Recorder::new());
    let client = build(builder.on_drop(move |event| {
        let records: Vec<_> = event.records().map(str::to_owned).collect();
        let _ = dropped.send((event.reason(), records));
    }));
    client.track(LlmEvent::new("", url(4_000), "g").property("$text", [url(4_000)]));
    let (reason, records) = shown.recv().expect("a drop");
    assert_eq!(reason, DropReason::Invalid);
    let record: Value = serde_json::from_str(&records[0]).expect("JSON");
    let placeholder = "[image/png, 3 kB]";
    assert_eq!(record["prompt"], placeholder);
    assert_eq!(
        record["properties"],
        json!({"$text": [placeholder], "media_omitted": 2})
    );
}

#[test]
fn the_media_of_a_default_property_are_replaced_and_counted() {
    let settings = |builder: TrubricsBuilder| {
        builder
            .default_property("$text", json!({"image": url(4_000)}))
            .default_property("gen_ai.tool.call.result", "short")
    };
    let properties = &sent(settings, Event::new("u", "e"))["properties"];
    let expected = json!({
        "$text": {"image": "[image/png, 3 kB]"}, "gen_ai.tool.call.result": "short", "media_omitted": 1
    });
    assert_eq!(*properties, expected);
    let properties = &sent(settings, Event::new("u", "e").text("its own"))["properties"];
    assert_eq!(
        *properties,
        json!({"$text": "its own", "gen_ai.tool.call.result": "short"})
    );
}

#[test]
fn the_content_rules_apply_to_each_property_that_holds_a_text() {
    let lengths = ["text_length", "arguments_length", "result_length"];
    let hide = |text: &str| text.replace("secret", "***");
    for (key, length_key) in TEXTS.into_iter().zip(lengths) {
        for (value, json) in [
            (json!("a secret"), "a secret".to_owned()),
            (
                json!({"a": ["secret"]}),
                json!({"a": ["secret"]}).to_string(),
            ),
        ] {
            let send = |settings: &dyn Fn(TrubricsBuilder) -> TrubricsBuilder| {
                let event = LlmEvent::new("u", "", "").property(key, &value);
                sent(settings, event)["properties"].clone()
            };
            let redacted = send(&|builder| builder.llm_content(Content::redacted(hide)));
            assert_eq!(redacted, json!({key: json.replace("secret", "***")}));
            let off = send(&|builder| builder.llm_content(Content::Off));
            assert_eq!(off[length_key], json.len());
            assert!(!off.to_string().contains("secret"), "{off}");
            let cut = send(&|builder| builder.max_text_bytes(4));
            assert_eq!(
                cut,
                json!({key: json[..4], length_key: json.len(), "truncated": true})
            );
            let whole = send(&|builder| builder.max_text_bytes(json.len()));
            assert_eq!(whole, json!({key: value}));
        }
    }
}
