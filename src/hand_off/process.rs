//! The start of this program in a process of its own, which outlives this one.

use std::{
    env,
    ffi::OsString,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use crate::small_file::refuse;

/// Set in the environment of the process that is started.
const MARK: &str = "TRUBRICS_HAND_OFF";

pub(super) fn is_started_by_hand_off() -> bool {
    env::var_os(MARK).is_some()
}

/// The file of this program, if it is still there. On Unix, a start would not show that it is gone: the shell starts.
pub(super) fn program() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    match program.is_file() {
        true => Ok(program),
        false => Err(refuse(
            ErrorKind::NotFound,
            "the file of this program was removed or replaced while it ran",
        )),
    }
}

/// Starts this program with these arguments.
pub(super) fn start(program: &Path, arguments: &[OsString]) -> io::Result<()> {
    let child = spawn(program, arguments)?;
    reap(child);
    Ok(())
}

#[cfg(unix)]
fn spawn(program: &Path, arguments: &[OsString]) -> io::Result<Child> {
    // The parent of this process may have left descriptors open that are not closed by a start of a program, such as
    // those of a test runner that waits for their end. A shell is the way to close them without unsafe code.
    const CLOSE: &str = r#"exec "$0" "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-"#;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(CLOSE).arg(program).args(arguments);
    let without_shell = |_| detach(Command::new(program).args(arguments)).spawn();
    detach(&mut shell).spawn().or_else(without_shell)
}

#[cfg(not(unix))]
fn spawn(program: &Path, arguments: &[OsString]) -> io::Result<Child> {
    detach(Command::new(program).args(arguments)).spawn()
}

/// Separates the process from this one: no input and no output, no folder in use, and no signal for the group of this
/// process.
fn detach(command: &mut Command) -> &mut Command {
    command
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    detach_from_system(command)
}

#[cfg(unix)]
fn detach_from_system(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    command.current_dir("/").process_group(0)
}

#[cfg(windows)]
fn detach_from_system(command: &mut Command) -> &mut Command {
    use std::os::windows::process::CommandExt;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    command.current_dir(env::temp_dir()).creation_flags(flags)
}

#[cfg(not(any(unix, windows)))]
fn detach_from_system(command: &mut Command) -> &mut Command {
    command
}

/// Waits for the end of the process in the background, so that it does not stay as a zombie if this process goes on.
fn reap(mut child: Child) {
    // Without the thread, the process stays in the table of processes until this one ends.
    let _ = thread::Builder::new()
        .name("trubrics-hand-off".into())
        .spawn(move || child.wait());
}
