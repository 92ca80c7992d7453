//! The settings of a hand-off, which divides the work between two processes.

use std::{ffi::OsString, path::Path, time::Duration};

use super::check::at_least;
use crate::{defaults, error::ConfigError, hand_off::HandOff, queue::Overflow};

/// Which part of the work a client does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Duty {
    /// Takes records and delivers them.
    #[default]
    All,
    /// Stores records in the spool, and makes no request for them.
    Store,
    /// Delivers the records that other processes store.
    Deliver,
}

/// The process that delivers, if it is another one.
#[derive(Debug, Clone)]
pub(crate) struct HandOffSettings {
    pub(crate) arguments: Option<Vec<OsString>>,
    pub(crate) interval: Duration,
}

const MIN_INTERVAL: Duration = Duration::from_secs(1);

impl Default for HandOffSettings {
    fn default() -> Self {
        Self {
            arguments: None,
            interval: defaults::HAND_OFF_INTERVAL,
        }
    }
}

impl HandOffSettings {
    /// How a client with this duty has its records delivered by another process, if it does.
    pub(crate) fn of_client(self, duty: Duty) -> Option<HandOff> {
        let arguments = self.arguments.filter(|_| duty == Duty::Store)?;
        Some(HandOff {
            arguments,
            interval: self.interval,
        })
    }

    pub(crate) fn check(
        &self,
        spool: Option<&Path>,
        overflow: Overflow,
    ) -> Result<(), ConfigError> {
        let Self {
            arguments,
            interval,
        } = self;
        at_least("hand_off_interval", *interval, MIN_INTERVAL)?;
        let Some(arguments) = arguments else {
            return Ok(());
        };
        let has_nul = |argument: &OsString| argument.as_encoded_bytes().contains(&0);
        let problem = match spool {
            _ if arguments.is_empty() => {
                "has no arguments: the program needs one to know the process that delivers"
            }
            _ if arguments.iter().any(has_nul) => "has an argument with a NUL",
            _ if overflow == Overflow::Block => {
                "does not work with Overflow::Block: this process makes no room by sending"
            }
            None => "needs a spool: set its folder with spool",
            // The process that delivers works in another folder.
            Some(folder) if !folder.is_absolute() => "needs an absolute path in spool",
            Some(_) => return Ok(()),
        };
        Err(ConfigError::new("hand_off", problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_stores_has_its_records_delivered_by_another_process() {
        let settings = HandOffSettings {
            arguments: Some(vec!["deliver".into()]),
            ..HandOffSettings::default()
        };
        for duty in [Duty::All, Duty::Store, Duty::Deliver] {
            let hand_off = settings.clone().of_client(duty);
            assert_eq!(hand_off.is_some(), duty == Duty::Store);
        }
        assert!(HandOffSettings::default().of_client(Duty::Store).is_none());
    }
}
