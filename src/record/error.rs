//! The error of a record that cannot be sent.

use std::{
    error::Error,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use super::strict::WriteError;
use crate::error_chain;

/// A record that cannot be sent as it is: a field is missing, or a value has no place in JSON.
#[derive(Clone)]
#[non_exhaustive]
pub struct EventError {
    field: String,
    problem: String,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

// The cause is only read: a panic cannot leave it half-changed.
impl UnwindSafe for EventError {}
impl RefUnwindSafe for EventError {}

impl EventError {
    /// `problem` continues the sentence that the field's name begins.
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            cause: None,
        }
    }

    pub(crate) fn empty_user_id() -> Self {
        Self::new(
            "user_id",
            "is empty: use anonymous_id() for a user without auth",
        )
    }

    pub(super) fn not_json(error: serde_json::Error) -> Self {
        let problem = format!("is not JSON: {error}");
        Self {
            cause: Some(Arc::new(error)),
            ..Self::new("record", problem)
        }
    }

    pub(super) fn not_written(field: String, error: WriteError) -> Self {
        match error {
            WriteError::NotFinite => Self::new(
                field,
                "cannot be sent: NaN and infinities are not JSON numbers",
            ),
            WriteError::Json(error) => Self {
                cause: Some(Arc::new(error)),
                ..Self::new(field, "cannot be written as JSON")
            },
        }
    }

    /// Returns the field that is wrong, such as `user_id` or ``property `score` ``.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Debug for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error_chain::debug(self, "EventError", f)
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

impl Error for EventError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
