//! The limit of one event name, in fixed windows.
//!
//! The first event begins the first window, and windows follow each other without a gap. The state is one word, so
//! callers on many threads share it without a lock, and its memory does not depend on the limit.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// At most this many events in a window of this length.
pub(crate) struct NameLimit {
    events: u64,
    per: Duration,
    first: OnceLock<Instant>,
    /// The number of the window in the upper bits, and the events that passed in it in the lower ones.
    state: AtomicU64,
}

const COUNT_BITS: u32 = 24;

/// The largest limit that can be counted.
pub(crate) const MAX_EVENTS: u32 = (1 << COUNT_BITS) - 1;

impl NameLimit {
    /// `events` is at most [`MAX_EVENTS`], and `per` at least a millisecond: 40 bits number the windows of 34 years.
    pub(super) fn new(events: u32, per: Duration) -> Self {
        Self {
            events: u64::from(events),
            per,
            first: OnceLock::new(),
            state: AtomicU64::new(0),
        }
    }

    /// Counts an event, if there is room for it in its window.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let first = *self.first.get_or_init(|| now);
        let since = now.saturating_duration_since(first);
        let window = (since.as_nanos() / self.per.as_nanos().max(1)) as u64;
        let count_in = |state: u64| {
            let current = state >> COUNT_BITS;
            // The clock of another thread may be a moment ahead: its window counts.
            let (current, count) = match window > current {
                true => (window, 0),
                false => (current, state & u64::from(MAX_EVENTS)),
            };
            (count < self.events).then_some(current << COUNT_BITS | (count + 1))
        };
        self.state.fetch_update(Relaxed, Relaxed, count_in).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn admitted(limit: &NameLimit, now: Instant, offered: usize) -> usize {
        (0..offered).filter(|_| limit.admits(now)).count()
    }

    #[test]
    fn a_window_has_room_for_the_limit_and_the_next_one_again() {
        let (limit, start) = (NameLimit::new(3, 10 * SECOND), Instant::now());
        assert_eq!(admitted(&limit, start, 2), 2);
        assert_eq!(admitted(&limit, start + 9 * SECOND, 5), 1);
        assert_eq!(admitted(&limit, start + 10 * SECOND, 5), 3, "the second");
        assert_eq!(admitted(&limit, start + 19 * SECOND, 5), 0);
        let year = start + 365 * 86_400 * SECOND;
        assert_eq!(admitted(&limit, year, 5), 3, "after a long time");
    }

    #[test]
    fn the_first_event_begins_the_first_window() {
        let (limit, start) = (NameLimit::new(1, 10 * SECOND), Instant::now());
        let first = start + 7 * SECOND;
        assert!(limit.admits(first));
        assert!(!limit.admits(first + 9 * SECOND));
        assert!(limit.admits(first + 10 * SECOND));
    }

    #[test]
    fn an_event_of_a_window_that_is_over_does_not_open_it_again() {
        let (limit, start) = (NameLimit::new(1, SECOND), Instant::now());
        assert!(limit.admits(start));
        assert!(limit.admits(start + SECOND));
        assert!(!limit.admits(start), "a thread that read the clock before");
        assert!(!limit.admits(start + SECOND));
    }

    #[test]
    fn a_limit_of_zero_admits_nothing_and_the_largest_is_counted() {
        let now = Instant::now();
        assert!(!NameLimit::new(0, SECOND).admits(now));
        let largest = NameLimit::new(MAX_EVENTS, SECOND);
        largest.state.store(u64::from(MAX_EVENTS) - 1, Relaxed);
        assert!(largest.admits(now) && !largest.admits(now));
        assert!(largest.admits(now + SECOND), "the count did not overflow");
        let shortest = NameLimit::new(1, Duration::from_millis(1));
        assert!(shortest.admits(now) && shortest.admits(now + 86_400 * SECOND));
    }

    #[test]
    fn threads_together_do_not_exceed_a_limit() {
        let (limit, now) = (NameLimit::new(1_000, SECOND), Instant::now());
        let total: usize = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(|| admitted(&limit, now, 1_000)));
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum()
        });
        assert_eq!(total, 1_000);
    }
}
