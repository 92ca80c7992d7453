//! The spool as the worker drives it: accounts for the records that go there and come from there, and holds them in
//! memory while the disk fails.

mod consent;
mod disk_state;
mod set_aside;

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use self::disk_state::DiskState;
use super::schedule::SpoolView;
use crate::{
    accounting::{Accounting, Outcome, Unsettled},
    clock,
    consent::ConsentCell,
    drop_reason::DropReason,
    record::Encoded,
    settings::Duty,
    spool::{Loaded, Now, Spool},
};

pub(super) struct Spooler {
    accounting: Arc<Accounting>,
    consent: Arc<ConsentCell>,
    spool: Spool,
    duty: Duty,
    /// A flush waits for this many of the records that this client stored, counted from the first one.
    flush_target: u64,
    /// Records that the disk did not take. They are offered once more before they are sent from memory.
    unspooled: Unsettled,
    /// Since when the oldest of them may have waited.
    unspooled_since: Option<Instant>,
    disk_state: DiskState,
    /// When to scan for segments of other runs, and how often that was done since one was found.
    next_scan: Option<Instant>,
    scans: u32,
    last_scan: Instant,
    /// When the consent was looked at last.
    looked_at: Instant,
    /// How many withdrawals of other processes were noticed since records were forgotten.
    noticed_since: u64,
}

/// Wait this long before recovering segments of earlier runs: a process that exits at once would send them, miss the
/// response, and cause duplicates.
const FIRST_SCAN_DELAY: Duration = Duration::from_millis(100);

/// Another process may hold a lock for a moment after its start, and leaves its segments when it ends: scan again after
/// this delay, then a few more times, each after twice the time.
const RESCAN_DELAY: Duration = Duration::from_secs(1);
const MAX_SCANS: u32 = 5;

/// A client that is delivering, or whose last scan failed, scans again after this. One without consent then looks for a
/// grant.
const SCAN_INTERVAL: Duration = Duration::from_secs(60);

