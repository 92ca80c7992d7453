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
        time::{Instant, SystemTime},
    };

    thread_local! {
        static TIME: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
    }

    /// Sets both clocks of this thread. They stand still until the next call.
    pub(crate) fn set(instant: Instant, system: SystemTime) {
        TIME.set(Some((instant, system)));
    }

    pub(super) fn get() -> Option<(Instant, SystemTime)> {
        TIME.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Duration};

    #[test]
    fn a_test_sets_the_time_of_its_own_thread_alone() {
        let made_up = (
            now() + Duration::from_secs(3_600),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        );
        double::set(made_up.0, made_up.1);
        assert_eq!((now(), system_now()), made_up);
        let elsewhere = thread::spawn(|| (now(), system_now()));
        let elsewhere = elsewhere.join().expect("no panic");
        assert!(elsewhere.0 < made_up.0 && elsewhere.1 > made_up.1);
    }
}
