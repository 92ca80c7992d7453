//! The thread that sees to delivery: it waits until the schedule says otherwise, and performs its steps.
//!
//! It receives on the control channel alone. Callers push records onto the data channel, and wake the worker only when
//! the queue becomes non-empty and when a batch fills. For a while after that the worker polls the queue instead.

mod ages;
mod attempts;
mod call;
mod consent;
mod dispatcher;
mod endpoint_queue;
mod flush_waiters;
mod incoming;
mod loading;
mod schedule;
mod spooler;
mod vitals;

use std::{cell::Cell, convert::Infallible, io, sync::Arc, time::Instant};

use log::error;

pub(crate) use self::call::SizeLimits;
use self::{
    dispatcher::Dispatcher,
    endpoint_queue::EndpointQueue,
    flush_waiters::{FlushWaiters, Progress},
    incoming::Incoming,
    schedule::{Schedule, Step, View},
    spooler::Spooler,
};
use crate::{
    accounting::Accounting,
    batch::{backoff::Backoff, blame::Blame, size_limit::SizeLimit},
    catch_panic::{catch_panic, panic_point},
    clock,
    consent::ConsentCell,
    control::{Control, WorkerHandle},
    drop_reason::DropReason,
    exchange::Exchange,
    health::Published,
    hooks,
    logging::{TARGET, logging},
    queue::{Queue, WakeLimits},
    record::{Encoded, Endpoint},
    settings::{Duty, WorkerSettings},
    spool::Spool,
    sync::{
        channel::{Receiver, Sender},
        thread_local,
    },
};

/// What the worker shares with the callers.
#[derive(Clone)]
pub(crate) struct WorkerParts {
    pub(crate) accounting: Arc<Accounting>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) handle: Arc<WorkerHandle>,
    pub(crate) consent: Arc<ConsentCell>,
    pub(crate) wake_limits: WakeLimits,
    pub(crate) health: Arc<Published>,
}

pub(crate) struct Worker {
    parts: WorkerParts,
    settings: WorkerSettings,
    /// The largest body of each endpoint, as the server accepts it.
    size_limits: SizeLimits,
    control: Receiver<Control>,
    incoming: Incoming,
    /// All records from before this many withdrawals of the consent were forgotten.
    forgotten: u64,
    /// The disk failed when records were forgotten: some of them may be there.
    has_leftovers: bool,
    /// The disk failed when the last withdrawal was to be noted. A grant that is read later may be an earlier one.
    is_unnoted: bool,
    /// The bytes of the records in memory that were taken and are not settled.
    batched_bytes: usize,
    queues: [EndpointQueue; Endpoint::ALL.len()],
    next_endpoint: Endpoint,
    /// When the last request failed, if none has been accepted since.
    failed_at: Option<Instant>,
    dispatcher: Dispatcher,
    schedule: Schedule,
    backoff: Backoff,
    blame: Blame,
    flush_waiters: FlushWaiters,
    spooler: Option<Spooler>,
    /// A flush waits for this client's records in the spool, however few they are.
    flush_requested: bool,
}

/// What follows a step of the worker.
enum Ahead {
    /// The next step.
    Work,
    /// The next message, or this instant if it comes earlier.
    Wait(Option<Instant>),
    End,
}

thread_local! {
    /// Dropped after the other thread-locals of the worker, because it is the first: a join after that takes no time.
    static RUNNING: Cell<Option<Sender<Infallible>>> = const { Cell::new(None) };
}

impl Worker {
    pub(crate) fn new(
        parts: WorkerParts,
        settings: WorkerSettings,
        spool: Option<Spool>,
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
            _ if settings.duty == Duty::Store => Dispatcher::on_worker(exchange),
            (requests, _) => Dispatcher::on_threads(exchange, &parts.handle, requests)?,
        };
        let accounting = || parts.accounting.clone();
        let spooler = spool.map(|spool| {
            let consent = parts.consent.clone();
            Spooler::new(accounting(), consent, spool, settings.duty, clock::now())
        });
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Ok(Self {
            backoff: Backoff::new(settings.initial_backoff, settings.max_backoff, seed),
            blame: Blame::default(),
            size_limits: [SizeLimit::new(settings.batch.bytes); Endpoint::ALL.len()],
            settings,
            control,
            incoming: Incoming::new(records, parts.queue.clone(), accounting()),
            forgotten: 0,
            has_leftovers: false,
            is_unnoted: false,
            batched_bytes: 0,
            queues: Endpoint::ALL.map(|_| EndpointQueue::new(accounting())),
            next_endpoint: Endpoint::Events,
            failed_at: None,
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
        self.finish(reason);
    }

    /// Settles all that is left, and has callers wait no longer.
    fn finish(mut self, reason: DropReason) {
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
            match self.step() {
                Ahead::Work => {}
                Ahead::Wait(until) => self.wait(until),
                Ahead::End => return,
            }
            panic_point();
        }
    }

