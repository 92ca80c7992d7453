//! A step of a program, such as the run of a tool: it measures the time, and tracks one event when the step ends.
//!
//! Only the public methods read the clock. The others take the instant as an argument.

use std::{
    fmt::{self, Display},
    time::Instant,
};

use serde::Serialize;

use crate::{
    client::Trubrics,
    clock,
    outcome::Outcome,
    record::{Event, IntoText, Record, gen_ai},
};

impl Trubrics {
    /// Begins a step of this user, which is tracked as an event of this name. The clock runs until the step ends.
    ///
    /// ```
    /// use trubrics::{Trubrics, testing::Recorder};
    ///
    /// # fn export() -> Result<u32, std::io::Error> { Ok(7) }
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let step = client.timed("user_123", "Export").property("format", "svg");
    /// match export() {
    ///     Ok(charts) => step.property("charts", charts).finish(),
    ///     Err(error) => step.fail(error),
    /// }
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// let event = &recorder.events_named("Export")[0];
    /// assert_eq!(event["properties"]["outcome"], "finished");
    /// assert!(event["properties"]["duration"].is_number());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timed(&self, user_id: impl Into<String>, name: impl Into<String>) -> Step {
        Step::start(self, || Event::new(user_id, name))
    }
}

/// Something that takes time and has not ended: a command, the run of a tool, a search for documents.
///
/// - [`timed`](crate::Scope::timed) of a client or a scope: an event of the name that it is given.
/// - [`tool`](crate::LlmCall::tool) of a call or a scope: an event `Tool call`, with `gen_ai.tool.name`.
/// - [`retrieval`](crate::LlmCall::retrieval) of a call or a scope: an event `Retrieval`, with `retrieval.name`.
///
/// A step ends in exactly one event. Its property `duration` is the time that passed, in seconds on a monotonic clock.
/// Its property `outcome` says how the step ended:
///
/// | `outcome` | by | it also has |
/// |---|---|---|
/// | `finished` | [`finish`](Self::finish) | |
/// | `failed` | [`fail`](Self::fail) | `error_message`, `error.type` |
/// | `interrupted` | a drop without either: an early return, a panic | |
///
/// The event is tracked as by [`track`](Trubrics::track), also in a drop: with
/// [`Overflow::Block`](crate::Overflow::Block) this waits for room.
///
/// Steps are independent of each other, so tools may run side by side: a step can be sent to another thread. After
/// `std::mem::forget` or `std::process::exit` no event is tracked. A step of a disabled client does nothing.
///
/// `duration`, `outcome`, `error_message`, `retrieval.name` and `retrieval.results` are names of this crate. The others
/// are those of OpenTelemetry's conventions for generative AI.
#[must_use = "a step that is dropped at once is tracked as interrupted"]
pub struct Step {
    /// None once the event is tracked, and for a disabled client.
    open: Option<Box<Open>>,
}

struct Open {
    client: Trubrics,
    event: Event,
    started: Instant,
}

impl Step {
    /// Begins a step. The event is made only if the client is not disabled.
    pub(crate) fn start(client: &Trubrics, event: impl FnOnce() -> Event) -> Self {
        if client.is_disabled() {
            return Self { open: None };
        }
        let event = event();
        Self::start_at(client, event, clock::now())
    }

