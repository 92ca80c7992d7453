//! The worker's end of the channel of records.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use crate::{
    accounting::{Accounting, Unsettled},
    queue::Queue,
    record::Encoded,
};

/// Takes the records out of the channel, and settles those that are left in it when the worker ends.
pub(super) struct Incoming {
    records: Receiver<Encoded>,
    queue: Arc<Queue>,
    accounting: Arc<Accounting>,
    /// How many records were taken out, ever.
    taken: u64,
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
        }
    }

    /// How many records were taken out, ever.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes all records out. Once the queue is closed, this waits for those that were accepted and are not sent yet.
    pub(super) fn take(&mut self, is_closed: bool) -> Unsettled {
        let mut taken = Unsettled::new(self.accounting.clone());
        while let Ok(record) = self.records.try_recv() {
            self.taken += 1;
            taken.push(record);
        }
        while is_closed
            && self.accounting.budget().accepted_after(self.taken) > 0
            && let Ok(record) = self.records.recv()
        {
            self.taken += 1;
            taken.push(record);
        }
        taken
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.queue.close();
        drop(self.take(true));
    }
}
