use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    clock::double::VirtualTime,
    testing::{API_KEY, Recorder},
};

const LONG: Duration = Duration::from_secs(30);

fn recording() -> (Recorder, Trubrics) {
    let recorder = Recorder::new();
    let builder = Trubrics::builder(API_KEY).transport(recorder.clone());
    (recorder, builder.build().expect("good settings"))
}

/// The events that were tracked, without their timestamps.
fn events(recorder: &Recorder, client: &Trubrics) -> Vec<Value> {
    client.flush(LONG).expect("delivered");
    let mut events = recorder.events();
    for event in &mut events {
        let fields = event.as_object_mut().expect("an object");
        fields.remove("timestamp").expect("a timestamp");
    }
    events
}

#[track_caller]
fn only(mut events: Vec<Value>) -> Value {
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[test]
fn a_step_that_finished_has_the_duration_that_the_clock_says() {
    let (recorder, client) = recording();
    let time = VirtualTime::start();
    let step = client.timed("user", "Export").property("format", "svg");
    time.set(Duration::from_millis(1420));
    step.finish();
    drop(time);
    assert_eq!(
        only(events(&recorder, &client)),
        json!({
            "user_id": "user", "event": "Export",
            "properties": {"format": "svg", "duration": 1.42, "outcome": "finished"}
        })
    );
}

#[test]
fn a_step_that_failed_has_its_error() {
    for (class, expected) in [(None, "_OTHER"), (Some("timeout".to_owned()), "timeout")] {
        let (recorder, client) = recording();
        client
            .timed("user", "Export")
            .error_type(class)
            .fail("no answer");
        let properties = &only(events(&recorder, &client))["properties"];
        assert_eq!(properties["outcome"], "failed");
        assert_eq!(properties["error_message"], "no answer");
        assert_eq!(properties["error.type"], expected);
        assert!(properties["duration"].is_number());
    }
}

#[test]
fn a_class_of_null_is_not_a_class() {
    let (recorder, client) = recording();
    let step = client.timed("user", "Export");
    step.property("error.type", ()).fail("no answer");
    let properties = &only(events(&recorder, &client))["properties"];
    assert_eq!(properties["error.type"], "_OTHER");
}

#[test]
fn a_clock_that_stood_still_gives_a_duration_of_zero() {
    let (recorder, client) = recording();
    let now = Instant::now();
    let mut step = Step::start_at(&client, Event::new("user", "Export"), now);
    step.end_at(Outcome::Finished, now - Duration::from_secs(1));
    let event = only(events(&recorder, &client));
    assert_eq!(event["properties"]["duration"], 0.0);
}

#[test]
fn the_steps_of_a_scope_have_its_presets() {
    let (recorder, client) = recording();
    let scope = client
        .for_user("user")
        .thread_id("t")
        .assistant_id("a")
        .property("plan", "team");
    let time = VirtualTime::start();
    scope.timed("Export").finish();
    let tool = scope.tool("search_orders").call_id("call_1");
    let tool = tool
        .arguments(json!({"id": 7}))
        .result(["order"])
        .generation_id("g");
    tool.finish();
    scope.retrieval("handbook").results(3).finish();
    drop(time);
    let presets = json!({
        "$thread_id": "t", "$assistant_id": "a", "plan": "team", "duration": 0.0, "outcome": "finished"
    });
    let with = |name: &str, more: Value| {
        let mut properties = presets.clone();
        let fields = properties.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        json!({"user_id": "user", "event": name, "properties": properties})
    };
    let expected = [
        with("Export", json!({})),
        with(
            "Tool call",
            json!({
                "gen_ai.tool.name": "search_orders", "gen_ai.tool.call.id": "call_1", "$generation_id": "g",
                "gen_ai.tool.call.arguments": {"id": 7}, "gen_ai.tool.call.result": ["order"]
            }),
        ),
        with(
            "Retrieval",
            json!({"retrieval.name": "handbook", "retrieval.results": 3}),
        ),
    ];
    assert_eq!(events(&recorder, &client), expected);
}

#[test]
fn each_builder_method_has_a_twin_that_sets_in_place() {
    let (recorder, client) = recording();
    let mut step = client.timed("user", "Export");
    step.set_generation_id("g");
    step.set_call_id("c");
    step.set_arguments(1);
    step.set_result(2);
    step.set_results(3);
    step.set_property("k", 4);
    step.set_error_type("timeout");
    step.finish();
    let step = client.timed("user", "Export");
    let step = step.generation_id("g").call_id("c").arguments(1).result(2);
    let step = step.results(3).property("k", 4).error_type("timeout");
    step.finish();

    let mut cleared = client.timed("user", "Export").call_id("c");
    cleared = cleared.generation_id("g").error_type("timeout");
    cleared.set_generation_id(None);
    cleared.set_call_id(None);
    cleared.set_error_type(None);
    cleared.properties(json!({"k": 4})).finish();

    let mut properties = events(&recorder, &client).into_iter().map(|mut event| {
        let properties = event["properties"].take();
        let Value::Object(mut properties) = properties else {
            panic!("{properties}");
        };
        properties.remove("duration").expect("a duration");
        Value::Object(properties)
    });
    let all = json!({
        "$generation_id": "g", "gen_ai.tool.call.id": "c", "gen_ai.tool.call.arguments": 1,
        "gen_ai.tool.call.result": 2, "retrieval.results": 3, "k": 4, "error.type": "timeout", "outcome": "finished"
    });
    assert_eq!(properties.next(), Some(all.clone()));
    assert_eq!(properties.next(), Some(all));
    let few = json!({"k": 4, "outcome": "finished"});
    assert_eq!(properties.next(), Some(few));
}

#[test]
fn arguments_that_cannot_be_sent_make_the_event_invalid() {
    let (_, client) = recording();
    client.timed("user", "Export").arguments(f64::NAN).finish();
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.dropped_for(crate::DropReason::Invalid)),
        (1, 1)
    );
}

