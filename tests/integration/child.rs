//! Runs a test in a process of its own: for what is the whole process's, such as its logger, threads and descriptors.

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

#[track_caller]
fn run(mut command: Command, module: &str, test: &str) -> bool {
    if env::var_os(MARK).is_some() {
        return true;
    }
    let module = module.split_once("::").unwrap().1;
    command.args([&format!("{module}::{test}"), "--exact", "--nocapture"]);
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
