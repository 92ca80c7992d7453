use std::{fmt, ops::Deref, sync::Arc};

use super::{API_KEY, Service, endpoint::PREFIX, received::Head};
use crate::{Request, Response, Transport, TransportError};

/// A transport that judges requests as a [`Server`](super::Server) does and keeps them, without a socket or a thread.
///
/// Give a clone to [`transport`](crate::TrubricsBuilder::transport) and query the original: all clones share one
/// [`Service`], which has the queries and settings. The key that it accepts is [`API_KEY`].
///
/// Some replies differ from those of a server. One that closes, hangs or is raw bytes fails the request without an
/// answer, after its delay. A delay that is longer than the request may take fails it when that time is over. `drip`
/// and `close_after` have no effect. A [`close`](crate::Trubrics::close) that runs out of time ends all delays under
/// way, and so does a [`withdraw`](crate::Trubrics::withdraw). Later requests, which are those of other clients, are
/// answered as usual.
///
/// ```
/// use std::time::Duration;
/// use trubrics::{Event, Trubrics, testing::{API_KEY, Recorder}};
///
/// let recorder = Recorder::new();
/// let client = Trubrics::builder(API_KEY).transport(recorder.clone()).build()?;
/// client.track(Event::new("user_1", "Sign up").property("plan", "team"));
/// client.flush(Duration::from_secs(5))?;
///
/// assert_eq!(recorder.events_named("Sign up").len(), 1);
/// assert_eq!(recorder.events_of("user_1")[0]["properties"]["plan"], "team");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Recorder {
    service: Arc<Service>,
}

impl Recorder {
    /// Creates an empty recorder.
    pub fn new() -> Self {
        Self {
            service: Arc::new(Service::new(API_KEY.to_owned())),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Recorder {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Transport for Recorder {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let breaks = self.service.breaks();
        let body = request.body();
        let body = (body.len() <= self.service.body_limit()).then(|| body.to_vec());
        let outcome = self.service.receive(head(request), body, 0);

        let timeout = request.timeout();
        let delay = outcome.delay.min(timeout);
        if !self.service.pause_unless_broken_off(delay, breaks) {
            return Err(TransportError::new("interrupted"));
        }
        if outcome.delay > timeout {
            return Err(TransportError::new("scripted to answer too late"));
        }
        let no_answer = || TransportError::new("scripted to give no answer");
        let answer = outcome.answer.ok_or_else(no_answer)?;
        let response = Response::new(answer.status).with_body(answer.body);
        let headers = answer.headers.into_iter();
        Ok(headers.fold(response, |response, (name, value)| {
            response.with_header(name, value)
        }))
    }

    /// Later requests are answered as usual: they are those of other clients.
    fn interrupt(&self) {
        self.service.break_off();
    }

    fn cancel(&self) {
        self.service.break_off();
    }
}

/// Returns the head that the request would have on a socket.
fn head(request: &Request<'_>) -> Head {
    let endpoint = request.url().rsplit('/').next().unwrap_or_default();
    let headers = request.headers();
    Head {
        method: "POST".to_owned(),
        target: format!("{PREFIX}/{endpoint}"),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("accepted", &self.accepted())
            .finish_non_exhaustive()
    }
}
