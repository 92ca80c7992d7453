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

        /// Has the even clock show this time after the start. The other clock goes on as far.
        pub(crate) fn set(&self, since: Duration) {
            let (instant, system) = get().unwrap_or(self.start);
            let target = self.start.0 + since;
            let system = match target.checked_duration_since(instant) {
                Some(ahead) => system + ahead,
                None => system - (instant - target),
            };
            TIME.set(Some((target, system)));
        }

        /// Sets the clock that can be set, this far ahead or back. The even clock goes on as before.
        pub(crate) fn step(&self, by: Duration, is_ahead: bool) {
            let step = |(instant, system): (Instant, SystemTime)| match is_ahead {
                true => (instant, system + by),
                false => (instant, system - by),
            };
            TIME.set(get().map(step));
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
    fn a_step_of_one_clock_stays_while_both_go_on() {
        let hour = Duration::from_secs(3_600);
        let time = double::VirtualTime::start();
        let (instant, system) = (now(), system_now());
        time.step(5 * hour, false);
        time.set(hour);
        double::pass(hour);
        assert_eq!(now() - instant, 2 * hour);
        assert_eq!(system_now(), system - 3 * hour);
    }

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
