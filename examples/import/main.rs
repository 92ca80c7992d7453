//! `cargo run --example import`: imports a sample of earlier events, with their own timestamps.
//!
//! `cargo run --example import -- past_events.jsonl` imports a file. Each of its lines is a JSON object with the fields
//! of the API: `user_id`, `event`, `timestamp` and, if wanted, `properties`; or, for an LLM event, `user_id`, `prompt`,
//! `generation`, `timestamp` and its other fields.
//!
//! With `TRUBRICS_API_KEY` set the events go to Trubrics, or to `TRUBRICS_HOST`; without it, to a server on this
//! machine, as a rehearsal that leaves nothing behind.
//!
//! A run that was stopped, killed even, goes on where it was: at most one batch, a hundred lines, is sent twice. What
//! the server refuses, and invalid lines, are in `past_events.jsonl.dead-letters`. How far it has come, and with which
//! host, is in `past_events.jsonl.resume-point`: without that file, as for another project, it begins again.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::print_stderr, reason = "and says what went wrong")]

mod files;
mod line;
mod offline;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use files::{DeadLetters, Files, Input, Line};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::{Arg, Parser};
use trubrics::{Dropped, Overflow, Trubrics, TrubricsBuilder, defaults};

const HELP: &str = "\
Imports earlier events from a file of JSON lines.

Usage: cargo run --example import -- [FILE]

  FILE    the events; without it, a sample is imported
  --help  print this, and end

With TRUBRICS_API_KEY set the events go to Trubrics, or to TRUBRICS_HOST; without it, to a server on this machine. The
resume point and the dead letters are files beside FILE.
";

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
    let mut input = None;
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(path) if input.is_none() => input = Some(PathBuf::from(path)),
            Arg::Long("help") | Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if env::var_os("TRUBRICS_API_KEY").is_none_or(|key| key.is_empty()) {
        return offline::run(input);
    }
    let input = input.ok_or("which file? --help says how to name it")?;
    import_beside(input)
}

/// Imports into a project; the resume point and the dead letters are beside the file.
fn import_beside(input: PathBuf) -> Result<()> {
    let host = env::var("TRUBRICS_HOST").unwrap_or_default();
    let host = match host.trim() {
        "" => defaults::HOST.to_owned(),
        host => host.trim_end_matches('/').to_owned(),
    };
    let folder = input.parent().unwrap_or(Path::new("")).to_owned();
    let files = Files::new(input, host, &folder);
    let imported = import(TrubricsBuilder::from_env()?, &files);
    for (what, path) in [
        ("dead letters", &files.dead_letters),
        ("resume point", &files.resume_point.path),
    ] {
        if path.exists() {
            println!("{what}  {}", path.display());
        }
    }
    imported
}

fn import(builder: TrubricsBuilder, files: &Files) -> Result<()> {
    let mut input =
        Input::open(&files.input).map_err(|error| format!("{}: {error}", files.input.display()))?;
    let start = files.resume_point.load()?;
    input.skip_to(start)?;

    let dead_letters = Arc::new(DeadLetters(files.dead_letters.clone()));
    // Why to stop: something other than a bad record, that would be the end of all that follow as well.
    let obstacle = Arc::new(OnceLock::new());
    let (letters, first) = (dead_letters.clone(), obstacle.clone());
    let client = builder
        // Only full batches, and what a flush asks for.
        .flush_batch_size(defaults::MAX_BATCH_SIZE)
        // A batch may hold both kinds, each with a request of its own.
        .max_concurrent_requests(2)
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
    let (started, mut settled, mut invalid) = (Instant::now(), start, 0);
    let mut next = input.next_batch()?;
    while let Some(batch) = next {
        invalid += track(&client, batch.lines, &dead_letters)?;
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
        files.resume_point.save(settled)?;
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
    println!("invalid    {invalid:>8} lines");
    Ok(())
}

/// Returns how many of the lines are invalid.
fn track(client: &Trubrics, lines: Vec<Line>, dead_letters: &DeadLetters) -> Result<u64> {
    let mut invalid = 0;
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
        invalid += 1;
    }
    Ok(invalid)
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
