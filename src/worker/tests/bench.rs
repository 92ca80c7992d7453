//! A worker whose functions a test calls, in virtual time.

use std::path::Path;

use crossbeam_channel::Receiver;

use super::*;
use crate::{
    batch::{Batch, blame::Blame},
    client::ClientParts,
    clock::{self, double::VirtualTime},
    defaults,
    exchange::Attempt,
    record::{Encoded, Endpoint},
    settings::Duty,
    spool::{Fingerprint, MemoryDisk, Now, Spool, SpoolSettings, WhenFull},
    worker::{Worker, dispatcher::Dispatcher, endpoint_queue::Next, spooler::Spooler},
};

pub(in crate::worker) struct Bench {
    pub(in crate::worker) time: VirtualTime,
    pub(in crate::worker) parts: ClientParts,
    pub(in crate::worker) worker: Worker,
    pub(in crate::worker) disk: MemoryDisk,
    /// The requests that the worker begins. Nothing answers them.
    _attempts: Receiver<(usize, Attempt)>,
}

impl Bench {
    pub(in crate::worker) fn new() -> Self {
        let time = VirtualTime::start();
        let builder = Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))));
        let (parts, mut worker) = builder.prepare().expect("valid settings").expect("enabled");
        let (dispatcher, attempts) = Dispatcher::over_channel(parts.exchange.clone(), 1);
        worker.dispatcher = dispatcher;
        Self {
            time,
            parts,
            worker,
            disk: MemoryDisk::default(),
            _attempts: attempts,
        }
    }

    pub(in crate::worker) fn with_spool() -> Self {
        let mut bench = Self::new();
        bench.add_spool();
        bench
    }

    pub(in crate::worker) fn add_spool(&mut self) {
        self.worker.store_on(&self.disk);
    }

    /// A spool of the same project, as another process has it.
    pub(in crate::worker) fn spool(&self) -> Spool {
        spool_on(&self.disk)
    }

    /// The file that notes the consent gets a content that cannot be read.
    pub(in crate::worker) fn damage_consent(&self) {
        let folder = Path::new("spool").join(project().to_string());
        self.disk.put(&folder.join("consent"), b"");
    }

    /// Callers track this many events.
    pub(in crate::worker) fn track(&self, events: usize) {
        for number in 0..events {
            let event = Event::new("user", format!("event {number}"));
            self.parts.intake.track(event.into());
        }
    }

    /// Another run leaves an event in the spool, and the worker scans for it.
    pub(in crate::worker) fn inherit(&mut self) {
        self.store_elsewhere();
        self.time.set(self.time.elapsed() + Duration::from_secs(1));
        let spooler = self.worker.spooler.as_mut().expect("a spool");
        spooler.scan(clock::now());
    }

    /// Another process leaves an event in the spool.
    pub(in crate::worker) fn store_elsewhere(&self) {
        let mut other = self.spool();
        other.look().expect("the disk works");
        let mut records = vec![Encoded {
            json: b"{}".as_slice().into(),
            endpoint: Endpoint::Events,
            spool_entry: None,
        }];
        let stored = other.store(&mut records, WhenFull::Evict, Now::read());
        stored.expect("the disk works");
        other.leave(Now::read());
    }

    /// Stores this many files with two records each, and loads them as suspect batches of one record.
    pub(in crate::worker) fn suspects_in_files(&mut self, files: usize) -> Vec<Batch> {
        let mut suspects = Vec::new();
        for _ in 0..files {
            self.track(2);
            let now = clock::now();
            self.worker.take(now);
            self.worker.load(true, now);
            let limits = self.worker.limits(Endpoint::Events);
            let queue = self.worker.queue(Endpoint::Events);
            let mut batch = queue.take(Next::New, limits, now).expect("two events");
            let half = batch.split_off().expect("two events");
            suspects.extend([batch, half]);
        }
        assert_eq!(self.disk.segments(), files);
        suspects
    }

    /// How many records the next process finds if this one is killed now.
    pub(in crate::worker) fn found_after_a_kill(&mut self) -> usize {
        self.worker.spooler = None;
        let mut next = self.spool();
        next.look().expect("the disk works");
        next.scan_for_orphans(Now::read()).expect("the disk works");
        let loads = std::iter::from_fn(|| next.load(true, true, Now::read()));
        loads.map(|loaded| loaded.records.len()).sum()
    }

    /// Tracks this many events, and takes them as one batch that has failed so often.
    pub(in crate::worker) fn batch(&mut self, events: usize, failures: u32) -> Batch {
        self.track(events);
        let (now, limits) = (clock::now(), self.worker.limits(Endpoint::Events));
        self.worker.take(now);
        let queue = self.worker.queue(Endpoint::Events);
        let mut batch = queue.take(Next::New, limits, now).expect("events wait");
        fail(&mut batch, failures);
        batch
    }

    /// A batch of one event that was split from another one, and has failed so often since.
    pub(in crate::worker) fn half(&mut self, failures: u32) -> Batch {
        let half = self.batch(2, 3).split_off();
        let mut half = half.expect("two events");
        fail(&mut half, failures);
        half
    }
}

/// Another process withdraws the consent, removes all records, and grants it again.
pub(in crate::worker) fn withdraw_and_grant(mut other: Spool) {
    other.look().expect("the disk works");
    other.note_withdrawal().expect("the disk works");
    other.forget(|_| ()).expect("the disk works");
    assert!(other.note_grant().expect("the disk works"));
}

impl Worker {
    /// Has the worker store its records on this disk.
    pub(crate) fn store_on(&mut self, disk: &MemoryDisk) {
        let (accounting, consent) = (self.parts.accounting.clone(), self.parts.consent.clone());
        let spool = spool_on(disk);
        let spooler = Spooler::new(accounting, consent, spool, Duty::All, clock::now());
        self.spooler = Some(spooler);
    }
}

fn spool_on(disk: &MemoryDisk) -> Spool {
    let settings = SpoolSettings {
        folder: "spool".into(),
        project: project(),
        max_bytes: defaults::SPOOL_MAX_BYTES,
        max_age: defaults::SPOOL_MAX_AGE,
        sync: false,
        when_full: WhenFull::Evict,
    };
    Spool::in_memory(settings, disk)
}

fn project() -> Fingerprint {
    Fingerprint::of(defaults::HOST, "key")
}

fn fail(batch: &mut Batch, failures: u32) {
    let (mut blame, records) = (Blame::default(), batch.records());
    for _ in 0..failures {
        let (endpoint, began) = (batch.endpoint, batch.began);
        blame.failed(endpoint, &mut batch.failures, records, true, began);
    }
}
