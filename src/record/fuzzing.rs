//! The entry points of the targets `properties` and `records` in `fuzz/`.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use super::{EventError, Properties, Record};

/// Sets two properties to values, the second also as a whole object of properties, and returns the JSON of each: the
/// object with both, and the object of the whole.
///
/// # Errors
/// As those of the setters.
///
/// # Panics
/// If a value that cannot be written changes the properties.
pub fn write_properties(
    key: &str,
    value: &impl Serialize,
) -> (Result<Vec<u8>, EventError>, Result<Vec<u8>, EventError>) {
    let mut before = Properties::default();
    before.set("before", &1);
    let written = |result, properties: &Properties| match result {
        Ok(()) => Ok(object(properties)),
        Err(error) => {
            assert_eq!(properties.json(), before.json());
            Err(error)
        }
    };
    let mut one = before.clone();
    let result = one.insert(key, value);
    let one = written(result, &one);
    let mut whole = before.clone();
    let result = whole.extend(value);
    (one, written(result, &whole))
}

fn object(properties: &Properties) -> Vec<u8> {
    let mut json = Vec::new();
    properties.write_field(&Properties::default(), &mut json);
    let start = b",\"properties\":".len();
    json.split_off(start)
}

/// Reads a record from JSON, and from its own JSON again. Returns its own JSON.
///
/// # Panics
/// If the second record is another one, or a field has another value than in the JSON.
pub fn read_record(json: &str) -> Option<String> {
    let record = Record::from_json(json).ok()?;
    let encode = |record: &Record| {
        let encoded = record.encode(&Properties::default(), SystemTime::UNIX_EPOCH);
        let encoded = encoded.expect("a record that was read");
        String::from_utf8(encoded.json.into_vec()).expect("a text")
    };
    let own = encode(&record);
    let again = Record::from_json(&own).expect("its own JSON");
    assert_eq!(encode(&again), own);
    if let Ok(value) = serde_json::from_str::<Value>(json) {
        assert_eq!(value["user_id"], record.get_user_id());
        let written: Value = serde_json::from_str(&own).expect("JSON that was read");
        let is_same = |field: &str| value[field] == written[field];
        for field in ["event", "prompt", "generation", "thread_id", "assistant_id"] {
            assert!(is_same(field), "{field}: {own}");
        }
        let properties = value["properties"].as_object().into_iter().flatten();
        for (key, value) in properties {
            assert_eq!(record.get_property(key).as_ref(), Some(value), "{key}");
            assert_eq!(&written["properties"][key], value, "{key}");
        }
    }
    Some(own)
}
