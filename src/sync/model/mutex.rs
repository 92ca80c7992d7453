//! Locks. A wait with a limit ends only by a notification: no time passes in it.

pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
