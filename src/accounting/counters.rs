//! The counters behind [`Stats`], apart from those of the budget.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crate::{drop_reason::DropReason, stats::Stats};

const REASONS: usize = DropReason::ALL.len();

/// What became of records. Only the worker writes most of it, so the counters are off the callers' way.
#[derive(Default)]
pub(super) struct Counters {
    /// Records that were tracked without entering the queue: not accepted, or delivered on the caller's own thread.
    beside_queue: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; REASONS],
    recovered: AtomicU64,
    left_in_spool: AtomicU64,
    /// Records in the spool that this client has yet to settle.
    on_disk: AtomicU64,
}

impl Counters {
    pub(super) fn count_beside_queue(&self, records: u64) {
        self.beside_queue.fetch_add(records, Relaxed);
    }

    pub(super) fn count_delivered(&self, records: u64) {
        self.delivered.fetch_add(records, Relaxed);
    }

    pub(super) fn count_dropped(&self, reason: DropReason, records: u64) {
        self.dropped[reason as usize].fetch_add(records, Relaxed);
    }

    pub(super) fn count_recovered(&self, records: u64) {
        self.recovered.fetch_add(records, Relaxed);
    }

    pub(super) fn count_left_in_spool(&self, records: u64) {
        self.left_in_spool.fetch_add(records, Relaxed);
    }

    pub(super) fn add_on_disk(&self, records: u64) {
        self.on_disk.fetch_add(records, AcqRel);
    }

    pub(super) fn remove_on_disk(&self, records: u64) {
        self.on_disk.fetch_sub(records, AcqRel);
    }

    pub(super) fn on_disk(&self) -> u64 {
        self.on_disk.load(Acquire)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.iter().map(|count| count.load(Relaxed)).sum()
    }

    pub(super) fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Relaxed)
    }

    pub(super) fn stats(&self, accepted: u64, pending: u64) -> Stats {
        let reasons = self.dropped.each_ref().map(|count| count.load(Relaxed));
        Stats {
            tracked: accepted + self.beside_queue.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            dropped: reasons.iter().sum(),
            pending,
            recovered: self.recovered.load(Relaxed),
            left_in_spool: self.left_in_spool.load(Relaxed),
            reasons,
        }
    }
}
