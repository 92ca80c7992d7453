//! The thread that sees to delivery: it waits until the schedule says otherwise, and performs its steps.
//!
//! It receives on the control channel alone. Callers push records onto the data channel, and wake the worker only when
//! the queue becomes non-empty and when a batch fills. For a while after that the worker polls the queue instead.

mod blame;
mod dispatcher;
mod endpoint_queue;
mod flush_waiters;
mod incoming;
mod schedule;
mod spooler;

use std::{
    cell::Cell,
    convert::Infallible,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use log::error;

use self::{
    blame::{Blame, Scope, may_be_narrow},
    dispatcher::{Completed, Dispatcher, InFlight},
    endpoint_queue::{Batch, EndpointQueue},
    flush_waiters::{FlushWaiters, Progress},
    incoming::Incoming,
    schedule::{Schedule, Step, View},
    spooler::{Spooler, entries},
};
use crate::{
    accounting::{Accounting, Outcome, Unsettled},
    batch::{BatchLimits, backoff::Backoff, cost, delivery::Effect, size_limit::SizeLimit},
    catch_panic::{catch_panic, panic_point},
    control::{Control, WorkerHandle},
    deadline::after,
    drop_reason::DropReason,
    exchange::Exchange,
    hooks,
    logging::{TARGET, logging},
    queue::{Queue, WakeLimits},
    record::{Encoded, Endpoint},
    reply::{Refusal, Verdict},
    settings::WorkerSettings,
    spool::{Spool, SpoolSettings},
};

/// What the worker shares with the callers.
#[derive(Clone)]
pub(crate) struct WorkerParts {
    pub(crate) accounting: Arc<Accounting>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) handle: Arc<WorkerHandle>,
    pub(crate) wake_limits: WakeLimits,
}

/// A batch that failed this often is split, if nothing else can be sent to gather evidence from.
const FAILURES_BEFORE_SPLIT: u32 = 3;

/// A request that failed.
#[derive(Clone, Copy)]
struct Failure {
    endpoint: Endpoint,
    began: Instant,
    scope: Scope,
}

pub(crate) struct Worker {
    parts: WorkerParts,
    settings: WorkerSettings,
    /// The largest body of each endpoint, as the server accepts it.
    size_limits: [SizeLimit; Endpoint::ALL.len()],
    control: Receiver<Control>,
    incoming: Incoming,
    /// The bytes of the records in memory that were taken and are not settled.
    batched_bytes: usize,
    queues: [EndpointQueue; Endpoint::ALL.len()],
    next_endpoint: Endpoint,
    /// The last request that was answered failed.
    has_failed: bool,
    dispatcher: Dispatcher,
    schedule: Schedule,
    backoff: Backoff,
    blame: Blame,
    flush_waiters: FlushWaiters,
    spooler: Option<Spooler>,
    /// A flush waits for this client's records in the spool, however few they are.
    flush_requested: bool,
}

thread_local! {
    /// Dropped after the other thread-locals of the worker, because it is the first: a join after that takes no time.
    static RUNNING: Cell<Option<Sender<Infallible>>> = const { Cell::new(None) };
}

