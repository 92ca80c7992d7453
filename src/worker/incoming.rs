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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::{
        accounting::NoBudget, drop_reason::DropReason, queue::WakeLimits, record::Endpoint,
    };

    fn incoming() -> Incoming {
        let accounting = Accounting::for_tests();
        let limits = WakeLimits {
            records: 10,
            bytes: 1_000,
            records_while_polling: 10,
        };
        let (queue, records) = Queue::new(limits, 1_000, accounting.clone());
        let incoming = Incoming::new(records, Arc::new(queue), accounting);
        for _ in 0..2 {
            let record = Encoded {
                json: b"{}".as_slice().into(),
                endpoint: Endpoint::Events,
                spool_entry: None,
            };
            assert!(incoming.queue.push(record).is_ok());
        }
        incoming
    }

    #[test]
    fn records_that_are_left_in_the_channel_are_dropped_with_it() {
        let incoming = incoming();
        let (queue, accounting) = (incoming.queue.clone(), incoming.accounting.clone());
        drop(incoming);
        assert_eq!(queue.refusal(), Some(NoBudget::Closed));
        let stats = accounting.stats();
        assert_eq!(
            (stats.pending, stats.dropped_for(DropReason::Internal)),
            (0, 2)
        );
    }

    #[test]
    fn all_that_wait_are_taken_once() {
        let mut incoming = incoming();
        assert_eq!(incoming.take(false).len(), 2);
        assert_eq!((incoming.taken(), incoming.take(true).len()), (2, 0));
    }

    #[test]
    fn the_oldest_record_in_the_channel_waits_since_it_was_first_seen() {
        let (mut incoming, now) = (incoming(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert_eq!(incoming.note_waiting(2, now), Some(now));
        assert_eq!(incoming.note_waiting(3, later), Some(now));
        assert_eq!(incoming.take_waiting_since(), Some(now));
        assert_eq!(incoming.take_waiting_since(), None);
        assert_eq!(incoming.note_waiting(1, later), Some(later));
        assert_eq!(incoming.note_waiting(0, later), None);
    }
}
