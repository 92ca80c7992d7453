//! Whether a client is on, and why not.

use std::fmt;

use crate::stored_choice::MadeChoice;

/// Whether a client sends; from [`Trubrics::state`](crate::Trubrics::state).
///
/// Its text is one line, for a command such as `tool telemetry status`: `on`, `undecided`, or `off` with the reason, as
/// in `off: DO_NOT_TRACK is set`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The client sends what it tracks: the consent is [granted](crate::Consent::Granted).
    On,
    /// The user has not chosen yet, so nothing is sent: by [`Gate::choice`](crate::Gate::choice) or
    /// [`Gate::choice_or_notice`](crate::Gate::choice_or_notice), or because the
    /// consent is [undecided](crate::Consent::Undecided).
    Undecided,
    /// Nothing is sent, for this reason.
    Off(OffReason),
}

/// Why a client is off; from [`State::Off`]. Its text is a few words, as in `DO_NOT_TRACK is set`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffReason {
    /// The program made the client with [`Trubrics::disabled`](crate::Trubrics::disabled).
    Disabled,
    /// The program set [`disabled`](crate::TrubricsBuilder::disabled).
    Setting,
    /// The environment variable of this name asks for it: one of
    /// [`respect_opt_out`](crate::TrubricsBuilder::respect_opt_out), or of [`Gate::variable`](crate::Gate::variable).
    Variable(String),
    /// The process runs in CI, as this environment variable shows; from [`Gate::ci`](crate::Gate::ci).
    Ci(&'static str),
    /// The condition of the program with this reason is true; from [`Gate::when`](crate::Gate::when).
    Condition(&'static str),
    /// The user chose so; from [`Gate::choice`](crate::Gate::choice) or
    /// [`Gate::choice_or_notice`](crate::Gate::choice_or_notice).
    Choice(MadeChoice),
    /// The user's choice cannot be read, for the reason that this error's text gives; from the same gates.
    UnreadableChoice(String),
    /// The consent was withdrawn, by this process or another one: see [`withdraw`](crate::Trubrics::withdraw).
    Withdrawn,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::Undecided => f.write_str("undecided"),
            Self::Off(reason) => write!(f, "off: {reason}"),
        }
    }
}

impl fmt::Display for OffReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("the program made a disabled client"),
            Self::Setting => f.write_str("the program disabled the client"),
            Self::Variable(name) => write!(f, "{name} is set"),
            Self::Ci(variable) => write!(f, "this is CI, because {variable} is set"),
            Self::Condition(reason) => f.write_str(reason),
            Self::Choice(made) => write!(f, "the stored choice is {made}"),
            Self::UnreadableChoice(error) => f.write_str(error),
            Self::Withdrawn => f.write_str("consent was withdrawn"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::stored_choice::Choice;

    #[test]
    fn a_state_is_one_line_that_says_why() {
        let made = MadeChoice {
            choice: Choice::Off,
            at: SystemTime::UNIX_EPOCH,
            by: "1.4.2".into(),
        };
        let cases = [
            (State::On, "on"),
            (State::Undecided, "undecided"),
            (
                State::Off(OffReason::Disabled),
                "off: the program made a disabled client",
            ),
            (
                State::Off(OffReason::Setting),
                "off: the program disabled the client",
            ),
            (
                State::Off(OffReason::Variable("DO_NOT_TRACK".into())),
                "off: DO_NOT_TRACK is set",
            ),
            (
                State::Off(OffReason::Ci("GITLAB_CI")),
                "off: this is CI, because GITLAB_CI is set",
            ),
            (
                State::Off(OffReason::Condition("a debug build")),
                "off: a debug build",
            ),
            (
                State::Off(OffReason::Choice(made)),
                "off: the stored choice is off, since 1970-01-01T00:00:00Z, by version 1.4.2",
            ),
            (
                State::Off(OffReason::UnreadableChoice("disk error".into())),
                "off: disk error",
            ),
            (
                State::Off(OffReason::Withdrawn),
                "off: consent was withdrawn",
            ),
        ];
        for (state, expected) in cases {
            assert_eq!(state.to_string(), expected);
        }
    }
}
