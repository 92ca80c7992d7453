//! The bounded hand-over from callers to the worker.
//!
//! The channel itself has no bound: the bound is a budget of records and bytes, which everything holds that is waiting,
//! in a batch or in flight, so that a client at rest costs no memory for what it might hold. Callers never wait here
//! unless [`Overflow::Block`] asks for it, and say when the worker has to be woken.

mod budget;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use crossbeam_channel::{Receiver, SendError, Sender, unbounded};

use self::budget::Budget;
use crate::record::{Encoded, RECORD_OVERHEAD};

/// What [`track`](crate::Trubrics::track) does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Drops the new record and counts it as [`DropReason::QueueFull`](crate::DropReason::QueueFull).
    #[default]
    DropNewest,
    /// Waits until there is room, however long that takes: for imports, where losing is worse than waiting. Those who
    /// wait are served in the order in which they came. Inside a hook or a transport nobody waits, for it might be
    /// for himself: there the record is dropped.
    Block,
}

/// Bounds of the queue, and how much of it the worker is woken for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) wake_at_records: usize,
    pub(crate) wake_at_bytes: usize,
    /// So many wake even a worker that will look by itself soon.
    pub(crate) wake_polling_at: usize,
}

/// Set in `accepted` once the door is shut. Counting and asking are then one step, and none slips in between.
const CLOSED: u64 = 1 << 63;

/// Set in `taken` while the worker looks at the queue by itself.
const POLLING: u64 = 1 << 63;

/// No record is smaller: its field names and its timestamp alone take this much.
const MIN_RECORD_BYTES: usize = 64 + RECORD_OVERHEAD;

pub(crate) struct Queue {
    limits: Limits,
    sender: Sender<Encoded>,
    /// Records let in, ever, and the [`CLOSED`] bit.
    accepted: AtomicU64,
    /// Records that the worker has taken out, ever, and the [`POLLING`] bit.
    taken: AtomicU64,
    /// The bytes of those that have no fate yet.
    batched_bytes: AtomicUsize,
    /// What is waiting, in a batch or in flight.
    budget: Budget,
}

/// Why the queue did not take a record, which it gives back.
pub(crate) enum Refused {
    Full(Encoded),
    Closed(Encoded),
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> (Self, Receiver<Encoded>) {
        let (sender, receiver) = unbounded();
        let queue = Self {
            limits,
            sender,
            accepted: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            batched_bytes: AtomicUsize::new(0),
            budget: Budget::new(limits.records, limits.bytes),
        };
        (queue, receiver)
    }

    /// Puts a record in, if there is room; says whether the worker must be woken for it.
    pub(crate) fn push(&self, record: Encoded) -> Result<bool, Refused> {
        if self.is_closed() {
            return Err(Refused::Closed(record));
        }
        match self.budget.reserve(record.cost()) {
            Some(before) => self.enter(record, before),
            None => Err(Refused::Full(record)),
        }
    }

    /// Puts a record in as soon as there is room; refuses it only when the door is shut, or a wait would be `in_vain`.
    /// `wake` is called before a wait.
    pub(crate) fn push_or_wait(
        &self,
        record: Encoded,
        in_vain: impl Fn() -> bool,
        wake: impl Fn(),
    ) -> Result<bool, Refused> {
        let in_vain = || self.is_closed() || in_vain();
        match self.budget.reserve_or_wait(record.cost(), in_vain, wake) {
            Some(before) => self.enter(record, before),
            None => Err(Refused::Closed(record)),
        }
    }

    /// Puts a record in that has its budget.
    fn enter(&self, record: Encoded, bytes_before: usize) -> Result<bool, Refused> {
        let size = record.cost();
        // It is counted before it is sent: the worker that sees the count knows that a record is on its way, and the
        // caller that sees what was taken before knows whether the worker may be asleep. Both are sequentially
        // consistent, so never do both miss the other.
        let before = self.accepted.fetch_add(1, SeqCst);
        if before & CLOSED != 0 {
            self.accepted.fetch_sub(1, SeqCst);
            self.release(1, size);
            return Err(Refused::Closed(record));
        }
        let taken = self.taken.load(SeqCst);
        if let Err(SendError(record)) = self.sender.send(record) {
            // Only a worker that failed lets go of the receiver before the door is shut.
            self.accepted.fetch_sub(1, SeqCst);
            self.release(1, size);
            return Err(Refused::Closed(record));
        }
        let waiting = (before + 1).saturating_sub(taken & !POLLING);
        let batched = self.batched_bytes.load(SeqCst);
        let waits = |bytes: usize| bytes.saturating_sub(batched);
        let trigger = self.limits.wake_at_bytes;
        let fills = waits(bytes_before) < trigger && waits(bytes_before + size) >= trigger;
        let should_wake = if taken & POLLING == 0 {
            waiting <= 1 || waiting == self.limits.wake_at_records as u64
        } else {
            waiting == self.limits.wake_polling_at as u64
        };
        Ok(should_wake || fills)
    }

    /// Gives back the budget of records that came to their end.
    pub(crate) fn release(&self, records: usize, bytes: usize) {
        self.budget.release(records, bytes);
    }

    /// Shuts the door; says how many were let in, if it was this call that shut it.
    pub(crate) fn close(&self) -> Option<u64> {
        let before = self.accepted.fetch_or(CLOSED, SeqCst);
        self.budget.close();
        (before & CLOSED == 0).then_some(before)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.accepted.load(SeqCst) & CLOSED != 0
    }

    /// Whether there is no room for even the smallest record. A queue too small for any is never full, only too small.
    pub(crate) fn is_full(&self) -> bool {
        let least = MIN_RECORD_BYTES.min(self.limits.bytes);
        !self.budget.has_room(least)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Records let in, ever.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(SeqCst) & !CLOSED
    }

    /// Records that hold budget.
    pub(crate) fn pending(&self) -> u64 {
        self.budget.records()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.budget.bytes()
    }

    pub(crate) fn has_blocked(&self) -> bool {
        self.budget.has_blocked()
    }

    /// The worker has taken so many out, ever, of which these bytes have no fate yet, and looks again by itself if it
    /// `is_polling`: then callers need not wake it. Says how many are waiting or on their way.
    pub(crate) fn set_taken(&self, taken: u64, batched_bytes: usize, is_polling: bool) -> u64 {
        let alert = if is_polling { POLLING } else { 0 };
        self.batched_bytes.store(batched_bytes, SeqCst);
        self.taken.store(taken | alert, SeqCst);
        self.accepted().saturating_sub(taken)
    }
}

#[cfg(test)]
mod tests;
