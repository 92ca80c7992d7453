//! The records of one endpoint between the channel and their outcome, in their order.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    accounting::{Accounting, Unsettled},
    batch::{BatchLimits, batch_length, delivery::Delivery, write_body},
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
}

impl Batch {
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

    /// Whether the next batch is a new one that has room for more records than wait.
    pub(super) fn has_room(&self, limits: BatchLimits) -> bool {
        self.retrying.is_empty() && self.waiting.len() < limits.records
    }

    /// Takes the batch to attempt next: the oldest that is retrying, or else a new one.
    pub(super) fn next_batch(&mut self, mut limits: BatchLimits) -> Option<Batch> {
        if let Some(batch) = self.retrying.pop_front() {
            return Some(batch);
        }
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
        Some(Batch { start, delivery })
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
        } else {
            self.unsettled.retain(|start| *start != batch.start);
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
        let batches = std::iter::from_fn(|| queue.next_batch(limits));
        let sizes: Vec<_> = batches
            .map(|batch| (batch.records(), batch.is_on_disk()))
            .collect();
        assert_eq!(sizes, [(2, true), (3, false), (1, true)]);
    }
}
