//! Drops that belong together: from the first one until none has come for a while, or the client ends.
//!
//! The log has the first drop and the total. A line for each would flood it when the queue is full, and so would a
//! line for each batch that still gets through.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

/// An episode ends after this time without a drop. The next drop is logged.
const QUIET: Duration = Duration::from_secs(10);

pub(super) struct Episode {
    epoch: Instant,
    is_on: AtomicBool,
    /// When the last drop was, in milliseconds after the epoch.
    last: AtomicU64,
    /// How many were dropped before the episode.
    before: AtomicU64,
}

impl Episode {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            is_on: AtomicBool::new(false),
            last: AtomicU64::new(0),
            before: AtomicU64::new(0),
        }
    }

    /// Notes a drop; says whether it begins an episode. `dropped` counts those before it.
    pub(super) fn add(&self, now: Instant, dropped: impl FnOnce() -> u64) -> bool {
        self.last.store(self.since_epoch(now), SeqCst);
        let is_first = !self.is_on.load(SeqCst) && !self.is_on.swap(true, SeqCst);
        if is_first {
            self.before.store(dropped(), SeqCst);
        }
        is_first
    }

    /// Ends the episode if nothing was dropped for a while; gives how many had been dropped before it.
    pub(super) fn end_if_quiet(&self, now: Instant) -> Option<u64> {
        if !self.is_on.load(SeqCst) {
            return None;
        }
        let quiet = self.since_epoch(now).saturating_sub(self.last.load(SeqCst));
        (Duration::from_millis(quiet) >= QUIET)
            .then(|| self.end())
            .flatten()
    }

    /// Ends the episode, if one is on.
    pub(super) fn end(&self) -> Option<u64> {
        self.is_on
            .swap(false, SeqCst)
            .then(|| self.before.load(SeqCst))
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_episode_begins_once_and_ends_when_it_has_been_quiet() {
        let start = Instant::now();
        let drops = Episode::new(start);
        assert_eq!(drops.end_if_quiet(start), None, "none is on");
        assert!(drops.add(start, || 7));
        assert!(!drops.add(start + 9 * SECOND, || unreachable!()));
        assert_eq!(
            drops.end_if_quiet(start + 18 * SECOND),
            None,
            "the last drop was nine seconds ago"
        );
        assert_eq!(drops.end_if_quiet(start + 19 * SECOND), Some(7));
        assert_eq!(drops.end(), None, "it has ended");
        assert!(drops.add(start + 20 * SECOND, || 9), "another one begins");
        assert_eq!(drops.end(), Some(9));
    }
}
