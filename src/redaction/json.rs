//! Redacts the texts in JSON, and the values of some keys, without parsing it: only parts that change are written anew.

use std::{borrow::Cow, ops::Range};

use super::{
    REDACTED, Redaction,
    keys::{is_last_of, normal},
};
use crate::record::{end_of_text, write_text};

/// What is redacted of properties.
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
