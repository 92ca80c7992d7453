//! One client of a simulation: the real one, but for the threads, whose steps a test takes.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, bounded};

use super::server::numbers;
use crate::{
    DropReason, Transport, Trubrics,
    batch::backoff::Backoff,
    client::ClientParts,
    clock::{self, double},
    control::{Completed, Control},
    exchange::Attempt,
    settings::Duty,
    spool::{MemoryDisk, Notice, Spool, SpoolSettings},
    worker::{
        Ahead, Worker,
        dispatcher::{Dispatcher, make},
        spooler::Spooler,
    },
};

/// The settings of a client. Everything else is as by default.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) seed: u64,
    pub(super) key: &'static str,
    pub(super) requests: usize,
    pub(super) queue_capacity: usize,
    pub(super) spool: Option<SpoolSettings>,
}

/// Records that were dropped together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drops {
    pub(super) at: Duration,
    pub(super) reason: DropReason,
    pub(super) status: Option<u16>,
    pub(super) records: Vec<u32>,
}

pub(super) struct Client {
    /// None once it has ended.
    worker: Option<Worker>,
    pub(super) parts: ClientParts,
    /// The requests that the worker begins, unless it makes them itself.
    attempts: Option<Receiver<(usize, Attempt)>>,
    /// The requests in flight, and when each ends.
    flights: Vec<(Instant, Completed)>,
    /// The worker waits, until this instant at most.
    waits: Option<Option<Instant>>,
}

/// More steps at one instant than any run needs.
const MAX_STEPS: usize = 100_000;

impl Client {
    /// Starts a client. The time of its drops is since `start`.
    pub(super) fn new(
        program: &Program,
        transport: impl Transport,
        disk: &MemoryDisk,
        drops: &Arc<Mutex<Vec<Drops>>>,
        start: Instant,
    ) -> Self {
        let drops = drops.clone();
        let builder = Trubrics::builder(program.key).transport(transport);
        let builder = builder.queue_capacity(program.queue_capacity);
        let builder = builder.on_drop(move |dropped| {
            let records = dropped.records();
            drops.lock().expect("no panic").push(Drops {
                at: clock::now().saturating_duration_since(start),
                reason: dropped.reason(),
                status: dropped.status(),
                records: records.flat_map(|json| numbers(json.as_bytes())).collect(),
            });
        });
        let (parts, mut worker) = builder.prepare().expect("valid settings").expect("enabled");
        let Worker { settings, .. } = &worker;
        worker.backoff = Backoff::new(settings.initial_backoff, settings.max_backoff, program.seed);
        let attempts = (program.spool.is_some() || program.requests > 1).then(|| {
            let (dispatcher, attempts) =
                Dispatcher::over_channel(parts.exchange.clone(), program.requests);
            worker.dispatcher = dispatcher;
            attempts
        });
        worker.spooler = program.spool.clone().map(|settings| {
            let mut spool = Spool::in_memory(settings, disk);
            let intake = &parts.intake;
            if let Ok(Notice::Withdrawn) = spool.look() {
                intake.consent.withdraw();
                intake.queue.pause();
            }
            let consent = intake.consent.clone();
            Spooler::new(
                intake.accounting.clone(),
                consent,
                spool,
                Duty::All,
                clock::now(),
            )
        });
        Self {
            worker: Some(worker),
            parts,
            attempts,
            flights: Vec::new(),
            waits: None,
        }
    }

    /// Takes steps until the worker waits, if it is to look at anything.
    pub(super) fn work(&mut self) {
        self.complete_requests();
        for _ in 0..MAX_STEPS {
            if !self.advance() {
                return;
            }
        }
        panic!("the worker does not rest");
    }

    /// Whether its caller's withdrawal is not noted, because the disk failed.
    pub(super) fn has_unnoted(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.is_unnoted)
    }

    /// Takes one step, unless the worker waits or has ended. Returns whether it took one and goes on.
    pub(super) fn advance(&mut self) -> bool {
        let Some(worker) = &mut self.worker else {
            return false;
        };
        let is_due = |until: Option<Instant>| until.is_some_and(|until| until <= clock::now());
        let sleeps = self.waits.is_some_and(|until| !is_due(until));
        if sleeps && worker.control.is_empty() {
            return false;
        }
        self.waits = match worker.step() {
            Ahead::Work => None,
            Ahead::Wait(until) => Some(until),
            Ahead::End => {
                self.end();
                return false;
            }
        };
        self.begin_requests();
        true
    }

    fn end(&mut self) {
        self.waits = None;
        if let Some(worker) = self.worker.take() {
            worker.finish(DropReason::CloseTimeout);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.worker.is_none()
    }

    /// The process ends here, without a close.
    pub(super) fn kill(&mut self) {
        self.worker = None;
    }

    /// The records of the requests in flight. The worker may have ended.
    pub(super) fn records_in_flight(&self) -> Vec<u32> {
        let flights = self.flights.iter();
        flights
            .flat_map(|(_, result)| numbers(&result.body))
            .collect()
    }

    /// How many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Begins the requests that the worker has handed out.
    fn begin_requests(&mut self) {
        for (slot, attempt) in self.attempts.iter().flat_map(Receiver::try_iter) {
            let (result, ended) = double::beside(|| make(&self.parts.exchange, slot, attempt));
            self.flights.push((ended, result));
        }
    }

    /// Hands the results of the requests that have ended to the worker.
    pub(super) fn complete_requests(&mut self) {
        let now = clock::now();
        self.flights.sort_by_key(|(ends, _)| *ends);
        let ended = self.flights.partition_point(|(ends, _)| *ends <= now);
        for (_, result) in self.flights.drain(..ended) {
            self.parts.intake.worker.send(Control::Completed(result));
        }
    }

    /// Has the requests in flight end at once, with the answers that they would have had later.
    pub(super) fn break_off_requests(&mut self) {
        let now = clock::now();
        self.flights.iter_mut().for_each(|(ends, _)| *ends = now);
    }

    /// When the next event is, if the worker waits or has ended.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let ends = self.flights.iter().map(|(ends, _)| *ends).min();
        let wakes = self.waits.flatten();
        ends.into_iter().chain(wakes).min()
    }

    /// Whether the worker has a step to take at once.
    pub(super) fn is_awake(&self) -> bool {
        self.worker.is_some() && self.waits.is_none()
    }

    /// A caller waits for all records until this deadline. Returns the end at which the answer arrives.
    pub(super) fn flush(&self, deadline: Instant) -> Receiver<()> {
        let flushed = self.parts.intake.worker.begin_flush(deadline);
        flushed.expect("the worker runs").1
    }

    pub(super) fn close(&self, deadline: Instant) {
        self.parts.intake.queue.close();
        self.parts.intake.worker.send(Control::Close { deadline });
    }

    /// A caller withdraws the consent. Returns the end at which the answer arrives.
    pub(super) fn withdraw(&self) -> Receiver<io::Result<()>> {
        let intake = &self.parts.intake;
        let (done, answer) = bounded(1);
        intake.consent.withdraw();
        intake.queue.pause();
        intake.worker.send(Control::Withdraw(done));
        answer
    }

    /// A caller grants the consent. Returns the end at which the answer arrives.
    pub(super) fn grant(&self) -> Receiver<io::Result<()>> {
        let intake = &self.parts.intake;
        let (done, answer) = bounded(1);
        let withdrawals = intake.consent.withdrawals();
        intake.worker.send(Control::Grant { withdrawals, done });
        answer
    }
}
