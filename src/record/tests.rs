use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::{Date, Month, OffsetDateTime, UtcOffset};

use super::*;

mod names;

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
fn an_llm_event_checks_what_an_event_checks() {
    assert_eq!(
        error_of(LlmEvent::new("", "p", "g")),
        "user_id is empty: use anonymous_id() for a user without auth"
    );
    assert_eq!(
        error_of(LlmEvent::new("u", "p", "g").property("x", f64::NAN)),
        "property `x` cannot be sent: NaN and infinities are not JSON numbers"
    );
    assert_eq!(
        error_of(LlmEvent::new("u", "p", "g").properties(1)),
        "properties are a number: a map or a struct with named fields is needed"
    );
    assert_eq!(
        error_of(
            LlmEvent::new("u", "p", "g")
                .timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX / 4))
        ),
        "timestamp is out of range: the years 0 to 9999 in UTC are allowed"
    );
}

#[test]
fn bad_input_is_refused_in_words_that_name_the_field() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no luck"))
        }
    }
    struct Panicking;
    impl Serialize for Panicking {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("on purpose")
        }
    }
    let not_finite =
        |field: &str| format!("{field} cannot be sent: NaN and infinities are not JSON numbers");
    let not_object = |kind: &str| {
        format!("properties are {kind}: a map or a struct with named fields is needed")
    };
    let cases = [
        (
            Event::new("", "e"),
            "user_id is empty: use anonymous_id() for a user without auth".to_owned(),
        ),
        (
            Event::new("u", ""),
            "event is empty: the event's name is needed".into(),
        ),
        (
            event().property("score", f64::NAN),
            not_finite("property `score`"),
        ),
        (
            event().property("score", f32::INFINITY),
            not_finite("property `score`"),
        ),
        (
            event().property("deep", vec![Some(("x", f64::NEG_INFINITY))]),
            not_finite("property `deep`"),
        ),
        (
            event().properties(HashMap::from([("a", f64::NAN)])),
            not_finite("properties"),
        ),
        (event().properties(json!([1])), not_object("a list")),
        (event().properties("text"), not_object("a text")),
        (event().properties(true), not_object("a boolean")),
        (event().properties(-1.5), not_object("a number")),
        (event().properties(()), not_object("null")),
        (
            event().properties(None::<Map<String, Value>>),
            not_object("null"),
        ),
        (
            event().property("x", Failing),
            "property `x` cannot be written as JSON".into(),
        ),
        (
            event().properties(Failing),
            "properties cannot be written as JSON".into(),
        ),
        (
            event().property("x", Panicking),
            "property `x` panicked while it was serialised".into(),
        ),
        (
            event().properties(Panicking),
            "properties panicked while it was serialised".into(),
        ),
        (
            event().property("map", HashMap::from([(vec![1], 1)])),
            "property `map` cannot be written as JSON".into(),
        ),
        (
            event().timestamp(Date::MIN.midnight().assume_utc()),
            "timestamp is out of range: the years 0 to 9999 in UTC are allowed".into(),
        ),
        (
            // The last hour of 9999, west of Greenwich, is in the year 10000 there.
            event().timestamp(
                Date::MAX
                    .with_hms(23, 30, 0)
                    .expect("a time")
                    .assume_offset(offset(-1)),
            ),
            "timestamp is out of range: the years 0 to 9999 in UTC are allowed".into(),
        ),
    ];
    for (event, expected) in cases {
        assert_eq!(error_of(event), expected);
    }
}

fn offset(hours: i8) -> UtcOffset {
    UtcOffset::from_hms(hours, 0, 0).expect("an offset")
}

#[test]
fn the_error_of_a_value_is_the_source_of_ours() {
    use std::error::Error;

    let error = encode(event().property("map", HashMap::from([(vec![1], 1)])))
        .err()
        .expect("an error");
    assert_eq!(error.field(), "property `map`");
    assert_eq!(
        error.source().expect("a source").to_string(),
        "key must be a string"
    );
}

#[test]
fn the_first_mistake_is_reported_and_the_good_values_around_it_change_nothing() {
    let event = event()
        .property("a", 1)
        .property("b", f64::NAN)
        .property("c", f32::NAN)
        .property("d", 4);
    assert_eq!(
        error_of(event),
        "property `b` cannot be sent: NaN and infinities are not JSON numbers"
    );
}

#[test]
fn a_map_a_json_object_and_a_struct_all_work_as_properties() {
    #[derive(Serialize)]
    struct Plan<'a> {
        seats: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'a str>,
        owner: (u8, char),
    }
    let event = event()
        .properties(json!({"country": "FR", "nested": {"deep": [null, {"x": [null]}]}}))
        .properties(BTreeMap::from([("b", 1), ("a", 2)]))
        .properties(Some(Plan {
            seats: 5,
            note: None,
            owner: (1, 'x'),
        }))
        .properties(json!({}));
    assert_eq!(
        json_of(event)["properties"],
        json!({
            "country": "FR", "nested": {"deep": [null, {"x": [null]}]},
            "a": 2, "b": 1, "seats": 5, "owner": [1, "x"]
        })
    );
}

