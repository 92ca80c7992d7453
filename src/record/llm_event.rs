//! A prompt and its generation.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use time::OffsetDateTime;

use super::{Properties, timestamp, write_text_field, write_timestamp_field};
use crate::error::EventError;

/// A prompt and what the model made of it. Trubrics turns it into two events, one of each.
///
/// Building one never fails, as with [`Event`](crate::Event). `Debug` shows none of its content.
///
/// ```
/// use std::time::Duration;
/// use trubrics::LlmEvent;
///
/// let event = LlmEvent::new("user_123", "What is product analytics?", "It is how a product ...")
///     .assistant_id("gpt-4o")
///     .thread_id("thread_7")
///     .latency(Duration::from_millis(1420))
///     .property("temperature", 0.2);
/// # let _ = event;
/// ```
#[derive(Clone)]
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
    timestamp: Option<OffsetDateTime>,
    properties: Properties,
    error: Option<Box<EventError>>,
}

impl LlmEvent {
    /// A prompt of this user and its generation. The user must not be empty; the texts may be.
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
            error: None,
        }
    }

    /// Sets the assistant, usually the model's name.
    pub fn assistant_id(mut self, assistant_id: impl Into<String>) -> Self {
        self.assistant_id = Some(assistant_id.into());
        self
    }

    /// Sets the conversation that the event belongs to.
    pub fn thread_id(mut self, thread_id: impl Into<String>) -> Self {
        self.thread_id = Some(thread_id.into());
        self
    }

    /// Sets the time from the prompt to the generation; it is sent in seconds.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Names the event that Trubrics makes of the prompt; the server's default is `Prompt`.
    pub fn prompt_event_name(mut self, name: impl Into<String>) -> Self {
        self.prompt_event_name = Some(name.into());
        self
    }

    /// Names the event that Trubrics makes of the generation; the server's default is `Generation`.
    pub fn generation_event_name(mut self, name: impl Into<String>) -> Self {
        self.generation_event_name = Some(name.into());
        self
    }

    /// Sets one property of both events, as [`Event::property`](crate::Event::property) does.
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        let result = self.properties.insert(key.as_ref(), &value);
        self.remember(result);
        self
    }

    /// Sets many properties of both events, as [`Event::properties`](crate::Event::properties) does.
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        let result = self.properties.extend(&properties);
        self.remember(result);
        self
    }

    /// Sets when the generation was there, as [`Event::timestamp`](crate::Event::timestamp) does.
    pub fn timestamp(mut self, timestamp: impl Into<OffsetDateTime>) -> Self {
        let result =
            timestamp::convert(timestamp).map(|timestamp| self.timestamp = Some(timestamp));
        self.remember(result);
        self
    }

    /// The first mistake is the one to report.
    fn remember(&mut self, result: Result<(), EventError>) {
        if let Err(error) = result {
            self.error.get_or_insert_with(|| Box::new(error));
        }
    }

    /// Nearly all of what is written, if it is much.
    pub(super) fn text_length(&self) -> usize {
        self.prompt.len() + self.generation.len() + self.properties.length()
    }

    pub(super) fn encode(
        &self,
        defaults: &Properties,
        now: SystemTime,
        json: &mut Vec<u8>,
    ) -> Result<(), EventError> {
        if let Some(error) = &self.error {
            return Err((**error).clone());
        }
        if self.user_id.is_empty() {
            return Err(EventError::empty_user_id());
        }
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
            // A finite number, and writing into memory: there is no way to fail.
            let written = serde_json::to_writer(&mut *json, &latency.as_secs_f64());
            debug_assert!(written.is_ok(), "seconds are a finite number");
        }
        write_timestamp_field(json, self.timestamp, now)?;
        self.properties.write_field(defaults, json);
        json.push(b'}');
        Ok(())
    }
}

impl fmt::Debug for LlmEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmEvent").finish_non_exhaustive()
    }
}
