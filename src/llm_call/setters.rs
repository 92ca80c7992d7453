//! The setters of an LLM event on a call that will track one.

use std::mem;

use serde::Serialize;

use super::LlmCall;
use crate::record::{Cost, IntoText, LlmEvent, Usage};

impl LlmCall {
    /// See [`LlmEvent::assistant_id`].
    pub fn assistant_id(self, assistant_id: impl IntoText) -> Self {
        self.with(|event| event.assistant_id(assistant_id))
    }

    /// See [`LlmEvent::thread_id`].
    pub fn thread_id(self, thread_id: impl IntoText) -> Self {
        self.with(|event| event.thread_id(thread_id))
    }

    /// See [`LlmEvent::prompt_event_name`].
    pub fn prompt_event_name(self, name: impl IntoText) -> Self {
        self.with(|event| event.prompt_event_name(name))
    }

    /// See [`LlmEvent::generation_event_name`].
    pub fn generation_event_name(self, name: impl IntoText) -> Self {
        self.with(|event| event.generation_event_name(name))
    }

    /// See [`LlmEvent::prompt_id`].
    pub fn prompt_id(self, prompt_id: impl IntoText) -> Self {
        self.with(|event| event.prompt_id(prompt_id))
    }

    /// See [`LlmEvent::generation_id`].
    pub fn generation_id(self, generation_id: impl IntoText) -> Self {
        self.with(|event| event.generation_id(generation_id))
    }

    /// See [`LlmEvent::provider`].
    pub fn provider(self, name: impl IntoText) -> Self {
        self.with(|event| event.provider(name))
    }

    /// See [`LlmEvent::prompt_name`].
    pub fn prompt_name(self, name: impl IntoText) -> Self {
        self.with(|event| event.prompt_name(name))
    }

    /// See [`LlmEvent::prompt_version`].
    pub fn prompt_version(self, version: impl IntoText) -> Self {
        self.with(|event| event.prompt_version(version))
    }

    /// See [`LlmEvent::response_model`].
    pub fn response_model(self, model: impl IntoText) -> Self {
        self.with(|event| event.response_model(model))
    }

    /// See [`LlmEvent::response_id`].
    pub fn response_id(self, id: impl IntoText) -> Self {
        self.with(|event| event.response_id(id))
    }

    /// See [`LlmEvent::usage`].
    pub fn usage(self, usage: Usage) -> Self {
        self.with(|event| event.usage(usage))
    }

    /// See [`LlmEvent::input_tokens`].
    pub fn input_tokens(self, tokens: u64) -> Self {
        self.with(|event| event.input_tokens(tokens))
    }

    /// See [`LlmEvent::output_tokens`].
    pub fn output_tokens(self, tokens: u64) -> Self {
        self.with(|event| event.output_tokens(tokens))
    }

    /// See [`LlmEvent::cost`].
    pub fn cost(self, cost: Cost) -> Self {
        self.with(|event| event.cost(cost))
    }

    /// See [`LlmEvent::finish_reason`].
    pub fn finish_reason(self, reason: impl IntoText) -> Self {
        self.with(|event| event.finish_reason(reason))
    }

    /// See [`LlmEvent::error_type`]. Without it, [`fail`](Self::fail) sets `_OTHER`.
    pub fn error_type(self, class: impl IntoText) -> Self {
        self.with(|event| event.error_type(class))
    }

    /// See [`LlmEvent::property`].
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        if let Some(open) = &mut self.open {
            open.event.set_property(key, value);
        }
        self
    }

    /// See [`LlmEvent::properties`].
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        if let Some(open) = &mut self.open {
            open.event.set_properties(&properties);
        }
        self
    }

    fn with(mut self, change: impl FnOnce(LlmEvent) -> LlmEvent) -> Self {
        if let Some(open) = &mut self.open {
            // `change` must not run the caller's code: after a panic in it, the blank event would be tracked.
            let event = mem::replace(&mut open.event, LlmEvent::new("", "", ""));
            open.event = change(event);
        }
        self
    }
}
