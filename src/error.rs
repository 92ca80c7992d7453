//! The errors a caller can get, one type for each moment: set-up, building a record, handing it over, waiting.

use std::{error::Error, fmt};

type Cause = Box<dyn Error + Send + Sync>;

/// A setting that cannot be used, found by [`TrubricsBuilder::build`](crate::TrubricsBuilder::build).
#[derive(Debug)]
#[non_exhaustive]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
    cause: Option<Cause>,
}

impl ConfigError {
    /// `problem` continues the sentence that the setting's name begins.
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self {
            setting,
            problem: problem.into(),
            cause: None,
        }
    }

    pub(crate) fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The name of the setting, as it is called in [`TrubricsBuilder`](crate::TrubricsBuilder), or of the environment
    /// variable.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.problem)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}
