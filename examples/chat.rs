//! `cargo run --example chat`: a chat at the terminal with a canned model; lines can be piped in as well.
//!
//! Each answer is tracked with its conversation, its latency, the time to its first token, and how it ended. With
//! `TRUBRICS_API_KEY` set this goes to Trubrics, or to `TRUBRICS_HOST`; without it, to a server on this machine.
#![expect(clippy::print_stdout, reason = "a chat is printed")]
#![expect(clippy::print_stderr, reason = "and a failure is said")]

use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    iter,
    process::ExitCode,
    thread,
    time::Duration,
};

use trubrics::{Scope, Trubrics, anonymous_id, testing::Server};

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprint!("chat: {error}");
    for cause in iter::successors(error.source(), |&cause| cause.source()) {
        eprint!(": {cause}");
    }
    eprintln!();
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let local = Server::start()?;
    let client = match env::var("TRUBRICS_API_KEY") {
        Ok(key) if !key.is_empty() => Trubrics::from_env()?,
        _ => Trubrics::builder(local.api_key())
            .host(local.url())
            .build()?,
    };
    // One user, one conversation: no record needs to repeat them.
    let chat = client
        .for_user(anonymous_id())
        .thread_id(anonymous_id())
        .assistant_id("canned-1");
    chat.track(chat.event("Chat opened"));

    let is_terminal = io::stdin().is_terminal();
    if is_terminal {
        println!(
            "Ask anything; `fail` shows what a broken model leaves behind. Ctrl-D ends the chat."
        );
    }
    for question in io::stdin().lines() {
        let question = question?;
        if !is_terminal {
            println!("you: {question}");
        }
        if !question.trim().is_empty() {
            answer(&chat, &question)?;
        }
    }
    chat.track(chat.event("Chat closed"));
    client.close(Duration::from_secs(5))?;

    for event in local.events().iter().chain(&local.llm_events()) {
        println!("tracked: {event:#}");
    }
    Ok(())
}

fn answer(chat: &Scope, question: &str) -> io::Result<()> {
    print!("bot: ");
    // The chunks pass through; when they end, for whatever reason, the call is tracked.
    for chunk in chat.llm_call(question).try_stream(ask_model(question)) {
        match chunk {
            Ok(text) => print!("{text}"),
            Err(error) => print!("\n({error})"),
        }
        io::stdout().flush()?;
    }
    println!();
    Ok(())
}

/// Stands in for a model that streams.
fn ask_model(question: &str) -> impl Iterator<Item = Result<&'static str, &'static str>> {
    let (text, error) = match question.trim() {
        "fail" => ("I was about to ", Some(Err("the model broke off"))),
        asked if asked.ends_with('?') => ("A good question. Open the chart's menu: Export.", None),
        _ => ("Go on: what would you like to know?", None),
    };
    let words = text.split_inclusive(' ').map(|word| {
        thread::sleep(Duration::from_millis(30));
        Ok(word)
    });
    words.chain(error)
}
