//! Runs a test in a process of its own. Environment, logger and number of threads belong to a whole process.

use std::{
    env,
    process::Command,
    sync::{Mutex, MutexGuard},
};

const MARK: &str = "TRUBRICS_TEST_IN_CHILD";

const PROXY_VARIABLES: [&str; 8] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// Whether this is that process. If not, the test has passed in such a process, with these variables and without those
/// that name a proxy.
#[track_caller]
pub(super) fn is_this(module: &str, test: &str, variables: &[(&str, &str)]) -> bool {
    if env::var_os(MARK).is_some() {
        return true;
    }
    let module = module.split_once("::").expect("a path").1;
    let mut command = Command::new(env::current_exe().expect("a path"));
    command.args([&format!("{module}::{test}"), "--exact", "--nocapture"]);
    for name in PROXY_VARIABLES {
        command.env_remove(name);
    }
    command.env(MARK, "1").envs(variables.iter().copied());
    let output = command.output().expect("a process");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// Keeps every line that is logged in this process, with its level and target.
pub(super) struct Log(Mutex<Vec<String>>);

static LOG: Log = Log(Mutex::new(Vec::new()));

/// Logs everything from now on.
pub(super) fn start_logging() -> &'static Log {
    log::set_logger(&LOG).expect("the first logger");
    log::set_max_level(log::LevelFilter::Trace);
    &LOG
}

impl Log {
    pub(super) fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("no panic")
    }
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {} {}", record.level(), record.target(), record.args());
        self.lines().push(line);
    }

    fn flush(&self) {}
}
