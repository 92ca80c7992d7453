//! A model's chunks of text: each is passed on untouched, and its text is kept with the call.

use std::{
    fmt::{self, Display},
    iter::FusedIterator,
    mem,
    time::Instant,
};

use super::LlmCall;
use crate::outcome::Outcome;

/// An iterator that passes a model's chunks of text on; from [`LlmCall::stream`].
///
/// Each chunk is passed on as it is. The first one that is not empty is the first token. At the end, the call is
/// tracked as finished, with all of the text as its generation. If the stream is dropped before, the call is tracked
/// as interrupted, with the text so far. The clock runs until the model's iterator ends, and includes the consumer's
/// own time.
///
/// ```
/// use trubrics::{Trubrics, testing::Recorder};
///
/// # fn ask_model(_: &str) -> impl Iterator<Item = &'static str> { ["A group ", "of users."].into_iter() }
/// let recorder = Recorder::new();
/// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
///
/// let mut shown = String::new();
/// for chunk in client.llm_call("user_123", "What is a cohort?").stream(ask_model("What is a cohort?")) {
///     shown.push_str(chunk);
/// }
/// client.flush(std::time::Duration::from_secs(5))?;
///
/// let event = &recorder.llm_events()[0];
/// assert_eq!(event["generation"], "A group of users.");
/// assert!(event["properties"]["gen_ai.response.time_to_first_chunk"].is_number());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a stream does nothing until it is iterated, and is tracked as interrupted when it is dropped"]
pub struct LlmStream<I> {
    chunks: I,
    call: LlmCall,
}

/// An iterator that passes on a model's chunks of text, which may be errors; from [`LlmCall::try_stream`].
///
/// As [`LlmStream`], but the first error ends the call as failed, with the text so far as its generation.
/// [`error_type_by`](Self::error_type_by) sets the class of the error.
///
/// ```
/// use trubrics::{Trubrics, testing::Recorder};
///
/// let recorder = Recorder::new();
/// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
///
/// let chunks = [Ok("A gr"), Err("connection reset")];
/// let answer: Result<String, &str> = client.llm_call("user_123", "What is a cohort?").try_stream(chunks).collect();
/// assert_eq!(answer, Err("connection reset"));
/// client.flush(std::time::Duration::from_secs(5))?;
///
/// let event = &recorder.llm_events()[0];
/// assert_eq!(event["generation"], "A gr");
/// assert_eq!(event["properties"]["outcome"], "failed");
/// assert_eq!(event["properties"]["error_message"], "connection reset");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a stream does nothing until it is iterated, and is tracked as interrupted when it is dropped"]
pub struct LlmTryStream<I, F = ()> {
    chunks: I,
    call: LlmCall,
    error_type: F,
}

impl<I> LlmStream<I> {
    pub(super) fn new(call: LlmCall, chunks: I) -> Self {
        Self { chunks, call }
    }

    /// Changes the call, to set a value that is known only during the stream. After the end of the call, it does
    /// nothing.
    ///
    /// ```
    /// # let client = trubrics::Trubrics::disabled();
    /// let mut stream = client.llm_call("user_123", "Hello").stream(["Hi", " there"]);
    /// while let Some(chunk) = stream.next() {
    ///     stream.update(|call| call.finish_reason("stop"));
    /// # let _ = chunk;
    /// }
    /// ```
    pub fn update(&mut self, change: impl FnOnce(LlmCall) -> LlmCall) {
        self.call.update(change);
    }
}

impl<I> LlmTryStream<I> {
    pub(super) fn new(call: LlmCall, chunks: I) -> Self {
        Self {
            chunks,
            call,
            error_type: (),
        }
    }

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
    pub fn error_type_by<T, E, F, N>(self, error_type: F) -> LlmTryStream<I, F>
    where
        I: Iterator<Item = Result<T, E>>,
        F: FnMut(&E) -> N,
        N: Into<String>,
    {
        LlmTryStream {
            chunks: self.chunks,
            call: self.call,
            error_type,
        }
    }
}

impl<I, F> LlmTryStream<I, F> {
    /// As [`LlmStream::update`].
    pub fn update(&mut self, change: impl FnOnce(LlmCall) -> LlmCall) {
        self.call.update(change);
    }
}

impl<I: Iterator> Iterator for LlmStream<I>
where
    I::Item: AsRef<str>,
{
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let chunk = self.chunks.next();
        if self.call.open.is_none() {
            return chunk;
        }
        let now = Instant::now();
        match &chunk {
            Some(chunk) => self.call.chunk_at(chunk.as_ref(), now),
            None => self.call.end_at(Outcome::Finished, now),
        }
        chunk
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl<I: FusedIterator> FusedIterator for LlmStream<I> where I::Item: AsRef<str> {}

mod sealed {
    #[expect(unnameable_types, reason = "it is only to have one iterator")]
    pub trait ErrorType<E> {
        /// None leaves the class to the call.
        fn of(&mut self, error: &E) -> Option<String>;
    }
}

impl<E> sealed::ErrorType<E> for () {
    fn of(&mut self, _: &E) -> Option<String> {
        None
    }
}

impl<E, F, N> sealed::ErrorType<E> for F
where
    F: FnMut(&E) -> N,
    N: Into<String>,
{
    fn of(&mut self, error: &E) -> Option<String> {
        Some(self(error).into())
    }
}

impl<I, T, E, F> Iterator for LlmTryStream<I, F>
where
    I: Iterator<Item = Result<T, E>>,
    T: AsRef<str>,
    E: Display,
    F: sealed::ErrorType<E>,
{
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Result<T, E>> {
        let chunk = self.chunks.next();
        if self.call.open.is_none() {
            return chunk;
        }
        let now = Instant::now();
        match &chunk {
            Some(Ok(chunk)) => self.call.chunk_at(chunk.as_ref(), now),
            Some(Err(error)) => {
                if let Some(error_type) = self.error_type.of(error) {
                    self.call.update(|call| call.error_type(error_type));
                }
                let error = error.to_string();
                self.call.end_at(Outcome::Failed(error), now);
            }
            None => self.call.end_at(Outcome::Finished, now),
        }
        chunk
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl<I, T, E, F> FusedIterator for LlmTryStream<I, F>
where
    I: FusedIterator<Item = Result<T, E>>,
    T: AsRef<str>,
    E: Display,
    F: sealed::ErrorType<E>,
{
}

impl<I> fmt::Debug for LlmStream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmStream").finish_non_exhaustive()
    }
}

impl<I, F> fmt::Debug for LlmTryStream<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmTryStream").finish_non_exhaustive()
    }
}

impl LlmCall {
    pub(super) fn chunk_at(&mut self, chunk: &str, now: Instant) {
        // Models open a stream with an empty chunk that carries the role, which is not a token.
        if chunk.is_empty() {
            return;
        }
        self.first_token_at(now);
        if let Some(open) = &mut self.open {
            open.generation.push_str(chunk);
        }
    }

    /// A call that has ended stays as it is.
    fn update(&mut self, change: impl FnOnce(Self) -> Self) {
        if self.open.is_some() {
            *self = change(mem::replace(self, Self { open: None }));
        }
    }
}
