//! The spool as the worker uses it: counts what goes there and comes from there, and does without when the disk fails.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use log::warn;

use super::schedule::SpoolView;
use crate::{
    batch::cost,
    client::Shared,
    record::Encoded,
    report::{TARGET, logging},
    spool::{Loaded, Now, Spool, WhenFull},
    stats::DropReason,
};

pub(super) struct Backlog {
    shared: Arc<Shared>,
    spool: Spool,
    /// How many of those that we stored, from the first on, somebody wants at the server.
    wanted: u64,
    /// What the disk did not take: it is offered once more before it is sent from memory.
    unstored: Vec<Encoded>,
    /// When the disk failed last, if that was told of and its recovery was not.
    failed_at: Option<Instant>,
    /// When to look for what others left, and how often that was done since something was there.
    next_look: Option<Instant>,
    looks: u32,
    last_look: Instant,
}

/// A run that is shorter than this, and closes without time, does not begin what it cannot end: the server would take
/// what earlier runs left, and the answer would come too late.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// Another process that just started may still hold a lock that its parent had, and one that ends leaves what it had:
/// look again after a second, and a few more times, each after twice the time.
const FIRST_LOOK_AGAIN: Duration = Duration::from_secs(1);
const MAX_LOOKS: u32 = 5;

/// A disk that is nearly full takes a small write right after it refused a large one. It is well again when it takes one
/// so long after the last that it refused.
const RECOVERY: Duration = Duration::from_secs(1);

/// A client that is at work anyway looks again after this.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

