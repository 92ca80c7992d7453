use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde_json::{Value, json};

use super::*;
use crate::{
    record::{Cost, Usage},
    testing::{API_KEY, Recorder},
};

mod steps;
mod streams;
mod structs;

const LONG: Duration = Duration::from_secs(30);

/// What is under test: its client, the records that came of it, and the moment that it begins.
struct Bench {
    recorder: Recorder,
    client: Trubrics,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let recorder = Recorder::new();
        let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
        Self {
            client: builder.build().expect("good settings"),
            recorder,
            start: Instant::now(),
        }
    }

    fn call(&self) -> LlmCall {
        LlmCall::start_at(
            &self.client,
            LlmEvent::new("user", "2 + 2?", ""),
            Event::new("user", ""),
            self.start,
        )
        .generation_id("g")
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.start + Duration::from_millis(milliseconds)
    }

    /// The only record, without its timestamp.
    #[track_caller]
    fn record(&self) -> Value {
        self.client.flush(LONG).expect("delivered");
        let mut records = self.recorder.llm_events();
        assert_eq!(records.len(), 1, "{records:?}");
        let mut record = records.remove(0);
        record
            .as_object_mut()
            .and_then(|fields| fields.remove("timestamp"))
            .expect("a timestamp");
        record
    }
}

#[test]
fn a_finished_call_has_the_latency_that_the_clock_says() {
    let bench = Bench::new();
    let call = bench.call();
    call.finish_at("4".into(), bench.at(1420));
    assert_eq!(
        bench.record(),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "4", "latency": 1.42,
            "properties": {"outcome": "finished", "$generation_id": "g"}
        })
    );
}

#[test]
fn only_the_first_token_counts() {
    let bench = Bench::new();
    let mut call = bench.call();
    call.first_token_at(bench.at(300));
    call.first_token_at(bench.at(900));
    call.finish_at("4".into(), bench.at(1000));
    let record = bench.record();
    assert_eq!(record["latency"], 1.0);
    assert_eq!(
        record["properties"]["gen_ai.response.time_to_first_chunk"],
        0.3
    );
}

#[test]
fn a_failed_call_has_its_duration_and_its_error_but_no_latency() {
    let bench = Bench::new();
    let mut call = bench.call().error_type("timeout");
    call.end_at(Outcome::Failed("no answer".into()), bench.at(250));
    assert_eq!(
        bench.record(),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "",
            "properties": {
                "$generation_id": "g", "outcome": "failed", "error.type": "timeout", "error_message": "no answer",
                "duration": 0.25
            }
        })
    );
}

#[test]
fn an_error_whose_class_nobody_named_is_other() {
    let bench = Bench::new();
    bench.call().fail("no answer");
    assert_eq!(bench.record()["properties"]["error.type"], "_OTHER");
}

#[test]
fn a_call_that_is_dropped_was_interrupted() {
    let bench = Bench::new();
    let _ = bench.call();
    let record = bench.record();
    assert_eq!(record["properties"]["outcome"], "interrupted");
    assert!(record["properties"]["duration"].is_number());
    assert!(record.get("latency").is_none());
}

#[test]
fn a_clock_that_stood_still_gives_a_latency_of_zero() {
    let bench = Bench::new();
    let call = bench.call();
    call.finish_at(String::new(), bench.start);
    assert_eq!(bench.record()["latency"], 0.0);
}

#[test]
fn every_setter_of_an_llm_event_is_there() {
    let bench = Bench::new();
    let call = bench
        .call()
        .assistant_id("gpt-4o")
        .thread_id("t")
        .prompt_event_name("Question")
        .generation_event_name("Answer")
        .prompt_id("q")
        .generation_id("a")
        .provider("openai")
        .prompt_name("sums")
        .prompt_version("7")
        .response_model("gpt-4o-mini")
        .response_id("id")
        .usage(Usage::new(0, 1).reasoning_tokens(1))
        .input_tokens(12)
        .output_tokens(2)
        .cost(Cost::usd(0.25))
        .finish_reason("stop")
        .property("k", 1)
        .properties(json!({"l": 2}));
    call.finish_at("4".into(), bench.at(500));
    assert_eq!(
        bench.record(),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "4", "latency": 0.5, "assistant_id": "gpt-4o",
            "thread_id": "t", "prompt_event_name": "Question", "generation_event_name": "Answer",
            "properties": {
                "outcome": "finished", "k": 1, "l": 2, "$prompt_id": "q", "$generation_id": "a",
                "gen_ai.provider.name": "openai", "gen_ai.prompt.name": "sums", "gen_ai.prompt.version": "7",
                "gen_ai.response.model": "gpt-4o-mini", "gen_ai.response.id": "id",
                "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 2,
                "gen_ai.usage.reasoning.output_tokens": 1, "cost.amount": 0.25, "cost.currency": "USD",
                "gen_ai.response.finish_reasons": ["stop"]
            }
        })
    );
}

