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
