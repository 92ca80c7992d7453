//! Redacts the texts in JSON, and the values of some keys, without parsing it: only parts that change are written anew.

use std::{borrow::Cow, ops::Range};

use super::{
    REDACTED, Redaction,
    keys::{is_last_of, normal},
};
use crate::record::{end_of_text, write_text};

/// The redaction of properties: of their texts, and of all values of some keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct PropertyRedaction {
    texts: Redaction,
    /// As [`normal`] gives them.
    keys: Vec<String>,
}

impl PropertyRedaction {
    pub(crate) fn set_texts(&mut self, texts: Redaction) {
        self.texts = texts;
    }

    pub(crate) fn add_keys(&mut self, keys: impl IntoIterator<Item = impl AsRef<str>>) {
        let keys = keys.into_iter().map(|key| normal(key.as_ref()));
        self.keys.extend(keys.filter(|key| !key.is_empty()));
    }

    /// Whether nothing is redacted.
    pub(crate) fn is_off(&self) -> bool {
        self.texts.is_off() && self.keys.is_empty()
    }

    /// Redacts a part of valid JSON: a value, or the inside of an object. None if nothing changes.
    pub(crate) fn apply(&self, json: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut kept = 0;
        let mut at = 0;
        while let Some(next) = json[at..].iter().position(|byte| *byte == b'"') {
            let text = at + next..end_of_text(json, at + next);
            at = text.end;
            let (part, replacement) = match value_after_key(json, text.end) {
                None => match self.redacted(&json[text.clone()]) {
                    Some(replacement) => (text, replacement),
                    None => continue,
                },
                Some(value) if self.is_secret(&json[text.clone()]) => {
                    let value = value..value_end(json, value);
                    (value, REDACTED.to_owned())
                }
                Some(_) => continue,
            };
            at = part.end;
            out.extend_from_slice(&json[kept..part.start]);
            write_text(&mut out, &replacement);
            kept = part.end;
        }
        if kept == 0 {
            return None;
        }
        out.extend_from_slice(&json[kept..]);
        Some(out)
    }

    /// The redacted text; none if it does not change. A text that cannot be read is hidden.
    fn redacted(&self, json: &[u8]) -> Option<String> {
        if self.texts.is_off() {
            return None;
        }
        match read_text(json) {
            None => Some(REDACTED.to_owned()),
            Some(text) => match self.texts.apply(&text) {
                Cow::Borrowed(_) => None,
                Cow::Owned(redacted) => Some(redacted),
            },
        }
    }

    /// Whether the values of this key are hidden, as those of a key that cannot be read.
    fn is_secret(&self, json: &[u8]) -> bool {
        !self.keys.is_empty()
            && read_text(json).is_none_or(|name| {
                let mut keys = self.keys.iter();
                keys.any(|key| is_last_of(&name, key))
            })
    }
}

/// The text without its quotes and escapes; none if it has an escape for half a character.
fn read_text(json: &[u8]) -> Option<Cow<'_, str>> {
    if json.contains(&b'\\') {
        return serde_json::from_slice(json).ok().map(Cow::Owned);
    }
    let inside = json
        .get(1..json.len().saturating_sub(1))
        .unwrap_or_default();
    std::str::from_utf8(inside).ok().map(Cow::Borrowed)
}

/// The position of the value, if the text that ends here is a key.
fn value_after_key(json: &[u8], text_end: usize) -> Option<usize> {
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let colon = json[text_end..].iter().position(|byte| !blank(byte))? + text_end;
    if json[colon] != b':' {
        return None;
    }
    let value = json[colon + 1..].iter().position(|byte| !blank(byte))?;
    Some(colon + 1 + value)
}

