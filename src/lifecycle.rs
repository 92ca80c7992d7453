//! Whether the client is being closed, by when, and whether this is still its process.

use std::{
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

pub(crate) struct Lifecycle {
    process_id: u32,
    /// The latest deadline of all closes.
    close_by: Mutex<Option<Instant>>,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            process_id: process::id(),
            close_by: Mutex::new(None),
        }
    }

    /// Whether this process was forked off the one with the worker: no thread here answers.
    pub(crate) fn is_forked(&self) -> bool {
        process::id() != self.process_id
    }

    /// A close begins; of several deadlines, the latest holds.
    pub(crate) fn begin_close(&self, deadline: Instant) {
        let mut close_by = self.close_by();
        *close_by = close_by.max(Some(deadline));
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.close_by().is_some()
    }

    /// Whether no close has a later deadline.
    pub(crate) fn is_latest(&self, deadline: Instant) -> bool {
        self.close_by().is_none_or(|close_by| close_by <= deadline)
    }

    /// Runs `code` while the lock is held, as if another thread held it.
    #[cfg(test)]
    pub(crate) fn while_locked(&self, code: impl FnOnce()) {
        let _locked = self.close_by();
        code();
    }

    fn close_by(&self) -> MutexGuard<'_, Option<Instant>> {
        self.close_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
