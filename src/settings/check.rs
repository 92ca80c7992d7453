//! The bounds of settings, refused in words that name the setting and the allowed values.

use std::{fmt, time::Duration};

use crate::error::ConfigError;

pub(crate) fn within(
    setting: &'static str,
    value: usize,
    min: usize,
    max: usize,
) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(
        setting,
        format!("is {value}: {min} to {max} is allowed"),
    ))
}

pub(crate) fn at_least<T: PartialOrd + Copy + fmt::Debug>(
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

pub(crate) fn more_than_zero(setting: &'static str, value: Duration) -> Result<(), ConfigError> {
    if value > Duration::ZERO {
        return Ok(());
    }
    Err(ConfigError::new(setting, "is 0: more than zero is allowed"))
}
