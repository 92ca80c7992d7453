//! The seam between the worker and the network: one blocking call, request in, response or error out.
//!
//! The worker and [`track_sync`](crate::Trubrics::track_sync) call it, each on its own thread. It knows nothing of
//! retries, batches or what a status means.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Carries a request to the server and brings back its answer.
///
/// The default one stands on `ureq`; give another to [`TrubricsBuilder::transport`](crate::TrubricsBuilder::transport)
/// to use an HTTP stack of your own, or none at all in a test. Any `Fn(&Request) -> Result<Response, TransportError>`
/// is a transport.
///
/// ```
/// use trubrics::{Event, Request, Response, Trubrics, TransportError};
/// use std::time::Duration;
///
/// let client = Trubrics::builder("key")
///     .transport(|request: &Request<'_>| -> Result<Response, TransportError> {
///         assert!(request.url().ends_with("/publish_events"));
///         Ok(Response::new(200))
///     })
///     .build()?;
/// client.track(Event::new("user", "Sign up"));
/// client.flush(Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Sends one request and waits for the answer, at most until [`Request::deadline`].
    ///
    /// Called on the worker thread, or with more than one of [`max_concurrent_requests`](crate::TrubricsBuilder::max_concurrent_requests) or a
    /// [`spool`](crate::TrubricsBuilder::spool) on threads for it alone; and by
    /// [`track_sync`](crate::Trubrics::track_sync) on the thread of its caller, possibly at the same time. Redirects must not be followed: the key would travel to another host. A panic is
    /// caught and counts as an error.
    ///
    /// # Errors
    ///
    /// Only when there was no answer. Any status is a [`Response`].
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError>;

    /// Ends the calls that are under way, and lets later ones fail at once, for good: the client is at its end.
    ///
    /// Called at most a few times, from another thread, when [`close`](crate::Trubrics::close) runs out of time.
    /// Without it (the default does nothing) such a call goes on in the background after `close` has returned. It runs on
    /// the thread that closes, which waits for it: it must not block.
    fn interrupt(&self) {}
}

impl<F> Transport for F
where
    F: Fn(&Request<'_>) -> Result<Response, TransportError> + Send + Sync + 'static,
{
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        self(request)
    }
}

impl Transport for Box<dyn Transport> {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        (**self).send(request)
    }

    fn interrupt(&self) {
        (**self).interrupt();
    }
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        (**self).send(request)
    }

    fn interrupt(&self) {
        (**self).interrupt();
    }
}

/// A `POST` to the ingestion API. `Debug` hides the key and the body.
pub struct Request<'a> {
    url: &'a str,
    api_key: &'a str,
    body: &'a [u8],
    deadline: Instant,
}

impl<'a> Request<'a> {
    /// A request with this key and body; the client makes its own, and tests of a transport make theirs.
    pub fn new(url: &'a str, api_key: &'a str, body: &'a [u8], deadline: Instant) -> Self {
        Self {
            url,
            api_key,
            body,
            deadline,
        }
    }

    /// The endpoint; it never contains the key.
    pub fn url(&self) -> &'a str {
        self.url
    }

    /// The headers to send, `x-api-key` with the secret among them.
    pub fn headers(&self) -> [(&'static str, &'a str); 3] {
        [
            ("content-type", "application/json"),
            ("user-agent", USER_AGENT),
            ("x-api-key", self.api_key),
        ]
    }

    /// The body: a JSON array of records.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// When the answer must be there.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left until [`deadline`](Self::deadline); zero when it has passed.
    pub fn timeout(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("url", &self.url)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

const USER_AGENT: &str = concat!("trubrics-rust/", env!("CARGO_PKG_VERSION"));

/// What the server answered. `Debug` hides the body.
#[derive(Clone, Default)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// A response with this status, no headers and an empty body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Adds a header. Only `Retry-After` and `Date` are looked at.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body. The first few kilobytes are enough: it is read for the reason of a refusal, nothing else.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The body, or as much of it as the transport has read.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// There was no answer: the connection was refused or lost, or time ran out. Always worth another attempt.
#[derive(Debug)]
pub struct TransportError {
    cause: Box<dyn Error + Send + Sync>,
}

impl TransportError {
    /// An error with this cause, which must not contain the key: it is logged.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
        }
    }

    /// The cause with its own causes, for the log.
    pub(crate) fn cause_text(&self) -> String {
        let mut text = self.cause.to_string();
        let mut cause = self.cause.source();
        while let Some(deeper) = cause {
            text = format!("{text}: {deeper}");
            cause = deeper.source();
        }
        text
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer from the server")
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
