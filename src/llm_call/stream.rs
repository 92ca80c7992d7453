//! A model's chunks: each is passed on untouched, and its text is kept with the call.

use std::{fmt, iter::FusedIterator};

use super::LlmCall;
use crate::{clock, outcome::Outcome};

/// An iterator that passes a model's chunks on; from [`LlmCall::stream`] or [`LlmCall::stream_by`].
///
/// Each chunk is passed on as it is. The first text that is not empty is the first token. At the end, the call is
/// tracked as finished, with all of the text as its generation. If the stream is dropped before, the call is tracked
/// as interrupted, with the text so far. The clock runs until the model's iterator ends, and includes the consumer's
/// own time.
#[must_use = "a stream does nothing until it is iterated, and is tracked as interrupted when it is dropped"]
pub struct LlmStream<I, F = ()> {
    chunks: I,
    call: LlmCall,
    read: F,
}

impl LlmCall {
    /// Passes a model's chunks of text on, and tracks the call when they end: see [`LlmStream`].
    ///
    /// ```
    /// use trubrics::{Trubrics, testing::Recorder};
    ///
    /// # fn ask_model(_: &str) -> impl Iterator<Item = &'static str> { ["A group ", "of users."].into_iter() }
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let mut shown = String::new();
    /// let call = client.llm_call("user_123", "What is a cohort?");
    /// for chunk in call.stream(ask_model("What is a cohort?")) {
    ///     shown.push_str(chunk);
    /// }
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// let event = &recorder.llm_events()[0];
    /// assert_eq!(event["generation"], "A group of users.");
    /// assert!(event["properties"]["gen_ai.response.time_to_first_chunk"].is_number());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream<I>(self, chunks: I) -> LlmStream<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        LlmStream {
            chunks: chunks.into_iter(),
            call: self,
            read: (),
        }
    }

    /// As [`stream`](Self::stream), for chunks that are structs: `read` says what each chunk holds.
    ///
    /// `read` runs once for each chunk, before the chunk is passed on, while the call has not ended. With a disabled
    /// client it does not run. If it panics, the drop of the stream tracks the call as interrupted.
    ///
    /// ```
    /// use serde_json::{Value, json};
    /// use trubrics::{LlmCall, Trubrics, testing::Recorder};
    ///
    /// fn read(chunk: &Value, call: &mut LlmCall) {
    ///     let choice = &chunk["choices"][0];
    ///     if let Some(text) = choice["delta"]["content"].as_str() {
    ///         call.push_text(text);
    ///     }
    ///     if choice["delta"]["tool_calls"].is_array() {
    ///         call.first_token();
    ///     }
    ///     if let Some(reason) = choice["finish_reason"].as_str() {
    ///         call.set_finish_reason(reason);
    ///     }
    ///     if let Some(tokens) = chunk["usage"]["completion_tokens"].as_u64() {
    ///         call.set_output_tokens(tokens);
    ///     }
    /// }
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let chunks = [
    ///     json!({"choices": [{"delta": {"role": "assistant", "content": ""}}]}),
    ///     json!({"choices": [{"delta": {"content": "A group of users."}}]}),
    ///     json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    ///     json!({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 5}}),
    /// ];
    /// for chunk in client.llm_call("user_123", "What is a cohort?").stream_by(chunks, read) {
    ///     // Show it.
    /// #   let _ = chunk;
    /// }
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// let event = &recorder.llm_events()[0];
    /// assert_eq!(event["generation"], "A group of users.");
    /// assert_eq!(event["properties"]["gen_ai.usage.output_tokens"], 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream_by<I, F>(self, chunks: I, read: F) -> LlmStream<I::IntoIter, F>
    where
        I: IntoIterator,
        F: FnMut(&I::Item, &mut LlmCall),
    {
        LlmStream {
            chunks: chunks.into_iter(),
            call: self,
            read,
        }
    }
}

impl<I, F> LlmStream<I, F> {
    /// Returns the call, for its generation id and its steps; also after the end of the stream.
    ///
    /// ```
    /// # let client = trubrics::Trubrics::disabled();
    /// # fn search_orders() -> Result<(), std::io::Error> { Ok(()) }
    /// let mut stream = client.llm_call("user_123", "Where is my order?").stream(["I will ", "look."]);
    /// for chunk in stream.by_ref() {
    ///     // Show it.
    /// # let _ = chunk;
    /// }
    /// let tool = stream.call().tool("search_orders");
    /// match search_orders() {
    ///     Ok(()) => tool.finish(),
    ///     Err(error) => tool.fail(error),
    /// }
    /// ```
    pub fn call(&self) -> &LlmCall {
        &self.call
    }

    /// Returns the call, to set a value that is known only during the stream. After the end of the stream, setters do
    /// nothing.
    ///
    /// ```
    /// # let client = trubrics::Trubrics::disabled();
    /// let mut stream = client.llm_call("user_123", "Hello").stream(["Hi", " there"]);
    /// while let Some(chunk) = stream.next() {
    ///     stream.call_mut().set_finish_reason("stop");
    /// # let _ = chunk;
    /// }
    /// ```
    pub fn call_mut(&mut self) -> &mut LlmCall {
        &mut self.call
    }
}

impl<I, F> Iterator for LlmStream<I, F>
where
    I: Iterator,
    F: sealed::ReadChunk<I::Item>,
{
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let chunk = self.chunks.next();
        if self.call.open.is_some() {
            match &chunk {
                Some(chunk) => self.read.read(chunk, &mut self.call),
                None => self.call.end_at(Outcome::Finished, clock::now()),
            }
        }
        chunk
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl<I, F> FusedIterator for LlmStream<I, F>
where
    I: FusedIterator,
    F: sealed::ReadChunk<I::Item>,
{
}

pub(super) mod sealed {
    use crate::llm_call::LlmCall;

    #[expect(unnameable_types, reason = "it is only to have one iterator")]
    pub trait ReadChunk<C> {
        fn read(&mut self, chunk: &C, call: &mut LlmCall);
    }
}

impl<C: AsRef<str>> sealed::ReadChunk<C> for () {
    fn read(&mut self, chunk: &C, call: &mut LlmCall) {
        call.push_text(chunk.as_ref());
    }
}

impl<C, F: FnMut(&C, &mut LlmCall)> sealed::ReadChunk<C> for F {
    fn read(&mut self, chunk: &C, call: &mut LlmCall) {
        self(chunk, call);
    }
}

impl<I, F> fmt::Debug for LlmStream<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmStream").finish_non_exhaustive()
    }
}
