//! Records that have no outcome yet, held so that none is lost on any way out of the worker.

use std::{collections::VecDeque, mem, sync::Arc};

use super::{Accounting, Outcome};
use crate::{drop_reason::DropReason, record::Encoded};

/// Records in the worker's hands that are not settled. If they go out of scope, which takes a panic of the worker,
/// those in memory are dropped as [`DropReason::Internal`], and those in the spool stay there.
pub(crate) struct Unsettled {
    records: VecDeque<Encoded>,
    accounting: Arc<Accounting>,
}

impl Unsettled {
    pub(crate) fn new(accounting: Arc<Accounting>) -> Self {
        Self {
            records: VecDeque::new(),
            accounting,
        }
    }

    pub(crate) fn of(records: Vec<Encoded>, accounting: Arc<Accounting>) -> Self {
        Self {
            records: records.into(),
            accounting,
        }
    }

    /// Takes all records out.
    pub(crate) fn take(&mut self) -> Self {
        let records = mem::take(&mut self.records);
        Self {
            records,
            accounting: self.accounting.clone(),
        }
    }

    /// Takes the first records out, at most as many as there are.
    pub(crate) fn take_first(&mut self, count: usize) -> Self {
        let mut taken = Self::new(self.accounting.clone());
        taken
            .records
            .extend(self.records.drain(..count.min(self.records.len())));
        taken
    }

    /// Splits it in two by the index of each record: those for which it holds, and the rest.
    pub(crate) fn partition(mut self, mut holds: impl FnMut(usize) -> bool) -> (Self, Self) {
        let (mut yes, mut no) = (self.take_first(0), self.take_first(0));
        for index in 0..self.len() {
            if let Some(record) = self.records.pop_front() {
                let half = if holds(index) { &mut yes } else { &mut no };
                half.records.push_back(record);
            }
        }
        (yes, no)
    }

    pub(crate) fn push(&mut self, record: Encoded) {
        self.records.push_back(record);
    }

    /// Takes the first record out, for another set of records to take it in.
    pub(crate) fn pop(&mut self) -> Option<Encoded> {
        self.records.pop_front()
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&Encoded> {
        self.records.front()
    }

    /// Gives the memory of a queue back that grew beyond this many records and is empty.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        if self.records.is_empty() {
            self.records.shrink_to(capacity);
        }
    }

    /// Leaves those on disk to the spool, and keeps those that are in memory alone.
    pub(crate) fn keep_unspooled(&mut self) {
        self.records.retain(|record| !record.is_spooled());
    }

    /// What the records in memory take there, as the queue's budget counts it.
    pub(crate) fn cost(&self) -> usize {
        let in_memory = self.records.iter().filter(|record| !record.is_spooled());
        in_memory.map(Encoded::cost).sum()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Encoded> + Clone {
        self.records.iter()
    }

    /// The records, for the spool to note where it moved them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Encoded> {
        self.records.iter_mut()
    }

    /// Lends the records as a list, for the spool to take some. Those that it leaves stay unsettled, even if it panics.
    pub(crate) fn lend<T>(&mut self, work: impl FnOnce(&mut Vec<Encoded>) -> T) -> T {
        let mut lent = Lent {
            records: mem::take(&mut self.records).into(),
            owner: self,
        };
        work(&mut lent.records)
    }

    /// Settles all of them with this outcome.
    pub(crate) fn settle(mut self, outcome: &Outcome) {
        self.settle_all(outcome);
    }

    fn settle_all(&mut self, outcome: &Outcome) {
        let mut records = mem::take(&mut self.records);
        self.accounting.settle(records.make_contiguous(), outcome);
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.keep_unspooled();
        if !self.is_empty() {
            self.settle_all(&Outcome::Dropped(DropReason::Internal, None));
        }
    }
}

/// Gives lent records back to their owner.
struct Lent<'a> {
    records: Vec<Encoded>,
    owner: &'a mut Unsettled,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.owner.records = mem::take(&mut self.records).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{accounting::tests::unsettled, record::Endpoint};

    fn records(count: usize) -> Unsettled {
        unsettled((0..count).map(|_| Encoded {
            json: b"{}".as_slice().into(),
            endpoint: Endpoint::Events,
            spool_entry: None,
        }))
    }

    #[test]
    fn records_that_are_lent_and_not_taken_stay() {
        let mut records = records(3);
        let taken = records.lend(|records| records.split_off(1));
        assert_eq!((taken.len(), records.len()), (2, 1));
        Unsettled::of(taken, records.accounting.clone()).settle(&Outcome::Delivered);
    }

    #[test]
    fn an_empty_queue_gives_its_memory_back() {
        let mut records = records(1_000);
        records.shrink_to(10);
        assert_eq!(records.len(), 1_000);
        records.take_first(1_000).settle(&Outcome::Delivered);
        records.shrink_to(10);
        assert!(records.records.capacity() < 1_000);
    }
}
