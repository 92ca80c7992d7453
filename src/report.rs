//! The one place where the end of a record is written down: counted, told to `on_drop`, and logged once per episode.

mod episode;

use std::{
    sync::atomic::{
        AtomicBool,
        Ordering::{Relaxed, SeqCst},
    },
    time::Instant,
};

use log::{error, warn};

use self::episode::Episode;
use crate::{
    catch_panic::catch_panic,
    hooks::{self, ClientId, Dropped, OnDrop},
    record::Encoded,
    reply::Refusal,
    stats::{Counters, DropReason},
};

/// Target of all log lines.
pub(crate) const TARGET: &str = "trubrics";

/// Runs a log statement. The logger is the program's own code: its panic must cost neither a record nor a caller.
pub(crate) fn logging(statement: impl FnOnce()) {
    let _ = catch_panic(statement);
}

pub(crate) struct Report {
    client: ClientId,
    counters: Counters,
    on_drop: Option<OnDrop>,
    drops: Episode,
    key_refused: AtomicBool,
}

impl Report {
    pub(crate) fn new(client: ClientId, on_drop: Option<OnDrop>) -> Self {
        Self {
            client,
            counters: Counters::default(),
            on_drop,
            drops: Episode::new(Instant::now()),
            key_refused: AtomicBool::new(false),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether somebody wants to see the records that are dropped.
    pub(crate) fn shows_records(&self) -> bool {
        self.on_drop.is_some()
    }

    pub(crate) fn delivered(&self, records: usize) {
        self.counters.count_delivered(records as u64);
        self.key_refused.store(false, Relaxed);
        self.log_total(self.drops.end_if_quiet(Instant::now()));
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

    /// Records that cannot be shown are dropped.
    pub(crate) fn lost(&self, reason: DropReason, records: u64) {
        self.count(
            reason,
            None,
            usize::try_from(records).unwrap_or(usize::MAX),
            &[],
        );
    }

    /// A record is dropped before it came into the queue; its JSON is there if it got so far.
    pub(crate) fn rejected(&self, reason: DropReason, record: Option<&Encoded>) {
        self.counters.count_beside_queue(1);
        self.count(
            reason,
            None,
            1,
            record.map(std::slice::from_ref).unwrap_or_default(),
        );
    }

    /// The client has ended, and with it an episode of drops.
    pub(crate) fn end(&self) {
        self.log_total(self.drops.end());
    }

    fn log_total(&self, dropped_before: Option<u64>) {
        if let Some(before) = dropped_before {
            let total = self.counters.dropped().saturating_sub(before);
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
        let is_first = self.drops.add(Instant::now(), || self.counters.dropped());
        self.counters.count_dropped(reason, count as u64);
        if is_first && reason != DropReason::Unauthorized {
            let status = refusal
                .map(|refusal| format!(" (status {})", refusal.status))
                .unwrap_or_default();
            logging(|| warn!(target: TARGET, "dropping records: {reason}{status}"));
        }
        if reason == DropReason::Unauthorized && !self.key_refused.swap(true, SeqCst) {
            let status = refusal.map(|refusal| refusal.status).unwrap_or_default();
            logging(
                || error!(target: TARGET, "the server refuses the API key (status {status}): records are dropped"),
            );
        }
        if let Some(hook) = &self.on_drop {
            let dropped = Dropped {
                reason,
                refusal,
                count,
                records,
            };
            hooks::on_drop(self.client, hook, &dropped);
        }
    }
}
