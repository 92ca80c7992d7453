//! Instructions per `track`, counted by callgrind: the same on a busy machine and on an idle one.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figure is what this is for"
)]

use std::process::{Command, ExitCode};

use crate::{
    limits::{self, Quiet},
    process::child as child_process,
};

/// With rustc 1.95 on x86-64 Linux with glibc; write down what the check prints when the code gets better, or worse for
/// a reason.
const RECORDED: f64 = 3000.0;
const TOLERANCE: f64 = 0.10;

pub(crate) fn check() -> ExitCode {
    let (Some(few), Some(many)) = (counted(1_000), counted(3_000)) else {
        println!("instructions per track: not counted, valgrind is not there");
        return ExitCode::SUCCESS;
    };
    let per_call = (many - few) / 2_000.0;
    println!("instructions per track: {per_call:.0} (recorded: {RECORDED:.0})");
    if (per_call / RECORDED - 1.0).abs() > TOLERANCE {
        eprintln!("that is more than 10 % off the recorded figure");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Instructions of a whole process that makes so many calls.
fn counted(calls: usize) -> Option<f64> {
    let child = child_process("instructions", &[&calls.to_string()]);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(child.get_program())
        .args(child.get_args())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let total = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))?;
    total.1.trim().parse().ok()
}

/// The worker is stuck in a request: what differs between two such processes, the calls alone have cost.
pub(crate) fn child(calls: usize) {
    let quiet = Quiet::new(|builder| builder);
    for count in 0..calls {
        quiet.client.track(limits::event(count));
    }
}
