//! One client of a simulation, and its clock.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;

use super::{
    client::{Client, Drops, Program},
    server::{Rule, Server},
};
use crate::{
    Consent, Event, LlmEvent, Stats,
    clock::{self, double::VirtualTime},
    defaults,
    record::{Encoded, Endpoint},
    spool::{Fingerprint, MemoryDisk, Now, Spool, SpoolSettings, WhenFull},
};

/// The settings of a run. Everything else is as by default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) has_spool: bool,
    pub(super) requests: usize,
    pub(super) max_age: Duration,
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

impl Simulation {
    pub(super) fn new(setup: Setup, rule: Rule) -> Self {
        let time = VirtualTime::start();
        let server = Arc::new(Server::new(setup.seed, rule));
        let (drops, disk) = (Arc::default(), MemoryDisk::default());
        let client = start_client(setup, &server, &drops, &disk);
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

    fn start(&self) -> Instant {
        clock::now() - self.now()
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
            let start = self.start();
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
        let in_flight = self.client.records_in_flight();
        let dropped = self.drops().len();
        self.client.kill();
        let lost = self.drops.lock().expect("no panic").split_off(dropped);
        self.client = start_client(self.setup, &self.server, &self.drops, &self.disk);
        let lost = lost.into_iter().flat_map(|drop| drop.records);
        (lost.collect(), in_flight)
    }

    /// A caller waits for all records until this deadline. Returns the end at which the answer arrives.
    pub(super) fn flush(&mut self, timeout: Duration) -> Receiver<()> {
        self.client.flush(clock::now() + timeout)
    }

    /// Closes the client, and lets the time pass until it has ended.
    pub(super) fn close(&mut self, timeout: Duration) {
        self.client.close(clock::now() + timeout);
        self.run_for(timeout + Duration::from_millis(1));
        assert!(self.client.has_ended(), "the worker has ended in time");
    }

    /// A caller withdraws the consent. Returns the end at which the answer arrives.
    pub(super) fn withdraw(&mut self) -> Receiver<io::Result<()>> {
        self.client.withdraw()
    }

    /// A caller grants the consent. Returns the end at which the answer arrives.
    pub(super) fn grant(&mut self) -> Receiver<io::Result<()>> {
        self.client.grant()
    }

    /// The spool of the same project, as another process has it.
    pub(super) fn spool_elsewhere(&self) -> Spool {
        Spool::in_memory(spool_settings(self.setup), &self.disk)
    }

    /// Another process withdraws the consent.
    pub(super) fn withdraw_elsewhere(&self) {
        let mut other = self.spool_elsewhere();
        other.note_withdrawal().expect("the disk works");
        other.forget(|_| ()).expect("the disk works");
    }

    /// Another process grants the consent.
    pub(super) fn grant_elsewhere(&self) {
        let mut other = self.spool_elsewhere();
        assert!(
            other.note_grant().expect("the disk works"),
            "it was withdrawn"
        );
    }

    /// Another process stores a record, and ends at once.
    pub(super) fn store_elsewhere(&self, number: u32) {
        let mut other = self.spool_elsewhere();
        other.look().expect("the disk works");
        let mut records = vec![Encoded {
            json: format!(r#"{{"event":"{number}"}}"#).into_bytes().into(),
            endpoint: Endpoint::Events,
            spool_entry: None,
        }];
        let stored = other.store(&mut records, WhenFull::Evict, Now::read());
        stored.expect("the disk works");
        assert_eq!(other.leave(Now::read()).records, 1);
    }

    pub(super) fn consent(&self) -> Consent {
        self.client.parts.intake.consent.get()
    }

    /// How many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.client.in_flight()
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

fn start_client(
    setup: Setup,
    server: &Arc<Server>,
    drops: &Arc<Mutex<Vec<Drops>>>,
    disk: &MemoryDisk,
) -> Client {
    let program = Program {
        seed: setup.seed,
        key: "key",
        requests: setup.requests,
        queue_capacity: defaults::QUEUE_CAPACITY,
        spool: setup.has_spool.then(|| spool_settings(setup)),
    };
    let start = clock::now() - server.now();
    Client::new(&program, server.clone(), disk, drops, start)
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
