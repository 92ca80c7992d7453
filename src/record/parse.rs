//! Records from their JSON: each field is checked, and the properties stay byte for byte as they are.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use serde::{Deserialize, de::IgnoredAny};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Event, EventError, LlmEvent, Properties, Record,
    properties::{json_kind, split_entries},
};

/// The optional texts of an LLM event, with their setters.
type Setter = fn(&mut LlmEvent, Option<String>);

const LLM_TEXTS: [(&str, Setter); 4] = [
    ("assistant_id", LlmEvent::set_assistant_id),
    ("thread_id", LlmEvent::set_thread_id),
    ("prompt_event_name", LlmEvent::set_prompt_event_name),
    ("generation_event_name", LlmEvent::set_generation_event_name),
];

impl Record {
    /// Reads a record from the JSON that [`on_drop`](crate::Dropped::records) and the spool show: one object with the
    /// fields of the server's API. An object with a `prompt` or a `generation` is an [`LlmEvent`], any other is an
    /// [`Event`].
    ///
    /// The record is sent with the same bytes again, except that its timestamp is written in UTC and in milliseconds.
    /// A property stays as it is, also where JSON allows more than Rust's types, such as the number `1e999` or half of
    /// a surrogate pair. An optional field that is `null` is absent. A record without a `timestamp` gets that of the
    /// moment when it is tracked: a program that imports past events checks [`get_timestamp`](Self::get_timestamp).
    ///
    /// # Errors
    ///
    /// When the text is not a JSON object, a field is unknown, missing, given twice or of the wrong type, or its value
    /// is not valid. The error names the field.
    ///
    /// ```
    /// use trubrics::Record;
    ///
    /// let line = r#"{"user_id":"user_123","event":"Sign up","timestamp":"2024-10-09T13:21:46.182Z"}"#;
    /// let record = Record::from_json(line)?;
    /// assert_eq!(record.get_user_id(), "user_123");
    ///
    /// let error = Record::from_json(r#"{"user_id":"user_123","evnt":"Sign up"}"#).unwrap_err();
    /// assert_eq!(error.to_string(), "evnt is not a field of an event");
    /// # Ok::<(), trubrics::EventError>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, EventError> {
        let mut fields = Fields::read(json)?;
        let is_llm_event = fields.has("prompt") || fields.has("generation");
        let record = if is_llm_event {
            Self::LlmEvent(fields.llm_event()?)
        } else {
            Self::Event(fields.event()?)
        };
        match &record {
            Self::Event(event) => event.check()?,
            Self::LlmEvent(event) => event.check()?,
        }
        Ok(record)
    }
}

/// The fields of an object that are not taken yet: the name and the JSON of each.
struct Fields<'j> {
    fields: BTreeMap<String, &'j str>,
}

impl<'j> Fields<'j> {
    fn read(json: &'j str) -> Result<Self, EventError> {
        // The parser has no limit of depth here, because it builds no value.
        serde_json::from_str::<IgnoredAny>(json).map_err(EventError::not_json)?;
        let inside =
            inside_of_object(json).ok_or_else(|| wrong_kind("record", json, "an object"))?;
        let mut fields = BTreeMap::new();
        for entry in split_entries(inside.as_bytes()) {
            let name = text("record", part(inside, entry.key))?;
            let value = part(inside, entry.value).trim_ascii();
            if fields.insert(name.clone(), value).is_some() {
                return Err(EventError::new(name, "is given twice"));
            }
        }
        Ok(Self { fields })
    }

    fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn event(&mut self) -> Result<Event, EventError> {
        // A misspelt name is the likely cause of a missing field, so it is named first.
        self.refuse_others("an event", &["user_id", "event", "timestamp", "properties"])?;
        let (user_id, name) = (self.required("user_id")?, self.required("event")?);
        let event = Event::new(user_id, name).preset(self.properties()?);
        Ok(match self.timestamp()? {
            Some(timestamp) => event.timestamp(timestamp),
            None => event,
        })
    }

