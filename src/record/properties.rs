//! The properties of a record: written as JSON when a property is set, and parsed again only if a key repeats.

mod entries;

use std::{cell::Cell, collections::HashMap, mem};

use serde::Serialize;
use serde_json::Value;

pub(super) use self::entries::split_entries;
use self::entries::{Entry, is_key, retain, without_quotes};
use super::{
    EventError,
    keys::key_bit,
    repeated_keys::remove_repeated_keys,
    strict::{WriteError, Written, write_value},
    text::write_text,
};
use crate::catch_panic::catch_panic;

/// Properties as they go on the wire, without the braces, and the first error in building their record.
#[derive(Clone, Default)]
pub(crate) struct Properties {
    /// Entries `"key":value`, joined by commas.
    json: Vec<u8>,
    keys: Keys,
    error: Option<Box<EventError>>,
}

/// The keys that may be set: a cheap guess, which saves most calls a look into the entries.
#[derive(Clone, Copy, Default)]
struct Keys {
    /// A bit for each key, by [`key_bit`].
    bits: u128,
    /// Two keys share a bit, and may be equal.
    may_repeat: bool,
    /// Entries of equal keys are removed once all entries have more bytes than this.
    compact_at: usize,
}

/// The bits of keys that were not looked at, or that have escapes.
const ANY_KEY: u128 = u128::MAX;

impl Keys {
    fn of(entries: &[u8]) -> Self {
        let mut keys = Self {
            compact_at: 2 * entries.len(),
            ..Self::default()
        };
        for entry in split_entries(entries) {
            let key = &entries[entry.key];
            let is_plain = !key.contains(&b'\\');
            keys.note(if is_plain {
                key_bit(without_quotes(key))
            } else {
                ANY_KEY
            });
        }
        keys
    }

    fn note(&mut self, bits: u128) {
        self.may_repeat |= self.bits & bits != 0;
        self.bits |= bits;
    }
}

/// Room for a few short properties, so that most events allocate once.
const FIRST_CAPACITY: usize = 128;

/// Fewer bytes are not worth a look for entries of equal keys.
const FIRST_COMPACTED: usize = 4096;

/// A buffer that grew beyond this is not kept for the next event.
const MAX_KEPT_CAPACITY: usize = 4096;

thread_local! {
    /// The buffer of properties that were dropped, for the next ones: most events are built and tracked one after the
    /// other on one thread.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Drop for Properties {
    fn drop(&mut self) {
        if (1..=MAX_KEPT_CAPACITY).contains(&self.json.capacity()) {
            self.json.clear();
            // A thread that is ending does not keep a buffer.
            let _ = SPARE.try_with(|spare| spare.set(mem::take(&mut self.json)));
        }
    }
}

/// Equal if equal objects are sent, or the errors have equal texts.
impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        let error = |properties: &Self| properties.error.as_ref().map(ToString::to_string);
        let is_same = self.json == other.json || self.entries() == other.entries();
        is_same && error(self) == error(other)
    }
}

impl Properties {
    /// Those of valid JSON, which stays as it is: the inside of an object, without blanks around it.
    pub(super) fn from_entries(entries: &str) -> Self {
        let mut json = entries.as_bytes().to_vec();
        remove_repeated_keys(&mut json, 0);
        Self {
            keys: Keys::of(&json),
            json,
            error: None,
        }
    }

    /// Appends one entry, or remembers the error.
    pub(crate) fn set(&mut self, key: &str, value: &impl Serialize) {
        let result = self.insert(key, value);
        self.remember(result);
    }

    /// Appends the entries of an object, or remembers the error.
    pub(crate) fn set_all(&mut self, properties: &impl Serialize) {
        let result = self.extend(properties);
        self.remember(result);
    }

    /// Keeps the first error, which is the one to report.
    pub(crate) fn remember(&mut self, result: Result<(), EventError>) {
        if let Err(error) = result {
            self.error.get_or_insert_with(|| Box::new(error));
        }
    }

    /// Fails with the first error.
    pub(crate) fn check(&self) -> Result<(), EventError> {
        self.error.as_deref().cloned().map_or(Ok(()), Err)
    }

    /// Appends one entry. If the value cannot be written, nothing changes.
    pub(crate) fn insert(&mut self, key: &str, value: &impl Serialize) -> Result<(), EventError> {
        let entry = |json: &mut Vec<u8>| {
            write_text(json, key);
            json.push(b':');
            write_value(json, value)
        };
        let start = self.json.len();
        let written = self.append(entry, || format!("property `{key}`"))?;
        if written.may_repeat {
            let entry = start + usize::from(start > 0);
            remove_repeated_keys(&mut self.json, entry);
        }
        self.keys.note(key_bit(key.as_bytes()));
        if self.keys.may_repeat && self.json.len() > self.keys.compact_at.max(FIRST_COMPACTED) {
            self.compact();
        }
        Ok(())
    }

    /// Removes earlier entries of equal keys: a key that is set with each chunk of a stream must not let the record
    /// grow.
    #[cold]
    fn compact(&mut self) {
        remove_repeated_keys(&mut self.json, 0);
        self.keys = Keys::of(&self.json);
    }

