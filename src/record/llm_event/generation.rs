//! The properties of an LLM event that describe its generation: who made it, from what, and at what price.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::LlmEvent;
use crate::record::{Cost, IntoText, Usage, gen_ai};

impl LlmEvent {
    /// Sets the property `$prompt_id`, an id of your own by which later events name the prompt; `None` clears it.
    pub fn prompt_id(mut self, prompt_id: impl IntoText) -> Self {
        self.set_prompt_id(prompt_id);
        self
    }

    /// Sets the property `$generation_id`, by which a later [`feedback`](crate::Event::feedback) finds the generation;
    /// `None` clears it. A [call](crate::LlmCall) sets a random one.
    pub fn generation_id(mut self, generation_id: impl IntoText) -> Self {
        self.set_generation_id(generation_id);
        self
    }

    /// Sets `gen_ai.provider.name`, the company that serves the model: `openai`, `anthropic`, `aws.bedrock` ...
    pub fn provider(mut self, name: impl IntoText) -> Self {
        self.set_provider(name);
        self
    }

    /// Sets `gen_ai.prompt.name`, the name of the template that the prompt was made from.
    pub fn prompt_name(mut self, name: impl IntoText) -> Self {
        self.set_prompt_name(name);
        self
    }

    /// Sets `gen_ai.prompt.version`, the version of the template that the prompt was made from.
    pub fn prompt_version(mut self, version: impl IntoText) -> Self {
        self.set_prompt_version(version);
        self
    }

    /// Sets `gen_ai.response.model`, the exact model that answered, as the provider names it.
    pub fn response_model(mut self, model: impl IntoText) -> Self {
        self.set_response_model(model);
        self
    }

    /// Sets `gen_ai.response.id`, the provider's id of its answer.
    pub fn response_id(mut self, id: impl IntoText) -> Self {
        self.set_response_id(id);
        self
    }

