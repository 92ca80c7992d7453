//! What comes of an attempt, and of waiting too long for one: each record's fate, written down and paid for.

use std::time::{Duration, Instant};

use super::{Worker, lane::Batch, post::Landed};
use crate::{batch::delivery::Effect, record::Encoded, reply::Verdict, stats::DropReason};

impl Worker {
    /// Applies what came of an attempt.
    pub(super) fn apply(&mut self, landed: Landed) {
        let Landed {
            lane,
            mut batch,
            began,
            bytes,
            verdict,
        } = landed;
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
        let effects = batch.delivery.apply(verdict, now, self.patience(&batch));
        self.lanes[lane].put_back(batch);
        for effect in effects {
            self.carry_out(effect, began, now);
        }
    }

    /// When it is given up, if it has failed.
    pub(super) fn last_chance(&self, batch: &Batch) -> Option<Instant> {
        batch.delivery.last_chance(self.patience(batch))
    }

    fn overdue(&self, lane: usize, now: Instant) -> Option<usize> {
        let is_overdue = |batch| self.last_chance(batch).is_some_and(|last| last <= now);
        self.lanes[lane].parked().position(is_overdue)
    }

    /// Gives up the batches that have had their time.
    pub(super) fn give_up(&mut self, now: Instant) {
        for lane in 0..self.lanes.len() {
            while let Some(index) = self.overdue(lane, now)
                && let Some(mut batch) = self.lanes[lane].take_parked(index)
            {
                let dropped = Effect::Dropped {
                    reason: DropReason::GaveUp,
                    refusal: None,
                    records: batch.delivery.take_all(),
                };
                self.lanes[lane].put_back(batch);
                self.carry_out(dropped, now, now);
            }
        }
    }

    /// How long a batch is tried: what is on disk is safe there until it is too old.
    fn patience(&self, batch: &Batch) -> Duration {
        match &self.backlog {
            Some(backlog) if batch.is_on_disk() && backlog.is_expired(batch.front()) => {
                Duration::ZERO
            }
            Some(_) if batch.is_on_disk() => Duration::MAX,
            _ => self.settings.give_up_after,
        }
    }

    fn carry_out(&mut self, effect: Effect, began: Instant, now: Instant) {
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
                let is_expired = reason == DropReason::GaveUp
                    && records.iter().all(|record| record.spool_entry.is_some());
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
            Effect::Wait {
                at_least,
                last_chance,
            } => {
                let own_delay = self
                    .schedule
                    .is_news(began)
                    .then(|| self.backoff.next_delay());
                self.schedule.failed(now, own_delay, at_least, last_chance);
            }
        }
    }

    /// Gives back what the records held, in the queue or on disk.
    pub(super) fn release(&mut self, records: &[Encoded]) {
        let in_memory = records.iter().filter(|record| record.spool_entry.is_none());
        let (count, bytes) = in_memory.fold((0, 0), |(count, bytes), record| {
            (count + 1, bytes + record.cost())
        });
        self.in_hand_bytes -= bytes;
        self.shared.queue.release(count, bytes);
        if let (true, Some(backlog)) = (count < records.len(), &mut self.backlog) {
            backlog.settle(records);
        }
    }
}
