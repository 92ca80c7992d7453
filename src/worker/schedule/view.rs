//! What the schedule decides by, and what it decides.

use std::time::Instant;

/// Where the records are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// In the channel or on their way into it.
    pub(crate) waiting: u64,
    pub(crate) waiting_bytes: usize,
    /// Callers wait for room in the queue.
    pub(crate) blocked: bool,
    /// The worker holds records to send, apart from those in flight.
    pub(crate) batched: bool,
    /// All of these wait for delays of their own until then. None if one may be sent as soon as the host may be.
    pub(crate) resting_until: Option<Instant>,
    pub(crate) in_flight: bool,
    /// One more request may be in flight.
    pub(crate) has_slot: bool,
    /// When the first of the retrying batches has to be given up.
    pub(crate) give_up_at: Option<Instant>,
    /// The records on disk, for a client that has a spool.
    pub(crate) spool: Option<SpoolView>,
}

/// The records on disk that are not batched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpoolView {
    /// This client's records that are being gathered, and their bytes.
    pub(crate) held: u64,
    pub(crate) held_bytes: usize,
    /// This client's records are due: enough were gathered, or a flush was requested.
    pub(crate) is_due: bool,
    /// Other runs left segments.
    pub(crate) has_orphans: bool,
    /// No more records are loaded before loaded ones are settled.
    pub(crate) is_loaded: bool,
    /// Another process delivers: this one loads no record, and scans for none.
    pub(crate) stores_only: bool,
    /// The client holds no record in memory alone: all are safe on disk.
    pub(crate) is_all_on_disk: bool,
    /// When to scan for more of them.
    pub(crate) next_scan: Option<Instant>,
    /// The spool is full and keeps its records: it is offered no more of them before this.
    pub(crate) full_until: Option<Instant>,
    /// When this client's records are due whose file could not be read.
    pub(crate) read_again_at: Option<Instant>,
}

/// The next thing to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Take all records that wait in the channel: they are due.
    Take,
    /// Load the next records from the spool. This client's gathered records are loaded only if they are due.
    Load { is_due: bool },
    /// Scan the spool for segments of other runs.
    ScanSpool,
    /// Attempt a batch.
    Attempt,
    /// Give up the batches whose time has passed, because the server asked for a later attempt.
    GiveUp,
    /// Wait for a control message, at most until then.
    Wait(Option<Instant>),
    /// Drop the remaining records: none can be sent before the client has to be closed.
    Abandon,
    /// No records are left, and none will come.
    End,
}

impl View {
    pub(super) fn is_busy(&self) -> bool {
        self.batched || self.in_flight
    }
}

impl SpoolView {
    /// Whether this client's records are due, however few are gathered.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.is_due || self.read_again_at.is_some_and(|at| at <= now)
    }

    pub(super) fn is_scan_due(&self, now: Instant) -> bool {
        self.next_scan.is_some_and(|next| next <= now)
    }
}