/// Panics wherever it is asked for its text.
struct Panicking;

impl From<Panicking> for String {
    fn from(_: Panicking) -> Self {
        panic!("on purpose")
    }
}

impl Display for Panicking {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

impl AsRef<str> for Panicking {
    fn as_ref(&self) -> &str {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_in_whatever_a_call_is_given_leaves_exactly_one_record() {
    type Step = fn(LlmCall);
    let steps: [(&str, Step); 7] = [
        ("a key", |call| drop(call.property(Panicking, 1))),
        ("a generation", |call| call.finish(Panicking)),
        ("an error", |call| call.fail(Panicking)),
        ("a chunk", |call| call.stream([Panicking]).for_each(drop)),
        ("a class", |call| {
            let stream = call.try_stream([Err::<&str, _>("a")]);
            stream
                .error_type_by(|_| -> &str { panic!("on purpose") })
                .for_each(drop);
        }),
        ("what reads a chunk", |call| {
            call.stream_by(["a"], |_, _| panic!("on purpose"))
                .for_each(drop);
        }),
        ("the program", |_call| panic!("on purpose")),
    ];
    for (what, step) in steps {
        let bench = Bench::new();
        catch_unwind(AssertUnwindSafe(|| step(bench.call()))).expect_err(what);
        let record = bench.record();
        assert_eq!(record["properties"]["outcome"], "interrupted", "{what}");
        assert_eq!(record["prompt"], "2 + 2?", "{what}");
    }
}

#[test]
fn a_forgotten_call_leaves_no_record() {
    let bench = Bench::new();
    mem::forget(bench.call());
    bench.client.flush(LONG).expect("nothing to deliver");
    assert_eq!(bench.client.stats().tracked, 0);
}

#[test]
fn a_disabled_client_asks_for_nothing() {
    let client = Trubrics::disabled();
    let mut call = client.llm_call(Panicking, Panicking).property(Panicking, 1);
    call.first_token();
    call.push_text("a");
    let chunks: Vec<_> = call.stream([Panicking]).collect();
    assert_eq!(chunks.len(), 1);
    let call = client.llm_call(Panicking, Panicking);
    let chunks = call.stream_by([1], |_, _| panic!("on purpose"));
    assert_eq!(chunks.collect::<Vec<_>>(), [1]);
    let call = client.llm_call(Panicking, Panicking);
    let chunks = call.try_stream_by([Err::<u8, _>(Panicking)], |_, _| panic!("on purpose"));
    assert_eq!(chunks.count(), 1);
    client.llm_call(Panicking, Panicking).end();
    client.llm_call(Panicking, Panicking).finish(Panicking);
    client.llm_call(Panicking, Panicking).fail(Panicking);
}

/// The builder methods in the source of a type: those that take it by value.
fn builder_methods(source: &str) -> Vec<&str> {
    let parts = source.split("\n    pub fn ").skip(1);
    parts
        .filter_map(|part| {
            let (name, rest) = part.split_once(['(', '<'])?;
            let (parameters, _) = rest.split_once('{')?;
            let words = parameters.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '&');
            let mut words = words.filter(|word| !word.is_empty());
            let first = words.find(|word| *word != "mut")?;
            (first == "self" && parameters.contains("-> Self")).then_some(name)
        })
        .collect()
}

#[test]
fn every_builder_method_of_an_llm_event_is_there() {
    let mut of_event = builder_methods(include_str!("../record/llm_event.rs"));
    of_event.extend(builder_methods(include_str!(
        "../record/llm_event/generation.rs"
    )));
    let of_call = builder_methods(include_str!("setters.rs"));
    assert!(of_event.len() > 20, "methods are found: {of_event:?}");
    // A call measures these itself.
    let measured = ["latency", "time_to_first_token", "timestamp"];
    for method in of_event {
        let is_there = of_call.contains(&method);
        assert_eq!(is_there, !measured.contains(&method), "{method}");
    }
    // `properties` has no twin, as on the records.
    for method in of_call.iter().filter(|method| **method != "properties") {
        let twin = format!("pub fn set_{method}(&mut self,");
        let source = include_str!("setters.rs");
        assert!(source.contains(&twin), "{method}");
    }
}

#[test]
fn debug_shows_nothing_of_a_call() {
    let bench = Bench::new();
    let call = bench.call();
    assert_eq!(format!("{call:?}"), "LlmCall { is_open: true, .. }");
    let stream = call.stream(["secret"]);
    assert_eq!(format!("{stream:?}"), "LlmStream { .. }");
}
