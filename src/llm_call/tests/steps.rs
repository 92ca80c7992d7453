//! The generation id of a call, and its steps.

use std::thread;

use super::*;

#[test]
fn a_call_has_a_random_generation_id_from_its_start() {
    let bench = Bench::new();
    let call = bench.client.llm_call("user", "2 + 2?");
    let id = call.get_generation_id().to_owned();
    let uuid = uuid::Uuid::parse_str(&id).expect("a UUID");
    assert_eq!(uuid.get_version_num(), 4);
    let mut stream = call.stream(["4"]);
    assert_eq!(stream.by_ref().count(), 1);
    assert_eq!(stream.call().get_generation_id(), id);
    stream.call_mut().set_generation_id("too late");
    assert_eq!(stream.call().get_generation_id(), id);
    assert_eq!(bench.record()["properties"]["$generation_id"], id.as_str());
}

#[test]
fn a_call_of_a_disabled_client_has_a_generation_id_too() {
    let client = Trubrics::disabled();
    let scope = client.for_user("user");
    for call in [client.llm_call("user", "2 + 2?"), scope.llm_call("2 + 2?")] {
        assert_eq!(call.get_generation_id().len(), 36);
        let mut stream = call.generation_id("g").stream_by([1], |_, _| ());
        assert_eq!(stream.by_ref().collect::<Vec<_>>(), [1]);
        assert_eq!(stream.call().get_generation_id(), "g");
        stream.call().tool("search").arguments(1).finish();
    }
}

#[test]
fn the_generation_id_of_the_call_beats_a_property_of_that_key() {
    let bench = Bench::new();
    let call = bench.call().property("$generation_id", "other");
    call.finish("4");
    assert_eq!(bench.record()["properties"]["$generation_id"], "g");
}

/// The events that were tracked: the name and the properties of each.
fn events(bench: &Bench) -> Vec<(Value, Value)> {
    bench.client.flush(LONG).expect("delivered");
    let events = bench.recorder.events().into_iter();
    let mut events: Vec<_> = events
        .map(|mut event| {
            assert_eq!(event["user_id"], "user");
            let mut properties = event["properties"].take();
            let fields = properties.as_object_mut().expect("an object");
            assert!(
                fields
                    .remove("duration")
                    .is_some_and(|time| time.is_number())
            );
            (event["event"].take(), properties)
        })
        .collect();
    events.sort_by_key(|(_, properties)| properties.to_string());
    events
}

#[test]
fn the_steps_of_a_call_have_its_ids_and_presets_but_not_its_properties() {
    let bench = Bench::new();
    let scope = bench
        .client
        .for_user("user")
        .thread_id("other")
        .assistant_id("a")
        .property("plan", "team");
    let call = scope.llm_call("2 + 2?").property("temperature", 0.2);
    let call = call.thread_id("t").generation_id("g").provider("openai");
    let tool = call.tool("calculator").call_id("call_1");
    call.retrieval("handbook").results(3).finish();
    call.finish("4");
    tool.arguments(json!({"sum": "2 + 2"})).result(4).finish();
    let with = |more: Value| {
        let mut properties = json!({
            "$thread_id": "t", "$assistant_id": "a", "$generation_id": "g", "plan": "team", "outcome": "finished"
        });
        let fields = properties.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        properties
    };
    let tool = json!({
        "gen_ai.tool.name": "calculator", "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": {"sum": "2 + 2"}, "gen_ai.tool.call.result": 4
    });
    let retrieval = json!({"retrieval.name": "handbook", "retrieval.results": 3});
    let mut expected = [
        (json!("Tool call"), with(tool)),
        (json!("Retrieval"), with(retrieval)),
    ];
    expected.sort_by_key(|(_, properties)| properties.to_string());
    assert_eq!(events(&bench), expected);
}

#[test]
fn tools_run_side_by_side_also_after_the_stream_has_ended() {
    let bench = Bench::new();
    let call = bench.call().assistant_id("a");
    let mut stream = call.try_stream_by(["search", "price"].map(Ok::<_, fmt::Error>), |_, call| {
        call.first_token();
    });
    let tools: Vec<_> = stream.by_ref().flatten().collect();
    stream.call_mut().set_assistant_id("too late");
    let call = stream.call();
    thread::scope(|threads| {
        for name in tools {
            threads.spawn(move || {
                let tool = call.tool(name);
                if name == "price" {
                    tool.fail("no answer");
                }
            });
        }
    });
    let with = |more: Value| {
        let mut properties = json!({"$assistant_id": "a", "$generation_id": "g"});
        let fields = properties.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        (json!("Tool call"), properties)
    };
    let search = json!({"gen_ai.tool.name": "search", "outcome": "interrupted"});
    let price = json!({
        "gen_ai.tool.name": "price", "outcome": "failed", "error.type": "_OTHER", "error_message": "no answer"
    });
    let mut expected = [with(search), with(price)];
    expected.sort_by_key(|(_, properties)| properties.to_string());
    assert_eq!(events(&bench), expected);
    assert_eq!(bench.record()["properties"]["outcome"], "finished");
}

#[test]
fn a_tool_may_begin_where_its_chunk_is_read() {
    let bench = Bench::new();
    let mut steps = Vec::new();
    let stream = bench.call().stream_by(["search"], |name, call| {
        steps.push(call.tool(*name));
    });
    assert_eq!(stream.count(), 1);
    assert_eq!(bench.record()["properties"]["outcome"], "finished");
    assert_eq!(events(&bench).len(), 0);
    steps.remove(0).finish();
    let (name, properties) = &events(&bench)[0];
    assert_eq!(name, "Tool call");
    assert_eq!(properties["$generation_id"], "g");
}
