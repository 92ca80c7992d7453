//! The thread that sees to delivery: it waits until the schedule says otherwise, and performs its steps.
//!
//! It listens on the control channel alone. Callers put records into the data channel without waking anybody, and knock
//! here when the first one waits and when a batch is full; after that it looks by itself for a while.

mod backlog;
mod control;
mod flushes;
mod lane;
mod outcome;
mod post;
mod schedule;

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use log::error;

pub(crate) use self::control::{Control, Knocker};
use self::{
    backlog::Backlog,
    flushes::{Flushes, Progress},
    lane::Lane,
    post::Post,
    schedule::{Schedule, Step, View},
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
    in_hand_bytes: usize,
    lanes: [Lane; Endpoint::ALL.len()],
    /// The lane whose turn it is.
    turn: usize,
    post: Post,
    schedule: Schedule,
    backoff: Backoff,
    flushes: Flushes,
    backlog: Option<Backlog>,
    /// Our records in the spool are wanted at the server, however few they are.
    is_wanted: bool,
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
            limits.trigger_records,
            limits.trigger_bytes,
        );
        // Records must get to the disk while a request is in flight: it is made by another thread.
        let post = match (settings.max_concurrent_requests, &settings.spool) {
            (1, None) => Post::on_worker(shared.clone()),
            (connections, _) => Post::on_threads(&shared, connections)?,
        };
        let spool = settings.spool.clone().map(Spool::new);
        let backlog = spool.map(|spool| Backlog::new(shared.clone(), spool, Instant::now()));
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Ok(Self {
            backoff: Backoff::new(settings.initial_backoff, settings.max_backoff, seed),
            limits: settings.batch,
            settings,
            control,
            records,
            taken: 0,
            in_hand_bytes: 0,
            lanes: Endpoint::ALL.map(Lane::new),
            turn: 0,
            post,
            schedule,
            flushes: Flushes::default(),
            backlog,
            is_wanted: false,
            shared,
        })
    }

    /// Works until the client is closed. `_running` is let go at the very end, which is how the closer knows.
    pub(crate) fn run(mut self, _running: Sender<Infallible>) {
        hooks::work_for(self.shared.id);
        if catch_panic(|| self.work()).is_none() {
            logging(
                || error!(target: TARGET, "the worker failed: records are dropped from here on"),
            );
            self.shared.shut_the_door();
        }
        // At the deadline, or after a failure: whatever is left is told of, and none is left behind.
        let is_closing = self.schedule.closing().is_some();
        self.abandon(if is_closing {
            DropReason::CloseTimeout
        } else {
            DropReason::Internal
        });
        self.shared.report.end();
        self.post.end();
    }

    fn work(&mut self) {
        loop {
            while let Ok(control) = self.control.try_recv() {
                self.hear(control);
            }
            let now = Instant::now();
            self.answer_flushes(now);
            let view = self.view(now);
            match self.schedule.next(now, view) {
                Step::Take => self.take(now),
                Step::Load { is_due } => self.load(is_due, now),
                Step::Look => self
                    .backlog
                    .iter_mut()
                    .for_each(|backlog| backlog.look(now)),
                Step::Attempt => self.attempt(now),
                Step::GiveUp => self.give_up(now),
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
            Control::Wake => {
                if self.shared.knocker.heard() {
                    self.want_all();
                }
            }
            Control::Flush { deadline, done } => {
                self.want_all();
                let spool = self.backlog.as_ref().map(Backlog::spool);
                let came = Progress {
                    lanes: self.lanes.each_ref().map(Lane::received),
                    stored: spool.map_or(0, Spool::stored),
                };
                self.flushes.add(deadline, done, came);
            }
            Control::Close => {
                if let Some(closing) = self.shared.closing() {
                    self.schedule.close(closing.deadline);
                }
                if let Some(backlog) = &mut self.backlog {
                    backlog.look_now(Instant::now());
                }
            }
            Control::Answered(answer) => {
                if let Some(landed) = self.post.land(answer) {
                    self.apply(landed);
                }
            }
        }
    }

    /// Somebody wants to see everything delivered.
    fn want_all(&mut self) {
        self.take(Instant::now());
        self.is_wanted = true;
        self.take_unstored();
        self.backlog.iter_mut().for_each(Backlog::want);
        self.schedule.hurry();
    }

    fn view(&self, now: Instant) -> View {
        let queue = &self.shared.queue;
        View {
            // From where the worker is no longer alert, callers knock again; what came before is seen here.
            waiting: queue.set_taken(self.taken, self.in_hand_bytes, self.schedule.is_alert(now)),
            waiting_bytes: queue.pending_bytes().saturating_sub(self.in_hand_bytes),
            blocked: queue.has_blocked(),
            in_hand: self.lanes.iter().any(Lane::has_work),
            in_flight: !self.post.is_idle(),
            has_place: !self.post.is_full(),
            last_chance: (self.lanes.iter().flat_map(Lane::parked))
                .filter_map(|batch| self.last_chance(batch))
                .min(),
            spool: self
                .backlog
                .as_ref()
                .map(|backlog| backlog.view(self.is_wanted)),
        }
    }

    /// Takes in everything that waits in the channel: to the disk where there is a spool, or else to its lane.
    fn take(&mut self, now: Instant) {
        let mut taken = Vec::new();
        let is_spooling = self.backlog.is_some();
        let taken_before = self.taken;
        while let Ok(record) = self.records.try_recv() {
            self.taken += 1;
            if is_spooling {
                taken.push(record);
            } else {
                self.take_in_hand(record);
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
            .came(self.taken - taken_before, is_spooling, now);
        let is_alert = self.schedule.is_alert(now);
        self.shared
            .queue
            .set_taken(self.taken, self.in_hand_bytes, is_alert);
        if !self.holds_any() {
            self.schedule.took(now);
        }
        match &mut self.backlog {
            Some(backlog) => backlog.gather(taken),
            None => taken
                .into_iter()
                .for_each(|record| self.take_in_hand(record)),
        }
    }

    /// Whether records are gathered outside of the channel.
    fn holds_any(&self) -> bool {
        self.backlog.as_ref().is_some_and(Backlog::holds_any)
    }

    /// Takes in hand what the disk does not take: as much as a request carries, or all that somebody wants.
    fn take_unstored(&mut self) {
        let limit = match self.is_wanted {
            true => usize::MAX,
            false => self.limits.records,
        };
        let unstored = self
            .backlog
            .as_mut()
            .map(|backlog| backlog.take_unstored(limit));
        for record in unstored.into_iter().flatten() {
            self.take_in_hand(record);
        }
    }

    fn take_in_hand(&mut self, record: Encoded) {
        self.in_hand_bytes += record.cost();
        self.lanes[record.endpoint as usize].push(record);
    }

    /// Takes the next records of the spool in hand.
    fn load(&mut self, is_due: bool, now: Instant) {
        let closing = self.schedule.closing();
        let may_recover = closing.is_none_or(|deadline| now < deadline);
        if is_due {
            self.take_unstored();
            if self.lanes.iter().any(Lane::has_work) {
                return;
            }
        }
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        for record in backlog.load(is_due, may_recover, now) {
            self.lanes[record.endpoint as usize].push(record);
        }
        // Full segments and what others left may come first: what is gathered stays due until it is taken.
        if is_due && !self.holds_any() {
            self.is_wanted = false;
            self.schedule.took(now);
        }
    }

    fn attempt(&mut self, now: Instant) {
        let limits = self.limits;
        if !self.lanes[self.turn].has_work() {
            self.turn = 1 - self.turn;
        }
        if self.backlog.is_none() && self.lanes[self.turn].has_room(limits) {
            // There may be more by now, and a full batch costs no more than this one.
            self.take(now);
        }
        let (turn, lane) = (self.turn, &mut self.lanes[self.turn]);
        let Some(batch) = lane.next_batch(limits) else {
            return;
        };
        let mut deadline = after(now, self.settings.request_timeout);
        if let Some(closing) = self.schedule.closing() {
            deadline = deadline.min(closing);
        }
        self.turn = 1 - turn;
        if let Some(landed) = self.post.attempt(turn, lane.endpoint, batch, now, deadline) {
            self.apply(landed);
        }
    }

    fn answer_flushes(&mut self, now: Instant) {
        if self.flushes.is_empty() {
            return;
        }
        let spool = self.backlog.as_ref().map(Backlog::spool);
        let settled = Progress {
            lanes: self.lanes.each_ref().map(Lane::settled),
            stored: spool.map_or(0, Spool::settled),
        };
        let (post, schedule) = (&self.post, &self.schedule);
        let is_hopeless = |deadline| post.is_idle() && schedule.is_shut_until(deadline);
        self.flushes.answer(&settled, now, is_hopeless);
    }

    /// Leaves on disk what is there, and drops everything else: here, in flight and in the channel.
    fn abandon(&mut self, reason: DropReason) {
        self.take(Instant::now());
        let in_flight: Vec<_> = self.post.recall().collect();
        let mut left: Vec<_> = in_flight
            .into_iter()
            .flat_map(|mut batch| batch.delivery.take_all())
            .collect();
        left.extend(self.lanes.iter_mut().flat_map(Lane::take_all));
        left.retain(|record| record.spool_entry.is_none());
        if let Some(backlog) = &mut self.backlog {
            backlog.leave(&mut left);
        }
        self.shared.report.dropped(reason, None, &left);
        self.shared.queue.release(left.len(), batch::cost(&left));
    }
}
