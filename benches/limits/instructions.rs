//! Instructions per `track`, counted by callgrind: the same on a busy machine and on an idle one.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figure is what this is for"
)]

use std::{
    mem,
    process::{Command, ExitCode},
};

use crossbeam_channel::unbounded;

use crate::{
    limits::{self, Quiet},
    process::child as child_process,
};

/// With rustc 1.95 on x86-64 Linux with glibc; write down what the check prints when the code gets better, or worse for
/// a reason.
const RECORDED: f64 = 3468.0;
const TOLERANCE: f64 = 0.10;

pub(crate) fn check() -> ExitCode {
    let (Some(ours), Some(raw)) = (per_call("client"), per_call("raw")) else {
        println!("instructions per track: not counted, valgrind is not there");
        return ExitCode::SUCCESS;
    };
    let ratio = ours / raw;
    println!("instructions per track: {ours:.0}, recorded: {RECORDED:.0}");
    println!("encode and push: {raw:.0}, ratio: {ratio:.2}");
    if (ours / RECORDED - 1.0).abs() > TOLERANCE {
        eprintln!("that is more than 10 % off the recorded figure");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What differs between a process that makes few calls and one that makes many, the calls have cost.
fn per_call(who: &str) -> Option<f64> {
    let (few, many) = (counted(who, 1_000)?, counted(who, 3_000)?);
    Some((many - few) / 2_000.0)
}

/// Instructions of a whole process that makes this many calls.
fn counted(who: &str, calls: usize) -> Option<f64> {
    let child = child_process("instructions", &[who, &calls.to_string()]);
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

/// Nothing is freed at the end, and the worker is stuck in a request: nothing but the calls is counted.
pub(crate) fn child(who: &str, calls: usize) {
    if who == "raw" {
        let (sender, receiver) = unbounded();
        for count in 0..calls {
            sender.send(limits::encode(count)).expect("a receiver");
        }
        mem::forget(receiver);
    } else {
        let quiet = Quiet::new(|builder| builder);
        for count in 0..calls {
            quiet.client.track(limits::event(count));
        }
        mem::forget(quiet);
    }
}
