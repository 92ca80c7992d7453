//! The random digits in names and notes. A unit test may have them depend on a seed.

use uuid::Uuid;

/// A number that no process makes twice.
pub(super) fn unique() -> Uuid {
    #[cfg(test)]
    if let Some(unique) = double::next() {
        return unique;
    }
    Uuid::new_v4()
}

/// The numbers of a thread, as a test sets them.
#[cfg(test)]
pub(crate) mod double {
    use std::cell::Cell;

    use uuid::Uuid;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Has the numbers of this thread depend on a seed, or on chance again.
    pub(crate) fn set_seed(seed: Option<u64>) {
        STATE.set(seed);
    }

    pub(super) fn next() -> Option<Uuid> {
        let half = || {
            let state = STATE.get()?.wrapping_add(0x9E37_79B9_7F4A_7C15);
            STATE.set(Some(state));
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            Some(mixed ^ (mixed >> 31))
        };
        Some(Uuid::from_u64_pair(half()?, half()?))
    }
}
