//! The client of a simulation, and its clock.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, bounded};

use super::server::{Rule, Server, numbers};
use crate::{
    Consent, DropReason, Event, LlmEvent, Stats, Trubrics,
    batch::backoff::Backoff,
    client::ClientParts,
    clock::{
        self,
        double::{self, VirtualTime},
    },
    control::{Completed, Control},
    defaults,
    exchange::Attempt,
    record::Endpoint,
    spool::{Fingerprint, MemoryDisk, Notice, Spool, SpoolSettings, WhenFull},
    worker::{
        Ahead, Worker,
        dispatcher::{Dispatcher, make},
        spooler::Spooler,
    },
};

/// The settings of a run. Everything else is as by default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) has_spool: bool,
    pub(super) requests: usize,
    pub(super) max_age: Duration,
}

/// Records that were dropped together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drops {
    pub(super) at: Duration,
    pub(super) reason: DropReason,
    pub(super) status: Option<u16>,
    pub(super) records: Vec<u32>,
}

pub(super) struct Simulation {
    setup: Setup,
    time: VirtualTime,
    pub(super) server: Arc<Server>,
    drops: Arc<Mutex<Vec<Drops>>>,
    pub(super) disk: MemoryDisk,
    client: Client,
    tracked: u32,
}

struct Client {
    /// None once it has ended.
    worker: Option<Worker>,
    parts: ClientParts,
    /// The requests that the worker begins, unless it makes them itself.
    attempts: Option<Receiver<(usize, Attempt)>>,
    /// The requests in flight, and when each ends.
    flights: Vec<(Instant, Completed)>,
    /// The worker waits, until this instant at most.
    waits: Option<Option<Instant>>,
}

/// More steps at one instant than any run needs.
const MAX_STEPS: usize = 100_000;

impl Simulation {
    pub(super) fn new(setup: Setup, rule: Rule) -> Self {
        let time = VirtualTime::start();
        let server = Arc::new(Server::new(setup.seed, rule));
        let (drops, disk) = (Arc::default(), MemoryDisk::default());
        let client = Client::new(setup, &server, &drops, &disk);
        Self {
            setup,
            time,
            server,
            drops,
            disk,
            client,
            tracked: 0,
        }
    }

    pub(super) fn setup(&self) -> Setup {
        self.setup
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        self.time.elapsed()
    }

    /// Tracks a record, and returns its number.
    pub(super) fn track(&mut self, endpoint: Endpoint, padding: usize) -> u32 {
        let number = self.tracked;
        self.tracked += 1;
        let (name, padding) = (number.to_string(), "x".repeat(padding));
        let record = match endpoint {
            Endpoint::Events => Event::new("user", name).property("padding", padding).into(),
            Endpoint::LlmEvents => LlmEvent::new("user", name, padding).into(),
        };
        self.client.parts.intake.track(record);
        number
    }

    /// Lets the time pass until then. A request that the worker itself makes may end later.
    pub(super) fn run_until(&mut self, until: Duration) {
        loop {
            self.client.work();
            let wakes_at = self.client.next_event();
            let start = clock::now() - self.now();
            match wakes_at.map(|at| at.saturating_duration_since(start)) {
                Some(at) if at <= until => self.time.set(at.max(self.now())),
                _ => break,
            }
        }
        self.time.set(until.max(self.now()));
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now() + time);
    }

    /// Lets the time pass, a second at a time, until `is_done` or the time is over. Returns whether it is done.
    pub(super) fn run_while(&mut self, limit: Duration, is_open: impl Fn(&Self) -> bool) -> bool {
        let end = self.now() + limit;
        while is_open(self) && self.now() < end {
            self.run_for(Duration::from_secs(1));
        }
        !is_open(self)
    }

    /// The process ends without a close, and another one begins. Returns the records that were in memory alone, and
    /// those that were in flight.
    pub(super) fn kill_and_restart(&mut self) -> (Vec<u32>, Vec<u32>) {
        let flights = self.client.flights.iter();
        let in_flight = flights.flat_map(|(_, result)| numbers(&result.body));
        let in_flight = in_flight.collect();
        let dropped = self.drops().len();
        self.client.worker = None;
        let lost = self.drops.lock().expect("no panic").split_off(dropped);
        self.client = Client::new(self.setup, &self.server, &self.drops, &self.disk);
        let lost = lost.into_iter().flat_map(|drop| drop.records);
        (lost.collect(), in_flight)
    }

    /// A caller waits for all records until this deadline. Returns the end at which the answer arrives.
    pub(super) fn flush(&mut self, timeout: Duration) -> Receiver<()> {
        let flushed = self
            .client
            .parts
            .intake
            .worker
            .begin_flush(clock::now() + timeout);
        flushed.expect("the worker runs").1
    }

    /// Closes the client, and lets the time pass until it has ended.
    pub(super) fn close(&mut self, timeout: Duration) {
        let deadline = clock::now() + timeout;
        self.client.parts.intake.queue.close();
        self.client
            .parts
            .intake
            .worker
            .send(Control::Close { deadline });
        self.run_for(timeout + Duration::from_millis(1));
        assert!(self.client.worker.is_none(), "the worker has ended in time");
    }

    /// A caller withdraws the consent. Returns the end at which the answer arrives.
    pub(super) fn withdraw(&mut self) -> Receiver<io::Result<()>> {
        let intake = &self.client.parts.intake;
        let (done, answer) = bounded(1);
        intake.consent.withdraw();
        intake.queue.pause();
        intake.worker.send(Control::Withdraw(done));
        answer
    }

    /// A caller grants the consent. Returns the end at which the answer arrives.
    pub(super) fn grant(&mut self) -> Receiver<io::Result<()>> {
        let intake = &self.client.parts.intake;
        let (done, answer) = bounded(1);
        let withdrawals = intake.consent.withdrawals();
        intake.worker.send(Control::Grant { withdrawals, done });
        answer
    }

    /// Another process withdraws the consent.
    pub(super) fn withdraw_elsewhere(&self) {
        let mut other = Spool::in_memory(spool_settings(self.setup), &self.disk);
        other.note_withdrawal().expect("the disk works");
        other.forget(|_| ()).expect("the disk works");
    }

    /// Another process grants the consent.
    pub(super) fn grant_elsewhere(&self) {
        let mut other = Spool::in_memory(spool_settings(self.setup), &self.disk);
        assert!(
            other.note_grant().expect("the disk works"),
            "it was withdrawn"
        );
    }

    pub(super) fn consent(&self) -> Consent {
        self.client.parts.intake.consent.get()
    }

    /// How many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.client.flights.len()
    }

    /// The number of the next record.
    pub(super) fn tracked(&self) -> u32 {
        self.tracked
    }

    pub(super) fn drops(&self) -> Vec<Drops> {
        self.drops.lock().expect("no panic").clone()
    }

    /// The age of the oldest record, as a health check shows it.
    pub(super) fn oldest_pending(&self) -> Option<Duration> {
        self.client.parts.oldest_pending()
    }

    pub(super) fn stats(&self) -> Stats {
        self.client.parts.intake.accounting.stats()
    }
}

