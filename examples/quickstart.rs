//! The four events to begin with and one LLM event, sent, and what arrived of them.
//!
//! With `TRUBRICS_API_KEY` set they go to Trubrics (or to `TRUBRICS_HOST`); without it, to a server on this machine.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::print_stderr, reason = "an example says what went wrong")]

use std::{env, error::Error, process::ExitCode, time::Duration};

use serde_json::Value;
use trubrics::{DropReason, Event, LlmEvent, Trubrics, testing::Server};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    if env::var_os("TRUBRICS_API_KEY").is_some() {
        track_all(&Trubrics::from_env()?)?;
        println!("Five records are delivered; look for user_123 in your project.");
        return Ok(());
    }
    let server = Server::start()?;
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .build()?;
    track_all(&client)?;

    println!("TRUBRICS_API_KEY is not set: this is what a server on this machine received.\n");
    let (events, llm_events) = (server.events(), server.llm_events());
    println!("{} events", events.len());
    for event in &events {
        let [time, user, name] = ["timestamp", "user_id", "event"].map(|key| text(&event[key]));
        println!("  {time}  {user}  {name:<12}{}", list(&event["properties"]));
    }
    println!("\n{} LLM event", llm_events.len());
    for event in &llm_events {
        for (key, value) in event.as_object().into_iter().flatten() {
            println!("  {key:<14}{}", text(value));
        }
    }
    Ok(())
}

fn track_all(client: &Trubrics) -> Result<(), Box<dyn Error>> {
    let (question, answer) = ("How do I export a chart?", "Open its menu: Export.");
    client.track(Event::new("user_123", "Sign up").property("country", "FR"));
    let prompt = Event::new("user_123", "User prompt").text(question);
    client.track(prompt.thread_id("thread_7"));
    let generation = Event::new("user_123", "Generation").text(answer);
    client.track(generation.thread_id("thread_7").assistant_id("gpt-4o"));
    client.track(Event::new("user_123", "Converted").property("plan", "team"));

    // One LLM event stands for a prompt and its generation: use these, or the two events above.
    let llm_event = LlmEvent::new("user_123", question, answer).assistant_id("gpt-4o");
    client.track(llm_event.latency(Duration::from_millis(1420)));

    client.flush(Duration::from_secs(10)).map_err(|error| {
        let stats = client.stats();
        let is_counted = |reason: &DropReason| stats.dropped_for(*reason) > 0;
        let reason = DropReason::ALL.into_iter().find(is_counted);
        match reason {
            Some(reason) => format!("{error} ({reason})").into(),
            None => error.into(),
        }
    })
}

/// A value as a person would write it.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn list(properties: &Value) -> String {
    let pairs = properties.as_object().into_iter().flatten();
    let pairs: Vec<_> = pairs
        .map(|(key, value)| format!("{key} = {}", text(value)))
        .collect();
    pairs.join(", ")
}
