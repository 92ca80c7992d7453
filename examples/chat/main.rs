//! `cargo run --example chat`: a chat with a model that streams its answers and calls a tool.
//!
//! Ask about an order to see the tool, and say `fail` to see a stream that breaks off. Lines can be piped in as well.
//! An empty line ends the chat, which then asks for a thumb. The model is a server on this machine that speaks OpenAI's
//! protocol; with `OPENAI_BASE_URL` and `OPENAI_API_KEY` it is a real one.
//!
//! Each answer is tracked with its conversation, times, usage and cost, and so are the tool and the thumb. With
//! `TRUBRICS_API_KEY` set this goes to Trubrics, or to `TRUBRICS_HOST`; without it, to a server on this machine.
#![expect(clippy::print_stdout, reason = "a chat is printed")]

mod model;
mod server;

use std::{
    env,
    io::{self, Write},
    time::Duration,
};

use model::{Answer, Chunk, Model};
use trubrics::{Cost, LlmCall, Scope, Trubrics, Usage, anonymous_id, testing::Server};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let local = Server::start()?;
    let client = match env::var("TRUBRICS_API_KEY") {
        Ok(key) if !key.is_empty() => Trubrics::from_env()?,
        _ => Trubrics::builder(local.api_key())
            .host(local.url())
            .build()?,
    };
    // One user, one conversation: no record needs to repeat them.
    let user = client
        .for_user(anonymous_id())
        .thread_id(anonymous_id())
        .assistant_id("gpt-4o");
    let mut model = Model::new()?;
    println!("Ask anything, or about an order; an empty line ends the chat.");
    let mut lines = io::stdin().lines();
    let mut last_answer = None;
    while let Some(question) = lines.next().transpose()? {
        if question.trim().is_empty() {
            break;
        }
        match answer(&user, &mut model, &question) {
            Ok(generation_id) => last_answer = Some(generation_id),
            Err(error) => println!("\n({error})"),
        }
    }
    if let Some(generation_id) = last_answer {
        println!("Was the last answer helpful? (yes/no, or a comment)");
        let reply = lines.next().transpose()?.unwrap_or_default();
        track_feedback(&user, &generation_id, reply.trim());
    }
    client.close(Duration::from_secs(5))?;
    for record in local.llm_events().iter().chain(&local.events()) {
        println!("tracked: {record:#}");
    }
    Ok(())
}

/// Prints the answer while it comes, and returns the id under which it is tracked.
fn answer(user: &Scope, model: &mut Model, question: &str) -> Result<String> {
    model.add_question(question);
    loop {
        let call = user
            .llm_call(question)
            .provider("openai")
            .prompt_name("chat")
            .prompt_version("1");
        let generation_id = call.get_generation_id().to_owned();
        let chunks = match model.ask() {
            Ok(chunks) => chunks,
            Err(error) => {
                call.error_type("request").fail(&error);
                return Err(error);
            }
        };
        let mut stream = call.try_stream_by(chunks, note);
        let mut answer = Answer::default();
        for chunk in &mut stream {
            let chunk = chunk?;
            print!("{}", chunk.text());
            io::stdout().flush()?;
            answer.add(&chunk);
        }
        println!();
        let mut results = Vec::new();
        for tool in &answer.tools {
            let step = stream.call().tool(&tool.name).call_id(&tool.id);
            let step = step.arguments(&tool.arguments);
            match server::run_tool(&tool.name, &tool.arguments) {
                Ok(result) => {
                    step.result(&result).finish();
                    results.push(result);
                }
                Err(error) => {
                    step.error_type("tool").fail(error);
                    results.push(format!("It failed: {error}"));
                }
            }
        }
        let is_final = answer.tools.is_empty();
        model.add_answer(answer, results);
        if is_final {
            return Ok(generation_id);
        }
    }
}

/// What a chunk says of the call.
fn note(chunk: &Chunk, call: &mut LlmCall) {
    call.push_text(chunk.text());
    if chunk.has_tool_call() {
        call.first_token(); // a tool call is an answer too
    }
    if let Some(reason) = chunk.finish_reason() {
        call.set_finish_reason(reason);
    }
    call.set_response_model(chunk.model());
    if let Some(usage) = Usage::from_json(&chunk.0) {
        call.set_usage(usage);
        let tokens = |count: Option<u64>| count.unwrap_or(0) as f64;
        let dollars = tokens(usage.input_tokens) * 2.5e-6 + tokens(usage.output_tokens) * 10e-6;
        call.set_cost(Cost::usd(dollars));
    }
}

fn track_feedback(user: &Scope, generation_id: &str, reply: &str) {
    let feedback = user.feedback(generation_id);
    user.track(match reply {
        "" => return,
        "yes" => feedback.thumbs_up(),
        "no" => feedback.thumbs_down(),
        comment => feedback.text(comment),
    });
}
