//! The setters of an LLM event on a call that will track one: a bare name to make the call, and its twin with `set_` to
//! change the call while it streams.

use serde::Serialize;

use super::LlmCall;
use crate::record::{Cost, IntoText, LlmEvent, Usage};

impl LlmCall {
    /// Sets `$assistant_id`, usually the model that was asked: see [`LlmEvent::assistant_id`]. The steps of the call
    /// have it, too.
    pub fn assistant_id(mut self, assistant_id: impl IntoText) -> Self {
        self.set_assistant_id(assistant_id);
        self
    }

    /// Sets `$thread_id`, the conversation that the call belongs to: see [`LlmEvent::thread_id`]. The steps of the call
    /// have it, too.
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

    /// Sets the name under which the prompt is shown: see [`LlmEvent::prompt_event_name`].
    pub fn prompt_event_name(mut self, name: impl IntoText) -> Self {
        self.set_prompt_event_name(name);
        self
    }

    /// Sets the name under which the generation is shown: see [`LlmEvent::generation_event_name`].
    pub fn generation_event_name(mut self, name: impl IntoText) -> Self {
        self.set_generation_event_name(name);
        self
    }

    /// Sets `$prompt_id`, an id of your own for the prompt: see [`LlmEvent::prompt_id`].
    pub fn prompt_id(mut self, prompt_id: impl IntoText) -> Self {
        self.set_prompt_id(prompt_id);
        self
    }

    /// Sets `gen_ai.provider.name`, the company that serves the model: see [`LlmEvent::provider`].
    pub fn provider(mut self, name: impl IntoText) -> Self {
        self.set_provider(name);
        self
    }

    /// Sets `gen_ai.prompt.name`, the template of the prompt: see [`LlmEvent::prompt_name`].
    pub fn prompt_name(mut self, name: impl IntoText) -> Self {
        self.set_prompt_name(name);
        self
    }

    /// Sets `gen_ai.prompt.version`, the version of the template: see [`LlmEvent::prompt_version`].
    pub fn prompt_version(mut self, version: impl IntoText) -> Self {
        self.set_prompt_version(version);
        self
    }

    /// Sets `gen_ai.response.model`, the exact model that answered: see [`LlmEvent::response_model`].
    pub fn response_model(mut self, model: impl IntoText) -> Self {
        self.set_response_model(model);
        self
    }

    /// Sets `gen_ai.response.id`, the provider's id of its answer: see [`LlmEvent::response_id`].
    pub fn response_id(mut self, id: impl IntoText) -> Self {
        self.set_response_id(id);
        self
    }

    /// Sets the parts of the usage that are known: see [`LlmEvent::usage`].
    pub fn usage(mut self, usage: Usage) -> Self {
        self.set_usage(usage);
        self
    }

    /// Sets the tokens of the prompt: see [`LlmEvent::input_tokens`].
    pub fn input_tokens(mut self, tokens: u64) -> Self {
        self.set_input_tokens(tokens);
        self
    }

    /// Sets the tokens of the generation: see [`LlmEvent::output_tokens`].
    pub fn output_tokens(mut self, tokens: u64) -> Self {
        self.set_output_tokens(tokens);
        self
    }

    /// Sets what the call cost: see [`LlmEvent::cost`].
    pub fn cost(mut self, cost: Cost) -> Self {
        self.set_cost(cost);
        self
    }

    /// Sets why the model stopped: see [`LlmEvent::finish_reason`].
    pub fn finish_reason(mut self, reason: impl IntoText) -> Self {
        self.set_finish_reason(reason);
        self
    }

    /// Sets the class of the error: see [`LlmEvent::error_type`]. Without it, [`fail`](Self::fail) sets `_OTHER`.
    pub fn error_type(mut self, class: impl IntoText) -> Self {
        self.set_error_type(class);
        self
    }

