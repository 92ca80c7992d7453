//! `cargo run --example import`: imports a sample of earlier events, with their own timestamps.
//!
//! `cargo run --example import -- past_events.jsonl` imports a file. Each of its lines is a JSON object with the fields
//! of the API: `user_id`, `event`, `timestamp` and, if wanted, `properties`; or, for an LLM event, `user_id`, `prompt`,
//! `generation`, `timestamp` and its other fields.
//!
//! With `TRUBRICS_API_KEY` set the events go to Trubrics, or to `TRUBRICS_HOST`; without it, to a server on this
//! machine, as a rehearsal that leaves nothing behind.
//!
//! Four threads deliver at once, or `--threads N`. A run that was stopped, killed even, goes on where it was: at most a
//! hundred lines for each thread are sent twice. Lines that are invalid, or that the server refuses, are in
//! `past_events.jsonl.dead-letters`; `jq -r .text` makes a file of them that can be mended and imported. How far the
//! import has come, and with which host, is in `past_events.jsonl.resume-point`: without that file, as for another
//! project, it begins again.
//!
//! The exit code is 0 if each line is delivered or a dead letter, and 1 otherwise: a wrong key ends the import at once.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::print_stderr, reason = "and says what went wrong")]

mod chunks;
mod files;
mod offline;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use chunks::Chunks;
use files::{Files, Input};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::{Arg, Parser, ValueExt};
use trubrics::{TrubricsBuilder, defaults};

const HELP: &str = "\
Imports earlier events from a file of JSON lines.

Usage: cargo run --example import -- [FILE] [--threads N]

  FILE         the events; without it, a sample is imported
  --threads N  how many threads deliver at once; 4 if it is not given
  --help       print this, and end

With TRUBRICS_API_KEY set the events go to Trubrics, or to TRUBRICS_HOST; without it, to a server on this machine. The
resume point and the dead letters are files beside FILE.
";

const THREADS: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

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
    let (mut input, mut threads) = (None, THREADS);
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(path) if input.is_none() => input = Some(PathBuf::from(path)),
            Arg::Long("threads") => threads = arguments.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if env::var_os("TRUBRICS_API_KEY").is_none_or(|key| key.is_empty()) {
        return offline::run(input, threads);
    }
    let input = input.ok_or("which file? --help says how to name it")?;
    import_beside(input, threads)
}

/// Imports into a project; the resume point and the dead letters are beside the file.
fn import_beside(input: PathBuf, threads: usize) -> Result<()> {
    let host = env::var("TRUBRICS_HOST").unwrap_or_default();
    let host = match host.trim() {
        "" => defaults::HOST.to_owned(),
        host => host.trim_end_matches('/').to_owned(),
    };
    let folder = input.parent().unwrap_or(Path::new("")).to_owned();
    let files = Files::new(input, host, &folder);
    let imported = import(TrubricsBuilder::from_env()?, &files, threads);
    for (what, path) in [
        ("dead letters", &files.dead_letters.0),
        ("resume point", &files.resume_point.path),
    ] {
        if path.exists() {
            println!("{what}  {}", path.display());
        }
    }
    imported
}

fn import(builder: TrubricsBuilder, files: &Files, threads: usize) -> Result<()> {
    let mut input =
        Input::open(&files.input).map_err(|error| format!("{}: {error}", files.input.display()))?;
    let start = files.resume_point.load()?;
    input.skip_to(start)?;
    // Each thread keeps its connection.
    let client = builder.max_concurrent_requests(threads).build()?;

    // Without a terminal it draws nothing.
    let style = "{bar:40} {percent:>3} %  {bytes} of {total_bytes}, {eta} left";
    let progress = ProgressBar::new(input.length()?)
        .with_position(start.bytes)
        .with_style(ProgressStyle::with_template(style)?);
    let started = Instant::now();
    let settled = Chunks::new(&client, files, &progress, threads, input).deliver();
    progress.finish_and_clear();
    let (settled, seconds) = (settled?, started.elapsed().as_secs_f64());

    if start.lines > 0 {
        println!("resumed    {:>8} lines were settled before", start.lines);
    }
    let lines = settled.end.lines.saturating_sub(start.lines);
    let rate = settled.delivered as f64 / seconds;
    println!("lines      {lines:>8}");
    println!(
        "delivered  {:>8} in {seconds:.2} s, {rate:.0} a second",
        settled.delivered
    );
    println!("refused    {:>8} by the server", settled.refused);
    println!("invalid    {:>8} lines", settled.invalid);
    Ok(())
}
