//! Calls of code that is not ours: its panic ends where it began.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs it; nothing comes back when it panics. What it panicked with may panic once more when it is dropped.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => return Some(result),
        Err(payload) => payload,
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
    None
}

/// A place where a unit test makes the worker panic; see `worker/tests.rs`. Any other build compiles it to nothing.
#[inline(always)]
pub(crate) fn panic_point() {
    #[cfg(test)]
    injection::reach();
}

#[cfg(test)]
pub(crate) mod injection {
    use std::{cell::Cell, panic::resume_unwind};

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// This thread panics at its panic point of this number, counted from 0.
    pub(crate) fn panic_at(point: usize) {
        LEFT.set(Some(point));
    }

    /// Whether this thread was to panic and has not done so yet.
    pub(crate) fn is_left() -> bool {
        LEFT.get().is_some()
    }

    pub(super) fn reach() {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                // Without the panic hook, which would print a line for each.
                resume_unwind(Box::new("an injected panic"));
            }
            left => LEFT.set(left.map(|left| left - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    #[test]
    fn a_panic_that_panics_when_it_is_dropped_is_caught_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic_any(Self);
            }
        }
        assert_eq!(catch_panic(|| panic_any(Bomb)), None::<()>);
        assert_eq!(catch_panic(|| 5), Some(5));
    }
}
