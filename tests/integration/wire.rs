//! What goes over the wire: each field and option of a record, as a server gets to see it.
//!
//! Every case is one request. The gate has the same ones judged by a mock server that is made from the API's
//! description.

use std::{
    env,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use time::{Date, Month, OffsetDateTime, UtcOffset};
use trubrics::{Cost, Event, LlmEvent, Record, Trubrics, TrubricsBuilder, Usage, testing};

use crate::support::{LONG, NEVER, server};

/// Names the environment variable with the host that the cases are sent to, in place of a server of our own.
const MOCK_HOST: &str = "TRUBRICS_MOCK_HOST";

struct Case {
    name: &'static str,
    /// What the client is set to.
    configure: fn(TrubricsBuilder) -> TrubricsBuilder,
    records: Vec<Record>,
    /// The body of the request.
    expected: Value,
}

impl Case {
    fn new<R: Into<Record>>(
        name: &'static str,
        records: impl IntoIterator<Item = R>,
        expected: Value,
    ) -> Self {
        Self {
            name,
            configure: |builder| builder,
            records: records.into_iter().map(Into::into).collect(),
            expected,
        }
    }

    /// Sends the records in one request, and waits until they are accepted.
    #[track_caller]
    fn deliver(&self, host: &str) {
        let builder = Trubrics::builder(testing::API_KEY)
            .host(host)
            .flush_interval(NEVER)
            .flush_batch_size(100);
        let client = (self.configure)(builder).build().expect(self.name);
        for record in &self.records {
            client.try_track(record.clone()).expect(self.name);
        }
        client.flush(LONG).expect(self.name);
        let accepted = client.stats().delivered;
        assert_eq!(accepted, self.records.len() as u64, "{}", self.name);
    }
}

/// The instant in the API's documentation.
const MOMENT: &str = "2024-10-09T13:21:46.182Z";

fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_728_480_106_182)
}

fn day(year: i32, month: Month, day: u8) -> OffsetDateTime {
    let date = Date::from_calendar_date(year, month, day).unwrap();
    date.midnight().assume_utc()
}

fn event() -> Event {
    Event::new("user_123", "Sign up").timestamp(moment())
}

fn llm_event() -> LlmEvent {
    LlmEvent::new("user_123", "Why?", "Because.").timestamp(moment())
}

/// Characters that JSON has to escape, and others that an encoder might.
const ODD_TEXT: &str = "\"'\\/ \0\u{1}\u{1f}\u{7f}\r\n\t \u{85}\u{2028}\u{2029}\u{feff}\u{fffd} né e\u{301} 日本語 🦀 👩‍👩‍👧 <b>&amp;</b> ${x} %s";

/// An array of one object, which has these fields over its own.
fn array_of(mut object: Value, mut fields: Value) -> Value {
    let fields = fields.as_object_mut().unwrap();
    object.as_object_mut().unwrap().append(fields);
    json!([object])
}

fn event_cases() -> Vec<Case> {
    let with = |fields| {
        let event = json!({ "user_id": "user_123", "event": "Sign up", "timestamp": MOMENT });
        array_of(event, fields)
    };
    let east = UtcOffset::from_hms(5, 30, 0).unwrap();
    vec![
        Case::new("the fields alone", [event()], with(json!({}))),
        Case::new(
            "the properties that Trubrics reserves",
            [event()
                .text("How do I export a chart?")
                .thread_id("thread_7")
                .assistant_id("gpt-4o")
                .prompt_id("prompt_1")
                .generation_id("generation_1")],
            with(json!({ "properties": {
                "$text": "How do I export a chart?",
                "$thread_id": "thread_7",
                "$assistant_id": "gpt-4o",
                "$prompt_id": "prompt_1",
                "$generation_id": "generation_1",
            }})),
        ),
        Case::new(
            "feedback on a generation",
            [Event::feedback("user_123", "generation_1")
                .thumbs_up()
                .score(4.0, 1.0..=5.0)
                .label("helpful")
                .text("Thanks!")
                .timestamp(moment())],
            with(json!({ "event": "Feedback", "properties": {
                "$generation_id": "generation_1",
                "$text": "Thanks!",
                "feedback.thumb": "up",
                "feedback.score": 4.0,
                "feedback.score_min": 1.0,
                "feedback.score_max": 5.0,
                "feedback.label": "helpful",
            }})),
        ),
        Case::new(
            "properties of every JSON type",
            [event()
                .property("text", "team")
                .property("large", u64::MAX)
                .property("negative", i64::MIN)
                .property("fraction", 0.125)
                .property("tiny", f64::MIN_POSITIVE)
                .property("yes", true)
                .property("nothing", None::<u8>)
                .property("list", [1, 2])
                .properties(json!({ "object": { "deep": [{ "er": null }], "empty": {} }, "": [] }))],
            with(json!({ "properties": {
                "text": "team",
                "large": u64::MAX,
                "negative": i64::MIN,
                "fraction": 0.125,
                "tiny": f64::MIN_POSITIVE,
                "yes": true,
                "nothing": null,
                "list": [1, 2],
                "object": { "deep": [{ "er": null }], "empty": {} },
                "": [],
            }})),
        ),
        Case::new(
            "properties given as an empty object are left out",
            [event().properties(json!({}))],
            with(json!({})),
        ),
        Case {
            configure: |builder| {
                builder
                    .default_property("app_version", "1.4.0")
                    .default_property("plan", "free")
            },
            ..Case::new(
                "default properties, one of them overridden",
                [event().property("plan", "team")],
                with(json!({ "properties": { "app_version": "1.4.0", "plan": "team" } })),
            )
        },
        Case::new(
            "text of every kind in every place",
            [Event::new(ODD_TEXT, ODD_TEXT)
                .timestamp(moment())
                .text(ODD_TEXT)
                .property(ODD_TEXT, ODD_TEXT)],
            json!([{
                "user_id": ODD_TEXT,
                "event": ODD_TEXT,
                "timestamp": MOMENT,
                "properties": { "$text": ODD_TEXT, ODD_TEXT: ODD_TEXT },
            }]),
        ),
        Case::new(
            "instants of other offsets and far from today",
            [
                OffsetDateTime::from(moment()).to_offset(east),
                day(1969, Month::December, 31),
                day(2024, Month::February, 29),
                day(9999, Month::December, 31),
            ]
            .map(|instant| Event::new("user_123", "Sign up").timestamp(instant)),
            [
                MOMENT,
                "1969-12-31T00:00:00.000Z",
                "2024-02-29T00:00:00.000Z",
                "9999-12-31T00:00:00.000Z",
            ]
            .map(|timestamp| json!({ "user_id": "user_123", "event": "Sign up", "timestamp": timestamp }))
            .into_iter()
            .collect(),
        ),
        Case::new(
            "as many as one request takes",
            (0..100).map(|number| event().property("number", number)),
            (0..100)
                .map(|number| with(json!({ "properties": { "number": number } }))[0].take())
                .collect(),
        ),
    ]
}

