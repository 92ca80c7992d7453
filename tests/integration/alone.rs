//! Runs a test in a process of its own, where no other test's threads and memory are in the way.

use std::{env, process::Command};

/// Set in the process that is to do the work.
const ALONE: &str = "TRUBRICS_TEST_ALONE";

/// Says whether this is that process. If not, starts it for the test of this name, waits for it, and says no; a failure
/// over there is one here.
#[track_caller]
pub(crate) fn is_alone(test: &str) -> bool {
    if env::var(ALONE).is_ok_and(|name| name == test) {
        return true;
    }
    let output = Command::new(env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, test)
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} alone:\n{text}\n{errors}"
    );
    // The first of them stands behind the name of the test.
    for line in text.lines() {
        if let Some((_, figures)) = line.split_once(FIGURES) {
            tell(figures);
        }
    }
    false
}

const FIGURES: &str = "figures: ";

/// Shows a measurement; `cargo test` keeps it to itself unless it is run with `--nocapture`.
#[expect(clippy::print_stdout, reason = "the figures of a run are for a person")]
pub(crate) fn tell(figures: &str) {
    println!("{FIGURES}{figures}");
}
