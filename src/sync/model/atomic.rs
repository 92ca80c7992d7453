//! Atomic numbers whose accesses are all sequentially consistent.
//!
//! `loom` gives an access with `SeqCst` only what `AcqRel` promises, so it would find faults that no machine has. A
//! read-modify-write always reads the latest value. Where each access is one, values are as if all accesses happened
//! one after the other, which is what `SeqCst` promises if no access to them has another order. The tests of values
//! with other orders are not models.

pub(crate) use std::sync::atomic::Ordering;

macro_rules! atomic {
    ($name:ident, $value:ty, $none:expr) => {
        #[derive(Debug)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl Default for $name {
            fn default() -> Self {
                Self::new(Default::default())
            }
        }

        #[allow(dead_code, reason = "each type has the same methods")]
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.fetch_or($none, sequential(order))
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.swap(value, sequential(order));
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, sequential(order))
            }

            pub(crate) fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                self.0.fetch_or(bits, sequential(order))
            }

            pub(crate) fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                self.0.fetch_and(bits, sequential(order))
            }
        }
    };
}

macro_rules! counter {
    ($name:ident, $value:ty) => {
        #[allow(dead_code, reason = "each type has the same methods")]
        impl $name {
            pub(crate) fn fetch_add(&self, count: $value, order: Ordering) -> $value {
                self.0.fetch_add(count, sequential(order))
            }

            pub(crate) fn fetch_sub(&self, count: $value, order: Ordering) -> $value {
                self.0.fetch_sub(count, sequential(order))
            }

            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                sequential(failure);
                self.0
                    .compare_exchange(current, new, sequential(success), Ordering::Acquire)
            }

            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                change: impl Fn($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut current = self.load(success);
                while let Some(new) = change(current) {
                    match self.compare_exchange_weak(current, new, success, failure) {
                        Ok(previous) => return Ok(previous),
                        Err(latest) => current = latest,
                    }
                }
                Err(current)
            }
        }
    };
}

atomic!(AtomicBool, bool, false);
atomic!(AtomicU64, u64, 0);
atomic!(AtomicUsize, usize, 0);
counter!(AtomicU64, u64);
counter!(AtomicUsize, usize);

/// The order of the accesses in `loom`. Fails if the source asks for less than `SeqCst`.
fn sequential(order: Ordering) -> Ordering {
    assert_eq!(order, Ordering::SeqCst, "the models hold for SeqCst alone");
    Ordering::AcqRel
}
