//! A call to a model: it measures the time, and tracks one record when the call ends.
//!
//! Only the public methods read the clock. The others take the instant as an argument.

mod setters;
mod stream;

pub use stream::{LlmStream, LlmTryStream};

use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

use crate::{
    client::Trubrics,
    outcome::Outcome,
    record::{LlmEvent, Record, gen_ai},
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
        LlmCall::start(self, || LlmEvent::new(user_id, prompt, ""))
    }
}

/// A call to a model that has not ended; from [`Trubrics::llm_call`] or [`Scope::llm_call`](crate::Scope::llm_call).
///
/// It ends in exactly one [`LlmEvent`], whose property `outcome` says how:
///
/// | `outcome` | by | it also has |
/// |---|---|---|
/// | `finished` | [`finish`](Self::finish) | `latency` |
/// | `failed` | [`fail`](Self::fail) | `error_message`, `error.type`, `duration` |
/// | `interrupted` | a drop without either: an early return, a panic | `duration` |
///
/// `latency` is the time from the prompt to the whole generation, on a monotonic clock. A call without a whole
/// generation has no `latency`, which would distort an average. The property `duration` has its time, in seconds.
/// [`first_token`](Self::first_token) sets `gen_ai.response.time_to_first_chunk`. The names `outcome`, `duration` and
/// `error_message` are this crate's; the others are those of OpenTelemetry's conventions.
///
/// The other methods are those of [`LlmEvent`]. After `std::mem::forget` or `std::process::exit` no record is tracked.
/// A call of a disabled client does nothing.
#[must_use = "a call that is dropped at once is tracked as interrupted"]
pub struct LlmCall {
    /// None once the record is tracked, and for a disabled client.
    open: Option<Box<Open>>,
}

struct Open {
    client: Trubrics,
    event: LlmEvent,
    started: Instant,
    first_token: Option<Duration>,
    /// The generation so far. Every end of the call tracks it.
    generation: String,
}

impl LlmCall {
    pub(crate) fn start(client: &Trubrics, event: impl FnOnce() -> LlmEvent) -> Self {
        if client.is_disabled() {
            return Self { open: None };
        }
        let event = event();
        Self::start_at(client, event, Instant::now())
    }

    fn start_at(client: &Trubrics, event: LlmEvent, now: Instant) -> Self {
        let open = Open {
            client: client.clone(),
            event,
            started: now,
            first_token: None,
            generation: String::new(),
        };
        Self {
            open: Some(Box::new(open)),
        }
    }

    /// Notes the time of the first token of a streamed generation. Only the first call counts.
    pub fn first_token(&mut self) {
        if self.open.is_some() {
            self.first_token_at(Instant::now());
        }
    }

    /// Tracks the call as finished, with its duration as `latency`.
    pub fn finish(self, generation: impl Into<String>) {
        if self.open.is_some() {
            let now = Instant::now();
            let generation = generation.into();
            self.finish_at(generation, now);
        }
    }

    /// Tracks the call as failed: the error's text is the property `error_message`, and the generation is empty.
    ///
    /// The text is sent as it is, and may quote the prompt. [`llm_content`](crate::TrubricsBuilder::llm_content)
    /// treats it like a prompt.
    pub fn fail(mut self, error: impl Display) {
        if self.open.is_some() {
            let now = Instant::now();
            let error = error.to_string();
            self.end_at(Outcome::Failed(error), now);
        }
    }

    /// Passes a model's chunks of text on, and tracks the call when they end: see [`LlmStream`].
    pub fn stream<I>(self, chunks: I) -> LlmStream<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        LlmStream::new(self, chunks.into_iter())
    }

    /// As [`stream`](Self::stream), for chunks that may be errors: see [`LlmTryStream`].
    pub fn try_stream<I, T, E>(self, chunks: I) -> LlmTryStream<I::IntoIter>
    where
        I: IntoIterator<Item = Result<T, E>>,
        T: AsRef<str>,
        E: Display,
    {
        LlmTryStream::new(self, chunks.into_iter())
    }

    fn first_token_at(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            let time = now.saturating_duration_since(open.started);
            open.first_token.get_or_insert(time);
        }
    }

    fn finish_at(mut self, generation: String, now: Instant) {
        if let Some(open) = &mut self.open {
            open.generation = generation;
        }
        self.end_at(Outcome::Finished, now);
    }

    fn end_at(&mut self, outcome: Outcome, now: Instant) {
        if let Some(open) = self.open.take() {
            open.end_at(outcome, now);
        }
    }
}

impl Open {
    fn end_at(self, outcome: Outcome, now: Instant) {
        let Self {
            client,
            mut event,
            started,
            first_token,
            generation,
        } = self;
        let time = now.saturating_duration_since(started);
        event.set_generation(generation);
        if let Some(time) = first_token {
            event = event.time_to_first_token(time);
        }
        if matches!(outcome, Outcome::Finished) {
            event.set_latency(time);
        } else {
            event.set_property(gen_ai::DURATION, time.as_secs_f64());
        }
        let mut record = Record::from(event);
        outcome.set_on(&mut record);
        client.track(record);
    }
}

impl Drop for LlmCall {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.end_at(Outcome::Interrupted, Instant::now());
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
