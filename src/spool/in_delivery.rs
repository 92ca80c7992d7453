//! The segments whose records are with the worker, and the numbers by which the worker knows these records.

use std::{io, num::NonZeroU32, time::Duration};

use super::{
    disk::Disk,
    now::{Now, StoredAt},
    segment::{Content, Segment},
};
use crate::record::Encoded;

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
    records: Vec<Loaded>,
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

    /// The bytes of the records that are not settled.
    pub(super) fn bytes(&self) -> usize {
        let waiting = self.parts.iter().flat_map(|part| &part.records);
        waiting
            .filter(|record| !record.is_settled)
            .map(|record| record.bytes)
            .sum()
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
        let first = self.free_entries(contents.len());
        let (mut loaded, mut encoded) = (Vec::new(), Vec::new());
        for (content, entry) in contents.into_iter().zip(first..) {
            loaded.push(Loaded {
                number: content.number,
                bytes: content.json.len(),
                stored_at: content.stored_at,
                is_settled: false,
            });
            let spool_entry = NonZeroU32::new(entry);
            encoded.push(Encoded {
                spool_entry,
                ..content.into_encoded()
            });
        }
        let place = self.parts.partition_point(|part| part.first < first);
        let part = Part {
            segment,
            first,
            records: loaded,
        };
        self.parts.insert(place, part);
        encoded
    }

    /// The first entry of the lowest gap for so many. A file has room for a few million records, so there is one.
    fn free_entries(&self, count: usize) -> u32 {
        let mut first = 1_u32;
        for part in &self.parts {
            if (part.first - first) as usize >= count {
                break;
            }
            first = part.first + part.records.len() as u32;
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
    /// Settles those of the entries that are in here and were not settled before.
    fn settle(&mut self, entries: &[NonZeroU32]) {
        let mut numbers = Vec::new();
        for entry in entries {
            let index = entry.get().checked_sub(self.first);
            let record = index.and_then(|index| self.records.get_mut(index as usize));
            if let Some(record) = record.filter(|record| !record.is_settled) {
                record.is_settled = true;
                numbers.push(record.number);
            }
        }
        self.segment.settle(&numbers);
    }
}
