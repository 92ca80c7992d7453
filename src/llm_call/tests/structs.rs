//! Streams of structs, under a scripted clock.

use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::clock::double::VirtualTime;

/// What a provider streams.
#[derive(Debug, Clone, PartialEq)]
enum Chunk {
    Role,
    Reasoning(&'static str),
    Text(&'static str),
    ToolCall,
    End(Usage, &'static str),
}

fn read(chunk: &Chunk, call: &mut LlmCall) {
    match chunk {
        Chunk::Role => call.push_text(""),
        Chunk::Reasoning(_) => {}
        Chunk::Text(text) => call.push_text(text),
        Chunk::ToolCall => call.first_token(),
        Chunk::End(usage, reason) => {
            call.set_usage(*usage);
            call.set_finish_reason(*reason);
        }
    }
}

/// What a model says, and at which millisecond.
type Said = (u64, Result<Chunk, &'static str>);

/// Says it, and lets the time pass.
fn model(
    time: &VirtualTime,
    script: Vec<Said>,
) -> impl Iterator<Item = Result<Chunk, &'static str>> {
    script.into_iter().map(|(at, said)| {
        time.set(Duration::from_millis(at));
        said
    })
}

/// The record of a stream that says this, of which this many chunks are read; the end comes at that millisecond.
fn record_of(script: Vec<Said>, chunks: usize, end: u64) -> Value {
    let bench = Bench::new();
    let time = VirtualTime::start();
    let call = bench.client.llm_call("user", "2 + 2?").generation_id("g");
    let mut stream = call.try_stream_by(model(&time, script.clone()), read);
    let said: Vec<_> = stream.by_ref().take(chunks).collect();
    let script = script.into_iter().map(|(_, said)| said);
    assert_eq!(said, script.take(chunks).collect::<Vec<_>>());
    time.set(Duration::from_millis(end));
    if chunks > said.len() {
        assert_eq!(stream.next(), None);
    }
    drop(stream);
    drop(time);
    bench.record()
}

const ALL: usize = usize::MAX;

#[test]
fn a_stream_opens_with_what_is_not_content() {
    let script = vec![
        (100, Ok(Chunk::Role)),
        (200, Ok(Chunk::Text(""))),
        (300, Ok(Chunk::Reasoning("Two and two ..."))),
        (900, Ok(Chunk::Text("The answer "))),
        (950, Ok(Chunk::Text("is 4."))),
        (
            960,
            Ok(Chunk::End(Usage::new(12, 31).reasoning_tokens(20), "stop")),
        ),
    ];
    assert_eq!(
        record_of(script, ALL, 1000),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "The answer is 4.", "latency": 0.96,
            "properties": {
                "$generation_id": "g", "outcome": "finished", "gen_ai.response.time_to_first_chunk": 0.9,
                "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 31,
                "gen_ai.usage.reasoning.output_tokens": 20, "gen_ai.response.finish_reasons": ["stop"]
            }
        })
    );
}

#[test]
fn a_call_of_a_tool_is_content() {
    let script = vec![
        (100, Ok(Chunk::Role)),
        (250, Ok(Chunk::ToolCall)),
        (300, Ok(Chunk::ToolCall)),
        (350, Ok(Chunk::End(Usage::new(12, 9), "tool_calls"))),
    ];
    assert_eq!(
        record_of(script, ALL, 400),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "", "latency": 0.35,
            "properties": {
                "$generation_id": "g", "outcome": "finished", "gen_ai.response.time_to_first_chunk": 0.25,
                "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 9,
                "gen_ai.response.finish_reasons": ["tool_calls"]
            }
        })
    );
}

#[test]
fn a_stream_that_fails_in_the_middle_keeps_its_text() {
    let script = vec![
        (100, Ok(Chunk::Text("The "))),
        (250, Err("connection reset")),
        (300, Ok(Chunk::Text("answer"))),
    ];
    assert_eq!(
        record_of(script, ALL, 400),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "The ",
            "properties": {
                "$generation_id": "g", "outcome": "failed", "gen_ai.response.time_to_first_chunk": 0.1,
                "error.type": "_OTHER", "error_message": "connection reset", "duration": 0.25
            }
        })
    );
}

