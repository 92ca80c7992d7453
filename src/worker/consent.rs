//! What the worker does without consent: it forgets all records after a withdrawal, and waits for a grant.

use std::{io, time::Instant};

use log::warn;

use super::{Ahead, Worker};
use crate::{
    accounting::{Outcome, Unsettled},
    catch_panic::panic_point,
    clock,
    consent::Consent,
    drop_reason::DropReason,
    logging::{TARGET, logging},
};

impl Worker {
    /// Whether records may be taken, and all that have to be forgotten are.
    pub(super) fn has_consent(&self) -> bool {
        self.parts.consent.permits(self.forgotten)
    }

    /// Forgets records after a withdrawal. Returns the next step if none may be delivered.
    pub(super) fn await_consent(&mut self, now: Instant) -> Option<Ahead> {
        self.log_forgotten();
        if self.has_consent() {
            return None;
        }
        self.answer_flushes(now);
        Some(match self.schedule.closing() {
            Some(_) => Ahead::End,
            None => Ahead::Wait(None),
        })
    }

    /// Forgets all records from before the last withdrawal.
    pub(super) fn catch_up(&mut self) -> io::Result<()> {
        match self.parts.consent.withdrawals() == self.forgotten {
            true => Ok(()),
            false => self.forget(),
        }
    }

    /// As [`catch_up`](Self::catch_up), where no caller waits for the error of the disk.
    fn log_forgotten(&mut self) {
        if let Err(error) = self.catch_up() {
            logging(
                || warn!(target: TARGET, "the spool cannot be emptied after a withdrawal: {error}"),
            );
        }
    }

    /// Grants the consent, unless it was withdrawn again after this many withdrawals.
    pub(super) fn grant(&mut self, withdrawals: u64) -> io::Result<()> {
        if self.parts.consent.withdrawals() != withdrawals {
            return Ok(());
        }
        self.log_forgotten();
        self.take_records_again();
        Ok(())
    }

    /// Grants the consent if all records from before the last withdrawal were forgotten.
    fn take_records_again(&self) {
        if self.parts.consent.grant(self.forgotten) {
            self.parts.queue.resume();
        }
    }

    /// Drops all records, in memory and on disk. The queue is paused meanwhile, so that a record is either among them
    /// or was taken after them.
    fn forget(&mut self) -> io::Result<()> {
        let withdrawals = self.parts.consent.withdrawals();
        self.parts.queue.pause();
        let mut left = self.incoming.take(true);
        panic_point();
        if !self.dispatcher.is_idle() {
            self.parts.exchange.cancel();
        }
        self.take_batches(&mut left);
        if let Some(spooler) = &mut self.spooler {
            spooler.give_up_unspooled(&mut left);
        }
        panic_point();
        left.settle(&Outcome::Dropped(DropReason::Withdrawn, None));
        self.batched_bytes = 0;
        self.flush_requested = false;
        self.failed_at = None;
        let now = clock::now();
        self.schedule.note_drained(now);
        self.publish(now);
        panic_point();
        let forgotten = match &mut self.spooler {
            Some(spooler) => spooler.forget(),
            None => Ok(()),
        };
        self.forgotten = withdrawals;
        if self.parts.consent.get() == Consent::Granted {
            self.take_records_again();
        }
        forgotten
    }

    /// Takes all batches, also those in flight.
    fn take_batches(&mut self, left: &mut Unsettled) {
        for mut batch in self.dispatcher.forget() {
            if let Some(records) = batch.take_all() {
                left.append(records);
            }
        }
        for queue in &mut self.queues {
            left.append(queue.take_all());
        }
    }

    /// Leaves records on disk there, and drops all others: batched, in flight and in the channel.
    pub(super) fn abandon(&mut self, reason: DropReason) {
        match self.parts.consent.get() {
            _ if self.has_consent() => {}
            Consent::Undecided => {
                let outcome = Outcome::Dropped(DropReason::Undecided, None);
                return self.incoming.take(true).settle(&outcome);
            }
            _ => return self.log_forgotten(),
        }
        self.take(clock::now());
        let mut left = Unsettled::new(self.parts.accounting.clone());
        self.take_batches(&mut left);
        panic_point();
        left.keep_unspooled();
        if let Some(spooler) = &mut self.spooler {
            spooler.leave(&mut left);
        }
        left.settle(&Outcome::Dropped(reason, None));
    }
}
