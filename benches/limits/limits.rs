//! What is measured, in the crate's way and in the barest way that does the same, and clients for it.

use std::{
    io::Read,
    sync::Mutex,
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use trubrics::{Event, LlmEvent, Response, Trubrics, TrubricsBuilder, transport_fn};

const USER_ID: &str = "user_12345";
const NAME: &str = "Report exported";
/// Forty characters.
const TEXT: &str = "a chart of the quarter, as a spreadsheet";

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn event(count: usize) -> Event {
    Event::new(USER_ID, NAME)
        .property("title", TEXT)
        .property("count", count)
        .property("is_first", true)
}

pub(crate) fn llm_event(text: &str) -> LlmEvent {
    let (prompt, generation) = text.split_at(text.len() / 2);
    LlmEvent::new(USER_ID, prompt, generation)
}

/// This many bytes of prose, with a line break and a quote here and there.
pub(crate) fn prose(bytes: usize) -> String {
    let sentence =
        "The \"average\" of a quarter hides its best week, which is why the chart shows both.\n";
    sentence.chars().cycle().take(bytes).collect()
}

/// The bytes of [`event`] in one fresh buffer, by `serde_json`.
pub(crate) fn encode(count: usize) -> Vec<u8> {
    json(&RawEvent {
        user_id: USER_ID,
        event: NAME,
        timestamp: OffsetDateTime::now_utc(),
        properties: RawProperties {
            app_version: None,
            title: TEXT,
            count,
            is_first: true,
        },
    })
}

/// The same with the default property of [`with_default`].
pub(crate) fn encode_with_default(count: usize) -> Vec<u8> {
    json(&RawEvent {
        user_id: USER_ID,
        event: NAME,
        timestamp: OffsetDateTime::now_utc(),
        properties: RawProperties {
            app_version: Some(APP_VERSION),
            title: TEXT,
            count,
            is_first: true,
        },
    })
}

const APP_VERSION: &str = "4.12.0";

pub(crate) fn with_default(builder: TrubricsBuilder) -> TrubricsBuilder {
    builder.default_property("app_version", APP_VERSION)
}

/// The bytes of [`llm_event`] in one fresh buffer, by `serde_json`.
pub(crate) fn encode_llm(text: &str) -> Vec<u8> {
    let (prompt, generation) = text.split_at(text.len() / 2);
    json(&RawLlmEvent {
        user_id: USER_ID,
        prompt,
        generation,
        timestamp: OffsetDateTime::now_utc(),
    })
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("plain data")
}

#[derive(Serialize)]
struct RawEvent<'a> {
    user_id: &'a str,
    event: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    properties: RawProperties<'a>,
}

#[derive(Serialize)]
struct RawProperties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    app_version: Option<&'a str>,
    title: &'a str,
    count: usize,
    is_first: bool,
}

#[derive(Serialize)]
struct RawLlmEvent<'a> {
    user_id: &'a str,
    prompt: &'a str,
    generation: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
}

/// Settings that let a burst in and send nothing because of the time.
pub(crate) fn roomy(url: &str) -> TrubricsBuilder {
    Trubrics::builder("bench-key")
        .host(url)
        .flush_interval(LONG)
        .queue_capacity(2_000_000)
        .queue_bytes(2 << 30)
}

/// A port without a server, for clients whose transport does not use it.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

/// A client whose worker is stuck in a request, so that nothing but the caller moves.
pub(crate) struct Quiet {
    pub(crate) client: Trubrics,
    _answer: Sender<()>,
}

impl Quiet {
    pub(crate) fn new(settings: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder) -> Self {
        let (entered, stuck) = bounded(1);
        let (answer, answered) = bounded::<()>(0);
        let answered = Mutex::new(answered);
        let transport = transport_fn(move |_| {
            let _ = entered.try_send(());
            let _ = answered.lock().expect("no panic holds it").recv();
            Ok(Response::new(200))
        });
        let client = settings(roomy(NOWHERE))
            .transport(transport)
            .shutdown_timeout(Duration::ZERO)
            .build()
            .expect("good settings");
        for count in 0..100 {
            client.track(event(count));
        }
        stuck.recv_timeout(LONG).expect("a request");
        Self {
            client,
            _answer: answer,
        }
    }
}

/// A client whose requests are answered at once, without a network.
pub(crate) fn live() -> Trubrics {
    roomy(NOWHERE)
        .transport(transport_fn(|_| Ok(Response::new(200))))
        .build()
        .expect("good settings")
}

/// Channel, worker, `serde_json`, `ureq`, in batches of a hundred: no retry, no bound, no account. A limit, no design.
pub(crate) struct BarePipe {
    events: Sender<PipeEvent>,
    worker: JoinHandle<()>,
}

#[derive(Serialize)]
pub(crate) struct PipeEvent {
    user_id: String,
    event: String,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    properties: Map<String, Value>,
}

impl PipeEvent {
    pub(crate) fn new(count: usize) -> Self {
        let properties = [
            ("title".to_owned(), Value::from(TEXT)),
            ("count".to_owned(), Value::from(count)),
            ("is_first".to_owned(), Value::from(true)),
        ];
        Self {
            user_id: USER_ID.to_owned(),
            event: NAME.to_owned(),
            timestamp: OffsetDateTime::now_utc(),
            properties: properties.into_iter().collect(),
        }
    }
}

impl BarePipe {
    pub(crate) fn start(url: &str) -> Self {
        let (events, receiver) = unbounded();
        let post = Post::new(url);
        let worker = thread::spawn(move || post_all(&receiver, &post));
        Self { events, worker }
    }

    pub(crate) fn send(&self, event: PipeEvent) {
        self.events.send(event).expect("a worker that lives");
    }

    pub(crate) fn close(self) {
        drop(self.events);
        self.worker.join().expect("no panic");
    }
}

fn post_all(events: &Receiver<PipeEvent>, post: &Post) {
    let mut batch = Vec::new();
    while let Ok(first) = events.recv() {
        batch.push(first);
        batch.extend(events.try_iter().take(99));
        post.send(&json(&batch));
        batch.clear();
    }
}

/// `ureq` alone: one agent, one connection, as few settings as it takes.
pub(crate) struct Post {
    agent: ureq::Agent,
    url: String,
}

impl Post {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            agent: ureq::Agent::new_with_defaults(),
            url: format!("{url}/publish_events"),
        }
    }

    pub(crate) fn send(&self, body: &[u8]) {
        let answer = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-api-key", "bench-key")
            .send(body);
        let mut rest = Vec::new();
        let mut answer = answer.expect("a sink that answers").into_body();
        let read = answer.as_reader().read_to_end(&mut rest);
        read.expect("an answer that ends");
    }
}

/// A body of a hundred records, made beforehand.
pub(crate) fn body(first: usize) -> Vec<u8> {
    let records: Vec<_> = (first..first + 100).map(encode).collect();
    [b"[", records.join(&b',').as_slice(), b"]"].concat()
}
