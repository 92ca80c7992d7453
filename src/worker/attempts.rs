//! Attempts of batches, and the outcome of each.

use std::time::{Duration, Instant};

use super::{Worker, endpoint_queue::EndpointQueue, spooler::entries};
use crate::{
    accounting::{Outcome, Unsettled},
    batch::{
        Batch, BatchLimits,
        blame::{Scope, may_be_narrow},
    },
    catch_panic::panic_point,
    clock,
    control::Completed,
    deadline::after,
    drop_reason::DropReason,
    record::Endpoint,
    reply::{BodySent, Verdict},
};

/// Endpoints that failed this often have turns. Otherwise a bad batch would hide that the other endpoint works again.
const FAILURES_BEFORE_TURNS: u32 = 2;

/// A batch that failed this often is split, if nothing else can be sent to gather evidence from.
pub(super) const FAILURES_BEFORE_SPLIT: u32 = 3;

/// The same for a half of such a batch.
const FAILURES_OF_HALF: u32 = 2;

/// No half is split in this way while this many batches wait: after an outage, each costs a request.
const MAX_HALVES: usize = 16;

/// Up to this many suspect batches of an endpoint are tried at their own pace. With more of them, each waits longer, so
/// that together they make no more requests.
const SUSPECTS_AT_PACE: usize = 64;

/// How long records in the spool wait after the server refused the request.
const REFUSED_RETRY: Duration = Duration::from_secs(5 * 60);

/// A request that failed.
struct Failure {
    endpoint: Endpoint,
    began: Instant,
    scope: Scope,
    /// The delay that the server asks for.
    retry_after: Option<Duration>,
    /// When its batch is given up, if there is anything left of it.
    give_up_at: Option<Instant>,
}

impl Worker {
    /// The endpoint to attempt: by turns, but after a failure the one that has failed less often, up to a bound.
    fn choose_endpoint(&self, now: Instant) -> Endpoint {
        let is_ready = |endpoint: Endpoint| {
            self.queues[endpoint as usize].has_work() && self.rest_of(endpoint, now).is_none()
        };
        let failures =
            |endpoint: Endpoint| self.blame.failures(endpoint).min(FAILURES_BEFORE_TURNS);
        let (next, other) = (self.next_endpoint, self.next_endpoint.other());
        let is_other_better = self.failed_at.is_some() && failures(other) < failures(next);
        match is_ready(other) && (is_other_better || !is_ready(next)) {
            true => other,
            false => next,
        }
    }

