//! Whatever a `Serialize` does, a property is JSON that `serde_json` would write, or an error.
//!
//! The crate differs from `serde_json` on purpose:
//! - NaN and infinities are errors; `serde_json` writes `null`.
//! - A list or an object that is left half-written is an error; `serde_json` writes text that is not JSON.
//! - A wrong length of 0 changes nothing; `serde_json` closes the list or object at once.
//! - Of equal keys of one object, the last one is written; `serde_json` writes all.
#![no_main]

mod shape;
mod unique;

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use self::{
    shape::{Facts, Shape},
    unique::has_unique_keys,
};

fuzz_target!(|input: (String, Shape)| {
    let (key, shape) = input;
    let facts = Facts::of(&shape);
    if facts.depth > 100 {
        return;
    }
    let (one, whole) = trubrics::fuzzing::write_properties(&key, &shape);
    let expected = serde_json::to_string(&shape).map_err(|error| error.to_string());
    for written in [&one, &whole].into_iter().flatten() {
        let text = std::str::from_utf8(written).expect("a text");
        assert!(is_json(text), "{text}");
        assert_ne!(has_unique_keys(text), Some(false), "{text}");
    }
    let Ok(expected) = expected else {
        assert!(one.is_err() && whole.is_err(), "{expected:?}");
        return;
    };
    if facts.has_nan {
        assert!(one.is_err() && whole.is_err(), "{expected}");
        return;
    }
    if facts.has_zero_length || !is_json(&expected) {
        return;
    }
    assert!(one.is_ok() || facts.is_careless, "{expected}: {one:?}");
    if let Ok(one) = one {
        check_one(&one, &key, &expected);
    }
    check_whole(whole.ok().as_deref(), &expected, facts.is_careless);
});

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The property is written as `serde_json` does, to the byte if no key repeats.
fn check_one(written: &[u8], key: &str, expected: &str) {
    let object = format!("{{\"before\":1,{}:{expected}}}", json!(key));
    if has_unique_keys(&object) == Some(true) {
        assert_eq!(std::str::from_utf8(written), Ok(object.as_str()));
    } else if let Ok(expected) = serde_json::from_str::<Value>(&object) {
        assert_eq!(serde_json::from_slice::<Value>(written).ok(), Some(expected));
    }
}

/// An object of properties is added to those before, `null` adds nothing, and anything else is an error.
fn check_whole(written: Option<&[u8]>, expected: &str, is_careless: bool) {
    let added = match serde_json::from_str::<Value>(expected) {
        Ok(Value::Object(added)) => added,
        Ok(Value::Null) => Map::new(),
        Ok(_) => return assert!(written.is_none(), "{expected}"),
        // JSON that cannot be read, such as a number beyond the range.
        Err(_) => return,
    };
    let Some(written) = written else {
        return assert!(is_careless, "{expected}");
    };
    let mut all = Map::new();
    all.insert("before".into(), 1.into());
    all.extend(added);
    let written: Value = serde_json::from_slice(written).expect("JSON that can be read");
    assert_eq!(written, Value::Object(all));
}
