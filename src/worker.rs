//! The one thread that sends: it waits until the schedule says otherwise, and performs its steps.
//!
//! It listens on the control channel alone. Callers put records into the data channel without waking anybody, and knock
//! here when the first one waits and when a batch is full.

mod schedule;

use std::{
    collections::VecDeque,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use log::{debug, error};
use time::OffsetDateTime;

use self::schedule::{Schedule, Step, View};
use crate::{
    batch::{self, BatchLimits, take_batch},
    client::Shared,
    deadline::after,
    delivery::{
        Delivery, Effect,
        reply::{Verdict, judge},
        retry::Backoff,
        transport::{Request, Response, TransportError},
    },
    record::{Encoded, Endpoint},
    report::{TARGET, logging},
    stats::DropReason,
};

/// What callers tell the worker.
pub(crate) enum Control {
    /// Look at the queue.
    Wake,
    /// Deliver what waits now, then answer; no answer, but a closed channel, means that it will not be in time.
    Flush { deadline: Instant, done: Sender<()> },
    /// Look at [`Shared::closing`].
    Close,
}

/// The callers' end of the control channel.
pub(crate) struct Knocker {
    control: Sender<Control>,
    /// A wake is on its way. More of them would say nothing new.
    waking: AtomicBool,
}

impl Knocker {
    pub(crate) fn new(control: Sender<Control>) -> Self {
        Self {
            control,
            waking: AtomicBool::new(false),
        }
    }

    pub(crate) fn wake(&self) {
        if !self.waking.swap(true, SeqCst) {
            self.tell(Control::Wake);
        }
    }

    /// A worker that is gone has nothing left to do: nobody needs to know.
    pub(crate) fn tell(&self, control: Control) {
        let _ = self.control.send(control);
    }
}

/// How the worker goes about its work.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    pub(crate) flush_interval: Duration,
    pub(crate) batch: BatchLimits,
    pub(crate) request_timeout: Duration,
    pub(crate) give_up_after: Duration,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    settings: WorkerSettings,
    control: Receiver<Control>,
    records: Receiver<Encoded>,
    taken: u64,
    in_hand_bytes: usize,
    lanes: [Lane; 2],
    /// The lane whose turn it is.
    turn: usize,
    schedule: Schedule,
    backoff: Backoff,
    flushes: Vec<Flush>,
    body: Vec<u8>,
}

/// The records of one endpoint that are due, in their order.
struct Lane {
    endpoint: Endpoint,
    url: String,
    waiting: VecDeque<Encoded>,
    delivery: Option<Delivery>,
    /// How many came in, ever, and how many of them belong to batches that are done.
    received: u64,
    done: u64,
    /// How many records the batch on its way began with.
    batch: u64,
}

struct Flush {
    deadline: Instant,
    done: Sender<()>,
    /// How many records of each lane have to be done.
    targets: [u64; 2],
}