#[test]
fn empty_properties_are_left_out() {
    assert_eq!(
        json_of(event().properties(json!({}))).get("properties"),
        None
    );
}

#[test]
fn later_keys_win_over_earlier_ones_and_over_defaults() {
    let mut defaults = Properties::default();
    defaults.insert("a", &"default").expect("valid");
    defaults.insert("app", &"1.0").expect("valid");
    let record: Record = event()
        .property("a", 1)
        .property("b", json!({"a": "\"},{\\"}))
        .property("a", 2)
        .properties(json!({"b": 3, "c": [1, {"b": 2}]}))
        .property("d", 4)
        .into();
    let encoded = record.encode(&defaults, NOW).expect("valid");
    let text = String::from_utf8(encoded.json.into_vec()).expect("UTF-8");
    assert!(
        text.ends_with(r#""properties":{"app":"1.0","a":2,"b":3,"c":[1,{"b":2}],"d":4}}"#),
        "{text}"
    );
}

#[test]
fn default_properties_alone_are_sent_too() {
    let mut defaults = Properties::default();
    defaults.insert("app", &"1.0").expect("valid");
    let record: Record = event().into();
    let encoded = record.encode(&defaults, NOW).expect("valid");
    let value: Value = serde_json::from_slice(&encoded.json).expect("JSON");
    assert_eq!(value["properties"], json!({"app": "1.0"}));
}

#[test]
fn whole_numbers_of_every_size_go_through() {
    let event = event()
        .property("u64", u64::MAX)
        .property("i64", i64::MIN)
        .property("u128", u128::MAX)
        .property("f64", f64::MIN_POSITIVE)
        .property("f32", 0.1_f32);
    let encoded = encode(event).expect("valid");
    let text = std::str::from_utf8(&encoded.json).expect("UTF-8");
    assert!(
        text.contains("\"u64\":18446744073709551615,\"i64\":-9223372036854775808"),
        "{text}"
    );
    assert!(
        text.contains("\"u128\":340282366920938463463374607431768211455"),
        "{text}"
    );
    assert!(text.contains("\"f32\":0.1"), "{text}");
}

#[test]
fn a_prompt_of_five_megabytes_goes_through_unchanged() {
    let prompt = "line \u{2028}\n\"é\u{1F600}\\".repeat(5 * 1024 * 1024 / 20);
    assert_eq!(
        json_of(LlmEvent::new("u", prompt.clone(), "g"))["prompt"],
        prompt.as_str()
    );
}

#[test]
fn long_and_empty_keys_go_through_unchanged() {
    let long = "k\u{1F600}".repeat(60);
    let value = json_of(event().property(&long, 1).property("", 2));
    assert_eq!(value["properties"][&long], 1);
    assert_eq!(value["properties"][""], 2);
}

#[test]
fn a_timestamp_is_sent_as_the_same_instant_in_utc_with_milliseconds() {
    let local = Date::from_calendar_date(2025, Month::January, 2)
        .expect("a date")
        .with_hms_nano(8, 34, 5, 7_999_999)
        .expect("a time")
        .assume_offset(UtcOffset::from_hms(5, 30, 0).expect("an offset"));
    assert_eq!(
        json_of(event().timestamp(local))["timestamp"],
        "2025-01-02T03:04:05.007Z"
    );

    let system = SystemTime::UNIX_EPOCH + Duration::from_millis(1_728_480_106_180);
    assert_eq!(
        json_of(event().timestamp(system))["timestamp"],
        "2024-10-09T13:21:46.180Z"
    );

    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_micros(1);
    assert_eq!(
        json_of(event().timestamp(before_1970))["timestamp"],
        "1969-12-31T23:59:59.999Z"
    );
}

#[test]
fn a_clock_out_of_range_makes_a_record_invalid() {
    let beyond = NOW + Duration::from_secs(3_093_527_980_800);
    let records: [Record; 2] = [event().into(), LlmEvent::new("u", "p", "g").into()];
    for record in records {
        let error = record.encode(&Properties::default(), beyond).err();
        assert_eq!(error.expect("no time").field(), "timestamp");
        let timed = match record {
            Record::Event(event) => event.timestamp(NOW).into(),
            Record::LlmEvent(event) => Record::from(event.timestamp(NOW)),
        };
        let encoded = timed.encode(&Properties::default(), beyond);
        assert!(encoded.is_ok(), "a record with its own time needs no clock");
    }
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

/// JSON values of every kind; floats only where the text of a number is exact.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Few keys, so that they meet.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "$text", "", "\"", "\\\"", "a\u{0}", "ключ"])
            .prop_map(String::from),
        any::<String>(),
    ]
}

#[derive(Debug, Clone)]
enum Setting {
    One(String, Value),
    Many(BTreeMap<String, Value>),
}

fn any_settings() -> impl Strategy<Value = Vec<Setting>> {
    let setting = prop_oneof![
        (any_key(), any_json()).prop_map(|(key, value)| Setting::One(key, value)),
        prop::collection::btree_map(any_key(), any_json(), 0..4).prop_map(Setting::Many),
    ];
    prop::collection::vec(setting, 0..8)
}