#[test]
fn a_stream_that_is_dropped_keeps_its_text_and_has_no_usage() {
    let script = vec![
        (100, Ok(Chunk::Text("The "))),
        (250, Ok(Chunk::Text("answer"))),
        (300, Ok(Chunk::End(Usage::new(12, 9), "stop"))),
    ];
    assert_eq!(
        record_of(script, 1, 700),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "The ",
            "properties": {
                "$generation_id": "g", "outcome": "interrupted", "gen_ai.response.time_to_first_chunk": 0.1,
                "duration": 0.7
            }
        })
    );
}

#[test]
fn a_panic_while_a_chunk_is_read_keeps_the_text_so_far() {
    let bench = Bench::new();
    let time = VirtualTime::start();
    let call = bench.client.llm_call("user", "2 + 2?").generation_id("g");
    catch_unwind(AssertUnwindSafe(|| {
        let mut stream = call.stream_by(["The ", "answer"], |chunk, call| {
            time.set(Duration::from_millis(100));
            call.push_text(chunk);
            assert_ne!(*chunk, "answer", "on purpose");
        });
        assert_eq!(stream.next(), Some("The "));
        stream.next();
    }))
    .expect_err("a panic");
    drop(time);
    assert_eq!(
        bench.record(),
        json!({
            "user_id": "user", "prompt": "2 + 2?", "generation": "The answer",
            "properties": {
                "$generation_id": "g", "outcome": "interrupted", "gen_ai.response.time_to_first_chunk": 0.1,
                "duration": 0.1
            }
        })
    );
}

#[test]
fn the_class_of_an_error_among_structs_is_what_the_caller_says() {
    let bench = Bench::new();
    let stream = bench
        .call()
        .try_stream_by([Ok(Chunk::Role), Err("reset")], read)
        .error_type_by(|_| "connection");
    assert_eq!(stream.count(), 2);
    assert_eq!(bench.record()["properties"]["error.type"], "connection");
}

#[test]
fn what_reads_a_chunk_does_not_run_after_the_end_of_the_call() {
    let bench = Bench::new();
    let chunks = [Ok("a"), Err("reset"), Ok("b")];
    let mut texts = Vec::new();
    let stream = bench
        .call()
        .try_stream_by(chunks, |chunk: &&str, _| texts.push(*chunk));
    assert_eq!(stream.collect::<Vec<_>>(), chunks);
    assert_eq!(texts, ["a"]);
}

#[test]
fn a_loop_without_an_iterator_pushes_its_text_and_ends() {
    let bench = Bench::new();
    let time = VirtualTime::start();
    let mut call = bench.client.llm_call("user", "2 + 2?").generation_id("g");
    for (at, text) in [(100, ""), (200, "The "), (300, "answer")] {
        time.set(Duration::from_millis(at));
        call.push_text(text);
    }
    call.end();
    drop(time);
    let record = bench.record();
    assert_eq!(record["generation"], "The answer");
    assert_eq!(record["latency"], 0.3);
    let first = &record["properties"]["gen_ai.response.time_to_first_chunk"];
    assert_eq!(first, 0.2);
}

#[test]
fn the_text_that_finishes_a_call_replaces_the_text_so_far() {
    let bench = Bench::new();
    let mut call = bench.call();
    call.push_text("The ");
    call.finish("4");
    assert_eq!(bench.record()["generation"], "4");

    let bench = Bench::new();
    let mut call = bench.call();
    call.push_text("The ");
    call.fail("reset");
    assert_eq!(bench.record()["generation"], "The ");
}

fn chunks() -> impl Strategy<Value = Vec<Chunk>> {
    let chunk = prop_oneof![
        Just(Chunk::Role),
        Just(Chunk::Reasoning("so")),
        Just(Chunk::Text("")),
        Just(Chunk::Text("a ")),
        Just(Chunk::Text("b ")),
        Just(Chunk::ToolCall),
        (0_u64..9, 0_u64..9)
            .prop_map(|(input, output)| Chunk::End(Usage::new(input, output), "stop")),
    ];
    prop::collection::vec(chunk, 0..8)
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    /// The stream is read to its end.
    Read,
    /// The stream is dropped after its chunks.
    Drop,
    /// An error follows the chunks.
    Error,
    /// The caller's code panics at the chunk after these.
    Panic,
    /// There is no stream: the text is pushed.
    End,
    Finish,
    Fail,
    /// There is no stream, and the call is dropped.
    DropCall,
    Forget,
}

const ENDINGS: [Ending; 9] = [
    Ending::Read,
    Ending::Drop,
    Ending::Error,
    Ending::Panic,
    Ending::End,
    Ending::Finish,
    Ending::Fail,
    Ending::DropCall,
    Ending::Forget,
];

