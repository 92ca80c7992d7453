//! `cargo run --example import -- past_events.jsonl`: imports earlier events, with their own timestamps.
//!
//! Each line of the file is a JSON object with the fields of the API: `user_id`, `event`, `timestamp` and, if wanted,
//! `properties`; or, for an LLM event, `user_id`, `prompt`, `generation`, `timestamp` and its other fields.
//!
//! With `TRUBRICS_API_KEY` set the events go to Trubrics, or to `TRUBRICS_HOST`; without it, to a server on this
//! machine. Without a file a small sample is imported.
//!
//! A run that was stopped, killed even, goes on where it was: at most one batch, a hundred lines, is sent twice. What
//! the server refuses, and lines that are no event, are in `past_events.jsonl.dead-letters`. How far it has come is in
//! `past_events.jsonl.resume-point`: without that file it begins again.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::print_stderr, reason = "and says what went wrong")]

mod files;
mod line;
mod offline;

use std::{
    env,
    error::Error,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use files::{DeadLetters, Files, Input, Line, Point};
use indicatif::{ProgressBar, ProgressStyle};
use trubrics::{
    DEFAULT_HOST, DEFAULT_MAX_BATCH_SIZE, Dropped, Overflow, Trubrics, TrubricsBuilder,
};

/// Longer than the client itself goes on trying.
const PATIENCE: Duration = Duration::from_secs(600);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    if let Err(error) = run() {
        eprint!("import: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprint!(": {error}");
            cause = error.source();
        }
        eprintln!();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run() -> Result<()> {
    let input = env::args_os().nth(1).map(PathBuf::from);
    match env::var("TRUBRICS_API_KEY") {
        Ok(key) if !key.is_empty() => {
            let host = env::var("TRUBRICS_HOST").unwrap_or_else(|_| DEFAULT_HOST.into());
            let input = input.ok_or("which file?")?;
            import(Trubrics::builder(key).host(host), &Files::beside(input))
        }
        _ => offline::run(input),
    }
}

fn import(builder: TrubricsBuilder, files: &Files) -> Result<()> {
    let mut input =
        Input::open(&files.input).map_err(|error| format!("{}: {error}", files.input.display()))?;
    let start = Point::load(&files.resume_point)?;
    input.skip_to(start)?;

    let dead_letters = Arc::new(DeadLetters(files.dead_letters.clone()));
    // Why to stop: something other than a bad record, that would be the end of all that follow as well.
    let obstacle = Arc::new(OnceLock::new());
    let (letters, first) = (dead_letters.clone(), obstacle.clone());
    let client = builder
        // Only full batches, and what a flush asks for.
        .flush_batch_size(DEFAULT_MAX_BATCH_SIZE)
        // A batch may hold both kinds, each with a request of its own.
        .connections(2)
        // A batch of very large records may be more than the queue takes at once: then `track` waits.
        .overflow(Overflow::Block)
        .on_drop(move |dropped| {
            if let Err(error) = bury(dropped, &letters) {
                let _ = first.set(error);
            }
        })
        .build()?;

    // Without a terminal it draws nothing.
    let style = "{bar:40} {percent:>3} %  {bytes} of {total_bytes}, {eta} left";
    let progress = ProgressBar::new(input.length()?)
        .with_position(start.bytes)
        .with_style(ProgressStyle::with_template(style)?);
    let (started, mut settled, mut no_events) = (Instant::now(), start, 0);
    let mut next = input.next_batch()?;
    while let Some(batch) = next {
        no_events += track(&client, batch.lines, &dead_letters)?;
        // The worker sends while the next lines are read.
        let _ = client.flush(Duration::ZERO);
        next = input.next_batch()?;
        // Nothing of the next batch is sent before the fate of this one is known and written down: so a kill
        // at any moment has no more than one batch to send again.
        let flushed = client.flush(PATIENCE);
        if let Some(obstacle) = obstacle.get() {
            return Err(obstacle.as_str().into());
        }
        match flushed {
            Err(error) if error.pending() > 0 => return Err(error.into()),
            // What was dropped is a dead letter.
            _ => settled = batch.end,
        }
        settled.save(&files.resume_point)?;
        progress.set_position(settled.bytes);
    }
    progress.finish_and_clear();

    let (stats, seconds) = (client.stats(), started.elapsed().as_secs_f64());
    if start.lines > 0 {
        println!("resumed    {:>8} lines were settled before", start.lines);
    }
    println!("lines      {:>8}", settled.lines - start.lines);
    let rate = stats.delivered as f64 / seconds;
    println!(
        "delivered  {:>8} in {seconds:.2} s, {rate:.0} a second",
        stats.delivered
    );
    println!("refused    {:>8} by the server", stats.dropped);
    println!("no event   {no_events:>8}");
    Ok(())
}

/// Returns how many of the lines were no event.
fn track(client: &Trubrics, lines: Vec<Line>, dead_letters: &DeadLetters) -> Result<u64> {
    let mut no_events = 0;
    for line in lines {
        let problem = match line.record {
            Err(problem) => problem,
            Ok(record) => match client.try_track(record) {
                Ok(()) => continue,
                Err(error) => match error.invalid() {
                    Some(invalid) => invalid.to_string(),
                    None => {
                        client.track(error.into_record());
                        continue;
                    }
                },
            },
        };
        dead_letters.line(line.number, &line.text, &problem)?;
        no_events += 1;
    }
    Ok(no_events)
}

/// Writes down what the server refused. Any other drop is the records' fate only if we go on.
fn bury(dropped: &Dropped<'_>, dead_letters: &DeadLetters) -> std::result::Result<(), String> {
    let mut reason = dropped.reason().to_string();
    if let Some(status) = dropped.status() {
        reason += &format!(": {status} {}", dropped.detail().unwrap_or_default());
    }
    if !matches!(dropped.status(), Some(400 | 413 | 422)) {
        return Err(reason);
    }
    dropped
        .records()
        .try_for_each(|record| dead_letters.record(record, &reason))
        .map_err(|error| format!("cannot write a dead letter: {error}"))
}