impl Worker {
    pub(crate) fn new(
        parts: WorkerParts,
        settings: WorkerSettings,
        spool: Option<SpoolSettings>,
        control: Receiver<Control>,
        records: Receiver<Encoded>,
    ) -> io::Result<Self> {
        let schedule = Schedule::new(
            settings.flush_interval,
            settings.initial_backoff,
            parts.wake_limits,
        );
        // Records must get to the disk while a request is in flight, so another thread makes it.
        let exchange = parts.exchange.clone();
        let dispatcher = match (settings.max_concurrent_requests, &spool) {
            (1, None) => Dispatcher::on_worker(exchange),
            (requests, _) => Dispatcher::on_threads(exchange, &parts.handle, requests)?,
        };
        let accounting = || parts.accounting.clone();
        let spooler = spool
            .map(Spool::new)
            .map(|spool| Spooler::new(accounting(), spool, Instant::now()));
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Ok(Self {
            backoff: Backoff::new(settings.initial_backoff, settings.max_backoff, seed),
            blame: Blame::default(),
            size_limits: [SizeLimit::new(settings.batch.bytes); Endpoint::ALL.len()],
            settings,
            control,
            incoming: Incoming::new(records, parts.queue.clone(), accounting()),
            batched_bytes: 0,
            queues: Endpoint::ALL.map(|_| EndpointQueue::new(accounting())),
            next_endpoint: Endpoint::Events,
            has_failed: false,
            dispatcher,
            schedule,
            flush_waiters: FlushWaiters::default(),
            spooler,
            flush_requested: false,
            parts,
        })
    }

    /// Works until the client is closed. `running` is dropped at the very end: callers of close wait for that.
    pub(crate) fn run(mut self, running: Sender<Infallible>) {
        RUNNING.set(Some(running));
        hooks::mark_worker_thread(self.parts.exchange.client());
        let mut reason = DropReason::CloseTimeout;
        if catch_panic(|| self.work()).is_none() {
            logging(
                || error!(target: TARGET, "the worker failed: records are dropped from here on"),
            );
            self.parts.queue.close();
            reason = DropReason::Internal;
        }
        let (accounting, handle) = (self.parts.accounting.clone(), self.parts.handle.clone());
        // Records that a panic keeps from being abandoned are settled when the worker is dropped.
        let _ = catch_panic(move || {
            self.abandon(reason);
            self.dispatcher.end();
        });
        accounting.end();
        handle.end_flushes();
    }

    fn work(&mut self) {
        loop {
            while let Ok(control) = self.control.try_recv() {
                self.handle(control);
            }
            let now = Instant::now();
            self.answer_flushes(now);
            let view = self.publish_and_view(now);
            panic_point();
            match self.schedule.next(now, view) {
                Step::Take => self.take(now),
                Step::Load { is_due } => self.load(is_due, now),
                Step::ScanSpool => self
                    .spooler
                    .iter_mut()
                    .for_each(|spooler| spooler.scan(now)),
                Step::Attempt => self.attempt(now),
                Step::GiveUp => self.give_up(now),
                Step::Wait(until) => self.wait(until),
                Step::Abandon | Step::End => return,
            }
            panic_point();
        }
    }

    fn wait(&mut self, until: Option<Instant>) {
        let control = match until {
            Some(until) => self.control.recv_deadline(until).ok(),
            None => self.control.recv().ok(),
        };
        if let Some(control) = control {
            self.handle(control);
        }
    }

    fn handle(&mut self, control: Control) {
        match control {
            Control::Wake => {
                if let Some(requests) = self.parts.handle.take_flush_requests() {
                    self.request_flush();
                    let received = self.progress(EndpointQueue::received, Spool::stored);
                    self.flush_waiters.add(requests, received);
                }
            }
            Control::Close { deadline } => {
                if self.schedule.closing().is_none() {
                    self.blame.open_all();
                    self.queues.iter_mut().for_each(EndpointQueue::end_rests);
                }
                self.schedule.close(deadline);
                if let Some(spooler) = &mut self.spooler {
                    spooler.scan_now(Instant::now());
                }
            }
            Control::Completed(result) => {
                if let Some(completed) = self.dispatcher.complete(result) {
                    self.apply(completed);
                }
            }
        }
    }

    /// A caller wants all records delivered.
    fn request_flush(&mut self) {
        self.take(Instant::now());
        self.flush_requested = true;
        self.take_unspooled();
        self.spooler.iter_mut().for_each(Spooler::set_flush_target);
        self.schedule.skip_backoff_once();
        self.blame.skip_once(Instant::now());
    }

