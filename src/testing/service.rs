//! The settings, the script and the queries of a server and a recorder.

mod exchange;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::TcpStream,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(super) use self::exchange::Outcome;
use super::{ReceivedRequest, Reply, WaitError, endpoint::Endpoint};
use crate::record::TypedEvent;

/// The default of [`Service::set_body_limit`], in bytes.
///
/// A client does not send that much by default, so only a test about sizes reaches it.
pub const DEFAULT_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The condition of [`Service::set_refusal`].
pub(super) type IsBad = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// The service behind a [`Server`](super::Server) or a [`Recorder`](super::Recorder), which both dereference to it.
///
/// It judges requests, keeps them, and can be scripted to fail. A setting may be changed at any time, and counts from
/// the next request on.
pub struct Service {
    api_key: String,
    /// Not locked while a request is read, judged or answered.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    settings: Settings,
    script: VecDeque<Reply>,
    requests: Vec<ReceivedRequest>,
    accepted: usize,
    /// The accepted bodies. They are parsed when records are asked for, because the values of a million records would
    /// take several times as much memory.
    batches: Vec<(Endpoint, Arc<Vec<u8>>)>,
    connections: HashMap<u64, Arc<TcpStream>>,
    stopped: bool,
    breaks: u64,
}

#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) is_bad: Option<IsBad>,
    pub(super) hides_details: bool,
    pub(super) any_api_key: bool,
    unavailable: bool,
    latency: Duration,
    body_limit: Option<usize>,
}

impl Service {
    pub(super) fn new(api_key: String) -> Self {
        Self {
            api_key,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

/// Settings.
impl Service {
    /// Returns the key to give to the client.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Scripts the replies to the next requests, one for each. After them, requests are judged again.
    ///
    /// The replies are added to those that are still scripted. A scripted reply is given without any check, even of the
    /// key. [`Reply::accept`] is the exception: it asks for all checks.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        // Collected before the lock is taken: the caller's iterator may call the service.
        let replies: Vec<Reply> = replies.into_iter().collect();
        self.lock().script.extend(replies);
    }

    /// Refuses every array with a record for which `is_bad` returns true. The 422 names these records.
    ///
    /// The condition replaces the one that was set before; `|_| false` refuses nothing. It is called after all other
    /// checks, on the thread that serves the request. If it panics, the request gets a 500.
    pub fn set_refusal(&self, is_bad: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        let is_bad: IsBad = Arc::new(is_bad);
        // The former condition is dropped after the lock is released: its drop is the caller's code.
        let former = self.lock().settings.is_bad.replace(is_bad);
        drop(former);
    }

    /// Sets whether a 422 names each error and its record; default true. If not, its body is plain text.
    pub fn set_error_details(&self, on: bool) {
        self.lock().settings.hides_details = !on;
    }

    /// Sets whether any key is accepted; default false, which accepts only [`api_key`](Self::api_key).
    ///
    /// A request with an empty key, or without a key, always gets a 401.
    pub fn set_any_api_key(&self, on: bool) {
        self.lock().settings.any_api_key = on;
    }

    /// Sets whether every request gets a 503; default false. Scripted replies are kept for later requests.
    pub fn set_unavailable(&self, on: bool) {
        self.lock().settings.unavailable = on;
    }

    /// Sets the delay of every reply; default zero. A scripted reply's own [`delay`](Reply::delay) is added to it.
    ///
    /// Records are accepted before the delay.
    pub fn set_latency(&self, delay: Duration) {
        self.lock().settings.latency = delay;
    }

    /// Sets the maximum size of a request's body in bytes; default [`DEFAULT_BODY_LIMIT`]. A longer body gets a 413.
    pub fn set_body_limit(&self, bytes: usize) {
        self.lock().settings.body_limit = Some(bytes);
    }
}

/// Queries.
impl Service {
    /// Returns the accepted user events in order of arrival.
    ///
    /// An event that was sent twice is listed twice. Each call parses all of them.
    pub fn events(&self) -> Vec<Value> {
        self.records(Some(Endpoint::Events))
    }

    /// Returns the accepted LLM events in order of arrival, as [`events`](Self::events) does for user events.
    pub fn llm_events(&self) -> Vec<Value> {
        self.records(Some(Endpoint::LlmEvents))
    }

    /// Returns the [`events`](Self::events) of this name.
    pub fn events_named(&self, name: &str) -> Vec<Value> {
        with(self.events(), "event", name)
    }

    /// Returns the [`events`](Self::events) of this user.
    pub fn events_of(&self, user_id: &str) -> Vec<Value> {
        with(self.events(), "user_id", user_id)
    }

    /// Returns the [`events`](Self::events) of this type, as values.
    ///
    /// Properties that are not fields of the type, such as a client's default properties, are ignored as serde does.
    ///
    /// # Errors
    ///
    /// When the properties of an event of this name cannot be read as the type.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use trubrics::{Event, Trubrics, TypedEvent, testing::Recorder};
    ///
    /// #[derive(Debug, PartialEq, Serialize, Deserialize)]
    /// struct SignUp {
    ///     plan: String,
    /// }
    ///
    /// impl TypedEvent for SignUp {
    ///     const NAME: &'static str = "Sign up";
    /// }
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    /// let sign_up = SignUp { plan: "team".into() };
    /// client.track_sync(Event::of("user_123", &sign_up))?;
    /// assert_eq!(recorder.events_as::<SignUp>()?, [sign_up]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events_as<T: TypedEvent + DeserializeOwned>(&self) -> serde_json::Result<Vec<T>> {
        let read = |mut event: Value| {
            let properties = match event["properties"].take() {
                Value::Null => Value::Object(Map::new()),
                properties => properties,
            };
            // A struct without fields is written as null, and so has no properties.
            serde_json::from_value(properties)
                .or_else(|error| serde_json::from_value(Value::Null).map_err(|_| error))
        };
        self.events_named(T::NAME).into_iter().map(read).collect()
    }

    /// Returns the [`llm_events`](Self::llm_events) of this user.
    pub fn llm_events_of(&self, user_id: &str) -> Vec<Value> {
        with(self.llm_events(), "user_id", user_id)
    }

    /// Returns how many records of both kinds were accepted.
    pub fn accepted(&self) -> usize {
        self.lock().accepted
    }

    /// Returns every request that was read to its end, in order of arrival, also those that were refused.
    ///
    /// Bytes that are not an HTTP request get a 400 and are not listed.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.lock().requests.clone()
    }

