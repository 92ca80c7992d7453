//! This program as a child of its own, for what only a whole process shows.

use std::{
    env, fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{caller, idle, instructions, memory, start};

/// A child that plays this role.
pub(crate) fn child(role: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("a path of its own"));
    command.args(["--child", role]).args(arguments);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn play(role: &str, arguments: &[&str]) {
    match (role, arguments) {
        ("paced", [url]) => caller::paced_child(url),
        ("idle", [who, url]) => idle::child(who, url),
        ("instructions", [who, calls]) => instructions::child(who, number(calls)),
        ("memory", [who, records]) => memory::child(who, number(records)),
        ("start", [who, url]) => start::child(who, url),
        _ => panic!("no such role: {role} {arguments:?}"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// What a child printed: figures between white space.
pub(crate) fn figures(command: &mut Command) -> Vec<f64> {
    let output = command.output().expect("a child");
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace()
        .map(|figure| figure.parse().expect("a figure"))
        .collect()
}

/// Resident bytes of this process.
pub(crate) fn resident() -> f64 {
    1024.0 * field("/proc/self/status", "VmRSS:")
}

/// Context switches and nanoseconds of CPU time of every thread but the first.
pub(crate) fn switches_and_cpu() -> (f64, f64) {
    let first = std::process::id().to_string();
    let threads = fs::read_dir("/proc/self/task").expect("procfs");
    let mut sum = (0.0, 0.0);
    for thread in threads.flatten() {
        if thread.file_name() == first.as_str() {
            continue;
        }
        let path = thread.path();
        let status = path.join("status").display().to_string();
        sum.0 += field(&status, "voluntary_ctxt_switches:");
        sum.0 += field(&status, "nonvoluntary_ctxt_switches:");
        let times = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        sum.1 += times
            .split(' ')
            .next()
            .and_then(|time| time.parse::<f64>().ok())
            .unwrap_or_default();
    }
    sum
}

fn field(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).expect("procfs");
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.and_then(|value| value.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).expect(name)
}

/// Lets what was set in motion come to rest.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(200));
}
