//! The settings that leave valid records out.

use std::time::Duration;

use super::check::at_least;
use crate::{
    error::ConfigError,
    guard::{Guard, MAX_EVENTS},
};

/// Which users are in the sample, and how many events of a name are sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct GuardSettings {
    /// None if every user is in.
    pub(crate) sample_rate: Option<f64>,
    pub(crate) limits: Vec<NameLimitSettings>,
}

/// The limit of one name.
#[derive(Debug, Clone)]
pub(crate) struct NameLimitSettings {
    pub(crate) name: String,
    pub(crate) events: u32,
    pub(crate) per: Duration,
}

const MIN_WINDOW: Duration = Duration::from_millis(1);

impl GuardSettings {
    /// Sets the limit of a name, instead of an earlier one.
    pub(crate) fn limit(&mut self, limit: NameLimitSettings) {
        self.limits.retain(|earlier| earlier.name != limit.name);
        self.limits.push(limit);
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self {
            sample_rate,
            limits,
        } = self;
        if let Some(rate) = sample_rate
            && !(0.0..=1.0).contains(rate)
        {
            let problem = format!("is {rate}: 0 to 1 is allowed");
            return Err(ConfigError::new("sample", problem));
        }
        for limit in limits {
            if limit.events > MAX_EVENTS {
                let problem = format!("is {} events: 0 to {MAX_EVENTS} is allowed", limit.events);
                return Err(ConfigError::new("at_most", problem));
            }
            at_least("at_most", limit.per, MIN_WINDOW)?;
        }
        Ok(())
    }

    /// The rate to show on the records that are kept; none if all are kept.
    pub(crate) fn shown_rate(&self) -> Option<f64> {
        self.sample_rate.filter(|rate| *rate < 1.0)
    }

    /// None if every record passes.
    pub(crate) fn guard(self) -> Option<Box<Guard>> {
        let rate = self.shown_rate();
        if rate.is_none() && self.limits.is_empty() {
            return None;
        }
        let limits = self.limits.into_iter();
        let limits = limits.map(|limit| (limit.name, limit.events, limit.per));
        Some(Box::new(Guard::new(rate.unwrap_or(1.0), limits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_limit_of_a_name_holds() {
        let mut settings = GuardSettings::default();
        for (name, events) in [("a", 1), ("b", 2), ("a", 3)] {
            settings.limit(NameLimitSettings {
                name: name.into(),
                events,
                per: Duration::from_secs(1),
            });
        }
        let limits = settings.limits.iter();
        let limits: Vec<_> = limits.map(|limit| (&*limit.name, limit.events)).collect();
        assert_eq!(limits, [("b", 2), ("a", 3)]);
    }

    #[test]
    fn without_a_sample_and_limits_there_is_no_guard() {
        let mut settings = GuardSettings::default();
        assert!(settings.clone().guard().is_none());
        settings.sample_rate = Some(1.0);
        assert!(settings.clone().guard().is_none(), "all users");
        settings.sample_rate = Some(0.5);
        assert!(settings.guard().is_some());
    }
}