fn apply(settings: &[Setting], expected: &mut Map<String, Value>) {
    for setting in settings {
        match setting {
            Setting::One(key, value) => {
                expected.insert(key.clone(), value.clone());
            }
            Setting::Many(map) => expected.extend(map.clone()),
        }
    }
}

fn write(settings: &[Setting]) -> Properties {
    let mut properties = Properties::default();
    for setting in settings {
        match setting {
            Setting::One(key, value) => properties.insert(key, value).expect("valid"),
            Setting::Many(map) => properties.extend(map).expect("valid"),
        }
    }
    properties
}

proptest! {
    #[test]
    fn a_text_is_written_as_serde_json_writes_it(text in "([ -~]{0,40}[\\x00-\\x1f\"\\\\\\u{7f}-\\u{ffff}]{0,3}){0,4}") {
        let mut json = Vec::new();
        write_text(&mut json, &text);
        prop_assert_eq!(String::from_utf8(json).ok(), serde_json::to_string(&text).ok());
    }

    #[test]
    fn any_text_comes_back_as_it_was(user in ".+", name in ".+", text: String) {
        let value = json_of(Event::new(user.clone(), name.clone()).text(text.clone()));
        prop_assert_eq!(&value["user_id"], &user);
        prop_assert_eq!(&value["event"], &name);
        prop_assert_eq!(&value["properties"]["$text"], &text);
    }

    #[test]
    fn properties_are_those_of_a_map_filled_in_the_same_order(
        defaults in any_settings(),
        settings in any_settings(),
    ) {
        let mut expected = Map::new();
        apply(&defaults, &mut expected);
        apply(&settings, &mut expected);
        let mut event = event();
        for setting in &settings {
            event = match setting {
                Setting::One(key, value) => event.property(key, value),
                Setting::Many(map) => event.properties(map),
            };
        }
        let encoded = Record::from(event).encode(&write(&defaults), NOW).expect("valid");
        let text = std::str::from_utf8(&encoded.json).expect("UTF-8");
        let value: Value = serde_json::from_str(text).expect("JSON");
        let found = value.get("properties").cloned().unwrap_or_else(|| json!({}));
        prop_assert_eq!(&found, &Value::Object(expected.clone()));
        // No key is written twice: the text is as long as that of the map.
        let length = serde_json::to_string(&found).expect("JSON").len();
        if !expected.is_empty() {
            let start = text.find(",\"properties\":").expect("properties") + ",\"properties\":".len();
            prop_assert_eq!(text.len() - 1 - start, length);
        }
    }

    #[test]
    fn any_instant_is_written_in_24_bytes_and_parses_as_itself(milliseconds in -62_167_219_200_000_i64..253_402_300_800_000) {
        let instant = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(milliseconds);
        let value = json_of(event().timestamp(instant));
        let text = value["timestamp"].as_str().expect("a text");
        prop_assert_eq!(text.len(), 24);
        let parsed = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("RFC 3339");
        prop_assert_eq!(parsed, instant);
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

#[test]
fn what_is_usual_to_record_of_a_generation_has_the_name_that_dashboards_read() {
    let event = LlmEvent::new("user", "p", "g")
        .provider("openai")
        .input_tokens(u64::MAX)
        .output_tokens(0)
        .cost(0.0012)
        .finish_reason("stop")
        .time_to_first_token(Duration::from_millis(250))
        .error_type("timeout");
    assert_eq!(
        json_of(event)["properties"],
        json!({
            "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": u64::MAX,
            "gen_ai.usage.output_tokens": 0, "gen_ai.usage.cost": 0.0012,
            "gen_ai.response.finish_reasons": ["stop"], "gen_ai.response.time_to_first_chunk": 0.25,
            "error.type": "timeout"
        })
    );
    assert_eq!(
        error_of(LlmEvent::new("u", "p", "g").cost(f64::NAN)),
        "property `gen_ai.usage.cost` cannot be sent: NaN and infinities are not JSON numbers"
    );
}

proptest! {
    #[test]
    fn a_property_is_read_as_it_would_arrive_and_is_gone_when_it_is_removed(
        entries in proptest::collection::vec((".{0,3}", ".{0,6}"), 0..8),
        chosen in ".{0,3}",
    ) {
        let mut record = Record::from(event().property("nested", json!({"a": [1, "}"], "b": {}})));
        for (key, value) in &entries {
            record.set_property(key, value);
        }
        let keys = entries.iter().map(|(key, _)| key).chain([&chosen]);
        for key in keys {
            let arrives = json_of(record.clone());
            let expected = arrives["properties"].get(key).cloned();
            prop_assert_eq!(record.get_property(key), expected.clone());
            prop_assert_eq!(record.remove_property(key), expected);
            prop_assert_eq!(record.get_property(key), None);
        }
        let arrives = json_of(record);
        prop_assert_eq!(&arrives["properties"], &json!({"nested": {"a": [1, "}"], "b": {}}}));
    }
}
