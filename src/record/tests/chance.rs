//! The same for whatever proptest comes up with.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Map;
use time::OffsetDateTime;

use super::*;

/// JSON values of every kind; floats only where the text of a number is exact.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
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

#[test]
fn one_special_byte_is_escaped_wherever_it_is() {
    let specials = (0..=0x20_u8).chain(*b"\"\\\x7f").map(char::from);
    for (special, length) in
        specials.flat_map(|special| [1, 7, 8, 9, 15, 16, 17, 33].map(|length| (special, length)))
    {
        for (place, filler) in
            (0..length).flat_map(|place| "aw~|@".chars().map(move |char| (place, char)))
        {
            let text: String = (0..length)
                .map(|at| if at == place { special } else { filler })
                .collect();
            let mut json = Vec::new();
            write_text(&mut json, &text);
            assert_eq!(
                String::from_utf8(json).ok(),
                serde_json::to_string(&text).ok()
            );
        }
    }
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
