//! A model's chunks on their way through: each goes on untouched, and its text is kept with the call.

use std::{
    fmt::{self, Display},
    iter::FusedIterator,
    mem,
    time::Instant,
};

use super::{LlmCall, Outcome};

/// Chunks of text on their way from a model to whoever shows them; from [`LlmCall::stream`].
///
/// Each is passed on as it came. The first that is not empty is the first token; at the end the call is tracked as
/// finished, with all of the text as its generation. Dropped before, it is tracked as interrupted, with the text so far.
/// The clock runs until the model's iterator says that there is no more, the consumer's own time included.
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

/// Chunks of text that may be errors instead; from [`LlmCall::try_stream`].
///
/// As [`LlmStream`], and the first error makes it a failed call, with the text so far as its generation.
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
/// assert_eq!(event["properties"]["error.message"], "connection reset");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a stream does nothing until it is iterated, and is tracked as interrupted when it is dropped"]
pub struct LlmTryStream<I> {
    chunks: I,
    call: LlmCall,
}

impl<I> LlmStream<I> {
    pub(super) fn new(call: LlmCall, chunks: I) -> Self {
        Self { chunks, call }
    }

    /// Changes the call while it is under way, for what is known only during the stream; after its end, nothing.
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
        Self { chunks, call }
    }

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

impl<I, T, E> Iterator for LlmTryStream<I>
where
    I: Iterator<Item = Result<T, E>>,
    T: AsRef<str>,
    E: Display,
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

impl<I, T, E> FusedIterator for LlmTryStream<I>
where
    I: FusedIterator<Item = Result<T, E>>,
    T: AsRef<str>,
    E: Display,
{
}

impl<I> fmt::Debug for LlmStream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmStream").finish_non_exhaustive()
    }
}

impl<I> fmt::Debug for LlmTryStream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmTryStream").finish_non_exhaustive()
    }
}

impl LlmCall {
    pub(super) fn chunk_at(&mut self, chunk: &str, now: Instant) {
        // Models open a stream with an empty chunk that carries the role: no token of it is there yet.
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
