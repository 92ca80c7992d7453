//! The boundary between the worker and the network: one blocking call, request in, response or error out.
//!
//! The worker, [`track_sync`](crate::Trubrics::track_sync) and [`deliver`](crate::Trubrics::deliver) call a transport,
//! each on its own thread. A transport
//! knows nothing of retries, batches or the meaning of a status.

use std::{
    error::Error,
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{clock, defaults, error_chain};

/// Sends a request to the server and returns its response.
///
/// The default transport uses `ureq`. Give another one to
/// [`TrubricsBuilder::transport`](crate::TrubricsBuilder::transport) to use your own HTTP stack, or no network at all
/// in a test. [`transport_fn`] makes a transport from a closure.
///
/// ```
/// use trubrics::{Request, Response, Transport, TransportError};
///
/// /// Tries the second transport when the first one gets no answer.
/// struct Fallback<A, B>(A, B);
///
/// impl<A: Transport, B: Transport> Transport for Fallback<A, B> {
///     fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
///         self.0.send(request).or_else(|_| self.1.send(request))
///     }
///
///     fn interrupt(&self) {
///         self.0.interrupt();
///         self.1.interrupt();
///     }
///
///     fn cancel(&self) {
///         self.0.cancel();
///         self.1.cancel();
///     }
/// }
/// # let ok = trubrics::transport_fn(|_| Ok(Response::new(200)));
/// # let down = trubrics::transport_fn(|_| Err(TransportError::new("down")));
/// # assert_eq!(Fallback(down, ok).send(&Request::new("http://localhost/", b"[]")).unwrap().status(), 200);
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Sends one request and waits for the response, at most until [`Request::deadline`].
    ///
    /// The worker thread calls it. Separate threads call it instead when
    /// [`max_concurrent_requests`](crate::TrubricsBuilder::max_concurrent_requests) is more than one or there is a
    /// [`spool`](crate::TrubricsBuilder::spool). [`track_sync`](crate::Trubrics::track_sync) and
    /// [`deliver`](crate::Trubrics::deliver) call it on their caller's thread, possibly at the same time.
    ///
    /// It must not follow redirects, because the key would travel to another host. A panic is caught and counts as an
    /// error.
    ///
    /// # Errors
    ///
    /// Only when there was no response. A response with any status is `Ok`.
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError>;

    /// Ends the calls under way and lets later calls fail at once. The client does not use the transport afterwards.
    ///
    /// Another thread calls it, at most a few times, when [`close`](crate::Trubrics::close) runs out of time. It must
    /// not block, because `close` waits for it. The default does nothing: a call under way then continues in the
    /// background after `close` has returned.
    fn interrupt(&self) {}

    /// Ends the calls under way. Later calls are made as usual.
    ///
    /// Another thread calls it, possibly several times in a row, when the consent is
    /// [withdrawn](crate::Trubrics::withdraw). It must not block. The default does nothing: a call under way then goes
    /// on, and the withdrawal waits for its end.
    fn cancel(&self) {}

    /// Returns whether the transport only shows requests, and sends none. The default is `false`.
    ///
    /// Records in the [`spool`](crate::TrubricsBuilder::spool) must not count as delivered by such a transport, so a
    /// client with it does not use the spool.
    fn is_dry_run(&self) -> bool {
        false
    }
}

/// Makes a transport from a closure.
///
/// ```
/// use std::time::Duration;
/// use trubrics::{Event, Response, Trubrics, transport_fn};
///
/// let client = Trubrics::builder("key")
///     .transport(transport_fn(|request| {
///         assert!(request.url().ends_with("/publish_events"));
///         Ok(Response::new(200))
///     }))
///     .build()?;
/// client.track(Event::new("user", "Sign up"));
/// client.flush(Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The transport cannot be [interrupted](Transport::interrupt).
pub fn transport_fn<F>(send: F) -> impl Transport
where
    F: Fn(&Request<'_>) -> Result<Response, TransportError> + Send + Sync + 'static,
{
    TransportFn(send)
}

struct TransportFn<F>(F);

impl<F> Transport for TransportFn<F>
where
    F: Fn(&Request<'_>) -> Result<Response, TransportError> + Send + Sync + 'static,
{
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        (self.0)(request)
    }
}

/// Makes a transport of a pointer to one. Each method passes the call on, also where the trait has a default.
macro_rules! pointer_to_transport {
    ($($pointer:ident)+) => {
        $(impl<T: Transport + ?Sized> Transport for $pointer<T> {
            fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
                (**self).send(request)
            }

            fn interrupt(&self) {
                (**self).interrupt();
            }

            fn cancel(&self) {
                (**self).cancel();
            }

            fn is_dry_run(&self) -> bool {
                (**self).is_dry_run()
            }
        })+
    };
}

