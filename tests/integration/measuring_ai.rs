//! What the page on measuring an AI feature promises: the names of its last table, and feedback from another process.

use std::{collections::BTreeSet, env};

use serde_json::{Value, json};
use trubrics::{
    Cost, LlmCall, Scope, Trubrics, Usage,
    testing::{API_KEY, Recorder},
};

use crate::{
    child,
    support::{LONG, build, client_of, server},
};

const PAGE: &str = include_str!("../../src/_docs/measuring_ai.md");

/// The names in the first column of the last table.
fn names_of_the_page() -> BTreeSet<String> {
    let (_, table) = PAGE
        .split_once("# The names of the properties")
        .expect("the last section");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

/// A call with all that can be set on it, and with a tool and a search.
fn track_all(user: &Scope) {
    let image = format!("data:image/png;base64,{}", "iVBORw0K".repeat(200));
    let mut call: LlmCall = user
        .llm_call(format!("What is this? {image}"))
        .prompt_id("prompt_1")
        .provider("openai")
        .prompt_name("support")
        .prompt_version("7")
        .response_model("gpt-4o-2024-11-20")
        .response_id("chatcmpl-1")
        .finish_reason("stop")
        .usage(
            Usage::new(120, 42)
                .cache_read_tokens(100)
                .cache_write_tokens(20)
                .reasoning_tokens(30),
        )
        .cost(Cost::usd(0.0021));
    call.push_text("A chart");
    let tool = call.tool("search_orders").call_id("call_1");
    tool.arguments(json!({ "id": 7 })).result("none").finish();
    call.retrieval("handbook").results(3).finish();
    user.track(
        user.feedback(call.get_generation_id())
            .thumbs_up()
            .score(4.0, 1.0..=5.0)
            .label("helpful")
            .text("Just what I needed"),
    );
    call.fail("it broke off");
}

#[test]
fn each_property_of_the_page_is_sent_and_no_other() {
    let recorder = Recorder::new();
    let client = build(Trubrics::builder(API_KEY).transport(recorder.clone()));
    let user = client.for_user("ada").thread_id("thread_7");
    track_all(&user.assistant_id("gpt-4o"));
    client.flush(LONG).expect("delivered");

    let records = recorder.events().into_iter().chain(recorder.llm_events());
    let properties = records.filter_map(|record| match &record["properties"] {
        Value::Object(properties) => Some(properties.keys().cloned().collect::<Vec<_>>()),
        _ => None,
    });
    let sent: BTreeSet<String> = properties.flatten().collect();
    assert_eq!(sent, names_of_the_page());
}

/// Says to the other process which generation the feedback is about.
const GENERATION_ID: &str = "TRUBRICS_TEST_GENERATION_ID";
const HOST: &str = "TRUBRICS_TEST_GENERATION_HOST";

#[test]
fn feedback_of_another_process_names_the_same_generation() {
    let test = "feedback_of_another_process_names_the_same_generation";
    if let (Ok(generation_id), Ok(host)) = (env::var(GENERATION_ID), env::var(HOST)) {
        let client = build(Trubrics::builder(API_KEY).host(host));
        client.track(client.feedback("ada", generation_id).thumbs_up());
        client.close(LONG).expect("delivered");
        return;
    }
    let server = server();
    let client = build(client_of(&server));
    let call = client.llm_call("ada", "What is a cohort?");
    let generation_id = call.get_generation_id().to_owned();
    call.finish("A group of users.");
    client.close(LONG).expect("delivered");

    let output = child::command(module_path!(), test)
        .env(GENERATION_ID, &generation_id)
        .env(HOST, server.url())
        .output()
        .expect("a process");
    assert!(output.status.success(), "{output:?}");
    let id_of = |records: Vec<Value>| records[0]["properties"]["$generation_id"].clone();
    assert_eq!(id_of(server.llm_events()), generation_id.as_str());
    assert_eq!(
        id_of(server.events_named("Feedback")),
        generation_id.as_str()
    );
}
