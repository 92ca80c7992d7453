//! Facts of the process that runs the program, as default properties.

mod agent;
mod ci;

use std::{
    env,
    io::{self, IsTerminal},
};

use serde_json::Value;

pub(crate) use self::ci::find_ci;
use crate::environment::{self, Environment};

/// Facts of the process, as properties of each record; for
/// [`TrubricsBuilder::process_facts`](crate::TrubricsBuilder::process_facts).
///
/// | Property | Value |
/// |---|---|
/// | `app.version` | the version that the program gives |
/// | `os.type` | the operating system, as in `linux`, `darwin` and `windows` |
/// | `host.arch` | the processor that the program was built for, as in `amd64` and `arm64` |
/// | `ci` | whether the process runs in CI, by the variables of [`Gate::ci`](crate::Gate::ci) |
/// | `ci_name` | in CI only: the system, as in `github_actions`; `other` for one that is not known |
/// | `terminal` | whether the standard output is a terminal |
/// | `agent` | only if a coding agent runs the program: which one, or `other` |
///
/// The agents are `amp`, `antigravity`, `augment-cli`, `claude-code`, `cline`, `codex`, `cowork`, `crush`, `cursor`,
/// `devin`, `gemini-cli`, `github-copilot`, `goose`, `junie`, `kiro`, `openclaw`, `opencode`, `pi`, `replit`,
/// `roo-code` and `trae`. They are known by the variables that they set, such as `CLAUDECODE`, and by the name that
/// they give in `AI_AGENT` or `AGENT`. A name that is not of this list is never sent: the agent is then `other`. A
/// terminal of the editors Cursor and Replit counts as its agent, also if a person types in it.
///
/// Everything but the version comes from the standard library, and each value from a fixed list. No path, argument,
/// host name or user name is read. The names of the first three properties, and the values of `os.type` and
/// `host.arch`, are those of OpenTelemetry's conventions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    app_version: String,
    ci_name: Option<&'static str>,
    is_terminal: bool,
    agent: Option<&'static str>,
}

impl ProcessFacts {
    /// Collects the facts of this process. The version is sent as it is given.
    ///
    /// ```
    /// use trubrics::{Event, ProcessFacts, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY)
    ///     .process_facts(ProcessFacts::new(env!("CARGO_PKG_VERSION")))
    ///     .transport(recorder.clone())
    ///     .build()?;
    /// client.track(Event::new("user", "Run"));
    /// client.flush(std::time::Duration::from_secs(5))?;
    /// let properties = &recorder.events()[0]["properties"];
    /// assert_eq!(properties["app.version"], env!("CARGO_PKG_VERSION"));
    /// assert!(properties["ci"].is_boolean());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(app_version: impl Into<String>) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self::of(app_version.into(), &environment::of_process, is_terminal)
    }

    fn of(app_version: String, environment: Environment<'_>, is_terminal: bool) -> Self {
        Self {
            app_version,
            ci_name: find_ci(environment).map(|ci| ci.name),
            is_terminal,
            agent: agent::find(environment),
        }
    }

    pub(crate) fn into_properties(self) -> Vec<(&'static str, Value)> {
        let mut properties = vec![
            ("app.version", self.app_version.into()),
            ("os.type", os_type(env::consts::OS).into()),
            ("host.arch", host_arch(env::consts::ARCH).into()),
            ("ci", self.ci_name.is_some().into()),
            ("terminal", self.is_terminal.into()),
        ];
        properties.extend(self.ci_name.map(|name| ("ci_name", name.into())));
        properties.extend(self.agent.map(|name| ("agent", name.into())));
        properties
    }
}

/// The name of OpenTelemetry's conventions.
fn os_type(name: &'static str) -> &'static str {
    match name {
        "macos" => "darwin",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}

/// The name of OpenTelemetry's conventions.
fn host_arch(name: &'static str) -> &'static str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests;
