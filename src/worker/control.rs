//! What callers say to the worker, and how they wake it no more often than needed.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Instant,
};

use crossbeam_channel::Sender;

use super::dispatcher::SendResult;

/// What callers tell the worker.
pub(crate) enum Control {
    /// Look at the queue.
    Wake,
    /// Deliver what waits now, then answer; no answer, but a closed channel, means that it will not be in time.
    Flush { deadline: Instant, done: Sender<()> },
    /// A close has begun: look at its deadline.
    Close,
    /// A request that another thread made has come to its end.
    Completed(SendResult),
}

/// The callers' end of the control channel.
pub(crate) struct WorkerHandle {
    control: Sender<Control>,
    /// A wake is on its way. More of them would say nothing new.
    waking: AtomicBool,
    /// Somebody wants everything to be sent, but does not wait for it.
    flush_requested: AtomicBool,
}

impl WorkerHandle {
    pub(crate) fn new(control: Sender<Control>) -> Self {
        Self {
            control,
            waking: AtomicBool::new(false),
            flush_requested: AtomicBool::new(false),
        }
    }

    pub(crate) fn wake(&self) {
        if !self.waking.swap(true, SeqCst) {
            self.send(Control::Wake);
        }
    }

    /// The worker has heard of a wake: the next one is news again. It says so before it looks at the queue, so that no
    /// knock is lost. Says whether somebody hurries.
    pub(super) fn take_flags(&self) -> bool {
        self.waking.store(false, SeqCst);
        self.flush_requested.swap(false, SeqCst)
    }

    /// Wants what waits to be sent now. However often this is called, the worker hears it once.
    pub(crate) fn request_flush(&self) {
        self.flush_requested.store(true, SeqCst);
        self.wake();
    }

    /// A worker that is gone has nothing left to do: nobody needs to know.
    pub(crate) fn send(&self, control: Control) {
        let _ = self.control.send(control);
    }
}
