//! A prompt and its generation.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::Value;

use super::{
    EventError, IntoTimestamp, Properties, gen_ai, timestamp::Timestamp, write_text_field,
    write_timestamp_field,
};

/// A prompt and what the model made of it. Trubrics turns it into two events, one of each.
///
/// Building one never fails, as with [`Event`](crate::Event). `Debug` shows none of its content. To have the time taken
/// as well, see [`Trubrics::llm_call`](crate::Trubrics::llm_call).
///
/// What is usual to record of a generation has a method each, which sets a property under the name that OpenTelemetry's
/// conventions for generative AI give it; a later one wins, whether it came by the method or by
/// [`property`](Self::property).
///
/// ```
/// use std::time::Duration;
/// use trubrics::LlmEvent;
///
/// let event = LlmEvent::new("user_123", "What is product analytics?", "It is how a product ...")
///     .assistant_id("gpt-4o")
///     .thread_id("thread_7")
///     .latency(Duration::from_millis(1420))
///     .provider("openai")
///     .input_tokens(12)
///     .output_tokens(310)
///     .finish_reason("stop")
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
    timestamp: Option<Timestamp>,
    properties: Properties,
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

    /// Sets `gen_ai.provider.name`, who serves the model: `openai`, `anthropic`, `aws.bedrock` ...
    pub fn provider(self, name: impl Into<String>) -> Self {
        self.property(gen_ai::PROVIDER, name.into())
    }

    /// Sets `gen_ai.usage.input_tokens`, as the provider counted them.
    pub fn input_tokens(self, tokens: u64) -> Self {
        self.property(gen_ai::INPUT_TOKENS, tokens)
    }

    /// Sets `gen_ai.usage.output_tokens`, as the provider counted them.
    pub fn output_tokens(self, tokens: u64) -> Self {
        self.property(gen_ai::OUTPUT_TOKENS, tokens)
    }

    /// Sets `gen_ai.usage.cost`, in whatever currency you keep to. The conventions have no attribute for a cost; this is
    /// the name that tools read.
    pub fn cost(self, cost: f64) -> Self {
        self.property(gen_ai::COST, cost)
    }

    /// Sets `gen_ai.response.finish_reasons`, why the model stopped (`stop`, `length`, `tool_calls` ...), as the list of
    /// one that the conventions ask for.
    pub fn finish_reason(self, reason: impl Into<String>) -> Self {
        self.property(gen_ai::FINISH_REASONS, [reason.into()])
    }

    /// Sets `gen_ai.response.time_to_first_chunk`, the time from the prompt to the first of a streamed generation; it is
    /// sent in seconds.
    pub fn time_to_first_token(self, time: Duration) -> Self {
        self.property(gen_ai::TIME_TO_FIRST_TOKEN, time.as_secs_f64())
    }

    /// Sets `error.type`, the class of what went wrong: a name out of a small set, such as `timeout` or `rate_limited`,
    /// that a dashboard can group by.
    pub fn error_type(self, class: impl Into<String>) -> Self {
        self.property(gen_ai::ERROR_TYPE, class.into())
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

    /// Sets when the generation was there, as [`Event::timestamp`](crate::Event::timestamp) does.
    pub fn timestamp(mut self, timestamp: impl IntoTimestamp) -> Self {
        self.set_timestamp(timestamp);
        self
    }

    /// Whose prompt it is.
    pub fn get_user_id(&self) -> &str {
        &self.user_id
    }

    /// Sets whose prompt it is, in the place of what [`new`](Self::new) was given.
    pub fn set_user_id(&mut self, user_id: impl Into<String>) {
        self.user_id = user_id.into();
    }

    /// The prompt.
    pub fn get_prompt(&self) -> &str {
        &self.prompt
    }

    /// Sets the prompt, in the place of what [`new`](Self::new) was given.
    pub fn set_prompt(&mut self, prompt: impl Into<String>) {
        self.prompt = prompt.into();
    }

    /// The generation.
    pub fn get_generation(&self) -> &str {
        &self.generation
    }

    /// Sets the generation, in the place of what [`new`](Self::new) was given.
    pub fn set_generation(&mut self, generation: impl Into<String>) {
        self.generation = generation.into();
    }

    /// The assistant, if [`assistant_id`](Self::assistant_id) named one.
    pub fn get_assistant_id(&self) -> Option<&str> {
        self.assistant_id.as_deref()
    }

    /// The conversation, if [`thread_id`](Self::thread_id) named one.
    pub fn get_thread_id(&self) -> Option<&str> {
        self.thread_id.as_deref()
    }

    /// The time from the prompt to the generation, if [`latency`](Self::latency) said so.
    pub fn get_latency(&self) -> Option<Duration> {
        self.latency
    }

    /// The name of the event made of the prompt, if [`prompt_event_name`](Self::prompt_event_name) gave one.
    pub fn get_prompt_event_name(&self) -> Option<&str> {
        self.prompt_event_name.as_deref()
    }

    /// The name of the event made of the generation, if [`generation_event_name`](Self::generation_event_name) gave
    /// one.
    pub fn get_generation_event_name(&self) -> Option<&str> {
        self.generation_event_name.as_deref()
    }

    /// When the generation was there, if [`timestamp`](Self::timestamp) said so.
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

    /// The property of this key, as [`Event::get_property`](crate::Event::get_property) gives it.
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

    /// Takes a property out, as [`Event::remove_property`](crate::Event::remove_property) does.
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
        self.prompt.len() + self.generation.len() + self.properties.length()
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
