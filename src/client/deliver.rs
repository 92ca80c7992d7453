//! The delivery of many records on the calling thread, past the queue.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::inner::{Agreement, Inner};
use crate::{
    accounting::{Accounting, CallOutcomes, Outcome},
    clock,
    deadline::after,
    drop_reason::DropReason,
    error::DeliveryErrorKind,
    record::{Encoded, Record},
    reply::Fault,
    worker::Worker,
};

type Delivered = Result<(), DeliveryErrorKind>;

impl Inner {
    pub(super) fn deliver(
        &self,
        records: impl Iterator<Item = Record>,
        timeout: Duration,
    ) -> Vec<Delivered> {
        let deadline = after(clock::now(), timeout);
        // The connections are the parent's: two processes would write on them at once.
        if self.lifecycle().is_forked() {
            return records.map(|_| Err(DeliveryErrorKind::Closed)).collect();
        }
        if self.is_inside() {
            return records.map(|_| Err(DeliveryErrorKind::InHook)).collect();
        }
        if self.parts().is_handed_off {
            return records.map(|_| Err(DeliveryErrorKind::HandedOff)).collect();
        }
        // Before the client is found open: a close from here on knows of this call.
        let _call = self.begin_call();
        let Some(agreement) = self.agreement() else {
            return records.map(|_| Err(DeliveryErrorKind::NoConsent)).collect();
        };
        let mut to_send = Vec::new();
        let prepare = |record| {
            self.intake()
                .prepare(record)
                .map(|encoded| to_send.push(encoded))
        };
        let mut delivered: Vec<_> = records.map(prepare).collect();
        if !to_send.is_empty() {
            let sent = self.send(to_send, &agreement, deadline);
            let prepared = delivered.iter_mut().filter(|prepared| prepared.is_ok());
            prepared.zip(sent).for_each(|(slot, sent)| *slot = sent);
        }
        delivered
    }

    /// Sends records while the agreement holds, and returns the outcome of each.
    fn send(
        &self,
        records: Vec<Encoded>,
        agreement: &Agreement<'_>,
        deadline: Instant,
    ) -> Vec<Delivered> {
        let parts = self.parts();
        let outcomes = CallOutcomes::new(parts.intake.accounting.clone(), &records);
        let outcomes = Arc::new(outcomes);
        let accounting = Accounting::of_call(parts.intake.client, outcomes.clone());
        let accounting = Arc::new(accounting);
        let exchange = Arc::new(parts.exchange.for_call(accounting.clone()));
        let last_failure = exchange.clone();
        let worker = Worker::of_call(exchange, accounting, &parts.worker, records, deadline);
        // Only the start of a thread can fail, and this worker has none.
        if let Ok(worker) = worker {
            let limits = *self
                .size_limits()
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let limits = worker
                .with_size_limits(limits)
                .with_records_after(agreement.withdrawals())
                .run_call(self.lifecycle().closed(), || {
                    !outcomes.is_key_refused() && agreement.holds()
                });
            *self
                .size_limits()
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = limits;
        }
        let is_key_refused = outcomes.is_key_refused();
        let is_closed = self.lifecycle().is_closing() && !is_key_refused;
        let cause = last_failure.last_failure();
        let has_consent = agreement.holds();
        let not_reached = || match is_closed {
            _ if !has_consent => DeliveryErrorKind::NoConsent,
            true => DeliveryErrorKind::Closed,
            false => DeliveryErrorKind::NotReached {
                is_key_refused,
                cause: cause.clone(),
            },
        };
        let outcomes = outcomes.take().into_iter();
        outcomes
            .map(|outcome| result(outcome, not_reached))
            .collect()
    }
}

fn result(outcome: Option<Outcome>, not_reached: impl Fn() -> DeliveryErrorKind) -> Delivered {
    match outcome {
        Some(Outcome::Delivered) => Ok(()),
        Some(Outcome::Dropped(reason, Some(refusal))) => Err(DeliveryErrorKind::Answer {
            refusal,
            fault: match reason {
                DropReason::GaveUp => Fault::Moment,
                reason if reason.is_record_fault() => Fault::Record,
                _ => Fault::Request,
            },
        }),
        Some(Outcome::Dropped(_, None)) | None => Err(not_reached()),
    }
}
