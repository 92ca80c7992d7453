//! A model's chunks: each is passed on untouched, and its text is kept with the call.

use std::{
    fmt::{self, Display},
    iter::FusedIterator,
};

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

/// An iterator that passes on a model's chunks, which may be errors; from [`LlmCall::try_stream`] or
/// [`LlmCall::try_stream_by`].
///
/// As [`LlmStream`], but the first error ends the call as failed, with the text so far as its generation.
/// [`error_type_by`](Self::error_type_by) sets the class of the error.
#[must_use = "a stream does nothing until it is iterated, and is tracked as interrupted when it is dropped"]
pub struct LlmTryStream<I, F = (), N = ()> {
    chunks: I,
    call: LlmCall,
    read: F,
    error_type: N,
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

    /// As [`stream`](Self::stream), for chunks that may be errors: see [`LlmTryStream`].
    ///
    /// ```
    /// use trubrics::{Trubrics, testing::Recorder};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let chunks = [Ok("A gr"), Err("connection reset")];
    /// let call = client.llm_call("user_123", "What is a cohort?");
    /// let answer: Result<String, &str> = call.try_stream(chunks).collect();
    /// assert_eq!(answer, Err("connection reset"));
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// let event = &recorder.llm_events()[0];
    /// assert_eq!(event["generation"], "A gr");
    /// assert_eq!(event["properties"]["outcome"], "failed");
    /// assert_eq!(event["properties"]["error_message"], "connection reset");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_stream<I, T, E>(self, chunks: I) -> LlmTryStream<I::IntoIter>
    where
        I: IntoIterator<Item = Result<T, E>>,
        T: AsRef<str>,
        E: Display,
    {
        LlmTryStream {
            chunks: chunks.into_iter(),
            call: self,
            read: (),
            error_type: (),
        }
    }

    /// As [`stream_by`](Self::stream_by), for chunks that may be errors: see [`LlmTryStream`]. `read` gets no errors.
    pub fn try_stream_by<I, T, E, F>(self, chunks: I, read: F) -> LlmTryStream<I::IntoIter, F>
    where
        I: IntoIterator<Item = Result<T, E>>,
        E: Display,
        F: FnMut(&T, &mut LlmCall),
    {
        LlmTryStream {
            chunks: chunks.into_iter(),
            call: self,
            read,
            error_type: (),
        }
    }
}

impl<I, F> LlmStream<I, F> {
    /// Returns the call: its generation id, and the tools that it asks for, also after the end of the stream.
    pub fn call(&self) -> &LlmCall {
        &self.call
    }

    /// Returns the call, to set a value that is known only during the stream. After the end of the stream, this does
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

impl<I, F> LlmTryStream<I, F> {
    /// Sets how the property `error.type` is made of the error that ends the call.
    ///
    /// Without it, `error.type` is the class that [`LlmCall::error_type`] set, or else `_OTHER`. Use few different
    /// names, so that a dashboard can group by them.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use trubrics::{Trubrics, testing::Recorder};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    ///
    /// let chunks = [Ok("A gr"), Err(Error::from(ErrorKind::TimedOut))];
    /// let stream = client
    ///     .llm_call("user_123", "What is a cohort?")
    ///     .try_stream(chunks)
    ///     .error_type_by(|error| match error.kind() {
    ///         ErrorKind::TimedOut => "timeout",
    ///         _ => "connection",
    ///     });
    /// assert!(stream.collect::<Result<String, Error>>().is_err());
    /// client.flush(std::time::Duration::from_secs(5))?;
    ///
    /// assert_eq!(recorder.llm_events()[0]["properties"]["error.type"], "timeout");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn error_type_by<T, E, N, S>(self, error_type: N) -> LlmTryStream<I, F, N>
    where
        I: Iterator<Item = Result<T, E>>,
        N: FnMut(&E) -> S,
        S: Into<String>,
    {
        LlmTryStream {
            chunks: self.chunks,
            call: self.call,
            read: self.read,
            error_type,
        }
    }
}

impl<I, F, N> LlmTryStream<I, F, N> {
    /// As [`LlmStream::call`].
    pub fn call(&self) -> &LlmCall {
        &self.call
    }

    /// As [`LlmStream::call_mut`].
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

#[expect(unnameable_types, reason = "they are only to have one iterator each")]
mod sealed {
    use crate::llm_call::LlmCall;

    pub trait ReadChunk<C> {
        fn read(&mut self, chunk: &C, call: &mut LlmCall);
    }

    pub trait ErrorType<E> {
        /// None leaves the class to the call.
        fn of(&mut self, error: &E) -> Option<String>;
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

impl<E> sealed::ErrorType<E> for () {
    fn of(&mut self, _: &E) -> Option<String> {
        None
    }
}

impl<E, N, S> sealed::ErrorType<E> for N
where
    N: FnMut(&E) -> S,
    S: Into<String>,
{
    fn of(&mut self, error: &E) -> Option<String> {
        Some(self(error).into())
    }
}

impl<I, T, E, F, N> Iterator for LlmTryStream<I, F, N>
where
    I: Iterator<Item = Result<T, E>>,
    E: Display,
    F: sealed::ReadChunk<T>,
    N: sealed::ErrorType<E>,
{
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Result<T, E>> {
        let chunk = self.chunks.next();
        if self.call.open.is_some() {
            match &chunk {
                Some(Ok(chunk)) => self.read.read(chunk, &mut self.call),
                Some(Err(error)) => self.fail(error),
                None => self.call.end_at(Outcome::Finished, clock::now()),
            }
        }
        chunk
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl<I, F, N> LlmTryStream<I, F, N> {
    fn fail<E: Display>(&mut self, error: &E)
    where
        N: sealed::ErrorType<E>,
    {
        let now = clock::now();
        if let Some(error_type) = self.error_type.of(error) {
            self.call.set_error_type(error_type);
        }
        let error = error.to_string();
        self.call.end_at(Outcome::Failed(error), now);
    }
}

impl<I, T, E, F, N> FusedIterator for LlmTryStream<I, F, N>
where
    I: FusedIterator<Item = Result<T, E>>,
    E: Display,
    F: sealed::ReadChunk<T>,
    N: sealed::ErrorType<E>,
{
}

impl<I, F> fmt::Debug for LlmStream<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmStream").finish_non_exhaustive()
    }
}

impl<I, F, N> fmt::Debug for LlmTryStream<I, F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmTryStream").finish_non_exhaustive()
    }
}
