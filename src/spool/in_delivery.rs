//! The segments whose records are with the worker, and the numbers by which the worker knows these records.

use std::{io, num::NonZeroU32, time::Duration};

use super::{
    disk::Disk,
    now::{Now, StoredAt},
    segment::{Content, Contents, Moved, Segment},
};
use crate::record::{Encoded, Endpoint};

#[derive(Default)]
pub(super) struct InDelivery {
    /// In the order of their entries.
    parts: Vec<Part>,
}

/// A segment, and those of its records that were loaded.
struct Part {
    segment: Segment,
    /// The entry of the first record. The others have the next ones.
    first: u32,
    /// How many entries it may have: records that could not be read may be loaded later.
    entries: u32,
    records: Vec<Loaded>,
    unsettled_bytes: usize,
    /// Its records are from other segments, and more can be moved here.
    is_aside: bool,
}

/// The place of a loaded record, from which it may be moved.
pub(super) struct Source<'a> {
    pub(super) segment: &'a Segment,
    pub(super) is_own: bool,
    pub(super) stored_at: StoredAt,
}

/// A segment takes this many records that are moved there.
const ASIDE_ENTRIES: u32 = 1024;

struct Loaded {
    number: u32,
    bytes: usize,
    stored_at: StoredAt,
    /// How many records this client stored before the first one of the segment that the record was stored in.
    start: u64,
    is_settled: bool,
}

impl InDelivery {
    /// How many segments are in here: each is an open file.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// How many of them are for this endpoint, and the bytes of their records that are not settled.
    pub(super) fn load_of(&self, endpoint: Endpoint) -> (usize, usize) {
        let of_endpoint = |part: &&Part| part.segment.endpoint() == endpoint;
        let parts = self.parts.iter().filter(of_endpoint);
        parts.fold((0, 0), |(segments, bytes), part| {
            (segments + 1, bytes + part.unsettled_bytes)
        })
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.parts.iter().map(|part| &part.segment)
    }

    pub(super) fn take_segments(&mut self) -> impl Iterator<Item = Segment> + use<> {
        let parts = std::mem::take(&mut self.parts);
        parts.into_iter().map(|part| part.segment)
    }

    /// Takes the segment in, and gives each of its records an entry.
    pub(super) fn add(&mut self, segment: Segment, contents: Vec<Content>) -> Vec<Encoded> {
        let entries = contents.len() + segment.unloaded() as usize;
        let mut part = self.part(segment, entries as u32, false);
        let encoded = part.load(contents);
        self.insert(part);
        encoded
    }

