//! Whether the client is being closed, by when, and whether this is still its process.

use std::{convert::Infallible, process, sync::PoisonError, time::Instant};

use crate::sync::{
    Mutex, MutexGuard,
    channel::{Receiver, Sender, bounded},
};

pub(crate) struct Lifecycle {
    process_id: u32,
    closing: Mutex<Closing>,
    /// Disconnected when a close begins.
    closed: Receiver<Infallible>,
}

#[derive(Default)]
struct Closing {
    /// The latest deadline of the closes that began before the interrupt.
    by: Option<Instant>,
    is_interrupted: bool,
    /// Dropped when the first close begins.
    open: Option<Sender<Infallible>>,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        let (open, closed) = bounded(0);
        let closing = Closing {
            open: Some(open),
            ..Closing::default()
        };
        Self {
            process_id: process::id(),
            closing: Mutex::new(closing),
            closed,
        }
    }

    /// Whether this process was forked off the one with the worker: no thread here answers.
    pub(crate) fn is_forked(&self) -> bool {
        process::id() != self.process_id
    }

    /// A close begins. Of several deadlines the latest holds, until the transport is interrupted: no attempt can be
    /// made after that. Returns whether the deadline counts.
    pub(crate) fn begin_close(&self, deadline: Instant) -> bool {
        let mut closing = self.closing();
        closing.open = None;
        if !closing.is_interrupted {
            closing.by = closing.by.max(Some(deadline));
        }
        !closing.is_interrupted
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing().by.is_some()
    }

    /// Disconnected when a close begins, for callers that wait for something else at the same time.
    pub(crate) fn closed(&self) -> &Receiver<Infallible> {
        &self.closed
    }

    /// Whether no close has a later deadline.
    pub(crate) fn is_latest(&self, deadline: Instant) -> bool {
        self.closing().is_latest(deadline)
    }

    /// The close with this deadline is about to interrupt the transport. Returns whether it may: no close has a later
    /// deadline.
    pub(crate) fn begin_interrupt(&self, deadline: Instant) -> bool {
        let mut closing = self.closing();
        closing.is_interrupted |= closing.is_latest(deadline);
        closing.is_interrupted
    }

    /// Runs `code` while the lock is held, as if another thread held it.
    #[cfg(test)]
    pub(crate) fn while_locked(&self, code: impl FnOnce()) {
        let _locked = self.closing();
        code();
    }

    fn closing(&self) -> MutexGuard<'_, Closing> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closing {
    fn is_latest(&self, deadline: Instant) -> bool {
        self.by.is_none_or(|by| by <= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_close_after_the_interrupt_does_not_extend_the_deadline() {
        let (lifecycle, now) = (Lifecycle::new(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert!(lifecycle.begin_close(now) && lifecycle.begin_close(later));
        assert!(!lifecycle.begin_interrupt(now), "a later close has time");
        assert!(lifecycle.begin_interrupt(later));
        assert!(!lifecycle.begin_close(later + Duration::from_secs(1)));
        assert!(lifecycle.is_latest(later));
    }

    #[test]
    fn a_client_is_closing_once_a_close_began() {
        let (lifecycle, now) = (Lifecycle::new(), Instant::now());
        assert!(!lifecycle.is_closing() && lifecycle.is_latest(now));
        lifecycle.begin_close(now + Duration::from_secs(1));
        assert!(lifecycle.is_closing() && !lifecycle.is_latest(now));
    }
}
