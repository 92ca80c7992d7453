//! A user event and its `$` properties.

use std::{fmt, time::SystemTime};

use serde::Serialize;
use serde_json::Value;

use super::{
    EventError, HookedBy, IntoText, IntoTimestamp, Properties,
    gen_ai::{ASSISTANT_ID, GENERATION_ID, PROMPT_ID, TEXT, THREAD_ID},
    timestamp::Timestamp,
    write_text_field, write_timestamp_field,
};

/// An action of a user: the user, the action's name, the time, and any properties.
///
/// Building one never fails. A value that cannot be sent makes the event invalid:
/// [`try_track`](crate::Trubrics::try_track) and [`track_sync`](crate::Trubrics::track_sync) then return an
/// [`EventError`], and [`track`](crate::Trubrics::track) drops the event and counts the drop. `Debug` shows the
/// event's name and nothing else. [`Record`](crate::Record#names) says how its methods are named.
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
#[derive(Clone, PartialEq)]
#[must_use = "an event does nothing until it is tracked"]
pub struct Event {
    user_id: String,
    name: String,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) properties: Properties,
    pub(super) hooked_by: HookedBy,
}

const _: () = assert!(
    size_of::<Event>() <= 128,
    "a larger event is moved by calls of memcpy"
);

impl Event {
    /// Makes an event of a signed-in user, or of an [`anonymous_id`](fn@crate::anonymous_id).
    ///
    /// Neither text may be empty.
    pub fn new(user_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            name: name.into(),
            timestamp: None,
            properties: Properties::default(),
            hooked_by: HookedBy::default(),
        }
    }

    /// Sets one property; it replaces an earlier one of the same key.
    ///
    /// Keys that begin with `$` mean something to Trubrics: see [`text`](Self::text) and its neighbours. A value that
    /// fails to serialise, or holds a NaN or an infinity, makes the event invalid.
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.set_property(key, value);
        self
    }

    /// Sets many properties from a map, a `json!({..})` or a struct; they replace earlier ones of the same keys.
    ///
    /// `None` and `()` set no properties. Anything else that is not a JSON object makes the event invalid.
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        self.set_properties(&properties);
        self
    }

    /// Sets when it happened, from a [`SystemTime`] or a [`time::OffsetDateTime`]; `None` clears it.
    ///
    /// It is sent as the same instant in UTC, in milliseconds; the years 0 to 9999 are allowed. Without it, the event
    /// gets the moment of the call that tracks it.
    pub fn timestamp(mut self, timestamp: impl IntoTimestamp) -> Self {
        self.set_timestamp(timestamp);
        self
    }

    /// Sets the property `$text`: the user's words.
    pub fn text(mut self, text: impl IntoText) -> Self {
        self.set_text(text);
        self
    }

    /// Sets the property `$thread_id`: the conversation that the event belongs to.
    pub fn thread_id(mut self, thread_id: impl IntoText) -> Self {
        self.set_thread_id(thread_id);
        self
    }

    /// Sets the property `$assistant_id`, usually the model's name.
    pub fn assistant_id(mut self, assistant_id: impl IntoText) -> Self {
        self.set_assistant_id(assistant_id);
        self
    }

    /// Sets the property `$prompt_id`: the prompt that the event is about, by the id that its LLM event has.
    pub fn prompt_id(mut self, prompt_id: impl IntoText) -> Self {
        self.set_prompt_id(prompt_id);
        self
    }

    /// Sets the property `$generation_id`: the generation that the event is about, by the id that its LLM event has.
    pub fn generation_id(mut self, generation_id: impl IntoText) -> Self {
        self.set_generation_id(generation_id);
        self
    }

    /// Returns the user.
    pub fn get_user_id(&self) -> &str {
        &self.user_id
    }

    /// Sets the user.
    pub fn set_user_id(&mut self, user_id: impl Into<String>) {
        self.user_id = user_id.into();
    }

    /// Returns the event's name.
    pub fn get_name(&self) -> &str {
        &self.name
    }

    /// Sets the event's name.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Returns the event's own timestamp, if it has one that this platform's `SystemTime` can hold.
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

    /// Returns `$text`, if it is set and a text.
    pub fn get_text(&self) -> Option<String> {
        self.get_text_property(TEXT)
    }

    /// Sets `$text`, as [`text`](Self::text) does.
    pub fn set_text(&mut self, text: impl IntoText) {
        self.set_text_property(TEXT, text);
    }

    /// Returns `$thread_id`, if it is set and a text.
    pub fn get_thread_id(&self) -> Option<String> {
        self.get_text_property(THREAD_ID)
    }

    /// Sets `$thread_id`, as [`thread_id`](Self::thread_id) does.
    pub fn set_thread_id(&mut self, thread_id: impl IntoText) {
        self.set_text_property(THREAD_ID, thread_id);
    }

    /// Returns `$assistant_id`, if it is set and a text.
    pub fn get_assistant_id(&self) -> Option<String> {
        self.get_text_property(ASSISTANT_ID)
    }

    /// Sets `$assistant_id`, as [`assistant_id`](Self::assistant_id) does.
    pub fn set_assistant_id(&mut self, assistant_id: impl IntoText) {
        self.set_text_property(ASSISTANT_ID, assistant_id);
    }

    /// Returns `$prompt_id`, if it is set and a text.
    pub fn get_prompt_id(&self) -> Option<String> {
        self.get_text_property(PROMPT_ID)
    }

    /// Sets `$prompt_id`, as [`prompt_id`](Self::prompt_id) does.
    pub fn set_prompt_id(&mut self, prompt_id: impl IntoText) {
        self.set_text_property(PROMPT_ID, prompt_id);
    }

    /// Returns `$generation_id`, if it is set and a text.
    pub fn get_generation_id(&self) -> Option<String> {
        self.get_text_property(GENERATION_ID)
    }

    /// Sets `$generation_id`, as [`generation_id`](Self::generation_id) does.
    pub fn set_generation_id(&mut self, generation_id: impl IntoText) {
        self.set_text_property(GENERATION_ID, generation_id);
    }

    /// Returns the property of this key, if it is set on this event and not by the client's default properties.
    ///
    /// A value that can be sent but cannot be read as a [`Value`], such as one of 128 levels or more, is returned as
    /// the text of its JSON.
    pub fn get_property(&self, key: impl AsRef<str>) -> Option<Value> {
        self.properties.value(key.as_ref())
    }

    /// Sets one property, as [`property`](Self::property) does.
    pub fn set_property(&mut self, key: impl AsRef<str>, value: impl Serialize) {
        self.properties.set(key.as_ref(), &value);
    }

    pub(crate) fn set_properties(&mut self, properties: &impl Serialize) {
        self.properties.set_all(properties);
    }

    /// Removes a property, whatever it holds, and returns it as [`get_property`](Self::get_property) does.
    pub fn remove_property(&mut self, key: impl AsRef<str>) -> Option<Value> {
        self.properties.remove(key.as_ref())
    }

    fn get_text_property(&self, key: &str) -> Option<String> {
        match self.get_property(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn set_text_property(&mut self, key: &str, text: impl IntoText) {
        match text.into_text() {
            Some(text) => self.set_property(key, text),
            None => drop(self.remove_property(key)),
        }
    }

    /// The same event with these properties instead of its own; a new event has none.
    pub(crate) fn preset(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// The bytes of the texts that may be long: most of a large record.
    pub(super) fn text_length(&self) -> usize {
        self.properties.length()
    }

    /// Fails if the event cannot be sent.
    pub(super) fn check(&self) -> Result<(), EventError> {
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
        Ok(())
    }

    pub(super) fn write(
        &self,
        defaults: &Properties,
        timestamp: Option<Timestamp>,
        json: &mut Vec<u8>,
    ) {
        write_text_field(json, "{\"user_id\":", &self.user_id);
        write_text_field(json, ",\"event\":", &self.name);
        write_timestamp_field(json, timestamp);
        self.properties.write_field(defaults, json);
        json.push(b'}');
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
