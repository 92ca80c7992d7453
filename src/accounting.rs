//! The one owner of what became of each record: the queue's budget, the counters, `on_drop` and the log of drops.
//!
//! Every record that `track` is given ends as delivered, dropped or left in the spool, or is still pending. A record
//! enters by a reservation in the [`Budget`], may move to the disk, and is settled once. The worker holds records as
//! [`Unsettled`], which settles them even when it panics.

mod budget;
mod call;
mod counters;
mod episode;
mod outage;
mod unsettled;

use std::{
    slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU16,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use log::{error, warn};

pub(crate) use self::{
    budget::{Budget, NoBudget, Reservation},
    call::CallOutcomes,
    unsettled::Unsettled,
};
use self::{counters::Counters, episode::Episode, outage::Outage};
use crate::{
    clock,
    drop_reason::DropReason,
    hooks::{self, ClientId, Dropped, OnDrop},
    logging::{TARGET, logging},
    record::Encoded,
    reply::Refusal,
    stats::Stats,
};

pub(crate) struct Accounting {
    client: ClientId,
    budget: Budget,
    counters: Counters,
    on_drop: Option<OnDrop>,
    /// The caller that gets the outcome of each record; then nothing is logged. None for a client.
    call: Option<Arc<CallOutcomes>>,
    drops: Episode,
    /// Records over the limit of their name: an episode of their own, which does not hide a fault.
    rate_limited: Episode,
    /// The status with which the server refuses requests, until something is delivered; 0 if it does not.
    refused_with: AtomicU16,
    outage: Mutex<Outage>,
}

const UNAUTHORIZED: u16 = 401;

/// Whether a status refuses the key.
fn is_key(status: u16) -> bool {
    matches!(status, UNAUTHORIZED | 403)
}

/// How records end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Delivered,
    Dropped(DropReason, Option<Refusal>),
}

impl Accounting {
    pub(crate) fn new(client: ClientId, budget: Budget, on_drop: Option<OnDrop>) -> Self {
        Self {
            client,
            budget,
            counters: Counters::default(),
            on_drop,
            call: None,
            drops: Episode::new(clock::now()),
            rate_limited: Episode::new(clock::now()),
            refused_with: AtomicU16::new(0),
            outage: Mutex::default(),
        }
    }

