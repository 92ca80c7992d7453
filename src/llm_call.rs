//! A call to a model: it measures the time, and tracks one record when the call ends.
//!
//! Only the public methods read the clock. The others take the instant as an argument.

mod setters;
mod stream;
mod try_stream;

pub use stream::LlmStream;
pub use try_stream::LlmTryStream;

use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

use crate::{
    client::Trubrics,
    clock,
    outcome::Outcome,
    record::{Event, LlmEvent, Record, anonymous_id, gen_ai},
    step::Step,
};

impl Trubrics {
    /// Begins a call to a model. The clock runs until the call is finished.
    ///
    /// ```
    /// use trubrics::{Trubrics, testing::Recorder};
    ///
    /// # fn ask_model(prompt: &str) -> Result<String, std::io::Error> { Ok(prompt.to_uppercase()) }
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let call = client.llm_call("user_123", "What is a cohort?").assistant_id("gpt-4o");
    /// match ask_model("What is a cohort?") {
    ///     Ok(answer) => call.output_tokens(42).finish(answer),
    ///     Err(error) => call.fail(error),
    /// }
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// let event = &recorder.llm_events()[0];
    /// assert!(event["latency"].is_number());
    /// assert_eq!(event["properties"]["outcome"], "finished");
    /// assert_eq!(event["properties"]["gen_ai.usage.output_tokens"], 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn llm_call(&self, user_id: impl Into<String>, prompt: impl Into<String>) -> LlmCall {
        LlmCall::start(self, || {
            let user_id = user_id.into();
            let of_steps = Event::new(user_id.as_str(), "");
            (LlmEvent::new(user_id, prompt, ""), of_steps)
        })
    }
}

/// A call to a model that has not ended; from [`Trubrics::llm_call`] or [`Scope::llm_call`](crate::Scope::llm_call).
///
/// It ends in exactly one [`LlmEvent`], whose property `outcome` says how:
///
/// | `outcome` | by | it also has |
/// |---|---|---|
/// | `finished` | [`finish`](Self::finish), [`end`](Self::end), the end of a stream | `latency` |
/// | `failed` | [`fail`](Self::fail), an error in a stream | `error_message`, `error.type`, `duration` |
/// | `interrupted` | a drop without either: an early return, a panic | `duration` |
///
/// `latency` is the time from the prompt to the whole generation, on a monotonic clock. A call without a whole
/// generation has no `latency`, which would distort an average. The property `duration` has its time, in seconds.
/// `outcome`, `duration` and `error_message` are names of this crate. The others are those of OpenTelemetry's
/// conventions.
///
/// The record is tracked as by [`track`](Trubrics::track), also in a drop: with
/// [`Overflow::Block`](crate::Overflow::Block) this waits for room. The generation is kept in memory until then. A
/// record that is larger than [`queue_bytes`](crate::TrubricsBuilder::queue_bytes) is invalid.
///
/// A call has a [generation id](Self::get_generation_id) from the beginning. Its [tools](Self::tool) and
/// [retrievals](Self::retrieval) are tracked as [steps](Step) with the same id, and later feedback names it.
///
/// The other methods are those of [`LlmEvent`]: the bare names while a call is made, and the names with `set_` while it
/// streams. Once the record is tracked, they do nothing. After `std::mem::forget` or `std::process::exit` no record is
/// tracked. A call of a disabled client does nothing, but has a generation id.
#[must_use = "a call that is dropped at once is tracked as interrupted"]
pub struct LlmCall {
    client: Trubrics,
    generation_id: String,
    /// What the call's steps have in common with it: an event without a name.
    of_steps: Event,
    /// None once the record is tracked, and for a disabled client.
    open: Option<Box<Open>>,
}

struct Open {
    event: LlmEvent,
    started: Instant,
    first_token: Option<Duration>,
    /// The generation so far. Every end of the call tracks it.
    generation: String,
}

impl LlmCall {
    /// Begins a call with the event that it tracks, and an event for its steps. They are made only if the client is not
    /// disabled.
    pub(crate) fn start(client: &Trubrics, events: impl FnOnce() -> (LlmEvent, Event)) -> Self {
        if client.is_disabled() {
            return Self {
                client: client.clone(),
                generation_id: anonymous_id(),
                of_steps: Event::new("", ""),
                open: None,
            };
        }
        let (event, of_steps) = events();
        Self::start_at(client, event, of_steps, clock::now())
    }

    fn start_at(client: &Trubrics, event: LlmEvent, of_steps: Event, now: Instant) -> Self {
        let open = Open {
            event,
            started: now,
            first_token: None,
            generation: String::new(),
        };
        Self {
            client: client.clone(),
            generation_id: anonymous_id(),
            of_steps,
            open: Some(Box::new(open)),
        }
    }

    /// Returns the id of the generation, which is sent as `$generation_id`. It is a random UUID, unless
    /// [`generation_id`](Self::generation_id) set another one.
    ///
    /// It is known before the first token, and with a disabled client too. Give it to the user interface:
    /// feedback on the generation needs nothing else, not even the same process.
    pub fn get_generation_id(&self) -> &str {
        &self.generation_id
    }

