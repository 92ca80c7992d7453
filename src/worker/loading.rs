//! Records on their way from the channel and the spool into the queues of the endpoints.

use std::time::Instant;

use super::{
    Worker, attempts::FAILURES_BEFORE_SPLIT, endpoint_queue::EndpointQueue, spooler::Spooler,
};
use crate::{
    accounting::Unsettled, batch::Batch, catch_panic::panic_point, clock, record::Endpoint,
    settings::Duty,
};

impl Worker {
    /// Takes all records that wait in the channel: to the disk if there is a spool, or else to their queue.
    pub(super) fn take(&mut self, now: Instant) {
        let since = self.incoming.take_waiting_since().unwrap_or(now);
        let taken = self.incoming.take(self.schedule.closing().is_some());
        panic_point();
        self.schedule
            .note_arrivals(taken.len() as u64, self.spooler.is_some(), now);
        match &mut self.spooler {
            Some(spooler) => spooler.store_or_hold(taken, since),
            None => self.enqueue(taken, since),
        }
        self.publish(now);
        if !self.holds_any() {
            self.schedule.note_drained(now);
        }
    }

    /// Whether records are gathered outside of the channel.
    fn holds_any(&self) -> bool {
        self.spooler.as_ref().is_some_and(Spooler::holds_any)
    }

    /// Queues records that the disk does not take: as many as a request carries, or all of them for a flush.
    pub(super) fn take_unspooled(&mut self) {
        let limit = match self.flush_requested {
            true => usize::MAX,
            false => self.settings.batch.records,
        };
        let now = clock::now();
        if let Some(spooler) = &mut self.spooler {
            let since = spooler.unspooled_since().unwrap_or(now);
            let unspooled = spooler.take_unspooled(limit);
            self.enqueue(unspooled, since);
        }
    }

    fn enqueue(&mut self, records: Unsettled, since: Instant) {
        self.batched_bytes += records.cost();
        self.distribute(records, since);
    }

    /// Puts records that have waited since then into their queues.
    fn distribute(&mut self, mut records: Unsettled, since: Instant) {
        while let Some(record) = records.pop() {
            self.queue(record.endpoint).push(record);
        }
        for queue in &mut self.queues {
            queue.note_arrival(since);
        }
    }

    /// Queues the next records of the spool.
    pub(super) fn load(&mut self, is_due: bool, now: Instant) {
        if let (Duty::Store, Some(spooler)) = (self.settings.duty, &mut self.spooler) {
            return spooler.offer_again();
        }
        if is_due {
            self.take_unspooled();
            if self.queues.iter().any(EndpointQueue::has_work) && self.resting_until(now).is_none()
            {
                return;
            }
        }
        self.load_from_spool(is_due, now);
    }

    fn load_from_spool(&mut self, is_due: bool, now: Instant) {
        let closing = self.schedule.closing();
        let may_recover = closing.is_none_or(|deadline| now < deadline);
        let Some(spooler) = &mut self.spooler else {
            return;
        };
        // If that cannot be read, records are loaded, and no request begins.
        let _ = spooler.look();
        if !self.parts.consent.permits(self.forgotten) {
            return;
        }
        let loaded = spooler.load(is_due, may_recover, now);
        panic_point();
        self.distribute(loaded, now);
        // Full segments and those of other runs may come first: gathered records stay due until they are loaded.
        if is_due && !self.holds_any() {
            self.flush_requested = false;
            self.schedule.note_drained(now);
        }
    }

    /// Takes records that may go along with those in hand, or show whether others than these are accepted.
    pub(super) fn take_more(&mut self, now: Instant) {
        if self.spooler.is_none() {
            let has_room = |endpoint: &Endpoint| {
                self.queues[*endpoint as usize].has_room(self.limits(*endpoint))
            };
            if Endpoint::ALL.iter().any(has_room) {
                // A full batch costs no more than this one.
                self.take(now);
            }
        } else if self.has_only_suspects() {
            // However few records are gathered: they would wait for as long as the bad ones do.
            self.take_unspooled();
            // There may be no other moment for it while the host rests after each attempt.
            self.spooler
                .iter_mut()
                .for_each(|spooler| spooler.scan(now));
            self.load_from_spool(true, now);
        } else if self.queues.iter().all(EndpointQueue::is_failing)
            && let Some(is_due) = self.loadable()
        {
            self.load_from_spool(is_due, now);
        }
    }

    /// Whether each batch in hand was blamed or split, or is one record that has failed for long.
    fn has_only_suspects(&self) -> bool {
        let is_suspect = |batch: &Batch| {
            let is_alone = batch.records() == 1;
            let has_failed = batch.failures.in_a_row() >= FAILURES_BEFORE_SPLIT;
            batch.failures.is_suspect() || is_alone && has_failed
        };
        let queues = || self.queues.iter();
        !queues().any(EndpointQueue::has_waiting)
            && queues().flat_map(EndpointQueue::retrying).all(is_suspect)
    }

    /// Whether the spool has enough for one more request, and whether this client's gathered records are part of it.
    pub(super) fn loadable(&self) -> Option<bool> {
        let spool = self.spooler.as_ref()?.spool();
        let (held, _) = spool.held();
        let is_due = spool.has_sealed()
            || self.flush_requested && held > 0
            || held >= self.parts.wake_limits.records as u64;
        (spool.can_load() && (is_due || spool.has_orphans())).then_some(is_due)
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
