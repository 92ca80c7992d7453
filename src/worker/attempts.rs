//! Attempts of batches, and the outcome of each.

use std::time::{Duration, Instant};

use super::{
    Worker,
    blame::{Scope, may_be_narrow},
    dispatcher::{Completed, InFlight},
    endpoint_queue::{Batch, EndpointQueue},
    spooler::entries,
};
use crate::{
    accounting::{Outcome, Unsettled},
    batch::{BatchLimits, cost, delivery::Effect},
    catch_panic::panic_point,
    clock,
    deadline::after,
    drop_reason::DropReason,
    record::Endpoint,
    reply::{BodySent, Refusal, Verdict},
};

/// A batch that failed this often is split, if nothing else can be sent to gather evidence from.
pub(super) const FAILURES_BEFORE_SPLIT: u32 = 3;

/// The same for a half of such a batch.
const FAILURES_OF_HALF: u32 = 2;

/// No half is split in this way while so many batches wait: after an outage, each costs a request.
const MAX_HALVES: usize = 16;

/// How long records in the spool wait after the server refused the request.
const REFUSED_RETRY: Duration = Duration::from_secs(5 * 60);

/// A request that failed.
#[derive(Clone, Copy)]
struct Failure {
    endpoint: Endpoint,
    began: Instant,
    scope: Scope,
}

impl Worker {
    /// The endpoint to attempt: by turns, but after a failure the one that has failed less often.
    fn choose_endpoint(&self, now: Instant) -> Endpoint {
        let is_ready = |endpoint: Endpoint| {
            self.queues[endpoint as usize].has_work() && self.rest_of(endpoint, now).is_none()
        };
        let (next, other) = (self.next_endpoint, self.next_endpoint.other());
        let is_other_better =
            self.failed_at.is_some() && self.blame.failures(other) < self.blame.failures(next);
        match is_ready(other) && (is_other_better || !is_ready(next)) {
            true => other,
            false => next,
        }
    }

    pub(super) fn attempt(&mut self, now: Instant) {
        self.take_more(now);
        let endpoint = self.choose_endpoint(now);
        let limits = self.limits(endpoint);
        let next =
            self.queues[endpoint as usize].next(now, self.blame.failures(endpoint) > 0, |batch| {
                self.give_up_at(batch)
            });
        let batch = next.and_then(|next| self.queue(endpoint).take(next, limits));
        let Some(batch) = batch else {
            return;
        };
        panic_point();
        let mut deadline = after(now, self.settings.request_timeout);
        if let Some(closing) = self.schedule.closing() {
            deadline = deadline.min(closing);
        }
        self.next_endpoint = endpoint.other();
        let flight = InFlight {
            endpoint,
            batch,
            began: now,
        };
        if let Some(completed) = self.dispatcher.attempt(flight, deadline) {
            panic_point();
            self.apply(completed);
        }
    }