fn llm_event_cases() -> Vec<Case> {
    let with = |fields| {
        let event = json!({ "user_id": "user_123", "prompt": "Why?", "generation": "Because.", "timestamp": MOMENT });
        array_of(event, fields)
    };
    vec![
        Case::new("the fields alone", [llm_event()], with(json!({}))),
        Case {
            configure: |builder| builder.default_property("app_version", "1.4.0"),
            ..Case::new(
                "every field",
                [llm_event()
                    .assistant_id("gpt-4o")
                    .thread_id("thread_7")
                    .latency(Duration::from_millis(1420))
                    .prompt_event_name("User prompt")
                    .generation_event_name("AI generation")
                    .property("temperature", 0.2)
                    .properties(json!({ "tokens": { "in": 12, "out": 34 } }))],
                with(json!({
                    "assistant_id": "gpt-4o",
                    "thread_id": "thread_7",
                    "latency": 1.42,
                    "prompt_event_name": "User prompt",
                    "generation_event_name": "AI generation",
                    "properties": {
                        "app_version": "1.4.0",
                        "temperature": 0.2,
                        "tokens": { "in": 12, "out": 34 },
                    },
                })),
            )
        },
        Case::new(
            "the properties of a generation",
            [llm_event()
                .prompt_id("prompt_1")
                .generation_id("generation_1")
                .usage(Usage::new(120, 42).cache_read_tokens(100))
                .cost(Cost::usd(0.0021))
                .response_model("gpt-4o-2024-11-20")
                .finish_reason("stop")],
            with(json!({ "properties": {
                "$prompt_id": "prompt_1",
                "$generation_id": "generation_1",
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.output_tokens": 42,
                "gen_ai.usage.cache_read.input_tokens": 100,
                "cost.amount": 0.0021,
                "cost.currency": "USD",
                "gen_ai.response.model": "gpt-4o-2024-11-20",
                "gen_ai.response.finish_reasons": ["stop"],
            }})),
        ),
        Case::new(
            "latencies from none to long",
            [
                Duration::ZERO,
                Duration::from_nanos(1),
                Duration::from_secs(86_400),
            ]
            .map(|latency| llm_event().latency(latency)),
            [0.0, 1e-9, 86_400.0]
                .map(|latency| with(json!({ "latency": latency }))[0].take())
                .into_iter()
                .collect(),
        ),
        Case::new(
            "empty texts",
            [LlmEvent::new("user_123", "", "").timestamp(moment())],
            with(json!({ "prompt": "", "generation": "" })),
        ),
        Case::new(
            "text of every kind in every place",
            [LlmEvent::new(ODD_TEXT, ODD_TEXT, ODD_TEXT)
                .timestamp(moment())
                .assistant_id(ODD_TEXT)
                .thread_id(ODD_TEXT)
                .prompt_event_name(ODD_TEXT)
                .generation_event_name(ODD_TEXT)],
            with(json!({
                "user_id": ODD_TEXT,
                "prompt": ODD_TEXT,
                "generation": ODD_TEXT,
                "assistant_id": ODD_TEXT,
                "thread_id": ODD_TEXT,
                "prompt_event_name": ODD_TEXT,
                "generation_event_name": ODD_TEXT,
            })),
        ),
        Case::new(
            "as many as one request takes",
            (0..100).map(|number| llm_event().property("number", number)),
            (0..100)
                .map(|number| with(json!({ "properties": { "number": number } }))[0].take())
                .collect(),
        ),
    ]
}

#[test]
fn every_record_arrives_as_it_was_built() {
    for (path, cases) in [
        ("/api/ingestion/publish_events", event_cases()),
        ("/api/ingestion/publish_llm_events", llm_event_cases()),
    ] {
        for case in cases {
            let server = server();
            case.deliver(server.url());

            let requests = server.requests();
            assert_eq!(requests.len(), 1, "{}", case.name);
            let request = &requests[0];
            assert_eq!(request.path(), path, "{}", case.name);
            let body: Value = serde_json::from_slice(request.body()).expect(case.name);
            assert_eq!(body, case.expected, "{}", case.name);
        }
    }
}

#[test]
fn every_record_is_accepted_by_the_mock_server_that_the_environment_names() {
    let own = server();
    let host = env::var(MOCK_HOST).unwrap_or_else(|_| own.url().to_owned());
    for case in event_cases().into_iter().chain(llm_event_cases()) {
        case.deliver(&host);
    }
}
