//! The same without an account: a server on this machine, a sample if there is no file, and a look at what arrived.

use std::{
    env,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use trubrics::{Trubrics, anonymous_id, testing::Server};

use crate::{Result, files::Files, import};

/// How many dead letters are shown: a file may hold nothing else.
const DEAD_LETTERS: usize = 10;

/// Its resume point goes with it: it must not keep a line from a real server.
pub(crate) fn run(input: Option<PathBuf>, threads: usize) -> Result<()> {
    let folder = env::temp_dir().join(format!("trubrics-import-{}", anonymous_id()));
    let mut private = fs::DirBuilder::new();
    #[cfg(unix)] // Other users do not see the dead letters.
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
    private.create(&folder)?;
    let rehearsed = rehearse(input, &folder, threads);
    fs::remove_dir_all(&folder)?;
    rehearsed
}

fn rehearse(input: Option<PathBuf>, folder: &Path, threads: usize) -> Result<()> {
    println!("TRUBRICS_API_KEY is not set: a server on this machine gets the events.\n");
    let server = Server::start()?;
    let input = match input {
        Some(input) => input,
        None => {
            server.set_refusal(|event| event["event"] == "Refused");
            let sample = folder.join("past_events.jsonl");
            let lines: Vec<_> = (0..1_000).map(|number| line(number) + "\n").collect();
            fs::write(&sample, lines.concat())?;
            sample
        }
    };
    let files = Files::new(input, server.url().to_owned(), folder);
    let builder = Trubrics::builder(server.api_key()).host(server.url());
    import(builder, &files, threads)?;

    let dead_letters = fs::read_to_string(&files.dead_letters.0).unwrap_or_default();
    let (events, llm_events) = (server.events(), server.llm_events());
    let arrived = events.iter().take(2).chain(llm_events.iter().take(2));
    show("Dead letters", dead_letters.lines().take(DEAD_LETTERS));
    show("Some of what arrived", arrived);
    Ok(())
}

fn show(title: &str, lines: impl Iterator<Item = impl Display>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        println!("\n{title}:");
    }
    for line in lines {
        println!("{line}");
    }
}

fn line(number: u32) -> String {
    let user_id = format!("user_{}", number % 7);
    let timestamp = format!("2024-10-09T13:{:02}:{:02}.182Z", number / 60, number % 60);
    let event: Value = match number {
        250 => return "no JSON".into(),
        500 => json!({"user_id": "", "event": "Without a user", "timestamp": timestamp}),
        750 => json!({"user_id": user_id, "event": "Refused", "timestamp": timestamp}),
        _ if number % 10 == 9 => json!({
            "user_id": user_id, "timestamp": timestamp,
            "prompt": "How do I export a chart?", "generation": "Open its menu: Export.",
            "assistant_id": "gpt-4o", "latency": 1.42,
        }),
        _ => json!({
            "user_id": user_id, "event": "Chart viewed", "timestamp": timestamp,
            "properties": {"number": number},
        }),
    };
    event.to_string()
}
