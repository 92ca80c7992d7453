//! The control channel: what callers and sender threads say to the worker, and how they wake it no more often than
//! needed.

use std::{io, mem, sync::PoisonError, time::Instant};

use crate::{
    reply::Verdict,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::SeqCst},
        channel::{Receiver, Sender, bounded},
    },
};

/// A message to the worker.
pub(crate) enum Control {
    /// Look at the queue, and at the flags and flush requests of the [`WorkerHandle`].
    Wake,
    /// The queue is closed: deliver the remaining records, and end by this deadline.
    Close { deadline: Instant },
    /// A request that a sender thread made has ended.
    Completed(Completed),
    /// The consent was withdrawn: forget all records, and answer.
    Withdraw(Sender<io::Result<()>>),
    /// Grant the consent, unless it was withdrawn again after this many withdrawals, and answer.
    Grant {
        withdrawals: u64,
        done: Sender<io::Result<()>>,
    },
}

/// The result of a request, with the buffer of its body.
pub(crate) struct Completed {
    /// The place of its batch among those in flight.
    pub(crate) slot: usize,
    pub(crate) verdict: Verdict,
    pub(crate) body: Vec<u8>,
}

/// A caller that waits for the delivery of all records that were tracked before.
pub(crate) struct FlushRequest {
    number: u64,
    pub(crate) deadline: Instant,
    /// Answers the caller. Dropped without an answer when the worker ends.
    pub(crate) done: Sender<()>,
}

/// The flush requests that the worker has not seen yet.
#[derive(Default)]
struct FlushRequests {
    unseen: Vec<FlushRequest>,
    /// The number of the next request.
    next: u64,
    has_ended: bool,
}

/// The other threads' end of the control channel.
pub(crate) struct WorkerHandle {
    control: Sender<Control>,
    /// A wake-up is on its way: another one would add nothing.
    is_waking: AtomicBool,
    /// A caller wants all records to be sent, but does not wait for it.
    is_flush_requested: AtomicBool,
    flushes: Mutex<FlushRequests>,
}

impl WorkerHandle {
    pub(crate) fn new(control: Sender<Control>) -> Self {
        Self {
            control,
            is_waking: AtomicBool::new(false),
            is_flush_requested: AtomicBool::new(false),
            flushes: Mutex::default(),
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

    /// Has the worker send all records now, and waits until they are settled, or the worker ends. Returns whether they
    /// were settled by the deadline. A caller whose time is over takes its request back, so that requests do not pile
    /// up while the worker is busy.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let Some((number, settled)) = self.begin_flush(deadline) else {
            return false;
        };
        let is_settled = settled.recv_deadline(deadline).is_ok();
        if !is_settled {
            self.flushes()
                .unseen
                .retain(|request| request.number != number);
        }
        is_settled
    }

    /// Has the worker send all records now. Returns the number of the request, and the end at which its answer arrives;
    /// none if the worker has ended.
    pub(crate) fn begin_flush(&self, deadline: Instant) -> Option<(u64, Receiver<()>)> {
        let (done, settled) = bounded(1);
        let number = self.flushes().add(deadline, done)?;
        self.request_flush();
        Some((number, settled))
    }

    /// Clears the wake flag, and takes the flush requests; None if no flush was requested. The worker calls it *before*
    /// it reads the queue, so a concurrent wake-up is never lost.
    pub(crate) fn take_flush_requests(&self) -> Option<Vec<FlushRequest>> {
        self.is_waking.store(false, SeqCst);
        let is_requested = self.is_flush_requested.swap(false, SeqCst);
        // A caller adds its request before it sets the flag.
        let requests = mem::take(&mut self.flushes().unseen);
        (is_requested || !requests.is_empty()).then_some(requests)
    }

    /// The worker has ended: no flush waits any more.
    pub(crate) fn end_flushes(&self) {
        let mut flushes = self.flushes();
        flushes.has_ended = true;
        flushes.unseen.clear();
    }

    fn flushes(&self) -> MutexGuard<'_, FlushRequests> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message. A worker that has ended needs none.
    pub(crate) fn send(&self, control: Control) {
        let _ = self.control.send(control);
    }
}

impl FlushRequests {
    /// Adds a request and returns its number. None if the worker has ended.
    fn add(&mut self, deadline: Instant, done: Sender<()>) -> Option<u64> {
        if self.has_ended {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.unseen.push(FlushRequest {
            number,
            deadline,
            done,
        });
        Some(number)
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::sync::channel::unbounded;

    #[test]
    fn flushes_beside_a_busy_worker_do_not_pile_up() {
        let (control, messages) = unbounded();
        let handle = WorkerHandle::new(control);
        for _ in 0..100 {
            assert!(!handle.flush(Instant::now() + Duration::from_nanos(1)));
        }
        assert_eq!(messages.len(), 1);
        assert_eq!(handle.flushes().unseen.len(), 0);
    }

    #[test]
    fn a_flush_for_which_no_caller_waits_is_taken_once() {
        let (control, _messages) = unbounded();
        let handle = WorkerHandle::new(control);
        assert!(handle.take_flush_requests().is_none());
        handle.request_flush();
        let requests = handle.take_flush_requests().expect("a flush");
        assert_eq!(requests.len(), 0);
        assert!(handle.take_flush_requests().is_none());
    }

    #[test]
    fn no_flush_waits_for_a_worker_that_has_ended() {
        let (control, _messages) = unbounded();
        let handle = WorkerHandle::new(control);
        handle.end_flushes();
        assert!(!handle.flush(Instant::now() + Duration::from_secs(3_600)));
    }

    #[test]
    fn a_flush_whose_time_is_over_takes_back_its_own_request_alone() {
        let (control, _messages) = unbounded();
        let handle = WorkerHandle::new(control);
        let later = Instant::now() + Duration::from_secs(3_600);
        let waiting = handle.begin_flush(later);
        assert!(!handle.flush(Instant::now()));
        let unseen = handle.take_flush_requests().expect("one");
        assert_eq!(unseen.len(), 1);
        assert_eq!(unseen[0].deadline, later);
        assert!(waiting.is_some() && handle.take_flush_requests().is_none());
    }
}
