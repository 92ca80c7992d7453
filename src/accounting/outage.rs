//! When the log says that nothing can be delivered, and when it says that it is over.
//!
//! Deterministic: `now` is an argument, and nothing here logs.

use std::time::{Duration, Instant};

/// A shorter outage is not logged.
const NOTICEABLE: Duration = Duration::from_secs(5);

/// A time in which no attempt succeeds.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// When the first attempt failed, if none has succeeded since.
    since: Option<Instant>,
    is_logged: bool,
    /// Why the last attempt failed.
    cause: Option<String>,
}

impl Outage {
    /// An attempt failed. Returns how long none has succeeded if that has to be logged now: once an outage.
    pub(super) fn failed(&mut self, now: Instant, cause: String) -> Option<Duration> {
        self.cause = Some(cause);
        let lasted = now.saturating_duration_since(*self.since.get_or_insert(now));
        let is_due = !self.is_logged && lasted >= NOTICEABLE;
        self.is_logged |= is_due;
        is_due.then_some(lasted)
    }

    /// An attempt succeeded. Returns how long the outage was, if its begin was logged.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        let Self {
            since, is_logged, ..
        } = std::mem::take(self);
        let since = since.filter(|_| is_logged)?;
        Some(now.saturating_duration_since(since))
    }

    /// Why the last attempt failed, if it did.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_outage_is_logged_once_it_has_lasted_and_once_at_its_end() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut failed = |seconds| outage.failed(start + seconds * SECOND, "refused".into());
        assert_eq!([0, 1, 4].map(&mut failed), [None; 3]);
        assert_eq!(failed(7), Some(7 * SECOND));
        assert_eq!([8, 900].map(&mut failed), [None; 2], "it was logged");
        assert_eq!(outage.cause(), Some("refused"));
        assert_eq!(outage.succeeded(start + 901 * SECOND), Some(901 * SECOND));
        assert_eq!(outage.succeeded(start + 902 * SECOND), None);
        assert_eq!(outage.cause(), None);
    }

    #[test]
    fn a_short_outage_is_not_logged() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        for begin in [0, 100] {
            let begin = start + begin * SECOND;
            assert_eq!(outage.failed(begin, "reset".into()), None);
            assert_eq!(outage.failed(begin + 4 * SECOND, "reset".into()), None);
            assert_eq!(outage.succeeded(begin + 6 * SECOND), None);
        }
    }
}
