//! Records that cannot be sent, and what their errors say.

use std::collections::HashMap;

use serde::Serialize;
use time::{Date, UtcOffset};

use super::*;

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
