//! What may be a property, and which of several of one key is sent.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::*;

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
fn a_property_that_is_set_again_and_again_does_not_let_the_record_grow() {
    let mut properties = Properties::default();
    properties.set("other", &"x");
    for chunk in 0..100_000 {
        properties.set("chunk", &chunk);
        assert!(properties.length() < 10_000);
    }
    assert_eq!(properties.value("chunk"), Some(json!(99_999)));
    assert_eq!(properties.value("other"), Some(json!("x")));
}

#[test]
fn a_value_that_cannot_be_written_leaves_the_earlier_one() {
    let mut properties = Properties::default();
    properties.set("a", &1);
    assert!(properties.insert("a", &f64::NAN).is_err());
    assert_eq!(properties.value("a"), Some(json!(1)));
}

#[test]
fn empty_properties_are_left_out() {
    #[derive(Serialize)]
    struct Unit;
    let events = [
        event().properties(json!({})),
        event().properties(json!(null)),
        event().properties(None::<serde_json::Map<String, Value>>),
        event().properties(()),
        event().properties(Unit),
    ];
    for event in events {
        assert_eq!(json_of(event.clone()).get("properties"), None);
        let more = event.property("a", 1).properties(());
        assert_eq!(json_of(more)["properties"], json!({"a": 1}));
    }
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

/// Entries that a `Serialize` writes as they are, equal keys included.
struct Entries(Vec<(&'static str, Value)>);

impl Serialize for Entries {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[track_caller]
fn text_of(event: Event) -> String {
    let encoded = encode(event).expect("valid");
    let text = String::from_utf8(encoded.json.into_vec()).expect("UTF-8");
    let start = text.find("\"properties\":").expect("properties");
    text[start + "\"properties\":".len()..text.len() - 1].to_owned()
}

#[test]
fn of_equal_keys_in_one_object_the_last_one_is_sent() {
    #[derive(Serialize)]
    struct Flat {
        plan: u8,
        #[serde(flatten)]
        rest: BTreeMap<&'static str, u8>,
    }
    let twice = || Entries(vec![("a", 1.into()), ("b", 2.into()), ("a", 3.into())]);
    let flat = || Flat {
        plan: 1,
        rest: BTreeMap::from([("plan", 2)]),
    };
    let once = r#"{"b":2,"a":3}"#;
    assert_eq!(text_of(event().properties(twice())), once);
    assert_eq!(text_of(event().properties(flat())), r#"{"plan":2}"#);
    let nested = event().property("x", twice()).property("y", [flat()]);
    assert_eq!(
        text_of(nested),
        format!(r#"{{"x":{once},"y":[{{"plan":2}}]}}"#)
    );
    let deep = event().properties(BTreeMap::from([("x", [twice()])]));
    assert_eq!(text_of(deep), format!(r#"{{"x":[{once}]}}"#));
    let around = event().property("b", 0).properties(twice());
    assert_eq!(text_of(around.property("c", 4)), r#"{"b":2,"a":3,"c":4}"#);
}

#[test]
fn of_equal_keys_in_raw_json_the_last_one_is_sent() {
    let raw = |json: &str| RawValue::from_string(json.into()).expect("JSON");
    let twice = || raw(r#"{ "a" : {"b":1,"b":2} , "c":3, "\u0061":{"b":4,"b":5} }"#);
    let once = r#""c":3, "\u0061":{"b":5}"#;
    assert_eq!(text_of(event().properties(twice())), format!("{{{once}}}"));
    let nested = event().property("x", [twice()]).property("y", 1);
    assert_eq!(text_of(nested), format!(r#"{{"x":[{{ {once} }}],"y":1}}"#));
    let around = event().property("a", 1).properties(raw(r#"{"\u0061":2}"#));
    assert_eq!(text_of(around), r#"{"\u0061":2}"#);
}
