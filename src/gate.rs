//! Conditions under which a client is off, each with its reason.

use std::borrow::Cow;

use crate::{
    environment::{Environment, asks},
    error::ConfigError,
    process_facts::find_ci,
    state::{OffReason, State},
    stored_choice::{Choice, StoredChoice},
};

/// A condition under which a client is off; for [`TrubricsBuilder::off_if`](crate::TrubricsBuilder::off_if).
///
/// It is evaluated once, when the client is built.
#[derive(Debug, Clone)]
pub struct Gate(Condition);

#[derive(Debug, Clone)]
enum Condition {
    Ci,
    Variable(Cow<'static, str>),
    When(bool, &'static str),
    Choice(StoredChoice),
    ChoiceOrNotice(StoredChoice),
}

impl Gate {
    /// Off in CI: where an environment variable of a CI system is set.
    ///
    /// The variables are those that common detectors agree on: `CI`, `CONTINUOUS_INTEGRATION`, `BUILD_NUMBER`,
    /// `RUN_ID`, and those of thirty systems, such as `GITHUB_ACTIONS` and `JENKINS_URL`. A value that is empty, `0` or
    /// `false` does not count; in `BUILD_NUMBER` and `RUN_ID`, only an empty one does not. `CI=false` and `CI=0` say
    /// that this is not CI, whatever else is set.
    ///
    /// ```
    /// use trubrics::{Gate, Trubrics};
    ///
    /// let client = Trubrics::builder("key")
    ///     .off_if(Gate::ci())
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// println!("{}", client.state()); // `on`, or `off: this is CI, because GITHUB_ACTIONS is set`
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    pub fn ci() -> Self {
        Self(Condition::Ci)
    }

    /// Off where this environment variable of the program's own is set: with any value but an empty one, `0` and
    /// `false`, as [`respect_opt_out`](crate::TrubricsBuilder::respect_opt_out) reads `DO_NOT_TRACK`.
    ///
    /// As there, the records that wait in the [`spool`](crate::TrubricsBuilder::spool) are removed.
    /// [`build`](crate::TrubricsBuilder::build) fails if no variable can have the name, because it is empty or has a
    /// `=` or a NUL.
    ///
    /// ```
    /// use trubrics::{Gate, State, Trubrics};
    ///
    /// let client = Trubrics::builder("key")
    ///     .off_if(Gate::variable("MY_TOOL_NO_TELEMETRY"))
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// assert_eq!(client.state(), State::On);
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    pub fn variable(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Condition::Variable(name.into()))
    }

    /// Off if the condition is true. The reason completes the line `off: ..` of the client's
    /// [`state`](crate::Trubrics::state).
    ///
    /// A debug build of the program is such a condition:
    ///
    /// ```
    /// use trubrics::{Gate, State, Trubrics};
    ///
    /// let client = Trubrics::builder("key")
    ///     .off_if(Gate::when(cfg!(debug_assertions), "a debug build"))
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// # if cfg!(debug_assertions) {
    /// assert_eq!(client.state().to_string(), "off: a debug build");
    /// # }
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    pub fn when(condition: bool, reason: &'static str) -> Self {
        Self(Condition::When(condition, reason))
    }

    /// Off if the user's stored choice is off, or cannot be read. If there is none, or the user took it back, the
    /// client does nothing either, and its state is [`Undecided`](State::Undecided).
    ///
    /// [`build`](crate::TrubricsBuilder::build) reads the file; see [`StoredChoice`]. A choice that is made later is
    /// for the next client. With the choice off, the records that wait in the
    /// [`spool`](crate::TrubricsBuilder::spool) are removed. For a client that keeps records in memory until its user
    /// has chosen, set [`consent`](crate::TrubricsBuilder::consent) instead, as [`privacy`](crate::_docs::privacy)
    /// shows.
    ///
    /// ```
    /// use trubrics::{Choice, Gate, State, StoredChoice, Trubrics};
    ///
    /// # let folder = std::env::temp_dir().join(trubrics::anonymous_id());
    /// let stored = StoredChoice::in_file(folder.join("telemetry"));
    /// let settings = Trubrics::builder("key")
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .off_if(Gate::choice(&stored));
    /// assert_eq!(settings.clone().build()?.state(), State::Undecided);
    ///
    /// stored.set(Choice::On, "1.4.2")?;
    /// assert_eq!(settings.build()?.state(), State::On);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn choice(stored: &StoredChoice) -> Self {
        Self(Condition::Choice(stored.clone()))
    }

