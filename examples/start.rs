//! `cargo run --example start -- "What is a cohort?"`: the program of the documentation's page `start`.
//!
//! Without `TRUBRICS_API_KEY` it shows what it would send. It keeps an id, and what it could not send, in `~/.ask`.
#![expect(clippy::print_stdout, reason = "it answers questions")]
#![expect(clippy::print_stderr, reason = "and says what went wrong")]

use std::{env, error::Error, io, path::PathBuf, time::Duration};
use trubrics::{
    AnonymousId, ConfigError, Content, DebugTransport, Trubrics, TrubricsBuilder, anonymous_id,
};

fn main() {
    let question: Vec<String> = env::args().skip(1).collect();
    let client = analytics().unwrap_or_else(|error| {
        complain(&error);
        Trubrics::disabled()
    });
    run(&client, &user_id(&client), &question.join(" "));
    if let Err(error) = client.close(Duration::from_secs(2)) {
        complain(&error);
    }
}

fn analytics() -> Result<Trubrics, ConfigError> {
    if env::var_os("TRUBRICS_API_KEY").is_none() {
        let show = DebugTransport::new(io::stderr());
        return settings(Trubrics::builder("no key yet"))
            .transport(show)
            .build();
    }
    settings(TrubricsBuilder::from_env()?)
        .spool(folder().join("spool"))
        .build()
}

fn settings(builder: TrubricsBuilder) -> TrubricsBuilder {
    builder
        .default_property("version", env!("CARGO_PKG_VERSION"))
        .flush_interval(Duration::from_secs(2))
        .respect_opt_out(true)
        .llm_content(Content::redacted(hide_addresses))
        .max_text_bytes(10_000)
        .before_send(|mut record| {
            let is_staff = record.get_user_id().starts_with("staff_");
            record.set_property("staff", is_staff);
            Some(record)
        })
}

fn hide_addresses(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.contains('@') {
        true => "[address]",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn folder() -> PathBuf {
    env::home_dir().unwrap_or_default().join(".ask")
}

fn user_id(client: &Trubrics) -> String {
    if client.is_disabled() {
        return anonymous_id(); // nothing is kept of a user who opted out
    }
    match AnonymousId::in_file(folder().join("user-id")) {
        Ok(id) => id.into(),
        Err(_) => anonymous_id(), // for this run alone
    }
}

fn run(client: &Trubrics, user_id: &str, question: &str) {
    let chat = client
        .for_user(user_id)
        .thread_id(anonymous_id())
        .assistant_id("parrot-1");
    let words = question.split_whitespace().count();
    chat.track(chat.event("Question").property("words", words));
    let call = chat.llm_call(question).provider("parrots");
    for chunk in call.stream(ask_model(question)) {
        print!("{chunk}");
    }
    println!();
}

fn ask_model(question: &str) -> impl Iterator<Item = String> {
    let words = question.split_whitespace().map(|word| format!(" {word}"));
    ["You", " said:"].map(String::from).into_iter().chain(words)
}

fn complain(error: &dyn Error) {
    eprintln!("analytics: {error}");
    if let Some(cause) = error.source() {
        eprintln!("  because: {cause}");
    }
}

#[test]
fn a_question_is_tracked_with_its_length() {
    use trubrics::testing::{API_KEY, Recorder};

    let recorder = Recorder::new();
    let client = settings(Trubrics::builder(API_KEY))
        .respect_opt_out(false)
        .transport(recorder.clone())
        .build()
        .unwrap();
    run(&client, "user_123", "What is a cohort?");
    client.flush(Duration::from_secs(5)).unwrap();

    let events = recorder.events_named("Question");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["user_id"], "user_123");
    assert_eq!(events[0]["properties"]["words"], 4);
}

#[test]
fn no_address_leaves_the_machine() {
    use trubrics::testing::{API_KEY, Recorder};

    let recorder = Recorder::new();
    let client = settings(Trubrics::builder(API_KEY))
        .respect_opt_out(false)
        .transport(recorder.clone())
        .build()
        .unwrap();
    run(&client, "user_123", "Who is ada@example.com ?");
    client.flush(Duration::from_secs(5)).unwrap();

    let exchange = &recorder.llm_events()[0];
    assert_eq!(exchange["prompt"], "Who is [address] ?");
    assert_eq!(exchange["generation"], "You said: Who is [address] ?");
    assert_eq!(exchange["properties"]["outcome"], "finished");
    assert_eq!(exchange["properties"]["staff"], false);
}
