//! The one place where the end of a record is written down: counted, told to `on_drop`, and logged once per episode.
//!
//! An episode of drops begins with the first one and ends with the next delivery, or with the client. Between the two
//! the log stays quiet: a full queue would otherwise write a line for every call.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

use log::{error, warn};

use crate::{
    delivery::reply::Refusal,
    hooks::{self, Dropped, OnDrop},
    record::Encoded,
    stats::{Books, DropReason},
};

/// Target of all log lines.
pub(crate) const TARGET: &str = "trubrics";

/// Runs a log statement. The logger is the program's own code: its panic must cost neither a record nor a caller.
pub(crate) fn logging(statement: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(statement));
}

pub(crate) struct Report {
    books: Books,
    on_drop: Option<OnDrop>,
    dropping: AtomicBool,
    /// How many were dropped before the episode.
    dropped_before: AtomicU64,
    key_refused: AtomicBool,
}

impl Report {
    pub(crate) fn new(on_drop: Option<OnDrop>) -> Self {
        Self {
            books: Books::default(),
            on_drop,
            dropping: AtomicBool::new(false),
            dropped_before: AtomicU64::new(0),
            key_refused: AtomicBool::new(false),
        }
    }

    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Whether somebody wants to see the records that are dropped.
    pub(crate) fn shows_records(&self) -> bool {
        self.on_drop.is_some()
    }

    pub(crate) fn delivered(&self, records: usize) {
        self.books.count_delivered(records as u64);
        self.key_refused.store(false, Relaxed);
        self.end_episode();
    }

    /// Records that were in the queue are dropped.
    pub(crate) fn dropped(
        &self,
        reason: DropReason,
        refusal: Option<&Refusal>,
        records: &[Encoded],
    ) {
        self.count(reason, refusal, records.len(), records);
    }

    /// A record is dropped before it came into the queue; its JSON is there if it got so far.
    pub(crate) fn turned_away(&self, reason: DropReason, record: Option<&Encoded>) {
        self.books.count_beside_queue(1);
        self.count(
            reason,
            None,
            1,
            record.map(std::slice::from_ref).unwrap_or_default(),
        );
    }

    /// Logs how many were dropped, if any were since the last delivery.
    pub(crate) fn end_episode(&self) {
        if self.dropping.load(Relaxed) && self.dropping.swap(false, SeqCst) {
            let total = self.books.dropped() - self.dropped_before.load(SeqCst);
            logging(|| warn!(target: TARGET, "records dropped in all: {total}"));
        }
    }

    fn count(
        &self,
        reason: DropReason,
        refusal: Option<&Refusal>,
        count: usize,
        records: &[Encoded],
    ) {
        if count == 0 {
            return;
        }
        let before = self.books.dropped();
        self.books.count_dropped(reason, count as u64);
        if !self.dropping.load(Relaxed) && !self.dropping.swap(true, SeqCst) {
            self.dropped_before.store(before, SeqCst);
            if reason != DropReason::Unauthorized {
                logging(|| warn!(target: TARGET, "dropping records: {reason}"));
            }
        }
        if reason == DropReason::Unauthorized && !self.key_refused.swap(true, SeqCst) {
            let status = refusal.map(|refusal| refusal.status).unwrap_or_default();
            logging(
                || error!(target: TARGET, "the server refuses the API key (status {status}): records are dropped"),
            );
        }
        if let Some(hook) = &self.on_drop {
            hooks::on_drop(
                hook,
                &Dropped {
                    reason,
                    refusal,
                    count,
                    records,
                },
            );
        }
    }
}
