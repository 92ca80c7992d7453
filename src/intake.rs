//! The callers' side of the queue: `before_send`, sample and limits, content rules, check, encode, queue.

use std::sync::Arc;

use crate::{
    accounting::{Accounting, NoBudget},
    clock,
    consent::{Consent, ConsentCell},
    content::ContentRules,
    control::WorkerHandle,
    drop_reason::DropReason,
    error::{DeliveryErrorKind, TrackError, TrackErrorKind},
    guard::Guard,
    hooks::{self, BeforeSend, ClientId},
    lifecycle::Lifecycle,
    queue::{Overflow, Queue, Rejected, Wake},
    record::{Encoded, EventError, Properties, RECORD_OVERHEAD, Record},
};

/// Takes the records of callers.
pub(crate) struct Intake {
    pub(crate) client: ClientId,
    pub(crate) accounting: Arc<Accounting>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) worker: Arc<WorkerHandle>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) consent: Arc<ConsentCell>,
    pub(crate) overflow: Overflow,
    pub(crate) defaults: Properties,
    pub(crate) before_send: Option<BeforeSend>,
    pub(crate) content: Option<ContentRules>,
    pub(crate) guard: Option<Box<Guard>>,
}

/// The treatment of a record for which there is no room.
#[derive(Clone, Copy, PartialEq)]
enum WhenFull {
    /// Its caller gets it back.
    GiveBack,
    Drop,
    /// Its caller waits for room.
    Wait,
}

/// A record that was not taken.
struct NotTaken {
    kind: TrackErrorKind,
    record: Record,
    encoded: Option<Encoded>,
}

impl Intake {
    /// Takes a record, or drops it and counts the drop.
    pub(crate) fn track(&self, record: Record) {
        // While the consent is undecided, there is no room before a grant, which may never come.
        let may_wait = self.overflow == Overflow::Block
            && !hooks::is_inside(self.client)
            && self.consent.get() != Consent::Undecided;
        let when_full = if may_wait {
            WhenFull::Wait
        } else {
            WhenFull::Drop
        };
        if let Err(not_taken) = self.offer(record, when_full) {
            let reason = match not_taken.kind {
                TrackErrorKind::Full => DropReason::QueueFull,
                TrackErrorKind::NoConsent => self.reason_without_consent(),
                TrackErrorKind::Closed => DropReason::Closed,
                TrackErrorKind::Invalid(_) => DropReason::Invalid,
            };
            self.accounting.reject(reason, not_taken.encoded.as_ref());
        }
    }

    /// Takes a record, or gives it back.
    pub(crate) fn try_track(&self, record: Record) -> Result<(), TrackError> {
        self.offer(record, WhenFull::GiveBack)
            .map_err(|not_taken| TrackError::new(not_taken.kind, not_taken.record))
    }

    /// The record as it is sent, for a caller that sends it past the queue.
    pub(crate) fn prepare(&self, record: Record) -> Result<Encoded, DeliveryErrorKind> {
        match self.queue.refusal() {
            Some(NoBudget::Closed) => return Err(DeliveryErrorKind::Closed),
            _ if !self.has_consent() => return Err(DeliveryErrorKind::NoConsent),
            _ => {}
        }
        let record = match &self.before_send {
            Some(hook) if !record.is_hooked_by(self.client) => {
                hooks::before_send(self.client, hook, record)
            }
            _ => Some(record),
        };
        let record = record.ok_or(DeliveryErrorKind::Hook)?;
        if let Some(reason) = self.guard_refuses(&record) {
            return Err(DeliveryErrorKind::LeftOut(reason));
        }
        let encoded = self.encode(&record).map_err(DeliveryErrorKind::Invalid)?;
        encoded.ok_or(DeliveryErrorKind::Hook)
    }

