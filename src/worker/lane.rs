//! The records of one endpoint between the channel and the end of their fate, in their order.

use std::collections::VecDeque;

use crate::{
    batch::delivery::Delivery,
    batch::{BatchLimits, take_batch},
    record::{Encoded, Endpoint},
};

pub(super) struct Lane {
    pub(super) endpoint: Endpoint,
    waiting: VecDeque<Encoded>,
    /// Batches that were attempted, and have to be again; oldest first.
    parked: VecDeque<Batch>,
    /// How many records came in, ever.
    received: u64,
    /// Where the batches begin that are not done, parked or in flight.
    unsettled: Vec<u64>,
}

/// A batch on its way.
pub(super) struct Batch {
    /// How many records of its lane came before it.
    start: u64,
    pub(super) delivery: Delivery,
}

impl Batch {
    /// Whether what was attempted last is in the spool.
    pub(super) fn is_on_disk(&self) -> bool {
        self.delivery
            .front()
            .is_some_and(|front| front.iter().all(|record| record.spool_entry.is_some()))
    }

    /// What the next attempt carries.
    pub(super) fn front(&self) -> &[Encoded] {
        self.delivery.front().unwrap_or_default()
    }

    /// How many records the next attempt carries.
    pub(super) fn records(&self) -> usize {
        self.front().len()
    }
}

/// A queue that grew beyond this in a burst is given back when it is empty.
const MAX_KEPT_CAPACITY: usize = 1024;

impl Lane {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            waiting: VecDeque::new(),
            parked: VecDeque::new(),
            received: 0,
            unsettled: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, record: Encoded) {
        self.received += 1;
        self.waiting.push_back(record);
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether there is something to attempt, apart from what is in flight.
    pub(super) fn has_work(&self) -> bool {
        !self.parked.is_empty() || !self.waiting.is_empty()
    }

    /// Whether the next batch is a new one that has room for more than what waits.
    pub(super) fn has_room(&self, limits: BatchLimits) -> bool {
        self.parked.is_empty() && self.waiting.len() < limits.records
    }

    /// Takes the batch that is to be attempted next: one that was before, or else a new one.
    pub(super) fn next_batch(&mut self, mut limits: BatchLimits) -> Option<Batch> {
        if let Some(batch) = self.parked.pop_front() {
            return Some(batch);
        }
        // What is on disk outlives an outage, and must not be given up with what is not.
        let is_on_disk = self.waiting.front()?.spool_entry.is_some();
        let alike = self.waiting.iter().take(limits.records);
        limits.records = alike
            .take_while(|record| record.spool_entry.is_some() == is_on_disk)
            .count();
        let start = self.received - self.waiting.len() as u64;
        let delivery = Delivery::new(take_batch(&mut self.waiting, limits));
        self.unsettled.push(start);
        if self.waiting.is_empty() && self.waiting.capacity() > MAX_KEPT_CAPACITY {
            self.waiting = VecDeque::new();
        }
        Some(Batch { start, delivery })
    }

    /// The batches that were attempted, and have to be again.
    pub(super) fn parked(&self) -> impl Iterator<Item = &Batch> {
        self.parked.iter()
    }

    /// Takes one of [`parked`](Self::parked).
    pub(super) fn take_parked(&mut self, index: usize) -> Option<Batch> {
        self.parked.remove(index)
    }

    /// Takes a batch back after an attempt, to go on with it or to note its end.
    pub(super) fn put_back(&mut self, batch: Batch) {
        if batch.delivery.front().is_some() {
            let place = self
                .parked
                .partition_point(|parked| parked.start < batch.start);
            self.parked.insert(place, batch);
        } else {
            self.unsettled.retain(|start| *start != batch.start);
        }
    }

    /// How many records from the first on have met their fate, counted in whole batches.
    pub(super) fn settled(&self) -> u64 {
        let waiting = self.received - self.waiting.len() as u64;
        self.unsettled.iter().copied().min().unwrap_or(waiting)
    }

    /// Takes everything that has no fate yet and is not in flight.
    pub(super) fn take_all(&mut self) -> Vec<Encoded> {
        let parked = self
            .parked
            .drain(..)
            .flat_map(|mut batch| batch.delivery.take_all());
        let records = parked.chain(self.waiting.drain(..)).collect();
        self.unsettled.clear();
        records
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn what_is_on_disk_shares_no_batch_with_what_is_not() {
        let mut lane = Lane::new(Endpoint::Events);
        for entry in [1, 2, 0, 0, 0, 1] {
            lane.push(Encoded {
                json: b"{}".as_slice().into(),
                endpoint: Endpoint::Events,
                spool_entry: NonZeroU32::new(entry),
            });
        }
        let limits = BatchLimits {
            records: 100,
            bytes: 1_000,
        };
        let batches = std::iter::from_fn(|| lane.next_batch(limits));
        let sizes: Vec<_> = batches
            .map(|batch| (batch.records(), batch.is_on_disk()))
            .collect();
        assert_eq!(sizes, [(2, true), (3, false), (1, true)]);
    }
}