    fn progress(
        &self,
        queue: impl Fn(&EndpointQueue) -> u64,
        spool: impl Fn(&Spool) -> u64,
    ) -> Progress {
        Progress {
            queues: self.queues.each_ref().map(queue),
            stored: self
                .spooler
                .as_ref()
                .map_or(0, |spooler| spool(spooler.spool())),
        }
    }

    /// Tells the callers' side how far the worker is, and returns where the records are.
    fn publish_and_view(&self, now: Instant) -> View {
        let queue = &self.parts.queue;
        let retrying = self.queues.iter().flat_map(EndpointQueue::retrying);
        View {
            // From the moment the worker stops polling, callers wake it again. Earlier records are seen here.
            waiting: self.publish(now),
            waiting_bytes: queue.waiting_bytes(),
            blocked: queue.has_blocked(),
            batched: self.queues.iter().any(EndpointQueue::has_work),
            resting_until: self.resting_until(now),
            in_flight: !self.dispatcher.is_idle(),
            has_slot: !self.dispatcher.is_full(),
            give_up_at: retrying.filter_map(|batch| self.give_up_at(batch)).min(),
            spool: self
                .spooler
                .as_ref()
                .map(|spooler| spooler.view(self.flush_requested, self.batched_bytes)),
        }
    }

    /// When the first of the batches may be sent that all wait for delays of their own. None if one may be sent now.
    fn resting_until(&self, now: Instant) -> Option<Instant> {
        let with_work = |endpoint: &Endpoint| self.queues[*endpoint as usize].has_work();
        let endpoints = Endpoint::ALL.into_iter().filter(with_work);
        let rests = endpoints.map(|endpoint| self.rest_of(endpoint, now));
        rests.min().flatten()
    }

    /// Until when neither the endpoint nor one of its batches may be attempted.
    fn rest_of(&self, endpoint: Endpoint, now: Instant) -> Option<Instant> {
        let queue = &self.queues[endpoint as usize];
        queue
            .resting_until(now)
            .max(self.blame.shut_until(endpoint, now))
    }

    /// The endpoint to attempt: by turns, but after a failure the one that has failed less often.
    fn choose_endpoint(&self, now: Instant) -> Endpoint {
        let is_ready = |endpoint: Endpoint| {
            self.queues[endpoint as usize].has_work() && self.rest_of(endpoint, now).is_none()
        };
        let (next, other) = (self.next_endpoint, self.next_endpoint.other());
        let is_other_better =
            self.has_failed && self.blame.failures(other) < self.blame.failures(next);
        match is_ready(other) && (is_other_better || !is_ready(next)) {
            true => other,
            false => next,
        }
    }

    fn publish(&self, now: Instant) -> u64 {
        let is_polling = self.schedule.is_polling(now);
        self.parts
            .queue
            .set_taken(self.incoming.taken(), self.batched_bytes, is_polling)
    }

