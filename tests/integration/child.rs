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

/// As [`is_this_with`], in a mount namespace of that process's own: what it mounts, nobody else sees. `Err` says why that
/// cannot be had here.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn is_this_with_mounts(module: &str, test: &str) -> Result<bool, String> {
    if env::var_os(MARK).is_none() {
        let tried = Command::new("unshare")
            .args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .output()
            .map_err(|error| format!("unshare: {error}"))?;
        if !tried.status.success() {
            return Err(String::from_utf8_lossy(&tried.stderr).into_owned());
        }
    }
    let mut command = Command::new("unshare");
    command.arg("-rm").arg(env::current_exe().unwrap());
    Ok(run(command, module, test))
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
    false
}
