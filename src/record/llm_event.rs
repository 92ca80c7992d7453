//! A prompt and its generation.

mod generation;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::Value;

use super::{
    EventError, HookedBy, IntoText, IntoTimestamp, Properties, timestamp::Timestamp,
    write_text_field, write_timestamp_field,
};

/// A prompt and the model's generation. Trubrics turns it into two events, one for each.
///
/// Building one never fails, as with [`Event`](crate::Event). `Debug` shows none of its content.
/// [`Trubrics::llm_call`](crate::Trubrics::llm_call) makes one and measures the time as well.
/// [`Record`](crate::Record#names) says how its methods are named.
///
/// Methods such as [`provider`](Self::provider) set a property under the name that OpenTelemetry's conventions for
/// generative AI give it. The last call wins, whether it is the method or [`property`](Self::property). `None` clears
/// a property that is a text.
///
/// ```
/// use std::time::Duration;
/// use trubrics::{Cost, LlmEvent, Usage};
///
/// let event = LlmEvent::new("user_123", "What is product analytics?", "It is how a product ...")
///     .assistant_id("gpt-4o")
///     .thread_id("thread_7")
///     .latency(Duration::from_millis(1420))
///     .provider("openai")
///     .usage(Usage::new(12, 310))
///     .cost(Cost::usd(0.0031))
///     .finish_reason("stop")
///     .property("temperature", 0.2);
/// # let _ = event;
/// ```
#[doc(alias = "track_llm")]
#[derive(Clone, PartialEq)]
#[must_use = "an event does nothing until it is tracked"]
pub struct LlmEvent {
    user_id: String,
    prompt: String,
    generation: String,
    assistant_id: Option<String>,
    thread_id: Option<String>,
    latency: Option<Duration>,
    prompt_event_name: Option<String>,
    generation_event_name: Option<String>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) properties: Properties,
    pub(super) hooked_by: HookedBy,
}

impl LlmEvent {
    /// Makes an event of a user's prompt and its generation. The user must not be empty; the texts may be.
    pub fn new(
        user_id: impl Into<String>,
        prompt: impl Into<String>,
        generation: impl Into<String>,
    ) -> Self {
        Self {
            user_id: user_id.into(),
            prompt: prompt.into(),
            generation: generation.into(),
            assistant_id: None,
            thread_id: None,
            latency: None,
            prompt_event_name: None,
            generation_event_name: None,
            timestamp: None,
            properties: Properties::default(),
            hooked_by: HookedBy::default(),
        }
    }

    /// Sets the assistant, usually the model's name; `None` clears it.
    pub fn assistant_id(mut self, assistant_id: impl IntoText) -> Self {
        self.set_assistant_id(assistant_id);
        self
    }

    /// Sets the conversation that the event belongs to; `None` clears it.
    pub fn thread_id(mut self, thread_id: impl IntoText) -> Self {
        self.set_thread_id(thread_id);
        self
    }

    /// Sets the time from the prompt to the generation, which is sent in seconds; `None` clears it.
    pub fn latency(mut self, latency: impl Into<Option<Duration>>) -> Self {
        self.set_latency(latency);
        self
    }

    /// Names the event that Trubrics makes of the prompt. `None` clears the name: the server then uses `Prompt`.
    pub fn prompt_event_name(mut self, name: impl IntoText) -> Self {
        self.set_prompt_event_name(name);
        self
    }

    /// Names the event that Trubrics makes of the generation. `None` clears the name: the server then uses
    /// `Generation`.
    pub fn generation_event_name(mut self, name: impl IntoText) -> Self {
        self.set_generation_event_name(name);
        self
    }

