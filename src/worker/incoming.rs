//! The worker's end of the channel of records.

use std::{sync::Arc, time::Instant};

use crate::{
    accounting::{Accounting, Unsettled},
    queue::Queue,
    record::Encoded,
    sync::{channel::Receiver, thread},
};

/// Takes the records out of the channel, and settles those that are left in it when the worker ends.
pub(super) struct Incoming {
    records: Receiver<Encoded>,
    queue: Arc<Queue>,
    accounting: Arc<Accounting>,
    /// How many records were taken out, ever.
    taken: u64,
    /// When the worker first saw that records wait which it has not taken.
    waiting_since: Option<Instant>,
}

impl Incoming {
    pub(super) fn new(
        records: Receiver<Encoded>,
        queue: Arc<Queue>,
        accounting: Arc<Accounting>,
    ) -> Self {
        Self {
            records,
            queue,
            accounting,
            taken: 0,
            waiting_since: None,
        }
    }

    /// How many records were taken out, ever.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Notes that this many records wait. Returns since when the oldest of them may have waited.
    pub(super) fn note_waiting(&mut self, waiting: u64, now: Instant) -> Option<Instant> {
        self.waiting_since = match waiting {
            0 => None,
            _ => self.waiting_since.or(Some(now)),
        };
        self.waiting_since
    }

    /// Since when the records that are about to be taken may have waited.
    pub(super) fn take_waiting_since(&mut self) -> Option<Instant> {
        self.waiting_since.take()
    }

    /// Takes out the records that are waiting now, and not those that callers add meanwhile: a fast caller would keep
    /// the worker here. Once the queue is closed, this waits for records that were accepted and are not sent yet.
    pub(super) fn take(&mut self, is_closed: bool) -> Unsettled {
        let mut taken = Unsettled::new(self.accounting.clone());
        for _ in 0..self.waiting() {
            let record = match is_closed {
                true => self.records.recv().ok(),
                false => self.records.try_recv().ok(),
            };
            let Some(record) = record else {
                // Its caller has counted it and not sent it yet. On a machine that is busy, that caller has to run.
                thread::yield_now();
                break;
            };
            self.taken += 1;
            taken.push(record);
        }
        taken
    }

    /// How many records are in the channel or on their way into it.
    fn waiting(&self) -> u64 {
        self.accounting.budget().accepted_after(self.taken)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.queue.close();
        drop(self.take(true));
    }
}
