//! `cargo run --example quickstart`: the four events to begin with and one LLM event, and what arrived of them.
//!
//! With `TRUBRICS_API_KEY` set they go to Trubrics, or to `TRUBRICS_HOST`; without it, to a server on this machine.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::print_stderr, reason = "and says what went wrong")]

use std::{env, error::Error, process::ExitCode, time::Duration};

use serde_json::Value;
use trubrics::{Event, LlmEvent, Trubrics, testing::Server};

fn main() -> ExitCode {
    if let Err(error) = run() {
        eprintln!("quickstart: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run() -> Result<(), Box<dyn Error>> {
    if env::var_os("TRUBRICS_API_KEY").is_some_and(|key| !key.is_empty()) {
        track_all(&Trubrics::from_env()?)?;
        println!("Five records were accepted. Look for user_123 in your project.");
        return Ok(());
    }
    let server = Server::start()?;
    let builder = Trubrics::builder(server.api_key()).host(server.url());
    track_all(&builder.build()?)?;

    println!("TRUBRICS_API_KEY is not set: a server on this machine received these.\n");
    for event in server.events() {
        let [time, user, name] = ["timestamp", "user_id", "event"].map(|field| text(&event[field]));
        println!("{time}  {user}  {name}");
        print_fields(&event["properties"]);
    }
    for event in server.llm_events() {
        println!("and an LLM event");
        print_fields(&event);
    }
    Ok(())
}

fn track_all(client: &Trubrics) -> Result<(), Box<dyn Error>> {
    let (user, thread, model) = ("user_123", "thread_7", "gpt-4o");
    let (question, answer) = ("How do I export a chart?", "Open its menu: Export.");

    client.track(Event::new(user, "Sign up").property("country", "FR"));
    let prompt = Event::new(user, "User prompt").text(question);
    client.track(prompt.thread_id(thread));
    let generation = Event::new(user, "AI generation").text(answer);
    client.track(generation.thread_id(thread).assistant_id(model));
    client.track(Event::new(user, "Converted").property("plan", "team"));

    // Trubrics makes a prompt and a generation of it: a program tracks this, or the two events above.
    let llm_event = LlmEvent::new(user, question, answer).thread_id(thread);
    let latency = Duration::from_millis(1420);
    client.track(llm_event.assistant_id(model).latency(latency));

    client
        .close(Duration::from_secs(10))
        .map_err(|error| match error.source() {
            Some(cause) => format!("{error}: {cause}").into(),
            None => error.into(),
        })
}

fn print_fields(object: &Value) {
    for (name, value) in object.as_object().into_iter().flatten() {
        println!("    {name:<15}{}", text(value));
    }
}

fn text(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
}
