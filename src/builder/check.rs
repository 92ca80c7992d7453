//! What settings are allowed; the words that refuse the others name the setting and what is.

use std::{fmt, time::Duration};

use super::TrubricsBuilder;
use crate::error::ConfigError;

/// The server takes no larger array.
const MAX_BATCH_SIZE: usize = 100;

/// Less would not hold a segment of a few records.
const MIN_SPOOL_BYTES: u64 = 4 * 1024;

/// Each is a thread and a socket.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// Servers refuse, or cut, a longer header.
const MAX_API_KEY: usize = 4096;

/// As in the official SDKs.
const MIN_FLUSH_INTERVAL: Duration = Duration::from_secs(1);

impl TrubricsBuilder {
    /// Checks each setting that stands for itself.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("flush_batch_size", self.flush_batch_size, 1, MAX_BATCH_SIZE)?;
        within("max_batch_size", self.max_batch_size, 1, MAX_BATCH_SIZE)?;
        within(
            "max_concurrent_requests",
            self.max_concurrent_requests,
            1,
            MAX_CONCURRENT_REQUESTS,
        )?;
        at_least("max_batch_bytes", self.max_batch_bytes, 1)?;
        at_least("max_text_bytes", self.max_text_bytes.unwrap_or(1), 1)?;
        at_least("queue_capacity", self.queue_capacity, 1)?;
        at_least("queue_bytes", self.queue_bytes, 1)?;
        at_least("flush_interval", self.flush_interval, MIN_FLUSH_INTERVAL)?;
        at_least("spool_max_bytes", self.spool_max_bytes, MIN_SPOOL_BYTES)?;
        more_than_zero("spool_max_age", self.spool_max_age)?;
        match &self.spool {
            Some(folder) if folder.as_os_str().is_empty() => {
                return Err(ConfigError::new(
                    "spool",
                    "is empty: the path of a folder is needed",
                ));
            }
            Some(folder) if folder.exists() && !folder.is_dir() => {
                return Err(ConfigError::new(
                    "spool",
                    "is the path of something that is no folder",
                ));
            }
            _ => {}
        }
        more_than_zero("request_timeout", self.request_timeout)?;
        self.http.check()?;
        at_least(
            "initial_backoff",
            self.initial_backoff,
            Duration::from_millis(1),
        )?;
        if self.max_backoff < self.initial_backoff {
            let (max, initial) = (self.max_backoff, self.initial_backoff);
            let problem = format!("is {max:?}: at least initial_backoff, {initial:?}, is allowed");
            return Err(ConfigError::new("max_backoff", problem));
        }
        Ok(())
    }
}

/// Gives the key without blanks around it.
pub(super) fn check_api_key(api_key: &str) -> Result<String, ConfigError> {
    let api_key = api_key.trim();
    if api_key.is_empty() {
        return Err(ConfigError::new(
            "api_key",
            "is empty: the project's API key is needed",
        ));
    }
    if !api_key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let problem = "has a character that no HTTP header may carry: printable ASCII is allowed";
        return Err(ConfigError::new("api_key", problem));
    }
    if api_key.len() > MAX_API_KEY {
        let problem = format!("is {} bytes long: {MAX_API_KEY} are allowed", api_key.len());
        return Err(ConfigError::new("api_key", problem));
    }
    Ok(api_key.into())
}

fn within(setting: &'static str, value: usize, min: usize, max: usize) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(
        setting,
        format!("is {value}: {min} to {max} is allowed"),
    ))
}

fn at_least<T: PartialOrd + Copy + fmt::Debug>(
    setting: &'static str,
    value: T,
    min: T,
) -> Result<(), ConfigError> {
    if value >= min {
        return Ok(());
    }
    Err(ConfigError::new(
        setting,
        format!("is {value:?}: at least {min:?} is allowed"),
    ))
}

pub(super) fn more_than_zero(setting: &'static str, value: Duration) -> Result<(), ConfigError> {
    if value > Duration::ZERO {
        return Ok(());
    }
    Err(ConfigError::new(setting, "is 0: more than zero is allowed"))
}
