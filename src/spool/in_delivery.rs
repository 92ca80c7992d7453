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
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Settled,
    PutBack,
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
            .filter(|record| record.state == State::Waiting)
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
                state: State::Waiting,
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
            part.mark(entries, State::Settled);
            let written = match part.segment.is_settled() {
                true => part.segment.remove_settled(disk, sync),
                false => part.segment.write_settled(sync),
            };
            let is_unwritten = written.is_err() && part.segment.has_unwritten();
            result = std::mem::replace(&mut result, Ok(())).and(written);
            let is_settled = |record: &Loaded| record.state == State::Settled;
            is_unwritten || !part.records.iter().all(is_settled)
        });
        result
    }

    /// Notes that the worker does not have these records any more, though they are not settled.
    pub(super) fn put_back(&mut self, entries: &[NonZeroU32]) {
        for part in &mut self.parts {
            part.mark(entries, State::PutBack);
        }
    }

    /// Takes the segments of which records were put back, and the worker has none any more.
    pub(super) fn take_put_back(&mut self) -> Vec<Segment> {
        let has = |part: &Part, state| part.records.iter().any(|record| record.state == state);
        let is_put_back = |part: &mut Part| has(part, State::PutBack) && !has(part, State::Waiting);
        let put_back = self.parts.extract_if(.., is_put_back);
        put_back.map(|part| part.segment).collect()
    }

    pub(super) fn is_older_than(&self, entry: NonZeroU32, age: Duration, now: Now) -> bool {
        let next = self.parts.partition_point(|part| part.first <= entry.get());
        let part = next.checked_sub(1).and_then(|index| self.parts.get(index));
        part.and_then(|part| part.records.get((entry.get() - part.first) as usize))
            .is_some_and(|record| record.stored_at.is_older_than(age, now))
    }
}

impl Part {
    /// Marks those of the entries that are in here and were not settled before.
    fn mark(&mut self, entries: &[NonZeroU32], state: State) {
        let mut numbers = Vec::new();
        for entry in entries {
            let index = entry.get().checked_sub(self.first);
            let record = index.and_then(|index| self.records.get_mut(index as usize));
            if let Some(record) = record.filter(|record| record.state != State::Settled) {
                record.state = state;
                numbers.push(record.number);
            }
        }
        if state == State::Settled {
            self.segment.settle(&numbers);
        }
    }
}
