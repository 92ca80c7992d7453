//! The setters of an LLM event on a call that will track one: a bare name to make the call, and its twin with `set_` to
//! change the call while it streams.

use serde::Serialize;

use super::LlmCall;
use crate::record::{Cost, IntoText, LlmEvent, Usage};

impl LlmCall {
    /// See [`LlmEvent::assistant_id`]. The steps of the call have it, too.
    pub fn assistant_id(mut self, assistant_id: impl IntoText) -> Self {
        self.set_assistant_id(assistant_id);
        self
    }

    /// See [`LlmEvent::thread_id`]. The steps of the call have it, too.
    pub fn thread_id(mut self, thread_id: impl IntoText) -> Self {
        self.set_thread_id(thread_id);
        self
    }

    /// Sets `$generation_id` instead of the random one, also with a disabled client. See
    /// [`get_generation_id`](Self::get_generation_id).
    pub fn generation_id(mut self, generation_id: impl Into<String>) -> Self {
        self.set_generation_id(generation_id);
        self
    }

    /// See [`LlmEvent::prompt_event_name`].
    pub fn prompt_event_name(mut self, name: impl IntoText) -> Self {
        self.set_prompt_event_name(name);
        self
    }

    /// See [`LlmEvent::generation_event_name`].
    pub fn generation_event_name(mut self, name: impl IntoText) -> Self {
        self.set_generation_event_name(name);
        self
    }

    /// See [`LlmEvent::prompt_id`].
    pub fn prompt_id(mut self, prompt_id: impl IntoText) -> Self {
        self.set_prompt_id(prompt_id);
        self
    }

    /// See [`LlmEvent::provider`].
    pub fn provider(mut self, name: impl IntoText) -> Self {
        self.set_provider(name);
        self
    }

    /// See [`LlmEvent::prompt_name`].
    pub fn prompt_name(mut self, name: impl IntoText) -> Self {
        self.set_prompt_name(name);
        self
    }

    /// See [`LlmEvent::prompt_version`].
    pub fn prompt_version(mut self, version: impl IntoText) -> Self {
        self.set_prompt_version(version);
        self
    }

    /// See [`LlmEvent::response_model`].
    pub fn response_model(mut self, model: impl IntoText) -> Self {
        self.set_response_model(model);
        self
    }

    /// See [`LlmEvent::response_id`].
    pub fn response_id(mut self, id: impl IntoText) -> Self {
        self.set_response_id(id);
        self
    }

    /// See [`LlmEvent::usage`].
    pub fn usage(mut self, usage: Usage) -> Self {
        self.set_usage(usage);
        self
    }

    /// See [`LlmEvent::input_tokens`].
    pub fn input_tokens(mut self, tokens: u64) -> Self {
        self.set_input_tokens(tokens);
        self
    }

    /// See [`LlmEvent::output_tokens`].
    pub fn output_tokens(mut self, tokens: u64) -> Self {
        self.set_output_tokens(tokens);
        self
    }

    /// See [`LlmEvent::cost`].
    pub fn cost(mut self, cost: Cost) -> Self {
        self.set_cost(cost);
        self
    }

    /// See [`LlmEvent::finish_reason`].
    pub fn finish_reason(mut self, reason: impl IntoText) -> Self {
        self.set_finish_reason(reason);
        self
    }

    /// See [`LlmEvent::error_type`]. Without it, [`fail`](Self::fail) sets `_OTHER`.
    pub fn error_type(mut self, class: impl IntoText) -> Self {
        self.set_error_type(class);
        self
    }

    /// See [`LlmEvent::property`].
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.set_property(key, value);
        self
    }

    /// See [`LlmEvent::properties`].
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        self.change(|event| event.set_properties(&properties));
        self
    }

    /// See [`assistant_id`](Self::assistant_id).
    pub fn set_assistant_id(&mut self, assistant_id: impl IntoText) {
        if let Some(open) = &mut self.open {
            let assistant_id = assistant_id.into_text();
            self.of_steps.set_assistant_id(assistant_id.clone());
            open.event.set_assistant_id(assistant_id);
        }
    }

    /// See [`thread_id`](Self::thread_id).
    pub fn set_thread_id(&mut self, thread_id: impl IntoText) {
        if let Some(open) = &mut self.open {
            let thread_id = thread_id.into_text();
            self.of_steps.set_thread_id(thread_id.clone());
            open.event.set_thread_id(thread_id);
        }
    }

    /// See [`generation_id`](Self::generation_id).
    pub fn set_generation_id(&mut self, generation_id: impl Into<String>) {
        // The id of a generation that is tracked does not change.
        if self.open.is_some() || self.client.is_disabled() {
            self.generation_id = generation_id.into();
        }
    }

    /// See [`prompt_event_name`](Self::prompt_event_name).
    pub fn set_prompt_event_name(&mut self, name: impl IntoText) {
        self.change(|event| event.set_prompt_event_name(name));
    }

    /// See [`generation_event_name`](Self::generation_event_name).
    pub fn set_generation_event_name(&mut self, name: impl IntoText) {
        self.change(|event| event.set_generation_event_name(name));
    }

    /// See [`prompt_id`](Self::prompt_id).
    pub fn set_prompt_id(&mut self, prompt_id: impl IntoText) {
        self.change(|event| event.set_prompt_id(prompt_id));
    }

    /// See [`provider`](Self::provider).
    pub fn set_provider(&mut self, name: impl IntoText) {
        self.change(|event| event.set_provider(name));
    }

    /// See [`prompt_name`](Self::prompt_name).
    pub fn set_prompt_name(&mut self, name: impl IntoText) {
        self.change(|event| event.set_prompt_name(name));
    }

    /// See [`prompt_version`](Self::prompt_version).
    pub fn set_prompt_version(&mut self, version: impl IntoText) {
        self.change(|event| event.set_prompt_version(version));
    }

    /// See [`response_model`](Self::response_model).
    pub fn set_response_model(&mut self, model: impl IntoText) {
        self.change(|event| event.set_response_model(model));
    }

    /// See [`response_id`](Self::response_id).
    pub fn set_response_id(&mut self, id: impl IntoText) {
        self.change(|event| event.set_response_id(id));
    }

    /// See [`usage`](Self::usage).
    pub fn set_usage(&mut self, usage: Usage) {
        self.change(|event| event.set_usage(usage));
    }

    /// See [`input_tokens`](Self::input_tokens).
    pub fn set_input_tokens(&mut self, tokens: u64) {
        self.change(|event| event.set_input_tokens(tokens));
    }

    /// See [`output_tokens`](Self::output_tokens).
    pub fn set_output_tokens(&mut self, tokens: u64) {
        self.change(|event| event.set_output_tokens(tokens));
    }

    /// See [`cost`](Self::cost).
    pub fn set_cost(&mut self, cost: Cost) {
        self.change(|event| event.set_cost(cost));
    }

    /// See [`finish_reason`](Self::finish_reason).
    pub fn set_finish_reason(&mut self, reason: impl IntoText) {
        self.change(|event| event.set_finish_reason(reason));
    }

    /// See [`error_type`](Self::error_type).
    pub fn set_error_type(&mut self, class: impl IntoText) {
        self.change(|event| event.set_error_type(class));
    }

    /// See [`property`](Self::property).
    pub fn set_property(&mut self, key: impl AsRef<str>, value: impl Serialize) {
        self.change(|event| event.set_property(key, value));
    }

    /// Changes the event, unless it is tracked or the client is disabled.
    fn change(&mut self, change: impl FnOnce(&mut LlmEvent)) {
        if let Some(open) = &mut self.open {
            change(&mut open.event);
        }
    }
}