/// Runs a call with these chunks, one each ten milliseconds, to this end.
fn run(mut call: LlmCall, time: &VirtualTime, chunks: &[Chunk], ending: Ending) {
    let script = |end: Option<&'static str>| {
        let said = chunks.iter().cloned().map(Ok).chain(end.map(Err));
        model(time, (1..).map(|number| number * 10).zip(said).collect())
    };
    let mut read_all = || {
        script(None)
            .flatten()
            .for_each(|chunk| read(&chunk, &mut call));
    };
    match ending {
        Ending::Read => drop(call.try_stream_by(script(None), read).count()),
        Ending::Error => drop(call.try_stream_by(script(Some("reset")), read).count()),
        Ending::Drop => {
            let mut stream = call.try_stream_by(script(None), read);
            assert_eq!(stream.by_ref().take(chunks.len()).count(), chunks.len());
        }
        Ending::Panic => {
            let last = script(None).chain([Ok(Chunk::Reasoning("panic"))]);
            let stream = call.try_stream_by(last, |chunk, call| {
                if *chunk == Chunk::Reasoning("panic") {
                    std::panic::resume_unwind(Box::new("on purpose"));
                }
                read(chunk, call);
            });
            stream.for_each(drop);
        }
        _ => {
            read_all();
            match ending {
                Ending::End => call.end(),
                Ending::Finish => call.finish("whole"),
                Ending::Fail => call.fail("reset"),
                Ending::Forget => mem::forget(call),
                _ => drop(call),
            }
        }
    }
}

/// The record of such a call.
fn expected(chunks: &[Chunk], ending: Ending) -> Value {
    let mut generation = String::new();
    let mut properties = Map::new();
    let mut set = |key: &str, value: Value| properties.insert(key.into(), value);
    let is_content = |chunk: &Chunk| match chunk {
        Chunk::Text(text) => !text.is_empty(),
        chunk => *chunk == Chunk::ToolCall,
    };
    if let Some(first) = chunks.iter().position(is_content) {
        let time = Duration::from_millis(10 * (first as u64 + 1));
        set(
            "gen_ai.response.time_to_first_chunk",
            time.as_secs_f64().into(),
        );
    }
    for chunk in chunks {
        match chunk {
            Chunk::Text(text) => generation.push_str(text),
            Chunk::End(usage, reason) => {
                set(
                    "gen_ai.usage.input_tokens",
                    serde_json::json!(usage.input_tokens),
                );
                set(
                    "gen_ai.usage.output_tokens",
                    serde_json::json!(usage.output_tokens),
                );
                set("gen_ai.response.finish_reasons", json!([reason]));
            }
            _ => {}
        }
    }
    let is_error_a_chunk = matches!(ending, Ending::Error);
    let end = Duration::from_millis(10 * (chunks.len() + usize::from(is_error_a_chunk)) as u64);
    let outcome = match ending {
        Ending::Read | Ending::End | Ending::Finish => "finished",
        Ending::Error | Ending::Fail => "failed",
        _ => "interrupted",
    };
    if outcome != "finished" {
        set("duration", end.as_secs_f64().into());
    }
    if outcome == "failed" {
        set("error.type", "_OTHER".into());
        set("error_message", "reset".into());
    }
    set("outcome", outcome.into());
    set("$generation_id", "g".into());
    if matches!(ending, Ending::Finish) {
        generation = "whole".into();
    }
    let mut record = json!({
        "user_id": "user", "prompt": "2 + 2?", "generation": generation, "properties": properties
    });
    if outcome == "finished" {
        record["latency"] = end.as_secs_f64().into();
    }
    record
}

proptest! {
    #[test]
    fn a_call_is_one_record_however_it_ends(
        chunks in chunks(),
        ending in prop::sample::select(&ENDINGS[..]),
    ) {
        let bench = Bench::new();
        let time = VirtualTime::start();
        let call = bench.client.llm_call("user", "2 + 2?").generation_id("g");
        let _ = catch_unwind(AssertUnwindSafe(|| run(call, &time, &chunks, ending)));
        drop(time);
        if matches!(ending, Ending::Forget) {
            prop_assert_eq!(bench.client.stats().tracked, 0);
        } else {
            prop_assert_eq!(bench.record(), expected(&chunks, ending));
        }
    }
}