impl Spooler {
    pub(super) fn new(
        accounting: Arc<Accounting>,
        consent: Arc<ConsentCell>,
        spool: Spool,
        duty: Duty,
        now: Instant,
    ) -> Self {
        Self {
            unspooled: Unsettled::new(accounting.clone()),
            unspooled_since: None,
            accounting,
            consent,
            spool,
            duty,
            flush_target: 0,
            disk_state: DiskState::default(),
            next_scan: Some(now + FIRST_SCAN_DELAY),
            scans: 0,
            last_scan: now,
            looked_at: now,
            noticed_since: 0,
        }
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Stores records that have waited since then, or holds those that the disk does not take.
    pub(super) fn store_or_hold(&mut self, mut records: Unsettled, since: Instant) {
        let is_new = !records.is_empty();
        self.store(&mut records);
        if is_new && records.is_empty() {
            // The disk takes records again: earlier ones too.
            self.offer_again();
        }
        let earlier = self.unspooled_since();
        self.unspooled.append(records);
        self.unspooled_since = earlier.or(Some(since));
    }

    /// Since when the oldest record that the disk did not take may have waited, if there is one.
    pub(super) fn unspooled_since(&self) -> Option<Instant> {
        self.unspooled_since.filter(|_| !self.unspooled.is_empty())
    }

    /// Offers the records that the disk did not take once more, and takes up to this many of the rest.
    pub(super) fn take_unspooled(&mut self, limit: usize) -> Unsettled {
        self.offer_again();
        self.unspooled.take_first(limit)
    }

    pub(super) fn offer_again(&mut self) {
        let mut records = self.unspooled.take();
        self.store(&mut records);
        self.unspooled = records;
    }

    /// Whether records are gathered, on disk or in memory because the disk failed.
    pub(super) fn holds_any(&self) -> bool {
        self.spool.is_gathering() || !self.unspooled.is_empty()
    }

    /// Puts the records on disk, where they need no budget. Those that cannot be stored stay.
    fn store(&mut self, records: &mut Unsettled) {
        if records.is_empty() {
            // An empty write would say nothing about the disk.
            return;
        }
        if !self.may_write() {
            return;
        }
        let (count, bytes) = (records.len(), records.cost());
        let stored = records.lend(|records| {
            self.spool
                .store(records, self.spool.when_full(), Now::read())
        });
        self.disk_state.log(&stored.map(|_| ()));
        // Before the evicted records are counted: some of these may be among them.
        let stored_bytes = bytes - records.cost();
        self.accounting
            .move_to_disk(count - records.len(), stored_bytes);
        self.settle_evicted();
        // A withdrawal during the write did not find these records.
        let _ = self.look();
    }

    /// How many records a flush waits for, counted from the first one.
    pub(super) fn received(&self) -> u64 {
        match self.duty {
            Duty::Store => self.spool.stored() + self.unspooled.len() as u64,
            _ => self.spool.stored(),
        }
    }

    /// How many of them need no waiting: they are delivered or dropped, or on disk if this process does not deliver.
    pub(super) fn settled(&self) -> u64 {
        match self.duty {
            Duty::Store => self.spool.stored(),
            _ => self.spool.settled(),
        }
    }

    /// A flush waits for all records stored so far.
    pub(super) fn set_flush_target(&mut self) {
        self.flush_target = self.spool.stored();
    }

    /// The next records to deliver.
    pub(super) fn load(&mut self, is_due: bool, may_recover: bool, now: Instant) -> Unsettled {
        if self.next_scan.is_none() && now >= self.last_scan + SCAN_INTERVAL {
            self.next_scan = Some(now);
        }
        let loaded = self.load_next(is_due, may_recover);
        self.repeat_failed_scan(now);
        loaded
    }

    fn load_next(&mut self, is_due: bool, may_recover: bool) -> Unsettled {
        // One load at a time, also if all of its records are too old: new records must get to the disk meanwhile.
        let Some(loaded) = self.next(is_due, may_recover) else {
            return Unsettled::new(self.accounting.clone());
        };
        self.count_loaded(&loaded);
        let outcome = Outcome::Dropped(DropReason::Expired, None);
        self.accounting.settle(&loaded.expired, &outcome);
        self.acknowledge(&entries(loaded.expired.iter()));
        Unsettled::of(loaded.records, self.accounting.clone())
    }

    fn next(&mut self, is_due: bool, may_recover: bool) -> Option<Loaded> {
        let now = Now::read();
        // A flush waits for this client's records alone: they do not take turns with those of other runs.
        let is_flushing = self.spool.settled() < self.flush_target;
        let ours = is_flushing.then(|| self.spool.load(is_due, false, now));
        ours.flatten()
            .or_else(|| self.spool.load(is_due, may_recover, now))
    }

    /// Writes down that these records are settled. After a failure of the disk, the next call or scan does.
    pub(super) fn acknowledge(&mut self, entries: &[NonZeroU32]) {
        let written = self.spool.acknowledge(entries);
        // A success does not say whether there is room for records.
        if written.is_err() {
            self.disk_state.log(&written);
            self.repeat_failed_scan(clock::now());
        }
    }

    /// Leaves the records that are on disk, or can be put there now, to the next run. The rest stays in `records`.
    pub(super) fn leave(&mut self, records: &mut Unsettled) {
        let withdrawals = self.consent.withdrawals();
        records.append(self.unspooled.take());
        // The disk may have recovered since they were tracked.
        self.store(records);
        if self.consent.withdrawals() != withdrawals || self.noticed_since > 0 {
            // The worker forgets all records.
            return;
        }
        let left = self.spool.leave(Now::read());
        self.accounting.leave_in_spool(left.records);
        let outcome = Outcome::Dropped(DropReason::CloseTimeout, None);
        self.accounting.settle(&left.orphaned, &outcome);
        self.count_missing(left.missing);
        self.settle_evicted();
    }

    /// Takes the records that the disk did not take, and does not offer them again.
    pub(super) fn give_up_unspooled(&mut self, records: &mut Unsettled) {
        records.append(self.unspooled.take());
    }

    /// Whether all of these records are older than they may be.
    pub(super) fn is_expired(&self, records: &Unsettled) -> bool {
        let now = Now::read();
        let is_expired = |entry| self.spool.is_expired(entry, now);
        records
            .iter()
            .all(|record| record.spool_entry.is_some_and(is_expired))
    }

    /// The records on disk. This client's records are due if a flush was requested, however few they are.
    /// `batched_bytes` are those of the records that the worker holds in memory alone.
    pub(super) fn view(&self, flush_requested: bool, batched_bytes: usize) -> SpoolView {
        let (on_disk, held_bytes) = self.spool.held();
        // The bytes of records in memory are counted by the queue.
        let held = on_disk + self.unspooled.len() as u64;
        SpoolView {
            held,
            held_bytes,
            is_due: self.spool.has_sealed() || flush_requested && held > 0,
            has_orphans: self.spool.has_orphans(),
            is_loaded: !self.spool.can_load(),
            stores_only: self.duty == Duty::Store,
            is_all_on_disk: batched_bytes == 0 && self.unspooled.is_empty(),
            next_scan: self.next_scan,
            full_until: self.spool.full_until(),
            read_again_at: self.spool.read_again_at(),
        }
    }

    /// Scans as soon as possible if that was not done yet, or other processes rely on this one: the client is closing.
    pub(super) fn scan_now(&mut self, now: Instant) {
        if self.scans == 0 || self.duty == Duty::Deliver {
            self.next_scan = Some(now);
        }
    }

    /// Scans for segments of other runs, if it is time.
    pub(super) fn scan(&mut self, now: Instant) {
        if self.next_scan.is_none_or(|next| now < next) {
            return;
        }
        let _ = self.look();
        // A scan that failed is repeated.
        let _ = self.spool.scan_for_orphans(Now::read());
        self.scans += 1;
        self.last_scan = now;
        self.next_scan = match self.duty {
            Duty::Deliver => Some(now + RESCAN_DELAY),
            _ => {
                let pause = RESCAN_DELAY * 2_u32.pow(self.scans.min(MAX_SCANS) - 1);
                (self.scans < MAX_SCANS).then(|| now + pause)
            }
        };
        self.repeat_failed_scan(now);
    }

    /// Has a client at rest scan again if the disk failed: no later work would have it scan.
    fn repeat_failed_scan(&mut self, now: Instant) {
        if self.next_scan.is_none() && self.spool.needs_scan() {
            self.next_scan = Some(now + SCAN_INTERVAL);
        }
    }

    /// Drops the records that were evicted to make room.
    fn settle_evicted(&mut self) {
        for loaded in self.spool.take_evicted() {
            self.count_loaded(&loaded);
            for (reason, records) in [
                (DropReason::SpoolFull, &loaded.records),
                (DropReason::Expired, &loaded.expired),
            ] {
                let outcome = Outcome::Dropped(reason, None);
                self.accounting.settle(records, &outcome);
            }
        }
    }

    /// Records of other runs become this client's, and those that cannot be read are lost.
    fn count_loaded(&self, loaded: &Loaded) {
        self.accounting.recover(loaded.recovered);
        self.count_missing(loaded.missing);
    }

    fn count_missing(&self, missing: u64) {
        self.accounting.lose_on_disk(DropReason::Corrupted, missing);
    }
}

/// The places in the spool of those records that are there.
pub(super) fn entries<'a>(records: impl Iterator<Item = &'a Encoded>) -> Vec<NonZeroU32> {
    records.filter_map(|record| record.spool_entry).collect()
}

#[cfg(test)]
mod tests;
