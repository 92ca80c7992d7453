use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::received::Head;
use super::rules::Endpoint;
use super::server::PREFIX;
use super::shared::Shared;
use super::{API_KEY, ReceivedRequest, Reply, WaitError};
use crate::{Request, Response, Transport, TransportError};

/// A transport that keeps what it is given, and judges it as [`Server`](super::Server) does: no socket, no thread.
///
/// Clones are handles of the same one: give one to [`transport`](crate::TrubricsBuilder::transport), and ask the other.
/// The key that it accepts is [`API_KEY`]. Once a client that was being closed has interrupted it, it answers no more.
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
    shared: Arc<Shared>,
}

impl Recorder {
    /// A recorder that has nothing yet.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared::new(API_KEY.to_owned())),
        }
    }

    /// As [`Server::script`](super::Server::script). A reply that is raw bytes, that closes or that hangs is no answer
    /// here; a delay that outlasts the request is none either.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        let replies: Vec<Reply> = replies.into_iter().collect();
        self.shared.lock().script.extend(replies);
    }

    /// As [`Server::refuse`](super::Server::refuse).
    pub fn refuse(&self, is_bad: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        let is_bad: super::shared::IsBad = Arc::new(is_bad);
        let former = self.shared.lock().settings.is_bad.replace(is_bad);
        drop(former);
    }

    /// As [`Server::set_unavailable`](super::Server::set_unavailable).
    pub fn set_unavailable(&self, on: bool) {
        self.shared.lock().settings.unavailable = on;
    }

    /// The accepted user events, in order of arrival.
    pub fn events(&self) -> Vec<Value> {
        self.shared.records(Some(Endpoint::Events))
    }

    /// The accepted LLM events, in order of arrival.
    pub fn llm_events(&self) -> Vec<Value> {
        self.shared.records(Some(Endpoint::LlmEvents))
    }

    /// Those of [`events`](Self::events) that have this name.
    pub fn events_named(&self, name: &str) -> Vec<Value> {
        self.shared.records_with(Endpoint::Events, "event", name)
    }

    /// Those of [`events`](Self::events) that are this user's.
    pub fn events_of(&self, user_id: &str) -> Vec<Value> {
        self.shared
            .records_with(Endpoint::Events, "user_id", user_id)
    }

    /// Those of [`llm_events`](Self::llm_events) that are this user's.
    pub fn llm_events_of(&self, user_id: &str) -> Vec<Value> {
        self.shared
            .records_with(Endpoint::LlmEvents, "user_id", user_id)
    }

    /// How many records of both kinds were accepted.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }

    /// Every request, whatever it got, in order of arrival.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared.lock().requests.clone()
    }

    /// Waits until at least `n` records were accepted, then returns all there are, of both kinds.
    ///
    /// # Errors
    ///
    /// When there are fewer after `timeout`.
    pub fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<Value>, WaitError> {
        self.shared
            .wait_until(timeout, "records", n, |state| state.accepted)?;
        Ok(self.shared.records(None))
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for Recorder {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let (mut reply, settings) = self.shared.next_reply();
        let mut received = received(request);
        let too_large = request.body().len() > settings.body_limit;
        let answer = self
            .shared
            .answer(&mut received, &mut reply, &settings, too_large);
        self.shared.record(received, answer.as_ref());

        let delay = settings.latency.saturating_add(reply.delay);
        let timeout = request.timeout();
        if !self.shared.pause(delay.min(timeout)) {
            return Err(TransportError::new("interrupted"));
        }
        if delay > timeout {
            return Err(TransportError::new("scripted to answer too late"));
        }
        let answer = answer.ok_or_else(|| TransportError::new("scripted to give no answer"))?;
        let mut response = Response::new(answer.status).with_body(answer.body);
        for (name, value) in answer.headers {
            response = response.with_header(name, value);
        }
        Ok(response)
    }

    fn interrupt(&self) {
        self.shared.stop();
    }
}

/// The request as it would have come over a socket.
fn received(request: &Request<'_>) -> ReceivedRequest {
    let endpoint = request.url().rsplit('/').next().unwrap_or_default();
    let headers = request.headers();
    ReceivedRequest {
        head: Arc::new(Head {
            method: "POST".to_owned(),
            target: format!("{PREFIX}/{endpoint}"),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }),
        body: Arc::new(request.body().to_vec()),
        status: None,
        answer: Arc::default(),
        connection: 0,
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("accepted", &self.accepted())
            .finish_non_exhaustive()
    }
}
