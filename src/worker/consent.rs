//! What the worker does without consent: it forgets all records after a withdrawal, and waits for a grant.

use std::{
    io,
    time::{Duration, Instant},
};

use log::warn;

use super::{Ahead, Worker, spooler::Spooler};
use crate::{
    accounting::{Outcome, Unsettled},
    catch_panic::panic_point,
    clock,
    consent::Consent,
    drop_reason::DropReason,
    logging::{TARGET, logging},
    spool::Notice,
};

/// How often the worker looks for a withdrawal of another process while a request is in flight, to break it off.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Worker {
    /// Looks for a withdrawal of another process if it is time. Returns when to look again.
    pub(super) fn look_in_flight(&mut self, now: Instant) -> Option<Instant> {
        let spooler = self.spooler.as_mut()?;
        if self.dispatcher.is_idle() && !self.parts.exchange.has_calls() {
            return None;
        }
        if now >= spooler.looked_at() + LOOK_INTERVAL {
            // If it cannot be read, the request goes on, and the next one is not made.
            let _ = spooler.look();
        }
        Some(spooler.looked_at() + LOOK_INTERVAL)
    }

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
        let waiting = self.publish(now);
        self.publish_health(waiting, now);
        self.answer_flushes(now);
        if self.schedule.closing().is_some() {
            return Some(Ahead::End);
        }
        let spooler = self.spooler.as_mut();
        let Some(spooler) = spooler.filter(|_| self.parts.consent.get() == Consent::Withdrawn)
        else {
            return Some(Ahead::Wait(None));
        };
        let next_look = spooler.next_look();
        if now < next_look {
            let next = self.break_off_requests(now);
            return Some(Ahead::Wait(next.or(Some(next_look))));
        }
        let Ok(notice) = spooler.look() else {
            return Some(Ahead::Work);
        };
        let is_granted = spooler.spool().is_granted();
        if !self.forget_again() && is_granted {
            // A grant may have been read before, when the disk failed and nothing could be forgotten. Each change
            // counts as a withdrawal of its own.
            let withdrawals = self.forgotten + u64::from(notice != Notice::Same);
            self.log_forgotten();
            self.take_records_again(withdrawals);
        }
        Some(Ahead::Work)
    }

    /// Completes a withdrawal for which the disk failed. Returns whether there was one.
    fn forget_again(&mut self) -> bool {
        let is_granted = |spooler: &Spooler| spooler.spool().is_granted();
        let is_granted = self.spooler.as_ref().is_some_and(is_granted);
        let is_left = self.is_unnoted || self.has_leftovers && !is_granted;
        if is_left {
            // The disk may work again.
            let _ = self.forget();
        }
        is_left
    }

    /// Breaks off the requests that go on after a withdrawal: they may have begun in its moment. Returns when to do so
    /// again, if there are any.
    fn break_off_requests(&self, now: Instant) -> Option<Instant> {
        let is_any = self.parts.exchange.has_calls() || !self.dispatcher.is_unused();
        is_any.then(|| {
            self.parts.exchange.cancel();
            now + LOOK_INTERVAL
        })
    }

    /// Whether a request may begin, by what other processes noted of the consent. If that cannot be read, the next
    /// attempt waits for a while.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        let Some(spooler) = &mut self.spooler else {
            return true;
        };
        match spooler.look() {
            Ok(_) => self.has_consent(),
            Err(_) => {
                let delay = self.backoff.next_delay();
                self.schedule.failed(now, Some(delay), None, None);
                false
            }
        }
    }

    /// Forgets all records from before the last withdrawal, after one of this client.
    ///
    /// # Errors
    ///
    /// When the disk fails, now or when they were forgotten.
    pub(super) fn withdraw(&mut self) -> io::Result<()> {
        self.catch_up()
    }

    /// Forgets all records from before the last withdrawal.
    fn catch_up(&mut self) -> io::Result<()> {
        let is_up_to_date = self.parts.consent.withdrawals() == self.forgotten;
        match is_up_to_date && !self.has_leftovers {
            true => Ok(()),
            false => self.forget(),
        }
    }

    /// As [`catch_up`](Self::catch_up), where no caller waits for the error of the disk.
    fn log_forgotten(&mut self) {
        if self.parts.consent.withdrawals() == self.forgotten {
            return;
        }
        if let Err(error) = self.forget() {
            logging(
                || warn!(target: TARGET, "the spool cannot be emptied after a withdrawal: {error}"),
            );
        }
    }

    /// Grants the consent, unless it was withdrawn again after this many withdrawals.
    pub(super) fn grant(&mut self, mut withdrawals: u64) -> io::Result<()> {
        let is_undecided = self.parts.consent.get() == Consent::Undecided;
        if let (false, Some(spooler)) = (is_undecided, &mut self.spooler) {
            // Each change counts as a withdrawal of its own.
            match spooler.look() {
                Ok(notice) => withdrawals += u64::from(notice != Notice::Same),
                // It is written anew below.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(error),
            }
        }
        self.catch_up()?;
        if let Some(spooler) = &mut self.spooler
            && self.parts.consent.withdrawals() == withdrawals
            && spooler.note_grant()?
        {
            withdrawals += 1;
            self.catch_up()?;
        }
        self.take_records_again(withdrawals);
        Ok(())
    }

    /// Grants the consent, unless it was withdrawn again after this many withdrawals.
    fn take_records_again(&self, withdrawals: u64) {
        if self.parts.consent.grant(withdrawals) {
            self.parts.queue.resume();
        }
    }

    /// Drops all records, in memory and on disk. The queue is paused meanwhile, so that a record is either among them
    /// or was taken after them. A withdrawal by a caller of this client is noted.
    fn forget(&mut self) -> io::Result<()> {
        if let (Consent::Withdrawn, Some(spooler)) = (self.parts.consent.get(), &mut self.spooler) {
            // A grant may have followed the withdrawal of another process. After an error, it is read later.
            let _ = spooler.look();
        }
        let withdrawals = self.parts.consent.withdrawals();
        self.parts.queue.pause();
        let is_own = |spooler: &Spooler| withdrawals - self.forgotten > spooler.noticed_since();
        let needs_note = self.parts.consent.get() == Consent::Withdrawn
            && (self.is_unnoted || self.spooler.as_ref().is_some_and(is_own));
        let noted = match &mut self.spooler {
            // Before anything else: no process delivers the records from here on, even if this one is killed.
            Some(spooler) if needs_note => spooler.note_withdrawal(),
            _ => Ok(()),
        };
        self.is_unnoted = noted.is_err();
        self.drop_held();
        let forgotten = match &mut self.spooler {
            Some(spooler) => noted.and(spooler.forget(needs_note)),
            None => noted,
        };
        self.forgotten = withdrawals;
        self.has_leftovers = forgotten.is_err();
        let now = clock::now();
        let waiting = self.publish(now);
        self.publish_health(waiting, now);
        if self.parts.consent.get() == Consent::Granted {
            self.take_records_again(withdrawals);
        }
        forgotten
    }

    /// Drops the records that the worker or the channel holds, and breaks off the requests in flight.
    fn drop_held(&mut self) {
        let mut left = self.incoming.take(true);
        panic_point();
        if !self.dispatcher.is_idle() || self.parts.exchange.has_calls() {
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
        self.schedule.note_drained(clock::now());
        panic_point();
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
        if let (true, Some(spooler)) = (self.has_consent(), &mut self.spooler) {
            // After an error, nothing is written, and the records on disk stay there.
            let _ = spooler.look();
        }
        match self.parts.consent.get() {
            _ if self.has_consent() => {}
            Consent::Undecided => {
                let outcome = Outcome::Dropped(DropReason::Undecided, None);
                return self.incoming.take(true).settle(&outcome);
            }
            _ => {
                self.log_forgotten();
                self.forget_again();
                return;
            }
        }
        self.take(clock::now());
        let mut left = Unsettled::new(self.parts.accounting.clone());
        self.take_batches(&mut left);
        panic_point();
        left.keep_unspooled();
        if let Some(spooler) = &mut self.spooler {
            spooler.leave(&mut left);
            // A withdrawal during the writes did not find these records.
            let _ = spooler.look();
        }
        let reason = match self.has_consent() {
            true => reason,
            false => DropReason::Withdrawn,
        };
        left.settle(&Outcome::Dropped(reason, None));
        self.log_forgotten();
        self.parts.health.set_spool(0, None);
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
