//! The same without an account: a server on this machine, a sample of our own, and a look at what arrived.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use trubrics::{Trubrics, TrubricsBuilder, anonymous_id, testing::Server};

use crate::{Result, files::Files, import};

pub(crate) fn run(input: Option<PathBuf>) -> Result<()> {
    println!("TRUBRICS_API_KEY is not set: a server on this machine gets the events.\n");
    let server = Server::start()?;
    let builder = Trubrics::builder(server.api_key()).host(server.url());
    match input {
        Some(input) => import(builder, &Files::beside(input))?,
        None => {
            server.refuse(|event| event["event"] == "Refused");
            let folder = env::temp_dir().join(format!("trubrics-import-{}", anonymous_id()));
            fs::create_dir(&folder)?;
            let imported = import_sample(builder, &folder);
            fs::remove_dir_all(&folder)?;
            imported?;
        }
    }
    println!("\nSome of what arrived:");
    let (events, llm_events) = (server.events(), server.llm_events());
    for event in events.iter().take(2).chain(llm_events.iter().take(2)) {
        println!("{event}");
    }
    Ok(())
}

fn import_sample(builder: TrubricsBuilder, folder: &Path) -> Result<()> {
    let files = Files::beside(folder.join("past_events.jsonl"));
    let lines: Vec<_> = (0..1_000).map(|number| sample(number) + "\n").collect();
    fs::write(&files.input, lines.concat())?;
    import(builder, &files)?;
    print!(
        "\nDead letters:\n{}",
        fs::read_to_string(&files.dead_letters)?
    );
    Ok(())
}

fn sample(number: u32) -> String {
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