impl Client {
    fn new(
        setup: Setup,
        server: &Arc<Server>,
        drops: &Arc<Mutex<Vec<Drops>>>,
        disk: &MemoryDisk,
    ) -> Self {
        let (hook_server, drops) = (server.clone(), drops.clone());
        let builder = Trubrics::builder("key").transport(server.clone());
        let builder = builder.on_drop(move |dropped| {
            let records = dropped.records();
            drops.lock().expect("no panic").push(Drops {
                at: hook_server.now(),
                reason: dropped.reason(),
                status: dropped.status(),
                records: records.flat_map(|json| numbers(json.as_bytes())).collect(),
            });
        });
        let (parts, mut worker) = builder.prepare().expect("valid settings").expect("enabled");
        let Worker { settings, .. } = &worker;
        worker.backoff = Backoff::new(settings.initial_backoff, settings.max_backoff, setup.seed);
        let attempts = (setup.has_spool || setup.requests > 1).then(|| {
            let (dispatcher, attempts) =
                Dispatcher::over_channel(parts.exchange.clone(), setup.requests);
            worker.dispatcher = dispatcher;
            attempts
        });
        worker.spooler = setup.has_spool.then(|| {
            let mut spool = Spool::in_memory(spool_settings(setup), disk);
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
                crate::settings::Duty::All,
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
    fn work(&mut self) {
        self.complete_requests();
        for _ in 0..MAX_STEPS {
            let Some(worker) = &mut self.worker else {
                return;
            };
            let is_due = |until: Option<Instant>| until.is_some_and(|until| until <= clock::now());
            let sleeps = self.waits.is_some_and(|until| !is_due(until));
            if sleeps && worker.control.is_empty() {
                return;
            }
            self.waits = match worker.step() {
                Ahead::Work => None,
                Ahead::Wait(until) => Some(until),
                Ahead::End => return self.end(),
            };
            self.begin_requests();
        }
        panic!("the worker does not rest");
    }

    fn end(&mut self) {
        self.waits = None;
        self.flights.clear();
        if let Some(worker) = self.worker.take() {
            worker.finish(DropReason::CloseTimeout);
        }
    }

    /// Begins the requests that the worker has handed out.
    fn begin_requests(&mut self) {
        for (slot, attempt) in self.attempts.iter().flat_map(Receiver::try_iter) {
            let (result, ended) = double::beside(|| make(&self.parts.exchange, slot, attempt));
            self.flights.push((ended, result));
        }
    }

    /// Hands the results of the requests that have ended to the worker.
    fn complete_requests(&mut self) {
        let now = clock::now();
        self.flights.sort_by_key(|(ends, _)| *ends);
        let ended = self.flights.partition_point(|(ends, _)| *ends <= now);
        for (_, result) in self.flights.drain(..ended) {
            self.parts.intake.worker.send(Control::Completed(result));
        }
    }

    /// When the next event is.
    fn next_event(&self) -> Option<Instant> {
        let ends = self.flights.iter().map(|(ends, _)| *ends).min();
        let wakes = self.waits.flatten();
        ends.into_iter().chain(wakes).min()
    }
}

fn spool_settings(setup: Setup) -> SpoolSettings {
    SpoolSettings {
        folder: "spool".into(),
        project: Fingerprint::of(defaults::HOST, "key"),
        max_bytes: defaults::SPOOL_MAX_BYTES,
        max_age: setup.max_age,
        sync: false,
        when_full: WhenFull::Evict,
    }
}
