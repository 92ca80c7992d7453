//! The records that the server does not take, moved together: a segment with one of them each would stay open until it
//! expires.

use std::{io, num::NonZeroU32, time::SystemTime};

use super::{
    Spool,
    load::LOAD_SEGMENTS,
    now::Now,
    segment::{Moved, Segment, name},
};
use crate::record::{Encoded, Endpoint};

impl Spool {
    /// Whether the loaded records of the endpoint are from so many segments that some should be moved together.
    pub(crate) fn is_crowded(&self, endpoint: Endpoint) -> bool {
        self.in_delivery.load_of(endpoint).0 >= LOAD_SEGMENTS / 2
    }

    /// Whether this loaded record is not settled, and was not moved yet.
    pub(crate) fn may_set_aside(&self, entry: NonZeroU32) -> bool {
        self.in_delivery.source(entry).is_some()
    }

    /// Moves these records of the endpoint into as few segments as possible, and gives them their new entries. They
    /// keep their age. A flush waits for them as before. The limit of the folder does not hold for this: the records
    /// are in it already.
    ///
    /// Records are written first and acknowledged then. A kill between both leaves them twice.
    ///
    /// # Errors
    ///
    /// When the disk fails. Records that could not be written stay as they were. After a failed acknowledgement, the
    /// next call of [`acknowledge`](Self::acknowledge) writes it.
    pub(crate) fn set_aside(
        &mut self,
        endpoint: Endpoint,
        mut records: Vec<&mut Encoded>,
        now: Now,
    ) -> io::Result<()> {
        let mut result = Ok(());
        for is_own in [true, false] {
            let is_of_kind = |record: &mut &mut Encoded| {
                let source = record
                    .spool_entry
                    .and_then(|entry| self.in_delivery.source(entry));
                source.is_some_and(|source| source.is_own == is_own)
            };
            let mut of_kind: Vec<_> = records.extract_if(.., is_of_kind).collect();
            result = result.and(self.move_all(endpoint, is_own, &mut of_kind, now));
        }
        result
    }

    fn move_all(
        &mut self,
        endpoint: Endpoint,
        is_own: bool,
        mut records: &mut [&mut Encoded],
        now: Now,
    ) -> io::Result<()> {
        while !records.is_empty() {
            let entries = self.write_aside(endpoint, is_own, records, now)?;
            let (moved, rest) = records.split_at_mut(entries.len());
            let moved = moved.iter_mut().zip(entries);
            let earlier = moved.filter_map(|(record, entry)| record.spool_entry.replace(entry));
            let earlier: Vec<_> = earlier.collect();
            self.acknowledge(&earlier)?;
            records = rest;
        }
        Ok(())
    }

    /// Writes as many of the records as fit, at least one, into one segment. Returns their entries there.
    fn write_aside(
        &mut self,
        endpoint: Endpoint,
        is_own: bool,
        records: &[&mut Encoded],
        now: Now,
    ) -> io::Result<Vec<NonZeroU32>> {
        let mut moved = Vec::new();
        let mut oldest = now.system;
        for record in records {
            let source = record
                .spool_entry
                .and_then(|entry| self.in_delivery.source(entry));
            if let Some(source) = source {
                moved.push(Moved {
                    json: &record.json,
                    stored_at: source.stored_at,
                    time: source.stored_at.by_system_clock(now),
                    start: source.segment.start(),
                });
                oldest = oldest.min(made_at(source.segment).unwrap_or(oldest));
            }
        }
        let (max_bytes, sync) = (self.segment_bytes(), self.settings.sync);
        let is_fit = |segment: &Segment| {
            // The name says since when records may be in the segment.
            segment.endpoint() == endpoint
                && segment.takes_own() == is_own
                && segment.length() < max_bytes
                && made_at(segment).is_some_and(|made_at| made_at <= oldest)
                && segment.is_linked()
        };
        if let Some(entries) = self.in_delivery.move_into(is_fit, &moved, max_bytes, sync) {
            return entries;
        }
        let epoch = self.note.map(|note| note.epoch);
        let names = || {
            // An old temporary name would be taken for an abandoned one.
            let (_, name) = name::make(endpoint, epoch, oldest);
            (name::make_temp(now.system), name)
        };
        let mut segment = self.create_named(endpoint, names)?;
        if !is_own {
            segment.note_inherited();
        }
        self.in_delivery
            .add_aside(segment, &*self.disk, &moved, max_bytes, sync)
    }
}

fn made_at(segment: &Segment) -> Option<SystemTime> {
    segment.name().and_then(name::made_at)
}