    /// Handles the messages that have arrived, and performs one step. Waits for no message and no instant.
    fn step(&mut self) -> Ahead {
        while let Ok(control) = self.control.try_recv() {
            self.handle(control);
        }
        let now = clock::now();
        let next_look = self.look_in_flight(now);
        if let Some(ahead) = self.await_consent(now) {
            return ahead;
        }
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
            Step::Wait(until) => {
                return Ahead::Wait([until, next_look].into_iter().flatten().min());
            }
            Step::Abandon | Step::End => return Ahead::End,
        }
        Ahead::Work
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
                    if self.has_consent() {
                        self.request_flush();
                    }
                    let received = self.progress(EndpointQueue::received, Spooler::received);
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
                    spooler.scan_now(clock::now());
                }
            }
            Control::Completed(completed) => self.complete(completed),
            Control::Withdraw(done) => {
                // A caller whose time is over does not wait for the answer.
                let _ = done.send(self.withdraw());
            }
            Control::Grant { withdrawals, done } => {
                let _ = done.send(self.grant(withdrawals));
            }
        }
    }

    /// A caller wants all records delivered.
    fn request_flush(&mut self) {
        self.take(clock::now());
        if let (Duty::Store, Some(spooler)) = (self.settings.duty, &mut self.spooler) {
            return spooler.offer_again();
        }
        self.flush_requested = true;
        self.take_unspooled();
        self.spooler.iter_mut().for_each(Spooler::set_flush_target);
        self.schedule.skip_backoff_once();
        self.blame.skip_once(clock::now());
    }

    fn progress(
        &self,
        queue: impl Fn(&EndpointQueue) -> u64,
        spooler: impl Fn(&Spooler) -> u64,
    ) -> Progress {
        Progress {
            queues: self.queues.each_ref().map(queue),
            stored: self.spooler.as_ref().map_or(0, spooler),
        }
    }

    /// Tells the callers' side how far the worker is, and returns where the records are.
    fn publish_and_view(&mut self, now: Instant) -> View {
        // From the moment the worker stops polling, callers wake it again. Earlier records are seen here.
        let waiting = self.publish(now);
        self.publish_health(waiting, now);
        let queue = &self.parts.queue;
        let retrying = self.queues.iter().flat_map(EndpointQueue::retrying);
        View {
            waiting,
            waiting_bytes: queue.waiting_bytes(),
            blocked: queue.has_blocked(),
            batched: self.queues.iter().any(EndpointQueue::has_work),
            resting_until: self.resting_until(now),
            in_flight: !self.dispatcher.is_idle(),
            has_slot: self.has_slot(),
            give_up_at: retrying.filter_map(|batch| self.give_up_at(batch)).min(),
            spool: self
                .spooler
                .as_ref()
                .map(|spooler| spooler.view(self.flush_requested, self.batched_bytes)),
        }
    }

    /// Whether one more request may be in flight. After a failure only one is, until one is accepted: if several fail
    /// together, it is not known which of their batches is the cause.
    fn has_slot(&self) -> bool {
        let is_probing = |failed_at| self.dispatcher.has_begun_since(failed_at);
        !self.dispatcher.is_full() && !self.failed_at.is_some_and(is_probing)
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

    fn publish(&self, now: Instant) -> u64 {
        let is_polling = self.schedule.is_polling(now);
        self.parts
            .queue
            .set_taken(self.incoming.taken(), self.batched_bytes, is_polling)
    }

    fn queue(&mut self, endpoint: Endpoint) -> &mut EndpointQueue {
        &mut self.queues[endpoint as usize]
    }

    fn answer_flushes(&mut self, now: Instant) {
        if !self.flush_waiters.is_empty() {
            let settled = self.progress(EndpointQueue::settled, Spooler::settled);
            self.flush_waiters.answer(&settled, now);
        }
        let deadline = self.flush_waiters.earliest_deadline();
        self.schedule.set_flush_deadline(now, deadline);
    }
}

#[cfg(test)]
#[cfg(trubrics_loom)]
mod models;
#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod simulation;
#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
