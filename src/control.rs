//! The control channel: what callers and sender threads say to the worker, and how they wake it no more often than needed.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Instant,
};

use crossbeam_channel::Sender;

use crate::reply::Verdict;

/// A message to the worker.
pub(crate) enum Control {
    /// Look at the queue and at the flags of the [`WorkerHandle`].
    Wake,
    /// Deliver all records that were tracked before this, then answer. The sender is dropped without an answer when
    /// they will not be settled in time.
    Flush { deadline: Instant, done: Sender<()> },
    /// The queue is closed: deliver what is left, and end by this deadline.
    Close { deadline: Instant },
    /// A request that a sender thread made has ended.
    Completed(SendResult),
}

/// What came of a request, with the buffer of its body.
pub(crate) struct SendResult {
    /// The place of the request among those in flight.
    pub(crate) slot: usize,
    pub(crate) verdict: Verdict,
    pub(crate) body: Vec<u8>,
}

/// The other threads' end of the control channel.
pub(crate) struct WorkerHandle {
    control: Sender<Control>,
    /// A wake-up is on its way: another one would add nothing.
    is_waking: AtomicBool,
    /// A caller wants all records to be sent, but does not wait for it.
    is_flush_requested: AtomicBool,
}

impl WorkerHandle {
    pub(crate) fn new(control: Sender<Control>) -> Self {
        Self {
            control,
            is_waking: AtomicBool::new(false),
            is_flush_requested: AtomicBool::new(false),
        }
    }

    /// Has the worker look at the queue.
    pub(crate) fn wake(&self) {
        if !self.is_waking.swap(true, SeqCst) {
            self.send(Control::Wake);
        }
    }

    /// Has the worker send all records now. However often this is called, the worker gets one message.
    pub(crate) fn request_flush(&self) {
        self.is_flush_requested.store(true, SeqCst);
        self.wake();
    }

    /// Clears the wake flag and returns whether a flush was requested. The worker calls it *before* it reads the queue,
    /// so a concurrent wake-up is never lost.
    pub(crate) fn take_flags(&self) -> bool {
        self.is_waking.store(false, SeqCst);
        self.is_flush_requested.swap(false, SeqCst)
    }

    /// Sends a message. A worker that has ended needs none.
    pub(crate) fn send(&self, control: Control) {
        let _ = self.control.send(control);
    }
}