    /// Checks, encodes and queues a record. One that will be dropped is encoded all the same if `on_drop` shows it.
    fn offer(&self, mut record: Record, when_full: WhenFull) -> Result<(), Box<NotTaken>> {
        let reject = |kind, record, encoded| {
            Err(Box::new(NotTaken {
                kind,
                record,
                encoded,
            }))
        };
        let is_shown = when_full != WhenFull::GiveBack && self.accounting.shows_records();
        match self.queue.refusal() {
            // No code of the program sees a record that the user does not agree to.
            Some(NoBudget::Paused) => return reject(TrackErrorKind::NoConsent, record, None),
            Some(NoBudget::Closed) if !self.has_consent() => {
                return reject(TrackErrorKind::NoConsent, record, None);
            }
            Some(NoBudget::Closed) if !is_shown => {
                return reject(TrackErrorKind::Closed, record, None);
            }
            _ => {}
        }
        // A record that the sample or a limit leaves out needs no room.
        let needs_look = is_shown || self.guard.is_some();
        if !needs_look && when_full != WhenFull::Wait && self.queue.is_full() {
            return reject(TrackErrorKind::Full, record, None);
        }
        // A record is large, so it is moved as little as possible.
        if let Some(hook) = &self.before_send
            && !record.is_hooked_by(self.client)
        {
            let Some(changed) = hooks::before_send(self.client, hook, record) else {
                self.accounting.reject(DropReason::Hook, None);
                return Ok(());
            };
            record = changed;
            record.set_hooked_by(self.client);
        }
        if let Some(reason) = self.guard_refuses(&record) {
            self.leave_out(reason, &record);
            return Ok(());
        }
        let encoded = match self.encode(&record) {
            Ok(Some(encoded)) => encoded,
            Ok(None) => {
                self.accounting.reject(DropReason::Hook, None);
                return Ok(());
            }
            Err(error) => {
                let shown = is_shown.then(|| self.encode_lossy(&record)).flatten();
                return reject(TrackErrorKind::Invalid(error), record, shown);
            }
        };
        let pushed = if when_full == WhenFull::Wait {
            // After a fork, no thread of this process makes room.
            let is_cancelled = || self.lifecycle.is_forked();
            let wake = || self.worker.wake();
            self.queue.push_or_wait(encoded, is_cancelled, wake)
        } else if self.overflow == Overflow::Block && self.queue.has_blocked() {
            // The room that is left is kept for the callers that wait.
            Err(Rejected::Full(encoded))
        } else {
            self.queue.push(encoded)
        };
        match pushed {
            Ok(Wake::NotNeeded) => Ok(()),
            Ok(Wake::Needed) => {
                self.worker.wake();
                Ok(())
            }
            Err(Rejected::Full(back)) => reject(TrackErrorKind::Full, record, Some(back)),
            Err(Rejected::Paused) => reject(TrackErrorKind::NoConsent, record, None),
            Err(Rejected::Closed(_)) if !self.has_consent() => {
                reject(TrackErrorKind::NoConsent, record, None)
            }
            Err(Rejected::Closed(back)) => reject(TrackErrorKind::Closed, record, Some(back)),
        }
    }

    fn has_consent(&self) -> bool {
        self.consent.get() == Consent::Granted
    }

    /// Why a record is dropped that no consent covers.
    fn reason_without_consent(&self) -> DropReason {
        match self.consent.get() {
            Consent::Undecided => DropReason::Undecided,
            Consent::Granted | Consent::Withdrawn => DropReason::Withdrawn,
        }
    }

    /// The content rules, if they may change the record.
    fn rules_for(&self, record: &Record) -> Option<&ContentRules> {
        let rules = self.content.as_ref();
        rules.filter(|rules| rules.concern(record))
    }

    /// Why the sample or a limit leaves the record out, if one does.
    fn guard_refuses(&self, record: &Record) -> Option<DropReason> {
        self.guard.as_ref()?.refuses(record, clock::now)
    }

    /// Drops a record that the sample or a limit leaves out. It is encoded only if `on_drop` shows it.
    fn leave_out(&self, reason: DropReason, record: &Record) {
        let encode = || match self.encode(record) {
            Err(_) => self.encode_lossy(record),
            Ok(encoded) => encoded,
        };
        let is_shown = self.accounting.shows_records();
        let shown = is_shown.then(encode).flatten();
        self.accounting.reject(reason, shown.as_ref());
    }

    /// An invalid record for `on_drop`, under the content rules too.
    fn encode_lossy(&self, record: &Record) -> Option<Encoded> {
        match self.rules_for(record) {
            None => Some(record.encode_lossy(&self.defaults)),
            Some(rules) => rules
                .apply(self.client, record)
                .map(|record| record.encode_lossy(&self.defaults)),
        }
    }

    /// The record as it is sent; none if the program's own redaction failed.
    fn encode(&self, record: &Record) -> Result<Option<Encoded>, EventError> {
        let now = clock::system_now();
        let encoded = match self.rules_for(record) {
            None => record.encode(&self.defaults, now)?,
            Some(rules) => match rules.apply(self.client, record) {
                None => return Ok(None),
                Some(record) => record.encode(&self.defaults, now)?,
            },
        };
        let (size, max) = (encoded.json.len(), self.queue.max_bytes());
        if encoded.cost() > max {
            let problem = format!(
                "is {size} bytes of JSON: queue_bytes allows {}",
                max.saturating_sub(RECORD_OVERHEAD)
            );
            return Err(EventError::new("record", problem));
        }
        Ok(Some(encoded))
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
