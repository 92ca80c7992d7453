use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::tests::chance::any_json;
use super::*;
use crate::record::Properties;

fn json_of(record: &Record) -> String {
    let encoded = record.encode_lossy(&Properties::default());
    String::from_utf8(encoded.json.into()).expect("UTF-8")
}

#[track_caller]
fn assert_comes_back(json: &str) {
    let record = Record::from_json(json).expect("valid");
    assert_eq!(json_of(&record), json);
}

#[track_caller]
fn assert_refused(json: &str, field: &str, text: &str) {
    let error = Record::from_json(json).expect_err("not valid");
    assert_eq!((error.field(), error.to_string().as_str()), (field, text));
}

#[test]
fn every_field_of_both_kinds_comes_back() {
    assert_comes_back(
        r#"{"user_id":"u","event":"e","timestamp":"2024-10-09T13:21:46.182Z","properties":{"$text":"t","n":1}}"#,
    );
    assert_comes_back(concat!(
        r#"{"user_id":"u","prompt":"p","generation":"g","assistant_id":"a","thread_id":"t","prompt_event_name":"P","#,
        r#""generation_event_name":"G","latency":1.42,"timestamp":"2024-10-09T13:21:46.182Z","properties":{"k":[]}}"#,
    ));
    assert_comes_back(r#"{"user_id":"u","event":"e"}"#);
    assert_comes_back(r#"{"user_id":"u","prompt":"","generation":""}"#);
}

#[test]
fn properties_stay_as_they_are_to_the_last_digit() {
    let properties =
        r#"{"a": 1.10 , "b":1e999,"c":340282366920938463463374607431768211455,"d":"\u00e9\ud800"}"#;
    let json = format!(r#"{{"user_id":"u","event":"e","properties":{properties}}}"#);
    assert_comes_back(&json);
    let mut record = Record::from_json(&json).expect("valid");
    record.remove_property("b");
    assert_eq!(record.get_property("a"), Some(json!(1.1)));
    record.set_property("a", 2);
    assert_eq!(record.get_property("a"), Some(json!(2)));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    assert_comes_back(&format!(
        r#"{{"user_id":"u","event":"e","properties":{deep}}}"#
    ));
    let twice = r#"{"user_id":"u","event":"e","properties":{"a":1,"a":2}}"#;
    let record = Record::from_json(twice).expect("valid");
    assert_eq!(
        json_of(&record),
        r#"{"user_id":"u","event":"e","properties":{"a":2}}"#
    );
}

#[test]
fn blanks_escapes_nulls_and_other_time_zones_are_understood() {
    let json = concat!(
        " { \"us\\u0065r_id\" : \"\\u00fc\", \"event\":\"e\"\n, \"timestamp\":\"2024-10-09T15:21:46+02:00\",",
        "\"properties\" : null } \n"
    );
    let record = Record::from_json(json).expect("valid");
    assert_eq!(
        json_of(&record),
        r#"{"user_id":"ü","event":"e","timestamp":"2024-10-09T13:21:46.000Z"}"#
    );
}

#[test]
fn an_error_names_the_field_that_is_wrong() {
    let event = |fields: &str| format!(r#"{{"user_id":"u","event":"e",{fields}}}"#);
    let llm = |fields: &str| format!(r#"{{"user_id":"u","prompt":"p","generation":"g",{fields}}}"#);
    for (json, field, text) in [
        (
            "nothing".into(),
            "record",
            "record is not JSON: expected ident at line 1 column 2",
        ),
        (
            "[1]".into(),
            "record",
            "record is a list: an object is needed",
        ),
        ("{}".into(), "user_id", "user_id is missing"),
        (r#"{"user_id":"u"}"#.into(), "event", "event is missing"),
        (
            r#"{"user_id":"","event":"e"}"#.into(),
            "user_id",
            "user_id is empty: use anonymous_id() for a user without auth",
        ),
        (
            r#"{"user_id":1,"event":"e"}"#.into(),
            "user_id",
            "user_id is a number: a text is needed",
        ),
        (
            r#"{"user_id":"\ud800","event":"e"}"#.into(),
            "user_id",
            "user_id is not Unicode",
        ),
        (event(r#""event":"f""#), "event", "event is given twice"),
        (
            event(r#""latency":1"#),
            "latency",
            "latency is not a field of an event",
        ),
        (
            event(r#""prompt":"p""#),
            "event",
            "event is not a field of an LLM event",
        ),
        (
            event(r#""properties":[]"#),
            "properties",
            "properties is a list: an object is needed",
        ),
        (
            event(r#""timestamp":1"#),
            "timestamp",
            "timestamp is a number: a text is needed",
        ),
        (
            llm(r#""thread_id":{}"#),
            "thread_id",
            "thread_id is an object: a text is needed",
        ),
        (
            llm(r#""latency":"1""#),
            "latency",
            "latency is a text: a number is needed",
        ),
        (
            llm(r#""latency":-1"#),
            "latency",
            "latency is -1: not a duration in seconds",
        ),
        (
            llm(r#""latency":1e999"#),
            "latency",
            "latency is 1e999: not a duration in seconds",
        ),
        (
            event(r#""timestamp":"yesterday""#),
            "timestamp",
            "timestamp `yesterday` is not RFC 3339: the 'year' component could not be parsed",
        ),
        (
            event(r#""timestamp":"9999-12-31T23:00:00-02:00""#),
            "timestamp",
            "timestamp is out of range: the years 0 to 9999 in UTC are allowed",
        ),
    ] {
        assert_refused(&json, field, text);
    }
}

fn any_properties() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(any::<String>(), any_json(), 0..4)
        .prop_map(|map| map.into_iter().collect())
}

fn any_instant() -> impl Strategy<Value = OffsetDateTime> {
    (-62_167_219_200_000_i64..253_402_300_800_000)
        .prop_map(|ms| OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(ms))
}

fn any_text() -> impl Strategy<Value = Option<String>> {
    any::<Option<String>>()
}

fn any_record() -> impl Strategy<Value = Record> {
    let event = ("(?s).+", "(?s).+", any_properties())
        .prop_map(|(user, name, properties)| Event::new(user, name).properties(properties).into());
    let texts = [any_text(), any_text(), any_text(), any_text()];
    let latency = any::<Option<(u64, u32)>>();
    let llm_event = (
        "(?s).+",
        any::<(String, String)>(),
        texts,
        latency,
        any_properties(),
    )
        .prop_map(
            |(
                user,
                (prompt, generation),
                [assistant, thread, prompt_name, name],
                latency,
                properties,
            )| {
                LlmEvent::new(user, prompt, generation)
                    .assistant_id(assistant)
                    .thread_id(thread)
                    .prompt_event_name(prompt_name)
                    .generation_event_name(name)
                    .latency(latency.map(|(s, ns)| Duration::new(s, ns % 1_000_000_000)))
                    .properties(properties)
                    .into()
            },
        );
    let record = prop_oneof![event, llm_event];
    (record, prop::option::of(any_instant())).prop_map(|(mut record, instant): (Record, _)| {
        if let Some(instant) = instant {
            record.set_timestamp(instant);
        }
        record
    })
}

proptest! {
    #[test]
    fn any_record_comes_back_from_its_json(record in any_record()) {
        let json = json_of(&record);
        let back = Record::from_json(&json).expect("valid");
        prop_assert_eq!(json_of(&back), json);
    }

    #[test]
    fn any_field_of_any_kind_is_read_or_refused(
        name in prop::sample::select(vec![
            "user_id", "event", "timestamp", "properties", "prompt", "generation", "latency", "thread_id", "other",
        ]),
        value in any_json(),
    ) {
        let mut json = json!({"user_id": "u", "event": "e"});
        json[name] = value;
        if let Ok(record) = Record::from_json(&json.to_string()) {
            prop_assert!(Record::from_json(&json_of(&record)).is_ok());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"[{}\[\]",:\\a0 ]{0,20}"#) {
        let _ = Record::from_json(&text);
    }
}