    /// Begins the run of a tool; `event` makes an event of the given name.
    pub(crate) fn tool(
        client: &Trubrics,
        tool: impl Into<String>,
        event: impl FnOnce(&'static str) -> Event,
    ) -> Self {
        Self::start(client, || {
            event("Tool call").property(gen_ai::TOOL_NAME, tool.into())
        })
    }

    /// Begins a search for documents; `event` makes an event of the given name.
    pub(crate) fn retrieval(
        client: &Trubrics,
        source: impl Into<String>,
        event: impl FnOnce(&'static str) -> Event,
    ) -> Self {
        Self::start(client, || {
            event("Retrieval").property(gen_ai::RETRIEVAL_NAME, source.into())
        })
    }

    fn start_at(client: &Trubrics, event: Event, now: Instant) -> Self {
        let open = Open {
            client: client.clone(),
            event,
            started: now,
        };
        Self {
            open: Some(Box::new(open)),
        }
    }

    /// Sets the property `$generation_id`: the generation that the step belongs to. A step of an
    /// [`LlmCall`](crate::LlmCall) has it.
    pub fn generation_id(mut self, generation_id: impl IntoText) -> Self {
        self.set_generation_id(generation_id);
        self
    }

    /// Sets `gen_ai.tool.call.id`, the id that the model gave to this call of the tool.
    pub fn call_id(mut self, id: impl IntoText) -> Self {
        self.set_call_id(id);
        self
    }

    /// Sets `gen_ai.tool.call.arguments`. Without this call no arguments are sent.
    ///
    /// They may quote the user. [`llm_content`](crate::TrubricsBuilder::llm_content) treats them like a prompt.
    pub fn arguments(mut self, arguments: impl Serialize) -> Self {
        self.set_arguments(arguments);
        self
    }

    /// Sets `gen_ai.tool.call.result`. Without this call no result is sent.
    ///
    /// It may quote the user. [`llm_content`](crate::TrubricsBuilder::llm_content) treats it like a prompt.
    pub fn result(mut self, result: impl Serialize) -> Self {
        self.set_result(result);
        self
    }

    /// Sets `retrieval.results`: how many documents a search found.
    pub fn results(mut self, count: usize) -> Self {
        self.set_results(count);
        self
    }

    /// Sets `error.type`, the class of the error: a name out of a small set, such as `timeout`, that a dashboard can
    /// group by. Without it, [`fail`](Self::fail) sets `_OTHER`.
    pub fn error_type(mut self, class: impl IntoText) -> Self {
        self.set_error_type(class);
        self
    }

    /// Sets one property of the event, as [`Event::property`] does.
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.set_property(key, value);
        self
    }

    /// Sets many properties of the event, as [`Event::properties`] does.
    pub fn properties(mut self, properties: impl Serialize) -> Self {
        self.change(|event| event.set_properties(&properties));
        self
    }

    /// Sets the generation, as [`generation_id`](Self::generation_id) does; `None` clears it.
    pub fn set_generation_id(&mut self, generation_id: impl IntoText) {
        self.change(|event| event.set_generation_id(generation_id));
    }

    /// Sets the id of the call, as [`call_id`](Self::call_id) does; `None` clears it.
    pub fn set_call_id(&mut self, id: impl IntoText) {
        self.change(|event| event.set_text_property(gen_ai::TOOL_CALL_ID, id));
    }

    /// Sets the arguments, as [`arguments`](Self::arguments) does.
    pub fn set_arguments(&mut self, arguments: impl Serialize) {
        self.set_property(gen_ai::TOOL_ARGUMENTS, arguments);
    }

    /// Sets the result, as [`result`](Self::result) does.
    pub fn set_result(&mut self, result: impl Serialize) {
        self.set_property(gen_ai::TOOL_RESULT, result);
    }

    /// Sets the number of results, as [`results`](Self::results) does.
    pub fn set_results(&mut self, count: usize) {
        self.set_property(gen_ai::RETRIEVAL_RESULTS, count);
    }

    /// Sets the class of the error, as [`error_type`](Self::error_type) does; `None` clears it.
    pub fn set_error_type(&mut self, class: impl IntoText) {
        self.change(|event| event.set_text_property(gen_ai::ERROR_TYPE, class));
    }

    /// Sets one property, as [`property`](Self::property) does.
    pub fn set_property(&mut self, key: impl AsRef<str>, value: impl Serialize) {
        self.change(|event| event.set_property(key, value));
    }

    /// Tracks the step as finished.
    pub fn finish(mut self) {
        if self.open.is_some() {
            self.end_at(Outcome::Finished, clock::now());
        }
    }

    /// Tracks the step as failed: the error's text is the property `error_message`.
    ///
    /// The text is sent as it is, and may quote the user. [`llm_content`](crate::TrubricsBuilder::llm_content) treats
    /// it like a prompt.
    pub fn fail(mut self, error: impl Display) {
        if self.open.is_some() {
            let now = clock::now();
            let error = error.to_string();
            self.end_at(Outcome::Failed(error), now);
        }
    }

    /// Changes the event, unless it is tracked or the client is disabled.
    fn change(&mut self, change: impl FnOnce(&mut Event)) {
        if let Some(open) = &mut self.open {
            change(&mut open.event);
        }
    }

    fn end_at(&mut self, outcome: Outcome, now: Instant) {
        let Some(open) = self.open.take() else {
            return;
        };
        let duration = now.saturating_duration_since(open.started);
        let mut record = Record::from(open.event);
        record.set_property(gen_ai::DURATION, duration.as_secs_f64());
        outcome.set_on(&mut record);
        open.client.track(record);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.end_at(Outcome::Interrupted, clock::now());
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("is_open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
