//! Which records are left out although they are valid: those of users outside the sample, and events beyond the limit
//! of their name.

mod name_limit;
mod sample;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

pub(crate) use self::name_limit::MAX_EVENTS;
use self::{name_limit::NameLimit, sample::Sample};
use crate::{drop_reason::DropReason, record::Record};

/// The sample and the limits of one client.
pub(crate) struct Guard {
    sample: Sample,
    limits: HashMap<String, NameLimit>,
}

impl Guard {
    /// A guard with this rate, and these limits of names: this many events in a window of this length.
    pub(crate) fn new(
        sample_rate: f64,
        limits: impl IntoIterator<Item = (String, u32, Duration)>,
    ) -> Self {
        let limits = limits.into_iter();
        Self {
            sample: Sample::new(sample_rate),
            limits: limits
                .map(|(name, events, per)| (name, NameLimit::new(events, per)))
                .collect(),
        }
    }

    /// Why the record is left out, if it is. A record that passes counts for the limit of its name.
    pub(crate) fn refuses(
        &self,
        record: &Record,
        now: impl FnOnce() -> Instant,
    ) -> Option<DropReason> {
        if !self.sample.has(record.get_user_id()) {
            return Some(DropReason::Sampled);
        }
        let Record::Event(event) = record else {
            return None;
        };
        let limit = self.limits.get(event.get_name())?;
        (!limit.admits(now())).then_some(DropReason::RateLimited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, LlmEvent};

    fn guard(sample_rate: f64, limited: &[&str]) -> Guard {
        let limit = |name: &&str| ((*name).to_owned(), 1, Duration::from_secs(60));
        Guard::new(sample_rate, limited.iter().map(limit))
    }

    #[test]
    fn each_name_has_its_own_limit_and_other_names_have_none() {
        let guard = guard(1.0, &["a", "b"]);
        let now = Instant::now();
        let refused = |name: &str| guard.refuses(&Event::new("u", name).into(), || now);
        assert_eq!(["a", "b"].map(refused), [None; 2]);
        assert_eq!(["a", "b"].map(refused), [Some(DropReason::RateLimited); 2]);
        let unlimited =
            |name: &str| guard.refuses(&Event::new("u", name).into(), || unreachable!());
        assert_eq!(["A", "", "ab"].map(unlimited), [None; 3]);
        let llm_event = LlmEvent::new("u", "p", "g").prompt_event_name("a");
        assert_eq!(guard.refuses(&llm_event.into(), || now), None);
    }

    #[test]
    fn a_user_outside_the_sample_uses_nothing_of_a_limit() {
        let guard = guard(0.0, &["a"]);
        let event = Event::new("u", "a").into();
        let reason = guard.refuses(&event, || unreachable!());
        assert_eq!(reason, Some(DropReason::Sampled));
    }
}
