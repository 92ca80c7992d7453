//! What the crate costs, each figure beside the raw limit of its kind, measured in the same run and in turns.
//!
//! `cargo bench` prints the whole table, `cargo bench --bench limits -- caller idle` two of its sections.
//! `... -- instructions` needs valgrind, prints instructions per call, and fails if they are off the recorded figure.

mod limits;
mod process;
mod sink;
mod table;

mod caller;
mod delivery;
mod idle;
mod instructions;
mod media;
mod memory;
mod redaction;
mod start;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--child", role, rest @ ..] = words.as_slice() {
        process::play(role, rest);
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` runs this too, without the flag: it is built then, and that is all.
    if !words.contains(&"--bench") {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&str> = words
        .into_iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    if wanted == ["instructions"] {
        return instructions::check();
    }
    let sections: [(&str, fn()); 7] = [
        ("caller", caller::run),
        ("media", media::run),
        ("redaction", redaction::run),
        ("delivery", delivery::run),
        ("memory", memory::run),
        ("idle", idle::run),
        ("start_and_exit", start::run),
    ];
    table::head();
    for (name, run) in sections {
        if wanted.is_empty() || wanted.contains(&name) {
            table::section(name);
            run();
        }
    }
    ExitCode::SUCCESS
}