/// Panics wherever its text or its JSON is read.
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

impl Serialize for Panicking {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("on purpose")
    }
}

#[test]
fn a_disabled_client_computes_nothing_of_a_step() {
    let client = Trubrics::disabled();
    let scope = client.for_user("user");
    scope.timed(Panicking).finish();
    scope.tool(Panicking).arguments(Panicking).fail(Panicking);
    let mut step = scope.retrieval(Panicking).property(Panicking, Panicking);
    step.set_result(Panicking);
    let step = client.timed(Panicking, Panicking).properties(Panicking);
    assert_eq!(format!("{step:?}"), "Step { is_open: false, .. }");
}

#[test]
fn a_step_that_cannot_begin_leaves_no_event() {
    let (_, client) = recording();
    let begin = || client.for_user("user").tool(Panicking);
    catch_unwind(AssertUnwindSafe(begin)).expect_err("a panic");
    assert_eq!(client.stats().tracked, 0);
}

#[test]
fn steps_may_run_side_by_side_on_threads() {
    let (recorder, client) = recording();
    let scope = client.for_user("user").thread_id("t");
    let steps = ["a", "b", "c"].map(|tool| scope.tool(tool));
    let threads = steps.map(|step| thread::spawn(|| step.result("found").finish()));
    for thread in threads {
        thread.join().expect("no panic");
    }
    let events = events(&recorder, &client);
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event["properties"]["$thread_id"], "t");
        assert_eq!(event["properties"]["outcome"], "finished");
    }
}

#[test]
fn debug_shows_nothing_of_a_step() {
    let (_, client) = recording();
    let step = client.timed("user", "secret");
    assert_eq!(format!("{step:?}"), "Step { is_open: true, .. }");
}

/// A change of a step: the key of the property that it sets, and the value.
fn changes() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let number = any::<u32>().prop_map(Value::from);
    let text = "[ -~]{0,8}".prop_map(Value::from);
    let change = prop_oneof![
        (Just("gen_ai.tool.call.arguments"), text.clone()),
        (Just("gen_ai.tool.call.result"), number.clone()),
        (Just("retrieval.results"), number.clone()),
        (Just("gen_ai.tool.call.id"), text.clone()),
        (Just("$generation_id"), text.clone()),
        (Just("error.type"), text),
        (Just("k"), number),
    ];
    prop::collection::vec(change, 0..6)
}

fn apply(step: &mut Step, key: &str, value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let number = value.as_u64().unwrap_or_default();
    match key {
        "gen_ai.tool.call.arguments" => step.set_arguments(value),
        "gen_ai.tool.call.result" => step.set_result(value),
        "retrieval.results" => step.set_results(usize::try_from(number).expect("32 bits")),
        "gen_ai.tool.call.id" => step.set_call_id(text),
        "$generation_id" => step.set_generation_id(text),
        "error.type" => step.set_error_type(text),
        _ => step.set_property(key, value),
    }
}

#[derive(Debug, Clone)]
enum End {
    Finish,
    Fail(String),
    Drop,
    Forget,
    /// The program panics beside the step.
    Panic,
    /// The text of the error panics.
    PanicInError,
    /// The key of a property panics.
    PanicInKey,
}

impl End {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            Just(Self::Finish),
            "[ -~]{0,8}".prop_map(Self::Fail),
            Just(Self::Drop),
            Just(Self::Forget),
            Just(Self::Panic),
            Just(Self::PanicInError),
            Just(Self::PanicInKey),
        ]
    }

    fn of(self, step: Step) {
        match self {
            Self::Finish => step.finish(),
            Self::Fail(error) => step.fail(error),
            Self::Drop => drop(step),
            Self::Forget => mem::forget(step),
            Self::Panic => {
                let _step = step;
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Self::PanicInError => step.fail(Panicking),
            Self::PanicInKey => step.property(Panicking, 1).finish(),
        }
    }

    /// The outcome of the event. None if no event is tracked.
    fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Finish => Some("finished"),
            Self::Fail(_) => Some("failed"),
            Self::Forget => None,
            Self::Drop | Self::Panic | Self::PanicInError | Self::PanicInKey => Some("interrupted"),
        }
    }
}

proptest! {
    #[test]
    fn a_step_is_one_event_however_it_ends(
        changes in changes(),
        end in End::any(),
        milliseconds in 0_u64..10_000_000,
    ) {
        let (recorder, client) = recording();
        let time = VirtualTime::start();
        let mut step = client.timed("user", "Export");
        let mut expected: Map<String, Value> = Map::new();
        for (key, value) in changes {
            apply(&mut step, key, &value);
            expected.insert(key.into(), value);
        }
        let duration = Duration::from_millis(milliseconds);
        time.set(duration);
        let _ = catch_unwind(AssertUnwindSafe(|| end.clone().of(step)));
        drop(time);

        let Some(outcome) = end.outcome() else {
            prop_assert_eq!(client.stats().tracked, 0);
            return Ok(());
        };
        expected.insert("outcome".into(), outcome.into());
        expected.insert("duration".into(), duration.as_secs_f64().into());
        if let End::Fail(error) = end {
            expected.insert("error_message".into(), error.into());
            expected.entry("error.type").or_insert_with(|| "_OTHER".into());
        }
        let event = only(events(&recorder, &client));
        prop_assert_eq!(&event["properties"], &Value::Object(expected));
        prop_assert_eq!(client.stats().tracked, 1);
    }
}
