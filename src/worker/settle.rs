//! What comes of an attempt, and of waiting too long for one: each record's fate, written down and paid for.

use std::time::{Duration, Instant};

use super::{Worker, dispatcher::Completed, endpoint_queue::Batch};
use crate::{batch::delivery::Effect, record::Encoded, reply::Verdict, stats::DropReason};

impl Worker {
    /// Applies what came of an attempt.
    pub(super) fn apply(&mut self, completed: Completed) {
        let Completed {
            lane,
            mut batch,
            began,
            bytes,
            verdict,
        } = completed;
        let now = Instant::now();
        if !matches!(verdict, Verdict::Later { .. }) {
            self.backoff.reset();
            self.schedule.succeeded();
        }
        let max = self.settings.batch.bytes;
        match verdict {
            // What the server finds too large once, it will find too large again.
            Verdict::TooLarge { .. } if batch.records() > 1 => {
                self.limits.bytes = self.limits.bytes.min(bytes / 2);
            }
            // But it may change its mind, or have spoken of a single large record. Small batches prove nothing.
            Verdict::Delivered if bytes > self.limits.bytes / 2 => {
                let step = self.limits.bytes / 8 + 1;
                self.limits.bytes = self.limits.bytes.saturating_add(step).min(max);
            }
            _ => {}
        }
        let effects = batch
            .delivery
            .apply(verdict, now, self.give_up_after(&batch));
        self.queues[lane].put_back(batch);
        for effect in effects {
            self.perform(effect, began, now);
        }
    }

    /// When it is given up, if it has failed.
    pub(super) fn give_up_at(&self, batch: &Batch) -> Option<Instant> {
        batch.delivery.give_up_at(self.give_up_after(batch))
    }

    fn overdue(&self, lane: usize, now: Instant) -> Option<usize> {
        let is_overdue = |batch| self.give_up_at(batch).is_some_and(|last| last <= now);
        self.queues[lane].retrying().position(is_overdue)
    }

    /// Gives up the batches that have had their time.
    pub(super) fn give_up(&mut self, now: Instant) {
        for lane in 0..self.queues.len() {
            while let Some(index) = self.overdue(lane, now)
                && let Some(mut batch) = self.queues[lane].take_retrying(index)
            {
                let dropped = Effect::Dropped {
                    reason: DropReason::GaveUp,
                    refusal: None,
                    records: batch.delivery.take_all(),
                };
                self.queues[lane].put_back(batch);
                self.perform(dropped, now, now);
            }
        }
    }

    /// How long a batch is tried: what is on disk is safe there until it is too old.
    fn give_up_after(&self, batch: &Batch) -> Duration {
        match &self.spooler {
            Some(spooler) if batch.is_on_disk() && spooler.is_expired() => Duration::ZERO,
            Some(_) if batch.is_on_disk() => Duration::MAX,
            _ => self.settings.give_up_after,
        }
    }

    fn perform(&mut self, effect: Effect, began: Instant, now: Instant) {
        match effect {
            Effect::Delivered(records) => {
                self.shared.report.delivered(records.len());
                self.release(&records);
            }
            Effect::Dropped {
                reason,
                refusal,
                records,
            } => {
                let is_expired =
                    reason == DropReason::GaveUp && records.iter().all(|record| record.entry > 0);
                let reason = if is_expired {
                    DropReason::Expired
                } else {
                    reason
                };
                self.shared
                    .report
                    .dropped(reason, refusal.as_ref(), &records);
                self.release(&records);
            }
            Effect::RetryLater {
                retry_after,
                give_up_at,
            } => {
                let own_delay = self
                    .schedule
                    .starts_backoff(began)
                    .then(|| self.backoff.next_delay());
                self.schedule
                    .failed(now, own_delay, retry_after, give_up_at);
            }
        }
    }

    /// Gives back what the records held, in the queue or on disk.
    pub(super) fn release(&mut self, records: &[Encoded]) {
        let in_memory = records.iter().filter(|record| record.entry == 0);
        let (count, bytes) = in_memory.fold((0, 0), |(count, bytes), record| {
            (count + 1, bytes + record.cost())
        });
        self.batched_bytes -= bytes;
        self.shared.queue.release(count, bytes);
        if let (true, Some(spooler)) = (count < records.len(), &mut self.spooler) {
            spooler.settle(records);
        }
    }
}
