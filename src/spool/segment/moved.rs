//! Records that are moved here from other segments of this process.

use std::{io, time::SystemTime};

use super::{Segment, write_record};
use crate::spool::now::StoredAt;

/// A record of another segment.
pub(in crate::spool) struct Moved<'a> {
    pub(in crate::spool) json: &'a [u8],
    pub(in crate::spool) stored_at: StoredAt,
    /// The same for other processes.
    pub(in crate::spool) time: SystemTime,
    /// How many records this client stored before the first one of its segment.
    pub(in crate::spool) start: u64,
}

impl Segment {
    /// The records that are moved to this new segment were left by other processes, and are counted as such.
    pub(in crate::spool) fn note_inherited(&mut self) {
        self.inherited = u32::MAX;
    }

    /// Whether the next record would count as this client's own.
    pub(in crate::spool) fn takes_own(&self) -> bool {
        self.is_own(self.last_number + 1)
    }

    /// How many records this client stored before the first one that a flush waits for.
    pub(in crate::spool) fn set_start(&mut self, start: u64) {
        self.start = start;
    }

    /// Writes as many of the records as fit, at least one, in one go, and returns how many. On an error nothing
    /// changes.
    pub(in crate::spool) fn store_moved(
        &mut self,
        records: &[Moved<'_>],
        max_bytes: u64,
        sync: bool,
    ) -> io::Result<usize> {
        let is_own = self.takes_own();
        let (mut lines, mut count) = (Vec::new(), 0);
        for (record, number) in records.iter().zip(self.last_number + 1..) {
            write_record(&mut lines, self.endpoint, number, record.time, record.json);
            count += 1;
            if self.length + lines.len() as u64 >= max_bytes {
                break;
            }
        }
        self.append(&lines, sync)?;
        self.last_number += count as u32;
        match is_own {
            true => self.unsettled_own += count as u64,
            false => self.unsettled_inherited += count as u64,
        }
        Ok(count)
    }
}
