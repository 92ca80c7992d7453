//! A choice, and when and by which version it was made.

use std::{fmt, time::SystemTime};

use super::instant::instant;

/// A user's answer to whether the program may send telemetry; kept by a [`StoredChoice`](crate::StoredChoice).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Choice {
    /// Telemetry is wanted.
    On,
    /// Telemetry is not wanted.
    Off,
    /// The user took an earlier answer back.
    Undecided,
}

/// A choice with its time and origin; from [`StoredChoice::made`](crate::StoredChoice::made).
///
/// Its text is a few words, as in `on, since 2026-03-01T09:30:00Z, by version 1.4.2`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MadeChoice {
    /// The user's answer.
    pub choice: Choice,
    /// When it was chosen, to the second.
    pub at: SystemTime,
    /// The version of the program that stored it.
    pub by: String,
}

impl Choice {
    pub(super) const ALL: [Self; 3] = [Self::On, Self::Off, Self::Undecided];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for MadeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { choice, at, by } = self;
        write!(f, "{choice}, since {}, by version {by}", instant(*at))
    }
}