    /// Sets the properties of each part of the usage that is known, and leaves the others as they are. A later part of
    /// an answer can so complete an earlier one.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.set_usage(usage);
        self
    }

    /// Sets `gen_ai.usage.input_tokens`, all tokens of the input, with those from a cache.
    pub fn input_tokens(mut self, tokens: u64) -> Self {
        self.set_input_tokens(tokens);
        self
    }

    /// Sets `gen_ai.usage.output_tokens`, all tokens of the output, with those of reasoning.
    pub fn output_tokens(mut self, tokens: u64) -> Self {
        self.set_output_tokens(tokens);
        self
    }

    /// Sets `cost.amount` and `cost.currency`, which are names of this crate: the conventions have no attribute for a
    /// cost. A [`Cost`] that is not valid makes the event invalid.
    pub fn cost(mut self, cost: Cost) -> Self {
        self.set_cost(cost);
        self
    }

    /// Sets `gen_ai.response.finish_reasons`, why the model stopped: `stop`, `length`, `tool_calls` ... The
    /// conventions ask for a list, so it is sent as a list of one.
    pub fn finish_reason(mut self, reason: impl IntoText) -> Self {
        self.set_finish_reason(reason);
        self
    }

    /// Sets `gen_ai.response.time_to_first_chunk`, the time from the prompt to the first chunk of a streamed
    /// generation. It is sent in seconds.
    pub fn time_to_first_token(mut self, time: Duration) -> Self {
        self.set_time_to_first_token(time);
        self
    }

    /// Sets `error.type`, the class of the error: a name out of a small set, such as `timeout` or `rate_limited`,
    /// that a dashboard can group by.
    pub fn error_type(mut self, class: impl IntoText) -> Self {
        self.set_error_type(class);
        self
    }

    /// Returns `$prompt_id`, if it is set and a text.
    pub fn get_prompt_id(&self) -> Option<String> {
        self.get_text_property(gen_ai::PROMPT_ID)
    }

    /// Sets `$prompt_id`, as [`prompt_id`](Self::prompt_id) does.
    pub fn set_prompt_id(&mut self, prompt_id: impl IntoText) {
        self.replace_text(gen_ai::PROMPT_ID, prompt_id);
    }

    /// Returns `$generation_id`, if it is set and a text.
    pub fn get_generation_id(&self) -> Option<String> {
        self.get_text_property(gen_ai::GENERATION_ID)
    }

    /// Sets `$generation_id`, as [`generation_id`](Self::generation_id) does.
    pub fn set_generation_id(&mut self, generation_id: impl IntoText) {
        self.replace_text(gen_ai::GENERATION_ID, generation_id);
    }

    /// Sets the provider, as [`provider`](Self::provider) does; `None` clears it.
    pub fn set_provider(&mut self, name: impl IntoText) {
        self.replace_text(gen_ai::PROVIDER, name);
    }

    /// Sets the prompt template's name, as [`prompt_name`](Self::prompt_name) does; `None` clears it.
    pub fn set_prompt_name(&mut self, name: impl IntoText) {
        self.replace_text(gen_ai::PROMPT_NAME, name);
    }

    /// Sets the prompt template's version, as [`prompt_version`](Self::prompt_version) does; `None` clears it.
    pub fn set_prompt_version(&mut self, version: impl IntoText) {
        self.replace_text(gen_ai::PROMPT_VERSION, version);
    }

    /// Sets the model that answered, as [`response_model`](Self::response_model) does; `None` clears it.
    pub fn set_response_model(&mut self, model: impl IntoText) {
        self.replace_text(gen_ai::RESPONSE_MODEL, model);
    }

    /// Sets the id of the answer, as [`response_id`](Self::response_id) does; `None` clears it.
    pub fn set_response_id(&mut self, id: impl IntoText) {
        self.replace_text(gen_ai::RESPONSE_ID, id);
    }

    /// Sets the known parts of the usage, as [`usage`](Self::usage) does.
    pub fn set_usage(&mut self, usage: Usage) {
        for (key, tokens) in [
            (gen_ai::INPUT_TOKENS, usage.input_tokens),
            (gen_ai::OUTPUT_TOKENS, usage.output_tokens),
            (gen_ai::CACHE_READ_TOKENS, usage.cache_read_tokens),
            (gen_ai::CACHE_WRITE_TOKENS, usage.cache_write_tokens),
            (gen_ai::REASONING_TOKENS, usage.reasoning_tokens),
        ] {
            if let Some(tokens) = tokens {
                self.replace(key, &tokens);
            }
        }
    }

    /// Sets all tokens of the input, as [`input_tokens`](Self::input_tokens) does.
    pub fn set_input_tokens(&mut self, tokens: u64) {
        self.replace(gen_ai::INPUT_TOKENS, &tokens);
    }

    /// Sets all tokens of the output, as [`output_tokens`](Self::output_tokens) does.
    pub fn set_output_tokens(&mut self, tokens: u64) {
        self.replace(gen_ai::OUTPUT_TOKENS, &tokens);
    }

    /// Sets the cost, as [`cost`](Self::cost) does.
    pub fn set_cost(&mut self, cost: Cost) {
        match cost.parts() {
            Ok((amount, currency)) => {
                self.replace(gen_ai::COST_AMOUNT, &amount);
                self.replace(gen_ai::COST_CURRENCY, &currency);
            }
            Err(error) => self.properties.remember(Err(error)),
        }
    }

    /// Sets why the model stopped, as [`finish_reason`](Self::finish_reason) does; `None` clears it.
    pub fn set_finish_reason(&mut self, reason: impl IntoText) {
        match reason.into_text() {
            Some(reason) => self.replace(gen_ai::FINISH_REASONS, &[reason]),
            None => drop(self.remove_property(gen_ai::FINISH_REASONS)),
        }
    }

    /// Sets the time to the first token, as [`time_to_first_token`](Self::time_to_first_token) does.
    pub fn set_time_to_first_token(&mut self, time: Duration) {
        self.replace(gen_ai::TIME_TO_FIRST_TOKEN, &time.as_secs_f64());
    }

    /// Sets the class of the error, as [`error_type`](Self::error_type) does; `None` clears it.
    pub fn set_error_type(&mut self, class: impl IntoText) {
        self.replace_text(gen_ai::ERROR_TYPE, class);
    }

    fn get_text_property(&self, key: &str) -> Option<String> {
        match self.get_property(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn replace_text(&mut self, key: &str, text: impl IntoText) {
        match text.into_text() {
            Some(text) => self.replace(key, &text),
            None => drop(self.remove_property(key)),
        }
    }

    /// Sets a property whose key may repeat with each chunk of a stream. The earlier value is removed at once, so that
    /// the event does not grow.
    fn replace(&mut self, key: &str, value: &impl Serialize) {
        self.properties.remove(key);
        self.properties.set(key, value);
    }
}