    /// As [`choice`](Self::choice), but on for a user who has seen the program's notice and has not chosen.
    ///
    /// It is for a program that says on its first run what it records, and goes on unless its user objects. Until
    /// [`note_shown`](StoredChoice::note_shown), the client does nothing, and its state is
    /// [`Undecided`](State::Undecided). A program that shows the notice after it has built the client sends nothing in
    /// that run.
    ///
    /// ```
    /// use trubrics::{Choice, Gate, State, StoredChoice, Trubrics};
    ///
    /// # let folder = std::env::temp_dir().join(trubrics::anonymous_id());
    /// let stored = StoredChoice::in_file(folder.join("telemetry"));
    /// let settings = Trubrics::builder("key")
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .off_if(Gate::choice_or_notice(&stored));
    /// assert_eq!(settings.clone().build()?.state(), State::Undecided);
    ///
    /// eprintln!("This tool counts which commands are used. `tool telemetry off` ends that.");
    /// stored.note_shown()?;
    /// assert_eq!(settings.clone().build()?.state(), State::On);
    ///
    /// stored.set(Choice::Off, "1.4.2")?;
    /// assert!(matches!(settings.build()?.state(), State::Off(_)));
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn choice_or_notice(stored: &StoredChoice) -> Self {
        Self(Condition::ChoiceOrNotice(stored.clone()))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match &self.0 {
            Condition::Variable(name) if name.is_empty() || name.contains(['=', '\0']) => {
                let problem = "has a gate for a variable with a name that no variable can have";
                Err(ConfigError::new("off_if", problem))
            }
            _ => Ok(()),
        }
    }

    /// Whether the person at the machine does not want to be tracked, by this gate alone.
    pub(crate) fn opts_out(&self, environment: Environment<'_>) -> bool {
        matches!(
            self.state(environment),
            State::Off(OffReason::Variable(_) | OffReason::Choice(_))
        )
    }

    /// The state of a client with this gate alone.
    fn state(&self, environment: Environment<'_>) -> State {
        match &self.0 {
            Condition::Ci => match find_ci(environment) {
                Some(ci) => State::Off(OffReason::Ci(ci.variable)),
                None => State::On,
            },
            Condition::Variable(name) if asks(environment, name) => {
                State::Off(OffReason::Variable(name.to_string()))
            }
            Condition::When(true, reason) => State::Off(OffReason::Condition(reason)),
            Condition::Variable(_) | Condition::When(false, _) => State::On,
            Condition::Choice(stored) => state_by(stored),
            Condition::ChoiceOrNotice(stored) => match state_by(stored) {
                State::Undecided if stored.notice_was_shown().is_ok_and(|shown| shown) => State::On,
                state => state,
            },
        }
    }
}

fn state_by(stored: &StoredChoice) -> State {
    match stored.made() {
        Ok(Some(made)) => match made.choice {
            Choice::On => State::On,
            Choice::Off => State::Off(OffReason::Choice(made)),
            Choice::Undecided => State::Undecided,
        },
        Ok(None) => State::Undecided,
        Err(error) => {
            // The path in it may have any character, and a state is one line.
            let error = error.to_string().replace(char::is_control, " ");
            State::Off(OffReason::UnreadableChoice(error))
        }
    }
}

/// The state of a client with these gates: off by the first that is off, or else undecided if one is.
pub(crate) fn state_of(gates: &[Gate], environment: Environment<'_>) -> State {
    let mut state = State::On;
    for gate in gates {
        match gate.state(environment) {
            State::On => {}
            State::Undecided => state = State::Undecided,
            off @ State::Off(_) => return off,
        }
    }
    state
}

#[cfg(test)]
mod tests;