    /// The accounting of one call, whose records are in no client's queue.
    pub(crate) fn of_call(client: ClientId, call: Arc<CallOutcomes>) -> Self {
        Self {
            call: Some(call),
            ..Self::new(client, Budget::new(usize::MAX, usize::MAX), None)
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether dropped records are shown to `on_drop`.
    pub(crate) fn shows_records(&self) -> bool {
        self.on_drop.is_some()
    }

    /// A tracked record is dropped before it entered the queue. Its JSON is there if it was encoded.
    pub(crate) fn reject(&self, reason: DropReason, record: Option<&Encoded>) {
        self.counters.count_beside_queue(1);
        let records = record.map(slice::from_ref).unwrap_or_default();
        self.drop_records(reason, None, 1, records);
    }

    /// Records were delivered on the caller's own thread, without entering the queue.
    pub(crate) fn deliver_directly(&self, records: u64) {
        self.counters.count_beside_queue(records);
        self.deliver(records);
    }

    /// Records of the queue are on disk, and need no budget there.
    pub(crate) fn move_to_disk(&self, records: usize, bytes: usize) {
        self.counters.add_on_disk(records as u64);
        self.budget.release(records, bytes);
    }

    /// Records that another run left in the spool are this client's to deliver.
    pub(crate) fn recover(&self, records: u64) {
        self.counters.count_recovered(records);
        self.counters.add_on_disk(records);
    }

    /// Records in the spool cannot be read any more, or not be shown.
    pub(crate) fn lose_on_disk(&self, reason: DropReason, records: u64) {
        self.drop_records(reason, None, records, &[]);
        self.counters.remove_on_disk(records);
    }

    /// No record is on disk any more: those that are still counted there were withdrawn.
    pub(crate) fn forget_on_disk(&self) {
        self.lose_on_disk(DropReason::Withdrawn, self.counters.on_disk());
    }

    /// Records stay in the spool for the next run.
    pub(crate) fn leave_in_spool(&self, records: u64) {
        self.counters.count_left_in_spool(records);
        self.counters.remove_on_disk(records);
    }

    /// Records come to their end, and their resources are released: their budget, or their place on disk.
    pub(crate) fn settle(&self, records: &[Encoded], outcome: &Outcome) {
        if let Some(call) = &self.call {
            call.note(records, outcome);
        }
        match outcome {
            Outcome::Delivered => self.deliver(records.len() as u64),
            Outcome::Dropped(reason, refusal) => {
                let count = records.len() as u64;
                self.drop_records(*reason, refusal.as_ref(), count, records);
            }
        }
        let (mut in_memory, mut bytes) = (0, 0);
        for record in records.iter().filter(|record| !record.is_spooled()) {
            in_memory += 1;
            bytes += record.cost();
        }
        self.counters
            .remove_on_disk((records.len() - in_memory) as u64);
        self.budget.release(in_memory, bytes);
    }

    /// An attempt failed for this cause, and may succeed later. An outage is logged once it has lasted a while.
    pub(crate) fn attempt_failed(&self, cause: &str) {
        let lasted = self.outage().failed(clock::now(), cause.to_owned());
        if let Some(lasted) = lasted {
            let (seconds, pending) = (lasted.as_secs(), self.pending());
            self.log(
                || warn!(target: TARGET, "nothing was delivered for {seconds} s ({cause}); records waiting: {pending}"),
            );
        }
    }

    /// An attempt succeeded. The end of an outage that was logged is logged too.
    pub(crate) fn attempt_succeeded(&self) {
        let lasted = self.outage().succeeded(clock::now());
        if let Some(lasted) = lasted {
            let (seconds, pending) = (lasted.as_secs(), self.pending());
            self.log(
                || warn!(target: TARGET, "records are delivered again after {seconds} s; records waiting: {pending}"),
            );
        }
    }

    /// The server refuses requests, and their records stay in the spool. Logged once until something is delivered, or
    /// the server refuses the key instead.
    pub(crate) fn request_refused(&self, refusal: &Refusal) {
        let status = refusal.status;
        if self.is_new_refusal(status) {
            let what = match is_key(status) {
                true => "the API key",
                false => "requests",
            };
            self.log(
                || error!(target: TARGET, "the server refuses {what} (status {status}): records wait in the spool"),
            );
        }
    }

    /// Notes that the server refuses requests with this status. Returns whether that is to be logged: it did not refuse
    /// any since the last delivery, or now refuses the key and did not before, or the other way round.
    fn is_new_refusal(&self, status: u16) -> bool {
        let before = self.refused_with.swap(status, SeqCst);
        before == 0 || is_key(before) != is_key(status)
    }

    /// The client has ended, and an episode of drops ends with it. Records that are still counted on disk have their
    /// files, although the worker does not know them any more.
    pub(crate) fn end(&self) {
        self.leave_in_spool(self.counters.on_disk());
        self.log_totals(self.drops.end(), self.rate_limited.end());
    }

    /// Whether the server refused the key, and nothing was delivered since.
    pub(crate) fn is_key_refused(&self) -> bool {
        is_key(self.refused_with.load(Relaxed))
    }

    /// Records that wait for delivery or are in flight, in memory or on disk.
    pub(crate) fn pending(&self) -> u64 {
        self.in_memory() + self.in_spool()
    }

    /// Those of the pending records that are in memory alone.
    pub(crate) fn in_memory(&self) -> u64 {
        self.budget.records()
    }

    /// Those of the pending records that are on disk.
    pub(crate) fn in_spool(&self) -> u64 {
        self.counters.on_disk()
    }

    /// Records that were dropped, without those outside the sample: the program wants these left out.
    pub(crate) fn dropped(&self) -> u64 {
        let sampled = self.counters.dropped_for(DropReason::Sampled);
        self.counters.dropped().saturating_sub(sampled)
    }

    /// Records that were dropped neither by the sample nor by the limit of their name.
    fn dropped_by_faults(&self) -> u64 {
        let limited = self.counters.dropped_for(DropReason::RateLimited);
        self.dropped().saturating_sub(limited)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats(self.budget.accepted(), self.pending())
    }

    fn deliver(&self, records: u64) {
        self.counters.count_delivered(records);
        self.refused_with.store(0, Relaxed);
        let now = clock::now();
        self.log_totals(
            self.drops.end_if_quiet(now),
            self.rate_limited.end_if_quiet(now),
        );
    }

    fn drop_records(
        &self,
        reason: DropReason,
        refusal: Option<&Refusal>,
        count: u64,
        records: &[Encoded],
    ) {
        if count == 0 {
            return;
        }
        let now = clock::now();
        let is_first = match reason {
            DropReason::Sampled => false,
            DropReason::RateLimited => {
                let dropped = || self.counters.dropped_for(reason);
                self.rate_limited.add(now, dropped)
            }
            _ => self.drops.add(now, || self.dropped_by_faults()),
        };
        self.counters.count_dropped(reason, count);
        self.log_drop(reason, refusal, is_first);
        if let Some(hook) = &self.on_drop {
            let dropped = Dropped {
                reason,
                refusal,
                count: usize::try_from(count).unwrap_or(usize::MAX),
                records,
            };
            hooks::on_drop(self.client, hook, &dropped);
        }
    }

    /// Logs the first drop of an episode, and a refused key once until something is delivered.
    fn log_drop(&self, reason: DropReason, refusal: Option<&Refusal>, is_first: bool) {
        if reason != DropReason::Unauthorized {
            if is_first {
                let cause = self.cause_of(reason, refusal);
                self.log(|| warn!(target: TARGET, "dropping records: {reason}{cause}"));
            }
        } else if self.is_new_refusal(refusal.map_or(UNAUTHORIZED, |refusal| refusal.status)) {
            let cause = self.cause_of(reason, refusal);
            self.log(
                || error!(target: TARGET, "the server refuses the API key{cause}: records are dropped"),
            );
        }
    }

    /// The status of the server, or why the last attempt failed if that is why records are dropped.
    fn cause_of(&self, reason: DropReason, refusal: Option<&Refusal>) -> String {
        let is_undelivered = matches!(
            reason,
            DropReason::GaveUp | DropReason::CloseTimeout | DropReason::Expired
        );
        match (refusal, self.outage().cause()) {
            (Some(refusal), _) => format!(" (status {})", refusal.status),
            (None, Some(cause)) if is_undelivered => format!(" ({cause})"),
            (None, _) => String::new(),
        }
    }

    /// Logs, for a client.
    fn log(&self, write: impl FnOnce()) {
        if self.call.is_none() {
            logging(write);
        }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs the total of each episode that ended, given how many records had been dropped before it.
    fn log_totals(&self, before: Option<u64>, rate_limited_before: Option<u64>) {
        if let Some(before) = before {
            let total = self.dropped_by_faults().saturating_sub(before);
            self.log(|| warn!(target: TARGET, "records dropped in all: {total}"));
        }
        if let Some(before) = rate_limited_before {
            let total = self.counters.dropped_for(DropReason::RateLimited);
            let total = total.saturating_sub(before);
            self.log(|| warn!(target: TARGET, "records dropped by at_most in all: {total}"));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