    /// Sets one property: see [`LlmEvent::property`].
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.set_property(key, value);
        self
    }

    /// Sets many properties: see [`LlmEvent::properties`].
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        self.change(|event| event.set_properties(&properties));
        self
    }

    /// As [`assistant_id`](Self::assistant_id), for a call that has begun to stream.
    pub fn set_assistant_id(&mut self, assistant_id: impl IntoText) {
        if let Some(open) = &mut self.open {
            let assistant_id = assistant_id.into_text();
            self.of_steps.set_assistant_id(assistant_id.clone());
            open.event.set_assistant_id(assistant_id);
        }
    }

    /// As [`thread_id`](Self::thread_id), for a call that has begun to stream.
    pub fn set_thread_id(&mut self, thread_id: impl IntoText) {
        if let Some(open) = &mut self.open {
            let thread_id = thread_id.into_text();
            self.of_steps.set_thread_id(thread_id.clone());
            open.event.set_thread_id(thread_id);
        }
    }

    /// As [`generation_id`](Self::generation_id), for a call that has begun to stream.
    pub fn set_generation_id(&mut self, generation_id: impl Into<String>) {
        // The id of a generation that is tracked does not change.
        if self.open.is_some() || self.client.is_disabled() {
            self.generation_id = generation_id.into();
        }
    }

    /// As [`prompt_event_name`](Self::prompt_event_name), for a call that has begun to stream.
    pub fn set_prompt_event_name(&mut self, name: impl IntoText) {
        self.change(|event| event.set_prompt_event_name(name));
    }

    /// As [`generation_event_name`](Self::generation_event_name), for a call that has begun to stream.
    pub fn set_generation_event_name(&mut self, name: impl IntoText) {
        self.change(|event| event.set_generation_event_name(name));
    }

    /// As [`prompt_id`](Self::prompt_id), for a call that has begun to stream.
    pub fn set_prompt_id(&mut self, prompt_id: impl IntoText) {
        self.change(|event| event.set_prompt_id(prompt_id));
    }

    /// As [`provider`](Self::provider), for a call that has begun to stream.
    pub fn set_provider(&mut self, name: impl IntoText) {
        self.change(|event| event.set_provider(name));
    }

    /// As [`prompt_name`](Self::prompt_name), for a call that has begun to stream.
    pub fn set_prompt_name(&mut self, name: impl IntoText) {
        self.change(|event| event.set_prompt_name(name));
    }

    /// As [`prompt_version`](Self::prompt_version), for a call that has begun to stream.
    pub fn set_prompt_version(&mut self, version: impl IntoText) {
        self.change(|event| event.set_prompt_version(version));
    }

    /// As [`response_model`](Self::response_model), for a call that has begun to stream.
    pub fn set_response_model(&mut self, model: impl IntoText) {
        self.change(|event| event.set_response_model(model));
    }

    /// As [`response_id`](Self::response_id), for a call that has begun to stream.
    pub fn set_response_id(&mut self, id: impl IntoText) {
        self.change(|event| event.set_response_id(id));
    }

    /// As [`usage`](Self::usage), for a call that has begun to stream.
    pub fn set_usage(&mut self, usage: Usage) {
        self.change(|event| event.set_usage(usage));
    }

    /// As [`input_tokens`](Self::input_tokens), for a call that has begun to stream.
    pub fn set_input_tokens(&mut self, tokens: u64) {
        self.change(|event| event.set_input_tokens(tokens));
    }

    /// As [`output_tokens`](Self::output_tokens), for a call that has begun to stream.
    pub fn set_output_tokens(&mut self, tokens: u64) {
        self.change(|event| event.set_output_tokens(tokens));
    }

    /// As [`cost`](Self::cost), for a call that has begun to stream.
    pub fn set_cost(&mut self, cost: Cost) {
        self.change(|event| event.set_cost(cost));
    }

    /// As [`finish_reason`](Self::finish_reason), for a call that has begun to stream.
    pub fn set_finish_reason(&mut self, reason: impl IntoText) {
        self.change(|event| event.set_finish_reason(reason));
    }

    /// As [`error_type`](Self::error_type), for a call that has begun to stream.
    pub fn set_error_type(&mut self, class: impl IntoText) {
        self.change(|event| event.set_error_type(class));
    }

    /// As [`property`](Self::property), for a call that has begun to stream.
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
