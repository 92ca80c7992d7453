//! A program of the script, with its present process.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;

use super::{Client, Drops, Line, Program, Server, double};
use crate::{Consent, DropReason, Stats, clock, defaults, spool::MemoryDisk};

/// A caller that waits in a flush.
pub(super) struct Flush {
    pub(super) answer: Receiver<()>,
    pub(super) deadline: Duration,
    /// The number of the next record when it began.
    pub(super) next: u32,
}

/// A caller that waits for its change of the consent.
pub(super) struct Change {
    pub(super) answer: Receiver<io::Result<()>>,
    pub(super) is_withdrawal: bool,
    /// How many changes there were in its project.
    pub(super) number: u64,
    /// The number of the next record when it began.
    pub(super) next: u32,
}

pub(super) struct Process {
    pub(super) number: usize,
    pub(super) project: usize,
    pub(super) program: Program,
    /// None between two runs.
    pub(super) client: Option<Client>,
    is_cancelled: Arc<AtomicBool>,
    drops: Arc<Mutex<Vec<Drops>>>,
    /// The worker is in a step until then: it makes a request itself.
    pub(super) busy_until: Instant,
    pub(super) starts_at: Option<Duration>,
    pub(super) run: Run,
}

/// A process since its start.
#[derive(Default)]
pub(super) struct Run {
    /// The number of the next request and of the next record when it began.
    pub(super) first_call: usize,
    pub(super) first_record: u32,
    /// Its own records that have no end yet.
    pub(super) open: BTreeSet<u32>,
    pub(super) flushes: Vec<Flush>,
    pub(super) changes: Vec<Change>,
    /// Records before this one were withdrawn by its own caller.
    pub(super) withdrawn_before: u32,
    /// The last withdrawal of its own caller has not succeeded. The next grant completes it.
    pub(super) owes_withdrawal: bool,
    pub(super) closes_by: Option<Duration>,
    /// The disk failed at some time.
    pub(super) had_fault: bool,
    /// How many records the server accepted from it.
    pub(super) accepted: u64,
    /// Those of answers that it got.
    pub(super) heard: u64,
    /// How many drops were shown.
    pub(super) shown: BTreeMap<DropReason, u64>,
    pub(super) minute: Minute,
    /// How many records the last failed request had that carried this one.
    pub(super) failed_with: BTreeMap<u32, usize>,
    /// The records that are alone because their batches failed, and how many requests of each failed in this minute.
    pub(super) alone: BTreeMap<u32, u64>,
    /// When requests began whose answers asked for a delay, and the delays.
    pub(super) retry_after: Vec<(Duration, Duration)>,
}

/// The requests of a process in one minute.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Minute {
    pub(super) number: u64,
    pub(super) failed: u64,
    /// Those that the server accepted, or refused because of their records or their key.
    pub(super) answered: u64,
    /// Flushes, closes and changes of the consent.
    pub(super) callers: u64,
}

/// More steps at one instant than any run needs.
const MAX_STEPS: usize = 100_000;

impl Process {
    pub(super) fn new(number: usize, project: usize, program: Program) -> Self {
        Self {
            number,
            project,
            program,
            client: None,
            is_cancelled: Arc::default(),
            drops: Arc::default(),
            busy_until: clock::now(),
            starts_at: Some(Duration::ZERO),
            run: Run::default(),
        }
    }

    pub(super) fn start(&mut self, server: &Arc<Server>, disk: &MemoryDisk) {
        let line = Line {
            server: server.clone(),
            sender: self.number,
            is_cancelled: self.is_cancelled.clone(),
        };
        let start = clock::now() - server.now();
        let client = Client::new(&self.program, line, disk, &self.drops, start);
        self.starts_at = None;
        self.busy_until = clock::now();
        self.run = Run {
            first_call: server.len(),
            ..Run::default()
        };
        self.client = Some(client);
    }

    /// The client that takes records.
    pub(super) fn open_client(&self) -> Option<&Client> {
        let is_open = self.run.closes_by.is_none();
        self.client.as_ref().filter(|_| is_open)
    }

    /// Takes steps until the worker waits, or makes a request itself.
    pub(super) fn work(&mut self) {
        let now = clock::now();
        let Some(client) = self.client.as_mut().filter(|_| self.busy_until <= now) else {
            return;
        };
        client.complete_requests();
        let (rests, ended) =
            double::beside(|| (0..MAX_STEPS).any(|_| !client.advance() || clock::now() > now));
        assert!(rests, "the worker does not rest");
        self.busy_until = ended;
        if self.is_cancelled.swap(false, Relaxed) {
            client.break_off_requests();
        }
    }

    /// Whether the worker waits for a message or for an instant.
    pub(super) fn is_at_rest(&self) -> bool {
        self.busy_until <= clock::now()
            && self
                .client
                .as_ref()
                .is_some_and(|client| !client.is_awake())
    }

    /// When something happens next in this process.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let client = self.client.as_ref()?;
        let own = match client.is_awake() {
            true => Some(clock::now()),
            false => client.next_event(),
        };
        match self.busy_until > clock::now() {
            true => Some(self.busy_until),
            false => own,
        }
    }

    pub(super) fn take_drops(&self) -> Vec<Drops> {
        std::mem::take(&mut self.drops.lock().expect("no panic"))
    }

    pub(super) fn stats(&self) -> Stats {
        let client = self.client.as_ref();
        client
            .map(|client| client.parts.intake.accounting.stats())
            .unwrap_or_default()
    }

    pub(super) fn consent(&self) -> Consent {
        let client = self.client.as_ref();
        client
            .map(|client| client.parts.intake.consent.get())
            .unwrap_or_default()
    }

    pub(super) fn has_spool(&self) -> bool {
        self.program.spool.is_some()
    }

    /// Whether the spool may be full.
    pub(super) fn is_tight(&self) -> bool {
        let spool = self.program.spool.as_ref();
        spool.is_some_and(|spool| spool.max_bytes < defaults::SPOOL_MAX_BYTES)
    }

    /// Whether records may wait in memory alone.
    pub(super) fn may_be_in_memory(&self) -> bool {
        !self.has_spool() || self.run.had_fault || self.is_tight()
    }

    /// Whether other threads make the requests.
    pub(super) fn has_threads(&self) -> bool {
        self.has_spool() || self.program.requests > 1
    }
}
