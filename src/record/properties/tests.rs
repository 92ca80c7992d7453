use serde_json::{json, value::RawValue};

use super::*;

/// JSON that can be written and sent, but not be read as a [`Value`].
fn unreadable() -> Vec<String> {
    let nested = |levels| format!("{}\"SECRET\"{}", "[".repeat(levels), "]".repeat(levels));
    vec![
        "1e999".into(),
        r#"[1e999,"SECRET"]"#.into(),
        r#""\ud800SECRET""#.into(),
        r#"{"a" : {"\udfff" : "SECRET"}}"#.into(),
        nested(128),
        nested(10_000),
    ]
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("JSON")
}

fn of_object(json: &str) -> Properties {
    let mut properties = Properties::default();
    properties.extend(&raw(json)).expect("an object");
    properties
}

#[track_caller]
fn written(properties: &Properties, defaults: &Properties) -> String {
    let mut json = Vec::new();
    properties.write_field(defaults, &mut json);
    String::from_utf8(json).expect("UTF-8")
}

#[test]
fn a_value_that_cannot_be_read_is_the_text_of_its_json_and_is_removed_like_any_other() {
    for json in unreadable() {
        let text = Some(Value::String(json.clone()));
        let mut set = Properties::default();
        set.set("a", &1);
        set.set("b", &raw(&json));
        let object = of_object(&format!("{{\"a\":1 ,\n \"b\" : {json} }}"));
        for mut properties in [set, object] {
            assert_eq!(properties.value("b"), text);
            assert_eq!(properties.remove("b"), text);
            assert_eq!(properties.value("b"), None);
            assert_eq!(properties.value("a"), Some(json!(1)));
            assert!(!written(&properties, &Properties::default()).contains("SECRET"));
        }
    }
}

#[test]
fn an_object_is_read_whatever_blanks_and_escapes_it_is_written_with() {
    let object = "{\n\t\"a:b\" : \"x\" ,\r\n \"c\"\t:\n[1 , {\"d\" : 2}] , \"\\u0024text\" :3 }";
    let mut properties = of_object(object);
    assert_eq!(properties.value("a:b"), Some(json!("x")));
    assert_eq!(properties.value("c"), Some(json!([1, {"d": 2}])));
    assert_eq!(properties.value("d"), None);
    assert_eq!(properties.value(r"\u0024text"), None);
    assert_eq!(properties.remove("$text"), Some(json!(3)));
    assert_eq!(properties.remove("a:b"), Some(json!("x")));
    assert_eq!(properties.remove("c"), Some(json!([1, {"d": 2}])));
    assert_eq!(written(&properties, &Properties::default()), "");
}

#[test]
fn keys_that_share_a_bit_are_looked_into_and_nothing_is_lost() {
    let many: Vec<_> = (0..300).map(|number| format!("k{number}")).collect();
    let mut properties = Properties::default();
    for key in &many {
        properties.set(key, &1);
    }
    let field = written(&properties, &of_object(r#"{"k7":0,"d":2}"#));
    let object = field.strip_prefix(",\"properties\":").expect("a field");
    let json: Value = serde_json::from_str(object).expect("JSON");
    assert_eq!(json.as_object().map(|map| map.len()), Some(301));
    assert_eq!((&json["k7"], &json["d"]), (&json!(1), &json!(2)));
}

#[test]
fn what_is_removed_no_longer_counts_as_a_key() {
    let mut properties = of_object(r#"{"a":1,"b":2}"#);
    properties.set("a", &3);
    assert!(properties.keys.may_repeat);
    assert_eq!(properties.remove("a"), Some(json!(3)));
    assert!(!properties.keys.may_repeat);
    properties.set("a", &4);
    assert!(!properties.keys.may_repeat);
    assert_eq!(
        written(&properties, &Properties::default()),
        r#","properties":{"b":2,"a":4}"#
    );
    // A key is found by what it means, whatever its spelling: also after another one is gone.
    let mut properties = of_object(r#"{"\u0024text":1,"b":2}"#);
    properties.remove("b");
    assert_eq!(properties.remove("$text"), Some(json!(1)));
}

#[test]
fn repeated_keys_of_a_value_go_wherever_it_is() {
    let mut properties = Properties::default();
    let value = raw(r#"{"x":1,"x":2}"#);
    for key in ["a", "b"] {
        properties.insert(key, &value).expect("valid");
    }
    assert_eq!(properties.json(), br#""a":{"x":2},"b":{"x":2}"#);
}

#[test]
fn an_own_property_replaces_the_default_of_its_key() {
    let of = |json| of_object(json);
    let both = written(&of(r#"{"a":1}"#), &of(r#"{"a":2}"#));
    assert_eq!(both, r#","properties":{"a":1}"#);
    let both = written(&of(r#"{"a":1}"#), &of(r#"{"b":2}"#));
    assert_eq!(both, r#","properties":{"b":2,"a":1}"#);
    assert_eq!(written(&of("{}"), &of("{}")), "");
}

#[test]
fn a_guess_of_a_key_knows_the_keys_that_are_set() {
    let mut properties = Properties::default();
    properties.insert("a", &1).expect("valid");
    assert!(properties.may_have(Properties::bits_of(["a"])));
    assert!(properties.may_have(Properties::bits_of(["a", "a"])));
    assert!(properties.may_have(Properties::bits_of(["b", "a"])));
    assert!(!properties.may_have(Properties::bits_of(["b"])));
}

#[test]
fn a_value_that_is_json_is_set_like_any_other() {
    let mut properties = of_object("{}");
    properties.set_json("a", br#"{"x":1,"x":2}"#);
    assert_eq!(properties.json(), br#""a":{"x":2}"#);
    properties.set_json("b", b"1");
    properties.set_json("a", b"3");
    assert_eq!(properties.json(), br#""b":1,"a":3"#);
    assert_eq!(properties.value("a"), Some(json!(3)));
    properties.set_values(br#""b":2,"a":4"#.to_vec());
    assert_eq!(properties.value("b"), Some(json!(2)));
}

#[test]
fn each_kind_of_json_has_a_name() {
    let kinds = ["{}", "[]", "\"\"", "true", "false", "null", "-1", "1"];
    let names = kinds.map(|json| json_kind(json.as_bytes()[0]));
    let expected = [
        "an object",
        "a list",
        "a text",
        "a boolean",
        "a boolean",
        "null",
        "a number",
        "a number",
    ];
    assert_eq!(names, expected);
}
