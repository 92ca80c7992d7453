//! The bounded hand-over from callers to the worker.
//!
//! The channel itself has no bound: the bound is a budget of records and bytes, which everything holds that is waiting,
//! in a batch or in flight, so that a client at rest costs no memory for what it might hold. Callers never wait here
//! unless [`Overflow::Block`] asks for it, and say when the worker has to be woken.

use std::sync::{
    Condvar, Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use crossbeam_channel::{Receiver, SendError, Sender, unbounded};

use crate::record::Encoded;

/// What [`track`](crate::Trubrics::track) does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Drops the new record and counts it as [`DropReason::QueueFull`](crate::DropReason::QueueFull).
    #[default]
    DropNewest,
    /// Waits until there is room, however long that takes: for imports, where losing is worse than waiting.
    /// A hook that runs on the worker never waits, for it would wait for itself: there the record is dropped.
    Block,
}

/// Bounds of the queue, and how much of it makes the worker send at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) trigger_records: usize,
    pub(crate) trigger_bytes: usize,
}

/// Set in `accepted` once the door is shut. Counting and asking are then one step, and none slips in between.
const CLOSED: u64 = 1 << 63;

pub(crate) struct Queue {
    limits: Limits,
    sender: Sender<Encoded>,
    /// Records let in, ever, and the [`CLOSED`] bit.
    accepted: AtomicU64,
    /// Records that the worker has taken out, ever.
    taken: AtomicU64,
    /// The budget in use: waiting, in a batch or in flight.
    records: AtomicUsize,
    bytes: AtomicUsize,
    /// Callers that wait for room.
    blocked: AtomicUsize,
    gate: Mutex<()>,
    room: Condvar,
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
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            gate: Mutex::new(()),
            room: Condvar::new(),
        };
        (queue, receiver)
    }

    /// Puts a record in; says whether the worker must be woken for it.
    pub(crate) fn push(&self, record: Encoded) -> Result<bool, Refused> {
        let size = record.json.len();
        let Some(bytes_before) = self.reserve(size) else {
            return Err(Refused::Full(record));
        };
        // It is counted before it is sent: the worker that sees the count knows that a record is on its way, and the
        // caller that sees what was taken before knows whether the worker may be asleep. Both are sequentially
        // consistent, so never do both miss the other.
        let before = self.accepted.fetch_add(1, SeqCst);
        if before & CLOSED != 0 {
            self.accepted.fetch_sub(1, SeqCst);
            self.release(1, size);
            return Err(Refused::Closed(record));
        }
        let waiting_before = before.saturating_sub(self.taken.load(SeqCst));
        if let Err(SendError(record)) = self.sender.send(record) {
            // Only a worker that failed lets go of the receiver before the door is shut.
            self.accepted.fetch_sub(1, SeqCst);
            self.release(1, size);
            return Err(Refused::Closed(record));
        }
        let trigger = self.limits.trigger_bytes;
        Ok(waiting_before == 0
            || waiting_before + 1 == self.limits.trigger_records as u64
            || bytes_before / trigger != (bytes_before + size) / trigger)
    }

    /// Waits until a push may succeed, or the door is shut. `wake` is called before the wait: what fills the queue may
    /// be too little to have woken the worker.
    pub(crate) fn wait_for_room(&self, size: usize, wake: impl Fn()) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.blocked.fetch_add(1, SeqCst);
        wake();
        while !self.is_closed() && !self.has_room(size) {
            gate = self.room.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        self.blocked.fetch_sub(1, SeqCst);
    }

    /// Gives back the budget of records that came to their end.
    pub(crate) fn release(&self, records: usize, bytes: usize) {
        self.bytes.fetch_sub(bytes, SeqCst);
        self.records.fetch_sub(records, SeqCst);
        if self.has_blocked() {
            self.notify_blocked();
        }
    }

    /// Shuts the door; says how many were let in, if it was this call that shut it.
    pub(crate) fn close(&self) -> Option<u64> {
        let before = self.accepted.fetch_or(CLOSED, SeqCst);
        self.notify_blocked();
        (before & CLOSED == 0).then_some(before)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.accepted.load(SeqCst) & CLOSED != 0
    }

    pub(crate) fn is_full(&self) -> bool {
        !self.has_room(0)
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.limits.bytes
    }

    /// Records let in, ever.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(SeqCst) & !CLOSED
    }

    /// Records that hold budget.
    pub(crate) fn pending(&self) -> u64 {
        self.records.load(SeqCst) as u64
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }

    pub(crate) fn has_blocked(&self) -> bool {
        self.blocked.load(SeqCst) > 0
    }

    /// The worker has taken so many out, ever; says how many are waiting or on their way.
    pub(crate) fn set_taken(&self, taken: u64) -> u64 {
        self.taken.store(taken, SeqCst);
        self.accepted().saturating_sub(taken)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes budget for one record; says how many bytes were in use before.
    fn reserve(&self, size: usize) -> Option<usize> {
        if self.records.fetch_add(1, SeqCst) < self.limits.records {
            let before = self.bytes.fetch_add(size, SeqCst);
            if before + size <= self.limits.bytes {
                return Some(before);
            }
            self.bytes.fetch_sub(size, SeqCst);
        }
        self.records.fetch_sub(1, SeqCst);
        None
    }

    fn has_room(&self, size: usize) -> bool {
        self.records.load(SeqCst) < self.limits.records
            && self.bytes.load(SeqCst) + size <= self.limits.bytes
    }

    fn notify_blocked(&self) {
        // Whoever is about to wait holds the gate: behind it, he is waiting and hears this.
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.room.notify_all();
    }
}