/// A body buffer that grew beyond this is given back once its batch is done.
const MAX_KEPT_BODY: usize = 256 * 1024;

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        settings: WorkerSettings,
        control: Receiver<Control>,
        records: Receiver<Encoded>,
    ) -> Self {
        let limits = shared.queue.limits();
        let schedule = Schedule::new(
            settings.flush_interval,
            limits.trigger_records,
            limits.trigger_bytes,
        );
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let backoff = Backoff::new(settings.initial_backoff, settings.max_backoff, seed);
        Self {
            settings,
            control,
            records,
            taken: 0,
            in_hand_bytes: 0,
            lanes: Endpoint::ALL.map(|endpoint| Lane::new(endpoint, &shared.host)),
            turn: 0,
            schedule,
            backoff,
            flushes: Vec::new(),
            body: Vec::new(),
            shared,
        }
    }

    /// Works until the client is closed. `_running` is let go at the very end, which is how the closer knows.
    pub(crate) fn run(mut self, _running: Sender<Infallible>) {
        if catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            logging(
                || error!(target: TARGET, "the worker failed: records are dropped from here on"),
            );
            self.shared.shut_the_door();
            self.flushes.clear();
        }
        // After a failure or at the deadline: whatever is left is told of, and none is left behind.
        let reason = if self.schedule.closing().is_some() {
            DropReason::Deadline
        } else {
            DropReason::Internal
        };
        self.abandon(reason);
        self.shared.report.end_episode();
    }

    fn work(&mut self) {
        loop {
            while let Ok(control) = self.control.try_recv() {
                self.hear(control);
            }
            let now = Instant::now();
            self.answer_flushes(now);
            match self.schedule.next(now, self.view()) {
                Step::Take => self.take(now),
                Step::Attempt => self.attempt(now),
                Step::Listen(until) => self.listen(until),
                Step::Abandon | Step::End => return,
            }
        }
    }

    fn listen(&mut self, until: Option<Instant>) {
        let heard = match until {
            Some(until) => self.control.recv_deadline(until).ok(),
            None => self.control.recv().ok(),
        };
        if let Some(control) = heard {
            self.hear(control);
        }
    }

    fn hear(&mut self, control: Control) {
        match control {
            // Taken back before the queue is looked at, so that a later knock is not lost.
            Control::Wake => self.shared.knocker.waking.store(false, SeqCst),
            Control::Flush { deadline, done } => {
                self.take(Instant::now());
                self.schedule.hurry();
                let targets = self.lanes.each_ref().map(|lane| lane.received);
                self.flushes.push(Flush {
                    deadline,
                    done,
                    targets,
                });
            }
            Control::Close => {
                if let Some(closing) = self.shared.closing() {
                    self.schedule.close(closing.deadline);
                }
            }
        }
    }

    fn view(&self) -> View {
        let queue = &self.shared.queue;
        View {
            waiting: queue.set_taken(self.taken),
            waiting_bytes: queue.pending_bytes().saturating_sub(self.in_hand_bytes),
            blocked: queue.has_blocked(),
            in_hand: self.lanes.iter().any(Lane::has_work),
        }
    }

    /// Moves everything that waits in the channel to its lane.
    fn take(&mut self, now: Instant) {
        while let Ok(record) = self.records.try_recv() {
            self.take_one(record);
        }
        if let Some(closing) = self.shared.closing() {
            // Nobody gets in any more, but some may be between the door and the channel.
            while self.taken < closing.accepted
                && let Ok(record) = self.records.recv_deadline(closing.deadline)
            {
                self.take_one(record);
            }
            self.taken = closing.accepted;
        }
        self.shared.queue.set_taken(self.taken);
        self.schedule.took(now);
    }

    fn take_one(&mut self, record: Encoded) {
        self.taken += 1;
        self.in_hand_bytes += record.json.len();
        let lane = &mut self.lanes[record.endpoint as usize];
        lane.received += 1;
        lane.waiting.push_back(record);
    }

    fn attempt(&mut self, now: Instant) {
        if !self.lanes[self.turn].has_work() {
            self.turn = 1 - self.turn;
        }
        let lane = &mut self.lanes[self.turn];
        if lane.delivery.is_none() && lane.waiting.len() < self.settings.batch.records {
            // There may be more by now, and a full batch costs no more than this one.
            self.take(now);
        }
        let lane = &mut self.lanes[self.turn];
        lane.start_delivery(self.settings.batch);
        let Some(records) = lane.delivery.as_ref().and_then(Delivery::front) else {
            return;
        };
        batch::write_body(records, &mut self.body);
        let mut deadline = after(now, self.settings.request_timeout);
        if let Some(closing) = self.schedule.closing() {
            deadline = deadline.min(closing);
        }
        let request = Request::new(&lane.url, &self.shared.api_key, &self.body, deadline);
        let answer = self.shared.send(&request);
        logging(|| {
            debug!(
                target: TARGET,
                "{} (records: {}, bytes: {}): {} after {} ms",
                lane.endpoint.path(),
                records.len(),
                self.body.len(),
                outcome(&answer),
                now.elapsed().as_millis(),
            );
        });
        let verdict = answer
            .ok()
            .map(|answer| judge(&answer, OffsetDateTime::now_utc(), &self.shared.api_key));
        self.apply(verdict);
    }

    fn apply(&mut self, verdict: Option<Verdict>) {
        let now = Instant::now();
        let answered = !matches!(verdict, None | Some(Verdict::Later { .. }));
        if answered {
            self.backoff.reset();
            self.schedule.succeeded();
        }
        let lane = &mut self.lanes[self.turn];
        let Some(delivery) = &mut lane.delivery else {
            return;
        };
        let effects = delivery.apply(verdict, now, self.settings.give_up_after);
        let is_done = lane.finish_if_done();
        for effect in effects {
            self.carry_out(effect, now);
        }
        if self.body.capacity() > MAX_KEPT_BODY {
            self.body = Vec::new();
        }
        if is_done || !answered {
            self.turn = 1 - self.turn;
        }
    }

    fn carry_out(&mut self, effect: Effect, now: Instant) {
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
                self.shared
                    .report
                    .dropped(reason, refusal.as_ref(), &records);
                self.release(&records);
            }
            Effect::Wait {
                at_least,
                last_chance,
            } => {
                self.schedule
                    .failed(now, self.backoff.next_delay(), at_least, last_chance);
            }
        }
    }

    fn release(&mut self, records: &[Encoded]) {
        let bytes = batch::size(records);
        self.in_hand_bytes -= bytes;
        self.shared.queue.release(records.len(), bytes);
    }

    /// Answers the flushes that are settled, and lets go of those that will not be in time.
    fn answer_flushes(&mut self, now: Instant) {
        let Self {
            flushes,
            lanes,
            schedule,
            ..
        } = self;
        flushes.retain(|flush| {
            let is_done = lanes
                .iter()
                .zip(flush.targets)
                .all(|(lane, target)| lane.done >= target);
            if is_done {
                let _ = flush.done.try_send(());
            }
            !is_done && !schedule.is_hopeless(now, flush.deadline)
        });
    }

    /// Drops everything that is left, here and in the channel.
    fn abandon(&mut self, reason: DropReason) {
        self.take(Instant::now());
        for lane in 0..self.lanes.len() {
            let records = self.lanes[lane].take_all();
            self.shared.report.dropped(reason, None, &records);
            self.release(&records);
        }
    }
}

