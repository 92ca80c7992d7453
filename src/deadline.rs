//! Instants that lie a given time ahead, however long that is.

use std::time::{Duration, Instant};

/// Stands for "never" where a duration is too long to be added to an instant.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant `wait` after `now`; with `Duration::MAX`, one that never comes.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(FAR)).unwrap_or(now)
}