    /// Waits until at least `n` records were accepted, then returns all of them, of both kinds.
    ///
    /// # Errors
    ///
    /// When fewer were accepted after `timeout`.
    pub fn wait_for(&self, n: usize, timeout: Duration) -> Result<Vec<Value>, WaitError> {
        self.wait_until("records", n, timeout, |state| state.accepted)?;
        Ok(self.records(None))
    }

    /// Waits until at least `n` requests were read to their end, then returns all of them.
    ///
    /// A request is listed before it is answered, so this also waits for one that never gets an answer.
    ///
    /// # Errors
    ///
    /// When fewer were read after `timeout`.
    pub fn wait_for_requests(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<Vec<ReceivedRequest>, WaitError> {
        self.wait_until("requests", n, timeout, |state| state.requests.len())?;
        Ok(self.requests())
    }

    /// Waits until there is a request, then removes all requests and their records, and returns the requests.
    ///
    /// Empty if there is none after `timeout`. Counts and waits start again at zero. A program that runs a server for
    /// days calls this in a loop, so that its memory does not grow.
    pub fn take_requests(&self, timeout: Duration) -> Vec<ReceivedRequest> {
        let mut state = self.wait_while(timeout, |state| state.requests.is_empty());
        state.accepted = 0;
        state.batches.clear();
        std::mem::take(&mut state.requests)
    }
}

impl Service {
    /// Returns the accepted records of one endpoint, or of both.
    fn records(&self, of: Option<Endpoint>) -> Vec<Value> {
        let mut batches = self.lock().batches.clone();
        batches.retain(|(endpoint, _)| of.is_none_or(|wanted| wanted == *endpoint));
        batches
            .iter()
            // Each body was parsed when it was accepted, so it is an array.
            .flat_map(|(_, body)| serde_json::from_slice::<Vec<Value>>(body).unwrap_or_default())
            .collect()
    }

    fn wait_until(
        &self,
        what: &'static str,
        wanted: usize,
        timeout: Duration,
        count: impl Fn(&State) -> usize,
    ) -> Result<(), WaitError> {
        let state = self.wait_while(timeout, |state| count(state) < wanted);
        let arrived = count(&state);
        if arrived < wanted {
            return Err(WaitError {
                what,
                wanted,
                arrived,
                timeout,
            });
        }
        Ok(())
    }

    fn wait_while(
        &self,
        timeout: Duration,
        condition: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        self.changed
            .wait_timeout_while(self.lock(), timeout, |state| condition(state))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("accepted", &self.accepted())
            .finish_non_exhaustive()
    }
}

/// Keeps the records with this text in a field.
fn with(mut records: Vec<Value>, field: &str, text: &str) -> Vec<Value> {
    records.retain(|record| record[field] == text);
    records
}