    /// Takes all records that wait in the channel: to the disk if there is a spool, or else to their queue.
    fn take(&mut self, now: Instant) {
        let taken = self.incoming.take(self.schedule.closing().is_some());
        panic_point();
        self.schedule
            .note_arrivals(taken.len() as u64, self.spooler.is_some(), now);
        match &mut self.spooler {
            Some(spooler) => spooler.store_or_hold(taken),
            None => self.enqueue(taken),
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
    fn take_unspooled(&mut self) {
        let limit = match self.flush_requested {
            true => usize::MAX,
            false => self.settings.batch.records,
        };
        if let Some(spooler) = &mut self.spooler {
            let unspooled = spooler.take_unspooled(limit);
            self.enqueue(unspooled);
        }
    }

    fn enqueue(&mut self, records: Unsettled) {
        self.batched_bytes += cost(records.iter());
        self.distribute(records);
    }

    fn distribute(&mut self, mut records: Unsettled) {
        while let Some(record) = records.pop() {
            self.queue(record.endpoint).push(record);
        }
    }

    /// Queues the next records of the spool.
    fn load(&mut self, is_due: bool, now: Instant) {
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
        let loaded = spooler.load(is_due, may_recover, now);
        panic_point();
        self.distribute(loaded);
        // Full segments and those of other runs may come first: gathered records stay due until they are loaded.
        if is_due && !self.holds_any() {
            self.flush_requested = false;
            self.schedule.note_drained(now);
        }
    }

    /// Takes records that may go along with those in hand, or show whether others than these are accepted.
    fn take_more(&mut self, now: Instant) {
        if self.spooler.is_none() {
            let has_room = |endpoint: &Endpoint| {
                self.queues[*endpoint as usize].has_room(self.limits(*endpoint))
            };
            if Endpoint::ALL.iter().any(has_room) {
                // A full batch costs no more than this one.
                self.take(now);
            }
        } else if self.queues.iter().all(EndpointQueue::is_failing)
            && let Some(is_due) = self.loadable()
        {
            self.load_from_spool(is_due, now);
        }
    }

    /// Whether the spool has enough for one more request, and whether this client's gathered records are part of it.
    fn loadable(&self) -> Option<bool> {
        let spool = self.spooler.as_ref()?.spool();
        let (held, _) = spool.held();
        let is_due = spool.has_sealed()
            || self.flush_requested && held > 0
            || held >= self.parts.wake_limits.records as u64;
        (spool.can_load() && (is_due || spool.has_orphans())).then_some(is_due)
    }

    fn attempt(&mut self, now: Instant) {
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

    fn queue(&mut self, endpoint: Endpoint) -> &mut EndpointQueue {
        &mut self.queues[endpoint as usize]
    }

    /// Applies what came of an attempt.
    fn apply(&mut self, completed: Completed) {
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
        let now = Instant::now();
        self.has_failed = matches!(verdict, Verdict::Later { .. });
        if !self.has_failed {
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
        if self.has_failed {
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
        let lacks_evidence = may_be_narrow
            && scope != Scope::Batch
            && !batch.failures.is_suspect()
            && self.lacks_evidence(batch);
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
        let has_failed = |batch: &Batch| batch.failures.in_a_row() >= FAILURES_BEFORE_SPLIT;
        has_failed(batch)
            && self.dispatcher.is_idle()
            && self.loadable().is_none()
            && self.queues.iter().all(|queue| {
                !queue.has_waiting()
                    && queue
                        .retrying()
                        .all(|batch| has_failed(batch) || batch.failures.is_suspect())
            })
    }

    /// The bounds of a request to this endpoint.
    fn limits(&self, endpoint: Endpoint) -> BatchLimits {
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
    fn give_up_at(&self, batch: &Batch) -> Option<Instant> {
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
    fn give_up(&mut self, now: Instant) {
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

    fn answer_flushes(&mut self, now: Instant) {
        if !self.flush_waiters.is_empty() {
            let settled = self.progress(EndpointQueue::settled, Spool::settled);
            self.flush_waiters.answer(&settled, now);
        }
        let deadline = self.flush_waiters.earliest_deadline();
        self.schedule.set_flush_deadline(now, deadline);
    }

    /// Leaves records on disk there, and drops all others: batched, in flight and in the channel.
    fn abandon(&mut self, reason: DropReason) {
        self.take(Instant::now());
        let mut left = Unsettled::new(self.parts.accounting.clone());
        for mut batch in self.dispatcher.recall() {
            if let Some(records) = batch.delivery.take_all() {
                left.append(records);
            }
        }
        for queue in &mut self.queues {
            left.append(queue.take_all());
        }
        panic_point();
        left.keep_unspooled();
        if let Some(spooler) = &mut self.spooler {
            spooler.leave(&mut left);
        }
        left.settle(Outcome::Dropped(reason, None));
    }
}

#[cfg(test)]
mod tests;
