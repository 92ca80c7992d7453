//! A chat with a model that streams its answers: each is tracked with its latency and the time to its first token.
//!
//! The model is a pretence, and the records go to a server on this machine.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, thread, time::Duration};

use trubrics::{Trubrics, testing::Server};

/// Streams an answer, or breaks off.
fn ask_model(question: &str) -> impl Iterator<Item = Result<String, String>> {
    let mut chunks = vec![
        Ok(format!("\"{question}\" ")),
        Ok("is a good ".into()),
        Ok("question.".into()),
    ];
    if question.contains('!') {
        chunks.truncate(1);
        chunks.push(Err("the model was overloaded".into()));
    }
    chunks.into_iter().inspect(|_| {
        thread::sleep(Duration::from_millis(40));
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start()?;
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .build()?;

    let chat = client
        .for_user("user_123")
        .thread_id("thread_7")
        .assistant_id("pretence-1");
    for question in ["What is a cohort?", "Answer me!"] {
        let call = chat.llm_call(question).provider("nobody");
        for chunk in call.try_stream(ask_model(question)) {
            match chunk {
                Ok(text) => print!("{text}"),
                Err(error) => print!("[{error}]"),
            }
        }
        println!();
    }
    chat.track(chat.event("Answer rated").property("stars", 4));
    client.close(Duration::from_secs(10))?;

    for event in server.llm_events() {
        println!("{event:#}");
    }
    Ok(())
}