impl Backlog {
    pub(super) fn new(shared: Arc<Shared>, spool: Spool, now: Instant) -> Self {
        Self {
            shared,
            spool,
            wanted: 0,
            unstored: Vec::new(),
            failed_at: None,
            next_look: Some(now + FIRST_LOOK),
            looks: 0,
            last_look: now,
        }
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Gathers records, on disk if it takes them.
    pub(super) fn gather(&mut self, mut records: Vec<Encoded>) {
        let is_news = !records.is_empty();
        self.store(&mut records);
        if is_news && records.is_empty() {
            // The disk takes records: those of before too.
            self.offer_again();
        }
        self.unstored.append(&mut records);
    }

    /// Takes up to so many of the records that the disk does not take, once they were offered again.
    pub(super) fn take_unstored(&mut self, limit: usize) -> Vec<Encoded> {
        self.offer_again();
        let count = self.unstored.len().min(limit);
        self.unstored.drain(..count).collect()
    }

    fn offer_again(&mut self) {
        let mut records = std::mem::take(&mut self.unstored);
        self.store(&mut records);
        self.unstored = records;
    }

    /// Whether records are gathered, on disk or because it failed.
    pub(super) fn holds_any(&self) -> bool {
        self.spool.held().0 > 0 || !self.unstored.is_empty()
    }

    /// Puts the records on disk, where they need no place in the queue; those that cannot be stored stay.
    fn store(&mut self, records: &mut Vec<Encoded>) {
        if records.is_empty() {
            // The disk has proved nothing.
            return;
        }
        let (count, bytes) = (records.len(), cost(records));
        let stored = self.spool.store(records, WhenFull::Evict, Now::read());
        self.tell(&stored.map(|_| ()));
        // First, for some of them may be among those that had to go again.
        let done = count - records.len();
        self.shared.report.books().count_stored(done as u64);
        self.shared.queue.release(done, bytes - cost(records));
        self.count_evicted();
    }

    /// What we stored so far is wanted at the server.
    pub(super) fn want(&mut self) {
        self.wanted = self.spool.stored();
    }

    /// The next records to deliver.
    pub(super) fn load(&mut self, is_due: bool, may_recover: bool, now: Instant) -> Vec<Encoded> {
        if self.next_look.is_none() && now >= self.last_look + LOOK_INTERVAL {
            self.next_look = Some(now);
        }
        while let Some(loaded) = self.next(is_due, may_recover) {
            self.count_loaded(&loaded);
            self.shared
                .report
                .dropped(DropReason::Expired, None, &loaded.expired);
            self.settle(&loaded.expired);
            if !loaded.records.is_empty() {
                return loaded.records;
            }
        }
        Vec::new()
    }

    fn next(&mut self, is_due: bool, may_recover: bool) -> Option<Loaded> {
        let now = Now::read();
        // Who flushes waits for our own alone: they do not go by turns with what others left.
        let is_wanted = self.spool.settled() < self.wanted;
        let ours = is_wanted.then(|| self.spool.load(is_due, false, now));
        ours.flatten()
            .or_else(|| self.spool.load(is_due, may_recover, now))
    }

    /// The records have met their fate, and were counted.
    pub(super) fn settle(&mut self, records: &[Encoded]) {
        let numbers: Vec<_> = records
            .iter()
            .filter_map(|record| record.spool_entry)
            .collect();
        self.shared
            .report
            .books()
            .count_settled(numbers.len() as u64);
        let written = self.spool.acknowledge(&numbers);
        // A success says nothing of whether there is room for records.
        if written.is_err() {
            self.tell(&written);
        }
    }

    /// Leaves to whoever comes next what is on disk, or gets there now; the rest stays.
    pub(super) fn leave(&mut self, records: &mut Vec<Encoded>) {
        records.append(&mut self.unstored);
        // The disk may have come back since they were tracked.
        self.store(records);
        let left = self.spool.leave(Now::read());
        let books = self.shared.report.books();
        books.count_left(left.records);
        books.count_settled(left.orphaned.len() as u64);
        self.shared
            .report
            .dropped(DropReason::CloseTimeout, None, &left.orphaned);
        self.count_missing(left.missing);
        self.count_evicted();
    }

    /// Whether all of these records are older than they may be.
    pub(super) fn is_expired(&self, records: &[Encoded]) -> bool {
        let now = Now::read();
        let mut entries = records.iter().map(|record| record.spool_entry);
        entries.all(|entry| entry.is_some_and(|entry| self.spool.is_expired(entry, now)))
    }

    /// What is on disk; our own are due if they are wanted, however few they are.
    pub(super) fn view(&self, is_wanted: bool) -> SpoolView {
        let (on_disk, held_bytes) = self.spool.held();
        // The bytes of what is in memory are the queue's.
        let held = on_disk + self.unstored.len() as u64;
        SpoolView {
            held,
            held_bytes,
            is_due: self.spool.has_sealed() || is_wanted && held > 0,
            has_found: self.spool.has_orphans(),
            next_look: self.next_look,
        }
    }

    /// There will be no other time to look.
    pub(super) fn look_now(&mut self, now: Instant) {
        if self.looks == 0 {
            self.next_look = Some(now);
        }
    }

    /// Looks for what others left, if it is time.
    pub(super) fn look(&mut self, now: Instant) {
        if self.next_look.is_none_or(|next| now < next) {
            return;
        }
        // A folder that is not there has nothing in it.
        let _ = self.spool.scan_for_orphans(Now::read());
        self.looks += 1;
        self.last_look = now;
        let pause = FIRST_LOOK_AGAIN * 2_u32.pow(self.looks.min(MAX_LOOKS) - 1);
        self.next_look = (self.looks < MAX_LOOKS).then(|| now + pause);
    }

    /// What had to go to make room is dropped, whoever left it.
    fn count_evicted(&mut self) {
        for loaded in self.spool.take_evicted() {
            self.count_loaded(&loaded);
            for (reason, records) in [
                (DropReason::SpoolFull, &loaded.records),
                (DropReason::Expired, &loaded.expired),
            ] {
                self.shared.report.dropped(reason, None, records);
                self.shared
                    .report
                    .books()
                    .count_settled(records.len() as u64);
            }
        }
    }

    /// What others left is ours from here on, and what cannot be read is lost.
    fn count_loaded(&self, loaded: &Loaded) {
        self.shared.report.books().count_recovered(loaded.recovered);
        self.count_missing(loaded.missing);
    }

    fn count_missing(&self, missing: u64) {
        self.shared.report.lost(DropReason::Corrupted, missing);
        self.shared.report.books().count_settled(missing);
    }

    /// Logs the first failure, and that the disk is well again.
    fn tell(&mut self, outcome: &io::Result<()>) {
        let now = Instant::now();
        match (outcome, self.failed_at) {
            (Err(error), failed_at) => {
                if failed_at.is_none() {
                    logging(
                        || warn!(target: TARGET, "the spool cannot be written: records wait in memory ({error})"),
                    );
                }
                self.failed_at = Some(now);
            }
            (Ok(()), Some(failed_at)) if now.duration_since(failed_at) >= RECOVERY => {
                logging(|| warn!(target: TARGET, "the spool can be written again"));
                self.failed_at = None;
            }
            _ => {}
        }
    }
}
