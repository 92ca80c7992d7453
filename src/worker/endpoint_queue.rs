//! The records of one endpoint between the channel and their outcome, in their order.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::ages::Ages;
use crate::{
    accounting::{Accounting, Unsettled},
    batch::{Batch, BatchLimits, batch_length},
    record::Encoded,
};

pub(super) struct EndpointQueue {
    waiting: Unsettled,
    /// Batches that were attempted, and have to be attempted again; oldest first.
    retrying: VecDeque<Batch>,
    /// How many records came in, ever.
    received: u64,
    /// The starts of the batches that are not done, retrying or in flight.
    unsettled: Vec<u64>,
    ages: Ages,
}

/// Which batch is attempted next.
#[derive(Clone, Copy)]
pub(super) enum Next {
    Retrying(usize),
    New,
}

/// A queue that grew beyond this in a burst is given back when it is empty.
const MAX_KEPT_CAPACITY: usize = 1024;

impl EndpointQueue {
    pub(super) fn new(accounting: Arc<Accounting>) -> Self {
        Self {
            waiting: Unsettled::new(accounting),
            retrying: VecDeque::new(),
            received: 0,
            unsettled: Vec::new(),
            ages: Ages::default(),
        }
    }

    pub(super) fn push(&mut self, record: Encoded) {
        self.received += 1;
        self.waiting.push(record);
    }

    /// Notes that the records that were pushed since the last call arrived since then.
    pub(super) fn note_arrival(&mut self, since: Instant) {
        self.ages.note(self.received, since);
    }

    /// Since when the oldest record may have waited, if there is one.
    pub(super) fn oldest(&mut self) -> Option<Instant> {
        self.ages.oldest(self.settled())
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether there is a batch to attempt, apart from those in flight.
    pub(super) fn has_work(&self) -> bool {
        !self.retrying.is_empty() || !self.waiting.is_empty()
    }

    /// Whether records wait for a new batch.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether all that is in hand has failed twice or more.
    pub(super) fn is_failing(&self) -> bool {
        self.waiting.is_empty()
            && self
                .retrying
                .iter()
                .all(|batch| batch.failures.rank(true) > 0)
    }

    /// Whether fewer records wait than a new batch may have.
    pub(super) fn has_room(&self, limits: BatchLimits) -> bool {
        self.waiting.len() < limits.records
    }

    /// When the first batch is due, if none is yet.
    pub(super) fn resting_until(&self, now: Instant) -> Option<Instant> {
        let due = |batch: &Batch| batch.failures.retry_at().filter(|at| *at > now);
        match self.waiting.is_empty() {
            true => self.retrying.iter().map(due).min().flatten(),
            false => None,
        }
    }

    /// The batch to attempt next: one whose last attempt is due, or else the oldest that is due of those with the
    /// lowest rank. A new one has not failed. `is_failing` says whether the last request to the endpoint failed.
    pub(super) fn next(
        &self,
        now: Instant,
        is_failing: bool,
        give_up_at: impl Fn(&Batch) -> Option<Instant>,
    ) -> Option<Next> {
        let is_last_chance = |batch| give_up_at(batch).is_some_and(|at| at <= now);
        if let Some(index) = self.retrying.iter().position(is_last_chance) {
            return Some(Next::Retrying(index));
        }
        let retrying = self.retrying.iter().enumerate();
        let is_due = |batch: &Batch| batch.failures.retry_at().is_none_or(|at| at <= now);
        let best = retrying
            .filter(|(_, batch)| is_due(batch))
            .map(|(index, batch)| (batch.failures.rank(is_failing), index))
            .min();
        match best {
            Some((rank, index)) if rank == 0 || self.waiting.is_empty() => {
                Some(Next::Retrying(index))
            }
            _ => (!self.waiting.is_empty()).then_some(Next::New),
        }
    }

    /// Takes a batch for an attempt that begins now.
    pub(super) fn take(&mut self, next: Next, limits: BatchLimits, now: Instant) -> Option<Batch> {
        match next {
            Next::Retrying(index) => {
                let mut batch = self.retrying.remove(index)?;
                batch.began = now;
                Some(batch)
            }
            Next::New => self.take_new(limits, now),
        }
    }

    fn take_new(&mut self, mut limits: BatchLimits, now: Instant) -> Option<Batch> {
        // Records on disk outlive an outage, and must not be given up together with others.
        let first = self.waiting.first()?;
        let (endpoint, is_on_disk) = (first.endpoint, first.is_spooled());
        let alike = self.waiting.iter().take(limits.records);
        limits.records = alike
            .take_while(|record| (record.is_spooled()) == is_on_disk)
            .count();
        let start = self.received - self.waiting.len() as u64;
        let length = batch_length(self.waiting.iter(), limits);
        let records = self.waiting.take_first(length);
        self.unsettled.push(start);
        self.waiting.shrink_to(MAX_KEPT_CAPACITY);
        Some(Batch::new(endpoint, start, records, now))
    }

    /// The batches that were attempted, and have to be attempted again.
    pub(super) fn retrying(&self) -> impl Iterator<Item = &Batch> {
        self.retrying.iter()
    }

    /// The same, for the spool to note where it moved their records.
    pub(super) fn retrying_mut(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.retrying.iter_mut()
    }

    /// Takes one of [`retrying`](Self::retrying).
    pub(super) fn take_retrying(&mut self, index: usize) -> Option<Batch> {
        self.retrying.remove(index)
    }

    /// Takes a batch back after an attempt, to go on with it or to note its end.
    pub(super) fn put_back(&mut self, batch: Batch) {
        if batch.front().is_some() {
            let place = self
                .retrying
                .partition_point(|retrying| retrying.start < batch.start);
            self.retrying.insert(place, batch);
        } else if let Some(index) = self
            .unsettled
            .iter()
            .position(|start| *start == batch.start)
        {
            self.unsettled.swap_remove(index);
        }
    }

    /// Takes the second half of a batch in, which is not done before it is put back with no record left.
    pub(super) fn add_half(&mut self, half: Batch) {
        self.unsettled.push(half.start);
        self.put_back(half);
    }

    /// Has every batch due at once.
    pub(super) fn end_rests(&mut self) {
        for batch in &mut self.retrying {
            batch.failures.set_retry_at(None);
        }
    }

    /// How many records from the first on are settled, counted in whole batches.
    pub(super) fn settled(&self) -> u64 {
        let waiting = self.received - self.waiting.len() as u64;
        self.unsettled.iter().copied().min().unwrap_or(waiting)
    }

    /// Takes all records that are not settled and not in flight.
    pub(super) fn take_all(&mut self) -> Unsettled {
        let mut all = self.waiting.take_first(0);
        for mut batch in self.retrying.drain(..) {
            if let Some(records) = batch.take_all() {
                all.append(records);
            }
        }
        all.append(self.waiting.take());
        self.unsettled.clear();
        all
    }
}

#[cfg(test)]
mod tests;
