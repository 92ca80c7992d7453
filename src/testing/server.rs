use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use super::{
    API_KEY, ReceivedRequest, Reply, WaitError, connection,
    rules::Endpoint,
    shared::{IsBad, Shared},
};

/// Longest request body that a server takes, in bytes, unless [`Server::set_body_limit`] says otherwise.
///
/// Far above what a client sends by default, so that only a test about size ever meets it.
pub const DEFAULT_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The path in front of both endpoints, as on the real service.
pub(super) const PREFIX: &str = "/api/ingestion";

/// Only bounds how long a drop may take on a machine without a working loopback interface.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// A full descriptor table would otherwise make the accepting thread spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An ingestion server on `127.0.0.1`, at a port that was free unless it was asked for.
///
/// Every setting may be changed while it runs and counts from the next request on. Dropping it
/// closes all its sockets and ends its threads at once, also under a reply that hangs or is delayed.
pub struct Server {
    url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that accepts [`API_KEY`].
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::start_with_api_key(API_KEY)
    }

    /// Starts a server that accepts only this key.
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound or the thread cannot be started.
    pub fn start_with_api_key(key: impl Into<String>) -> io::Result<Self> {
        Self::start_on_port(0, key)
    }

    /// Starts a server at this port, 0 for a free one, that accepts only this key.
    ///
    /// For a program that people point others at; a test is better off with a free port.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound on loopback or the thread cannot be started.
    pub fn start_on_port(port: u16, key: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(key.into()));
        let listening = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("trubrics-testing".to_owned())
                .spawn(move || listen(&listener, &shared))?
        };
        Ok(Self {
            url: format!("http://{address}{PREFIX}"),
            address,
            shared,
            listening: Some(listening),
        })
    }

    /// The host to give to the client, by its builder or by `TRUBRICS_HOST`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key to give to the client.
    pub fn api_key(&self) -> &str {
        self.shared.api_key()
    }

    /// Says what the next requests get, one reply each; after these the server judges for itself again.
    ///
    /// Adds to what is still scripted. A scripted reply comes before every check, the key's too,
    /// except that [`Reply::accept`] asks for exactly those checks.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        // Collected first: the caller's iterator may itself ask the server something.
        let replies: Vec<Reply> = replies.into_iter().collect();
        self.shared.lock().script.extend(replies);
    }

    /// Refuses every array that holds a record for which `is_bad` says true: a 422 that names these records.
    ///
    /// Replaces the former condition; `|_| false` takes it away. It is asked only about records
    /// that are otherwise in order, on a thread of the server. If it panics, the request gets a 500.
    pub fn set_refusal(&self, is_bad: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        // The former condition is dropped outside the lock: it is the user's, and may own anything.
        let is_bad: IsBad = Arc::new(is_bad);
        let former = self.shared.lock().settings.is_bad.replace(is_bad);
        drop(former);
    }

    /// Whether a 422 says which records are bad (the default), or only that something is.
    pub fn set_error_details(&self, on: bool) {
        self.shared.lock().settings.error_details = on;
    }

    /// Accepts whatever key a request has while on; one without any still gets a 401.
    pub fn set_any_api_key(&self, on: bool) {
        self.shared.lock().settings.any_api_key = on;
    }

    /// Answers 503 to every request while on; what is scripted waits until it is off again.
    pub fn set_unavailable(&self, on: bool) {
        self.shared.lock().settings.unavailable = on;
    }

    /// Delays every reply by this long, in addition to a scripted reply's own [`delay`](Reply::delay).
    ///
    /// Records count as accepted before the delay, not after it.
    pub fn set_latency(&self, delay: Duration) {
        self.shared.lock().settings.latency = delay;
    }

    /// Answers 413 to a body of more bytes than this; default [`DEFAULT_BODY_LIMIT`].
    pub fn set_body_limit(&self, bytes: usize) {
        self.shared.lock().settings.body_limit = bytes;
    }

    /// The accepted records of `/publish_events`, in order of arrival.
    ///
    /// A record that was sent twice is here twice. Each call parses them anew.
    pub fn events(&self) -> Vec<Value> {
        self.shared.records(Some(Endpoint::Events))
    }

    /// The accepted records of `/publish_llm_events`, in order of arrival.
    ///
    /// A record that was sent twice is here twice. Each call parses them anew.
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

    /// Every request that was read to its end, whatever it got, in order of arrival.
    ///
    /// What is no HTTP request gets a 400 and is not listed.
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

    /// Waits until at least `n` requests were read to their end, then returns all there are.
    ///
    /// The way to see a request that never gets an answer.
    ///
    /// # Errors
    ///
    /// When there are fewer after `timeout`.
    pub fn wait_for_requests(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<Vec<ReceivedRequest>, WaitError> {
        self.shared
            .wait_until(timeout, "requests", n, |state| state.requests.len())?;
        Ok(self.requests())
    }

    /// Waits until there is a request, then takes all there are: the server forgets them and their records.
    ///
    /// Empty when there is none after `timeout`. In a loop it tells of each request as it comes, and a server that
    /// runs for days does not grow. Counts and waits begin anew.
    pub fn take_requests(&self, timeout: Duration) -> Vec<ReceivedRequest> {
        self.shared.take_requests(timeout)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop();
        // An accept cannot be cancelled; a connection to ourselves makes it return.
        let woken = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT).is_ok();
        if let Some(listening) = self.listening.take()
            && (woken || listening.is_finished())
        {
            let _ = listening.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .field("accepted", &self.accepted())
            .finish_non_exhaustive()
    }
}

/// Gives each connection a thread of its own, and joins them all before it returns.
fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    loop {
        let accepted = listener.accept();
        threads.retain(|thread| !thread.is_finished());
        let Ok((stream, _)) = accepted else {
            if shared.pause(ACCEPT_PAUSE) {
                continue;
            }
            break;
        };
        number += 1;
        let stream = Arc::new(stream);
        if !shared.register(number, &stream) {
            break;
        }
        let thread = {
            let shared = Arc::clone(shared);
            thread::Builder::new()
                .name(format!("trubrics-testing-{number}"))
                .spawn(move || {
                    connection::serve(&shared, &stream, number);
                    shared.unregister(number);
                })
        };
        match thread {
            Ok(thread) => threads.push(thread),
            // Without a thread the client sees its connection closed.
            Err(_) => shared.unregister(number),
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}