    /// Appends the entries of what must be a JSON object, or nothing for `null`.
    pub(crate) fn extend(&mut self, properties: &impl Serialize) -> Result<(), EventError> {
        let start = self.json.len();
        let written = self.append(|json| write_value(json, properties), || "properties".into())?;

        let object = start + usize::from(start > 0);
        let text = self.json[object..].trim_ascii();
        if text == b"null" {
            self.json.truncate(start);
            return Ok(());
        }
        let Some(entries) = text
            .strip_prefix(b"{")
            .and_then(|text| text.strip_suffix(b"}"))
        else {
            let kind = json_kind(text.first().copied().unwrap_or_default());
            let problem = format!("are {kind}: a map or a struct with named fields is needed");
            self.json.truncate(start);
            return Err(EventError::new("properties", problem));
        };
        // A raw value is written as it was read, with its blanks.
        let entries = entries.trim_ascii();
        if entries.is_empty() {
            self.json.truncate(start);
            return Ok(());
        }
        let from = self.json[object..]
            .iter()
            .position(|byte| !byte.is_ascii_whitespace() && *byte != b'{');
        let from = object + from.unwrap_or_default();
        let length = entries.len();
        self.json.copy_within(from..from + length, object);
        self.json.truncate(object + length);
        if written.may_repeat {
            remove_repeated_keys(&mut self.json, object);
        }
        self.keys.note(ANY_KEY);
        Ok(())
    }

    /// The value of a key, as [`read_value`] reads it.
    pub(crate) fn value(&self, key: &str) -> Option<Value> {
        self.value_json(key).map(read_value)
    }

    /// The JSON of a key's value.
    pub(crate) fn value_json(&self, key: &str) -> Option<&[u8]> {
        if !self.may_have(Self::bits_of([key])) {
            return None;
        }
        let entry = split_entries(&self.json)
            .filter(|entry| is_key(&self.json[entry.key.clone()], key))
            .last()?;
        Some(&self.json[entry.value])
    }

    /// The bits of these keys, for [`may_have`](Self::may_have).
    pub(crate) fn bits_of<'k>(keys: impl IntoIterator<Item = &'k str>) -> u128 {
        let bits = keys.into_iter().map(|key| key_bit(key.as_bytes()));
        bits.fold(0, |all, bit| all | bit)
    }

    /// Whether one of the keys may be set: a cheap guess.
    pub(crate) fn may_have(&self, bits: u128) -> bool {
        self.keys.bits & bits != 0
    }

    /// All entries, `"key":value`, joined by commas.
    pub(crate) fn json(&self) -> &[u8] {
        &self.json
    }

    /// Sets a key to a value that is JSON.
    pub(crate) fn set_json(&mut self, key: &str, value: &[u8]) {
        self.remove(key);
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        let entry = self.json.len();
        write_text(&mut self.json, key);
        self.json.push(b':');
        self.json.extend_from_slice(value);
        remove_repeated_keys(&mut self.json, entry);
        self.keys.note(key_bit(key.as_bytes()));
    }

    /// Replaces the entries by others of the same keys.
    pub(crate) fn set_values(&mut self, json: Vec<u8>) {
        self.json = json;
    }

    /// The value of each key. Of equal keys, the last one counts.
    fn entries(&self) -> HashMap<String, Value> {
        let text = |json: &[u8]| String::from_utf8_lossy(json).into_owned();
        let read = |entry: Entry| {
            let key = &self.json[entry.key];
            let key = serde_json::from_slice(key).unwrap_or_else(|_| text(key));
            (key, read_value(&self.json[entry.value]))
        };
        split_entries(&self.json).map(read).collect()
    }

    /// Removes a key, however often it was set, and returns its value.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Value> {
        let value = self.value(key)?;
        self.json = retain(&self.json, |entry| {
            !is_key(&self.json[entry.key.clone()], key)
        });
        self.keys = Keys::of(&self.json);
        Some(value)
    }

    pub(super) fn length(&self) -> usize {
        self.json.len()
    }

    /// Appends `,"properties":{..}`: the defaults, and these, which replace defaults of the same keys. Appends nothing
    /// if there are neither.
    pub(super) fn write_field(&self, defaults: &Self, json: &mut Vec<u8>) {
        if self.json.is_empty() && defaults.json.is_empty() {
            return;
        }
        json.extend_from_slice(b",\"properties\":{");
        let start = json.len();
        json.extend_from_slice(&defaults.json);
        if !defaults.json.is_empty() && !self.json.is_empty() {
            json.push(b',');
        }
        json.extend_from_slice(&self.json);
        let may_repeat = self.keys.may_repeat || defaults.keys.may_repeat;
        let may_meet = self.keys.bits & defaults.keys.bits != 0;
        if (may_repeat || may_meet) && Keys::of(&json[start..]).may_repeat {
            remove_repeated_keys(json, start);
        }
        json.push(b'}');
    }

    /// Runs the caller's own `Serialize`. After a failure or a panic, a half-written entry is removed.
    fn append(
        &mut self,
        entry: impl FnOnce(&mut Vec<u8>) -> Result<Written, WriteError>,
        name: impl Fn() -> String,
    ) -> Result<Written, EventError> {
        let start = self.json.len();
        if start == 0 {
            if self.json.capacity() == 0 {
                self.json = SPARE.try_with(Cell::take).unwrap_or_default();
            }
            self.json.reserve(FIRST_CAPACITY);
        } else {
            self.json.push(b',');
        }
        let json = &mut self.json;
        let error = match catch_panic(|| entry(json)) {
            Some(Ok(written)) => return Ok(written),
            Some(Err(error)) => EventError::not_written(name(), error),
            None => EventError::new(name(), "panicked while it was serialised"),
        };
        self.json.truncate(start);
        Err(error)
    }
}

/// The value, or the text of its JSON if that cannot be read. It is never missing, because the caller may want to hide
/// it.
pub(crate) fn read_value(json: &[u8]) -> Value {
    let json = json.trim_ascii();
    let as_text = |_| Value::String(String::from_utf8_lossy(json).into_owned());
    serde_json::from_slice(json).unwrap_or_else(as_text)
}

pub(super) fn json_kind(first_byte: u8) -> &'static str {
    match first_byte {
        b'{' => "an object",
        b'[' => "a list",
        b'"' => "a text",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests;
