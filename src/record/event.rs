//! A user event and its `$` properties.

use std::{fmt, time::SystemTime};

use serde::Serialize;
use serde_json::Value;

use super::{
    EventError, IntoTimestamp, Properties, timestamp::Timestamp, write_text_field,
    write_timestamp_field,
};

/// The property that holds what was said.
pub(crate) const TEXT: &str = "$text";
const THREAD_ID: &str = "$thread_id";
const ASSISTANT_ID: &str = "$assistant_id";

/// Something a user did: who, what, when, and whatever else is worth knowing.
///
/// Building one never fails: a value that cannot be sent is remembered, and comes back from
/// [`try_track`](crate::Trubrics::try_track) and [`track_sync`](crate::Trubrics::track_sync) as an [`EventError`], or
/// becomes a counted drop in [`track`](crate::Trubrics::track). `Debug` shows the event's name and nothing else.
///
/// ```
/// use serde_json::json;
/// use trubrics::Event;
///
/// #[derive(serde::Serialize)]
/// struct Plan { seats: u32 }
///
/// let event = Event::new("user_123", "User prompt")
///     .text("How do I export a chart?")
///     .thread_id("thread_7")
///     .property("attempt", 2)
///     .properties(json!({ "country": "FR" }))
///     .properties(Plan { seats: 5 });
/// # let _ = event;
/// ```
#[derive(Clone)]
#[must_use = "an event does nothing until it is tracked"]
pub struct Event {
    user_id: String,
    name: String,
    timestamp: Option<Timestamp>,
    properties: Properties,
}

impl Event {
    /// An event of the signed-in user, or of an [`anonymous_id`](fn@crate::anonymous_id). Neither text may be empty.
    pub fn new(user_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            name: name.into(),
            timestamp: None,
            properties: Properties::default(),
        }
    }

    /// Sets one property, over an earlier one of the same key.
    ///
    /// Keys that begin with `$` mean something to Trubrics: see [`text`](Self::text) and its neighbours. A value that
    /// fails to serialise, or holds a NaN or an infinity, makes the event invalid.
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.set_property(key, value);
        self
    }

    /// Sets many properties from a map, a `json!({..})` or a struct of your own, over earlier ones of the same keys.
    ///
    /// Anything that is no JSON object makes the event invalid.
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        self.properties.set_all(&properties);
        self
    }

    /// Sets when it happened, from a [`SystemTime`] or a [`time::OffsetDateTime`]; `None` clears it.
    ///
    /// It is sent as the same instant in UTC, in milliseconds; the years 0 to 9999 are allowed. Left out, it is the
    /// moment of the call that tracks the event.
    pub fn timestamp(mut self, timestamp: impl IntoTimestamp) -> Self {
        self.set_timestamp(timestamp);
        self
    }

    /// Sets `$text`, what was said.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.property(TEXT, text.into())
    }

    /// Sets `$thread_id`, the conversation that the event belongs to.
    pub fn thread_id(self, thread_id: impl Into<String>) -> Self {
        self.property(THREAD_ID, thread_id.into())
    }

    /// Sets `$assistant_id`, usually the model's name.
    pub fn assistant_id(self, assistant_id: impl Into<String>) -> Self {
        self.property(ASSISTANT_ID, assistant_id.into())
    }

    /// Sets `$prompt_id`.
    pub fn prompt_id(self, prompt_id: impl Into<String>) -> Self {
        self.property("$prompt_id", prompt_id.into())
    }

    /// Sets `$generation_id`.
    pub fn generation_id(self, generation_id: impl Into<String>) -> Self {
        self.property("$generation_id", generation_id.into())
    }

    /// Who did it.
    pub fn get_user_id(&self) -> &str {
        &self.user_id
    }

    /// Sets who did it, in the place of what [`new`](Self::new) was given.
    pub fn set_user_id(&mut self, user_id: impl Into<String>) {
        self.user_id = user_id.into();
    }

    /// The event's name.
    pub fn get_name(&self) -> &str {
        &self.name
    }

    /// Sets the event's name, in the place of what [`new`](Self::new) was given.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// When it happened, if [`timestamp`](Self::timestamp) said so.
    pub fn get_timestamp(&self) -> Option<SystemTime> {
        self.timestamp.and_then(Timestamp::to_system_time)
    }

    /// Sets when it happened, as [`timestamp`](Self::timestamp) does.
    pub fn set_timestamp(&mut self, timestamp: impl IntoTimestamp) {
        let result = timestamp
            .convert()
            .map(|timestamp| self.timestamp = timestamp);
        self.properties.remember(result);
    }

    /// What was said, if `$text` is a text to [`get_property`](Self::get_property).
    pub fn get_text(&self) -> Option<String> {
        match self.get_property(TEXT) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The property of this key, if it was set on this event; the client's default properties come later.
    ///
    /// A value that can be sent but not be read as a [`Value`], such as one of 128 levels or more, comes as the text of
    /// its JSON.
    pub fn get_property(&self, key: impl AsRef<str>) -> Option<Value> {
        self.properties.value(key.as_ref())
    }

    /// Sets one property, as [`property`](Self::property) does.
    pub fn set_property(&mut self, key: impl AsRef<str>, value: impl Serialize) {
        self.properties.set(key.as_ref(), &value);
    }

    /// Takes a property out, whatever it holds, and returns it as [`get_property`](Self::get_property) does; none
    /// if it was not set on this event.
    pub fn remove_property(&mut self, key: impl AsRef<str>) -> Option<Value> {
        self.properties.remove(key.as_ref())
    }

    /// The same event with these properties in the place of its own, which a new one has not got yet.
    pub(crate) fn preset(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// Nearly all of what is written, if it is much.
    pub(super) fn text_length(&self) -> usize {
        self.properties.length()
    }

    pub(super) fn encode(
        &self,
        defaults: &Properties,
        now: SystemTime,
        json: &mut Vec<u8>,
    ) -> Result<(), EventError> {
        self.properties.check()?;
        if self.user_id.is_empty() {
            return Err(EventError::empty_user_id());
        }
        if self.name.is_empty() {
            return Err(EventError::new(
                "event",
                "is empty: the event's name is needed",
            ));
        }
        write_text_field(json, "{\"user_id\":", &self.user_id);
        write_text_field(json, ",\"event\":", &self.name);
        write_timestamp_field(json, self.timestamp, now)?;
        self.properties.write_field(defaults, json);
        json.push(b'}');
        Ok(())
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
