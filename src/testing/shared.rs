use std::{
    collections::{HashMap, VecDeque},
    error::Error,
    fmt,
    net::{Shutdown, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{
    DEFAULT_BODY_LIMIT, ReceivedRequest, Reply,
    reply::Kind,
    rules::{self, Accepted, Answer, Endpoint},
};

/// The user's own condition for a bad record.
pub(super) type IsBad = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// What the server's owner and its threads share.
///
/// No lock is held while a request is read, judged or answered.
pub(super) struct Shared {
    api_key: String,
    state: Mutex<State>,
    changed: Condvar,
}

pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) script: VecDeque<Reply>,
    pub(super) requests: Vec<ReceivedRequest>,
    pub(super) accepted: usize,
    // Bodies stay bytes until somebody asks for records: a test may push a million through.
    batches: Vec<(Endpoint, Arc<Vec<u8>>)>,
    open: HashMap<u64, Arc<TcpStream>>,
    stopped: bool,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) any_api_key: bool,
    pub(super) error_details: bool,
    pub(super) unavailable: bool,
    pub(super) latency: Duration,
    pub(super) body_limit: usize,
    pub(super) is_bad: Option<IsBad>,
}

impl Shared {
    pub(super) fn new(api_key: String) -> Self {
        Self {
            api_key,
            state: Mutex::new(State {
                settings: Settings {
                    any_api_key: false,
                    error_details: true,
                    unavailable: false,
                    latency: Duration::ZERO,
                    body_limit: DEFAULT_BODY_LIMIT,
                    is_bad: None,
                },
                script: VecDeque::new(),
                requests: Vec::new(),
                accepted: 0,
                batches: Vec::new(),
                open: HashMap::new(),
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn api_key(&self) -> &str {
        &self.api_key
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reply for a request that has just been read, and the settings it is judged by.
    pub(super) fn next_reply(&self) -> (Reply, Settings) {
        let mut state = self.lock();
        let settings = state.settings.clone();
        let scripted = if settings.unavailable {
            Some(Reply::status(503))
        } else {
            state.script.pop_front()
        };
        (scripted.unwrap_or_else(Reply::accept), settings)
    }

    /// What this reply makes of a request, which notes it; none where the reply gives no answer of its own.
    pub(super) fn answer(
        &self,
        request: &mut ReceivedRequest,
        reply: &mut Reply,
        settings: &Settings,
        too_large: bool,
    ) -> Option<Answer> {
        let mut answer = match reply.kind {
            Kind::Judge if too_large => rules::too_large(),
            Kind::Judge => rules::judge(request, self.api_key(), settings),
            Kind::Status(status) => rules::scripted(request, status),
            Kind::Raw(_) | Kind::Close | Kind::Hang => return None,
        };
        answer.headers.append(&mut reply.headers);
        if let Some(body) = reply.body.take() {
            answer.body = body;
        }
        request.status = Some(answer.status);
        request.answer = Arc::new(answer.body.clone());
        Some(answer)
    }

    /// Enters a request into the books.
    ///
    /// Called before its answer is written, so whoever has seen the answer finds the records here.
    pub(super) fn record(&self, request: ReceivedRequest, answer: Option<&Answer>) {
        let mut state = self.lock();
        if let Some(Accepted { endpoint, records }) = answer.and_then(|answer| answer.accepted) {
            state.accepted += records;
            state.batches.push((endpoint, request.shared_body()));
        }
        state.requests.push(request);
        drop(state);
        self.changed.notify_all();
    }

    /// The accepted records of one endpoint, or of both.
    pub(super) fn records(&self, of: Option<Endpoint>) -> Vec<Value> {
        let bodies: Vec<Arc<Vec<u8>>> = self
            .lock()
            .batches
            .iter()
            .filter(|(endpoint, _)| of.is_none_or(|wanted| wanted == *endpoint))
            .map(|(_, body)| Arc::clone(body))
            .collect();
        bodies
            .iter()
            // The check on arrival walked every value of the body, so each of them parses.
            .flat_map(|body| serde_json::from_slice::<Vec<Value>>(body).unwrap_or_default())
            .collect()
    }

    /// The accepted records of one endpoint in which a field is this text.
    pub(super) fn records_with(&self, of: Endpoint, field: &str, text: &str) -> Vec<Value> {
        let mut records = self.records(Some(of));
        records.retain(|record| record[field] == text);
        records
    }

    /// Waits until `count` reaches `wanted`.
    pub(super) fn wait_until(
        &self,
        timeout: Duration,
        what: &'static str,
        wanted: usize,
        count: impl Fn(&State) -> usize,
    ) -> Result<(), WaitError> {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| count(state) < wanted)
            .unwrap_or_else(PoisonError::into_inner);
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

    /// Waits for a request, then takes all of them off the books, with what they brought.
    pub(super) fn take_requests(&self, timeout: Duration) -> Vec<ReceivedRequest> {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| state.requests.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.accepted = 0;
        state.batches.clear();
        std::mem::take(&mut state.requests)
    }

    /// Lets the time pass; says false, and at once, when the server is being dropped.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), time, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !state.stopped
    }

    /// Notes an open connection; says false when the server is being dropped.
    ///
    /// The question and the note are one step, so no connection slips past [`stop`](Self::stop).
    pub(super) fn register(&self, number: u64, stream: &Arc<TcpStream>) -> bool {
        let mut state = self.lock();
        if !state.stopped {
            state.open.insert(number, Arc::clone(stream));
        }
        !state.stopped
    }

    /// Closes one connection for good.
    pub(super) fn unregister(&self, number: u64) {
        let stream = self.lock().open.remove(&number);
        if let Some(stream) = stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends every wait and every read and write that a thread of the server is in.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for stream in state.open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Less arrived in the time allowed than was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitError {
    what: &'static str,
    wanted: usize,
    arrived: usize,
    timeout: Duration,
}

impl WaitError {
    /// How many there were when the time was over.
    pub fn arrived(&self) -> usize {
        self.arrived
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waited {:?} for {} {}, {} arrived",
            self.timeout, self.wanted, self.what, self.arrived
        )
    }
}

impl Error for WaitError {}