    /// Notes the time of the first token of a streamed generation, as `gen_ai.response.time_to_first_chunk`. Only the
    /// first call counts.
    ///
    /// [`push_text`](Self::push_text) does it for text. Call this for other content, such as a call of a tool.
    pub fn first_token(&mut self) {
        if self.open.is_some() {
            self.first_token_at(clock::now());
        }
    }

    /// Adds a piece of text to the generation. The first one that is not empty is the first token.
    pub fn push_text(&mut self, text: &str) {
        if self.open.is_some() {
            self.push_text_at(text, clock::now());
        }
    }

    /// Tracks the call as finished, with its duration as `latency`. The text replaces the one that
    /// [`push_text`](Self::push_text) added.
    pub fn finish(self, generation: impl Into<String>) {
        if self.open.is_some() {
            let now = clock::now();
            let generation = generation.into();
            self.finish_at(generation, now);
        }
    }

    /// Tracks the call as finished, as [`finish`](Self::finish) does, with the text that [`push_text`](Self::push_text)
    /// added.
    pub fn end(mut self) {
        if self.open.is_some() {
            self.end_at(Outcome::Finished, clock::now());
        }
    }

    /// Tracks the call as failed: the error's text is the property `error_message`, and the generation is the text that
    /// [`push_text`](Self::push_text) added.
    ///
    /// The error's text is sent as it is, and may quote the prompt.
    /// [`llm_content`](crate::TrubricsBuilder::llm_content) treats it like a prompt.
    pub fn fail(mut self, error: impl Display) {
        if self.open.is_some() {
            let now = clock::now();
            let error = error.to_string();
            self.end_at(Outcome::Failed(error), now);
        }
    }

    /// Begins the run of a tool that the model asked for, which is tracked as an event `Tool call`: see [`Step`].
    ///
    /// It has the user, the thread, the assistant, the generation id and the scope's presets of this call. It does not
    /// depend on the call: several tools may run side by side, and also when the stream of the call has ended.
    ///
    /// ```
    /// use trubrics::{Trubrics, testing::Recorder};
    ///
    /// # fn search_orders(_: u32) -> Result<Vec<&'static str>, std::io::Error> { Ok(vec!["a chart"]) }
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let call = client.llm_call("user_123", "Where is my order?");
    /// let tool = call.tool("search_orders").call_id("call_1").arguments(7);
    /// match search_orders(7) {
    ///     Ok(orders) => tool.property("orders", orders.len()).finish(),
    ///     Err(error) => tool.fail(error),
    /// }
    /// call.finish("It is on its way.");
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// let tool = &recorder.events_named("Tool call")[0]["properties"];
    /// assert_eq!(tool["gen_ai.tool.name"], "search_orders");
    /// assert_eq!(tool["$generation_id"], recorder.llm_events()[0]["properties"]["$generation_id"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tool(&self, name: impl Into<String>) -> Step {
        Step::tool(&self.client, name, |event| self.step_event(event))
    }

    /// Begins a search for documents for this call, which is tracked as an event `Retrieval`: see [`Step`].
    ///
    /// The name is that of the source, such as an index. [`Step::results`] sets how many documents it found. For the
    /// rest it is as [`tool`](Self::tool).
    pub fn retrieval(&self, name: impl Into<String>) -> Step {
        Step::retrieval(&self.client, name, |event| self.step_event(event))
    }

    fn step_event(&self, name: &str) -> Event {
        let mut event = self.of_steps.clone();
        event.set_name(name);
        event.set_generation_id(&self.generation_id);
        event
    }

    fn first_token_at(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            let time = now.saturating_duration_since(open.started);
            open.first_token.get_or_insert(time);
        }
    }

    fn push_text_at(&mut self, text: &str, now: Instant) {
        // Models open a stream with an empty chunk that carries the role, which is not a token.
        if text.is_empty() {
            return;
        }
        self.first_token_at(now);
        if let Some(open) = &mut self.open {
            open.generation.push_str(text);
        }
    }

    fn finish_at(mut self, generation: String, now: Instant) {
        if let Some(open) = &mut self.open {
            open.generation = generation;
        }
        self.end_at(Outcome::Finished, now);
    }

    fn end_at(&mut self, outcome: Outcome, now: Instant) {
        let Some(open) = self.open.take() else {
            return;
        };
        let is_finished = matches!(outcome, Outcome::Finished);
        let event = open.into_event(is_finished, &self.generation_id, now);
        let mut record = Record::from(event);
        outcome.set_on(&mut record);
        self.client.track(record);
    }
}

impl Open {
    /// The event of a call that ends at this moment.
    fn into_event(self, is_finished: bool, generation_id: &str, now: Instant) -> LlmEvent {
        let Self {
            mut event,
            started,
            first_token,
            generation,
        } = self;
        event.set_generation(generation);
        event.set_generation_id(generation_id);
        if let Some(time) = first_token {
            event.set_time_to_first_token(time);
        }
        let time = now.saturating_duration_since(started);
        if is_finished {
            event.set_latency(time);
        } else {
            event.set_property(gen_ai::DURATION, time.as_secs_f64());
        }
        event
    }
}

impl Drop for LlmCall {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.end_at(Outcome::Interrupted, clock::now());
        }
    }
}

impl fmt::Debug for LlmCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmCall")
            .field("is_open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
