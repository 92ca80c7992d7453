//! The records of one endpoint between the channel and their outcome, in their order.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Instant,
};

use super::blame::Failures;
use crate::{
    accounting::{Accounting, Unsettled},
    batch::{
        BatchLimits, batch_length,
        delivery::{Delivery, MAX_FRUITLESS_SPLITS},
        write_body,
    },
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
}

/// A batch on its way.
pub(super) struct Batch {
    /// How many records of its endpoint came before it.
    start: u64,
    pub(super) delivery: Delivery,
    pub(super) failures: Failures,
    /// How many splits in a row passed without an accepted record, of this batch and those that were split from it.
    splits: Arc<AtomicU32>,
}

/// Which batch is attempted next.
#[derive(Clone, Copy)]
pub(super) enum Next {
    Retrying(usize),
    New,
}

impl Batch {
    /// The server answered: the rest of the batch has not failed.
    pub(super) fn note_answer(&mut self, is_accepted: bool) {
        self.failures = Failures::default();
        if is_accepted {
            self.splits.store(0, Relaxed);
        }
    }

    /// Takes the second half off, if there are several records and the splits are not used up.
    pub(super) fn split(&mut self) -> Option<Self> {
        if self.splits.load(Relaxed) >= MAX_FRUITLESS_SPLITS {
            return None;
        }
        let half = self.delivery.take_half()?;
        self.splits.fetch_add(1, Relaxed);
        self.failures = self.failures.of_half();
        Some(Self {
            start: self.start + self.records() as u64,
            delivery: half,
            failures: self.failures.clone(),
            splits: self.splits.clone(),
        })
    }

    /// Whether the records of the next attempt are in the spool.
    pub(super) fn is_on_disk(&self) -> bool {
        self.delivery
            .front()
            .is_some_and(|front| front.iter().all(|record| record.is_spooled()))
    }

    /// How many records the next attempt carries.
    pub(super) fn records(&self) -> usize {
        self.delivery.front().map_or(0, Unsettled::len)
    }

    /// Writes the body of the next attempt, and returns how many records are in it.
    pub(super) fn write_body(&self, body: &mut Vec<u8>) -> usize {
        match self.delivery.front() {
            Some(front) => write_body(front.iter(), body),
            None => write_body([].into_iter(), body),
        }
        self.records()
    }
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
        }
    }

    pub(super) fn push(&mut self, record: Encoded) {
        self.received += 1;
        self.waiting.push(record);
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

    /// Takes a batch to attempt.
    pub(super) fn take(&mut self, next: Next, limits: BatchLimits) -> Option<Batch> {
        match next {
            Next::Retrying(index) => self.retrying.remove(index),
            Next::New => self.take_new(limits),
        }
    }

    fn take_new(&mut self, mut limits: BatchLimits) -> Option<Batch> {
        // Records on disk outlive an outage, and must not be given up together with others.
        let is_on_disk = self.waiting.first()?.is_spooled();
        let alike = self.waiting.iter().take(limits.records);
        limits.records = alike
            .take_while(|record| (record.is_spooled()) == is_on_disk)
            .count();
        let start = self.received - self.waiting.len() as u64;
        let length = batch_length(self.waiting.iter(), limits);
        let delivery = Delivery::new(self.waiting.take_first(length));
        self.unsettled.push(start);
        self.waiting.shrink_to(MAX_KEPT_CAPACITY);
        Some(Batch {
            start,
            delivery,
            failures: Failures::default(),
            splits: Arc::default(),
        })
    }

    /// The batches that were attempted, and have to be attempted again.
    pub(super) fn retrying(&self) -> impl Iterator<Item = &Batch> {
        self.retrying.iter()
    }

    /// Takes one of [`retrying`](Self::retrying).
    pub(super) fn take_retrying(&mut self, index: usize) -> Option<Batch> {
        self.retrying.remove(index)
    }

    /// Takes a batch back after an attempt, to go on with it or to note its end.
    pub(super) fn put_back(&mut self, batch: Batch) {
        if batch.delivery.front().is_some() {
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
            if let Some(records) = batch.delivery.take_all() {
                all.append(records);
            }
        }
        all.append(self.waiting.take());
        self.unsettled.clear();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    use crate::record::Endpoint;

    #[test]
    fn records_on_disk_share_no_batch_with_records_in_memory() {
        let mut queue = EndpointQueue::new(Accounting::for_tests());
        for entry in [1, 2, 0, 0, 0, 1] {
            queue.push(Encoded {
                json: b"{}".as_slice().into(),
                endpoint: Endpoint::Events,
                spool_entry: NonZeroU32::new(entry),
            });
        }
        let limits = BatchLimits {
            records: 100,
            bytes: 1_000,
        };
        let batches = std::iter::from_fn(|| queue.take(Next::New, limits));
        let sizes: Vec<_> = batches
            .map(|batch| (batch.records(), batch.is_on_disk()))
            .collect();
        assert_eq!(sizes, [(2, true), (3, false), (1, true)]);
    }
}