pointer_to_transport!(Box Arc);

/// A `POST` to the ingestion API. `Debug` shows neither the key nor the body.
pub struct Request<'a> {
    url: &'a str,
    api_key: &'a str,
    body: &'a [u8],
    deadline: Instant,
}

impl<'a> Request<'a> {
    /// Makes a request, for tests of a transport: the client makes its own.
    ///
    /// It has an empty key, and its deadline is [`defaults::REQUEST_TIMEOUT`] from now.
    pub fn new(url: &'a str, body: &'a [u8]) -> Self {
        Self {
            url,
            api_key: "",
            body,
            deadline: clock::now() + defaults::REQUEST_TIMEOUT,
        }
    }

    /// Sets the key in the header `x-api-key`.
    #[must_use]
    pub fn with_api_key(mut self, api_key: &'a str) -> Self {
        self.api_key = api_key;
        self
    }

    /// Sets the deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the endpoint's URL, which never contains the key.
    pub fn url(&self) -> &'a str {
        self.url
    }

    /// Returns names and values of the headers to send, including `x-api-key` with the secret key.
    ///
    /// Names are in lower case. A transport adds only the headers that HTTP itself needs, such as `content-length`.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        [
            ("content-type", "application/json"),
            ("user-agent", USER_AGENT),
            ("x-api-key", self.api_key),
        ]
        .into_iter()
    }

    /// Returns the body: a JSON array of records.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the instant by which the response must be there.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the time until the [`deadline`](Self::deadline), or zero when it has passed.
    pub fn timeout(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
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

/// The server's response. `Debug` does not show the body.
#[derive(Clone, Default)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// Makes a response with this status, no headers and an empty body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Adds a header. The client reads only `Retry-After`, `Date` and `Content-Type`.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body. The client reads only the reasons of a refusal from it, which may repeat the records.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the value of the first header of this name. The case of the name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Returns the body, or the part of it that the transport has read.
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

/// The server gave no response: the connection was refused or lost, or the time ran out. The client always tries
/// again.
pub struct TransportError {
    cause: Box<dyn Error + Send + Sync>,
    was_sending_body: bool,
}

impl TransportError {
    /// Makes an error with this cause. The cause is logged, so it must not contain the key.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            was_sending_body: false,
        }
    }

    /// Makes an error for a connection that was lost, or a time that ran out, before the body is known to have
    /// arrived.
    ///
    /// The client then sends fewer records in one request. Use it when a write failed or timed out, and when the
    /// response did not come in time after the last write, because the system may still have been sending. The cause
    /// is logged, so it must not contain the key.
    pub fn while_sending(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            was_sending_body: true,
            ..Self::new(cause)
        }
    }

    /// Returns whether the error was made by [`while_sending`](Self::while_sending).
    pub fn was_sending_body(&self) -> bool {
        self.was_sending_body
    }

    /// Returns the kind of the cause, if it is an error of I/O.
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        let cause = self.cause.downcast_ref::<io::Error>()?;
        Some(cause.kind())
    }

    /// Returns the cause and its own causes as one text, for the log.
    pub(crate) fn cause_text(&self) -> String {
        error_chain::text(&*self.cause)
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error_chain::debug(self, "TransportError", f)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Trubrics};

    #[test]
    fn the_natural_closure_is_a_transport() {
        let builder = Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))));
        let client = builder.build().expect("valid settings");
        client.track_sync(Event::new("u", "e")).expect("delivered");
    }
}