    /// Takes a new segment in, and moves as many of the records there as fit, at least one. Returns their new entries.
    /// Removes the segment if the disk does not take them.
    pub(super) fn add_aside(
        &mut self,
        segment: Segment,
        disk: &dyn Disk,
        records: &[Moved<'_>],
        max_bytes: u64,
        sync: bool,
    ) -> io::Result<Vec<NonZeroU32>> {
        let mut part = self.part(segment, ASIDE_ENTRIES, true);
        let moved = part.move_in(records, max_bytes, sync);
        match moved.is_ok() {
            true => self.insert(part),
            false => {
                // A later scan removes it if the disk fails here too.
                let _ = part.segment.remove(disk);
            }
        }
        moved
    }

    /// Does the same with a segment that has moved records already and fits. None if there is none.
    pub(super) fn move_into(
        &mut self,
        is_fit: impl Fn(&Segment) -> bool,
        records: &[Moved<'_>],
        max_bytes: u64,
        sync: bool,
    ) -> Option<io::Result<Vec<NonZeroU32>>> {
        let mut asides = self.parts.iter_mut();
        let aside = asides.find(|part| part.is_aside && part.room() > 0 && is_fit(&part.segment));
        aside.map(|aside| aside.move_in(records, max_bytes, sync))
    }

    /// The place of a record that is not settled and was not moved yet.
    pub(super) fn source(&self, entry: NonZeroU32) -> Option<Source<'_>> {
        let (part, record) = self.find(entry)?;
        (!part.is_aside && !record.is_settled).then_some(Source {
            segment: &part.segment,
            is_own: part.segment.is_own(record.number),
            stored_at: record.stored_at,
        })
    }

    fn part(&self, segment: Segment, entries: u32, is_aside: bool) -> Part {
        Part {
            segment,
            first: self.free_entries(entries as usize),
            entries,
            records: Vec::new(),
            unsettled_bytes: 0,
            is_aside,
        }
    }

    fn insert(&mut self, part: Part) {
        let place = self.parts.partition_point(|other| other.first < part.first);
        self.parts.insert(place, part);
    }

    /// Loads what other processes left in these segments, if it can be read now. Returns each segment's contents
    /// without their records, and the records.
    pub(super) fn load_inherited(&mut self) -> Vec<(Contents, Vec<Encoded>)> {
        let unloaded = self.parts.iter_mut();
        let unloaded = unloaded.filter(|part| part.segment.has_unloaded());
        let load = |part: &mut Part| {
            let mut contents = part.segment.hand_out_inherited().ok()?;
            let records = part.load(std::mem::take(&mut contents.records));
            Some((contents, records))
        };
        unloaded.filter_map(load).collect()
    }

    /// The first entry of the lowest gap for this many. A file has room for a few million records, so there is one.
    fn free_entries(&self, count: usize) -> u32 {
        let mut first = 1_u32;
        for part in &self.parts {
            if (part.first - first) as usize >= count {
                break;
            }
            first = part.first + part.entries;
        }
        first
    }

    /// Writes down that these records are settled. A segment is let go with its last record, but not before all that is
    /// settled in it is written down: another scan would find its records again. Its file is removed if nothing is left
    /// in it.
    pub(super) fn acknowledge(
        &mut self,
        entries: &[NonZeroU32],
        disk: &dyn Disk,
        sync: bool,
    ) -> io::Result<()> {
        let mut result = Ok(());
        self.parts.retain_mut(|part| {
            part.settle(entries);
            let written = match part.segment.is_settled() {
                true => part.segment.remove_settled(disk, sync),
                false => part.segment.write_settled(sync),
            };
            let is_unwritten = written.is_err() && part.segment.has_unwritten();
            result = std::mem::replace(&mut result, Ok(())).and(written);
            is_unwritten || !part.records.iter().all(|record| record.is_settled)
        });
        result
    }

    pub(super) fn is_older_than(&self, entry: NonZeroU32, age: Duration, now: Now) -> bool {
        let found = self.find(entry);
        found.is_some_and(|(_, record)| record.stored_at.is_older_than(age, now))
    }

    fn find(&self, entry: NonZeroU32) -> Option<(&Part, &Loaded)> {
        let next = self.parts.partition_point(|part| part.first <= entry.get());
        let part = next
            .checked_sub(1)
            .and_then(|index| self.parts.get(index))?;
        let record = part.records.get((entry.get() - part.first) as usize)?;
        Some((part, record))
    }
}

impl Part {
    /// Gives each of the records the next entry.
    fn load(&mut self, contents: Vec<Content>) -> Vec<Encoded> {
        let mut encoded = Vec::new();
        for content in contents.into_iter().take(self.room()) {
            let (bytes, start) = (content.json.len(), self.segment.start());
            let entry = self.push(content.number, bytes, content.stored_at, start);
            encoded.push(Encoded {
                spool_entry: entry,
                ..content.into_encoded()
            });
        }
        encoded
    }

    /// How many more records it may have.
    fn room(&self) -> usize {
        self.entries as usize - self.records.len()
    }

    /// Gives a record of the segment the next entry.
    fn push(
        &mut self,
        number: u32,
        bytes: usize,
        stored_at: StoredAt,
        start: u64,
    ) -> Option<NonZeroU32> {
        let entry = self.first + self.records.len() as u32;
        self.unsettled_bytes += bytes;
        self.records.push(Loaded {
            number,
            bytes,
            stored_at,
            start,
            is_settled: false,
        });
        NonZeroU32::new(entry)
    }

    /// Moves as many of the records here as fit, at least one. Returns their new entries.
    fn move_in(
        &mut self,
        records: &[Moved<'_>],
        max_bytes: u64,
        sync: bool,
    ) -> io::Result<Vec<NonZeroU32>> {
        let records = &records[..records.len().min(self.room())];
        let first = self.segment.last_number() + 1;
        let stored = self.segment.store_moved(records, max_bytes, sync);
        if stored.is_err() && !self.segment.can_retry_append() {
            // The file may be the cause: the next records go to another one.
            self.entries = self.records.len() as u32;
        }
        let moved = records[..stored?].iter().zip(first..);
        let entries = moved.map(|(record, number)| {
            let bytes = record.json.len();
            self.push(number, bytes, record.stored_at, record.start)
        });
        let entries = entries.flatten().collect();
        self.set_start();
        Ok(entries)
    }

    /// A flush waits for the records that were moved here and are not settled, and for no others.
    fn set_start(&mut self) {
        let unsettled = self.records.iter().filter(|record| !record.is_settled);
        if let Some(start) = unsettled.map(|record| record.start).min() {
            self.segment.set_start(start);
        }
    }

    /// Settles those of the entries that are in here and were not settled before.
    fn settle(&mut self, entries: &[NonZeroU32]) {
        let mut numbers = Vec::new();
        for entry in entries {
            let index = entry.get().checked_sub(self.first);
            let record = index.and_then(|index| self.records.get_mut(index as usize));
            if let Some(record) = record.filter(|record| !record.is_settled) {
                record.is_settled = true;
                self.unsettled_bytes -= record.bytes;
                numbers.push(record.number);
            }
        }
        self.segment.settle(&numbers);
        if self.is_aside && !numbers.is_empty() {
            self.set_start();
        }
    }
}