    pub(super) fn attempt(&mut self, now: Instant) {
        if !self.may_send(now) {
            return;
        }
        self.take_more(now);
        let endpoint = self.choose_endpoint(now);
        let limits = self.limits(endpoint);
        let next =
            self.queues[endpoint as usize].next(now, self.blame.failures(endpoint) > 0, |batch| {
                self.give_up_at(batch)
            });
        let batch = next.and_then(|next| self.queue(endpoint).take(next, limits, now));
        let Some(batch) = batch else {
            return;
        };
        panic_point();
        let mut deadline = after(now, self.settings.request_timeout);
        if let Some(closing) = self.schedule.closing() {
            deadline = deadline.min(closing);
        }
        self.next_endpoint = endpoint.other();
        let attempt = batch.attempt(self.dispatcher.buffer(), deadline, self.forgotten);
        if let Some(completed) = self.dispatcher.attempt(batch, attempt) {
            panic_point();
            self.complete(completed);
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
    pub(super) fn complete(&mut self, completed: Completed) {
        let Completed {
            slot,
            verdict,
            body,
        } = completed;
        let bytes = body.len();
        if let Some(batch) = self.dispatcher.complete(slot, body) {
            self.apply(batch, bytes, verdict);
        }
    }

    /// Applies the verdict on a batch that was sent in a body of this size.
    fn apply(&mut self, mut batch: Batch, bytes: usize, verdict: Verdict) {
        let now = clock::now();
        let endpoint = batch.endpoint;
        if matches!(verdict, Verdict::Later { .. }) && !self.has_consent() {
            // The records are forgotten in the next step: they are not given up for this attempt.
            return self.queue(endpoint).put_back(batch);
        }
        let verdict = self.keep_spooled(&batch, verdict);
        let narrow = may_be_narrow(&verdict);
        let retry_after = match verdict {
            Verdict::Later { after, .. } => Some(after),
            _ => None,
        };
        self.failed_at = retry_after.map(|_| now);
        if retry_after.is_none() {
            self.backoff.reset();
            self.schedule.succeeded();
            self.blame.succeeded(endpoint);
        }
        self.adjust_size_limit(&mut batch, bytes, &verdict);
        let give_up_after = self.give_up_after(&batch);
        let settled = batch.apply(verdict, now, give_up_after);
        let (records, began) = (batch.records(), batch.began);
        let failure = retry_after.map(|retry_after| Failure {
            endpoint,
            began,
            scope: self
                .blame
                .failed(endpoint, &mut batch.failures, records, narrow, began),
            retry_after,
            give_up_at: self.give_up_at(&batch),
        });
        let half = failure
            .as_ref()
            .and_then(|failure| self.set_aside(&mut batch, failure.scope, narrow, now));
        let queue = self.queue(endpoint);
        queue.put_back(batch);
        half.into_iter().for_each(|half| queue.add_half(half));
        panic_point();
        if let Some((records, outcome)) = settled {
            self.settle(records, outcome);
        }
        if let Some(failure) = failure {
            self.put_off(&failure, now);
            self.free_files(endpoint);
        }
    }

    /// Moves the records of suspect batches together if the records in hand are from many files: others could not be
    /// loaded.
    fn free_files(&mut self, endpoint: Endpoint) {
        let queue = &mut self.queues[endpoint as usize];
        if let Some(spooler) = &mut self.spooler
            && spooler.spool().is_crowded(endpoint)
        {
            let suspects = queue.retrying_mut().flat_map(Batch::suspects).collect();
            spooler.set_aside(endpoint, suspects);
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
            && let Some(half) = batch.split_off()
        {
            return Some(half);
        }
        if batch.failures.is_suspect() {
            let others = self.queues[batch.endpoint as usize].retrying();
            let suspects = 1 + others.filter(|other| other.failures.is_suspect()).count();
            let turns = suspects.div_ceil(SUSPECTS_AT_PACE) as u32;
            let delay = self.backoff.delay_after(batch.failures.in_a_row());
            let retry_at = after(now, delay.saturating_mul(turns));
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

    fn adjust_size_limit(&mut self, batch: &mut Batch, bytes: usize, verdict: &Verdict) {
        let limit = &mut self.size_limits[batch.endpoint as usize];
        match verdict {
            // A single record cannot be made smaller.
            Verdict::TooLarge { .. } if batch.records() > 1 => limit.note_refused(bytes),
            Verdict::Delivered => limit.note_accepted(bytes),
            Verdict::Later { body, .. } if batch.halve_if_cut_off(bytes, *body) => {
                limit.note_cut_off(bytes);
            }
            _ => {}
        }
    }

    /// When the batch is given up, if it has failed.
    pub(super) fn give_up_at(&self, batch: &Batch) -> Option<Instant> {
        batch.give_up_at(self.give_up_after(batch))
    }

    /// How long a batch is tried. Records on disk are safe there until they are too old.
    fn give_up_after(&self, batch: &Batch) -> Duration {
        match &self.spooler {
            Some(spooler) if batch.is_on_disk() => {
                let front = batch.front();
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
            while let Some(index) = self.overdue(endpoint, now)
                && let Some(mut batch) = self.queue(endpoint).take_retrying(index)
            {
                let settled = batch.give_up();
                self.queue(endpoint).put_back(batch);
                if let Some((records, outcome)) = settled {
                    self.settle(records, outcome);
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

    /// Has the blamed scope wait.
    fn put_off(&mut self, failure: &Failure, now: Instant) {
        let Failure {
            endpoint,
            began,
            scope,
            retry_after,
            give_up_at,
        } = *failure;
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

    /// Settles records, in the accounting and in the spool.
    fn settle(&mut self, records: Unsettled, outcome: Outcome) {
        self.batched_bytes -= records.cost();
        let entries = entries(records.iter());
        let outcome = match outcome {
            Outcome::Dropped(DropReason::GaveUp, refusal) if entries.len() == records.len() => {
                Outcome::Dropped(DropReason::Expired, refusal)
            }
            outcome => outcome,
        };
        records.settle(&outcome);
        panic_point();
        if let (false, Some(spooler)) = (entries.is_empty(), &mut self.spooler) {
            spooler.acknowledge(&entries);
        }
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
