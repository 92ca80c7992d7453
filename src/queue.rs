//! The bounded hand-over from callers to the worker.
//!
//! The channel itself has no bound. The bound is a [`Budget`] of records and bytes, held by every record that waits, is
//! in a batch or is in flight, so an idle client costs no memory for records it might hold. Callers never wait here
//! unless [`Overflow::Block`] asks for it, and learn whether the worker has to be woken.

use std::sync::Arc;

use crate::{
    accounting::{Accounting, Budget, NoBudget, Reservation},
    record::{Encoded, RECORD_OVERHEAD},
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
        channel::{Receiver, SendError, Sender, unbounded},
    },
};

/// What [`track`](crate::Trubrics::track) does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Drops the new record and counts it as [`DropReason::QueueFull`](crate::DropReason::QueueFull).
    #[default]
    DropNewest,
    /// Waits until there is room, however long that takes: for imports, where waiting is better than losing records.
    /// Callers that wait are served in the order in which they came. Calls from inside a hook or a transport never
    /// wait, because they could wait for themselves; there the record is dropped.
    Block,
}

/// When the worker is woken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WakeLimits {
    /// This many records wake a sleeping worker.
    pub(crate) records: usize,
    /// This many bytes wake the worker.
    pub(crate) bytes: usize,
    /// This many records wake even a worker that polls.
    pub(crate) records_while_polling: usize,
}

/// Set in `taken` while the worker polls the queue.
const POLLING: u64 = 1 << 63;

/// No record is smaller: its field names and its timestamp alone take this much.
const MIN_RECORD_BYTES: usize = 64 + RECORD_OVERHEAD;

pub(crate) struct Queue {
    wake_limits: WakeLimits,
    max_bytes: usize,
    sender: Sender<Encoded>,
    accounting: Arc<Accounting>,
    /// Records that the worker has taken out, ever, and the [`POLLING`] bit.
    taken: AtomicU64,
    /// The bytes of the records in memory that the worker has taken out and not settled.
    batched_bytes: AtomicUsize,
}

/// Why the queue did not take a record, which it gives back.
pub(crate) enum Rejected {
    Full(Encoded),
    /// The consent was withdrawn, or is undecided and no record waits for it.
    Paused,
    Closed(Encoded),
}

/// Whether the worker has to be woken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wake {
    Needed,
    NotNeeded,
}

impl Queue {
    pub(crate) fn new(
        wake_limits: WakeLimits,
        max_bytes: usize,
        accounting: Arc<Accounting>,
    ) -> (Self, Receiver<Encoded>) {
        let (sender, receiver) = unbounded();
        let queue = Self {
            wake_limits,
            max_bytes,
            sender,
            accounting,
            taken: AtomicU64::new(0),
            batched_bytes: AtomicUsize::new(0),
        };
        (queue, receiver)
    }

    /// Puts a record in, if there is room.
    pub(crate) fn push(&self, record: Encoded) -> Result<Wake, Rejected> {
        match self.budget().reserve(record.cost()) {
            Ok(reservation) => self.send(record, reservation),
            Err(NoBudget::Full) => Err(Rejected::Full(record)),
            Err(NoBudget::Paused) => Err(Rejected::Paused),
            Err(NoBudget::Closed) => Err(Rejected::Closed(record)),
        }
    }

    /// Puts a record in as soon as there is room. Refuses it only when the queue is closed or paused, or the wait
    /// `is_cancelled`. `wake` is called before a wait.
    pub(crate) fn push_or_wait(
        &self,
        record: Encoded,
        is_cancelled: impl Fn() -> bool,
        wake: impl Fn(),
    ) -> Result<Wake, Rejected> {
        let budget = self.budget();
        match budget.reserve_or_wait(record.cost(), is_cancelled, wake) {
            Ok(reservation) => self.send(record, reservation),
            Err(NoBudget::Paused) => Err(Rejected::Paused),
            Err(_) => Err(Rejected::Closed(record)),
        }
    }

    /// Sends a record that has its budget.
    fn send(&self, record: Encoded, reservation: Reservation) -> Result<Wake, Rejected> {
        let size = record.cost();
        // The reservation counted the record before it is sent, so a worker that sees the count knows that a record is
        // on its way. The caller reads `taken` after that, so it knows whether the worker may be asleep. Both are
        // sequentially consistent: one of the two always sees the other.
        let taken = self.taken.load(SeqCst);
        if let Err(SendError(record)) = self.sender.send(record) {
            // Only a worker that failed drops the receiver before the queue is closed.
            self.budget().undo(size);
            return Err(Rejected::Closed(record));
        }
        let waiting = Budget::distance(reservation.ticket + 1, taken & !POLLING);
        let limits = self.wake_limits;
        let is_due = if taken & POLLING == 0 {
            waiting <= 1 || waiting == limits.records as u64
        } else {
            waiting == limits.records_while_polling as u64
        };
        if is_due || self.fills_a_batch(reservation.bytes_before, size) {
            Ok(Wake::Needed)
        } else {
            Ok(Wake::NotNeeded)
        }
    }

    /// Whether the bytes that wait reach the limit with this record, and not before it.
    fn fills_a_batch(&self, bytes_before: usize, size: usize) -> bool {
        let batched = self.batched_bytes.load(SeqCst);
        let before = bytes_before.saturating_sub(batched);
        let after = (bytes_before + size).saturating_sub(batched);
        before < self.wake_limits.bytes && after >= self.wake_limits.bytes
    }

    /// Refuses records from here on.
    pub(crate) fn close(&self) {
        self.budget().close();
    }

    /// Refuses records until [`resume`](Self::resume): there is no consent for them.
    pub(crate) fn pause(&self) {
        self.budget().pause();
    }

    pub(crate) fn resume(&self) {
        self.budget().resume();
    }

    /// Why every record is refused, if it is.
    pub(crate) fn refusal(&self) -> Option<NoBudget> {
        self.budget().refusal()
    }

    /// Whether there is no room for even the smallest record. A queue that is too small for any record is never full.
    pub(crate) fn is_full(&self) -> bool {
        !self.budget().has_room(MIN_RECORD_BYTES.min(self.max_bytes))
    }

    /// The most bytes that one record may cost.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(crate) fn has_blocked(&self) -> bool {
        self.budget().has_blocked()
    }

    /// The bytes of records that the worker has not taken out.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let batched = self.batched_bytes.load(SeqCst);
        self.budget().bytes().saturating_sub(batched)
    }

    /// Publishes how many records the worker has taken out, ever, how many bytes of them it has not settled, and
    /// whether it polls: then callers need not wake it. Returns how many records wait or are on their way.
    pub(crate) fn set_taken(&self, taken: u64, batched_bytes: usize, is_polling: bool) -> u64 {
        let polling = if is_polling { POLLING } else { 0 };
        self.batched_bytes.store(batched_bytes, SeqCst);
        self.taken.store(taken | polling, SeqCst);
        self.budget().accepted_after(taken)
    }

    fn budget(&self) -> &Budget {
        self.accounting.budget()
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
