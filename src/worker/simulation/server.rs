//! A made-up server: its answers depend on the records of a request, the time and a seed.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::random::Random;
use crate::{
    Request, Response, Transport, TransportError,
    clock::{self, double},
    record::Endpoint,
};

/// How long an answer takes that is not slow.
pub(super) const MIN_LATENCY: Duration = Duration::from_millis(20);
pub(super) const MAX_LATENCY: Duration = Duration::from_millis(80);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Status(u16),
    /// A status after this time, or silence if the client waits for less.
    Slow(u16, Duration),
    /// A status that asks for a delay of this many seconds.
    After(u16, u64),
    /// 422, which names the records at these places.
    Bad(Vec<usize>),
    /// The connection is closed in good order after the request.
    Closed,
    /// The connection is lost while the request is under way.
    Reset,
    /// The connection cannot be made.
    Refused,
    /// There is no answer in time.
    Silence,
    /// The server accepts the records, and its answer is lost.
    Unheard,
}

impl Answer {
    /// Whether the server has the records.
    pub(super) fn accepts(&self) -> bool {
        matches!(self, Self::Status(200) | Self::Slow(200, _) | Self::Unheard)
    }
}

/// A request as the server sees it.
pub(super) struct Query<'a> {
    pub(super) at: Duration,
    pub(super) records: &'a [u32],
    pub(super) bytes: usize,
    pub(super) random: &'a mut Random,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) at: Duration,
    pub(super) sender: usize,
    pub(super) is_events: bool,
    pub(super) records: Vec<u32>,
    pub(super) answer: Answer,
}

pub(super) type Rule = Box<dyn FnMut(&mut Query<'_>) -> Answer + Send>;

pub(super) struct Server {
    start: Instant,
    cancelled: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    rule: Rule,
    random: Random,
    calls: Vec<Call>,
}

impl Server {
    /// Its time begins with the present.
    pub(super) fn new(seed: u64, rule: Rule) -> Self {
        let state = State {
            rule,
            random: Random::new(seed),
            calls: Vec::new(),
        };
        Self {
            start: clock::now(),
            cancelled: AtomicUsize::new(0),
            state: Mutex::new(state),
        }
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// How often the requests of the only client were broken off.
    pub(super) fn cancelled(&self) -> usize {
        self.cancelled.load(Relaxed)
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The requests from this one on.
    pub(super) fn calls_from(&self, first: usize) -> Vec<Call> {
        self.state().calls[first..].to_vec()
    }

    /// How many requests came in.
    pub(super) fn len(&self) -> usize {
        self.state().calls.len()
    }

    /// The records that the server accepted, in their order.
    pub(super) fn accepted(&self) -> Vec<u32> {
        let state = self.state();
        let accepted = state.calls.iter().filter(|call| call.answer.accepts());
        accepted.flat_map(|call| call.records.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in here")
    }
}

impl Transport for Server {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        self.answer(request, 0)
    }

    fn cancel(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }
}

/// The way of one of several clients to the server.
pub(super) struct Line {
    pub(super) server: Arc<Server>,
    pub(super) sender: usize,
    /// Requests are broken off.
    pub(super) is_cancelled: Arc<AtomicBool>,
}

impl Transport for Line {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        self.server.answer(request, self.sender)
    }

    fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }
}

impl Server {
    fn answer(&self, request: &Request<'_>, sender: usize) -> Result<Response, TransportError> {
        let mut state = self.state();
        let state = &mut *state;
        let endpoint = match request.url().ends_with(Endpoint::Events.path()) {
            true => Endpoint::Events,
            false => Endpoint::LlmEvents,
        };
        let records = numbers(request.body());
        let at = self.now();
        let mut query = Query {
            at,
            records: &records,
            bytes: request.body().len(),
            random: &mut state.random,
        };
        let answer = in_time((state.rule)(&mut query), request.timeout());
        state.calls.push(Call {
            at,
            sender,
            is_events: endpoint == Endpoint::Events,
            records,
            answer: answer.clone(),
        });
        let spread = (MAX_LATENCY - MIN_LATENCY).as_millis() as u64;
        let latency = MIN_LATENCY + Duration::from_millis(state.random.below(spread));
        double::pass(match answer {
            Answer::Silence | Answer::Unheard => request.timeout(),
            Answer::Slow(_, time) => time,
            _ => latency.min(request.timeout()),
        });
        result(answer)
    }
}

/// The answer as a client sees it that waits for this long.
fn in_time(answer: Answer, timeout: Duration) -> Answer {
    match answer {
        Answer::Slow(200, time) if time >= timeout => Answer::Unheard,
        Answer::Slow(_, time) if time >= timeout => Answer::Silence,
        answer => answer,
    }
}

fn result(answer: Answer) -> Result<Response, TransportError> {
    let lost = |kind: io::ErrorKind| io::Error::from(kind);
    match answer {
        Answer::Status(status) | Answer::Slow(status, _) => Ok(Response::new(status)),
        Answer::After(status, seconds) => {
            Ok(Response::new(status).with_header("retry-after", seconds.to_string()))
        }
        Answer::Bad(places) => {
            let problem =
                |place: usize| serde_json::json!({ "loc": ["body", place], "msg": "bad" });
            let problems: Vec<_> = places.into_iter().map(problem).collect();
            let body = serde_json::json!({ "detail": problems }).to_string();
            Ok(Response::new(422).with_body(body))
        }
        Answer::Closed => Err(TransportError::new(lost(io::ErrorKind::UnexpectedEof))),
        Answer::Refused => Err(TransportError::new(lost(io::ErrorKind::ConnectionRefused))),
        Answer::Reset => Err(TransportError::while_sending(lost(
            io::ErrorKind::ConnectionReset,
        ))),
        Answer::Silence | Answer::Unheard => {
            Err(TransportError::while_sending(lost(io::ErrorKind::TimedOut)))
        }
    }
}

/// The numbers of the records in a body, or in one record: the name of an event, or the prompt of an LLM event.
pub(super) fn numbers(json: &[u8]) -> Vec<u32> {
    let json = std::str::from_utf8(json).expect("text");
    let (events, prompts) = ("\"event\":\"", "\"prompt\":\"");
    let key = match json.contains(prompts) {
        true => prompts,
        false => events,
    };
    let values = json.split(key).skip(1);
    let number = |value: &str| value.split('"').next()?.parse().ok();
    values
        .map(|value| number(value).expect("a number"))
        .collect()
}
