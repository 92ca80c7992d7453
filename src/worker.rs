//! The thread that sees to delivery: it waits until the schedule says otherwise, and performs its steps.
//!
//! It listens on the control channel alone. Callers put records into the data channel without waking anybody, and knock
//! here when the first one waits and when a batch is full; after that it looks by itself for a while.

mod control;
mod dispatcher;
mod endpoint_queue;
mod flush_waiters;
mod schedule;
mod settle;
mod spooler;

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use log::error;

pub(crate) use self::control::{Control, WorkerHandle};
use self::{
    dispatcher::Dispatcher,
    endpoint_queue::EndpointQueue,
    flush_waiters::{FlushWaiters, Progress},
    schedule::{Schedule, Step, View},
    spooler::Spooler,
};
use crate::{
    batch::backoff::Backoff,
    batch::{self, BatchLimits},
    catch_panic::catch_panic,
    client::Shared,
    deadline::after,
    hooks,
    record::{Encoded, Endpoint},
    report::{TARGET, logging},
    spool::{Spool, SpoolSettings},
    stats::DropReason,
};

/// How the worker goes about its work.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    pub(crate) flush_interval: Duration,
    pub(crate) batch: BatchLimits,
    pub(crate) max_concurrent_requests: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) give_up_after: Duration,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) spool: Option<SpoolSettings>,
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    settings: WorkerSettings,
    /// The bounds of a request, as the server takes it.
    limits: BatchLimits,
    control: Receiver<Control>,
    records: Receiver<Encoded>,
    /// How many records were taken out of the channel, ever.
    taken: u64,
    /// The bytes of those that were taken and have no fate yet.
    batched_bytes: usize,
    queues: [EndpointQueue; Endpoint::ALL.len()],
    /// The lane whose turn it is.
    next_endpoint: usize,
    dispatcher: Dispatcher,
    schedule: Schedule,
    backoff: Backoff,
    flush_waiters: FlushWaiters,
    spooler: Option<Spooler>,
    /// Our records in the spool are wanted at the server, however few they are.
    flush_requested: bool,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        settings: WorkerSettings,
        control: Receiver<Control>,
        records: Receiver<Encoded>,
    ) -> io::Result<Self> {
        let limits = shared.queue.limits();
        let schedule = Schedule::new(
            settings.flush_interval,
            limits.wake_at_records,
            limits.wake_at_bytes,
        );
        // Records must get to the disk while a request is in flight: it is made by another thread.
        let dispatcher = match (settings.max_concurrent_requests, &settings.spool) {
            (1, None) => Dispatcher::on_worker(shared.clone()),
            (connections, _) => Dispatcher::on_threads(&shared, connections)?,
        };
        let spool = settings.spool.clone().map(Spool::new);
        let spooler = spool.map(|spool| Spooler::new(shared.clone(), spool, Instant::now()));
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Ok(Self {
            backoff: Backoff::new(settings.initial_backoff, settings.max_backoff, seed),
            limits: settings.batch,
            settings,
            control,
            records,
            taken: 0,
            batched_bytes: 0,
            queues: Endpoint::ALL.map(EndpointQueue::new),
            next_endpoint: 0,
            dispatcher,
            schedule,
            flush_waiters: FlushWaiters::default(),
            spooler,
            flush_requested: false,
            shared,
        })
    }

    /// Works until the client is closed. `_running` is let go at the very end, which is how the closer knows.
    pub(crate) fn run(mut self, _running: Sender<Infallible>) {
        hooks::mark_worker_thread(self.shared.id);
        if catch_panic(|| self.work()).is_none() {
            logging(
                || error!(target: TARGET, "the worker failed: records are dropped from here on"),
            );
            self.shared.close_intake();
        }
        // At the deadline, or after a failure: whatever is left is told of, and none is left behind.
        let is_closing = self.schedule.closing().is_some();
        self.abandon(if is_closing {
            DropReason::CloseTimeout
        } else {
            DropReason::Internal
        });
        self.shared.report.end();
        self.dispatcher.end();
    }

    fn work(&mut self) {
        loop {
            while let Ok(control) = self.control.try_recv() {
                self.handle(control);
            }
            let now = Instant::now();
            self.answer_flushes(now);
            let view = self.view(now);
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
        }
    }

    fn wait(&mut self, until: Option<Instant>) {
        let heard = match until {
            Some(until) => self.control.recv_deadline(until).ok(),
            None => self.control.recv().ok(),
        };
        if let Some(control) = heard {
            self.handle(control);
        }
    }

    fn handle(&mut self, control: Control) {
        match control {
            Control::Wake => {
                if self.shared.worker_handle.take_flags() {
                    self.request_flush();
                }
            }
            Control::Flush { deadline, done } => {
                self.request_flush();
                let spool = self.spooler.as_ref().map(Spooler::spool);
                let came = Progress {
                    queues: self.queues.each_ref().map(EndpointQueue::received),
                    stored: spool.map_or(0, Spool::stored),
                };
                self.flush_waiters.add(deadline, done, came);
            }
            Control::Close => {
                if let Some(closing) = self.shared.closing() {
                    self.schedule.close(closing.deadline);
                }
                if let Some(spooler) = &mut self.spooler {
                    spooler.scan_now(Instant::now());
                }
            }
            Control::Completed(answer) => {
                if let Some(completed) = self.dispatcher.complete(answer) {
                    self.apply(completed);
                }
            }
        }
    }

    /// Somebody wants to see everything delivered.
    fn request_flush(&mut self) {
        self.take(Instant::now());
        self.flush_requested = true;
        self.take_unspooled();
        self.spooler.iter_mut().for_each(Spooler::set_flush_target);
        self.schedule.skip_backoff_once();
    }

    fn view(&self, now: Instant) -> View {
        let queue = &self.shared.queue;
        View {
            // From where the worker is no longer alert, callers knock again; what came before is seen here.
            waiting: queue.set_taken(
                self.taken,
                self.batched_bytes,
                self.schedule.is_polling(now),
            ),
            waiting_bytes: queue.pending_bytes().saturating_sub(self.batched_bytes),
            blocked: queue.has_blocked(),
            batched: self.queues.iter().any(EndpointQueue::has_work),
            in_flight: !self.dispatcher.is_idle(),
            has_place: !self.dispatcher.is_full(),
            give_up_at: (self.queues.iter().flat_map(EndpointQueue::retrying))
                .filter_map(|batch| self.give_up_at(batch))
                .min(),
            spool: self
                .spooler
                .as_ref()
                .map(|spooler| spooler.view(self.flush_requested)),
        }
    }

    /// Takes in everything that waits in the channel: to the disk where there is a spool, or else to its lane.
    fn take(&mut self, now: Instant) {
        let mut taken = Vec::new();
        let is_spooling = self.spooler.is_some();
        let taken_before = self.taken;
        while let Ok(record) = self.records.try_recv() {
            self.taken += 1;
            if is_spooling {
                taken.push(record);
            } else {
                self.enqueue(record);
            }
        }
        if let Some(closing) = self.shared.closing() {
            // Nobody gets in any more, but some may be between the door and the channel.
            while self.taken < closing.accepted
                && let Ok(record) = self.records.recv()
            {
                self.taken += 1;
                taken.push(record);
            }
        }
        self.schedule
            .note_arrivals(self.taken - taken_before, is_spooling, now);
        let is_polling = self.schedule.is_polling(now);
        self.shared
            .queue
            .set_taken(self.taken, self.batched_bytes, is_polling);
        if !self.holds_any() {
            self.schedule.note_drained(now);
        }
        match &mut self.spooler {
            Some(spooler) => spooler.store_or_hold(taken),
            None => taken.into_iter().for_each(|record| self.enqueue(record)),
        }
    }

    /// Whether records are gathered outside of the channel.
    fn holds_any(&self) -> bool {
        self.spooler.as_ref().is_some_and(Spooler::holds_any)
    }

    /// Takes in hand what the disk does not take: as much as a request carries, or all that somebody wants.
    fn take_unspooled(&mut self) {
        let limit = match self.flush_requested {
            true => usize::MAX,
            false => self.limits.records,
        };
        let unspooled = self
            .spooler
            .as_mut()
            .map(|spooler| spooler.take_unspooled(limit));
        for record in unspooled.into_iter().flatten() {
            self.enqueue(record);
        }
    }

    fn enqueue(&mut self, record: Encoded) {
        self.batched_bytes += record.cost();
        self.queues[record.endpoint as usize].push(record);
    }

    /// Takes the next records of the spool in hand.
    fn load(&mut self, is_due: bool, now: Instant) {
        let closing = self.schedule.closing();
        let may_recover = closing.is_none_or(|deadline| now < deadline);
        if is_due {
            self.take_unspooled();
            if self.queues.iter().any(EndpointQueue::has_work) {
                return;
            }
        }
        let Some(spooler) = &mut self.spooler else {
            return;
        };
        for record in spooler.load(is_due, may_recover, now) {
            self.queues[record.endpoint as usize].push(record);
        }
        // Full segments and what others left may come first: what is gathered stays due until it is taken.
        if is_due && !self.holds_any() {
            self.flush_requested = false;
            self.schedule.note_drained(now);
        }
    }

    fn attempt(&mut self, now: Instant) {
        let limits = self.limits;
        if !self.queues[self.next_endpoint].has_work() {
            self.next_endpoint = 1 - self.next_endpoint;
        }
        if self.spooler.is_none() && self.queues[self.next_endpoint].has_room(limits) {
            // There may be more by now, and a full batch costs no more than this one.
            self.take(now);
        }
        let (turn, lane) = (self.next_endpoint, &mut self.queues[self.next_endpoint]);
        let Some(batch) = lane.next_batch(limits) else {
            return;
        };
        let mut deadline = after(now, self.settings.request_timeout);
        if let Some(closing) = self.schedule.closing() {
            deadline = deadline.min(closing);
        }
        self.next_endpoint = 1 - turn;
        if let Some(completed) = self
            .dispatcher
            .attempt(turn, lane.endpoint, batch, now, deadline)
        {
            self.apply(completed);
        }
    }

    fn answer_flushes(&mut self, now: Instant) {
        if self.flush_waiters.is_empty() {
            return;
        }
        let spool = self.spooler.as_ref().map(Spooler::spool);
        let settled = Progress {
            queues: self.queues.each_ref().map(EndpointQueue::settled),
            stored: spool.map_or(0, Spool::settled),
        };
        let (dispatcher, schedule) = (&self.dispatcher, &self.schedule);
        let is_hopeless = |deadline| dispatcher.is_idle() && schedule.is_shut_until(deadline);
        self.flush_waiters.answer(&settled, now, is_hopeless);
    }

    /// Leaves on disk what is there, and drops everything else: here, in flight and in the channel.
    fn abandon(&mut self, reason: DropReason) {
        self.take(Instant::now());
        let in_flight: Vec<_> = self.dispatcher.recall().collect();
        let mut left: Vec<_> = in_flight
            .into_iter()
            .flat_map(|mut batch| batch.delivery.take_all())
            .collect();
        left.extend(self.queues.iter_mut().flat_map(EndpointQueue::take_all));
        left.retain(|record| record.entry == 0);
        if let Some(spooler) = &mut self.spooler {
            spooler.leave(&mut left);
        }
        self.shared.report.dropped(reason, None, &left);
        self.shared.queue.release(left.len(), batch::cost(&left));
    }
}