    /// A refusal of the request, such as a wrong key or a captive portal, says nothing about its records: those in the
    /// spool stay there, and are tried again rarely.
    fn keep_spooled(&self, batch: &Batch, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Unauthorized { refusal } | Verdict::Rejected { refusal }
                if batch.is_on_disk() =>
            {
                self.parts.accounting.request_refused(&refusal);
                Verdict::Later {
                    after: Some(REFUSED_RETRY),
                    refusal: Some(refusal),
                    body: BodySent::Whole,
                }
            }
            verdict => verdict,
        }
    }

    /// Applies the outcome of an attempt.
    pub(super) fn apply(&mut self, completed: Completed) {
        let Completed {
            flight,
            bytes,
            verdict,
        } = completed;
        let InFlight {
            endpoint,
            mut batch,
            began,
        } = flight;
        let now = clock::now();
        let verdict = self.keep_spooled(&batch, verdict);
        let has_failed = matches!(verdict, Verdict::Later { .. });
        self.failed_at = has_failed.then_some(now);
        if !has_failed {
            self.backoff.reset();
            self.schedule.succeeded();
            self.blame.succeeded(endpoint);
            batch.note_answer(verdict == Verdict::Delivered);
        }
        let narrow = may_be_narrow(&verdict);
        self.adjust_size_limit(endpoint, &mut batch, bytes, &verdict);
        let effects = batch
            .delivery
            .apply(verdict, now, self.give_up_after(&batch));
        let mut scope = Scope::Host;
        let mut half = None;
        if has_failed {
            let records = batch.records();
            let failures = &mut batch.failures;
            scope = self
                .blame
                .failed(endpoint, failures, records, narrow, began);
            half = self.set_aside(&mut batch, scope, narrow, now);
        }
        let queue = self.queue(endpoint);
        queue.put_back(batch);
        half.into_iter().for_each(|half| queue.add_half(half));
        panic_point();
        let failure = Failure {
            endpoint,
            began,
            scope,
        };
        for effect in effects {
            self.perform(effect, failure, now);
        }
    }

    /// Has a suspect batch wait, or takes its second half off.
    fn set_aside(
        &mut self,
        batch: &mut Batch,
        scope: Scope,
        may_be_narrow: bool,
        now: Instant,
    ) -> Option<Batch> {
        let lacks_evidence = may_be_narrow && scope != Scope::Batch && self.lacks_evidence(batch);
        if (scope == Scope::Batch || lacks_evidence)
            && let Some(half) = batch.split()
        {
            return Some(half);
        }
        if batch.failures.is_suspect() {
            let retry_at = after(now, self.backoff.delay_after(batch.failures.in_a_row()));
            let give_up_at = self.give_up_at(batch).unwrap_or(retry_at);
            batch.failures.set_retry_at(Some(retry_at.min(give_up_at)));
        }
        None
    }

    /// Whether all batches have failed so often that there is nothing else to gather evidence from.
    fn lacks_evidence(&self, batch: &Batch) -> bool {
        let others = || self.queues.iter().flat_map(EndpointQueue::retrying);
        let (failures, has_failed_enough) = (batch.failures.in_a_row(), |batch: &Batch| {
            batch.failures.in_a_row() >= FAILURES_BEFORE_SPLIT
        });
        let may_split = match batch.failures.is_suspect() {
            true => failures >= FAILURES_OF_HALF && others().count() < MAX_HALVES,
            false => has_failed_enough(batch),
        };
        let has_failed = |batch: &Batch| {
            has_failed_enough(batch) || batch.failures.is_suspect() && batch.failures.in_a_row() > 0
        };
        may_split
            && self.dispatcher.is_idle()
            && self.loadable().is_none()
            && !self.queues.iter().any(EndpointQueue::has_waiting)
            && others().all(has_failed)
    }

    /// The bounds of a request to this endpoint.
    pub(super) fn limits(&self, endpoint: Endpoint) -> BatchLimits {
        BatchLimits {
            bytes: self.size_limits[endpoint as usize].bytes(),
            ..self.settings.batch
        }
    }

    fn adjust_size_limit(
        &mut self,
        endpoint: Endpoint,
        batch: &mut Batch,
        bytes: usize,
        verdict: &Verdict,
    ) {
        let limit = &mut self.size_limits[endpoint as usize];
        match verdict {
            // A single record cannot be made smaller.
            Verdict::TooLarge { .. } if batch.records() > 1 => limit.note_refused(bytes),
            Verdict::Delivered => limit.note_accepted(bytes),
            Verdict::Later { body, .. } if batch.delivery.halve_if_cut_off(bytes, *body) => {
                limit.note_cut_off(bytes);
            }
            _ => {}
        }
    }

    /// When the batch is given up, if it has failed.
    pub(super) fn give_up_at(&self, batch: &Batch) -> Option<Instant> {
        batch.delivery.give_up_at(self.give_up_after(batch))
    }

    /// How long a batch is tried. Records on disk are safe there until they are too old.
    fn give_up_after(&self, batch: &Batch) -> Duration {
        match &self.spooler {
            Some(spooler) if batch.is_on_disk() => {
                let front = batch.delivery.front();
                match front.is_some_and(|front| spooler.is_expired(front)) {
                    true => Duration::ZERO,
                    false => Duration::MAX,
                }
            }
            _ => self.settings.give_up_after,
        }
    }

    /// Gives up the batches whose time has passed.
    pub(super) fn give_up(&mut self, now: Instant) {
        for endpoint in Endpoint::ALL {
            let failure = Failure {
                endpoint,
                began: now,
                scope: Scope::Host,
            };
            while let Some(index) = self.overdue(endpoint, now)
                && let Some(mut batch) = self.queue(endpoint).take_retrying(index)
            {
                let effects = batch.delivery.drop_all(DropReason::GaveUp, None);
                self.queue(endpoint).put_back(batch);
                for effect in effects {
                    self.perform(effect, failure, now);
                }
            }
        }
    }

    fn overdue(&self, endpoint: Endpoint, now: Instant) -> Option<usize> {
        let is_overdue = |batch| self.give_up_at(batch).is_some_and(|at| at <= now);
        self.queues[endpoint as usize]
            .retrying()
            .position(is_overdue)
    }

    fn perform(&mut self, effect: Effect, failure: Failure, now: Instant) {
        match effect {
            Effect::Delivered(records) => self.settle(records, Outcome::Delivered),
            Effect::Dropped {
                reason,
                refusal,
                records,
            } => self.drop_records(records, reason, refusal.as_ref()),
            Effect::RetryLater {
                retry_after,
                give_up_at,
            } => self.put_off(failure, retry_after, give_up_at, now),
        }
    }

    /// Has the blamed scope wait.
    fn put_off(
        &mut self,
        failure: Failure,
        retry_after: Option<Duration>,
        give_up_at: Option<Instant>,
        now: Instant,
    ) {
        let Failure {
            endpoint,
            began,
            scope,
        } = failure;
        if scope == Scope::Batch {
            return;
        }
        if self.blame.is_blamed(endpoint) {
            let failures = self.blame.failures(endpoint);
            let until = after(now, self.backoff.delay_after(failures));
            let until = give_up_at.map_or(until, |give_up_at| until.min(give_up_at));
            self.blame.shut(endpoint, now, until);
        }
        if scope == Scope::Host {
            let is_new = self.schedule.starts_backoff(began);
            let own_delay = is_new.then(|| self.backoff.next_delay());
            self.schedule
                .failed(now, own_delay, retry_after, give_up_at);
        }
    }

    fn drop_records(&mut self, records: Unsettled, reason: DropReason, refusal: Option<&Refusal>) {
        let is_expired =
            reason == DropReason::GaveUp && records.iter().all(|record| record.is_spooled());
        let reason = if is_expired {
            DropReason::Expired
        } else {
            reason
        };
        self.settle(records, Outcome::Dropped(reason, refusal));
    }

    /// Settles records, in the accounting and in the spool.
    fn settle(&mut self, records: Unsettled, outcome: Outcome<'_>) {
        let in_memory = records.iter().filter(|record| !record.is_spooled());
        self.batched_bytes -= cost(in_memory);
        let entries = entries(records.iter());
        records.settle(outcome);
        panic_point();
        if let (false, Some(spooler)) = (entries.is_empty(), &mut self.spooler) {
            spooler.acknowledge(&entries);
        }
    }
}
