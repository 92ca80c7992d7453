//! The records that the worker gets for delivery, and what became of them.

use std::{
    io, mem,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use log::warn;

use super::{
    Loaded, Spool, insert_by_age,
    now::Now,
    segment::{Contents, Segment},
};
use crate::{
    logging::{TARGET, logging},
    record::{Encoded, Endpoint},
};

/// A load takes segments until it has this many records,
const LOAD_RECORDS: usize = 1000;

/// or this many bytes of JSON,
const LOAD_BYTES: u64 = 1024 * 1024;

/// or this many segments, each of which is an open file.
pub(super) const LOAD_SEGMENTS: usize = 32;

/// While the worker has this many unsettled bytes of an endpoint, it gets no more of it.
const MAX_LOADED_BYTES: u64 = 8 * 1024 * 1024;

/// An own segment that cannot be read is tried again after this.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Spool {
    /// The next records to deliver: this client's own and those that other processes left by turns. Own records that
    /// are still gathered are among them if `is_due`; others are only loaded if `may_recover`.
    ///
    /// Records of earlier loads may be unsettled, within the bounds of [`can_load`](Self::can_load).
    pub(crate) fn load(&mut self, is_due: bool, may_recover: bool, now: Now) -> Option<Loaded> {
        if !self.can_load() {
            return None;
        }
        if self.read_again_at.is_some_and(|at| at <= now.instant) {
            self.read_again_at = None;
            for segment in mem::take(&mut self.unread) {
                insert_by_age(&mut self.sealed, segment);
            }
        }
        if self.is_turn_of_orphans
            && may_recover
            && let Some(loaded) = self.load_orphans(now)
        {
            self.is_turn_of_orphans = false;
            return Some(loaded);
        }
        self.is_turn_of_orphans = true;
        if let Some(loaded) = self.load_own(is_due, now) {
            return Some(loaded);
        }
        if may_recover {
            self.load_orphans(now)
        } else {
            None
        }
    }

    /// Whether another load is possible before earlier ones are settled.
    pub(crate) fn can_load(&self) -> bool {
        !self.with_room().is_empty()
    }

    /// The endpoints of which more is loaded before earlier loads are settled. An endpoint that fails keeps no records
    /// of the other one from being loaded.
    pub(super) fn with_room(&self) -> Vec<Endpoint> {
        let has_room = |endpoint: &Endpoint| self.has_room(*endpoint);
        Endpoint::ALL.into_iter().filter(has_room).collect()
    }

    /// Whether more of this endpoint is loaded before earlier loads are settled: not if its unsettled records have
    /// 8 MiB, or the size of a segment where that is more, or an eighth of the limit where that is less, or if they are
    /// from 32 segments. Before that, [`set_aside`](Self::set_aside) moves records of suspect batches together.
    pub(super) fn has_room(&self, endpoint: Endpoint) -> bool {
        let max_bytes = MAX_LOADED_BYTES.max(self.segment_bytes());
        // The rest of the folder can be removed for newer records.
        let max_bytes = max_bytes.min(self.settings.max_bytes / 8) as usize;
        let (segments, bytes) = self.in_delivery.load_of(endpoint);
        segments < LOAD_SEGMENTS && bytes < max_bytes
    }

    /// Writes down that these records are settled: delivered or dropped. A file is removed with the last of its
    /// records. After an error, the next call or the next scan writes it.
    pub(crate) fn acknowledge(&mut self, entries: &[NonZeroU32]) -> io::Result<()> {
        let segments = self.in_delivery.len();
        let sync = self.settings.sync;
        let acknowledged = self.in_delivery.acknowledge(entries, &*self.disk, sync);
        self.owes_acknowledgement = acknowledged.is_err();
        if self.in_delivery.len() < segments {
            // There may be room.
            self.full_since = None;
        }
        acknowledged
    }

    /// Whether this loaded record is older than it may be.
    pub(crate) fn is_expired(&self, entry: NonZeroU32, now: Now) -> bool {
        let max_age = self.settings.max_age;
        self.in_delivery.is_older_than(entry, max_age, now)
    }

    /// When own segments are due that could not be read.
    pub(crate) fn read_again_at(&self) -> Option<Instant> {
        self.read_again_at
    }

    fn load_own(&mut self, is_due: bool, now: Now) -> Option<Loaded> {
        let mut loaded = Loaded::default();
        while !self.is_enough(&loaded) {
            let Some(segment) = self.next_own(is_due) else {
                break;
            };
            self.read(segment, &mut loaded, now);
        }
        loaded.is_any().then_some(loaded)
    }

    /// Takes the oldest segment of this client that may be loaded, so that no endpoint waits for newer records of the
    /// other one. Segments that are being written are only taken if `is_due`.
    fn next_own(&mut self, is_due: bool) -> Option<Segment> {
        let endpoints = self.with_room();
        let mut sealed = self.sealed.iter();
        let sealed = sealed.position(|segment| endpoints.contains(&segment.endpoint()));
        let active = self.active.iter().flatten().filter(|_| is_due);
        let active = active.filter(|segment| endpoints.contains(&segment.endpoint()));
        let active = active.min_by(|one, other| one.name().cmp(&other.name()));
        match (sealed, active) {
            (Some(place), Some(active)) if active.name() > self.sealed[place].name() => {
                self.sealed.remove(place)
            }
            (_, Some(active)) => {
                let endpoint = active.endpoint();
                self.active[endpoint as usize].take()
            }
            (place, None) => self.sealed.remove(place?),
        }
    }

    /// Delivers the records of a segment of this client.
    fn read(&mut self, mut segment: Segment, loaded: &mut Loaded, now: Now) {
        match segment.try_hand_out() {
            Ok(contents) => self.deliver(segment, contents, loaded, now),
            Err(error) if segment.is_linked() => self.keep_unread(segment, &error, now),
            Err(_) => {
                let contents = segment.hand_out();
                self.deliver(segment, contents, loaded, now);
            }
        }
    }

    /// Keeps a segment of this client that cannot be read, and has it tried again soon. Logs the first one.
    fn keep_unread(&mut self, segment: Segment, error: &io::Error, now: Now) {
        if !mem::replace(&mut self.has_warned_unreadable, true) {
            logging(
                || warn!(target: TARGET, "a file of the spool cannot be read: its records wait ({error})"),
            );
        }
        insert_by_age(&mut self.unread, segment);
        self.read_again_at = Some(now.instant + READ_AGAIN_AFTER);
    }

    fn load_orphans(&mut self, now: Now) -> Option<Loaded> {
        if !self.may_recover {
            return None;
        }
        let mut loaded = Loaded::default();
        if mem::take(&mut self.is_inherited_due) {
            self.load_inherited(&mut loaded, now);
        }
        while !self.is_enough(&loaded) {
            let endpoints = self.with_room();
            let unlisted = self.orphans.unlisted(&endpoints);
            if !unlisted.is_empty() && self.list_orphans(&unlisted, now).is_err() {
                // The next scan tries again.
                self.orphans.clear();
            }
            let adopted = self
                .orphans
                .adopt_oldest(&endpoints, &*self.disk, &self.folder);
            if let Some((mut segment, contents)) = adopted {
                segment.note_handed_out(&contents);
                self.deliver(segment, contents, &mut loaded, now);
            } else if !self.orphans.unlisted(&endpoints).is_empty() {
                continue;
            } else if let Some(segment) = self.take_inherited(&endpoints) {
                // It was the newest file when this client began to add to it.
                self.read(segment, &mut loaded, now);
            } else {
                break;
            }
        }
        loaded.is_any().then_some(loaded)
    }

    /// Takes a segment that this client writes to, and another process did before.
    fn take_inherited(&mut self, endpoints: &[Endpoint]) -> Option<Segment> {
        let mut endpoints = endpoints.iter();
        endpoints.find_map(|endpoint| {
            self.active[*endpoint as usize].take_if(|active| active.has_unloaded())
        })
    }

    /// Loads what other processes left in segments in delivery, and could not be read with the own records.
    fn load_inherited(&mut self, loaded: &mut Loaded, now: Now) {
        for (contents, records) in self.in_delivery.load_inherited() {
            loaded.count(&contents);
            self.push(records, loaded, now);
        }
    }

    fn is_enough(&self, loaded: &Loaded) -> bool {
        loaded.records.len() + loaded.expired.len() >= LOAD_RECORDS
            || loaded.bytes >= LOAD_BYTES.min(self.segment_bytes()) as usize
            || loaded.segments >= LOAD_SEGMENTS
    }

    fn deliver(&mut self, segment: Segment, contents: Contents, loaded: &mut Loaded, now: Now) {
        loaded.count(&contents);
        if contents.records.is_empty() {
            // A file that cannot be read now stays for another process.
            if segment.is_settled() {
                let _ = segment.remove(&*self.disk);
            }
            return;
        }
        let records = self.in_delivery.add(segment, contents.records);
        self.push(records, loaded, now);
    }

    fn push(&self, records: Vec<Encoded>, loaded: &mut Loaded, now: Now) {
        for record in records {
            let is_expired = record
                .spool_entry
                .is_some_and(|entry| self.is_expired(entry, now));
            loaded.push(record, is_expired);
        }
    }
}
