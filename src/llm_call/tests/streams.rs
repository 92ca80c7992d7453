//! Calls whose answer comes in chunks.

use super::*;

#[test]
fn a_scripted_model_is_measured_to_the_millisecond() {
    let script = [(200, ""), (350, "The "), (500, "answer "), (1250, "is 4.")];
    let bench = Bench::new();
    let mut call = bench.call();
    for (time, chunk) in script {
        call.push_text_at(chunk, bench.at(time));
    }
    call.end_at(Outcome::Finished, bench.at(1300));
    drop(call);
    let record = bench.record();
    assert_eq!(record["generation"], "The answer is 4.");
    assert_eq!(record["latency"], 1.3);
    assert_eq!(
        record["properties"]["gen_ai.response.time_to_first_chunk"],
        0.35
    );
}

#[test]
fn a_stream_passes_its_chunks_through_and_tracks_the_whole() {
    let bench = Bench::new();
    let mut stream = bench.call().stream(["The ", "", "end"]);
    assert_eq!(stream.size_hint(), (3, Some(3)));
    assert_eq!(stream.next(), Some("The "));
    assert_eq!(bench.client.stats().tracked, 0);
    stream.call_mut().set_finish_reason("stop");
    assert_eq!(stream.by_ref().collect::<Vec<_>>(), ["", "end"]);
    assert_eq!(stream.next(), None);
    stream.call_mut().set_finish_reason("too late");
    drop(stream);
    let record = bench.record();
    assert_eq!(record["generation"], "The end");
    assert_eq!(record["properties"]["outcome"], "finished");
    assert_eq!(
        record["properties"]["gen_ai.response.finish_reasons"],
        json!(["stop"])
    );
}

#[test]
fn a_stream_that_is_not_read_to_its_end_was_interrupted_with_its_text_so_far() {
    let bench = Bench::new();
    let mut stream = bench.call().stream(["The ", "end"]);
    assert_eq!(stream.next(), Some("The "));
    drop(stream);
    let record = bench.record();
    assert_eq!(record["generation"], "The ");
    assert_eq!(record["properties"]["outcome"], "interrupted");
}

#[test]
fn a_stream_without_a_chunk_has_no_first_token() {
    let bench = Bench::new();
    assert_eq!(bench.call().stream([""; 0]).count(), 0);
    let record = bench.record();
    assert_eq!(record["generation"], "");
    assert!(
        record["properties"]
            .get("gen_ai.response.time_to_first_chunk")
            .is_none()
    );
}

#[test]
fn the_first_error_of_a_stream_fails_the_call_and_all_goes_on() {
    let bench = Bench::new();
    let chunks = [Ok("The "), Err("reset"), Ok("end"), Err("again")];
    let mut stream = bench.call().try_stream(chunks);
    assert_eq!(stream.size_hint(), (4, Some(4)));
    assert_eq!(stream.by_ref().collect::<Vec<_>>(), chunks);
    drop(stream);
    let record = bench.record();
    assert_eq!(record["generation"], "The ");
    assert_eq!(record["properties"]["outcome"], "failed");
    assert_eq!(record["properties"]["error_message"], "reset");
}

#[test]
fn the_class_of_an_error_in_a_stream_is_what_the_caller_says() {
    let class_of = |error: &&str| format!("class {error}");
    let bench = Bench::new();
    let call = bench.call().error_type("of the call");
    let stream = call
        .try_stream([Ok("The "), Err("a"), Err("b")])
        .error_type_by(class_of);
    assert_eq!(stream.count(), 3);
    let record = bench.record();
    assert_eq!(record["properties"]["error.type"], "class a");
    assert_eq!(record["properties"]["error_message"], "a");

    let bench = Bench::new();
    let call = bench.call().error_type("of the call");
    assert_eq!(call.try_stream([Ok("The "), Err("a")]).count(), 2);
    assert_eq!(bench.record()["properties"]["error.type"], "of the call");
}

#[test]
fn chunks_that_are_all_good_finish_the_call() {
    let bench = Bench::new();
    let chunks = [Ok::<_, fmt::Error>("The "), Ok("end")];
    assert_eq!(bench.call().try_stream(chunks).count(), 2);
    let record = bench.record();
    assert_eq!(record["generation"], "The end");
    assert_eq!(record["properties"]["outcome"], "finished");
}
