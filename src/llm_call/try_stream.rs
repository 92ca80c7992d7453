//! As `stream`, for chunks that may be errors: the first error fails the call.

use std::{
    fmt::{self, Display},
    iter::FusedIterator,
};

use super::{LlmCall, stream::sealed::ReadChunk};
use crate::{clock, outcome::Outcome};

/// An iterator that passes on a model's chunks, which may be errors; from [`LlmCall::try_stream`] or
/// [`LlmCall::try_stream_by`].
///
/// As [`LlmStream`](crate::LlmStream), but the first error ends the call as failed, with the text so far as its
/// generation. Later chunks are passed on, and not recorded. [`error_type_by`](Self::error_type_by) sets the class of
/// the error.
#[must_use = "a stream does nothing until it is iterated, and is tracked as interrupted when it is dropped"]
pub struct LlmTryStream<I, F = (), N = ()> {
    chunks: I,
    call: LlmCall,
    read: F,
    error_type: N,
}

impl LlmCall {
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
    ///
    /// ```
    /// use serde_json::Value;
    /// use trubrics::{ServerSentEvents, Trubrics};
    ///
    /// # let client = Trubrics::disabled();
    /// # let body = "data: {\"text\":\"Hi\"}\n\n".as_bytes();
    /// let chunks = ServerSentEvents::new(body)
    ///     .map(|event| Ok::<Value, std::io::Error>(serde_json::from_str(&event?)?));
    /// let call = client.llm_call("user_123", "Hello");
    /// for chunk in call.try_stream_by(chunks, |chunk, call| {
    ///     call.push_text(chunk["text"].as_str().unwrap_or_default());
    /// }) {
    ///     println!("{}", chunk?["text"]);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
    /// As [`LlmStream::call`](crate::LlmStream::call).
    pub fn call(&self) -> &LlmCall {
        &self.call
    }

    /// As [`LlmStream::call_mut`](crate::LlmStream::call_mut).
    pub fn call_mut(&mut self) -> &mut LlmCall {
        &mut self.call
    }
}

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
    F: ReadChunk<T>,
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
    F: ReadChunk<T>,
    N: sealed::ErrorType<E>,
{
}

impl<I, F, N> fmt::Debug for LlmTryStream<I, F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmTryStream").finish_non_exhaustive()
    }
}