    fn llm_event(&mut self) -> Result<LlmEvent, EventError> {
        let required = ["user_id", "prompt", "generation"];
        let mut known = [required.as_slice(), &["latency", "timestamp", "properties"]].concat();
        known.extend(LLM_TEXTS.iter().map(|(name, _)| name));
        self.refuse_others("an LLM event", &known)?;
        let [user_id, prompt, generation] = required.map(|name| self.required(name));
        let mut event = LlmEvent::new(user_id?, prompt?, generation?).preset(self.properties()?);
        for (name, set) in LLM_TEXTS {
            let value = self.take(name).map(|json| text(name, json)).transpose()?;
            set(&mut event, value);
        }
        if let Some(json) = self.take("latency") {
            event.set_latency(seconds("latency", json)?);
        }
        Ok(match self.timestamp()? {
            Some(timestamp) => event.timestamp(timestamp),
            None => event,
        })
    }

    fn refuse_others(&self, of: &str, known: &[&str]) -> Result<(), EventError> {
        let is_unknown = |name: &&String| !known.contains(&name.as_str());
        match self.fields.keys().find(is_unknown) {
            Some(name) => Err(EventError::new(name, format!("is not a field of {of}"))),
            None => Ok(()),
        }
    }

    /// The JSON of a field, if it is there and not null.
    fn take(&mut self, name: &str) -> Option<&'j str> {
        self.fields.remove(name).filter(|json| *json != "null")
    }

    fn required(&mut self, name: &'static str) -> Result<String, EventError> {
        let json = self.take(name);
        text(
            name,
            json.ok_or_else(|| EventError::new(name, "is missing"))?,
        )
    }

    fn timestamp(&mut self) -> Result<Option<OffsetDateTime>, EventError> {
        let Some(json) = self.take("timestamp") else {
            return Ok(None);
        };
        let timestamp = text("timestamp", json)?;
        let parsed = OffsetDateTime::parse(&timestamp, &Rfc3339);
        parsed.map(Some).map_err(|error| {
            let problem = format!("`{timestamp}` is not RFC 3339: {error}");
            EventError::new("timestamp", problem)
        })
    }

    fn properties(&mut self) -> Result<Properties, EventError> {
        let Some(json) = self.take("properties") else {
            return Ok(Properties::default());
        };
        let inside = inside_of_object(json);
        let inside = inside.ok_or_else(|| wrong_kind("properties", json, "an object"))?;
        Ok(Properties::from_entries(inside))
    }
}

fn text(name: &str, json: &str) -> Result<String, EventError> {
    if !json.starts_with('"') {
        return Err(wrong_kind(name, json, "a text"));
    }
    // It is JSON, so only an escape of half a character is wrong.
    String::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|_| EventError::new(name, "is not Unicode"))
}

fn seconds(name: &str, json: &str) -> Result<Duration, EventError> {
    if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(wrong_kind(name, json, "a number"));
    }
    let seconds = json.parse().map(Duration::try_from_secs_f64);
    match seconds {
        Ok(Ok(seconds)) => Ok(seconds),
        _ => Err(EventError::new(
            name,
            format!("is {json}: not a duration in seconds"),
        )),
    }
}

fn wrong_kind(name: &str, json: &str, needed: &str) -> EventError {
    let first = json.trim_ascii_start().bytes().next().unwrap_or_default();
    let kind = json_kind(first);
    EventError::new(name, format!("is {kind}: {needed} is needed"))
}

/// The entries of an object, without blanks around them.
fn inside_of_object(json: &str) -> Option<&str> {
    let object = json.trim_ascii();
    let inside = object.strip_prefix('{')?.strip_suffix('}')?;
    Some(inside.trim_ascii())
}

/// A part of valid JSON, between bytes of ASCII.
fn part(json: &str, range: Range<usize>) -> &str {
    json.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests;
