//! Runs a test in a process of its own: for what is the whole process's, such as its logger, threads and descriptors.

#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

use std::{env, process::Command};

const MARK: &str = "TRUBRICS_TEST_IN_CHILD";

/// Whether this is that process. Otherwise the test has run in one, and has passed there.
#[track_caller]
pub(crate) fn is_this(module: &str, test: &str) -> bool {
    run(Command::new(env::current_exe().unwrap()), module, test)
}

/// As [`is_this`], with these limits, in the shell's words, upon that process.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn is_this_with(limits: &str, module: &str, test: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]);
    command.arg(env::current_exe().unwrap());
    run(command, module, test)
}

/// As [`is_this`], in a process that another program starts. If that program cannot start a process, the test prints
/// why and is left out.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn is_this_under(starter: &[&str], module: &str, test: &str) -> bool {
    let mut command = Command::new(starter[0]);
    command.args(&starter[1..]);
    if env::var_os(MARK).is_none() {
        let mut trial = Command::new(starter[0]);
        let tried = trial.args(&starter[1..]).arg("true").output();
        let problem = match tried {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            println!("{test} is left out: {}: {}", starter[0], problem.trim());
            return false;
        }
    }
    command.arg(env::current_exe().unwrap());
    run(command, module, test)
}

/// This test, to be run in another process.
pub(crate) fn command(module: &str, test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    name_test(&mut command, module, test);
    command
}

fn name_test(command: &mut Command, module: &str, test: &str) {
    let module = module.split_once("::").unwrap().1;
    command.args([&format!("{module}::{test}"), "--exact", "--nocapture"]);
}

#[track_caller]
fn run(mut command: Command, module: &str, test: &str) -> bool {
    if env::var_os(MARK).is_some() {
        return true;
    }
    name_test(&mut command, module, test);
    let output = command.env(MARK, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The first figure stands behind the name of the test.
    for line in said.lines() {
        if let Some((_, figures)) = line.split_once(FIGURES) {
            tell(figures);
        }
    }
    false
}

const FIGURES: &str = "figures: ";

/// Shows what was measured, in the first process too; `cargo test` keeps it to itself without `--nocapture`.
#[expect(clippy::print_stdout, reason = "the figures of a run are for a person")]
pub(crate) fn tell(figures: &str) {
    println!("{FIGURES}{figures}");
}