impl Lane {
    fn new(endpoint: Endpoint, host: &str) -> Self {
        Self {
            endpoint,
            url: format!("{host}{}", endpoint.path()),
            waiting: VecDeque::new(),
            delivery: None,
            received: 0,
            done: 0,
            batch: 0,
        }
    }

    fn has_work(&self) -> bool {
        self.delivery.is_some() || !self.waiting.is_empty()
    }

    /// Makes the next batch, unless one is on its way.
    fn start_delivery(&mut self, limits: BatchLimits) {
        if self.delivery.is_none() && !self.waiting.is_empty() {
            let batch = take_batch(&mut self.waiting, limits);
            self.batch = batch.len() as u64;
            self.delivery = Some(Delivery::new(batch));
        }
    }

    fn finish_if_done(&mut self) -> bool {
        let is_done = self
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.front().is_none());
        if is_done {
            self.delivery = None;
            self.done += self.batch;
        }
        is_done
    }

    fn take_all(&mut self) -> Vec<Encoded> {
        let mut records = self
            .delivery
            .take()
            .map(|mut delivery| delivery.take_all())
            .unwrap_or_default();
        records.extend(self.waiting.drain(..));
        self.done = self.received;
        records
    }
}

fn outcome(answer: &Result<Response, TransportError>) -> String {
    match answer {
        Ok(answer) => format!("status {}", answer.status()),
        Err(error) => error.cause_text(),
    }
}
