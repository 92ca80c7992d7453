//! The segments whose records are with the worker, and the numbers by which the worker knows these records.

use std::{io, num::NonZeroU32, time::Duration};

use super::{
    disk::Disk,
    now::{Now, StoredAt},
    segment::{Content, Contents, Segment},
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
}

struct Loaded {
    number: u32,
    bytes: usize,
    stored_at: StoredAt,
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
        let first = self.free_entries(entries);
        let mut part = Part {
            segment,
            first,
            entries: entries as u32,
            records: Vec::new(),
            unsettled_bytes: 0,
        };
        let encoded = part.load(contents);
        let place = self.parts.partition_point(|part| part.first < first);
        self.parts.insert(place, part);
        encoded
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

    /// The first entry of the lowest gap for so many. A file has room for a few million records, so there is one.
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
        let next = self.parts.partition_point(|part| part.first <= entry.get());
        let part = next.checked_sub(1).and_then(|index| self.parts.get(index));
        part.and_then(|part| part.records.get((entry.get() - part.first) as usize))
            .is_some_and(|record| record.stored_at.is_older_than(age, now))
    }
}

impl Part {
    /// Gives each of the records the next entry.
    fn load(&mut self, contents: Vec<Content>) -> Vec<Encoded> {
        let next = self.first + self.records.len() as u32;
        let entries = next..self.first + self.entries;
        let mut encoded = Vec::new();
        for (content, entry) in contents.into_iter().zip(entries) {
            self.unsettled_bytes += content.json.len();
            self.records.push(Loaded {
                number: content.number,
                bytes: content.json.len(),
                stored_at: content.stored_at,
                is_settled: false,
            });
            encoded.push(Encoded {
                spool_entry: NonZeroU32::new(entry),
                ..content.into_encoded()
            });
        }
        encoded
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
    }
}
