//! The clocks of the machine. A unit test may set the time of its own thread.

use std::time::{Instant, SystemTime};

/// The present by the clock that runs evenly.
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some((instant, _)) = double::get() {
        return instant;
    }
    Instant::now()
}

/// The present by the clock that can be set.
#[inline]
pub(crate) fn system_now() -> SystemTime {
    #[cfg(test)]
    if let Some((_, system)) = double::get() {
        return system;
    }
    SystemTime::now()
}

/// The time of a thread, as a test sets it.
#[cfg(test)]
pub(crate) mod double {
    use std::{
        cell::Cell,
        time::{Duration, Instant, SystemTime},
    };

    thread_local! {
        static TIME: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
    }

    pub(super) fn get() -> Option<(Instant, SystemTime)> {
        TIME.get()
    }

    /// While this exists, the clocks of its thread go on only as it says.
    pub(crate) struct VirtualTime {
        start: (Instant, SystemTime),
    }

    impl VirtualTime {
        pub(crate) fn start() -> Self {
            // A wall clock that is always the same makes a run repeatable.
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let start = (Instant::now(), wall);
            TIME.set(Some(start));
            Self { start }
        }

        /// The time since the start.
        pub(crate) fn elapsed(&self) -> Duration {
            super::now().saturating_duration_since(self.start.0)
        }

        /// Sets both clocks to this time after the start.
        pub(crate) fn set(&self, since: Duration) {
            let (instant, system) = self.start;
            TIME.set(Some((instant + since, system + since)));
        }
    }

    impl Drop for VirtualTime {
        fn drop(&mut self) {
            TIME.set(None);
        }
    }

    /// Runs `work`, whose time passes beside that of this thread. Returns when it ended.
    pub(crate) fn beside<T>(work: impl FnOnce() -> T) -> (T, Instant) {
        let began = TIME.get();
        let result = work();
        let ended = super::now();
        TIME.set(began);
        (result, ended)
    }

    /// Has the time of this thread pass, if a test sets it.
    pub(crate) fn pass(time: Duration) {
        let pass = |(instant, system): (Instant, SystemTime)| (instant + time, system + time);
        TIME.set(TIME.get().map(pass));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Duration};

    #[test]
    fn a_test_sets_the_time_of_its_own_thread_alone() {
        let hour = Duration::from_secs(3_600);
        let time = double::VirtualTime::start();
        time.set(hour);
        assert_eq!(time.elapsed(), hour);
        double::pass(hour);
        assert_eq!(time.elapsed(), 2 * hour);
        let (made_up, elsewhere) = (now(), thread::spawn(now).join());
        assert!(made_up - elsewhere.expect("no panic") > hour);
        let made_up = system_now();
        drop(time);
        assert_ne!(system_now(), made_up);
    }
}