/// The end of the value that begins here, without blanks after it.
fn value_end(json: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < json.len() {
        match json[at] {
            b'"' => {
                at = end_of_text(json, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => break,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    let Range { start, end } = start..at;
    start + json[start..end].trim_ascii_end().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn all() -> PropertyRedaction {
        let mut redaction = PropertyRedaction::default();
        redaction.set_texts(Redaction::all());
        redaction.add_keys(["Pass-Word", "iban", "", "-"]);
        redaction
    }

    #[track_caller]
    fn assert_redacts(json: &str, expected: &str) {
        let redacted = all().apply(json.as_bytes());
        let redacted = redacted.map_or(json.into(), |json| String::from_utf8(json).expect("UTF-8"));
        assert_eq!(redacted, expected);
    }

    #[test]
    fn texts_and_the_values_of_keys_are_redacted_at_any_depth() {
        assert_redacts("", "");
        assert_redacts(
            r#""a":"b","c":[1,null,true]"#,
            r#""a":"b","c":[1,null,true]"#,
        );
        assert_redacts(r#""a":"x@y.zz","b":"c""#, r#""a":"[email]","b":"c""#);
        assert_redacts(r#""a":[{"b":["x@y.zz"]}]"#, r#""a":[{"b":["[email]"]}]"#);
        assert_redacts(
            r#""password":"x","b":1"#,
            r#""password":"[redacted]","b":1"#,
        );
        assert_redacts(
            r#"{"a":{"userPassword":{"b":["}",2]},"IBAN":-1.5e3,"c":"d"}}"#,
            r#"{"a":{"userPassword":"[redacted]","IBAN":"[redacted]","c":"d"}}"#,
        );
        assert_redacts(
            r#""iban":[],"iban":{},"iban":null"#,
            &[r#""iban":"[redacted]""#; 3].join(","),
        );
        assert_redacts(r#""x@y.zz":1"#, r#""x@y.zz":1"#);
    }

    #[test]
    fn blanks_and_escapes_hide_nothing() {
        assert_redacts(
            "\n{ \"iban\" : 12 , \"b\"\t:\"x@y.zz\" }",
            "\n{ \"iban\" : \"[redacted]\" , \"b\"\t:\"[email]\" }",
        );
        assert_redacts(r#""iban": 12"#, r#""iban": "[redacted]""#);
        assert_redacts(r#""\u0069ban":1"#, r#""\u0069ban":"[redacted]""#);
        assert_redacts(r#""a":"x\u0040y.zz\n""#, r#""a":"[email]\n""#);
        assert_redacts(r#""a":"\"x@y.zz\"\\""#, r#""a":"\"[email]\"\\""#);
        // Half a character cannot be read, so it is not known what the text says.
        assert_redacts(r#""a":"\ud800x@y.zz""#, r#""a":"[redacted]""#);
        assert_redacts(r#""\ud800iban":1"#, r#""\ud800iban":"[redacted]""#);
    }

    #[test]
    fn nothing_is_written_if_nothing_changes() {
        assert!(all().apply(br#""a":"b""#).is_none());
        assert!(
            PropertyRedaction::default()
                .apply(br#""password":"x@y.zz""#)
                .is_none()
        );
        assert!(PropertyRedaction::default().is_off());
        let (mut texts, mut keys) = (PropertyRedaction::default(), PropertyRedaction::default());
        texts.set_texts(Redaction::all());
        keys.add_keys(["iban"]);
        assert!(!texts.is_off() && !keys.is_off() && !all().is_off());
    }

    #[test]
    fn ten_thousand_levels_are_walked_through() {
        let levels = 10_000;
        let nested = |inside: &str| format!("{}{inside}{}", "[".repeat(levels), "]".repeat(levels));
        assert_redacts(&nested(r#""x@y.zz""#), &nested(r#""[email]""#));
        assert_redacts(
            &format!(r#""iban":{}"#, nested("1")),
            r#""iban":"[redacted]""#,
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            Just("x@y.zz \"password\": \"a\\\"b\"".to_owned()),
            Just("iban".to_owned()),
            Just("myPassword".to_owned()),
        ];
        let leaf = prop_oneof![
            text.clone().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(text.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The same, over a parsed value.
    fn redact(value: Value) -> Value {
        match value {
            Value::String(text) => Redaction::all().apply(&text).into(),
            Value::Array(values) => values.into_iter().map(redact).collect(),
            Value::Object(map) => {
                let entry = |(key, value): (String, Value)| match ["password", "iban"]
                    .iter()
                    .any(|secret| is_last_of(&key, secret))
                {
                    true => (key, json!(REDACTED)),
                    false => (key, redact(value)),
                };
                Value::Object(map.into_iter().map(entry).collect())
            }
            other => other,
        }
    }

    proptest! {
        #[test]
        fn json_is_redacted_as_its_value_would_be(value in value(), is_pretty: bool) {
            let json = if is_pretty {
                serde_json::to_vec_pretty(&value).expect("JSON")
            } else {
                serde_json::to_vec(&value).expect("JSON")
            };
            let redacted = all().apply(&json).unwrap_or(json);
            let redacted: Value = serde_json::from_slice(&redacted).expect("JSON");
            prop_assert_eq!(redacted, redact(value));
        }
    }
}