    /// Sets one property of both events, as [`Event::property`](crate::Event::property) does.
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.set_property(key, value);
        self
    }

    /// Sets many properties of both events, as [`Event::properties`](crate::Event::properties) does.
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        self.set_properties(&properties);
        self
    }

    /// Sets when the generation was complete, as [`Event::timestamp`](crate::Event::timestamp) does.
    pub fn timestamp(mut self, timestamp: impl IntoTimestamp) -> Self {
        self.set_timestamp(timestamp);
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

    /// Returns the prompt.
    pub fn get_prompt(&self) -> &str {
        &self.prompt
    }

    /// Sets the prompt.
    pub fn set_prompt(&mut self, prompt: impl Into<String>) {
        self.prompt = prompt.into();
    }

    /// Returns the generation.
    pub fn get_generation(&self) -> &str {
        &self.generation
    }

    /// Sets the generation.
    pub fn set_generation(&mut self, generation: impl Into<String>) {
        self.generation = generation.into();
    }

    /// Returns the assistant, if it is set.
    pub fn get_assistant_id(&self) -> Option<&str> {
        self.assistant_id.as_deref()
    }

    /// Sets the assistant; `None` clears it.
    pub fn set_assistant_id(&mut self, assistant_id: impl IntoText) {
        self.assistant_id = assistant_id.into_text();
    }

    /// Returns the conversation, if it is set.
    pub fn get_thread_id(&self) -> Option<&str> {
        self.thread_id.as_deref()
    }

    /// Sets the conversation; `None` clears it.
    pub fn set_thread_id(&mut self, thread_id: impl IntoText) {
        self.thread_id = thread_id.into_text();
    }

    /// Returns the time from the prompt to the generation, if it is set.
    pub fn get_latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Sets the time from the prompt to the generation; `None` clears it.
    pub fn set_latency(&mut self, latency: impl Into<Option<Duration>>) {
        self.latency = latency.into();
    }

    /// Returns the name of the event that Trubrics makes of the prompt, if it is set.
    pub fn get_prompt_event_name(&self) -> Option<&str> {
        self.prompt_event_name.as_deref()
    }

    /// Sets the name of the event that Trubrics makes of the prompt; `None` clears it.
    pub fn set_prompt_event_name(&mut self, name: impl IntoText) {
        self.prompt_event_name = name.into_text();
    }

    /// Returns the name of the event that Trubrics makes of the generation, if it is set.
    pub fn get_generation_event_name(&self) -> Option<&str> {
        self.generation_event_name.as_deref()
    }

    /// Sets the name of the event that Trubrics makes of the generation; `None` clears it.
    pub fn set_generation_event_name(&mut self, name: impl IntoText) {
        self.generation_event_name = name.into_text();
    }

    /// Returns the event's own timestamp, as [`Event::get_timestamp`](crate::Event::get_timestamp) does.
    pub fn get_timestamp(&self) -> Option<SystemTime> {
        self.timestamp.and_then(Timestamp::to_system_time)
    }

    /// Sets when the generation was complete, as [`timestamp`](Self::timestamp) does.
    pub fn set_timestamp(&mut self, timestamp: impl IntoTimestamp) {
        let result = timestamp
            .convert()
            .map(|timestamp| self.timestamp = timestamp);
        self.properties.remember(result);
    }

    /// Returns the property of this key, as [`Event::get_property`](crate::Event::get_property) does.
    pub fn get_property(&self, key: impl AsRef<str>) -> Option<Value> {
        self.properties.value(key.as_ref())
    }

    /// Sets one property of both events, as [`property`](Self::property) does.
    pub fn set_property(&mut self, key: impl AsRef<str>, value: impl Serialize) {
        self.properties.set(key.as_ref(), &value);
    }

    pub(crate) fn set_properties(&mut self, properties: &impl Serialize) {
        self.properties.set_all(properties);
    }

    /// Removes a property and returns it, as [`Event::remove_property`](crate::Event::remove_property) does.
    pub fn remove_property(&mut self, key: impl AsRef<str>) -> Option<Value> {
        self.properties.remove(key.as_ref())
    }

    /// The same event with these properties instead of its own; a new event has none.
    pub(crate) fn preset(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// The bytes of the texts that may be long: most of a large record.
    pub(super) fn text_length(&self) -> usize {
        self.prompt.len() + self.generation.len() + self.properties.length()
    }

    /// Fails if the event cannot be sent.
    pub(super) fn check(&self) -> Result<(), EventError> {
        self.properties.check()?;
        if self.user_id.is_empty() {
            return Err(EventError::empty_user_id());
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
        write_text_field(json, ",\"prompt\":", &self.prompt);
        write_text_field(json, ",\"generation\":", &self.generation);
        for (name, text) in [
            (",\"assistant_id\":", &self.assistant_id),
            (",\"thread_id\":", &self.thread_id),
            (",\"prompt_event_name\":", &self.prompt_event_name),
            (",\"generation_event_name\":", &self.generation_event_name),
        ] {
            if let Some(text) = text {
                write_text_field(json, name, text);
            }
        }
        if let Some(latency) = self.latency {
            json.extend_from_slice(b",\"latency\":");
            // A finite number, written into memory, cannot fail.
            let written = serde_json::to_writer(&mut *json, &latency.as_secs_f64());
            debug_assert!(written.is_ok(), "seconds are a finite number");
        }
        write_timestamp_field(json, timestamp);
        self.properties.write_field(defaults, json);
        json.push(b'}');
    }
}

impl fmt::Debug for LlmEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmEvent").finish_non_exhaustive()
    }
}
