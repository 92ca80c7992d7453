//! What user code may do with records: compare them, and hold them across threads and caught panics.

use std::panic::{RefUnwindSafe, UnwindSafe};

use serde_json::value::RawValue;

use super::*;

#[test]
fn records_are_equal_if_what_they_hold_is_equal() {
    let event = || event().property("a", 1).property("b", json!({"c": [2]}));
    let other_order = super::event().properties(json!({"b": {"c": [2]}, "a": 0}));
    assert_eq!(event(), event());
    assert_eq!(event(), other_order.property("a", 1));
    assert_ne!(event(), event().property("a", 2));
    assert_ne!(event(), event().text("t"));
    assert_ne!(event(), event().timestamp(NOW));
    assert_eq!(Record::from(event()), Record::from(event()));

    let llm_event = || LlmEvent::new("u", "p", "g").thread_id("t");
    assert_eq!(llm_event(), llm_event());
    assert_ne!(llm_event(), llm_event().thread_id(None));
    assert_ne!(llm_event(), llm_event().cost(Cost::usd(0.5)));
    assert_ne!(Record::from(llm_event()), Record::from(event()));
}

#[test]
fn values_that_cannot_be_read_are_compared_by_their_text() {
    let raw = |json: &str| RawValue::from_string(json.into()).expect("JSON");
    let with = |json| event().property("a", 1).property("x", raw(json));
    assert_eq!(
        with("1e999"),
        event().property("x", raw("1e999")).property("a", 1)
    );
    assert_ne!(with("1e999"), with("2e999"));
}

#[test]
fn an_invalid_record_is_not_equal_to_a_valid_one() {
    let invalid = || event().property("a", f64::NAN);
    assert_eq!(invalid(), invalid());
    assert_ne!(invalid(), event());
    assert_ne!(invalid(), event().property("b", f64::NAN));
}

#[test]
fn records_and_what_makes_them_go_anywhere() {
    fn goes_anywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    goes_anywhere::<Event>();
    goes_anywhere::<LlmEvent>();
    goes_anywhere::<Record>();
    goes_anywhere::<EventError>();
    goes_anywhere::<Usage>();
    goes_anywhere::<Cost>();
    goes_anywhere::<crate::AnonymousId>();
    goes_anywhere::<crate::ParseIdError>();
    goes_anywhere::<crate::Content>();
    goes_anywhere::<crate::Redaction>();
    goes_anywhere::<crate::Scope>();
    goes_anywhere::<crate::ServerSentEvents<std::io::Empty>>();
    goes_anywhere::<crate::LlmCall>();
    goes_anywhere::<crate::Step>();
    goes_anywhere::<crate::LlmStream<std::vec::IntoIter<String>>>();
    goes_anywhere::<crate::LlmTryStream<std::vec::IntoIter<Result<String, String>>>>();
    goes_anywhere::<crate::ClientGuard>();
    goes_anywhere::<crate::InitError>();
}

#[test]
fn both_kinds_of_records_have_properties_and_know_their_hook() {
    let (one, other) = (NonZeroU32::MIN, NonZeroU32::MAX);
    let llm_event = LlmEvent::new("u", "p", "g").property("a", 1);
    for mut record in [event().property("a", 1).into(), llm_event.into()] {
        let record: &mut Record = &mut record;
        assert_eq!(record.properties().value_json("a"), Some(&b"1"[..]));
        assert_eq!(record.properties_mut().remove("a"), Some(json!(1)));
        assert_eq!(record.properties().value_json("a"), None);
        assert!(!record.is_hooked_by(one));
        record.set_hooked_by(one);
        assert!(record.is_hooked_by(one) && !record.is_hooked_by(other));
    }
}

#[test]
fn a_text_that_is_not_json_has_the_error_of_the_parser_as_its_cause() {
    let error = Record::from_json("{").expect_err("not JSON");
    let cause = std::error::Error::source(&error).expect("a cause");
    assert!(cause.is::<serde_json::Error>(), "{cause}");
}
